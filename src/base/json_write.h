/*
 * Append members to a JSON object, one by one.  The caller puts the brackets;
 * a comma is put before a key unless an opening bracket is before it.  The
 * bytes depend on nothing else, as files with a fixed form need it.
 */
#ifndef APUS_BASE_JSON_WRITE_H
#define APUS_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct buf;

/* The key alone, which needs no escapes: a value must follow. */
void json_put_key(struct buf *b, const char *key);

/* A string, which must be UTF-8; NULL is null. */
void json_put_text(struct buf *b, const char *key, const char *text);
/* The same of any bytes: what is not UTF-8, and NUL, is replaced by U+FFFD. */
void json_put_scrubbed(struct buf *b, const char *key, const char *s,
                       size_t n);

/* 43 characters of base64url. */
void json_put_id(struct buf *b, const char *key, struct id id);

/* A number; as a string of digits where readers may have less than 64 bits. */
void json_put_number(struct buf *b, const char *key, uint64_t number);
void json_put_digits(struct buf *b, const char *key, uint64_t number);

void json_put_bool(struct buf *b, const char *key, bool value);

#endif
