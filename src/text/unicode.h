/*
 * Properties of characters in Unicode 15.0.0, from tables of our own: token
 * ids are promised for ever, and libraries change theirs with each version.
 */
#ifndef APUS_TEXT_UNICODE_H
#define APUS_TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

#define UNICODE_VERSION "15.0.0"

/* General categories (UAX 44, table 12), as the tables number them. */
enum unicode_category {
    UNICODE_CN, UNICODE_CC, UNICODE_CF, UNICODE_CO, UNICODE_CS, UNICODE_LL,
    UNICODE_LM, UNICODE_LO, UNICODE_LT, UNICODE_LU, UNICODE_MC, UNICODE_ME,
    UNICODE_MN, UNICODE_ND, UNICODE_NL, UNICODE_NO, UNICODE_PC, UNICODE_PD,
    UNICODE_PE, UNICODE_PF, UNICODE_PI, UNICODE_PO, UNICODE_PS, UNICODE_SC,
    UNICODE_SK, UNICODE_SM, UNICODE_SO, UNICODE_ZL, UNICODE_ZP, UNICODE_ZS,
    UNICODE_CATEGORIES
};

/* What a character is: sets to be combined with |. */
#define UNICODE_LETTER                                                       \
    (1u << UNICODE_LL | 1u << UNICODE_LM | 1u << UNICODE_LO |                \
     1u << UNICODE_LT | 1u << UNICODE_LU)
#define UNICODE_NUMBER (1u << UNICODE_ND | 1u << UNICODE_NL | 1u << UNICODE_NO)
#define UNICODE_WHITE_SPACE (1u << 31)

/* Return the set of what cp is: its category, 1 << enum unicode_category, and
 * UNICODE_WHITE_SPACE if it has the property White_Space. */
uint32_t unicode_is(uint32_t cp);

/* Canonical combining class (UAX 44): 0 for a starter. */
unsigned unicode_class(uint32_t cp);

/* Write the full canonical decomposition of cp, at most UNICODE_MAX_PARTS code
 * points, to out; return their number.  What has none is its own. */
#define UNICODE_MAX_PARTS 4
unsigned unicode_decompose(uint32_t *out, uint32_t cp);

/* Return the primary composite of two code points, or 0 if there is none. */
uint32_t unicode_compose(uint32_t first, uint32_t second);

#endif
