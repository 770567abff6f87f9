/*
 * Whether two backends give the same of a step: draws, faults and digests, one
 * at a time, for tests that compute the same steps on both.
 */
#ifndef APUS_TESTS_SAME_STEP_H
#define APUS_TESTS_SAME_STEP_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/backend.h"

/* Logits, if both have them, are n_vocab numbers each. */
bool same_draw(const struct backend_draw *a, const struct backend_draw *b,
               size_t n_vocab);
bool same_fault(const struct backend_fault *a, const struct backend_fault *b);
bool same_digest(const struct backend_digest *a,
                 const struct backend_digest *b);

#endif
