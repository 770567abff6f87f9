/*
 * Freivalds' check.  Sums stay exact until their end: |low| and |high| are
 * below 2^31 * 2^7 * 2^18 = 2^56 for 2^18 rows, and the two products below
 * 2^120 in 128 bits.
 */
#include <config.h>

#include "backend/cuda/freivalds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/err.h"
#include "base/mem.h"
#include "kernels/philox.h"

#define P (((uint64_t)1 << 61) - 1)
#define LOW_BITS 31

__extension__ typedef __int128 wide;

int freivalds_key(uint32_t key[2], struct err *err)
{
    size_t n = 2 * sizeof(*key);
    ssize_t got;

    do
        got = getrandom(key, n, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(err, ERR_FATAL, "no random bytes for the check of"
                         " products");
    if (got != (ssize_t)n)
        return err_set(err, ERR_FATAL, "%zd of %zu random bytes for the check"
                       " of products", got, n);
    return 0;
}

void freivalds_init(struct freivalds *f, const uint32_t key[2],
                    uint32_t number, uint32_t rows, uint32_t cols)
{
    *f = (struct freivalds){ .key = { key[0], key[1] }, .number = number,
                             .rows = rows, .cols = cols };
    f->low = xcalloc(cols, sizeof(*f->low));
    f->high = xcalloc(cols, sizeof(*f->high));
}

void freivalds_clear(struct freivalds *f)
{
    free(f->low);
    free(f->high);
    memset(f, 0, sizeof(*f));
}

/* r of a row: 61 bits. */
static uint64_t secret_of(const struct freivalds *f, size_t row)
{
    const uint32_t counter[4] = { (uint32_t)row, f->number, 0, 0 };
    uint32_t out[4];

    philox4x32(out, counter, f->key);
    return ((uint64_t)out[1] << 32 | out[0]) >> 3;
}

static void add_row(struct freivalds *f, const int8_t *w, uint64_t r)
{
    int64_t low = (int64_t)(r & (((uint64_t)1 << LOW_BITS) - 1));
    int64_t high = (int64_t)(r >> LOW_BITS);

    for (size_t k = 0; k < f->cols; k++) {
        f->low[k] += low * w[k];
        f->high[k] += high * w[k];
    }
}

void freivalds_add(struct freivalds *f, const int8_t *w, size_t first,
                   size_t n)
{
    for (size_t i = 0; i < n; i++)
        add_row(f, w + i * f->cols, secret_of(f, first + i));
}

/* x modulo p, for |x| < 2^126: 2^61 is 1 there. */
static uint64_t reduced(wide x)
{
    x += (wide)P << 65;
    for (int i = 0; i < 3; i++)
        x = (x & (wide)P) + (x >> 61);
    return x >= (wide)P ? (uint64_t)(x - (wide)P) : (uint64_t)x;
}

bool freivalds_holds(const struct freivalds *f, const int8_t *q, size_t S,
                     size_t ldk, const int32_t *sums)
{
    wide of_q = 0, of_sums = 0;

    for (size_t k = 0; k < f->cols; k++) {
        int32_t x = S == 2 ? 256 * q[k] + q[ldk + k] : q[k];
        uint64_t v = reduced(((wide)f->high[k] * ((wide)1 << LOW_BITS)) +
                             f->low[k]);

        of_q += (wide)x * (wide)v;
    }
    for (size_t i = 0; i < f->rows; i++) {
        int64_t acc = S == 2 ? (int64_t)sums[i] * 256 + sums[f->rows + i]
                             : sums[i];

        of_sums += (wide)acc * (wide)secret_of(f, i);
    }
    return reduced(of_q) == reduced(of_sums);
}
