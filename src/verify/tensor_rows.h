/*
 * Rows of /hidden and /logits, as a checkpoint has them of one answer, held
 * against those that are computed again.  They come while a step is computed,
 * layer by layer and so not in the order of positions; the first element that
 * differs is that of the lowest position and, in it, of the lowest layer.
 */
#ifndef APUS_VERIFY_TENSOR_ROWS_H
#define APUS_VERIFY_TENSOR_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An element of other bits. */
struct tensor_element {
    bool some;          /* there is one */
    uint32_t position;
    uint32_t row;       /* x_row of the position; logits: the output token,
                           from 0 */
    uint32_t element;
    uint32_t theirs, mine; /* bits of f32; mine is 0 where nothing is computed,
                              as in x_L where no token is drawn */
};

/* Set up by the caller, whose everything is; what lies above the gap is not
 * changed. */
struct tensor_rows {
    /* f32, little-endian; NULL: not to be compared */
    const unsigned char *hidden; /* [n_positions][n_layers + 1][dim] */
    const unsigned char *logits; /* [n_output][n_vocab] */
    size_t n_prompt, n_positions, n_output;
    size_t n_layers, dim, n_vocab;

    uint64_t n_hidden;  /* rows below x_L that came */
    size_t n_logits;    /* of output tokens, in order */
    struct tensor_element hidden_wrong, logits_wrong; /* the first */
};

/* x_layer of a position; n_positions and later ones are passed over. */
void tensor_rows_residual(struct tensor_rows *t, uint32_t position,
                          uint32_t layer, const float *x);

/* No token is drawn at this position: its x_L is to be zeros. */
void tensor_rows_undrawn(struct tensor_rows *t, uint32_t position);

/* Logits of a position; those of the prompt and behind the last output token
 * are passed over. */
void tensor_rows_logits(struct tensor_rows *t, uint32_t position,
                        const float *logits);

/* The answer has ended: logits that did not come are to be zeros.  Returns
 * whether all rows below x_L came. */
bool tensor_rows_end(struct tensor_rows *t);

#endif
