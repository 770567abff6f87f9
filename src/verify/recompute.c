/*
 * The outputs are known, so prompt and outputs are one prefill that draws
 * wherever the answer did: last layers, faults and draws are those of the first
 * run (numerics.md).  Comparisons follow the order of computation, so a wrong
 * number is named where it was made and not where it shows.
 */
#include <config.h>

#include "verify/recompute.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/commit.h"
#include "answer/logprobs.h"
#include "answer/prompt.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "model/model.h"
#include "proof/blob.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "proof/trace.h"
#include "store/record.h"
#include "store/topk.h"
#include "verify/tensor_rows.h"

#define ROWS 64
#define MAX_ROWS 65536
#define LOGITS_BYTES ((size_t)256 << 20) /* of the rows of a step that draw */
#define TEXT_MAX ((size_t)1 << 30)

/* A record that is being computed. */
struct one_record {
    const struct prompt_model *m;
    const struct recompute_options *o;
    const struct record *rec;
    struct recompute_tensors also; /* likely is NULL where n is 0 */
    struct tensor_rows rows;
    struct logprobs *logprobs;   /* of them, or NULL */
    struct job_record job;
    struct result_record res;
    struct sequence s;
    struct stop stop[JOB_MAX_STOPS];
    uint32_t *id;          /* prompt and forced ids */
    struct commit c;
    uint64_t n;            /* positions told */
    bool added;            /* to the engine */
    bool over;             /* the answer has ended */
    bool differs;
    struct recompute_verdict v;
};

struct recompute {
    const struct prompt_model *m;
    struct backend *backend;
    struct recompute_options o;
    struct engine *engine;
    struct one_record *some; /* o.max_records of them */
    size_t n_computed;       /* records that are over */
};

/* ---- what differs ------------------------------------------------------- */

/* Record a difference; the first one stays. */
__attribute__((format(printf, 4, 5)))
static void differ(struct one_record *r, uint32_t position, const char *part,
                   const char *fmt, ...)
{
    va_list ap;

    if (r->differs)
        return;
    r->differs = true;
    r->v.position = position;
    r->v.part = part;
    va_start(ap, fmt);
    vsnprintf(r->v.text, sizeof(r->v.text), fmt, ap);
    va_end(ap);
}

/* Write a number; the highest one has a name: no token, the head. */
static void name(char out[16], uint32_t n, const char *highest)
{
    if (n == UINT32_MAX)
        snprintf(out, 16, "%s", highest);
    else
        snprintf(out, 16, "%u", n);
}

static void differ_id(struct one_record *r, uint32_t position, const char *part,
                      const char *what, uint32_t theirs, uint32_t mine)
{
    char a[16], b[16];

    name(a, theirs, "none");
    name(b, mine, "none");
    differ(r, position, part,
           "%s at position %u is %s in the record and %s computed", what,
           position, a, b);
}

static void differ_hash(struct one_record *r, uint32_t position,
                        const char *part, const char *what)
{
    differ(r, position, part,
           "%s of position %u are not those in the record", what, position);
}

static const char *end_name(uint32_t finish)
{
    switch (finish) {
    case FINISH_EOS: return "end of text";
    case FINISH_LENGTH: return "length";
    case FINISH_STOP: return "a stop string";
    case FINISH_CONTEXT: return "the context";
    case FINISH_RANGE: return "an activation out of range";
    case FINISH_LONG: return "a prompt longer than the context";
    default: return "an empty prompt";
    }
}

/* Return the last reported position. */
static uint32_t latest(const struct one_record *r)
{
    return r->n ? (uint32_t)(r->n - 1) : 0;
}

static void differ_continues(struct one_record *r)
{
    differ(r, latest(r), "finish",
           "the answer continues at position %u; in the record, %s ends it"
           " after %zu positions", latest(r), end_name(r->res.finish),
           r->rec->n_leaves);
}

/* ---- each position ------------------------------------------------------ */

static bool same_hash(const unsigned char *a, const unsigned char *b)
{
    return memcmp(a, b, DIGEST_SIZE) == 0;
}

/* Compare the fields of a leaf in the order of computation. */
static void compare_leaf(struct one_record *r, const struct trace_leaf *mine,
                         const struct trace_leaf *theirs)
{
    uint32_t at = mine->position;

    if (theirs->position != at)
        differ(r, at, "order", "leaf %u of the record is of position %u", at,
               theirs->position);
    else if (theirs->token != mine->token)
        differ_id(r, at, "token", "the token fed", theirs->token,
                  mine->token);
    else if (!same_hash(theirs->kv.b, mine->kv.b))
        differ_hash(r, at, "kv", "keys and values");
    else if (!same_hash(theirs->deep.b, mine->deep.b))
        differ_hash(r, at, "deep", "residual rows");
    else if ((theirs->flags ^ mine->flags) & TRACE_FIN)
        differ(r, at, "fin", "a token is drawn at position %u %s", at,
               mine->flags & TRACE_FIN ? "and the record has none"
                                       : "only in the record");
    else if (!same_hash(theirs->fin.b, mine->fin.b))
        differ_hash(r, at, "fin", "the last residual row's values");
    else if (theirs->next != mine->next)
        differ_id(r, at, "next", "the id drawn", theirs->next, mine->next);
}

/* Compare the rows of a position with those in the file. */
static void compare_hidden(struct one_record *r, const struct position *p)
{
    const struct tensor_element *e = &r->rows.hidden_wrong;

    if (p->next == TRACE_NONE)
        tensor_rows_undrawn(&r->rows, p->position);
    if (e->some && e->position == p->position)
        differ(r, p->position, "hidden",
               "element %u of hidden state %u has the bits %08x in the record"
               " and %08x computed", e->element, e->row, e->theirs, e->mine);
}

static void compare_logits(struct one_record *r, uint32_t position)
{
    const struct tensor_element *e = &r->rows.logits_wrong;

    if (e->some && e->position <= position)
        differ(r, e->position, "logits",
               "the logit of token id %u for output token %u has the bits %08x"
               " in the record and %08x computed", e->element, e->row + 1,
               e->theirs, e->mine);
}

/* Compare the id drawn here with the output. */
static void compare_output(struct one_record *r, const struct position *p)
{
    size_t i = p->position + 1 - r->s.n_prompt;
    uint32_t theirs = TRACE_NONE;

    if (p->next == TRACE_NONE)
        return;
    if (i < r->rec->n_output)
        theirs = get_u32(r->rec->output + 4 * i);
    if (theirs != p->next)
        differ_id(r, p->position, "output", "the output id drawn", theirs,
                  p->next);
}

/* Report a position; theirs is NULL if the record has no leaves. */
static void report_step(struct one_record *r, const struct trace_leaf *mine,
                        const struct trace_leaf *theirs)
{
    struct recompute_step s = {
        .position = mine->position,
        .token = mine->token,
        .next = mine->next,
        .kv = !theirs || same_hash(mine->kv.b, theirs->kv.b),
        .fin = !theirs || same_hash(mine->fin.b, theirs->fin.b),
        .all = !r->differs,
        .compared = theirs != NULL,
    };

    if (r->o->step)
        r->o->step(r->o->user, &s);
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct one_record *r = user;
    struct trace_leaf mine = { 0 }, theirs = { 0 };
    size_t at = r->n * TRACE_LEAF_SIZE;
    unsigned char *leaf;
    int rc;

    (void)self;
    if (r->differs)
        return;
    if (p->position >= r->rec->n_leaves) {
        if (r->res.finish == FINISH_RANGE)
            differ(r, p->position, "finish", "position %u is within the range;"
                   " in the record, it is not", p->position);
        else
            differ_continues(r);
        return;
    }
    commit_position(&r->c, p);
    r->n++;
    leaf = (unsigned char *)r->c.leaves.data + at;
    /* one was packed just now, record_check has verified the other */
    rc = trace_leaf_unpack(&mine, leaf) ||
         (r->rec->leaf && trace_leaf_unpack(&theirs, r->rec->leaf + at));
    assert(rc == 0);
    (void)rc;
    compare_hidden(r, p);
    if (r->rec->leaf)
        compare_leaf(r, &mine, &theirs);
    compare_logits(r, p->position);
    compare_output(r, p);
    report_step(r, &mine, r->rec->leaf ? &theirs : NULL);
}

/* ---- the end ------------------------------------------------------------ */

static void compare_fault(struct one_record *r, const struct fault *f)
{
    const struct result_record *res = &r->res;
    char mine[16], theirs[16];

    if (f->layer == res->error_layer && f->op == res->error_op &&
        f->row == res->error_row && f->index == res->error_index)
        return;
    name(mine, f->layer, "head");
    name(theirs, res->error_layer, "head");
    differ(r, f->position, "error",
           "position %u leaves the range at layer %s, operator %u, row %u,"
           " index %u; in the record at layer %s, operator %u, row %u, index"
           " %u", f->position, mine, f->op, f->row, f->index, theirs,
           res->error_op, res->error_row, res->error_index);
}

static void compare_end(struct one_record *r, const struct answer *a)
{
    bool fault = a->finish == FINISH_RANGE;
    uint32_t at = fault ? a->fault.position : latest(r);

    if (r->n != r->rec->n_leaves || (uint32_t)a->finish != r->res.finish)
        differ(r, at, "finish",
               "%s ends the answer at position %u; in the record, %s after"
               " %zu positions", end_name(a->finish), at,
               end_name(r->res.finish), r->rec->n_leaves);
    else if (fault)
        compare_fault(r, &a->fault);
}

static void compare_text(struct one_record *r, const struct buf *text)
{
    const struct record *rec = r->rec;
    size_t same = 0;

    while (same < text->len && same < rec->text_size &&
           (unsigned char)text->data[same] == rec->text[same])
        same++;
    if (same < text->len || same < rec->text_size)
        differ(r, latest(r), "text",
               "the text has %zu bytes in the record and %zu computed, of"
               " which the first %zu are equal", rec->text_size, text->len,
               same);
}

/* Compare the last row: the latest one that was drawn from, if any. */
static void compare_last(struct one_record *r, const float *last)
{
    size_t dim = r->m->model->rec.dim;

    for (size_t i = 0; r->also.last && i < dim; i++) {
        uint32_t theirs = get_u32(r->also.last + 4 * i), mine = 0;

        if (last)
            memcpy(&mine, &last[i], sizeof(mine));
        if (mine != theirs) {
            differ(r, latest(r), "last",
                   "element %zu of the last residual row has the bits %08x in"
                   " the record and %08x computed", i, theirs, mine);
            return;
        }
    }
}

/* Return the first step whose numbers differ, n if none does. */
static size_t first_step(const struct topk *a, const struct topk *b)
{
    size_t i = 0, k = a->k;

    if (a->k != b->k || a->n != b->n)
        return 0;
    while (i < a->n &&
           memcmp(a->log_sum + 8 * i, b->log_sum + 8 * i, 8) == 0 &&
           memcmp(a->logit + 4 * i, b->logit + 4 * i, 4) == 0 &&
           memcmp(a->token + 4 * i * k, b->token + 4 * i * k, 4 * k) == 0 &&
           memcmp(a->top + 4 * i * k, b->top + 4 * i * k, 4 * k) == 0)
        i++;
    return i;
}

/* Compare our likeliest tokens, written as in a log. */
static void compare_likely(struct one_record *r, const struct answer *a)
{
    struct buf mine, theirs;
    struct topk t;
    size_t at;

    if (!r->logprobs || a->n_out == 0)
        return;
    buf_init(&mine, TEXT_MAX);
    buf_init(&theirs, TEXT_MAX);
    topk_put(&theirs, r->also.likely);
    if (logprobs_put(&mine, r->logprobs, a, r->m->tokenizer, NULL) ||
        topk_get(&t, mine.data, mine.len, NULL) ||
        buf_check(&theirs, "likeliest tokens", NULL)) {
        differ(r, latest(r), "topk", "the likeliest tokens cannot be compared");
    } else if ((at = first_step(r->also.likely, &t)) < t.n) {
        differ(r, (uint32_t)(r->job.n_prompt - 1 + at), "topk", "the likeliest"
               " tokens of output token %zu, or their logits, are not those"
               " computed", at + 1);
    } else if (mine.len != theirs.len ||
               memcmp(mine.data, theirs.data, mine.len) != 0) {
        differ(r, latest(r), "topk", "what ids of the likeliest tokens stand"
               " for is not what the tokenizer says");
    }
    buf_clear(&mine);
    buf_clear(&theirs);
}

/* Compare rows that were never computed: they must be zeros, and no hidden
 * state may be missing. */
static void compare_rows(struct one_record *r)
{
    bool all = tensor_rows_end(&r->rows);

    compare_logits(r, UINT32_MAX);
    if (!all)
        differ(r, latest(r), "hidden", "its hidden states were not computed");
}

/* Compare the result record with the one made from our bytes. */
static void compare_result(struct one_record *r, const struct answer *a,
                           const struct buf *text)
{
    unsigned char packed[RECORD_RESULT];
    struct result_record res;

    commit_result(&res, &r->c, r->res.request, &r->job, a, text->data,
                  text->len);
    res.level = r->res.level;
    if (!r->rec->leaf && !same_hash(res.trace.b, r->res.trace.b))
        differ(r, latest(r), "trace", "the root of the trace is not the one"
               " in the record: a value at one of %zu positions differs",
               r->rec->n_leaves);
    result_record_pack(packed, &res);
    if (memcmp(packed, r->rec->result, sizeof(packed)) != 0)
        differ(r, latest(r), "result",
               "the result record is not the one that follows from the"
               " answer");
}

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    struct one_record *r = user;

    (void)self;
    if (r->logprobs)
        logprobs_logits(r->logprobs, position, logits);
    tensor_rows_logits(&r->rows, position, logits);
}

static void on_residual(void *self, void *user, uint32_t position,
                        uint32_t layer, const float *x)
{
    struct one_record *r = user;

    (void)self;
    tensor_rows_residual(&r->rows, position, layer, x);
}

static void on_token(void *self, void *user, uint32_t position,
                     const struct drawn *d)
{
    struct one_record *r = user;

    (void)self;
    if (r->logprobs)
        logprobs_token(r->logprobs, position, d->token);
}

static void on_finished(void *self, const struct answer *a)
{
    struct one_record *r = a->user;
    struct buf text;

    (void)self;
    r->over = true;
    if (r->differs)
        return;
    buf_init(&text, TEXT_MAX);
    utf8_scrub(&text, a->text, a->n_text);
    compare_end(r, a);
    compare_text(r, &text);
    compare_last(r, a->last);
    compare_likely(r, a);
    compare_rows(r);
    compare_result(r, a, &text);
    buf_clear(&text);
}

/* ---- what is computed --------------------------------------------------- */

/* Check that the job has values that a request can have (proof.md section 3);
 * otherwise nothing can be computed. */
static void check_job(struct one_record *r)
{
    const struct job_record *j = &r->job;
    const char *what = NULL;

    if (j->temperature && (j->temperature < 10000 ||
                           j->temperature > 100000000))
        what = "temperature";
    else if (j->top_p < 1 || j->top_p > 1000000)
        what = "top_p";
    else if (j->max_tokens < 1)
        what = "max_tokens";
    if (what)
        differ(r, 0, "job", "no request can have the job's %s", what);
    for (uint32_t i = 0; i < j->n_prompt; i++)
        if (r->id[i] >= r->m->model->rec.n_vocab) {
            differ(r, i, "prompt",
                   "token id %u of the prompt is not below %u, the model's"
                   " vocabulary", r->id[i], r->m->model->rec.n_vocab);
            return;
        }
}

/* Check that the record is for our model and this version's numerics. */
static int can_compute(const struct one_record *r, struct err *err)
{
    const struct model *m = r->m->model;

    if (!id_equal(r->job.model, m->id)) {
        return err_set(err, ERR_INPUT, "the record is of model %s, not %s",
                       id_text(r->job.model).s, r->m->id);
    }
    if (r->job.numerics != m->rec.numerics)
        return err_set(err, ERR_INPUT, "the record has numerics %u, not %u",
                       r->job.numerics, m->rec.numerics);
    if (r->job.flags & ~(uint32_t)JOB_IGNORE_EOS)
        return err_set(err, ERR_INPUT, "the record's job has unknown flags"
                                       " (%x)", r->job.flags);
    return 0;
}

/* Check the ceiling of the KV cache here: the engine never refuses a single
 * request. */
static int check_kv(const struct one_record *r, const struct engine *e,
                    struct err *err)
{
    uint64_t bytes = engine_kv_bytes(e, r->rec->n_leaves + 1);

    if (r->o->kv_bytes && bytes > r->o->kv_bytes)
        return err_set(err, ERR_INPUT,
                       "%zu positions take %ju bytes of KV cache, at most %ju"
                       " are allowed", r->rec->n_leaves, (uintmax_t)bytes,
                       (uintmax_t)r->o->kv_bytes);
    return 0;
}

/* Count the output ids that are fed as if drawn.  The last id of an answer was
 * never fed; if the answer left the range, it is drawn again and then fed.  Ids
 * past the context, or past one that no draw can give, are not reached. */
static size_t count_forced(const struct one_record *r)
{
    const struct model_record *rec = &r->m->model->rec;
    size_t n = r->rec->n_output;

    if (r->o->one_by_one || n == 0 || r->job.n_prompt > rec->context)
        return 0;
    n--;
    if (n > rec->context - r->job.n_prompt)
        n = rec->context - r->job.n_prompt;
    for (size_t i = 0; i < n; i++)
        if (get_u32(r->rec->output + 4 * i) >= rec->n_vocab)
            return i;
    return n;
}

static void take_stops(struct one_record *r)
{
    const unsigned char *at = r->rec->stops;

    r->s.stops = r->stop;
    for (uint32_t i = 0; i < r->job.n_stops; i++) {
        r->stop[i].n = get_u32(at);
        r->stop[i].text = (const char *)at + 4;
        at += 4 + r->stop[i].n;
    }
    r->s.n_stops = r->job.n_stops;
}

/* One more than the record has shows that an answer continues, and no record
 * makes others in the same steps wait for longer than it is. */
static uint32_t count_tokens(const struct one_record *r)
{
    return r->rec->n_output < r->job.max_tokens
               ? (uint32_t)r->rec->n_output + 1 : r->job.max_tokens;
}

/* Make the sequence of a checked record. */
static int make_sequence(struct one_record *r, struct err *err)
{
    const struct job_record *j = &r->job;
    size_t n_forced = count_forced(r);
    void *id;

    if (mem_big(&id, j->n_prompt + n_forced + 1, 4, "token ids", err))
        return -1;
    r->id = id;
    for (size_t i = 0; i < j->n_prompt; i++)
        r->id[i] = get_u32(r->rec->prompt + 4 * i);
    for (size_t i = 0; i < n_forced; i++)
        r->id[j->n_prompt + i] = get_u32(r->rec->output + 4 * i);
    r->s = (struct sequence){
        .prompt = r->id,
        .n_prompt = j->n_prompt,
        .forced = r->id + j->n_prompt,
        .n_forced = n_forced,
        .max_tokens = count_tokens(r),
        .sampling = {
            .temperature = j->temperature,
            .top_p = j->top_p,
            .top_k = j->top_k,
            .seed = j->seed,
            .choice = j->choice,
        },
        .ignore_eos = j->flags & JOB_IGNORE_EOS,
        .without_logits = !r->also.likely && !r->also.logits,
        .deep = r->res.level != 0,
        .user = r,
    };
    if (r->also.likely)
        r->logprobs = logprobs_new(r->m->model->rec.n_vocab, j->n_prompt);
    take_stops(r);
    return 0;
}

static int make_engine(struct recompute *r, struct err *err)
{
    size_t row = (size_t)r->m->model->rec.n_vocab * sizeof(float);
    struct engine_options o = {
        .max_sequences = r->o.max_records,
        .max_rows = r->o.max_rows,
        .max_draws = LOGITS_BYTES / row,
        .kv_bytes = r->o.kv_bytes,
        .with_last = true,
        .deep = true,
    };
    struct observer obs = { .logits = on_logits,
                            .token = on_token, .position = on_position,
                            .finished = on_finished };

    if (r->o.hidden)
        obs.residual = on_residual;
    return engine_new(&r->engine, r->backend, r->m->model, r->m->tokenizer,
                      &o, &obs, err);
}

/* ---- records ------------------------------------------------------------ */

static void set_rows(struct one_record *r)
{
    const struct model_record *m = &r->m->model->rec;

    r->rows = (struct tensor_rows){
        .hidden = r->o->hidden ? r->also.hidden : NULL,
        .logits = r->also.logits, .n_prompt = r->job.n_prompt,
        .n_positions = r->rec->n_leaves, .n_output = r->rec->n_output,
        .n_layers = m->n_layers, .dim = m->dim, .n_vocab = m->n_vocab
    };
}

static int add_checked(struct one_record *r, struct engine *e, struct err *err)
{
    int unread = job_record_unpack(&r->job, r->rec->job) ||
                 result_record_unpack(&r->res, r->rec->result);

    assert(!unread); /* record_check has verified them */
    (void)unread;
    set_rows(r);
    if (can_compute(r, err) || check_kv(r, e, err) || make_sequence(r, err))
        return -1;
    check_job(r);
    if (!r->differs && engine_add(e, &r->s, err))
        return -1;
    r->added = !r->differs;
    return 0;
}

/* Check a record and add it to the engine. */
static int one_record_init(struct one_record *r, const struct recompute *all,
                           const struct recompute_task *t, struct err *err)
{
    const struct record *rec = t->rec;
    struct err wrong = ERR_INIT;

    *r = (struct one_record){ .m = all->m, .o = &all->o, .rec = rec };
    if (t->also)
        r->also = *t->also;
    if (r->also.likely && !r->also.likely->n)
        r->also.likely = NULL;
    commit_init(&r->c, r->m->model);
    if (rec->leaf || rec->n_leaves == 0
            ? record_check(rec, &wrong)
            : record_check_untraced(rec, &wrong)) {
        differ(r, 0, "record", "%s", wrong.text);
        return 0;
    }
    return add_checked(r, all->engine, err);
}

static void one_record_clear(struct one_record *r)
{
    commit_clear(&r->c);
    logprobs_free(r->logprobs);
    free(r->id);
}

/* Whether it has to be computed further: until the answer ends, differs, or
 * continues past the record's positions.  A fault shows one position after the
 * last leaf. */
static bool unfinished(const struct one_record *r)
{
    return r->added && !r->over && !r->differs &&
           r->n < r->rec->n_leaves + (r->res.finish == FINISH_RANGE);
}

static int compute_steps(struct recompute *r, size_t n, struct err *err)
{
    bool busy;

    for (size_t i = 0; i < n; i++) {
        while (unfinished(&r->some[i]))
            if (engine_step(r->engine, &busy, err))
                return -1;
        if (r->o.computed)
            r->o.computed(r->o.user, ++r->n_computed);
    }
    return 0;
}

static void take_verdict(struct recompute_verdict *v, struct one_record *r)
{
    if (!r->over)
        differ_continues(r);
    *v = r->v;
    v->same = !r->differs;
    if (v->same)
        v->part = "";
    v->positions = r->n;
}

/* At most max_records. */
static int recompute_some(struct recompute *r, struct recompute_task *t,
                          size_t n, struct err *err)
{
    int rc;

    for (size_t i = 0; i < n; i++) {
        t[i].err = (struct err)ERR_INIT;
        t[i].failed = one_record_init(&r->some[i], r, &t[i], &t[i].err) != 0;
    }
    rc = compute_steps(r, n, err);
    for (size_t i = 0; i < n; i++) {
        if (rc == 0 && !t[i].failed)
            take_verdict(&t[i].v, &r->some[i]);
        one_record_clear(&r->some[i]);
    }
    engine_reset(r->engine); /* one that differs is still in the engine */
    return rc;
}

int recompute_records(struct recompute *r, struct recompute_task *t, size_t n,
                      struct err *err)
{
    size_t max = r->o.max_records;

    r->n_computed = 0;
    for (size_t at = 0; at < n; at += max)
        if (recompute_some(r, t + at, n - at < max ? n - at : max, err))
            return -1;
    return 0;
}

int recompute_record(struct recompute *r, const struct record *rec,
                     const struct recompute_tensors *also,
                     struct recompute_verdict *v, struct err *err)
{
    struct recompute_task t = { .rec = rec, .also = also };

    if (recompute_records(r, &t, 1, err))
        return -1;
    if (t.failed) {
        err_copy(err, &t.err);
        return -1;
    }
    *v = t.v;
    return 0;
}

int recompute_new(struct recompute **out, const struct prompt_model *m,
                  struct backend *b, const struct recompute_options *o,
                  struct err *err)
{
    struct recompute *r = xcalloc(1, sizeof(*r));

    r->m = m;
    r->backend = b;
    r->o = *o;
    if (r->o.max_records == 0)
        r->o.max_records = 1;
    if (r->o.max_rows == 0)
        r->o.max_rows = ROWS;
    if (r->o.max_rows > MAX_ROWS)
        r->o.max_rows = MAX_ROWS;
    if (r->o.one_by_one)
        r->o.max_rows = 1;
    r->some = xcalloc(r->o.max_records, sizeof(*r->some));
    if (make_engine(r, err)) {
        recompute_free(r);
        return -1;
    }
    *out = r;
    return 0;
}

void recompute_free(struct recompute *r)
{
    if (!r)
        return;
    engine_free(r->engine);
    free(r->some);
    free(r);
}
