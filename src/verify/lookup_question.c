/*
 * Fetches the messages that a batch from AO answers, compares them with the
 * answers, and counts them.
 */
#include <config.h>

#include "verify/lookup_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/plural.h"
#include "queue/ask_item.h"
#include "verify/question.h"

/* After this many missing messages, and none found, stop asking: the answers
 * may belong to the lines of a file. */
#define MAX_MISSING 20

int lookup_question(struct lookup *l, struct claims *c, struct id item,
                    const struct published *p, const struct prompt_model *m,
                    const struct claims_item *kept, struct err *err)
{
    struct lookup_item message, source;
    const struct claims_item *asked = &message.it;
    struct id source_id;
    bool elsewhere = false;
    int rc = 0;

    lookup_item_init(&message, PUBLISHED_MAX);
    lookup_item_init(&source, PUBLISHED_MAX);
    if (kept && id_equal(kept->head.id, p->result.request))
        asked = kept;
    else
        rc = lookup_get(l, p->result.request, &message, err);
    if (rc == 0 && (elsewhere = ask_item_source(&source_id, &asked->head,
                                                asked->data, asked->n)))
        rc = lookup_get(l, source_id, &source, err);
    if (rc == 0)
        question_check(c, item, p, asked, elsewhere ? &source.it : NULL, m);
    lookup_item_clear(&message);
    lookup_item_clear(&source);
    return rc;
}

int lookup_hidden(struct lookup *l, struct claims *c, struct id item,
                  const struct published *p)
{
    struct lookup_item i;
    int rc;

    lookup_item_init(&i, PUBLISHED_MAX);
    lookup_mute(l, true);
    rc = lookup_get(l, p->result.request, &i, NULL) == 0;
    lookup_mute(l, false);
    if (rc)
        claims_report(c, item, "its process", "its request", "",
                      "the request is an item on Arweave, and no process is"
                      " named that it was sent to");
    lookup_item_clear(&i);
    return rc;
}

/* ---- all of a batch ------------------------------------------------------ */

void lookup_keep_wrong(void *self, const struct check_claim *c)
{
    struct lookup_wrong *w = self;

    if (c->holds || w->found)
        return;
    w->found = true;
    snprintf(w->what, sizeof(w->what), "%s", c->what);
    snprintf(w->against, sizeof(w->against), "%s", c->against);
    snprintf(w->detail, sizeof(w->detail), "%s", c->detail);
}

/* One answer, whose claims are being counted. */
struct hearing {
    struct lookup_messages *m;
    struct lookup_wrong *wrong;
};

static void hear(void *self, const struct check_claim *c)
{
    struct hearing *h = self;
    struct lookup_open *o = h->m->open;

    lookup_keep_wrong(h->wrong, c);
    if (!c->open)
        return;
    for (size_t i = 0; i < LOOKUP_OPEN; i++, o++) {
        if (o->n == 0) {
            snprintf(o->what, sizeof(o->what), "%s", c->what);
            snprintf(o->detail, sizeof(o->detail), "%s", c->detail);
        }
        if (strcmp(o->what, c->what) == 0) {
            o->n++;
            break;
        }
    }
}

void lookup_messages_check(struct lookup_messages *m, struct id item,
                           const struct published *p,
                           struct lookup_wrong *wrong)
{
    struct hearing h = { m, wrong };
    struct claims c = { .report = hear, .self = &h };
    struct err why = ERR_INIT;

    if (m->n_fetched == 0 && m->n_missing >= MAX_MISSING) {
        m->n_missing++;
        return;
    }
    /* missing messages are counted, and reported once */
    lookup_mute(m->l, true);
    if (lookup_question(m->l, &c, item, p, m->model, NULL, &why) == 0) {
        m->n_fetched++;
        m->n_wrong += wrong->found;
    } else if (m->n_missing++ == 0) {
        snprintf(m->missing, sizeof(m->missing), "%s", why.text);
    }
    lookup_mute(m->l, false);
}

void lookup_messages_report(const struct lookup_messages *m, struct claims *c,
                            struct id statement)
{
    uint64_t n = m->n_fetched + m->n_missing;
    char text[360];

    if (m->n_missing) {
        snprintf(text, sizeof(text), "%" PRIu64 " of %" PRIu64 " cannot be"
                 " fetched (lines of a file, by Infer-Batch, have none): %s",
                 m->n_missing, n, m->missing);
        claims_open(c, statement, "the messages of its answers", text);
    }
    if (m->n_fetched) {
        snprintf(text, sizeof(text), m->n_wrong
                     ? "%" PRIu64 " of %" PRIu64 " answer something else"
                     : "%" PRIu64 " of %" PRIu64 " compared",
                 m->n_wrong ? m->n_wrong : m->n_fetched, n);
        claims_report(c, statement, "its answers", "the messages they answer",
                      text, m->n_wrong ? text : NULL);
    }
    for (size_t i = 0; i < LOOKUP_OPEN && m->open[i].n; i++) {
        snprintf(text, sizeof(text), "of %" PRIu64 " answer%s: %s",
                 m->open[i].n, plural_s(m->open[i].n), m->open[i].detail);
        claims_open(c, statement, m->open[i].what, text);
    }
}
