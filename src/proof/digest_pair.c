/*
 * Two digests at a time.  A round of SHA-256 waits for the one before, and a
 * CPU with instructions for it (SHA-NI) is idle meanwhile: two messages in turn
 * take little longer than one.  Without them they are hashed one after the
 * other by digest().
 */
#include <config.h>

#include "proof/digest_pair.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/id.h"
#include "base/sha256_k.h"
#include "proof/digest.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <immintrin.h>
#include <stdatomic.h>

#define INLINE static inline __attribute__((always_inline))
#define TARGET __attribute__((target("sha,sse4.1")))
#define BLOCK 64u
#define MOST (9 * BLOCK) /* of a message with its padding: heads of 256 */

static const uint32_t constant[64] __attribute__((aligned(16))) = { SHA256_K };

/* Leaf 7, EBX bit 29: SHA; leaf 1, ECX bits 9 and 19: SSSE3 and SSE4.1. */
static bool ask_cpu(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b >> 29 & 1))
        return false;
    return __get_cpuid(1, &a, &b, &c, &d) && c >> 9 & 1 && c >> 19 & 1;
}

static bool has_sha(void)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int known = UNKNOWN;
    int is = atomic_load_explicit(&known, memory_order_relaxed);

    if (is == UNKNOWN) {
        is = ask_cpu() ? YES : NO;
        atomic_store_explicit(&known, is, memory_order_relaxed);
    }
    return is == YES;
}

/* A message that is being hashed: words a b e f and c d g h of its state, from
 * the last element on, and 16 words of the schedule. */
struct lane {
    __m128i abef, cdgh, w[4];
};

INLINE TARGET void load_block(struct lane *l, const unsigned char *block)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b,
                                        0x0405060700010203);

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        l->w[i] = _mm_shuffle_epi8(
            _mm_loadu_si128((const void *)(block + 16 * i)), swap);
}

/* Rounds 4 g .. 4 g + 3; then the words that are needed 16 rounds later take
 * the place of those that were used. */
INLINE TARGET void four_rounds(struct lane *l, const int g)
{
    __m128i *w = &l->w[g % 4], next = l->w[(g + 1) % 4];
    __m128i last = l->w[(g + 3) % 4];
    __m128i k = _mm_add_epi32(
        *w, _mm_load_si128((const void *)(constant + 4 * g)));

    l->cdgh = _mm_sha256rnds2_epu32(l->cdgh, l->abef, k);
    l->abef = _mm_sha256rnds2_epu32(l->abef, l->cdgh,
                                    _mm_shuffle_epi32(k, 0x0e));
    if (g < 12)
        *w = _mm_sha256msg2_epu32(
            _mm_add_epi32(_mm_sha256msg1_epu32(*w, next),
                          _mm_alignr_epi8(last, l->w[(g + 2) % 4], 4)),
            last);
}

/* The words a .. h, big-endian. */
INLINE TARGET void put_state(struct id *out, const struct lane *l)
{
    const __m128i swap = _mm_set_epi64x(0x0001020304050607,
                                        0x08090a0b0c0d0e0f);

    /* high halves: a b, c d; low halves: e f, g h */
    _mm_storeu_si128((void *)out->b,
                     _mm_shuffle_epi8(_mm_unpackhi_epi64(l->cdgh, l->abef),
                                      swap));
    _mm_storeu_si128((void *)(out->b + 16),
                     _mm_shuffle_epi8(_mm_unpacklo_epi64(l->cdgh, l->abef),
                                      swap));
}

/* Both messages of n bytes, padding and all. */
static TARGET void hash_blocks(struct id out[2], unsigned char (*m)[MOST],
                               size_t n)
{
    static const uint32_t h[8] = { SHA256_H };
    struct lane a, b;

    a.abef = b.abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4],
                                    (int)h[5]);
    a.cdgh = b.cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6],
                                    (int)h[7]);
    for (size_t at = 0; at < n; at += BLOCK) {
        struct lane a0 = a, b0 = b;

        load_block(&a, m[0] + at);
        load_block(&b, m[1] + at);
#pragma GCC unroll 16
        for (int g = 0; g < 16; g++) {
            four_rounds(&a, g);
            four_rounds(&b, g);
        }
        a.abef = _mm_add_epi32(a.abef, a0.abef);
        a.cdgh = _mm_add_epi32(a.cdgh, a0.cdgh);
        b.abef = _mm_add_epi32(b.abef, b0.abef);
        b.cdgh = _mm_add_epi32(b.cdgh, b0.cdgh);
    }
    put_state(&out[0], &a);
    put_state(&out[1], &b);
}

/* A message with its padding; how many bytes that makes. */
static size_t pad(unsigned char out[MOST], const void *data, size_t n)
{
    size_t all = (n + 9 + BLOCK - 1) / BLOCK * BLOCK;

    memcpy(out, data, n);
    out[n] = 0x80;
    memset(out + n + 1, 0, all - n - 3);
    out[all - 2] = (unsigned char)(8 * n >> 8);
    out[all - 1] = (unsigned char)(8 * n);
    return all;
}

static bool hash_both(struct id out[2], const void *a, const void *b, size_t n)
{
    unsigned char m[2][MOST];

    if (n + 9 > MOST || !has_sha())
        return false;
    pad(m[0], a, n);
    hash_blocks(out, m, pad(m[1], b, n));
    return true;
}

#else

static bool hash_both(struct id out[2], const void *a, const void *b, size_t n)
{
    (void)out;
    (void)a;
    (void)b;
    (void)n;
    return false;
}

#endif

void digest_pair(struct id out[2], const void *a, const void *b, size_t n)
{
    if (hash_both(out, a, b, n))
        return;
    digest(&out[0], a, n);
    digest(&out[1], b, n);
}
