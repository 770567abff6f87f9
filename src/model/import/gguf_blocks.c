/*
 * From blocks to f32.  The layouts are those of ggml's block_* structs, which
 * are little-endian and without padding; d is a scale in binary16.
 */
#include <config.h>

#include "model/import/gguf_blocks.h"

#include <stddef.h>

#include "base/bytes.h"

static float f16_at(const unsigned char *p)
{
    return f32_from_f16((uint32_t)p[0] | (uint32_t)p[1] << 8);
}

static void f32(float *out, const unsigned char *p)
{
    *out = f32_from(get_u32(p));
}

static void f16(float *out, const unsigned char *p)
{
    *out = f16_at(p);
}

static void bf16(float *out, const unsigned char *p)
{
    *out = f32_from((uint32_t)p[0] << 16 | (uint32_t)p[1] << 24);
}

/* ---- blocks of 32: low nibbles are the first half, high ones the second -- */

static void q4_0(float *out, const unsigned char *p)
{
    float d = f16_at(p);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)((p[2 + i] & 15) - 8) * d;
        out[16 + i] = (float)((p[2 + i] >> 4) - 8) * d;
    }
}

static void q4_1(float *out, const unsigned char *p)
{
    float d = f16_at(p), m = f16_at(p + 2);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)(p[4 + i] & 15) * d + m;
        out[16 + i] = (float)(p[4 + i] >> 4) * d + m;
    }
}

/* The fifth bits of 32 numbers lie in a word, the first number's lowest. */
static int fifth(uint32_t high, int i)
{
    return (int)(high >> i & 1) << 4;
}

static void q5_0(float *out, const unsigned char *p)
{
    float d = f16_at(p);
    uint32_t high = get_u32(p + 2);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)(((p[6 + i] & 15) | fifth(high, i)) - 16) * d;
        out[16 + i] = (float)((p[6 + i] >> 4 | fifth(high, 16 + i)) - 16) * d;
    }
}

static void q5_1(float *out, const unsigned char *p)
{
    float d = f16_at(p), m = f16_at(p + 2);
    uint32_t high = get_u32(p + 4);

    for (int i = 0; i < 16; i++) {
        out[i] = (float)((p[8 + i] & 15) | fifth(high, i)) * d + m;
        out[16 + i] = (float)(p[8 + i] >> 4 | fifth(high, 16 + i)) * d + m;
    }
}

static void q8_0(float *out, const unsigned char *p)
{
    float d = f16_at(p);

    for (int i = 0; i < 32; i++)
        out[i] = (float)(signed char)p[2 + i] * d;
}

/* Sixteen levels that are denser near 0. */
static const signed char levels[16] = { -127, -104, -83, -65, -49, -35, -22,
                                        -10, 1, 13, 25, 38, 53, 69, 89, 113 };

static void levels_32(float *out, const unsigned char *q, float d)
{
    for (int i = 0; i < 16; i++) {
        out[i] = d * (float)levels[q[i] & 15];
        out[16 + i] = d * (float)levels[q[i] >> 4];
    }
}

static void iq4_nl(float *out, const unsigned char *p)
{
    levels_32(out, p + 2, f16_at(p));
}

/* ---- blocks of 256 ------------------------------------------------------- */

/* 8 scales of 6 bits: the low four of each, then the high two. */
static void iq4_xs(float *out, const unsigned char *p)
{
    float d = f16_at(p);
    unsigned high = (unsigned)p[2] | (unsigned)p[3] << 8;

    for (int b = 0; b < 8; b++) {
        int low = p[4 + b / 2] >> b % 2 * 4 & 15;
        int scale = low | (int)(high >> 2 * b & 3) << 4;

        levels_32(out + 32 * b, p + 8 + 16 * b, d * (float)(scale - 32));
    }
}

/* Numbers 16 k to 16 k + 15 of the blocks of 2 bits lie in these bytes, at
 * this bit: 32 bytes hold 128 numbers, their lowest bits the first 32. */
static const unsigned char *two_bits(const unsigned char *q, int k, int *at)
{
    *at = k % 8 / 2 * 2;
    return q + k / 8 * 32 + k % 2 * 16;
}

/* 16 bytes, scale and offset of 16 numbers each; 64 bytes; d, d of offsets. */
static void q2_k(float *out, const unsigned char *p)
{
    float d = f16_at(p + 80), dmin = f16_at(p + 82);

    for (int k = 0; k < 16; k++) {
        int at;
        const unsigned char *q = two_bits(p + 16, k, &at);
        float scale = d * (float)(p[k] & 15);
        float least = dmin * (float)(p[k] >> 4);

        for (int i = 0; i < 16; i++)
            out[16 * k + i] = scale * (float)(q[i] >> at & 3) - least;
    }
}

/* 32 bytes of third bits (bit k: numbers 32 k to 32 k + 31), 64 bytes of the
 * others, 16 scales of 6 bits in 12 bytes, d.  A third bit of 0 takes 4. */
static void q3_k(float *out, const unsigned char *p)
{
    const unsigned char *s = p + 96;
    float d = f16_at(p + 108);

    for (int k = 0; k < 16; k++) {
        int at, low = k < 8 ? s[k] & 15 : s[k - 8] >> 4;
        int scale = low | (s[8 + k % 4] >> k / 4 * 2 & 3) << 4;
        const unsigned char *q = two_bits(p + 32, k, &at);
        const unsigned char *third = p + k % 2 * 16;
        float ds = d * (float)(scale - 32);

        for (int i = 0; i < 16; i++) {
            int n = (q[i] >> at & 3) | (third[i] >> k / 2 & 1) << 2;

            out[16 * k + i] = ds * (float)(n - 4);
        }
    }
}

/* Scale and offset k of 8, of 6 bits each, in 12 bytes: the first four have
 * bytes of their own, whose two upper bits are those of the last four. */
static void scale_of(const unsigned char *s, int k, int *scale, int *least)
{
    if (k < 4) {
        *scale = s[k] & 63;
        *least = s[k + 4] & 63;
    } else {
        *scale = (s[k + 4] & 15) | s[k - 4] >> 6 << 4;
        *least = s[k + 4] >> 4 | s[k] >> 6 << 4;
    }
}

/* d, d of offsets, 12 bytes of scales at p; q has 32 bytes for each 64
 * numbers, low nibbles first; high, if there is one, the fifth bits (bit k of
 * 32 bytes: numbers 32 k to 32 k + 31). */
static void nibbles_k(float *out, const unsigned char *p,
                      const unsigned char *q, const unsigned char *high)
{
    float d = f16_at(p), dmin = f16_at(p + 2);

    for (int k = 0; k < 8; k++) {
        int scale, least;
        float ds, dm;

        scale_of(p + 4, k, &scale, &least);
        ds = d * (float)scale;
        dm = dmin * (float)least;
        for (int i = 0; i < 32; i++) {
            int n = q[k / 2 * 32 + i] >> k % 2 * 4 & 15;

            if (high)
                n |= (high[i] >> k & 1) << 4;
            out[32 * k + i] = ds * (float)n - dm;
        }
    }
}

static void q4_k(float *out, const unsigned char *p)
{
    nibbles_k(out, p, p + 16, NULL);
}

static void q5_k(float *out, const unsigned char *p)
{
    nibbles_k(out, p, p + 48, p + 16);
}

/* 128 bytes of nibbles, 64 of two bits more, 16 scales of 8 bits, d.  Each
 * half of the block has 64, 32 and 8 of them. */
static void q6_k(float *out, const unsigned char *p)
{
    float d = f16_at(p + 208);

    for (int k = 0; k < 16; k++) {
        int half = k / 8, in = k % 8, nibble = in / 4 * 4, two = in / 2 * 2;
        const unsigned char *low = p + half * 64 + in % 4 * 16;
        const unsigned char *high = p + 128 + half * 32 + in % 2 * 16;
        float scale = d * (float)(signed char)p[192 + k];

        for (int i = 0; i < 16; i++) {
            int n = (low[i] >> nibble & 15) | (high[i] >> two & 3) << 4;

            out[16 * k + i] = scale * (float)(n - 32);
        }
    }
}

/* By their numbers in a file; those without a function are known by name. */
static const struct gguf_format formats[] = {
    [0] = { "F32", 1, 4, f32 },
    [1] = { "F16", 1, 2, f16 },
    [2] = { "Q4_0", 32, 18, q4_0 },
    [3] = { "Q4_1", 32, 20, q4_1 },
    [6] = { "Q5_0", 32, 22, q5_0 },
    [7] = { "Q5_1", 32, 24, q5_1 },
    [8] = { "Q8_0", 32, 34, q8_0 },
    [9] = { "Q8_1", 32, 36, NULL },
    [10] = { "Q2_K", 256, 84, q2_k },
    [11] = { "Q3_K", 256, 110, q3_k },
    [12] = { "Q4_K", 256, 144, q4_k },
    [13] = { "Q5_K", 256, 176, q5_k },
    [14] = { "Q6_K", 256, 210, q6_k },
    [15] = { "Q8_K", 256, 292, NULL },
    [16] = { "IQ2_XXS", 256, 66, NULL },
    [17] = { "IQ2_XS", 256, 74, NULL },
    [18] = { "IQ3_XXS", 256, 98, NULL },
    [19] = { "IQ1_S", 256, 50, NULL },
    [20] = { "IQ4_NL", 32, 18, iq4_nl },
    [21] = { "IQ3_S", 256, 110, NULL },
    [22] = { "IQ2_S", 256, 82, NULL },
    [23] = { "IQ4_XS", 256, 136, iq4_xs },
    [24] = { "I8", 1, 1, NULL },
    [25] = { "I16", 1, 2, NULL },
    [26] = { "I32", 1, 4, NULL },
    [27] = { "I64", 1, 8, NULL },
    [28] = { "F64", 1, 8, NULL },
    [29] = { "IQ1_M", 256, 56, NULL },
    [30] = { "BF16", 1, 2, bf16 },
    [34] = { "TQ1_0", 256, 54, NULL },
    [35] = { "TQ2_0", 256, 66, NULL },
    [39] = { "MXFP4", 32, 17, NULL },
};

const struct gguf_format *gguf_format(uint32_t type)
{
    if (type >= sizeof(formats) / sizeof(formats[0]) || !formats[type].name)
        return NULL;
    return &formats[type];
}
