/*
 * What is promised of every answer, on random models and requests: its tokens,
 * what decided them, and its digests are those that the reference computes for
 * it alone, whatever level computes, on however many threads and ranks, with
 * however many steps ahead, in whatever batch, chunks of a prompt, rows a step,
 * size of a block and ceiling for the cache, whoever is put back and shares the
 * beginning of a prompt, however often a start ends with a save, and whether
 * weights were in memory or came a piece at a time.
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
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/shape.h"
#include "tests/late_backend.h"
#include "tests/tap.h"

#define CASES 25
#define REQUESTS 24
#define PROMPT 170
#define TOKENS 340
#define VOCAB 96
#define RANKS 4   /* at most */
#define STARTS 4  /* of a rank, at most; the last one ends its requests */

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
    bool done[REQUESTS];
    uint64_t put_back, shared; /* how often, positions */
    uint64_t kv_bytes;         /* of the largest cache */
    uint64_t saves;
};

struct world {
    struct model_record rec;
    bool spoiled;                /* one gain of a layer's ffn norm is .. */
    size_t bad_layer, bad_index; /* .. near the limit */
    struct model *model;
    size_t n;
    uint32_t prompt[REQUESTS][PROMPT];
    struct sequence request[REQUESTS];
    uint32_t saved[REQUESTS][TOKENS]; /* forced tokens of the next start */
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
    s->done[i] = true;
    memcpy(s->token[i], a->token, a->n_out * sizeof(*a->token));
    mix(&s->drawn[i], a->token, a->n_out * sizeof(*a->token));
    mix(&s->drawn[i], &a->fault, sizeof(a->fault));
}

/* A start: some of the requests through one engine.  After `steps` steps, if
 * that is not 0, it is saved, and what was not answered begins anew. */
struct start {
    size_t list[REQUESTS], n;
    uint64_t steps;
};

static void on_kept(void *self, void *user, const uint32_t *token, size_t n)
{
    struct world *w = self;
    size_t i = (size_t)(uintptr_t)user;

    memmove(w->saved[i], token, n * sizeof(*token));
    w->request[i].forced = w->saved[i];
    w->request[i].n_forced = n;
    w->request[i].believed = true;
}

static void add_stats(struct seen *s, const struct engine *e)
{
    struct engine_stats stats;

    engine_stats(e, &stats);
    s->put_back += stats.put_back;
    s->shared += stats.shared;
    if (s->kv_bytes < stats.kv_bytes)
        s->kv_bytes = stats.kv_bytes;
}

static void must(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    printf("# %s\n", err->text);
    fflush(stdout);
    abort();
}

static void answer(struct seen *s, struct world *w, const struct start *st,
                   const struct model *m, struct backend *b,
                   const struct engine_options *o)
{
    struct observer obs = { .self = s, .token = on_token,
                            .position = on_position,
                            .finished = on_finished };
    struct err err = ERR_INIT;
    struct engine *e;
    uint64_t steps = 0;
    size_t next = 0;
    bool busy = true;

    must(engine_new(&e, b, m, NULL, o, &obs, &err), &err);
    while ((busy || next < st->n) && (st->steps == 0 || steps < st->steps)) {
        for (; next < st->n && engine_capacity(e); next++)
            must(engine_add(e, &w->request[st->list[next]], &err), &err);
        must(engine_step(e, &busy, &err), &err);
        steps++;
    }
    add_stats(s, e);
    if (busy || next < st->n) {
        engine_each(e, on_kept, w);
        s->saves++;
    }
    engine_free(e);
}

/* ---- random worlds ------------------------------------------------------- */

/* A gain near the limit: what is more than twice the mean leaves the range. */
static void spoil(const struct world *w, struct model *m)
{
    const struct model_layer *y = &m->layers[w->bad_layer];
    const float *gain = y->ffn_norm ? y->ffn_norm : y->ffn_after;

    ((float *)(uintptr_t)gain)[w->bad_index] = 0x1p39f;
}

/* In memory, or its matrices in a backend. */
static struct model *build(const struct world *w, const struct backend *b)
{
    struct err err = ERR_INIT;
    struct model *m;

    must(shape_build_into(&m, &w->rec, b ? b->sink : NULL, &err), &err);
    if (w->spoiled)
        spoil(w, m);
    return m;
}

static struct model_record random_shape(void)
{
    static const uint32_t flags[] = { 0, MODEL_TIED, MODEL_QKV_BIAS,
                                      MODEL_QK_NORM, MODEL_A8,
                                      MODEL_LAYERS, MODEL_NORM_AFTER,
                                      MODEL_QK_NORM | MODEL_WIDE_NORM,
                                      MODEL_NORM_BOTH, MODEL_GELU,
                                      MODEL_SOFT_CAPS };
    struct model_record rec = { .eps = 1e-5f, .context = 512 };

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
    return rec;
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
    w->rec = random_shape();
    w->spoiled = rnd() % 4 == 0; /* some tokens leave the range */
    w->bad_layer = rnd() % w->rec.n_layers;
    w->bad_index = rnd() % w->rec.dim;
    w->model = build(w, NULL);
    w->n = up_to(REQUESTS);
    for (size_t i = 0; i < w->n; i++)
        random_request(w, i);
}

/* ---- comparing ----------------------------------------------------------- */

static struct backend *opened(const char *level, size_t threads)
{
    struct err err = ERR_INIT;
    struct backend *b;

    must(backend_open(&b, level, threads, &err), &err);
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

/* How a start computes; drawn anew for each. */
struct setting {
    size_t threads, ahead, delay;
    uint32_t join;
    bool streamed;
    struct engine_options o;
};

/* `most`: bytes that one of the requests needs alone. */
static struct setting random_setting(uint64_t most)
{
    struct setting t = {
        .threads = up_to(8), .ahead = rnd() % 3, .delay = rnd() % 3,
        .join = rnd() % 2 ? 1 : up_to(3), .streamed = rnd() % 2,
        .o = { .max_sequences = up_to(REQUESTS) },
    };

    t.o.max_rows = rnd() % 2 ? 0 : t.o.max_sequences + up_to(100);
    t.o.chunk = rnd() % 2 ? 0 : up_to(70);
    t.o.kv_bytes = rnd() % 3 ? 1 + rnd() % (most + most / 2) : 0;
    return t;
}

/* Those of a rank that are not done; of the last start no save. */
static struct start next_start(const struct seen *seen, size_t n,
                               const size_t *rank_of, size_t rank,
                               size_t number)
{
    struct start s = { .n = 0 };

    for (size_t i = 0; i < n; i++)
        if (rank_of[i] == rank && !seen->done[i])
            s.list[s.n++] = i;
    s.steps = number + 1 < STARTS && rnd() % 2 ? up_to(60) : 0;
    return s;
}

static void one_start(struct seen *s, struct world *w, const char *level,
                      const struct start *st, uint64_t most)
{
    struct setting t = random_setting(most);
    struct backend *b = opened(level, t.threads);
    struct model *m = t.streamed ? build(w, b) : w->model;

    if (t.ahead || t.join > 1)
        b = joined_backend(b, t.ahead, t.ahead ? t.delay : 0, t.join);
    answer(s, w, st, m, b, &t.o);
    for (size_t k = 0; k < st->n; k++) {
        size_t i = st->list[k];

        if (!s->done[i])
            s->drawn[i] = s->digests[i] = 0;
    }
    backend_close(b);
    if (t.streamed)
        model_close(m);
    printf("# %s: %zu threads, %zu ahead, %u joined, %zu requests, %zu"
           " sequences, rows %zu, chunk %zu, saved after %" PRIu64 "\n", level,
           t.threads, t.ahead, t.join, st->n, t.o.max_sequences, t.o.max_rows,
           t.o.chunk, st->steps);
}

/* All requests on one level, some ranks after each other. */
static void all_ranks(struct seen *s, struct world *w, const char *level,
                      uint64_t most)
{
    size_t ranks = rnd() % 2 ? 1 : up_to(RANKS), rank_of[REQUESTS];

    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < w->n; i++)
        rank_of[i] = rnd() % ranks;
    for (size_t r = 0; r < ranks; r++) {
        for (size_t n = 0; n < STARTS; n++) {
            struct start st = next_start(s, w->n, rank_of, r, n);

            if (st.n > 0)
                one_start(s, w, level, &st, most);
        }
    }
}

/* The reference, a request at a time. */
static void all_alone(struct seen *s, struct world *w)
{
    struct backend *b = opened("reference", 1);
    struct engine_options one = { .max_sequences = 1 };

    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < w->n; i++) {
        struct start st = { { i }, 1, 0 };

        answer(s, w, &st, w->model, b, &one);
    }
    backend_close(b);
}

/* All levels, each in settings of its own. */
static bool one_case(struct seen *sum)
{
    static struct seen alone, together;
    static struct world w;
    bool good = true;

    random_world(&w);
    all_alone(&alone, &w);
    for (size_t l = 0; x1_level(l) && good; l++) {
        begin_again(&w, &alone);
        all_ranks(&together, &w, x1_level(l)->name, alone.kv_bytes);
        good = same(&alone, &together, &w);
        sum->put_back += together.put_back;
        sum->shared += together.shared;
        sum->saves += together.saves;
    }
    model_close(w.model);
    return good;
}

int main(int argc, char **argv)
{
    const char *seed = getenv("APUS_SEED");
    long cases = argc > 1 ? atol(argv[1]) : CASES;
    static struct seen sum;
    int wrong = 0;

    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    printf("# seed %" PRIu64 "\n", state);
    state = state * 0x9e3779b97f4a7c15u | 1;
    for (long i = 0; i < cases && wrong == 0; i++)
        wrong += !one_case(&sum);
    printf("# %" PRIu64 " sequences were put back, %" PRIu64 " positions"
           " shared, %" PRIu64 " starts saved\n", sum.put_back, sum.shared,
           sum.saves);
    ok(wrong == 0, "answers in any batch, on any level, number of threads and"
       " ranks, saved or not, are those of the reference alone");
    return done();
}
