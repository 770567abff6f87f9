/*
 * Arrays that grow: a pointer, how many elements it has room for, and how many
 * are in use, where the owner has them.  As xmalloc, growing ends the process
 * when there is no memory left.
 */
#ifndef APUS_BASE_VEC_H
#define APUS_BASE_VEC_H

#include <stddef.h>

/* Give v room for `want` elements, cap becoming what it has room for.  It grows
 * by half at least, so n elements that come one by one cost O(n). */
#define VEC_RESERVE(v, cap, want)                                            \
    do {                                                                  \
        if ((want) > (cap)) {                                             \
            (cap) = vec_cap((cap), (want));                               \
            (v) = vec_resize((v), (cap), sizeof(*(v)));                   \
        }                                                                 \
    } while (0)

/* The same for one more than the n that are in use, where nobody keeps what it
 * has room for: that is the next power of two.  v must be NULL at first and
 * grow by this alone. */
#define VEC_MORE(v, n) ((v) = vec_more((v), (n), sizeof(*(v))))

/* For the macros. */
size_t vec_cap(size_t cap, size_t want);
void *vec_resize(void *v, size_t cap, size_t size);
void *vec_more(void *v, size_t n, size_t size);

#endif
