/*
 * Each claim is one comparison, or several of one kind; it reports the first
 * difference.
 */
#include <config.h>

#include "verify/claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "proof/digest.h"
#include "publish/kinds.h"
#include "store/record.h"
#include "verify/recompute.h"

static bool same(struct id a, struct id b)
{
    return id_equal(a, b);
}

void claims_kind(char kind[32], const struct item *it)
{
    if (item_tag_text(it, KIND_TAG, kind, 32))
        kind[0] = '\0';
}

static void report_one(struct claims *c, struct id item,
                       const struct check_claim *claim)
{
    struct check_claim cl = *claim;
    char id[ID_TEXT];

    base64url(id, item.b, 32);
    cl.file = id;
    c->failed = c->failed || !cl.holds;
    c->report(c->self, &cl);
}

void claims_report(struct claims *c, struct id item, const char *what,
                   const char *against, const char *detail, const char *wrong)
{
    report_one(c, item,
               &(struct check_claim){ .what = what,
                                      .against = against,
                                      .holds = wrong == NULL,
                                      .detail = wrong ? wrong : detail });
}

void claims_open(struct claims *c, struct id item, const char *what,
                 const char *why)
{
    report_one(c, item,
               &(struct check_claim){ .what = what,
                                      .against = "nothing",
                                      .holds = true,
                                      .open = true,
                                      .detail = why });
}

/* ---- of every item ------------------------------------------------------- */

static void check_signer(struct claims *c, const struct item *it)
{
    char address[ID_TEXT], text[ID_TEXT + 64];

    base64url(address, it->address.b, 32);
    snprintf(text, sizeof(text), "signed by %s", address);
    claims_report(c, it->id, "its signature", "the key of its owner", text,
                  NULL);
    if (c->key) {
        claims_report(c, it->id, "its owner", "--key", address,
                      same(*c->key, it->address) ? NULL : text);
        return;
    }
    snprintf(text, sizeof(text), "%s; say with --key who it should be",
             address);
    claims_open(c, it->id, "its owner", text);
}

/* Return whether a tag appears exactly once, with this value. */
static bool tag_is(const struct item *it, const char *name, struct id want)
{
    struct id id;

    return item_tag_id(it, name, &id) == 0 && same(id, want);
}

/* ---- results ------------------------------------------------------------- */

static void check_tags(struct claims *c, const struct item *it,
                       const struct published *p)
{
    const char *wrong = NULL;

    if (!tag_is(it, "Request", p->result.request))
        wrong = "the tag Request is not its request";
    else if (!tag_is(it, "Model", p->result.model))
        wrong = "the tag Model is not its model";
    else if (!tag_is(it, "Job", p->result.job))
        wrong = "the tag Job is not the id of its job record";
    else if (!tag_is(it, "Batch", p->batch))
        wrong = "the tag Batch is not its batch_id";
    claims_report(c, it->id, "its tags", "its values",
                  "Request, Model, Job and Batch are the same", wrong);
}

static void check_records(struct claims *c, const struct item *it,
                          const struct published *p)
{
    struct id id;
    char text[96];

    snprintf(text, sizeof(text), "%" PRIu32 " ids of a prompt%s, at most %"
             PRIu32 " tokens", p->job.n_prompt,
             p->hashed ? " by their hash" : "", p->job.max_tokens);
    claims_report(c, it->id, "its job", "the job record of its values", text,
                  same(p->said_job, p->result.job)
                      ? NULL : "\"job\" is another id");
    digest(&id, p->result_bytes, sizeof(p->result_bytes));
    snprintf(text, sizeof(text), "%" PRIu32 " token%s%s, trace of %" PRIu32
             " position%s", p->result.n_out, plural_s(p->result.n_out),
             p->hashed ? " by their hash" : "", p->result.n,
             plural_s(p->result.n));
    claims_report(c, it->id, "its tag Result",
                  "the result record of its values", text,
                  tag_is(it, "Result", id) ? NULL : "it is another id");
}

static void check_end(struct claims *c, const struct item *it,
                      const struct published *p)
{
    struct id none;
    bool no_text, fits;

    digest(&none, NULL, 0);
    no_text = same(none, p->result.text);
    fits = record_finish_fits(&p->result, &p->job, no_text ? 0 : 1) &&
           p->result.level <= 1;
    claims_report(c, it->id, "its finish", "its counts",
                  "they belong together",
                  fits ? NULL : "no answer that ends so has them");
}

int claims_result(struct claims *c, const struct claims_item *it,
                  struct published *p)
{
    const struct item *h = &it->head;
    struct err err = ERR_INIT;
    char kind[32], text[64];

    check_signer(c, h);
    claims_kind(kind, h);
    if (strcmp(kind, KIND_RESULT) != 0)
        err_set(&err, ERR_INPUT, "the tag Apus is \"%s\"", kind);
    else
        published_read(p, it->data, it->n, &err);
    claims_report(c, h->id, "its form", "doc/proof.md section 5", "a result",
                  err.code ? err.text : NULL);
    if (err.code)
        return -1;
    check_records(c, h, p);
    check_tags(c, h, p);
    check_end(c, h, p);
    claims_report(c, h->id, "its node", "its owner", "the same",
                  same(p->node, h->address) ? NULL
                                            : "\"node\" is another address");
    snprintf(text, sizeof(text), "answer %" PRIu32 " of %" PRIu32
             ", from 0", p->index, p->count);
    claims_report(c, h->id, "its path", "its batch_root", text,
                  published_is_in(p, p->root, p->count)
                      ? NULL : "it leads elsewhere");
    return 0;
}

/* ---- statements ---------------------------------------------------------- */

/* Return whether the process tag fits: a batch of a file has no process, so
 * zeros or no tag. */
static bool process_fits(const struct item *it, const struct statement *s)
{
    static const struct id none;

    if (tag_is(it, "Process", s->process))
        return true;
    if (!same(s->process, none))
        return false;
    for (size_t i = 0; i < it->n_tags; i++)
        if (it->tag[i].n_name == 7 &&
            memcmp(it->tag[i].name, "Process", 7) == 0)
            return false;
    return true;
}

int claims_statement(struct claims *c, const struct claims_item *it,
                     struct published_statement *p)
{
    const struct item *h = &it->head;
    const char *wrong = NULL;
    struct err err = ERR_INIT;
    char kind[32], text[64];

    check_signer(c, h);
    claims_kind(kind, h);
    if (strcmp(kind, KIND_STATEMENT) != 0)
        err_set(&err, ERR_INPUT, "the tag Apus is \"%s\"", kind);
    else
        published_statement_read(p, it->data, it->n, &err);
    claims_report(c, h->id, "its form", "doc/proof.md section 5",
                  "a statement", err.code ? err.text : NULL);
    if (err.code)
        return -1;
    if (!tag_is(h, "Batch", p->s.batch))
        wrong = "the tag Batch is not its batch id";
    else if (!process_fits(h, &p->s))
        wrong = "the tag Process is not its process";
    claims_report(c, h->id, "its tags", "its values",
                  "Batch and Process are the same", wrong);
    claims_report(c, h->id, "its node", "its owner", "the same",
                  same(p->s.node, h->address) ? NULL : "another address");
    snprintf(text, sizeof(text), "%" PRIu32 " file%s", p->s.n_files,
             plural_s(p->s.n_files));
    if (!published_files_fit(p))
        wrong = "the root is another";
    else
        wrong = published_file_twice(p) ? "a file is there twice" : NULL;
    claims_report(c, h->id, "its list of files", "their root", text, wrong);
    return 0;
}

const char *claims_not_in(const struct published *p,
                          const struct claims_item *result,
                          const struct published_statement *s,
                          const struct claims_item *statement)
{
    if (!same(result->head.address, statement->head.address) ||
        !same(p->node, s->s.node))
        return "another node signed the statement";
    if (!same(p->batch, s->s.batch))
        return "the statement is about another batch";
    if (!same(p->process, s->s.process))
        return "the statement names another process";
    if (p->count != s->s.count)
        return "the statement has another count";
    if (!same(p->root, s->s.root))
        return "the statement has another batch root";
    if (!published_is_in(p, s->s.root, s->s.count))
        return "its path does not lead to the statement's batch root";
    return NULL;
}

const char *claims_other_batch(const struct published_statement *other,
                               const struct published_statement *s)
{
    if (!same(other->s.process, s->s.process))
        return "it names another process";
    if (other->s.count != s->s.count)
        return "it has another count";
    if (!same(other->s.root, s->s.root))
        return "it has another batch root";
    return NULL;
}

/* ---- computing again ----------------------------------------------------- */

static bool report_computed(struct claims *c, struct id item,
                            const struct recompute_verdict *v,
                            const char *model)
{
    char text[330];

    if (v->same)
        snprintf(text, sizeof(text), "%ju positions, the same trace and"
                 " result", (uintmax_t)v->positions);
    else
        snprintf(text, sizeof(text), "differs at position %" PRIu32 ", in its"
                 " %s: %s", v->position, v->part, v->text);
    claims_report(c, item, "its answer computed again", model, text,
                  v->same ? NULL : text);
    return !v->same;
}

static int refuse_hashed(struct err *err)
{
    return err_set(err, ERR_INPUT, "the answer cannot be computed again: its"
                   " prompt was published by its hash alone");
}

int claims_compute_all(struct claims *c, const struct id *item,
                       const struct published *p, size_t n,
                       struct recompute *r, const char *model, bool *wrong,
                       struct err *err)
{
    struct recompute_task *t = xcalloc(n, sizeof(*t));
    struct record *rec = xcalloc(n, sizeof(*rec));
    size_t *of = xcalloc(n, sizeof(*of)), n_tasks = 0;
    int rc = 0;

    memset(wrong, 0, n * sizeof(*wrong));
    for (size_t i = 0; i < n; i++) {
        if (p[i].hashed) {
            rc = rc ? rc : refuse_hashed(err);
            continue;
        }
        published_record(&p[i], &rec[i]);
        of[n_tasks] = i;
        t[n_tasks++].rec = &rec[i];
    }
    if (recompute_records(r, t, n_tasks, rc ? NULL : err)) {
        rc = -1;
        n_tasks = 0;
    }
    for (size_t k = 0; k < n_tasks; k++) {
        if (!t[k].failed)
            wrong[of[k]] = report_computed(c, item[of[k]], &t[k].v, model);
        else
            rc = rc ? rc : err_copy(err, &t[k].err);
    }
    free(t);
    free(rec);
    free(of);
    return rc;
}

int claims_compute(struct claims *c, struct id item, const struct published *p,
                   struct recompute *r, const char *model, struct err *err)
{
    bool wrong;

    return claims_compute_all(c, &item, p, 1, r, model, &wrong, err);
}
