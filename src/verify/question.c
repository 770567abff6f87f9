/*
 * Compares a message with the result that claims to answer it.  Whether a queue
 * would have accepted the message (limits, price, sender) is not checked here.
 */
#include <config.h>

#include "verify/question.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/commit.h"
#include "answer/prompt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/job_record.h"
#include "queue/ask.h"
#include "queue/ask_item.h"
#include "store/request.h"
#include "verify/claims.h"

/* Compare the model, unless the message gives a name, which only the queue can
 * resolve. */
static void check_model(struct claims *c, struct id result,
                        const struct published *p, const struct ask *a)
{
    struct id id;
    char text[128];

    if (!*a->model)
        claims_open(c, result, "its model", "the message leaves the choice to"
                    " the queue");
    else if (id_parse(&id, a->model) == 0)
        claims_report(c, result, "its model", "the message", "the same",
                      id_equal(id, p->job.model) ? NULL
                                                 : "the message names another");
    else {
        snprintf(text, sizeof(text), "the message says \"%s\", a name that"
                 " the queue knows", a->model);
        claims_open(c, result, "its model", text);
    }
}

/* Compare the node, if the message names one. */
static void check_node(struct claims *c, struct id result,
                       const struct published *p, const struct ask *a)
{
    struct id id;

    if (*a->node && id_parse(&id, a->node) == 0)
        claims_report(c, result, "its node", "the message", "the same",
                      id_equal(id, p->node) ? NULL
                                            : "the message asks another one");
}

static void check_prompt(struct claims *c, struct id result,
                         const struct published *p, const struct request *r,
                         const struct prompt_model *m)
{
    struct err err = ERR_INIT;
    struct job_record job = { .n_prompt = 0 };
    struct prompt prompt;
    char text[64];

    if (!m) {
        claims_open(c, result, "its prompt", "--recompute makes its ids again"
                    " with the model");
        return;
    }
    if (prompt_make(&prompt, m, r, p->result.request, &err) == 0) {
        if (commit_job(&job, m->model, &prompt.first, &err) == 0 &&
            (job.n_prompt != p->job.n_prompt ||
             !id_equal(job.prompt, p->job.prompt)))
            err_set(&err, ERR_INPUT, "its ids are not those of the message");
        prompt_clear(&prompt);
    }
    snprintf(text, sizeof(text), "%" PRIu32 " ids, the same",
             p->job.n_prompt);
    claims_report(c, result, "its prompt", "the message", text,
                  err.code ? err.text : NULL);
}

/* Turn the message into a request line and a request. */
static int read_request(struct ask *a, struct request *r,
                        const struct claims_item *message,
                        const struct claims_item *source, struct err *err)
{
    struct buf line;
    int rc;

    if (ask_item_read(a, &message->head, message->data, message->n, err))
        return -1;
    buf_init(&line, REQUEST_MAX_LINE);
    rc = ask_put_line(&line, a, message->head.id, NULL,
                      source ? source->data : "", source ? source->n : 0, err);
    if (rc == 0)
        rc = request_parse(r, line.data, line.len, err);
    buf_clear(&line);
    return rc;
}

void question_check(struct claims *c, struct id result,
                    const struct published *p,
                    const struct claims_item *message,
                    const struct claims_item *source,
                    const struct prompt_model *m)
{
    const struct item *h = &message->head;
    const char *wrong = NULL;
    struct err err = ERR_INIT;
    char from[ID_TEXT + 16];
    struct request r = { .line = NULL };
    struct ask a = { .prompt = NULL };

    snprintf(from, sizeof(from), "signed by %s", id_text(h->address).s);
    if (!id_equal(h->id, p->result.request))
        wrong = "it is another message";
    else if (!h->target || !id_equal(*h->target, p->process))
        wrong = "the message went elsewhere";
    claims_report(c, result, "its process", "the message it answers", from,
                  wrong);
    if (read_request(&a, &r, message, source, &err)) {
        claims_report(c, result, "its parameters", "the message", "", err.text);
    } else {
        claims_report(c, result, "its parameters", "the message", "the same",
                      p->job.choice ? "it is of another choice than 0"
                                    : check_job_differs(&p->job, &r,
                                                          h->id));
        check_model(c, result, p, &a);
        check_node(c, result, p, &a);
        check_prompt(c, result, p, &r, m);
    }
    request_clear(&r);
    ask_clear(&a);
}
