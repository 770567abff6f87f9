/*
 * A backend over another one whose steps may run ahead, as those of a device:
 * what comes of a step is told when a later one has begun, and digests and last
 * rows still later, as late as engine/backend.h allows.
 */
#ifndef APUS_TESTS_LATE_BACKEND_H
#define APUS_TESTS_LATE_BACKEND_H

#include <stddef.h>
#include <stdint.h>

struct backend;

/* `inner` is closed with it.  Steps ahead, at most 2; digests and last rows
 * come `delay` steps, at most 2, after they could. */
struct backend *late_backend(struct backend *inner, size_t ahead,
                             size_t delay);

/* The same, and `join` blocks of `inner`, at least 1, are one block. */
struct backend *joined_backend(struct backend *inner, size_t ahead,
                               size_t delay, uint32_t join);

#endif
