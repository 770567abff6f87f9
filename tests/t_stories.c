/*
 * stories260K against two other engines' float goldens (golden.json and its
 * logits).  A greedy run whose least float margin exceeds 0.05 is the golden
 * one, token for token.  In the others, fed with the golden's tokens, X1
 * chooses differently only where the float margin is small: weights of 8 bits
 * move these logits by a few tenths.  Mean KL to the float logits under 2e-3.
 * The goldens hold the logits of the first positions only; the margins of all
 * come from tests/float_model.c, which is compared with them.
 */
#include <config.h>

#include <math.h>
#include <stdbool.h>

#include "backend/backends.h"
#include "base/json.h"
#include "engine/engine.h"
#include "tests/float_model.h"
#include "tests/models_util.h"

#define V 512
#define MAX 512
#define MARGIN 0.05 /* of a whole run */
#define CLOSE 0.25  /* of a single token */

/* One golden run: all its tokens are fed, every position's logits seen. */
struct golden {
    uint32_t token[MAX];
    size_t n, n_prompt;
    const float *ref;     /* n_ref rows of V */
    size_t n_ref;
    double f64[MAX * V];  /* our float engine's rows */
    size_t differ;        /* tokens chosen otherwise .. */
    double widest;        /* .. and the largest float margin among them */
    double kl;            /* summed over n_ref rows */
};

static size_t best(const float *l)
{
    size_t b = 0;

    for (size_t i = 1; i < V; i++)
        b = l[i] > l[b] ? i : b;
    return b;
}

/* KL(p || q) of two rows of logits, in f64. */
static double divergence(const float *p, const float *q)
{
    double zp = 0, zq = 0, kl = 0;
    float mp = p[best(p)], mq = q[best(q)];

    for (size_t i = 0; i < V; i++) {
        zp += exp((double)p[i] - mp);
        zq += exp((double)q[i] - mq);
    }
    for (size_t i = 0; i < V; i++) {
        double lp = (double)p[i] - mp - log(zp);
        double lq = (double)q[i] - mq - log(zq);

        kl += exp(lp) * (lp - lq);
    }
    return kl;
}

/* By how much the float engine prefers the golden token to any other. */
static double margin(const struct golden *g, uint32_t position,
                     uint32_t golden)
{
    const double *l = g->f64 + (size_t)position * V;
    double second = -INFINITY;

    for (size_t i = 0; i < V; i++)
        second = i != golden && l[i] > second ? l[i] : second;
    return l[golden] - second;
}

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    struct golden *g = user;
    uint32_t pick = (uint32_t)best(logits), want;

    (void)self;
    if (position < g->n_ref)
        g->kl += divergence(g->ref + (size_t)position * V, logits);
    if (position + 1 < g->n_prompt || position + 1 >= g->n)
        return;
    want = g->token[position + 1];
    if (pick == want)
        return;
    g->differ++;
    g->widest = fmax(g->widest, margin(g, position, want));
}

/* The f64 engine must be the goldens': largest difference of a logit. */
static double difference(const struct golden *g)
{
    double most = 0;

    for (size_t i = 0; i < g->n_ref * V; i++)
        most = fmax(most, fabs(g->f64[i] - g->ref[i]));
    return most;
}

static void put_ids(struct golden *g, const struct json *list)
{
    for (const struct json *v = json_first(list); v && g->n < MAX;
         v = json_next(v)) {
        uint64_t id = 0;

        json_u64(v, &id);
        g->token[g->n++] = (uint32_t)id;
    }
}

static void run_story(const struct model *m, struct golden *g)
{
    struct observer obs = { .logits = on_logits };
    struct engine_options o = { .max_sequences = 1, .draw_all = true };
    struct sequence s = { .prompt = g->token, .n_prompt = g->n,
                          .max_tokens = 1, .user = g };
    struct err err = ERR_INIT;
    struct backend *b;
    struct engine *e;
    bool busy = true;

    s.sampling.top_p = 1000000;
    if (backend_open(&b, "reference", 2, &err) ||
        engine_new(&e, b, m, NULL, &o, &obs, &err) ||
        engine_add(e, &s, &err))
        abort();
    while (busy && engine_step(e, &busy, &err) == 0)
        ;
    engine_free(e);
    backend_close(b);
}

static void one_golden(const struct model *m, struct float_model *f,
                       const struct json *v,
                       double *kl, size_t *rows)
{
    static struct golden g;
    char *name = xasprintf("models/stories260K/%s",
                           json_string(json_get(v, "logits_file")));
    char *path = data_path(name);
    struct err err = ERR_INIT;
    double least = 0;
    struct buf ref;

    memset(&g, 0, sizeof(g));
    buf_init(&ref, 1 << 20);
    if (!ok(file_read(&ref, path, &err) == 0, "%s %s", name, err.text))
        goto out;
    put_ids(&g, json_get(v, "prompt_ids"));
    g.n_prompt = g.n;
    put_ids(&g, json_get(v, "generated_ids"));
    g.ref = (const float *)(void *)ref.data;
    g.n_ref = ref.len / (V * sizeof(float));
    float_model_run(f, g.token, g.n, g.f64);
    ok(difference(&g) < 1e-4, "f64 engine and golden logits differ by %.1e",
       difference(&g));
    run_story(m, &g);
    json_f64(json_get(v, "min_top1_margin"), &least);
    ok(least > MARGIN ? g.differ == 0 : g.widest < CLOSE,
       "%zu greedy tokens, least margin %.4f: %zu differ, margin at most "
       "%.3f", g.n - g.n_prompt, least, g.differ, g.widest);
    *kl += g.kl;
    *rows += g.n_ref;
out:
    buf_clear(&ref);
    free(name);
    free(path);
}

int main(void)
{
    struct convert_options o = { .smooth_auto = false };
    struct err err = ERR_INIT;
    struct json *root = NULL;
    struct float_model *f = NULL;
    struct model *m = NULL;
    struct buf text;
    char *dir = stories_dir();
    char *path = data_path("models/stories260K/golden.json");
    double kl = 0;
    size_t rows = 0;

    if (!dir) {
        skip("stories260K against its goldens",
             "APUS_TEST_DATA is not set");
        return done();
    }
    x1_thread_init();
    buf_init(&text, 1 << 20);
    m = model_from_hf(dir, &o);
    f = float_model_new(dir);
    if (ok(m && f && file_read(&text, path, &err) == 0 &&
               json_parse(&root, text.data, text.len, &err) == 0,
           "model and goldens %s", err.text)) {
        const struct json *v = json_first(json_get(root, "greedy_f32"));

        for (; v; v = json_next(v))
            one_golden(m, f, v, &kl, &rows);
        ok(rows > 0 && kl / (double)rows < 2e-3,
           "mean KL %.2e over %zu rows", kl / (double)rows, rows);
    }
    json_free(root);
    model_close(m);
    float_model_free(f);
    buf_clear(&text);
    free(path);
    free(dir);
    tmp_remove();
    return done();
}
