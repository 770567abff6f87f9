/*
 * The header Range of one range of bytes (RFC 9110 section 14).
 */
#ifndef APUS_LOCALNET_RANGE_H
#define APUS_LOCALNET_RANGE_H

#include <stdint.h>

/* "bytes=a-b", "bytes=a-", "bytes=-n" of `size` bytes (text may be NULL): 1
 * and the range, at least a byte of what is there; 0 if the header is to be
 * ignored; -1 if nothing of it is there. */
int range_parse(const char *text, uint64_t size, uint64_t *at, uint64_t *n);

#endif
