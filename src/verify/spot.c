/*
 * H("apuschl1" || statement || block || request) below the rate draws a
 * request; H("apuschl2" || the same || u32 j) is its j-th cell.
 */
#include <config.h>

#include "verify/spot.h"

#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proof/digest.h"

#define SEED (8 + 32 + SPOT_BLOCK + 32)
#define DECIMALS 9

int spot_rate(uint32_t *billionths, const char *text, struct err *err)
{
    const char *dot = strchr(text, '.');
    size_t whole = dot ? (size_t)(dot - text) : strlen(text);
    size_t n = dot ? strlen(dot + 1) : 0;
    uint64_t v = 0;

    if (whole > 1 || n > DECIMALS || whole + n == 0)
        goto bad;
    for (size_t i = 0; i < whole + DECIMALS; i++) {
        char c = '0';

        if (i < whole)
            c = text[i];
        else if (i - whole < n)
            c = dot[1 + i - whole];
        if (c < '0' || c > '9')
            goto bad;
        v = v * 10 + (uint64_t)(c - '0');
    }
    if (v == 0 || v > SPOT_ALL)
        goto bad;
    *billionths = (uint32_t)v;
    return 0;
bad:
    return err_set(err, ERR_INPUT, "rate \"%s\": above 0 and at most 1"
                   " expected, with at most %d decimals, such as 0.01", text,
                   DECIMALS);
}

static void seed(unsigned char out[SEED], const char *tag,
                 const struct spot *s, struct id request)
{
    memcpy(out, tag, 8);
    memcpy(out + 8, s->statement.b, 32);
    memcpy(out + 40, s->block, SPOT_BLOCK);
    memcpy(out + 40 + SPOT_BLOCK, request.b, 32);
}

/* Return the smallest integer not below rate * 2^64, by two long divisions. */
static uint64_t limit(uint32_t billionths)
{
    uint64_t high = (uint64_t)billionths << 32;
    uint64_t low = high % SPOT_ALL << 32;

    return (high / SPOT_ALL << 32) + low / SPOT_ALL + (low % SPOT_ALL != 0);
}

bool spot_draws(const struct spot *s, struct id request, uint32_t billionths)
{
    unsigned char what[SEED];
    struct id h;

    seed(what, "apuschl1", s, request);
    digest(&h, what, sizeof(what));
    return billionths >= SPOT_ALL || get_u64(h.b) < limit(billionths);
}

void spot_cell(const struct spot *s, struct id request, uint32_t j, uint32_t n,
               uint32_t n_layers, uint32_t *position, uint32_t *layer)
{
    unsigned char what[SEED + 4];
    struct id h;

    seed(what, "apuschl2", s, request);
    set_u32(what + SEED, j);
    digest(&h, what, sizeof(what));
    *position = (uint32_t)(get_u64(h.b) % n);
    *layer = (uint32_t)(get_u64(h.b + 8) % n_layers);
}
