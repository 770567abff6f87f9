/*
 * The output that a user names with -o.  A regular file appears whole, as
 * with file_out_open, and is the one that a symbolic link leads to.  A device,
 * a pipe, a socket and a descriptor of this process (/dev/stdout, /dev/fd/N)
 * are written through and never replaced.  "-" is standard output.
 */
#ifndef APUS_BASE_OUTPUT_H
#define APUS_BASE_OUTPUT_H

#include <stdbool.h>

#include "base/found.h"

struct err;
struct file_out;

/* Open it.  file_out_put, file_out_commit and file_out_abort as with a whole
 * file; what is not regular cannot be patched, and what was put into it has
 * been written.  Opening a pipe waits for its reader.  Writing to standard
 * output that is read no longer is ERR_CLOSED. */
int output_open(struct file_out **out, const char *path, struct err *err);

/* Whether output_open can work, as far as that shows without opening what is
 * not a regular file. */
int output_check(const char *path, struct err *err);

/* The file's own name in *file, which the caller frees, if it is regular or
 * not there yet; FOUND_NONE if it is written through. */
enum found output_file(char **file, const char *path, struct err *err);

/* Whether two names are of the same file, which may not be there yet: in the
 * same directory, under the same name. */
bool output_same(const char *a, const char *b);

/* Whether this is standard output by any name. */
bool output_is_stdout(const char *path);

/* Whether this is a descriptor of this process by any name: no other process
 * would find it. */
bool output_is_descriptor(const char *path);

#endif
