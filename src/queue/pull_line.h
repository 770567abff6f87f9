/*
 * A line of what the queue answers to Pull (doc/queue.md), read from a compute
 * unit that is not believed: every field is there once, of its kind and within
 * its bounds, or the line is refused.  From it, and from what its source on
 * Arweave holds, comes a line of requests.jsonl.
 */
#ifndef APUS_QUEUE_PULL_LINE_H
#define APUS_QUEUE_PULL_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "queue/ask.h"

struct buf;
struct err;

#define PULL_MAX_PROMPT (64u << 10)  /* bytes of a prompt in a line */
#define PULL_MAX_LINE (512u << 10)   /* with everything escaped */
#define PULL_MAX_SOURCE ((size_t)4 << 20) /* bytes of one from Arweave */

/* Of ask, what a message alone has (reference, node ..) is left empty. */
struct pull_line {
    struct id id, model;
    struct ask ask;
};

/* ERR_INPUT, and *l as it was, if the line is not exactly one of these. */
int pull_line_parse(struct pull_line *l, const char *text, size_t n,
                    struct err *err);
void pull_line_clear(struct pull_line *l);

/* Append the line of requests.jsonl, with its newline; source[0..n) is what
 * the item holds for the forms that name one.  ERR_INPUT if no worker of this
 * version could take the request: a reason to release it. */
int pull_line_put(struct buf *out, const struct pull_line *l,
                  const char *source, size_t n, struct err *err);

#endif
