/*
 * Checks the claims of a checkpoint that take no model, one after another.  It
 * reads everything, in pieces; check_again.c computes answers again.
 */
#include <config.h>

#include "verify/check_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/prompt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "model/model.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "proof/trace.h"
#include "spool/request_file.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/record.h"
#include "store/request.h"
#include "store/seal.h"

#define INDEX_MAX ((size_t)1 << 20)

void check_report(struct check *c, const char *what, const char *against,
                  const char *detail)
{
    struct check_claim cl = {
        .file = c->file, .what = what, .against = against,
        .holds = c->wrong[0] == '\0',
        .detail = c->wrong[0] ? c->wrong : detail,
    };

    c->failed = c->failed || !cl.holds;
    c->o->claim(c->o->self, &cl);
    c->wrong[0] = '\0';
}

void check_report_open(struct check *c, const char *what, const char *why)
{
    struct check_claim cl = {
        .file = c->file, .what = what, .against = "nothing", .holds = true,
        .open = true, .detail = why,
    };

    c->o->claim(c->o->self, &cl);
}

void check_report_some(struct check *c, const char *what,
                       const char *against, uint64_t of, const char *things)
{
    char text[160];

    snprintf(text, sizeof(text), "%" PRIu64 " %s", of, things);
    if (c->n_wrong && !c->wrong[0])
        snprintf(c->wrong, sizeof(c->wrong), "%s, %" PRIu64 " wrong%s", text,
                 c->n_wrong, c->n_unnamed ? ", of which the first are named"
                                          : "");
    check_report(c, what, against, text);
    c->n_wrong = c->n_unnamed = 0;
}

void check_name_wrong(struct check *c, const char *what, const char *against,
                      const char *text)
{
    struct check_claim cl = {
        .file = c->file, .what = what, .against = against, .detail = text,
    };

    c->failed = true;
    c->n_wrong++;
    if (c->n_named == CHECK_NAMED) {
        c->n_unnamed++;
        return;
    }
    c->n_named++;
    c->o->claim(c->o->self, &cl);
}

void check_row_wrong(struct check *c, const char *text)
{
    if (!c->row[0])
        snprintf(c->row, sizeof(c->row), "%.390s", text);
}

void check_row_end(struct check *c, uint32_t line, uint32_t choice,
                    const char *how, const char *against)
{
    char what[80];

    if (!c->row[0])
        return;
    snprintf(what, sizeof(what), "line %" PRIu64 ", choice %" PRIu32 "%s",
             (uint64_t)line + 1, choice, how);
    check_name_wrong(c, what, against, c->row);
    c->row[0] = '\0';
}

const char *check_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- what takes no model ------------------------------------------------- */

/* Return whether the row of /last is zeros, as it must be if no leaf commits to
 * it. */
static bool is_blank(const struct check *c, const struct checkpoint_row *row)
{
    size_t n = (size_t)c->head->dim * 4;

    for (size_t i = 0; row->last && i < n; i++)
        if (row->last[i])
            return false;
    return true;
}

/* Return whether x_L of the last position matches the commitment in its
 * leaf. */
static bool last_fits(const struct check *c, const struct checkpoint_row *row)
{
    if (!c->head->with_last)
        return true;
    if (c->head->without_leaves)
        return true; /* the leaf that would commit to it is missing */
    switch (record_last(&row->record, row->last, c->head->dim)) {
    case RECORD_LAST_NONE:
        return is_blank(c, row);
    case RECORD_LAST_FITS:
        return true;
    default:
        return false;
    }
}

int check_seek(struct check_along *a, uint32_t line, struct err *err)
{
    if (a->next > (uint64_t)line + 1)
        return err_set(err, ERR_INPUT, "it is out of order");
    while (a->next <= line) {
        if (request_file_next(a->f, &a->text, &a->n, err))
            return -1;
        if (!a->text)
            return err_set(err, ERR_INPUT, "requests.jsonl has no such line");
        a->next++;
    }
    return 0;
}

/* Return whether the row has the custom_id of its request, which no hash
 * covers. */
static bool is_called(const struct check *c, const struct checkpoint_row *row,
                      const char *custom_id)
{
    size_t n = custom_id ? strlen(custom_id) : 0;

    return c->head->custom_id_size == 0 ||
           (n == row->custom_id_size &&
            (n == 0 || memcmp(custom_id, row->custom_id, n) == 0));
}

/* Check that the id and the job of a row follow from its line. */
static int check_request(struct check *c, const struct checkpoint_row *row,
                         const struct result_record *res, struct err *err)
{
    struct err why = ERR_INIT;
    struct job_record job;
    struct id id, own;
    struct request r;
    const char *other;
    int rc;

    if (check_seek(&c->along, row->line, &why)) {
        check_row_wrong(c, why.text);
        return why.code == ERR_INPUT ? 0 : err_set(err, why.code, "%s",
                                                   why.text);
    }
    rc = request_parse(&r, c->along.text, c->along.n, &why);
    request_file_id(c->along.f, &own);
    if (batch_request_id(&id, c->batch, own, r.custom_id, &why) ||
        !id_equal(id, res->request))
        check_row_wrong(c, "its id is not that of the line");
    else if (!is_called(c, row, r.custom_id))
        check_row_wrong(c, "its custom_id is not that of the line");
    else if (rc == 0 && job_record_unpack(&job, row->record.job) == 0 &&
             (other = check_job_differs(&job, &r, id)) != NULL)
        check_row_wrong(c, other);
    request_clear(&r);
    return 0;
}

/* Check that the line of a row asks for this choice, and gets it only once. */
static void count_row(struct check *c, uint32_t line, uint32_t choice)
{
    struct check_line *l;

    if (line >= c->n_lines) {
        check_row_wrong(c, "requests.jsonl has no such line");
        return;
    }
    l = &c->line[line];
    if (l->blank) {
        check_row_wrong(c, "the line is blank: it can have no answer");
    } else if (l->n_choices == 0) {
        check_row_wrong(c, "the request is malformed: it can have no answer");
    } else if (choice >= l->n_choices) {
        check_row_wrong(c, "the request asks for fewer choices");
    } else {
        if (l->got >> choice & 1)
            check_row_wrong(c, "another part has it, too");
        l->got |= (uint8_t)(1 << choice);
    }
}

static int check_row(struct check *c, const struct checkpoint_row *row,
                     const struct result_record *res, struct err *err)
{
    struct err why = ERR_INIT;
    char text[100];

    if (record_check(&row->record, &why))
        check_row_wrong(c, why.text);
    else if (check_trace(&row->record, text, sizeof(text)))
        check_row_wrong(c, text);
    if (!id_equal(res->model, c->head->model))
        check_row_wrong(c, "it is of another model than the file");
    if (row->line < c->head->first ||
        row->line - c->head->first >= c->head->count)
        check_row_wrong(c, "the request is not one of this part");
    if (!last_fits(c, row))
        check_row_wrong(c, "its row of /last is not the one that its trace"
                        " commits to");
    if (!c->batch)
        return 0;
    count_row(c, row->line, res->choice);
    return check_request(c, row, res, err);
}

/* Report a row whose columns contradict each other or a record.  Only its
 * claimed request is known. */
static int contradicts(struct check *c, uint64_t i, const char *why,
                       struct err *err)
{
    const char *colon = strstr(why, "\": ");
    uint32_t line, choice;

    if (checkpoint_place(c->part, i, &line, &choice, err))
        return -1;
    check_row_wrong(c, colon ? colon + 3 : why);
    if (c->batch)
        count_row(c, line, choice);
    check_row_end(c, line, choice, "", "its columns");
    return 0;
}

static int look_at_row(struct check *c, uint64_t i, struct err *err)
{
    struct err why = ERR_INIT;
    struct checkpoint_row row;
    struct result_record res;

    /* a column that contradicts a record is a failed claim */
    if (checkpoint_row(c->part, i, &row, &why)) {
        if (why.code == ERR_INPUT)
            return contradicts(c, i, why.text, err);
        return err_set(err, why.code, "%s", why.text);
    }
    if (result_record_unpack(&res, row.record.result))
        return contradicts(c, i, "no result record", err);
    check_leaf(c, &res);
    if (check_row(c, &row, &res, err))
        return -1;
    check_row_end(c, row.line, res.choice, "", "its columns");
    return 0;
}

static int check_rows(struct check *c, struct err *err)
{
    const unsigned char *result;
    struct id root;
    struct merkle tree;

    merkle_init(&tree);
    for (uint64_t i = 0; i < c->head->n_rows; i++) {
        if (look_at_row(c, i, err) ||
            checkpoint_result(c->part, i, &result, err))
            return -1;
        merkle_leaf(&tree, result, RECORD_RESULT);
    }
    check_report_some(c, "job, trace and result of each answer",
                      "its columns", c->head->n_rows, "answers");
    if (c->head->without_leaves)
        check_report_open(c, c->head->with_last
                          ? "the leaves of each trace, and the last rows"
                          : "the leaves of each trace",
                          "it was sealed without leaves (keep-trace = roots);"
                          " --recompute makes them, and compares their root");
    if ((c->head->n_hidden || c->head->n_logits) &&
        (!c->o->recompute || c->of < c->planned))
        check_report_open(c, c->head->n_hidden ? "the rows of /hidden"
                                               : "the rows of /logits",
                          "those of answers that --recompute computes again"
                          " are compared; the SHA-256 of the part covers them");
    merkle_root(&tree, &root);
    if (!id_equal(root, c->head->part_root))
        snprintf(c->wrong, sizeof(c->wrong), "the root differs");
    check_report(c, "the tree of its results", "its part_root",
                 "the same root");
    return 0;
}

/* ---- a part -------------------------------------------------------------- */

/* Check the file's own header against the batch that contains it. */
static void check_place(struct check *c)
{
    const struct checkpoint_head *h = c->head;
    char detail[80];

    if (!id_equal(h->batch, c->batch->id))
        snprintf(c->wrong, sizeof(c->wrong), "it is of another batch");
    else if (!id_equal(h->model, c->batch->model))
        snprintf(c->wrong, sizeof(c->wrong), "it is of another model");
    else if (h->first != c->next)
        snprintf(c->wrong, sizeof(c->wrong), "it begins with line %" PRIu64
                 " and not %" PRIu64, h->first + 1, c->next + 1);
    else if (c->sealed && (c->sealed->first != h->first ||
                           c->sealed->count != h->count))
        snprintf(c->wrong, sizeof(c->wrong), "checkpoint.json has %"
                 PRIu64 " lines from %" PRIu64 " on, it has %" PRIu64,
                 c->sealed->count, c->sealed->first + 1, h->count);
    else if (c->sealed && !id_equal(c->sealed->root, h->part_root))
        snprintf(c->wrong, sizeof(c->wrong),
                 "checkpoint.json has another root");
    snprintf(detail, sizeof(detail), "%" PRIu64 " line%s from %" PRIu64 " on",
             h->count, plural_s(h->count), h->first + 1);
    check_report(c, "its batch, model, lines and root",
                 "batch.json and checkpoint.json", detail);
}

static void check_shape(struct check *c)
{
    const struct model_record *rec = &c->o->model->model->rec;
    const struct checkpoint_head *h = c->head;
    char detail[100];

    snprintf(detail, sizeof(detail), "%" PRIu32 " token ids, %" PRIu32
             " layers of %" PRIu32, h->n_vocab, h->n_layers, h->dim);
    if (h->n_vocab != rec->n_vocab || h->n_layers != rec->n_layers ||
        h->dim != rec->dim)
        snprintf(c->wrong, sizeof(c->wrong), "%s; the model has %" PRIu32
                 ", %" PRIu32 " of %" PRIu32, detail, rec->n_vocab,
                 rec->n_layers, rec->dim);
    check_report(c, "the shape of the model", c->o->model->id, detail);
}

/* Check the index beside the part. */
static int check_index(struct check *c, const char *path, struct err *err)
{
    char *name = xasprintf("%.*sidx", (int)strlen(path) - 2, path);
    struct err why = ERR_INIT;
    struct buf want, got;
    int rc = 0;

    buf_init(&want, INDEX_MAX);
    buf_init(&got, INDEX_MAX);
    if (checkpoint_put_index(c->part, &want, err))
        rc = -1;
    else if (file_read(&got, name, &why) &&
             (why.code != ERR_INPUT || file_is_denied(name)))
        rc = err_copy(err, &why);
    else if (why.code)
        snprintf(c->wrong, sizeof(c->wrong), "%.390s", why.text);
    else if (got.len != want.len ||
             memcmp(got.data, want.data, got.len) != 0)
        snprintf(c->wrong, sizeof(c->wrong), "it is another");
    if (rc == 0)
        check_report(c, "its index", "its datasets", "the same");
    buf_clear(&want);
    buf_clear(&got);
    free(name);
    return rc;
}

/* Check an opened file: c->head and c->part are set. */
static int check_opened(struct check *c, const char *path, struct err *err)
{
    bool before = c->failed;
    int rc;

    c->failed = false;
    if (c->batch)
        check_place(c);
    else
        check_plan(c, c->head->n_rows);
    if (c->o->model)
        check_shape(c);
    c->n_rows += c->head->n_rows;
    c->next = c->head->first + c->head->count;
    rc = check_rows(c, err);
    if (rc == 0 && c->batch)
        rc = check_index(c, path, err);
    if (rc == 0 && c->o->statement && !c->failed)
        rc = check_root(c, err);
    /* a part that contradicts itself may be impossible to recompute, and need
     * not be */
    if (rc == 0 && c->recompute && !c->failed)
        rc = check_computed(c, err);
    c->failed = c->failed || before;
    return rc;
}

/* A file that cannot be opened as a part is a failed claim. */
int check_file(struct check *c, const struct part_file *f, struct err *err)
{
    const char *path = part_file_path(f);
    struct err own = ERR_INIT;
    int rc;

    err = err_or(err, &own);
    c->file = check_name(path);
    if (checkpoint_open_file(&c->part, f, err)) {
        if (err->code != ERR_INPUT || checkpoint_is_death(err))
            return -1;
        snprintf(c->wrong, sizeof(c->wrong), "%.390s", err->text);
        check_report(c, "the file", "the layout of a checkpoint", "");
        return 0;
    }
    c->head = checkpoint_head(c->part);
    rc = check_opened(c, path, err);
    checkpoint_close(c->part);
    c->part = NULL;
    return rc ? rc : part_file_unchanged(f, err);
}

enum verdict check_result(const struct check *c, int rc, struct err *err)
{
    if (rc)
        return VERDICT_NONE;
    if (c->o->trace && !c->traced && !c->failed) {
        err_set(err, ERR_INPUT, "the request to be traced has no answer here");
        return VERDICT_NONE;
    }
    return verdict_of(c->failed);
}

void check_plan(struct check *c, uint64_t n_rows)
{
    c->planned = c->to_see = n_rows;
    c->to_draw = c->o->recompute < n_rows ? c->o->recompute : n_rows;
    c->of = c->to_draw;
}

int check_part_ids(struct id *model, struct id *batch,
                   const struct part_file *f, struct err *err)
{
    struct checkpoint *p;

    if (checkpoint_open_file(&p, f, err))
        return -1;
    *model = checkpoint_head(p)->model;
    *batch = checkpoint_head(p)->batch;
    checkpoint_close(p);
    return 0;
}

enum verdict check_part(const struct part_file *f,
                        const struct check_options *o, struct err *err)
{
    struct check c = { .o = o };
    int rc;

    rc = check_recompute(&c, err);
    if (rc == 0)
        rc = check_file(&c, f, err);
    check_recompute_end(&c);
    return check_result(&c, rc, err);
}
