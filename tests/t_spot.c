/*
 * src/verify/spot: draws and cells that another program computed, and what is
 * a rate.
 */
#include <config.h>

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "proof/digest.h"
#include "tests/tap.h"
#include "verify/spot.h"

static struct spot spot;

static struct id request(uint32_t i)
{
    unsigned char bytes[4];
    struct id id;

    set_u32(bytes, i);
    digest(&id, bytes, sizeof(bytes));
    return id;
}

/* By hashlib and integers of Python, of the ids SHA-256(u32 i). */
static void test_draw(void)
{
    static const uint32_t drawn[] = { 38, 297, 554, 642, 756, 927 };
    static const uint32_t cells[][2] = { { 0, 4 }, { 10, 0 }, { 35, 0 } };
    uint32_t n = 0, n_all = 0, position, layer;
    bool same = true;

    for (uint32_t i = 0; i < 1000; i++) {
        n_all += spot_draws(&spot, request(i), SPOT_ALL);
        if (!spot_draws(&spot, request(i), SPOT_ALL / 100))
            continue;
        same = same && n < 6 && drawn[n] == i;
        n++;
    }
    ok(same && n == 6, "a hundredth of 1000");
    ok(n_all == 1000, "all of them");
    for (uint32_t j = 0; j < 3; j++) {
        spot_cell(&spot, request(0), j, 37, 5, &position, &layer);
        ok(position == cells[j][0] && layer == cells[j][1], "cell %u", j);
    }
    spot.block[SPOT_BLOCK - 1] ^= 1;
    ok(!spot_draws(&spot, request(38), SPOT_ALL / 100), "of another block");
}

static void test_rate(void)
{
    static const char *const good[] = { "1", "1.", "1.000000000", "0.5", ".5",
                                        "0.000000001" };
    static const uint32_t want[] = { SPOT_ALL, SPOT_ALL, SPOT_ALL, SPOT_ALL / 2,
                                     SPOT_ALL / 2, 1 };
    static const char *const bad[] = { "", ".", "0", "0.0", "1.000000001", "2",
                                       "10", "-1", "+1", "0.0000000001", "1e-3",
                                       "1/2", "0,5", "0.5x", " 1", "nan" };
    struct err err = ERR_INIT;
    uint32_t n;

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        ok(spot_rate(&n, good[i], &err) == 0 && n == want[i], "\"%s\"",
           good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        n = 7;
        ok(spot_rate(&n, bad[i], &err) && n == 7 && err.code == ERR_INPUT,
           "%s", err.text);
    }
}

int main(void)
{
    for (unsigned i = 0; i < 32; i++)
        spot.statement.b[i] = (unsigned char)i;
    for (unsigned i = 0; i < SPOT_BLOCK; i++)
        spot.block[i] = (unsigned char)(100 + i);
    test_draw();
    test_rate();
    return done();
}
