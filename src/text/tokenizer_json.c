/*
 * tokenizer.json to tokenizer bytes: the vocabulary, the merges and the added
 * tokens.  Which of the known pipelines the file describes is decided in
 * tokenizer_json_form.c.
 */
#include <config.h>

#include "text/tokenizer_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

/* An import in progress. */
struct tokenizer_import {
    struct tok_build b;
    struct tokenizer_source *source;
    bool normalizes;         /* there is a normalizer */
    struct token_refs vocab; /* text (raw bytes) to id, model.vocab only */
    char *text;              /* what vocab points into */
    bool *undecoded;         /* by id: not of the byte alphabet */
};

/* The byte that a character of the byte-level alphabet stands for, or -1.
 * Printable Latin-1 is itself; the 68 other bytes follow from U+0100 on. */
static int alphabet_byte(uint32_t cp)
{
    if ((cp >= 33 && cp <= 126) || (cp >= 161 && cp <= 255 && cp != 173))
        return (int)cp;
    if (cp < 256 || cp > 256 + 67)
        return -1;
    cp -= 256;
    if (cp <= 32)
        return (int)cp;
    return cp == 67 ? 173 : (int)cp - 33 + 127;
}

size_t tok_alphabet_bytes(const char *s, size_t n, char *out)
{
    size_t i, len = 0;
    uint32_t cp;
    int got, byte;

    for (i = 0; i < n; i += (size_t)got) {
        got = utf8_next(s + i, n - i, &cp);
        if (got <= 0)
            return 0;
        byte = alphabet_byte(cp);
        if (byte < 0)
            return 0;
        out[len++] = (char)byte;
    }
    return len;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The value of "<0x0A>", or -1. */
static int byte_name(const char *s)
{
    int hi, lo;

    if (strlen(s) != 6 || strncmp(s, "<0x", 3) != 0 || s[5] != '>')
        return -1;
    hi = hex_digit(s[3]);
    lo = hex_digit(s[4]);
    return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

static int read_id(const struct json *v, uint32_t max, uint32_t *id,
                   const char *of, struct err *err)
{
    uint64_t u;

    if (json_u64(v, &u))
        return err_set(err, ERR_INPUT, "the id of \"%.80s\" is not an integer",
                       of);
    if (u >= max)
        return err_set(err, ERR_INPUT,
                       "the id of \"%.80s\" is %" PRIu64 ", not "
                       "below %u",
                       of, u, max);
    *id = (uint32_t)u;
    return 0;
}

static int put_vocab(struct tokenizer_import *im, const char *s, uint32_t id,
                     float score, struct err *err)
{
    size_t n = strlen(s);
    char raw[TOK_MAX_BYTES * 2];
    int byte;

    if (tok_build_has(&im->b, id))
        return err_set(err, ERR_INPUT, "\"%.80s\" has id %u of another token",
                       s, id);
    if (n > sizeof(raw))
        return err_set(err, ERR_INPUT, "token %u has %zu bytes, at most %u "
                       "are possible", id, n, TOK_MAX_BYTES);
    if (im->b.kind == TOK_BYTE_LEVEL) {
        size_t len = tok_alphabet_bytes(s, n, raw);

        if (len) {
            s = raw;
            n = len;
        } else {
            im->undecoded[id] = true;
        }
    } else if (im->b.flags & TOK_BYTE_FALLBACK) {
        byte = byte_name(s);
        if (byte >= 0) {
            raw[0] = (char)byte;
            return tok_build_set(&im->b, id, raw, 1, TOKEN_BYTE, 0, err);
        }
    }
    return tok_build_set(&im->b, id, s, n, 0, score, err);
}

/* {"text": id, ..} */
static int put_ids(struct tokenizer_import *im, const struct json *vocab,
                   struct err *err)
{
    uint32_t id = 0;

    if (!vocab || json_type(vocab) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "model.vocab is not an object");
    for (const struct json *v = json_first(vocab); v; v = json_next(v))
        if (read_id(v, im->b.max, &id, json_key(v), err) ||
            put_vocab(im, json_key(v), id, 0, err))
            return -1;
    return 0;
}

/* Unigram's [["text", score], ..]. */
static int put_scores(struct tokenizer_import *im, const struct json *vocab,
                      struct err *err)
{
    uint32_t id = 0;

    if (!vocab || json_type(vocab) != JSON_ARRAY)
        return err_set(err, ERR_INPUT, "model.vocab is not an array");
    for (const struct json *v = json_first(vocab); v; v = json_next(v)) {
        const struct json *text = json_first(v);
        const struct json *score = text ? json_next(text) : NULL;
        double x;

        if (!json_string(text) || json_f64(score, &x) || !(x > -1e30) ||
            !(x < 1e30))
            return err_set(err, ERR_INPUT, "entry %u of model.vocab is not a "
                           "text and a score", id);
        if (id >= im->b.max)
            return err_set(err, ERR_INPUT, "model.vocab has more than %u "
                           "entries", im->b.max);
        if (put_vocab(im, json_string(text), id++, (float)x, err))
            return -1;
    }
    return 0;
}

/* A sorted view of model.vocab, for merges and added tokens. */
static int index_vocab(struct tokenizer_import *im, struct err *err)
{
    struct token_ref *ref;
    const struct built *t;
    uint32_t id;
    size_t twin;

    im->text = xmalloc(im->b.text.len + 1);
    if (im->b.text.len)
        memcpy(im->text, im->b.text.data, im->b.text.len);
    im->vocab.ref = xcalloc((size_t)im->b.n + 1, sizeof(*im->vocab.ref));
    for (id = 0; id < im->b.n; id++) {
        t = &im->b.token[id];
        if (!t->len || t->flags == TOKEN_BYTE)
            continue;
        ref = &im->vocab.ref[im->vocab.n++];
        ref->s = im->text + t->at;
        ref->len = t->len;
        ref->id = id;
    }
    token_refs_sort(&im->vocab);
    twin = token_refs_twin(&im->vocab);
    if (twin)
        return err_set(err, ERR_INPUT, "tokens %u and %u have the same text",
                       im->vocab.ref[twin - 1].id, im->vocab.ref[twin].id);
    return 0;
}

static int read_vocab(struct tokenizer_import *im, const struct json *model,
                      struct err *err)
{
    const struct json *vocab = json_get(model, "vocab");

    if (im->b.kind == TOK_UNIGRAM ? put_scores(im, vocab, err)
                                  : put_ids(im, vocab, err))
        return -1;
    return index_vocab(im, err);
}

/* The id of a vocabulary entry by its name in the file. */
static uint32_t vocab_id(const struct tokenizer_import *im, const char *s,
                         size_t n)
{
    char raw[TOK_MAX_BYTES * 2];
    size_t len;

    if (!n || n > sizeof(raw))
        return TOK_NONE;
    if (im->b.kind == TOK_BYTE_LEVEL) {
        len = tok_alphabet_bytes(s, n, raw);
        if (len)
            return token_refs_find(&im->vocab, raw, len);
    }
    return token_refs_find(&im->vocab, s, n);
}

/* One merge, "a b" or ["a", "b"]. */
static int put_merge(struct tokenizer_import *im, const struct json *v,
                     uint32_t rank, struct err *err)
{
    const char *a, *b, *space;
    const struct json *second;
    char text[2 * TOK_MAX_BYTES];
    uint32_t left, right;
    const struct built *l, *r;
    size_t n;

    a = json_string(v);
    if (a) {
        space = strchr(a, ' ');
        if (!space || strchr(space + 1, ' '))
            return err_set(err, ERR_INPUT, "merge %u is not of the form "
                           "\"a b\"", rank);
        n = (size_t)(space - a);
        b = space + 1;
    } else {
        a = json_string(json_first(v));
        second = a ? json_next(json_first(v)) : NULL;
        b = second && !json_next(second) ? json_string(second) : NULL;
        if (!b)
            return err_set(err, ERR_INPUT, "merge %u is not a pair", rank);
        n = strlen(a);
    }
    left = vocab_id(im, a, n);
    right = vocab_id(im, b, strlen(b));
    if (left == TOK_NONE || right == TOK_NONE)
        return err_set(err, ERR_INPUT, "merge %u is of a token that is not "
                       "in the vocabulary", rank);
    l = &im->b.token[left];
    r = &im->b.token[right];
    memcpy(text, im->text + l->at, l->len);
    memcpy(text + l->len, im->text + r->at, r->len);
    if (token_refs_find(&im->vocab, text, (size_t)l->len + r->len) == TOK_NONE)
        return err_set(err, ERR_INPUT, "merge %u makes a token that is not "
                       "in the vocabulary", rank);
    buf_put_u32(&im->b.merges, left);
    buf_put_u32(&im->b.merges, right);
    im->b.n_merges++;
    return 0;
}

static int read_merges(struct tokenizer_import *im, const struct json *model,
                       struct err *err)
{
    const struct json *merges = json_get(model, "merges"), *v;
    uint32_t rank = 0;

    if (im->b.kind == TOK_UNIGRAM)
        return 0;
    if (!merges || json_type(merges) != JSON_ARRAY)
        return err_set(err, ERR_INPUT, "model.merges is not an array");
    for (v = json_first(merges); v; v = json_next(v)) {
        if (rank == TOK_MAX_MERGES)
            return err_set(err, ERR_INPUT, "more than %u merges",
                           TOK_MAX_MERGES);
        if (put_merge(im, v, rank++, err))
            return -1;
    }
    /* Without merges, kind 1 would be taken for one that goes by score. */
    if (!rank && im->b.kind == TOK_SPM)
        return err_set(err, ERR_INPUT, "model.merges is empty");
    return buf_check(&im->b.merges, "the merges", err);
}

/* What an added token is. */
static uint32_t added_flags(const struct tokenizer_import *im,
                            const struct json *v, bool special)
{
    uint32_t flags = special ? TOKEN_CONTROL : TOKEN_USER;

    flags |= json_true(json_get(v, "lstrip")) ? TOKEN_LSTRIP : 0u;
    flags |= json_true(json_get(v, "rstrip")) ? TOKEN_RSTRIP : 0u;
    flags |= json_true(json_get(v, "single_word")) ? TOKEN_SINGLE_WORD : 0u;
    if (!special && im->normalizes && json_true(json_get(v, "normalized")))
        flags |= TOKEN_NORMALIZED;
    return flags;
}

static int put_added(struct tokenizer_import *im, const struct json *v,
                     struct err *err)
{
    const char *s = json_string(json_get(v, "content"));
    bool special = json_true(json_get(v, "special"));
    uint32_t id = 0, known;
    uint64_t beyond;
    float score = 0;

    if (!s || !*s)
        return err_set(err, ERR_INPUT, "an added token without content");
    if (special && json_u64(json_get(v, "id"), &beyond) == 0 &&
        beyond >= im->b.max) {
        tok_note(im->source, "the special token \"%.80s\" is left out: the "
                 "model has no id %" PRIu64, s, beyond);
        return 0;
    }
    if (read_id(json_get(v, "id"), im->b.max, &id, s, err))
        return -1;
    known = vocab_id(im, s, strlen(s));
    if (known != TOK_NONE ? known != id : tok_build_has(&im->b, id))
        return err_set(err, ERR_INPUT, "added token \"%.80s\" has id %u of "
                       "another token", s, id);
    im->undecoded[id] = false;
    if (tok_build_has(&im->b, id)) /* unigram takes it for a piece, too */
        score = im->b.token[id].score;
    return tok_build_set(&im->b, id, s, strlen(s),
                         added_flags(im, v, special), score, err);
}

static int read_added(struct tokenizer_import *im, const struct json *root,
                      struct err *err)
{
    const struct json *v = json_get(root, "added_tokens");
    uint32_t id;

    for (v = json_first(v); v; v = json_next(v))
        if (put_added(im, v, err))
            return -1;
    for (id = 0; id < im->b.n; id++)
        if (im->undecoded[id])
            return err_set(err, ERR_INPUT, "token %u is not written in the "
                           "byte-level alphabet", id);
    return 0;
}

static int read_unknown_id(struct tokenizer_import *im,
                           const struct json *model, struct err *err)
{
    const struct json *v = json_get(model, "unk_id");
    uint32_t id = 0;

    if (!v || json_type(v) == JSON_NULL)
        return 0;
    if (read_id(v, im->b.n, &id, "unk_id", err))
        return -1;
    im->b.unknown = id;
    return 0;
}

static int read_unknown(struct tokenizer_import *im, const struct json *model,
                        struct err *err)
{
    const char *s = json_string(json_get(model, "unk_token"));
    int i, missing = 0;
    char c;

    if (im->b.kind == TOK_UNIGRAM)
        return read_unknown_id(im, model, err);
    if (im->b.kind == TOK_SPM) {
        if (s)
            im->b.unknown = vocab_id(im, s, strlen(s));
        if (s && im->b.unknown == TOK_NONE)
            return err_set(err, ERR_INPUT, "unk_token \"%.80s\" is not in "
                           "the vocabulary", s);
        im->b.fuse_unknown = json_true(json_get(model, "fuse_unk"));
        return 0;
    }
    /* Byte-level: neither can have an effect where every byte is a token. */
    for (i = 0; i < 256; i++) {
        c = (char)i;
        missing += token_refs_find(&im->vocab, &c, 1) == TOK_NONE;
    }
    if (missing && (s || json_true(json_get(model, "byte_fallback"))))
        return err_set(err, ERR_INPUT, "unk_token or byte_fallback in a "
                       "byte-level tokenizer that lacks %d bytes is not "
                       "supported", missing);
    return 0;
}

/* A token of the small files that tokenizer.json lacks. */
static int put_beside(struct tokenizer_import *im, const struct tok_added *a,
                      struct err *err)
{
    const struct built *t = tok_build_has(&im->b, a->id)
                                ? &im->b.token[a->id] : NULL;
    size_t n = strlen(a->text);
    uint32_t own;
    bool is_new;

    if (t && t->len == n &&
        memcmp(im->b.text.data + t->at, a->text, n) == 0)
        return 0;
    own = tok_build_find(&im->b, a->text);
    if (own != TOK_NONE) {
        tok_note(im->source, "the id %u of \"%.80s\" is passed over:"
                 " tokenizer.json has it as %u", a->id, a->text, own);
        return 0;
    }
    if (im->normalizes && !(a->flags & TOKEN_CONTROL))
        return err_set(err, ERR_INPUT, "added token \"%.80s\" is not among the"
                       " added_tokens, and there is a normalizer", a->text);
    if (tok_added_put(&im->b, a, im->source, &is_new, err))
        return -1;
    if (tok_build_has(&im->b, a->id))
        im->undecoded[a->id] = false;
    return 0;
}

static int read_beside(struct tokenizer_import *im,
                       const struct tok_texts *texts, struct err *err)
{
    struct tok_added_list l;
    int rc = tok_added_read(&l, texts, err);

    for (size_t i = 0; i < l.n && rc == 0; i++)
        rc = put_beside(im, &l.v[i], err);
    tok_added_clear(&l);
    return rc;
}

/* The ids that a post-processor puts before a text. */
static int read_first(struct tokenizer_import *im, const struct json *root,
                      const struct tok_config *config, struct err *err)
{
    struct tok_first first;
    uint32_t id[TOK_MAX_FIRST + 1];
    size_t n = 0;

    if (tokenizer_json_first(&first, root, config, err))
        return -1;
    for (const struct json *v = json_first(json_get(first.post, "single")), *p;
         (p = json_get(v, "SpecialToken")); v = json_next(v)) {
        const char *name = json_string(json_get(p, "id"));
        const struct json *map = json_get(first.post, "special_tokens");
        const struct json *ids = json_get(json_get(map, name ? name : ""),
                                          "ids");
        uint32_t own = name ? tok_build_find(&im->b, name) : TOK_NONE;

        if (!ids && own == TOK_NONE)
            return err_set(err, ERR_INPUT, "the post-processor's token "
                           "\"%.80s\" is not known", name ? name : "");
        if (!ids && n <= TOK_MAX_FIRST)
            id[n++] = own;
        for (const struct json *e = json_first(ids); e; e = json_next(e)) {
            if (n > TOK_MAX_FIRST)
                break;
            if (read_id(e, im->b.n, &id[n++], name ? name : "", err))
                return -1;
        }
    }
    return tok_build_first(&im->b, id, n, first.bos, config, im->source, err);
}

/* Whether some token is looked for in the normalized text, which pipelines
 * with a number cannot do. */
static bool has_normalized(const struct tokenizer_import *im,
                           const struct json *root)
{
    const struct json *v = json_get(root, "added_tokens");

    for (v = json_first(v); v && im->normalizes; v = json_next(v))
        if (added_flags(im, v, json_true(json_get(v, "special"))) &
            TOKEN_NORMALIZED)
            return true;
    return false;
}

static int import(struct tokenizer_import *im, const struct json *root,
                  const struct tok_config *config,
                  const struct tok_texts *texts, struct err *err)
{
    const struct json *model = json_get(root, "model");

    im->normalizes = tok_unwrap(json_get(root, "normalizer"),
                                     "normalizers") != NULL;
    if (tokenizer_json_form(&im->b, root, has_normalized(im, root), err) ||
        read_vocab(im, model, err) || read_merges(im, model, err) ||
        read_unknown(im, model, err) || read_added(im, root, err) ||
        read_beside(im, texts, err) ||
        tokenizer_json_decoder(&im->b, root, err) ||
        read_first(im, root, config, err))
        return -1;
    return tok_build_ignore_merges(
        &im->b, json_true(json_get(model, "ignore_merges")), err);
}

int tokenizer_import_json(struct buf *out, const char *text, size_t n,
                          const struct tok_texts *texts,
                          struct tokenizer_source *source, struct err *err)
{
    struct tokenizer_import im = { .source = source };
    struct tok_config c;
    struct json *root;
    int rc;

    if (tok_config_read(&c, texts->config, texts->n_config, err))
        return -1;
    if (json_parse(&root, text, n, err)) {
        tok_config_clear(&c);
        return -1;
    }
    if (c.llama)
        tok_config_llama(&c);
    tok_build_init(&im.b, source->n_vocab);
    im.undecoded = xcalloc((size_t)im.b.max + 1, sizeof(*im.undecoded));
    rc = import(&im, root, &c, texts, err);
    if (!rc)
        rc = tok_build_write(&im.b, out, err);
    tok_config_clear(&c);
    tok_build_clear(&im.b);
    free(im.undecoded);
    free(im.vocab.ref);
    free(im.text);
    json_free(root);
    return rc;
}
