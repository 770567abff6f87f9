/*
 * The input of a run: a file of lines, read twice and never held whole, once
 * for its hash and once line by line.
 */
#ifndef APUS_CMD_RUN_FILE_H
#define APUS_CMD_RUN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct run_file;

/* Open a regular file and read it through for its hash and number of lines.
 * The last line need not have a newline. */
int run_file_open(struct run_file **out, const char *path, struct err *err);
void run_file_close(struct run_file *f);

uint64_t run_file_lines(const struct run_file *f);

/* Id of the line that run_file_next gave last. */
void run_file_line_id(const struct run_file *f, unsigned char id[32]);

/* The next line without its newline, valid until the next call; *line is NULL
 * at the end.  Of a line over REQUEST_MAX_LINE bytes only as many and one are
 * given.  Fails if the file is no longer the one that was hashed. */
int run_file_next(struct run_file *f, const char **line, size_t *n,
                  struct err *err);

#endif
