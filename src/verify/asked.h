/*
 * What was asked: the message to a queue that a result answers (doc/queue.md,
 * Infer), made into the line of requests.jsonl that a node makes of it, and
 * compared with the job.  Step 2 of doc/proof.md section 5, "A consumer of one
 * answer".
 */
#ifndef APUS_VERIFY_ASKED_H
#define APUS_VERIFY_ASKED_H

#include <stdbool.h>

struct buf;
struct claims;
struct claims_item;
struct err;
struct job_record;
struct prompt_model;
struct published;
struct request;

/* Whether its prompt lies in another item, and in which. */
bool asked_source(const struct claims_item *message, unsigned char id[32]);

/* Append the line, for request_parse; source is that other item, or NULL.
 * ERR_INPUT if no queue takes such a message. */
int asked_line(struct buf *out, const struct claims_item *message,
               const struct claims_item *source, struct err *err);

/* What of a job is not as the request with this id asks, of all that needs no
 * model; NULL: nothing.  The choice is not looked at. */
const char *asked_differs(const struct job_record *j, const struct request *r,
                          const unsigned char id[32]);

/* Tell the claims: the message went to the process of the result, and asks for
 * the job: parameters in any case, ids of the prompt if there is the model. */
void asked_check(struct claims *c, const unsigned char result[32],
                 const struct published *p, const struct claims_item *message,
                 const struct claims_item *source,
                 const struct prompt_model *m);

#endif
