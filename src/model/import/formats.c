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
#include "model/import/hf.h"
#include "model/import/import.h"
#include "proof/merkle.h"

static bool is_named(const char *path, const char *end)
{
    size_t n = strlen(path), k = strlen(end);

    return n > k && strcasecmp(path + n - k, end) == 0;
}

bool formats_known(const char *path)
{
    return file_is_dir(path) || gguf_is(path) ||
           (file_exists(path) && is_named(path, ".gguf"));
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

static int open_any(struct import *m, const char *path, struct err *err)
{
    if (!file_is_dir(path))
        return gguf_model_open(m, path, err);
    return check_directory(path, err) ? -1 : hf_open(m, path, err);
}

int formats_open(struct import **out, const char *path, struct err *err)
{
    struct import *m = import_new();
    struct model_record *r = &m->rec;

    if (open_any(m, path, err)) {
        import_free(m);
        return -1;
    }
    r->tokenizer_size = m->tokenizer.len;
    merkle_blob(&r->tokenizer, m->tokenizer.data, m->tokenizer.len);
    r->template_size = m->chat_template.len;
    merkle_blob(&r->template_blob, m->chat_template.data,
                m->chat_template.len);
    *out = m;
    return 0;
}
