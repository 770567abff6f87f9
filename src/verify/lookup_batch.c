/*
 * Reads all answers of a batch from its bundles.  A bundle is one signed item;
 * the items in it have signatures of their own and do not depend on it.
 */
#include <config.h>

#include "verify/lookup_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "arweave/bundle.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "proof/merkle.h"
#include "publish/kinds.h"

#define MAX_BUNDLES 65536
#define MAX_ANSWERS (1u << 28)
#define N_HIDDEN 20 /* answers of a file whose requests are looked for */

struct collect {
    struct lookup *l;
    struct claims *c;
    const struct lookup_item *statement;
    const struct published_statement *s;
    const struct lookup_visit *v;
    struct lookup_order order;
    struct lookup_messages messages;
    unsigned char *drawn;     /* to be computed again: one bit a place */
    unsigned char *looked;    /* whose request is looked for, the same */
    struct id model;          /* of the first answer, .. */
    bool has_model;           /* .. if there was one */
    uint64_t n_named;         /* wrong answers that were told */
};

/* Mark this many places, each with equal probability. */
static int draw(unsigned char **out, uint64_t n, uint64_t want,
                struct err *err)
{
    void *drawn;

    if (mem_big(&drawn, (size_t)(n / 8 + 1), 1, "a list of answers", err))
        return -1;
    *out = drawn;
    memset(drawn, 0, (size_t)(n / 8 + 1));
    for (uint64_t i = 0, left = n; want && i < n; i++, left--) {
        uint64_t r = 0;

        /* no random numbers: take the first ones */
        if (want < left &&
            getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
            r = 0;
        if (want < left && r % left >= want)
            continue;
        (*out)[i / 8] |= (unsigned char)(1 << i % 8);
        want--;
    }
    return 0;
}

static bool is_drawn(const unsigned char *drawn, uint64_t i)
{
    return drawn[i / 8] >> i % 8 & 1;
}

static bool is_to_compute(const struct collect *w, const struct published *p)
{
    return w->v->draws ? w->v->draws(w->v->self, p)
                       : is_drawn(w->drawn, p->index);
}

/* ---- a result in a bundle ------------------------------------------------ */

static void say_wrong(struct lookup_wrong *w, const char *what,
                      const char *against, const char *detail)
{
    struct check_claim c = { .what = what, .against = against,
                             .detail = detail };

    lookup_keep_wrong(w, &c);
}

/* A batch has one model: the first answer says which. */
static const char *another_model(struct collect *w, const struct published *p)
{
    if (!w->has_model)
        w->model = p->result.model;
    w->has_model = true;
    return id_equal(w->model, p->result.model)
               ? NULL
               : "it is of another model than those before it";
}

/* Compare an answer with its message, if it has one. */
static int check_message(struct collect *w, struct id item,
                         const struct published *p, struct lookup_wrong *wrong,
                         struct err *err)
{
    static const struct id none;
    struct lookup_messages *m = &w->messages;

    if (id_equal(p->process, none)) {
        struct claims quiet = { .report = lookup_keep_wrong, .self = wrong };

        if (is_drawn(w->looked, p->index))
            lookup_hidden(w->l, &quiet, item, p);
        return 0;
    }
    if (!m->model && w->v->model &&
        w->v->model(w->v->self, p->result.model, &m->model, err))
        return -1;
    lookup_messages_check(m, item, p, wrong);
    return 0;
}

/* Check one result.  *wrong says what is wrong with it; -1 is an error that
 * stops the lookup. */
static int check_result(struct collect *w, const struct claims_item *it,
                        struct lookup_wrong *wrong, struct err *err)
{
    struct claims quiet = { .report = lookup_keep_wrong,
                            .self = wrong,
                            .key = &w->statement->it.head.address };
    const struct id *id = &it->head.id;
    struct published p;
    const char *out;
    int rc = 0;

    published_init(&p);
    if (claims_result(&quiet, it, &p) || quiet.failed)
        goto out;
    out = claims_not_in(&p, it, w->s, &w->statement->it);
    if (!out)
        out = another_model(w, &p);
    if (out) {
        say_wrong(wrong, "its batch", "the statement", out);
        goto out;
    }
    /* the same answer in two bundles counts once */
    if (!lookup_order_put(&w->order, p.index, &p.result))
        goto out;
    rc = w->v->answer ? w->v->answer(w->v->self, &p, err) : 0;
    if (rc == 0)
        rc = check_message(w, *id, &p, wrong, err);
    /* a result that contradicts itself need not be recomputed */
    if (rc == 0 && !wrong->found && is_to_compute(w, &p))
        rc = w->v->compute(w->v->self, *id, &p, err);
out:
    published_clear(&p);
    return rc;
}

/* ---- a bundle ------------------------------------------------------------ */

static int check_entry(struct collect *w, const struct bundle_entry *e,
                       const unsigned char *bytes, uint64_t *n_results,
                       struct lookup_wrong *wrong, struct err *err)
{
    struct err bad = ERR_INIT;
    struct claims_item it;
    char kind[32];

    if (item_open(&it.head, bytes + e->at, (size_t)e->size, &bad)) {
        say_wrong(wrong, "its signature", "the key of its owner", bad.text);
        return 0;
    }
    if (!id_equal(it.head.id, e->id)) {
        say_wrong(wrong, "its id", "the bundle",
                  "it is not the item that the bundle's table names");
        return 0;
    }
    claims_kind(kind, &it.head);
    if (strcmp(kind, KIND_RESULT) != 0)
        return 0;
    ++*n_results;
    it.data = bytes + e->at + it.head.head_n;
    it.n = (size_t)e->size - it.head.head_n;
    return check_result(w, &it, wrong, err);
}

static int check_entries(struct collect *w, const struct lookup_item *b,
                         const struct bundle_entry *e, size_t n,
                         struct err *err)
{
    uint64_t n_results = 0, n_wrong = 0;
    char text[96];

    for (size_t i = 0; i < n; i++) {
        struct lookup_wrong wrong = { .found = false };

        if (check_entry(w, &e[i], b->it.data, &n_results, &wrong, err))
            return -1;
        if (!wrong.found)
            continue;
        n_wrong++;
        if (w->n_named++ < LOOKUP_NAMED)
            claims_report(w->c, e[i].id, wrong.what, wrong.against, "",
                          wrong.detail);
    }
    if (n_wrong)
        snprintf(text, sizeof(text), "%" PRIu64 " wrong of %zu item%s%s",
                 n_wrong, n, plural_s(n), w->n_named > LOOKUP_NAMED
                     ? ", not all of them named" : "");
    else
        snprintf(text, sizeof(text), "%" PRIu64 " result%s", n_results,
                 plural_s(n_results));
    claims_report(w->c, b->it.head.id, "the results in this bundle",
                  "the statement", text, n_wrong ? text : NULL);
    return 0;
}

static int check_bundle(struct collect *w, const struct lookup_item *b,
                        struct err *err)
{
    struct bundle_entry *e = NULL;
    struct err bad = ERR_INIT;
    size_t n = 0;
    int rc = 0;

    if (bundle_table(&e, &n, b->it.data, b->it.n, b->it.n, &bad))
        claims_report(w->c, b->it.head.id, "the results in this bundle",
                      "the statement", "", bad.text);
    else
        rc = check_entries(w, b, e, n, err);
    free(e);
    return rc;
}

static const char *not_ours(const struct collect *w,
                            const struct lookup_item *b)
{
    const struct item *h = &b->it.head;
    struct id batch;
    char kind[32];

    claims_kind(kind, h);
    if (!id_equal(h->address, w->statement->it.head.address))
        return "somebody else signed it";
    if (strcmp(kind, KIND_BUNDLE) != 0)
        return "it is not a bundle";
    if (item_tag_id(h, "Batch", &batch) || !id_equal(batch, w->s->s.batch))
        return "it is of another batch";
    return NULL;
}

static int collect_results(struct collect *w, const struct buf *ids,
                           struct err *err)
{
    struct lookup_item b;
    int rc = 0;

    lookup_item_init(&b, LOOKUP_BUNDLE_MAX);
    for (size_t at = 0; rc == 0 && at < ids->len; at += 32) {
        const unsigned char *id = (const unsigned char *)ids->data + at;
        struct err unread = ERR_INIT;
        const char *why = NULL;

        if (lookup_get(w->l, id_at(id), &b, &unread))
            why = unread.text;
        else
            why = not_ours(w, &b);
        if (why)
            lookup_note(w->l, id_at(id), why);
        else
            rc = check_bundle(w, &b, err);
    }
    lookup_item_clear(&b);
    return rc;
}

static int collect_all(struct collect *w, const struct buf *ids,
                       struct err *err)
{
    int rc = collect_results(w, ids, err);

    if (w->v->computed && w->v->computed(w->v->self, rc ? NULL : err))
        rc = -1;
    return rc;
}

/* Report the claims about all answers together. */
static void report_whole(struct collect *w)
{
    const struct id *id = &w->statement->it.head.id;
    struct id nothing;
    char text[80];

    lookup_order_report(&w->order, w->c, *id);
    lookup_messages_report(&w->messages, w->c, *id);
    snprintf(text, sizeof(text), "only %" PRIu64, w->order.n_seen);
    claims_report(w->c, *id, "its count", "the answers found",
                  "every answer, each once",
                  w->order.n_seen == w->order.n ? NULL : text);
    /* no path of an answer leads to the root: compare it with an empty one */
    merkle_blob(&nothing, NULL, 0);
    if (w->order.n == 0 && !id_equal(w->s->s.root, nothing))
        claims_report(w->c, *id, "its batch root", "its count", "",
                      "a batch of no answers has another root");
}

int lookup_batch(struct lookup *l, struct claims *c,
                 const struct lookup_item *statement,
                 const struct published_statement *s,
                 const struct lookup_visit *v, struct err *err)
{
    struct collect w = { .l = l, .c = c, .statement = statement, .s = s,
                       .v = v, .messages = { .l = l } };
    struct buf ids;
    int rc = -1;

    buf_init(&ids, 32u * 16 * MAX_BUNDLES);
    if (s->s.count > MAX_ANSWERS) {
        err_set(err, ERR_INPUT, "a batch of %" PRIu32 " answers, at most %u",
                s->s.count, MAX_ANSWERS);
        goto out;
    }
    if (lookup_order_init(&w.order, s->s.count, err) ||
        draw(&w.drawn, s->s.count, v->compute && !v->draws ? v->n_compute : 0,
             err) ||
        draw(&w.looked, s->s.count, N_HIDDEN, err) ||
        lookup_ids(l, statement->it.head.address, KIND_BUNDLE, &s->s.batch,
                   &ids, MAX_BUNDLES, err) ||
        collect_all(&w, &ids, err))
        goto out;
    if (w.order.n_seen != w.order.n && !c->failed) {
        err_set(err, ERR_RETRY, "%" PRIu64 " of %" PRIu32 " answers are"
                " there: the gateways name no other bundles of this batch",
                w.order.n_seen, s->s.count);
        goto out;
    }
    report_whole(&w);
    rc = 0;
out:
    free(w.drawn);
    free(w.looked);
    lookup_order_clear(&w.order);
    buf_clear(&ids);
    return rc;
}
