/*
 * Pre-tokenizer patterns, by number, with PCRE2.  The patterns are written in
 * tokenizer.json for another engine (Oniguruma); here \s is spelled out as
 * Unicode's White_Space, since PCRE2's has U+180E besides.  Matching is
 * anchored, and every pattern takes at least one character of any text.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define WS "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}" \
           "\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define S "[" WS "]"
#define NOT_S "[^" WS "]"

#define MATCH_LIMIT 100000000u
#define HEAP_LIMIT_KIB (64u << 10)

static const struct {
    const char *regex; /* as tokenizer.json has it, NULL if it has not */
    const char *pattern;
} patterns[TOK_PATTERNS] = {
    [TOK_GPT2] = {
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
        "|\\s+(?!\\S)|\\s+",
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+"
        "|" S "+(?!" NOT_S ")|" S "+" },
    [TOK_LLAMA3] = {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
        "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
        "|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
        "|\\p{N}{1,3}| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*|" S "*[\\r\\n]+"
        "|" S "+(?!" NOT_S ")|" S "+" },
    [TOK_QWEN2] = {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
        "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+"
        "|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
        "|\\p{N}| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*|" S "*[\\r\\n]+"
        "|" S "+(?!" NOT_S ")|" S "+" },
    /* Every number (Nd, Nl, No) is cut out first; what lies between is split
     * by GPT-2's pattern, for which the number is an end of text: so white
     * space before it stays whole. */
    [TOK_SMOLLM] = {
        NULL,
        "\\p{N}|'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?[^" WS "\\p{L}\\p{N}]+"
        "|" S "+(?![^" WS "\\p{N}])|" S "+" },
    [TOK_NANO] = {
        "'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+|[0-9]| ?[^\\sA-Za-z0-9]+"
        "|\\s+(?!\\S)|\\s+",
        "'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+|[0-9]| ?[^" WS "A-Za-z0-9]+"
        "|" S "+(?!" NOT_S ")|" S "+" },
};

struct pretok {
    pcre2_code *code; /* NULL: the whole text is one piece */
};

int pretok_new(struct pretok **out, uint32_t pattern, struct err *err)
{
    const char *text;
    struct pretok *p;
    PCRE2_SIZE where;
    int e;

    if (pattern >= TOK_PATTERNS)
        return err_set(err, ERR_INPUT, "unknown pre-tokenizer %u", pattern);
    p = xcalloc(1, sizeof(*p));
    text = patterns[pattern].pattern;
    if (text) {
        p->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &e,
                                &where, NULL);
        if (!p->code) {
            free(p);
            return err_set(err, ERR_FATAL,
                           "pre-tokenizer %u: PCRE2 error %d at %zu", pattern,
                           e, (size_t)where);
        }
        /* Where there is no JIT, matching is the same but slower. */
        (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    }
    *out = p;
    return 0;
}

void pretok_free(struct pretok *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p);
}

static int split(const struct pretok *p, pcre2_match_data *md,
                 pcre2_match_context *mc, const char *s, size_t n,
                 pretok_fn *fn, void *user, struct err *err)
{
    const PCRE2_SIZE *span = pcre2_get_ovector_pointer(md);
    size_t at = 0;
    int rc;

    while (at < n) {
        rc = pcre2_match(p->code, (PCRE2_SPTR)s, n, at, PCRE2_NO_UTF_CHECK,
                         md, mc);
        if (rc < 0 || span[0] != at || span[1] <= at)
            return err_set(err, ERR_INPUT,
                           "cannot split the text at byte %zu: PCRE2 error "
                           "%d", at, rc);
        fn(user, s + at, span[1] - at);
        at = span[1];
    }
    return 0;
}

int pretok_split(const struct pretok *p, const char *s, size_t n,
                 pretok_fn *fn, void *user, struct err *err)
{
    pcre2_match_data *md;
    pcre2_match_context *mc;
    int rc;

    if (!p->code) {
        if (n)
            fn(user, s, n);
        return 0;
    }
    md = pcre2_match_data_create_from_pattern(p->code, NULL);
    mc = pcre2_match_context_create(NULL);
    if (md && mc) {
        pcre2_set_match_limit(mc, MATCH_LIMIT);
        pcre2_set_heap_limit(mc, HEAP_LIMIT_KIB);
        rc = split(p, md, mc, s, n, fn, user, err);
    } else {
        rc = err_set(err, ERR_FATAL, "no memory to match a pattern");
    }
    pcre2_match_context_free(mc);
    pcre2_match_data_free(md);
    return rc;
}

uint32_t pretok_number(const char *regex)
{
    uint32_t i;

    for (i = 0; i < TOK_PATTERNS; i++)
        if (patterns[i].regex && strcmp(patterns[i].regex, regex) == 0)
            return i;
    return TOK_PLAIN;
}

const char *pretok_library(void)
{
    static char text[64] = "PCRE2 ";

    /* the longest answer has 24 characters (pcre2api) */
    pcre2_config(PCRE2_CONFIG_VERSION, text + strlen("PCRE2 "));
    return text;
}
