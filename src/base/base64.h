/*
 * base64url without padding (RFC 4648 section 5), the form of every id.
 */
#ifndef APUS_BASE_BASE64_H
#define APUS_BASE_BASE64_H

#include <stddef.h>

/* out must hold (n * 4 + 2) / 3 + 1 bytes; it is NUL-terminated. */
void base64url(char *out, const void *data, size_t n);

/* The bytes of a text in canonical form, no padding: 0 and their number in *n,
 * -1 if there are more than `max` or it is none; out is then untouched. */
int base64url_decode(void *out, size_t max, size_t *n, const char *text);

#endif
