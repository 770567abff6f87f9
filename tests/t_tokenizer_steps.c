/*
 * What apustok2 has beside apustok1: first tokens, the steps of normalizer,
 * pre-tokenizer and decoder one by one, white space around added tokens,
 * unknown characters, unigram, and the refusal of malformed bytes.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/utf8.h"
#include "tests/tap.h"

#define N_VOCAB 400
#define META METASPACE

/* ---- steps alone --------------------------------------------------------- */

static void join(void *user, const char *s, size_t n)
{
    struct buf *b = user;

    if (b->len > 0)
        buf_putc(b, '|');
    buf_put(b, s, n);
}

static bool says(struct buf *b, const char *want)
{
    bool same;

    buf_put(b, "", 0);
    same = strcmp(b->data, want) == 0;
    if (!same)
        printf("# \"%s\", expected \"%s\"\n", b->data, want);
    buf_clear(b);
    return same;
}

/* One step, or with `then` two. */
static bool cuts(uint32_t type, uint32_t argument, const char *a,
                 uint32_t then, const char *text, const char *want)
{
    struct tok_extra x = { .n_first = 0 };
    struct buf b;

    buf_init(&b, 4096);
    tok_step_add(&x.pretokenizer, type, argument, a, NULL, NULL);
    if (then > 0)
        tok_step_add(&x.pretokenizer, then, TOK_GPT2 * (then == PRE_PATTERN),
                     NULL, NULL, NULL);
    steps_split(&x.pretokenizer, text, strlen(text), true, join, &b, NULL);
    tok_extra_clear(&x);
    return says(&b, want);
}

static bool makes(uint32_t type, uint32_t argument, const char *a,
                  const char *with, const char *text, const char *want)
{
    struct tok_extra x = { .n_first = 0 };
    struct buf b, scratch;

    buf_init(&b, 4096);
    buf_init(&scratch, 4096);
    tok_step_add(&x.normalizer, type, argument, a, with, NULL);
    steps_normalize(&x.normalizer, text, strlen(text), &b, &scratch);
    buf_clear(&scratch);
    tok_extra_clear(&x);
    return says(&b, want);
}

static void pretokenizers(void)
{
    ok(cuts(PRE_PATTERN, TOK_GPT2, NULL, 0, "a  b1", "a| | b|1"),
       "a pattern");
    ok(cuts(PRE_SPLIT, SPLIT_REMOVED, "--", 0, "--a--b----c",
            "a|b|c"), "split: removed");
    ok(cuts(PRE_SPLIT, SPLIT_ISOLATED, "-", 0, "-a--b", "-|a|-|-|b"),
       "split: isolated");
    ok(cuts(PRE_SPLIT, SPLIT_PREVIOUS, "-", 0, "-a--b", "-|a-|-|b"),
       "split: merged with previous");
    ok(cuts(PRE_SPLIT, SPLIT_NEXT, "-", 0, "a--b-", "a|-|-b|-"),
       "split: merged with next");
    ok(cuts(PRE_SPLIT, SPLIT_CONTIGUOUS, "-", 0, "-a--b", "-|a|--|b"),
       "split: contiguous");
    ok(cuts(PRE_DIGITS, 1, NULL, 0, "a12\xc2\xb2z", "a|1|2|\xc2\xb2|z"),
       "digits one by one, a superscript too");
    ok(cuts(PRE_DIGITS, 0, NULL, 0, "a12z3", "a|12|z|3"), "runs of digits");
    ok(cuts(PRE_DIGITS, 1, NULL, PRE_PATTERN, "a  1", "a|  |1"),
       "a digit is an end for the pattern after it");
    ok(cuts(PRE_METASPACE, SCHEME_FIRST, NULL, 0, "a b", META "a" META "b"),
       "metaspace: first");
    ok(cuts(PRE_METASPACE, SCHEME_NEVER | SCHEME_SPLIT, NULL, 0, "a b  c",
            "a|" META "b|" META "|" META "c"), "metaspace: cut");
    ok(cuts(PRE_METASPACE, SCHEME_ALWAYS | SCHEME_SPLIT, NULL, 0, " a",
            META "a"), "metaspace: no second one");
    ok(cuts(PRE_SPLIT, SPLIT_REMOVED, "-", PRE_SPACE, "a- b", " a| b"),
       "a leading space for each piece");
    ok(cuts(PRE_METASPACE, SCHEME_FIRST, NULL, 0, "", ""), "nothing");
}

/*
 * Numbers of other scripts, chosen by hand from the code charts: general
 * category Nd, Nl, No, the last ones of Unicode 15.0; then what looks like a
 * number, or lies beside one, and is none.
 */
static const uint32_t digits_nd[] = {
    0x0660, 0x0669, 0x06f5, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66,
    0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040,
    0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0,
    0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
    0xff10, 0xff19, 0x104a0, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0,
    0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50,
    0x11d50, 0x11da0, 0x11f50, 0x16a60, 0x16b50, 0x1d7ce, 0x1d7ff, 0x1e140,
    0x1e2f0, 0x1e4f0, 0x1e950, 0x1fbf0
};
static const uint32_t letters_nl[] = {
    0x16ee, 0x16f0, 0x2160, 0x2182, 0x2185, 0x2188, 0x3007, 0x3021, 0x3029,
    0x3038, 0x303a, 0xa6e6, 0xa6ef, 0x10140, 0x10341, 0x1034a, 0x103d1,
    0x12400, 0x1246e
};
static const uint32_t others_no[] = {
    0x00b2, 0x00b9, 0x00bc, 0x09f4, 0x0b72, 0x0bf0, 0x0c78, 0x0d58, 0x0d70,
    0x0f2a, 0x1369, 0x137c, 0x17f0, 0x19da, 0x2070, 0x2074, 0x2080, 0x2150,
    0x2189, 0x2460, 0x249b, 0x24ea, 0x2776, 0x2cfd, 0x3192, 0x3220, 0x3248,
    0x3280, 0x32b1, 0xa830, 0x10107, 0x10175, 0x102e1, 0x10320, 0x10858,
    0x10e60, 0x11052, 0x111e1, 0x11fc0, 0x16b5b, 0x16e80, 0x1d2c0, 0x1d2e0,
    0x1d360, 0x1e8c7, 0x1ec71, 0x1ed01, 0x1f100, 0x1f10c
};
static const uint32_t no_digits[] = {
    0x00aa, 0x0bf3, 0x0f34, 0x16eb, 0x17fa, 0x1d7cd, 0x2183, 0x2184, 0x218a,
    0x249c, 0x24b6, 0x3006, 0x3030, 0x4e00, 0x4e03, 0x4e5d, 0x5341, 0x58f1,
    0x96f6, 0xff0f, 0xff1a, 0xff21, 0x1f10d, 0x1fbef
};

/* Whether Digits cuts cp cp out of a text: one by one, and as a run. */
static bool is_digit(uint32_t cp, bool digit)
{
    struct buf text, one, run;
    bool same;

    buf_init(&text, 64);
    buf_init(&one, 64);
    buf_init(&run, 64);
    for (int i = 0; i < 4; i++) {
        if (i == 0 || i == 3) {
            buf_puts(&text, i ? "z" : "a");
            buf_puts(&one, i ? digit ? "|z" : "z" : "a");
            buf_puts(&run, i ? digit ? "|z" : "z" : "a");
        } else {
            buf_puts(&one, digit ? "|" : "");
            buf_puts(&run, digit && i == 1 ? "|" : "");
            utf8_put(&text, cp);
            utf8_put(&one, cp);
            utf8_put(&run, cp);
        }
    }
    same = cuts(PRE_DIGITS, 1, NULL, 0, text.data, one.data) &&
           cuts(PRE_DIGITS, 0, NULL, 0, text.data, run.data);
    if (!same)
        printf("# U+%04X\n", (unsigned)cp);
    buf_clear(&text);
    buf_clear(&one);
    buf_clear(&run);
    return same;
}

static bool are_digits(const uint32_t *cp, size_t n, bool digit)
{
    bool same = true;

    for (size_t i = 0; i < n; i++)
        same &= is_digit(cp[i], digit);
    return same;
}

#define ALL(a) a, sizeof(a) / sizeof((a)[0])

static void digits(void)
{
    ok(are_digits(ALL(digits_nd), true), "decimal digits of other scripts");
    ok(are_digits(ALL(letters_nl), true), "letters that are numbers");
    ok(are_digits(ALL(others_no), true), "other numbers");
    ok(are_digits(ALL(no_digits), false), "what only looks like a number");
}

static void normalizers(void)
{
    ok(makes(NORM_NFC, 0, NULL, NULL, "e\xcc\x81", "\xc3\xa9"), "form C");
    ok(makes(NORM_REPLACE, 0, "aa", "b", "aaaca", "baca"), "replace");
    ok(makes(NORM_REPLACE, 0, "a", "", "banana", "bnn"), "by nothing");
    ok(makes(NORM_REPLACE, 1, " ", "_", " a  b   c", " a_b_c"),
       "two or more");
    ok(makes(NORM_PREPEND, 0, "x", NULL, "a", "xa") &&
       makes(NORM_PREPEND, 0, "x", NULL, "", ""), "prepend, not to nothing");
    ok(makes(NORM_STRIP, 1, NULL, NULL, " \xc2\xa0" "a b ", "a b ") &&
       makes(NORM_STRIP, 2, NULL, NULL, " a b\n ", " a b") &&
       makes(NORM_STRIP, 3, NULL, NULL, " a b ", "a b") &&
       makes(NORM_STRIP, 3, NULL, NULL, "  ", "") &&
       makes(NORM_STRIP, 2, NULL, NULL, "  ", ""), "strip");
}

/* ---- whole tokenizers ---------------------------------------------------- */

/* A byte-level one: bytes 0 to 255, then what the caller adds. */
static void bytes_build(struct tok_build *b)
{
    tok_build_init(b, N_VOCAB);
    for (uint32_t i = 0; i < 256; i++) {
        char c = (char)i;

        tok_build_set(b, i, &c, 1, 0, 0, NULL);
    }
}

/* One of characters: 0 unknown, then a, b, ab, space, and what is added. */
static void chars_build(struct tok_build *b, uint32_t kind)
{
    static const char *const word[] = { "a", "b", "ab", META, META "a" };

    tok_build_init(b, N_VOCAB);
    b->kind = kind;
    b->unknown = 0;
    b->flags = TOK_STEPS;
    tok_build_set(b, 0, "<unk>", 5, TOKEN_CONTROL, 0, NULL);
    for (uint32_t i = 0; i < 5; i++)
        tok_build_set(b, i + 1, word[i], strlen(word[i]), 0,
                      -1.0f - (float)i, NULL);
}

static void added(struct tok_build *b, uint32_t id, const char *s,
                  uint32_t flags)
{
    tok_build_set(b, id, s, strlen(s), flags, 0, NULL);
}

static struct tokenizer *finished(struct tok_build *b)
{
    struct err err = ERR_INIT;
    struct tokenizer *t;

    if (tok_build_try(b, &t, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    tok_build_clear(b);
    return t;
}

static bool encodes(const struct tokenizer *t, const char *s,
                    const uint32_t *want, size_t n)
{
    struct tokens ids;
    bool same;

    tokens_init(&ids);
    same = tokenizer_encode_special(t, s, strlen(s), true, &ids, NULL) == 0 &&
           ids.n == n && memcmp(ids.id, want, n * sizeof(*want)) == 0;
    for (size_t i = 0; !same && i < ids.n; i++)
        printf("# %zu: %u\n", i, ids.id[i]);
    tokens_clear(&ids);
    return same;
}

#define IDS(...) (const uint32_t[]){ __VA_ARGS__ }, \
    sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4

static void first_tokens(void)
{
    uint32_t id[TOKENIZER_FIRST];
    struct tokenizer *t;
    struct tok_build b;
    struct buf out;

    buf_init(&out, 1 << 16);
    bytes_build(&b);
    b.flags = TOK_ADD_BOS;
    tok_build_write(&b, &out, NULL);
    ok(memcmp(out.data, "apustok1", 8) == 0, "what apustok1 can say, it says");
    buf_reset(&out);
    b.flags = 0;
    b.extra.first[0] = 7;
    b.extra.first[1] = 9;
    b.extra.n_first = 2;
    tok_build_write(&b, &out, NULL);
    ok(memcmp(out.data, "apustok2", 8) == 0, "the rest is apustok2");
    t = finished(&b);
    ok(tokenizer_first(t, 3, id) == 2 && id[0] == 7 && id[1] == 9,
       "first tokens, whatever bos is");
    tokenizer_free(t);
    buf_clear(&out);
}

static void stripping(void)
{
    struct tok_build b;
    struct tokenizer *t;

    bytes_build(&b);
    added(&b, 300, "<l>", TOKEN_CONTROL | TOKEN_LSTRIP);
    added(&b, 301, "<r>", TOKEN_CONTROL | TOKEN_RSTRIP);
    added(&b, 302, "word", TOKEN_USER | TOKEN_SINGLE_WORD);
    t = finished(&b);
    ok(encodes(t, "a \n<l> b", IDS('a', 300, ' ', 'b')), "lstrip");
    ok(encodes(t, "a <r>\xe2\x80\x83 b", IDS('a', ' ', 301, 'b')), "rstrip");
    ok(encodes(t, "<r>  <l>", IDS(301, 300)), "both");
    ok(encodes(t, "a word.", IDS('a', ' ', 302, '.')), "a single word");
    ok(encodes(t, "words", IDS('w', 'o', 'r', 'd', 's')) &&
       encodes(t, "_word", IDS('_', 'w', 'o', 'r', 'd')),
       "not within a word");
    tokenizer_free(t);
}

static void normalized(void)
{
    struct tok_build b;
    struct tokenizer *t;

    chars_build(&b, TOK_SPM);
    tok_step_add(&b.extra.normalizer, NORM_REPLACE, 0, "c", "b", NULL);
    added(&b, 6, "<c>", TOKEN_USER | TOKEN_NORMALIZED);
    added(&b, 7, "<d>", TOKEN_USER);
    t = finished(&b);
    ok(encodes(t, "c<c>a", IDS(2, 6, 1)) && encodes(t, "<b>", IDS(6)),
       "a token of the normalized text");
    ok(encodes(t, "<d>c", IDS(7, 2)), "one of the text as it is");
    tokenizer_free(t);
}

static void unknown(void)
{
    struct tok_build b;
    struct tokenizer *t;

    chars_build(&b, TOK_SPM);
    b.fuse_unknown = false;
    t = finished(&b);
    ok(encodes(t, "xya", IDS(0, 0, 1)), "unknown characters, one by one");
    tokenizer_free(t);
    chars_build(&b, TOK_SPM);
    b.flags |= TOK_BYTE_FALLBACK;
    t = finished(&b);
    ok(encodes(t, "xyab", IDS(0, 3)), "fused, without tokens for bytes");
    tokenizer_free(t);
    chars_build(&b, TOK_SPM);
    b.flags |= TOK_BYTE_FALLBACK;
    tok_build_set(&b, 9, "x", 1, TOKEN_BYTE, 0, NULL);
    t = finished(&b);
    ok(encodes(t, "yxyy", IDS(0, 9, 0)), "a byte that has one");
    tokenizer_free(t);
}

static void unigram(void)
{
    struct tok_build b;
    struct tokenizer *t;

    chars_build(&b, TOK_UNIGRAM); /* a -1, b -2, ab -3, space -4, _a -5 */
    tok_step_add(&b.extra.pretokenizer, PRE_METASPACE,
                 SCHEME_ALWAYS | SCHEME_SPLIT, NULL, NULL, NULL);
    t = finished(&b);
    ok(encodes(t, "ab", IDS(4, 3)), "of equal sums the first found");
    ok(encodes(t, "b a", IDS(4, 2, 5)), "pieces one by one");
    ok(encodes(t, "bxyb", IDS(4, 2, 0, 2)), "unknown");
    tokenizer_free(t);
    chars_build(&b, TOK_UNIGRAM);
    tok_build_set(&b, 3, "ab", 2, 0, -2.5f, NULL);
    t = finished(&b);
    ok(encodes(t, "aab", IDS(1, 3)), "the higher sum");
    tokenizer_free(t);
}

static bool shows(const struct tokenizer *t, uint32_t id, const char *want)
{
    size_t n;
    const char *s = tokenizer_bytes(t, id, &n);

    return n == strlen(want) && memcmp(s, want, n) == 0;
}

static void decoders(void)
{
    struct tok_build b;
    struct tokenizer *t;

    bytes_build(&b);
    tok_step_add(&b.extra.decoder, DECODE_REPLACE, 0, "e", "EE", NULL);
    t = finished(&b);
    ok(shows(t, 'e', "EE") && shows(t, 'f', "f"), "replace");
    tokenizer_free(t);
    chars_build(&b, TOK_SPM);
    tok_build_set(&b, 9, "\n", 1, TOKEN_BYTE, 0, NULL);
    tok_step_add(&b.extra.decoder, DECODE_STRIP, 1, META, NULL, NULL);
    t = finished(&b);
    ok(shows(t, 5, "a") && shows(t, 4, ""), "strip");
    ok(shows(t, 9, "<0x0A>"), "a byte by its name");
    tokenizer_free(t);
    chars_build(&b, TOK_SPM);
    tok_build_set(&b, 9, "\n", 1, TOKEN_BYTE, 0, NULL);
    tok_step_add(&b.extra.decoder, DECODE_BYTES, 0, NULL, NULL, NULL);
    t = finished(&b);
    ok(shows(t, 5, META "a") && shows(t, 9, "\n"), "bytes, and no spaces");
    tokenizer_free(t);
}

/* ---- malformed bytes ----------------------------------------------------- */

static bool refused(const struct buf *b, size_t n)
{
    struct err err = ERR_INIT;
    struct tokenizer *t = NULL;
    int rc = tokenizer_new(&t, (const unsigned char *)b->data, n, N_VOCAB,
                           &err);

    tokenizer_free(t);
    return rc == -1 && err.code == ERR_INPUT;
}

static bool refused_with(struct buf *b, size_t at, uint32_t v)
{
    uint32_t was = get_u32(b->data + at);
    bool bad;

    set_u32(b->data + at, v);
    bad = refused(b, b->len);
    set_u32(b->data + at, was);
    return bad;
}

static void malformed(void)
{
    struct tok_build b;
    size_t bad = 0;
    struct buf out;

    buf_init(&out, 1 << 16);
    chars_build(&b, TOK_SPM);
    b.extra.n_first = 1;
    tok_step_add(&b.extra.normalizer, NORM_STRIP, 3, NULL, NULL, NULL);
    added(&b, 6, "<c>", TOKEN_USER | TOKEN_NORMALIZED);
    tok_build_write(&b, &out, NULL);
    tok_build_clear(&b);
    for (size_t i = 0; i < out.len; i++)
        bad += refused(&out, i);
    ok(bad == out.len && !refused(&out, out.len), "cut off anywhere");
    ok(refused_with(&out, 8, 3), "kind");
    ok(refused_with(&out, 12, 1), "a pattern beside steps");
    ok(refused_with(&out, 16, 512) && refused_with(&out, 16, 0) &&
       refused_with(&out, 16, TOK_STEPS | TOK_LEADING_SPACE), "flags");
    ok(refused_with(&out, 28, 9) && refused_with(&out, 32, 7),
       "first tokens");
    ok(refused_with(&out, 36, 17), "too many steps");
    ok(refused_with(&out, 40, 0) && refused_with(&out, 40, 5), "step types");
    ok(refused_with(&out, 44, 4), "an argument");
    ok(refused_with(&out, 48, 1u << 31) && refused_with(&out, 48, 2),
       "texts");
    ok(refused_with(&out, out.len - 19, TOKEN_CONTROL | TOKEN_NORMALIZED) &&
       refused_with(&out, out.len - 19, 128), "flags of a token");
    buf_clear(&out);
}

int main(void)
{
    pretokenizers();
    digits();
    normalizers();
    first_tokens();
    stripping();
    normalized();
    unknown();
    unigram();
    decoders();
    malformed();
    return done();
}
