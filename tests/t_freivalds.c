/*
 * Freivalds' check of a product: right sums hold, with either number of
 * slices and in the largest shapes; each sum that is wrong by one bit is seen,
 * and so are sums that change places and weights that are not the model's.
 * Without random bytes for the secret there is one error.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "backend/cuda/freivalds.h"
#include "base/err.h"
#include "base/mem.h"
#include "tests/tap.h"

static uint32_t state = 7;

static uint32_t below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

/* What the system answers, in place of the C library's. */
static int refusal;         /* errno, or 0 */
static ssize_t given = 8;
static unsigned n_calls;

ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
    (void)flags;
    if (++n_calls > 3)
        abort(); /* or it would loop for ever */
    if (refusal == EINTR && n_calls > 1)
        refusal = 0;
    if (refusal) {
        errno = refusal;
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)buf)[i] = (unsigned char)below(256);
    return given;
}

/* A matrix, a row of S slices and their sums. */
struct product {
    uint32_t rows, cols;
    size_t S, ldk;
    int8_t *w, *q;
    int32_t *sums;
    struct freivalds f;
};

static void multiply(struct product *p)
{
    for (size_t s = 0; s < p->S; s++)
        for (uint32_t i = 0; i < p->rows; i++) {
            int32_t sum = 0;

            for (uint32_t k = 0; k < p->cols; k++)
                sum += p->w[(size_t)i * p->cols + k] * p->q[s * p->ldk + k];
            p->sums[s * p->rows + i] = sum;
        }
}

/* extreme: all weights -127, all of the row the largest. */
static void make(struct product *p, uint32_t rows, uint32_t cols, size_t S,
                 bool extreme)
{
    uint32_t key[2], half = rows / 2;

    *p = (struct product){ .rows = rows, .cols = cols, .S = S,
                           .ldk = (cols + 63) / 64 * 64 };
    p->w = xcalloc((size_t)rows * cols, 1);
    p->q = xcalloc(S * p->ldk, 1);
    p->sums = xcalloc(S * rows, sizeof(*p->sums));
    for (size_t i = 0; i < (size_t)rows * cols; i++)
        p->w[i] = (int8_t)(extreme ? -127 : (int)below(255) - 127);
    for (size_t k = 0; k < cols; k++) {
        p->q[k] = (int8_t)(extreme ? 64 : (int)below(129) - 64);
        if (S == 2)
            p->q[p->ldk + k] = (int8_t)(extreme ? -128 : (int)below(256) - 128);
    }
    multiply(p);
    n_calls = 0;
    if (freivalds_key(key, NULL))
        abort();
    freivalds_init(&p->f, key, 5, rows, cols);
    freivalds_add(&p->f, p->w + (size_t)half * cols, half, rows - half);
    freivalds_add(&p->f, p->w, 0, half);
}

static bool holds(const struct product *p)
{
    return freivalds_holds(&p->f, p->q, p->S, p->ldk, p->sums);
}

static void clear(struct product *p)
{
    freivalds_clear(&p->f);
    free(p->w);
    free(p->q);
    free(p->sums);
}

static void test_shapes(void)
{
    bool right = true, wrong = true;
    struct product p;

    for (int i = 0; i < 40; i++) {
        size_t at;

        make(&p, 1 + below(90), 1 + below(200), 1 + below(2), i % 8 == 0);
        right = right && holds(&p);
        at = below((uint32_t)(p.S * p.rows));
        p.sums[at] ^= (int32_t)(1u << below(31));
        wrong = wrong && !holds(&p);
        clear(&p);
    }
    ok(right, "right sums hold");
    ok(wrong, "one wrong bit of one sum is seen");
    make(&p, 3, 131072, 2, true);
    ok(holds(&p), "the longest row, all the largest");
    clear(&p);
    make(&p, 262144, 8, 2, true);
    ok(holds(&p), "the most rows, all the largest");
    clear(&p);
}

static void test_wrong(void)
{
    struct product p;
    int32_t t;

    make(&p, 20, 64, 2, false);
    t = p.sums[3];
    p.sums[3] = p.sums[4];
    p.sums[4] = t;
    ok(!holds(&p), "two sums in each other's place");
    multiply(&p);
    p.w[77] ^= 1;
    multiply(&p);
    ok(!holds(&p), "a weight that is not the model's");
    p.w[77] ^= 1;
    multiply(&p);
    p.q[9] ^= 1;
    ok(!holds(&p), "another row");
    clear(&p);
}

static int draw_key(int why, ssize_t size, struct err *err)
{
    uint32_t key[2];
    int rc;

    *err = (struct err)ERR_INIT;
    refusal = why;
    given = size;
    n_calls = 0;
    rc = freivalds_key(key, err);
    refusal = 0;
    given = 8;
    return rc;
}

static void test_key(void)
{
    struct err err;

    ok(draw_key(ENOSYS, 8, &err) == -1 && err.code == ERR_FATAL &&
           strstr(err.text, "no random bytes") && n_calls == 1,
       "an error where the system refuses random bytes: %s", err.text);
    ok(draw_key(0, 5, &err) == -1 && err.code == ERR_FATAL && n_calls == 1,
       "an error where there are too few: %s", err.text);
    ok(draw_key(EINTR, 8, &err) == 0 && n_calls == 2,
       "draws again after a signal");
}

int main(void)
{
    test_key();
    test_shapes();
    test_wrong();
    return done();
}
