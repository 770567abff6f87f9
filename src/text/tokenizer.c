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

#define MAGIC_1 "apustok1"
#define MAGIC_2 "apustok2"

_Static_assert(TOK_MAX_FIRST == TOKENIZER_FIRST, "one limit");

/* Bytes still to be read. */
struct tokenizer_reader {
    const unsigned char *p;
    size_t n;
};

static uint32_t take_u32(struct tokenizer_reader *r)
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

/* What kind and flags may be together in apustok1. */
static int check_header(const struct tokenizer *t, struct err *err)
{
    uint32_t flags = TOK_LEADING_SPACE | TOK_ADD_BOS | TOK_NOT_TWICE |
                     TOK_EVERY_RUN;

    if (t->kind > TOK_SPM)
        return err_set(err, ERR_INPUT, "tokenizer: unknown kind %u", t->kind);
    if (t->pattern > TOK_LAST_PATTERN_1 || (t->kind == TOK_SPM && t->pattern))
        return err_set(err, ERR_INPUT, "tokenizer: unknown pre-tokenizer %u",
                       t->pattern);
    if (t->kind == TOK_SPM)
        flags |= TOK_BYTE_FALLBACK | TOK_SQUEEZE;
    if (t->flags & ~flags)
        return err_set(err, ERR_INPUT, "tokenizer: unknown flags %#x",
                       t->flags & ~flags);
    return 0;
}

/* The same in apustok2. */
static int check_header_2(const struct tokenizer *t, struct err *err)
{
    uint32_t flags = TOK_ADD_BOS | TOK_BYTE_FALLBACK | TOK_FUSE_UNKNOWN |
                     TOK_IGNORE_MERGES | TOK_STEPS;
    bool steps = t->flags & TOK_STEPS;

    if (t->kind > TOK_UNIGRAM)
        return err_set(err, ERR_INPUT, "tokenizer: unknown kind %u", t->kind);
    if (t->pattern >= TOK_PATTERNS ||
        (t->pattern && (steps || t->kind != TOK_BYTE_LEVEL)))
        return err_set(err, ERR_INPUT, "tokenizer: unknown pre-tokenizer %u",
                       t->pattern);
    if (t->kind == TOK_BYTE_LEVEL)
        flags ^= TOK_BYTE_FALLBACK | TOK_FUSE_UNKNOWN | TOK_BY_SCORE;
    if (!steps)
        flags |= TOK_LEADING_SPACE | TOK_NOT_TWICE | TOK_EVERY_RUN;
    if (!steps && t->kind != TOK_BYTE_LEVEL)
        flags |= TOK_SQUEEZE;
    if (t->flags & ~flags)
        return err_set(err, ERR_INPUT, "tokenizer: unknown flags %#x",
                       t->flags & ~flags);
    return 0;
}

static bool is_second(const struct tokenizer_reader *r)
{
    return memcmp(r->p, MAGIC_2, 8) == 0;
}

static int read_header(struct tokenizer *t, struct tokenizer_reader *r,
                       uint32_t n_vocab, struct err *err)
{
    bool second;

    if (r->n < TOK_HEADER ||
        (memcmp(r->p, MAGIC_1, 8) != 0 && !is_second(r)))
        return bad(err, "not tokenizer bytes (no \"" MAGIC_1 "\" or \""
                   MAGIC_2 "\")");
    second = is_second(r);
    r->p += 8;
    r->n -= 8;
    t->kind = take_u32(r);
    t->pattern = take_u32(r);
    t->flags = take_u32(r);
    t->unknown = take_u32(r);
    t->n = take_u32(r);
    t->second = second;
    if (second ? check_header_2(t, err) : check_header(t, err))
        return -1;
    if (!(t->flags & TOK_LEADING_SPACE) &&
        (t->flags & (TOK_NOT_TWICE | TOK_EVERY_RUN)))
        return bad(err, "flags of a leading space without one");
    if (!t->n || t->n > TOK_MAX_IDS || t->n > r->n / 12)
        return err_set(err, ERR_INPUT, "tokenizer: impossible number of "
                       "tokens %u", t->n);
    if (t->n > n_vocab)
        return err_set(err, ERR_INPUT, "tokenizer: %u tokens, but the model "
                       "has %u", t->n, n_vocab);
    if (t->unknown != TOK_NONE && t->unknown >= t->n)
        return err_set(err, ERR_INPUT, "tokenizer: unknown id %u is beyond "
                       "the last token", t->unknown);
    t->ignore_merges = second ? t->flags & TOK_IGNORE_MERGES
                              : t->pattern == TOK_LLAMA3;
    t->fuse_unknown = second ? t->flags & TOK_FUSE_UNKNOWN : true;
    if (!second)
        return 0;
    if (tok_extra_read(&t->extra, &r->p, &r->n, t->n, err))
        return -1;
    if (!(t->flags & TOK_STEPS) &&
        (t->extra.normalizer.n > 0 || t->extra.pretokenizer.n > 0))
        return bad(err, "steps, and no flag that says so");
    if (t->n > r->n / 12)
        return bad(err, "cut off before the tokens");
    return 0;
}

/* A higher score comes first: order-preserving bits, turned round. */
static uint32_t score_priority(float score)
{
    uint32_t u = f32_bits(score == 0 ? 0.0f : score);

    return u & UINT32_C(0x80000000) ? u : ~u & UINT32_C(0x7fffffff);
}

static bool flags_possible(const struct tokenizer *t, uint32_t flags,
                           uint32_t len)
{
    uint32_t more = t->second ? TOKEN_LSTRIP | TOKEN_RSTRIP |
                                TOKEN_SINGLE_WORD : 0u;

    switch (flags & TOKEN_IS) {
    case 0:
        return flags == 0;
    case TOKEN_BYTE:
        return flags == TOKEN_BYTE && t->kind != TOK_BYTE_LEVEL && len == 1;
    case TOKEN_USER:
        if (t->second)
            more |= TOKEN_NORMALIZED;
        /* fall through */
    case TOKEN_CONTROL:
        return !(flags & ~(TOKEN_IS | more)) && len > 0;
    default:
        return false;
    }
}

static int read_token(struct tokenizer *t, struct tokenizer_reader *r,
                      uint32_t id, struct err *err)
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
    if (!flags_possible(t, flags, len))
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
    t->score[id] = score;
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

/* All tokens that are of the set (bit f for flags f) and have none of the flags
 * `skip`, sorted. */
static int collect_tokens(const struct tokenizer *t, struct token_refs *r,
                          unsigned set, unsigned skip, struct err *err)
{
    struct token_ref *ref;
    uint32_t id;
    size_t twin;

    r->ref = xcalloc(t->n, sizeof(*r->ref));
    for (id = 0; id < t->n; id++) {
        if (!token_len(t, id) ||
            !(set >> (t->token_flags[id] & TOKEN_IS) & 1) ||
            (t->token_flags[id] & skip))
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

/* Append a user-defined token as the normalizer makes it. */
static void put_normalized(struct tokenizer *t, uint32_t id, struct buf *text,
                           struct buf *one, struct buf *scratch)
{
    struct token_refs *r = &t->normalized.refs;
    struct token_ref *ref = &r->ref[r->n];

    buf_reset(one);
    steps_normalize(&t->extra.normalizer, t->text + t->at[id],
                    token_len(t, id), one, scratch);
    if (one->len < 1 || one->full)
        return;
    *ref = (struct token_ref){ NULL, (uint32_t)one->len, id };
    buf_put(text, one->data, one->len);
    r->n++;
}

/* The tokens that are looked for in a normalized text.  Of two that the
 * normalizer makes equal the first holds. */
static int collect_normalized(struct tokenizer *t, struct err *err)
{
    struct token_refs *r = &t->normalized.refs;
    struct buf text, one, scratch;
    size_t at = 0;
    int rc;

    buf_init(&text, TOK_MAX_TEXT);
    buf_init(&one, TOK_MAX_SHOWN);
    buf_init(&scratch, TOK_MAX_SHOWN);
    r->ref = xcalloc(t->n, sizeof(*r->ref));
    for (uint32_t id = 0; id < t->n; id++)
        if (t->token_flags[id] & TOKEN_NORMALIZED)
            put_normalized(t, id, &text, &one, &scratch);
    rc = buf_check(&text, "normalized tokens", err);
    t->normal_text = buf_take(&text, NULL);
    for (size_t i = 0; i < r->n; at += r->ref[i++].len) {
        r->ref[i].s = t->normal_text + at;
        t->normalized.begins[(unsigned char)r->ref[i].s[0]] = true;
    }
    token_refs_sort(r);
    buf_clear(&one);
    buf_clear(&scratch);
    return rc;
}

static int collect_special(const struct tokenizer *t, struct splitter *s,
                           unsigned set, struct err *err)
{
    size_t i;

    if (collect_tokens(t, &s->refs, set, TOKEN_NORMALIZED, err))
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
                t->byte_id[i] = token_refs_find(&t->user_defined, &c, 1);
        } else if (!t->second && (t->flags & TOK_BYTE_FALLBACK) &&
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

/* SentencePiece: 10 less than the lowest score of a token. */
static void find_unknown_score(struct tokenizer *t)
{
    double low = 0;

    for (uint32_t id = 0; id < t->n; id++)
        if (token_len(t, id) > 0 && (double)t->score[id] < low)
            low = (double)t->score[id];
    t->unknown_score = low - 10;
}

static int read_tokens(struct tokenizer *t, struct tokenizer_reader *r,
                       struct err *err)
{
    uint32_t id;

    t->text = xmalloc(r->n);
    t->at = xcalloc(t->n + 1, sizeof(*t->at));
    t->token_flags = xcalloc(t->n, 1);
    t->priority = xcalloc(t->n, sizeof(*t->priority));
    t->score = xcalloc(t->n, sizeof(*t->score));
    for (id = 0; id < 256; id++)
        t->byte_id[id] = TOK_NONE;
    for (id = 0; id < t->n; id++)
        if (read_token(t, r, id, err))
            return -1;
    if (t->kind == TOK_UNIGRAM)
        find_unknown_score(t);
    if (collect_tokens(t, &t->normal, 1u << 0, 0, err) ||
        collect_tokens(t, &t->user_defined, 1u << TOKEN_USER, 0, err) ||
        collect_special(t, &t->user, 1u << TOKEN_USER, err) ||
        collect_special(t, &t->special, 1u << TOKEN_USER | 1u << TOKEN_CONTROL,
                        err) ||
        (t->second && collect_normalized(t, err)))
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
    return id != TOK_NONE ? id : token_refs_find(&t->user_defined, text, a + b);
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

static int read_merges(struct tokenizer *t, struct tokenizer_reader *r,
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

/* Bytes that merge by score lie side by side: each is a token. */
static int check_scores(struct tokenizer *t, struct err *err)
{
    t->by_score = t->flags & TOK_BY_SCORE ||
                  (t->kind != TOK_BYTE_LEVEL && t->n_merges == 0);
    if (!(t->flags & TOK_BY_SCORE))
        return 0;
    if (t->n_merges > 0)
        return bad(err, "merges, and a flag that there are none");
    for (int i = 0; i < 256; i++)
        if (t->byte_id[i] == TOK_NONE)
            return err_set(err, ERR_INPUT, "tokenizer: no token for byte %#x",
                           (unsigned)i);
    return 0;
}

int tokenizer_new(struct tokenizer **out, const unsigned char *bytes,
                  size_t n, uint32_t n_vocab, struct err *err)
{
    struct tokenizer_reader r = { bytes, n };
    struct tokenizer *t;

    if (n > UINT32_MAX)
        return bad(err, "impossibly long");
    t = xcalloc(1, sizeof(*t));
    if (read_header(t, &r, n_vocab, err) || read_tokens(t, &r, err) ||
        read_merges(t, &r, err) || check_scores(t, err) ||
        tokenizer_show(t, err)) {
        tokenizer_free(t);
        return -1;
    }
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
    free(t->score);
    free(t->normal.ref);
    free(t->user_defined.ref);
    free(t->user.refs.ref);
    free(t->special.refs.ref);
    free(t->normalized.refs.ref);
    free(t->normal_text);
    tok_extra_clear(&t->extra);
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

size_t tokenizer_first(const struct tokenizer *t, uint32_t bos,
                       uint32_t out[TOKENIZER_FIRST])
{
    size_t n = 0;

    if ((t->flags & TOK_ADD_BOS) && bos != TOK_NONE)
        out[n++] = bos;
    for (uint32_t i = 0; i < t->extra.n_first && n < TOKENIZER_FIRST; i++)
        out[n++] = t->extra.first[i];
    return n;
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
    if (id >= t->n || t->token_flags[id] & TOKEN_CONTROL)
        return "";
    if (t->shown) {
        *n = t->shown_at[id + 1] - t->shown_at[id];
        return t->shown + t->shown_at[id];
    }
    *n = token_len(t, id);
    return t->text + t->at[id];
}

bool tokenizer_is_control(const struct tokenizer *t, uint32_t id)
{
    return id < t->n && (t->token_flags[id] & TOKEN_CONTROL);
}

bool tokenizer_is_added(const struct tokenizer *t, uint32_t id)
{
    return id < t->n && (t->token_flags[id] & (TOKEN_CONTROL | TOKEN_USER));
}
