/*
 * JSON.  The scan decides what is accepted; cJSON, which accepts more and
 * loses the text of numbers, only builds the tree of what has been scanned.
 * It is bounded by the caller through the length of the text.
 */
#include <config.h>

#include "base/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

#define MAX_DEPTH 32
#define MAX_TEXT INT32_MAX /* so that an offset fits in four bytes */
#define MAX_NUMBER 63      /* cJSON cuts longer ones (1.7.15) */

/* The key of a member, decoded.  Most have no escapes and stay in the text. */
struct key {
    const char *s;
    uint32_t n;
    uint32_t at;   /* its offset in the text */
    char *decoded; /* s, if it is ours */
};

struct scan {
    const char *text;
    size_t n;
    size_t at;
    int depth;
    struct key *keys; /* of all objects that are open */
    size_t n_keys, cap_keys;
    uint32_t *numbers; /* offsets, in document order */
    size_t n_numbers, cap_numbers;
    struct err *err;
};

static int wrong(const struct scan *s, size_t at, const char *what)
{
    return err_set(s->err, ERR_INPUT, "JSON, byte %zu: %s", at, what);
}

/* The byte here, -1 at the end. */
static int peek(const struct scan *s)
{
    return s->at < s->n ? (unsigned char)s->text[s->at] : -1;
}

static void skip_space(struct scan *s)
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
static int scan_unicode(struct scan *s, size_t start)
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

static int scan_escape(struct scan *s)
{
    size_t start = s->at++;
    int c = peek(s);

    if (c < 0 || c == 0 || !strchr("\"\\/bfnrtu", c))
        return wrong(s, start, "unknown escape in a string");
    s->at++;
    return c == 'u' ? scan_unicode(s, start) : 0;
}

/* A string, of which the first quote is here. */
static int scan_string(struct scan *s, bool *escapes)
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
static int digits(struct scan *s)
{
    size_t before = s->at;

    while (is_digit(peek(s)))
        s->at++;
    return s->at > before ? 0 : -1;
}

static int scan_number(struct scan *s)
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
    if (s->n_numbers == s->cap_numbers) {
        s->cap_numbers = s->cap_numbers ? s->cap_numbers * 2 : 64;
        s->numbers = xrealloc(s->numbers, s->cap_numbers * sizeof *s->numbers);
    }
    s->numbers[s->n_numbers++] = (uint32_t)start;
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

static int scan_key(struct scan *s)
{
    size_t start = s->at;
    struct key *k;
    bool escapes;

    if (peek(s) != '"')
        return wrong(s, s->at, "key expected");
    if (scan_string(s, &escapes))
        return -1;
    if (s->n_keys == s->cap_keys) {
        s->cap_keys = s->cap_keys ? s->cap_keys * 2 : 64;
        s->keys = xrealloc(s->keys, s->cap_keys * sizeof *s->keys);
    }
    k = &s->keys[s->n_keys++];
    *k = (struct key){ .s = s->text + start + 1,
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
    const struct key *a = va, *b = vb;
    int c;

    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    c = memcmp(a->s, b->s, a->n);
    if (c)
        return c;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void drop_keys(struct scan *s, size_t first)
{
    while (s->n_keys > first)
        free(s->keys[--s->n_keys].decoded);
}

/* The object whose keys begin at `first` is closed: no two are the same. */
static int close_keys(struct scan *s, size_t first)
{
    const struct key *second = NULL;
    size_t n = s->n_keys - first, shown;

    if (n > 1)
        qsort(s->keys + first, n, sizeof *s->keys, compare_keys);
    for (size_t i = first + 1; i < s->n_keys; i++) {
        const struct key *k = &s->keys[i];

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

static int scan_value(struct scan *s);

static int scan_array(struct scan *s)
{
    s->at++;
    skip_space(s);
    if (peek(s) == ']') {
        s->at++;
        return 0;
    }
    for (;;) {
        if (scan_value(s))
            return -1;
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

static int scan_object(struct scan *s)
{
    size_t first = s->n_keys;

    s->at++;
    skip_space(s);
    if (peek(s) == '}') {
        s->at++;
        return 0;
    }
    for (;;) {
        skip_space(s);
        if (scan_key(s))
            return -1;
        skip_space(s);
        if (peek(s) != ':')
            return wrong(s, s->at, "\":\" expected");
        s->at++;
        if (scan_value(s))
            return -1;
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

static int scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);

    if (s->n - s->at < n || memcmp(s->text + s->at, word, n) != 0)
        return wrong(s, s->at, "value expected");
    s->at += n;
    return 0;
}

static int scan_value(struct scan *s)
{
    bool escapes;
    int rc;

    skip_space(s);
    switch (peek(s)) {
    case '{':
    case '[':
        if (s->depth == MAX_DEPTH)
            return wrong(s, s->at, "nested deeper than 32");
        s->depth++;
        rc = peek(s) == '{' ? scan_object(s) : scan_array(s);
        s->depth--;
        return rc;
    case '"':
        return scan_string(s, &escapes);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    case -1:
        return wrong(s, s->at, "value expected, but the text ends");
    default:
        if (peek(s) == '-' || is_digit(peek(s)))
            return scan_number(s);
        return wrong(s, s->at, "value expected");
    }
}

static int scan_all(struct scan *s)
{
    if (scan_value(s))
        return -1;
    skip_space(s);
    if (s->at < s->n)
        return wrong(s, s->at, "more text after the value");
    return 0;
}

/* Hang the texts of numbers on their nodes, in document order.  cJSON frees
 * them: valuestring is freed whatever the type. */
static int hang_numbers(cJSON *v, const struct scan *s, size_t *i)
{
    for (; v; v = v->next) {
        const char *p;
        size_t n = 0, left;

        if (v->child && hang_numbers(v->child, s, i))
            return -1;
        if (!cJSON_IsNumber(v))
            continue;
        assert(*i < s->n_numbers);
        p = s->text + s->numbers[*i];
        left = s->n - s->numbers[(*i)++];
        while (n < left && p[n] && strchr("0123456789+-.eE", p[n]))
            n++;
        v->valuestring = cJSON_malloc(n + 1);
        if (!v->valuestring)
            return -1;
        memcpy(v->valuestring, p, n);
        v->valuestring[n] = '\0';
    }
    return 0;
}

int json_parse(struct json **root, const char *text, size_t n, struct err *err)
{
    struct scan s = { .text = text, .n = n, .err = err };
    size_t n_hung = 0;
    cJSON *tree = NULL;
    int rc = -1;

    if (n > MAX_TEXT)
        return err_set(err, ERR_INPUT, "JSON of %zu bytes, at most %d", n,
                       MAX_TEXT);
    if (scan_all(&s))
        goto out;
    tree = cJSON_ParseWithLengthOpts(text, n, NULL, 0);
    if (!tree || hang_numbers(tree, &s, &n_hung)) {
        err_set(err, ERR_FATAL, "no memory for the tree of %zu bytes of JSON",
                n);
        goto out;
    }
    assert(n_hung == s.n_numbers);
    *root = (struct json *)tree;
    tree = NULL;
    rc = 0;
out:
    cJSON_Delete(tree);
    drop_keys(&s, 0);
    free(s.keys);
    free(s.numbers);
    return rc;
}

void json_free(struct json *root)
{
    cJSON_Delete((cJSON *)root);
}

static void wipe_strings(cJSON *v)
{
    for (; v; v = v->next) {
        wipe_strings(v->child);
        if (v->valuestring)
            mem_wipe(v->valuestring, strlen(v->valuestring));
    }
}

void json_wipe(struct json *root)
{
    wipe_strings((cJSON *)root);
    json_free(root);
}

/* The tree. */

static const cJSON *node(const struct json *v)
{
    return (const cJSON *)v;
}

enum json_type json_type(const struct json *v)
{
    switch (node(v)->type & 0xff) {
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Object:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = { "null",   "boolean", "number",
                                         "string", "array",   "object" };

    return names[type];
}

const struct json *json_get(const struct json *v, const char *key)
{
    if (!v || json_type(v) != JSON_OBJECT)
        return NULL;
    for (const cJSON *c = node(v)->child; c; c = c->next)
        if (strcmp(c->string, key) == 0)
            return (const struct json *)c;
    return NULL;
}

const struct json *json_first(const struct json *v)
{
    return v ? (const struct json *)node(v)->child : NULL;
}

const struct json *json_next(const struct json *v)
{
    return v ? (const struct json *)node(v)->next : NULL;
}

size_t json_count(const struct json *v)
{
    size_t n = 0;

    for (v = json_first(v); v; v = json_next(v))
        n++;
    return n;
}

const char *json_key(const struct json *v)
{
    return v ? node(v)->string : NULL;
}

const char *json_string(const struct json *v)
{
    return v && cJSON_IsString(node(v)) ? node(v)->valuestring : NULL;
}

const char *json_number(const struct json *v)
{
    return v && cJSON_IsNumber(node(v)) ? node(v)->valuestring : NULL;
}

bool json_true(const struct json *v)
{
    return v && cJSON_IsTrue(node(v));
}

/* Numbers. */

/* A number's text: sign, the digits that count, and the power of ten of the
 * last of them.  The digits may have the point among them. */
struct decimal {
    bool negative;
    const char *digits;
    size_t n; /* 0: the number is zero */
    int64_t exponent;
};

/* Of a text that follows JSON's grammar.  An exponent beyond all lengths of
 * text stays where it is: it cannot come back into range. */
static void decimal_parse(struct decimal *d, const char *text)
{
    const int64_t beyond = INT64_C(1) << 40;
    bool point = false, negative_exponent;
    size_t n_fraction = 0, n;
    int64_t e = 0;

    d->negative = *text == '-';
    text += d->negative;
    n = strcspn(text, "eE");
    d->digits = text;
    if (text[n]) {
        const char *p = text + n + 1;

        negative_exponent = *p == '-';
        p += *p == '-' || *p == '+';
        for (; *p; p++)
            e = e < beyond ? e * 10 + (*p - '0') : e;
        e = negative_exponent ? -e : e;
    }
    for (size_t i = 0; i < n; i++) {
        n_fraction += point;
        point = point || text[i] == '.';
    }
    d->exponent = e - (int64_t)n_fraction;
    /* Zeros in front count for nothing, those at the end for ten each. */
    for (; n > 0 && (*d->digits == '0' || *d->digits == '.'); n--)
        d->digits++;
    for (; n > 0; n--) {
        if (d->digits[n - 1] == '0')
            d->exponent++;
        else if (d->digits[n - 1] != '.')
            break;
    }
    d->n = n;
}

static int times_ten(uint64_t *v, unsigned plus)
{
    if (*v > (UINT64_MAX - plus) / 10)
        return -1;
    *v = *v * 10 + plus;
    return 0;
}

/* The magnitude of text * 10^shift, which must be an integer below 2^64. */
static int scaled(const char *text, int shift, bool *negative, uint64_t *out)
{
    struct decimal d;
    uint64_t v = 0;

    decimal_parse(&d, text);
    *negative = d.negative && d.n > 0;
    d.exponent += shift;
    if (d.n > 0 && (d.exponent < 0 || d.exponent > 20))
        return -1;
    for (size_t i = 0; i < d.n; i++)
        if (d.digits[i] != '.' && times_ten(&v, (unsigned)(d.digits[i] - '0')))
            return -1;
    for (; d.n > 0 && d.exponent > 0; d.exponent--)
        if (times_ten(&v, 0))
            return -1;
    *out = v;
    return 0;
}

static int scaled_i64(const struct json *v, int shift, int64_t *out)
{
    const char *text = json_number(v);
    bool negative;
    uint64_t u;

    if (!text || scaled(text, shift, &negative, &u))
        return -1;
    if (u > (uint64_t)INT64_MAX + negative)
        return -1;
    if (!negative)
        *out = (int64_t)u;
    else /* -2^63 has no positive twin */
        *out = -(int64_t)(u - 1) - 1;
    return 0;
}

int json_u64(const struct json *v, uint64_t *out)
{
    const char *text = json_number(v);
    bool negative;
    uint64_t u;

    if (!text || scaled(text, 0, &negative, &u) || negative)
        return -1;
    *out = u;
    return 0;
}

int json_i64(const struct json *v, int64_t *out)
{
    return scaled_i64(v, 0, out);
}

int json_millionths(const struct json *v, int64_t *out)
{
    return scaled_i64(v, 6, out);
}

int json_f64(const struct json *v, double *out)
{
    const char *text = json_number(v);
    double d;

    if (!text)
        return -1;
    d = strtod(text, NULL);
    if (!isfinite(d))
        return -1;
    *out = d;
    return 0;
}

/* Out. */

static void put_members(struct buf *b, const struct json *v,
                        const char *brackets)
{
    const struct json *first = json_first(v);

    buf_putc(b, brackets[0]);
    for (const struct json *c = first; c; c = json_next(c)) {
        if (c != first)
            buf_putc(b, ',');
        if (json_key(c)) {
            json_put_string(b, json_key(c), strlen(json_key(c)));
            buf_putc(b, ':');
        }
        json_put(b, c);
    }
    buf_putc(b, brackets[1]);
}

void json_put(struct buf *b, const struct json *v)
{
    switch (json_type(v)) {
    case JSON_NULL:
        buf_puts(b, "null");
        break;
    case JSON_BOOL:
        buf_puts(b, json_true(v) ? "true" : "false");
        break;
    case JSON_NUMBER:
        buf_puts(b, json_number(v));
        break;
    case JSON_STRING:
        json_put_string(b, json_string(v), strlen(json_string(v)));
        break;
    case JSON_ARRAY:
        put_members(b, v, "[]");
        break;
    case JSON_OBJECT:
        put_members(b, v, "{}");
        break;
    }
}

const char *json_library(void)
{
    static char text[48];

    snprintf(text, sizeof text, "cJSON %s", cJSON_Version());
    return text;
}
