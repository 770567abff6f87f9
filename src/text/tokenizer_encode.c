/*
 * Text to ids: special tokens are cut out of the text, and each run between
 * them is normalized, split and merged on its own.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include "base/err.h"
#include "base/utf8.h"
#include "text/unicode.h"

/* One call of tokenizer_encode. */
struct encoding {
    const struct tokenizer *t;
    struct merger merger;
    struct buf text; /* the run as it is merged */
    struct buf scratch;
    struct tokens *out;
    struct err why; /* what a piece was refused for */
};

static void put_piece(void *user, const char *s, size_t n)
{
    struct encoding *e = user;

    if (e->why.code)
        return;
    if (e->t->kind == TOK_BYTE_LEVEL)
        bpe_piece(e->t, &e->merger, s, n, e->out);
    else if (e->t->kind == TOK_SPM)
        spm_piece(e->t, &e->merger, s, n, e->out);
    else
        (void)unigram_piece(e->t, s, n, e->out, &e->why);
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
    if (e->text.len > 0)
        put_piece(e, e->text.data, e->text.len);
    return 0;
}

static int cut_runs(struct encoding *e, const struct splitter *special,
                    const char *s, const unsigned char *from_user, size_t n,
                    bool first, bool normalized, struct err *err);

/* A run that the steps are for, without normalized tokens. */
static int piece_run(struct encoding *e, const char *s, size_t n, bool first,
                     struct err *err)
{
    return steps_split(&e->t->extra.pretokenizer, s, n, first, put_piece, e,
                       err);
}

static int steps_run(struct encoding *e, const char *s, size_t n, bool first,
                     struct err *err)
{
    const struct tokenizer *t = e->t;

    first &= steps_normalize(&t->extra.normalizer, s, n, &e->text,
                             &e->scratch);
    if (buf_check(&e->text, "the text", err) ||
        buf_check(&e->scratch, "the text", err))
        return -1;
    if (e->text.len == 0)
        return 0;
    return cut_runs(e, &t->normalized, e->text.data, NULL, e->text.len, first,
                    true, err);
}

/* A run without special tokens; s may be empty. */
static int encode_run(struct encoding *e, const char *s, size_t n, bool first,
                      struct err *err)
{
    if (n == 0)
        return 0;
    buf_reset(&e->text);
    if (e->t->flags & TOK_STEPS)
        return steps_run(e, s, n, first, err);
    return e->t->kind == TOK_BYTE_LEVEL ? byte_level_run(e, s, n, first, err)
                                        : spm_run(e, s, n, first, err);
}

/* SentencePiece puts its space before the text even where a user-defined
 * token begins it; the others have no empty runs. */
static void space_before_user(struct encoding *e, uint32_t id)
{
    const struct tokenizer *t = e->t;

    if (t->kind == TOK_BYTE_LEVEL ||
        (t->token_flags[id] & TOKEN_IS) != TOKEN_USER ||
        (t->flags & (TOK_EVERY_RUN | TOK_NOT_TWICE)) ||
        !(t->flags & TOK_LEADING_SPACE))
        return;
    put_piece(e, METASPACE, sizeof(METASPACE) - 1);
}

/* Whether what is before (end true) or after a place is a part of a word, as
 * \w of regular expressions has it (UTS 18, annex C). */
static bool is_word(const char *s, size_t n, bool end)
{
    size_t at = 0;
    uint32_t cp, is;

    if (n == 0)
        return false;
    if (end)
        for (at = n - 1; at > 0 && ((unsigned char)s[at] & 0xc0) == 0x80;)
            at--;
    if (utf8_next(s + at, n - at, &cp) <= 0)
        return false;
    is = unicode_is(cp);
    return is & (UNICODE_LETTER | 1u << UNICODE_MC | 1u << UNICODE_ME |
                 1u << UNICODE_MN | 1u << UNICODE_ND | 1u << UNICODE_NL |
                 1u << UNICODE_PC) ||
           cp == 0x200c || cp == 0x200d || (cp >= 0x24b6 && cp <= 0x24e9) ||
           (cp >= 0x1f130 && cp <= 0x1f149) ||
           (cp >= 0x1f150 && cp <= 0x1f169) ||
           (cp >= 0x1f170 && cp <= 0x1f189);
}

/* Where the white space that ends at s + n begins, at `least` at the least. */
static size_t space_before(const char *s, size_t n, size_t least)
{
    size_t at;
    uint32_t cp;

    for (; n > least; n = at) {
        for (at = n - 1; at > least && ((unsigned char)s[at] & 0xc0) == 0x80;)
            at--;
        if (utf8_next(s + at, n - at, &cp) <= 0 ||
            !(unicode_is(cp) & UNICODE_WHITE_SPACE))
            break;
    }
    return n;
}

/* Where the white space that begins at s + at ends. */
static size_t space_after(const char *s, size_t n, size_t at)
{
    uint32_t cp;
    int len;

    while (at < n && (len = utf8_next(s + at, n - at, &cp)) > 0 &&
           (unicode_is(cp) & UNICODE_WHITE_SPACE))
        at += (size_t)len;
    return at;
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

/* The run s[0..n), before or after a token that was cut out. */
static int between(struct encoding *e, const char *s, size_t n, bool first,
                   bool normalized, struct err *err)
{
    int rc = normalized ? piece_run(e, s, n, first, err)
                        : encode_run(e, s, n, first, err);

    return rc == 0 && e->why.code ? err_copy(err, &e->why) : rc;
}

static int cut_runs(struct encoding *e, const struct splitter *special,
                    const char *s, const unsigned char *from_user, size_t n,
                    bool first, bool normalized, struct err *err)
{
    size_t start = 0, i = 0, len, from, to;
    uint32_t id = TOK_NONE, flags;

    while (i < n) {
        len = cut_out(special, &e->t->user, s + i,
                      from_user ? from_user + i : NULL, n - i, &id);
        if (!len) {
            i++;
            continue;
        }
        flags = e->t->token_flags[id];
        from = i;
        to = i += len;
        if ((flags & TOKEN_SINGLE_WORD) &&
            (is_word(s, from, true) || is_word(s + to, n - to, false)))
            continue;
        if (flags & TOKEN_LSTRIP)
            from = space_before(s, from, start);
        if (flags & TOKEN_RSTRIP)
            to = i = space_after(s, n, to);
        if (between(e, s + start, from - start, first && !start, normalized,
                    err))
            return -1;
        if (!from && first && !normalized)
            space_before_user(e, id);
        tokens_put(e->out, id);
        start = to;
    }
    return between(e, s + start, n - start, first && !start, normalized, err);
}

static int encode(const struct tokenizer *t, const struct splitter *special,
                  const char *s, const unsigned char *from_user, size_t n,
                  bool first, struct tokens *out, struct err *err)
{
    struct encoding e = { .t = t, .out = out, .why = ERR_INIT };
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
    buf_init(&e.scratch, 3 * TOK_MAX_TEXT + sizeof(METASPACE));
    rc = cut_runs(&e, special, s, from_user, n, first, false, err);
    if (rc)
        out->n = before;
    merger_clear(&e.merger);
    buf_clear(&e.text);
    buf_clear(&e.scratch);
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
