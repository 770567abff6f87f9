/*
 * Keccak-f[1600] (FIPS 202 section 3) in its plainest form: it hashes a
 * hundred bytes an item.
 */
#include <config.h>

#include "arweave/keccak.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/id.h"

#define RATE 136 /* bytes a permutation takes in, for 256 bits out */
#define ROUNDS 24
#define MESSAGE_MAX 1024

static uint64_t rotate(uint64_t v, unsigned n)
{
    return n == 0 ? v : v << n | v >> (64 - n);
}

/* The constant of step iota, from the shift register of the standard. */
static uint64_t next_constant(unsigned *lfsr)
{
    uint64_t c = 0;

    for (unsigned j = 0; j < 7; j++) {
        if (*lfsr & 1)
            c |= (uint64_t)1 << ((1u << j) - 1);
        *lfsr <<= 1;
        if (*lfsr & 0x100)
            *lfsr ^= 0x171;
    }
    return c;
}

/* Lane (x, y) is a[x + 5 * y]. */
static void permute(uint64_t a[25])
{
    unsigned lfsr = 1;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t c[5], b[25];
        unsigned x = 1, y = 0;

        for (int i = 0; i < 5; i++)
            c[i] = a[i] ^ a[i + 5] ^ a[i + 10] ^ a[i + 15] ^ a[i + 20];
        for (int i = 0; i < 25; i++) /* theta */
            a[i] ^= c[(i + 4) % 5] ^ rotate(c[(i + 1) % 5], 1);
        b[0] = a[0];
        for (unsigned t = 0; t < 24; t++) { /* rho and pi */
            unsigned to = (2 * x + 3 * y) % 5;

            b[y + 5 * to] = rotate(a[x + 5 * y], (t + 1) * (t + 2) / 2 % 64);
            x = y;
            y = to;
        }
        for (int i = 0; i < 25; i++) /* chi */
            a[i] = b[i] ^ (~b[i / 5 * 5 + (i + 1) % 5] &
                           b[i / 5 * 5 + (i + 2) % 5]);
        a[0] ^= next_constant(&lfsr); /* iota */
    }
}

void keccak256(struct id *out, const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t a[25] = { 0 };
    bool last = false;

    while (!last) {
        unsigned char block[RATE] = { 0 };
        size_t take = n < RATE ? n : RATE;

        if (take > 0)
            memcpy(block, p, take);
        last = n < RATE;
        if (last) {
            block[take] ^= 0x01;
            block[RATE - 1] ^= 0x80;
        }
        for (int i = 0; i < RATE / 8; i++)
            a[i] ^= get_u64(block + 8 * i);
        permute(a);
        p += take;
        n -= take;
    }
    for (int i = 0; i < 4; i++)
        set_u64(out->b + 8 * i, a[i]);
}

void keccak_ethereum(struct id *out, const void *msg, size_t n)
{
    char text[MESSAGE_MAX + 64];
    int head;

    assert(n <= MESSAGE_MAX);
    head = snprintf(text, sizeof(text), "\x19" "Ethereum Signed Message:\n%zu",
                    n);
    memcpy(text + head, msg, n);
    keccak256(out, text, (size_t)head + n);
}
