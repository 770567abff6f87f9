/*
 * Output files of answers: one of another batch or model is kept under another
 * name before it is replaced.
 */
#ifndef APUS_CMD_KEEP_H
#define APUS_CMD_KEEP_H

#include <stdbool.h>

struct err;
struct file_out;

/* As file_out_commit.  If the file that is there has any answer that the new
 * one has not, or another's, it is kept as OUT.1, or the next number that is
 * free, and a warning says so; the same answers or some of them are replaced.
 * OUT.partial is removed if it has some of the new answers, but stays where
 * the new ones are `partial`. */
int keep_commit(struct file_out *out, bool partial, struct err *err);

/* Keep the file `path`: its new name, which the caller frees.  Both names are
 * there until one of them is replaced, but only the new one where the file
 * system has no hard links. */
int keep_file(char **kept, const char *path, struct err *err);

/* ERR_INPUT, a misuse, if the output is the file that the answers are of, or
 * are read from; another name for it is the same file. */
int keep_not_input(const char *command, const char *input, const char *output,
                   struct err *err);

#endif
