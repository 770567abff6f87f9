/*
 * The header Range of one range of bytes (RFC 9110 section 14).
 */
#ifndef APUS_LOCALNET_RANGE_H
#define APUS_LOCALNET_RANGE_H

#include <stdint.h>

/* "bytes=a-b", "bytes=a-", "bytes=-n" of `size` bytes (text may be NULL). */
enum range {
    RANGE_OUTSIDE = -1, /* nothing of it is there */
    RANGE_IGNORED,      /* the header is another or none */
    RANGE_GOOD          /* at least a byte of what is there */
};
enum range range_parse(const char *text, uint64_t size, uint64_t *at,
                       uint64_t *n);

#endif
