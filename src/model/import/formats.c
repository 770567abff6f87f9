/*
 * From a path to a model of its format.
 */
#include <config.h>

#include "model/import/formats.h"

#include <string.h>
#include <strings.h>

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

int formats_open(struct import **out, const char *path, struct err *err)
{
    struct import *m = import_new();
    struct model_record *r = &m->rec;

    if (file_is_dir(path) ? hf_open(m, path, err)
                          : gguf_model_open(m, path, err)) {
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
