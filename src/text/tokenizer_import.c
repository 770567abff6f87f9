/*
 * A Hugging Face directory to tokenizer bytes: which file there is, and what
 * tokenizer_config.json says about bos.  Each format is read by a file of its
 * own.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/json.h"
#include "base/json_python.h"
#include "base/mem.h"

static int flag_of(const struct json *root, const char *key)
{
    const struct json *v = json_get(root, key);

    if (!v || json_type(v) != JSON_BOOL)
        return -1;
    return json_true(v);
}

int tok_config_read(struct tok_config *c, const char *text, size_t n,
                    struct err *err)
{
    struct json *root;
    const struct json *bos;
    const char *class;

    *c = (struct tok_config){ .add_bos = -1, .add_eos = -1 };
    if (!text || !n)
        return 0;
    if (json_parse_python(&root, text, n, err))
        return err_prefix(err, "tokenizer_config.json");
    c->add_bos = flag_of(root, "add_bos_token");
    c->add_eos = flag_of(root, "add_eos_token");
    class = json_string(json_get(root, "tokenizer_class"));
    c->llama = class && (strcmp(class, "LlamaTokenizer") == 0 ||
                         strcmp(class, "LlamaTokenizerFast") == 0);
    bos = json_get(root, "bos_token");
    c->bos_said = bos != NULL;
    if (bos && !json_string(bos))
        bos = json_get(bos, "content");
    if (json_string(bos) && !*json_string(bos))
        c->bos_said = false; /* of old conversions of Llama */
    else if (json_string(bos))
        c->bos = xstrdup(json_string(bos));
    c->given = true;
    c->new_form = flag_of(root, "legacy") == 0;
    json_free(root);
    return 0;
}

void tok_config_clear(struct tok_config *c)
{
    free(c->bos);
    c->bos = NULL;
}

void tok_config_llama(struct tok_config *c)
{
    if (!c->bos_said)
        c->bos = xstrdup("<s>");
    c->bos_said = true;
}

void tok_note(struct tokenizer_source *source, const char *fmt, ...)
{
    char line[256];
    va_list ap;

    if (!source->notes)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    buf_printf(source->notes, "%s\n", line);
}

/* The file, if there is one. */
static enum found read_if(struct buf *b, const char *dir, const char *name,
                          struct err *err)
{
    char *path = file_join(dir, name);
    enum found found = FOUND_NONE;

    if (file_exists(path))
        found = file_read(b, path, err) ? FOUND_FAILED : FOUND_ONE;
    free(path);
    return found;
}

/* The files of a directory. */
struct files {
    const char *dir;
    struct buf main, second, config, added;
    struct tok_texts texts;
};

/* vocab.json and merges.txt, else a file of ranks, if there is one. */
static enum found import_older(struct buf *out, struct files *f,
                               struct tokenizer_source *source,
                               struct err *err)
{
    static const char *const ranks[] = { "qwen.tiktoken", "tokenizer.tiktoken",
                                         "cl100k_base.tiktoken",
                                         "o200k_base.tiktoken" };
    enum found found = read_if(&f->main, f->dir, "vocab.json", err);

    if (found == FOUND_ONE)
        found = read_if(&f->second, f->dir, "merges.txt", err);
    if (found == FOUND_ONE)
        return tokenizer_import_vocab(out, &f->main, &f->second, &f->texts,
                                      source, err)
                   ? err_prefix(err, "%s/vocab.json", f->dir) : FOUND_ONE;
    for (size_t i = 0; i < 4 && found == FOUND_NONE; i++) {
        buf_reset(&f->main);
        found = read_if(&f->main, f->dir, ranks[i], err);
        if (found == FOUND_ONE &&
            tokenizer_import_tiktoken(out, f->main.data, f->main.len,
                                      &f->texts, source, err))
            return err_prefix(err, "%s/%s", f->dir, ranks[i]);
    }
    return found;
}

/* tokenizer.model: SentencePiece's, or of ranks. */
static int import_model(struct buf *out, struct files *f,
                        struct tokenizer_source *source, struct err *err)
{
    if (tok_is_tiktoken(f->main.data ? f->main.data : "", f->main.len))
        return tokenizer_import_tiktoken(out, f->main.data, f->main.len,
                                         &f->texts, source, err);
    return tokenizer_import_spm(out, f->main.data, f->main.len, &f->texts,
                                source, err);
}

static int read_small(struct files *f, struct err *err)
{
    if (read_if(&f->config, f->dir, "tokenizer_config.json", err) ==
            FOUND_FAILED ||
        read_if(&f->added, f->dir, "added_tokens.json", err) == FOUND_FAILED)
        return -1;
    f->texts = (struct tok_texts){ f->config.data, f->added.data,
                                   f->config.len, f->added.len };
    return 0;
}

static int import(struct buf *out, struct files *f,
                  struct tokenizer_source *source, struct err *err)
{
    const char *name = "tokenizer.json";
    enum found found;
    int rc;

    if (read_small(f, err))
        return -1;
    found = read_if(&f->main, f->dir, name, err);
    if (found == FOUND_ONE) {
        rc = tokenizer_import_json(out, f->main.data, f->main.len, &f->texts,
                                   source, err);
        return rc ? err_prefix(err, "%s/%s", f->dir, name) : 0;
    }
    if (found == FOUND_NONE)
        found = read_if(&f->main, f->dir, name = "tokenizer.model", err);
    if (found == FOUND_ONE)
        return import_model(out, f, source, err)
                   ? err_prefix(err, "%s/%s", f->dir, name) : 0;
    if (found == FOUND_NONE)
        found = read_if(&f->main, f->dir, name = "tekken.json", err);
    if (found == FOUND_ONE)
        return tokenizer_import_tekken(out, f->main.data, f->main.len, source,
                                       err)
                   ? err_prefix(err, "%s/%s", f->dir, name) : 0;
    if (found == FOUND_NONE)
        found = import_older(out, f, source, err);
    return found == FOUND_FAILED ? -1 : 0;
}

static void files_init(struct files *f, const char *dir)
{
    memset(f, 0, sizeof(*f));
    f->dir = dir;
    buf_init(&f->main, TOK_MAX_FILE);
    buf_init(&f->second, TOK_MAX_FILE);
    buf_init(&f->config, (size_t)16 << 20);
    buf_init(&f->added, (size_t)16 << 20);
}

static void files_clear(struct files *f)
{
    buf_clear(&f->main);
    buf_clear(&f->second);
    buf_clear(&f->config);
    buf_clear(&f->added);
}

int tokenizer_import(struct buf *out, const char *dir,
                     struct tokenizer_source *source, struct err *err)
{
    struct files f;
    int rc;

    files_init(&f, dir);
    rc = import(out, &f, source, err);
    files_clear(&f);
    return rc;
}

/* By what the file is. */
static int import_one(struct buf *out, struct files *f, const char *name,
                      struct tokenizer_source *source, struct err *err)
{
    const char *s = f->main.len > 0 ? f->main.data : "";
    const struct json *model;
    struct json *root;
    bool tekken, vocab;

    if (s[strspn(s, " \t\r\n")] != '{')
        return import_model(out, f, source, err);
    if (json_parse(&root, s, f->main.len, err))
        return -1;
    tekken = json_get(json_get(root, "config"), "default_vocab_size");
    model = json_get(root, "model"); /* of vocab.json it may be a token */
    vocab = !tekken && (!model || json_type(model) != JSON_OBJECT);
    json_free(root);
    if (tekken)
        return tokenizer_import_tekken(out, s, f->main.len, source, err);
    if (vocab && strcmp(name, "vocab.json") == 0 &&
        read_if(&f->second, f->dir, "merges.txt", err) == FOUND_ONE)
        return tokenizer_import_vocab(out, &f->main, &f->second, &f->texts,
                                      source, err);
    return tokenizer_import_json(out, s, f->main.len, &f->texts, source, err);
}

int tokenizer_import_file(struct buf *out, const char *path,
                          struct tokenizer_source *source, struct err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1)
                      : xstrdup(".");
    struct files f;
    int rc;

    files_init(&f, dir);
    rc = file_read(&f.main, path, err) || read_small(&f, err) ? -1 : 0;
    if (rc == 0 && import_one(out, &f, slash ? slash + 1 : path, source, err))
        rc = err_prefix(err, "\"%s\"", path);
    files_clear(&f);
    free(dir);
    return rc;
}
