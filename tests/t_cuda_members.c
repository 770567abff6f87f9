/*
 * Models computed by the members of a group on emulated devices: every number
 * that leaves the engine is the one of the CPU's reference alone, whatever the
 * size and the family; and a member that fails, wherever it does, fails all of
 * them by name.  Members are threads of this process, and share its device, or
 * have one each, between which a pretended NCCL exchanges.
 *
 * Over real devices (tests/members-gpu) nothing is made to fail, and members go
 * whichever way they can.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "backend/cuda/cuda.h"
#include "backend/group/orders.h"
#include "base/bytes.h"
#include "base/caller.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/shape.h"
#include "tests/crew.h"
#include "tests/models_util.h"
#include "tests/tap.h"
#include "tests/thread_group.h"

/* Kernels of this name do nothing; allocation n from now on fails; the device
 * has so many bytes.  A real one has no such functions. */
void cusim_skip(const char *name) __attribute__((weak));
void cusim_fail(long n) __attribute__((weak));
void cusim_memory(size_t n) __attribute__((weak));
/* Call n of this function of a pretended NCCL fails in this way (cusim.h). */
void cusim_nccl(const char *call, long n, int way) __attribute__((weak));
void cusim_nccl_also(const char *call, long n, int way) __attribute__((weak));
/* The next launch has no end. */
void cusim_hang(void) __attribute__((weak));
enum { NCCL_FAILS, NCCL_NEVER, NCCL_WRONG, NCCL_LACKS };

#define MEMORY ((size_t)3 << 30) /* room for 8 members' libraries, too */

static const struct crew_asks asks = { .sequences = 3, .prompt = 38,
                                       .tokens = 3 };
/* Steps of more than 32 rows, which other kernels compute, or the library. */
static const struct crew_asks many = { .sequences = 3, .prompt = 64,
                                       .tokens = 3, .chunk = 60 };
static const struct crew_asks few = { .sequences = 1, .prompt = 6,
                                      .tokens = 2 };

/* ---- members ------------------------------------------------------------- */

/* A group that one of its members leaves, after so many sums, or at the end of
 * this step. */
struct leaving {
    struct group_ops ops;
    struct group whole;
    size_t sums, end, collects;
};

static int sum_and_leave(void *self, int32_t *x, size_t n, struct err *err)
{
    struct leaving *l = self;

    if (l->sums-- == 0)
        return err_set(err, ERR_RETRY, "its machine is switched off");
    return l->whole.ops->sum_i32(l->whole.self, x, n, err);
}

static int leaving_max(void *self, uint32_t *x, size_t n, struct err *err)
{
    struct leaving *l = self;

    if (l->end && l->collects == l->end)
        return err_set(err, ERR_RETRY, "its machine is switched off");
    return l->whole.ops->max_u32(l->whole.self, x, n, err);
}

static int leaving_barrier(void *self, struct err *err)
{
    struct leaving *l = self;

    return l->whole.ops->barrier(l->whole.self, err);
}

static int leaving_broadcast(void *self, void *data, size_t n, struct err *err)
{
    struct leaving *l = self;
    int rc = l->whole.ops->broadcast(l->whole.self, data, n, err);

    l->collects += rc == 0 && get_u32(data) == ORDER_COLLECT;
    return rc;
}

static void leaving_leave(void *self, const struct err *why)
{
    struct leaving *l = self;

    l->whole.ops->leave(l->whole.self, why);
}

static void leaving_accuse(void *self)
{
    struct leaving *l = self;

    l->whole.ops->accuse(l->whole.self);
}

static bool leaving_accused(void *self)
{
    struct leaving *l = self;

    return l->whole.ops->accused(l->whole.self);
}

static int leaving_whole(void *self, struct err *err)
{
    struct leaving *l = self;

    return l->whole.ops->whole(l->whole.self, err);
}

/* Of one member at a time. */
static struct group leave_after(const struct group *g, size_t sums, size_t end)
{
    static struct leaving l;
    struct group it = *g;

    l = (struct leaving){ { leaving_max, sum_and_leave, NULL, leaving_barrier,
                            leaving_broadcast, leaving_leave, leaving_accuse,
                            leaving_accused, leaving_whole }, *g, sums, end,
                          0 };
    it.ops = &l.ops;
    it.self = &l;
    return it;
}

/* What the first member has said of NCCL since it was opened. */
static char said[400];

static void hear(void *self, bool warning, const char *text)
{
    (void)self;
    if (!warning && strstr(text, "members exchange"))
        snprintf(said, sizeof(said), "%s", text);
}

/* "own": large products by our kernels; "nccl": on devices of their own;
 * "leaves": in its second step; "goes": at the end of it; "checked": the second
 * member looks at every hash, and nobody else at any; else a level of the CPU.
 */
static void open_device(struct backend **out, const char *kind,
                        const struct group *g)
{
    bool leaves = strcmp(kind, "leaves") == 0, goes = strcmp(kind, "goes") == 0;
    bool nccl = strcmp(kind, "nccl") == 0, one = strcmp(kind, "checked") == 0;
    const struct group leaving = leaves ? leave_after(g, 5, 0)
                                 : goes ? leave_after(g, SIZE_MAX, 2) : *g;
    const struct caller caller = { .note = hear };
    const struct cuda_options with = {
        .local = nccl ? g->rank : 0, .nccl = nccl,
        .caller = nccl && g->rank == 0 ? &caller : NULL,
        .share = true, .checks = !goes && (!one || g->rank == 1),
        .hash_every = one ? 1 : 7, .group = &leaving,
        .gemm = strcmp(kind, "own") == 0 ? CUDA_GEMM_OWN : CUDA_GEMM_AUTO,
    };
    struct err err = ERR_INIT;

    if (g->rank == 0)
        said[0] = '\0';
    if (!leaves && !goes && !nccl && !one && strcmp(kind, "cuda") != 0 &&
        strcmp(kind, "own") != 0)
        crew_open_named(out, kind, g);
    else if (cuda_open(out, &with, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
}

static struct backend *start(struct crew *c, const struct model *m,
                             const char *kind, const char *odd, uint32_t size)
{
    *c = (struct crew){ .open = open_device, .kind = kind, .odd = odd };
    return crew_start(c, m, false, size);
}

/* What the CPU's reference gives. */
static void answer_alone(struct crew_seen *s, const struct model *m,
                         const struct crew_asks *a)
{
    struct backend *one;

    if (backend_open(&one, "reference", 1, NULL))
        abort();
    crew_answer(s, one, m, a);
    backend_close(one);
}

static void compare(const char *name, const struct model *m, const char *kind,
                    const struct crew_asks *its,
                    const struct crew_seen *alone, uint32_t size)
{
    struct crew_seen s;
    struct crew c;
    struct backend *first = start(&c, m, kind, NULL, size);
    bool good = crew_answer(&s, first, m, its);

    good = crew_end(&c, first) && good;
    ok(good && id_equal(s.all, alone->all) && s.positions == alone->positions,
       "%s: a group of %u gives the same %zu positions, %zu rows of logits, %zu"
       " out of range", name, size, s.positions, s.logits, s.faults);
}

/* ---- families ------------------------------------------------------------ */

static struct model_record shape(uint32_t flags)
{
    return (struct model_record){ .n_layers = 2, .dim = 48, .n_heads = 16,
                                  .n_kv_heads = 8, .head_dim = 8,
                                  .ffn_dim = 100, .n_vocab = 250,
                                  .context = 128, .flags = flags,
                                  .eps = 1e-5f };
}

static struct model *build(const struct model_record *rec)
{
    struct model *m;

    if (shape_build(&m, rec, NULL))
        abort();
    return m;
}

/* Of 7 pieces of a feed-forward row one of 8 members has none. */
static void test_shapes(void)
{
    static const struct {
        const char *name, *kind;
        uint32_t flags, window, kv_heads, sizes[3];
    } shapes[] = {
        { "plain", "cuda", 0, 0, 8, { 2, 4, 8 } },
        { "plain, our own products", "own", 0, 0, 8, { 2 } },
        { "tied, A8", "cuda", MODEL_TIED | MODEL_A8, 0, 8, { 8 } },
        { "biases, A8R", "cuda", MODEL_QKV_BIAS | MODEL_A8R, 0, 8, { 4 } },
        { "norms, window", "cuda", MODEL_QK_NORM | MODEL_TIED, 20, 8, { 2 } },
        { "wide norms after", "cuda", MODEL_QK_NORM | MODEL_WIDE_NORM |
          MODEL_NORM_AFTER, 0, 8, { 4 } },
        { "norms on both sides, GELU, layers that differ", "cuda",
          MODEL_NORM_BOTH | MODEL_GELU | MODEL_LAYERS, 0, 8, { 8 } },
        { "six KV heads", "cuda", MODEL_QKV_BIAS, 0, 6, { 2, 6 } },
    };

    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        struct model_record rec = shape(shapes[i].flags);
        struct crew_seen alone;
        struct model *m;

        rec.window = shapes[i].window;
        rec.n_kv_heads = shapes[i].kv_heads;
        rec.n_heads = 2 * rec.n_kv_heads;
        m = build(&rec);
        answer_alone(&alone, m, &asks);
        for (int k = 0; k < 3 && shapes[i].sizes[k]; k++)
            compare(shapes[i].name, m, shapes[i].kind, &asks, &alone,
                    shapes[i].sizes[k]);
        model_close(m);
    }
}

/* Products of many rows, by the library and by kernels of ours, of matrices of
 * which members have some rows or some columns. */
static void test_many_rows(void)
{
    static const struct {
        const char *name, *kind;
        uint32_t flags, sizes[3];
    } cases[] = {
        { "many rows", "cuda", 0, { 1, 2, 8 } },
        { "many rows, our own products", "own", MODEL_TIED, { 1, 4, 8 } },
        { "many rows, A8R", "cuda", MODEL_QKV_BIAS | MODEL_A8R, { 4 } },
        { "many rows, A8, our own", "own", MODEL_A8 | MODEL_GELU, { 2 } },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct model_record rec = shape(cases[i].flags);
        struct model *m = build(&rec);
        struct crew_seen alone;

        answer_alone(&alone, m, &many);
        for (int k = 0; k < 3 && cases[i].sizes[k]; k++)
            compare(cases[i].name, m, cases[i].kind, &many, &alone,
                    cases[i].sizes[k]);
        model_close(m);
    }
}

/* From device to device. */
static void test_nccl(void)
{
    static const struct {
        const char *name;
        uint32_t flags, kv_heads, sizes[3];
    } shapes[] = {
        { "plain, by NCCL", 0, 8, { 2, 4, 8 } },
        { "tied, A8, by NCCL", MODEL_TIED | MODEL_A8, 8, { 8 } },
        { "biases, A8R, GELU, by NCCL", MODEL_QKV_BIAS | MODEL_A8R | MODEL_GELU,
          8, { 4 } },
        { "wide norms, by NCCL", MODEL_QK_NORM | MODEL_WIDE_NORM, 6, { 6 } },
    };

    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
        struct model_record rec = shape(shapes[i].flags);
        struct crew_seen alone;
        struct model *m;

        rec.n_kv_heads = shapes[i].kv_heads;
        rec.n_heads = 2 * rec.n_kv_heads;
        m = build(&rec);
        answer_alone(&alone, m, i % 2 ? &many : &asks);
        for (int k = 0; k < 3 && shapes[i].sizes[k]; k++) {
            compare(shapes[i].name, m, "nccl", i % 2 ? &many : &asks, &alone,
                    shapes[i].sizes[k]);
            ok(!cusim_nccl || strcmp(said, "members exchange by NCCL") == 0,
               "%s", said[0] ? said : "the members share a device");
        }
        model_close(m);
    }
}

/* What leaves the range with one member is known to all, and it is the least of
 * all. */
static void test_faults(void)
{
    static const float much[] = { 0x1p39f, 0x1p42f, 0x1p42f, 0x1p39f };
    static const char *const names[] = {
        "out of range in v", "in the feed-forward row", "in what wo gives",
        "in the logits", "in several places"
    };
    struct model_record rec = shape(0);

    for (int i = 0; i < 5; i++) {
        struct model *m = build(&rec);
        struct model_layer *l = &m->layers[1];
        struct x1_matrix *where[] = { &l->wv, &l->up, &l->wo, &m->head };
        struct crew_seen alone;

        for (int k = 0; k < 4; k++) {
            float *scale = (float *)(uintptr_t)where[k]->scale;
            uint32_t row = where[k]->rows - 7;

            if (k != i && i != 4)
                continue;
            scale[row] *= much[k];
            scale[row / 2] *= much[k];
        }
        answer_alone(&alone, m, &asks);
        compare(names[i], m, i % 2 ? "nccl" : "cuda", &asks, &alone, 4);
        model_close(m);
    }
}

/* Families of the vectors that a GPU computes, with all members that they may
 * have. */
static void test_trees(void)
{
    static const char *const dirs[] = {
        "glm", "glm4", "llama-a8", "llama-a8r", "ministral", "mistral",
        "olmo2", "olmo3", "phi3-partial", "qwen3", "smollm3",
    };

    for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
        char *name = xasprintf("vectors/x1/models/tiny-%s", dirs[i]);
        char *dir = tree_path(name);
        struct model *m = model_from_hf(dir, NULL);
        struct crew_seen alone;

        if (!m)
            abort();
        answer_alone(&alone, m, &asks);
        compare(dirs[i], m, "cuda", &asks, &alone, m->rec.n_kv_heads);
        model_close(m);
        free(dir);
        free(name);
    }
}

/* Matrices as they come, to the sinks of all members. */
static void test_sinks(uint32_t flags)
{
    struct model_record rec = shape(flags);
    struct model *m = build(&rec), *came;
    struct crew_seen alone, s;
    struct crew c = { .open = open_device, .kind = "cuda" };
    struct backend *first;
    bool good;

    answer_alone(&alone, m, &asks);
    first = crew_start(&c, m, true, 4);
    if (shape_build_into(&came, &rec, first->sink, NULL))
        abort();
    good = crew_answer(&s, first, came, &asks);
    ok(crew_end(&c, first) && good && id_equal(alone.all, s.all),
       "matrices that come are cut as those in memory, flags %u", flags);
    model_close(came);
    model_close(m);
}

/* ---- what fails ---------------------------------------------------------- */

/* The load of a group of these kinds fails with this text, and it goes on. */
static void refuses(const struct model *m, const struct model *theirs,
                    const char *kind, const char *odd, uint32_t size,
                    const char *text)
{
    struct crew_seen s;
    struct crew c;
    struct backend *first = start(&c, theirs, kind, odd, size);
    bool good = !crew_answer(&s, first, m, &few) &&
                strstr(s.err.text, text) != NULL;

    ok(crew_end(&c, first) && good, "refused: %s", s.err.text);
}

static void test_refused(void)
{
    struct model_record rec = shape(0);
    struct model *m = build(&rec);

    refuses(m, m, "cuda", NULL, 3, "tp = 3 does not divide the 8 KV heads");
    refuses(m, NULL, "cuda", NULL, 2,
            "member 1 of its group: this member has no such model");
    refuses(m, m, "cuda", "reference", 4, "member 3 of its group: this member"
            " of the group computes on the CPU, its first one on a GPU");
    refuses(m, m, "reference", "cuda", 2, "member 1 of its group: this member"
            " of the group computes on a GPU, its first one on the CPU");
    m->rec.flags |= MODEL_SOFT_CAPS;
    refuses(m, m, "cuda", NULL, 2, "do not support soft caps");
    m->rec.flags = rec.flags;
    model_close(m);
}

/* Memory is refused to one of them, which the others hear; then none is. */
static void test_memory(void)
{
    struct model_record rec = shape(MODEL_TIED);
    struct model *m = build(&rec);
    struct crew_seen alone, s;
    struct crew c;
    struct backend *first = start(&c, m, "cuda", NULL, 2);
    size_t failed = 0, remedies = 0;
    bool good = true;

    answer_alone(&alone, m, &few);
    for (long n = 0; n < 190; n += 9) {
        cusim_fail(n);
        if (crew_answer(&s, first, m, &few))
            continue;
        failed++;
        remedies += strstr(s.err.text, "set kv-memory, or start") != NULL;
        good = good && strstr(s.err.text, "GPU") &&
               s.err.code == (strstr(s.err.text, "does not give") ? ERR_INPUT
                                                                  : ERR_RETRY);
    }
    cusim_fail(-1);
    ok(good && failed > remedies && remedies > 10, "memory is refused to a"
       " member: %zu loads fail, %zu of them of what it shares", failed,
       remedies);
    good = crew_answer(&s, first, m, &few);
    ok(crew_end(&c, first) && good && id_equal(s.all, alone.all),
       "after that the group computes");
    model_close(m);
}

/* Of a device that they share each plans a part: keys of all that is free
 * would not fit twice.  It leaves 300 MB for what each one's libraries take. */
static void test_shared(void)
{
    struct model_record rec = shape(MODEL_TIED);
    struct crew_seen alone, s;
    struct backend *first;
    struct model *m;
    struct crew c;
    bool good;

    rec.n_layers = 6;
    rec.head_dim = 64;
    rec.context = 32768;
    m = build(&rec);
    answer_alone(&alone, m, &few);
    cusim_memory((size_t)1000 << 20);
    first = start(&c, m, "cuda", NULL, 2);
    good = crew_answer(&s, first, m, &few);
    ok(crew_end(&c, first) && good && id_equal(s.all, alone.all),
       "two members on a GPU that each alone would fill");
    cusim_memory((size_t)640 << 20);
    refuses(m, m, "cuda", NULL, 2, "has no room for one sequence");
    cusim_memory(MEMORY);
    model_close(m);
}

/* In the middle of a step the others wait for sums. */
static void test_leaving(void)
{
    struct model_record rec = shape(0);
    struct model *m = build(&rec);
    struct crew_seen s;
    struct crew c;
    struct backend *first = start(&c, m, "cuda", "leaves", 4);
    bool good = !crew_answer(&s, first, m, &few);

    ok(good && s.err.code == ERR_RETRY && !s.wrong &&
           strstr(s.err.text, "member 3: its machine") != NULL,
       "a member leaves in a step: %s", s.err.text);
    crew_end(&c, first);
    ok(c.member[3].failed &&
           strstr(c.member[3].err.text, "switched off") != NULL,
       "it says why: %s", c.member[3].err.text);
    ok(c.member[1].failed && c.member[2].failed, "the others end, too");
    model_close(m);
}

/* A product that is wrong is found by whoever computes it, and nothing that the
 * group has given is believed. */
static void test_wrong(void)
{
    struct model_record rec = shape(0);
    struct model *m = build(&rec);
    struct crew_seen s;
    struct crew c;
    struct backend *first = start(&c, m, "cuda", NULL, 2);
    bool good;

    cusim_skip("k_commit");
    good = !crew_answer(&s, first, m, &asks);
    cusim_skip(NULL);
    ok(good && s.wrong && s.err.code == ERR_RETRY &&
           strstr(s.err.text, "is withdrawn") != NULL,
       "hashes are wrong: %s", s.err.text);
    crew_end(&c, first);
    model_close(m);
}

/* NCCL has no place for two members on one GPU. */
static void test_one_gpu(void)
{
    struct model_record rec = shape(MODEL_TIED);
    struct model *m = build(&rec);
    struct crew_seen alone;

    answer_alone(&alone, m, &few);
    setenv("CUSIM_DEVICES", "3", 1);
    compare("four on three GPUs", m, "nccl", &few, &alone, 4);
    ok(said[0] == '\0', "they exchange through the host");
    setenv("CUSIM_DEVICES", "8", 1);
    model_close(m);
}

/* The library does not serve: the members exchange through the host. */
static void test_without_nccl(void)
{
    static const struct {
        const char *call;
        int way;
        const char *text;
    } cases[] = {
        { "ncclCommAbort", NCCL_LACKS, "libnccl.so.2 has no ncclCommAbort" },
        { "ncclGetUniqueId", NCCL_FAILS,
          "NCCL fails at ncclGetUniqueId: unhandled system error" },
        { "ncclCommInitRank", NCCL_FAILS, "NCCL " },
        { "ncclCommInitRank", NCCL_NEVER,
          "NCCL has not joined the members after 120 s" },
        { "ncclAllReduce", NCCL_WRONG, "NCCL does not exchange exactly here" },
    };
    struct model_record rec = shape(MODEL_TIED);
    struct model *m = build(&rec);
    struct crew_seen alone;

    answer_alone(&alone, m, &few);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        cusim_nccl(cases[i].call, 0, cases[i].way);
        compare(cases[i].call, m, "nccl", &few, &alone, 4);
        ok(strstr(said, "members exchange through the host: ") == said &&
               strstr(said, cases[i].text), "%s", said);
    }
    cusim_nccl(NULL, 0, 0);
    model_close(m);
}

#define TRIALS (4 * 3) /* of four members, which make three exchanges each */

/* A member's exchange fails in the trial, where the others wait for it: all of
 * them give it up, and go through the host. */
static void test_trial_fails(void)
{
    struct model_record rec = shape(0);
    struct model *m = build(&rec);
    struct crew_seen alone;

    answer_alone(&alone, m, &few);
    for (long n = 0; n < TRIALS; n++) {
        cusim_nccl("ncclAllReduce", n, NCCL_FAILS);
        compare("a trial", m, "nccl", &few, &alone, 4);
        ok(strstr(said, "members exchange through the host: ") == said, "%s",
           said);
    }
    /* the device of one that cannot give it up is lost */
    cusim_nccl("ncclAllReduce", 1, NCCL_FAILS);
    cusim_nccl_also("ncclCommAbort", 2, NCCL_NEVER);
    refuses(m, m, "nccl", NULL, 4, "after it: set gpu-nccl = no");
    cusim_nccl(NULL, 0, 0);
    model_close(m);
}

/* A member's exchange fails in a step: the others' devices wait for it, and
 * none is lost.  Of many layers the launches are more than a stream holds. */
static void test_nccl_fails(uint32_t layers, long from, long to)
{
    struct model_record rec = shape(0);
    struct model *m;

    rec.n_layers = layers;
    m = build(&rec);
    for (long n = from; n < to; n += 25) {
        struct crew_seen s;
        struct crew c;
        struct backend *first;
        bool good;

        cusim_nccl("ncclAllReduce", n, NCCL_FAILS);
        first = start(&c, m, "nccl", NULL, 4);
        good = !crew_answer(&s, first, m, &few);
        ok(good && s.err.code == ERR_RETRY && !s.wrong,
           "exchange %ld fails: %s", n, s.err.text);
        ok(strstr(s.err.text, "NCCL fails at ncclAllReduce: unhandled") &&
               !strstr(s.err.text, "is lost"), "it is said how");
        crew_end(&c, first);
        for (uint32_t i = 1; i < 4; i++)
            ok(c.member[i].failed &&
                   !strstr(c.member[i].err.text, "is lost"), "member %u ends:"
               " %s", i, c.member[i].err.text);
        cusim_nccl(NULL, 0, 0);
    }
    model_close(m);
}

/* Whether it loads, and takes a step that nobody collects. */
static bool begin_step(struct backend *b, const struct model *m)
{
    const struct backend_load want = { .slots = 1, .rows = 1, .draws = 1 };
    const struct backend_row row = { .token = 5, .commit = true };
    const struct backend_entry entry = { 0, 0, 0 };
    const struct backend_step step = { .row = &row, .n_rows = 1,
                                       .entry = &entry, .n_entries = 1 };
    struct backend_plan plan;

    return b->ops->load(b, m, &want, &plan, NULL) == 0 &&
           b->ops->step(b, &step, NULL) == 0;
}

/* A communicator serves one load after the other, and the one that is closed
 * while a step runs. */
static void test_nccl_again(void)
{
    struct model_record rec = shape(MODEL_TIED);
    struct model *m = build(&rec);
    struct crew_seen alone, s, again;
    struct backend *first;
    struct crew c;
    bool good;

    answer_alone(&alone, m, &asks);
    first = start(&c, m, "nccl", NULL, 4);
    good = crew_answer(&s, first, m, &asks) &&
           crew_answer(&again, first, m, &asks);
    good = good && id_equal(s.all, alone.all) &&
           id_equal(again.all, alone.all) &&
           strcmp(said, "members exchange by NCCL") == 0;
    good = begin_step(first, m) && good;
    ok(crew_end(&c, first) && good,
       "one communicator: twice, and closed while a step runs");
    model_close(m);
}

/* More launches than a stream holds, of a device that hangs; for ever, so that
 * this is the last test. */
static void test_hang(void)
{
    struct model_record rec = shape(0);
    struct backend *one;
    struct err err = ERR_INIT;
    struct crew_seen s;
    struct model *m;

    rec.n_layers = 60;
    m = build(&rec);
    if (cuda_open(&one, &(struct cuda_options){ .share = true }, &err))
        abort();
    crew_answer(&s, one, m, &few);
    cusim_hang();
    ok(!crew_answer(&s, one, m, &asks) &&
           strstr(s.err.text, "the GPU hangs: no end of its work") &&
           !strstr(s.err.text, "step 0"),
       "a deep model on a device that hangs: %s", s.err.text);
    backend_close(one);
    model_close(m);
}

/* One member finds it while another one is gone, so that nobody hears of it at
 * the end of the step. */
static void test_found_late(void)
{
    struct model_record rec = shape(0);
    struct backend *first;
    struct crew_seen s;
    struct model *m;
    struct crew c;
    bool good;

    rec.n_kv_heads = 6;
    rec.n_heads = 12;
    m = build(&rec);
    first = start(&c, m, "checked", "goes", 3);
    cusim_skip("k_commit");
    good = !crew_answer(&s, first, m, &asks);
    cusim_skip(NULL);
    ok(good && s.wrong && s.err.code == ERR_RETRY &&
           strstr(s.err.text, "member 2: its machine") != NULL,
       "hashes are wrong, as one of three finds when another one has left: %s",
       s.err.text);
    crew_end(&c, first);
    ok(c.member[1].failed &&
           strstr(c.member[1].err.text, "a hash is wrong") != NULL,
       "who found it: %s", c.member[1].err.text);
    model_close(m);
}

int main(void)
{
    setenv("CUSIM_DEVICES", "8", 1);
    setenv("CUSIM_NCCL", "1", 1);
    if (cusim_memory)
        cusim_memory(MEMORY);
    test_shapes();
    test_many_rows();
    test_nccl();
    test_faults();
    test_trees();
    test_sinks(MODEL_QKV_BIAS);
    test_sinks(MODEL_TIED);
    test_refused();
    test_leaving();
    if (!cusim_nccl)
        return done();
    test_one_gpu();
    test_without_nccl();
    test_memory();
    test_shared();
    test_wrong();
    test_found_late();
    test_nccl_again();
    test_trial_fails();
    test_nccl_fails(2, TRIALS, TRIALS + 60);
    test_nccl_fails(60, TRIALS, TRIALS + 30);
    test_hang();
    return done();
}
