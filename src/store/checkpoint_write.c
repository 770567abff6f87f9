/*
 * Writing a part, once and whole (checkpoint.md, Seal): every dataset gets
 * its place when it is made, then the rows go through one bounded buffer for
 * each dataset.  What a row's commitments are worth is for others.
 */
#include <config.h>

#include "store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/room.h"
#include "base/sys.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "store/checkpoint_aside.h"
#include "store/checkpoint_hdf5.h"

/* What the file holds besides its data is some 12 KiB; the rest is given
 * back. */
#define METADATA ((uint64_t)128 << 10)
#define HOLD ((uint64_t)1 << 20) /* bytes of a buffer, but at least one row */
#define NO_ID H5I_INVALID_HID

/* A dataset on its way: `at` rows are in the file, `held` in the buffer. */
struct checkpoint_column {
    hid_t set;       /* NO_ID: it is not part of this file */
    hid_t type;      /* of the writer */
    int rank;
    hsize_t dims[LAYOUT_MAX_RANK];
    uint64_t row_bytes;
    uint64_t at;
    size_t held, capacity; /* rows */
    unsigned char *data;
};

struct writer {
    const char *path;
    char *aside;     /* path.XXXXXXXX.tmp */
    const struct checkpoint_head *head;
    uint64_t count[N_COUNTS];
    hid_t file, root;   /* root: the attribute part_root */
    hid_t type[N_TYPES];
    hid_t text;         /* the type of custom_id */
    bool made;          /* the file aside is ours */
    int fd;             /* of ours, to the same file */
    int lock;           /* says that it is being written, -1: nothing does */
    struct stat st;     /* of it, when it was closed */
    struct checkpoint_column column[N_SETS];
    unsigned char *memory; /* all the buffers */
    uint64_t last_key;     /* line and choice of the row before, plus one */
    struct merkle results;
    struct id part_root;
};

static int cannot(struct writer *w, const char *what, struct err *err)
{
    return layout_fail(err, ERR_RETRY, what, w->aside);
}

/* ---- buffers -------------------------------------------------------------*/

static uint64_t position(const struct writer *w, enum layout_set i)
{
    return w->column[i].at + w->column[i].held;
}

/* n rows to where the column stands. */
static int write_rows(struct writer *w, struct checkpoint_column *c,
                      const void *data, uint64_t n, struct err *err)
{
    hsize_t from[LAYOUT_MAX_RANK] = { c->at }, some[LAYOUT_MAX_RANK];
    hid_t in_file = NO_ID, in_memory = NO_ID;
    bool good;

    if (c->row_bytes == 0) {
        c->at += n;
        return 0;
    }
    memcpy(some, c->dims, sizeof(some));
    some[0] = n;
    errno = 0;
    /* The type in memory is that of the file: bytes go as they are. */
    good = (in_file = H5Dget_space(c->set)) >= 0 &&
           H5Sselect_hyperslab(in_file, H5S_SELECT_SET, from, NULL, some,
                               NULL) >= 0 &&
           (in_memory = H5Screate_simple(c->rank, some, NULL)) >= 0 &&
           H5Dwrite(c->set, c->type, in_memory, in_file, H5P_DEFAULT,
                    data) >= 0;
    if (!good)
        cannot(w, "write", err);
    if (in_memory >= 0)
        H5Sclose(in_memory);
    if (in_file >= 0)
        H5Sclose(in_file);
    if (good)
        c->at += n;
    return good ? 0 : -1;
}

static int flush_column(struct writer *w, struct checkpoint_column *c,
                        struct err *err)
{
    if (c->held > 0 && write_rows(w, c, c->data, c->held, err))
        return -1;
    c->held = 0;
    return 0;
}

/* Put n rows; data NULL: zeros. */
static int put_set_rows(struct writer *w, enum layout_set i, const void *data,
                        uint64_t n, struct err *err)
{
    struct checkpoint_column *c = &w->column[i];
    const unsigned char *p = data;
    uint64_t size = c->row_bytes;

    if (n > c->dims[0] - position(w, i))
        return err_set(err, ERR_FATAL,
                       "the rows for \"%s\" hold more of %s than its head says:"
                       " %ju", w->path, layout_table[i].path,
                       (uintmax_t)c->dims[0]);
    if (n == 0)
        return 0;
    if (p && n >= c->capacity)
        return flush_column(w, c, err) ? -1 : write_rows(w, c, p, n, err);
    while (n > 0) {
        uint64_t some = c->capacity - c->held;
        unsigned char *to = c->data + c->held * size;

        some = n < some ? n : some;
        if (size > 0 && p)
            memcpy(to, p, some * size);
        else if (size > 0)
            memset(to, 0, some * size);
        p = p ? p + some * size : NULL;
        n -= some;
        c->held += some;
        if (c->held == c->capacity && flush_column(w, c, err))
            return -1;
    }
    return 0;
}

static int put_u64(struct writer *w, enum layout_set i, uint64_t v,
                   struct err *err)
{
    unsigned char bytes[8];

    set_u64(bytes, v);
    return put_set_rows(w, i, bytes, 1, err);
}

/* ---- rows ----------------------------------------------------------------*/

static int put_columns(struct writer *w, const struct checkpoint_row *row,
                       struct err *err)
{
    unsigned char cell[LAYOUT_MAX_CELL];
    struct result_record res;
    struct job_record job;
    uint64_t key;

    if (layout_records(&job, &res, &row->record, w->head, err))
        return -1;
    key = ((uint64_t)row->line << 32 | job.choice) + 1;
    if (key <= w->last_key || row->line < w->head->first ||
        row->line - w->head->first >= w->head->count)
        return err_set(err, ERR_FATAL,
                       "line %u, choice %u is out of order or not of \"%s\"",
                       (unsigned)row->line, (unsigned)job.choice, w->path);
    w->last_key = key;
    merkle_leaf(&w->results, row->record.result, RECORD_RESULT);
    for (int i = SET_ID; i <= SET_IGNORE_EOS; i++) {
        layout_cell(cell, i, row->line, &job, &res);
        if (put_set_rows(w, i, cell, 1, err))
            return -1;
    }
    return put_set_rows(w, SET_TRACE, res.trace.b, 1, err) ||
                   put_set_rows(w, SET_JOB, row->record.job, 1, err) ||
                   put_set_rows(w, SET_RESULT, row->record.result, 1, err)
               ? -1
               : 0;
}

/* Each u32 length and bytes, as record.h has them. */
static int put_stops(struct writer *w, const struct record *r, struct err *err)
{
    const unsigned char *at = r->stops;
    size_t left = r->stops_size;

    for (int n_stops = 0; left > 0; n_stops++) {
        size_t n = left < 4 ? 0 : get_u32(at);

        if (n < 1 || n > JOB_MAX_STOP || n > left - 4 ||
            n_stops == JOB_MAX_STOPS)
            return err_set(err, ERR_INPUT, "stop string %d is none", n_stops);
        if (put_set_rows(w, SET_STOP_UTF8, at + 4, n, err) ||
            put_u64(w, SET_STOP_FROM, position(w, SET_STOP_UTF8), err))
            return -1;
        at += 4 + n;
        left -= 4 + n;
    }
    /* One more than there are strings stands in `from`. */
    return put_u64(w, SET_STOP_START, position(w, SET_STOP_FROM) - 1, err);
}

static int put_ragged(struct writer *w, enum layout_set start,
                      enum layout_set value, const void *data, size_t n,
                      struct err *err)
{
    if (put_set_rows(w, value, data, n, err))
        return -1;
    return put_u64(w, start, position(w, value), err);
}

static int put_pieces(struct writer *w, const struct topk *t, struct err *err)
{
    uint64_t before = position(w, SET_PIECE_UTF8);

    if (put_set_rows(w, SET_PIECE_UTF8, t->utf8, t->piece_bytes, err) ||
        put_set_rows(w, SET_PIECE_TOKEN, t->piece, t->n_pieces, err))
        return -1;
    for (size_t i = 0; i < t->n_pieces; i++)
        if (put_u64(w, SET_PIECE_FROM, before + get_u64(t->end + 8 * i), err))
            return -1;
    return put_u64(w, SET_PIECE_START, position(w, SET_PIECE_TOKEN), err);
}

static int put_topk(struct writer *w, const struct topk *t, size_t n_output,
                    struct err *err)
{
    if (w->head->n_topk == 0)
        return 0;
    if (t->n > 0 && (t->n != n_output || t->k != w->head->topk))
        return err_set(err, ERR_INPUT, "the likeliest tokens are of %zu"
                       " output tokens, %zu of each, not of %zu, %u", t->n,
                       t->k, n_output, (unsigned)w->head->topk);
    if (put_set_rows(w, SET_TOPK_LOG_SUM, t->log_sum, t->n, err) ||
        put_set_rows(w, SET_TOPK_LOGIT, t->logit, t->n, err) ||
        put_set_rows(w, SET_TOPK_TOKEN, t->token, t->n, err) ||
        put_set_rows(w, SET_TOPK_TOP, t->top, t->n, err) ||
        put_u64(w, SET_TOPK_START, position(w, SET_TOPK_LOG_SUM), err))
        return -1;
    return put_pieces(w, t, err);
}

/* Of a request that did not ask there are none. */
static int put_tensor(struct writer *w, enum layout_set start,
                      enum layout_set value, const struct checkpoint_rows *r,
                      size_t n_rows, struct err *err)
{
    uint64_t size = w->column[value].row_bytes;

    if (w->column[start].rank == 0 || size == 0)
        return 0;
    if (r->nbytes != 0 && r->nbytes != n_rows * size)
        return err_set(err, ERR_INPUT, "%s has %zu bytes for %zu rows of %ju",
                       layout_table[value].path, r->nbytes, n_rows,
                       (uintmax_t)size);
    return put_ragged(w, start, value, r->data, r->nbytes / size, err);
}

/* Behind the text, zeros. */
static int put_custom_id(struct writer *w, const struct checkpoint_row *row,
                         struct err *err)
{
    char cell[CHECKPOINT_CUSTOM_ID] = "";
    size_t n = row->custom_id_size;

    if (w->column[SET_CUSTOM_ID].rank == 0)
        return 0;
    if (n > w->head->custom_id_size || (n && memchr(row->custom_id, 0, n)))
        return err_set(err, ERR_FATAL, "a custom_id of \"%s\" is longer than"
                       " its head says, or no text", w->path);
    if (n)
        memcpy(cell, row->custom_id, n);
    return put_set_rows(w, SET_CUSTOM_ID, cell, 1, err);
}

static int put_row(struct writer *w, const struct checkpoint_row *row,
                   struct err *err)
{
    const struct record *r = &row->record;

    if (put_columns(w, row, err) || put_custom_id(w, row, err) ||
        put_stops(w, r, err) ||
        put_ragged(w, SET_PROMPT_START, SET_PROMPT_TOKEN, r->prompt,
                   r->n_prompt, err) ||
        (!w->head->without_leaves &&
         put_ragged(w, SET_LEAF_START, SET_LEAF, r->leaf, r->n_leaves, err)) ||
        put_ragged(w, SET_OUTPUT_START, SET_OUTPUT_TOKEN, r->output,
                   r->n_output, err) ||
        put_ragged(w, SET_TEXT_START, SET_TEXT_UTF8, r->text, r->text_size,
                   err) ||
        put_topk(w, &row->topk, r->n_output, err) ||
        put_tensor(w, SET_LOGITS_START, SET_LOGITS_VALUE, &row->logits,
                   r->n_output, err) ||
        put_tensor(w, SET_HIDDEN_START, SET_HIDDEN_VALUE, &row->hidden,
                   r->n_leaves, err))
        return -1;
    if (!w->head->with_last)
        return 0;
    return put_set_rows(w, SET_LAST, row->last, 1, err);
}

static int put_rows(struct writer *w, checkpoint_row_fn *give, void *self,
                    struct err *err)
{
    static const enum layout_set starts[] = {
        SET_STOP_START, SET_STOP_FROM, SET_PROMPT_START,
        SET_LEAF_START, SET_OUTPUT_START, SET_TEXT_START, SET_TOPK_START,
        SET_PIECE_START, SET_PIECE_FROM, SET_LOGITS_START, SET_HIDDEN_START
    };
    struct checkpoint_row row;

    merkle_init(&w->results);
    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++)
        if (w->column[starts[i]].rank > 0 && put_u64(w, starts[i], 0, err))
            return -1;
    for (uint64_t i = 0; i < w->head->n_rows; i++) {
        memset(&row, 0, sizeof(row));
        if (give(self, i, &row, err))
            return -1;
        if (put_row(w, &row, err))
            return err_prefix(err, "row %ju", (uintmax_t)i + 1);
    }
    for (int i = 0; i < N_SETS; i++) {
        struct checkpoint_column *c = &w->column[i];

        if (c->set < 0)
            continue;
        if (flush_column(w, c, err))
            return -1;
        if (c->at != c->dims[0])
            return err_set(err, ERR_FATAL,
                           "the rows for \"%s\" hold %ju of %s, its head says"
                           " %ju", w->path, (uintmax_t)c->at,
                           layout_table[i].path, (uintmax_t)c->dims[0]);
    }
    merkle_root(&w->results, &w->part_root);
    return 0;
}

/* ---- the file ------------------------------------------------------------*/

/* Whether a part of this head has it, unless it has no elements. */
static bool has_set(const struct checkpoint_head *h, enum layout_set i)
{
    if (i >= SET_TOPK_START && i <= SET_PIECE_UTF8)
        return h->n_topk > 0;
    if (i == SET_LOGITS_START || i == SET_LOGITS_VALUE)
        return h->n_logits > 0;
    if (i == SET_HIDDEN_START || i == SET_HIDDEN_VALUE)
        return h->n_hidden > 0;
    switch (i) {
    case SET_LAST:
        return h->with_last;
    case SET_CUSTOM_ID:
        return h->custom_id_size > 0;
    case SET_LEAF_START:
    case SET_LEAF:
        return !h->without_leaves;
    default:
        return !layout_table[i].optional;
    }
}

/* Sizes of everything, and room to hold some of it. */
static int plan(struct writer *w, uint64_t *nbytes, struct err *err)
{
    uint64_t sum = 0, hold = 0, n;
    void *memory = NULL;
    size_t at = 0;

    layout_counts(w->count, w->head);
    for (int i = 0; i < N_SETS; i++) {
        struct checkpoint_column *c = &w->column[i];
        uint64_t dims[LAYOUT_MAX_RANK];

        int rank;

        if (!has_set(w->head, i))
            continue;
        rank = layout_shape(&layout_table[i], w->count, dims, &c->row_bytes,
                            &n);
        if (rank < 0 || n > INT64_MAX / 2 - sum)
            return err_set(err, ERR_FATAL, "\"%s\" would have too many bytes",
                           w->path);
        if (n == 0)
            continue; /* tools of others fail over what has no elements */
        sum += n;
        c->rank = rank;
        for (int k = 0; k < rank; k++)
            c->dims[k] = dims[k];
        /* Columns hold LAYOUT_BLOCK rows, as far as that is little. */
        n = c->row_bytes ? HOLD / c->row_bytes : LAYOUT_BLOCK;
        n = n > 1 ? n : 1;
        if (layout_table[i].count == COUNT_ROWS && n > LAYOUT_BLOCK)
            n = LAYOUT_BLOCK;
        c->capacity = (size_t)n;
        hold += n * c->row_bytes;
    }
    if (mem_big(&memory, 1, (size_t)hold, "buffers of a checkpoint", err))
        return -1;
    w->memory = memory;
    for (int i = 0; i < N_SETS; i++) {
        w->column[i].data = w->memory + at;
        at += w->column[i].capacity * (size_t)w->column[i].row_bytes;
    }
    *nbytes = sum + METADATA;
    return 0;
}

/* No times: two writings give the same bytes.  Links stay in the header of
 * their group however many they are; so do attributes, which are at most
 * eight of an object. */
static hid_t creation_of(hid_t class)
{
    hid_t p = H5Pcreate(class);

    if (p >= 0 && (H5Pset_obj_track_times(p, 0) < 0 ||
                   (class != H5P_DATASET_CREATE &&
                    H5Pset_link_phase_change(p, 64, 0) < 0) ||
                   (class == H5P_DATASET_CREATE &&
                    (H5Pset_layout(p, H5D_CONTIGUOUS) < 0 ||
                     H5Pset_alloc_time(p, H5D_ALLOC_TIME_EARLY) < 0 ||
                     H5Pset_fill_time(p, H5D_FILL_TIME_NEVER) < 0)))) {
        H5Pclose(p);
        return NO_ID;
    }
    return p;
}

static int create(struct writer *w, struct err *err)
{
    hid_t fcpl = creation_of(H5P_FILE_CREATE), fapl = layout_access();
    void *handle = NULL;
    int rc = 0;

    errno = 0;
    if (fcpl >= 0 && fapl >= 0)
        w->file = H5Fcreate(w->aside, H5F_ACC_EXCL, fcpl, fapl);
    if (w->file < 0) {
        rc = cannot(w, "make", err);
        goto out;
    }
    w->made = true;
    w->lock = aside_lock(w->aside);
    aside_sweep(w->path, w->aside);
    errno = 0;
    if (H5Fget_vfd_handle(w->file, fapl, &handle) < 0 ||
        (w->fd = fcntl(*(int *)handle, F_DUPFD_CLOEXEC, 0)) < 0)
        rc = cannot(w, "take the descriptor of", err);
out:
    if (fapl >= 0)
        H5Pclose(fapl);
    if (fcpl >= 0)
        H5Pclose(fcpl);
    return rc;
}

/* An attribute of `rank` 0 or 1.  With data NULL it is left open, its value to
 * be written later. */
static hid_t attribute(hid_t object, const char *name, hid_t type, int rank,
                       hsize_t n, const void *data)
{
    hid_t space = rank ? H5Screate_simple(1, &n, NULL) : H5Screate(H5S_SCALAR);
    hid_t a = NO_ID;

    if (space < 0)
        return NO_ID;
    a = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Sclose(space);
    if (a >= 0 && data) {
        bool good = H5Awrite(a, type, data) >= 0;

        if (H5Aclose(a) < 0 || !good)
            return NO_ID;
    }
    return a;
}

static bool text_attribute(hid_t object, const char *name, const char *text)
{
    hid_t type = layout_text_type(strlen(text)), a;

    if (type < 0)
        return false;
    a = attribute(object, name, type, 0, 1, text);
    H5Tclose(type);
    return a >= 0;
}

static bool write_u32_attr(struct writer *w, hid_t object, const char *name,
                           enum layout_type type, uint64_t v)
{
    unsigned char bytes[8];

    set_u64(bytes, v); /* of which a u32 is the first four */
    return attribute(object, name, w->type[type], 0, 1, bytes) >= 0;
}

/* Groups are made by themselves: those that HDF5 makes have times.  NO_ID
 * where it fails. */
static hid_t make_group(const struct writer *w, const char *name)
{
    hid_t gcpl = creation_of(H5P_GROUP_CREATE), g = NO_ID;

    if (gcpl >= 0) {
        g = H5Gcreate2(w->file, name, H5P_DEFAULT, gcpl, H5P_DEFAULT);
        H5Pclose(gcpl);
    }
    return g;
}

static bool describe_model(struct writer *w)
{
    const struct checkpoint_head *h = w->head;
    hid_t g = make_group(w, "model");

    return g >= 0 && write_u32_attr(w, g, "vocab_size", TYPE_U32, h->n_vocab) &&
           write_u32_attr(w, g, "n_layers", TYPE_U32, h->n_layers) &&
           write_u32_attr(w, g, "hidden_size", TYPE_U32, h->dim) &&
           H5Gclose(g) >= 0;
}

static bool describe_requests(struct writer *w)
{
    hid_t g = make_group(w, "requests");

    return g >= 0 && write_u32_attr(w, g, "first", TYPE_U64, w->head->first) &&
           write_u32_attr(w, g, "count", TYPE_U64, w->head->count) &&
           H5Gclose(g) >= 0;
}

static int describe(struct writer *w, struct err *err)
{
    const struct checkpoint_head *h = w->head;
    hid_t top, u8 = w->type[TYPE_U8];
    bool good;

    errno = 0;
    top = H5Gopen2(w->file, "/", H5P_DEFAULT);
    good = top >= 0 && text_attribute(top, "format", LAYOUT_FORMAT) &&
           write_u32_attr(w, top, "format_version", TYPE_U32, LAYOUT_VERSION) &&
           text_attribute(top, "creator", PACKAGE_STRING) &&
           text_attribute(top, "numerics", LAYOUT_NUMERICS) &&
           attribute(top, "model_id", u8, 1, 32, h->model.b) >= 0 &&
           attribute(top, "batch_id", u8, 1, 32, h->batch.b) >= 0;
    if (good)
        w->root = attribute(top, "part_root", u8, 1, 32, NULL);
    if (top >= 0)
        H5Gclose(top);
    good = good && w->root >= 0 && describe_model(w) && describe_requests(w);
    return good ? 0 : cannot(w, "describe", err);
}

/* What the numbers of a dataset mean, as CF has it: flag_values and, in the
 * same order, flag_meanings, words with blanks between. */
static bool put_meanings(struct writer *w, hid_t set)
{
    unsigned char values[4 * 16];
    char words[256] = "";
    const char *word;
    uint32_t number;
    size_t n = 0;

    for (; n < 16 && (word = result_finish_word(n, &number)) != NULL; n++) {
        size_t len = strlen(words);

        snprintf(words + len, sizeof(words) - len, "%s%s", n ? " " : "", word);
        set_u32(values + 4 * n, number);
    }
    return attribute(set, "flag_values", w->type[TYPE_U32], 1, n,
                     values) >= 0 &&
           text_attribute(set, "flag_meanings", words);
}

static bool make_set(struct writer *w, enum layout_set i, hid_t dcpl)
{
    const struct layout *l = &layout_table[i];
    struct checkpoint_column *c = &w->column[i];
    hid_t space = H5Screate_simple(c->rank, c->dims, NULL);

    if (space < 0)
        return false;
    c->type = l->type == TYPE_TEXT ? w->text : w->type[l->type];
    c->set = H5Dcreate2(w->file, l->path, c->type, space, H5P_DEFAULT, dcpl,
                        H5P_DEFAULT);
    H5Sclose(space);
    return c->set >= 0 && text_attribute(c->set, "long_name", l->long_name) &&
           text_attribute(c->set, "units", l->units) &&
           (i != SET_FINISH || put_meanings(w, c->set)) &&
           (i != SET_TRACE || !w->head->without_leaves ||
            text_attribute(c->set, "leaves", "left out"));
}

static int make_sets(struct writer *w, struct err *err)
{
    hid_t dcpl = creation_of(H5P_DATASET_CREATE), g;
    char group[16], before[16] = "requests"; /* it is there */
    bool good = dcpl >= 0;

    errno = 0;
    for (int i = 0; good && i < N_SETS; i++) {
        if (w->column[i].rank == 0)
            continue;
        layout_group(group, &layout_table[i]);
        if (strcmp(group, before) != 0)
            good = (g = make_group(w, group)) >= 0 && H5Gclose(g) >= 0;
        good = good && make_set(w, i, dcpl);
        memcpy(before, group, sizeof(before));
    }
    if (dcpl >= 0)
        H5Pclose(dcpl);
    return good ? 0 : cannot(w, "make the datasets of", err);
}

/* Close what is open in the file, then the file; each once. */
static bool close_file(struct writer *w)
{
    bool good = true;

    for (int i = 0; i < N_SETS; i++) {
        if (w->column[i].set >= 0 && H5Dclose(w->column[i].set) < 0)
            good = false;
        w->column[i].set = NO_ID;
    }
    if (w->root >= 0 && H5Aclose(w->root) < 0)
        good = false;
    w->root = NO_ID;
    if (w->file >= 0 && good && H5Fflush(w->file, H5F_SCOPE_GLOBAL) < 0)
        good = false;
    if (w->file >= 0 && H5Fclose(w->file) < 0)
        good = false;
    w->file = NO_ID;
    return good;
}

/* Put the root in, close, give back the reserve, sync. */
static int finish_file(struct writer *w, struct err *err)
{
    int rc;

    errno = 0;
    if (H5Awrite(w->root, w->type[TYPE_U8], w->part_root.b) < 0 ||
        !close_file(w))
        return cannot(w, "write", err);
    if (fstat(w->fd, &w->st) || sys_ftruncate(w->fd, w->st.st_size) ||
        sys_fsync(w->fd))
        return cannot(w, "write", err);
    /* NFS reports a full disk here at the latest. */
    rc = close(w->fd);
    w->fd = -1;
    return rc ? cannot(w, "close", err) : 0;
}

/* Every result record again, from the file: their root stands for them. */
static int look_back(struct writer *w, struct err *err)
{
    struct id root;
    struct checkpoint *c = NULL;
    int rc = checkpoint_open_own(&c, w->aside, err);

    if (rc == 0)
        rc = checkpoint_result_root(c, &root, err);
    if (rc == 0 && (!id_equal(root, w->part_root) ||
                    !id_equal(checkpoint_head(c)->part_root, w->part_root) ||
                    checkpoint_head(c)->n_rows != w->head->n_rows))
        rc = err_set(err, ERR_RETRY, "its result records are others");
    checkpoint_close(c);
    if (rc == 0)
        return 0;
    err_turn(err, ERR_RETRY); /* what we wrote is not an input: the disk lies */
    return err_prefix(err, "\"%s\" reads otherwise than it was written",
                      w->path);
}

static int publish_part(struct writer *w, struct err *err)
{
    struct stat st;

    if (stat(w->aside, &st) || st.st_dev != w->st.st_dev ||
        st.st_ino != w->st.st_ino) {
        w->made = false; /* it is not ours to remove */
        return err_set(err, ERR_RETRY,
                       "\"%s\" was replaced while it was written", w->aside);
    }
    if (sys_rename(w->aside, w->path))
        return layout_fail(err, ERR_RETRY, "rename a file to", w->path);
    if (sys_sync_parent(w->path)) {
        layout_fail(err, ERR_RETRY, "sync the directory of", w->path);
        unlink(w->path);
        return -1;
    }
    return 0;
}

static int write_all(struct writer *w, checkpoint_row_fn *give, void *self,
                     struct err *err)
{
    uint64_t nbytes = 0;

    for (int i = 0; i < N_TYPES; i++)
        if ((w->type[i] = layout_type(i)) < 0)
            return err_set(err, ERR_FATAL, "HDF5 makes no types");
    if (w->head->custom_id_size > 0 &&
        (w->text = layout_text_type(w->head->custom_id_size)) < 0)
        return err_set(err, ERR_FATAL, "HDF5 makes no types");
    /* once there is room, HDF5 has nothing to lose to a full disk */
    if (plan(w, &nbytes, err) || create(w, err) ||
        room_reserve(w->fd, w->path, nbytes, ROOM_OF_SPOOL, err) ||
        describe(w, err) || make_sets(w, err) || put_rows(w, give, self, err) ||
        finish_file(w, err) || look_back(w, err) || publish_part(w, err)) {
        if (w->made)
            unlink(w->aside);
        return -1;
    }
    return 0;
}

int checkpoint_write(const char *path, const struct checkpoint_head *head,
                     checkpoint_row_fn *row, void *self, struct id *part_root,
                     struct err *err)
{
    struct writer w = {
        .path = path, .head = head, .file = NO_ID, .root = NO_ID, .fd = -1,
        .lock = -1, .text = NO_ID
    };
    int rc;

    if (head->custom_id_size > CHECKPOINT_CUSTOM_ID)
        return err_set(err, ERR_FATAL, "a custom_id of \"%s\" is too long",
                       path);
    if (layout_init(err) || aside_name(&w.aside, path, err))
        return -1;
    for (int i = 0; i < N_TYPES; i++)
        w.type[i] = NO_ID;
    for (int i = 0; i < N_SETS; i++)
        w.column[i].set = NO_ID;
    rc = write_all(&w, row, self, err);
    close_file(&w);
    if (w.fd >= 0) {
        /* A file that HDF5 failed to close stays open in it; it shall not
         * keep the space. */
        if (ftruncate(w.fd, 0))
            rc = -1;
        close(w.fd);
    }
    if (w.lock >= 0)
        close(w.lock);
    for (int i = 0; i < N_TYPES; i++)
        if (w.type[i] >= 0)
            H5Tclose(w.type[i]);
    if (w.text >= 0)
        H5Tclose(w.text);
    free(w.memory);
    free(w.aside);
    if (rc == 0 && part_root)
        *part_root = w.part_root;
    return rc;
}
