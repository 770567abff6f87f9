/*
 * Text of others on its way to a terminal (plain_text.h), into buffers and
 * streams.
 */
#ifndef APUS_BASE_PLAIN_H
#define APUS_BASE_PLAIN_H

#include <stddef.h>
#include <stdio.h>

#include "base/plain_text.h"

struct buf;

/* Append to a buffer, or write to a stream, what plain_text would leave. */
void plain_put(struct buf *out, const char *s, size_t n);
void plain_write(FILE *to, const char *s, size_t n);

#endif
