/*
 * Text of others on its way to a terminal: what a terminal obeys or hides is
 * replaced by '?', so that a line of ours stays one line and says what it
 * says.  That is C0 and C1 controls and DEL, ill-formed UTF-8 (a byte of C1 by
 * itself), line separators, what turns the direction of text, annotations and
 * tags.  Data for programs is not changed here.
 */
#ifndef APUS_BASE_PLAIN_TEXT_H
#define APUS_BASE_PLAIN_TEXT_H

#include <stddef.h>

/* Replace in s[0..n); return the new length, at most n. */
size_t plain_text(char *s, size_t n);

/* The same of a string. */
void plain_string(char *s);

/* The next piece of s[0..n), n above 0: its length, and what stands for it in
 * *out, *n_out bytes. */
size_t plain_next(const char *s, size_t n, const char **out, size_t *n_out);

#endif
