/*
 * Compares the message that a result answers (doc/queue.md, Infer) with the
 * job.  Step 2 of doc/proof.md section 5, "A consumer of one answer".
 */
#ifndef APUS_VERIFY_QUESTION_H
#define APUS_VERIFY_QUESTION_H

#include "base/id.h"

struct claims;
struct claims_item;
struct prompt_model;
struct published;

/* Report the claims: the message went to the process of the result, and asks
 * for the job.  Parameters are always compared, the ids of the prompt if the
 * model is given. */
void question_check(struct claims *c, struct id result,
                    const struct published *p,
                    const struct claims_item *message,
                    const struct claims_item *source,
                    const struct prompt_model *m);

#endif
