/*
 * The seam below the engine: what the CPU's backend promises to whoever calls
 * it, and that the engine bears one whose digests and rows come late.
 */
#include <config.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "backend/pretend/pretend.h"
#include "base/err.h"
#include "base/id.h"
#include "base/program.h"
#include "base/settings.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/shape.h"
#include "proof/blob.h"
#include "tests/late_backend.h"
#include "tests/tap.h"

#define DIM 32

static const struct sampling greedy = { .top_p = 1000000 };

static struct model *tiny(uint32_t flags)
{
    struct err err = ERR_INIT;
    struct model_record rec;
    struct model *m;

    if (shape_find(&rec, "tiny"))
        abort();
    rec.flags |= flags;
    if (shape_build(&m, &rec, &err))
        abort();
    return m;
}

static void load(struct backend **b, const struct model *m)
{
    struct backend_load want = { .slots = 3, .rows = 80, .draws = 80 };
    struct backend_plan plan;
    struct err err = ERR_INIT;

    if (backend_open(b, "auto", 2, &err) ||
        (*b)->ops->load(*b, m, &want, &plan, &err))
        abort();
    ok(plan.block_positions == 64 && plan.slots == 3 && plan.rows == 80 &&
           plan.draws == 80 && plan.ahead == 0 && !plan.text &&
           plan.n_blocks == UINT64_MAX, "%s makes a plan", (*b)->name);
}

static struct backend_result step(struct backend *b, struct backend_step s)
{
    struct backend_result r;
    struct err err = ERR_INIT;

    if (b->ops->step(b, &s, &err) || b->ops->collect(b, &r, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    return r;
}

/* n rows of a slot from a position, the last of them drawing. */
static size_t rows(struct backend_row *row, uint32_t slot, uint32_t from,
                   size_t n)
{
    for (size_t i = 0; i < n; i++)
        row[i] = (struct backend_row){
            .slot = slot, .position = from + (uint32_t)i, .token = 3,
            .logits = i + 1 == n, .commit = true,
            .sampling = i + 1 == n ? &greedy : NULL,
        };
    return n;
}

/* The id drawn before as a row's token, and x_L three steps later. */
static void test_drawn(struct backend *b)
{
    struct backend_entry entry[2] = { { 0, 0, 1 }, { 1, 0, 0 } };
    struct backend_place at = { 0, 9 };
    struct backend_row row[20];
    struct backend_result r;
    uint32_t first, second;
    float x[DIM];

    rows(row, 0, 0, 10);
    rows(row + 10, 1, 0, 10);
    r = step(b, (struct backend_step){ row, 20, entry, 2, NULL, 0 });
    first = r.draw[0].d.token;
    ok(r.n_draws == 2 && r.draw[0].drew && r.draw[1].drew &&
           r.draw[1].d.token == first && r.n_digests == 20 &&
           r.digest[9].has_fin && !r.digest[8].has_fin &&
           id_equal(r.digest[4].kv, r.digest[14].kv),
       "equal rows of two slots draw and hash the same");
    rows(row, 0, 10, 1);
    rows(row + 1, 1, 10, 1);
    row[0].token = BACKEND_DRAWN;
    row[1].token = first;
    r = step(b, (struct backend_step){ row, 2, NULL, 0, NULL, 0 });
    second = r.draw[0].d.token;
    ok(second == r.draw[1].d.token && id_equal(r.digest[0].kv, r.digest[1].kv),
       "a row that takes the drawn id is the one that names it");
    rows(row, 0, 11, 1);
    step(b, (struct backend_step){ row, 1, NULL, 0, NULL, 0 });
    r = step(b, (struct backend_step){ row, 0, NULL, 0, &at, 1 });
    ok(r.n_last == 1 && r.last[0].position == 9 && r.n_draws == 0,
       "x_L of an earlier step comes when it is asked for");
    memcpy(x, r.last[0].x, sizeof(x));
    r = step(b, (struct backend_step){ row, 0, NULL, 0, &at, 1 });
    ok(memcmp(x, r.last[0].x, sizeof(x)) == 0, ".. and again");
}

/* A slot that begins anew: x_L is that of its latest row at a position,
 * whatever the ones before it had there. */
static void test_anew(struct backend *b)
{
    struct backend_entry entry = { 1, 0, 2 };
    struct backend_place at = { 1, 5 };
    struct backend_row row[6];
    struct backend_result r;
    struct id fin, h;
    bool good = true;

    for (uint32_t token = 1; token < 9; token++) {
        rows(row, 1, 0, 6);
        for (int i = 0; i < 6; i++)
            row[i].token = token;
        r = step(b, (struct backend_step){ row, 6, &entry, 1, NULL, 0 });
        fin = r.digest[5].fin;
        r = step(b, (struct backend_step){ row, 0, NULL, 0, &at, 1 });
        blob_f32(&h, r.last[0].x, DIM);
        good = good && id_equal(h, fin);
    }
    ok(good, "x_L is that of the latest sequence in a slot");
}

/* A block that is copied has the same positions. */
static void test_copy(struct backend *b)
{
    struct backend_entry entry[2] = { { 2, 0, 5 }, { 0, 0, 6 } };
    struct backend_row row[8];
    struct backend_result r;
    struct err err = ERR_INIT;
    struct id kv, fin;

    rows(row, 2, 0, 7);
    step(b, (struct backend_step){ row, 7, entry, 1, NULL, 0 });
    ok(b->ops->copy(b, 5, 6, &err) == 0, "a block is copied");
    rows(row, 2, 7, 1);
    r = step(b, (struct backend_step){ row, 1, NULL, 0, NULL, 0 });
    kv = r.digest[0].kv;
    fin = r.digest[0].fin;
    rows(row, 0, 7, 1);
    r = step(b, (struct backend_step){ row, 1, entry + 1, 1, NULL, 0 });
    ok(id_equal(r.digest[0].kv, kv) && id_equal(r.digest[0].fin, fin),
       "a sequence continues from the copy as from the block");
}

static void test_names(const struct model *m)
{
    struct backend_load want = { .slots = 1, .rows = 1, .draws = 1,
                                 .taps = BACKEND_TAP_RESIDUAL };
    struct backend *b = NULL, *p = pretend_new();
    struct backend_plan plan;
    struct err err = ERR_INIT;

    ok(backend_open(&b, "abacus", 1, &err) == -1 && !b &&
           err.code == ERR_INPUT && strstr(err.text, "abacus"),
       "an unknown name: %s", err.text);
    ok(backend_open(&b, "pretend", 1, &err) == -1 && !b,
       "the pretended one has no name");
    ok(p->ops->load(p, m, &want, &plan, &err) == -1 &&
           err.code == ERR_INPUT, "a tap that is not offered: %s", err.text);
    backend_close(p);
    backend_close(NULL);
}

/* ---- late answers -------------------------------------------------------- */

#define N 6

struct seen {
    uint64_t hash[N];
    uint32_t fed[N], n_out[N];
    float last[N][DIM];
    bool wrong;
};

static uint64_t mix(uint64_t h, const unsigned char *data, size_t n)
{
    while (n-- > 0)
        h = (h ^ *data++) * 1099511628211u;
    return h;
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct seen *s = self;
    size_t i = (size_t)(uintptr_t)user;

    s->wrong = s->wrong || p->position != s->fed[i]++;
    s->hash[i] = mix(s->hash[i], p->kv->b, 32);
    s->hash[i] = mix(s->hash[i], (const unsigned char *)&p->next, 4);
    if (p->fin)
        s->hash[i] = mix(s->hash[i], p->fin->b, 32);
}

static void on_finished(void *self, const struct answer *a)
{
    struct seen *s = self;
    size_t i = (size_t)(uintptr_t)a->user;

    s->n_out[i] = (uint32_t)a->n_out;
    s->wrong = s->wrong || !a->last ||
               s->fed[i] != 2 + i + (uint32_t)a->n_out - 1;
    if (a->last)
        memcpy(s->last[i], a->last, sizeof(s->last[i]));
}

/* What befalls the engine. */
enum how { HOW_PLAIN, HOW_RESET, HOW_DRAINED };

/* Others in all slots, which are dropped while their steps run. */
static void drop_others(struct engine *e)
{
    static const uint32_t prompt[4] = { 8, 8, 8, 8 };
    struct err err = ERR_INIT;
    bool busy;

    for (size_t i = 0; engine_capacity(e); i++) {
        struct sequence seq = { .prompt = prompt, .n_prompt = 2 + i,
                                .max_tokens = 9, .sampling = greedy };

        seq.user = (void *)(uintptr_t)i;
        if (engine_add(e, &seq, &err))
            abort();
    }
    for (int i = 0; i < 2; i++)
        if (engine_step(e, &busy, &err))
            abort();
    engine_reset(e);
}

static void answer(struct seen *s, struct backend *b, const struct model *m,
                   enum how how)
{
    static const uint32_t prompt[N + 2] = { 5, 9, 1, 44, 2, 7, 13, 8 };
    struct observer obs = { .self = s, .position = on_position,
                            .finished = on_finished };
    struct engine_options o = { .max_sequences = 3, .with_last = true };
    struct err err = ERR_INIT;
    struct engine *e;
    bool busy = true;
    size_t next = 0;

    if (engine_new(&e, b, m, NULL, &o, &obs, &err))
        abort();
    if (how == HOW_RESET)
        drop_others(e);
    memset(s, 0, sizeof(*s));
    while (busy || next < N) {
        for (; next < N && engine_capacity(e); next++) {
            struct sequence seq = { .prompt = prompt, .n_prompt = 2 + next,
                                    .max_tokens = 1 + 3 * (uint32_t)next,
                                    .sampling = greedy };

            seq.user = (void *)(uintptr_t)next;
            if (engine_add(e, &seq, &err))
                abort();
        }
        if (engine_step(e, &busy, &err) ||
            (how == HOW_DRAINED && engine_drain(e, &err)))
            abort();
    }
    engine_free(e);
}

static void test_late(const struct model *m)
{
    static struct seen soon, later;
    struct backend *a, *b;
    struct err err = ERR_INIT;

    if (backend_open(&a, "auto", 1, &err) ||
        backend_open(&b, "auto", 3, &err))
        abort();
    answer(&soon, a, m, HOW_PLAIN);
    backend_close(a);
    b = late_backend(b, 1, 2);
    answer(&later, b, m, HOW_PLAIN);
    ok(!soon.wrong && !later.wrong && soon.n_out[N - 1] == 3 * N - 2,
       "positions come in order, before their answer");
    ok(memcmp(&soon, &later, sizeof(soon)) == 0,
       "digests that come late are those that come at once");
    answer(&later, b, m, HOW_RESET);
    ok(memcmp(&soon, &later, sizeof(soon)) == 0,
       "what is late of sequences that were dropped is nobody's");
    answer(&later, b, m, HOW_DRAINED);
    ok(memcmp(&soon, &later, sizeof(soon)) == 0,
       "steps that are waited for are as others");
    backend_close(b);
}

/* The setting `kernel` takes each name of kernels/levels.c. */
static void test_levels(void)
{
    const char *name, *refused = NULL;
    struct backend *b;
    struct settings *s;
    bool closed = true;

    if (settings_new(&s, program_settings, NULL))
        abort();
    for (size_t i = 0; (name = x1_level_name(i)) != NULL; i++) {
        struct x1_kernels k;
        struct err err = ERR_INIT;

        if (settings_set(s, "kernel", name, NULL))
            refused = name;
        if (x1_kernels_find(&k, name))
            closed &= backend_open(&b, name, 1, &err) == -1 &&
                      err.code == ERR_INPUT && strstr(err.text, name);
    }
    ok(!refused, "the setting takes each level%s%s", refused ? ", not " : "",
       refused ? refused : "");
    ok(closed, "a level that this CPU has not is refused by name");
    settings_free(s);
}

/* ---- matrices as they come ----------------------------------------------- */

/* Give a matrix to a sink, by 16 rows with nothing behind them. */
static void feed(const struct model_sink *sink, uint32_t tensor,
                 struct x1_matrix *m)
{
    for (size_t n = 0; n < m->rows; n += 16) {
        size_t end = m->rows - n < 16 ? m->rows : n + 16;
        size_t bytes = (end - n) * m->cols;
        int8_t *w = malloc(bytes);
        struct x1_matrix piece = { m->rows, m->cols, m->scale, w };

        memcpy(w, m->w + n * m->cols, bytes);
        sink->rows(sink->self, tensor, &piece, n, end);
        free(w);
    }
    m->w = NULL;
    m->scale = NULL;
}

/* Give all of a model to a sink; *rest, with layers of its own, is what a
 * file would leave. */
static void feed_all(const struct model_sink *sink, const struct model *m,
                     struct model *rest)
{
    uint32_t n = m->rec.n_layers;

    *rest = *m;
    rest->streamed = true;
    rest->layers = memcpy(calloc(n, sizeof(*m->layers)), m->layers,
                          n * sizeof(*m->layers));
    if (sink->begin(sink->self, &m->rec, NULL))
        abort();
    feed(sink, TENSOR_EMBED, &rest->embed);
    rest->head = rest->embed;
    for (uint32_t l = 0; l < n; l++) {
        struct model_layer *y = &rest->layers[l];
        uint32_t at = TENSOR_LAYERS + l * LAYER_TENSORS;

        if (model_experts(&m->rec)) {
            at = model_tensor_at(&m->rec, l, 0);
            feed(sink, at + LAYER_ROUTER, &y->router);
        }
        feed(sink, at + LAYER_WQ, &y->wq);
        feed(sink, at + LAYER_WK, &y->wk);
        feed(sink, at + LAYER_WV, &y->wv);
        feed(sink, at + LAYER_WO, &y->wo);
        feed(sink, at + LAYER_GATE, &y->gate);
        feed(sink, at + LAYER_UP, &y->up);
        feed(sink, at + LAYER_DOWN, &y->down);
    }
    sink->end(sink->self, &m->id);
}

/* On a level: what is computed from matrices that came, loaded twice, is what
 * the model in memory gives. */
static void test_sink(const char *level, const struct model *m)
{
    static struct seen here, came, again, back;
    struct backend_load want = { .slots = 1, .rows = 1, .draws = 1 };
    struct backend_plan plan;
    struct err err = ERR_INIT;
    struct model rest;
    struct backend *b;

    if (backend_open(&b, level, 2, &err))
        return;
    answer(&here, b, m, HOW_PLAIN);
    feed_all(b->sink, m, &rest);
    answer(&came, b, &rest, HOW_PLAIN);
    answer(&again, b, &rest, HOW_PLAIN);
    ok(!came.wrong && memcmp(&here, &came, sizeof(here)) == 0 &&
           memcmp(&here, &again, sizeof(here)) == 0,
       "%s: packed as they come, the weights give the same", b->name);
    answer(&back, b, m, HOW_PLAIN);
    ok(memcmp(&here, &back, sizeof(here)) == 0 &&
           b->ops->load(b, &rest, &want, &plan, &err) == -1 &&
           strstr(err.text, "went elsewhere"),
       "%s: after another model they have to come again", b->name);
    if (b->sink->begin(b->sink->self, &m->rec, NULL))
        abort();
    b->sink->end(b->sink->self, NULL);
    ok(b->ops->load(b, &rest, &want, &plan, NULL) == -1,
       "%s: what is not the model is forgotten", b->name);
    backend_close(b);
    free(rest.layers);
}

int main(void)
{
    struct model *m = tiny(0);
    struct model *experts = tiny(MODEL_EXPERTS | 5u << MODEL_EXPERTS_AT |
                                 2u << MODEL_USED_AT);
    struct backend *b;

    load(&b, m);
    test_drawn(b);
    test_anew(b);
    test_copy(b);
    backend_close(b);
    test_names(m);
    test_levels();
    test_late(m);
    for (size_t i = 0; x1_level_name(i); i++)
        test_sink(x1_level_name(i), m);
    for (size_t i = 0; x1_level_name(i); i++)
        test_sink(x1_level_name(i), experts);
    model_close(experts);
    model_close(m);
    return done();
}
