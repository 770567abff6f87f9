/*
 * What is promised of every answer, on random models and requests: its tokens,
 * what decided them, and its digests are those that the reference computes for
 * it alone, whatever level computes, on however many threads, with however many
 * steps ahead, in whatever batch, chunks of a prompt, rows a step and ceiling
 * for the cache, whoever is put back and shares the beginning of a prompt, and
 * whatever tokens are there of an earlier start.
 *
 *     tests/t_property [CASES]
 *
 * APUS_SEED repeats a run.
 */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend/backends.h"
#include "base/err.h"
#include "bench/shape.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "tests/late_backend.h"
#include "tests/tap.h"

#define CASES 25
#define REQUESTS 24
#define PROMPT 170
#define TOKENS 340
#define VOCAB 96

static uint64_t state;

static uint64_t rnd(void) /* xorshift64, Marsaglia */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint32_t up_to(uint32_t n) /* 1 .. n */
{
    return 1 + (uint32_t)(rnd() % n);
}

/* What an answer shows of itself, and the requests. */
struct seen {
    uint64_t drawn[REQUESTS], digests[REQUESTS];
    uint32_t n_out[REQUESTS], token[REQUESTS][TOKENS];
    enum finish finish[REQUESTS];
    uint64_t put_back, shared; /* how often, positions */
    uint64_t kv_bytes;         /* of the largest cache */
};

struct world {
    struct model *model;
    size_t n;
    uint32_t prompt[REQUESTS][PROMPT];
    struct sequence request[REQUESTS];
};

static void mix(uint64_t *h, const void *data, size_t n)
{
    const unsigned char *b = data;

    while (n-- > 0)
        *h = (*h ^ *b++) * 1099511628211u;
}

static void on_token(void *self, void *user, uint32_t position,
                     const struct drawn *d)
{
    uint64_t *h = &((struct seen *)self)->drawn[(size_t)(uintptr_t)user];
    uint64_t v[] = { position, d->token, d->kept, d->sum_k, d->sum_p, d->r };

    mix(h, v, sizeof(v));
}

static void on_position(void *self, void *user, const struct position *p)
{
    uint64_t *h = &((struct seen *)self)->digests[(size_t)(uintptr_t)user];

    mix(h, p->kv->b, sizeof(p->kv->b));
    if (p->fin)
        mix(h, p->fin->b, sizeof(p->fin->b));
}

static void on_finished(void *self, const struct answer *a)
{
    struct seen *s = self;
    size_t i = (size_t)(uintptr_t)a->user;

    s->n_out[i] = (uint32_t)a->n_out;
    s->finish[i] = a->finish;
    memcpy(s->token[i], a->token, a->n_out * sizeof(*a->token));
    mix(&s->drawn[i], a->token, a->n_out * sizeof(*a->token));
    mix(&s->drawn[i], &a->fault, sizeof(a->fault));
}

/* Requests [from, to) through one engine. */
static void answer(struct seen *s, const struct world *w, size_t from,
                   size_t to, struct backend *b,
                   const struct engine_options *o)
{
    struct observer obs = { .self = s, .token = on_token,
                            .position = on_position,
                            .finished = on_finished };
    struct err err = ERR_INIT;
    struct engine_stats stats;
    struct engine *e;
    bool busy = true;

    if (engine_new(&e, b, w->model, NULL, o, &obs, &err))
        abort();
    while (busy || from < to) {
        for (; from < to && engine_capacity(e); from++)
            if (engine_add(e, &w->request[from], &err))
                abort();
        if (engine_step(e, &busy, &err)) {
            printf("# %s\n", err.text);
            abort();
        }
    }
    engine_stats(e, &stats);
    s->put_back += stats.put_back;
    s->shared += stats.shared;
    if (s->kv_bytes < stats.kv_bytes)
        s->kv_bytes = stats.kv_bytes;
    engine_free(e);
}

/* ---- random worlds ------------------------------------------------------- */

/* A gain near the limit: what is more than twice the mean leaves the range. */
static void spoil(struct model *m)
{
    const struct model_layer *y = &m->layers[rnd() % m->rec.n_layers];
    const float *gain = y->ffn_norm ? y->ffn_norm : y->ffn_after;

    ((float *)(uintptr_t)gain)[rnd() % m->rec.dim] = 0x1p39f;
}

static struct model *random_model(void)
{
    static const uint32_t flags[] = { 0, MODEL_TIED, MODEL_QKV_BIAS,
                                      MODEL_QK_NORM, MODEL_A8,
                                      MODEL_LAYERS, MODEL_NORM_AFTER,
                                      MODEL_QK_NORM | MODEL_WIDE_NORM,
                                      MODEL_NORM_BOTH, MODEL_GELU,
                                      MODEL_SOFT_CAPS };
    struct model_record rec = { .eps = 1e-5f, .context = 512 };
    struct err err = ERR_INIT;
    struct model *m;

    rec.n_layers = up_to(3);
    rec.n_kv_heads = up_to(3);
    rec.n_heads = rec.n_kv_heads * up_to(5);
    rec.head_dim = 2 * up_to(40);
    rec.dim = 2 * up_to(60);
    rec.ffn_dim = up_to(150);
    rec.n_vocab = VOCAB;
    rec.window = rnd() % 3 ? 0 : up_to(100);
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
        if (rnd() % 3 == 0)
            rec.flags |= flags[i];
    if (rec.flags & MODEL_LAYERS)
        rec.window = 0;
    if (rec.flags & MODEL_NORM_BOTH)
        rec.flags &= ~(uint32_t)MODEL_NORM_AFTER;
    if (rnd() % 4 == 0 && !(rec.flags & (MODEL_NORM_AFTER | MODEL_NORM_BOTH |
                                         MODEL_GELU))) {
        rec.dim = 16 * up_to(7);
        rec.ffn_dim = 16 * up_to(5);
        rec.flags |= MODEL_EXPERTS | (1 + up_to(9)) << MODEL_EXPERTS_AT |
                     up_to(2) << MODEL_USED_AT;
        rec.flags |= rnd() % 2 ? MODEL_SHARE_ALL : 0;
    }
    if (shape_build(&m, &rec, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    if (rnd() % 4 == 0) /* some tokens leave the range */
        spoil(m);
    return m;
}

/* Some prompts begin as others do. */
static void random_request(struct world *w, size_t i)
{
    uint32_t n = up_to(PROMPT), shared = 0;

    if (i > 0 && rnd() % 2) {
        shared = (uint32_t)(rnd() % n);
        memcpy(w->prompt[i], w->prompt[rnd() % i],
               shared * sizeof(w->prompt[i][0]));
    }
    for (; shared < n; shared++)
        w->prompt[i][shared] = (uint32_t)(rnd() % VOCAB);
    w->request[i] = (struct sequence){
        .prompt = w->prompt[i], .n_prompt = n,
        .max_tokens = up_to(rnd() % 3 ? 50 : TOKENS),
        .ignore_eos = rnd() % 2, .user = (void *)(uintptr_t)i,
        .sampling = { .temperature = rnd() % 3 ? 10000 + up_to(3000000) : 0,
                      .top_p = rnd() % 2 ? 1000000 : up_to(1000000),
                      .top_k = rnd() % 2 ? 0 : up_to(2 * VOCAB),
                      .seed = rnd(), .choice = up_to(3) },
    };
}

static void random_world(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->model = random_model();
    w->n = up_to(REQUESTS);
    for (size_t i = 0; i < w->n; i++)
        random_request(w, i);
}

/* ---- comparing ----------------------------------------------------------- */

static struct backend *opened(const char *level, size_t threads)
{
    struct err err = ERR_INIT;
    struct backend *b;

    if (backend_open(&b, level, threads, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    return b;
}

/* What was drawn again: none of the tokens that were there. */
static bool same(const struct seen *a, const struct seen *b,
                 const struct world *w)
{
    size_t n = w->n;

    for (size_t i = 0; i < n; i++) {
        bool again = w->request[i].n_forced > 0;

        if ((again || a->drawn[i] == b->drawn[i]) &&
            memcmp(a->token[i], b->token[i], sizeof(a->token[i])) == 0 &&
            a->digests[i] == b->digests[i] &&
            a->n_out[i] == b->n_out[i] && a->finish[i] == b->finish[i])
            continue;
        printf("# request %zu of %zu differs: %s, finish %d and %d\n", i, n,
               a->drawn[i] != b->drawn[i] ? "tokens" : "digests",
               a->finish[i], b->finish[i]);
        return false;
    }
    return true;
}

/* An earlier start had some tokens of some of the answers. */
static void begin_again(struct world *w, const struct seen *alone)
{
    bool some = rnd() % 2;

    for (size_t i = 0; i < w->n; i++) {
        struct sequence *s = &w->request[i];

        s->forced = alone->token[i];
        s->n_forced = some && alone->n_out[i] > 1 && rnd() % 3
                          ? (size_t)(rnd() % alone->n_out[i]) : 0;
        s->believed = true;
    }
}

/* All levels, each in a setting of its own. */
static bool one_case(uint64_t *put_back, uint64_t *shared)
{
    static struct seen alone, together;
    static struct world w;
    struct backend *b = opened("reference", 1);
    struct engine_options one = { .max_sequences = 1 };
    bool good = true;

    random_world(&w);
    memset(&alone, 0, sizeof(alone));
    for (size_t i = 0; i < w.n; i++)
        answer(&alone, &w, i, i + 1, b, &one);
    backend_close(b);
    for (size_t l = 0; x1_level(l) && good; l++) {
        size_t threads = up_to(8), ahead = rnd() % 3, delay = rnd() % 3;
        struct engine_options o = { .max_sequences = up_to(REQUESTS) };

        o.max_rows = rnd() % 2 ? 0 : o.max_sequences + up_to(100);
        o.chunk = rnd() % 2 ? 0 : up_to(70);
        /* of requests of which one alone needs alone.kv_bytes */
        o.kv_bytes = rnd() % 3 ? 1 + rnd() % (3 * alone.kv_bytes) : 0;
        memset(&together, 0, sizeof(together));
        b = opened(x1_level(l)->name, threads);
        if (ahead)
            b = late_backend(b, ahead, delay);
        begin_again(&w, &alone);
        answer(&together, &w, 0, w.n, b, &o);
        backend_close(b);
        good = same(&alone, &together, &w);
        *put_back += together.put_back;
        *shared += together.shared;
        if (!good)
            printf("# %s, %zu threads, %zu ahead, %zu sequences, rows %zu,"
                   " chunk %zu\n", x1_level(l)->name, threads, ahead,
                   o.max_sequences, o.max_rows, o.chunk);
    }
    model_close(w.model);
    return good;
}

int main(int argc, char **argv)
{
    const char *seed = getenv("APUS_SEED");
    long cases = argc > 1 ? atol(argv[1]) : CASES;
    uint64_t put_back = 0, shared = 0;
    int wrong = 0;

    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("# seed %" PRIu64 "\n", state);
    state = state * 0x9e3779b97f4a7c15u | 1;
    for (long i = 0; i < cases && wrong == 0; i++)
        wrong += !one_case(&put_back, &shared);
    printf("# %" PRIu64 " sequences were put back, %" PRIu64 " positions"
           " shared\n", put_back, shared);
    ok(wrong == 0, "answers in any batch, on any level and number of threads"
       " are those of the reference alone");
    return done();
}
