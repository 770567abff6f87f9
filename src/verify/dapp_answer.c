/*
 * Fetches and checks answers for the requester.
 */
#include <config.h>

#include "verify/dapp_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/result_record.h"
#include "publish/published.h"
#include "queue/dapp.h"
#include "verify/claims.h"
#include "verify/lookup.h"

/* The first claim that does not hold. */
struct failed {
    char text[300];
};

static void note_claim(void *self, const struct check_claim *c)
{
    struct failed *f = self;

    if (!c->holds && !c->open && !f->text[0])
        snprintf(f->text, sizeof(f->text), "%s: %s", c->what, c->detail);
}

/* Compare what the queue said about a request with the signed result. */
static int compare_status(const struct published *p, struct id process,
                          const struct dapp_status *s, struct id id,
                          struct err *err)
{
    struct id result;

    result_record_id(&result, &p->result);
    if (!id_equal(p->result.request, id))
        return err_set(err, ERR_INPUT, "it answers another request");
    if (!id_equal(p->process, process))
        return err_set(err, ERR_INPUT, "it answers another queue");
    if (!id_equal(result, s->result))
        return err_set(err, ERR_INPUT, "its result is another than the queue"
                       " has");
    if (p->hashed)
        return err_set(err, ERR_INPUT, "only the hash of its text was"
                       " published");
    if (p->result.finish >= RESULT_RANGE)
        return err_set(err, ERR_INPUT, "the request has no answer: finish %"
                       PRIu32 " (%s)", p->result.finish,
                       p->result.finish == RESULT_RANGE
                           ? "activation out of range"
                           : "the prompt is too long, or empty");
    return 0;
}

int dapp_answer_check(struct id process, const struct dapp_status *s,
                      struct id id, const struct claims_item *it,
                      struct buf *text, struct err *err)
{
    struct failed f = { "" };
    struct claims c = { .report = note_claim, .self = &f, .key = &s->node };
    struct published p;
    int rc;

    published_init(&p);
    rc = claims_result(&c, it, &p);
    if (rc || c.failed)
        rc = err_set(err, ERR_INPUT, "%s", f.text);
    else
        rc = compare_status(&p, process, s, id, err);
    if (rc == 0) {
        buf_put(text, p.text.len ? p.text.data : "", p.text.len);
        rc = buf_check(text, "the answer", err);
    }
    published_clear(&p);
    return rc;
}

/* Check that a verified item answers its message. */
static int check_question(struct lookup *l, const struct claims_item *it,
                          const char *kept, struct err *unseen, struct err *err)
{
    struct failed f = { "" };
    struct claims c = { .report = note_claim, .self = &f };
    struct lookup_item message;
    struct published p;
    bool here;
    int rc;

    published_init(&p);
    lookup_item_init(&message, PUBLISHED_MAX);
    here = kept && lookup_file(kept, &message, NULL) == LOOKUP_GOOD;
    rc = published_read(&p, it->data, it->n, err);
    if (rc == 0 && lookup_question(l, &c, it->head.id, &p, NULL,
                                   here ? &message.it : NULL, unseen) == 0 &&
        c.failed)
        rc = err_set(err, ERR_INPUT, "%s", f.text);
    lookup_item_clear(&message);
    published_clear(&p);
    return rc;
}

int dapp_answer_fetch(struct id process, const struct settings *settings,
                      const struct dapp_status *s, struct id id,
                      const char *kept, struct buf *text, struct err *unseen,
                      struct err *err)
{
    struct lookup *l = NULL;
    struct lookup_item it;
    int rc;

    lookup_item_init(&it, PUBLISHED_MAX);
    rc = lookup_new(&l, settings, NULL, err);
    if (rc == 0)
        rc = lookup_get(l, s->item, &it, err);
    if (rc == 0)
        rc = dapp_answer_check(process, s, id, &it.it, text, err);
    if (rc == 0)
        rc = check_question(l, &it.it, kept, unseen, err);
    if (rc)
        err_prefix(err, "answer %s", id_text(s->item).s);
    lookup_item_clear(&it);
    lookup_free(l);
    return rc;
}
