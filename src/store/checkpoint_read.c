/*
 * Reading a part that anybody may have made.  Another process is asked where
 * each dataset lies; rows are read from those places by ourselves.
 * What the rows' commitments are worth is not judged here.
 */
#include <config.h>

#include "store/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/vec.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "store/checkpoint_hdf5.h"
#include "store/part_file.h"

#define MAX_VIEW ((uint64_t)1 << 32) /* bytes of one row in one dataset */
#define WINDOW ((uint64_t)64 << 10)  /* read ahead where rows are ragged */

/* The bytes of a dataset that are in memory. */
struct row_window {
    unsigned char *data;
    size_t cap;
    uint64_t from, to; /* offsets in the dataset */
};

struct checkpoint {
    struct part_file *own;        /* to be closed, or NULL */
    const struct part_file *file;
    const char *path;             /* of it */
    struct checkpoint_head head;
    uint64_t count[N_COUNTS];
    struct layout_place place[N_SETS];
    struct row_window window[N_SETS];
    unsigned char stops[JOB_MAX_STOPS * (4 + JOB_MAX_STOP)];
    unsigned char *ends;          /* of the pieces of a row */
    size_t cap_ends;
};

/* ---- bytes ---------------------------------------------------------------*/

static int make_room(struct checkpoint *c, struct row_window *w, uint64_t n,
                     struct err *err)
{
    void *data = NULL;

    if (n <= w->cap)
        return 0;
    if (mem_big(&data, 1, (size_t)n, c->path, err))
        return -1;
    free(w->data);
    w->data = data;
    w->cap = (size_t)n;
    w->from = w->to = 0;
    return 0;
}

/* n rows of a dataset, borrowed until the next view of the same one.  Where
 * reading continues from what was read before it reads ahead. */
static int view(struct checkpoint *c, enum layout_set i, uint64_t row,
                uint64_t n, const unsigned char **out, struct err *err)
{
    static const unsigned char nothing[1];
    const struct layout_place *s = &c->place[i];
    struct row_window *w = &c->window[i];
    uint64_t at, some, ahead = s->row_bytes * LAYOUT_BLOCK;

    *out = nothing;
    if (row > s->dims[0] || n > s->dims[0] - row)
        return layout_bad(c->path, i, "has fewer rows", err);
    at = row * s->row_bytes;
    some = n * s->row_bytes;
    if (some == 0)
        return 0;
    if (some > MAX_VIEW)
        return layout_bad(c->path, i, "has more than 4 GiB for one row", err);
    if (layout_table[i].count != COUNT_ROWS || ahead > WINDOW * 16)
        ahead = WINDOW;
    if (at < w->from || at + some > w->to) {
        uint64_t want = some;

        if (at >= w->from && at <= w->to && ahead > some)
            want = ahead < s->nbytes - at ? ahead : s->nbytes - at;
        if (make_room(c, w, want, err))
            return -1;
        w->from = w->to = 0;
        if (part_file_read(c->file, w->data, (size_t)want, s->offset + at,
                           err))
            return -1;
        w->from = at;
        w->to = at + want;
    }
    *out = w->data + (at - w->from);
    return 0;
}

/* ---- opening -------------------------------------------------------------*/

/* What can be known before HDF5 sees a byte: the superblock of version 2 is
 * signature, version, size of offsets, size of lengths, flags, base address,
 * extension, end of file, root group, checksum. */
static int look_at_start(struct checkpoint *c, struct err *err)
{
    static const unsigned char begin[11] = "\211HDF\r\n\032\n\2\10\10";
    uint64_t size = part_file_size(c->file);
    unsigned char head[48];

    if (size < sizeof(head))
        return layout_none(c->path, "it is too short", err);
    if (part_file_read(c->file, head, sizeof(head), 0, err))
        return -1;
    if (memcmp(head, begin, sizeof(begin)) != 0 || get_u64(head + 12) != 0)
        return layout_none(c->path, "it does not begin as one", err);
    if (get_u64(head + 28) != size)
        return err_set(err, ERR_INPUT,
                       "\"%s\" has %ju bytes and should have"
                       " %ju",
                       c->path, (uintmax_t)size,
                       (uintmax_t)get_u64(head + 28));
    return 0;
}

/* From 0, never back, and ending where what they count ends. */
static int look_at_offsets(struct checkpoint *c, enum layout_set i,
                           struct err *err)
{
    const unsigned char *p;
    uint64_t last = 0;

    for (uint64_t k = 0; k < c->place[i].dims[0]; k++) {
        if (view(c, i, k, 1, &p, err))
            return -1;
        if (get_u64(p) < last || (k == 0 && get_u64(p) != 0))
            return layout_bad(c->path, i, "does not ascend from 0", err);
        last = get_u64(p);
    }
    if (last != c->count[layout_table[i].ends])
        return layout_bad(c->path, i, "does not end where its rows end", err);
    return 0;
}

/* By line, then choice, each once, within what the head says. */
static int look_at_order(struct checkpoint *c, struct err *err)
{
    const unsigned char *line, *choice;
    uint64_t key, last = 0;

    for (uint64_t i = 0; i < c->head.n_rows; i++) {
        if (view(c, SET_INDEX, i, 1, &line, err) ||
            view(c, SET_CHOICE, i, 1, &choice, err))
            return -1;
        if (get_u32(line) < c->head.first ||
            get_u32(line) - c->head.first >= c->head.count)
            return layout_bad(c->path, SET_INDEX, "has lines of other parts",
                              err);
        key = (uint64_t)get_u32(line) << 32 | get_u32(choice);
        if (i > 0 && key <= last)
            return layout_bad(c->path, SET_INDEX, "is not in order", err);
        last = key;
    }
    return 0;
}

static void take_counts(struct checkpoint *c)
{
    struct checkpoint_head *h = &c->head;

    h->n_rows = c->count[COUNT_ROWS];
    h->n_stops = c->count[COUNT_STOPS];
    h->stop_bytes = c->count[COUNT_STOP_BYTES];
    h->n_prompt = c->count[COUNT_PROMPT];
    h->n_leaves = c->count[COUNT_LEAVES];
    h->n_output = c->count[COUNT_OUTPUT];
    h->text_bytes = c->count[COUNT_TEXT];
    h->n_hidden = c->count[COUNT_HIDDEN];
    h->n_logits = c->count[COUNT_LOGITS];
    h->n_topk = c->count[COUNT_STEPS];
    h->topk = (uint32_t)c->count[COUNT_TOPK];
    h->n_pieces = c->count[COUNT_PIECES];
    h->piece_bytes = c->count[COUNT_PIECE_BYTES];
    h->with_last = c->place[SET_LAST].there;
    h->without_leaves = !c->place[SET_LEAF_START].there;
    h->custom_id_size = (uint32_t)c->count[COUNT_CUSTOM_ID];
}

/* Likeliest tokens are there whole or not at all; what ids stand for may be
 * no bytes. */
static int look_at_topk(struct checkpoint *c, struct err *err)
{
    if (c->count[COUNT_TOPK] > TOPK_MAX)
        return layout_bad(c->path, SET_TOPK_TOKEN, "has more than 20 a step",
                          err);
    for (int i = SET_TOPK_START; i < SET_PIECE_UTF8; i++)
        if (c->place[i].there != (c->count[COUNT_STEPS] > 0))
            return layout_bad(c->path, i, "is missing, or without others",
                              err);
    return 0;
}

/* What stands in the file, after where. */
static int look_at_rows(struct checkpoint *c, struct err *err)
{
    if (look_at_topk(c, err))
        return -1;
    take_counts(c);
    for (int i = 0; i < N_SETS; i++)
        if (c->place[i].there && layout_table[i].ends != COUNT_NONE &&
            look_at_offsets(c, i, err))
            return -1;
    return look_at_order(c, err);
}

static int open_part(struct checkpoint **out, const struct part_file *f,
                     bool own, struct err *err)
{
    struct checkpoint *c = xcalloc(1, sizeof(*c));
    int rc;

    c->file = f;
    c->path = part_file_path(f);
    rc = look_at_start(c, err);
    if (rc == 0)
        rc = own ? layout_walk(part_file_descriptor(f), c->path, &c->head,
                               c->count, c->place, err)
                 : layout_ask(f, &c->head, c->count, c->place, err);
    if (rc == 0)
        rc = look_at_rows(c, err);
    if (rc) {
        checkpoint_close(c);
        return layout_is_damage(err) ? err_damage(err) : -1;
    }
    *out = c;
    return 0;
}

int checkpoint_open_file(struct checkpoint **out, const struct part_file *f,
                         struct err *err)
{
    return open_part(out, f, false, err);
}

static int open_path(struct checkpoint **out, const char *path, bool own,
                     struct err *err)
{
    struct part_file *f;

    if (part_file_open(&f, path, err))
        return -1;
    if (open_part(out, f, own, err)) {
        part_file_close(f);
        return -1;
    }
    (*out)->own = f;
    return 0;
}

int checkpoint_open(struct checkpoint **out, const char *path, struct err *err)
{
    return open_path(out, path, false, err);
}

int checkpoint_open_own(struct checkpoint **out, const char *path,
                        struct err *err)
{
    return open_path(out, path, true, err);
}

const struct checkpoint_head *checkpoint_head(const struct checkpoint *c)
{
    return &c->head;
}

void checkpoint_close(struct checkpoint *c)
{
    if (!c)
        return;
    part_file_close(c->own);
    for (int i = 0; i < N_SETS; i++)
        free(c->window[i].data);
    free(c->ends);
    free(c);
}

/* ---- rows ----------------------------------------------------------------*/

/* What offsets say of row i. */
static int range(struct checkpoint *c, enum layout_set start, uint64_t i,
                 uint64_t *from, uint64_t *n, struct err *err)
{
    const unsigned char *p;
    uint64_t to;

    *from = *n = 0;
    if (view(c, start, i, 2, &p, err))
        return -1;
    *from = get_u64(p);
    to = get_u64(p + 8);
    /* It was looked at when the file was opened, which is still there. */
    if (to < *from || to > c->count[layout_table[start].ends])
        return layout_bad(c->path, start, "has changed", err);
    *n = to - *from;
    return 0;
}

static int ragged(struct checkpoint *c, enum layout_set start,
                  enum layout_set value, uint64_t i, const unsigned char **out,
                  size_t *n, struct err *err)
{
    uint64_t from, some;

    if (range(c, start, i, &from, &some, err) ||
        view(c, value, from, some, out, err))
        return -1;
    *n = (size_t)some;
    return 0;
}

/* As record.h has them: each after its length. */
static int gather_stops(struct checkpoint *c, uint64_t i, struct record *r,
                        struct err *err)
{
    const unsigned char *p = NULL;
    uint64_t first, n_stops, from, n;
    size_t at = 0;

    if (range(c, SET_STOP_START, i, &first, &n_stops, err))
        return -1;
    if (n_stops > JOB_MAX_STOPS)
        return layout_bad(c->path, SET_STOP_START, "has too many for one row",
                          err);
    for (uint64_t k = 0; k < n_stops; k++) {
        if (range(c, SET_STOP_FROM, first + k, &from, &n, err))
            return -1;
        if (n < 1 || n > JOB_MAX_STOP)
            return layout_bad(c->path, SET_STOP_FROM,
                              "has a string of no such length", err);
        if (view(c, SET_STOP_UTF8, from, n, &p, err))
            return -1;
        set_u32(c->stops + at, (uint32_t)n);
        memcpy(c->stops + at + 4, p, (size_t)n);
        at += 4 + (size_t)n;
    }
    r->stops = c->stops;
    r->stops_size = at;
    return 0;
}

/* The line, the records, and whether the other columns say the same. */
static int read_columns(struct checkpoint *c, uint64_t i,
                        struct checkpoint_row *row, struct err *err)
{
    unsigned char cell[LAYOUT_MAX_CELL];
    struct result_record res;
    struct job_record job;
    const unsigned char *p = NULL;

    if (view(c, SET_INDEX, i, 1, &p, err))
        return -1;
    row->line = get_u32(p);
    if (view(c, SET_JOB, i, 1, &row->record.job, err) ||
        view(c, SET_RESULT, i, 1, &row->record.result, err))
        return -1;
    if (layout_records(&job, &res, &row->record, &c->head, err))
        return err_prefix(err, "\"%s\"", c->path);
    for (int k = SET_ID; k <= SET_TRACE; k++) {
        if (k == SET_JOB || !c->place[k].there)
            continue;
        layout_cell(cell, k, row->line, &job, &res);
        if (view(c, k, i, 1, &p, err))
            return -1;
        if (memcmp(p, cell, (size_t)c->place[k].row_bytes) != 0)
            return layout_bad(c->path, k,
                              "differs from the job or result record", err);
    }
    return 0;
}

static int read_leaves(struct checkpoint *c, uint64_t i, struct record *r,
                       struct err *err)
{
    struct result_record res;

    if (!c->head.without_leaves)
        return ragged(c, SET_LEAF_START, SET_LEAF, i, &r->leaf, &r->n_leaves,
                      err);
    if (result_record_unpack(&res, r->result))
        return layout_bad(c->path, SET_RESULT, "has none", err);
    r->leaf = NULL;
    r->n_leaves = res.n;
    return 0;
}

/* Text, and then zeros. */
static int read_custom_id(struct checkpoint *c, uint64_t i,
                          struct checkpoint_row *row, struct err *err)
{
    size_t n = c->head.custom_id_size, len = 0;
    const unsigned char *p = NULL;

    if (!c->place[SET_CUSTOM_ID].there)
        return 0;
    if (view(c, SET_CUSTOM_ID, i, 1, &p, err))
        return -1;
    while (len < n && p[len])
        len++;
    for (size_t k = len; k < n; k++)
        if (p[k])
            return layout_bad(c->path, SET_CUSTOM_ID, "has a text that goes"
                              " on after its end", err);
    if (!utf8_valid(p, len))
        return layout_bad(c->path, SET_CUSTOM_ID, "has what is not UTF-8",
                          err);
    row->custom_id = (const char *)p;
    row->custom_id_size = len;
    return 0;
}

/* Where the bytes of each of n ids end in those of the row. */
static int read_ends(struct checkpoint *c, uint64_t first, uint64_t n,
                     struct topk *t, struct err *err)
{
    const unsigned char *p = NULL;
    uint64_t from, to;

    /* ids ascend and are below n_vocab, or topk_check refuses */
    if (n > c->head.n_vocab)
        return layout_bad(c->path, SET_PIECE_START, "has too many for one row",
                          err);
    VEC_RESERVE(c->ends, c->cap_ends, 8 * (size_t)n + 1);
    if (view(c, SET_PIECE_FROM, first, n + 1, &p, err))
        return -1;
    from = get_u64(p);
    for (uint64_t i = 0; i < n; i++)
        set_u64(c->ends + 8 * i, get_u64(p + 8 * (i + 1)) - from);
    to = get_u64(p + 8 * n);
    if (to < from || to > c->count[COUNT_PIECE_BYTES])
        return layout_bad(c->path, SET_PIECE_FROM, "has changed", err);
    t->end = c->ends;
    t->piece_bytes = (size_t)(to - from);
    return view(c, SET_PIECE_UTF8, from, to - from, &t->utf8, err);
}

static int read_topk(struct checkpoint *c, uint64_t i, struct topk *t,
                     size_t n_output, struct err *err)
{
    uint64_t from, n;

    if (!c->place[SET_TOPK_START].there)
        return 0;
    if (range(c, SET_TOPK_START, i, &from, &n, err))
        return -1;
    if (n != 0 && n != n_output)
        return layout_bad(c->path, SET_TOPK_START, "has another number of"
                          " steps than the row has output tokens", err);
    t->n = (size_t)n;
    t->k = c->head.topk;
    if (view(c, SET_TOPK_LOG_SUM, from, n, &t->log_sum, err) ||
        view(c, SET_TOPK_LOGIT, from, n, &t->logit, err) ||
        view(c, SET_TOPK_TOKEN, from, n, &t->token, err) ||
        view(c, SET_TOPK_TOP, from, n, &t->top, err) ||
        range(c, SET_PIECE_START, i, &from, &n, err))
        return -1;
    t->n_pieces = (size_t)n;
    if (view(c, SET_PIECE_TOKEN, from, n, &t->piece, err) ||
        read_ends(c, from, n, t, err) || topk_check(t, err))
        return err_prefix(err, "\"%s\"", c->path);
    return 0;
}

static int read_row(struct checkpoint *c, uint64_t i,
                    struct checkpoint_row *row, struct err *err)
{
    struct record *r = &row->record;

    if (i >= c->head.n_rows)
        return err_set(err, ERR_INPUT, "\"%s\" has %ju rows", c->path,
                       (uintmax_t)c->head.n_rows);
    if (read_columns(c, i, row, err) || read_custom_id(c, i, row, err) ||
        gather_stops(c, i, r, err) ||
        ragged(c, SET_PROMPT_START, SET_PROMPT_TOKEN, i, &r->prompt,
               &r->n_prompt, err) ||
        read_leaves(c, i, r, err) ||
        ragged(c, SET_OUTPUT_START, SET_OUTPUT_TOKEN, i, &r->output,
               &r->n_output, err) ||
        ragged(c, SET_TEXT_START, SET_TEXT_UTF8, i, &r->text, &r->text_size,
               err) ||
        read_topk(c, i, &row->topk, r->n_output, err))
        return -1;
    if (c->place[SET_LAST].there)
        return view(c, SET_LAST, i, 1, &row->last, err);
    return 0;
}

int checkpoint_row(struct checkpoint *c, uint64_t i, struct checkpoint_row *row,
                   struct err *err)
{
    struct checkpoint_row t;

    memset(&t, 0, sizeof(t));
    if (read_row(c, i, &t, err)) {
        err_prefix(err, "row %ju", (uintmax_t)i + 1);
        return err_damage(err);
    }
    *row = t;
    return 0;
}

static int read_tensor(struct checkpoint *c, uint64_t i,
                       enum layout_set start, enum layout_set value,
                       enum layout_set rows, struct checkpoint_rows *out,
                       struct err *err)
{
    uint64_t from, n, at, want;

    *out = (struct checkpoint_rows){ NULL, 0 };
    if (i >= c->head.n_rows)
        return err_set(err, ERR_INPUT, "\"%s\" has %ju rows", c->path,
                       (uintmax_t)c->head.n_rows);
    if (!c->place[start].there || !c->place[value].there)
        return 0;
    if (range(c, start, i, &from, &n, err))
        return -1;
    want = n;
    if (c->place[rows].there && range(c, rows, i, &at, &want, err))
        return -1;
    if (n != 0 && n != want)
        return layout_bad(c->path, start, "has another number of rows than"
                          " the answer", err);
    out->nbytes = (size_t)(n * c->place[value].row_bytes);
    return view(c, value, from, n, &out->data, err);
}

int checkpoint_hidden(struct checkpoint *c, uint64_t i,
                      struct checkpoint_rows *rows, struct err *err)
{
    return read_tensor(c, i, SET_HIDDEN_START, SET_HIDDEN_VALUE,
                       SET_LEAF_START, rows, err);
}

int checkpoint_logits(struct checkpoint *c, uint64_t i,
                      struct checkpoint_rows *rows, struct err *err)
{
    return read_tensor(c, i, SET_LOGITS_START, SET_LOGITS_VALUE,
                       SET_OUTPUT_START, rows, err);
}

int checkpoint_result(struct checkpoint *c, uint64_t i,
                      const unsigned char **result, struct err *err)
{
    if (i >= c->head.n_rows)
        return err_set(err, ERR_INPUT, "\"%s\" has %ju rows", c->path,
                       (uintmax_t)c->head.n_rows);
    return view(c, SET_RESULT, i, 1, result, err) ? err_damage(err) : 0;
}

int checkpoint_place(struct checkpoint *c, uint64_t i, uint32_t *line,
                     uint32_t *choice, struct err *err)
{
    const unsigned char *a = NULL, *b = NULL;

    if (view(c, SET_INDEX, i, 1, &a, err) ||
        view(c, SET_CHOICE, i, 1, &b, err))
        return -1;
    *line = get_u32(a);
    *choice = get_u32(b);
    return 0;
}

int checkpoint_name(struct checkpoint *c, uint64_t i, const char **name,
                    size_t *n, struct err *err)
{
    struct checkpoint_row row = { .custom_id = "" };

    if (read_custom_id(c, i, &row, err))
        return -1;
    *name = row.custom_id;
    *n = row.custom_id_size;
    return 0;
}

int checkpoint_result_root(struct checkpoint *c, struct id *root,
                           struct err *err)
{
    const unsigned char *p = NULL;
    struct merkle m;

    merkle_init(&m);
    for (uint64_t i = 0; i < c->head.n_rows; i++) {
        if (view(c, SET_RESULT, i, 1, &p, err))
            return -1;
        merkle_leaf(&m, p, RECORD_RESULT);
    }
    merkle_root(&m, root);
    return 0;
}

/* ---- index ---------------------------------------------------------------*/

int checkpoint_put_index(const struct checkpoint *c, struct buf *out,
                         struct err *err)
{
    layout_print_places(out, c->place);
    return buf_check(out, "the index of a checkpoint", err);
}

int checkpoint_index(const char *path, struct buf *out, struct err *err)
{
    struct checkpoint *c;
    int rc;

    if (checkpoint_open(&c, path, err))
        return -1;
    rc = checkpoint_put_index(c, out, err);
    checkpoint_close(c);
    return rc;
}
