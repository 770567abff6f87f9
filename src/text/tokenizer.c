/*
 * Tokenizer bytes to a tokenizer: everything in them is checked here, for they
 * may be a stranger's.  Also ids to bytes and look-ups.  Encoding is in
 * tokenizer_encode.c.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MAGIC "apustok1"

/* Bytes still to be read. */
struct reader {
    const unsigned char *p;
    size_t n;
};

static uint32_t take_u32(struct reader *r)
{
    uint32_t v = get_u32(r->p);

    r->p += 4;
    r->n -= 4;
    return v;
}

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "tokenizer: %s", what);
}

static int check_header(const struct tokenizer *t, struct err *err)
{
    uint32_t flags = TOK_LEADING_SPACE | TOK_ADD_BOS | TOK_NOT_TWICE |
                     TOK_EVERY_RUN;

    if (t->kind > TOK_SPM)
        return err_set(err, ERR_INPUT, "tokenizer: unknown kind %u", t->kind);
    if (t->pattern >= TOK_PATTERNS || (t->kind == TOK_SPM && t->pattern))
        return err_set(err, ERR_INPUT, "tokenizer: unknown pre-tokenizer %u",
                       t->pattern);
    if (t->kind == TOK_SPM)
        flags |= TOK_BYTE_FALLBACK | TOK_SQUEEZE;
    if (t->flags & ~flags)
        return err_set(err, ERR_INPUT, "tokenizer: unknown flags %#x",
                       t->flags & ~flags);
    if (!(t->flags & TOK_LEADING_SPACE) &&
        (t->flags & (TOK_NOT_TWICE | TOK_EVERY_RUN)))
        return bad(err, "flags of a leading space without one");
    return 0;
}

static int read_header(struct tokenizer *t, struct reader *r,
                       uint32_t n_vocab, struct err *err)
{
    if (r->n < TOK_HEADER || memcmp(r->p, MAGIC, 8) != 0)
        return bad(err, "not tokenizer bytes (no \"" MAGIC "\")");
    r->p += 8;
    r->n -= 8;
    t->kind = take_u32(r);
    t->pattern = take_u32(r);
    t->flags = take_u32(r);
    t->unknown = take_u32(r);
    t->n = take_u32(r);
    if (check_header(t, err))
        return -1;
    if (!t->n || t->n > TOK_MAX_IDS || t->n > r->n / 12)
        return err_set(err, ERR_INPUT, "tokenizer: impossible number of "
                       "tokens %u", t->n);
    if (t->n > n_vocab)
        return err_set(err, ERR_INPUT, "tokenizer: %u tokens, but the model "
                       "has %u", t->n, n_vocab);
    if (t->unknown != TOK_NONE && t->unknown >= t->n)
        return err_set(err, ERR_INPUT, "tokenizer: unknown id %u is beyond "
                       "the last token", t->unknown);
    return 0;
}

/* A higher score comes first: order-preserving bits, turned round. */
static uint32_t score_priority(float score)
{
    uint32_t u = f32_bits(score == 0 ? 0.0f : score);

    return u & UINT32_C(0x80000000) ? u : ~u & UINT32_C(0x7fffffff);
}

static int read_token(struct tokenizer *t, struct reader *r, uint32_t id,
                      struct err *err)
{
    uint32_t flags, len;
    float score;

    if (r->n < 12)
        return err_set(err, ERR_INPUT, "tokenizer: cut off in token %u", id);
    flags = take_u32(r);
    score = f32_from(take_u32(r));
    len = take_u32(r);
    if (len > TOK_MAX_BYTES || len > r->n)
        return err_set(err, ERR_INPUT, "tokenizer: token %u has %u bytes, at "
                       "most %u are possible", id, len, TOK_MAX_BYTES);
    if (flags > TOKEN_USER || flags == (TOKEN_CONTROL | TOKEN_BYTE) ||
        (flags && !len) || (flags == TOKEN_BYTE &&
                            (t->kind != TOK_SPM || len != 1)))
        return err_set(err, ERR_INPUT, "tokenizer: token %u has impossible "
                       "flags %#x", id, flags);
    if (!isfinite(score))
        return err_set(err, ERR_INPUT, "tokenizer: the score of token %u is "
                       "not finite", id);
    if (flags == TOKEN_BYTE) {
        if (t->byte_id[r->p[0]] != TOK_NONE)
            return err_set(err, ERR_INPUT, "tokenizer: two tokens for byte "
                           "%#x", r->p[0]);
        t->byte_id[r->p[0]] = id;
    }
    t->token_flags[id] = (uint8_t)flags;
    t->priority[id] = score_priority(score);
    memcpy(t->text + t->at[id], r->p, len);
    t->at[id + 1] = t->at[id] + len;
    if (len > t->max_len)
        t->max_len = len;
    r->p += len;
    r->n -= len;
    return 0;
}

static size_t token_len(const struct tokenizer *t, uint32_t id)
{
    return t->at[id + 1] - t->at[id];
}

/* All tokens whose flags are in the set (bit f for flags f), sorted. */
static int collect(const struct tokenizer *t, struct token_refs *r,
                   unsigned set, struct err *err)
{
    struct token_ref *ref;
    uint32_t id;
    size_t twin;

    r->ref = xcalloc(t->n, sizeof(*r->ref));
    for (id = 0; id < t->n; id++) {
        if (!token_len(t, id) || !(set >> t->token_flags[id] & 1))
            continue;
        ref = &r->ref[r->n++];
        ref->s = t->text + t->at[id];
        ref->len = (uint32_t)token_len(t, id);
        ref->id = id;
    }
    token_refs_sort(r);
    twin = token_refs_twin(r);
    if (twin)
        return err_set(err, ERR_INPUT, "tokenizer: tokens %u and %u have the "
                       "same text", r->ref[twin - 1].id, r->ref[twin].id);
    return 0;
}

static int collect_special(const struct tokenizer *t, struct splitter *s,
                           unsigned set, struct err *err)
{
    size_t i;

    if (collect(t, &s->refs, set, err))
        return -1;
    for (i = 0; i < s->refs.n; i++) {
        const struct token_ref *r = &s->refs.ref[i];

        /* It is cut out of UTF-8, and what is left must be UTF-8 too: the
         * pre-tokenizer does not look again. */
        if (!utf8_valid(r->s, r->len))
            return err_set(err, ERR_INPUT, "tokenizer: token %u stands for"
                           " text and is not UTF-8", r->id);
        s->begins[(unsigned char)r->s[0]] = true;
    }
    return 0;
}

static int index_bytes(struct tokenizer *t, struct err *err)
{
    char c;
    int i;

    for (i = 0; i < 256; i++) {
        if (t->kind == TOK_BYTE_LEVEL) {
            c = (char)i;
            t->byte_id[i] = token_refs_find(&t->normal, &c, 1);
            if (t->byte_id[i] == TOK_NONE)
                t->byte_id[i] = token_refs_find(&t->user.refs, &c, 1);
        } else if ((t->flags & TOK_BYTE_FALLBACK) &&
                   t->byte_id[i] == TOK_NONE) {
            return err_set(err, ERR_INPUT, "tokenizer: byte fallback without "
                           "a token for byte %#x", i);
        }
    }
    if (t->unknown != TOK_NONE && !token_len(t, t->unknown))
        return err_set(err, ERR_INPUT, "tokenizer: the unknown id %u is not a "
                       "token", t->unknown);
    return 0;
}

static int read_tokens(struct tokenizer *t, struct reader *r,
                       struct err *err)
{
    uint32_t id;

    t->text = xmalloc(r->n);
    t->at = xcalloc(t->n + 1, sizeof(*t->at));
    t->token_flags = xcalloc(t->n, 1);
    t->priority = xcalloc(t->n, sizeof(*t->priority));
    for (id = 0; id < 256; id++)
        t->byte_id[id] = TOK_NONE;
    for (id = 0; id < t->n; id++)
        if (read_token(t, r, id, err))
            return -1;
    if (collect(t, &t->normal, 1u << 0, err) ||
        collect_special(t, &t->user, 1u << TOKEN_USER, err) ||
        collect_special(t, &t->special,
                        1u << TOKEN_USER | 1u << TOKEN_CONTROL, err))
        return -1;
    return index_bytes(t, err);
}

/* What the pair makes, by its text.  A token of the vocabulary proper goes
 * before one that was added with the same bytes. */
static uint32_t merged(const struct tokenizer *t, uint32_t left,
                       uint32_t right)
{
    char text[2 * TOK_MAX_BYTES];
    size_t a, b;
    uint32_t id;

    if (left >= t->n || right >= t->n)
        return TOK_NONE;
    a = token_len(t, left);
    b = token_len(t, right);
    if (!a || !b || (t->token_flags[left] & (TOKEN_CONTROL | TOKEN_BYTE)) ||
        (t->token_flags[right] & (TOKEN_CONTROL | TOKEN_BYTE)))
        return TOK_NONE;
    memcpy(text, t->text + t->at[left], a);
    memcpy(text + a, t->text + t->at[right], b);
    id = token_refs_find(&t->normal, text, a + b);
    return id != TOK_NONE ? id : token_refs_find(&t->user.refs, text, a + b);
}

static int compare_merges(const void *a, const void *b)
{
    const struct merge *x = a, *y = b;

    if (x->right != y->right)
        return x->right < y->right ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

static int sort_merges(struct tokenizer *t, struct err *err)
{
    struct merge *m;
    uint32_t left, i, n;

    for (left = 0; left < t->n; left++) {
        m = t->merge + t->merge_at[left];
        n = t->merge_at[left + 1] - t->merge_at[left];
        if (n > 1)
            qsort(m, n, sizeof(*m), compare_merges);
        for (i = 1; i < n; i++)
            if (m[i].right == m[i - 1].right)
                return err_set(err, ERR_INPUT, "tokenizer: merge %u repeats "
                               "merge %u", m[i].rank, m[i - 1].rank);
    }
    return 0;
}

static int read_merges(struct tokenizer *t, struct reader *r,
                       struct err *err)
{
    const unsigned char *p;
    uint32_t rank, left, right, result, *at;

    if (r->n < 4)
        return bad(err, "cut off before the merges");
    t->n_merges = take_u32(r);
    if (t->n_merges > TOK_MAX_MERGES || t->n_merges != r->n / 8 || r->n % 8)
        return err_set(err, ERR_INPUT, "tokenizer: %u merges in %zu bytes",
                       t->n_merges, r->n);
    /* Count the merges of each left side, then deal them out. */
    t->merge_at = at = xcalloc((size_t)t->n + 2, sizeof(*at));
    t->merge = xcalloc((size_t)t->n_merges + 1, sizeof(*t->merge));
    for (rank = 0, p = r->p; rank < t->n_merges; rank++, p += 8) {
        left = get_u32(p);
        if (left >= t->n)
            return err_set(err, ERR_INPUT, "tokenizer: merge %u of a token "
                           "that is not there", rank);
        at[left + 2]++;
    }
    for (left = 2; left < t->n + 2; left++)
        at[left] += at[left - 1];
    for (rank = 0, p = r->p; rank < t->n_merges; rank++, p += 8) {
        left = get_u32(p);
        right = get_u32(p + 4);
        result = merged(t, left, right);
        if (result == TOK_NONE)
            return err_set(err, ERR_INPUT, "tokenizer: merge %u (%u and %u) "
                           "makes no token", rank, left, right);
        t->merge[at[left + 1]++] = (struct merge){ right, rank, result };
    }
    return sort_merges(t, err);
}

/* Kind 1: the tokens with spaces for metaspaces, for output. */
static void show_spaces(struct tokenizer *t)
{
    const char *s;
    size_t i, n, len;
    uint32_t id;

    if (t->kind != TOK_SPM)
        return;
    t->shown = xmalloc((size_t)t->at[t->n] + 1);
    t->shown_at = xcalloc((size_t)t->n + 1, sizeof(*t->shown_at));
    for (id = 0, n = 0; id < t->n; id++) {
        s = t->text + t->at[id];
        len = token_len(t, id);
        for (i = 0; i < len; i++) {
            if (len - i >= 3 && memcmp(s + i, METASPACE, 3) == 0) {
                t->shown[n++] = ' ';
                i += 2;
            } else {
                t->shown[n++] = s[i];
            }
        }
        t->shown_at[id + 1] = (uint32_t)n;
    }
}

int tokenizer_new(struct tokenizer **out, const unsigned char *bytes,
                  size_t n, uint32_t n_vocab, struct err *err)
{
    struct reader r = { bytes, n };
    struct tokenizer *t;

    if (n > UINT32_MAX)
        return bad(err, "impossibly long");
    t = xcalloc(1, sizeof(*t));
    if (read_header(t, &r, n_vocab, err) || read_tokens(t, &r, err) ||
        read_merges(t, &r, err)) {
        tokenizer_free(t);
        return -1;
    }
    show_spaces(t);
    *out = t;
    return 0;
}

void tokenizer_free(struct tokenizer *t)
{
    if (!t)
        return;
    free(t->text);
    free(t->at);
    free(t->shown);
    free(t->shown_at);
    free(t->token_flags);
    free(t->priority);
    free(t->normal.ref);
    free(t->user.refs.ref);
    free(t->special.refs.ref);
    free(t->merge_at);
    free(t->merge);
    free(t);
}

uint32_t tokenizer_merge(const struct tokenizer *t, uint32_t left,
                         uint32_t right, uint32_t *rank)
{
    uint32_t lo, hi, mid;

    if (left >= t->n)
        return TOK_NONE;
    lo = t->merge_at[left];
    hi = t->merge_at[left + 1];
    while (lo < hi) {
        mid = lo + (hi - lo) / 2;
        if (t->merge[mid].right == right) {
            *rank = t->merge[mid].rank;
            return t->merge[mid].result;
        }
        if (t->merge[mid].right < right)
            lo = mid + 1;
        else
            hi = mid;
    }
    return TOK_NONE;
}

bool tokenizer_adds_bos(const struct tokenizer *t)
{
    return t->flags & TOK_ADD_BOS;
}

uint32_t tokenizer_find(const struct tokenizer *t, const char *text)
{
    return token_refs_find(&t->special.refs, text, strlen(text));
}

const char *tokenizer_text(const struct tokenizer *t, uint32_t id, size_t *n)
{
    *n = id < t->n ? token_len(t, id) : 0;
    return *n ? t->text + t->at[id] : "";
}

const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, size_t *n)
{
    *n = 0;
    if (id >= t->n || t->token_flags[id] == TOKEN_CONTROL)
        return "";
    if (t->kind == TOK_SPM) {
        *n = t->shown_at[id + 1] - t->shown_at[id];
        return t->shown + t->shown_at[id];
    }
    *n = token_len(t, id);
    return t->text + t->at[id];
}

bool tokenizer_is_control(const struct tokenizer *t, uint32_t id)
{
    return id < t->n && t->token_flags[id] == TOKEN_CONTROL;
}
