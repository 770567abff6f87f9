/*
 * What was asked: the message to a queue that a result answers (doc/queue.md,
 * Infer), compared with its job.  Step 2 of doc/proof.md section 5, "A
 * consumer of one answer".
 */
#ifndef APUS_VERIFY_QUESTION_H
#define APUS_VERIFY_QUESTION_H

#include "base/id.h"

struct claims;
struct claims_item;
struct prompt_model;
struct published;

/* Tell the claims: the message went to the process of the result, and asks for
 * the job: parameters in any case, ids of the prompt if there is the model. */
void question_check(struct claims *c, struct id result,
                    const struct published *p,
                    const struct claims_item *message,
                    const struct claims_item *source,
                    const struct prompt_model *m);

#endif
