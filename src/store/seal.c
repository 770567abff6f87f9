/*
 * The rows of a checkpoint from the logs of a batch, and its parts.  The files
 * around the parts are in seal_files.c, the form of a part in checkpoint.h.
 */
#include <config.h>

#include "store/seal_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/settings.h"
#include "base/vec.h"
#include "proof/result_record.h"
#include "proof/trace.h"
#include "store/checkpoint.h"
#include "store/jobs_file.h"
#include "store/scan.h"
#include "store/topk.h"
#include "store/worklog.h"

#define RECORD_MAX ((size_t)1 << 31)

/* ---- readers ------------------------------------------------------------ */

static struct worklog_reader *reader_of(struct seal *s, uint32_t log,
                                        struct err *err)
{
    struct seal_reader *r = &s->reader[log % SEAL_READERS];

    if (r->log && r->number == log)
        return r->log;
    worklog_reader_close(r->log);
    r->log = NULL;
    if (worklog_open(&r->log, s->logs.log[log].path, &s->info->id, err)) {
        r->log = NULL;
        return NULL;
    }
    r->number = log;
    return r->log;
}

static int read_frame(struct seal *s, uint32_t log, uint64_t at,
                      struct frame *f, struct err *err)
{
    struct worklog_reader *r = reader_of(s, log, err);

    return r ? worklog_read_at(r, at, f, err) : -1;
}

/* ---- from logs to rows -------------------------------------------------- */

static struct seal_row *new_row(struct seal *s)
{
    VEC_RESERVE(s->row, s->cap_rows, s->n_rows + 1);
    return &s->row[s->n_rows++];
}

static void count_stops(struct seal_row *row, const struct record *r)
{
    size_t at = 0;

    /* record_get has seen that they are whole */
    while (at < r->stops_size) {
        row->n_stops++;
        at += 4 + get_u32(r->stops + at);
    }
    row->stop_bytes = (uint32_t)r->stops_size - 4 * row->n_stops;
}

/* Whether a last row belongs to it. */
static bool commits_to_last(const struct record *r)
{
    static const struct id zeros;
    struct trace_leaf leaf;

    return r->n_leaves > 0 &&
           trace_leaf_unpack(&leaf,
                             r->leaf + (r->n_leaves - 1) * RECORD_LEAF) == 0 &&
           !id_equal(leaf.fin, zeros);
}

/* The answer of a part without leaves, which was taken apart. */
static bool is_bare(const struct record *r)
{
    struct result_record res;

    return r->n_leaves == 0 && result_record_unpack(&res, r->result) == 0 &&
           res.n > 0;
}

static void add_refused(struct seal *s, uint32_t log, const struct frame *f)
{
    VEC_RESERVE(s->refused, s->cap_refused, s->n_refused + 1);
    s->refused[s->n_refused++] = (struct seal_refused){
        (uint32_t)f->index, log, f->at
    };
}

/* Where the tensors of requests without their record yet are; 0: there is
 * none, since no frame begins there. */
struct pending_rows {
    uint64_t index, last, topk, hidden, logits;
    uint64_t hidden_size, logits_size; /* bytes */
    uint32_t n_topk, k, n_pieces, piece_bytes; /* of the likeliest tokens */
};
struct pendings {
    struct pending_rows *p;
    size_t n, cap;
};

static struct pending_rows *pending_of(struct pendings *q, uint64_t index)
{
    for (size_t i = 0; i < q->n; i++)
        if (q->p[i].index == index)
            return &q->p[i];
    VEC_RESERVE(q->p, q->cap, q->n + 1);
    q->p[q->n] = (struct pending_rows){ .index = index };
    return &q->p[q->n++];
}

static struct pending_rows pending_take(struct pendings *q, uint64_t index)
{
    struct pending_rows *p = pending_of(q, index), taken = *p;

    *p = q->p[--q->n];
    return taken;
}

/* Likeliest tokens that cannot be read are not there. */
static void pending_topk(struct pending_rows *p, const struct frame *f)
{
    struct topk t;

    p->topk = 0;
    if (!f->payload || topk_get(&t, f->payload, f->n, NULL))
        return;
    p->topk = f->at;
    p->n_topk = (uint32_t)t.n;
    p->k = (uint32_t)t.k;
    p->n_pieces = (uint32_t)t.n_pieces;
    p->piece_bytes = (uint32_t)t.piece_bytes;
}

/* Those that cannot be read again whole are not there. */
static void pending_rows(struct pending_rows *p, const struct frame *f)
{
    bool hidden = f->type == FRAME_HIDDEN;

    *(hidden ? &p->hidden : &p->logits) = f->payload ? f->at : 0;
    *(hidden ? &p->hidden_size : &p->logits_size) = f->payload ? f->n : 0;
}

static int add_record(struct seal *s, uint32_t log, const struct frame *f,
                      const struct pending_rows *tensors, struct err *err)
{
    struct result_record res;
    struct seal_row *row;
    struct record r;

    if (record_get(&r, f->payload, f->n, err))
        return err_prefix(err, "\"%s\", byte %" PRIu64,
                          s->logs.log[log].path, f->at);
    row = new_row(s);
    *row = (struct seal_row){
        .line = (uint32_t)f->index,
        .choice = (uint32_t)(f->index >> 32),
        .log = log, .at = f->at, .last = tensors->last,
        .topk = tensors->topk, .n_topk = tensors->n_topk, .k = tensors->k,
        .n_pieces = tensors->n_pieces, .piece_bytes = tensors->piece_bytes,
        .hidden = tensors->hidden, .hidden_size = tensors->hidden_size,
        .logits = tensors->logits, .logits_size = tensors->logits_size,
        .n_prompt = (uint32_t)r.n_prompt,
        .n_leaves = (uint32_t)r.n_leaves,
        .n_output = (uint32_t)r.n_output,
        .text = r.text_size,
        .commits = commits_to_last(&r), .bare = is_bare(&r),
    };
    if (result_record_unpack(&res, r.result) == 0)
        row->finish = res.finish;
    count_stops(row, &r);
    return 0;
}

static int take_frame(struct seal *s, uint32_t log, struct pendings *q,
                      const struct frame *f, struct err *err)
{
    uint32_t line = (uint32_t)f->index, choice = (uint32_t)(f->index >> 32);

    if (line >= s->scan->n || choice > 7)
        return err_set(err, ERR_INPUT, "\"%s\" has a frame of line %" PRIu64
                       ", choice %" PRIu32, s->logs.log[log].path,
                       (uint64_t)line + 1, choice);
    if (f->type == FRAME_LAST)
        pending_of(q, f->index)->last = f->at;
    if (f->type == FRAME_TOPK)
        pending_topk(pending_of(q, f->index), f);
    if (f->type == FRAME_HIDDEN || f->type == FRAME_LOGITS)
        pending_rows(pending_of(q, f->index), f);
    if (f->type == FRAME_RECORD) {
        struct pending_rows tensors = pending_take(q, f->index);

        return add_record(s, log, f, &tensors, err);
    }
    if (f->type == FRAME_GIVEN_UP)
        add_refused(s, log, f);
    return 0;
}

static int read_log(struct seal *s, uint32_t log, struct err *err)
{
    struct pendings q = { .n = 0 };
    struct worklog_reader *r;
    struct frame f;
    uint64_t at;
    enum found rc;

    if (worklog_open(&r, s->logs.log[log].path, &s->info->id, err))
        return -1;
    worklog_skip_above(r, RECORD_MAX);
    while ((rc = worklog_next(r, &f, err)) == FOUND_ONE) {
        if (take_frame(s, log, &q, &f, err)) {
            rc = FOUND_FAILED;
            break;
        }
    }
    if (rc == FOUND_NONE && worklog_damaged(r, &at)) {
        char text[640];

        snprintf(text, sizeof(text), "\"%s\" is damaged at byte %" PRIu64,
                 s->logs.log[log].path, at);
        caller_note(&s->o.caller, true, text);
    }
    free(q.p);
    worklog_reader_close(r);
    return rc == FOUND_FAILED ? -1 : 0;
}

/* By line and choice; of the same the first log, the first frame. */
static int by_place(const void *a, const void *b)
{
    const struct seal_row *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->choice != y->choice)
        return x->choice < y->choice ? -1 : 1;
    if (x->log != y->log)
        return x->log < y->log ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int refused_by_line(const void *a, const void *b)
{
    const struct seal_refused *x = a, *y = b;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    if (x->log != y->log)
        return x->log < y->log ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Two answers to one request must be the same bytes.  Where one has no leaves,
 * the result record stands for all of it, and is its end. */
static int compare_answers(struct seal *s, const struct seal_row *a,
                           const struct seal_row *b, struct err *err)
{
    bool same = true;
    struct frame f;
    void *copy;
    size_t n;
    int rc;

    if (read_frame(s, a->log, a->at, &f, err))
        return -1;
    n = f.n;
    copy = xmalloc(n + 1);
    memcpy(copy, f.payload, n);
    rc = read_frame(s, b->log, b->at, &f, err);
    if (rc == 0 && a->bare != b->bare && n >= RECORD_RESULT &&
        f.n >= RECORD_RESULT)
        same = memcmp((char *)copy + n - RECORD_RESULT,
                      (const char *)f.payload + f.n - RECORD_RESULT,
                      RECORD_RESULT) == 0;
    else if (rc == 0)
        same = f.n == n && memcmp(f.payload, copy, n) == 0;
    if (rc == 0 && !same)
        rc = err_set(err, ERR_INPUT, "line %" PRIu64 " (choice %" PRIu32
                     ") has two different answers, in \"%s\" at %" PRIu64
                     " and in \"%s\" at %" PRIu64 ": one of these machines"
                     " computes wrong", (uint64_t)a->line + 1, a->choice,
                     s->logs.log[a->log].path, a->at,
                     s->logs.log[b->log].path, b->at);
    free(copy);
    return rc;
}

/* The settings may have been others then. */
static bool has_more(const struct seal_row *a, const struct seal_row *b)
{
    if (a->bare != b->bare)
        return b->bare;
    return !b->last || (a->topk && !b->topk) || (a->hidden && !b->hidden) ||
           (a->logits && !b->logits);
}

/* One row for each line and choice, one reason for each line. */
static int drop_doubles(struct seal *s, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_rows; i++) {
        struct seal_row *row = &s->row[i], *kept = n ? &s->row[n - 1] : NULL;

        if (!kept || kept->line != row->line || kept->choice != row->choice)
            s->row[n++] = *row;
        else if (compare_answers(s, kept, row, err))
            return -1;
        else if (has_more(row, kept))
            *kept = *row;
    }
    s->n_rows = n;
    n = 0;
    for (size_t i = 0; i < s->n_refused; i++)
        if (n == 0 || s->refused[n - 1].line != s->refused[i].line)
            s->refused[n++] = s->refused[i];
    s->n_refused = n;
    return 0;
}

/* Move the rows [from, to) whose choice is in `all` to `at`: how many. */
static size_t keep_choices(struct seal *s, size_t at, size_t from, size_t to,
                           uint8_t all)
{
    size_t n = 0;

    for (size_t i = from; i < to; i++)
        if (all & 1u << s->row[i].choice)
            s->row[at + n++] = s->row[i];
    return n;
}

/* Walk over the lines: what is complete keeps its rows, of what was given up
 * only the reason stays, and nothing else may be left. */
static int settle(struct seal *s, struct err *err)
{
    size_t row = 0, no = 0, rows = 0, reasons = 0;
    uint64_t missing = 0;

    for (uint32_t line = 0; line < s->scan->n; line++) {
        uint8_t done = 0;
        size_t from = row;
        uint8_t all = scan_choices(&s->scan->line[line]);
        bool refused;

        for (; row < s->n_rows && s->row[row].line == line; row++)
            done |= (uint8_t)(1u << s->row[row].choice);
        refused = no < s->n_refused && s->refused[no].line == line;
        if ((done & all) == all) {
            /* an earlier version may have read the request in another way,
             * and answered more */
            rows += keep_choices(s, rows, from, row, all);
        } else if (refused) {
            s->refused[reasons++] = s->refused[no];
        } else {
            missing++;
        }
        no += refused;
    }
    s->n_rows = rows;
    s->n_refused = reasons;
    if (missing && !s->o.partial)
        return err_set(err, ERR_RETRY, "%" PRIu64 " of %" PRIu32 " %s no"
                       " answer yet: run the batch again", missing,
                       s->scan->n_requests,
                       plural(s->scan->n_requests, "request has",
                              "requests have"));
    return 0;
}

/* A row of zeros would contradict its trace, so it is all or none.  Where the
 * log has no leaves, nothing says that zeros are right. */
static void settle_last(struct seal *s)
{
    char text[300];

    for (size_t i = 0; s->o.with_last && i < s->n_rows; i++) {
        const struct seal_row *row = &s->row[i];

        if (row->last || (!row->commits && !row->bare))
            continue;
        s->o.with_last = false;
        snprintf(text, sizeof(text), "no log has the last row of line %"
                 PRIu64 ", which was answered with another setting of"
                 " \"tensors\": the checkpoint is made without",
                 (uint64_t)row->line + 1);
        caller_note(&s->o.caller, true, text);
    }
}

/* So are leaves. */
static void settle_leaves(struct seal *s)
{
    char text[300];

    for (size_t i = 0; !s->o.roots_only && i < s->n_rows; i++) {
        if (!s->row[i].bare)
            continue;
        s->o.roots_only = true;
        snprintf(text, sizeof(text), "no log has the trace's leaves of the"
                 " request in line %" PRIu64 ", which an earlier checkpoint"
                 " left out: this one has none either",
                 (uint64_t)s->row[i].line + 1);
        caller_note(&s->o.caller, true, text);
    }
}

/* ---- parts -------------------------------------------------------------- */

static uint64_t row_bytes(const struct seal *s, const struct seal_row *row)
{
    return RECORD_JOB + RECORD_RESULT + 4 * (uint64_t)row->n_prompt +
           (s->o.roots_only ? 0 : (uint64_t)RECORD_LEAF * row->n_leaves) +
           4 * (uint64_t)row->n_output + row->text + row->stop_bytes +
           (12 + 8 * (uint64_t)row->k) * row->n_topk +
           12 * (uint64_t)row->n_pieces + row->piece_bytes +
           row->hidden_size + row->logits_size +
           (s->o.with_last ? 4 * (uint64_t)s->o.dim : 0);
}

static struct seal_part *new_part(struct seal *s, uint32_t line, size_t row)
{
    struct seal_part *p;

    VEC_MORE(s->part, s->n_parts);
    p = &s->part[s->n_parts++];
    *p = (struct seal_part){ .first = line, .row = row };
    return p;
}

/* A new part begins before the request that would take it over its size. */
static void cut(struct seal *s)
{
    struct seal_part *p = new_part(s, 0, 0);
    uint64_t bytes = 0;
    size_t row = 0;

    for (uint32_t line = 0; line < s->scan->n; line++) {
        uint64_t more = 0;
        size_t from = row;

        for (; row < s->n_rows && s->row[row].line == line; row++)
            more += row_bytes(s, &s->row[row]);
        if (bytes > 0 && bytes + more > s->o.part_size) {
            p = new_part(s, line, from);
            bytes = 0;
        }
        bytes += more;
        p->count++;
        p->n_rows = row - p->row;
    }
}

void seal_settings(struct seal_options *o, const struct settings *s)
{
    o->part_size = settings_count(s, "part-size");
    o->with_last = strcmp(settings_text(s, "tensors"), "none") != 0;
    o->with_topk = strcmp(settings_text(s, "tensors"), "topk") == 0;
    o->with_hidden = strcmp(settings_text(s, "tensors"), "hidden") == 0;
    o->with_logits = strcmp(settings_text(s, "tensors"), "logits") == 0;
    o->custom_ids = strcmp(settings_text(s, "custom-ids"), "yes") == 0 &&
                    strcmp(settings_text(s, "publish"), "hashes") != 0;
    o->roots_only = strcmp(settings_text(s, "keep-trace"), "roots") == 0;
}

int seal_open(struct seal **out, const char *batch_path,
              const struct batch_info *info, const struct scan *scan,
              const struct seal_options *o, struct err *err)
{
    struct seal *s = xcalloc(1, sizeof(*s));

    s->batch_path = xstrdup(batch_path);
    s->info = info;
    s->scan = scan;
    s->o = *o;
    buf_init(&s->last, (size_t)o->dim * 4);
    buf_init(&s->topk, RECORD_MAX);
    buf_init(&s->hidden, RECORD_MAX);
    buf_init(&s->logits, RECORD_MAX);
    if (start_logs_find(&s->logs, batch_path, err))
        goto fail;
    for (uint32_t i = 0; i < s->logs.n; i++)
        if (read_log(s, i, err))
            goto fail;
    if (s->n_rows > 1)
        qsort(s->row, s->n_rows, sizeof(*s->row), by_place);
    if (s->n_refused > 1)
        qsort(s->refused, s->n_refused, sizeof(*s->refused),
              refused_by_line);
    if (drop_doubles(s, err) || settle(s, err))
        goto fail;
    settle_last(s);
    settle_leaves(s);
    cut(s);
    *out = s;
    return 0;
fail:
    seal_close(s);
    return -1;
}

void seal_close(struct seal *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < SEAL_READERS; i++)
        worklog_reader_close(s->reader[i].log);
    start_logs_clear(&s->logs);
    buf_clear(&s->last);
    buf_clear(&s->topk);
    buf_clear(&s->hidden);
    buf_clear(&s->logits);
    free(s->row);
    free(s->refused);
    free(s->part);
    free(s->batch_path);
    free(s);
}

size_t seal_parts(const struct seal *s)
{
    return s->n_parts;
}

/* ---- one part ----------------------------------------------------------- */

/* Who asks for rows: the part, by its number. */
struct giving {
    struct seal *s;
    const struct seal_part *part;
    struct seal_names names;
};

/* The tensor first: reading the record takes its bytes away. */
static int take_last(struct seal *s, const struct seal_row *row,
                     const unsigned char **last, struct err *err)
{
    struct frame f;

    *last = NULL;
    if (!s->o.with_last || !row->last)
        return 0;
    if (read_frame(s, row->log, row->last, &f, err))
        return -1;
    if (f.n != (size_t)s->o.dim * 4)
        return err_set(err, ERR_INPUT, "\"%s\" has a last row of %zu bytes"
                       " at %" PRIu64 ", the model's has %zu",
                       s->logs.log[row->log].path, f.n, row->last,
                       (size_t)s->o.dim * 4);
    buf_reset(&s->last);
    buf_put(&s->last, f.payload, f.n);
    *last = (const unsigned char *)s->last.data;
    return 0;
}

static int take_topk(struct seal *s, const struct seal_row *row,
                     struct topk *t, struct err *err)
{
    struct frame f;

    memset(t, 0, sizeof(*t));
    if (!row->topk)
        return 0;
    if (read_frame(s, row->log, row->topk, &f, err))
        return -1;
    buf_reset(&s->topk);
    buf_put(&s->topk, f.payload, f.n);
    return buf_check(&s->topk, "likeliest tokens", err) ||
                   topk_get(t, s->topk.data, s->topk.len, err)
               ? -1 : 0;
}

/* A tensor of a row as it lies in its log, into b. */
static int take_rows(struct seal *s, const struct seal_row *row, uint64_t at,
                     struct buf *b, struct checkpoint_rows *out,
                     struct err *err)
{
    struct frame f;

    *out = (struct checkpoint_rows){ NULL, 0 };
    if (!at)
        return 0;
    if (read_frame(s, row->log, at, &f, err))
        return -1;
    buf_reset(b);
    buf_put(b, f.payload, f.n);
    *out = (struct checkpoint_rows){ (const unsigned char *)b->data, b->len };
    return buf_check(b, "a tensor", err);
}

static int give_row(void *self, uint64_t i, struct checkpoint_row *row,
                    struct err *err)
{
    const struct giving *g = self;
    const struct seal_row *r = &g->s->row[g->part->row + i];
    struct frame f;

    row->line = r->line;
    seal_names_get(&g->names, i, row);
    if (take_last(g->s, r, &row->last, err) ||
        take_topk(g->s, r, &row->topk, err) ||
        take_rows(g->s, r, r->hidden, &g->s->hidden, &row->hidden, err) ||
        take_rows(g->s, r, r->logits, &g->s->logits, &row->logits, err) ||
        read_frame(g->s, r->log, r->at, &f, err))
        return -1;
    return record_get(&row->record, f.payload, f.n, err);
}

enum found seal_row(struct seal *s, size_t i, struct checkpoint_row *row,
                    struct err *err)
{
    struct frame f;

    if (i >= s->n_rows)
        return FOUND_NONE;
    memset(row, 0, sizeof(*row));
    row->line = s->row[i].line;
    if (take_topk(s, &s->row[i], &row->topk, err) ||
        read_frame(s, s->row[i].log, s->row[i].at, &f, err) ||
        record_get(&row->record, f.payload, f.n, err))
        return FOUND_FAILED;
    return FOUND_ONE;
}

enum found seal_reason(struct seal *s, size_t i, uint32_t *line,
                       struct reason *why, struct err *err)
{
    struct frame f;

    if (i >= s->n_refused)
        return FOUND_NONE;
    *line = s->refused[i].line;
    if (read_frame(s, s->refused[i].log, s->refused[i].at, &f, err))
        return FOUND_FAILED;
    reason_unpack(why, f.payload, f.n);
    return FOUND_ONE;
}

static void fill_head(struct checkpoint_head *h, const struct seal *s,
                      const struct seal_part *p)
{
    uint64_t hidden_row = 4 * (uint64_t)s->o.dim * (s->o.n_layers + 1);
    uint64_t logits_row = 4 * (uint64_t)s->o.n_vocab;

    hidden_row += hidden_row == 0;
    logits_row += logits_row == 0;
    memset(h, 0, sizeof(*h));
    h->model = s->info->model;
    h->batch = s->info->id;
    h->n_vocab = s->o.n_vocab;
    h->n_layers = s->o.n_layers;
    h->dim = s->o.dim;
    h->first = p->first;
    h->count = p->count;
    h->n_rows = p->n_rows;
    h->with_last = s->o.with_last;
    h->without_leaves = s->o.roots_only;
    for (size_t i = p->row; i < p->row + p->n_rows; i++) {
        const struct seal_row *r = &s->row[i];

        h->n_stops += r->n_stops;
        h->stop_bytes += r->stop_bytes;
        h->n_prompt += r->n_prompt;
        h->n_leaves += s->o.roots_only ? 0 : r->n_leaves;
        h->n_output += r->n_output;
        h->text_bytes += r->text;
        h->n_topk += r->n_topk;
        h->topk = r->n_topk ? r->k : h->topk;
        h->n_pieces += r->n_pieces;
        h->piece_bytes += r->piece_bytes;
        h->n_hidden += r->hidden_size / hidden_row;
        h->n_logits += r->logits_size / logits_row;
    }
}

static int write_index(struct seal *s, size_t part, const char *h5,
                       struct err *err)
{
    char *path = seal_part_path(s->batch_path, part, "idx");
    struct buf text;
    int rc = 0;

    buf_init(&text, 1u << 20);
    if (!file_exists(path))
        rc = checkpoint_index(h5, &text, err) ||
                     buf_check(&text, "an index", err) ||
                     file_write(path, text.data, text.len, err)
                 ? -1 : 0;
    buf_clear(&text);
    free(path);
    return rc;
}

static int write_jobs(struct seal *s, size_t part, const char *h5,
                      struct err *err)
{
    char *path = seal_part_path(s->batch_path, part, "jobs");
    int rc = s->o.pretended || file_exists(path)
                 ? 0 : jobs_file_write(path, h5, err);

    free(path);
    return rc;
}

int seal_part(struct seal *s, size_t part, struct err *err)
{
    char *path = seal_part_path(s->batch_path, part, "h5");
    struct giving g = { .s = s, .part = &s->part[part] };
    struct checkpoint_head head;
    int rc = 0;

    fill_head(&head, s, g.part);
    if (!file_exists(path)) {
        char *idx = seal_part_path(s->batch_path, part, "idx");
        char *jobs = seal_part_path(s->batch_path, part, "jobs");

        /* of a part that somebody removed */
        unlink(idx);
        unlink(jobs);
        free(idx);
        free(jobs);
        if (s->o.custom_ids)
            rc = seal_names_read(&g.names, s, g.part, err);
        head.custom_id_size = (uint32_t)g.names.longest;
        rc = rc ? rc
                : checkpoint_write(path, &head, give_row, &g, NULL, err);
        seal_names_clear(&g.names);
    }
    if (rc == 0)
        rc = write_index(s, part, path, err);
    if (rc == 0)
        rc = write_jobs(s, part, path, err);
    free(path);
    return rc;
}
