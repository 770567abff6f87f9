/*
 * Text of others on its way to a terminal: what a terminal obeys or hides is
 * replaced by '?', so that a line of ours stays one line and says what it
 * says.  That is C0 and C1 controls and DEL, ill-formed UTF-8 (a byte of C1 by
 * itself), line separators, what turns the direction of text, annotations and
 * tags.  Data for programs is not changed here.
 */
#ifndef APUS_BASE_PLAIN_H
#define APUS_BASE_PLAIN_H

#include <stddef.h>
#include <stdio.h>

struct buf;

/* Replace in s[0..n); return the new length, at most n. */
size_t plain_text(char *s, size_t n);

/* The same of a string. */
void plain_string(char *s);

/* Append to a buffer, or write to a stream, what plain_text would leave. */
void plain_put(struct buf *out, const char *s, size_t n);
void plain_write(FILE *to, const char *s, size_t n);

#endif
