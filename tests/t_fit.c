/*
 * Fitted conversion: rounding by blocks of channels, what a model writes, and
 * models whose bytes are the same with every kernel, any number of threads and
 * after an interruption.
 * part: all
 */
#include <config.h>

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/cpu/pool.h"
#include "base/bytes.h"
#include "base/json.h"
#include "fidelity/fit.h"
#include "fidelity/fit_internal.h"
#include "fidelity/fit_state.h"
#include "fidelity/rounding.h"
#include "fidelity/sums.h"
#include "kernels/kernels.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "tests/llama2c_made.h"
#include "tests/models_util.h"

#define B ROUNDING_BLOCK
#define K 200   /* channels: a whole block and a part */
#define ROWS 40
#define IDS 2048   /* of which models write half, in place of 8 times as many */
#define BYTES 3600 /* of a text, which are enough ids */

/* ---- sums and blocks ----------------------------------------------------- */

static float x[ROWS * K];

/* Rows in which neighbours are alike and some channels are far larger. */
static void make_rows(void)
{
    uint32_t seed = 1;

    for (size_t t = 0; t < ROWS; t++)
        for (size_t i = 0; i < K; i++) {
            float own, before = i ? x[t * K + i - 1] : 0;

            seed = seed * 1664525u + 1013904223u;
            own = (float)(seed >> 8) / 0x1p24f - 0.5f;
            x[t * K + i] = i == 7 ? 0 : own * (i % 50 == 3 ? 20 : 1) +
                                            0.8f * before;
        }
}

/* The error of a row's products with x, squared. */
static double output_error(const double *row, const int8_t *w, float scale)
{
    double sum = 0;

    for (size_t t = 0; t < ROWS; t++) {
        double e = 0;

        for (size_t i = 0; i < K; i++)
            e += (row[i] - (double)w[i] * (double)scale) *
                 (double)x[t * K + i];
        sum += e * e;
    }
    return sum;
}

/* How far V U is from 1, both unit upper triangular. */
static double inverse_error(const double *v, const double *u)
{
    double worst = 0;

    for (size_t i = 0; i < B; i++)
        for (size_t j = i + 1; j < B; j++) {
            double s = v[i * B + j] + u[i * B + j];

            for (size_t k = i + 1; k < j; k++)
                s += v[i * B + k] * u[k * B + j];
            worst = fmax(worst, fabs(s));
        }
    return worst;
}

static void try_blocks(void)
{
    static double d[K], c[K], g[B * B], u[B * B], row[K], copy[K];
    static float f[K];
    int8_t w[K], plain[K];
    float scale, plain_scale;
    struct pool *pool = pool_new(2);
    struct rounding r, none;
    double sum = 0, mean = 0;
    bool sorted = true, factored = true;

    make_rows();
    sums_energy(d, x, ROWS, K, pool);
    for (size_t t = 0; t < ROWS; t++)
        sum += (double)x[t * K + 3] * (double)x[t * K + 3];
    ok(d[3] == sum && d[7] == 0, "sums of squares in order");
    for (size_t i = 0; i < K; i++) {
        c[i] = 1;
        mean += d[i] / K;
        f[i] = (float)((i * 37 + 11) % 101) - 50;
        row[i] = (double)f[i];
    }
    rounding_init(&r, d, K);
    rounding_init(&none, d, K);
    for (size_t i = 1; i < K; i++)
        sorted &= d[r.order[i - 1]] >= d[r.order[i]];
    ok(sorted && r.n_blocks == 2 && rounding_width(&r, 1) == K - B &&
           r.order[K - 1] == 7, "channels in order, in two blocks");
    for (size_t b = 0; b < 2; b++) {
        sums_products(g, x, ROWS, K, r.order + b * B, rounding_width(&r, b),
                      c);
        factored &= rounding_factor(&r, b, g, 0.01 * mean) == 0;
        if (b == 0)
            memcpy(u, g, sizeof(u));
    }
    ok(factored && inverse_error(r.v, u) < 1e-12, "blocks are factored");
    memcpy(copy, row, sizeof(copy));
    rounding_row(&r, copy, w, &scale);
    memcpy(copy, row, sizeof(copy));
    rounding_row(&none, copy, plain, &plain_scale);
    ok(scale == plain_scale && output_error(row, w, scale) <
                                   output_error(row, plain, scale) / 2,
       "error of the outputs %.3g, by the nearest rule %.3g",
       output_error(row, w, scale), output_error(row, plain, scale));
    x1_w8_row(w, &scale, f, K);
    ok(scale == plain_scale && memcmp(w, plain, K) == 0,
       "without blocks it is the nearest rule");
    memset(copy, 0, sizeof(copy));
    rounding_row(&r, copy, w, &scale);
    ok(scale == 0 && w[0] == 0 && w[K - 1] == 0, "a row of zeros");
    for (size_t i = 0; i < K; i++)
        copy[i] = 1e200;
    rounding_row(&r, copy, w, &scale);
    ok(isinf(scale) && w[0] == 0 && w[K - 1] == 0,
       "a row beyond f32 has no finite scale");
    memset(g, 0, sizeof(g));
    ok(rounding_factor(&none, 0, g, 0) == -1, "a singular block is refused");
    rounding_clear(&r);
    rounding_clear(&none);
    pool_free(pool);
}

/* ---- models -------------------------------------------------------------- */

struct model_test {
    struct buf text;
    size_t layers, stop_at;
    const char *tokenizer; /* a file of its own */
    bool planted; /* the state is not this account's own */
    bool a8;      /* of an A8R model */
    char note[200];
};

static struct model_test test;

static void on_layer(void *user, size_t done, size_t of)
{
    (void)user;
    (void)of;
    test.layers = done;
}

static void on_note(void *user, const char *line)
{
    (void)user;
    snprintf(test.note, sizeof(test.note), "%s", line);
}

static bool stop(void)
{
    return test.stop_at && test.layers >= test.stop_at;
}

/* Convert; 0 and the id, or -1. */
static int convert(const char *dir, const char *kernel, size_t threads,
                   struct id *id, struct err *err)
{
    char *out = tmp_path("fitted.apus"), *state = tmp_path("fitting");
    struct fit_options o = { .state = state, .kernel = kernel,
                             .threads = threads, .text = test.text.data,
                             .n_text = test.text.len, .ids = IDS,
                             .progress = on_layer, .note = on_note,
                             .stop = stop };
    struct fit *f = fit_new(&o);
    struct convert_rounding r;
    struct convert_options c = { .rounding = &r, .a8 = test.a8,
                                 .tokenizer = test.tokenizer };
    int rc;

    fit_rounding(&r, f);
    test.layers = 0;
    rc = convert_model(dir, out, &c, id, err);
    fit_end(f, err);
    if (file_exists(state) != (rc && err->code == ERR_RETRY) && !test.planted)
        rc = err_set(err, ERR_FATAL, "the state stays or is lost: %s",
                     err->text);
    if (rc && file_exists(out))
        rc = err_set(err, ERR_FATAL, "a file stays");
    unlink(out);
    fit_free(f);
    free(out);
    free(state);
    return rc;
}

/* ---- what a model writes ------------------------------------------------- */

#define WORDS 40 /* of a window */

static enum own_end own(uint32_t *id, size_t n, const char *dir,
                        const char *kernel, bool (*stop_now)(void),
                        struct err *err)
{
    char *path = tmp_path("nearest.apus");
    struct own_words o = { dir, NULL, path, kernel, 2, stop_now };
    struct own_fault fault;
    enum own_end end = own_words(id, n, WORDS, &o, &fault, err);

    ok(!file_exists(path), "no file stays");
    free(path);
    return end;
}

static bool while_it_writes(void)
{
    char *path = tmp_path("nearest.apus");
    bool there = file_exists(path);

    free(path);
    return there;
}

/* Of an id a window: whatever is beside it, and with every kernel. */
static void try_own_words(const char *nano)
{
    static uint32_t a[3 * WORDS], b[3 * WORDS];
    struct err err = ERR_INIT;
    bool below = true;

    ok(own(a, 3, nano, "reference", NULL, &err) == OWN_WRITTEN, "own words %s",
       err.text);
    for (size_t i = 0; i < 3 * WORDS; i++)
        below &= a[i] < 512;
    ok(below && memcmp(a, a + WORDS, sizeof(*a) * WORDS) != 0 &&
           a[0] == a[WORDS], "the bos and ids, others in each window");
    ok(own(b, 3, nano, "auto", NULL, &err) == OWN_WRITTEN &&
           memcmp(a, b, sizeof(a)) == 0, "the same with another kernel");
    ok(own(b, 1, nano, "auto", NULL, &err) == OWN_WRITTEN &&
           memcmp(a, b, sizeof(*a) * WORDS) == 0, "and of a window alone");
    ok(own(b, 1, nano, "auto", while_it_writes, &err) == OWN_FAILED &&
           err.code == ERR_RETRY &&
           strstr(err.text, "before the first layer"), "stopped: %s", err.text);
}

/* ---- models, fitted ------------------------------------------------------ */

static void same_model(const char *dir, const char *kernel, size_t threads,
                       struct id want, const char *what)
{
    struct err err = ERR_INIT;
    struct id id;

    ok(convert(dir, kernel, threads, &id, &err) == 0 && id_equal(id, want),
       "the same model: %s %s", what, err.text);
}

static void try_nano(const char *dir, const char *want)
{
    struct err err = ERR_INIT;
    struct id id, other;
    bool good = convert(dir, "reference", 1, &id, &err) == 0;

    ok(good && strcmp(id_text(id).s, want) == 0, "the fitted model is %s %s",
       good ? id_text(id).s : "none", err.text);
    for (size_t i = 0; x1_level(i); i++)
        same_model(dir, x1_level(i)->name, 2, id, x1_level(i)->name);
    same_model(dir, "auto", 8, id, "eight threads");
    test.stop_at = 2;
    ok(convert(dir, "auto", 2, &other, &err) == -1 && err.code == ERR_RETRY &&
           strstr(err.text, "after 2 of"), "interrupted: %s", err.text);
    test.stop_at = 0;
    same_model(dir, "auto", 2, id, "after an interruption");
}

/* Open the state under a key, write 1,000 bytes as a layer does, save after
 * `save` layers or end before that.  Layers that it had. */
static uint32_t state_of(const char *dir, char key, uint32_t save)
{
    static const char bytes[1000] = "tensors";
    static const float at[3] = { 1, 2, 3 };
    struct err err = ERR_INIT;
    struct id id = { .b = { (unsigned char)key } };
    struct fit_state s;
    uint32_t done;

    if (fit_state_open(&s, dir, id, 3, &done, &err) ||
        fit_state_put(&s, done * 1000, bytes, sizeof(bytes), &err) ||
        (save && fit_state_save(&s, save, at, 3, &err)))
        abort();
    fit_state_close(&s);
    return done;
}

/* Whoever begins again and is killed in its first layer leaves nothing that
 * another would take for done. */
static void try_state(void)
{
    char *dir = tmp_path("state"), *tensors = file_join(dir, "tensors");

    ok(state_of(dir, 1, 1) == 0 && state_of(dir, 1, 2) == 1 &&
           state_of(dir, 1, 0) == 2 && state_of(dir, 1, 0) == 2,
       "a state goes on after its last whole layer");
    ok(truncate(tensors, 1500) == 0 && state_of(dir, 1, 0) == 0 &&
           state_of(dir, 1, 0) == 0,
       "tensors cut off: again, and once more after a kill");
    ok(state_of(dir, 1, 1) == 0 && state_of(dir, 2, 0) == 0 &&
           state_of(dir, 1, 0) == 0,
       "another conversion was there, and was killed");
    free(tensors);
    free(dir);
}

/* Whether the source is made of the same files as then; *then = those of
 * now. */
static bool as_then(const char *path, struct id *then)
{
    struct err err = ERR_INIT;
    struct id now;
    bool same;

    if (fit_state_source(&now, path, &err))
        abort();
    same = id_equal(now, *then);
    *then = now;
    return same;
}

/* A set that was split is all its files, whichever is named. */
static void try_sets(void)
{
    char *dir = tmp_path("set"), *one = file_join(dir, "m-00001-of-00002.gguf"),
         *two = file_join(dir, "m-00002-of-00002.gguf"),
         *other = file_join(dir, "m-00003-of-00003.gguf");
    struct err err = ERR_INIT;
    struct id then = { { 0 } }, of_two = then;

    if (mkdir(dir, 0700) || file_write(one, "one", 3, &err) ||
        file_write(two, "two", 3, &err))
        abort();
    ok(!as_then(one, &then) && as_then(one, &then) && !as_then(two, &of_two),
       "the files of a set");
    if (file_write(other, "of another set", 14, &err))
        abort();
    ok(as_then(one, &then), "a file of another set changes nothing");
    if (file_write(two, "another", 7, &err))
        abort();
    ok(!as_then(one, &then) && !as_then(two, &of_two),
       "a file of the set that is not named changes");
    free(dir);
    free(one);
    free(two);
    free(other);
}

/* A state whose tensors are lost or cut off begins again. */
static void try_lost(const char *dir)
{
    char *state = tmp_path("fitting"), *tensors = file_join(state, "tensors");
    struct err err = ERR_INIT;
    struct id id, other;

    ok(convert(dir, "auto", 2, &id, &err) == 0, "a model %s", err.text);
    test.stop_at = 3;
    ok(convert(dir, "auto", 2, &other, &err) == -1 && unlink(tensors) == 0,
       "interrupted, and tensors are lost");
    test.stop_at = 0;
    same_model(dir, "auto", 2, id, "from the beginning");
    test.stop_at = 3;
    ok(convert(dir, "auto", 2, &other, &err) == -1 &&
           truncate(tensors, 100000) == 0,
       "interrupted, and tensors are cut off");
    test.stop_at = 0;
    same_model(dir, "auto", 2, id, "cut off: from the beginning");
    free(tensors);
    free(state);
}

/* nano with all numbers of a tensor, or its first (one), set to a bf16; the
 * directory is the caller's. */
static char *changed_nano(const char *nano, const char *tensor, uint16_t to,
                          bool one)
{
    char *dir = tmp_path("changed"), *from, *path;
    struct json *head = NULL;
    const struct json *at;
    uint64_t range[2] = { 0, 0 };
    struct err err = ERR_INIT;
    struct buf b;
    char *cmd = xasprintf("rm -rf %s; cp -r %s %s; chmod -R u+w %s", dir, nano,
                          dir, dir);

    buf_init(&b, 16 << 20);
    path = file_join(dir, "model.safetensors");
    if (system(cmd) == 0 && file_read(&b, path, &err) == 0 &&
        json_parse(&head, b.data + 8, (size_t)get_u64(b.data), &err) == 0) {
        at = json_first(json_get(json_get(head, tensor), "data_offsets"));
        json_u64(at, &range[0]);
        json_u64(json_next(at), &range[1]);
        from = b.data + 8 + get_u64(b.data);
        for (uint64_t i = range[0]; i < (one ? range[0] + 2 : range[1]);
             i += 2)
            memcpy(from + i, &to, 2);
        file_write(path, b.data, b.len, &err);
    }
    json_free(head);
    buf_clear(&b);
    free(cmd);
    free(path);
    return dir;
}

/* A channel that is always zero; gains of 2^39, which take numbers out of the
 * range in the second layer. */
static void try_changed(const char *nano)
{
    char *dir = changed_nano(nano, "model.layers.0.input_layernorm.weight", 0,
                             true);
    struct err err = ERR_INIT;
    struct model *m;
    struct id id;

    ok(convert(dir, "auto", 2, &id, &err) == 0, "a channel of zeros %s",
       err.text);
    free(dir);
    dir = changed_nano(nano, "model.layers.1.input_layernorm.weight", 0x5300,
                       false);
    test.note[0] = '\0';
    m = model_from_hf(dir, NULL);
    ok(m && convert(dir, "auto", 2, &id, &err) == 0 && id_equal(id, m->id),
       "out of range the nearest rule stays %s", err.text);
    ok(strstr(test.note, "out of range in layer 1 at position") != NULL, "%s",
       test.note);
    model_close(m);
    free(dir);
}

/* A file of llama2.c with the tokenizer that was asked for: the one beside it
 * is damaged. */
static void try_tokenizer(const char *nano)
{
    char *file = tmp_path("nano.bin"), *beside = tmp_path("tokenizer.bin");
    char *other = tmp_path("other.bin"), word[8];
    struct import *m = NULL;
    struct err err = ERR_INIT;
    struct buf b;
    struct id id;

    buf_init(&b, 16 << 20);
    if (formats_open(&m, nano, &err) == 0)
        llama2c_made(&b, m);
    file_write(file, b.data, b.len, NULL);
    b.len = 0;
    buf_put_u32(&b, 6);
    llama2c_put_token(&b, 0, 5, "<unk>");
    llama2c_put_token(&b, 0, 5, "\n<s>\n");
    llama2c_put_token(&b, 0, 6, "\n</s>\n");
    for (int i = 3; i < 512; i++) {
        snprintf(word, sizeof(word), i < 259 ? "<0x%02X>" : "t%d", i - 3);
        llama2c_put_token(&b, 0, (int32_t)strlen(word), word);
    }
    file_write(other, b.data, b.len, NULL);
    file_write(beside, b.data, 7, NULL);
    test.tokenizer = other;
    ok(convert(file, "auto", 2, &id, &err) == 0, "with this tokenizer %s",
       err.text);
    test.tokenizer = NULL;
    import_free(m);
    buf_clear(&b);
    unlink(beside);
    free(beside);
    free(other);
    free(file);
}

static void refused(const char *dir, const char *why)
{
    struct err err = ERR_INIT;
    struct id id;

    ok(convert(dir, "auto", 1, &id, &err) == -1 && err.code == ERR_INPUT &&
           strstr(err.text, why), "refused: %s", err.text);
}

/* A weight that is no number ends it for good. */
static void try_damaged(const char *nano)
{
    char *dir = changed_nano(nano, "model.layers.1.mlp.up_proj.weight", 0x7fc0,
                             true);

    refused(dir, "not below 2^40");
    free(dir);
}

/* What another account could have put where the state is to be. */
static void try_planted(const char *nano)
{
    static const char mine[] = "not to be written over";
    char *state = tmp_path("fitting"), *aim = tmp_path("aim");
    char *tensors = file_join(state, "tensors"), *file = file_join(aim, "file");
    struct err err = ERR_INIT;
    struct id id;
    struct buf b;

    buf_init(&b, 1 << 20);
    test.planted = true;
    file_mkdirs(aim, NULL);
    file_mkdirs(state, NULL);
    file_write(file, mine, sizeof(mine), NULL);
    ok(symlink(file, tensors) == 0 && chmod(state, 0777) == 0, "a link");
    refused(nano, "it alone can write");
    chmod(state, 0770);
    refused(nano, "it alone can write");
    chmod(state, 0700);
    if (geteuid() == 0 && chown(state, 12345, 12345) == 0) {
        refused(nano, "it alone can write");
        ok(chown(state, 0, 0) == 0, "which was another account's");
    }
    ok(convert(nano, "auto", 2, &id, &err) == -1, "no link is followed: %s",
       err.text);
    ok(file_read(&b, file, NULL) == 0 && b.len == sizeof(mine) &&
           memcmp(b.data, mine, b.len) == 0, "what it names is as it was");
    unlink(tensors);
    ok(rmdir(state) == 0 && symlink(aim, state) == 0, "a link to a directory");
    refused(nano, "it alone can write");
    unlink(state);
    test.planted = false;
    buf_clear(&b);
    free(tensors);
    free(state);
    free(file);
    free(aim);
}

int main(void)
{
    char *dir = tree_path("models/nano"), *text, *tiny;

    x1_thread_init();
    try_blocks();
    buf_init(&test.text, 1 << 20);
    text = tree_path("models/nano/eval.jsonl");
    if (ok(file_read(&test.text, text, NULL) == 0 && test.text.len > BYTES,
           "a text"))
        test.text.len = BYTES;
    try_own_words(dir);
    try_nano(dir, "ePv8IQ_gDKI9AjgBMpfFIOk5FnbKo1JQ27Yy3T9AhoI");
    test.a8 = true;
    try_nano(dir, "lEBSX0AgS-aUj56yY5TG7XxFGSfAE5hZQey6oi7T-hk");
    test.a8 = false;
    try_state();
    try_sets();
    try_lost(dir);
    try_changed(dir);
    try_tokenizer(dir);
    try_damaged(dir);
    try_planted(dir);
    tiny = tree_path("vectors/x1/models/tiny-gemma2");
    refused(tiny, "norms after its sublayers");
    free(tiny);
    tiny = tree_path("vectors/x1/models/tiny-mistral");
    refused(tiny, "needs a tokenizer");
    test.text.len = 900;
    refused(dir, "1024 are needed");
    buf_clear(&test.text);
    free(tiny);
    free(text);
    free(dir);
    tmp_remove();
    return done();
}
