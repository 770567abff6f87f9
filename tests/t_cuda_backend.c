/*
 * The device backend, over the emulated device, against the CPU's reference:
 * the same steps of both give the same tokens, logits, faults, digests and
 * x_L, for models of every kind, one by one and with a step launched ahead; and
 * what does not fit is refused by name.
 */
#include <config.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "backend/cuda/cuda.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "kernels/philox.h"
#include "model/model.h"
#include "model/shape.h"
#include "tests/same_step.h"
#include "tests/tap.h"

#define SLOTS 3
#define ROWS 72
#define STEPS 6
#define AHEAD 8 /* steps, the last two without rows */

static const struct cuda_options checked = { .checks = true };

static uint32_t state = 1;

static uint32_t below(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % n;
}

/* One backend with the blocks of all slots entered, in reverse order. */
struct side {
    struct backend *b;
    struct backend_plan plan;
    struct backend_entry *entry;
    size_t n_entries;
    struct backend_result r;
    struct backend_digest *digest; /* all that came */
    size_t n_digests, cap_digests;
};

static void side_load(struct side *s, const struct model *m, unsigned taps)
{
    struct backend_load want = { .slots = SLOTS, .rows = ROWS,
                                 .draws = SLOTS * 3, .taps = taps };
    struct err err = ERR_INIT;
    size_t each;

    if (s->b->ops->load(s->b, m, &want, &s->plan, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    each = m->rec.context / s->plan.block_positions + 1;
    s->entry = xcalloc(SLOTS * each, sizeof(*s->entry));
    s->n_entries = SLOTS * each;
    for (size_t i = 0; i < s->n_entries; i++)
        s->entry[i] = (struct backend_entry){
            (uint32_t)(i / each), (uint32_t)(i % each),
            (uint32_t)(s->n_entries - 1 - i)
        };
}

static void side_launch(struct side *s, struct backend_step step)
{
    struct err err = ERR_INIT;

    step.entry = s->entry;
    step.n_entries = s->n_entries;
    s->n_entries = 0;
    if (s->b->ops->step(s->b, &step, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
}

static void side_collect(struct side *s)
{
    struct err err = ERR_INIT;

    if (s->b->ops->collect(s->b, &s->r, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    VEC_RESERVE(s->digest, s->cap_digests, s->n_digests + s->r.n_digests);
    for (size_t i = 0; i < s->r.n_digests; i++)
        s->digest[s->n_digests++] = s->r.digest[i];
}

static void side_step(struct side *s, struct backend_step step)
{
    side_launch(s, step);
    side_collect(s);
}

/* What is outstanding comes with a step of no rows. */
static void side_settle(struct side *s)
{
    side_step(s, (struct backend_step){ .n_rows = 0 });
}

static void side_close(struct side *s)
{
    backend_close(s->b);
    free(s->entry);
    free(s->digest);
}

/* ---- comparing ----------------------------------------------------------- */

/* What came of the latest step. */
static bool same(const struct side *x, const struct side *y,
                 const struct model_record *rec)
{
    const struct backend_result *a = &x->r, *b = &y->r;
    bool good = a->n_draws == b->n_draws && a->n_faults == b->n_faults &&
                a->n_last == b->n_last;

    for (size_t i = 0; good && i < a->n_draws; i++)
        good = same_draw(&a->draw[i], &b->draw[i], rec->n_vocab);
    for (size_t i = 0; good && i < a->n_faults; i++)
        good = same_fault(&a->fault[i], &b->fault[i]);
    for (size_t i = 0; good && i < a->n_last; i++)
        good = memcmp(a->last[i].x, b->last[i].x,
                      rec->dim * sizeof(float)) == 0;
    return good;
}

/* Digests of all steps: those of the device come a step later. */
static bool same_digests(const struct side *a, const struct side *b)
{
    bool good = a->n_digests == b->n_digests;

    for (size_t i = 0; good && i < a->n_digests; i++)
        good = same_digest(&a->digest[i], &b->digest[i]);
    return good;
}

/* ---- steps --------------------------------------------------------------- */

static const struct sampling sampling[] = {
    { .top_p = 1000000 },
    { .temperature = 900000, .top_p = 1000000, .seed = 7ull << 40 | 7 },
    { .temperature = 1300000, .top_p = 800000, .top_k = 9, .seed = 8ull << 50 },
};

/* Where the sequences are, and what the next row of each begins with. */
struct walk {
    uint32_t at[SLOTS];
    bool drew[SLOTS], over[SLOTS]; /* over: a fault ended it */
    struct backend_row row[ROWS];
    size_t n;
    struct backend_place last[SLOTS];
    size_t n_last;
};

/* Some rows of a slot, of which the last may draw. */
static void walk_slot(struct walk *w, uint32_t slot, uint32_t vocab)
{
    uint32_t n = below(3) ? below(24) : 1, kind = below(4);

    for (uint32_t i = 0; i < n; i++) {
        struct backend_row *r = &w->row[w->n++];

        *r = (struct backend_row){ .slot = slot, .position = w->at[slot]++,
                                   .token = below(vocab), .commit = true };
        if (i == 0 && w->drew[slot])
            r->token = BACKEND_DRAWN;
        w->drew[slot] = false;
        if (i + 1 < n && kind != 3)
            continue;
        r->fin = kind == 0;
        r->logits = kind != 0 && i + 3 >= n;
        r->tap = below(2);
        if (r->logits && (i + 1 == n || below(2)))
            r->sampling = &sampling[below(3)];
        if (r->logits && i + 1 == n) {
            w->drew[slot] = true;
            w->last[w->n_last++] = (struct backend_place){ slot, r->position };
        }
    }
}

/* Whether all steps of both are the same; *faults: how many there were. */
static bool walk(struct side *a, struct side *b, const struct model *m,
                 size_t *faults)
{
    struct walk w = { .n = 0 };
    bool good = true;

    *faults = 0;
    for (int i = 0; i < STEPS; i++) {
        w.n = w.n_last = 0;
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            if (!w.over[slot])
                walk_slot(&w, slot, m->rec.n_vocab);
        side_step(a, (struct backend_step){ .row = w.row, .n_rows = w.n });
        side_step(b, (struct backend_step){ .row = w.row, .n_rows = w.n });
        good = good && same(a, b, &m->rec);
        *faults += a->r.n_faults;
        for (size_t j = 0; j < a->r.n_faults; j++)
            w.over[a->r.fault[j].slot] = true;
        if (a->r.n_faults)
            continue;
        side_step(a, (struct backend_step){ .last = w.last,
                                            .n_last = w.n_last });
        side_step(b, (struct backend_step){ .last = w.last,
                                            .n_last = w.n_last });
        good = good && same(a, b, &m->rec);
    }
    side_settle(a);
    side_settle(b);
    return good && same_digests(a, b);
}

/* A step that is known before the one before it is collected. */
struct planned {
    struct backend_row row[ROWS];
    size_t n, n_drew;
    struct backend_place drew[SLOTS]; /* whose x_L a later step asks for */
};

static struct backend_step planned_step(const struct planned *p, size_t i)
{
    struct backend_step s = { .row = p[i].row, .n_rows = p[i].n };

    if (i >= 2) {
        s.last = p[i - 2].drew;
        s.n_last = p[i - 2].n_drew;
    }
    return s;
}

/* The same where each step of the device is launched before the one before it
 * is collected, and x_L is asked for two steps after the row that drew. */
static bool walk_ahead(struct side *a, struct side *b, const struct model *m)
{
    static struct planned p[AHEAD];
    struct walk w = { .n = 0 };
    bool good = true;

    for (size_t i = 0; i < AHEAD; i++) {
        w.n = w.n_last = 0;
        for (uint32_t slot = 0; slot < SLOTS && i + 2 < AHEAD; slot++)
            walk_slot(&w, slot, m->rec.n_vocab);
        memcpy(p[i].row, w.row, sizeof(w.row));
        memcpy(p[i].drew, w.last, sizeof(w.last));
        p[i].n = w.n;
        p[i].n_drew = w.n_last;
    }
    for (size_t i = 0; i <= AHEAD; i++) {
        if (i < AHEAD)
            side_launch(b, planned_step(p, i));
        if (i == 0)
            continue;
        side_step(a, planned_step(p, i - 1));
        side_collect(b);
        good = good && same(a, b, &m->rec);
    }
    return good && same_digests(a, b);
}

/* Products of more than 32 rows come from the library, or from our kernel. */
static void open_both(struct side *a, struct side *b, bool library)
{
    const struct cuda_options with = { .checks = true, .hash_every = 5,
                                       .libs = library ? NULL : "none" };
    struct err err = ERR_INIT;

    *a = *b = (struct side){ .b = NULL };
    if (backend_open(&a->b, "reference", 1, &err) ||
        cuda_open(&b->b, &with, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
}

static void close_both(struct side *a, struct side *b)
{
    side_close(a);
    side_close(b);
}

/* One gain of a norm too large: rows leave the range there. */
static float *spoil(const float **g, uint32_t n)
{
    float *own = xcalloc(n, sizeof(*own));

    memcpy(own, *g, n * sizeof(*own));
    own[below(n)] = 0x1p60f;
    *g = own;
    return own;
}

struct kind {
    const char *name;
    uint32_t flags, head_dim, window;
    bool spoilt; /* a norm before a linear, or the last one, or .. */
    bool logits; /* .. a row of the head */
    bool own;    /* without the library of large products */
};

static void test_kind(const struct kind *k)
{
    struct err err = ERR_INIT;
    struct model_record rec;
    struct side a, b;
    struct model *m;
    size_t faults = 0;
    float *own = NULL;
    bool good;

    if (shape_find(&rec, "tiny"))
        abort();
    rec.flags = k->flags;
    rec.window = k->window;
    rec.head_dim = k->head_dim ? k->head_dim : rec.head_dim;
    rec.context = 160;
    if (shape_build(&m, &rec, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    if (k->logits)
        own = spoil(&m->head.scale, rec.n_vocab);
    else if (k->spoilt)
        own = spoil(k->window ? &m->final_norm : &m->layers[1].ffn_norm,
                    rec.dim);
    open_both(&a, &b, !k->own);
    side_load(&a, m, BACKEND_TAP_LOGITS);
    side_load(&b, m, BACKEND_TAP_LOGITS);
    good = b.plan.block_positions == (rec.head_dim > 256 ? 16 : 32) &&
           walk(&a, &b, m, &faults);
    ok(good && (faults > 0) == k->spoilt,
       "%s: steps of the device are the reference's, %zu faults", k->name,
       faults);
    if (!k->spoilt)
        ok(walk_ahead(&a, &b, m), "%s: the same, with a step ahead", k->name);
    close_both(&a, &b);
    model_close(m);
    free(own);
}

static void test_copy(void)
{
    struct backend_row row[33];
    struct err err = ERR_INIT;
    struct model_record rec;
    struct backend_entry at[2] = { { 0, 0, 3 }, { 1, 0, 4 } };
    struct model *m;
    struct side a, b;

    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err))
        abort();
    open_both(&a, &b, true);
    side_load(&b, m, 0);
    ok(b.plan.block_positions == 32 && !b.plan.grows && b.plan.ahead == 1 &&
           b.plan.n_blocks >= rec.context / 32, "the plan of a device");
    for (uint32_t i = 0; i < 9; i++)
        row[i] = (struct backend_row){ .position = i, .token = i + 1,
                                       .commit = true, .fin = i == 8 };
    free(b.entry);
    b.entry = at;
    b.n_entries = 2;
    side_step(&b, (struct backend_step){ .row = row, .n_rows = 8 });
    ok(b.b->ops->copy(b.b, 3, 4, &err) == 0, "a block is copied");
    side_step(&b, (struct backend_step){ .row = row + 8, .n_rows = 1 });
    row[8].slot = 1;
    side_step(&b, (struct backend_step){ .row = row + 8, .n_rows = 1 });
    side_settle(&b);
    for (int i = 0; i < 2 && b.n_digests < 10; i++)
        side_settle(&b);
    ok(b.n_digests == 10 && id_equal(b.digest[8].kv, b.digest[9].kv) &&
           id_equal(b.digest[8].fin, b.digest[9].fin) &&
           !id_equal(b.digest[7].kv, b.digest[8].kv),
       "a sequence continues from the copy as from the block");
    ok(b.b->ops->copy(b.b, 3, (uint32_t)b.plan.n_blocks, &err) == -1,
       "a copy to no block is refused: %s", err.text);
    b.entry = NULL;
    close_both(&a, &b);
    model_close(m);
}

static void refuses(const char *what, const struct model *m, unsigned taps,
                    uint64_t kv_bytes, const char *text)
{
    struct backend_load want = { .slots = 2, .rows = 8, .draws = 2,
                                 .taps = taps, .kv_bytes = kv_bytes };
    struct backend_plan plan;
    struct err err = ERR_INIT;
    struct backend *b;

    if (cuda_open(&b, &checked, &err))
        abort();
    ok(b->ops->load(b, m, &want, &plan, &err) == -1 &&
           strstr(err.text, text), "%s: %s", what, err.text);
    backend_close(b);
}

/* A ceiling for keys and values holds, but one sequence always fits. */
static void test_ceiling(void)
{
    struct backend_load want = { .slots = 4, .rows = 8, .draws = 2 };
    struct backend_plan plan;
    struct err err = ERR_INIT;
    struct model_record rec;
    struct backend *b;
    struct model *m;
    size_t each;

    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err) ||
        cuda_open(&b, &checked, &err) || b->ops->load(b, m, &want, &plan, &err))
        abort();
    each = rec.context / plan.block_positions + 1;
    want.kv_bytes = (each + 2) * plan.block_bytes + 1;
    ok(plan.n_blocks > each + 2 &&
           b->ops->load(b, m, &want, &plan, &err) == 0 &&
           plan.n_blocks == each + 2, "a ceiling of %zu blocks", each + 2);
    want.kv_bytes = 1;
    ok(b->ops->load(b, m, &want, &plan, &err) == 0 && plan.n_blocks == each,
       "a ceiling below one sequence: %zu blocks", (size_t)plan.n_blocks);
    backend_close(b);
    model_close(m);
}

static void test_refused(void)
{
    struct err err = ERR_INIT;
    struct model_record rec;
    struct model *m;

    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err))
        abort();
    refuses("hidden rows", m, BACKEND_TAP_RESIDUAL, 0, "hidden");
    refuses("all layers", m, BACKEND_TAP_DEEP, 0, "deep");
    m->rec.flags |= MODEL_SOFT_CAPS;
    refuses("soft caps", m, 0, 0, "soft caps");
    m->rec.flags = rec.flags;
    m->rec.flags |= 1u << 20;
    refuses("an unknown flag", m, 0, 0, "flags 100000");
    m->rec.flags = rec.flags;
    m->rec.n_layers = 300;
    refuses("300 layers", m, 0, 0, "300 layers");
    model_close(m);
}

/* tests/cusim: from here on the n-th allocation fails; -1: none.  A real
 * device has no such function. */
void cusim_fail(long n) __attribute__((weak));
/* Kernels of this name do nothing. */
void cusim_skip(const char *name) __attribute__((weak));

/* The digest of the last of 40 rows, where kernels of this name do nothing. */
static struct id digest_by(enum cuda_gemm gemm, const char *skipped)
{
    const struct cuda_options with = { .gemm = gemm };
    struct backend_row row[40];
    struct err err = ERR_INIT;
    struct model_record rec;
    struct side b = { .b = NULL };
    struct model *m;
    struct id kv;

    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err) ||
        cuda_open(&b.b, &with, &err))
        abort();
    side_load(&b, m, 0);
    for (uint32_t i = 0; i < 40; i++)
        row[i] = (struct backend_row){ .position = i, .token = i + 1,
                                       .commit = i == 39 };
    cusim_skip(skipped);
    side_step(&b, (struct backend_step){ .row = row, .n_rows = 40 });
    cusim_skip(NULL);
    side_settle(&b);
    kv = b.r.digest[0].kv;
    side_close(&b);
    model_close(m);
    return kv;
}

/* What makes the products of many rows: what is asked for. */
static void test_gemm(void)
{
    const struct cuda_options lt = { .gemm = CUDA_GEMM_LT, .libs = "none" };
    struct backend_load want = { .slots = 2, .rows = 8, .draws = 2 };
    struct backend_plan plan;
    struct err err = ERR_INIT;
    struct model_record rec;
    struct backend *b;
    struct model *m;
    struct id kv;

    if (!cusim_skip) {
        skip("what makes large products", "a real device");
        return;
    }
    kv = digest_by(CUDA_GEMM_AUTO, NULL);
    ok(id_equal(digest_by(CUDA_GEMM_OWN, NULL), kv) &&
           !id_equal(digest_by(CUDA_GEMM_OWN, "k_large"), kv),
       "kernels of our own make large products");
    ok(id_equal(digest_by(CUDA_GEMM_LT, "k_large"), kv) &&
           !id_equal(digest_by(CUDA_GEMM_LT, "k_product"), kv),
       "the library makes them");
    setenv("CUSIM_BLAS", "0", 1);
    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err) ||
        cuda_open(&b, &lt, &err))
        abort();
    ok(b->ops->load(b, m, &want, &plan, &err) == -1 && err.code == ERR_INPUT &&
           strstr(err.text, "is not there"),
       "the library alone, which is not there: %s", err.text);
    unsetenv("CUSIM_BLAS");
    backend_close(b);
    model_close(m);
}

/* Every position is hashed on the host, too: a device that leaves old hashes
 * where new ones belong is found. */
static void test_hashes(void)
{
    const struct cuda_options with = { .checks = true, .hash_every = 2 };
    struct backend_row row[2] = { { .token = 3, .commit = true, .fin = true } };
    struct backend_step step = { .row = row, .n_rows = 2 };
    const struct backend_step none = { .n_rows = 0 };
    struct err err = ERR_INIT;
    struct model_record rec;
    struct side b = { .b = NULL };
    struct model *m;

    if (!cusim_skip) {
        skip("hashes that are wrong", "a real device");
        return;
    }
    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err) ||
        cuda_open(&b.b, &with, &err))
        abort();
    side_load(&b, m, 0);
    for (; row[0].position < 60; row[0].position += 2) {
        row[1] = row[0];
        row[1].position++;
        side_step(&b, step);
    }
    row[1].position = row[0].position + 1;
    ok(!b.b->wrong, "hashes of 30 positions are the host's");
    cusim_skip("k_commit");
    /* found with the step or with the next: which rows are hashed again
     * depends on the device's name, and this on CUSIM_SEED */
    side_launch(&b, step);
    ok((b.b->ops->collect(b.b, &b.r, &err) ||
        b.b->ops->step(b.b, &none, &err) ||
        b.b->ops->collect(b.b, &b.r, &err)) && b.b->wrong &&
           b.b->withdraw &&
           err.code == ERR_RETRY && strstr(err.text, "a hash is wrong"),
       "one that is not: %s", err.text);
    cusim_skip(NULL);
    side_close(&b);
    model_close(m);
}

/* Each allocation of a load fails once: an error, and the next load is as if
 * nothing had been. */
static void test_memory(void)
{
    struct backend_load want = { .slots = 2, .rows = 8, .draws = 2,
                                 .taps = BACKEND_TAP_LOGITS };
    struct backend_row row = { .token = 3, .commit = true };
    struct backend_plan plan;
    struct err err = ERR_INIT;
    struct model_record rec;
    struct side a, b;
    struct model *m;
    long n = 0;
    bool good = true;

    if (!cusim_fail) {
        skip("allocations that fail", "a real device");
        return;
    }
    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err))
        abort();
    open_both(&a, &b, true);
    side_load(&a, m, 0);
    side_step(&a, (struct backend_step){ .row = &row, .n_rows = 1 });
    for (;; n++) {
        cusim_fail(n);
        err = (struct err)ERR_INIT;
        if (b.b->ops->load(b.b, m, &want, &plan, &err) == 0)
            break;
        good = good && err.code == ERR_RETRY && strstr(err.text, "GPU");
        if (n % 12 == 0)
            printf("# %ld: %s\n", n, err.text);
    }
    cusim_fail(-1);
    ok(good && n > 40, "memory is refused at each of %ld allocations", n);
    side_load(&b, m, 0);
    side_step(&b, (struct backend_step){ .row = &row, .n_rows = 1 });
    side_settle(&b);
    ok(a.n_digests == 1 && same_digests(&a, &b),
       "after that the device computes");
    close_both(&a, &b);
    model_close(m);
}

/* ---- threads ------------------------------------------------------------- */

/* A step of one row and what comes of it, from another thread than the one that
 * opened the backend. */
struct elsewhere {
    struct side *b;
    struct err err;
    bool good;
};

static void *step_elsewhere(void *self)
{
    struct elsewhere *e = self;
    const struct backend_row row = { .token = 3, .commit = true };
    const struct backend_step s = { .row = &row, .n_rows = 1,
                                    .entry = e->b->entry,
                                    .n_entries = e->b->n_entries };
    struct backend *b = e->b->b;

    e->good = b->ops->step(b, &s, &e->err) == 0 &&
              b->ops->collect(b, &e->b->r, &e->err) == 0;
    return NULL;
}

/* CUDA's current device is a thread's. */
static void test_second_device(void)
{
    const struct cuda_options with = { .local = 1, .checks = true };
    struct elsewhere e = { .err = ERR_INIT };
    struct err err = ERR_INIT;
    struct model_record rec;
    struct side b = { .b = NULL };
    struct model *m;
    pthread_t thread;

    if (!cusim_fail) {
        skip("a second device", "a real one");
        return;
    }
    setenv("CUSIM_DEVICES", "2", 1);
    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err) ||
        cuda_open(&b.b, &with, &err))
        abort();
    side_load(&b, m, 0);
    e.b = &b;
    if (pthread_create(&thread, NULL, step_elsewhere, &e))
        abort();
    pthread_join(thread, NULL);
    ok(e.good, "another thread computes on the second device%s%s",
       e.good ? "" : ": ", e.err.text);
    side_close(&b);
    unsetenv("CUSIM_DEVICES");
    model_close(m);
}

/* On a device with many multiprocessors the products of a head with few outputs
 * could be split, which needs more memory than those of layers. */
static void test_head(void)
{
    struct backend_row row[9];
    struct err err = ERR_INIT;
    struct model_record rec;
    struct side a, b;
    struct model *m;

    if (shape_find(&rec, "tiny"))
        abort();
    rec.dim = 1024;
    rec.n_layers = 1;
    rec.n_vocab = 2400;
    rec.flags = MODEL_TIED;
    if (shape_build(&m, &rec, &err))
        abort();
    setenv("CUSIM_PROCESSORS", "300", 1);
    open_both(&a, &b, false);
    unsetenv("CUSIM_PROCESSORS");
    side_load(&a, m, BACKEND_TAP_LOGITS);
    side_load(&b, m, BACKEND_TAP_LOGITS);
    for (uint32_t i = 0; i < 9; i++)
        row[i] = (struct backend_row){ .position = i, .token = i + 1,
                                       .logits = true, .tap = true };
    side_step(&a, (struct backend_step){ .row = row, .n_rows = 9 });
    side_step(&b, (struct backend_step){ .row = row, .n_rows = 9 });
    ok(same(&a, &b, &m->rec), "a head of few outputs on a large device");
    close_both(&a, &b);
    model_close(m);
}

/* ---- failures ------------------------------------------------------------ */

/* tests/cusim: the device is lost now. */
void cusim_lose(void) __attribute__((weak));

/* A step that is refused leaves a device that computes. */
static void test_refused_step(void)
{
    const struct backend_row row = { .token = 3, .commit = true };
    const struct backend_place nowhere = { 0, 70 };
    const struct backend_step wrong = { .last = &nowhere, .n_last = 1 };
    const struct backend_step one = { .row = &row, .n_rows = 1 };
    struct err err = ERR_INIT;
    struct model_record rec;
    struct side a, b;
    struct model *m;

    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err))
        abort();
    open_both(&a, &b, true);
    side_load(&a, m, 0);
    side_load(&b, m, 0);
    ok(b.b->ops->step(b.b, &wrong, &err) == -1 && err.code == ERR_FATAL,
       "a step that asks for what is not kept: %s", err.text);
    free(b.entry);
    side_load(&b, m, 0);
    side_step(&a, one);
    side_step(&b, one);
    side_settle(&b);
    ok(a.n_digests == 1 && same_digests(&a, &b), "the next load computes");
    close_both(&a, &b);
    model_close(m);
}

/* What befell the device between two calls is said by the first of CUDA's in
 * the next: it is lost, and the error names it.  The last test. */
static void test_lost(void)
{
    const struct backend_row row = { .token = 3, .commit = true };
    const struct backend_step one = { .row = &row, .n_rows = 1 };
    struct err err = ERR_INIT;
    struct model_record rec;
    struct side a, b;
    struct model *m;

    if (!cusim_lose) {
        skip("a device that is lost", "a real one");
        return;
    }
    if (shape_find(&rec, "tiny") || shape_build(&m, &rec, &err))
        abort();
    open_both(&a, &b, true);
    side_load(&b, m, 0);
    side_launch(&b, one);
    cusim_lose();
    ok(b.b->ops->collect(b.b, &b.r, &err) == -1 && err.code == ERR_RETRY &&
           strncmp(err.text, "GPU-", 4) == 0 &&
           strstr(err.text, "lost in step 1: the GPU fails at cudaSetDevice: ")
           && strstr(err.text, "compute-sanitizer"),
       "a device is lost between two calls: %s", err.text);
    err = (struct err)ERR_INIT;
    ok(b.b->ops->step(b.b, &one, &err) == -1 &&
           strstr(err.text, "was lost by this process"),
       "which the next call knows: %s", err.text);
    close_both(&a, &b);
    model_close(m);
}

int main(void)
{
    static const struct kind kinds[] = {
        { .name = "plain" },
        { .name = "plain, without the library", .own = true },
        { .name = "A8, without the library", .flags = MODEL_A8, .own = true },
        { .name = "tied, biases, A8", .flags = MODEL_TIED | MODEL_QKV_BIAS |
                                               MODEL_A8 },
        { .name = "A8R, norms of heads", .flags = MODEL_A8R | MODEL_QK_NORM },
        { .name = "norms after, wide", .flags = MODEL_NORM_AFTER |
                                                MODEL_QK_NORM |
                                                MODEL_WIDE_NORM },
        { .name = "norms both, GELU, layers", .flags = MODEL_NORM_BOTH |
                                                       MODEL_GELU |
                                                       MODEL_LAYERS },
        { .name = "heads of 320, window", .head_dim = 320, .window = 9 },
        { .name = "a fault of a layer", .spoilt = true },
        { .name = "a fault of the head", .window = 20, .spoilt = true },
        { .name = "a fault of logits", .spoilt = true, .logits = true },
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        test_kind(&kinds[i]);
    test_copy();
    test_gemm();
    test_refused();
    test_memory();
    test_hashes();
    test_ceiling();
    test_second_device();
    test_head();
    test_refused_step();
    test_lost();
    return done();
}
