/*
 * Models computed by the members of a group: every number that leaves the
 * backend is the one of a backend alone, whatever the size, the family and the
 * level.  Members are threads of this process, each with a pool of its own.
 */
#include <config.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "bench/shape.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "proof/digest.h"
#include "tests/models_util.h"
#include "tests/tap.h"
#include "tests/thread_group.h"

#define MOST 8
#define SEQUENCES 6
#define PROMPT 70

/* ---- members ------------------------------------------------------------- */

struct crew {
    const struct model *model; /* of the others */
    bool comes;                /* .. as one that comes to their sinks */
    const char *level;
    struct thread_group *group;
    uint32_t size;
    struct crew_member {
        struct crew *crew;
        uint32_t rank;
        struct backend *b;
        struct model *came;
        pthread_t thread;
        bool failed;
        struct err err;
    } member[MOST];
};

static const struct model *find(void *self, struct id id, struct err *err)
{
    struct crew_member *m = self;
    const struct crew *c = m->crew;

    if (c->model && id_equal(c->model->id, id) && c->comes && !m->came &&
        shape_build_into(&m->came, &c->model->rec, m->b->sink, err))
        return NULL;
    if (c->model && id_equal(c->model->id, id))
        return m->came ? m->came : c->model;
    err_set(err, ERR_FATAL, "this member has no such model");
    return NULL;
}

static struct backend *open_member(struct crew *c, uint32_t rank)
{
    struct group g = thread_group_member(c->group, rank);
    struct err err = ERR_INIT;
    struct backend *b;

    if (backend_open_member(&b, c->level, 1 + rank % 2, &g, &err))
        abort();
    return b;
}

static void *follow(void *self)
{
    struct crew_member *m = self;

    m->b = open_member(m->crew, m->rank);
    m->failed = backend_follow(m->b, find, m, &m->err) != 0;
    if (m->failed)
        thread_group_leave(m->crew->group);
    backend_close(m->b);
    model_close(m->came);
    return NULL;
}

/* The others' model is `theirs`; returns the first member's backend. */
static struct backend *crew_start(struct crew *c, const struct model *theirs,
                                  bool comes, const char *level, uint32_t size)
{
    memset(c, 0, sizeof(*c));
    c->model = theirs;
    c->comes = comes;
    c->level = level;
    c->size = size;
    c->group = thread_group_new(size);
    for (uint32_t i = 1; i < size; i++) {
        c->member[i] = (struct crew_member){ .crew = c, .rank = i };
        if (pthread_create(&c->member[i].thread, NULL, follow, &c->member[i]))
            abort();
    }
    return open_member(c, 0);
}

/* Whether no member failed. */
static bool crew_end(struct crew *c, struct backend *first)
{
    bool good = true;

    backend_close(first);
    for (uint32_t i = 1; i < c->size; i++) {
        pthread_join(c->member[i].thread, NULL);
        good = good && !c->member[i].failed;
    }
    thread_group_free(c->group);
    return good;
}

/* ---- everything that leaves the engine ----------------------------------- */

struct seen {
    struct digest *d;
    size_t positions, logits, faults;
    uint32_t n_vocab;
};

static void put(struct seen *s, const void *data, size_t n)
{
    digest_put(s->d, data, n);
}

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    struct seen *s = self;

    (void)user;
    put(s, &position, sizeof(position));
    put(s, logits, s->n_vocab * sizeof(*logits));
    s->logits++;
}

static void on_token(void *self, void *user, uint32_t position,
                     const struct drawn *d)
{
    const uint64_t n[] = { position, d->token, d->kept, d->sum_k, d->sum_p,
                           d->r };

    (void)user;
    put(self, n, sizeof(n));
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct seen *s = self;

    (void)user;
    put(s, &p->next, sizeof(p->next));
    put(s, p->kv, sizeof(*p->kv));
    if (p->fin)
        put(s, p->fin, sizeof(*p->fin));
    if (p->deep)
        put(s, p->deep, sizeof(*p->deep));
    s->positions++;
}

static void on_finished(void *self, const struct answer *a)
{
    struct seen *s = self;
    const uint32_t f[] = { (uint32_t)a->finish, a->fault.position,
                           a->fault.layer, a->fault.op, a->fault.row,
                           a->fault.index };

    put(s, f, sizeof(f));
    put(s, a->token, a->n_out * sizeof(*a->token));
    s->faults += a->finish == FINISH_RANGE;
    if (a->last)
        put(s, a->last, *(const uint32_t *)a->user * sizeof(float));
}

/* Prompts that begin alike, drawn in several ways, some with logits. */
static void add(struct engine *e, const struct model *m, uint32_t i,
                uint32_t *prompt, uint32_t *dim)
{
    static const struct sampling draws[] = {
        { .top_p = 1000000 },
        { .temperature = 900000, .top_p = 1000000, .seed = 7 },
        { .temperature = 1000000, .top_p = 700000, .top_k = 40, .seed = 9 },
    };
    struct sequence s = { .prompt = prompt, .n_prompt = PROMPT - i,
                          .max_tokens = 9, .sampling = draws[i % 3],
                          .without_logits = i % 2, .deep = i == 2,
                          .ignore_eos = true, .user = dim };
    struct err err = ERR_INIT;

    for (uint32_t k = 0; k < PROMPT; k++)
        prompt[k] = (k < 66 ? k * k * 7 + 3 : k * i + 1) % m->rec.n_vocab;
    if (engine_add(e, &s, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
}

/* Why the last one failed. */
static struct err said;

static bool answer(struct seen *s, struct id *all, struct backend *b,
                   const struct model *m)
{
    struct observer obs = { .self = s, .logits = on_logits, .token = on_token,
                            .position = on_position, .finished = on_finished };
    struct engine_options o = { .max_sequences = 3, .chunk = 23,
                                .with_last = true, .deep = true };
    static uint32_t prompt[SEQUENCES][PROMPT];
    uint32_t dim = m->rec.dim, next = 0;
    struct err err = ERR_INIT;
    struct engine *e;
    bool busy = true;
    int rc = 0;

    memset(s, 0, sizeof(*s));
    s->d = digest_new();
    s->n_vocab = m->rec.n_vocab;
    if (engine_new(&e, b, m, NULL, &o, &obs, &err) == 0) {
        while (rc == 0 && (busy || next < SEQUENCES)) {
            for (; next < SEQUENCES && engine_capacity(e); next++)
                add(e, m, next, prompt[next], &dim);
            rc = engine_step(e, &busy, &err);
        }
        engine_free(e);
    }
    digest_end(s->d, all);
    if (err.code)
        printf("# %s\n", err.text);
    said = err;
    return err.code == 0;
}

/* ---- families ------------------------------------------------------------ */

static void compare(const char *name, const struct model *m, const char *level)
{
    struct id alone, together;
    struct seen a, b;
    struct err err = ERR_INIT;
    struct backend *one;
    bool good;

    if (backend_open(&one, level, 2, &err))
        return;
    good = answer(&a, &alone, one, m);
    backend_close(one);
    ok(good && a.positions + a.faults > 5, "%s, %s: %zu positions, %zu rows of"
       " logits, %zu out of range", name, level, a.positions, a.logits,
       a.faults);
    for (uint32_t size = 2; size <= MOST; size++) {
        struct crew c;

        if (m->rec.n_kv_heads % size != 0)
            continue;
        one = crew_start(&c, m, false, level, size);
        good = answer(&b, &together, one, m);
        good = crew_end(&c, one) && good;
        ok(good && id_equal(alone, together) && a.positions == b.positions,
           ".. a group of %u gives the same", size);
    }
}

static struct model_record shape(uint32_t flags)
{
    return (struct model_record){ .n_layers = 2, .dim = 48, .n_heads = 16,
                                  .n_kv_heads = 8, .head_dim = 8,
                                  .ffn_dim = 100, .n_vocab = 250,
                                  .context = 256, .flags = flags,
                                  .eps = 1e-5f };
}

static struct model *build(const struct model_record *rec)
{
    struct err err = ERR_INIT;
    struct model *m;

    if (shape_build(&m, rec, &err))
        abort();
    return m;
}

static void test_shapes(void)
{
    static const struct {
        const char *name;
        uint32_t flags, window, kv_heads;
    } shapes[] = {
        { "plain", 0, 0, 8 },
        { "tied, A8", MODEL_TIED | MODEL_A8, 0, 8 },
        { "biases, A8R", MODEL_QKV_BIAS | MODEL_A8R, 0, 8 },
        { "norms, window", MODEL_QK_NORM | MODEL_TIED, 20, 8 },
        { "wide norms after", MODEL_QK_NORM | MODEL_WIDE_NORM |
          MODEL_NORM_AFTER, 0, 8 },
        { "norms on both sides, GELU, caps, layers that differ",
          MODEL_NORM_BOTH | MODEL_GELU | MODEL_SOFT_CAPS | MODEL_LAYERS, 0, 8 },
        { "experts", MODEL_EXPERTS | 5u << MODEL_EXPERTS_AT |
          2u << MODEL_USED_AT, 0, 8 },
        { "six KV heads", MODEL_QKV_BIAS, 0, 6 },
    };

    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        struct model_record rec = shape(shapes[i].flags);
        struct model *m;

        rec.window = shapes[i].window;
        rec.n_kv_heads = shapes[i].kv_heads;
        rec.n_heads = 2 * rec.n_kv_heads;
        m = build(&rec);
        compare(shapes[i].name, m, "reference");
        compare(shapes[i].name, m, "auto");
        model_close(m);
    }
}

/* Levels in between. */
static void test_levels(void)
{
    struct model_record rec = shape(MODEL_TIED);
    struct model *m = build(&rec);

    for (size_t i = 0; x1_level(i); i++)
        compare("of each level", m, x1_level(i)->name);
    model_close(m);
}

/* What leaves the range with one member is known to all, and it is the least
 * of all. */
static void test_faults(void)
{
    /* so that it happens at some positions */
    static const float much[] = { 0x1p39f, 0x1p42f, 0x1p42f, 0x1p39f };
    struct model_record rec = shape(0);
    static const char *const names[] = {
        "out of range in v", "in the feed-forward row", "in what wo gives",
        "in the logits", "in several places"
    };

    for (int i = 0; i < 5; i++) {
        struct model *m = build(&rec);
        struct model_layer *l = &m->layers[1];
        struct x1_matrix *where[] = { &l->wv, &l->up, &l->wo, &m->head };

        for (int k = 0; k < 4; k++) {
            uint32_t row = where[k]->rows - 7;

            if (k == i || i == 4) {
                float *scale = (float *)(uintptr_t)where[k]->scale;

                scale[row] *= much[k];
                scale[row / 2] *= much[k];
            }
        }
        compare(names[i], m, "auto");
        model_close(m);
    }
}

static void test_trees(void)
{
    static const char *const dirs[] = {
        "models/nano", "vectors/x1/models/tiny-llama-a8",
        "vectors/x1/models/tiny-llama-a8r", "vectors/x1/models/tiny-mistral",
        "vectors/x1/models/tiny-olmo2", "vectors/x1/models/tiny-olmo3",
        "vectors/x1/models/tiny-gemma2", "vectors/x1/models/tiny-glm4",
        "vectors/x1/models/tiny-phi3-partial", "vectors/x1/models/tiny-smollm3",
        "vectors/x1/models/tiny-ministral", "vectors/x1/models/tiny-qwen3",
        "vectors/x1/models/tiny-qwen3-moe-all",
    };

    for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
        char *dir = tree_path(dirs[i]);
        struct model *m = model_from_hf(dir, NULL);

        if (m && m->rec.context >= PROMPT + 9)
            compare(dirs[i], m, "auto");
        else
            ok(m != NULL, "%s is too short for this", dirs[i]);
        model_close(m);
        free(dir);
    }
}

/* ---- what fails ---------------------------------------------------------- */

static void test_refused(void)
{
    struct model_record rec = shape(0);
    struct model *m = build(&rec);
    struct seen s;
    struct crew c;
    struct id h;
    struct backend *first = crew_start(&c, m, false, "auto", 3);

    ok(!answer(&s, &h, first, m), "3 members and 8 KV heads: refused");
    ok(strstr(said.text, "tp = 3 does not divide the 8 KV") != NULL,
       "by name: %s", said.text);
    ok(crew_end(&c, first), "and the group goes on");
    first = crew_start(&c, NULL, false, "auto", 4);
    ok(!answer(&s, &h, first, m), "members without the model fail its load");
    ok(strcmp(said.text, "member 1 of its group: this member has no such"
              " model") == 0,
       "the first one is told why: %s", said.text);
    c.model = m;
    ok(answer(&s, &h, first, m), "later they have it");
    ok(crew_end(&c, first), "and the group goes on");
    model_close(m);
}

struct refusing {
    struct group g;
    int rc;
};

static void *refuse(void *self)
{
    struct refusing *r = self;
    struct err why = ERR_INIT;

    err_set(&why, ERR_INPUT, "no such kernel");
    r->rc = backend_refuse(&r->g, &why, NULL);
    return NULL;
}

/* A member without a backend. */
static void test_refusing(void)
{
    struct thread_group *g = thread_group_new(2);
    struct refusing r = { .g = thread_group_member(g, 1), .rc = -1 };
    struct group mine = thread_group_member(g, 0);
    struct model_record rec = shape(0);
    struct model *m = build(&rec);
    struct backend *first;
    struct seen s;
    pthread_t thread;
    struct id h;

    r.g.name = "rank 5 on n7";
    if (pthread_create(&thread, NULL, refuse, &r) ||
        backend_open_member(&first, "auto", 1, &mine, NULL))
        abort();
    for (int i = 0; i < 2; i++) {
        ok(!answer(&s, &h, first, m), "a member without a backend");
        ok(strcmp(said.text, "rank 5 on n7: no such kernel") == 0 &&
               said.code == ERR_INPUT, "says so by name: %s", said.text);
    }
    backend_close(first);
    pthread_join(thread, NULL);
    ok(r.rc == 0, "until the first one closes");
    thread_group_free(g);
    model_close(m);
}

/* Matrices as they come, to the sinks of all members. */
static void test_sinks(uint32_t flags)
{
    struct model_record rec = shape(flags);
    struct model *m = build(&rec), *came;
    struct id alone, together;
    struct err err = ERR_INIT;
    struct seen s;
    struct crew c;
    struct backend *one;
    bool good;

    if (backend_open(&one, "auto", 2, &err))
        abort();
    answer(&s, &alone, one, m);
    backend_close(one);
    one = crew_start(&c, m, true, "auto", 4);
    if (shape_build_into(&came, &rec, one->sink, &err))
        abort();
    good = answer(&s, &together, one, came);
    ok(crew_end(&c, one) && good && id_equal(alone, together),
       "matrices that come are cut as those in memory, flags %u", flags);
    model_close(came);
    model_close(m);
}

int main(void)
{
    x1_thread_init();
    test_shapes();
    test_levels();
    test_faults();
    test_trees();
    test_refused();
    test_refusing();
    test_sinks(MODEL_QKV_BIAS);
    test_sinks(MODEL_TIED | MODEL_EXPERTS | 5u << MODEL_EXPERTS_AT |
               2u << MODEL_USED_AT);
    tmp_remove();
    return done();
}
