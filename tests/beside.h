/*
 * Records that are recomputed beside others, in shared steps, have the outcome
 * that they have alone.
 */
#ifndef APUS_TESTS_BESIDE_H
#define APUS_TESTS_BESIDE_H

#include <stdbool.h>

#include "verify/recompute.h"

/* Recompute `rec` several times beside `other`, and each alone: return whether
 * all outcomes are equal, and say on stdout which is not. */
bool beside_is_alone(const struct prompt_model *m, struct backend *b,
                     struct recompute_options o, const struct record *rec,
                     const struct recompute_tensors *also,
                     const struct record *other);

#endif
