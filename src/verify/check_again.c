/*
 * Draws the answers that are computed again, and computes them in groups.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "answer/commit.h"
#include "answer/prompt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "engine/backend.h"
#include "model/model.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "store/checkpoint.h"
#include "store/record.h"
#include "store/request.h"
#include "store/topk.h"
#include "verify/recompute.h"

#define ROW_BYTES ((size_t)1 << 31)

/* ---- computing again ----------------------------------------------------- */

/* A row of the part, copied: a part lends one at a time.  Its answer is
 * computed in shared steps with others. */
struct again_row {
    uint32_t line, choice;
    char wrong[400];  /* with its job, or "" */
    struct buf bytes; /* record, topk and last, each whole */
    struct record rec;
    struct topk likely;
    struct recompute_tensors also;
};

struct check_group {
    struct again_row row[RECOMPUTE_RECORDS];
    size_t n, bytes;
    uint64_t positions;
};

static void show_progress(void *user, size_t n)
{
    const struct check *c = user;

    if (c->o->progress)
        c->o->progress(c->o->self, c->computed + n, c->of);
}

static void show_step(void *user, const struct recompute_step *step)
{
    const struct check *c = user;

    if (c->o->step)
        c->o->step(c->o->self, step);
}

int check_recompute(struct check *c, struct err *err)
{
    struct recompute_options ro = {
        .one_by_one = c->o->trace, .hidden = c->with_hidden,
        .max_records = c->o->trace ? 1 : RECOMPUTE_RECORDS,
        .max_rows = RECOMPUTE_ROWS,
        .step = show_step, .computed = show_progress, .user = c
    };

    if (!c->o->trace && !c->o->recompute)
        return 0;
    if (!c->group)
        c->group = xcalloc(1, sizeof(*c->group));
    return recompute_new(&c->recompute, c->o->model, c->o->backend, &ro, err);
}

static void empty_group(struct check_group *g)
{
    for (size_t i = 0; i < g->n; i++)
        buf_clear(&g->row[i].bytes);
    g->n = g->bytes = 0;
    g->positions = 0;
}

void check_recompute_end(struct check *c)
{
    if (c->group)
        empty_group(c->group);
    free(c->group);
    recompute_free(c->recompute);
}

/* View the copy of a row in its bytes, of which the first n_record are the
 * record and the last n_last its last row. */
static int view_row(struct again_row *a, const struct checkpoint_row *row,
                    size_t n_record, size_t n_last, struct err *err)
{
    const unsigned char *at = (unsigned char *)a->bytes.data;
    size_t n_topk = a->bytes.len - n_record - n_last;

    if (record_get(&a->rec, at, n_record, err) ||
        (row->topk.n && topk_get(&a->likely, at + n_record, n_topk, err)))
        return -1;
    if (!row->record.leaf) {
        a->rec.leaf = NULL;
        a->rec.n_leaves = row->record.n_leaves;
    }
    a->also = (struct recompute_tensors){
        .last = n_last ? at + n_record + n_topk : NULL, .likely = &a->likely
    };
    return 0;
}

static int copy_row(struct again_row *a, const struct check *c,
                    const struct checkpoint_row *row, struct err *err)
{
    size_t n_last = row->last ? 4 * (size_t)c->head->dim : 0, n_record;

    buf_init(&a->bytes, ROW_BYTES);
    record_put(&a->bytes, &row->record);
    n_record = a->bytes.len;
    if (row->topk.n)
        topk_put(&a->bytes, &row->topk);
    buf_put(&a->bytes, row->last, n_last);
    return buf_check(&a->bytes, "an answer", err) ||
           view_row(a, row, n_record, n_last, err) ? -1 : 0;
}

/* Report what is wrong with a row: its job, or what was computed. */
static int report_row(struct check *c, const struct again_row *a,
                      const struct recompute_task *t, struct err *err)
{
    char text[330];

    if (a->wrong[0])
        check_row_wrong(c, a->wrong);
    if (t->failed) {
        check_row_wrong(c, t->err.text);
        if (t->err.code != ERR_INPUT)
            return err_copy(err, &t->err);
    } else if (!t->v.same) {
        snprintf(text, sizeof(text), "differs first at position %" PRIu32
                 ", in its %s: %s", t->v.position, t->v.part, t->v.text);
        check_row_wrong(c, text);
    }
    check_row_end(c, a->line, a->choice, ", computed again", c->o->model->id);
    return 0;
}

/* Recompute the rows of the group, and compare everything that the part stores
 * about them. */
static int compute_group(struct check *c, struct err *err)
{
    struct check_group *g = c->group;
    struct recompute_task t[RECOMPUTE_RECORDS];
    int rc;

    memset(t, 0, sizeof(t));
    for (size_t i = 0; i < g->n; i++)
        t[i] = (struct recompute_task){ .rec = &g->row[i].rec,
                                        .also = &g->row[i].also };
    show_progress(c, 0);
    rc = recompute_records(c->recompute, t, g->n, err);
    for (size_t i = 0; rc == 0 && i < g->n; i++)
        rc = report_row(c, &g->row[i], &t[i], err);
    c->computed += g->n;
    empty_group(g);
    return rc;
}

/* ---- what is drawn ------------------------------------------------------- */

/* Draw to_draw of the remaining rows, each with equal probability. */
bool check_draw(struct check *c)
{
    uint64_t r = 0;

    c->to_see--;
    if (c->to_draw == 0)
        return false;
    if (c->to_draw <= c->to_see) {
        if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
            r = 0; /* no random numbers: take the first ones */
        if (r % (c->to_see + 1) >= c->to_draw)
            return false;
    }
    c->to_draw--;
    return true;
}

/* Check that the job record follows from the request. */
static void check_job(struct check *c, const struct checkpoint_row *row,
                      const struct result_record *res, const char *text,
                      size_t n)
{
    unsigned char packed[RECORD_JOB];
    struct err err = ERR_INIT;
    struct job_record job;
    struct prompt prompt;
    struct request r;

    if (request_parse(&r, text, n, &err) ||
        prompt_make(&prompt, c->o->model, &r, res->request, &err)) {
        request_clear(&r);
        check_row_wrong(c, err.text);
        return;
    }
    prompt.first.sampling.choice = res->choice;
    if (res->choice >= prompt.n_choices) {
        check_row_wrong(c, "the request asked for fewer choices");
    } else if (commit_job(&job, c->o->model->model, &prompt.first, &err)) {
        check_row_wrong(c, err.text);
    } else {
        job_record_pack(packed, &job);
        if (memcmp(packed, row->record.job, RECORD_JOB) != 0)
            check_row_wrong(c, "its job record is not that of the request");
    }
    prompt_clear(&prompt);
    request_clear(&r);
}

/* Add row i to the group, and compute the group if it is full.  Hidden states
 * and logits are large: they are not copied. */
static int add_row(struct check *c, const struct checkpoint_row *row,
                   uint64_t i, uint32_t choice, struct err *err)
{
    struct check_group *g = c->group;
    struct again_row *a = &g->row[g->n];
    struct checkpoint_rows hidden, logits;

    *a = (struct again_row){ .line = row->line, .choice = choice };
    memcpy(a->wrong, c->row, sizeof(a->wrong));
    c->row[0] = '\0';
    g->n++;
    if (copy_row(a, c, row, err) ||
        checkpoint_hidden(c->part, i, &hidden, err) ||
        checkpoint_logits(c->part, i, &logits, err))
        return -1;
    if (hidden.nbytes)
        a->also.hidden = hidden.data;
    if (logits.nbytes)
        a->also.logits = logits.data;
    g->positions += row->record.n_leaves;
    g->bytes += a->bytes.len;
    return c->o->trace || hidden.nbytes || logits.nbytes ||
                   recompute_is_enough(g->n, g->positions, g->bytes)
               ? compute_group(c, err) : 0;
}

static bool is_wanted(struct check *c, const struct result_record *res)
{
    if (!c->o->trace)
        return check_draw(c);
    if (!id_equal(c->o->trace_id, res->request))
        return false;
    c->traced = true;
    return true;
}

static int compute_rows(struct check *c, struct err *err)
{
    struct checkpoint_row row;
    struct result_record res;

    empty_group(c->group); /* of a part that ended in an error */
    for (uint64_t i = 0; i < c->head->n_rows; i++) {
        if (checkpoint_row(c->part, i, &row, err) ||
            result_record_unpack(&res, row.record.result))
            return -1;
        if (!is_wanted(c, &res))
            continue;
        if (c->batch) {
            if (check_seek(&c->again, row.line, err))
                return -1;
            check_job(c, &row, &res, c->again.text, c->again.n);
        }
        if (add_row(c, &row, i, res.choice, err))
            return -1;
    }
    return c->group->n ? compute_group(c, err) : 0;
}

/* Ask the backend for hidden states, which it offers only on request. */
static int want_hidden(struct check *c, struct err *err)
{
    if (!c->head->n_hidden || c->with_hidden)
        return 0;
    recompute_free(c->recompute);
    c->recompute = NULL;
    c->with_hidden = true;
    return check_recompute(c, err);
}

int check_computed(struct check *c, struct err *err)
{
    char things[100];
    uint64_t before = c->computed;

    if (want_hidden(c, err) || compute_rows(c, err))
        return -1;
    if (c->o->trace && c->computed == before)
        return 0;
    snprintf(things, sizeof(things), "of %" PRIu64 " answer%s, kernel %s",
             c->head->n_rows, plural_s(c->head->n_rows), c->o->backend->name);
    check_report_some(c, "answers computed again", c->o->model->id,
                      c->computed - before, things);
    return 0;
}
