/*
 * From a text to a tree.  Every value is scanned before it is believed, and
 * its node made as it ends.  A long array of numbers gets no nodes: it is
 * kept as a span of the text.
 */
#include <config.h>

#include "base/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/json_internal.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "base/vec.h"

#define MAX_DEPTH 32
#define MAX_TEXT INT32_MAX /* so that an offset fits in four bytes */
#define MAX_NUMBER 63
#define MIN_SPAN 16        /* numbers; fewer have nodes */

/* The key of a member, decoded.  Most have no escapes and stay in the text. */
struct json_key {
    const char *s;
    uint32_t n;
    uint32_t at;   /* its offset in the text */
    char *decoded; /* s, if it is ours */
};

struct json_scan {
    const char *text;
    size_t n;
    size_t at;
    int depth;
    struct json_key *keys; /* of all objects that are open */
    size_t n_keys, cap_keys;
    bool borrow;       /* spans point into the text */
    struct err *err;
};

static int wrong(const struct json_scan *s, size_t at, const char *what)
{
    return err_set(s->err, ERR_INPUT, "JSON, byte %zu: %s", at, what);
}

/* The byte here, -1 at the end. */
static int peek(const struct json_scan *s)
{
    return s->at < s->n ? (unsigned char)s->text[s->at] : -1;
}

static void skip_space(struct json_scan *s)
{
    int c = peek(s);

    while (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        s->at++;
        c = peek(s);
    }
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* The value of four hexadecimal digits at p[0..n), -1 if they are not. */
static int hex4(const char *p, size_t n)
{
    int v = 0;

    if (n < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = (unsigned char)p[i], letter = (c | 0x20) - 'a';

        if (!is_digit(c) && (letter < 0 || letter > 5))
            return -1;
        v = v << 4 | (is_digit(c) ? c - '0' : letter + 10);
    }
    return v;
}

static bool is_high(int u)
{
    return u >= 0xd800 && u <= 0xdbff;
}

static bool is_low(int u)
{
    return u >= 0xdc00 && u <= 0xdfff;
}

/* After "\u".  A surrogate must be the first of a pair. */
static int scan_unicode(struct json_scan *s, size_t start)
{
    const char *p = s->text + s->at;
    size_t left = s->n - s->at;
    int u = hex4(p, left);

    if (u < 0)
        return wrong(s, start, "\\u without four hexadecimal digits");
    if (u == 0)
        return wrong(s, start, "\\u0000 in a string");
    s->at += 4;
    if (!is_high(u) && !is_low(u))
        return 0;
    if (is_low(u) || left < 10 || p[4] != '\\' || p[5] != 'u' ||
        !is_low(hex4(p + 6, left - 6)))
        return wrong(s, start, "lone surrogate");
    s->at += 6;
    return 0;
}

static int scan_escape(struct json_scan *s)
{
    size_t start = s->at++;
    int c = peek(s);

    if (c < 0 || c == 0 || !strchr("\"\\/bfnrtu", c))
        return wrong(s, start, "unknown escape in a string");
    s->at++;
    return c == 'u' ? scan_unicode(s, start) : 0;
}

/* A string, of which the first quote is here. */
static int scan_string(struct json_scan *s, bool *escapes)
{
    size_t start = s->at++;

    *escapes = false;
    for (;;) {
        int c = peek(s), len;

        if (c < 0)
            return wrong(s, start, "string without an end");
        if (c == '"')
            break;
        if (c < 0x20)
            return wrong(s, s->at, "control byte in a string");
        if (c == '\\') {
            *escapes = true;
            if (scan_escape(s))
                return -1;
            continue;
        }
        len = c < 0x80 ? 1 : utf8_next(s->text + s->at, s->n - s->at, NULL);
        if (len < 0)
            return wrong(s, s->at, "bad UTF-8");
        s->at += (size_t)len;
    }
    s->at++;
    return 0;
}

/* Skip digits, of which there must be one. */
static int digits(struct json_scan *s)
{
    size_t before = s->at;

    while (is_digit(peek(s)))
        s->at++;
    return s->at > before ? 0 : -1;
}

static int scan_number(struct json_scan *s)
{
    size_t start = s->at;

    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0')
        s->at++;
    else if (digits(s))
        return wrong(s, start, "bad number");
    if (peek(s) == '.') {
        s->at++;
        if (digits(s))
            return wrong(s, start, "bad number");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (digits(s))
            return wrong(s, start, "bad number");
    }
    if (s->at - start > MAX_NUMBER)
        return wrong(s, start, "number of more than 63 characters");
    return 0;
}

/* What a scanned string with its quotes, s[0..n), means. */
static char *decode(const char *s, size_t n, size_t *out_n)
{
    static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
    struct buf b;

    buf_init(&b, n);
    for (size_t i = 1; i + 1 < n; i++) {
        const char *name;
        int u;

        if (s[i] != '\\') {
            buf_putc(&b, s[i]);
            continue;
        }
        i++;
        name = strchr(names, s[i]);
        if (s[i] != 'u') {
            buf_putc(&b, name ? meant[name - names] : s[i]);
            continue;
        }
        u = hex4(s + i + 1, 4);
        i += 4;
        if (is_high(u)) {
            u = 0x10000 + ((u - 0xd800) << 10) + (hex4(s + i + 3, 4) - 0xdc00);
            i += 6;
        }
        utf8_put(&b, (uint32_t)u);
    }
    assert(!b.full); /* an escape is never shorter than what it means */
    return buf_take(&b, out_n);
}

static int scan_key(struct json_scan *s)
{
    size_t start = s->at;
    struct json_key *k;
    bool escapes;

    if (peek(s) != '"')
        return wrong(s, s->at, "key expected");
    if (scan_string(s, &escapes))
        return -1;
    VEC_RESERVE(s->keys, s->cap_keys, s->n_keys + 1);
    k = &s->keys[s->n_keys++];
    *k = (struct json_key){ .s = s->text + start + 1,
                            .at = (uint32_t)start,
                            .n = (uint32_t)(s->at - start - 2) };
    if (escapes) {
        size_t n;

        k->decoded = decode(s->text + start, s->at - start, &n);
        k->s = k->decoded;
        k->n = (uint32_t)n;
    }
    return 0;
}

/* Any total order in which equal keys are neighbours; in the text's order
 * among themselves, so that the message is always the same. */
static int compare_keys(const void *va, const void *vb)
{
    const struct json_key *a = va, *b = vb;
    int c;

    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    c = memcmp(a->s, b->s, a->n);
    if (c)
        return c;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void drop_keys(struct json_scan *s, size_t first)
{
    while (s->n_keys > first)
        free(s->keys[--s->n_keys].decoded);
}

/* The object whose keys begin at `first` is closed: no two are the same. */
static int close_keys(struct json_scan *s, size_t first)
{
    const struct json_key *second = NULL;
    size_t n = s->n_keys - first, shown;

    if (n > 1)
        qsort(s->keys + first, n, sizeof(*s->keys), compare_keys);
    for (size_t i = first + 1; i < s->n_keys; i++) {
        const struct json_key *k = &s->keys[i];

        if (k->n == k[-1].n && memcmp(k->s, k[-1].s, k->n) == 0 &&
            (!second || k->at < second->at))
            second = k;
    }
    if (!second) {
        drop_keys(s, first);
        return 0;
    }
    shown = second->n < 64 ? second->n : 64;
    shown -= utf8_pending(second->s, shown);
    return err_set(s->err, ERR_INPUT, "JSON, byte %u: duplicate key \"%.*s\"",
                   (unsigned)second->at, (int)shown, second->s);
}

/* ---- nodes --------------------------------------------------------------- */

static struct json *new_node(enum json_type type, size_t n)
{
    struct json *v = xmalloc(sizeof(*v) + n);

    memset(v, 0, sizeof(*v));
    v->type = type;
    v->n = n;
    return v;
}

/* Where the text of a node begins. */
static char *room_of(struct json *v)
{
    return (char *)(v + 1);
}

/* A node with a text of n bytes, and a key if there is one, both with NUL. */
static struct json *text_node(enum json_type type, const struct json_key *key,
                              const char *text, size_t n)
{
    size_t n_key = key ? key->n + 1 : 0;
    struct json *v = new_node(type, n_key + n + 1);
    char *at = room_of(v);

    if (key) {
        v->key = at;
        memcpy(at, key->s, key->n);
        at[key->n] = '\0';
        at += n_key;
    }
    v->text = at;
    memcpy(at, text, n);
    at[n] = '\0';
    return v;
}

/* One of a type that has no text. */
static struct json *bare_node(enum json_type type, const struct json_key *key)
{
    struct json *v = text_node(type, key, "", 0);

    v->text = NULL;
    return v;
}

static struct json *span_node(const struct json_scan *s,
                              const struct json_key *key, const char *span,
                              size_t n, size_t count)
{
    struct json *v;

    if (s->borrow) {
        v = bare_node(JSON_ARRAY, key);
        v->span = span;
    } else {
        v = text_node(JSON_ARRAY, key, span, n);
        v->span = v->text;
        v->text = NULL;
    }
    v->span_end = v->span + n;
    v->n_span = count;
    return v;
}

static struct json *string_node(const struct json_scan *s,
                                const struct json_key *key, size_t start,
                                bool escapes)
{
    const char *text = s->text + start;
    size_t n = s->at - start;
    struct json *v;
    char *decoded;

    if (!escapes)
        return text_node(JSON_STRING, key, text + 1, n - 2);
    decoded = decode(text, n, &n);
    v = text_node(JSON_STRING, key, decoded, n);
    mem_wipe(decoded, n);
    free(decoded);
    return v;
}

void json_free(struct json *v)
{
    while (v) {
        struct json *next = v->next;

        json_free(v->child);
        free(v);
        v = next;
    }
}

/* ---- values -------------------------------------------------------------- */

/* The value here, whose key (NULL: none) its node copies. */
static int scan_value(struct json_scan *s, const struct json_key *key,
                      struct json **out);

/* After "[": an array of numbers alone, whose end is after its bracket.
 * FOUND_NONE if it is not one, or is short: nothing was taken. */
static enum found scan_span(struct json_scan *s, const struct json_key *key,
                            struct json **out)
{
    size_t start = s->at, end, count = 0;

    for (;;) {
        skip_space(s);
        if (peek(s) != '-' && !is_digit(peek(s)))
            break;
        if (scan_number(s))
            return FOUND_FAILED;
        count++;
        skip_space(s);
        end = s->at;
        if (peek(s) == ']' && count >= MIN_SPAN) {
            s->at++;
            *out = span_node(s, key, s->text + start, end - start, count);
            return FOUND_ONE;
        }
        if (peek(s) != ',')
            break;
        s->at++;
    }
    s->at = start;
    return FOUND_NONE;
}

static int scan_elements(struct json_scan *s, struct json **tail)
{
    skip_space(s);
    if (peek(s) == ']') {
        s->at++;
        return 0;
    }
    for (;;) {
        if (scan_value(s, NULL, tail))
            return -1;
        tail = &(*tail)->next;
        skip_space(s);
        if (peek(s) == ']')
            break;
        if (peek(s) != ',')
            return wrong(s, s->at, "\",\" or \"]\" expected");
        s->at++;
    }
    s->at++;
    return 0;
}

static int scan_array(struct json_scan *s, const struct json_key *key,
                      struct json **out)
{
    enum found found;

    s->at++;
    found = scan_span(s, key, out);
    if (found != FOUND_NONE)
        return found == FOUND_FAILED ? -1 : 0;
    *out = bare_node(JSON_ARRAY, key);
    return scan_elements(s, &(*out)->child);
}

static int scan_members(struct json_scan *s, struct json **tail)
{
    size_t first = s->n_keys;

    skip_space(s);
    if (peek(s) == '}') {
        s->at++;
        return 0;
    }
    for (;;) {
        struct json_key key;

        skip_space(s);
        if (scan_key(s))
            return -1;
        key = s->keys[s->n_keys - 1];
        skip_space(s);
        if (peek(s) != ':')
            return wrong(s, s->at, "\":\" expected");
        s->at++;
        if (scan_value(s, &key, tail))
            return -1;
        tail = &(*tail)->next;
        skip_space(s);
        if (peek(s) == '}')
            break;
        if (peek(s) != ',')
            return wrong(s, s->at, "\",\" or \"}\" expected");
        s->at++;
    }
    s->at++;
    return close_keys(s, first);
}

static int scan_object(struct json_scan *s, const struct json_key *key,
                       struct json **out)
{
    s->at++;
    *out = bare_node(JSON_OBJECT, key);
    return scan_members(s, &(*out)->child);
}

static int scan_word(struct json_scan *s, const char *word, enum json_type type,
                     const struct json_key *key, struct json **out)
{
    size_t n = strlen(word);

    if (s->n - s->at < n || memcmp(s->text + s->at, word, n) != 0)
        return wrong(s, s->at, "value expected");
    s->at += n;
    *out = bare_node(type, key);
    (*out)->truth = *word == 't';
    return 0;
}

static int scan_scalar(struct json_scan *s, const struct json_key *key,
                       struct json **out)
{
    size_t start = s->at;
    bool escapes;

    switch (peek(s)) {
    case '"':
        if (scan_string(s, &escapes))
            return -1;
        *out = string_node(s, key, start, escapes);
        return 0;
    case 't':
        return scan_word(s, "true", JSON_BOOL, key, out);
    case 'f':
        return scan_word(s, "false", JSON_BOOL, key, out);
    case 'n':
        return scan_word(s, "null", JSON_NULL, key, out);
    case -1:
        return wrong(s, s->at, "value expected, but the text ends");
    default:
        if (peek(s) != '-' && !is_digit(peek(s)))
            return wrong(s, s->at, "value expected");
        if (scan_number(s))
            return -1;
        *out = text_node(JSON_NUMBER, key, s->text + start, s->at - start);
        return 0;
    }
}

static int scan_value(struct json_scan *s, const struct json_key *key,
                      struct json **out)
{
    int rc;

    skip_space(s);
    if (peek(s) != '{' && peek(s) != '[')
        return scan_scalar(s, key, out);
    if (s->depth == MAX_DEPTH)
        return wrong(s, s->at, "nested deeper than 32");
    s->depth++;
    rc = peek(s) == '{' ? scan_object(s, key, out) : scan_array(s, key, out);
    s->depth--;
    return rc;
}

static int scan_all(struct json_scan *s, struct json **out)
{
    if (scan_value(s, NULL, out))
        return -1;
    skip_space(s);
    if (s->at < s->n)
        return wrong(s, s->at, "more text after the value");
    return 0;
}

static int parse_root(struct json **root, const char *text, size_t n,
                      bool borrow, struct err *err)
{
    struct json_scan s = { .text = text, .n = n, .borrow = borrow, .err = err };
    struct json *tree = NULL;
    int rc;

    if (n > MAX_TEXT)
        return err_set(err, ERR_INPUT, "JSON of %zu bytes, at most %d", n,
                       MAX_TEXT);
    rc = scan_all(&s, &tree);
    if (rc == 0)
        *root = tree;
    else
        json_free(tree);
    drop_keys(&s, 0);
    free(s.keys);
    return rc;
}

int json_parse(struct json **root, const char *text, size_t n,
               struct err *err)
{
    return parse_root(root, text, n, false, err);
}

int json_parse_over(struct json **root, const char *text, size_t n,
                    struct err *err)
{
    return parse_root(root, text, n, true, err);
}
