/*
 * UTF-8 as Unicode 15 chapter 3.9 defines it (table 3-7): no surrogates, no
 * overlong forms, nothing above U+10FFFF.
 */
#ifndef APUS_BASE_UTF8_READ_H
#define APUS_BASE_UTF8_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length in bytes of the well-formed sequence at s[0..n), its code point in
 * *cp (cp may be NULL).  0 if n is 0.  If the bytes are ill-formed, minus the
 * length of the maximal subpart (1 to 3) that one U+FFFD replaces.  A
 * sequence that is only cut off by the end is ill-formed like any other. */
int utf8_next(const void *s, size_t n, uint32_t *cp);

bool utf8_valid(const void *s, size_t n);

/* How many bytes at the end of s[0..n) are the beginning of a sequence that
 * more bytes may complete: 0 to 3.  For streaming. */
size_t utf8_pending(const void *s, size_t n);

#endif
