/*
 * tokenizer.bin as the arrays of a SentencePiece tokenizer.  Their types are
 * not in the file: they follow from the ids and from how a byte is written.
 */
#include <config.h>

#include "model/import/llama2c_texts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "model/import/foreign.h"
#include "text/tokenizer.h"

#define MAX_FILE ((size_t)16 << 20)
#define SPACE "\xe2\x96\x81" /* how SentencePiece writes it */

enum { UNKNOWN = 0, FIRST_BYTE = 3 }; /* ids */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_BYTE = 6 };

struct pieces {
    struct buf text; /* of all tokens */
    size_t *at;      /* where it begins, n + 1 of them */
    struct tokenizer_text *token;
    float *score;
    unsigned char *type;
    size_t n;
};

static bool is_byte(const char *s, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";

    return n == 6 && memcmp(s, "<0x", 3) == 0 && s[5] == '>' && s[3] && s[4] &&
           strchr(hex, s[3]) && strchr(hex, s[4]);
}

static unsigned char type_of(size_t id, const char *s, size_t n)
{
    if (id < FIRST_BYTE)
        return id == UNKNOWN ? TYPE_UNKNOWN : TYPE_CONTROL;
    return is_byte(s, n) ? TYPE_BYTE : TYPE_NORMAL;
}

/* The text as SentencePiece has it. */
static void put_text(struct pieces *t, const char *s, size_t n)
{
    /* bos and end are on lines of their own */
    if (t->n < FIRST_BYTE && n > 2 && s[0] == '\n' && s[n - 1] == '\n') {
        s++;
        n -= 2;
    }
    for (size_t i = 0; i < n; i++) {
        if (s[i] == ' ')
            buf_puts(&t->text, SPACE);
        else
            buf_putc(&t->text, (unsigned char)s[i]);
    }
}

static int bad_length(size_t id, int64_t length, uint32_t longest,
                      struct err *err)
{
    return err_set(err, ERR_INPUT, "token %zu has %" PRId64 " bytes, and the"
                   " longest %" PRIu32 ": it is not a tokenizer.bin of"
                   " llama2.c", id, length, longest);
}

/* Tokens until the file ends, or until there are `max`. */
static int take_pieces(struct pieces *t, const unsigned char *p, size_t n,
                       uint32_t max, struct err *err)
{
    size_t at = 4;
    uint32_t longest = n >= 4 ? get_u32(p) : 0;

    while (at < n && t->n < max) {
        int64_t length = n - at < 8 ? 0 : (int32_t)get_u32(p + at + 4);
        const char *s = (const char *)p + at + 8;

        if (length < 0 || length > (int64_t)longest)
            return bad_length(t->n, length, longest, err);
        if (n - at < 8 || n - at - 8 < (size_t)length)
            return err_set(err, ERR_INPUT, "it ends within token %zu: the"
                           " download did not finish", t->n);
        t->at[t->n] = t->text.len;
        t->score[t->n] = f32_from(get_u32(p + at));
        t->type[t->n] = type_of(t->n, s, (size_t)length);
        put_text(t, s, (size_t)length);
        t->n++;
        at += 8 + (size_t)length;
    }
    t->at[t->n] = t->text.len;
    if (at < n)
        return err_set(err, ERR_INPUT, "it has more than the %" PRIu32 " tokens"
                       " of the vocabulary: it is that of another model", max);
    return buf_check(&t->text, "the text of the tokens", err);
}

static int import_pieces(struct buf *out, struct pieces *t, uint32_t n_vocab,
                         struct err *err)
{
    static const char kind[] = "llama";
    struct tokenizer_arrays a = {
        .model = { kind, sizeof(kind) - 1 }, .token = t->token,
        .score = t->score, .type = t->type, .n_tokens = t->n, .add_bos = 1,
        .leading_space = 1
    };

    for (size_t i = 0; i < t->n; i++)
        t->token[i] = (struct tokenizer_text){ t->text.data + t->at[i],
                                               t->at[i + 1] - t->at[i] };
    return tokenizer_import_arrays(out, &a, n_vocab, err);
}

int llama2c_tokenizer(struct buf *out, const void *bytes, size_t n,
                      uint32_t n_vocab, bool all, struct err *err)
{
    struct pieces t = { .n = 0 };
    size_t room = (size_t)n_vocab + 1;
    int rc;

    buf_init(&t.text, 3 * MAX_FILE);
    buf_put(&t.text, "", 0);
    t.at = xmalloc(room * sizeof(*t.at));
    t.token = xmalloc(room * sizeof(*t.token));
    t.score = xmalloc(room * sizeof(*t.score));
    t.type = xmalloc(room);
    rc = take_pieces(&t, bytes, n, n_vocab, err);
    if (rc == 0 && t.n < (all ? n_vocab : 1))
        rc = err_set(err, ERR_INPUT, "it has %zu tokens, and the vocabulary %"
                     PRIu32 ": it is that of another model", t.n, n_vocab);
    if (rc == 0)
        rc = import_pieces(out, &t, n_vocab, err);
    buf_clear(&t.text);
    free(t.at);
    free(t.token);
    free(t.score);
    free(t.type);
    return rc;
}

int llama2c_tokenizer_file(struct buf *out, const char *path, uint32_t n_vocab,
                           bool all, struct err *err)
{
    struct buf b;
    int rc = foreign_check_file(path, err);

    buf_init(&b, MAX_FILE);
    if (rc == 0)
        rc = file_read(&b, path, err);
    if (rc == 0 &&
        llama2c_tokenizer(out, b.data ? b.data : "", b.len, n_vocab, all, err))
        rc = err_prefix(err, "\"%s\"", path);
    buf_clear(&b);
    return rc;
}
