/*
 * For contrib/kit.sh, which has no tokenizer: models are converted without
 * one, and sequences are ids alone.
 */
#include <config.h>

#include <stdlib.h>

#include "text/chat.h"
#include "text/tokenizer.h"

int tokenizer_import(struct buf *out, const char *dir,
                     struct tokenizer_source *source, struct err *err)
{
    (void)out;
    (void)dir;
    (void)source;
    (void)err;
    return 0;
}

int tokenizer_import_arrays(struct buf *out, const struct tokenizer_arrays *a,
                            uint32_t n_vocab, struct err *err)
{
    (void)out;
    (void)a;
    (void)n_vocab;
    (void)err;
    return 0;
}

int tokenizer_new(struct tokenizer **out, const unsigned char *data,
                  size_t n, uint32_t n_vocab, struct err *err)
{
    (void)out;
    (void)data;
    (void)n;
    (void)n_vocab;
    (void)err;
    abort(); /* nobody has bytes of one */
}

void tokenizer_free(struct tokenizer *t)
{
    (void)t;
}

uint32_t tokenizer_find(const struct tokenizer *t, const char *text)
{
    (void)t;
    (void)text;
    return UINT32_MAX;
}

const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, size_t *n)
{
    (void)t;
    (void)id;
    *n = 0;
    return "";
}

uint32_t chat_turn_end(const struct tokenizer *t, const char *tmpl, size_t n,
                       uint32_t bos, uint32_t eos)
{
    (void)t;
    (void)tmpl;
    (void)n;
    (void)bos;
    (void)eos;
    return UINT32_MAX;
}

/* Models keep no template: chat_check has nothing to look at. */
void chat_join(struct buf *out, const char *text, const char *tool_use)
{
    (void)out;
    (void)text;
    (void)tool_use;
}

int chat_check(const char *tmpl, size_t n, struct err *err)
{
    (void)tmpl;
    (void)n;
    (void)err;
    return 0;
}
