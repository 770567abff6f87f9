/*
 * Words after a count: "1 batch", "3 batches".
 */
#ifndef APUS_BASE_PLURAL_H
#define APUS_BASE_PLURAL_H

#include <stdint.h>

/* Return `one` if n is 1, else `many`. */
static inline const char *plural(uint64_t n, const char *one,
                                 const char *many)
{
    return n == 1 ? one : many;
}

/* Return the ending of a regular noun: "" if n is 1, else "s". */
static inline const char *plural_s(uint64_t n)
{
    return plural(n, "", "s");
}

#endif
