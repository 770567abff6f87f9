/*
 * tokenizer.model: SentencePiece's ModelProto, a protocol buffer, read just
 * far enough.  Only BPE and unigram with the identity normaliser are known
 * exactly; what else it may ask for is refused by name.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"
#include "base/utf8.h"

/* A message, or what is left of it. */
struct proto {
    const unsigned char *p;
    size_t n;
};

struct proto_field {
    uint32_t number;
    uint64_t value;     /* wire types 0, 1 and 5 */
    struct proto bytes; /* wire type 2 */
    uint32_t wire;
};

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

enum { PIECE_NORMAL = 1, PIECE_UNKNOWN, PIECE_CONTROL, PIECE_USER,
       PIECE_UNUSED, PIECE_BYTE };

/* What of the model is of interest, with SentencePiece's defaults. */
struct spm_model {
    uint64_t model_type, unk_id, byte_fallback, suffix_space;
    uint64_t dummy_prefix, squeeze, escape;
    bool charsmap, rules, denormalises;
};

static int bad(struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "%s", what);
}

static int take_varint(struct proto *m, uint64_t *out)
{
    uint64_t v = 0;
    unsigned shift;

    for (shift = 0; shift < 64; shift += 7) {
        if (!m->n)
            return -1;
        v |= (uint64_t)(*m->p & 127) << shift;
        m->n--;
        if (!(*m->p++ & 128)) {
            *out = v;
            return 0;
        }
    }
    return -1;
}

static int take_fixed(struct proto *m, struct proto_field *f, size_t n)
{
    if (m->n < n)
        return -1;
    f->value = n == 8 ? get_u64(m->p) : get_u32(m->p);
    m->p += n;
    m->n -= n;
    return 0;
}

/* The next field. */
static enum found take_field(struct proto *m, struct proto_field *f,
                             struct err *err)
{
    uint64_t key, len;

    if (!m->n)
        return FOUND_NONE;
    memset(f, 0, sizeof(*f));
    if (take_varint(m, &key) || !(key >> 3) || key >> 3 > 0x1fffffff)
        return bad(err, "no SentencePiece model: broken protocol buffer");
    f->number = (uint32_t)(key >> 3);
    f->wire = key & 7;
    switch (f->wire) {
    case WIRE_VARINT:
        if (!take_varint(m, &f->value))
            return FOUND_ONE;
        break;
    case WIRE_64:
        if (!take_fixed(m, f, 8))
            return FOUND_ONE;
        break;
    case WIRE_32:
        if (!take_fixed(m, f, 4))
            return FOUND_ONE;
        break;
    case WIRE_BYTES:
        if (take_varint(m, &len) || len > m->n)
            break;
        f->bytes = (struct proto){ m->p, (size_t)len };
        m->p += len;
        m->n -= (size_t)len;
        return FOUND_ONE;
    default:
        break;
    }
    return bad(err, "no SentencePiece model: broken protocol buffer");
}

static int read_trainer(struct spm_model *s, struct proto m, struct err *err)
{
    struct proto_field f;
    enum found found;

    while ((found = take_field(&m, &f, err)) == FOUND_ONE) {
        if (f.wire != WIRE_VARINT)
            continue;
        switch (f.number) {
        case 3:
            s->model_type = f.value;
            break;
        case 24:
            s->suffix_space = f.value;
            break;
        case 35:
            s->byte_fallback = f.value;
            break;
        case 40:
            s->unk_id = f.value;
            break;
        default: /* how it was trained */
            break;
        }
    }
    return found == FOUND_FAILED ? -1 : 0;
}

static int read_normalizer(struct spm_model *s, struct proto m,
                           struct err *err)
{
    struct proto_field f;
    enum found found;

    while ((found = take_field(&m, &f, err)) == FOUND_ONE) {
        if (f.number == 2 && f.wire == WIRE_BYTES)
            s->charsmap = f.bytes.n;
        else if (f.number == 3 && f.wire == WIRE_VARINT)
            s->dummy_prefix = f.value;
        else if (f.number == 4 && f.wire == WIRE_VARINT)
            s->squeeze = f.value;
        else if (f.number == 5 && f.wire == WIRE_VARINT)
            s->escape = f.value;
        else if (f.number == 6 && f.wire == WIRE_BYTES)
            s->rules = f.bytes.n;
    }
    return found == FOUND_FAILED ? -1 : 0;
}

static int read_denormalizer(struct spm_model *s, struct proto m,
                             struct err *err)
{
    struct proto_field f;
    enum found found;

    while ((found = take_field(&m, &f, err)) == FOUND_ONE)
        if (f.number == 2 && f.wire == WIRE_BYTES && f.bytes.n)
            s->denormalises = true;
    return found == FOUND_FAILED ? -1 : 0;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* "<0x0A>" */
static int byte_piece(struct proto s, char *byte)
{
    int hi, lo;

    if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>')
        return -1;
    hi = hex_digit(s.p[3]);
    lo = hex_digit(s.p[4]);
    if (hi < 0 || lo < 0)
        return -1;
    *byte = (char)(hi * 16 + lo);
    return 0;
}

static bool has_metaspace(struct proto s)
{
    size_t i;

    for (i = 0; i + 3 <= s.n; i++)
        if (memcmp(s.p + i, METASPACE, 3) == 0)
            return true;
    return false;
}

static int put_piece(struct tok_build *b, uint32_t id, struct proto text,
                     float score, uint64_t type, struct err *err)
{
    const char *s = (const char *)text.p;
    uint32_t flags = 0;
    char byte;

    if (!utf8_valid(s, text.n) || (text.n && memchr(s, 0, text.n)))
        return err_set(err, ERR_INPUT, "piece %u is not UTF-8", id);
    if (!isfinite(score))
        return err_set(err, ERR_INPUT, "piece %u has an infinite score", id);
    switch (type) {
    case PIECE_NORMAL:
        break;
    case PIECE_UNKNOWN:
        if (b->unknown != TOK_NONE)
            return err_set(err, ERR_INPUT, "pieces %u and %u are both the "
                           "unknown one", b->unknown, id);
        b->unknown = id;
        flags = TOKEN_CONTROL;
        break;
    case PIECE_CONTROL:
        flags = TOKEN_CONTROL;
        break;
    case PIECE_USER:
        if (has_metaspace(text))
            return err_set(err, ERR_INPUT, "user-defined piece %u has a "
                           "space in it, which is not supported", id);
        flags = TOKEN_USER;
        break;
    case PIECE_BYTE:
        if (byte_piece(text, &byte))
            return err_set(err, ERR_INPUT, "byte piece %u is not of the form "
                           "<0x0A>", id);
        return tok_build_set(b, id, &byte, 1, TOKEN_BYTE, score, err);
    default:
        return err_set(err, ERR_INPUT,
                       "piece %u is of type %" PRIu64 " (5: "
                       "unused), which is not supported",
                       id, type);
    }
    return tok_build_set(b, id, s, text.n, flags, score, err);
}

int tok_build_piece(struct tok_build *b, uint32_t id, const char *s, size_t n,
                    float score, uint64_t type, struct err *err)
{
    struct proto text = { (const unsigned char *)s, n };

    return put_piece(b, id, text, score, type, err);
}

static int read_piece(struct tok_build *b, struct proto m, struct err *err)
{
    struct proto text = { (const unsigned char *)"", 0 };
    uint64_t type = PIECE_NORMAL;
    struct proto_field f;
    float score = 0;
    enum found found;

    while ((found = take_field(&m, &f, err)) == FOUND_ONE) {
        if (f.number == 1 && f.wire == WIRE_BYTES)
            text = f.bytes;
        else if (f.number == 2 && f.wire == WIRE_32)
            score = f32_from((uint32_t)f.value);
        else if (f.number == 3 && f.wire == WIRE_VARINT)
            type = f.value;
    }
    if (found == FOUND_FAILED)
        return -1;
    return put_piece(b, b->n, text, score, type, err);
}

static int read_model(struct tok_build *b, struct spm_model *s,
                      struct proto m, struct err *err)
{
    struct proto_field f;
    enum found found;

    while ((found = take_field(&m, &f, err)) == FOUND_ONE) {
        int rc = 0;

        if (f.wire != WIRE_BYTES)
            continue;
        if (f.number == 1)
            rc = read_piece(b, f.bytes, err);
        else if (f.number == 2)
            rc = read_trainer(s, f.bytes, err);
        else if (f.number == 3)
            rc = read_normalizer(s, f.bytes, err);
        else if (f.number == 5)
            rc = read_denormalizer(s, f.bytes, err);
        if (rc)
            return -1;
    }
    return found == FOUND_FAILED ? -1 : 0;
}

static bool has_user_defined(const struct tok_build *b)
{
    uint32_t id;

    for (id = 0; id < b->n; id++)
        if (b->token[id].flags == TOKEN_USER)
            return true;
    return false;
}

static int check_model(const struct tok_build *b, const struct spm_model *s,
                       struct err *err)
{
    if (!b->n)
        return bad(err, "no SentencePiece model: it has no pieces");
    if (s->model_type != 1 && s->model_type != 2)
        return err_set(err, ERR_INPUT,
                       "SentencePiece model type %" PRIu64 " (3 "
                       "word, 4 char) is not supported, only 1, unigram, and "
                       "2, BPE",
                       s->model_type);
    if (s->charsmap || s->rules)
        return bad(err, "a normaliser other than \"identity\" is not "
                   "supported");
    if (s->denormalises)
        return bad(err, "a denormaliser is not supported");
    if (!s->escape)
        return bad(err, "escape_whitespaces = false is not supported");
    if (s->suffix_space)
        return bad(err, "treat_whitespace_as_suffix is not supported");
    if (b->unknown == TOK_NONE || b->unknown != s->unk_id)
        return err_set(err, ERR_INPUT,
                       "unk_id is %" PRId64 ", which is not the unknown piece",
                       (int64_t)s->unk_id);
    if (s->squeeze && has_user_defined(b))
        return bad(err, "remove_extra_whitespaces together with user-defined "
                   "pieces is not supported");
    return 0;
}

/* Tokens of the small files.  A model that has any is used by a class that cuts
 * them out first, and puts the space before each run that is left, or, in its
 * newer form, before the text where it has none. */
static int add_tokens(struct tok_build *b, const struct tok_texts *texts,
                      const struct tok_config *c,
                      struct tokenizer_source *source, struct err *err)
{
    struct tok_added_list added;
    bool is_new, any = false;
    int rc = 0;

    if (tok_added_read(&added, texts, err))
        return -1;
    for (size_t i = 0; i < added.n && rc == 0; i++) {
        rc = tok_added_put(b, &added.v[i], source, &is_new, err);
        any |= is_new;
    }
    tok_added_clear(&added);
    if (!any || rc)
        return rc;
    b->flags &= ~(uint32_t)TOK_SQUEEZE;
    if (b->flags & TOK_LEADING_SPACE)
        b->flags |= c->new_form ? TOK_NOT_TWICE : TOK_EVERY_RUN;
    return 0;
}

int tokenizer_import_spm(struct buf *out, const void *bytes, size_t n,
                         const struct tok_texts *texts,
                         struct tokenizer_source *source, struct err *err)
{
    struct spm_model s = { .model_type = 1, .dummy_prefix = 1, .squeeze = 1,
                           .escape = 1 };
    struct proto m = { bytes, n };
    struct tok_config c;
    struct tok_build b;
    int rc = -1;

    if (tok_config_read(&c, texts->config, texts->n_config, err))
        return -1;
    tok_build_init(&b, source->n_vocab);
    if (c.add_eos == 1) {
        bad(err, "add_eos_token is not supported");
        goto out;
    }
    if (read_model(&b, &s, m, err) || check_model(&b, &s, err))
        goto out;
    b.kind = s.model_type == 1 ? TOK_UNIGRAM : TOK_SPM;
    if (s.dummy_prefix)
        b.flags |= TOK_LEADING_SPACE;
    if (s.squeeze)
        b.flags |= TOK_SQUEEZE;
    if (s.byte_fallback)
        b.flags |= TOK_BYTE_FALLBACK;
    if (add_tokens(&b, texts, &c, source, err))
        goto out;
    /* Llama's tokenizer, whose form this is, begins with bos unless told
     * otherwise. */
    tok_config_llama(&c);
    if (tok_build_first(&b, NULL, 0, c.add_bos, &c, source, err) == 0)
        rc = tok_build_write(&b, out, err);
out:
    tok_config_clear(&c);
    tok_build_clear(&b);
    return rc;
}
