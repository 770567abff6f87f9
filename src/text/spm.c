/*
 * SentencePiece BPE of one run of text: spaces to metaspaces, symbols are
 * characters, merging (bpe.c), then byte tokens or the unknown token for what
 * is left without a token.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <string.h>

#include "base/utf8.h"

#define META_LEN (sizeof(METASPACE) - 1)

static bool begins_with_space(const char *s, size_t n)
{
    if (n && s[0] == ' ')
        return true;
    return n >= META_LEN && memcmp(s, METASPACE, META_LEN) == 0;
}

void spm_escape(const struct tokenizer *t, const char *s, size_t n,
                bool leading, struct buf *out)
{
    bool squeeze = t->flags & TOK_SQUEEZE, after_space = squeeze;
    size_t i;

    if (squeeze)
        for (; n && s[0] == ' '; s++)
            n--;
    if (squeeze && !n)
        return;
    if (leading && !((t->flags & TOK_NOT_TWICE) && begins_with_space(s, n)))
        buf_put(out, METASPACE, META_LEN);
    for (i = 0; i < n; i++) {
        if (s[i] != ' ')
            buf_putc(out, s[i]);
        else if (!squeeze || !after_space)
            buf_put(out, METASPACE, META_LEN);
        after_space = s[i] == ' ';
    }
    /* Here a metaspace that stood in the text is a space too. */
    while (squeeze && out->len >= META_LEN &&
           memcmp(out->data + out->len - META_LEN, METASPACE, META_LEN) == 0)
        out->data[out->len -= META_LEN] = '\0';
}

/* Whether each byte of s[0..n) has a token. */
static bool has_bytes(const struct tokenizer *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (t->byte_id[(unsigned char)s[i]] == TOK_NONE)
            return false;
    return t->flags & TOK_BYTE_FALLBACK;
}

void tokenizer_put_unknown(const struct tokenizer *t, const char *s, size_t n,
                           bool *unknown, struct tokens *out)
{
    if (has_bytes(t, s, n)) {
        for (size_t i = 0; i < n; i++)
            tokens_put(out, t->byte_id[(unsigned char)s[i]]);
        *unknown = false;
        return;
    }
    if (t->unknown != TOK_NONE && !(*unknown && t->fuse_unknown))
        tokens_put(out, t->unknown);
    *unknown = true;
}

static uint32_t char_token(const struct tokenizer *t, const char *s, size_t n)
{
    uint32_t id = token_refs_find(&t->normal, s, n);

    return id != TOK_NONE ? id : token_refs_find(&t->user_defined, s, n);
}

void spm_piece(const struct tokenizer *t, struct merger *m, const char *s,
               size_t n, struct tokens *out)
{
    const struct symbol *sym;
    bool unknown = false;
    uint32_t id = TOK_NONE;
    size_t i;
    int len;

    if (t->ignore_merges && t->second)
        id = char_token(t, s, n);
    if (id != TOK_NONE) {
        tokens_put(out, id);
        return;
    }
    merger_reset(m);
    for (i = 0; i < n; i += (size_t)len) {
        len = utf8_next(s + i, n - i, NULL);
        if (len < 0)
            len = -len;
        if (!len)
            break;
        merger_add(m, char_token(t, s + i, (size_t)len), i, (size_t)len);
    }
    merger_run(m, t, s);
    for (i = 0; i < m->n; i = sym->next) {
        sym = &m->sym[i];
        if (sym->id != TOK_NONE) {
            tokens_put(out, sym->id);
            unknown = false;
        } else {
            tokenizer_put_unknown(t, s + sym->start, sym->len, &unknown, out);
        }
        if (sym->next == TOK_NONE)
            break;
    }
}
