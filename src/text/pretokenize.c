/*
 * Pre-tokenizer patterns, by number, as scanners.  tokenizer.json spells them
 * for a backtracking engine (Oniguruma); a scanner cuts at the same places in
 * one pass.  Its test compares it with PCRE2.
 *
 * Patterns 1 to 5 are one sequence of alternatives, of which the first that
 * matches is taken, as long as it can be:
 *
 *     a number               \p{N}, before all others (SmolLM)
 *     a contraction          's 't 're 've 'm 'll 'd
 *     letters                after one more character: a space, or any that is
 *                            neither letter nor number nor end of line
 *     numbers                up to `digits` of them
 *     other characters       after a space, then ends of lines
 *     white space            up to its last end of a line
 *     white space            to the end; one character is left for the piece
 *                            that follows, if one follows
 *
 * Those that look at the case of letters (o200k, Tekken) have words in the
 * place of contractions and letters: capitals and then small letters, where
 * marks and letters without case are both.
 *
 * \s is the property White_Space.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8_read.h"
#include "text/unicode.h"

#define ANY_NUMBER UINT32_MAX

/* What a scanner asks of a character. */
enum { LETTER = 1, NUMBER = 2, SPACE = 4, LINE_END = 8, UPPER = 16,
       LOWER = 32 };
#define CASELESS                                                              \
    (1u << UNICODE_LM | 1u << UNICODE_LO | 1u << UNICODE_MC |                 \
     1u << UNICODE_ME | 1u << UNICODE_MN)

struct pattern {
    const char *regex;  /* as tokenizer.json has it; NULL if it has not */
    uint32_t digits;    /* maximum length of a number */
    bool ascii;         /* letters and numbers are those of ASCII */
    bool numbers_first; /* a number ends what is before it, like the end */
    bool any_case;      /* contractions in capitals too */
    bool after_any;     /* letters come after any character; else a space */
    bool after_space;   /* a space belongs to the number that follows */
    bool lines;         /* ends of lines are cut by rules of their own */
    bool glues_lines;   /* and go with other characters before them */
    bool cased;         /* words by case */
    bool slash;         /* a slash counts as an end of line there */
    bool tail;          /* a contraction goes with the word before it */
};

#define PREFIX "[^\\r\\n\\p{L}\\p{N}]?"
#define CAPITALS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define SMALLS "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(tail)                                                           \
    PREFIX CAPITALS "*" SMALLS "+" tail "|" PREFIX CAPITALS "+" SMALLS "*" tail
#define CASED_END                                                             \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const struct pattern patterns[TOK_PATTERNS] = {
    [TOK_GPT2] = {
        .regex =
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
            "|\\s+(?!\\S)|\\s+",
        .digits = ANY_NUMBER, .after_space = true },
    [TOK_LLAMA3] = {
        .regex =
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
            "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
            "|\\s+(?!\\S)|\\s+",
        .digits = 3, .any_case = true, .after_any = true, .lines = true,
        .glues_lines = true },
    [TOK_QWEN2] = {
        .regex =
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
            "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
            "|\\s+(?!\\S)|\\s+",
        .digits = 1, .any_case = true, .after_any = true, .lines = true,
        .glues_lines = true },
    /* A step of its own (Digits) cuts out each number; what lies between is
     * split by GPT-2's pattern, for which the number is an end of text: so
     * white space before it stays whole. */
    [TOK_SMOLLM] = { .digits = 1, .numbers_first = true },
    [TOK_NANO] = {
        .regex =
            "'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+|[0-9]| ?[^\\sA-Za-z0-9]+"
            "|\\s+(?!\\S)|\\s+",
        .digits = 1, .ascii = true },
    [TOK_O200K] = {
        .regex = CASED("(?i:'s|'t|'re|'ve|'m|'ll|'d)?") "|\\p{N}{1,3}"
                 CASED_END,
        .digits = 3, .any_case = true, .lines = true, .glues_lines = true,
        .cased = true, .slash = true, .tail = true },
    [TOK_TEKKEN] = {
        .regex = CASED("") "|\\p{N}" CASED_END,
        .digits = 1, .lines = true, .glues_lines = true, .cased = true,
        .slash = true },
    [TOK_SEED] = {
        .regex =
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
            "|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+"
            "|\\s+(?!\\S)|\\s+",
        .digits = 1, .any_case = true, .after_any = true, .lines = true },
};

/* Other ways to write the same. */
static const struct {
    const char *regex;
    uint32_t pattern;
} aliases[] = {
    { "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
      "|\\s+(?!\\S)|\\s+", TOK_GPT2 },
    { "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}"
      "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
      TOK_LLAMA3 },
};

struct scanner {
    const struct pattern *pattern;
    const char *s;
    size_t n;
};

/* What the character at `at` is, its length in *len; 0 and no length at the
 * end. */
static unsigned class_at(const struct scanner *c, size_t at, size_t *len)
{
    unsigned char b;
    uint32_t cp, is;
    int n;

    *len = 0;
    if (at >= c->n)
        return 0;
    b = (unsigned char)c->s[at];
    *len = 1;
    if (b >= 'A' && b <= 'Z')
        return LETTER | UPPER;
    if (b >= 'a' && b <= 'z')
        return LETTER | LOWER;
    if (b >= '0' && b <= '9')
        return NUMBER;
    if (b < 0x80)
        return (b == ' ' || (b >= 9 && b <= 13) ? SPACE : 0u) |
               (b == '\r' || b == '\n' ? LINE_END : 0u);
    n = utf8_next(c->s + at, c->n - at, &cp);
    if (n <= 0)
        return 0; /* the caller has checked the text */
    *len = (size_t)n;
    is = unicode_is(cp);
    if (is & UNICODE_WHITE_SPACE)
        return SPACE;
    if (c->pattern->ascii)
        return 0;
    return (is & UNICODE_LETTER ? LETTER : 0u) |
           (is & UNICODE_NUMBER ? NUMBER : 0u) |
           (is & (CASELESS | 1u << UNICODE_LU | 1u << UNICODE_LT) ? UPPER
                                                                  : 0u) |
           (is & (CASELESS | 1u << UNICODE_LL) ? LOWER : 0u);
}

/* Length of a contraction without its apostrophe, 0 if there is none.  A long
 * s (U+017F) is an s without regard to case. */
static size_t contraction(const struct scanner *c, size_t at)
{
    static const char two[][2] = { { 'r', 'e' }, { 'v', 'e' }, { 'l', 'l' } };
    unsigned fold = c->pattern->any_case ? 0x20 : 0;
    size_t left = c->n - at;
    unsigned a, b;

    if (!left)
        return 0;
    a = (unsigned char)c->s[at] | fold;
    if (a < 0x80 && strchr("stmd", (int)a))
        return 1;
    if (left < 2)
        return 0;
    if (fold && memcmp(c->s + at, "\xc5\xbf", 2) == 0)
        return 2;
    b = (unsigned char)c->s[at + 1] | fold;
    for (size_t i = 0; i < sizeof(two) / sizeof(*two); i++)
        if (a == (unsigned)two[i][0] && b == (unsigned)two[i][1])
            return 2;
    return 0;
}

/* End of the run of at most `max` characters of `kind` that begins at `at`. */
static size_t run_end(const struct scanner *c, size_t at, unsigned kind,
                      uint32_t max)
{
    size_t len;

    for (; max > 0 && (class_at(c, at, &len) & kind); max--)
        at += len;
    return at;
}

/* End of the run of what is neither letter, number nor white space. */
static size_t run_of_others(const struct scanner *c, size_t at)
{
    size_t len;

    while (!(class_at(c, at, &len) & (LETTER | NUMBER | SPACE)) && len)
        at += len;
    return at;
}

/* End of the piece of white space that begins at `at`. */
static size_t white_space(const struct scanner *c, size_t at)
{
    size_t end = at, last = at, line = at, len;
    unsigned is;

    while ((is = class_at(c, end, &len)) & SPACE) {
        last = end;
        end += len;
        if (is & LINE_END)
            line = end;
    }
    if (c->pattern->lines && line > at)
        return line;
    if (!len || last == at || (c->pattern->numbers_first && (is & NUMBER)))
        return end;
    return last;
}

/* End of the ends of lines, and of slashes where they count, from `at` on. */
static size_t line_ends(const struct scanner *c, size_t at)
{
    size_t len;

    while ((class_at(c, at, &len) & LINE_END) ||
           (c->pattern->slash && len > 0 && c->s[at] == '/'))
        at += len;
    return at;
}

/* End of a piece of other characters, after a space or not, or of white
 * space; the first character has len bytes. */
static size_t others_or_space(const struct scanner *c, size_t at, size_t len)
{
    size_t from = c->s[at] == ' ' ? at + len : at;
    size_t end = run_of_others(c, from);

    if (end > from)
        return c->pattern->glues_lines ? line_ends(c, end) : end;
    return white_space(c, at);
}

/* End of capitals and at least one small letter from `at` on, or `at`: the
 * capitals are as many as can be, but the last that is both may be the small
 * one. */
static size_t small_word(const struct scanner *c, size_t at)
{
    size_t last = at, len;
    unsigned is;

    for (; (is = class_at(c, at, &len)) & UPPER; at += len)
        if (is & LOWER)
            last = at + len;
    return is & LOWER ? run_end(c, at, LOWER, UINT32_MAX) : last;
}

/* End of at least one capital and small letters, or `at`. */
static size_t capital_word(const struct scanner *c, size_t at)
{
    size_t end = run_end(c, at, UPPER, UINT32_MAX);

    return end > at ? run_end(c, end, LOWER, UINT32_MAX) : at;
}

/* End of a word, after one character that is neither letter, number nor end of
 * line, or without; `at` if there is none. */
static size_t word_end(const struct scanner *c, size_t at, size_t len,
                       unsigned is)
{
    bool after = !(is & (LETTER | NUMBER | LINE_END));
    size_t end = at, from;

    for (int form = 0; form < 4 && end == at; form++) {
        from = form % 2 == 0 ? at + len : at;
        if (form % 2 == 0 && !after)
            continue;
        end = form < 2 ? small_word(c, from) : capital_word(c, from);
        if (end == from)
            end = at;
    }
    if (end > at && c->pattern->tail && end < c->n && c->s[end] == '\'' &&
        (len = contraction(c, end + 1)) > 0)
        end += 1 + len;
    return end;
}

static size_t cased_end(const struct scanner *c, size_t at)
{
    size_t len, end;
    unsigned is = class_at(c, at, &len);

    end = word_end(c, at, len, is);
    if (end > at)
        return end;
    if (is & NUMBER)
        return run_end(c, at, NUMBER, c->pattern->digits);
    return others_or_space(c, at, len);
}

/* End of the piece that begins at `at`, which is not the end. */
static size_t piece_end(const struct scanner *c, size_t at)
{
    const struct pattern *p = c->pattern;
    size_t len, next, end;
    unsigned is = class_at(c, at, &len), after;
    bool space = c->s[at] == ' ';

    if (p->numbers_first && (is & NUMBER))
        return at + len;
    if (c->s[at] == '\'' && (end = contraction(c, at + 1)) > 0)
        return at + 1 + end;
    after = class_at(c, at + len, &next);
    if (is & LETTER)
        return run_end(c, at, LETTER, UINT32_MAX);
    if ((after & LETTER) &&
        (space || (p->after_any && !(is & (NUMBER | LINE_END)))))
        return run_end(c, at + len, LETTER, UINT32_MAX);
    if (is & NUMBER)
        return run_end(c, at, NUMBER, p->digits);
    if (space && p->after_space && (after & NUMBER))
        return run_end(c, at + len, NUMBER, p->digits);
    return others_or_space(c, at, len);
}

void pretok_split(uint32_t pattern, const char *s, size_t n, pretok_fn *fn,
                  void *user)
{
    struct scanner c = { &patterns[pattern], s, n };
    size_t at, end;

    if (pattern == TOK_PLAIN) {
        if (n)
            fn(user, s, n);
        return;
    }
    for (at = 0; at < n; at = end) {
        end = c.pattern->cased ? cased_end(&c, at) : piece_end(&c, at);
        fn(user, s + at, end - at);
    }
}

uint32_t pretok_number(const char *regex)
{
    for (uint32_t i = 0; i < TOK_PATTERNS; i++)
        if (patterns[i].regex && strcmp(patterns[i].regex, regex) == 0)
            return i;
    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (strcmp(aliases[i].regex, regex) == 0)
            return aliases[i].pattern;
    return TOK_PLAIN;
}
