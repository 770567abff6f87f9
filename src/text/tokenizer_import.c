/*
 * A Hugging Face directory to tokenizer bytes: which file there is, and what
 * tokenizer_config.json says about bos.  The formats are read in
 * tokenizer_json.c and tokenizer_spm_model.c.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
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
    c->bos = json_string(bos) ? xstrdup(json_string(bos)) : NULL;
    c->given = true;
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

/* The file, if there is one: 1 if so, 0 if not, -1. */
static int read_if(struct buf *b, const char *dir, const char *name,
                   struct err *err)
{
    char *path = file_join(dir, name);
    int rc = 0;

    if (file_exists(path))
        rc = file_read(b, path, err) ? -1 : 1;
    free(path);
    return rc;
}

static int import(struct buf *out, const char *dir,
                  struct tokenizer_source *source, struct buf *file,
                  struct buf *config, struct err *err)
{
    int found;

    if (read_if(config, dir, "tokenizer_config.json", err) < 0)
        return -1;
    found = read_if(file, dir, "tokenizer.json", err);
    if (found < 0)
        return -1;
    if (found) {
        if (tokenizer_import_json(out, file->data, file->len, config->data,
                                  config->len, source, err))
            return err_prefix(err, "%s/tokenizer.json", dir);
        return 0;
    }
    found = read_if(file, dir, "tokenizer.model", err);
    if (found < 0)
        return -1;
    if (found && tokenizer_import_spm(out, file->data, file->len,
                                      config->data, config->len, source,
                                      err))
        return err_prefix(err, "%s/tokenizer.model", dir);
    return 0;
}

int tokenizer_import(struct buf *out, const char *dir,
                     struct tokenizer_source *source, struct err *err)
{
    struct buf file, config;
    int rc;

    buf_init(&file, TOK_MAX_FILE);
    buf_init(&config, (size_t)16 << 20);
    rc = import(out, dir, source, &file, &config, err);
    buf_clear(&file);
    buf_clear(&config);
    return rc;
}
