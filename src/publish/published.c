/*
 * One table of keys for each object, one function for each kind of value, to
 * write it and to read it.  What is accepted has exactly one meaning: ids are
 * canonical, numbers are plain digits, stop strings are sorted.
 */
#include <config.h>

#include "publish/published.h"

#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "proof/digest.h"
#include "proof/merkle.h"
#include "publish/kinds.h"
#include "store/record.h"

/* Keys of a result, in the order of doc/proof.md. */
enum {
    K_APUS, K_REQUEST, K_PROCESS, K_MODEL, K_JOB, K_PARAMS, K_PROMPT,
    K_TOKENS, K_TEXT, K_FINISH, K_ERROR, K_TRACE, K_N, K_LEVEL, K_BATCH_ID,
    K_BATCH_ROOT, K_INDEX, K_COUNT, K_PATH, K_NODE, N_KEYS
};
static const char *const keys[N_KEYS] = {
    "apus", "request", "process", "model", "job", "params", "prompt",
    "tokens", "text", "finish", "error", "trace", "n", "level", "batch_id",
    "batch_root", "index", "count", "path", "node"
};

enum {
    P_CHOICE, P_MAX_TOKENS, P_TEMPERATURE, P_TOP_P, P_TOP_K, P_FLAGS, P_SEED,
    P_STOPS, N_PARAMS
};
static const char *const param_keys[N_PARAMS] = {
    "choice", "max_tokens", "temperature", "top_p", "top_k", "flags", "seed",
    "stops"
};

/* ---- writing ------------------------------------------------------------- */

static int unpack(struct job_record *job, struct result_record *res,
                  const struct record *r, struct err *err)
{
    if (job_record_unpack(job, r->job) || result_record_unpack(res, r->result))
        return err_set(err, ERR_INPUT, "no job or result record");
    return 0;
}

/* The bytes of an id or hash, as a string. */
static void put_id(struct buf *out, struct id id)
{
    buf_printf(out, "\"%s\"", id_text(id).s);
}

/* Key k of the result, and what stands before it. */
static void put_key(struct buf *out, int k)
{
    buf_printf(out, "%c\"%s\":", k == 0 ? '{' : ',', keys[k]);
}

static void put_key_id(struct buf *out, int k, struct id id)
{
    put_key(out, k);
    put_id(out, id);
}

static void put_key_number(struct buf *out, int k, uint64_t number)
{
    put_key(out, k);
    buf_printf(out, "%" PRIu64, number);
}

static void put_param(struct buf *out, int k, uint32_t number)
{
    buf_printf(out, "%c\"%s\":%" PRIu32, k == 0 ? '{' : ',', param_keys[k],
               number);
}

/* Token ids, or how many they are and their blob. */
static void put_tokens(struct buf *out, int k, const unsigned char *id,
                       size_t n, const struct id *blob)
{
    put_key(out, k);
    buf_putc(out, '[');
    if (blob) {
        buf_printf(out, "%zu,", n);
        put_id(out, *blob);
    }
    for (size_t i = 0; !blob && i < n; i++)
        buf_printf(out, "%s%" PRIu32, i ? "," : "", get_u32(id + 4 * i));
    buf_putc(out, ']');
}

static void put_params(struct buf *out, const struct job_record *job,
                       const struct record *r)
{
    char text[(JOB_MAX_STOP * 4 + 2) / 3 + 1];
    size_t at = 0;

    put_key(out, K_PARAMS);
    put_param(out, P_CHOICE, job->choice);
    put_param(out, P_MAX_TOKENS, job->max_tokens);
    put_param(out, P_TEMPERATURE, job->temperature);
    put_param(out, P_TOP_P, job->top_p);
    put_param(out, P_TOP_K, job->top_k);
    put_param(out, P_FLAGS, job->flags);
    buf_printf(out, ",\"%s\":\"%" PRIu64 "\",\"%s\":[", param_keys[P_SEED],
               job->seed, param_keys[P_STOPS]);
    while (r->stops_size - at >= 4) {
        size_t n = get_u32(r->stops + at);

        if (n > JOB_MAX_STOP || n > r->stops_size - at - 4)
            break; /* not one whose commitments were checked */
        base64url(text, r->stops + at + 4, n);
        buf_printf(out, "%s\"%s\"", at ? "," : "", text);
        at += 4 + n;
    }
    buf_puts(out, "]}");
}

static int put_answer_text(struct buf *out, const struct record *r,
                           const struct id *hash, struct err *err)
{
    put_key(out, K_TEXT);
    if (hash) {
        buf_putc(out, '[');
        put_id(out, *hash);
        buf_putc(out, ']');
        return 0;
    }
    if (!utf8_valid(r->text, r->text_size) ||
        (r->text_size && memchr(r->text, 0, r->text_size)))
        return err_set(err, ERR_INPUT, "its text is not UTF-8");
    json_put_string(out, (const char *)r->text, r->text_size);
    return 0;
}

static void put_error(struct buf *out, const struct result_record *res)
{
    put_key(out, K_ERROR);
    buf_putc(out, '[');
    if (res->finish == RESULT_RANGE)
        buf_printf(out, "%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32
                   ",%" PRIu32, res->error_position, res->error_layer,
                   res->error_op, res->error_row, res->error_index);
    buf_putc(out, ']');
}

static void put_place(struct buf *out, const struct published_batch *b,
                      uint64_t index, const unsigned char *path,
                      size_t n_path)
{
    put_key_id(out, K_BATCH_ID, *b->batch);
    put_key_id(out, K_BATCH_ROOT, *b->root);
    put_key_number(out, K_INDEX, index);
    put_key_number(out, K_COUNT, b->count);
    put_key(out, K_PATH);
    buf_putc(out, '[');
    for (size_t i = 0; i < n_path; i++) {
        if (i)
            buf_putc(out, ',');
        put_id(out, id_at(path + i * DIGEST_SIZE));
    }
    buf_putc(out, ']');
    put_key_id(out, K_NODE, *b->node);
}

int published_put(struct buf *out, const struct record *r,
                  const struct published_batch *b, uint64_t index,
                  const unsigned char *path, size_t n_path, struct err *err)
{
    struct result_record res;
    struct job_record job;

    if (unpack(&job, &res, r, err))
        return -1;
    put_key(out, K_APUS);
    buf_puts(out, "\"" KIND_RESULT "\"");
    put_key_id(out, K_REQUEST, res.request);
    put_key_id(out, K_PROCESS, *b->process);
    put_key_id(out, K_MODEL, res.model);
    put_key_id(out, K_JOB, res.job);
    put_params(out, &job, r);
    put_tokens(out, K_PROMPT, r->prompt, r->n_prompt,
               b->hashes ? &job.prompt : NULL);
    put_tokens(out, K_TOKENS, r->output, r->n_output,
               b->hashes ? &res.output : NULL);
    if (put_answer_text(out, r, b->hashes ? &res.text : NULL, err))
        return -1;
    put_key_number(out, K_FINISH, res.finish);
    put_error(out, &res);
    put_key_id(out, K_TRACE, res.trace);
    put_key_number(out, K_N, res.n);
    put_key_number(out, K_LEVEL, res.level);
    put_place(out, b, index, path, n_path);
    buf_putc(out, '}');
    return buf_check(out, "a result", err);
}

int published_tags(struct published_tags *t, const struct record *r,
                   struct id batch, struct err *err)
{
    struct id id;
    struct result_record res;
    struct job_record job;

    if (unpack(&job, &res, r, err))
        return -1;
    base64url(t->request, res.request.b, 32);
    base64url(t->model, res.model.b, 32);
    base64url(t->job, res.job.b, 32);
    digest(&id, r->result, RECORD_RESULT);
    base64url(t->result, id.b, 32);
    base64url(t->batch, batch.b, 32);
    t->tag[0] = (struct item_text_tag){ KIND_TAG, KIND_RESULT };
    t->tag[1] = (struct item_text_tag){ "Request", t->request };
    t->tag[2] = (struct item_text_tag){ "Model", t->model };
    t->tag[3] = (struct item_text_tag){ "Job", t->job };
    t->tag[4] = (struct item_text_tag){ "Result", t->result };
    t->tag[5] = (struct item_text_tag){ "Batch", t->batch };
    t->tag[6] = (struct item_text_tag){ "Content-Type", "application/json" };
    return 0;
}

/* ---- reading ------------------------------------------------------------- */

void published_init(struct published *p)
{
    memset(p, 0, sizeof(*p));
    buf_init(&p->prompt, PUBLISHED_MAX * 4);
    buf_init(&p->stops, JOB_MAX_STOPS * (4 + JOB_MAX_STOP));
    buf_init(&p->output, PUBLISHED_MAX * 4);
    buf_init(&p->text, PUBLISHED_MAX);
}

void published_clear(struct published *p)
{
    buf_clear(&p->prompt);
    buf_clear(&p->stops);
    buf_clear(&p->output);
    buf_clear(&p->text);
}

static void copy_buf(struct buf *copy, const struct buf *b)
{
    buf_init(copy, b->max);
    buf_put(copy, b->data, b->len);
}

void published_copy(struct published *copy, const struct published *p)
{
    *copy = *p;
    copy_buf(&copy->prompt, &p->prompt);
    copy_buf(&copy->stops, &p->stops);
    copy_buf(&copy->output, &p->output);
    copy_buf(&copy->text, &p->text);
}

static int bad(struct err *err, const char *key, const char *want)
{
    return err_set(err, ERR_INPUT, "\"%s\" is not %s", key, want);
}

/* The members of an object by the table: all of them, and no others. */
static int members(const struct json *object, const char *what,
                   const char *const *names, size_t n,
                   const struct json **out, struct err *err)
{
    if (!object || json_type(object) != JSON_OBJECT)
        return bad(err, what, "an object");
    for (const struct json *m = json_first(object); m; m = json_next(m)) {
        size_t i = 0;

        while (i < n && strcmp(names[i], json_key(m)) != 0)
            i++;
        if (i == n)
            return err_set(err, ERR_INPUT, "%s has an unknown key \"%.40s\"",
                           what, json_key(m));
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = json_get(object, names[i]);
        if (!out[i])
            return err_set(err, ERR_INPUT, "%s has no \"%s\"", what,
                           names[i]);
    }
    return 0;
}

/* Plain digits: 7.0 and 7e0 are other texts of the same value. */
static int read_u32(const struct json *v, const char *key, uint32_t *out,
                    struct err *err)
{
    const char *text = json_number(v);
    uint64_t n;

    if (!text || json_u64_text(text, &n) || n > UINT32_MAX)
        return bad(err, key, "a number below 2^32");
    *out = (uint32_t)n;
    return 0;
}

static int an_id(const struct json *v, const char *key, struct id *out,
                 struct err *err)
{
    if (json_id(v, out))
        return bad(err, key, "32 bytes in base64url, 43 characters");
    return 0;
}

/* An array of token ids into little-endian bytes. */
static int token_ids(const struct json *v, const char *key, struct buf *out,
                     struct err *err)
{
    for (const struct json *e = json_first(v); e; e = json_next(e)) {
        uint32_t id = 0;

        if (read_u32(e, key, &id, err))
            return -1;
        buf_put_u32(out, id);
    }
    return buf_check(out, key, err);
}

/* Token ids, or [count, blob]: which of the two is told by the text. */
static int tokens(const struct published *p, const struct json *v,
                  const char *key, struct buf *ids, uint32_t *n,
                  struct id *blob, struct err *err)
{
    const struct json *e = json_first(v);

    if (json_type(v) != JSON_ARRAY)
        return bad(err, key, "an array");
    if (p->hashed) {
        if (json_count(v) != 2)
            return bad(err, key, "a count and a hash, as the text is one");
        return read_u32(e, key, n, err) || an_id(json_next(e), key, blob, err)
                   ? -1
                   : 0;
    }
    if (token_ids(v, key, ids, err))
        return -1;
    *n = (uint32_t)(ids->len / 4);
    merkle_blob(blob, ids->data, ids->len);
    return 0;
}

static int text(struct published *p, const struct json *v, struct err *err)
{
    const char *t = json_string(v);

    p->hashed = json_type(v) == JSON_ARRAY;
    if (p->hashed) {
        if (json_count(v) != 1)
            return bad(err, "text", "one hash");
        return an_id(json_first(v), "text", &p->result.text, err);
    }
    if (!t)
        return bad(err, "text", "a text or a hash");
    buf_put(&p->text, t, strlen(t));
    digest(&p->result.text, t, strlen(t));
    return buf_check(&p->text, "text", err);
}

/* The place of an error, if there is one: five numbers. */
static int place(struct published *p, const struct json *v, struct err *err)
{
    struct result_record *r = &p->result;
    uint32_t *to[5] = { &r->error_position, &r->error_layer, &r->error_op,
                        &r->error_row, &r->error_index };
    const struct json *e = json_first(v);

    if (json_type(v) != JSON_ARRAY ||
        json_count(v) != (r->finish == RESULT_RANGE ? 5u : 0u))
        return bad(err, "error", r->finish == RESULT_RANGE
                                     ? "five numbers, as finish is 16"
                                     : "empty, as finish is not 16");
    for (size_t i = 0; e; e = json_next(e))
        if (read_u32(e, "error", to[i++], err))
            return -1;
    return 0;
}

static int path(struct published *p, const struct json *v, struct err *err)
{
    if (json_type(v) != JSON_ARRAY || json_count(v) > MERKLE_PATH_MAX)
        return bad(err, "path", "an array of at most 64 hashes");
    for (const struct json *e = json_first(v); e; e = json_next(e))
        if (an_id(e, "path", id_in(p->path + 32 * p->n_path++), err))
            return -1;
    return 0;
}

/* As bytes; of two with the same beginning the shorter is first. */
static bool ascend(const struct job_stop *a, const struct job_stop *b)
{
    int c = memcmp(a->text, b->text, a->n < b->n ? a->n : b->n);

    return c < 0 || (c == 0 && a->n < b->n);
}

static int stops(struct published *p, const struct json *v, struct err *err)
{
    unsigned char bytes[JOB_MAX_STOPS][JOB_MAX_STOP];
    struct job_stop stop[JOB_MAX_STOPS];
    size_t n = 0;

    if (json_type(v) != JSON_ARRAY || json_count(v) > JOB_MAX_STOPS)
        return bad(err, "stops", "an array of at most 16 strings");
    for (const struct json *e = json_first(v); e; e = json_next(e), n++) {
        const char *t = json_string(e);

        if (!t || base64url_decode(bytes[n], JOB_MAX_STOP, &stop[n].n, t) ||
            stop[n].n < 1)
            return bad(err, "stops", "strings of 1 to 64 bytes in base64url");
        stop[n].text = bytes[n];
        if (n > 0 && !ascend(&stop[n - 1], &stop[n]))
            return bad(err, "stops", "sorted, each once");
        buf_put_u32(&p->stops, (uint32_t)stop[n].n);
        buf_put(&p->stops, bytes[n], stop[n].n);
    }
    return job_record_stops(&p->job, stop, n, err);
}

static int seed(struct published *p, const struct json *v, struct err *err)
{
    const char *t = json_string(v);

    if (!t || json_u64_text(t, &p->job.seed))
        return bad(err, "seed", "a text of decimal digits below 2^64");
    return 0;
}

/* ---- the object ---------------------------------------------------------- */

static int read_params(struct published *p, const struct json *v,
                       struct err *err)
{
    const struct json *m[N_PARAMS];
    struct job_record *j = &p->job;

    if (members(v, "params", param_keys, N_PARAMS, m, err) ||
        read_u32(m[P_CHOICE], "choice", &j->choice, err) ||
        read_u32(m[P_MAX_TOKENS], "max_tokens", &j->max_tokens, err) ||
        read_u32(m[P_TEMPERATURE], "temperature", &j->temperature, err) ||
        read_u32(m[P_TOP_P], "top_p", &j->top_p, err) ||
        read_u32(m[P_TOP_K], "top_k", &j->top_k, err) ||
        read_u32(m[P_FLAGS], "flags", &j->flags, err) ||
        seed(p, m[P_SEED], err) || stops(p, m[P_STOPS], err))
        return -1;
    return 0;
}

/* What goes into the two records. */
static int read_records(struct published *p, const struct json *const *m,
                        struct err *err)
{
    struct result_record *r = &p->result;
    struct job_record *j = &p->job;

    j->numerics = 1;
    if (an_id(m[K_REQUEST], "request", &r->request, err) ||
        an_id(m[K_MODEL], "model", &j->model, err) ||
        read_params(p, m[K_PARAMS], err) || text(p, m[K_TEXT], err) ||
        tokens(p, m[K_PROMPT], "prompt", &p->prompt, &j->n_prompt, &j->prompt,
               err) ||
        tokens(p, m[K_TOKENS], "tokens", &p->output, &r->n_out, &r->output,
               err) ||
        read_u32(m[K_FINISH], "finish", &r->finish, err) ||
        place(p, m[K_ERROR], err) ||
        an_id(m[K_TRACE], "trace", &r->trace, err) ||
        read_u32(m[K_N], "n", &r->n, err) ||
        read_u32(m[K_LEVEL], "level", &r->level, err))
        return -1;
    r->model = j->model;
    r->choice = j->choice;
    job_record_pack(p->job_bytes, j);
    digest(&r->job, p->job_bytes, sizeof(p->job_bytes));
    result_record_pack(p->result_bytes, r);
    return 0;
}

/* What it says of itself, and where it belongs. */
static int read_rest(struct published *p, const struct json *const *m,
                     struct err *err)
{
    const char *kind = json_string(m[K_APUS]);

    if (!kind || strcmp(kind, KIND_RESULT) != 0)
        return bad(err, "apus", "\"" KIND_RESULT "\"");
    if (an_id(m[K_PROCESS], "process", &p->process, err) ||
        an_id(m[K_JOB], "job", &p->said_job, err) ||
        an_id(m[K_BATCH_ID], "batch_id", &p->batch, err) ||
        an_id(m[K_BATCH_ROOT], "batch_root", &p->root, err) ||
        read_u32(m[K_INDEX], "index", &p->index, err) ||
        read_u32(m[K_COUNT], "count", &p->count, err) ||
        path(p, m[K_PATH], err) || an_id(m[K_NODE], "node", &p->node, err))
        return -1;
    return 0;
}

int published_read(struct published *p, const char *json, size_t n,
                   struct err *err)
{
    const struct json *m[N_KEYS];
    struct json *root;
    int rc;

    if (n > PUBLISHED_MAX)
        return err_set(err, ERR_INPUT, "a result of %zu bytes, at most %zu",
                       n, PUBLISHED_MAX);
    if (json_parse(&root, json, n, err))
        return -1;
    published_clear(p);
    published_init(p);
    rc = members(root, "the result", keys, N_KEYS, m, err) ||
         read_rest(p, m, err) || read_records(p, m, err) ? -1 : 0;
    json_free(root);
    return rc;
}

void published_record(const struct published *p, struct record *r)
{
    *r = (struct record){
        .job = p->job_bytes,
        .prompt = (const unsigned char *)p->prompt.data,
        .n_prompt = p->prompt.len / 4,
        .stops = (const unsigned char *)p->stops.data,
        .stops_size = p->stops.len,
        .n_leaves = p->result.n,
        .output = (const unsigned char *)p->output.data,
        .n_output = p->output.len / 4,
        .text = (const unsigned char *)p->text.data,
        .text_size = p->text.len,
        .result = p->result_bytes,
    };
}

bool published_is_in(const struct published *p, struct id root, uint32_t count)
{
    struct id leaf;

    merkle_leaf_hash(&leaf, p->result_bytes, sizeof(p->result_bytes));
    return p->index < count &&
           merkle_path_verify(root, leaf, p->index, count, p->path,
                              p->n_path);
}
