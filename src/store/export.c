/*
 * Answers of a checkpoint as lines.  What a request said of itself comes from
 * requests.jsonl, which is read along.
 */
#include <config.h>

#include "store/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/utf8.h"
#include "proof/result_record.h"
#include "spool/request_file.h"
#include "spool/spool.h"
#include "store/answer.h"
#include "store/checkpoint.h"
#include "store/part_file.h"
#include "store/request.h"
#include "store/resume.h"
#include "store/rows.h"
#include "store/seal.h"
#include "store/scan.h"
#include "store/topk.h"

#define OUT_MAX ((size_t)1 << 30)

/* One choice, with bytes of its own. */
struct export_choice {
    char *text;
    size_t n_text;
    uint32_t *token;
    size_t n_tokens;
    struct result_record result;
    struct buf likely;       /* bytes of .. */
    struct topk topk;        /* n is 0: none */
};

struct export {
    export_fn *put;
    void *self;
    struct export_counts *n;
    char model_id[ID_TEXT];
    struct id model;
    struct buf out;

    /* the rows of one request */
    struct export_choice choice[REQUEST_MAX_CHOICES];
    size_t n_choices, n_prompt;
    struct id id;
    char *custom_id;          /* that the part has, or NULL */
    uint32_t line;            /* of the request, from 0 .. */
    uint64_t lines_before;    /* .. and of what is one file with it */

    const char *batch_path;
    const struct batch_info *batch;

    /* where answers are read: parts, or the logs of a batch that is not
     * sealed */
    struct rows *rows;
    struct seal *seal;
    size_t logged;            /* the next of the logs */
    bool has_row;             /* ahead holds the next one */
    struct checkpoint_row ahead;

    bool is_part;             /* one part by itself, and no requests */
    const struct seal_info *info;   /* of a batch: what was sealed .. */
    size_t n_checked;         /* .. and how many parts were compared with it */
    bool unsealed;            /* the part of `ahead` is not what was sealed */
};

/* ---- one request -------------------------------------------------------- */

static void drop_choices(struct export *x)
{
    for (size_t i = 0; i < x->n_choices; i++) {
        free(x->choice[i].text);
        free(x->choice[i].token);
        buf_clear(&x->choice[i].likely);
    }
    x->n_choices = 0;
    free(x->custom_id);
    x->custom_id = NULL;
}

/* Of a part of a stranger it may be any bytes. */
static void keep_custom_id(struct export *x, const struct checkpoint_row *row)
{
    struct buf b;

    if (!x->is_part || x->custom_id || !row->custom_id_size)
        return;
    buf_init(&b, 3 * row->custom_id_size);
    utf8_scrub(&b, row->custom_id, row->custom_id_size);
    x->custom_id = b.len ? buf_take(&b, NULL) : NULL;
    buf_clear(&b);
}

/* What people call a line. */
static uint64_t number_of(const struct export *x, uint64_t line)
{
    return x->lines_before + line + 1;
}

/* A view of bytes of its own. */
static int keep_topk(struct export_choice *c, const struct topk *t,
                     struct err *err)
{
    c->topk.n = 0;
    buf_init(&c->likely, OUT_MAX);
    if (!t->n)
        return 0;
    topk_put(&c->likely, t);
    return buf_check(&c->likely, "likeliest tokens", err) ||
                   topk_get(&c->topk, c->likely.data, c->likely.len, err)
               ? -1 : 0;
}

static int keep_row(struct export *x, const struct checkpoint_row *row,
                    struct err *err)
{
    struct export_choice *c;
    const struct record *r = &row->record;

    if (x->n_choices == REQUEST_MAX_CHOICES)
        return err_set(err, ERR_INPUT, "line %" PRIu64 " has over %d"
                       " answers", number_of(x, row->line),
                       REQUEST_MAX_CHOICES);
    c = &x->choice[x->n_choices];
    if (result_record_unpack(&c->result, r->result))
        return err_set(err, ERR_INPUT, "line %" PRIu64 " has no result"
                       " record", number_of(x, row->line));
    c->text = xstrndup((const char *)r->text, r->text_size);
    c->n_text = r->text_size;
    c->n_tokens = r->n_output;
    c->token = xmalloc(r->n_output * sizeof(*c->token) + 1);
    for (size_t i = 0; i < r->n_output; i++)
        c->token[i] = get_u32(r->output + 4 * i);
    x->n_prompt = r->n_prompt;
    keep_custom_id(x, row);
    x->id = c->result.request;
    x->n_choices++;
    return keep_topk(c, &row->topk, err);
}

static int put_out(struct export *x, struct err *err)
{
    int rc;

    if (x->is_part)
        answer_mark_part(&x->out);
    rc = buf_check(&x->out, "an answer", err) ||
         x->put(x->self, x->out.data, x->out.len, err);

    buf_reset(&x->out);
    return rc ? -1 : 0;
}

static int put_reason(struct export *x, struct id id, const char *custom_id,
                      const struct reason *why, struct err *err)
{
    answer_put_error(&x->out, id, custom_id, why->code, why->message,
                     number_of(x, x->line));
    x->n->refused++;
    return put_out(x, err);
}

/* If a choice has no answer, the request has none: 1 and why, or 0. */
static int is_error(const struct export *x, struct reason *why)
{
    const struct export_choice *c = x->choice;

    while (c < x->choice + x->n_choices && c->result.finish < RESULT_RANGE)
        c++;
    if (c == x->choice + x->n_choices)
        return 0;
    answer_reason(why->code, sizeof(why->code), why->message,
                  sizeof(why->message), &c->result, x->n_prompt);
    return 1;
}

/* Pass over an error of ERR_INPUT, which is in the checkpoint: 0, or -1. */
static int pass_over(struct export *x, const struct err *why, struct err *err)
{
    if (why->code != ERR_INPUT)
        return err_copy(err, why);
    if (!x->n->damage.code)
        x->n->damage = *why;
    return 0;
}

/* The line of the request whose rows were kept; r may be NULL. */
static int put_request(struct export *x, const struct request *r,
                       struct err *err)
{
    struct answer_choice choice[REQUEST_MAX_CHOICES];
    struct answer_line a = {
        .id = &x->id,
        .custom_id = r ? r->custom_id : x->custom_id,
        .chat = r && r->chat,
        .model = r && r->model ? r->model : x->model_id,
        .model_id = x->model_id,
        .prompt_tokens = x->n_prompt,
        .choice = choice,
        .n_choices = x->n_choices,
    };
    struct reason why;

    for (size_t i = 0; i < x->n_choices; i++)
        x->n->tokens += x->choice[i].n_tokens;
    if (is_error(x, &why))
        return put_reason(x, x->id, a.custom_id, &why, err);
    for (size_t i = 0; i < x->n_choices; i++) {
        const struct export_choice *c = &x->choice[i];

        choice[i] = (struct answer_choice){
            c->text, c->n_text, c->token, c->n_tokens,
            answer_finish(c->result.finish), NULL, 0
        };
        if (r && r->logprobs && c->topk.n == c->n_tokens)
            choice[i].topk = &c->topk;
        choice[i].top_logprobs = r ? r->top_logprobs : 0;
    }
    answer_put(&x->out, &a);
    x->n->answered++;
    return put_out(x, err);
}

/* ---- rows, one ahead ----------------------------------------------------- */

/* Compare what a row holds with its own hashes: a disk may have changed it
 * since it was sealed. */
static int check_row(struct export *x, struct err *err)
{
    uint64_t number = rows_number(x->rows) + 1;
    char *path;

    if (record_check_untraced(&x->ahead.record, err) == 0)
        return 0;
    if (!x->batch_path)
        return err_prefix(err, "the answer in row %" PRIu64 " is damaged",
                          number);
    path = seal_part_path(x->batch_path, rows_part_number(x->rows), "h5");
    err_prefix(err, "\"%s\": the answer in row %" PRIu64 " is damaged", path,
               number);
    free(path);
    return -1;
}

/* Compare the parts before `end` with what was sealed; x->unsealed tells of the
 * last of them. */
static int check_parts(struct export *x, size_t end, struct err *err)
{
    int rc = 0;

    for (; rc == 0 && x->n_checked < end; x->n_checked++) {
        char *path = seal_part_path(x->batch_path, x->n_checked, "h5");
        struct part_file *f = NULL;
        struct err why = ERR_INIT;

        x->unsealed =
            part_file_open(&f, path, &why) ||
            seal_file_check(&x->info->part[x->n_checked], f, &why);
        if (x->unsealed)
            rc = pass_over(x, &why, err);
        part_file_close(f);
        free(path);
    }
    return rc;
}

/* The next row of the parts: as rows_next. */
static enum found read_row(struct export *x, struct err *err)
{
    enum found rc = rows_next(x->rows, err);

    if (rc != FOUND_ONE)
        return rc;
    if (x->batch_path && check_parts(x, rows_part_number(x->rows) + 1, err))
        return FOUND_FAILED;
    return checkpoint_row(rows_part(x->rows), rows_number(x->rows), &x->ahead,
                          err) || check_row(x, err) ? FOUND_FAILED : FOUND_ONE;
}

/* The next row into `ahead`; has_row is false at the end.  Rows and parts of a
 * batch that are damaged are passed over. */
static int look_ahead(struct export *x, struct err *err)
{
    struct err why = ERR_INIT;
    enum found rc;

    if (x->has_row)
        return 0;
    if (x->seal) {
        rc = seal_row(x->seal, x->logged++, &x->ahead, err);
        x->has_row = rc == FOUND_ONE;
        return rc == FOUND_FAILED ? -1 : 0;
    }
    do
        rc = read_row(x, &why);
    while (rc == FOUND_FAILED && x->batch_path &&
           pass_over(x, &why, NULL) == 0);
    x->has_row = rc == FOUND_ONE;
    return rc == FOUND_FAILED ? err_copy(err, &why) : 0;
}

/* Whether the row ahead is of this line.  Its line is in no hash: in a part
 * that was changed, the id of the request counts, and the order of choices. */
static bool is_ahead(const struct export *x, uint32_t line,
                     const struct id *id)
{
    struct result_record r;

    if (!x->unsealed)
        return x->ahead.line == line;
    if (!id || result_record_unpack(&r, x->ahead.record.result) ||
        !id_equal(r.request, *id))
        return false;
    return !x->n_choices ||
           r.choice > x->choice[x->n_choices - 1].result.choice;
}

/* Keep all rows of a line; `id` is that of its request, or NULL. */
static int take_line(struct export *x, uint32_t line, const struct id *id,
                     struct err *err)
{
    drop_choices(x);
    x->line = line;
    for (;;) {
        if (look_ahead(x, err))
            return -1;
        if (!x->has_row || !is_ahead(x, line, id))
            return 0;
        if (keep_row(x, &x->ahead, err))
            return -1;
        x->has_row = false;
    }
}

/* ---- a batch ------------------------------------------------------------ */

/* The reason that is next. */
struct reasons {
    struct refused *file;
    struct seal *seal; /* instead of the file */
    size_t next;       /* of it */
    bool has;
    uint32_t line;
    struct reason why;
};

/* After a damaged one no more are read. */
static int next_reason(struct export *x, struct reasons *r, struct err *err)
{
    struct err why = ERR_INIT;
    enum found rc = FOUND_NONE;

    if (r->seal)
        rc = seal_reason(r->seal, r->next++, &r->line, &r->why, &why);
    else if (r->file)
        rc = refused_next(r->file, &r->line, &r->why, &why);
    r->has = rc == FOUND_ONE;
    if (rc != FOUND_FAILED)
        return 0;
    if (r->seal)
        return err_copy(err, &why);
    refused_close(r->file);
    r->file = NULL;
    return pass_over(x, &why, err);
}

/* Whether the rows that were kept are the answer to this request, all of it;
 * r is NULL if its line is not one. */
static bool is_answer(const struct export *x, const struct request *r,
                      const struct id *id)
{
    if (!id || !id_equal(*id, x->id))
        return false;
    for (size_t i = 0; i < x->n_choices; i++)
        if (x->choice[i].result.choice != i)
            return false;
    return !r || r->n_choices == x->n_choices;
}

/* A request without an answer that fits: the checkpoint is damaged. */
static int put_none(struct export *x, const char *what, struct err *err)
{
    struct err why = ERR_INIT;

    x->n->lost++;
    err_set(&why, ERR_INPUT, "\"%s\": line %" PRIu64 " %s", x->batch_path,
            number_of(x, x->line), what);
    return pass_over(x, &why, err);
}

/* One line of requests.jsonl. */
static int export_line(struct export *x, struct reasons *no,
                       const struct request_file *f, uint32_t line,
                       const char *text, size_t n, struct err *err)
{
    struct id id, own;
    struct request r;
    int rc, bad = request_parse(&r, text, n, NULL);
    bool has_id;

    request_file_id(f, &own);
    has_id = batch_request_id(&id, x->batch, own, bad ? NULL : r.custom_id,
                              NULL) == 0;
    rc = take_line(x, line, has_id ? &id : NULL, err);
    if (rc)
        goto out;
    if (x->n_choices && is_answer(x, bad ? NULL : &r, has_id ? &id : NULL)) {
        rc = put_request(x, bad ? NULL : &r, err);
    } else if (x->n_choices) {
        rc = put_none(x, "has an answer to another request", err);
    } else if (no->has && no->line == line) {
        /* a line that is none has no custom_id either */
        if (batch_request_id(&id, x->batch, own, r.custom_id, NULL))
            id = own;
        rc = put_reason(x, id, r.custom_id, &no->why, err);
        if (rc == 0)
            rc = next_reason(x, no, err);
    } else if (x->seal) {
        x->n->missing++;
    } else {
        rc = put_none(x, "has neither an answer nor a reason in"
                      " refused.jsonl", err);
    }
out:
    request_clear(&r);
    return rc;
}

static int export_lines(struct export *x, struct request_file *f,
                        struct reasons *no, struct err *err)
{
    const char *text;
    uint32_t line = 0;
    size_t n;

    if (next_reason(x, no, err))
        return -1;
    for (;; line++) {
        if (request_file_next(f, &text, &n, err))
            return -1;
        if (!text)
            return 0;
        if (!request_file_is_blank(f) &&
            export_line(x, no, f, line, text, n, err))
            return -1;
    }
}

/* Say what is lost by the damage; the checkpoint can be made again. */
static void name_remedy(struct export_counts *n, const struct batch_info *batch)
{
    char lost[64] = "every answer is intact";

    if (!n->damage.code)
        return;
    if (n->lost)
        snprintf(lost, sizeof(lost), "%" PRIu64 " answer%s left out", n->lost,
                 plural_s(n->lost));
    err_set(&n->damage, n->damage.code, "%.360s (%s)", n->damage.text, lost);
    seal_name_remedy(batch->id, &n->damage);
}

static void export_init(struct export *x, export_fn *put, void *self,
                        struct export_counts *n)
{
    memset(x, 0, sizeof(*x));
    memset(n, 0, sizeof(*n));
    x->put = put;
    x->self = self;
    x->n = n;
    buf_init(&x->out, OUT_MAX);
}

static void set_batch(struct export *x, const char *path,
                      const struct batch_info *batch,
                      const uint64_t *lines_before)
{
    base64url(x->model_id, batch->model.b, 32);
    x->batch_path = path;
    x->batch = batch;
    x->lines_before = lines_before ? *lines_before : batch->lines_before;
}

static void export_clear(struct export *x)
{
    drop_choices(x);
    rows_close(x->rows);
    buf_clear(&x->out);
}

int export_batch(const char *batch_path, const uint64_t *lines_before,
                 export_fn *put, void *self, struct export_counts *n,
                 struct err *err)
{
    char *path = file_join(batch_path, "requests.jsonl");
    struct batch_info batch = { .n_requests = 0 };
    struct seal_info info = { .n_parts = 0 };
    struct reasons no = { .file = NULL };
    struct err why = ERR_INIT;
    struct request_file *f = NULL;
    struct export x;
    int rc = -1;

    export_init(&x, put, self, n);
    if (batch_info_read(&batch, batch_path, err) ||
        batch_request_file(&f, &batch, batch_path, err))
        goto out;
    if (!seal_is_done(batch_path)) {
        seal_info_read(&info, batch_path, err);
        goto out;
    }
    if (!id_equal(request_file_hash(f), batch.file)) {
        err_set(err, ERR_INPUT, "\"%s\" is not the file that this batch was"
                " made of: it was changed", path);
        goto out;
    }
    set_batch(&x, batch_path, &batch, lines_before);
    if ((seal_info_read(&info, batch_path, &why) &&
         pass_over(&x, &why, err)) ||
        (refused_open(&no.file, batch_path, &why) &&
         pass_over(&x, &why, err)))
        goto out;
    x.info = &info;
    x.rows = rows_open(batch_path, &info);
    rc = export_lines(&x, f, &no, err) ||
         check_parts(&x, info.n_parts, err) ? -1 : 0;
    name_remedy(n, &batch);
out:
    export_clear(&x);
    refused_close(no.file);
    request_file_close(f);
    seal_info_clear(&info);
    batch_info_clear(&batch);
    free(path);
    return rc;
}

/* Whether it was sealed, has lost its checkpoint.json, and has no log either
 * that answers could be taken from. */
static bool lost_its_seal(const char *batch_path)
{
    struct start_logs logs;
    bool lost = false;

    if (seal_is_due(batch_path) &&
        start_logs_find(&logs, batch_path, NULL) == 0) {
        lost = logs.n == 0;
        start_logs_clear(&logs);
    }
    return lost;
}

int export_partial(const char *batch_path, const uint64_t *lines_before,
                   export_fn *put, void *self, struct export_counts *n,
                   struct err *err)
{
    struct seal_options o = { .part_size = UINT64_MAX, .partial = true };
    struct batch_info batch = { .n_requests = 0 };
    struct scan scan = { .n = 0 };
    struct reasons no = { .file = NULL };
    struct request_file *f = NULL;
    struct export x;
    int rc = -1;

    if (seal_is_done(batch_path) || lost_its_seal(batch_path))
        return export_batch(batch_path, lines_before, put, self, n, err);
    export_init(&x, put, self, n);
    if (batch_info_read(&batch, batch_path, err) ||
        batch_request_file(&f, &batch, batch_path, err) ||
        scan_read(&scan, batch_path, &batch, err) ||
        seal_open(&x.seal, batch_path, &batch, &scan, &o, err))
        goto out;
    set_batch(&x, batch_path, &batch, lines_before);
    no.seal = x.seal;
    rc = export_lines(&x, f, &no, err);
out:
    seal_close(x.seal);
    scan_clear(&scan);
    export_clear(&x);
    request_file_close(f);
    batch_info_clear(&batch);
    return rc;
}

int export_part(const struct part_file *f, uint64_t lines_before,
                export_fn *put, void *self, struct export_counts *n,
                struct err *err)
{
    struct export x;
    int rc = -1;

    export_init(&x, put, self, n);
    x.is_part = true;
    x.lines_before = lines_before;
    if (rows_open_part(&x.rows, f, err))
        goto out;
    base64url(x.model_id, checkpoint_head(rows_part(x.rows))->model.b, 32);
    for (;;) {
        rc = look_ahead(&x, err);
        if (rc || !x.has_row)
            break;
        rc = take_line(&x, x.ahead.line, NULL, err);
        if (rc || (rc = put_request(&x, NULL, err)))
            break;
    }
    if (rc == 0)
        rc = part_file_unchanged(f, err);
out:
    export_clear(&x);
    return rc;
}
