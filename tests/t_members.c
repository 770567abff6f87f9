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
#include "base/err.h"
#include "base/id.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/shape.h"
#include "tests/crew.h"
#include "tests/models_util.h"
#include "tests/tap.h"
#include "tests/thread_group.h"

static const struct crew_asks asks = { .sequences = 6, .prompt = CREW_PROMPT,
                                       .tokens = 9, .deep = true };

/* Why the last one failed. */
static struct err said;

static bool answer(struct crew_seen *s, struct backend *b,
                   const struct model *m)
{
    bool good = crew_answer(s, b, m, &asks);

    said = s->err;
    return good;
}

static struct backend *start(struct crew *c, const struct model *theirs,
                             bool comes, const char *level, uint32_t size)
{
    *c = (struct crew){ .open = crew_open_named, .kind = level };
    return crew_start(c, theirs, comes, size);
}

/* ---- families ------------------------------------------------------------ */

static void compare(const char *name, const struct model *m, const char *level)
{
    struct crew_seen a, b;
    struct err err = ERR_INIT;
    struct backend *one;
    bool good;

    if (backend_open(&one, level, 2, &err))
        return;
    good = answer(&a, one, m);
    backend_close(one);
    ok(good && a.positions + a.faults > 5, "%s, %s: %zu positions, %zu rows of"
       " logits, %zu out of range", name, level, a.positions, a.logits,
       a.faults);
    for (uint32_t size = 2; size <= CREW_MOST; size++) {
        struct crew c;

        if (m->rec.n_kv_heads % size != 0)
            continue;
        one = start(&c, m, false, level, size);
        good = answer(&b, one, m);
        good = crew_end(&c, one) && good;
        ok(good && id_equal(a.all, b.all) && a.positions == b.positions,
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

        if (m && m->rec.context >= CREW_PROMPT + 9)
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
    struct crew_seen s;
    struct crew c;
    struct backend *first = start(&c, m, false, "auto", 3);

    ok(!answer(&s, first, m), "3 members and 8 KV heads: refused");
    ok(strstr(said.text, "tp = 3 does not divide the 8 KV") != NULL,
       "by name: %s", said.text);
    ok(crew_end(&c, first), "and the group goes on");
    first = start(&c, NULL, false, "auto", 4);
    ok(!answer(&s, first, m), "members without the model fail its load");
    ok(strcmp(said.text, "member 1 of its group: this member has no such"
              " model") == 0,
       "the first one is told why: %s", said.text);
    c.model = m;
    ok(answer(&s, first, m), "later they have it");
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
    struct crew_seen s;
    pthread_t thread;

    r.g.name = "rank 5 on n7";
    if (pthread_create(&thread, NULL, refuse, &r) ||
        backend_open_member(&first, "auto", 1, &mine, NULL))
        abort();
    for (int i = 0; i < 2; i++) {
        ok(!answer(&s, first, m), "a member without a backend");
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
    struct err err = ERR_INIT;
    struct crew_seen alone, together;
    struct crew c;
    struct backend *one;
    bool good;

    if (backend_open(&one, "auto", 2, &err))
        abort();
    answer(&alone, one, m);
    backend_close(one);
    one = start(&c, m, true, "auto", 4);
    if (shape_build_into(&came, &rec, one->sink, &err))
        abort();
    good = answer(&together, one, came);
    ok(crew_end(&c, one) && good && id_equal(alone.all, together.all),
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
