/*
 * Requests made again from what was answered: lines in the form of the OpenAI
 * Batch API whose jobs are those of a checkpoint.  Prompts are token ids, and
 * parameters that a request left out are said, so another version, or another
 * name of the model, reads the same into them.
 */
#ifndef APUS_STORE_REBUILD_H
#define APUS_STORE_REBUILD_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct checkpoint;
struct err;
struct record;

/* Append the line, with its newline, of a request for so many choices that
 * asked for this job.  Without a name (n 0) it is called by the id of the
 * request that it comes from.  ERR_INPUT if the record is not what its hashes
 * say, or asks for what no request can. */
int rebuild_line(struct buf *out, const struct record *r, const char *name,
                 size_t n, uint32_t n_choices, struct err *err);

/* Takes a line with its newline. */
typedef int rebuild_fn(void *self, const char *line, size_t n,
                       struct err *err);

/* The requests of all rows of a part in their order; *n counts them. */
int rebuild_part(struct checkpoint *c, rebuild_fn *put, void *self,
                 uint64_t *n, struct err *err);

#endif
