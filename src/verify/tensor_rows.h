/*
 * Compares the rows of /hidden and /logits of one answer in a checkpoint with
 * recomputed ones.  These arrive during a step, layer by layer and thus not in
 * the order of positions; the reported element is the one of the lowest
 * position and, within it, of the lowest layer.
 */
#ifndef APUS_VERIFY_TENSOR_ROWS_H
#define APUS_VERIFY_TENSOR_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An element whose bits differ. */
struct tensor_element {
    bool some;          /* there is one */
    uint32_t position;
    uint32_t row;       /* x_row of the position; logits: the output token,
                           from 0 */
    uint32_t element;
    uint32_t theirs, mine; /* bits of f32; mine is 0 where nothing is computed,
                              as in x_L where no token is drawn */
};

/* Set up and owned by the caller.  Members above the blank line are not
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

/* Compare x_layer of a position; positions from n_positions on are ignored. */
void tensor_rows_residual(struct tensor_rows *t, uint32_t position,
                          uint32_t layer, const float *x);

/* No token is drawn at this position: x_L must be zeros. */
void tensor_rows_undrawn(struct tensor_rows *t, uint32_t position);

/* Compare the logits of a position; those of the prompt and after the last
 * output token are ignored. */
void tensor_rows_logits(struct tensor_rows *t, uint32_t position,
                        const float *logits);

/* The answer has ended: missing logits must be zeros.  Return whether all rows
 * below x_L arrived. */
bool tensor_rows_end(struct tensor_rows *t);

#endif
