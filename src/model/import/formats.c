/*
 * From a path to a model of its format.
 */
#include <config.h>

#include "model/import/formats.h"

#include "model/import/hf.h"
#include "model/import/import.h"
#include "proof/merkle.h"

int formats_open(struct import **out, const char *path, struct err *err)
{
    struct import *m = import_new();
    struct model_record *r = &m->rec;

    if (hf_open(m, path, err)) {
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
