/*
 * The parts of a record, and whether its commitments are those of its parts.
 * What takes the model to know is not judged here: whether the tokens are the
 * right ones, and which of end of text, stop and context ended them.
 */
#include <config.h>

#include "store/record.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "proof/trace.h"

_Static_assert(RECORD_JOB == JOB_RECORD_SIZE, "a job");
_Static_assert(RECORD_LEAF == TRACE_LEAF_SIZE, "a leaf");
_Static_assert(RECORD_RESULT == RESULT_RECORD_SIZE, "a result");

static void put_sized(struct buf *out, const void *data, size_t n)
{
    buf_put_u64(out, n);
    buf_put(out, data, n);
}

void record_put(struct buf *out, const struct record *r)
{
    size_t n_leaves = r->leaf ? r->n_leaves : 0;
    size_t n = 7 * 8 + RECORD_JOB + 4 * r->n_prompt + r->stops_size +
               RECORD_LEAF * n_leaves + 4 * r->n_output + r->text_size +
               RECORD_RESULT;

    /* at once: growing would hold a large record twice */
    buf_reserve(out, n, "a record", NULL);
    put_sized(out, r->job, RECORD_JOB);
    put_sized(out, r->prompt, r->n_prompt * 4);
    put_sized(out, r->stops, r->stops_size);
    put_sized(out, r->leaf, n_leaves * RECORD_LEAF);
    put_sized(out, r->output, r->n_output * 4);
    put_sized(out, r->text, r->text_size);
    put_sized(out, r->result, RECORD_RESULT);
}

/* ---- reading -------------------------------------------------------------*/

struct in {
    const unsigned char *at;
    size_t left;
};

/* The next part, of whole elements of `size` bytes; *n is their number. */
static int take_part(struct in *in, const char *what, size_t size,
                     const unsigned char **part, size_t *n, struct err *err)
{
    uint64_t len;

    if (in->left < 8)
        return err_set(err, ERR_INPUT, "the record ends before its %s", what);
    len = get_u64(in->at);
    in->at += 8;
    in->left -= 8;
    if (len > in->left)
        return err_set(err, ERR_INPUT,
                       "the record's %s has %ju bytes and %zu are left", what,
                       (uintmax_t)len, in->left);
    if (len % size != 0)
        return err_set(err, ERR_INPUT,
                       "the record's %s has %ju bytes, not a multiple of %zu",
                       what, (uintmax_t)len, size);
    *part = in->at;
    *n = (size_t)len / size;
    in->at += len;
    in->left -= (size_t)len;
    return 0;
}

/* The same, of exactly one element. */
static int take_one(struct in *in, const char *what, size_t size,
                    const unsigned char **part, struct err *err)
{
    size_t n;

    if (take_part(in, what, size, part, &n, err))
        return -1;
    if (n != 1)
        return err_set(err, ERR_INPUT,
                       "the record's %s has %zu bytes and must have %zu", what,
                       n * size, size);
    return 0;
}

/* The next stop string of n bytes at *at; FOUND_FAILED if it is malformed. */
static enum found next_stop(const unsigned char **at, size_t *left,
                            const unsigned char **text, size_t *n)
{
    if (*left == 0)
        return FOUND_NONE;
    if (*left < 4)
        return FOUND_FAILED;
    *n = get_u32(*at);
    if (*n < 1 || *n > JOB_MAX_STOP || *n > *left - 4)
        return FOUND_FAILED;
    *text = *at + 4;
    *at += 4 + *n;
    *left -= 4 + *n;
    return FOUND_ONE;
}

static int look_at_stops(const struct record *r, struct err *err)
{
    const unsigned char *at = r->stops, *text;
    size_t left = r->stops_size, n, count = 0;
    enum found rc;

    while ((rc = next_stop(&at, &left, &text, &n)) == FOUND_ONE)
        count++;
    if (rc == FOUND_FAILED)
        return err_set(err, ERR_INPUT,
                       "the record's stop string %zu has no length of 1 to %d",
                       count, JOB_MAX_STOP);
    if (count > JOB_MAX_STOPS)
        return err_set(err, ERR_INPUT,
                       "the record has %zu stop strings, at most %d", count,
                       JOB_MAX_STOPS);
    return 0;
}

int record_get(struct record *r, const void *payload, size_t n,
               struct err *err)
{
    struct in in = { payload, n };
    struct record t;

    if (take_one(&in, "job", RECORD_JOB, &t.job, err) ||
        take_part(&in, "prompt", 4, &t.prompt, &t.n_prompt, err) ||
        take_part(&in, "stop strings", 1, &t.stops, &t.stops_size, err) ||
        take_part(&in, "trace", RECORD_LEAF, &t.leaf, &t.n_leaves, err) ||
        take_part(&in, "output", 4, &t.output, &t.n_output, err) ||
        take_part(&in, "text", 1, &t.text, &t.text_size, err) ||
        take_one(&in, "result", RECORD_RESULT, &t.result, err) ||
        look_at_stops(&t, err))
        return -1;
    if (in.left > 0)
        return err_set(err, ERR_INPUT, "%zu bytes follow the record", in.left);
    *r = t;
    return 0;
}

/* ---- checking ------------------------------------------------------------*/

static int differs(struct err *err, const char *record, const char *what)
{
    return err_set(err, ERR_INPUT,
                   "the %s record's %s does not follow from its parts", record,
                   what);
}

static bool same(struct id a, struct id b)
{
    return id_equal(a, b);
}

static bool blob_is(struct id h, const void *data, size_t n)
{
    struct id blob;

    merkle_blob(&blob, data, n);
    return same(h, blob);
}

/* As bytes; of two with the same beginning the shorter is first. */
static bool ascend(const unsigned char *a, size_t na, const unsigned char *b,
                   size_t nb)
{
    int c = memcmp(a, b, na < nb ? na : nb);

    return c < 0 || (c == 0 && na < nb);
}

static bool stops_are(const struct job_record *job, const struct record *r)
{
    const unsigned char *at = r->stops, *text = NULL, *last = NULL;
    size_t left = r->stops_size, n = 0, n_last = 0;
    struct id root;
    struct merkle m;
    enum found found;

    merkle_init(&m);
    while ((found = next_stop(&at, &left, &text, &n)) == FOUND_ONE) {
        if (last && !ascend(last, n_last, text, n))
            return false;
        merkle_leaf(&m, text, n);
        last = text;
        n_last = n;
    }
    merkle_root(&m, &root);
    return found == FOUND_NONE && m.n == job->n_stops && same(root, job->stops);
}

static int check_job(struct job_record *job, const struct record *r,
                     struct err *err)
{
    if (job_record_unpack(job, r->job))
        return err_set(err, ERR_INPUT, "the job record is none");
    if (job->n_prompt != r->n_prompt)
        return differs(err, "job", "number of prompt ids");
    if (!blob_is(job->prompt, r->prompt, r->n_prompt * 4))
        return differs(err, "job", "prompt");
    if (!stops_are(job, r))
        return differs(err, "job", "stop strings");
    return 0;
}

static int check_trace(const struct result_record *res, const struct record *r,
                       struct err *err)
{
    uint32_t deep = res->level ? TRACE_DEEP : 0;
    struct id root;
    struct trace_leaf leaf;
    struct merkle m;

    merkle_init(&m);
    for (size_t i = 0; i < r->n_leaves; i++)
        merkle_leaf(&m, r->leaf + i * RECORD_LEAF, RECORD_LEAF);
    merkle_root(&m, &root);
    if (!same(root, res->trace))
        return differs(err, "result", "trace");
    if (res->n != r->n_leaves)
        return differs(err, "result", "number of positions");
    if (res->level > 1)
        return differs(err, "result", "level");
    for (size_t i = 0; i < r->n_leaves; i++) {
        if (trace_leaf_unpack(&leaf, r->leaf + i * RECORD_LEAF))
            return err_set(err, ERR_INPUT, "leaf %zu of the trace is none", i);
        if ((leaf.flags & TRACE_DEEP) != deep)
            return differs(err, "result", "level");
    }
    return 0;
}

bool record_finish_fits(const struct result_record *res,
                        const struct job_record *job, size_t text_size)
{
    uint64_t n_prompt = job->n_prompt, n = res->n, n_out = res->n_out;
    bool counts = n_prompt > 0 && n_out > 0 && n_out <= job->max_tokens &&
                  n == n_prompt + n_out - 1;

    switch (res->finish) {
    case RESULT_EOS:
        return counts && !(job->flags & JOB_IGNORE_EOS);
    case RESULT_LENGTH:
        return counts && n_out == job->max_tokens;
    case RESULT_STOP:
        return counts && job->n_stops > 0;
    case RESULT_CONTEXT:
        return counts && n_out < job->max_tokens;
    case RESULT_RANGE: /* the positions before it */
        return n_prompt > 0 && n == res->error_position &&
               n_out < job->max_tokens &&
               n_out == (n < n_prompt ? 0 : n - n_prompt + 1);
    case RESULT_LONG:
    case RESULT_PROMPT:
        return n == 0 && n_out == 0 && text_size == 0;
    default:
        return false;
    }
}

static int check_all(const struct record *r, bool traced, struct err *err)
{
    struct result_record res;
    struct job_record job;
    struct id id;

    if (check_job(&job, r, err))
        return -1;
    if (result_record_unpack(&res, r->result))
        return err_set(err, ERR_INPUT, "the result record is none");
    digest(&id, r->job, RECORD_JOB);
    if (!same(id, res.job))
        return differs(err, "result", "job");
    if (!same(job.model, res.model))
        return differs(err, "result", "model");
    if (job.choice != res.choice)
        return differs(err, "result", "choice");
    if (traced && (r->leaf || r->n_leaves == 0) && check_trace(&res, r, err))
        return -1;
    if (res.n != r->n_leaves)
        return differs(err, "result", "number of positions");
    if (res.level > 1)
        return differs(err, "result", "level");
    if (res.n_out != r->n_output)
        return differs(err, "result", "number of output ids");
    if (!blob_is(res.output, r->output, r->n_output * 4))
        return differs(err, "result", "output");
    digest(&id, r->text, r->text_size);
    if (!same(id, res.text))
        return differs(err, "result", "text");
    if (!record_finish_fits(&res, &job, r->text_size))
        return differs(err, "result", "finish");
    return 0;
}

int record_check(const struct record *r, struct err *err)
{
    return check_all(r, true, err) ? err_damage(err) : 0;
}

int record_check_untraced(const struct record *r, struct err *err)
{
    return check_all(r, false, err) ? err_damage(err) : 0;
}

enum record_last record_last(const struct record *r,
                             const unsigned char *last, size_t dim)
{
    static const struct id zeros;
    struct trace_leaf leaf;

    if (r->n_leaves == 0)
        return RECORD_LAST_NONE;
    if (!r->leaf)
        return RECORD_LAST_UNKNOWN;
    if (trace_leaf_unpack(&leaf, r->leaf + (r->n_leaves - 1) * RECORD_LEAF))
        return RECORD_LAST_DIFFERS;
    if (same(leaf.fin, zeros))
        return RECORD_LAST_NONE;
    return last && blob_is(leaf.fin, last, dim * 4) ? RECORD_LAST_FITS
                                                    : RECORD_LAST_DIFFERS;
}
