/*
 * The loader: what it gives for a good file, and that it refuses files that
 * are cut, longer, changed in any byte, of another model, with values out of
 * range behind right roots, and with records beyond the limits.  The store:
 * add, names, prefixes, list, remove, and files that are not what their name
 * says.  Every file is opened with a sink as well, which must get what the
 * model would have and be refused for the same reason.
 */
#include <config.h>

#include <math.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/id.h"
#include "model/models.h"
#include "tests/mini_model.h"
#include "tests/models_util.h"

/* ---- a sink that compares what it gets with the file --------------------- */

struct gather {
    const unsigned char *data;
    struct model_layout lay;
    struct model_record rec;
    size_t weights;   /* that came */
    int begun, ended; /* ended < 0: with an id */
    bool differs;
};

static int gather_begin(void *self, const struct model_record *rec,
                        struct err *err)
{
    struct gather *g = self;

    g->begun++;
    g->rec = *rec;
    return model_layout(&g->lay, rec, err);
}

static void gather_rows(void *self, uint32_t tensor, const struct x1_matrix *m,
                        size_t from, size_t to)
{
    struct gather *g = self;
    const unsigned char *at = g->data + g->lay.offset[tensor];
    struct tensor_record t;

    model_expect(&g->rec, tensor, &t);
    g->differs |= from % X1_GROUP != 0 || m->rows != t.rows ||
                  m->cols != t.cols || memcmp(m->scale, at, 4 * t.rows) != 0 ||
                  memcmp(m->w, at + model_tensor_scales(&t) + from * t.cols,
                         (to - from) * t.cols) != 0;
    g->weights += (to - from) * t.cols;
}

static void gather_end(void *self, const struct id *id)
{
    ((struct gather *)self)->ended += id ? -1 : 1;
}

/* The same file through a sink: what it said of it, and what came. */
static void open_into(struct gather *g, const char *path, const struct id *want,
                      int rc, const struct err *said)
{
    struct model_sink sink = { gather_begin, gather_rows, gather_end, g };
    struct err err = ERR_INIT;
    struct model *m = NULL;
    int into = model_open_into(&m, path, want, true, &sink, &err);

    if (into != rc || (rc && strcmp(err.text, said->text) != 0) ||
        g->differs || g->ended != (rc ? g->begun : -1)) {
        printf("# a sink: %d \"%s\", without: %d \"%s\"\n", into, err.text,
               rc, said->text);
        abort();
    }
    if (m && (!m->streamed || m->embed.w || m->layers->down.scale ||
              m->size + g->weights >= g->lay.size))
        abort();
    model_layout_clear(&g->lay);
    model_close(m);
}

/* Open bytes through a scratch file, once more with a sink. */
static int open_bytes(struct model **out, const void *data, size_t n,
                      const struct id *want, struct err *err)
{
    char *path = tmp_path("t_model.apus");
    FILE *f = fopen(path, "wb");
    struct gather g = { .data = data };
    struct err why = ERR_INIT;
    int rc;

    if (!f || fwrite(data, 1, n, f) != n || fclose(f))
        abort();
    rc = model_open(out, path, want, &why);
    open_into(&g, path, want, rc, &why);
    if (rc && err)
        *err = why;
    unlink(path);
    free(path);
    return rc;
}

/* Whether bytes are refused with this text in the message. */
static int refused(const void *data, size_t n, const char *text)
{
    struct err err = ERR_INIT;
    struct model *m = NULL;

    if (!open_bytes(&m, data, n, NULL, &err)) {
        model_close(m);
        return 0;
    }
    if (err.code == ERR_INPUT && strstr(err.text, text))
        return 1;
    printf("# %s\n", err.text);
    return 0;
}

/* A model of one layer with a window of 5, its scale and the second table. */
static void try_layers(void)
{
    static const struct {
        size_t at; /* of the numbers of its layer */
        float x;
    } bad[] = { { 0, 0.5f }, { 0, -1 }, { 0, 131073 }, { 0, (float)NAN },
                { 1, 0 }, { 1, -1 }, { 1, 0x1p20f }, { 2, 0.5f }, { 2, 2 },
                { 2, -1 }, { 3, 1 }, { 3, -0.0f } };
    static const float good[] = { 1, 0.5f, 0, 0, 5, 0.25f, 1, 0 };
    struct model *m = NULL;
    struct err err = ERR_INIT;
    struct mini mini;
    unsigned char *p;

    mini_init(&mini, MODEL_LAYERS);
    p = mini.data + mini.lay.offset[TENSOR_INV_FREQ];
    for (uint32_t i = 0; i < 8; i++)
        set_u32(p + 4 * i, f32_bits(good[i]));
    mini_seal(&mini);
    if (ok(!open_bytes(&m, mini.data, mini.lay.size, NULL, &err),
           "layers that differ: %s", err.text)) {
        ok(m->layers[0].window == 5 && m->layers[0].attn_scale == 0.25f &&
           m->layers[0].inv_freq == m->inv_freq + 2, "window, scale, table");
        model_close(m);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned char *at = p + 16 + 4 * bad[i].at;
        uint32_t was = get_u32(at);

        set_u32(at, f32_bits(bad[i].x));
        mini_seal(&mini);
        ok(refused(mini.data, mini.lay.size, "value 4 of its floats"),
           "refused: %g as number %zu", (double)bad[i].x, bad[i].at);
        set_u32(at, was);
    }
    set_u32(p + 12, f32_bits(1.5f));
    mini_seal(&mini);
    ok(refused(mini.data, mini.lay.size, "value 3 of its floats"),
       "a frequency of the second table");
    mini.rec.window = 4;
    mini_seal(&mini);
    ok(refused(mini.data, mini.lay.size, "window"), "a window beside them");
    mini.rec.window = 0;
    mini.rec.attn_scale = 0.5f;
    mini_seal(&mini);
    ok(refused(mini.data, mini.lay.size, "attention scale"),
       "a scale beside them");
    mini_clear(&mini);
}

/* Soft caps of scores and logits. */
static void try_caps(void)
{
    static const float bad[][2] = { { 0, 0 }, { 0.5f, 0 }, { -2, 3 },
                                    { 0x1p20f, 3 }, { (float)NAN, 3 } };
    struct model *m = NULL;
    struct err err = ERR_INIT;
    struct mini mini;
    unsigned char *p;

    mini_init(&mini, MODEL_SOFT_CAPS);
    p = mini.data + mini.lay.offset[TENSOR_INV_FREQ] + 8;
    set_u32(p, 0);
    set_u32(p + 4, f32_bits(30));
    mini_seal(&mini);
    if (ok(!open_bytes(&m, mini.data, mini.lay.size, NULL, &err),
           "soft caps: %s", err.text)) {
        ok(m->score_cap < 1 && m->logit_cap == 30, "none of scores, and 30");
        model_close(m);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_u32(p, f32_bits(bad[i][0]));
        set_u32(p + 4, f32_bits(bad[i][1]));
        mini_seal(&mini);
        ok(refused(mini.data, mini.lay.size, "value 2 of its floats"),
           "refused: caps %g and %g", (double)bad[i][0], (double)bad[i][1]);
    }
    mini_clear(&mini);
}

static void try_good(void)
{
    struct id id = { 0 };
    struct err err = ERR_INIT;
    struct model *m = NULL;
    struct mini mini;

    mini_init(&mini, MODEL_TIED | MODEL_QK_NORM);
    if (ok(!open_bytes(&m, mini.data, mini.lay.size, NULL, &err), "opens")) {
        const struct model_layer *y = m->layers;

        model_record_id(&id, &mini.rec);
        ok(id_equal(id, m->id) && m->size == mini.lay.size, "its id");
        ok(m->embed.rows == 5 && m->embed.cols == 4 &&
           m->head.w == m->embed.w && m->inv_freq[1] == 1.0f / 3 &&
           m->final_norm[0] == 1.0f / 3, "what is outside the layers");
        ok(y->wq.rows == 8 && y->wk.rows == 4 && y->wo.cols == 8 &&
           y->gate.rows == 3 && y->down.cols == 3 && !y->bq &&
           y->q_norm && y->down.scale[3] == 1.0f / 21 &&
           y->down.w[11] == 33 + 17, "and inside");
        ok(m->tokenizer[69] == 't' && m->chat_template[8] == 'c' &&
           m->chat_template + 9 == (char *)m->data + m->size,
           "tokenizer and template");
        model_close(m);
    }
    ok(!open_bytes(&m, mini.data, mini.lay.size, &id, NULL),
       "opens as the model asked for");
    model_close(m);
    id.b[0] ^= 1;
    mini.data[mini.lay.size - 1] = 0;
    ok(open_bytes(&m, mini.data, mini.lay.size, &id, &err) == -1 &&
           strstr(err.text, "another model"),
       "another id is refused first");
    mini_clear(&mini);
}

/* Every cut, every flip. */
static void try_damage(void)
{
    struct mini mini;
    size_t n, bad = 0;
    unsigned char *p;

    mini_init(&mini, MODEL_QKV_BIAS);
    n = (size_t)mini.lay.size;
    for (size_t i = 0; i < n; i++)
        bad += !refused(mini.data, i, "");
    ok(bad == 0, "cut after any byte of %zu: refused", n);
    bad = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char old = mini.data[i];

        mini.data[i] ^= (unsigned char)(1u << i % 8);
        bad += !refused(mini.data, n, "");
        mini.data[i] = old ^ 0xff;
        bad += !refused(mini.data, n, "");
        mini.data[i] = old;
    }
    /* Flips of bos, context, eps and the like in the record give the record
     * of another model, whose roots are the same. */
    ok(bad <= 60, "any byte flipped: refused, or another model (%zu)", bad);
    bad = 0;
    for (size_t i = MODEL_RECORD_SIZE; i < n; i++) {
        mini.data[i] ^= 0x10;
        bad += !refused(mini.data, n, "");
        mini.data[i] ^= 0x10;
    }
    ok(bad == 0, "and behind the record always refused");
    p = xcalloc(1, n + 1);
    memcpy(p, mini.data, n);
    ok(refused(p, n + 1, "its record says"), "a byte more: refused");
    ok(refused("GGUF", 4, "too short"), "too short");
    memcpy(p, "GGUF", 4);
    ok(refused(p, n, "GGUF"), "a GGUF file is called one");
    p[0] = 'x';
    ok(refused(p, n, "the directory that has config.json"), "another magic");
    free(p);
    mini_clear(&mini);
}

/* Any byte of the record: with the id asked for, nothing passes. */
static void try_flipped_record(void)
{
    struct id id;
    struct mini mini;
    size_t bad = 0;

    mini_init(&mini, 0);
    model_record_id(&id, &mini.rec);
    for (size_t i = 0; i < 8 * MODEL_RECORD_SIZE; i++) {
        struct model *m = NULL;

        mini.data[i / 8] ^= (unsigned char)(1u << i % 8);
        if (!open_bytes(&m, mini.data, mini.lay.size, &id, NULL)) {
            bad++;
            model_close(m);
        }
        mini.data[i / 8] ^= (unsigned char)(1u << i % 8);
    }
    ok(bad == 0, "any bit of the record flipped: not the model asked for");
    mini_clear(&mini);
}

/* Values behind right roots. */
static void try_values(void)
{
    static const uint32_t bad[] = { 0x7fc00000, 0xff800000, 0x53800000,
                                    0xd3800001, 0x7f800001 };
    static const uint32_t vectors[] = { TENSOR_FINAL_NORM,
        TENSOR_LAYERS + LAYER_ATTN_NORM, TENSOR_LAYERS + LAYER_BQ,
        TENSOR_LAYERS + LAYER_BV, TENSOR_LAYERS + LAYER_Q_NORM,
        TENSOR_EMBED, TENSOR_LAYERS + LAYER_DOWN };
    static const uint32_t freq[] = { 0x3f800001, 0x80000001, 0x7fc00000,
                                     0xbf800000 };
    struct mini mini;
    struct tensor_record t;
    unsigned char *p, old[4];

    mini_init(&mini, MODEL_QKV_BIAS | MODEL_QK_NORM);
    for (size_t v = 0; v < sizeof(vectors) / sizeof(vectors[0]); v++) {
        char name[MODEL_TENSOR_NAME];
        int good = 1;

        model_tensor_name(name, &mini.rec, vectors[v]);
        p = mini.data + mini.lay.offset[vectors[v]] + 4;
        memcpy(old, p, 4);
        for (size_t i = 0; i < 5; i++) {
            set_u32(p, bad[i]);
            mini_seal(&mini);
            good &= refused(mini.data, mini.lay.size, "value 1 of") &&
                    refused(mini.data, mini.lay.size, name);
        }
        memcpy(p, old, 4);
        ok(good, "NaN, infinity, 2^40 in %s", name);
    }
    p = mini.data + mini.lay.offset[TENSOR_INV_FREQ];
    for (size_t i = 0; i < 4; i++) {
        set_u32(p, freq[i]);
        mini_seal(&mini);
        ok(refused(mini.data, mini.lay.size, "value 0 of"),
           "frequency %08x", freq[i]);
    }
    set_u32(p, 0x3f800000);
    model_expect(&mini.rec, TENSOR_LAYERS + LAYER_UP, &t);
    p = mini.data + mini.lay.offset[TENSOR_LAYERS + LAYER_UP] +
        model_tensor_scales(&t) + 11;
    *p = 0x80;
    mini_seal(&mini);
    ok(refused(mini.data, mini.lay.size, "-128"), "a weight of -128");
    *p = 0x81;
    p = mini.data + mini.lay.chat_template;
    *p = 0xff;
    mini_seal(&mini);
    ok(refused(mini.data, mini.lay.size, "UTF-8"), "a template not UTF-8");
    *p = 'c';
    mini.data[mini.lay.chat_template - 1] = 1;
    mini_seal(&mini);
    ok(refused(mini.data, mini.lay.size, "padding"), "padding not zero");
    mini_clear(&mini);
}

/* One field of a record changed. */
static int limits(size_t field, uint32_t value)
{
    unsigned char raw[MODEL_RECORD_SIZE];
    struct model_record r;
    struct model_layout lay;
    struct mini mini;
    int rc;

    mini_init(&mini, 0);
    model_record_pack(raw, &mini.rec);
    set_u32(raw + 8 + 4 * field, value);
    mini_clear(&mini);
    if (model_record_unpack(&r, raw))
        return -1;
    rc = model_layout(&lay, &r, NULL);
    if (!rc)
        model_layout_clear(&lay);
    return rc;
}

static void try_limits(void)
{
    /* the order of proof.md: numerics, architecture, layers, width, heads,
     * kv heads, head width, ffn, vocabulary, context, window, flags, eps,
     * scale, bos, eos count, eos */
    static const uint32_t bad[][2] = {
        { 0, 2 }, { 1, 0 }, { 2, 0 }, { 2, 1025 }, { 2, 2 }, { 3, 0 },
        { 3, 131073 }, { 3, 0xffffffff }, { 4, 0 }, { 4, 65536 },
        { 4, 0xffffffff }, { 5, 0 }, { 5, 3 }, { 6, 0 }, { 6, 3 },
        { 6, 1026 }, { 7, 0 }, { 7, 131073 }, { 8, 0 }, { 8, 262145 },
        { 9, 0 }, { 9, 131073 }, { 10, 131073 }, { 11, 24 }, { 11, 80 },
        { 11, 32 }, { 11, 128 }, { 11, 256 },
        { 11, 272 }, { 11, 320 }, { 11, 2048 },
        { 12, 0x2b7fffff }, { 12, 0 }, { 12, 0x7fc00000 }, { 12, 0xb727c5ac },
        { 12, 0x53800000 }, { 13, 0 }, { 13, 0x80000000 }, { 13, 0x49800000 },
        { 13, 0x7fc00000 }, { 14, 5 }, { 15, 9 }, { 15, 0 }, { 15, 2 },
        { 16, 5 }, { 16, 0xffffffff }, { 17, 0 },
    };
    static const uint32_t good[][2] = {
        { 3, 131072 }, { 4, 32768 }, { 6, 1024 }, { 7, 131072 },
        { 8, 262144 }, { 9, 131072 }, { 10, 131072 }, { 11, 15 },
        { 11, 16 }, { 11, 23 }, { 11, 64 }, { 11, 132 },
        { 11, 196 }, { 11, 512 },
        { 12, 0x2b800000 }, { 13, 1 }, { 13, 0x497fffff }, { 14, 4 },
        { 14, 0xffffffff },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(limits(bad[i][0], bad[i][1]) == -1, "field %u: %u is refused",
           bad[i][0], bad[i][1]);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ok(limits(good[i][0], good[i][1]) == 0, "field %u: %u is allowed",
           good[i][0], good[i][1]);
}

static void try_sizes(void)
{
    struct model_layout lay;
    struct model_record r;
    struct mini mini;

    mini_init(&mini, MODEL_TIED);
    ok(mini.lay.offset[TENSOR_HEAD] == mini.lay.offset[TENSOR_EMBED] &&
       mini.lay.offset[TENSOR_EMBED] % 64 == 0 &&
       mini.lay.offset[TENSOR_INV_FREQ] >=
       mini.lay.offset[TENSOR_EMBED] + 64 + 20, "places of a tied model");
    ok(model_parameters(&mini.rec) == 5 * 4 + 4 + 4 + 32 + 16 + 16 + 32 + 4 +
       36, "parameters");
    r = mini.rec;
    r.tokenizer_size = ((uint64_t)64 << 20) + 1;
    ok(model_layout(&lay, &r, NULL) == -1, "a tokenizer that is too long");
    r.tokenizer_size = UINT64_MAX;
    ok(model_layout(&lay, &r, NULL) == -1, "or absurd");
    r.tokenizer_size = 0;
    r.template_size = (1 << 20) + 1;
    ok(model_layout(&lay, &r, NULL) == -1, "a template that is too long");
    r = mini.rec;
    r.n_layers = 1024;
    r.n_tensors = 4 + 14 * 1024;
    r.dim = r.ffn_dim = 131072;
    r.n_heads = r.n_kv_heads = 131072 / 4;
    ok(!model_layout(&lay, &r, NULL) && lay.size > (uint64_t)1 << 46,
       "the largest model has a size");
    model_layout_clear(&lay);
    mini_clear(&mini);
}

/* ---- the store ------------------------------------------------------- */

static int said;

static void say(const char *line)
{
    said += strstr(line, "converting") != NULL;
}

static int opens(const char *store, const char *what, struct id id)
{
    struct err err = ERR_INIT;
    struct model *m = NULL;
    int good;

    if (models_open(&m, store, what, NULL, say, &err)) {
        printf("# %s\n", err.text);
        return 0;
    }
    good = id_equal(m->id, id);
    model_close(m);
    return good;
}

static void write_mini(const char *path, uint32_t flags, struct id *id)
{
    struct mini mini;

    mini_init(&mini, flags);
    model_record_id(id, &mini.rec);
    if (file_write(path, mini.data, (size_t)mini.lay.size, NULL))
        abort();
    mini_clear(&mini);
}

static void try_damaged_store(const char *store, const char *name, struct id id)
{
    char *path;
    struct err err = ERR_INIT;
    struct model *m = NULL;
    struct buf b;

    path = xasprintf("%s/%s.apus", store, id_text(id).s);
    buf_init(&b, 1 << 16);
    if (file_read(&b, path, NULL))
        abort();
    b.data[b.len - 100] ^= 1;
    file_write(path, b.data, b.len, NULL);
    ok(models_open(&m, store, name, NULL, say, &err) == -1 &&
       strstr(err.text, "root"), "a file that changed is checked again");
    buf_clear(&b);
    write_mini(path, MODEL_A8, id_in((unsigned char *)id_text(id).s));
    ok(models_open(&m, store, name, NULL, say, &err) == -1 &&
       strstr(err.text, "another model"), "another model in its place");
    buf_init(&b, 1 << 16);
    ok(!models_list(store, &b, NULL) && strstr(b.data, "damaged"),
       "which the list calls damaged");
    buf_clear(&b);
    free(path);
}

static void try_store(void)
{
    char *store = tmp_path("store"), *file = tmp_path("mini.apus");
    char *nano = tree_path("models/nano"), text[ID_TEXT];
    struct id id, id2, got;
    struct model *m = NULL;
    struct buf b;

    buf_init(&b, 1 << 16);
    write_mini(file, 0, &id);
    ok(models_open(&m, store, "mini", NULL, say, NULL) == -1,
       "nothing in a store that is not there");
    ok(opens(store, file, id) && !file_exists(store), "a path");
    ok(!models_add(store, file, NULL, NULL, &got, NULL) && id_equal(id, got),
       "a file is added");
    ok(opens(store, "mini", id) && opens(store, "mini", id),
       "and found by its name");
    base64url(text, id.b, 32);
    ok(opens(store, text, id), "by its id");
    text[6] = '\0';
    ok(opens(store, text, id), "by six characters of it");
    text[5] = '\0';
    ok(models_open(&m, store, text, NULL, say, NULL) == -1, "but not by five");
    ok(models_add(store, file, "-x", NULL, &got, NULL) == -1 &&
           models_add(store, file, "a/b", NULL, &got, NULL) == -1 &&
           models_add(store, file, "a b", NULL, &got, NULL) == -1 &&
           models_add(store, file, "", NULL, &got, NULL) == -1,
       "bad names");
    write_mini(file, MODEL_TIED, &id2);
    ok(!models_add(store, file, "two", NULL, &got, NULL) &&
           !models_add(store, file, "three", NULL, &got, NULL) &&
           opens(store, "two", id2),
       "a second model with two names");
    ok(!models_list(store, &b, NULL) && strstr(b.data, "mini\t") &&
       strstr(b.data, "three\t") && strstr(b.data, "two\t"), "all listed");
    ok(!models_rm(store, "two", NULL) && opens(store, "three", id2),
       "a name removed");
    ok(!models_rm(store, "three", NULL) && models_rm(store, "three", NULL),
       "the last name removed");
    base64url(text, id2.b, 32);
    ok(models_open(&m, store, text, NULL, say, NULL) == -1,
       "and the file with it");
    ok(!models_open(&m, store, nano, NULL, say, NULL) && said == 1,
       "a directory is converted, aloud");
    got = m->id;
    model_close(m);
    ok(opens(store, "nano", got) && said == 1, "and has its name after");
    ok(opens(store, nano, got) && said == 1, "but not converted twice");
    ok(!models_rm(store, "nano", NULL) && opens(store, nano, got) &&
       said == 2, "unless its model was removed");
    try_damaged_store(store, "mini", id);
    buf_clear(&b);
    unlink(file);
    free(store);
    free(file);
    free(nano);
}

static void try_peek(void)
{
    char *path = tmp_path("peek.apus");
    struct id id, got;
    struct model_record rec;
    struct buf t, c;

    buf_init(&t, 100);
    buf_init(&c, 100);
    write_mini(path, 0, &id);
    ok(!model_peek(&rec, &got, path, NULL) && id_equal(id, got) &&
           rec.ffn_dim == 3,
       "only the record");
    ok(!model_peek_texts(&t, &c, &rec, path, NULL) && t.len == 70 &&
       c.len == 9 && c.data[8] == 'c', "and the texts");
    rec.template_blob.b[0] ^= 1;
    ok(model_peek_texts(&t, &c, &rec, path, NULL) == -1, "with their roots");
    ok(model_peek(&rec, &got, tap_tmp(), NULL) == -1 &&
           model_peek(&rec, &got, tap_missing("m"), NULL) == -1,
       "no directory");
    buf_clear(&t);
    buf_clear(&c);
    unlink(path);
    free(path);
}

int main(void)
{
    try_good();
    try_layers();
    try_caps();
    try_damage();
    try_flipped_record();
    try_values();
    try_limits();
    try_sizes();
    try_peek();
    try_store();
    tmp_remove();
    return done();
}
