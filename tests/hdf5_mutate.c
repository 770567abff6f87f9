/*
 * Checksums of HDF5, repaired after a mutation.
 */
#include <config.h>

#include "tests/hdf5_mutate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

uint32_t mutate_rot(uint32_t x, int k)
{
    return x << k | x >> (32 - k);
}

uint32_t mutate_sum(const unsigned char *p, size_t n)
{
    static const int mix[6] = { 4, 6, 8, 16, 19, 4 };
    uint32_t a = 0xdeadbeef + (uint32_t)n, b = a, c = a, t;
    unsigned char tail[12] = { 0 };

    if (n == 0)
        return c;
    for (; n > 12; p += 12, n -= 12) {
        a += get_u32(p);
        b += get_u32(p + 4);
        c += get_u32(p + 8);
        for (int i = 0; i < 6; i++) {
            a = (a - c) ^ mutate_rot(c, mix[i]);
            c += b;
            t = a;
            a = b;
            b = c;
            c = t;
        }
    }
    memcpy(tail, p, n);
    a += get_u32(tail);
    b += get_u32(tail + 4);
    c += get_u32(tail + 8);
    c = (c ^ b) - mutate_rot(b, 14);
    a = (a ^ c) - mutate_rot(c, 11);
    b = (b ^ a) - mutate_rot(a, 25);
    c = (c ^ b) - mutate_rot(b, 16);
    a = (a ^ c) - mutate_rot(c, 4);
    b = (b ^ a) - mutate_rot(a, 14);
    return (c ^ b) - mutate_rot(b, 24);
}

bool mutate_fits(const unsigned char *p, size_t at, size_t n)
{
    return get_u32(p + at + n) == mutate_sum(p + at, n);
}

size_t mutate_find(struct mutate_block out[MUTATE_BLOCKS],
                   const unsigned char *p, size_t n)
{
    size_t found = 0;

    if (n >= MUTATE_SUPERBLOCK + 4 && mutate_fits(p, 0, MUTATE_SUPERBLOCK))
        out[found++] = (struct mutate_block){ 0, MUTATE_SUPERBLOCK };
    for (size_t at = MUTATE_SUPERBLOCK + 4; at + 12 <= n; at++) {
        if (memcmp(p + at, "OHDR", 4) != 0 && memcmp(p + at, "OCHK", 4) != 0)
            continue;
        for (size_t k = 8; k < MUTATE_MAX && at + k + 4 <= n; k++) {
            if (found < MUTATE_BLOCKS && mutate_fits(p, at, k)) {
                out[found++] = (struct mutate_block){ at, k };
                break;
            }
        }
    }
    return found;
}

void mutate_repair(unsigned char *p, const struct mutate_block *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        set_u32(p + b[i].at + b[i].n, mutate_sum(p + b[i].at, b[i].n));
}
