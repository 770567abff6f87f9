/*
 * Vectors of whole runs: the model is converted as `apus model convert` does
 * it, then each run is made alone (every logits row and residual compared)
 * and all runs together in one batch, with prompts cut in several ways.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/cpu/cpu.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "model/convert.h"
#include "model/model.h"
#include "proof/digest.h"
#include "tests/vectors.h"

#define MAX_RUNS 64

/* One run: what the vector wants and what the engine reported. */
struct run {
    const struct json *want;
    uint32_t *prompt;
    size_t n_prompt;
    struct sequence seq;
    uint32_t n_layers, dim, n_vocab;
    struct digest **residual; /* one a layer, 1 .. n_layers */
    size_t logits;            /* rows compared so far */
    bool wrong;
    bool finished;
    bool alone;               /* every row is compared */
};

static uint32_t *read_ids(const struct json *list, size_t *n)
{
    uint32_t *id = xcalloc(json_count(list) + 1, sizeof(*id));

    *n = 0;
    for (const struct json *v = json_first(list); v; v = json_next(v)) {
        uint64_t u;

        if (json_u64(v, &u) || u > UINT32_MAX) {
            free(id);
            return NULL;
        }
        id[(*n)++] = (uint32_t)u;
    }
    return id;
}

static bool same_hash(const struct json *want, struct id h)
{
    const char *text = json_string(want);
    char hex[65];

    digest_hex(hex, h);
    return text && strcmp(text, hex) == 0;
}

static const struct json *nth(const struct json *list, size_t i)
{
    const struct json *v = json_first(list);

    while (v && i--)
        v = json_next(v);
    return v;
}

static void on_residual(void *self, void *user, uint32_t position,
                        uint32_t layer, const float *x)
{
    struct run *r = user;

    (void)self;
    if (!r->alone || layer == 0 || position >= r->n_prompt)
        return;
    if (layer == r->n_layers && position + 1 != r->n_prompt)
        return;
    digest_put(r->residual[layer - 1], x, r->dim * sizeof(*x));
}

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    struct run *r = user;
    const struct json *last = json_get(r->want, "last_prompt_logits");
    struct id h;
    struct array a;

    (void)self;
    digest(&h, logits, r->n_vocab * sizeof(*logits));
    if (!same_hash(nth(json_get(r->want, "logits_sha256"), position), h))
        r->wrong = true;
    r->logits++;
    if (position + 1 != r->n_prompt || array_read(&a, last))
        return;
    if (a.n != r->n_vocab || memcmp(a.data, logits, a.n * a.size) != 0)
        r->wrong = true;
    array_clear(&a);
}

/* "error" of a run: the five numbers of the place where it left the range. */
static bool same_fault(const struct json *want, const struct fault *f)
{
    const uint32_t got[5] = { f->position, f->layer, f->op, f->row,
                              f->index };
    size_t n;
    uint32_t *id = read_ids(want, &n);
    bool good = id && n == 5 && memcmp(id, got, sizeof(got)) == 0;

    free(id);
    return good;
}

static void on_finished(void *self, const struct answer *a)
{
    struct run *r = a->user;
    const struct json *error = json_get(r->want, "error");
    size_t n;
    uint32_t *want = read_ids(json_get(r->want, "tokens"), &n);

    (void)self;
    r->finished = true;
    if (!want || n != a->n_out ||
        memcmp(want, a->token, n * sizeof(*want)) != 0)
        r->wrong = true;
    if (error && (a->finish != FINISH_RANGE ||
                  (json_count(error) && !same_fault(error, &a->fault))))
        r->wrong = true;
    free(want);
}

static int read_run(struct run *r, const struct json *v,
                    const struct model *m)
{
    const struct json *s = json_get(v, "sampling");
    const char *seed = json_string(json_get(s, "seed"));
    uint64_t t, p, k, max, choice = 0;

    memset(r, 0, sizeof(*r));
    r->want = v;
    r->n_layers = m->rec.n_layers;
    r->dim = m->rec.dim;
    r->n_vocab = m->rec.n_vocab;
    r->prompt = read_ids(json_get(v, "prompt"), &r->n_prompt);
    r->residual = xcalloc(r->n_layers, sizeof(struct digest *));
    for (uint32_t l = 0; l < r->n_layers; l++)
        r->residual[l] = digest_new();
    if (json_get(s, "choice") && json_u64(json_get(s, "choice"), &choice))
        return -1;
    if (!r->prompt || !seed || json_u64(json_get(v, "max_tokens"), &max) ||
        json_u64(json_get(s, "temperature"), &t) ||
        json_u64(json_get(s, "top_p"), &p) ||
        json_u64(json_get(s, "top_k"), &k) ||
        json_u64_text(seed, &r->seq.sampling.seed))
        return -1;
    r->seq.prompt = r->prompt;
    r->seq.n_prompt = r->n_prompt;
    r->seq.max_tokens = (uint32_t)max;
    r->seq.sampling.temperature = (uint32_t)t;
    r->seq.sampling.top_p = (uint32_t)p;
    r->seq.sampling.top_k = (uint32_t)k;
    r->seq.sampling.choice = (uint32_t)choice;
    r->seq.user = r;
    return 0;
}

static void run_clear(struct run *r)
{
    struct id h;

    for (uint32_t l = 0; r->residual && l < r->n_layers; l++)
        if (r->residual[l])
            digest_end(r->residual[l], &h);
    free(r->residual);
    free(r->prompt);
}

/* The vector's end tokens stand in for the model's. */
static void set_eos(struct model *m, const struct json *run)
{
    size_t n;
    uint32_t *id = read_ids(json_get(run, "stop"), &n);

    m->rec.n_eos = 0;
    for (size_t i = 0; id && i < n && i < 8; i++)
        m->rec.eos[m->rec.n_eos++] = id[i];
    free(id);
}

/* Run these to the end; chunk 0: the engine's own. */
static bool compute_sequences(const struct model *m, const struct x1_kernels *k,
                              struct run *run, size_t n, size_t chunk,
                              bool alone)
{
    struct observer obs = { .residual = on_residual, .logits = on_logits,
                            .finished = on_finished };
    struct engine_options o = { .max_sequences = n, .chunk = chunk,
                                .draw_all = alone };
    struct err err = ERR_INIT;
    struct backend *b = cpu_new(k, alone ? 1 : 3);
    struct engine *e;
    bool busy = true;

    if (engine_new(&e, b, m, NULL, &o, &obs, &err)) {
        printf("%s\n", err.text);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        run[i].alone = alone;
        run[i].wrong = run[i].finished = false;
        if (engine_add(e, &run[i].seq, &err))
            run[i].wrong = true;
    }
    while (busy && engine_step(e, &busy, &err) == 0)
        ;
    engine_free(e);
    backend_close(b);
    return !busy;
}

/* The hashes that are only complete at the end. */
static void check_residual(struct run *r)
{
    const struct json *want = json_get(r->want,
                                       "residual_sha256_after_prompt");

    for (uint32_t l = 0; l < r->n_layers; l++) {
        struct id h;

        digest_end(r->residual[l], &h);
        r->residual[l] = NULL;
        if (want && !same_hash(nth(want, l), h))
            r->wrong = true;
    }
    if (r->logits != json_count(json_get(r->want, "logits_sha256")))
        r->wrong = true;
}

static void run_model(struct tally *t, const char *file, struct model *m,
                      const struct json *runs, const struct x1_kernels *k)
{
    static const size_t chunks[] = { 1, 3, 7, 64 };
    struct run run[MAX_RUNS];
    size_t n = 0;

    for (const struct json *v = json_first(runs); v && n < MAX_RUNS;
         v = json_next(v), n++) {
        if (read_run(&run[n], v, m)) {
            tally_add(t, 0, file, "run", "malformed", n);
            run_clear(&run[n--]);
            continue;
        }
        set_eos(m, v);
        if (!compute_sequences(m, k, &run[n], 1, 0, true))
            run[n].wrong = true;
        check_residual(&run[n]);
        tally_add(t, run[n].finished && !run[n].wrong, file, "run", "alone",
                  n);
    }
    for (size_t c = 0; c < sizeof(chunks) / sizeof(*chunks); c++) {
        if (n == 0 || !compute_sequences(m, k, run, n, chunks[c], false)) {
            tally_add(t, 0, file, "batch", "engine", chunks[c]);
            continue;
        }
        for (size_t i = 0; i < n; i++)
            tally_add(t, run[i].finished && !run[i].wrong, file,
                      "in a batch, run", "prompts in chunks", i);
    }
    while (n > 0)
        run_clear(&run[--n]);
}

/* DIR/models/NAME or DIR/../../models/NAME, NAME that of the file. */
static char *model_dir(const char *dir, const char *file)
{
    char *name = xstrndup(file, strlen(file) - strlen(".json"));
    char *path = xasprintf("%s/models/%s", dir, name);
    char *config = file_join(path, "config.json");

    if (!file_exists(config)) {
        free(path);
        path = xasprintf("%s/../../models/%s", dir, name);
        free(config);
        config = file_join(path, "config.json");
    }
    if (!file_exists(config)) {
        free(path);
        path = NULL;
    }
    free(config);
    free(name);
    return path;
}

void vectors_runs(struct tally *t, const char *dir, const char *file,
                  const struct json *root, const struct x1_kernels *k)
{
    struct convert_options o = { 0 };
    struct err err = ERR_INIT;
    struct model *m = NULL;
    struct id id;
    const char *up = getenv("TMPDIR");
    char *hf = model_dir(dir, file), *path, *tmp;

    if (!hf) {
        printf("skipped %s: no models/NAME/config.json\n", file);
        t->skipped++;
        return;
    }
    tmp = file_join(up && up[0] ? up : "/tmp", "x1vectors-XXXXXX");
    if (!mkdtemp(tmp))
        abort();
    path = file_join(tmp, "model.apus");
    if (convert_model(hf, path, &o, &id, &err) ||
        model_open(&m, path, &id, &err)) {
        tally_add(t, 0, file, "model", err.text, 0);
    } else {
        run_model(t, file, m, json_get(root, "runs"), k);
        model_close(m);
    }
    unlink(path);
    rmdir(tmp);
    free(tmp);
    free(path);
    free(hf);
}
