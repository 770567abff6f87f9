/*
 * Before merging.  Covers: where each pre-tokenizer pattern cuts a text, by
 * example and against the regular expressions that define them (PCRE2), and
 * which patterns of tokenizer.json are known.
 *
 * part: all
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

#ifdef HAVE_PCRE2
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#endif

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tests/tap.h"
#include "text/unicode.h"

/* A cut of every piece of a text, for patterns without a vocabulary. */
static void join(void *user, const char *s, size_t n)
{
    buf_put(user, s, n);
    buf_putc(user, '|');
}

static bool splits(uint32_t pattern, const char *s, const char *want)
{
    struct buf b;
    bool same;

    buf_init(&b, 1 << 16);
    pretok_split(pattern, s, strlen(s), join, &b);
    same = b.data && strcmp(b.data, want) == 0;
    if (!same)
        printf("# got %s\n", b.data);
    buf_clear(&b);
    return same;
}

static void patterns(void)
{
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
    ok(splits(TOK_O200K, "HTTPServer's ABC 1234 a/b//\n\nx\n",
              "HTTPServer's| ABC| |123|4| a|/b|//\n\n|x|\n|"), "o200k");
    ok(splits(TOK_TEKKEN, "camelCase 12 It's\xe4\xb8\xad" "a",
              "camel|Case| |1|2| It|'s\xe4\xb8\xad" "a|"), "Tekken");
    ok(splits(TOK_SEED, "it's 12?!\n\n x", "it|'s| |1|2|?!|\n\n| x|"), "Seed");
    ok(splits(TOK_GPT2, "a\xe1\xa0\x8e" "b", "a|\xe1\xa0\x8e|b|") &&
       splits(TOK_GPT2, "a\xc2\x85" "!b", "a|\xc2\x85|!|b|"),
       "white space is White_Space");
    ok(splits(TOK_QWEN2, "\xe1\xb2\x89's", "\xe1\xb2\x89'|s|"),
       "a letter of Unicode 16 is none");
}

#ifdef HAVE_PCRE2
/* ---- the same by regular expressions ------------------------------------ */

#define CASELESS                                                              \
    (1u << UNICODE_LM | 1u << UNICODE_LO | 1u << UNICODE_MC |                 \
     1u << UNICODE_ME | 1u << UNICODE_MN)
#define TAIL "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
#define CASED_END "| ?[^<S><L><N>]+[\\r\\n/]*|[<S>]*[\\r\\n]+"          \
                  "|[<S>]+(?![^<S>])|[<S>]+"

/* The patterns with their classes in angle brackets: <L> letters, <N> numbers,
 * <S> white space, <U> capitals and what has no case, <W> small letters and
 * what has none, of the tables, not of the library. */
static const char *const by_regex[TOK_PATTERNS] = {
    [TOK_GPT2] = "'s|'t|'re|'ve|'m|'ll|'d| ?[<L>]+| ?[<N>]+| ?[^<S><L><N>]+"
                 "|[<S>]+(?![^<S>])|[<S>]+",
    [TOK_LLAMA3] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n<L><N>]?[<L>]+"
                   "|[<N>]{1,3}| ?[^<S><L><N>]+[\\r\\n]*|[<S>]*[\\r\\n]+"
                   "|[<S>]+(?![^<S>])|[<S>]+",
    [TOK_QWEN2] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n<L><N>]?[<L>]+"
                  "|[<N>]| ?[^<S><L><N>]+[\\r\\n]*|[<S>]*[\\r\\n]+"
                  "|[<S>]+(?![^<S>])|[<S>]+",
    [TOK_SMOLLM] = "[<N>]|'s|'t|'re|'ve|'m|'ll|'d| ?[<L>]+| ?[^<S><L><N>]+"
                   "|[<S>]+(?![^<S><N>])|[<S>]+",
    [TOK_NANO] = "'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+|[0-9]| ?[^<S>A-Za-z0-9]+"
                 "|[<S>]+(?![^<S>])|[<S>]+",
    [TOK_O200K] = "[^\\r\\n<L><N>]?[<U>]*[<W>]+" TAIL
                  "|[^\\r\\n<L><N>]?[<U>]+[<W>]*" TAIL
                  "|[<N>]{1,3}" CASED_END,
    [TOK_TEKKEN] = "[^\\r\\n<L><N>]?[<U>]*[<W>]+|[^\\r\\n<L><N>]?[<U>]+[<W>]*"
                   "|[<N>]" CASED_END,
    [TOK_SEED] = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n<L><N>]?[<L>]+"
                 "|[<N>]{1}| ?[^<S><L><N>\\r\\n]+|[<S>]*[\\r\\n]+"
                 "|[<S>]+(?![^<S>])|[<S>]+",
};

/* The characters that are in a set, as ranges of a class. */
static void put_class(struct buf *b, uint32_t set)
{
    uint32_t cp, first = UINT32_MAX;

    for (cp = 0; cp <= 0x110000; cp++) {
        bool is = cp <= 0x10ffff && (unicode_is(cp) & set);

        if (is && first == UINT32_MAX) {
            first = cp;
        } else if (!is && first != UINT32_MAX) {
            buf_printf(b, "\\x{%x}-\\x{%x}", first, cp - 1);
            first = UINT32_MAX;
        }
    }
}

static pcre2_code *compile(uint32_t pattern)
{
    PCRE2_SIZE where;
    pcre2_code *code;
    struct buf b;
    int e;

    buf_init(&b, 1 << 20);
    for (const char *p = by_regex[pattern]; *p; p++)
        if (*p != '<' || p[2] != '>') {
            buf_putc(&b, *p);
        } else {
            put_class(&b, p[1] == 'L'   ? UNICODE_LETTER
                          : p[1] == 'N' ? UNICODE_NUMBER
                          : p[1] == 'U' ? CASELESS | 1u << UNICODE_LU |
                                              1u << UNICODE_LT
                          : p[1] == 'W' ? CASELESS | 1u << UNICODE_LL
                                        : UNICODE_WHITE_SPACE);
            p += 2;
        }
    code = pcre2_compile((PCRE2_SPTR)b.data, b.len, PCRE2_UTF | PCRE2_ANCHORED,
                         &e, &where, NULL);
    if (!code) {
        printf("# PCRE2 error %d at %zu\n", e, (size_t)where);
        abort();
    }
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    buf_clear(&b);
    return code;
}

struct oracle {
    uint32_t pattern;
    pcre2_code *code;
    pcre2_match_data *match;
    struct buf ours, theirs;
    size_t n; /* texts compared */
};

/* Compare the cuts of one text; false, and a line, if they differ. */
static bool agrees(struct oracle *o, const struct buf *text)
{
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(o->match);
    size_t at = 0;
    bool same;

    buf_reset(&o->ours);
    buf_reset(&o->theirs);
    pretok_split(o->pattern, text->data, text->len, join, &o->ours);
    while (at < text->len &&
           pcre2_match(o->code, (PCRE2_SPTR)text->data, text->len, at,
                       PCRE2_NO_UTF_CHECK, o->match, NULL) > 0 &&
           span[1] > at) {
        join(&o->theirs, text->data + at, span[1] - at);
        at = span[1];
    }
    o->n++;
    same = at == text->len && o->ours.len == o->theirs.len &&
           memcmp(o->ours.data, o->theirs.data, o->ours.len) == 0;
    if (!same)
        printf("# pattern %u\n# text   %s\n# ours   %s\n# theirs %s\n",
               o->pattern, text->data, o->ours.data, o->theirs.data);
    return same;
}

/* cp in each place that a pattern tells apart. */
static bool agrees_at(struct oracle *o, struct buf *text, uint32_t cp)
{
    static const char *const before[] = {
        "", "a", " ", "  ", "1", "'", ".", "\n", "\t", "1234", "\xc3\xa9"
    };
    static const char *const after[] = {
        "", "b", " ", "7", "!", "\r\n"
    };

    for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
        buf_reset(text);
        for (size_t k = 0; k < sizeof(after) / sizeof(*after); k++) {
            buf_put(text, before[i], strlen(before[i]));
            utf8_put(text, cp);
            buf_put(text, after[k], strlen(after[k]));
        }
        if (!agrees(o, text))
            return false;
    }
    return true;
}

/* The ends of each run of one class; with APUS_LONG each 16th code point, too,
 * from one that differs from run to run. */
static bool characters(struct oracle *o, struct buf *text, uint32_t seed)
{
    bool more = getenv("APUS_LONG") != NULL;

    for (uint32_t cp = 1; cp <= 0x10ffff; cp++) {
        if (cp >= 0xd800 && cp <= 0xdfff)
            continue;
        if (((more && cp % 16 == seed % 16) || cp < 0x250 ||
             unicode_is(cp) != unicode_is(cp - 1) ||
             unicode_is(cp) != unicode_is(cp + 1)) &&
            !agrees_at(o, text, cp))
            return false;
    }
    return true;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Short texts of what the patterns tell apart. */
static void random_text(struct buf *b, uint64_t *state)
{
    static const char *const part[] = {
        " ", "  ", "\n", "\r", "\t", "'", "'s", "'S", "'ll", "'RE",
        "'\xc5\xbf", "a", "Z", "e", "d", "m", "0", "12", "9999", ".", "!?",
        "_", "/", "\xc7\x85", "\xca\xb0", "\xc2\xa0",
        "\xc2\x85", "\xe3\x80\x80", "\xe1\xa0\x8e",
        "\xc3\x89", "\xc3\x9f", "\xe4\xb8\xad", "\xd9\xa3", "\xe2\x85\xa7",
        "\xc2\xbd", "e\xcc\x81", "\xcc\x81", "\xf0\x9f\x98\x80", "\xe2\x80\x8d"
    };
    uint32_t n = 1 + next_random(state) % 24, cp;

    buf_reset(b);
    while (n-- > 0) {
        if (next_random(state) % 16) {
            const char *s =
                part[next_random(state) % (sizeof(part) / sizeof(*part))];

            buf_put(b, s, strlen(s));
        } else {
            cp = 1 + next_random(state) % 0x10ffff;
            utf8_put(b, cp >= 0xd800 && cp <= 0xdfff ? 0xfffd : cp);
        }
    }
}

static bool random_texts(struct oracle *o, struct buf *text, uint64_t seed)
{
    int n = getenv("APUS_LONG") ? 100000 : 20000;

    for (int i = 0; i < n; i++) {
        random_text(text, &seed);
        if (!agrees(o, text))
            return false;
    }
    return true;
}

static void against_pcre2(void)
{
    const char *env = getenv("APUS_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 10) : 1;
    struct oracle o = { 0 };
    struct buf text;

    buf_init(&text, 1 << 16);
    buf_init(&o.ours, 1 << 16);
    buf_init(&o.theirs, 1 << 16);
    for (o.pattern = TOK_PLAIN + 1; o.pattern < TOK_PATTERNS; o.pattern++) {
        o.code = compile(o.pattern);
        o.match = pcre2_match_data_create_from_pattern(o.code, NULL);
        ok(characters(&o, &text, (uint32_t)seed),
           "pattern %u cuts as its expression: "
           "characters",
           o.pattern);
        ok(random_texts(&o, &text, seed),
           "pattern %u cuts as its expression: random texts", o.pattern);
        pcre2_match_data_free(o.match);
        pcre2_code_free(o.code);
    }
    printf("# %zu texts\n", o.n);
    buf_clear(&text);
    buf_clear(&o.ours);
    buf_clear(&o.theirs);
}
#else
static void against_pcre2(void)
{
    skip("the patterns cut as their expressions", "no libpcre2-8");
}
#endif

int main(void)
{
    patterns();
    against_pcre2();
    return done();
}
