/*
 * src/backend/cpu/logits: a row in pieces, met in any order by several threads,
 * has the fault and the greatest of the whole row.
 */
#include <config.h>

#include <stdint.h>
#include <string.h>

#include "backend/cpu/logits.h"
#include "kernels/kernels.h"
#include "tests/tap.h"

enum { N = 700, PIECE = 32, PIECES = (N + PIECE - 1) / PIECE, THREADS = 3 };

static uint32_t seed = 5;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)seed * n) >> 32);
}

/* The fault by pieces, and in *best the id of the greatest. */
static int32_t look(size_t *best, float *x, float cap,
                    const struct x1_kernels *k)
{
    struct greatest g[THREADS * 2];
    size_t order[PIECES];
    int32_t least = -1;

    for (size_t t = 0; t < THREADS * 2; t++)
        g[t] = (struct greatest){ SIZE_MAX, 0 };
    for (uint32_t i = 0; i < PIECES; i++) {
        uint32_t at = below(i + 1);

        order[i] = order[at];
        order[at] = i;
    }
    for (size_t i = 0; i < PIECES; i++) {
        size_t first = order[i] * PIECE;
        size_t n = first + PIECE < N ? PIECE : N - first;
        int32_t fault = logits_look(&g[2 * below(THREADS) + 1], x + first,
                                    first, n, cap, k);

        if (fault >= 0 && (least < 0 || fault < least))
            least = fault;
    }
    *best = logits_best(g + 1, THREADS, 2);
    return least;
}

static void test_row(const struct x1_kernels *k, float cap, uint32_t values,
                     const char *what)
{
    static float whole[N], pieces[N];
    bool good = true;

    for (int round = 0; round < 300; round++) {
        bool faulty = values == 0 && below(2);
        int32_t fault;
        size_t best;

        for (size_t i = 0; i < N; i++)
            whole[i] = values ? (float)below(values) - 2
                              : ((float)below(1u << 24) - 8e6f) / 1e5f;
        for (size_t i = 0; i < N; i += 9)
            whole[i] = whole[i] == 0 ? -0.0f : whole[i];
        for (uint32_t i = below(3); faulty && i < 3; i++)
            whole[below(N)] = i ? 0x1p41f : -0x1p40f;
        memcpy(pieces, whole, sizeof(whole));
        fault = k->fault(whole, N);
        if (cap > 0)
            x1_soft_caps(k, whole, N, cap);
        good &= look(&best, pieces, cap, k) == fault &&
                memcmp(pieces, whole, sizeof(whole)) == 0 &&
                (fault >= 0 || best == k->max(whole, N));
    }
    ok(good, "%s", what);
}

int main(void)
{
    struct x1_kernels k;

    x1_thread_init();
    for (size_t l = 0; x1_level(l); l++) {
        x1_kernels_init(&k, x1_level(l)->cpu);
        test_row(&k, 0, 0, "any logits, some out of range");
        test_row(&k, 0, 3, "many that are equal, of both zeros");
        test_row(&k, 30, 0, "with a cap");
        test_row(&k, 0, 1, "all equal");
    }
    return done();
}
