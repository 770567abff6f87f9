/*
 * Between key.c, which computes with keys, and key_file.c, which knows their
 * files.
 */
#ifndef APUS_ARWEAVE_KEY_INTERNAL_H
#define APUS_ARWEAVE_KEY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "arweave/key.h"

enum key_part { KEY_N, KEY_E, KEY_D, KEY_P, KEY_Q, KEY_DP, KEY_DQ, KEY_QI,
                KEY_N_PARTS };

/* Big-endian numbers.  Most are secret: whoever has one wipes it. */
struct key_parts {
    unsigned char at[KEY_N_PARTS][KEY_BYTES];
    size_t n[KEY_N_PARTS];
};

/* ERR_INPUT if this is not a key of ours. */
int key_from_parts(struct key **out, const struct key_parts *parts,
                   struct err *err);
int key_to_parts(const struct key *k, struct key_parts *parts,
                 struct err *err);

#endif
