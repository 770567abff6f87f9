/*
 * Spot checks of a statement (doc/proof.md, "Spot checks").  A block mined
 * after the statement determines which answers are checked, so the node cannot
 * know them in advance, and everybody draws the same ones.
 */
#ifndef APUS_VERIFY_SPOT_H
#define APUS_VERIFY_SPOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

struct err;

#define SPOT_BLOCK 48 /* bytes of a block's hash */
#define SPOT_LATER 2  /* blocks from that of the statement to that one */

/* The seed of a draw: the statement's item and the hash of the block. */
struct spot {
    struct id statement;
    unsigned char block[SPOT_BLOCK];
};

/* Parse a rate into billionths: "0.01", "1", ".5"; above 0, at most 1, at most
 * 9 decimals.  ERR_INPUT otherwise. */
#define SPOT_ALL UINT32_C(1000000000)
int spot_rate(uint32_t *billionths, const char *text, struct err *err);

/* Return whether a request is drawn. */
bool spot_draws(const struct spot *s, struct id request, uint32_t billionths);

/* Return the j-th cell of a request with n positions and n_layers layers
 * (neither is 0). */
void spot_cell(const struct spot *s, struct id request, uint32_t j, uint32_t n,
               uint32_t n_layers, uint32_t *position, uint32_t *layer);

#endif
