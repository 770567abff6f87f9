/*
 * The tokenizer of a GGUF file to tokenizer bytes.  A gpt2 is byte-level BPE,
 * its pattern known by a name; a llama is SentencePiece BPE, which goes by
 * scores.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER, TYPE_UNUSED,
       TYPE_BYTE };

/* The names of patterns, and whether a piece that is a token is taken as such,
 * before any merge. */
static const struct pre {
    const char *name;
    enum tok_pattern pattern;
    bool ignore_merges;
    bool add_bos; /* where the file does not say */
} pres[] = {
    { "gpt-2", TOK_GPT2, false, false },
    { "phi-2", TOK_GPT2, false, false },
    { "llama-bpe", TOK_LLAMA3, true, true },
    { "llama3", TOK_LLAMA3, true, true },
    { "llama-v3", TOK_LLAMA3, true, true },
    { "dbrx", TOK_LLAMA3, false, false },
    { "smaug-bpe", TOK_LLAMA3, false, false },
    { "qwen2", TOK_QWEN2, false, false },
    { "deepseek-r1-qwen", TOK_QWEN2, false, false },
    { "smollm", TOK_SMOLLM, false, false },
    { "refact", TOK_SMOLLM, false, false },
    { "gpt-4o", TOK_O200K, false, false },
    { "llama4", TOK_O200K, false, false },
    { "tekken", TOK_TEKKEN, true, true },
    { "seed-coder", TOK_SEED, false, false },
};

static bool is(struct tokenizer_text t, const char *text)
{
    return t.s && t.n == strlen(text) && memcmp(t.s, text, t.n) == 0;
}

/* An id that only fills the vocabulary up. */
static bool is_padding(const struct tokenizer_arrays *a, uint32_t id)
{
    char name[24];

    if (!a->token[id].n)
        return true;
    snprintf(name, sizeof(name), "[PAD%u]", id);
    return a->type[id] == TYPE_UNUSED || (a->type[id] == TYPE_USER &&
                                          is(a->token[id], name));
}

/* ---- llama --------------------------------------------------------------- */

static int put_pieces(struct tok_build *b, const struct tokenizer_arrays *a,
                      struct err *err)
{
    size_t n_bytes = 0;

    if (!a->score)
        return err_set(err, ERR_INPUT, "the tokenizer has no scores");
    b->kind = TOK_SPM;
    for (uint32_t id = 0; id < a->n_tokens; id++) {
        const struct tokenizer_text *t = &a->token[id];

        if (is_padding(a, id))
            continue;
        if (tok_build_piece(b, id, t->s, t->n, a->score[id], a->type[id],
                            err))
            return -1;
        n_bytes += a->type[id] == TYPE_BYTE;
    }
    if (n_bytes)
        b->flags |= TOK_BYTE_FALLBACK;
    if (a->leading_space)
        b->flags |= TOK_LEADING_SPACE;
    if (a->squeeze == 1)
        b->flags |= TOK_SQUEEZE;
    if (a->add_bos)
        b->flags |= TOK_ADD_BOS;
    return 0;
}

/* ---- gpt2 ---------------------------------------------------------------- */

static int put_token(struct tok_build *b, uint32_t id,
                     const struct tokenizer_text *t, unsigned type,
                     struct err *err)
{
    char raw[2 * TOK_MAX_BYTES];
    size_t n;

    if (type == TYPE_CONTROL || type == TYPE_UNKNOWN)
        return tok_build_set(b, id, t->s, t->n, TOKEN_CONTROL, 0, err);
    if (type == TYPE_USER)
        return tok_build_set(b, id, t->s, t->n, TOKEN_USER, 0, err);
    if (type != TYPE_NORMAL)
        return err_set(err, ERR_INPUT, "token %u is of type %u, which a"
                       " byte-level tokenizer does not have", id, type);
    n = t->n <= sizeof(raw) ? tok_alphabet_bytes(t->s, t->n, raw) : 0;
    if (!n)
        return err_set(err, ERR_INPUT, "token %u is not written in the"
                       " byte-level alphabet", id);
    return tok_build_set(b, id, raw, n, 0, 0, err);
}

/* The tokens that merges are of, by their text. */
static void index_tokens(const struct tok_build *b, const char *text,
                         struct token_refs *refs)
{
    refs->ref = xcalloc((size_t)b->n + 1, sizeof(*refs->ref));
    for (uint32_t id = 0; id < b->n; id++) {
        const struct built *t = &b->token[id];

        if (t->len && t->flags == 0)
            refs->ref[refs->n++] =
                (struct token_ref){ text + t->at, t->len, id };
    }
    token_refs_sort(refs);
}

static uint32_t find_token(const struct token_refs *refs, const char *s,
                           size_t n)
{
    char raw[2 * TOK_MAX_BYTES];

    if (n > sizeof(raw))
        return TOK_NONE;
    n = tok_alphabet_bytes(s, n, raw);
    return n ? token_refs_find(refs, raw, n) : TOK_NONE;
}

static int put_merges(struct tok_build *b, const struct tokenizer_arrays *a,
                      const struct token_refs *refs, struct err *err)
{
    if (a->n_merges > TOK_MAX_MERGES)
        return err_set(err, ERR_INPUT, "more than %u merges",
                       TOK_MAX_MERGES);
    for (size_t i = 0; i < a->n_merges; i++) {
        const struct tokenizer_text *m = &a->merge[i];
        const char *space = m->n ? memchr(m->s, ' ', m->n) : NULL;
        size_t n = space ? (size_t)(space - m->s) : 0;
        uint32_t left, right;

        if (!space)
            return err_set(err, ERR_INPUT, "merge %zu is not of the form"
                           " \"a b\"", i);
        left = find_token(refs, m->s, n);
        right = find_token(refs, space + 1, m->n - n - 1);
        if (left == TOK_NONE || right == TOK_NONE)
            return err_set(err, ERR_INPUT, "merge %zu is of a token that is"
                           " not in the vocabulary", i);
        buf_put_u32(&b->merges, left);
        buf_put_u32(&b->merges, right);
        b->n_merges++;
    }
    return buf_check(&b->merges, "the merges", err);
}

static int find_pre(const struct tokenizer_arrays *a, const struct pre **out,
                    struct err *err)
{
    size_t n = a->pre.n < 40 ? a->pre.n : 40;

    if (!a->pre.s)
        return err_set(err, ERR_INPUT, "it has no tokenizer.ggml.pre, which"
                       " names the pattern of the pre-tokenizer");
    for (size_t i = 0; i < sizeof(pres) / sizeof(pres[0]); i++) {
        *out = &pres[i];
        if (is(a->pre, pres[i].name))
            return 0;
    }
    return err_set(err, ERR_INPUT, "the pre-tokenizer \"%.*s\""
                   " (tokenizer.ggml.pre) is not supported", (int)n,
                   a->pre.s);
}

static int put_byte_level(struct tok_build *b,
                          const struct tokenizer_arrays *a, struct err *err)
{
    struct token_refs refs = { NULL, 0 };
    const struct pre *pre = NULL;
    char *text;
    int rc;

    if (find_pre(a, &pre, err))
        return -1;
    b->kind = TOK_BYTE_LEVEL;
    b->pattern = pre->pattern;
    if (a->add_bos == 1 || (a->add_bos < 0 && pre->add_bos))
        b->flags |= TOK_ADD_BOS;
    for (uint32_t id = 0; id < a->n_tokens; id++)
        if (!is_padding(a, id) &&
            put_token(b, id, &a->token[id], a->type[id], err))
            return -1;
    text = xmalloc(b->text.len + 1);
    if (b->text.len)
        memcpy(text, b->text.data, b->text.len);
    index_tokens(b, text, &refs);
    rc = put_merges(b, a, &refs, err) ||
         tok_build_ignore_merges(b, pre->ignore_merges, err) ? -1 : 0;
    free(refs.ref);
    free(text);
    return rc;
}

int tokenizer_import_arrays(struct buf *out, const struct tokenizer_arrays *a,
                            uint32_t n_vocab, struct err *err)
{
    struct tok_build b;
    int rc = -1;

    if (a->add_eos == 1)
        return err_set(err, ERR_INPUT, "a token of end after every text"
                       " (add_eos_token) is not supported");
    if (a->n_tokens > n_vocab)
        return err_set(err, ERR_INPUT, "the tokenizer has %zu tokens, the"
                       " vocabulary %u", a->n_tokens, n_vocab);
    tok_build_init(&b, n_vocab);
    if (is(a->model, "gpt2"))
        rc = put_byte_level(&b, a, err);
    else if (is(a->model, "llama"))
        rc = put_pieces(&b, a, err);
    else
        err_set(err, ERR_INPUT, "the tokenizer \"%.*s\""
                " (tokenizer.ggml.model) is not supported; gpt2 and llama"
                " are", a->model.n < 40 ? (int)a->model.n : 40, a->model.s);
    if (!rc)
        rc = tok_build_write(&b, out, err);
    tok_build_clear(&b);
    return rc;
}
