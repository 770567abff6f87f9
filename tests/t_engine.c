/*
 * Batching, ends and faults of the engine on models built in memory, with and
 * without steps that run ahead.  That the numbers themselves are right is the
 * business of x1vectors.
 */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/shape.h"
#include "tests/late_backend.h"
#include "tests/tap.h"

#define MAX 24
#define LEN 120
#define LONG 400

struct result {
    bool finished;
    enum finish finish;
    size_t n;
    uint32_t token[LONG];
    struct fault fault;
    int order;      /* the how-manieth to finish */
    uint64_t hash;  /* over all logits rows */
    uint64_t cached; /* over what each position left in the cache */
    uint32_t fed;   /* positions told, each in its turn */
    bool told_wrong;
};

struct collector {
    struct result r[MAX];
    int n_finished;
    struct engine_stats stats;
};

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    struct result *r = user;
    uint32_t bits;

    (void)self;
    memcpy(&bits, logits, 4);
    r->hash = (r->hash ^ bits ^ position) * 1099511628211u;
}

/* Positions come in order with their tokens, and cached rows that differ. */
static void on_position(void *self, void *user, const struct position *p)
{
    struct result *r = user;
    (void)self;
    if (p->position != r->fed++ || (p->next == UINT32_MAX) != !p->fin)
        r->told_wrong = true;
    r->cached ^= p->kv->b[0] ^ (p->fin ? p->fin->b[5] : 0) ^ p->next ^ p->token;
    r->cached *= 1099511628211u;
}

static void on_finished(void *self, const struct answer *a)
{
    struct collector *c = self;
    struct result *r = a->user;

    r->finished = true;
    r->finish = a->finish;
    r->n = a->n_out;
    memcpy(r->token, a->token, a->n_out * sizeof(*a->token));
    r->fault = a->fault;
    r->order = c->n_finished++;
    if (a->finish == FINISH_RANGE ? r->fed != a->fault.position
                                  : a->n_out && r->fed == 0)
        r->told_wrong = true;
}

static struct model *shape_of(const char *name, uint32_t flags,
                              uint32_t window, uint32_t context)
{
    struct model_record rec;
    struct err err = ERR_INIT;
    struct model *m;

    if (shape_find(&rec, name))
        abort();
    rec.flags = flags;
    rec.window = window;
    rec.context = context;
    if (shape_build(&m, &rec, &err))
        abort();
    return m;
}

static struct model *shape(const char *name, uint32_t flags, uint32_t window)
{
    return shape_of(name, flags, window, LEN);
}

static size_t ahead, delay; /* of steps, from now on */

static struct backend *open_backend(void)
{
    struct err err = ERR_INIT;
    struct backend *b;

    if (backend_open(&b, "reference", 1, &err))
        abort();
    return ahead ? late_backend(b, ahead, delay) : b;
}

/* Answer n sequences; more than fit are added as others end. */
static void answer(struct collector *c, const struct model *m,
                   struct sequence *s, size_t n, struct engine_options o)
{
    struct observer obs = { .self = c, .logits = on_logits,
                            .position = on_position,
                            .finished = on_finished };
    struct err err = ERR_INIT;
    struct backend *b = open_backend();
    struct engine *e;
    size_t next = 0;
    bool busy = true;

    memset(c, 0, sizeof(*c));
    if (engine_new(&e, b, m, NULL, &o, &obs, &err))
        abort();
    while (busy || next < n) {
        for (; next < n && engine_capacity(e); next++) {
            s[next].user = &c->r[next];
            if (engine_add(e, &s[next], &err))
                c->r[next].finish = 99;
        }
        if (engine_step(e, &busy, &err))
            abort();
    }
    engine_stats(e, &c->stats);
    engine_free(e);
    backend_close(b);
}

static uint32_t prompts[MAX][LEN], long_prompts[MAX][LONG];

/* n requests: prompts of 1 to 60 tokens, every second one sampled. */
static void make(struct sequence *s, size_t n, uint32_t vocab)
{
    uint32_t x = 12345;

    memset(s, 0, n * sizeof(*s));
    for (size_t i = 0; i < n; i++) {
        s[i].prompt = prompts[i];
        s[i].n_prompt = 1 + i * 37 % 60;
        for (size_t j = 0; j < s[i].n_prompt; j++) {
            x = x * 1664525u + 1013904223u;
            prompts[i][j] = (x >> 8) % vocab;
        }
        s[i].max_tokens = (uint32_t)(1 + i * 13 % 40);
        s[i].sampling.temperature = i % 2 ? 900000 : 0;
        s[i].sampling.top_p = i % 4 == 1 ? 950000 : 1000000;
        s[i].sampling.seed = i;
    }
}

static bool same(const struct collector *a, const struct collector *b,
                 size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct result *x = &a->r[i], *y = &b->r[i];

        if (!x->finished || !y->finished || x->finish != y->finish ||
            x->told_wrong || y->told_wrong || x->fed != y->fed ||
            x->n != y->n || x->hash != y->hash || x->cached != y->cached ||
            memcmp(x->token, y->token, x->n * sizeof(*x->token)) != 0 ||
            memcmp(&x->fault, &y->fault, sizeof(x->fault)) != 0)
            return false;
    }
    return true;
}

static void test_batches(const char *what, uint32_t flags, uint32_t window)
{
    static const struct engine_options o[] = {
        { .max_sequences = 3 },
        { .max_sequences = 16 },
        { .max_sequences = 16, .chunk = 1 },
        { .max_sequences = 24, .max_rows = 24, .chunk = 5 },
        { .max_sequences = 24, .max_rows = 31 },
        { .max_sequences = 8, .kv_bytes = 1 },
        { .max_sequences = 8, .kv_bytes = 40000 },
    };
    static struct collector alone, batch;
    struct sequence s[MAX];
    struct model *m = shape("tiny", flags, window);

    make(s, MAX, m->rec.n_vocab);
    answer(&alone, m, s, MAX, (struct engine_options){ .max_sequences = 1 });
    for (size_t i = 0; i < sizeof(o) / sizeof(*o); i++) {
        answer(&batch, m, s, MAX, o[i]);
        ok(same(&alone, &batch, MAX),
           "%s: %zu sequences, %zu rows, chunk "
           "%zu, KV %" PRIu64 ": as alone",
           what, o[i].max_sequences, o[i].max_rows, o[i].chunk, o[i].kv_bytes);
    }
    model_close(m);
}

/* Few blocks: the youngest are put back, and nobody sees it.  With a window or
 * draws everywhere one size of the cache, with APUS_LONG each. */
static void test_put_back(uint32_t flags, uint32_t window)
{
    static const struct engine_options o[] = {
        { .max_sequences = 24 },
        { .max_sequences = 5, .chunk = 7, .draw_all = true },
    };
    static struct collector alone, batch;
    struct engine_options few;
    struct sequence s[MAX];
    struct model *m = shape_of("tiny", flags, window, LONG);
    uint64_t block, put_back = 0;
    bool all = getenv("APUS_LONG") != NULL;

    for (size_t k = 0; k < sizeof(o) / sizeof(*o); k++) {
        bool each = all || (k == 0 && !window);

        make(s, MAX, m->rec.n_vocab);
        for (size_t i = 0; i < MAX; i++) {
            s[i].max_tokens = LONG; /* none: to the end of the context */
            s[i].ignore_eos = true;
        }
        few = o[k];
        few.max_sequences = 1;
        answer(&alone, m, s, MAX, few);
        block = alone.stats.kv_bytes / (window ? 3 : 7);
        for (uint64_t n = each ? 2 : 9; n < (each ? 20 : 10); n += 7) {
            few = o[k];
            few.kv_bytes = n * block;
            answer(&batch, m, s, MAX, few);
            put_back += batch.stats.put_back;
            ok(same(&alone, &batch, MAX) &&
                   batch.stats.kv_bytes <= (n < 7 ? 7 * block : few.kv_bytes) &&
                   batch.stats.prompt_tokens == alone.stats.prompt_tokens,
               "%zu sequences, %" PRIu64 " blocks, window %" PRIu32 ": %"
               PRIu64 " times one is put back, and all are as alone",
               o[k].max_sequences, n, window, batch.stats.put_back);
        }
    }
    ok(put_back > 0, "some were");
    model_close(m);
}

/* Prompts that begin alike, in whole blocks or not, are computed once, and
 * nobody sees it: in a small cache, with faults in what is shared, one after
 * the other. */
static void test_shared(const char *what, uint32_t flags)
{
    static const struct engine_options o[] = {
        { .max_sequences = 24 },
        { .max_sequences = 24, .chunk = 33 },
        { .max_sequences = 7, .max_rows = 9 },
        { .max_sequences = 1 },
        { .max_sequences = 24, .kv_bytes = 9 },
        { .max_sequences = 24, .kv_bytes = 5, .chunk = 20 },
    };
    static struct collector alone, one, batch;
    struct engine_options few;
    struct sequence s[MAX];
    struct model *m = shape_of("tiny", flags, 0, LONG);
    uint64_t block = 0;
    static const uint32_t length[4] = { 64, 65, 150, 200 };

    memset(&alone, 0, sizeof(alone));
    make(s, MAX, m->rec.n_vocab);
    if (!(flags & MODEL_TIED)) /* of which the head has none */
        ((float *)(uintptr_t)m->embed.scale)[63] = 0x1p39f;
    for (size_t i = 0; i < MAX; i++) {
        const uint32_t *first = long_prompts[i % 3];
        uint32_t n = length[i % 4];

        for (uint32_t j = 0; j < LONG; j++)
            long_prompts[i][j] = j < n && i >= 3
                                     ? first[j] : (i * 7 + j * j) % 60;
        if (i == 2) /* continues as 0 does, but begins otherwise */
            memcpy(long_prompts[2] + 3, long_prompts[0] + 3,
                   sizeof(long_prompts[0]) - 12);
        long_prompts[1][100] = 63;
        s[i].max_tokens = i % 4 ? 150 : 30;
        s[i].prompt = long_prompts[i];
        s[i].n_prompt = i < 3 ? 210 : n + i % 5;
    }
    for (size_t i = 0; i < MAX; i++) {
        answer(&one, m, &s[i], 1, o[3]);
        alone.r[i] = one.r[0];
        alone.stats.prompt_tokens += one.stats.prompt_tokens;
        block = one.stats.kv_bytes / ((s[i].n_prompt + one.r[0].n + 62) / 64);
    }
    for (size_t k = 0; k < sizeof(o) / sizeof(*o); k++) {
        few = o[k];
        few.kv_bytes *= block;
        answer(&batch, m, s, MAX, few);
        ok(same(&alone, &batch, MAX) && batch.stats.shared >= 64,
           "%s, %zu sequences, %zu rows, %" PRIu64 " bytes: %" PRIu64 " of %"
           PRIu64 " positions are shared, and all are as alone", what,
           few.max_sequences, few.max_rows, few.kv_bytes, batch.stats.shared,
           alone.stats.prompt_tokens);
    }
    model_close(m);
}

/* Some of their own tokens are given to the sequences (to every third one
 * none, to others all but one), others are not: nothing changes. */
static void test_forced(const char *what, uint32_t flags, uint32_t window)
{
    static const struct engine_options o[] = {
        { .max_sequences = 1, .max_rows = 64, .max_draws = 64 },
        { .max_sequences = 1, .max_rows = 64 },
        { .max_sequences = 5, .max_rows = 16, .max_draws = 7 },
        { .max_sequences = 24, .max_draws = 50, .chunk = 3 },
        { .max_sequences = 3, .max_rows = 3 },
        { .max_sequences = 4, .max_rows = 40, .draw_all = true },
    };
    static struct collector alone, batch;
    struct engine_options one = { .max_sequences = 1 };
    struct sequence s[MAX];
    struct model *m = shape("tiny", flags, window);

    for (size_t k = 0; k < sizeof(o) / sizeof(*o); k++) {
        make(s, MAX, m->rec.n_vocab);
        one.draw_all = o[k].draw_all;
        answer(&alone, m, s, MAX, one);
        for (size_t i = 0; i < MAX; i++) {
            s[i].forced = alone.r[i].token;
            s[i].n_forced = i % 3 ? (alone.r[i].n - 1) / (1 + i % 2) : 0;
        }
        answer(&batch, m, s, MAX, o[k]);
        ok(same(&alone, &batch, MAX), "%s, tokens given, %zu sequences, %zu"
           " rows, %zu draws, chunk %zu: as without", what,
           o[k].max_sequences, o[k].max_rows, o[k].max_draws, o[k].chunk);
    }
    model_close(m);
}

/* Tokens that are believed: no logits, all else as if they were drawn, their
 * stops and digests too; also where the sequence is put back. */
static void test_believed(const char *what, uint32_t flags, uint32_t window)
{
    static const struct engine_options o[] = {
        { .max_sequences = 1, .max_rows = 64 },
        { .max_sequences = 24, .with_last = true },
        { .max_sequences = 24, .chunk = 3 },
        { .max_sequences = 7, .max_rows = 7 },
        { .max_sequences = 24, .kv_bytes = 9 },
        { .max_sequences = 24, .draw_all = true },
    };
    static struct collector alone, batch;
    struct engine_options few = { .max_sequences = 1 };
    struct sequence s[MAX];
    struct model *m = shape_of("tiny", flags, window, LONG);

    for (size_t k = 0; k < sizeof(o) / sizeof(*o); k++) {
        make(s, MAX, m->rec.n_vocab);
        for (size_t i = 0; i < MAX; i++)
            s[i].max_tokens = i % 4 ? 150 : 20;
        few.draw_all = o[k].draw_all;
        few.max_sequences = 1;
        few.kv_bytes = 0;
        answer(&alone, m, s, MAX, few);
        for (size_t i = 0; i < MAX; i++) {
            s[i].forced = alone.r[i].token;
            s[i].n_forced = i % 3 ? (alone.r[i].n - 1) / (1 + i % 2) : 0;
            s[i].believed = true;
        }
        few = o[k];
        few.kv_bytes *= alone.stats.kv_bytes / 4;
        answer(&batch, m, s, MAX, few);
        for (size_t i = 0; i < MAX && !o[k].draw_all; i++)
            batch.r[i].hash = alone.r[i].hash;
        ok(same(&alone, &batch, MAX), "%s, tokens believed, %zu sequences, %zu"
           " rows, chunk %zu: as without", what, o[k].max_sequences,
           o[k].max_rows, o[k].chunk);
    }
    model_close(m);
}

/* What is told and taken of given tokens that are not those drawn, of an end
 * among them, and how many there may be. */
static void test_forced_ends(void)
{
    static struct collector c, d;
    struct engine_options o = { .max_sequences = 2, .max_rows = 40,
                                .max_draws = 40 };
    struct sequence s[2];
    struct model *m = shape("tiny", MODEL_TIED, 0);
    uint32_t ids[30];

    make(s, 2, m->rec.n_vocab);
    s[0].n_prompt = 30;
    s[0].max_tokens = 31;
    answer(&c, m, s, 1, o);
    memcpy(ids, c.r[0].token, sizeof(ids));
    ids[4] = (ids[4] + 1) % m->rec.n_vocab;
    s[0].forced = ids;
    s[0].n_forced = 30;
    answer(&d, m, s, 1, o);
    ok(d.r[0].n == 31 && d.r[0].finish == FINISH_LENGTH &&
           memcmp(d.r[0].token, ids, sizeof(ids)) == 0,
       "what is given is taken, whatever is drawn");
    m->rec.n_eos = 1;
    m->rec.eos[0] = ids[9];
    for (size_t i = 0; i < 9; i++)
        ids[i] = ids[i] == ids[9] ? ids[i] ^ 1 : ids[i];
    s[1] = s[0];
    s[1].n_forced = 12;
    answer(&d, m, s, 2, o);
    ok(d.r[0].finish == FINISH_EOS && d.r[0].n == 10 && d.r[0].fed == 39 &&
           !d.r[0].told_wrong && d.r[1].finish == FINISH_EOS &&
           d.r[1].n == 10,
       "an end among given tokens ends the answer there");
    s[0].max_tokens = 30;
    answer(&d, m, s, 1, o);
    ok(d.r[0].finish == 99, "as many given as max_tokens are refused");
    s[0].max_tokens = 99;
    s[0].n_prompt = 2;
    m->rec.context = 31;
    answer(&d, m, s, 1, o);
    ok(d.r[0].finish == 99, "more given than the context are refused");
    s[0].n_forced = 5;
    ids[4] = m->rec.n_vocab;
    answer(&d, m, s, 1, o);
    ok(d.r[0].finish == 99, "a given id outside the vocabulary is refused");
    model_close(m);
}

/* A short request does not wait for a long one's prompt or answer. */
static void test_continuous(void)
{
    static struct collector c;
    struct sequence s[3];
    struct model *m = shape("tiny", MODEL_TIED, 0);

    make(s, 3, m->rec.n_vocab);
    s[0].n_prompt = 2;
    s[0].max_tokens = 60;
    s[1].n_prompt = 60;
    s[1].max_tokens = 2;
    s[2].n_prompt = 3;
    s[2].max_tokens = 3;
    answer(&c, m, s, 3, (struct engine_options){ .max_sequences = 2,
                                                 .chunk = 16 });
    ok(c.r[1].order == 0 && c.r[2].order == 1 && c.r[0].order == 2,
       "sequences end and start while others go on");
    model_close(m);
}

static void test_ends(void)
{
    static struct collector c;
    struct sequence s[6];
    struct model *m = shape("tiny", MODEL_TIED, 0);

    make(s, 6, m->rec.n_vocab);
    s[0].max_tokens = 7;
    s[1].n_prompt = 100;          /* context 120: 21 tokens fit */
    s[1].max_tokens = 50;
    s[1].ignore_eos = true;
    s[2].n_prompt = 0;
    s[3].n_prompt = LEN + 1;
    s[4].n_prompt = 100;
    s[4].max_tokens = 21;
    s[5].n_prompt = LEN;
    s[5].max_tokens = 9;
    answer(&c, m, s, 6, (struct engine_options){ .max_sequences = 6 });
    ok(c.r[0].finish == FINISH_LENGTH && c.r[0].n == 7, "max_tokens");
    ok(c.r[1].finish == FINISH_CONTEXT && c.r[1].n == 21, "context");
    ok(c.r[2].finish == FINISH_PROMPT && c.r[2].n == 0, "empty prompt");
    ok(c.r[3].finish == FINISH_LONG && c.r[3].n == 0, "prompt too long");
    ok(c.r[4].finish == FINISH_LENGTH && c.r[4].n == 21,
       "length comes before context");
    ok(c.r[5].finish == FINISH_CONTEXT && c.r[5].n == 1,
       "a prompt as long as the context gives one token");
    m->rec.n_eos = 1;
    m->rec.eos[0] = c.r[0].token[2];
    s[0].max_tokens = 3;
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(c.r[0].finish == FINISH_EOS && c.r[0].n <= 3,
       "end of text, before length");
    s[0].ignore_eos = true;
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(c.r[0].finish == FINISH_LENGTH && c.r[0].n == 3, "ignore_eos");
    s[0].n_prompt = 1;
    prompts[0][0] = m->rec.n_vocab;
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(c.r[0].finish == 99, "an id outside the vocabulary is refused");
    model_close(m);
}

static bool is_fault(const struct result *r, uint32_t position,
                     uint32_t layer, uint32_t op, uint32_t row)
{
    return r->finish == FINISH_RANGE && r->fault.position == position &&
           !r->told_wrong && r->fed == position &&
           r->fault.layer == layer && r->fault.op == op &&
           r->fault.row == row;
}

/* One token whose embedding leaves the range: the others go on, and the
 * place is the same however the prompt is cut. */
static void test_fault_embedding(void)
{
    static struct collector alone, c;
    struct sequence s[4];
    struct model *m = shape("tiny", MODEL_TIED, 0);
    float *scale = (float *)(uintptr_t)m->embed.scale;
    size_t chunk;

    make(s, 4, 60);
    for (size_t i = 0; i < 4; i++) {
        s[i].n_prompt = 30;
        s[i].sampling.temperature = 0;
        for (size_t j = 0; j < 30; j++)
            prompts[i][j] %= 60;
    }
    answer(&alone, m, s, 4, (struct engine_options){ .max_sequences = 1 });
    scale[63] = 0x1p39f;
    prompts[1][11] = 63;
    prompts[1][20] = 63;
    for (chunk = 1; chunk <= 30; chunk += 6) {
        answer(&c, m, s, 4, (struct engine_options){ .max_sequences = 4,
                                                     .chunk = chunk });
        /* the head is tied: row 63 alone spoils the logits of others too */
        ok(is_fault(&c.r[1], 11, 0, 0, 0) && c.r[1].n == 0,
           "chunk %zu: embedding out of range", chunk);
    }
    scale[63] = 0;
    prompts[1][11] = prompts[1][20] = 1;
    answer(&c, m, s, 4, (struct engine_options){ .max_sequences = 4 });
    ok(c.r[0].finish == FINISH_LENGTH, "others go on");
    model_close(m);
}

/* Biases just in range that a rotation by the position takes out of it. */
static void bias(struct model *m, uint32_t l, const float *b, size_t head)
{
    float *v = (float *)(uintptr_t)b + head * m->rec.head_dim;

    (void)l;
    v[0] = -0x1.ep39f;
    v[m->rec.head_dim / 2] = 0x1.ep39f;
}

static void test_fault_rope(void)
{
    static struct collector c;
    struct sequence s[1];
    struct model *m = shape("tiny", MODEL_QKV_BIAS, 0);

    make(s, 1, m->rec.n_vocab);
    s[0].n_prompt = 30;
    bias(m, 0, m->layers[0].bk, 1);
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(is_fault(&c.r[0], 1, 0, 5, 1), "K of KV head 1 at position 1");
    bias(m, 0, m->layers[0].bq, 3);
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(is_fault(&c.r[0], 1, 0, 4, 3), "q after rope comes before K");
    model_close(m);

    m = shape("tiny", MODEL_QKV_BIAS, 0);
    bias(m, 1, m->layers[1].bq, 2);
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(c.r[0].finish != FINISH_RANGE || c.r[0].fault.position >= 29,
       "what the last layer skips raises nothing");
    s[0].n_prompt = 2; /* position 1 draws */
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(is_fault(&c.r[0], 1, 1, 4, 2), ".. and where it draws, it does");
    model_close(m);
}

static void test_fault_norm(void)
{
    static struct collector c;
    struct sequence s[1];
    struct model *m = shape("tiny", MODEL_TIED, 0);

    make(s, 1, m->rec.n_vocab);
    s[0].n_prompt = 3;
    ((float *)(uintptr_t)m->layers[1].ffn_norm)[5] = 0x1.fp39f;
    ((float *)(uintptr_t)m->final_norm)[2] = 0x1.fp39f;
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(c.r[0].finish == FINISH_RANGE && c.r[0].fault.position == 2,
       "gains that overflow (layer %x, operator %u, index %u)",
       c.r[0].fault.layer, c.r[0].fault.op, c.r[0].fault.index);
    model_close(m);
}

/* A number of a model, for a time. */
static void fault_of(const float *x, float with, uint32_t op, uint32_t index,
                     struct model *m, const char *what)
{
    static struct collector c;
    float *p = (float *)(uintptr_t)x, was = *p;
    struct sequence s[1];

    make(s, 1, m->rec.n_vocab);
    s[0].n_prompt = 3;
    *p = with;
    answer(&c, m, s, 1, (struct engine_options){ .max_sequences = 1 });
    ok(is_fault(&c.r[0], 0, 0, op, 0) && c.r[0].fault.index == index,
       "%s: operator %u, index %u", what, c.r[0].fault.op,
       c.r[0].fault.index);
    *p = was;
}

/* Norms over all heads have row 0; what a layer adds has operators of its own,
 * after those of the layer. */
static void test_fault_after(void)
{
    struct model *m = shape("tiny", MODEL_QKV_BIAS | MODEL_QK_NORM |
                            MODEL_WIDE_NORM | MODEL_NORM_AFTER, 0);
    const struct model_layer *y = m->layers;

    fault_of(y->bq + 25, 0x1p41f, 2, 25, m, "q into its norm");
    fault_of(y->bk + 9, 0x1p41f, 3, 9, m, "k into its norm");
    fault_of(y->wo.scale + 7, 0x1p41f, 11, 7, m, "what attention adds");
    fault_of(y->down.scale + 3, 0x1p41f, 12, 3, m, "what the ffn adds");
    fault_of(y->attn_after + 4, 0x1p45f, 9, 4, m, "x into gate and up");
    model_close(m);
    m = shape("tiny", MODEL_NORM_BOTH, 0);
    y = m->layers;
    fault_of(y->wo.scale + 7, 0x1p41f, 11, 7, m, "what attention adds");
    fault_of(y->attn_after + 4, 0x1p45f, 8, 4, m, "x into the ffn norm");
    model_close(m);
}

/* What a step draws is fed before the engine has seen it. */
static void test_ahead(void)
{
    static struct collector now, later;
    struct model *m = shape("tiny", MODEL_QKV_BIAS, 0);
    struct sequence s[MAX];

    make(s, MAX, m->rec.n_vocab);
    answer(&now, m, s, MAX, (struct engine_options){ .max_sequences = 5 });
    for (ahead = 1; ahead <= 2; ahead++) {
        for (delay = 0; delay <= 2; delay++) {
            answer(&later, m, s, MAX, (struct engine_options){
                .max_sequences = 5, .with_last = delay > 0
            });
            ok(same(&now, &later, MAX), "%zu steps ahead, digests after %zu",
               ahead, delay);
        }
    }
    model_close(m);
    ahead = 1;
    test_shared("a step ahead", MODEL_TIED);
    test_forced_ends();
    test_ends();
    test_fault_embedding();
    test_fault_norm();
    test_fault_after();
    ahead = 0;
}

int main(void)
{
    x1_thread_init();
    test_batches("tied", MODEL_TIED, 0);
    test_batches("biases", MODEL_QKV_BIAS, 0);
    test_batches("norms, A8", MODEL_QK_NORM | MODEL_A8 | MODEL_TIED, 0);
    test_batches("biases, A8R", MODEL_QKV_BIAS | MODEL_A8R, 0);
    test_batches("window of 9", 0, 9);
    test_batches("window of 70", MODEL_TIED, 70);
    test_batches("norms after, over all heads", MODEL_QK_NORM |
                 MODEL_WIDE_NORM | MODEL_NORM_AFTER, 0);
    test_batches("norms before and after", MODEL_NORM_BOTH, 0);
    test_batches("GELU", MODEL_GELU | MODEL_QK_NORM, 0);
    test_batches("soft caps", MODEL_SOFT_CAPS | MODEL_GELU, 70);
    test_batches("experts", MODEL_EXPERTS | 6u << MODEL_EXPERTS_AT |
                 2u << MODEL_USED_AT, 0);
    test_batches("experts, shares of all, A8", MODEL_EXPERTS | MODEL_SHARE_ALL |
                 MODEL_A8 | 5u << MODEL_EXPERTS_AT | 3u << MODEL_USED_AT, 0);
    test_batches("layers that differ", MODEL_LAYERS, 0);
    test_put_back(MODEL_QKV_BIAS, 0);
    test_put_back(MODEL_TIED, 70);
    test_shared("biases", MODEL_QKV_BIAS);
    test_shared("norms, A8", MODEL_QK_NORM | MODEL_A8 | MODEL_TIED);
    test_believed("biases", MODEL_QKV_BIAS, 0);
    test_believed("norms, A8", MODEL_QK_NORM | MODEL_A8 | MODEL_TIED, 70);
    test_forced("biases", MODEL_QKV_BIAS, 0);
    test_forced("norms, A8", MODEL_QK_NORM | MODEL_A8 | MODEL_TIED, 9);
    test_forced_ends();
    test_continuous();
    test_ends();
    test_fault_embedding();
    test_fault_rope();
    test_fault_norm();
    test_fault_after();
    test_ahead();
    return done();
}
