/*
 * Look characters up in the tables of Unicode.
 */
#include <config.h>

#include "text/unicode.h"

#include <stddef.h>

#include "text/unicode_internal.h"

/* Syllables of Hangul are computed (Unicode chapter 3.12). */
enum {
    HANGUL_S = 0xac00,
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11a7,
    HANGUL_N_L = 19,
    HANGUL_N_V = 21,
    HANGUL_N_T = 28,
    HANGUL_N_S = HANGUL_N_L * HANGUL_N_V * HANGUL_N_T
};

#define PART_BITS 21
#define PART_MASK ((1u << PART_BITS) - 1)
#define PAIR_MASK (((uint64_t)1 << 2 * PART_BITS) - 1)

/* The value of the run that cp lies in. */
static unsigned look_up(const uint32_t *run, size_t n, uint32_t cp)
{
    size_t low = 0, high = n, mid;

    while (high - low > 1) {
        mid = low + (high - low) / 2;
        if (run[mid] >> 8 <= cp)
            low = mid;
        else
            high = mid;
    }
    return run[low] & 255;
}

uint32_t unicode_is(uint32_t cp)
{
    unsigned v = look_up(unicode_category_run, unicode_category_run_n, cp);

    return (1u << (v & 31)) | (v & 128 ? UNICODE_WHITE_SPACE : 0);
}

unsigned unicode_class(uint32_t cp)
{
    if (cp < 0x300)
        return 0;
    return look_up(unicode_class_run, unicode_class_run_n, cp);
}

/* The entry of cp, or 0. */
static uint64_t parts_of(uint32_t cp)
{
    size_t low = 0, high = unicode_parts_n, mid;
    uint32_t at;

    while (low < high) {
        mid = low + (high - low) / 2;
        at = (uint32_t)(unicode_parts[mid] >> 2 * PART_BITS);
        if (at == cp)
            return unicode_parts[mid];
        if (at < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

unsigned unicode_decompose(uint32_t *out, uint32_t cp)
{
    uint32_t second[UNICODE_MAX_PARTS], s = cp - HANGUL_S;
    uint64_t parts;
    unsigned n = 0, i;

    if (s < HANGUL_N_S) {
        out[0] = HANGUL_L + s / (HANGUL_N_V * HANGUL_N_T);
        out[1] = HANGUL_V + s % (HANGUL_N_V * HANGUL_N_T) / HANGUL_N_T;
        out[2] = HANGUL_T + s % HANGUL_N_T;
        return s % HANGUL_N_T ? 3 : 2;
    }
    /* only the first part of two may decompose again */
    while ((parts = parts_of(cp))) {
        cp = (uint32_t)(parts >> PART_BITS) & PART_MASK;
        if ((parts & PART_MASK) && n < UNICODE_MAX_PARTS - 1)
            second[n++] = (uint32_t)parts & PART_MASK;
    }
    *out = cp;
    for (i = 0; i < n; i++)
        out[1 + i] = second[n - 1 - i];
    return n + 1;
}

static uint32_t compose_hangul(uint32_t first, uint32_t second)
{
    uint32_t l = first - HANGUL_L, v = second - HANGUL_V;
    uint32_t s = first - HANGUL_S, t = second - HANGUL_T;

    if (l < HANGUL_N_L && v < HANGUL_N_V)
        return HANGUL_S + (l * HANGUL_N_V + v) * HANGUL_N_T;
    if (s < HANGUL_N_S && s % HANGUL_N_T == 0 && t > 0 && t < HANGUL_N_T)
        return first + t;
    return 0;
}

uint32_t unicode_compose(uint32_t first, uint32_t second)
{
    uint64_t want = (uint64_t)first << PART_BITS | second, parts;
    size_t low = 0, high = unicode_pair_n, mid;

    while (low < high) {
        mid = low + (high - low) / 2;
        parts = unicode_parts[unicode_pair[mid]];
        if ((parts & PAIR_MASK) == want)
            return (uint32_t)(parts >> 2 * PART_BITS);
        if ((parts & PAIR_MASK) < want)
            low = mid + 1;
        else
            high = mid;
    }
    return compose_hangul(first, second);
}
