/*
 * src/verify/recompute: records of every end that an answer can have, greedy
 * and sampled, are found the same in both ways and with any number of rows; and
 * of each kind of change, with the commitments made to fit it, the position
 * and the part are named.  The model is nano.
 */
#include <config.h>

#include <stdbool.h>
#include <string.h>

#include "answer/commit.h"
#include "answer/prompt.h"
#include "backend/backends.h"
#include "base/bytes.h"
#include "base/id.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "proof/trace.h"
#include "store/record.h"
#include "tests/beside.h"
#include "tests/models_util.h"
#include "verify/recompute.h"

#define MAX 64 /* prompt ids, output ids, leaves */
#define DIM 128

static struct prompt_model nano;
static struct backend *fast;

/* A record in parts that can be changed. */
struct kept {
    struct job_record j;
    struct result_record r;
    uint32_t prompt[MAX], output[MAX];
    size_t n_prompt, n_output, n_leaves;
    struct trace_leaf leaf[MAX];
    char text[1024];
    size_t n_text;
    unsigned char stops[128];
    size_t stops_size;
    float last[DIM];

    /* packed by commit */
    unsigned char job[RECORD_JOB], result[RECORD_RESULT];
    unsigned char leaves[MAX * RECORD_LEAF], last_bytes[DIM * 4];
    unsigned char prompt_id[MAX * 4], output_id[MAX * 4];
};

/* Make every commitment fit the parts. */
static void commit(struct kept *k, struct record *rec)
{
    struct merkle trace;

    merkle_init(&trace);
    for (size_t i = 0; i < k->n_leaves; i++) {
        trace_put(&trace, &k->leaf[i]);
        trace_leaf_pack(k->leaves + i * RECORD_LEAF, &k->leaf[i]);
    }
    merkle_root(&trace, &k->r.trace);
    k->r.n = (uint32_t)k->n_leaves;
    job_record_prompt(&k->j, k->prompt, k->n_prompt);
    job_record_pack(k->job, &k->j);
    job_record_id(&k->r.job, &k->j);
    k->r.model = k->j.model;
    k->r.choice = k->j.choice;
    result_record_output(&k->r, k->output, k->n_output);
    result_record_text(&k->r, k->text, k->n_text);
    result_record_pack(k->result, &k->r);
    for (size_t i = 0; i < k->n_prompt; i++)
        set_u32(k->prompt_id + 4 * i, k->prompt[i]);
    for (size_t i = 0; i < k->n_output; i++)
        set_u32(k->output_id + 4 * i, k->output[i]);
    for (size_t i = 0; i < DIM; i++)
        set_u32(k->last_bytes + 4 * i, f32_bits(k->last[i]));
    *rec = (struct record){
        .job = k->job, .prompt = k->prompt_id, .n_prompt = k->n_prompt,
        .stops = k->stops, .stops_size = k->stops_size, .leaf = k->leaves,
        .n_leaves = k->n_leaves, .output = k->output_id,
        .n_output = k->n_output, .text = (unsigned char *)k->text,
        .text_size = k->n_text, .result = k->result,
    };
}

/* ---- first runs --------------------------------------------------------- */

struct first_run {
    struct kept *k;
    struct commit c;
    const struct sequence *s;
    bool deep;
    struct trace_step rows; /* of the one position in flight */
};

static void on_residual(void *self, void *user, uint32_t position,
                        uint32_t layer, const float *x)
{
    struct first_run *f = self;

    (void)user;
    (void)position;
    if (layer == 0)
        trace_step_init(&f->rows);
    trace_step_deep(&f->rows, x, DIM);
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct first_run *f = self;
    struct trace_leaf *l = &f->k->leaf[p->position];

    (void)user;
    commit_position(&f->c, p);
    if (trace_leaf_unpack(l, (unsigned char *)f->c.leaves.data +
                                 p->position * RECORD_LEAF))
        abort();
    if (f->deep) {
        l->flags |= TRACE_DEEP;
        merkle_root(&f->rows.deep, &l->deep);
    }
}

static void put_stop(struct kept *k, const struct stop *s)
{
    set_u32(k->stops + k->stops_size, (uint32_t)s->n);
    memcpy(k->stops + k->stops_size + 4, s->text, s->n);
    k->stops_size += 4 + s->n;
}

static void on_finished(void *self, const struct answer *a)
{
    static const struct id request = { { 7 } };
    struct first_run *f = self;
    struct kept *k = f->k;
    struct buf text;

    buf_init(&text, sizeof(k->text));
    utf8_scrub(&text, a->text, a->n_text);
    memcpy(k->text, text.len ? text.data : "", text.len);
    k->n_text = text.len;
    buf_clear(&text);
    memcpy(k->prompt, f->s->prompt, f->s->n_prompt * 4);
    k->n_prompt = f->s->n_prompt;
    memcpy(k->output, a->token, a->n_out * 4);
    k->n_output = a->n_out;
    k->n_leaves = f->c.trace.n;
    for (size_t i = 0; i < f->s->n_stops; i++)
        put_stop(k, &f->s->stops[i]);
    if (commit_job(&k->j, nano.model, f->s, NULL))
        abort();
    if (a->last)
        memcpy(k->last, a->last, sizeof(k->last));
    commit_result(&k->r, &f->c, request, &k->j, a, k->text, k->n_text);
    k->r.level = f->deep;
}

static void run_first(struct kept *k, const struct sequence *s, bool deep)
{
    struct first_run f = { .k = k, .s = s, .deep = deep };
    struct observer obs = { .self = &f, .residual = on_residual,
                            .position = on_position,
                            .finished = on_finished };
    struct engine_options o = { .max_sequences = 1, .chunk = deep ? 1 : 0,
                                .with_last = true };
    struct err err = ERR_INIT;
    struct engine *e;
    bool busy = true;

    memset(k, 0, sizeof(*k));
    commit_init(&f.c, nano.model);
    if (engine_new(&e, fast, nano.model, nano.tokenizer, &o, &obs, &err) ||
        engine_add(e, s, &err))
        abort();
    while (busy)
        if (engine_step(e, &busy, &err))
            abort();
    engine_free(e);
    commit_clear(&f.c);
}

static struct kept base, other, deep;
static size_t apart; /* outcomes that were others beside other records */

/* ---- records ------------------------------------------------------------ */

static struct recompute_verdict recompute(const struct record *rec,
                                          const unsigned char *last,
                                          struct recompute_options o)
{
    struct recompute_tensors also = { .last = last };
    struct recompute_verdict v = { .part = "none" };
    struct err err = ERR_INIT;
    struct record honest;
    struct recompute *r;

    if (recompute_new(&r, &nano, fast, &o, &err) ||
        recompute_record(r, rec, &also, &v, &err))
        printf("# %s\n", err.text);
    else
        recompute_free(r);
    if (base.n_leaves) {
        commit(&base, &honest);
        apart += !beside_is_alone(&nano, fast, o, rec, &also, &honest);
    }
    return v;
}

static const struct recompute_options ways[] = {
    { .max_rows = 1 }, { .max_rows = 3 }, { .max_rows = 64 },
    { .one_by_one = true },
};

static bool is_same(struct kept *k)
{
    bool same = true;
    struct record rec;

    commit(k, &rec);
    for (size_t i = 0; i < 4; i++) {
        struct recompute_verdict v = recompute(&rec, k->last_bytes, ways[i]);

        if (!v.same || *v.part || v.positions != k->n_leaves) {
            printf("# way %zu, %ju positions, %u: %s: %s\n", i,
                   (uintmax_t)v.positions, v.position, v.part, v.text);
            same = false;
        }
    }
    return same;
}

/* A changed record differs there, in both ways. */
static void differs(struct kept *k, uint32_t position, const char *part,
                    const char *what)
{
    struct record rec;
    bool good = true;

    commit(k, &rec);
    for (size_t i = 1; i < 4; i++) {
        struct recompute_verdict v = recompute(&rec, k->last_bytes, ways[i]);

        if (v.same || v.position != position || strcmp(v.part, part) != 0 ||
            !*v.text) {
            printf("# way %zu, %d, %u: %s: %s\n", i, v.same, v.position,
                   v.part, v.text);
            good = false;
        } else if (i == 1)
            printf("# %s\n", v.text);
    }
    ok(good, "%s: %s at %u", what, part, position);
}

/* ---- each end ----------------------------------------------------------- */

static struct tokens sum, story;

static struct sequence greedy(const struct tokens *prompt, uint32_t max)
{
    return (struct sequence){
        .prompt = prompt->id, .n_prompt = prompt->n, .max_tokens = max,
        .sampling = { .top_p = 1000000 },
    };
}

static struct sequence sampled(const struct tokens *prompt, uint32_t max,
                               uint32_t choice)
{
    struct sequence s = greedy(prompt, max);

    s.sampling = (struct sampling){ .temperature = 900000, .top_p = 950000,
                                    .top_k = 40, .seed = 12345,
                                    .choice = choice };
    return s;
}

static void same_end(const char *what, const struct sequence *s,
                     enum finish want)
{
    static struct kept k;

    run_first(&k, s, false);
    ok(k.r.finish == (uint32_t)want && is_same(&k), "%s: %zu positions, %zu"
       " ids", what, k.n_leaves, k.n_output);
}

static void test_ends(void)
{
    static const struct stop stops[] = { { " + 2", 4 }, { " = 3", 4 } };
    struct sequence s = greedy(&sum, 30);
    struct model_record *rec = &nano.model->rec;
    uint32_t context = rec->context;

    same_end("end of text", &s, FINISH_EOS);
    s.max_tokens = 4;
    same_end("length", &s, FINISH_LENGTH);
    s.max_tokens = 1;
    same_end("length of one", &s, FINISH_LENGTH);
    s.max_tokens = 20;
    s.ignore_eos = true;
    same_end("end of text ignored", &s, FINISH_LENGTH);
    s.stops = stops;
    s.n_stops = 2;
    same_end("a stop string across tokens", &s, FINISH_STOP);
    for (uint32_t i = 0; i < 3; i++) {
        s = sampled(&story, 16 + i, i);
        same_end("a choice of a story", &s, FINISH_LENGTH);
    }
    s.sampling.temperature = 100000000;
    s.sampling.top_p = 1000000;
    s.sampling.top_k = 0;
    s.ignore_eos = true;
    same_end("noise", &s, FINISH_LENGTH);
    s = greedy(&story, 40);
    rec->context = (uint32_t)story.n + 6;
    same_end("context", &s, FINISH_CONTEXT);
    rec->context = (uint32_t)story.n;
    same_end("a prompt that fills the context", &s, FINISH_CONTEXT);
    rec->context = (uint32_t)story.n - 1;
    same_end("a prompt that is too long", &s, FINISH_LONG);
    rec->context = context;
    s.n_prompt = 0;
    same_end("an empty prompt", &s, FINISH_PROMPT);
}

/* The first output id that is not in the prompt. */
static uint32_t not_in(const struct tokens *prompt, const uint32_t *id,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool found = false;

        for (size_t t = 0; t < prompt->n; t++)
            found = found || prompt->id[t] == id[i];
        if (!found)
            return id[i];
    }
    abort();
}

/* Rows leave the range in a prompt, in an answer, at the head, and in what
 * only drawing rows compute of the last layer. */
static void test_faults(void)
{
    static struct kept k;
    struct model *m = nano.model;
    float *embed = (float *)(uintptr_t)m->embed.scale;
    float *norm = (float *)(uintptr_t)m->layers[m->rec.n_layers - 1].ffn_norm;
    const float *tied = m->head.scale;
    float head[512], kept;
    struct sequence s = greedy(&sum, 30);
    uint32_t id;

    memcpy(head, embed, sizeof(head));
    m->head.scale = head;
    run_first(&k, &s, false);
    id = not_in(&sum, k.output, k.n_output);
    kept = embed[id];
    embed[id] = 0x1p39f;
    same_end("a token of the answer out of range", &s, FINISH_RANGE);
    embed[id] = kept;
    id = sum.id[4];
    kept = embed[id];
    embed[id] = 0x1p39f;
    same_end("a token of the prompt out of range", &s, FINISH_RANGE);
    embed[id] = kept;
    head[5] = 0x1p39f;
    same_end("logits out of range", &s, FINISH_RANGE);
    m->head.scale = tied;
    kept = norm[3];
    norm[3] = 0x1p39f;
    run_first(&k, &s, false);
    ok(k.r.finish == RESULT_RANGE && k.n_leaves == sum.n - 1 && is_same(&k),
       "the last layer leaves the range only where a token is drawn");
    norm[3] = kept;
}

/* ---- each change -------------------------------------------------------- */

static uint32_t first; /* position that draws first */

static struct kept *fresh(const struct kept *k)
{
    static struct kept copy;

    copy = *k;
    return &copy;
}

static void test_leaves(void)
{
    struct kept *k;
    struct trace_leaf l;

    for (uint32_t t = 2; t < base.n_leaves; t += 7) {
        k = fresh(&base);
        k->leaf[t].kv.b[5] ^= 1;
        differs(k, t, "kv", "another kv");
        k = fresh(&base);
        k->leaf[t].token ^= 1;
        differs(k, t, "token", "another token");
    }
    k = fresh(&base);
    k->leaf[first + 3].fin.b[31] ^= 0x80;
    differs(k, first + 3, "fin", "another fin");
    k = fresh(&base);
    k->leaf[first + 3].next ^= 1;
    differs(k, first + 3, "next", "another next");
    k = fresh(&base);
    k->leaf[4].flags = TRACE_FIN;
    k->leaf[4].next = k->leaf[5].token;
    differs(k, 4, "fin", "a draw in the prompt");
    k = fresh(&base);
    k->leaf[first + 1].flags = 0;
    k->leaf[first + 1].next = TRACE_NONE;
    memset(k->leaf[first + 1].fin.b, 0, 32);
    differs(k, first + 1, "fin", "a place without a draw");
    k = fresh(&base);
    l = k->leaf[5];
    k->leaf[5] = k->leaf[6];
    k->leaf[6] = l;
    differs(k, 5, "order", "two leaves in the wrong order");
    k = fresh(&deep);
    k->leaf[first + 2].deep.b[0] ^= 1;
    differs(k, first + 2, "deep", "another deep");
    k = fresh(&base);
    k->output[2] ^= 1;
    differs(k, first + 2, "output", "another output id");
    k = fresh(&base);
    k->output[2] = k->leaf[first + 2].next = k->leaf[first + 3].token = 600;
    differs(k, first + 2, "next", "an id that no draw can give");
}

static void test_job(void)
{
    struct kept *k = fresh(&base);

    k->j.seed++;
    differs(k, first, "next", "another seed");
    k = fresh(&base);
    k->j.choice++;
    differs(k, first, "next", "another choice");
    k = fresh(&base);
    k->prompt[3] ^= 1;
    differs(k, 3, "token", "another prompt");
    k = fresh(&base);
    k->leaf[3].token = k->prompt[3] = 512;
    differs(k, 3, "prompt", "a prompt with an unknown id");
    k = fresh(&base);
    k->j.top_p = 0;
    differs(k, 0, "job", "top_p of zero");
    k = fresh(&base);
    k->j.temperature = 1;
    differs(k, 0, "job", "a temperature too low");
    k = fresh(&base);
    k->j.max_tokens++;
    k->r.finish = RESULT_STOP;
    k->j.n_stops = 1;
    put_stop(k, &(struct stop){ "zzzz", 4 });
    if (job_record_stops(&k->j, &(struct job_stop){ "zzzz", 4 }, 1, NULL))
        abort();
    differs(k, (uint32_t)base.n_leaves - 1, "finish", "a stop not there");
}

/* The answer as if it had ended earlier, or gone on after its end. */
static void test_finish(void)
{
    uint32_t at = (uint32_t)other.n_leaves - 1;
    struct kept *k;

    k = fresh(&other);
    k->n_leaves -= 2;
    k->n_output -= 2;
    differs(k, at - 2, "finish", "an end of text that was not drawn");
    k->r.finish = RESULT_CONTEXT;
    differs(k, at - 2, "finish", "a context that is not full");
    k = fresh(&other);
    k->j.max_tokens = (uint32_t)k->n_output;
    k->r.finish = RESULT_LENGTH;
    differs(k, at, "finish", "length instead of end of text");
    k = fresh(&other);
    k->r.finish = RESULT_CONTEXT;
    k->leaf[at + 1] = k->leaf[at];
    k->leaf[at + 1].position++;
    k->n_leaves++;
    k->output[k->n_output++] = 3;
    differs(k, at, "finish", "an answer that continues after its end");
    k->r.finish = RESULT_EOS;
    k->output[k->n_output - 1] = k->output[k->n_output - 2];
    differs(k, at, "finish", "a second end of text");
    k = fresh(&other);
    k->r.finish = RESULT_RANGE;
    k->n_leaves--;
    k->n_output--;
    k->r.error_position = (uint32_t)k->n_leaves;
    differs(k, at, "finish", "a fault that did not happen");
    k = fresh(&other);
    k->r.finish = RESULT_RANGE;
    k->n_leaves = 3;
    k->n_output = 0;
    k->n_text = 0;
    k->r.error_position = 3;
    differs(k, 3, "finish", "a fault in the prompt that did not happen");
    k->n_leaves = 0;
    k->r.error_position = 0;
    k->r.finish = RESULT_LONG;
    differs(k, 0, "finish", "a prompt that is not too long");
    k->r.finish = RESULT_PROMPT;
    differs(k, 0, "finish", "a prompt that is not empty");
}

static void test_texts(void)
{
    uint32_t at = (uint32_t)base.n_leaves - 1;
    struct kept *k = fresh(&base);
    struct record rec;
    struct recompute_verdict v;

    k->text[3] ^= 1;
    differs(k, at, "text", "another text");
    k = fresh(&base);
    k->n_text--;
    differs(k, at, "text", "a text cut short");
    k = fresh(&base);
    k->last[DIM - 1] = -k->last[DIM - 1];
    differs(k, at, "last", "another last row");
    commit(k, &rec);
    v = recompute(&rec, NULL, ways[2]);
    ok(v.same, "without one it is not compared");
    rec.text_size--;
    v = recompute(&rec, NULL, ways[2]);
    ok(!v.same && strcmp(v.part, "record") == 0 && *v.text &&
           v.positions == 0,
       "a record that contradicts itself is not computed");
}

static void test_stop(void)
{
    static const struct stop stops[] = { { " = 3", 4 } };
    static struct kept kept;
    struct sequence s = greedy(&sum, 30);
    struct kept *k;
    uint32_t at;

    s.stops = stops;
    s.n_stops = 1;
    run_first(&kept, &s, false);
    at = (uint32_t)kept.n_leaves - 1;
    k = fresh(&kept);
    k->n_leaves--;
    k->n_output--;
    differs(k, at - 1, "finish", "a stop too early");
    k = fresh(&kept);
    k->leaf[at + 1] = k->leaf[at];
    k->n_leaves++;
    k->output[k->n_output++] = k->output[0];
    differs(k, at, "finish", "tokens after a stop");
    k = fresh(&kept);
    memcpy(k->text + k->n_text, " = 3", 4);
    k->n_text += 4;
    differs(k, at, "text", "a text with its stop");
}

static void test_fault_changes(void)
{
    static struct kept kept;
    float *embed = (float *)(uintptr_t)nano.model->embed.scale;
    float was = embed[sum.id[4]];
    struct sequence s = greedy(&sum, 30);
    struct kept *k;

    embed[sum.id[4]] = 0x1p39f;
    run_first(&kept, &s, false);
    k = fresh(&kept);
    k->r.error_op++;
    differs(k, 4, "error", "another operator");
    k = fresh(&kept);
    k->r.error_layer = RESULT_HEAD;
    differs(k, 4, "error", "another layer");
    k = fresh(&kept);
    k->n_leaves = k->r.error_position = 2;
    differs(k, 2, "finish", "a fault too early");
    k = fresh(&kept);
    k->leaf[4] = k->leaf[5] = k->leaf[3];
    k->n_leaves = k->r.error_position = 6;
    differs(k, 4, "finish", "a fault too late");
    embed[sum.id[4]] = was;
}

/* ---- the rest ----------------------------------------------------------- */

static int refused(const struct record *rec, struct recompute_options o)
{
    struct recompute_verdict v = { .part = "untouched" };
    struct err err = ERR_INIT;
    struct recompute *r;
    int rc;

    if (recompute_new(&r, &nano, fast, &o, &err))
        return 0;
    rc = recompute_record(r, rec, NULL, &v, &err);
    recompute_free(r);
    printf("# %s\n", err.text);
    return rc == -1 && err.code == ERR_INPUT &&
           strcmp(v.part, "untouched") == 0;
}

static void test_refused(void)
{
    struct kept *k = fresh(&base);
    struct record rec;

    commit(k, &rec);
    ok(refused(&rec, (struct recompute_options){ .kv_bytes = 1000 }),
       "a KV cache over the ceiling");
    ok(!refused(&rec, (struct recompute_options){ .kv_bytes = 1 << 20 }),
       ".. and under it");
    k->j.model.b[0] ^= 1;
    commit(k, &rec);
    ok(refused(&rec, ways[2]), "another model");
    k = fresh(&base);
    k->j.numerics = 2;
    commit(k, &rec);
    ok(refused(&rec, ways[2]), "other numerics");
    k = fresh(&base);
    k->j.flags |= 16;
    commit(k, &rec);
    ok(refused(&rec, ways[2]), "unknown flags");
}

struct seen {
    size_t n, wrong;
    struct recompute_step last;
};

static void on_step(void *user, const struct recompute_step *s)
{
    struct seen *seen = user;
    const struct trace_leaf *l = &base.leaf[seen->n];

    if (s->position != seen->n++ || s->token != l->token ||
        s->next != l->next)
        seen->wrong++;
    seen->last = *s;
}

static void test_steps(void)
{
    for (size_t i = 0; i < 4; i++) {
        struct recompute_options o = ways[i];
        struct kept *k = fresh(&base);
        struct seen a = { 0 }, b = { 0 };
        struct record rec;

        o.step = on_step;
        o.user = &a;
        commit(k, &rec);
        recompute(&rec, NULL, o);
        o.user = &b;
        k->leaf[first + 1].kv.b[0] ^= 1;
        commit(k, &rec);
        recompute(&rec, NULL, o);
        ok(a.n == base.n_leaves && !a.wrong && a.last.kv && a.last.fin &&
               a.last.all && b.n == first + 2 && !b.wrong && !b.last.kv &&
               b.last.fin && !b.last.all,
           "way %zu tells each position to the first that differs", i);
    }
}

/* What is published has no leaves: the root of the trace stands for them. */
static void untraced(struct kept *k, const char *part, const char *what)
{
    bool good = true;

    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
        struct recompute_verdict v;
        struct record rec;

        commit(k, &rec);
        rec.leaf = NULL;
        v = recompute(&rec, NULL, ways[i]);
        good = good && strcmp(v.part, part) == 0 && v.same == !*part;
        if (!good)
            printf("# way %zu: \"%s\" at %u: %s\n", i, v.part, v.position,
                   v.text);
    }
    ok(good, "without leaves, %s", what);
}

static void test_untraced(void)
{
    struct kept *k = fresh(&base);

    untraced(k, "", "the same");
    untraced(&deep, "", "the same, deep");
    untraced(&other, "", "the same at the end of text");
    k->leaf[3].kv.b[7] ^= 1;
    untraced(k, "trace", "another kv row");
    k = fresh(&deep);
    k->leaf[2].deep.b[0] ^= 1;
    untraced(k, "trace", "another residual row");
    k = fresh(&base);
    k->output[4] ^= 1;
    untraced(k, "output", "another output id");
    k = fresh(&base);
    k->text[0] ^= 1;
    untraced(k, "text", "another text");
    k = fresh(&base);
    k->j.seed ^= 1;
    untraced(k, "output", "another seed");
    k = fresh(&base);
    k->n_leaves--;
    untraced(k, "record", "another number of positions");
}

static void encode(struct tokens *t, const char *text)
{
    const struct chat_message msg = { .role = "user", .content = text };
    const struct chat_input in = { .message = &msg, .n_messages = 1 };

    tokens_init(t);
    if (chat_encode(nano.chat, &in, t, NULL) || t->n > MAX / 2)
        abort();
}

static bool open_nano(void)
{
    char *dir = tree_path("models/nano");
    struct err err = ERR_INIT;
    struct model *m = model_from_hf(dir, NULL);

    free(dir);
    if (!ok(m && prompt_model_init(&nano, m, &err) == 0, "nano %s", err.text))
        return false;
    encode(&sum, "What is 6 + 24?");
    encode(&story, "Tell me a story about a fox.");
    return true;
}

int main(void)
{
    struct err err = ERR_INIT;
    struct sequence s;

    x1_thread_init();
    if (backend_open(&fast, "auto", 2, &err))
        return 1;
    if (!open_nano())
        return done();
    test_ends();
    test_faults();
    s = sampled(&story, 12, 1);
    s.sampling.temperature = 3000000;
    s.sampling.top_p = 1000000;
    run_first(&base, &s, false);
    run_first(&deep, &s, true);
    ok(is_same(&deep), "a deep trace");
    first = (uint32_t)story.n - 1;
    test_leaves();
    test_job();
    test_texts();
    s = greedy(&sum, 30);
    run_first(&other, &s, false);
    first = (uint32_t)sum.n - 1;
    test_finish();
    test_stop();
    test_fault_changes();
    first = (uint32_t)story.n - 1;
    test_refused();
    test_steps();
    ok(!apart, "records beside others have the outcome that they have alone");
    test_untraced();
    tokens_clear(&sum);
    tokens_clear(&story);
    prompt_model_clear(&nano);
    tmp_remove();
    backend_close(fast);
    return done();
}
