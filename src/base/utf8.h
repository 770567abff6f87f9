/*
 * UTF-8 (utf8_read.h) into buffers.
 */
#ifndef APUS_BASE_UTF8_H
#define APUS_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

#include "base/utf8_read.h"

struct buf;

/* Append cp, which must be a scalar value. */
void utf8_put(struct buf *b, uint32_t cp);

/* Append s with every ill-formed maximal subpart, and every NUL, replaced by
 * U+FFFD. */
void utf8_scrub(struct buf *b, const void *s, size_t n);

#endif
