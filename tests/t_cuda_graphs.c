/*
 * Steps that only draw, on the CPU, by kernels launched one by one and by
 * graphs of launches: the same draws, faults and digests for every number of
 * rows that graphs are made for, and for fewer; also with a step ahead.  What
 * is wrong in a graph is found as elsewhere.  Where the device makes no graph,
 * whichever call fails, the steps are launched kernel by kernel.  And how many
 * launches a layer is, of few rows and of more.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/backends.h"
#include "backend/cuda/cuda.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/shape.h"
#include "tests/same_step.h"
#include "tests/tap.h"

#define SLOTS 50
#define PROMPT 2
#define BLOCKS 2  /* a slot */
#define AHEAD 9   /* steps */
#define TRIED 2   /* steps, where a graph cannot be made, .. */
#define FEW 6     /* .. and slots */

/* Errors of CUDA. */
#define INVALID_CONFIGURATION 9
#define LAUNCH_FAILURE 719
#define CAPTURE_INVALIDATED 901

/* tests/cusim; a real device has no such functions. */
unsigned long cusim_graph_launches(void) __attribute__((weak));
unsigned long cusim_launches(void) __attribute__((weak));
void cusim_skip(const char *name) __attribute__((weak));
void cusim_fail(long n) __attribute__((weak));
void cusim_capture_fail(long n, int error) __attribute__((weak));
long cusim_graphs(void) __attribute__((weak));

static const struct sampling sampling[] = {
    { .top_p = 1000000 },
    { .temperature = 900000, .top_p = 1000000, .seed = 7 },
    { .temperature = 1300000, .top_p = 800000, .top_k = 9, .seed = 8 },
};

/* How many are used. */
static uint32_t slots = SLOTS;

/* Who computes. */
enum way { CPU, ONE_BY_ONE, GRAPHS, WAYS };

/* What came of a step. */
struct came {
    struct backend_draw draw[SLOTS];
    struct backend_fault fault[SLOTS];
    struct backend_digest digest[SLOTS * PROMPT];
    size_t n_draws, n_faults, n_digests;
};

struct side {
    struct backend *b;
    struct backend_row row[SLOTS * PROMPT];
    uint32_t at[SLOTS]; /* positions that each has */
    bool given;         /* the host gives tokens, since none may be drawn */
    struct came came[AHEAD];
    unsigned notes;     /* from the backend */
    char note[400];
};

static void check(int rc, const struct err *err)
{
    if (rc == 0)
        return;
    printf("# %s\n", err->text);
    abort();
}

/* Digests of the device come with the next step. */
static int side_collect(struct side *s, struct came *c, struct came *digests,
                        struct err *err)
{
    struct backend_result r;

    if (s->b->ops->collect(s->b, &r, err))
        return -1;
    c->n_draws = r.n_draws;
    c->n_faults = r.n_faults;
    for (size_t i = 0; i < r.n_draws; i++)
        c->draw[i] = r.draw[i];
    for (size_t i = 0; i < r.n_faults; i++)
        c->fault[i] = r.fault[i];
    for (size_t i = 0; i < r.n_digests; i++)
        digests->digest[digests->n_digests++] = r.digest[i];
    return 0;
}

static int side_step(struct side *s, struct backend_step step, struct err *err)
{
    const struct backend_step none = { .n_rows = 0 };
    struct came *c = &s->came[0], rest;

    memset(c, 0, sizeof(*c));
    return s->b->ops->step(s->b, &step, err) || side_collect(s, c, c, err) ||
           s->b->ops->step(s->b, &none, err) ||
           side_collect(s, &rest, c, err) ? -1 : 0;
}

static void on_note(void *self, bool warning, const char *text)
{
    struct side *s = self;

    (void)warning;
    s->notes++;
    snprintf(s->note, sizeof(s->note), "%s", text);
}

static void side_open(struct side *s, const struct model *m, enum way way)
{
    const struct caller caller = { .note = on_note, .self = s };
    const struct cuda_options with = { .checks = true, .hash_every = 3,
                                       .plain = way == ONE_BY_ONE,
                                       .share = true, .caller = &caller };
    struct backend_load want = { .slots = slots, .rows = slots * PROMPT,
                                 .draws = slots };
    struct backend_entry *entry;
    struct backend_plan plan;
    struct err err = ERR_INIT;
    uint32_t each;

    memset(s, 0, sizeof(*s));
    check(way == CPU ? backend_open(&s->b, "reference", 1, &err)
                     : cuda_open(&s->b, &with, &err), &err);
    check(s->b->ops->load(s->b, m, &want, &plan, &err), &err);
    each = m->rec.context / (uint32_t)plan.block_positions;
    entry = xcalloc(slots * each, sizeof(*entry));
    for (uint32_t i = 0; i < slots * each; i++)
        entry[i] = (struct backend_entry){ i / each, i % each, i };
    for (uint32_t i = 0; i < slots * PROMPT; i++) {
        uint32_t slot = i / PROMPT;

        s->row[i] = (struct backend_row){
            .slot = slot, .position = i % PROMPT, .commit = true,
            .token = (7 * i + slot) % m->rec.n_vocab,
            .logits = i % PROMPT == PROMPT - 1,
        };
        if (s->row[i].logits)
            s->row[i].sampling = &sampling[slot % 3];
        s->at[slot] = PROMPT;
    }
    check(side_step(s, (struct backend_step){ .row = s->row,
                                              .n_rows = slots * PROMPT,
                                              .entry = entry,
                                              .n_entries = slots * each },
                    &err), &err);
    free(entry);
}

/* One row more of n slots from this one on. */
static struct backend_step side_rows(struct side *s, uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = (first + i) % slots;

        s->row[i] = (struct backend_row){
            .slot = slot, .position = s->at[slot]++,
            .token = s->given ? 5 : BACKEND_DRAWN,
            .logits = true, .commit = true, .sampling = &sampling[slot % 3],
        };
    }
    return (struct backend_step){ .row = s->row, .n_rows = n };
}

static void side_draw(struct side *s, uint32_t first, uint32_t n)
{
    struct err err = ERR_INIT;

    check(side_step(s, side_rows(s, first, n), &err), &err);
}

static bool same(const struct came *a, const struct came *b)
{
    bool good = a->n_draws == b->n_draws && a->n_faults == b->n_faults &&
                a->n_digests == b->n_digests;

    for (size_t i = 0; good && i < a->n_draws; i++)
        good = same_draw(&a->draw[i], &b->draw[i], 0);
    for (size_t i = 0; good && i < a->n_faults; i++)
        good = same_fault(&a->fault[i], &b->fault[i]);
    for (size_t i = 0; good && i < a->n_digests; i++)
        good = same_digest(&a->digest[i], &b->digest[i]);
    return good;
}

static unsigned long launched(void)
{
    return cusim_graph_launches ? cusim_graph_launches() : 0;
}

struct kind {
    const char *name;
    uint32_t flags, window;
    bool spoilt; /* rows leave the range */
    bool all;    /* every number of rows, not one of four */
};

/* 0 layers: as many as the shape has. */
static struct model *model_with(const struct kind *k, uint32_t layers)
{
    struct err err = ERR_INIT;
    struct model_record rec;
    struct model *m;

    if (shape_find(&rec, "tiny"))
        abort();
    rec.n_layers = layers ? layers : rec.n_layers;
    rec.flags = k->flags;
    rec.window = k->window;
    rec.context = 64 * BLOCKS;
    check(shape_build(&m, &rec, &err), &err);
    return m;
}

static struct model *model_of(const struct kind *k)
{
    return model_with(k, 0);
}

/* Each number of rows twice, but the first launches no graph. */
static void test_kind(const struct kind *k)
{
    /* each number that has a graph, those around it, and the most */
    static const uint32_t rows[] = { 1,  2,  3,  4,  5,  8,  9,  12, 13,
                                     16, 17, 24, 25, 32, 33, 48, 49, 50 };
    const size_t n = sizeof(rows) / sizeof(*rows);
    static struct side s[WAYS];
    struct model *m = model_of(k);
    size_t bad = 0, faults = 0, steps = 0;
    unsigned long before;
    float *gain = NULL;

    if (k->spoilt) {
        gain = xcalloc(m->rec.dim, sizeof(*gain));
        memcpy(gain, m->final_norm, m->rec.dim * sizeof(*gain));
        gain[1] = 0x1p43f;
        m->final_norm = gain;
    }
    for (int w = 0; w < WAYS; w++) {
        side_open(&s[w], m, (enum way)w);
        s[w].given = k->spoilt;
    }
    before = launched();
    for (size_t i = 0; i < 2 * n; i++) {
        if (!k->all && i / 2 % 4)
            continue;
        steps++;
        for (int w = 0; w < WAYS; w++)
            side_draw(&s[w], 11 * (uint32_t)i, rows[i / 2]);
        faults += s[CPU].came[0].n_faults;
        if (same(&s[CPU].came[0], &s[ONE_BY_ONE].came[0]) &&
            same(&s[CPU].came[0], &s[GRAPHS].came[0]))
            continue;
        printf("# step %zu of %u rows differs\n", i, rows[i / 2]);
        bad++;
    }
    ok(bad == 0 && (faults > 0) == k->spoilt,
       "%s: %zu steps by graphs are the reference's, %zu faults", k->name,
       steps, faults);
    if (cusim_graph_launches)
        ok(launched() - before >= steps / 2, "%s: %lu of %zu steps were graphs",
           k->name, launched() - before, steps);
    for (int w = 0; w < WAYS; w++)
        backend_close(s[w].b);
    free(gain);
    model_close(m);
}

/* Each step is launched before the one before it is collected; of those that
 * come last the host waits for one without rows. */
static void test_ahead(void)
{
    static const uint32_t rows[AHEAD] = { 3, 3, 8, 8, 3, 20, 20, 2, 8 };
    const struct kind k = { .name = "ahead" };
    const struct backend_step none = { .n_rows = 0 };
    static struct side a, b;
    static struct came digests_a, digests_b, rest;
    struct model *m = model_of(&k);
    struct err err = ERR_INIT;
    unsigned long before = launched();
    bool good = true;

    side_open(&a, m, CPU);
    side_open(&b, m, GRAPHS);
    for (size_t i = 0; i < AHEAD; i++) {
        struct backend_step step = side_rows(&a, 7 * (uint32_t)i, rows[i]);

        check(a.b->ops->step(a.b, &step, &err) ||
              side_collect(&a, &a.came[i], &digests_a, &err), &err);
        step = side_rows(&b, 7 * (uint32_t)i, rows[i]);
        check(b.b->ops->step(b.b, &step, &err) ||
              (i && side_collect(&b, &b.came[i - 1], &digests_b, &err)), &err);
    }
    check(b.b->ops->step(b.b, &none, &err) ||
          side_collect(&b, &b.came[AHEAD - 1], &digests_b, &err) ||
          side_collect(&b, &rest, &digests_b, &err), &err);
    for (size_t i = 0; i < AHEAD; i++) {
        a.came[i].n_digests = b.came[i].n_digests = 0;
        good = good && same(&a.came[i], &b.came[i]);
    }
    digests_a.n_draws = digests_b.n_draws = 0;
    ok(good && digests_a.n_digests == 75 && same(&digests_a, &digests_b) &&
           (!cusim_graph_launches || launched() - before >= 4),
       "with a step ahead: %lu of %d were graphs", launched() - before, AHEAD);
    backend_close(a.b);
    backend_close(b.b);
    model_close(m);
}

/* Kernels of a step that is a graph, of a model with so many layers. */
static unsigned long launches_of(const struct kind *k, uint32_t rows,
                                 uint32_t layers)
{
    static struct side s;
    struct model *m = model_with(k, layers);
    unsigned long before, n;

    side_open(&s, m, GRAPHS);
    side_draw(&s, 0, rows);
    before = cusim_launches();
    side_draw(&s, 0, rows);
    n = cusim_launches() - before;
    backend_close(s.b);
    model_close(m);
    return n;
}

/* Kernels of one layer more. */
static void test_launches(void)
{
    static const struct {
        struct kind kind;
        uint32_t rows;
        unsigned long launches;
    } of[] = {
        { { .name = "plain" }, 1, 7 },
        { { .name = "plain" }, 3, 7 },
        { { .name = "plain" }, 4, 7 },
        { { .name = "plain" }, 5, 12 },
        { { .name = "biases, norms of heads, A8", .flags = MODEL_QKV_BIAS |
                                     MODEL_QK_NORM | MODEL_A8 }, 1, 7 },
        { { .name = "norms both and GELU", .flags = MODEL_NORM_BOTH |
                                                    MODEL_GELU }, 1, 16 },
        { { .name = "norms both", .flags = MODEL_NORM_BOTH }, 1, 13 },
    };

    if (!cusim_launches) {
        skip("launches a layer", "a real device");
        return;
    }
    slots = FEW;
    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++) {
        unsigned long n = launches_of(&of[i].kind, of[i].rows, 3) -
                          launches_of(&of[i].kind, of[i].rows, 2);

        ok(n == of[i].launches, "%s: %u rows are %lu launches a layer",
           of[i].kind.name, of[i].rows, n);
    }
}

/* A kernel of the graph, or the one behind it, does nothing any more. */
static void test_wrong(const char *kernel, uint32_t rows, const char *text)
{
    const struct kind k = { .name = "wrong" };
    static struct side s;
    struct model *m = model_of(&k);
    struct err err = ERR_INIT;
    unsigned long before;
    int steps = 0;

    if (!cusim_skip) {
        skip("a kernel that does nothing", "a real device");
        model_close(m);
        return;
    }
    side_open(&s, m, GRAPHS);
    for (uint32_t i = 0; i < 3; i++)
        side_draw(&s, 3 * i, rows);
    cusim_skip(kernel);
    before = launched();
    while (steps < 20 && side_step(&s, side_rows(&s, 0, rows), &err) == 0)
        steps++;
    cusim_skip(NULL);
    ok(s.b->wrong && err.code == ERR_RETRY && strstr(err.text, text) &&
           launched() > before,
       "no %s in a graph is found after %d steps: %s", kernel, steps,
       err.text);
    backend_close(s.b);
    model_close(m);
}

/* A device that captures nothing, or has no memory for a graph. */
static void test_none(const char *what, bool captures)
{
    const struct kind k = { .name = "none" };
    static struct side a, b;
    struct model *m = model_of(&k);
    unsigned long before = launched();
    bool good = true;

    if (!cusim_fail) {
        skip("a device without graphs", "a real device");
        model_close(m);
        return;
    }
    side_open(&a, m, CPU);
    side_open(&b, m, GRAPHS);
    if (captures)
        cusim_fail(0);
    else
        setenv("CUSIM_GRAPHS", "0", 1);
    for (uint32_t i = 0; i < 3; i++) {
        side_draw(&a, 3 * i, 5);
        side_draw(&b, 3 * i, 5);
        good = good && same(&a.came[0], &b.came[0]);
    }
    unsetenv("CUSIM_GRAPHS");
    cusim_fail(-1);
    ok(good && launched() == before, "%s: kernels are launched one by one",
       what);
    backend_close(a.b);
    backend_close(b.b);
    model_close(m);
}

/* Some steps of 5 rows, the first of which makes a graph, are those. */
static bool draws_as(struct side *s, const struct came *want)
{
    bool good = true;

    for (uint32_t i = 0; i < TRIED; i++) {
        side_draw(s, 3 * i, 5);
        good = good && same(&want[i], &s->came[0]);
    }
    return good;
}

/* Of the calls by which a graph is made each fails in turn, until none does:
 * how many there are. */
static long test_calls(const struct model *m, const char *what, int error)
{
    static struct came want[TRIED];
    static struct side s;
    bool good = true, fails = true;
    const long held = cusim_graphs(); /* by devices that were lost */
    unsigned long before;
    long n = 0;

    side_open(&s, m, CPU);
    for (uint32_t i = 0; i < TRIED; i++) {
        side_draw(&s, 3 * i, 5);
        want[i] = s.came[0];
    }
    backend_close(s.b);
    while (good && fails) {
        side_open(&s, m, GRAPHS);
        before = launched();
        cusim_capture_fail(++n, error);
        good = draws_as(&s, want);
        cusim_capture_fail(0, 0);
        fails = launched() == before;
        good = good && s.notes == fails &&
               (!fails || strstr(s.note, "makes no graph"));
        backend_close(s.b);
        good = good && cusim_graphs() == held;
    }
    ok(good && n > 20, "%s: each of %ld calls is said once, and nothing"
       " stays", what, n - 1);
    return n - 1;
}

/* The device is lost in that call: no step comes of it, nor a next one. */
static bool is_lost(const struct model *m, long n)
{
    static struct side s;
    struct err err = ERR_INIT, next = ERR_INIT;
    bool good;

    side_open(&s, m, GRAPHS);
    cusim_capture_fail(n, LAUNCH_FAILURE);
    good = side_step(&s, side_rows(&s, 0, 5), &err) &&
           err.code == ERR_RETRY && strstr(err.text, "is lost in step 3") &&
           side_step(&s, side_rows(&s, 0, 5), &next) &&
           strstr(next.text, "was lost") && s.notes == 0;
    printf("# call %ld: %s\n", n, err.text);
    fflush(stdout);
    backend_close(s.b);
    return good;
}

/* .. which lasts as long as its process. */
static void test_lost(const struct model *m, long n)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        _exit(is_lost(m, n) ? 0 : 1);
    ok(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0,
       "a device that is lost in call %ld of a capture", n);
}

static void test_captures(void)
{
    const struct kind k = { .name = "captures" };
    struct model *m;
    long calls;

    if (!cusim_capture_fail) {
        skip("calls that fail in a capture", "a real device");
        return;
    }
    m = model_of(&k);
    slots = FEW;
    calls = test_calls(m, "a capture that is spoilt", CAPTURE_INVALIDATED);
    test_calls(m, "a call that is refused", INVALID_CONFIGURATION);
    test_lost(m, 1);
    test_lost(m, 9);
    test_lost(m, calls - 1);
    test_lost(m, calls);
    model_close(m);
}

int main(void)
{
    static const struct kind kinds[] = {
        { .name = "plain", .all = true },
        { .name = "tied, biases, A8, window",
          .flags = MODEL_TIED | MODEL_QKV_BIAS | MODEL_A8, .window = 4 },
        { .name = "A8R, norms both, GELU",
          .flags = MODEL_A8R | MODEL_NORM_BOTH | MODEL_GELU | MODEL_QK_NORM },
        { .name = "faults of the head", .spoilt = true },
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        test_kind(&kinds[i]);
    test_ahead();
    test_wrong("k_rows", 5, "a product of layer");
    test_wrong("k_commit", 3, "a hash is wrong");
    test_none("a device that captures nothing", false);
    test_none("no memory for a graph", true);
    test_launches();
    test_captures();
    return done();
}
