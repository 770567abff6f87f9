/*
 * The tree of a JSON text (json_parse.c makes it): walking it, its numbers,
 * and JSON out.
 */
#include <config.h>

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/id.h"
#include "base/json_internal.h"
#include "base/mem.h"

#define NUMBER_TEXT 64

static void wipe(struct json *v)
{
    for (; v; v = v->next) {
        wipe(v->child);
        mem_wipe(v + 1, v->n);
    }
}

void json_wipe(struct json *root)
{
    wipe(root);
    json_free(root);
}

/* ---- the tree ------------------------------------------------------------ */

enum json_type json_type(const struct json *v)
{
    return v ? v->type : JSON_NULL;
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = { "null",   "boolean", "number",
                                         "string", "array",   "object" };

    return names[type];
}

const struct json *json_get(const struct json *v, const char *key)
{
    if (!v || v->type != JSON_OBJECT)
        return NULL;
    for (const struct json *c = v->child; c; c = c->next)
        if (strcmp(c->key, key) == 0)
            return c;
    return NULL;
}

/* The next number of a span into text, NUL behind it; where to go on. */
static const char *span_next(const char *at, const char *end,
                             char text[NUMBER_TEXT])
{
    size_t n = 0;

    while (at < end && !strchr("0123456789-", *at))
        at++;
    while (at < end && n < NUMBER_TEXT - 1 && *at &&
           strchr("0123456789+-.eE", *at))
        text[n++] = *at++;
    text[n] = '\0';
    return at;
}

/* Make the nodes of a span.  The tree has one owner, who may not see that. */
static void expand(struct json *v)
{
    struct json **tail = &v->child;
    const char *at = v->span;
    char text[NUMBER_TEXT];

    for (size_t i = 0; i < v->n_span; i++) {
        struct json *c;
        size_t n;

        at = span_next(at, v->span_end, text);
        n = strlen(text) + 1;
        c = xmalloc(sizeof(*c) + n);
        memset(c, 0, sizeof(*c));
        c->type = JSON_NUMBER;
        c->n = n;
        c->text = memcpy(c + 1, text, n);
        *tail = c;
        tail = &c->next;
    }
    v->n_span = 0;
}

const struct json *json_first(const struct json *v)
{
    if (v && v->n_span)
        expand((struct json *)v);
    return v ? v->child : NULL;
}

const struct json *json_next(const struct json *v)
{
    return v ? v->next : NULL;
}

size_t json_count(const struct json *v)
{
    size_t n = 0;

    if (v && v->n_span)
        return v->n_span;
    for (v = json_first(v); v; v = json_next(v))
        n++;
    return n;
}

const char *json_key(const struct json *v)
{
    return v ? v->key : NULL;
}

const char *json_string(const struct json *v)
{
    return v && v->type == JSON_STRING ? v->text : NULL;
}

const char *json_number(const struct json *v)
{
    return v && v->type == JSON_NUMBER ? v->text : NULL;
}

bool json_true(const struct json *v)
{
    return v && v->truth;
}

/* ---- numbers ------------------------------------------------------------- */

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

/* The last `drop` digits are behind the point: whether to round up from v,
 * which is what the others say.  The last digit is not 0. */
static bool rounds_up(const struct decimal *d, int64_t drop, uint64_t v)
{
    const char *at = d->digits + d->n;

    for (int64_t i = 0; i < drop; i++)
        do
            at--;
        while (*at == '.');
    if (*at != '5' || drop > 1)
        return *at >= '5';
    return v % 2 == 1;
}

static size_t n_digits(const struct decimal *d)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n; i++)
        n += d->digits[i] != '.';
    return n;
}

/* The magnitude of text * 10^shift, below 2^64: the nearest integer, of two
 * the even one, or, if it is to be exact, that or -1. */
static int scaled(const char *text, int shift, bool exact, bool *negative,
                  uint64_t *out)
{
    struct decimal d;
    int64_t drop, keep;
    uint64_t v = 0;

    decimal_parse(&d, text);
    d.exponent += shift;
    if (d.n > 0 && ((exact && d.exponent < 0) || d.exponent > 20))
        return -1;
    drop = d.exponent < 0 ? -d.exponent : 0;
    keep = (int64_t)n_digits(&d) - drop;
    for (size_t i = 0; i < d.n && keep > 0; i++)
        if (d.digits[i] != '.') {
            if (times_ten(&v, (unsigned)(d.digits[i] - '0')))
                return -1;
            keep--;
        }
    for (; d.n > 0 && d.exponent > 0; d.exponent--)
        if (times_ten(&v, 0))
            return -1;
    if (drop > 0 && keep >= 0 && d.n > 0 && rounds_up(&d, drop, v)) {
        if (v == UINT64_MAX)
            return -1;
        v++;
    }
    *negative = d.negative && v > 0;
    *out = v;
    return 0;
}

static int scaled_i64(const struct json *v, int shift, int64_t *out)
{
    const char *text = json_number(v);
    bool negative;
    uint64_t u;

    if (!text || scaled(text, shift, shift == 0, &negative, &u))
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

    if (!text || scaled(text, 0, true, &negative, &u) || negative)
        return -1;
    *out = u;
    return 0;
}

int json_id(const struct json *v, struct id *out)
{
    const char *text = json_string(v);

    return text ? id_parse(out, text) : -1;
}

int json_digits(const struct json *v, uint64_t *out)
{
    const char *text = json_string(v);

    return text ? json_u64_text(text, out) : -1;
}

int json_u64_array(const struct json *v, uint64_t max,
                   int (*put)(void *self, uint64_t number), void *self)
{
    char text[NUMBER_TEXT];
    const char *at;
    bool negative;
    uint64_t u;

    if (!v || v->type != JSON_ARRAY)
        return -1;
    if (!v->n_span) {
        for (const struct json *c = v->child; c; c = c->next)
            if (json_u64(c, &u) || u > max || put(self, u))
                return -1;
        return 0;
    }
    at = v->span;
    for (size_t i = 0; i < v->n_span; i++) {
        at = span_next(at, v->span_end, text);
        if (scaled(text, 0, true, &negative, &u) || negative || u > max ||
            put(self, u))
            return -1;
    }
    return 0;
}

int json_i64(const struct json *v, int64_t *out)
{
    return scaled_i64(v, 0, out);
}

int json_nearest_millionths(const struct json *v, int64_t *out)
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

/* ---- out ----------------------------------------------------------------- */

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
