/*
 * Text to ids: special tokens are cut out of the text, and each run between
 * them is normalised, split and merged on its own.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include "base/err.h"
#include "base/utf8.h"

/* One call of tokenizer_encode. */
struct encoding {
    const struct tokenizer *t;
    struct merger merger;
    struct buf text; /* the run as it is merged */
    struct tokens *out;
};

static void put_piece(void *user, const char *s, size_t n)
{
    struct encoding *e = user;

    bpe_piece(e->t, &e->merger, s, n, e->out);
}

/* Whether the leading space belongs to this run. */
static bool wants_space(const struct tokenizer *t, bool first)
{
    return (t->flags & TOK_LEADING_SPACE) &&
           (first || (t->flags & TOK_EVERY_RUN));
}

static int byte_level_run(struct encoding *e, const char *s, size_t n,
                          bool first, struct err *err)
{
    const struct tokenizer *t = e->t;

    if (wants_space(t, first) &&
        !((t->flags & TOK_NOT_TWICE) && s[0] == ' '))
        buf_putc(&e->text, ' ');
    if (t->pattern == TOK_QWEN2) {
        normalize_nfc(&e->text, s, n);
        s = e->text.data;
        n = e->text.len;
    } else if (e->text.len) {
        buf_put(&e->text, s, n);
        s = e->text.data;
        n = e->text.len;
    }
    if (buf_check(&e->text, "the text", err))
        return -1;
    pretok_split(t->pattern, s, n, put_piece, e);
    return 0;
}

static int spm_run(struct encoding *e, const char *s, size_t n, bool first,
                   struct err *err)
{
    spm_escape(e->t, s, n, wants_space(e->t, first), &e->text);
    if (buf_check(&e->text, "the text", err))
        return -1;
    spm_piece(e->t, &e->merger, e->text.data, e->text.len, e->out);
    return 0;
}

/* A run without special tokens; s may be empty. */
static int run(struct encoding *e, const char *s, size_t n, bool first,
               struct err *err)
{
    buf_reset(&e->text);
    if (e->t->kind == TOK_SPM)
        return n ? spm_run(e, s, n, first, err) : 0;
    return n ? byte_level_run(e, s, n, first, err) : 0;
}

/* SentencePiece puts its space before the text even where a user-defined
 * token begins it; the others have no empty runs. */
static void space_before_user(struct encoding *e, uint32_t id)
{
    const struct tokenizer *t = e->t;

    if (t->kind != TOK_SPM || t->token_flags[id] != TOKEN_USER ||
        (t->flags & (TOK_EVERY_RUN | TOK_NOT_TWICE)) ||
        !(t->flags & TOK_LEADING_SPACE))
        return;
    spm_piece(t, &e->merger, METASPACE, sizeof(METASPACE) - 1, e->out);
}

/* Length of the token to be cut out at s[0..n), 0 if there is none: of those
 * that users write, and others where no byte of it is a user's. */
static size_t cut_out(const struct splitter *special,
                      const struct splitter *user, const char *s,
                      const unsigned char *from_user, size_t n, uint32_t *id)
{
    size_t free = 0;

    if (!special->begins[(unsigned char)*s])
        return 0;
    if (!from_user)
        return token_refs_longest(&special->refs, s, n, id);
    while (free < n && free < TOK_MAX_BYTES && !from_user[free])
        free++;
    if (free == 0)
        return token_refs_longest(&user->refs, s, n, id);
    return token_refs_longest(&special->refs, s, free, id);
}

static int runs(struct encoding *e, const struct splitter *special,
                const char *s, const unsigned char *from_user, size_t n,
                bool first, struct err *err)
{
    size_t start = 0, i = 0, len;
    uint32_t id = TOK_NONE;

    while (i < n) {
        len = cut_out(special, &e->t->user, s + i,
                      from_user ? from_user + i : NULL, n - i, &id);
        if (!len) {
            i++;
            continue;
        }
        if (run(e, s + start, i - start, first && !start, err))
            return -1;
        if (!i && first)
            space_before_user(e, id);
        tokens_put(e->out, id);
        i += len;
        start = i;
    }
    return run(e, s + start, n - start, first && !start, err);
}

static int encode(const struct tokenizer *t, const struct splitter *special,
                  const char *s, const unsigned char *from_user, size_t n,
                  bool first, struct tokens *out, struct err *err)
{
    struct encoding e = { .t = t, .out = out };
    size_t before = out->n;
    int rc;

    if (n > TOK_MAX_TEXT)
        return err_set(err, ERR_INPUT, "a text of %zu bytes is longer than "
                       "%zu", n, TOK_MAX_TEXT);
    if (!utf8_valid(s, n))
        return err_set(err, ERR_INPUT, "the text is not UTF-8");
    merger_init(&e.merger);
    /* Three bytes for each space; NFC makes text at most three times as
     * long. */
    buf_init(&e.text, 3 * TOK_MAX_TEXT + sizeof(METASPACE));
    rc = runs(&e, special, s, from_user, n, first, err);
    if (rc)
        out->n = before;
    merger_clear(&e.merger);
    buf_clear(&e.text);
    return rc;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n,
                     bool first, struct tokens *out, struct err *err)
{
    return encode(t, &t->user, text, NULL, n, first, out, err);
}

int tokenizer_encode_special(const struct tokenizer *t, const char *text,
                             size_t n, bool first, struct tokens *out,
                             struct err *err)
{
    return encode(t, &t->special, text, NULL, n, first, out, err);
}

int tokenizer_encode_marked(const struct tokenizer *t, const char *text,
                            const unsigned char *from_user, size_t n,
                            struct tokens *out, struct err *err)
{
    return encode(t, &t->special, text, from_user, n, true, out, err);
}

bool tokenizer_merges_reach_all(const struct tokenizer *t)
{
    struct merger m;
    struct tokens ids;
    size_t i;
    bool all = true;

    merger_init(&m);
    tokens_init(&ids);
    for (i = 0; all && i < t->normal.n; i++) {
        const struct token_ref *r = &t->normal.ref[i];

        if (!utf8_valid(r->s, r->len))
            continue; /* no piece is ever this */
        ids.n = 0;
        bpe_merge(t, &m, r->s, r->len, &ids);
        all = ids.n == 1 && ids.id[0] == r->id;
    }
    tokens_clear(&ids);
    merger_clear(&m);
    return all;
}
