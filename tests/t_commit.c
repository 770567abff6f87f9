/*
 * Commitments of answers: the same traces and results from any batch and any
 * cut of the prompts, leaves that say what was fed and drawn, faults that end
 * a trace before them.  The formats have their vectors in t_records.
 */
#include <config.h>

#include <stdbool.h>
#include <string.h>

#include "answer/commit.h"
#include "backend/backends.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/shape.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "proof/trace.h"
#include "tests/tap.h"

#define N 8

struct one {
    struct sequence s;
    uint32_t prompt[40];
    struct commit c;
    struct result_record r;
    uint32_t out[64];
};

static void on_position(void *self, void *user, const struct position *p)
{
    struct one *o = user;

    (void)self;
    commit_position(&o->c, p);
}

static void on_finished(void *self, const struct answer *a)
{
    struct one *o = a->user;
    struct id request;
    struct job_record j;

    memset(request.b, 3, sizeof(request));
    memcpy(o->out, a->token, a->n_out * sizeof(*a->token));
    if (commit_job(&j, self, &o->s, NULL))
        abort();
    commit_result(&o->r, &o->c, request, &j, a, "", 0);
}

static void make(struct one *o, size_t i, const struct model *m)
{
    memset(o, 0, sizeof(*o));
    o->s.prompt = o->prompt;
    o->s.n_prompt = 1 + i * 5;
    o->s.max_tokens = (uint32_t)(1 + i * 4);
    o->s.sampling.temperature = i % 2 ? 1000000 : 0;
    o->s.sampling.top_p = 1000000;
    o->s.sampling.seed = i;
    o->s.user = o;
    for (size_t t = 0; t < o->s.n_prompt; t++)
        o->prompt[t] = (uint32_t)((i * 31 + t * 17) % m->rec.n_vocab);
    commit_init(&o->c, m);
}

static void answer(struct one *o, const struct model *m, size_t batch,
                   size_t chunk)
{
    struct observer obs = { .self = (void *)(uintptr_t)m,
                            .position = on_position,
                            .finished = on_finished };
    struct engine_options opt = { .max_sequences = batch, .chunk = chunk };
    struct err err = ERR_INIT;
    struct backend *b;
    struct engine *e;
    bool busy = true;
    size_t next = 0;

    if (backend_open(&b, "reference", 3, &err) ||
        engine_new(&e, b, m, NULL, &opt, &obs, &err))
        abort();
    while (busy || next < N) {
        for (; next < N && engine_capacity(e); next++) {
            make(&o[next], next, m);
            if (engine_add(e, &o[next].s, &err))
                abort();
        }
        if (engine_step(e, &busy, &err))
            abort();
    }
    engine_free(e);
    backend_close(b);
}

static bool same(const struct one *a, const struct one *b)
{
    for (size_t i = 0; i < N; i++) {
        struct id x, y;

        result_record_id(&x, &a[i].r);
        result_record_id(&y, &b[i].r);
        if (!id_equal(x, y) || a[i].c.leaves.len != b[i].c.leaves.len)
            return false;
    }
    return true;
}

/* Every leaf says what was fed and what was drawn from it. */
static bool leaves_say(const struct one *o)
{
    size_t n = o->s.n_prompt + o->r.n_out - 1;

    if (o->c.leaves.len != n * TRACE_LEAF_SIZE || o->r.n != n)
        return false;
    for (size_t t = 0; t < n; t++) {
        size_t p = o->s.n_prompt;
        struct trace_leaf l;

        if (trace_leaf_unpack(&l, (unsigned char *)o->c.leaves.data +
                                      t * TRACE_LEAF_SIZE) ||
            l.position != t ||
            l.token != (t < p ? o->prompt[t] : o->out[t - p]) ||
            l.next != (t + 1 < p ? TRACE_NONE : o->out[t + 1 - p]) ||
            l.flags != (t + 1 < p ? 0 : TRACE_FIN))
            return false;
    }
    return true;
}

static void clear(struct one *o)
{
    for (size_t i = 0; i < N; i++)
        commit_clear(&o[i].c);
}

static void test_batches(const struct model *m)
{
    static const size_t batch[][2] = { { 3, 0 }, { 8, 1 }, { 8, 7 } };
    static struct one alone[N], other[N];
    bool say = true;

    answer(alone, m, 1, 0);
    for (size_t i = 0; i < N; i++)
        say = say && leaves_say(&alone[i]);
    ok(say, "leaves say what was fed and drawn");
    for (size_t i = 0; i < 3; i++) {
        answer(other, m, batch[i][0], batch[i][1]);
        ok(same(alone, other), "results from a batch of %zu, chunk %zu",
           batch[i][0], batch[i][1]);
        clear(other);
    }
    clear(alone);
}

/* Token 40 leaves the range: the trace has the positions before it. */
static void test_fault(struct model *m)
{
    static struct one o[N];
    float *scale = (float *)(uintptr_t)m->embed.scale;
    float kept = scale[40];

    scale[40] = 0x1p39f;
    answer(o, m, 4, 0);
    for (size_t i = 0; i < N; i++) {
        if (o[i].r.finish != FINISH_RANGE)
            continue;
        ok(o[i].r.n == o[i].r.error_position &&
               o[i].c.leaves.len == o[i].r.n * TRACE_LEAF_SIZE,
           "request %zu ends before position %u, its fault", i,
           o[i].r.error_position);
    }
    scale[40] = kept;
    clear(o);
}

static void test_stops(const struct model *m)
{
    static const struct stop one[] = { { "b", 1 }, { "ab", 2 }, { "b", 1 },
                                       { "a", 1 } };
    static const struct stop two[] = { { "a", 1 }, { "ab", 2 }, { "b", 1 } };
    struct sequence s = { .stops = one, .n_stops = 4 };
    struct job_record a, b;
    struct id x, y;

    if (commit_job(&a, m, &s, NULL))
        abort();
    s.stops = two;
    s.n_stops = 3;
    if (commit_job(&b, m, &s, NULL))
        abort();
    job_record_id(&x, &a);
    job_record_id(&y, &b);
    ok(a.n_stops == 3 && id_equal(x, y),
       "stop strings are sorted and count once");
}

int main(void)
{
    struct err err = ERR_INIT;
    struct model_record rec;
    struct model *m;

    x1_thread_init();
    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err))
        return 1;
    test_batches(m);
    test_stops(m);
    test_fault(m);
    model_close(m);
    return done();
}
