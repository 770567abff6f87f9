/*
 * Shared by the files of the prover.
 */
#ifndef APUS_DISPUTE_PROVER_INTERNAL_H
#define APUS_DISPUTE_PROVER_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "dispute/execution.h"
#include "dispute/judge.h"
#include "dispute/prover.h"
#include "proof/digest.h"

#define PIECE 1024

/* Leaf hashes of a list: n of them, 32 bytes each, to be freed. */
struct hashes {
    unsigned char *hash;
    size_t n;
};

struct hashes hashes_of_blob(const unsigned char *bytes, size_t n);
struct hashes hashes_of_leaves(const struct execution *x);
struct hashes hashes_of_rows(const struct execution *x, uint32_t position);

/* Roots of aligned blocks of `size` of them. */
struct hashes hashes_of_blocks(const struct hashes *h, size_t size);

/* Return the bytes of an entry's vector at the picked place, which must be
 * explained already. */
const unsigned char *prover_vector(struct execution *x, const struct judge *g,
                                   enum entry e, unsigned char **own);

/* Partial sums of the picked entry: judge_n_sums of them. */
void prover_sums(struct execution *x, const struct judge *g,
                 unsigned char *out);

/* Append a show about stop strings; pick from one; and pick the first output
 * token of which a stop string's end is not what the answer says. */
int prover_show_stops(struct buf *out, struct execution *x,
                      const struct judge *g, struct err *err);
enum found prover_pick_shown(char *choice, struct execution *x,
                             const struct judge *g, struct err *err);
enum found prover_pick_stop(char *choice, struct execution *x,
                            const struct judge *g, struct err *err);

/* Return the entry of `heads` for this head. */
const unsigned char *prover_head(struct execution *x, uint32_t head);

#endif
