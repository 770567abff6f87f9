/*
 * The engine over the emulated device: tokens, digests, ends and last rows are
 * those of the CPU's reference where prompts begin alike, where sequences are
 * put back, where a sequence ends before its next row is known to be too many,
 * and where one of the two begins answers and the other goes on; by graphs of
 * launches and without them; and where layers have different windows.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "backend/cuda/cuda.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/shape.h"
#include "tests/tap.h"

#define N 5
#define ALIKE 70     /* tokens that prompts begin with: two blocks and more */
#define PROMPT 76    /* at most, and N more */
#define GENERATE 62  /* at most */
#define POSITIONS (PROMPT + N + GENERATE)
#define SOME 4       /* steps before a save */

/* tests/cusim; a real device has no such function. */
unsigned long cusim_graph_launches(void) __attribute__((weak));

static struct model *model;
static size_t requests = N, prompt = PROMPT;
static uint32_t generate = 8;
static bool ends; /* the end of a text ends an answer */

/* What came of a request. */
struct result {
    uint32_t prompt[PROMPT + N];
    size_t n_prompt;
    uint32_t token[GENERATE];
    size_t n_tokens;
    struct id kv[POSITIONS], fin[POSITIONS];
    bool has_fin[POSITIONS], over;
    enum finish finish;
    float last[64];
};

struct run {
    struct result of[N];
    struct engine_stats stats;
    uint32_t saved[N][GENERATE]; /* tokens that were known when it was cut */
    size_t n_saved[N];
};

static void on_position(void *self, void *user, const struct position *p)
{
    struct result *r = user;

    (void)self;
    r->kv[p->position] = *p->kv;
    r->has_fin[p->position] = p->fin != NULL;
    if (p->fin)
        r->fin[p->position] = *p->fin;
}

static void on_finished(void *self, const struct answer *a)
{
    struct result *r = a->user;

    (void)self;
    r->over = true;
    r->finish = a->finish;
    r->n_tokens = a->n_out;
    memcpy(r->token, a->token, a->n_out * sizeof(*a->token));
    if (a->last)
        memcpy(r->last, a->last, model->rec.dim * sizeof(*a->last));
}

static void on_saved(void *self, void *user, const uint32_t *token, size_t n)
{
    struct run *run = self;
    size_t i = (size_t)((struct result *)user - run->of);

    memcpy(run->saved[i], token, n * sizeof(*token));
    run->n_saved[i] = n;
}

static struct sequence sequence_of(struct run *run, size_t i,
                                   const struct run *begun)
{
    struct result *r = &run->of[i];
    struct sequence s = { .prompt = r->prompt, .max_tokens = generate,
                          .ignore_eos = !ends, .user = r };

    r->n_prompt = prompt + i;
    for (size_t j = 0; j < r->n_prompt; j++)
        r->prompt[j] = (uint32_t)((j < ALIKE ? 3 * j : j * j + i) %
                                  model->rec.n_vocab);
    s.n_prompt = r->n_prompt;
    s.sampling = (struct sampling){ .temperature = i % 2 ? 900000 : 0,
                                    .top_p = 950000, .seed = i };
    if (begun) {
        s.forced = begun->saved[i];
        s.n_forced = begun->n_saved[i];
        s.believed = true;
    }
    return s;
}

/* Answer all, or as far as `steps` go; after what a run that was cut has. */
static void answer(struct run *run, const char *backend,
                   const struct engine_options *o, size_t steps,
                   const struct run *begun)
{
    const bool plain = strcmp(backend, "no graphs") == 0;
    const struct cuda_options with = { .checks = true, .plain = plain };
    const struct observer obs = { .position = on_position,
                                  .finished = on_finished };
    struct err err = ERR_INIT;
    struct backend *b = NULL;
    struct engine *e = NULL;
    bool busy = true;
    int rc;

    memset(run, 0, sizeof(*run));
    rc = plain || strcmp(backend, "cuda") == 0
             ? cuda_open(&b, &with, &err)
             : backend_open(&b, backend, 1, &err);
    if (rc || engine_new(&e, b, model, NULL, o, &obs, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    for (size_t i = 0; i < requests; i++) {
        struct sequence s = sequence_of(run, i, begun);

        while (engine_capacity(e) == 0)
            if (engine_step(e, &busy, &err))
                abort();
        if (engine_add(e, &s, &err))
            abort();
    }
    for (busy = true; busy && steps-- > 0;)
        if (engine_step(e, &busy, &err)) {
            printf("# %s\n", err.text);
            abort();
        }
    if (engine_drain(e, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    engine_each(e, on_saved, run);
    engine_stats(e, &run->stats);
    engine_free(e);
    backend_close(b);
}

static bool same_result(const struct result *a, const struct result *b,
                        size_t from)
{
    size_t n = a->n_prompt + a->n_tokens - 1;

    if (!a->over || !b->over || a->finish != b->finish ||
        a->n_tokens != b->n_tokens ||
        memcmp(a->token, b->token, a->n_tokens * sizeof(*a->token)) != 0 ||
        memcmp(a->last, b->last, sizeof(a->last)) != 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!id_equal(a->kv[i], b->kv[i]))
            return false;
        if (i >= from && a->has_fin[i] != b->has_fin[i])
            return false;
        if (a->has_fin[i] && b->has_fin[i] && !id_equal(a->fin[i], b->fin[i]))
            return false;
    }
    return true;
}

static bool same(const struct run *a, const struct run *b)
{
    for (size_t i = 0; i < requests; i++)
        if (!same_result(&a->of[i], &b->of[i], 0)) {
            printf("# request %zu differs\n", i);
            return false;
        }
    return true;
}

/* One begins, the other goes on. */
static void test_saved(const struct run *want, const char *first,
                       const char *second, const struct engine_options *o)
{
    static struct run begun, rest;
    size_t known = 0;

    answer(&begun, first, o, SOME, NULL);
    for (size_t i = 0; i < N; i++)
        known += begun.n_saved[i];
    answer(&rest, second, o, SIZE_MAX, &begun);
    ok(known > N && same(want, &rest),
       "%zu tokens of %s, the rest of %s: the same answers", known, first,
       second);
}

/* Short prompts that come to need three blocks of 32 positions each. */
static void test_put_back(void)
{
    const struct model_record *r = &model->rec;
    struct engine_options o = { .max_sequences = N, .with_last = true };
    static struct run want, got;

    requests = 3;
    prompt = 4;
    generate = GENERATE;
    answer(&want, "reference", &o, SIZE_MAX, NULL);
    o.kv_bytes = 5 * (uint64_t)r->n_layers * r->n_kv_heads * 32 * 2 * (32 + 4);
    answer(&got, "cuda", &o, SIZE_MAX, NULL);
    ok(same(&want, &got) && got.stats.put_back > 0 &&
           got.stats.kv_bytes <= o.kv_bytes,
       "five blocks: %" PRIu64 " times one is put back", got.stats.put_back);
}

/* Answers that end where nobody knew before: the device has a row more of each
 * by then, and another sequence gets the slot. */
static void test_ends(void)
{
    struct engine_options o = { .max_sequences = 2, .with_last = true };
    static struct run want, got;
    size_t n = 0;

    requests = N;
    prompt = 9;
    generate = 20;
    answer(&want, "reference", &o, SIZE_MAX, NULL);
    model->rec.n_eos = 2;
    model->rec.eos[0] = want.of[0].token[2];
    model->rec.eos[1] = want.of[1].token[9];
    ends = true;
    answer(&want, "reference", &o, SIZE_MAX, NULL);
    answer(&got, "cuda", &o, SIZE_MAX, NULL);
    for (size_t i = 0; i < N; i++)
        n += want.of[i].finish == FINISH_EOS && want.of[i].n_tokens < generate;
    ok(n > 1 && same(&want, &got), "%zu of %d answers end early", n, N);
    ends = false;
}

/* Layers with up to four different windows, the widest at the beginning and
 * later, and layers with none. */
static void test_windows(void)
{
    static const uint32_t windows[][6] = {
        { 7, 20, 0, 9, 7, 30 }, { 40, 5, 40, 0, 5, 5 }, { 3, 3, 0, 33, 0, 3 },
    };
    const struct engine_options o = { .max_sequences = N, .max_rows = 40,
                                      .with_last = true };
    static struct run want, got;
    struct backend_load load = { .slots = 1, .rows = 1, .draws = 1 };
    struct backend_plan plan;
    struct err err = ERR_INIT;
    struct model_record rec;
    struct backend *b;

    if (shape_find(&rec, "tiny"))
        abort();
    rec.n_layers = 6;
    rec.context = 128;
    rec.flags |= MODEL_LAYERS;
    if (shape_build(&model, &rec, NULL))
        abort();
    prompt = PROMPT;
    generate = 12;
    for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
        for (uint32_t l = 0; l < rec.n_layers; l++)
            model->layers[l].window = windows[i][l];
        answer(&want, "reference", &o, SIZE_MAX, NULL);
        answer(&got, i == 1 ? "no graphs" : "cuda", &o, SIZE_MAX, NULL);
        ok(same(&want, &got), "layers of several windows");
    }
    for (uint32_t l = 0; l < rec.n_layers; l++)
        model->layers[l].window = 7 * (l % 5) + 1;
    if (cuda_open(&b, &(struct cuda_options){ .local = 0 }, &err))
        abort();
    ok(b->ops->load(b, model, &load, &plan, &err) == -1 &&
           err.code == ERR_INPUT && strstr(err.text, "more than 4 windows"),
       "of five: %s", err.text);
    backend_close(b);
    model_close(model);
}

int main(void)
{
    const struct engine_options one = { .max_sequences = 1,
                                        .with_last = true };
    struct engine_options o = { .max_sequences = N, .with_last = true };
    static struct run want, got;
    struct err err = ERR_INIT;
    struct model_record rec;

    if (shape_find(&rec, "tiny"))
        abort();
    rec.flags = MODEL_QKV_BIAS;
    rec.context = 128;
    if (shape_build(&model, &rec, &err))
        abort();
    answer(&want, "reference", &one, SIZE_MAX, NULL);
    o.max_rows = 40;
    answer(&got, "cuda", &o, SIZE_MAX, NULL);
    ok(same(&want, &got) && got.stats.shared >= 64,
       "prompts that begin alike: %" PRIu64 " positions are shared",
       got.stats.shared);
    ok(!cusim_graph_launches || cusim_graph_launches() > 3,
       "some of its steps were graphs");
    o.max_rows = 0;
    test_saved(&want, "reference", "cuda", &o);
    test_saved(&want, "cuda", "reference", &o);
    test_saved(&want, "no graphs", "cuda", &o);
    test_saved(&want, "cuda", "no graphs", &o);
    test_put_back();
    test_ends();
    model_close(model);
    test_windows();
    return done();
}
