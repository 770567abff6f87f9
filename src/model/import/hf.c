/*
 * Reads a model from a Hugging Face directory: tensors by the names of
 * hf_tensors.c, the record by hf_config.c, numbers by safetensors.c, texts
 * here.
 */
#include <config.h>

#include "model/import/hf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_python.h"
#include "base/mem.h"
#include "model/import/ends.h"
#include "model/import/foreign.h"
#include "model/import/hf_config.h"
#include "model/import/hf_template.h"
#include "model/import/hf_tensors.h"
#include "model/import/safetensors.h"
#include "model/import/import.h"
#include "text/tokenizer.h"

#define MAX_CONFIG ((size_t)16 << 20) /* tokenizer_config.json */

struct hf {
    struct safetensors *st;
    struct hf_origin *from; /* of each tensor of the model */
    struct import_heads heads;
    bool as_they_lie;       /* heads: the order of rows is the model's */
};

/* ---- tensors ------------------------------------------------------------- */

static const char *tensor_name(const struct import *m, uint32_t tensor)
{
    const struct hf *h = m->self;

    return h->from[tensor].t ? h->from[tensor].t->name : NULL;
}

/* Numbers of experts: of one after the other. */
static int read_experts(const struct import *m, uint32_t tensor, uint64_t from,
                        size_t n, float *out, struct err *err)
{
    const struct hf *h = m->self;
    uint64_t each = (uint64_t)m->rec.ffn_dim * m->rec.dim;
    char name[HF_TENSOR_NAME];

    while (n > 0) {
        uint64_t in = from % each;
        size_t k = n < each - in ? n : (size_t)(each - in);

        hf_expert_name(name, &m->rec, tensor, (uint32_t)(from / each));
        if (safetensors_read(h->st, safetensors_find(h->st, name), in, k, out,
                             err))
            return -1;
        out += k;
        from += k;
        n -= k;
    }
    return 0;
}

static int read_tensor(const struct import *m, uint32_t tensor, uint64_t from,
                       size_t n, float *out, struct err *err)
{
    const struct hf *h = m->self;
    const struct hf_origin *o = &h->from[tensor];
    uint64_t width = o->t->n_dims > 1 ? o->t->shape[1] : 1;

    if (hf_tensors_of_experts(&m->rec, tensor))
        return read_experts(m, tensor, from, n, out, err);
    if (h->as_they_lie || !import_has_heads(&m->rec, tensor))
        return safetensors_read(h->st, o->t, o->row * width + from, n, out,
                                err);
    while (n > 0) {
        uint64_t row = import_head_row(from / width, m->rec.head_dim,
                                       &h->heads), in = from % width;
        size_t k = n < width - in ? n : (size_t)(width - in);

        if (safetensors_read(h->st, o->t, (o->row + row) * width + in, k, out,
                             err))
            return -1;
        out += k;
        from += k;
        n -= k;
    }
    return 0;
}

static void close_hf(struct import *m)
{
    struct hf *h = m->self;

    safetensors_close(h->st);
    free(h->from);
    free(h);
}

static const struct import_format format = { tensor_name, read_tensor,
                                             close_hf };

/* A directory may have the whole model and shards: the whole is taken. */
static void note_two_sets(struct import *m, const char *dir)
{
    char *single = file_join(dir, "model.safetensors");
    char *index = file_join(dir, "model.safetensors.index.json");

    if (file_exists(single) && file_exists(index))
        buf_puts(&m->notes, "model.safetensors is taken, and not the shards of"
                 " model.safetensors.index.json\n");
    free(single);
    free(index);
}

static int open_tensors(struct import *m, const char *dir,
                        const struct hf_config *c, struct err *err)
{
    struct hf *h = m->self;
    uint32_t n = m->rec.n_tensors;

    note_two_sets(m, dir);
    if (c->names & HF_MORE_ROWS)
        buf_printf(&m->notes, "the embedding's rows from %u on, of images, are"
                   " left out\n", m->rec.n_vocab);
    if (safetensors_open(&h->st, dir, err) ||
        (c->part && safetensors_keep_text(h->st, err)) ||
        hf_tensors_check(h->st, &m->rec, c->names, err))
        return -1;
    h->from = xcalloc(n, sizeof(*h->from));
    for (uint32_t i = 0; i < n; i++)
        h->from[i] = hf_tensors_get(h->st, &m->rec, c->names, i);
    return 0;
}

static int read_checked(const struct safetensors *st,
                        const struct safetensor *t, uint64_t from, size_t n,
                        float *out, struct err *err)
{
    if (safetensors_read(st, t, from, n, out, err))
        return -1;
    return import_check(t->name, out, n, from, err);
}

/* A tied checkpoint may save the head too; then it is the same. */
static int check_tied(const struct import *m, struct err *err)
{
    const struct safetensors *st = ((const struct hf *)m->self)->st;
    const struct model_record *r = &m->rec;
    const struct safetensor *e, *h;
    float *row, *other;
    int rc = 0;

    if (!(r->flags & MODEL_TIED))
        return 0;
    e = hf_tensors_get(st, r, false, TENSOR_EMBED).t;
    h = safetensors_find(st, "lm_head.weight");
    if (!h || h == e)
        return 0;
    if (h->n != e->n)
        return err_set(err, ERR_INPUT, "tie_word_embeddings is true, but "
                       "\"%s\" and \"%s\" differ in shape", e->name, h->name);
    row = xmalloc(2 * (size_t)r->dim * sizeof(*row));
    other = row + r->dim;
    for (uint32_t n = 0; n < r->n_vocab && !rc; n++) {
        uint64_t at = (uint64_t)n * r->dim;

        rc = read_checked(st, e, at, r->dim, row, err) ||
             read_checked(st, h, at, r->dim, other, err) ? -1 : 0;
        if (!rc && memcmp(row, other, r->dim * sizeof(*row)) != 0)
            rc = err_set(err, ERR_INPUT, "tie_word_embeddings is true, but "
                         "\"%s\" and \"%s\" differ", e->name, h->name);
    }
    free(row);
    return rc;
}

/* ---- texts --------------------------------------------------------------- */

/* Whether a text has a word. */
static bool says(const struct buf *text, const char *word)
{
    return text->len > 0 && strstr(text->data, word) != NULL;
}

/* The id of a special token that tokenizer_config.json names, or none. */
static uint32_t named_token(const struct tokenizer *t,
                            const struct json *config, const char *key)
{
    const struct json *v = json_get(config, key);
    const char *text = json_string(v);

    if (!text)
        text = json_string(json_get(v, "content"));
    return text ? tokenizer_find(t, text) : UINT32_MAX;
}

/* The template's eos_token is the first of the ids: the one by its name, if
 * the template looks at it. */
static void put_first(struct model_record *r, uint32_t eos)
{
    for (uint32_t i = 0; i < r->n_eos; i++) {
        if (r->eos[i] != eos)
            continue;
        memmove(r->eos + 1, r->eos, i * sizeof(*r->eos));
        r->eos[0] = eos;
        return;
    }
}

/* What ends a text beside the ids of config.json and generation_config.json:
 * eos_token, and in a chat what closes a turn of the template. */
static int name_ends(struct import *m, const struct json *config,
                     struct err *err)
{
    struct model_record *r = &m->rec;
    struct tokenizer *t;
    uint32_t eos;
    int rc = 0;

    if (!m->tokenizer.len)
        return 0;
    if (tokenizer_new(&t, (const unsigned char *)m->tokenizer.data,
                      m->tokenizer.len, r->n_vocab, err))
        return -1;
    eos = named_token(t, config, "eos_token");
    if (eos != MODEL_NONE)
        rc = ends_add(r, eos, err);
    if (rc == 0 && eos != MODEL_NONE && says(&m->chat_template, "eos_token"))
        put_first(r, eos);
    if (rc == 0)
        rc = ends_of_template(m, t, err);
    tokenizer_free(t);
    return rc;
}

/* Tokenizer, chat template, and what hangs on them in the record. */
static int read_texts(struct import *m, const char *dir, struct err *err)
{
    char *path = file_join(dir, "tokenizer_config.json");
    struct tokenizer_source source = { .n_vocab = m->rec.n_vocab,
                                       .bos = m->rec.bos,
                                       .notes = &m->notes };
    struct json *config = NULL;
    struct buf b;
    int rc = -1;

    buf_init(&b, MAX_CONFIG);
    if (file_exists(path)) {
        if (file_read(&b, path, err))
            goto out;
        buf_put(&b, "", 0);
        if (json_parse_python(&config, b.data, b.len, err)) {
            err_prefix(err, "\"%s\"", path);
            goto out;
        }
    }
    if (hf_template_read(m, dir, config, err))
        goto out;
    source.names_bos = says(&m->chat_template, "bos_token");
    if (tokenizer_import(&m->tokenizer, dir, &source, err) ||
        buf_check(&m->tokenizer, "the tokenizer", err))
        goto out;
    m->rec.bos = source.bos;
    rc = name_ends(m, config, err);
out:
    json_free(config);
    buf_clear(&b);
    free(path);
    return rc;
}

/* *found = whether there is such a file, which is what its name says. */
static int check_file(const char *dir, const char *name, bool *found,
                      struct err *err)
{
    char *path = file_join(dir, name);
    int rc = 0;

    *found = file_exists(path);
    if (*found)
        rc = foreign_check_file(path, err);
    free(path);
    return rc;
}

/* The small files, before one of them is misread: all, and of the tokenizer's
 * those up to the first, which is the one that is read. */
static int check_files(const char *dir, struct err *err)
{
    static const char *const names[] = {
        "config.json", "generation_config.json", "tokenizer_config.json",
        "added_tokens.json", "chat_template.jinja", "chat_template.json",
        "model.safetensors.index.json", "merges.txt"
    };
    static const char *const tokenizers[] = {
        "tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json"
    };
    bool found = false;
    int rc = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names) && rc == 0; i++)
        rc = check_file(dir, names[i], &found, err);
    found = false;
    for (size_t i = 0; i < 4 && rc == 0 && !found; i++)
        rc = check_file(dir, tokenizers[i], &found, err);
    return rc;
}

int hf_texts(struct import *m, const char *dir, struct err *err)
{
    return check_files(dir, err) || read_texts(m, dir, err) ? -1 : 0;
}

/* ---- the directory ------------------------------------------------------- */

int hf_open(struct import *m, const char *dir, struct err *err)
{
    struct hf *h = xcalloc(1, sizeof(*h));
    struct hf_config c;

    m->self = h;
    m->format = &format;
    if (check_files(dir, err) || hf_config_read(&c, dir, err))
        return -1;
    m->rec = c.rec;
    h->heads = c.heads;
    m->one_plus = c.one_plus;
    m->embedding = c.embedding;
    if (c.embedding > 0)
        m->final = 1 / c.embedding;
    h->as_they_lie = !c.heads.interleaved &&
                     c.heads.turned == c.rec.head_dim;
    memcpy(m->inv_freq, c.inv_freq, sizeof(m->inv_freq));
    if (c.folds && fold_factors(m, &c.fold, err))
        return err_prefix(err, "config.json");
    return open_tensors(m, dir, &c, err) ||
                   read_texts(m, dir, err) || check_tied(m, err)
               ? -1 : 0;
}
