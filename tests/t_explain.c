/*
 * src/dispute/explain: operator tables are those that another implementation
 * computed (vectors/dispute/explain.json), of runs of vectors/x1; and residual
 * rows, kv digests and draws those of a batched run, at the reference and at
 * the fastest level of this machine.
 */
#include <config.h>

#include <stdbool.h>
#include <string.h>

#include "backend/backends.h"
#include "base/bytes.h"
#include "base/json.h"
#include "dispute/explain.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "proof/blob.h"
#include "proof/merkle.h"
#include "proof/trace.h"
#include "tests/models_util.h"

#define MAX 256 /* positions */
#define MAX_LAYERS 8

static struct model *model;
static struct sequence seq;
static uint32_t ids[MAX];
static size_t n_ids;
static const struct json *layers, *heads; /* of the case */
static size_t bad, seen;

/* ---- the batched run ----------------------------------------------------- */

static struct id batched[MAX][MAX_LAYERS + 1], batched_kv[MAX];
static uint32_t batched_next[MAX];

static void on_residual(void *self, void *user, uint32_t position,
                        uint32_t layer, const float *x)
{
    (void)self;
    (void)user;
    blob_f32(&batched[position][layer], x, model->rec.dim);
}

static void on_position(void *self, void *user, const struct position *p)
{
    (void)self;
    (void)user;
    batched_kv[p->position] = *p->kv;
    batched_next[p->position] = p->next;
}

static void run_batched(void)
{
    struct engine_options o = { .max_sequences = 1, .max_rows = 64 };
    struct observer obs = { .residual = on_residual,
                            .position = on_position };
    struct err err = ERR_INIT;
    struct backend *b;
    struct engine *e;
    bool busy = true;

    if (backend_open(&b, "auto", 1, &err) ||
        engine_new(&e, b, model, NULL, &o, &obs, &err) ||
        engine_add(e, &seq, &err))
        abort();
    while (busy)
        if (engine_step(e, &busy, &err))
            abort();
    engine_free(e);
    backend_close(b);
}

/* ---- the same, explained ------------------------------------------------- */

static void check(bool same, const char *what, uint32_t t, uint32_t layer)
{
    seen++;
    if (!same && bad++ < 5)
        printf("# %s of position %u, layer %u\n", what, t, layer);
}

/* The entries of a table that are not those of the vector. */
static void compare_table(const struct explain *e,
                          const struct explained *x, const struct json *v,
                          uint32_t t, uint32_t layer)
{
    const char *want = json_string(json_get(v, "table"));
    unsigned char table[OPERATORS_MAX];
    char text[2 * OPERATORS_MAX + 1];
    enum entry i;

    explain_table(e, table);
    for (size_t n = 0; n < operators_size(x->table); n++)
        snprintf(text + 2 * n, 3, "%02x", table[n]);
    check(strlen(want) == 2 * operators_size(x->table), "the length", t,
          layer);
    for (size_t n = 0; (i = operators_entry(x->table, n)) != ENTRIES; n++) {
        size_t at = 2 * operators_offset(x->table, i);

        check(strncmp(text + at, want + at, 2 * operators_bytes(i)) == 0,
              operators_name(i), t, layer);
    }
}

static const struct json *vector_of(const struct json *list, uint32_t t,
                                    uint32_t layer)
{
    const struct json *v = json_first(list);
    uint64_t at, l = OPERATORS_HEAD;

    for (; v; v = json_next(v)) {
        json_u64(json_get(v, "layer"), &l);
        if (json_u64(json_get(v, "position"), &at) == 0 && at == t &&
            l == layer)
            break;
    }
    return v;
}

static void try_head(struct explain *e, uint32_t t, const float *x)
{
    const struct json *v = vector_of(heads, t, OPERATORS_HEAD);
    const struct explained *out;
    uint64_t want;
    uint32_t next;

    if (explain_head(e, &out, t, x, &seq.sampling, &next, NULL))
        abort();
    check(next == batched_next[t], "the draw", t, OPERATORS_HEAD);
    if (!v)
        return;
    compare_table(e, out, v, t, OPERATORS_HEAD);
    check(json_u64(json_get(v, "next"), &want) == 0 && next == want,
          "the drawn id", t, OPERATORS_HEAD);
}

/* One position: its rows are put into `rows`, all layers of a position one
 * after the other. */
static void try_position(struct explain *e, uint32_t t, unsigned char *rows)
{
    size_t bytes = explain_row_bytes(e) * model->rec.n_kv_heads;
    size_t stride = bytes * model->rec.n_layers, dim = model->rec.dim;
    bool draws = t + 1 >= seq.n_prompt;
    float *x = xcalloc(dim, sizeof(*x));
    const struct explained *out;
    struct merkle kv;
    struct id root;

    merkle_init(&kv);
    explain_embed(e, x, ids[t], t);
    for (uint32_t l = 0; l < model->rec.n_layers; l++) {
        unsigned char *row = rows + t * stride + l * bytes;
        const struct json *v = vector_of(layers, t, l);

        blob_f32(&root, x, dim);
        check(id_equal(root, batched[t][l]), "the residual row", t, l);
        if (explain_rows(e, row, l, t, x, NULL) ||
            explain_layer(e, &out, l, t, draws, x, rows + l * bytes, stride,
                          NULL))
            abort();
        for (size_t g = 0; g < model->rec.n_kv_heads; g++)
            merkle_leaf(&kv, row + g * explain_row_bytes(e),
                        explain_row_bytes(e));
        if (v)
            compare_table(e, out, v, t, l);
        for (size_t i = 0; out->table == OPERATORS_LAYER && i < dim; i++)
            x[i] = f32_from(get_u32(out->vector[ENTRY_X] + 4 * i));
    }
    merkle_root(&kv, &root);
    check(id_equal(root, batched_kv[t]), "the kv rows", t, 0);
    if (draws)
        try_head(e, t, x);
    free(x);
}

static void try_level(const char *name, const char *level, uint64_t run)
{
    struct x1_kernels k;
    struct explain *e;
    unsigned char *rows;

    bad = seen = 0;
    if (x1_kernels_find(&k, level) || explain_new(&e, model, &k, NULL))
        abort();
    rows = xcalloc(n_ids * model->rec.n_layers * model->rec.n_kv_heads,
                   explain_row_bytes(e));
    for (uint32_t t = 0; t < n_ids; t++)
        try_position(e, t, rows);
    ok(bad == 0 && seen > n_ids, "%s, run %d, %s: %zu numbers", name, (int)run,
       k.name, seen);
    free(rows);
    explain_free(e);
}

/* ---- vectors ------------------------------------------------------------- */

static struct json *read_json(const char *name)
{
    char *path = tree_path(name);
    struct json *root = NULL;
    struct err err = ERR_INIT;
    struct buf text;

    buf_init(&text, (size_t)64 << 20);
    if (file_read(&text, path, &err) ||
        json_parse(&root, text.data, text.len, &err))
        printf("# %s\n", err.text);
    buf_clear(&text);
    free(path);
    return root;
}

static int put_id(void *self, uint64_t id)
{
    (void)self;
    if (n_ids == MAX)
        return -1;
    ids[n_ids++] = (uint32_t)id;
    return 0;
}

static uint32_t number(const struct json *v, const char *key)
{
    uint64_t n = 0;

    json_u64(json_get(v, key), &n);
    return (uint32_t)n;
}

/* The sequence of a run: its answer is forced. */
static void take_run(const struct json *run)
{
    const struct json *s = json_get(run, "sampling");

    memset(&seq, 0, sizeof(seq));
    n_ids = 0;
    json_u64_array(json_get(run, "prompt"), UINT32_MAX, put_id, NULL);
    seq.n_prompt = n_ids;
    json_u64_array(json_get(run, "tokens"), UINT32_MAX, put_id, NULL);
    n_ids--; /* the last one is not fed */
    seq.prompt = ids;
    seq.forced = ids + seq.n_prompt;
    seq.n_forced = n_ids - seq.n_prompt;
    seq.max_tokens = (uint32_t)seq.n_forced + 1;
    seq.ignore_eos = true;
    seq.sampling.temperature = number(s, "temperature");
    seq.sampling.top_p = number(s, "top_p");
    seq.sampling.top_k = number(s, "top_k");
    json_digits(json_get(s, "seed"), &seq.sampling.seed);
}

static void try_case(const struct json *c)
{
    const char *name = json_string(json_get(c, "model"));
    bool nano = strcmp(name, "nano") == 0;
    char *file = xasprintf("vectors/x1/%s.json", name);
    char *dir = xasprintf("%s/%s", nano ? "models" : "vectors/x1/models",
                          name), *path = tree_path(dir);
    struct json *root = read_json(file);
    const struct json *run = json_first(json_get(root, "runs"));
    struct convert_options o = { 0 };

    for (uint32_t i = number(c, "run"); i > 0; i--)
        run = json_next(run);
    take_run(run);
    layers = json_get(c, "layers");
    heads = json_get(c, "heads");
    model = model_from_hf(path, &o);
    if (!model || model->rec.n_layers > MAX_LAYERS)
        abort();
    run_batched();
    try_level(name, "reference", number(c, "run"));
    try_level(name, "auto", number(c, "run"));
    model_close(model);
    json_free(root);
    free(path);
    free(dir);
    free(file);
}

int main(void)
{
    struct json *root = read_json("vectors/dispute/explain.json");
    const struct json *c = json_first(json_get(root, "cases"));

    for (; c; c = json_next(c))
        try_case(c);
    json_free(root);
    tmp_remove();
    return done();
}
