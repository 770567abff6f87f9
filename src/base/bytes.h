/*
 * Little-endian numbers in byte strings, whatever the machine.
 */
#ifndef APUS_BASE_BYTES_H
#define APUS_BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint32_t get_u32(const void *p)
{
    const unsigned char *b = p;

    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
           (uint32_t)b[3] << 24;
}

static inline uint64_t get_u64(const void *p)
{
    const unsigned char *b = p;

    return (uint64_t)get_u32(b) | (uint64_t)get_u32(b + 4) << 32;
}

static inline void set_u32(void *p, uint32_t v)
{
    unsigned char *b = p;

    b[0] = (unsigned char)v;
    b[1] = (unsigned char)(v >> 8);
    b[2] = (unsigned char)(v >> 16);
    b[3] = (unsigned char)(v >> 24);
}

static inline void set_u64(void *p, uint64_t v)
{
    unsigned char *b = p;

    set_u32(b, (uint32_t)v);
    set_u32(b + 4, (uint32_t)(v >> 32));
}

static inline uint32_t f32_bits(float v)
{
    uint32_t u;

    memcpy(&u, &v, 4);
    return u;
}

static inline float f32_from(uint32_t u)
{
    float v;

    memcpy(&v, &u, 4);
    return v;
}

/* The value of a binary16; binary32 holds all of them. */
static inline float f32_from_f16(uint32_t h)
{
    uint32_t sign = (h & 0x8000) << 16, e = h >> 10 & 31, m = h & 0x3ff;

    if (e == 31)
        return f32_from(sign | 0x7f800000 | m << 13);
    if (e)
        return f32_from(sign | (e + 112) << 23 | m << 13);
    /* subnormal, or zero: m * 2^-24 */
    return f32_from(sign | f32_bits((float)m * 0x1p-24f));
}

#endif
