/*
 * Layout version 1 as a table, and HDF5's types for it.  How files are
 * written and read is elsewhere.
 */
#include <config.h>

#include "store/checkpoint_hdf5.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <hdf5.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/err.h"
#include "proof/job_record.h"
#include "proof/result_record.h"

_Static_assert(sizeof(hid_t) == sizeof(int64_t), "an id of HDF5");
_Static_assert(LAYOUT_ID == ID_TEXT - 1, "an id in base64url");

/* Columns of /requests, and offsets into what they are the offsets of. */
#define COLUMN(path, type, long_name, units) \
    { path, type, COUNT_ROWS, 0, { 0, 0 }, COUNT_NONE, false, long_name, units }
#define BYTES(path, n, long_name) \
    { path, TYPE_U8, COUNT_ROWS, 0, { n, 0 }, COUNT_NONE, false, long_name, \
      "1" }
#define START(path, count, ends, optional, long_name, units) \
    { path, TYPE_U64, count, 1, { 0, 0 }, ends, optional, long_name, units }
#define RAGGED(path, type, count, long_name, units) \
    { path, type, count, 0, { 0, 0 }, COUNT_NONE, false, long_name, units }
#define TENSOR(path, type, count, a, b, long_name) \
    { path, type, count, 0, { a, b }, COUNT_NONE, true, long_name, "1" }

const struct layout layout_table[N_SETS] = {
    [SET_ID] = COLUMN("requests/id", TYPE_ID, "request id, base64url", "1"),
    [SET_INDEX] = COLUMN("requests/index", TYPE_U32,
                         "line in requests.jsonl, from 0", "1"),
    [SET_CHOICE] = COLUMN("requests/choice", TYPE_U32,
                          "choice, of several answers to one request", "1"),
    [SET_FINISH] = COLUMN("requests/finish", TYPE_FINISH,
                          "how the answer ended", "1"),
    [SET_SEED] = COLUMN("requests/seed", TYPE_U64, "seed of the sampler", "1"),
    [SET_MAX_TOKENS] = COLUMN("requests/max_tokens", TYPE_U32,
                              "most tokens that were asked for", "token"),
    [SET_TOP_K] = COLUMN("requests/top_k", TYPE_U32,
                         "tokens to draw from, 0 all", "token"),
    [SET_TEMPERATURE] = COLUMN("requests/temperature", TYPE_U32,
                               "temperature in millionths, 0 greedy", "1e-6"),
    [SET_TOP_P] = COLUMN("requests/top_p", TYPE_U32,
                         "probability to draw from, in millionths", "1e-6"),
    [SET_JOB] = BYTES("requests/job", RECORD_JOB, "job record apusjob1"),
    [SET_TRACE] = BYTES("requests/trace", 32, "root of the trace's leaves"),
    [SET_RESULT] = BYTES("requests/result", RECORD_RESULT,
                         "result record apusres1"),
    [SET_STOP_START] = START("stop/start", COUNT_ROWS, COUNT_STOPS, false,
                             "first stop string of each row", "1"),
    [SET_STOP_FROM] = START("stop/from", COUNT_STOPS, COUNT_STOP_BYTES, false,
                            "first byte of each stop string", "byte"),
    [SET_STOP_UTF8] = RAGGED("stop/utf8", TYPE_U8, COUNT_STOP_BYTES,
                             "stop strings", "1"),
    [SET_PROMPT_START] = START("prompt/start", COUNT_ROWS, COUNT_PROMPT, false,
                               "first prompt token of each row", "token"),
    [SET_PROMPT_TOKEN] = RAGGED("prompt/token", TYPE_I32, COUNT_PROMPT,
                                "token ids of the prompts", "1"),
    [SET_LEAF_START] = START("trace/start", COUNT_ROWS, COUNT_LEAVES, false,
                             "first position of each row", "token"),
    [SET_LEAF] = { "trace/leaf", TYPE_U8, COUNT_LEAVES, 0, { RECORD_LEAF, 0 },
                   COUNT_NONE, false,
                   "trace: position, token, next, flags, kv, fin, deep", "1" },
    [SET_OUTPUT_START] = START("output/start", COUNT_ROWS, COUNT_OUTPUT, false,
                               "first output token of each row", "token"),
    [SET_OUTPUT_TOKEN] = RAGGED("output/token", TYPE_I32, COUNT_OUTPUT,
                                "token ids of the outputs", "1"),
    [SET_OUTPUT_SHA256] = TENSOR("output/logits_sha256", TYPE_U8, COUNT_OUTPUT,
                                 32, 0, "SHA-256 of each step's logits"),
    [SET_TOPK_TOKEN] = TENSOR("output/topk_token", TYPE_I32, COUNT_OUTPUT,
                              -COUNT_TOPK, 0, "ids of the highest logits"),
    [SET_TOPK_LOGIT] = TENSOR("output/topk_logit", TYPE_F32, COUNT_OUTPUT,
                              -COUNT_TOPK, 0, "the highest logits"),
    [SET_TEXT_START] = START("text/start", COUNT_ROWS, COUNT_TEXT, false,
                             "first byte of each row's text", "byte"),
    [SET_TEXT_UTF8] = RAGGED("text/utf8", TYPE_U8, COUNT_TEXT,
                             "output texts, UTF-8", "1"),
    [SET_LOGITS_START] = START("logits/start", COUNT_ROWS, COUNT_LOGITS, true,
                               "first step of logits of each row", "token"),
    [SET_LOGITS_VALUE] = TENSOR("logits/value", TYPE_F32, COUNT_LOGITS,
                                -COUNT_VOCAB, 0, "logits"),
    [SET_LAST] = TENSOR("last/value", TYPE_F32, COUNT_ROWS, -COUNT_DIM, 0,
                        "last residual row of the last position"),
    [SET_HIDDEN_START] = START("hidden/start", COUNT_ROWS, COUNT_HIDDEN, true,
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

/* ---- HDF5 ----------------------------------------------------------------*/

int layout_init(struct err *err)
{
    static bool begun;

    if (begun)
        return 0;
    /* Before anything else: at exit the library crashes over a file that it
     * could not finish, and we leave none open that it could. */
    if (H5dont_atexit() < 0 || H5open() < 0 ||
        H5Eset_auto2(H5E_DEFAULT, NULL, NULL) < 0 ||
        H5PLset_loading_state(0) < 0)
        return err_set(err, ERR_FATAL, "cannot start HDF5");
    begun = true;
    return 0;
}

const char *checkpoint_library(void)
{
    static char text[64];
    unsigned a, b, c;

    if (layout_init(NULL) || H5get_libversion(&a, &b, &c) < 0)
        return "HDF5";
    snprintf(text, sizeof text, "HDF5 %u.%u.%u", a, b, c);
    return text;
}

static hid_t string_type(size_t n, H5T_cset_t cset)
{
    hid_t t = H5Tcopy(H5T_C_S1);

    if (t >= 0 && (H5Tset_size(t, n) < 0 || H5Tset_cset(t, cset) < 0 ||
                   H5Tset_strpad(t, H5T_STR_NULLPAD) < 0)) {
        H5Tclose(t);
        return H5I_INVALID_HID;
    }
    return t;
}

int64_t layout_text_type(size_t n)
{
    return string_type(n, H5T_CSET_UTF8);
}

/* The names and numbers of proof.md section 5. */
static hid_t finish_type(void)
{
    static const struct {
        const char *name;
        uint32_t value;
    } ends[] = {
        { "end of text", RESULT_EOS },
        { "length", RESULT_LENGTH },
        { "stop", RESULT_STOP },
        { "context", RESULT_CONTEXT },
        { "activation out of range", RESULT_RANGE },
        { "prompt longer than the context", RESULT_LONG },
        { "prompt empty or not UTF-8", RESULT_PROMPT },
    };
    hid_t t = H5Tenum_create(H5T_STD_U32LE);

    for (size_t i = 0; t >= 0 && i < sizeof ends / sizeof *ends; i++) {
        unsigned char value[4];

        set_u32(value, ends[i].value);
        if (H5Tenum_insert(t, ends[i].name, value) < 0) {
            H5Tclose(t);
            return H5I_INVALID_HID;
        }
    }
    return t;
}

int64_t layout_type(enum layout_type t)
{
    switch (t) {
    case TYPE_ID:
        return string_type(LAYOUT_ID, H5T_CSET_ASCII);
    case TYPE_FINISH:
        return finish_type();
    case TYPE_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case TYPE_U32:
        return H5Tcopy(H5T_STD_U32LE);
    case TYPE_U64:
        return H5Tcopy(H5T_STD_U64LE);
    case TYPE_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case TYPE_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    default:
        return H5I_INVALID_HID;
    }
}

static const struct {
    size_t size;
    const char *dtype;
} type_table[N_TYPES] = {
    [TYPE_ID] = { LAYOUT_ID, "|S43" }, [TYPE_FINISH] = { 4, "<u4" },
    [TYPE_U8] = { 1, "|u1" },          [TYPE_U32] = { 4, "<u4" },
    [TYPE_U64] = { 8, "<u8" },         [TYPE_I32] = { 4, "<i4" },
    [TYPE_F32] = { 4, "<f4" },
};

size_t layout_type_size(enum layout_type t)
{
    return type_table[t].size;
}

const char *layout_dtype(enum layout_type t)
{
    return type_table[t].dtype;
}

int64_t layout_access(void)
{
    hid_t p = H5Pcreate(H5P_FILE_ACCESS);

    /* The driver is said, so that no variable of the environment may choose
     * another.  V18: its metadata has checksums and it has no flag that says
     * "open for writing".  No lock: O_EXCL and rename make the file ours. */
    if (p >= 0 &&
        (H5Pset_fapl_sec2(p) < 0 ||
         H5Pset_libver_bounds(p, H5F_LIBVER_V18, H5F_LIBVER_V18) < 0 ||
         H5Pset_fclose_degree(p, H5F_CLOSE_STRONG) < 0 ||
         H5Pset_file_locking(p, 0, 1) < 0)) {
        H5Pclose(p);
        return H5I_INVALID_HID;
    }
    return p;
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
    count[COUNT_VOCAB] = h->n_vocab;
    count[COUNT_DIM] = h->dim;
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
    uint64_t n = layout_type_size(l->type);
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

/* ---- rows ----------------------------------------------------------------*/

int layout_records(struct job_record *job, struct result_record *res,
                   const struct record *r, const struct checkpoint_head *h,
                   struct err *err)
{
    if (job_record_unpack(job, r->job))
        return err_set(err, ERR_INPUT, "the job record is none");
    if (result_record_unpack(res, r->result))
        return err_set(err, ERR_INPUT, "the result record is none");
    if (memcmp(job->model, h->model, sizeof h->model) != 0 ||
        memcmp(res->model, h->model, sizeof h->model) != 0)
        return err_set(err, ERR_INPUT,
                       "the records are of another model than the part");
    if (job->choice != res->choice)
        return err_set(err, ERR_INPUT,
                       "the job record is of choice %u, the result of %u",
                       (unsigned)job->choice, (unsigned)res->choice);
    return 0;
}

void layout_cell(unsigned char *out, enum layout_set set, uint32_t line,
                 const struct job_record *job,
                 const struct result_record *res)
{
    char id[ID_TEXT];

    switch (set) {
    case SET_ID:
        base64url(id, res->request, sizeof res->request);
        memcpy(out, id, LAYOUT_ID);
        break;
    case SET_INDEX:
        set_u32(out, line);
        break;
    case SET_CHOICE:
        set_u32(out, res->choice);
        break;
    case SET_FINISH:
        set_u32(out, res->finish);
        break;
    case SET_SEED:
        set_u64(out, job->seed);
        break;
    case SET_MAX_TOKENS:
        set_u32(out, job->max_tokens);
        break;
    case SET_TOP_K:
        set_u32(out, job->top_k);
        break;
    case SET_TEMPERATURE:
        set_u32(out, job->temperature);
        break;
    case SET_TOP_P:
        set_u32(out, job->top_p);
        break;
    case SET_TRACE:
        memcpy(out, res->trace, sizeof res->trace);
        break;
    default:
        break;
    }
}

/* ---- errors --------------------------------------------------------------*/

int layout_none(const char *path, const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, "\"%s\" is no checkpoint of version %d: %s",
                   path, LAYOUT_VERSION, what);
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
