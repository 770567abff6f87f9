/*
 * Tokenizer bytes in the making: tokens by id, merges in rank order.  The
 * importers fill it; what comes out has passed tokenizer_new.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

#define MAX_BYTES ((size_t)64 << 20) /* what a model file may hold */

void tok_build_init(struct tok_build *b, uint32_t n_vocab)
{
    memset(b, 0, sizeof(*b));
    b->unknown = TOK_NONE;
    b->fuse_unknown = true;
    b->max = n_vocab < TOK_MAX_IDS ? n_vocab : TOK_MAX_IDS;
    b->token = xcalloc((size_t)b->max + 1, sizeof(*b->token));
    buf_init(&b->text, MAX_BYTES);
    buf_init(&b->merges, (size_t)TOK_MAX_MERGES * 8);
}

void tok_build_clear(struct tok_build *b)
{
    free(b->token);
    b->token = NULL;
    buf_clear(&b->text);
    buf_clear(&b->merges);
    tok_extra_clear(&b->extra);
}

bool tok_build_has(const struct tok_build *b, uint32_t id)
{
    return id < b->n && b->token[id].len;
}

int tok_build_set(struct tok_build *b, uint32_t id, const char *s, size_t n,
                  uint32_t flags, float score, struct err *err)
{
    struct built *t;

    if (id >= b->max)
        return err_set(err, ERR_INPUT, "token id %u is not below %u", id,
                       b->max);
    if (!n || n > TOK_MAX_BYTES)
        return err_set(err, ERR_INPUT, "token %u has %zu bytes, between 1 "
                       "and %u are possible", id, n, TOK_MAX_BYTES);
    t = &b->token[id];
    t->at = (uint32_t)b->text.len;
    t->len = (uint32_t)n;
    t->flags = flags;
    t->score = score;
    buf_put(&b->text, s, n);
    if (id >= b->n)
        b->n = id + 1;
    return buf_check(&b->text, "the text of the tokens", err);
}

uint32_t tok_build_find(const struct tok_build *b, const char *s)
{
    size_t n = strlen(s);

    for (uint32_t id = 0; id < b->n; id++)
        if (b->token[id].len == n &&
            memcmp(b->text.data + b->token[id].at, s, n) == 0 &&
            b->token[id].flags != TOKEN_BYTE)
            return id;
    return TOK_NONE;
}

int tok_build_first(struct tok_build *b, const uint32_t *first, size_t n_first,
                    bool add_bos, const struct tok_config *config,
                    struct tokenizer_source *source, struct err *err)
{
    uint32_t named = config->bos ? tok_build_find(b, config->bos) : TOK_NONE;

    if (source->bos == TOK_NONE || (source->names_bos && config->given))
        source->bos = named;
    if (add_bos && n_first == 0 && config->bos && named == TOK_NONE)
        return err_set(err, ERR_INPUT, "texts begin with bos_token, but"
                       " \"%.80s\" is not in the vocabulary", config->bos);
    if (add_bos && n_first == 0 && config->add_bos == 1 && !config->bos)
        return err_set(err, ERR_INPUT, "add_bos_token is true, but"
                       " tokenizer_config.json has no bos_token");
    if (add_bos && n_first == 0) {
        first = &named;
        n_first = named != TOK_NONE;
        if (n_first == 0 && source->bos == TOK_NONE)
            b->flags |= TOK_ADD_BOS; /* of a model that has none */
    }
    if (n_first > TOK_MAX_FIRST)
        return err_set(err, ERR_INPUT, "a text begins with %zu tokens, at "
                       "most %u are supported", n_first, TOK_MAX_FIRST);
    if (n_first == 1 && source->bos == TOK_NONE && !source->names_bos)
        source->bos = *first;
    if (n_first == 1 && *first == source->bos) {
        b->flags |= TOK_ADD_BOS;
        return 0;
    }
    for (size_t i = 0; i < n_first; i++)
        b->extra.first[i] = first[i];
    b->extra.n_first = (uint32_t)n_first;
    return 0;
}

static bool has_all_bytes(const struct tok_build *b)
{
    uint32_t n = 0;

    for (uint32_t id = 0; id < b->n; id++)
        n += b->token[id].len > 0 && b->token[id].flags == TOKEN_BYTE;
    return n == 256; /* of each one: the reader checks that */
}

int tok_build_ignore_merges(struct tok_build *b, bool ignore, struct err *err)
{
    bool usual = b->pattern == TOK_LLAMA3;
    struct tokenizer *t;

    b->ignore_merges = ignore;
    if (ignore == usual || b->kind != TOK_BYTE_LEVEL)
        return 0;
    b->ignore_merges = usual;
    if (tok_build_try(b, &t, err))
        return -1;
    if (!tokenizer_merges_reach_all(t))
        b->ignore_merges = ignore;
    tokenizer_free(t);
    return 0;
}

/* Whether only apustok2 can say all of it. */
static bool needs_second(const struct tok_build *b)
{
    const struct tok_extra *x = &b->extra;
    bool fallback = b->flags & TOK_BYTE_FALLBACK;

    if (b->kind > TOK_SPM || b->pattern > TOK_LAST_PATTERN_1 ||
        b->flags >= TOK_FUSE_UNKNOWN || x->n_first > 0 ||
        x->normalizer.n > 0 || x->pretokenizer.n > 0 || x->decoder.n > 0)
        return true;
    if (b->ignore_merges != (b->pattern == TOK_LLAMA3))
        return true;
    if (b->kind == TOK_SPM &&
        (fallback ? !has_all_bytes(b) : !b->fuse_unknown))
        return true;
    for (uint32_t id = 0; id < b->n; id++)
        if (b->token[id].flags & ~(uint32_t)TOKEN_IS)
            return true;
    return false;
}

static uint32_t flags_of(const struct tok_build *b, bool second)
{
    uint32_t flags = b->flags;

    if (second && b->ignore_merges)
        flags |= TOK_IGNORE_MERGES;
    if (second && b->fuse_unknown && b->kind != TOK_BYTE_LEVEL)
        flags |= TOK_FUSE_UNKNOWN;
    return flags;
}

static void put_all(const struct tok_build *b, struct buf *out)
{
    bool second = needs_second(b);
    const struct built *t;
    uint32_t id;

    buf_puts(out, second ? "apustok2" : "apustok1");
    buf_put_u32(out, b->kind);
    buf_put_u32(out, b->pattern);
    buf_put_u32(out, flags_of(b, second));
    buf_put_u32(out, b->unknown);
    buf_put_u32(out, b->n);
    if (second)
        tok_extra_put(&b->extra, out);
    for (id = 0; id < b->n; id++) {
        t = &b->token[id];
        buf_put_u32(out, t->flags);
        buf_put_f32(out, t->score);
        buf_put_u32(out, t->len);
        if (t->len)
            buf_put(out, b->text.data + t->at, t->len);
    }
    buf_put_u32(out, b->n_merges);
    if (b->merges.len)
        buf_put(out, b->merges.data, b->merges.len);
}

/* The bytes in `out`, which is empty, and the tokenizer made of them. */
static int make_tokenizer(const struct tok_build *b, struct buf *out,
                          struct tokenizer **t, struct err *err)
{
    put_all(b, out);
    if (buf_check(out, "the tokenizer", err))
        return -1;
    return tokenizer_new(t, (const unsigned char *)out->data, out->len,
                         b->max, err);
}

int tok_build_try(const struct tok_build *b, struct tokenizer **out,
                  struct err *err)
{
    struct buf bytes;
    int rc;

    buf_init(&bytes, MAX_BYTES);
    rc = make_tokenizer(b, &bytes, out, err);
    buf_clear(&bytes);
    return rc;
}

int tok_build_write(const struct tok_build *b, struct buf *out,
                    struct err *err)
{
    struct buf bytes;
    struct tokenizer *t = NULL;
    int rc;

    buf_init(&bytes, MAX_BYTES);
    rc = make_tokenizer(b, &bytes, &t, err);
    if (!rc && bytes.len > out->max - out->len)
        rc = err_set(err, ERR_INPUT, "the tokenizer is over %zu bytes",
                     out->max);
    if (!rc)
        buf_put(out, bytes.data, bytes.len);
    tokenizer_free(t);
    buf_clear(&bytes);
    return rc;
}
