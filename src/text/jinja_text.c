/*
 * Strings in templates: what prints, JSON, and the methods.
 */
#include <config.h>

#include "text/jinja_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8_read.h"
#include "text/unicode.h"

/* ---- printing ----------------------------------------------------------- */

/* A float as Python's repr: the shortest digits that read back. */
static void put_float(struct jinja_writer *w, struct jinja_text text)
{
    double x = strtod(text.s, NULL);
    char s[64], *p;
    int digits, exponent;

    if (!isfinite(x) || !strpbrk(text.s, ".eE")) { /* a long integer */
        jinja_write(w, text);
        return;
    }
    for (digits = 1; digits < 17; digits++) {
        snprintf(s, sizeof(s), "%.*e", digits - 1, x);
        if (strtod(s, NULL) == x)
            break;
    }
    snprintf(s, sizeof(s), "%.*e", digits - 1, x);
    p = strchr(s, 'e');
    exponent = p ? atoi(p + 1) : 0;
    if (exponent < -4 || exponent >= 16) {
        jinja_write(w, jinja_literal(s));
        return;
    }
    snprintf(s, sizeof(s), "%.*f",
             digits - 1 - exponent > 1 ? digits - 1 - exponent : 1, x);
    jinja_write(w, (struct jinja_text){ .s = s, .n = strlen(s) });
}

int jinja_print(struct jinja_run *r, struct jinja_writer *w,
                struct jinja_value v)
{
    char number[24];

    switch (v.kind) {
    case JINJA_UNDEFINED:
        return 0;
    case JINJA_NONE:
        jinja_write(w, jinja_literal("None"));
        return 0;
    case JINJA_BOOL:
        jinja_write(w, jinja_literal(v.truth ? "True" : "False"));
        return 0;
    case JINJA_INT:
        snprintf(number, sizeof(number), "%" PRId64, v.number);
        jinja_write(w, jinja_literal(number));
        return 0;
    case JINJA_FLOAT:
        put_float(w, v.text);
        return 0;
    case JINJA_STRING:
        jinja_write(w, v.text);
        return jinja_step(r, v.text.n / 256);
    case JINJA_LIST:
    case JINJA_MAP:
        return jinja_fail(r, "prints a list or a mapping: only tojson does");
    default:
        return jinja_fail(r, "prints a macro");
    }
}

int jinja_to_text(struct jinja_run *r, struct jinja_value v,
                  struct jinja_text *out)
{
    struct jinja_writer w = { .arena = &r->arena };

    if (v.kind == JINJA_STRING) {
        *out = v.text;
        return 0;
    }
    if (jinja_print(r, &w, v))
        return -1;
    *out = jinja_written(&w);
    return 0;
}

/* ---- JSON --------------------------------------------------------------- */

static void put_json_text(struct jinja_writer *w, struct jinja_text t)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    bool user = t.from_user != NULL;
    char code[8];

    jinja_write_bytes(w, "\"", 1, user);
    for (size_t i = 0; i < t.n; i++) {
        char c = t.s[i];
        const char *p = c ? strchr(from, c) : NULL;

        if (p) {
            code[0] = '\\';
            code[1] = to[p - from];
            jinja_write_bytes(w, code, 2, user);
        } else if ((unsigned char)c < 0x20) {
            snprintf(code, sizeof(code), "\\u%04x", (unsigned)c);
            jinja_write_bytes(w, code, 6, user);
        } else {
            jinja_write(w, jinja_part(t, i, 1));
        }
    }
    jinja_write_bytes(w, "\"", 1, user);
}

/* What stands between elements: an end of a line and blanks, or a space. */
static void put_gap(struct jinja_writer *w, int64_t indent, unsigned level,
                    const char *one_line)
{
    if (indent < 0) {
        jinja_write(w, jinja_literal(one_line));
        return;
    }
    jinja_write(w, jinja_literal("\n"));
    for (int64_t i = 0; i < indent * level; i++)
        jinja_write(w, jinja_literal(" "));
}

static int put_json_elements(struct jinja_run *r, struct jinja_writer *w,
                             struct jinja_value v, int64_t indent,
                             unsigned level)
{
    bool is_map = v.kind == JINJA_MAP;
    size_t n = jinja_length(v);

    jinja_write(w, jinja_literal(is_map ? "{" : "["));
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            jinja_write(w, jinja_literal(","));
        put_gap(w, indent, level + 1, i > 0 ? " " : "");
        if (is_map) {
            put_json_text(w, v.map->key[i]);
            jinja_write(w, jinja_literal(": "));
        }
        if (jinja_to_json(r, w, is_map ? v.map->v[i] : v.list->v[i], indent,
                          level + 1))
            return -1;
    }
    if (n > 0)
        put_gap(w, indent, level, "");
    jinja_write(w, jinja_literal(is_map ? "}" : "]"));
    return 0;
}

int jinja_to_json(struct jinja_run *r, struct jinja_writer *w,
                  struct jinja_value v, int64_t indent, unsigned level)
{
    if (level > JINJA_MAX_DEPTH)
        return jinja_fail(r, "nested too deeply");
    if (jinja_step(r, 1 + (v.kind == JINJA_STRING ? v.text.n / 64 : 0)))
        return -1;
    switch (v.kind) {
    case JINJA_NONE:
        jinja_write(w, jinja_literal("null"));
        return 0;
    case JINJA_BOOL:
        jinja_write(w, jinja_literal(v.truth ? "true" : "false"));
        return 0;
    case JINJA_STRING:
        put_json_text(w, v.text);
        return 0;
    case JINJA_LIST:
    case JINJA_MAP:
        return put_json_elements(r, w, v, indent, level);
    case JINJA_INT:
    case JINJA_FLOAT:
        return jinja_print(r, w, v);
    default:
        return jinja_fail(r, "tojson of what is not defined");
    }
}

/* ---- methods ------------------------------------------------------------ */

enum {
    METHOD_ENDSWITH,
    METHOD_GET,
    METHOD_ITEMS,
    METHOD_KEYS,
    METHOD_LOWER,
    METHOD_LSTRIP,
    METHOD_REPLACE,
    METHOD_RSTRIP,
    METHOD_SPLIT,
    METHOD_STARTSWITH,
    METHOD_STRIP,
    METHOD_UPPER,
    METHOD_VALUES
};

int jinja_method_number(struct jinja_text name)
{
    static const char *const names[] = { "endswith",   "get",    "items",
                                         "keys",       "lower",  "lstrip",
                                         "replace",    "rstrip", "split",
                                         "startswith", "strip",  "upper",
                                         "values" };

    for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
        if (jinja_is(name, names[i]))
            return i;
    return -1;
}

/* Whether the character at s, of n bytes, is one to be taken away: one of
 * `set`, or white space without one. */
static bool is_stripped(const char *s, size_t n, const struct jinja_text *set)
{
    uint32_t cp = 0;

    if (set)
        return set->n >= n && memmem(set->s, set->n, s, n) != NULL;
    return utf8_next(s, n, &cp) > 0 && jinja_is_space(cp);
}

static struct jinja_text
strip(struct jinja_text t, const struct jinja_text *set, bool left, bool right)
{
    size_t n;
    int len;

    while (left && t.n > 0) {
        len = utf8_next(t.s, t.n, NULL);
        n = (size_t)(len < 0 ? -len : len);
        if (!is_stripped(t.s, n, set))
            break;
        t = jinja_part(t, n, t.n - n);
    }
    while (right && t.n > 0) {
        for (n = 1; n < t.n && ((unsigned char)t.s[t.n - n] & 0xc0) == 0x80;)
            n++;
        if (!is_stripped(t.s + t.n - n, n, set))
            break;
        t = jinja_part(t, 0, t.n - n);
    }
    return t;
}

/* Capitals of ASCII.  Others would need a table that is not there: they are
 * refused, not left as they are. */
static int change_case(struct jinja_run *r, struct jinja_text t, bool up,
                       struct jinja_value *out)
{
    uint32_t other = up ? 1u << UNICODE_LL | 1u << UNICODE_LT
                        : 1u << UNICODE_LU | 1u << UNICODE_LT;
    struct jinja_writer w = { .arena = &r->arena };
    uint32_t cp = 0;
    int len;

    jinja_write(&w, t);
    if (jinja_step(r, t.n / 16))
        return -1;
    for (size_t i = 0; i < t.n; i += (size_t)len) {
        char c = t.s[i];

        len = utf8_next(t.s + i, t.n - i, &cp);
        if (len < 1)
            len = 1;
        if (up ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z')
            w.s[i] = (char)(c ^ 0x20);
        else if (len > 1 && (unicode_is(cp) & other))
            return jinja_fail(r,
                              "changes the case of U+%04X; only that of"
                              " ASCII is supported",
                              cp);
    }
    *out = jinja_string(jinja_written(&w));
    return 0;
}

/* Offset of `what` in t from `at` on, or SIZE_MAX. */
static size_t find_text(struct jinja_text t, size_t at, struct jinja_text what)
{
    const char *p =
        t.n > at ? memmem(t.s + at, t.n - at, what.s, what.n) : NULL;

    return p ? (size_t)(p - t.s) : SIZE_MAX;
}

static int replace(struct jinja_run *r, struct jinja_text t,
                   const struct jinja_arguments *args, struct jinja_value *out)
{
    struct jinja_value old = jinja_argument(args, 0, "old", jinja_undefined);
    struct jinja_value new = jinja_argument(args, 1, "new", jinja_undefined);
    struct jinja_value most = jinja_argument(args, 2, "count", jinja_int(-1));
    struct jinja_writer w = { .arena = &r->arena };
    size_t at = 0, end;
    int64_t left = most.kind == JINJA_INT ? most.number : -1;

    if (old.kind != JINJA_STRING || new.kind != JINJA_STRING || !old.text.n)
        return jinja_fail(r, "replace takes two strings, the first of which"
                             " is not empty");
    while (left-- != 0 && (end = find_text(t, at, old.text)) != SIZE_MAX) {
        jinja_write(&w, jinja_part(t, at, end - at));
        jinja_write(&w, new.text);
        at = end + old.text.n;
        if (jinja_step(r, 1 + new.text.n / 64))
            return -1;
    }
    jinja_write(&w, jinja_part(t, at, t.n - at));
    *out = jinja_string(jinja_written(&w));
    return jinja_step(r, t.n / 64);
}

/* At runs of white space, none of which is in a part. */
static int split_words(struct jinja_run *r, struct jinja_text t,
                       struct jinja_list *l, int64_t most)
{
    size_t end;
    int len;

    for (t = strip(t, NULL, true, false); t.n > 0;
         t = strip(t, NULL, true, false)) {
        end = 0;
        while (end < t.n) {
            len = utf8_next(t.s + end, t.n - end, NULL);
            len = len < 0 ? -len : len;
            if (most != 0 && is_stripped(t.s + end, (size_t)len, NULL))
                break;
            end += (size_t)len;
        }
        if (jinja_step(r, 1))
            return -1;
        jinja_push(&r->arena, l, jinja_string(jinja_part(t, 0, end)));
        t = jinja_part(t, end, t.n - end);
        most -= most > 0;
    }
    return 0;
}

static int split(struct jinja_run *r, struct jinja_text t,
                 const struct jinja_arguments *args, struct jinja_value *out)
{
    struct jinja_value at = jinja_argument(args, 0, "sep", jinja_none);
    struct jinja_value most =
        jinja_argument(args, 1, "maxsplit", jinja_int(-1));
    int64_t left = most.kind == JINJA_INT ? most.number : -1;
    size_t from = 0, end;

    *out = jinja_new_list(&r->arena);
    if (jinja_step(r, t.n / 64))
        return -1;
    if (at.kind == JINJA_NONE)
        return split_words(r, t, out->list, left);
    if (at.kind != JINJA_STRING || !at.text.n)
        return jinja_fail(r, "split takes a string that is not empty");
    while (left-- != 0 && (end = find_text(t, from, at.text)) != SIZE_MAX) {
        jinja_push(&r->arena, out->list,
                   jinja_string(jinja_part(t, from, end - from)));
        from = end + at.text.n;
        if (jinja_step(r, 1))
            return -1;
    }
    jinja_push(&r->arena, out->list,
               jinja_string(jinja_part(t, from, t.n - from)));
    return 0;
}

/* One string, or one of a list of them, at an end of t. */
static int stands_at(struct jinja_run *r, struct jinja_text t, bool end,
                     struct jinja_value what, struct jinja_value *out)
{
    bool yes = false;

    if (what.kind == JINJA_LIST) {
        *out = jinja_bool(false);
        for (size_t i = 0; i < what.list->n && !out->truth; i++)
            if (what.list->v[i].kind == JINJA_LIST ||
                stands_at(r, t, end, what.list->v[i], out))
                return jinja_fail(r, "startswith and endswith take strings");
        return 0;
    }
    if (what.kind != JINJA_STRING)
        return jinja_fail(r, "startswith and endswith take strings");
    if (what.text.n <= t.n)
        yes = jinja_same_text(
            jinja_part(t, end ? t.n - what.text.n : 0, what.text.n), what.text);
    *out = jinja_bool(yes);
    return 0;
}

static int of_text(struct jinja_run *r, int number, struct jinja_text t,
                   const struct jinja_arguments *args, struct jinja_value *out)
{
    struct jinja_value first =
        jinja_argument(args, 0, "chars", jinja_undefined);
    const struct jinja_text *set =
        first.kind == JINJA_STRING ? &first.text : NULL;

    switch (number) {
    case METHOD_LOWER:
    case METHOD_UPPER:
        return change_case(r, t, number == METHOD_UPPER, out);
    case METHOD_STRIP:
    case METHOD_LSTRIP:
    case METHOD_RSTRIP:
        *out = jinja_string(
            strip(t, set, number != METHOD_RSTRIP, number != METHOD_LSTRIP));
        return jinja_step(r, t.n / 256);
    case METHOD_REPLACE:
        return replace(r, t, args, out);
    case METHOD_SPLIT:
        return split(r, t, args, out);
    case METHOD_STARTSWITH:
    case METHOD_ENDSWITH:
        return stands_at(r, t, number == METHOD_ENDSWITH, first, out);
    default:
        return jinja_fail(r, "this method is not one of strings");
    }
}

static int of_map(struct jinja_run *r, int number, struct jinja_value v,
                  const struct jinja_arguments *args, struct jinja_value *out)
{
    static const struct jinja_arguments *const none = NULL;
    struct jinja_value key = jinja_argument(args, 0, "key", jinja_undefined);
    const struct jinja_value *found;

    switch (number) {
    case METHOD_GET:
        found = key.kind == JINJA_STRING ? jinja_find(v.map, key.text) : NULL;
        *out = found ? *found : jinja_argument(args, 1, "default", jinja_none);
        return jinja_step(r, v.map->n / 64);
    case METHOD_KEYS:
    case METHOD_ITEMS:
        return jinja_filter(r,
                            jinja_filter_number(jinja_literal(
                                number == METHOD_KEYS ? "list" : "items")),
                            v, none, out);
    case METHOD_VALUES:
        *out = jinja_new_list(&r->arena);
        for (size_t i = 0; i < v.map->n; i++)
            jinja_push(&r->arena, out->list, v.map->v[i]);
        return jinja_step(r, v.map->n);
    default:
        return jinja_fail(r, "this method is not one of mappings");
    }
}

int jinja_method(struct jinja_run *r, int number, struct jinja_value self,
                 const struct jinja_arguments *args, struct jinja_value *out)
{
    if (self.kind == JINJA_STRING)
        return of_text(r, number, self.text, args, out);
    if (self.kind == JINJA_MAP)
        return of_map(r, number, self, args, out);
    return jinja_fail(r, "a method of what is neither string nor mapping");
}
