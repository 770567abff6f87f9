/*
 * A template to words.  Between tags everything is text, whose white space
 * beside tags is dropped as Jinja does with trim_blocks and lstrip_blocks.
 */
#include <config.h>

#include "text/jinja_internal.h"

#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "base/buf.h"

#define MAX_TOKENS 200000u

struct lexer {
    struct jinja_arena *arena;
    const char *s;
    size_t n, at;
    unsigned line;
    struct jinja_token *token;
    size_t n_tokens, cap;
    struct err *err;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' ||
           c == '\f';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool at(const struct lexer *l, const char *text)
{
    size_t n = strlen(text);

    return l->n - l->at >= n && memcmp(l->s + l->at, text, n) == 0;
}

static int fail_lexing(struct lexer *l, const char *what)
{
    return err_set(l->err, ERR_INPUT, "the chat template, line %u: %s", l->line,
                   what);
}

static void skip(struct lexer *l, size_t n)
{
    for (; n > 0 && l->at < l->n; n--)
        if (l->s[l->at++] == '\n')
            l->line++;
}

static int push_token(struct lexer *l, enum jinja_token_kind kind,
                      const char *s, size_t n)
{
    struct jinja_token *more;

    if (l->n_tokens == MAX_TOKENS)
        return fail_lexing(l, "too long");
    if (l->n_tokens == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        more = jinja_alloc(l->arena, l->cap * sizeof(*more));
        if (l->n_tokens)
            memcpy(more, l->token, l->n_tokens * sizeof(*more));
        l->token = more;
    }
    l->token[l->n_tokens++] = (struct jinja_token){
        .kind = kind, .line = l->line, .text = { .s = s, .n = n }
    };
    return 0;
}

/* ---- inside of tags ----------------------------------------------------- */

static int hex(const char *s, size_t n, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        unsigned d = is_digit(c)            ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                            : 16;

        if (d == 16)
            return -1;
        *out = *out * 16 + d;
    }
    return 0;
}

/* An escape of Python's after its backslash, at s[0..n): how many bytes it
 * takes, 0 if it is none, then the backslash stays. */
static size_t escape(struct buf *b, const char *s, size_t n)
{
    static const char from[] = "ntr\\'\"abfv", to[] = "\n\t\r\\'\"\a\b\f\v";
    const char *p = *s ? strchr(from, *s) : NULL;
    size_t digits = *s == 'x' ? 2 : *s == 'u' ? 4 : *s == 'U' ? 8 : 0;
    uint32_t cp;

    if (p) {
        buf_putc(b, to[p - from]);
        return 1;
    }
    if (*s == '\n')
        return 1;
    if (!digits || n <= digits || hex(s + 1, digits, &cp) || cp == 0 ||
        cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
        return 0;
    utf8_put(b, cp);
    return 1 + digits;
}

/* A string whose quote is at l->at. */
static int string(struct lexer *l)
{
    char quote = l->s[l->at];
    size_t end = l->at + 1, n;
    struct buf b;
    char *copy;
    int rc;

    buf_init(&b, JINJA_MAX_TEMPLATE);
    while (end < l->n && l->s[end] != quote) {
        if (l->s[end] != '\\' || end + 1 == l->n) {
            buf_putc(&b, l->s[end++]);
            continue;
        }
        n = escape(&b, l->s + end + 1, l->n - end - 1);
        if (!n)
            buf_putc(&b, '\\');
        end += 1 + n;
    }
    if (end >= l->n) {
        buf_clear(&b);
        return fail_lexing(l, "a string has no end");
    }
    copy = jinja_alloc(l->arena, b.len + 1);
    if (b.len)
        memcpy(copy, b.data, b.len);
    rc = push_token(l, TOKEN_STRING, copy, b.len);
    buf_clear(&b);
    skip(l, end + 1 - l->at);
    return rc;
}

static int lex_number(struct lexer *l)
{
    size_t end = l->at;
    bool fraction;

    while (end < l->n && is_digit(l->s[end]))
        end++;
    fraction = end + 1 < l->n && l->s[end] == '.' && is_digit(l->s[end + 1]);
    if (fraction)
        for (end++; end < l->n && is_digit(l->s[end]);)
            end++;
    if (end - l->at > 18)
        return fail_lexing(l, "a number of more than 18 digits");
    if (push_token(l, fraction ? TOKEN_FLOAT : TOKEN_INT, l->s + l->at,
                   end - l->at))
        return -1;
    skip(l, end - l->at);
    return 0;
}

static int name(struct lexer *l)
{
    size_t end = l->at;

    while (end < l->n && (begins_name(l->s[end]) || is_digit(l->s[end])))
        end++;
    if (push_token(l, TOKEN_NAME, l->s + l->at, end - l->at))
        return -1;
    skip(l, end - l->at);
    return 0;
}

static int lex_sign(struct lexer *l)
{
    static const char *const two[] = { "==", "!=", "<=", ">=", "//", "**" };
    size_t n = 1;

    for (size_t i = 0; i < sizeof(two) / sizeof(*two); i++)
        if (at(l, two[i]))
            n = 2;
    if (!strchr("+-*/%~=<>!()[]{}|.,:", l->s[l->at]) || !l->s[l->at])
        return fail_lexing(l, "a character that belongs nowhere");
    if (push_token(l, TOKEN_SIGN, l->s + l->at, n))
        return -1;
    skip(l, n);
    return 0;
}

/* The words up to `end` ("%}" or "}}"), which is left out.  *mark is the sign
 * before it, '-' or '+', or 0. */
static int inside(struct lexer *l, const char *end, char *mark)
{
    unsigned open = 0;
    char c;
    int rc = 0;

    while (rc == 0) {
        while (l->at < l->n && is_blank(l->s[l->at]))
            skip(l, 1);
        if (l->at >= l->n)
            return fail_lexing(l, "a tag has no end");
        c = l->s[l->at];
        *mark = 0;
        if (open == 0 && (c == '-' || c == '+') && l->n - l->at > 2 &&
            memcmp(l->s + l->at + 1, end, 2) == 0) {
            *mark = c;
            skip(l, 1);
        }
        if (open == 0 && at(l, end)) {
            skip(l, 2);
            return 0;
        }
        open += c == '{' || c == '[' || c == '(';
        open -= open > 0 && (c == '}' || c == ']' || c == ')');
        rc = c == '\'' || c == '"' ? string(l)
             : is_digit(c)         ? lex_number(l)
             : begins_name(c)      ? name(l)
                                   : lex_sign(l);
    }
    return -1;
}

/* ---- between tags ------------------------------------------------------- */

/* What the tag before drops of the text that begins at l->at. */
static void drop_before(struct lexer *l, char mark, bool is_block)
{
    if (mark == '-')
        while (l->at < l->n && is_blank(l->s[l->at]))
            skip(l, 1);
    else if (is_block && mark != '+' && l->at < l->n && l->s[l->at] == '\n')
        skip(l, 1);
}

/* Where the text from l->at to `end` ends, without what the tag there drops:
 * all white space, or the blanks since the line began. */
static size_t text_end(const struct lexer *l, size_t end)
{
    char kind = end + 1 < l->n ? l->s[end + 1] : 0;
    char mark = end + 2 < l->n ? l->s[end + 2] : 0;
    size_t to = end;

    if (end == l->n)
        return end;
    if (mark == '-') {
        while (to > l->at && is_blank(l->s[to - 1]))
            to--;
        return to;
    }
    if (kind == '{' || mark == '+')
        return end;
    while (to > l->at && l->s[to - 1] != '\n' && is_blank(l->s[to - 1]))
        to--;
    return to == 0 || l->s[to - 1] == '\n' ? to : end;
}

static int comment(struct lexer *l, char *mark)
{
    size_t end = l->at;

    while (end + 1 < l->n && !(l->s[end] == '#' && l->s[end + 1] == '}'))
        end++;
    if (end + 1 >= l->n)
        return fail_lexing(l, "a comment has no end");
    *mark = end > l->at ? l->s[end - 1] : 0;
    skip(l, end + 2 - l->at);
    return 0;
}

/* The tag at l->at. */
static int tag(struct lexer *l, char *mark)
{
    char kind = l->s[l->at + 1];

    skip(l, 2);
    if (l->at < l->n && (l->s[l->at] == '-' || l->s[l->at] == '+'))
        skip(l, 1);
    if (kind == '#')
        return comment(l, mark);
    if (push_token(l, kind == '{' ? TOKEN_PRINT : TOKEN_TAG, "", 0) ||
        inside(l, kind == '{' ? "}}" : "%}", mark))
        return -1;
    return push_token(l, kind == '{' ? TOKEN_PRINT_END : TOKEN_TAG_END, "", 0);
}

static int lex(struct lexer *l)
{
    bool is_block = false;
    char mark = '+';
    size_t end, to;

    for (;;) {
        drop_before(l, mark, is_block);
        end = l->at;
        while (end < l->n && !(l->s[end] == '{' && end + 1 < l->n &&
                               (l->s[end + 1] == '{' || l->s[end + 1] == '%' ||
                                l->s[end + 1] == '#')))
            end++;
        to = text_end(l, end);
        if (to > l->at && push_token(l, TOKEN_TEXT, l->s + l->at, to - l->at))
            return -1;
        skip(l, end - l->at);
        if (l->at >= l->n)
            return push_token(l, TOKEN_END, "", 0);
        is_block = l->s[l->at + 1] != '{';
        if (tag(l, &mark))
            return -1;
    }
}

int jinja_lex(struct jinja_token **out, struct jinja_arena *a, const char *text,
              size_t n, struct err *err)
{
    struct lexer l = { .arena = a, .s = text, .n = n, .line = 1, .err = err };

    /* one end of a line at the end is not part of a template */
    if (l.n > 0 && l.s[l.n - 1] == '\n')
        l.n--;
    if (lex(&l))
        return -1;
    *out = l.token;
    return 0;
}
