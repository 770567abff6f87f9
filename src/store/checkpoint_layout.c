/*
 * The layout as a table, what follows from it for a dataset, and the
 * lines of an index.  Nothing of HDF5: that is in checkpoint_types.c.
 */
#include <config.h>

#include "store/checkpoint_hdf5.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json_write.h"

_Static_assert(LAYOUT_ID == ID_TEXT - 1, "an id in base64url");

/* Columns of /requests, and offsets into what they are the offsets of. */
#define COLUMN(path, type, since, long_name, units) \
    { path, type, COUNT_ROWS, 0, { 0, 0 }, COUNT_NONE, since, 0, \
      long_name, units }
#define BYTES(path, n, long_name) \
    { path, TYPE_U8, COUNT_ROWS, 0, { n, 0 }, COUNT_NONE, 1, 0, \
      long_name, "1" }
#define START(path, count, ends, optional, long_name, units) \
    { path, TYPE_U64, count, 1, { 0, 0 }, ends, 1, optional, long_name, units }
#define RAGGED(path, type, count, long_name, units) \
    { path, type, count, 0, { 0, 0 }, COUNT_NONE, 1, 0, long_name, units }
#define TENSOR(path, type, count, a, b, long_name) \
    { path, type, count, 0, { a, b }, COUNT_NONE, 1, 1, long_name, "1" }

const struct layout layout_table[N_SETS] = {
    [SET_ID] = COLUMN("requests/id", TYPE_ID, 1, "request id, base64url", "1"),
    [SET_INDEX] = COLUMN("requests/index", TYPE_U32, 1,
                         "line in requests.jsonl, from 0", "1"),
    [SET_CHOICE] = COLUMN("requests/choice", TYPE_U32, 1,
                          "choice, of several answers to one request", "1"),
    [SET_FINISH] = COLUMN("requests/finish", TYPE_U32, 1,
                          "how the answer ended", "1"),
    [SET_SEED] = COLUMN("requests/seed", TYPE_U64, 1,
                        "seed of the sampler", "1"),
    [SET_MAX_TOKENS] = COLUMN("requests/max_tokens", TYPE_U32, 1,
                              "most tokens that were asked for", "token"),
    [SET_TOP_K] = COLUMN("requests/top_k", TYPE_U32, 1,
                         "tokens to draw from, 0 all", "token"),
    [SET_TEMPERATURE] = COLUMN("requests/temperature", TYPE_U32, 1,
                               "temperature in millionths, 0 greedy", "1e-6"),
    [SET_TOP_P] = COLUMN("requests/top_p", TYPE_U32, 1,
                         "probability to draw from, in millionths", "1e-6"),
    [SET_IGNORE_EOS] = COLUMN("requests/ignore_eos", TYPE_U8, 2,
                              "1: no end of text could end the answer", "1"),
    [SET_JOB] = BYTES("requests/job", RECORD_JOB, "job record apusjob1"),
    [SET_TRACE] = BYTES("requests/trace", 32, "root of the trace's leaves"),
    [SET_RESULT] = BYTES("requests/result", RECORD_RESULT,
                         "result record apusres1"),
    [SET_CUSTOM_ID] = { "requests/custom_id", TYPE_TEXT, COUNT_ROWS, 0,
                        { 0, 0 }, COUNT_NONE, 2, 2,
                        "custom_id of the request", "1" },
    [SET_STOP_START] = START("stop/start", COUNT_ROWS, COUNT_STOPS, 0,
                             "first stop string of each row", "1"),
    [SET_STOP_FROM] = START("stop/from", COUNT_STOPS, COUNT_STOP_BYTES, 0,
                            "first byte of each stop string", "byte"),
    [SET_STOP_UTF8] = RAGGED("stop/utf8", TYPE_U8, COUNT_STOP_BYTES,
                             "stop strings", "1"),
    [SET_PROMPT_START] = START("prompt/start", COUNT_ROWS, COUNT_PROMPT, 0,
                               "first prompt token of each row", "token"),
    [SET_PROMPT_TOKEN] = RAGGED("prompt/token", TYPE_I32, COUNT_PROMPT,
                                "token ids of the prompts", "1"),
    [SET_LEAF_START] = START("trace/start", COUNT_ROWS, COUNT_LEAVES, 2,
                             "first position of each row", "token"),
    [SET_LEAF] = { "trace/leaf", TYPE_U8, COUNT_LEAVES, 0, { RECORD_LEAF, 0 },
                   COUNT_NONE, 1, 0,
                   "trace: position, token, next, flags, kv, fin, deep", "1" },
    [SET_OUTPUT_START] = START("output/start", COUNT_ROWS, COUNT_OUTPUT, 0,
                               "first output token of each row", "token"),
    [SET_OUTPUT_TOKEN] = RAGGED("output/token", TYPE_I32, COUNT_OUTPUT,
                                "token ids of the outputs", "1"),
    [SET_OUTPUT_SHA256] = TENSOR("output/logits_sha256", TYPE_U8, COUNT_OUTPUT,
                                 32, 0, "SHA-256 of each step's logits"),
    [SET_TEXT_START] = START("text/start", COUNT_ROWS, COUNT_TEXT, 0,
                             "first byte of each row's text", "byte"),
    [SET_TEXT_UTF8] = RAGGED("text/utf8", TYPE_U8, COUNT_TEXT,
                             "output texts, UTF-8", "1"),
    [SET_TOPK_START] = START("topk/start", COUNT_ROWS, COUNT_STEPS, 1,
                             "first step with likeliest tokens of each row",
                             "token"),
    [SET_TOPK_LOG_SUM] = TENSOR("topk/log_sum", TYPE_F64, COUNT_STEPS, 0, 0,
                                "ln of the sum of exp of all logits"),
    [SET_TOPK_LOGIT] = TENSOR("topk/logit", TYPE_F32, COUNT_STEPS, 0, 0,
                              "logit of the output token"),
    [SET_TOPK_TOKEN] = TENSOR("topk/token", TYPE_I32, COUNT_STEPS, -COUNT_TOPK,
                              0, "ids of the highest logits"),
    [SET_TOPK_TOP] = TENSOR("topk/top_logit", TYPE_F32, COUNT_STEPS,
                            -COUNT_TOPK, 0, "the highest logits"),
    [SET_PIECE_START] = START("piece/start", COUNT_ROWS, COUNT_PIECES, 1,
                              "first id with bytes of each row", "1"),
    [SET_PIECE_TOKEN] = TENSOR("piece/token", TYPE_I32, COUNT_PIECES, 0, 0,
                               "ids that /topk names"),
    [SET_PIECE_FROM] = START("piece/from", COUNT_PIECES, COUNT_PIECE_BYTES, 1,
                             "first byte of each id", "byte"),
    [SET_PIECE_UTF8] = TENSOR("piece/utf8", TYPE_U8, COUNT_PIECE_BYTES, 0, 0,
                              "what ids stand for"),
    [SET_LOGITS_START] = START("logits/start", COUNT_ROWS, COUNT_LOGITS, 1,
                               "first step of logits of each row", "token"),
    [SET_LOGITS_VALUE] = TENSOR("logits/value", TYPE_F32, COUNT_LOGITS,
                                -COUNT_VOCAB, 0, "logits"),
    [SET_LAST] = TENSOR("last/value", TYPE_F32, COUNT_ROWS, -COUNT_DIM, 0,
                        "last residual row of the last position"),
    [SET_HIDDEN_START] = START("hidden/start", COUNT_ROWS, COUNT_HIDDEN, 1,
                               "first step of residual rows of each row",
                               "token"),
    [SET_HIDDEN_VALUE] = TENSOR("hidden/value", TYPE_F32, COUNT_HIDDEN,
                                -COUNT_LEVELS, -COUNT_DIM,
                                "residual rows, from the embedding"),
};

void layout_group(char out[16], const struct layout *l)
{
    snprintf(out, 16, "%.*s", (int)strcspn(l->path, "/"), l->path);
}

/* ---- types ---------------------------------------------------------------*/

static const struct {
    size_t size;
    const char *dtype;
} type_table[N_TYPES] = {
    [TYPE_ID] = { LAYOUT_ID, "|S43" }, [TYPE_U8] = { 1, "|u1" },
    [TYPE_U32] = { 4, "<u4" },         [TYPE_U64] = { 8, "<u8" },
    [TYPE_I32] = { 4, "<i4" },         [TYPE_F32] = { 4, "<f4" },
    [TYPE_F64] = { 8, "<f8" },
};

void layout_dtype(char out[24], enum layout_type t, uint64_t size)
{
    if (t == TYPE_TEXT)
        snprintf(out, 24, "|S%ju", (uintmax_t)size);
    else
        snprintf(out, 24, "%s", type_table[t].dtype);
}

/* ---- shapes --------------------------------------------------------------*/

void layout_counts(uint64_t count[N_COUNTS], const struct checkpoint_head *h)
{
    for (int i = 0; i < N_COUNTS; i++)
        count[i] = COUNT_UNKNOWN;
    count[COUNT_ROWS] = h->n_rows;
    count[COUNT_STOPS] = h->n_stops;
    count[COUNT_STOP_BYTES] = h->stop_bytes;
    count[COUNT_PROMPT] = h->n_prompt;
    count[COUNT_LEAVES] = h->n_leaves;
    count[COUNT_OUTPUT] = h->n_output;
    count[COUNT_TEXT] = h->text_bytes;
    count[COUNT_HIDDEN] = h->n_hidden;
    count[COUNT_LOGITS] = h->n_logits;
    count[COUNT_STEPS] = h->n_topk;
    count[COUNT_TOPK] = h->topk;
    count[COUNT_PIECES] = h->n_pieces;
    count[COUNT_PIECE_BYTES] = h->piece_bytes;
    count[COUNT_VOCAB] = h->n_vocab;
    count[COUNT_DIM] = h->dim;
    count[COUNT_CUSTOM_ID] = h->custom_id_size;
    count[COUNT_LEVELS] = (uint64_t)h->n_layers + 1;
}

#define MAX_BYTES ((uint64_t)1 << 62)

static bool multiply(uint64_t *a, uint64_t b)
{
    if (b > 0 && *a > MAX_BYTES / b)
        return false;
    *a *= b;
    return true;
}

int layout_shape(const struct layout *l, const uint64_t count[N_COUNTS],
                 uint64_t dims[LAYOUT_MAX_RANK], uint64_t *row,
                 uint64_t *nbytes)
{
    uint64_t n = l->type == TYPE_TEXT ? count[COUNT_CUSTOM_ID]
                                      : type_table[l->type].size;
    int rank = 1;

    if (count[l->count] > MAX_BYTES)
        return -1;
    dims[0] = count[l->count] + l->plus;
    for (; rank < LAYOUT_MAX_RANK && l->inner[rank - 1] != 0; rank++) {
        int inner = l->inner[rank - 1];

        dims[rank] = inner > 0 ? (uint64_t)inner : count[-inner];
        if (!multiply(&n, dims[rank]))
            return -1;
    }
    *row = n;
    if (!multiply(&n, dims[0]))
        return -1;
    *nbytes = n;
    return rank;
}

void layout_unknown(uint64_t count[N_COUNTS], const struct checkpoint_head *h)
{
    layout_counts(count, h);
    /* The head's own numbers are in the shapes. */
    for (int i = COUNT_ROWS; i <= COUNT_TOPK; i++)
        count[i] = COUNT_UNKNOWN;
    count[COUNT_CUSTOM_ID] = COUNT_UNKNOWN;
}

/* A number that a shape is made of: learnt where it is met first. */
static void learn(uint64_t *count, uint64_t n, unsigned plus)
{
    if (*count == COUNT_UNKNOWN && n >= plus)
        *count = n - plus;
}

int layout_put(struct layout_place *s, uint64_t count[N_COUNTS],
               enum layout_set i, const char *path,
               const struct layout_found *f, uint64_t size, struct err *err)
{
    const struct layout *l = &layout_table[i];
    struct layout_place t = { .there = true };
    int rank = 1;

    while (rank < LAYOUT_MAX_RANK && l->inner[rank - 1] != 0)
        rank++;
    if (f->rank != rank)
        return layout_bad(path, i, "is of another rank", err);
    if (l->type == TYPE_TEXT && (f->size < 1 ||
                                 f->size > CHECKPOINT_CUSTOM_ID))
        return layout_bad(path, i, "has strings of no such length", err);
    if (l->type == TYPE_TEXT)
        learn(&count[COUNT_CUSTOM_ID], f->size, 0);
    learn(&count[l->count], f->dims[0], l->plus);
    for (int k = 1; k < rank; k++)
        if (l->inner[k - 1] < 0)
            learn(&count[-l->inner[k - 1]], f->dims[k], 0);
    t.rank = layout_shape(l, count, t.dims, &t.row_bytes, &t.nbytes);
    if (t.rank != rank)
        return layout_bad(path, i, "is too large", err);
    for (int k = 0; k < rank; k++)
        if (t.dims[k] != f->dims[k])
            return err_set(err, ERR_INPUT,
                           "\"%s\": the dataset %s has %ju in axis %d, not %ju",
                           path, l->path, (uintmax_t)f->dims[k], k,
                           (uintmax_t)t.dims[k]);
    if (f->nbytes != t.nbytes)
        return layout_bad(path, i, "is stored in another size", err);
    t.offset = t.nbytes > 0 ? f->offset : 0;
    if (t.offset > size || t.nbytes > size - t.offset)
        return layout_bad(path, i, "does not lie within the file", err);
    *s = t;
    return 0;
}

/* Whether what these offsets are of is there without them. */
static bool offsets_missing(const struct layout_place place[N_SETS],
                            enum layout_set i)
{
    for (int k = 0; k < N_SETS; k++)
        if (place[k].there && layout_table[k].count == layout_table[i].ends)
            return true;
    return false;
}

int layout_complete(const struct layout_place place[N_SETS],
                    uint64_t count[N_COUNTS], uint32_t version,
                    const char *path, struct err *err)
{
    for (int i = 0; i < N_SETS; i++) {
        const struct layout *l = &layout_table[i];
        bool optional = l->optional && version >= l->optional, may;

        if (place[i].there || l->since > version)
            continue;
        if (l->ends != COUNT_NONE && optional)
            may = !offsets_missing(place, i);
        else if (optional || version < 2)
            may = optional;
        else
            may = (count[l->count] == COUNT_UNKNOWN ||
                   count[l->count] == 0) && l->plus == 0;
        if (!may)
            return layout_bad(path, i, "is missing", err);
    }
    for (int k = 0; k < N_COUNTS; k++)
        if (count[k] == COUNT_UNKNOWN)
            count[k] = 0;
    return 0;
}

/* ---- index ---------------------------------------------------------------*/

void layout_print_head(struct buf *out, const struct checkpoint_head *h)
{
    buf_putc(out, '{');
    json_put_text(out, "format", LAYOUT_INDEX);
    json_put_id(out, "model_id", h->model);
    json_put_id(out, "batch_id", h->batch);
    json_put_id(out, "part_root", h->part_root);
    json_put_number(out, "version", h->version);
    json_put_number(out, "vocab_size", h->n_vocab);
    json_put_number(out, "n_layers", h->n_layers);
    json_put_number(out, "hidden_size", h->dim);
    json_put_number(out, "first", h->first);
    json_put_number(out, "count", h->count);
    buf_puts(out, "}\n");
}

void layout_print_places(struct buf *out,
                         const struct layout_place place[N_SETS])
{
    for (int i = 0; i < N_SETS; i++) {
        const struct layout_place *s = &place[i];
        char dtype[24];

        if (!s->there)
            continue;
        layout_dtype(dtype, layout_table[i].type, s->row_bytes);
        buf_printf(out, "{\"path\":\"/%s\",\"dtype\":\"%s\",\"shape\":[",
                   layout_table[i].path, dtype);
        for (int k = 0; k < s->rank; k++)
            buf_printf(out, "%s%ju", k ? "," : "", (uintmax_t)s->dims[k]);
        buf_printf(out, "],\"offset\":%ju,\"nbytes\":%ju}\n",
                   (uintmax_t)s->offset, (uintmax_t)s->nbytes);
    }
}

/* ---- errors --------------------------------------------------------------*/

int layout_none(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, "\"%s\" is not a checkpoint: %s", path,
                   what);
}

int layout_bad(const char *path, enum layout_set set, const char *what,
               struct err *err)
{
    return err_set(err, ERR_INPUT, "\"%s\": the dataset %s %s", path,
                   layout_table[set].path, what);
}

int layout_fail(struct err *err, enum err_code code, const char *what,
                const char *path)
{
    switch (errno) {
    case 0:
        return err_set(err, code, "cannot %s \"%s\": HDF5 refuses", what, path);
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case EEXIST:
    case ENAMETOOLONG:
    case EISDIR:
        code = ERR_INPUT;
        break;
    default:
        break;
    }
    return err_errno(err, code, "cannot %s \"%s\"", what, path);
}
