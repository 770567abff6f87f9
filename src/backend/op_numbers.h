/*
 * The operators of the forward pass by the row that they quantise, as faults
 * number them (doc/numerics.md, "A layer").
 */
#ifndef APUS_BACKEND_OP_NUMBERS_H
#define APUS_BACKEND_OP_NUMBERS_H

enum { /* of a layer */
    OP_ATTN_IN = 0, OP_ATTN_NORM, OP_Q_HEAD, OP_K_HEAD, OP_Q_ROPE, OP_K, OP_V,
    OP_O, OP_FFN_IN, OP_FFN_NORM, OP_DOWN,
    OP_O_OUT, OP_DOWN_OUT /* into norms of what a layer adds */
};
enum { HEAD_IN = 0, HEAD_NORM, HEAD_LOGITS }; /* .. and of the head */

#endif
