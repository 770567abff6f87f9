/*
 * Arrays that grow.
 */
#include <config.h>

#include "base/vec.h"

#include <stdint.h>

#include "base/mem.h"

#define FIRST 16 /* elements */

size_t vec_cap(size_t cap, size_t want)
{
    size_t more = cap + cap / 2;

    if (want < FIRST)
        want = FIRST;
    return more > want ? more : want;
}

void *vec_resize(void *v, size_t cap, size_t size)
{
    size_t nbytes;

    if (mem_mul(cap, size, &nbytes))
        nbytes = SIZE_MAX; /* which nobody has */
    return xrealloc(v, nbytes);
}

void *vec_more(void *v, size_t n, size_t size)
{
    /* full at 0 and at powers of two */
    if (n & (n - 1))
        return v;
    return vec_resize(v, n ? 2 * n : 1, size);
}
