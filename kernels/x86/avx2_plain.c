/*
 * The reference, compiled for CPUs with AVX2: the level "avx2" takes from here
 * what avx2.c does not write by hand.  The same source, so the same bits; the
 * compiler makes eight elements of four.
 */
#include <config.h>

#if defined(__x86_64__) && defined(__GNUC__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), \
                             apply_to = function)
#else
#pragma GCC target("avx2")
#endif

#define x1_reference_init x1_avx2_plain_init
#include "kernels/reference.c"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
