/*
 * Before merging.  Covers: where each pre-tokenizer pattern cuts a text, which
 * patterns of tokenizer.json are known, and NFC.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/tap.h"

/* A cut of every piece of a text, for patterns without a vocabulary. */
static void join(void *user, const char *s, size_t n)
{
    buf_put(user, s, n);
    buf_putc(user, '|');
}

static bool splits(uint32_t pattern, const char *s, const char *want)
{
    struct err err = ERR_INIT;
    struct pretok *p;
    struct buf b;
    bool same;

    buf_init(&b, 1 << 16);
    if (pretok_new(&p, pattern, &err) ||
        pretok_split(p, s, strlen(s), join, &b, &err))
        printf("# %s\n", err.text);
    same = b.data && strcmp(b.data, want) == 0;
    if (!same)
        printf("# got %s\n", b.data);
    buf_clear(&b);
    pretok_free(p);
    return same;
}

static void patterns(void)
{
    struct err err = ERR_INIT;
    struct pretok *p = NULL;

    ok(pretok_new(&p, TOK_PATTERNS, &err) == -1 && !p &&
       err.code == ERR_INPUT, "an unknown pattern");
    ok(pretok_number("\\s+") == TOK_PLAIN &&
       pretok_number("'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+|[0-9]|"
                     " ?[^\\sA-Za-z0-9]+|\\s+(?!\\S)|\\s+") == TOK_NANO,
       "patterns by their text");
    ok(splits(TOK_PLAIN, "a b", "a b|"), "no pattern");
    ok(splits(TOK_GPT2, "I've  12 a\n\nb ", "I|'ve| | 12| a|\n|\n|b| |"),
       "GPT-2");
    ok(splits(TOK_LLAMA3, "I'VE 12345 a\n\n b", "I|'VE| |123|45| a|\n\n| b|"),
       "Llama 3");
    ok(splits(TOK_QWEN2, "it's 12\r\n x?!\n\n", "it|'s| |1|2|\r\n| x|?!\n\n|"),
       "Qwen 2");
    ok(splits(TOK_SMOLLM, "a  12b  c '7", "a|  |1|2|b| | c| '|7|"),
       "SmolLM: a number ends the text before it");
    ok(splits(TOK_NANO, "x 12+3\xc3\xa9 y", "x| |1|2|+|3|\xc3\xa9| y|"),
       "nano");
    ok(splits(TOK_GPT2, "a\xe1\xa0\x8e" "b", "a|\xe1\xa0\x8e|b|") &&
       splits(TOK_GPT2, "a\xc2\x85" "!b", "a|\xc2\x85|!|b|"),
       "white space is White_Space");
}

static bool nfc_is(const char *s, const char *want)
{
    struct err err = ERR_INIT;
    struct buf b;
    bool same;

    buf_init(&b, 1 << 16);
    same = !normalize_nfc(&b, s, strlen(s), &err) && strcmp(b.data, want) == 0;
    buf_clear(&b);
    return same;
}

static void nfc(void)
{
    ok(nfc_is("e\xcc\x82\xcc\xa3", "\xe1\xbb\x87"), "NFC: order, compose");
    ok(nfc_is("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", "\xea\xb0\x81"),
       "NFC: Hangul");
    ok(nfc_is("\xea\xb0\x80\xe1\x86\xa7x", "\xea\xb0\x80\xe1\x86\xa7x"),
       "NFC: U+11A7 is no final consonant");
}

int main(void)
{
    patterns();
    nfc();
    return done();
}
