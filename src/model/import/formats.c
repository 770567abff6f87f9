/*
 * From a path to a model of its format.
 */
#include <config.h>

#include "model/import/formats.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/file.h"
#include "model/import/gguf.h"
#include "model/import/gguf_model.h"
#include "model/import/gguf_texts.h"
#include "model/import/hf.h"
#include "model/import/import.h"
#include "model/import/llama2c.h"
#include "model/model_layout.h"
#include "proof/merkle.h"

static bool is_named(const char *path, const char *end)
{
    size_t n = strlen(path), k = strlen(end);

    return n > k && strcasecmp(path + n - k, end) == 0;
}

bool formats_known(const char *path)
{
    return file_is_dir(path) || gguf_is(path) ||
           (file_exists(path) && is_named(path, ".gguf")) ||
           llama2c_is(path);
}

bool formats_apart(const char *path)
{
    return !gguf_is(path) && llama2c_is(path);
}

/* A directory that has a GGUF file, and no config.json: which one is meant is
 * for the user to say. */
static int check_directory(const char *path, struct err *err)
{
    char *config = file_join(path, "config.json");
    DIR *d = file_exists(config) ? NULL : opendir(path);
    struct dirent *e;
    int rc = 0;

    while (rc == 0 && d && (e = readdir(d)))
        if (is_named(e->d_name, ".gguf"))
            rc = err_set(err, ERR_INPUT, "\"%s\" has no config.json; give the"
                         " GGUF file itself, \"%s/%s\"", path, path,
                         e->d_name);
    if (d)
        closedir(d);
    free(config);
    return rc;
}

static int open_any(struct import *m, const char *path, const char *tokenizer,
                    struct err *err)
{
    if (formats_apart(path))
        return llama2c_open(m, path, tokenizer, err);
    if (!file_is_dir(path))
        return gguf_model_open(m, path, err);
    return check_directory(path, err) ? -1 : hf_open(m, path, err);
}

static void take_sizes(struct import *m)
{
    struct model_record *r = &m->rec;

    r->tokenizer_size = m->tokenizer.len;
    merkle_blob(&r->tokenizer, m->tokenizer.data, m->tokenizer.len);
    r->template_size = m->chat_template.len;
    merkle_blob(&r->template_blob, m->chat_template.data,
                m->chat_template.len);
}

int formats_open_with(struct import **out, const char *path,
                      const char *tokenizer, struct err *err)
{
    struct import *m = import_new();

    if (open_any(m, path, tokenizer, err)) {
        import_free(m);
        return -1;
    }
    take_sizes(m);
    *out = m;
    return 0;
}

char *formats_set_file(const char *path, uint64_t i)
{
    return gguf_set_file(path, i);
}

int formats_open(struct import **out, const char *path, struct err *err)
{
    return formats_open_with(out, path, NULL, err);
}

static int read_gguf(struct import *m, const char *path, struct err *err)
{
    struct gguf *g;
    int rc;

    if (gguf_open(&g, path, err))
        return -1;
    rc = gguf_texts_read(m, g, err);
    gguf_close(g);
    return rc;
}

static int read_any(struct import *m, const char *path, struct err *err)
{
    if (formats_apart(path))
        return llama2c_texts(m, path, err);
    return file_is_dir(path) ? hf_texts(m, path, err) : read_gguf(m, path, err);
}

int formats_texts(struct import **out, const char *path, uint32_t n_vocab,
                  struct err *err)
{
    struct import *m = import_new();

    m->rec.n_vocab = n_vocab;
    m->rec.bos = MODEL_NONE;
    if (read_any(m, path, err)) {
        import_free(m);
        return -1;
    }
    take_sizes(m);
    *out = m;
    return 0;
}
