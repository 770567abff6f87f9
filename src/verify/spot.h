/*
 * Spot checks of a statement (doc/proof.md, "Spot checks"): which of its
 * answers are looked at is drawn by a block that came after the statement, so
 * its node could not know them, and everybody draws the same.
 */
#ifndef APUS_VERIFY_SPOT_H
#define APUS_VERIFY_SPOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

struct err;

#define SPOT_BLOCK 48 /* bytes of a block's hash */
#define SPOT_LATER 2  /* blocks from that of the statement to that one */

/* What a draw comes from: the statement's item and the hash of the block. */
struct spot {
    struct id statement;
    unsigned char block[SPOT_BLOCK];
};

/* A rate, in billionths: "0.01", "1", ".5"; above 0, at most 1, at most 9
 * decimals.  ERR_INPUT. */
#define SPOT_ALL UINT32_C(1000000000)
int spot_rate(uint32_t *billionths, const char *text, struct err *err);

/* Whether a request is drawn. */
bool spot_draws(const struct spot *s, struct id request, uint32_t billionths);

/* The j-th cell of a request, of n positions and so many layers (neither
 * is 0). */
void spot_cell(const struct spot *s, struct id request, uint32_t j, uint32_t n,
               uint32_t n_layers, uint32_t *position, uint32_t *layer);

#endif
