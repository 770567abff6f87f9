/*
 * apus verify of what lies on Arweave: a result, a statement, all answers of
 * a batch.
 */
#include <config.h>

#include "cmd/verify_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/settings.h"
#include "publish/kinds.h"
#include "store/part_file.h"
#include "verify/claims.h"
#include "verify/lookup.h"
#include "verify/recompute.h"

void look_init(struct look *l, struct verify *v)
{
    memset(l, 0, sizeof(*l));
    l->v = v;
    l->claims = (struct claims){ .report = v->o.claim,
                                 .self = v->o.self,
                                 .key = v->key_text ? &v->key : NULL };
}

void look_clear(struct look *l)
{
    for (size_t i = 0; i < l->group.n; i++)
        published_clear(&l->group.answer[i]);
    recompute_free(l->recompute);
    lookup_free(l->lookup);
}

int look_network(struct look *l, struct err *err)
{
    const struct caller caller = { .note = log_note };

    return l->lookup ? 0
                     : lookup_new(&l->lookup, l->v->settings, &caller, err);
}

enum lookup_found look_get(struct look *l, const char *what, bool file,
                           struct lookup_item *i, struct err *err)
{
    struct err why = ERR_INIT;
    enum lookup_found found;
    struct id id;

    if (!file && id_parse(&id, what) == 0)
        return look_network(l, err) || lookup_get(l->lookup, id, i, err)
                   ? LOOKUP_ERROR : LOOKUP_GOOD;
    found = lookup_file(what, i, &why);
    if (found == LOOKUP_ERROR)
        err_copy(err, &why);
    else if (found == LOOKUP_FORGED)
        claims_report(&l->claims, i->it.head.id, "its signature",
                      "the key of its owner", "", why.text);
    return found;
}

/* ---- computing again ----------------------------------------------------- */

static void show_progress(struct look *l, uint64_t n)
{
    const struct check_options *o = &l->v->o;

    if (o->progress)
        o->progress(o->self, n, l->n_wanted ? l->n_wanted
                                            : l->n_computed + l->group.n);
}

/* Of the group, another one is computed. */
static void count_computed(void *user, size_t n)
{
    struct look *l = user;

    show_progress(l, l->n_computed + n);
}

static int open_recompute(struct look *l, struct id model, struct err *err)
{
    struct verify *v = l->v;
    const struct recompute_options o = {
        .max_records = RECOMPUTE_RECORDS, .max_rows = RECOMPUTE_ROWS,
        .computed = count_computed, .user = l
    };

    if (!v->o.model && verify_open_model(v, &model, err))
        return -1;
    return l->recompute ? 0
                        : recompute_new(&l->recompute, v->o.model,
                                        v->o.backend, &o, err);
}

static void empty_group(struct look_group *g)
{
    for (size_t i = 0; i < g->n; i++)
        published_clear(&g->answer[i]);
    g->n = g->bytes = 0;
    g->positions = 0;
}

static int tell_computed(struct look *l, const bool *wrong, struct err *err)
{
    const struct look_group *g = &l->group;

    for (size_t i = 0; l->computed && i < g->n; i++)
        if (l->computed(l, g->item[i], &g->answer[i], wrong[i], err))
            return -1;
    return 0;
}

/* Report what was found even if another answer cannot be computed. */
int look_compute_rest(void *self, struct err *err)
{
    struct look *l = self;
    struct look_group *g = &l->group;
    bool wrong[RECOMPUTE_RECORDS];
    int rc = 0;

    if (g->n == 0)
        return 0;
    show_progress(l, l->n_computed);
    rc = claims_compute_all(&l->claims, g->item, g->answer, g->n,
                            l->recompute, l->v->model.id, wrong, err);
    l->n_computed += g->n;
    if (tell_computed(l, wrong, rc ? NULL : err))
        rc = -1;
    empty_group(g);
    return rc;
}

/* All answers of a statement have one model. */
int look_compute(void *self, struct id item, const struct published *p,
                 struct err *err)
{
    struct look *l = self;
    struct look_group *g = &l->group;

    if (open_recompute(l, p->result.model, err))
        return -1;
    g->item[g->n] = item;
    published_copy(&g->answer[g->n++], p);
    g->positions += p->result.n;
    g->bytes += p->prompt.len + p->stops.len + p->output.len + p->text.len;
    return recompute_is_enough(g->n, g->positions, g->bytes)
               ? look_compute_rest(l, err) : 0;
}

/* ---- a result ------------------------------------------------------------ */

/* The statement of a batch, among those that its node signed. */
struct item_wanted {
    struct look *l;
    const struct published *p;
    const struct lookup_item *result;
    bool found;
    struct id id;
    char other[160]; /* why another one is not it, or "" */
};

static enum found try_statement(void *self, const struct lookup_item *i,
                                const struct published_statement *s,
                                struct err *err)
{
    struct item_wanted *w = self;
    const char *why = claims_not_in(w->p, &w->result->it, s, &i->it);

    (void)err;
    if (!why) {
        w->found = true;
        w->id = i->it.head.id;
        return FOUND_NONE;
    }
    snprintf(w->other, sizeof(w->other), "statement %s: %s",
             id_text(i->it.head.id).s, why);
    return FOUND_NONE;
}

static void report_batch(struct look *l, const struct lookup_item *result,
                         struct id statement, const char *wrong)
{
    char against[ID_TEXT + 16];

    snprintf(against, sizeof(against), "statement %s", id_text(statement).s);
    claims_report(&l->claims, result->it.head.id, "its batch", against,
                  "root, count, process and node are the same", wrong);
}

/* Of all that the node signed about this batch, one must fit and none may
 * say something else: two are a fault of the node by themselves. */
static int find_statement(struct look *l, const struct lookup_item *result,
                          const struct published *p)
{
    struct item_wanted w = { .l = l, .p = p, .result = result };
    struct err err = ERR_INIT;
    char why[560];

    if (look_network(l, &err) ||
        lookup_statements(l->lookup, result->it.head.address, &p->batch,
                          try_statement, &w, &err) == FOUND_FAILED) {
        snprintf(why, sizeof(why), "no gateway was asked for its statement:"
                 " %s", err.text);
        claims_open(&l->claims, result->it.head.id, "its batch", why);
        return 0;
    }
    if (w.found)
        report_batch(l, result, w.id, *w.other ? w.other : NULL);
    else if (*w.other)
        claims_report(&l->claims, result->it.head.id, "its batch",
                      "what its node signed about it", "", w.other);
    else
        claims_open(&l->claims, result->it.head.id, "its batch",
                    "no gateway names a statement about it; --statement"
                    " names one");
    return 0;
}

static int named_statement(struct look *l, const struct lookup_item *result,
                           const struct published *p, struct err *err)
{
    struct published_statement s;
    struct lookup_item i;
    enum lookup_found found;

    lookup_item_init(&i, PUBLISHED_MAX);
    found = look_get(l, l->v->statement, false, &i, err);
    if (found == LOOKUP_GOOD && claims_statement(&l->claims, &i.it, &s) == 0)
        report_batch(l, result, i.it.head.id,
                     claims_not_in(p, &result->it, &s, &i.it));
    lookup_item_clear(&i);
    return found == LOOKUP_ERROR ? -1 : 0;
}

/* The model, if answers are to be computed again: then its prompts' ids are
 * compared, too. */
int look_model(void *self, struct id id, const struct prompt_model **m,
               struct err *err)
{
    struct look *l = self;

    if (l->v->o.recompute && !l->v->o.model &&
        verify_open_model(l->v, &id, err))
        return -1;
    *m = l->v->o.model;
    return 0;
}

/* The message of a request from AO.  The result is not wrong because its
 * message cannot be fetched. */
static int check_request(struct look *l, const struct lookup_item *result,
                         const struct published *p, struct err *err)
{
    static const struct id none;
    const struct id *id = &result->it.head.id;
    const struct prompt_model *m = NULL;
    struct err why = ERR_INIT;
    char text[560];

    if (id_equal(p->process, none)) {
        if (l->lookup)
            lookup_hidden(l->lookup, &l->claims, *id, p);
        return 0;
    }
    if (!l->claims.failed && look_model(l, p->result.model, &m, err))
        return -1;
    if (look_network(l, &why) ||
        lookup_question(l->lookup, &l->claims, *id, p, m, NULL, &why)) {
        snprintf(text, sizeof(text), "the message that it answers cannot be"
                 " had: %s", why.text);
        claims_open(&l->claims, *id, "its job", text);
    }
    return 0;
}

/* An option that this kind of item has no use for. */
static int refuse_option(struct look *l, const char *option, const char *kind,
                         struct err *err)
{
    l->v->misused = true;
    return err_set(err, ERR_INPUT, "apus verify: %s is not for %s", option,
                   kind);
}

static int verify_result(struct look *l, const struct lookup_item *i,
                         struct err *err)
{
    struct published p;
    int rc = 0;

    if (l->v->all)
        return refuse_option(l, "--all", "a result", err);
    published_init(&p);
    if (claims_result(&l->claims, &i->it, &p))
        goto out;
    rc = l->v->statement ? named_statement(l, i, &p, err)
                         : find_statement(l, i, &p);
    if (rc == 0)
        rc = check_request(l, i, &p, err);
    /* what contradicts itself need not be computed */
    if (rc == 0 && l->v->o.recompute && !l->claims.failed)
        rc = look_compute(l, i->it.head.id, &p, err) ||
             look_compute_rest(l, err) ? -1 : 0;
out:
    published_clear(&p);
    return rc;
}

/* ---- a statement --------------------------------------------------------- */

static int verify_statement(struct look *l, const struct lookup_item *i,
                            struct err *err)
{
    struct lookup_visit visit = {
        .n_compute = l->v->o.recompute, .compute = look_compute,
        .computed = look_compute_rest, .model = look_model, .self = l
    };
    struct published_statement s;

    if (l->v->statement)
        return refuse_option(l, "--statement", "a statement", err);
    if (claims_statement(&l->claims, &i->it, &s))
        return 0;
    if (!l->v->all && !l->v->o.recompute) {
        claims_open(&l->claims, i->it.head.id, "its batch root",
                    "--all fetches every answer");
        return 0;
    }
    if (l->claims.failed)
        return 0;
    l->n_wanted = l->v->o.recompute < s.s.count ? l->v->o.recompute
                                                : s.s.count;
    if (look_network(l, err) ||
        lookup_others(l->lookup, &l->claims, i, &s, err))
        return -1;
    return lookup_batch(l->lookup, &l->claims, i, &s, &visit, err);
}

/* An item that is signed, and none of ours. */
static int refuse_other(struct look *l, const char *what, const char *kind,
                        const struct claims_item *it, struct err *err)
{
    uint64_t n_items;
    char name[BUNDLE_NAME];

    claims_report(&l->claims, it->head.id, "its signature",
                  "the key of its owner", "good", NULL);
    if (!bundle_begins(it->data, it->n, &n_items))
        return err_set(err, ERR_INPUT, "item \"%s\" is neither a result nor a"
                       " statement (its tag Apus is \"%s\"); apus show prints"
                       " what it is", what, kind);
    bundle_name(name, n_items);
    return err_set(err, ERR_INPUT, "item \"%s\" is %s, neither a result nor a"
                   " statement; apus show lists what it holds", what, name);
}

enum verdict verify_item(struct verify *v, struct err *err)
{
    const char *what = v->item_file ? v->item_file : v->what;
    struct lookup_item i;
    enum lookup_found found;
    struct look l;
    char kind[32], odd[128];
    int rc;

    look_init(&l, v);
    lookup_item_init(&i, PUBLISHED_MAX + ITEM_HEAD_MAX);
    found = look_get(&l, what, v->item_file != NULL, &i, err);
    rc = found == LOOKUP_ERROR ? -1 : 0;
    if (found != LOOKUP_GOOD)
        goto out;
    if (item_is_odd(&i.it.head, odd, sizeof(odd)))
        log_warning("item \"%s\": %s", what, odd);
    claims_kind(kind, &i.it.head);
    if (strcmp(kind, KIND_RESULT) == 0)
        rc = verify_result(&l, &i, err);
    else if (strcmp(kind, KIND_STATEMENT) == 0)
        rc = verify_statement(&l, &i, err);
    else
        rc = refuse_other(&l, what, kind, &i.it, err);
out:
    lookup_item_clear(&i);
    look_clear(&l);
    if (rc < 0 && !l.claims.failed)
        return VERDICT_NONE;
    if (rc < 0)
        log_err(err); /* and what was found counts all the same */
    return verdict_of(l.claims.failed);
}
