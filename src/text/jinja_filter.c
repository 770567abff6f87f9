/*
 * Filters and tests of templates, by name.
 */
#include <config.h>

#include "text/jinja_internal.h"

#include <string.h>

#include "base/err.h"

static int find_name(const char *const *names, size_t n, struct jinja_text name)
{
    for (size_t i = 0; i < n; i++)
        if (jinja_is(name, names[i]))
            return (int)i;
    return -1;
}

/* ---- tests -------------------------------------------------------------- */

enum {
    TEST_BOOLEAN,
    TEST_DEFINED,
    TEST_DIVISIBLEBY,
    TEST_EQ,
    TEST_EQUALTO,
    TEST_EVEN,
    TEST_FALSE,
    TEST_FLOAT,
    TEST_IN,
    TEST_INTEGER,
    TEST_ITERABLE,
    TEST_MAPPING,
    TEST_NE,
    TEST_NONE,
    TEST_NUMBER,
    TEST_ODD,
    TEST_SEQUENCE,
    TEST_STRING,
    TEST_TRUE,
    TEST_UNDEFINED
};

int jinja_test_number(struct jinja_text name)
{
    static const char *const names[] = {
        "boolean",  "defined",  "divisibleby", "eq",   "equalto",
        "even",     "false",    "float",       "in",   "integer",
        "iterable", "mapping",  "ne",          "none", "number",
        "odd",      "sequence", "string",      "true", "undefined"
    };

    return find_name(names, sizeof(names) / sizeof(*names), name);
}

static int divisible(struct jinja_run *r, struct jinja_value v,
                     struct jinja_value by, bool *out)
{
    struct jinja_value left;

    if (v.kind != JINJA_INT || by.kind != JINJA_INT)
        return jinja_fail(r, "a test of integers, of what is none");
    if (jinja_binary(r, OP_MODULO, v, by, &left))
        return -1;
    *out = left.number == 0;
    return 0;
}

/* Tests of two values. */
static int compare_values(struct jinja_run *r, int number, struct jinja_value v,
                          struct jinja_value with, bool *out)
{
    struct jinja_value yes;

    switch (number) {
    case TEST_IN:
        if (jinja_binary(r, OP_IN, v, with, &yes))
            return -1;
        *out = yes.truth;
        return 0;
    case TEST_DIVISIBLEBY:
        return divisible(r, v, with, out);
    default:
        *out = jinja_equal(v, with) == (number != TEST_NE);
        return 0;
    }
}

static bool has_kind(int number, struct jinja_value v)
{
    switch (number) {
    case TEST_BOOLEAN:
        return v.kind == JINJA_BOOL;
    case TEST_DEFINED:
        return v.kind != JINJA_UNDEFINED;
    case TEST_UNDEFINED:
        return v.kind == JINJA_UNDEFINED;
    case TEST_FALSE:
        return v.kind == JINJA_BOOL && !v.truth;
    case TEST_TRUE:
        return v.kind == JINJA_BOOL && v.truth;
    case TEST_FLOAT:
        return v.kind == JINJA_FLOAT;
    case TEST_INTEGER:
        return v.kind == JINJA_INT;
    case TEST_NUMBER:
        return v.kind == JINJA_INT || v.kind == JINJA_FLOAT ||
               v.kind == JINJA_BOOL;
    case TEST_MAPPING:
        return v.kind == JINJA_MAP;
    case TEST_NONE:
        return v.kind == JINJA_NONE;
    case TEST_STRING:
        return v.kind == JINJA_STRING;
    case TEST_ITERABLE:
        return v.kind == JINJA_STRING || v.kind == JINJA_LIST ||
               v.kind == JINJA_MAP || v.kind == JINJA_UNDEFINED;
    default: /* TEST_SEQUENCE */
        return v.kind == JINJA_STRING || v.kind == JINJA_LIST ||
               v.kind == JINJA_MAP;
    }
}

int jinja_test(struct jinja_run *r, int number, struct jinja_value v,
               const struct jinja_arguments *args, bool *out)
{
    switch (number) {
    case TEST_EQ:
    case TEST_EQUALTO:
    case TEST_NE:
    case TEST_IN:
    case TEST_DIVISIBLEBY:
        return compare_values(
            r, number, v, jinja_argument(args, 0, "", jinja_undefined), out);
    case TEST_EVEN:
    case TEST_ODD:
        if (divisible(r, v, jinja_int(2), out))
            return -1;
        *out = *out == (number == TEST_EVEN);
        return 0;
    default:
        *out = has_kind(number, v);
        return 0;
    }
}

/* ---- filters ------------------------------------------------------------ */

enum {
    FILTER_COUNT,
    FILTER_D,
    FILTER_DEFAULT,
    FILTER_FIRST,
    FILTER_INDENT,
    FILTER_ITEMS,
    FILTER_JOIN,
    FILTER_LAST,
    FILTER_LENGTH,
    FILTER_LIST,
    FILTER_LOWER,
    FILTER_MAP,
    FILTER_REJECT,
    FILTER_REJECTATTR,
    FILTER_REPLACE,
    FILTER_SAFE,
    FILTER_SELECT,
    FILTER_SELECTATTR,
    FILTER_STRING,
    FILTER_TOJSON,
    FILTER_TRIM,
    FILTER_UNIQUE,
    FILTER_UPPER
};

int jinja_filter_number(struct jinja_text name)
{
    static const char *const names[] = {
        "count",  "d",          "default", "first",  "indent", "items",
        "join",   "last",       "length",  "list",   "lower",  "map",
        "reject", "rejectattr", "replace", "safe",   "select", "selectattr",
        "string", "tojson",     "trim",    "unique", "upper"
    };

    return find_name(names, sizeof(names) / sizeof(*names), name);
}

/* The method of strings of this name, on the text of any value. */
static int by_method(struct jinja_run *r, const char *name,
                     struct jinja_value v, const struct jinja_arguments *args,
                     struct jinja_value *out)
{
    struct jinja_text text;

    if (jinja_to_text(r, v, &text))
        return -1;
    return jinja_method(r, jinja_method_number(jinja_literal(name)),
                        jinja_string(text), args, out);
}

/* a or a.b of an element. */
static int attribute_of(struct jinja_run *r, struct jinja_value v,
                        struct jinja_value name, struct jinja_value *out)
{
    struct jinja_text left = name.text, part;
    const char *dot;

    if (name.kind != JINJA_STRING)
        return jinja_member(r, v, name, out);
    *out = v;
    for (;;) {
        dot = left.n ? memchr(left.s, '.', left.n) : NULL;
        part = jinja_part(left, 0, dot ? (size_t)(dot - left.s) : left.n);
        if (jinja_member(r, *out, jinja_string(part), out))
            return -1;
        if (!dot)
            return 0;
        left = jinja_part(left, part.n + 1, left.n - part.n - 1);
    }
}

/* The arguments from the i-th on. */
static struct jinja_arguments rest(struct jinja_run *r,
                                   const struct jinja_arguments *args, size_t i)
{
    struct jinja_arguments out = { jinja_new_list(&r->arena).list,
                                   args->named };

    for (; i < args->list->n; i++)
        jinja_push(&r->arena, out.list, args->list->v[i]);
    return out;
}

/* select, reject and those of an attribute: those for which a test holds. */
static int choose(struct jinja_run *r, int number, struct jinja_value v,
                  const struct jinja_arguments *args, struct jinja_value *out)
{
    bool by_attribute =
        number == FILTER_SELECTATTR || number == FILTER_REJECTATTR;
    bool wanted = number == FILTER_SELECT || number == FILTER_SELECTATTR, yes;
    size_t at = by_attribute;
    struct jinja_value test = jinja_argument(args, at, "", jinja_undefined), x;
    struct jinja_value name = jinja_argument(args, 0, "", jinja_undefined);
    struct jinja_arguments more = rest(r, args, at + 1);
    struct jinja_list *l;
    int which = -1;

    if (test.kind == JINJA_STRING && (which = jinja_test_number(test.text)) < 0)
        return jinja_fail(r, "unknown test \"%.*s\"", (int)test.text.n,
                          test.text.s);
    /* as in Jinja: none has no elements here */
    if (jinja_elements(r, jinja_true(v) ? v : jinja_undefined, &l))
        return -1;
    *out = jinja_new_list(&r->arena);
    for (size_t i = 0; i < l->n; i++) {
        x = l->v[i];
        if (jinja_step(r, 1) ||
            (by_attribute && attribute_of(r, l->v[i], name, &x)))
            return -1;
        yes = jinja_true(x);
        if (which >= 0 && jinja_test(r, which, x, &more, &yes))
            return -1;
        if (yes == wanted)
            jinja_push(&r->arena, out->list, l->v[i]);
    }
    return 0;
}

/* map(attribute=..) and map("filter", ..). */
static int map(struct jinja_run *r, struct jinja_value v,
               const struct jinja_arguments *args, struct jinja_value *out)
{
    const struct jinja_value *name =
        jinja_find(args->named, jinja_literal("attribute"));
    struct jinja_value absent =
        jinja_argument(args, SIZE_MAX, "default", jinja_undefined);
    struct jinja_value by = jinja_argument(args, 0, "", jinja_undefined), x;
    struct jinja_arguments more = rest(r, args, 1);
    struct jinja_list *l;
    int which = by.kind == JINJA_STRING ? jinja_filter_number(by.text) : -1;

    if (!name && which < 0)
        return jinja_fail(r, "map takes an attribute or a known filter");
    if (jinja_elements(r, jinja_true(v) ? v : jinja_undefined, &l))
        return -1;
    *out = jinja_new_list(&r->arena);
    for (size_t i = 0; i < l->n; i++) {
        if (jinja_step(r, 1) ||
            (name ? attribute_of(r, l->v[i], *name, &x)
                  : jinja_filter(r, which, l->v[i], &more, &x)))
            return -1;
        jinja_push(&r->arena, out->list,
                   x.kind == JINJA_UNDEFINED ? absent : x);
    }
    return 0;
}

static int join(struct jinja_run *r, struct jinja_value v,
                const struct jinja_arguments *args, struct jinja_value *out)
{
    struct jinja_value between =
        jinja_argument(args, 0, "d", jinja_string(jinja_literal("")));
    struct jinja_value name =
        jinja_argument(args, 1, "attribute", jinja_undefined);
    struct jinja_writer w = { .arena = &r->arena };
    struct jinja_list *l;

    if (jinja_elements(r, v, &l))
        return -1;
    for (size_t i = 0; i < l->n; i++) {
        struct jinja_value x = l->v[i];

        if (jinja_step(r, 1 + w.n / 4096) ||
            (i > 0 && jinja_print(r, &w, between)) ||
            (name.kind != JINJA_UNDEFINED &&
             attribute_of(r, l->v[i], name, &x)) ||
            jinja_print(r, &w, x))
            return -1;
    }
    *out = jinja_string(jinja_written(&w));
    return 0;
}

static int items(struct jinja_run *r, struct jinja_value v,
                 struct jinja_value *out)
{
    *out = jinja_new_list(&r->arena);
    if (v.kind == JINJA_UNDEFINED)
        return 0;
    if (v.kind != JINJA_MAP)
        return jinja_fail(r, "items of what is not a mapping");
    for (size_t i = 0; i < v.map->n; i++) {
        struct jinja_value pair = jinja_new_list(&r->arena);

        jinja_push(&r->arena, pair.list, jinja_string(v.map->key[i]));
        jinja_push(&r->arena, pair.list, v.map->v[i]);
        jinja_push(&r->arena, out->list, pair);
    }
    return jinja_step(r, v.map->n);
}

/* Each line but the first (unless told) and the empty ones (unless told). */
static int indent(struct jinja_run *r, struct jinja_value v,
                  const struct jinja_arguments *args, struct jinja_value *out)
{
    struct jinja_value width = jinja_argument(args, 0, "width", jinja_int(4));
    bool first = jinja_true(jinja_argument(args, 1, "first", jinja_none));
    bool blank = jinja_true(jinja_argument(args, 2, "blank", jinja_none));
    struct jinja_writer w = { .arena = &r->arena };
    struct jinja_text text;
    size_t at = 0, end;

    if (width.kind != JINJA_INT || width.number < 0 || width.number > 1000)
        return jinja_fail(r, "indent takes a width of 0 to 1000");
    if (jinja_to_text(r, v, &text) || jinja_step(r, text.n / 64 + 1))
        return -1;
    for (bool begun = false; at < text.n || !begun; begun = true) {
        const char *p = memchr(text.s + at, '\n', text.n - at);

        end = p ? (size_t)(p - text.s) : text.n;
        if (begun ? end > at || blank : first)
            for (int64_t i = 0; i < width.number; i++)
                jinja_write_bytes(&w, " ", 1, false);
        jinja_write(&w, jinja_part(text, at, end + (p != NULL) - at));
        at = end + (p != NULL);
        if (jinja_step(r, 1))
            return -1;
    }
    *out = jinja_string(jinja_written(&w));
    return 0;
}

static int unique(struct jinja_run *r, struct jinja_value v,
                  struct jinja_value *out)
{
    struct jinja_list *l;
    bool seen;

    if (jinja_elements(r, v, &l))
        return -1;
    *out = jinja_new_list(&r->arena);
    for (size_t i = 0; i < l->n; i++) {
        seen = false;
        if (jinja_step(r, 1 + out->list->n))
            return -1;
        for (size_t k = 0; k < out->list->n && !seen; k++)
            seen = jinja_equal(out->list->v[k], l->v[i]);
        if (!seen)
            jinja_push(&r->arena, out->list, l->v[i]);
    }
    return 0;
}

static int end_of(struct jinja_run *r, struct jinja_value v, bool last,
                  struct jinja_value *out)
{
    struct jinja_list *l;

    if (jinja_elements(r, v, &l))
        return -1;
    *out = l->n ? l->v[last ? l->n - 1 : 0] : jinja_undefined;
    return 0;
}

static int to_json(struct jinja_run *r, struct jinja_value v,
                   const struct jinja_arguments *args, struct jinja_value *out)
{
    struct jinja_value width =
        jinja_argument(args, SIZE_MAX, "indent", jinja_none);
    struct jinja_writer w = { .arena = &r->arena };
    int64_t n = width.kind == JINJA_INT ? width.number : -1;

    if (args->list->n || n > 100)
        return jinja_fail(r, "tojson takes indent=0 to 100");
    if (jinja_to_json(r, &w, v, n, 0))
        return -1;
    *out = jinja_string(jinja_written(&w));
    return 0;
}

/* Filters of texts. */
static int of_text(struct jinja_run *r, int number, struct jinja_value v,
                   const struct jinja_arguments *args, struct jinja_value *out)
{
    struct jinja_text text;

    switch (number) {
    case FILTER_LOWER:
        return by_method(r, "lower", v, args, out);
    case FILTER_UPPER:
        return by_method(r, "upper", v, args, out);
    case FILTER_TRIM:
        return by_method(r, "strip", v, args, out);
    case FILTER_REPLACE:
        return by_method(r, "replace", v, args, out);
    case FILTER_INDENT:
        return indent(r, v, args, out);
    case FILTER_TOJSON:
        return to_json(r, v, args, out);
    default: /* string, safe */
        if (jinja_to_text(r, v, &text))
            return -1;
        *out = jinja_string(text);
        return 0;
    }
}

int jinja_filter(struct jinja_run *r, int number, struct jinja_value v,
                 const struct jinja_arguments *args, struct jinja_value *out)
{
    struct jinja_list *l;

    switch (number) {
    case FILTER_D:
    case FILTER_DEFAULT:
        *out = v;
        if (v.kind == JINJA_UNDEFINED ||
            (jinja_true(jinja_argument(args, 1, "boolean", jinja_none)) &&
             !jinja_true(v)))
            *out = jinja_argument(args, 0, "default_value",
                                  jinja_string(jinja_literal("")));
        return 0;
    case FILTER_COUNT:
    case FILTER_LENGTH:
        *out = jinja_int((int64_t)jinja_length(v));
        return 0;
    case FILTER_FIRST:
    case FILTER_LAST:
        return end_of(r, v, number == FILTER_LAST, out);
    case FILTER_LIST:
        if (jinja_elements(r, v, &l))
            return -1;
        *out = (struct jinja_value){ .kind = JINJA_LIST, .list = l };
        return 0;
    case FILTER_ITEMS:
        return items(r, v, out);
    case FILTER_JOIN:
        return join(r, v, args, out);
    case FILTER_MAP:
        return map(r, v, args, out);
    case FILTER_UNIQUE:
        return unique(r, v, out);
    case FILTER_SELECT:
    case FILTER_SELECTATTR:
    case FILTER_REJECT:
    case FILTER_REJECTATTR:
        return choose(r, number, v, args, out);
    default:
        return of_text(r, number, v, args, out);
    }
}
