/*
 * A text as words, as a shell (POSIX, 2.2 Quoting) would make them of it:
 * blanks and line ends separate, '...' is literal, "..." but for a backslash
 * before $ ` " \ and a line end, a backslash makes the next byte literal, and
 * two quoted ends that touch are one word.  Nothing is expanded and no other
 * character means anything.
 */
#ifndef APUS_BASE_SPLIT_H
#define APUS_BASE_SPLIT_H

struct err;

/* The words, NULL-terminated; free them with split_free.  ERR_INPUT for a
 * quote that is not closed, and for a backslash at the end. */
int split_words(char ***out, const char *text, struct err *err);
void split_free(char **words);

#endif
