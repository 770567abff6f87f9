/*
 * SHA-256 as section 6.2 of FIPS 180-4 has it; numbers are big-endian.
 */
#include <config.h>

#include "proof/sha256.h"

#include <string.h>

#include "base/id.h"
#include "base/sha256_k.h"

static const uint32_t K[64] = { SHA256_K };

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static uint32_t get_be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
           (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(unsigned char *p, uint32_t v)
{
    p[0] = (unsigned char)(v >> 24);
    p[1] = (unsigned char)(v >> 16);
    p[2] = (unsigned char)(v >> 8);
    p[3] = (unsigned char)v;
}

/* The message schedule of a block. */
static void schedule(uint32_t w[64], const unsigned char *block)
{
    for (int t = 0; t < 16; t++)
        w[t] = get_be32(block + 4 * t);
    for (int t = 16; t < 64; t++) {
        uint32_t a = w[t - 15], b = w[t - 2];

        w[t] = (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10) + w[t - 7] +
               (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[t - 16];
    }
}

static void compress(uint32_t h[8], const unsigned char *block)
{
    uint32_t v[8], w[64];

    schedule(w, block);
    memcpy(v, h, sizeof(v));
    for (int t = 0; t < 64; t++) {
        uint32_t e = v[4], a = v[0];
        uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        uint32_t t1 = v[7] + s1 + ((e & v[5]) ^ (~e & v[6])) + K[t] + w[t];
        uint32_t t2 = s0 + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 7 * sizeof(*v));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

void sha256_init(struct sha256 *s)
{
    static const uint32_t h[8] = { SHA256_H };

    memcpy(s->h, h, sizeof(h));
    s->n = 0;
}

void sha256_put(struct sha256 *s, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t held = s->n % 64;

    s->n += n;
    if (held && n >= 64 - held) {
        memcpy(s->block + held, p, 64 - held);
        compress(s->h, s->block);
        p += 64 - held;
        n -= 64 - held;
        held = 0;
    }
    for (; held == 0 && n >= 64; p += 64, n -= 64)
        compress(s->h, p);
    if (n)
        memcpy(s->block + held, p, n);
}

void sha256_end(struct sha256 *s, struct id *out)
{
    static const unsigned char pad[64] = { 0x80 };
    unsigned char bits[8];
    uint64_t n = s->n;

    put_be32(bits, (uint32_t)(n >> 29));
    put_be32(bits + 4, (uint32_t)(n << 3));
    sha256_put(s, pad, 1 + (119 - n % 64) % 64);
    sha256_put(s, bits, sizeof(bits));
    for (int i = 0; i < 8; i++)
        put_be32(out->b + 4 * i, s->h[i]);
}
