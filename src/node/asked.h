/*
 * What a published answer was asked by: a request of the queue alone, or a file
 * of requests (Infer-Batch), of which it is the result of one line.  The answer
 * does not say; its batch is named by the Pull that began it, and what the
 * queue answered to that has the file.
 */
#ifndef APUS_NODE_ASKED_H
#define APUS_NODE_ASKED_H

#include <stdint.h>

#include "base/id.h"
#include "dispute/judge.h"

struct client;
struct err;
struct published;

#define ASKED_NO_LINE UINT64_MAX
#define ASKED_LINES_MAX (1u << 24) /* searched, in seconds, of a file that may
                                      be invented */

struct asked {
    struct id request;      /* as the queue knows it */
    struct judge_file file; /* count 0: a request alone */
    uint64_t line;          /* of the file, or ASKED_NO_LINE */
};

/* Ask the queue of the client.  Where the network does not have that answer
 * any more, the result is taken for one of a request alone.  ERR_RETRY if
 * nobody answers; ERR_INPUT if it is of none of the first ASKED_LINES_MAX lines
 * of a file that is said to have more. */
int asked_find(struct asked *a, struct client *c, const struct published *p,
               struct err *err);

/* The id of a dispute about it; `result` is the hash of its record. */
void asked_dispute(struct id *dispute, const struct asked *a, struct id result,
                   struct id challenger);

#endif
