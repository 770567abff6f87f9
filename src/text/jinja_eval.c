/*
 * Expressions of a template, evaluated.
 */
#include <config.h>

#include "text/jinja_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8_read.h"

/* ---- names and members -------------------------------------------------- */

static struct jinja_value look_up(const struct jinja_run *r,
                                  struct jinja_text name)
{
    for (const struct jinja_scope *s = r->scope; s; s = s->parent) {
        const struct jinja_value *v = jinja_find(s->variables, name);

        if (v)
            return *v;
    }
    /* a function, as what has no macro; that of the date if there is one */
    if (jinja_function_number(name) >= 0 &&
        (r->date || !jinja_is(name, "strftime_now")))
        return (struct jinja_value){ .kind = JINJA_MACRO };
    return jinja_undefined;
}

/* Byte offset of code point i of a text, or its length. */
static size_t offset(struct jinja_text t, size_t i)
{
    size_t at = 0;
    int len;

    while (i-- > 0 && at < t.n) {
        len = utf8_next(t.s + at, t.n - at, NULL);
        at += (size_t)(len < 0 ? -len : len);
    }
    return at < t.n ? at : t.n;
}

static size_t code_points(struct jinja_text t)
{
    size_t n = 0;

    for (size_t i = 0; i < t.n; i++)
        n += ((unsigned char)t.s[i] & 0xc0) != 0x80;
    return n;
}

size_t jinja_length(struct jinja_value v)
{
    switch (v.kind) {
    case JINJA_STRING:
        return code_points(v.text);
    case JINJA_LIST:
        return v.list->n;
    case JINJA_MAP:
        return v.map->n;
    default:
        return 0;
    }
}

/* Element i of a list or a text, from the end if it is negative. */
static int item(struct jinja_run *r, struct jinja_value v, int64_t i,
                struct jinja_value *out)
{
    int64_t n = (int64_t)jinja_length(v);
    size_t at;

    *out = jinja_undefined;
    if (i < 0)
        i += n;
    if (i < 0 || i >= n)
        return 0;
    if (v.kind == JINJA_LIST) {
        *out = v.list->v[i];
        return 0;
    }
    at = offset(v.text, (size_t)i);
    *out = jinja_string(
        jinja_part(v.text, at, offset(v.text, (size_t)i + 1) - at));
    return jinja_step(r, v.text.n / 64);
}

int jinja_member(struct jinja_run *r, struct jinja_value v,
                 struct jinja_value key, struct jinja_value *out)
{
    const struct jinja_value *found;

    *out = jinja_undefined;
    switch (v.kind) {
    case JINJA_UNDEFINED:
        if (key.kind == JINJA_STRING)
            return jinja_fail(r, "\"%.*s\" of what is not defined",
                              (int)(key.text.n < 60 ? key.text.n : 60),
                              key.text.s);
        return jinja_fail(r, "an item of what is not defined");
    case JINJA_MAP:
        if (jinja_step(r, v.map->n / 64))
            return -1;
        found = key.kind == JINJA_STRING ? jinja_find(v.map, key.text) : NULL;
        if (found)
            *out = *found;
        return 0;
    case JINJA_LIST:
    case JINJA_STRING:
        return key.kind == JINJA_INT ? item(r, v, key.number, out) : 0;
    default:
        return 0;
    }
}

/* ---- slices ------------------------------------------------------------- */

/* A bound as Python clamps it: to 0..n, or to -1..n-1 going backwards. */
static int64_t clamp(int64_t at, int64_t n, bool back)
{
    if (at < 0)
        at += n;
    if (at < 0)
        return back ? -1 : 0;
    return at >= n ? (back ? n - 1 : n) : at;
}

static int bounds(struct jinja_run *r, const struct jinja_value bound[3],
                  int64_t n, int64_t *from, int64_t *to, int64_t *by)
{
    for (int i = 0; i < 3; i++)
        if (bound[i].kind != JINJA_UNDEFINED && bound[i].kind != JINJA_NONE &&
            bound[i].kind != JINJA_INT)
            return jinja_fail(r, "a bound of a slice is not an integer");
    *by = bound[2].kind == JINJA_INT ? bound[2].number : 1;
    if (*by == 0 || *by > INT32_MAX || *by < -INT32_MAX)
        return jinja_fail(r, "the step of a slice is out of range");
    *from = bound[0].kind == JINJA_INT ? clamp(bound[0].number, n, *by < 0)
            : *by < 0                  ? n - 1
                                       : 0;
    *to = bound[1].kind == JINJA_INT ? clamp(bound[1].number, n, *by < 0)
          : *by < 0                  ? -1
                                     : n;
    return 0;
}

static int slice_list(struct jinja_run *r, const struct jinja_list *l,
                      int64_t from, int64_t to, int64_t by,
                      struct jinja_value *out)
{
    *out = jinja_new_list(&r->arena);
    for (; by > 0 ? from < to : from > to; from += by) {
        if (jinja_step(r, 1))
            return -1;
        jinja_push(&r->arena, out->list, l->v[from]);
    }
    return 0;
}

static int slice_text(struct jinja_run *r, struct jinja_text t, int64_t from,
                      int64_t to, int64_t by, struct jinja_value *out)
{
    struct jinja_writer w = { .arena = &r->arena };
    struct jinja_value one;
    size_t at;

    if (jinja_step(r, t.n / 16))
        return -1;
    if (by == 1) {
        at = offset(t, (size_t)from);
        *out = jinja_string(
            jinja_part(t, at, from < to ? offset(t, (size_t)to) - at : 0));
        return 0;
    }
    for (; by > 0 ? from < to : from > to; from += by) {
        if (item(r, jinja_string(t), from, &one) || jinja_step(r, t.n / 64 + 1))
            return -1;
        jinja_write(&w, one.text);
    }
    *out = jinja_string(jinja_written(&w));
    return 0;
}

int jinja_slice(struct jinja_run *r, struct jinja_value v,
                const struct jinja_value bound[3], struct jinja_value *out)
{
    int64_t from = 0, to = 0, by = 1;

    if (v.kind != JINJA_LIST && v.kind != JINJA_STRING)
        return jinja_fail(r, "a slice of what is neither list nor string");
    if (bounds(r, bound, (int64_t)jinja_length(v), &from, &to, &by))
        return -1;
    return v.kind == JINJA_LIST ? slice_list(r, v.list, from, to, by, out)
                                : slice_text(r, v.text, from, to, by, out);
}

int jinja_elements(struct jinja_run *r, struct jinja_value v,
                   struct jinja_list **out)
{
    struct jinja_list *l = jinja_new_list(&r->arena).list;
    size_t at, next;

    *out = l;
    if (jinja_step(r, jinja_length(v)))
        return -1;
    switch (v.kind) {
    case JINJA_UNDEFINED:
        return 0;
    case JINJA_LIST:
        for (size_t i = 0; i < v.list->n; i++)
            jinja_push(&r->arena, l, v.list->v[i]);
        return 0;
    case JINJA_MAP:
        for (size_t i = 0; i < v.map->n; i++)
            jinja_push(&r->arena, l, jinja_string(v.map->key[i]));
        return 0;
    case JINJA_STRING:
        for (at = 0; at < v.text.n; at = next) {
            next = at + offset(jinja_part(v.text, at, v.text.n - at), 1);
            jinja_push(&r->arena, l,
                       jinja_string(jinja_part(v.text, at, next - at)));
        }
        return 0;
    default:
        return jinja_fail(r, "a loop over what has no elements");
    }
}

/* ---- operators ---------------------------------------------------------- */

static int integer(struct jinja_run *r, enum jinja_operator op, int64_t x,
                   int64_t y, struct jinja_value *out)
{
    int64_t n = 0;
    bool over = false;

    switch (op) {
    case OP_ADD:
        over = __builtin_add_overflow(x, y, &n);
        break;
    case OP_SUBTRACT:
        over = __builtin_sub_overflow(x, y, &n);
        break;
    case OP_TIMES:
        over = __builtin_mul_overflow(x, y, &n);
        break;
    default: /* rounded down, as in Python */
        if (y == 0 || (x == INT64_MIN && y == -1))
            return jinja_fail(r, "a division by zero");
        n = x / y - (x % y != 0 && (x < 0) != (y < 0));
        if (op == OP_MODULO)
            n = x - n * y;
    }
    if (over)
        return jinja_fail(r, "an integer is too large");
    *out = jinja_int(n);
    return 0;
}

static int repeat(struct jinja_run *r, struct jinja_text t, int64_t n,
                  struct jinja_value *out)
{
    struct jinja_writer w = { .arena = &r->arena };

    for (; n > 0 && t.n > 0; n--) {
        if (jinja_step(r, 1 + t.n / 64))
            return -1;
        jinja_write(&w, t);
    }
    *out = jinja_string(jinja_written(&w));
    return 0;
}

static int concatenate(struct jinja_run *r, struct jinja_value x,
                       struct jinja_value y, struct jinja_value *out)
{
    struct jinja_writer w = { .arena = &r->arena };

    if (jinja_print(r, &w, x) || jinja_print(r, &w, y) ||
        jinja_step(r, w.n / 64))
        return -1;
    *out = jinja_string(jinja_written(&w));
    return 0;
}

static int join_lists(struct jinja_run *r, const struct jinja_list *x,
                      const struct jinja_list *y, struct jinja_value *out)
{
    *out = jinja_new_list(&r->arena);
    if (jinja_step(r, x->n + y->n))
        return -1;
    for (size_t i = 0; i < x->n; i++)
        jinja_push(&r->arena, out->list, x->v[i]);
    for (size_t i = 0; i < y->n; i++)
        jinja_push(&r->arena, out->list, y->v[i]);
    return 0;
}

static const char *kind_name(struct jinja_value v)
{
    static const char *const names[] = { "what is not defined",
                                         "none",
                                         "a boolean",
                                         "an integer",
                                         "a number",
                                         "a string",
                                         "a list",
                                         "a mapping",
                                         "a macro" };

    return names[v.kind];
}

static int arithmetic(struct jinja_run *r, enum jinja_operator op,
                      struct jinja_value x, struct jinja_value y,
                      struct jinja_value *out)
{
    if (x.kind == JINJA_INT && y.kind == JINJA_INT)
        return integer(r, op, x.number, y.number, out);
    if (op == OP_ADD && x.kind == JINJA_STRING && y.kind == JINJA_STRING)
        return concatenate(r, x, y, out);
    if (op == OP_ADD && x.kind == JINJA_LIST && y.kind == JINJA_LIST)
        return join_lists(r, x.list, y.list, out);
    if (op == OP_TIMES && x.kind == JINJA_STRING && y.kind == JINJA_INT)
        return repeat(r, x.text, y.number, out);
    if (op == OP_TIMES && x.kind == JINJA_INT && y.kind == JINJA_STRING)
        return repeat(r, y.text, x.number, out);
    return jinja_fail(r, "cannot compute with %s and %s", kind_name(x),
                      kind_name(y));
}

static int contains(struct jinja_run *r, struct jinja_value x,
                    struct jinja_value y, bool *out)
{
    *out = false;
    if (jinja_step(
            r, (y.kind == JINJA_STRING ? y.text.n / 64 : jinja_length(y)) + 1))
        return -1;
    switch (y.kind) {
    case JINJA_UNDEFINED:
        return 0;
    case JINJA_STRING:
        if (x.kind != JINJA_STRING)
            return jinja_fail(r, "cannot look for %s in a string",
                              kind_name(x));
        *out = x.text.n == 0 ||
               (y.text.n > 0 &&
                memmem(y.text.s, y.text.n, x.text.s, x.text.n) != NULL);
        return 0;
    case JINJA_LIST:
        for (size_t i = 0; i < y.list->n && !*out; i++)
            *out = jinja_equal(x, y.list->v[i]);
        return 0;
    case JINJA_MAP:
        *out = x.kind == JINJA_STRING && jinja_find(y.map, x.text) != NULL;
        return 0;
    default:
        return jinja_fail(r, "cannot look for anything in %s", kind_name(y));
    }
}

/* -1, 0 or 1 in *out. */
static int order(struct jinja_run *r, struct jinja_value x,
                 struct jinja_value y, int *out)
{
    size_t n = x.text.n < y.text.n ? x.text.n : y.text.n;

    if (x.kind == JINJA_INT && y.kind == JINJA_INT) {
        *out = (x.number > y.number) - (x.number < y.number);
    } else if (x.kind == JINJA_STRING && y.kind == JINJA_STRING) {
        *out = n ? memcmp(x.text.s, y.text.s, n) : 0;
        if (*out == 0)
            *out = (x.text.n > y.text.n) - (x.text.n < y.text.n);
    } else {
        return jinja_fail(r, "cannot order %s and %s", kind_name(x),
                          kind_name(y));
    }
    return 0;
}

int jinja_binary(struct jinja_run *r, enum jinja_operator op,
                 struct jinja_value x, struct jinja_value y,
                 struct jinja_value *out)
{
    bool yes = false;
    int c = 0;

    switch (op) {
    case OP_EQUAL:
    case OP_UNEQUAL:
        *out = jinja_bool(jinja_equal(x, y) == (op == OP_EQUAL));
        return jinja_step(r, x.kind == JINJA_STRING ? x.text.n / 64
                                                    : jinja_length(x));
    case OP_IN:
    case OP_NOT_IN:
        if (contains(r, x, y, &yes))
            return -1;
        *out = jinja_bool(yes == (op == OP_IN));
        return 0;
    case OP_JOIN:
        return concatenate(r, x, y, out);
    case OP_LESS:
    case OP_LESS_EQUAL:
    case OP_GREATER:
    case OP_GREATER_EQUAL:
        if (order(r, x, y, &c))
            return -1;
        *out = jinja_bool(op == OP_LESS         ? c < 0
                          : op == OP_LESS_EQUAL ? c <= 0
                          : op == OP_GREATER    ? c > 0
                                                : c >= 0);
        return 0;
    default:
        return arithmetic(r, op, x, y, out);
    }
}

/* ---- the tree ----------------------------------------------------------- */

struct jinja_value jinja_argument(const struct jinja_arguments *args, size_t i,
                                  const char *name, struct jinja_value absent)
{
    const struct jinja_value *v = jinja_find(args->named, jinja_literal(name));

    if (v)
        return *v;
    return i < args->list->n ? args->list->v[i] : absent;
}

int jinja_eval_arguments(struct jinja_run *r, const struct jinja_node *n,
                         struct jinja_arguments *args)
{
    struct jinja_value v;

    args->list = jinja_new_list(&r->arena).list;
    args->named = jinja_new_map(&r->arena).map;
    for (; n; n = n->next) {
        if (jinja_eval(r, n->b, &v))
            return -1;
        if (n->name.n)
            jinja_put(&r->arena, args->named, n->name, v);
        else
            jinja_push(&r->arena, args->list, v);
    }
    return 0;
}

static int eval_list(struct jinja_run *r, const struct jinja_node *n,
                     struct jinja_value *out)
{
    struct jinja_value v;

    *out = jinja_new_list(&r->arena);
    for (n = n->a; n; n = n->next) {
        if (jinja_eval(r, n->b, &v))
            return -1;
        jinja_push(&r->arena, out->list, v);
    }
    return 0;
}

static int eval_map(struct jinja_run *r, const struct jinja_node *n,
                    struct jinja_value *out)
{
    struct jinja_value key, v;

    *out = jinja_new_map(&r->arena);
    for (n = n->a; n; n = n->next) {
        if (jinja_eval(r, n->a, &key) || jinja_eval(r, n->b, &v))
            return -1;
        if (key.kind != JINJA_STRING)
            return jinja_fail(r, "a key is not a string");
        jinja_put(&r->arena, out->map, key.text, v);
    }
    return 0;
}

static int eval_slice(struct jinja_run *r, const struct jinja_node *n,
                      struct jinja_value *out)
{
    const struct jinja_node *node[3] = { n->b, n->c, n->d };
    struct jinja_value v, bound[3];

    if (jinja_eval(r, n->a, &v))
        return -1;
    for (int i = 0; i < 3; i++) {
        bound[i] = jinja_undefined;
        if (node[i] && jinja_eval(r, node[i], &bound[i]))
            return -1;
    }
    return jinja_slice(r, v, bound, out);
}

static int eval_call(struct jinja_run *r, const struct jinja_node *n,
                     struct jinja_value *out)
{
    struct jinja_arguments args;
    struct jinja_value f;

    if (jinja_eval_arguments(r, n->b, &args))
        return -1;
    f = look_up(r, n->name);
    if (f.kind == JINJA_MACRO && f.macro)
        return jinja_call_macro(r, f.macro, &args, out);
    if (n->number < 0 || (f.kind != JINJA_UNDEFINED && f.kind != JINJA_MACRO))
        return jinja_fail(r, "\"%.*s\" cannot be called", (int)n->name.n,
                          n->name.s);
    return jinja_function(r, n->number, &args, out);
}

/* Filters, tests and methods: of a value with arguments. */
static int eval_applied(struct jinja_run *r, const struct jinja_node *n,
                        struct jinja_value *out)
{
    struct jinja_arguments args;
    struct jinja_value v;
    bool yes;

    if (jinja_eval(r, n->a, &v) || jinja_eval_arguments(r, n->b, &args))
        return -1;
    r->line = n->line;
    if (n->kind == NODE_FILTER)
        return jinja_filter(r, n->number, v, &args, out);
    if (n->kind == NODE_METHOD)
        return jinja_method(r, n->number, v, &args, out);
    if (jinja_test(r, n->number, v, &args, &yes))
        return -1;
    *out = jinja_bool(yes != n->negated);
    return 0;
}

static int eval_logic(struct jinja_run *r, const struct jinja_node *n,
                      struct jinja_value *out)
{
    if (jinja_eval(r, n->a, out))
        return -1;
    switch (n->kind) {
    case NODE_NOT:
        *out = jinja_bool(!jinja_true(*out));
        return 0;
    case NODE_OR:
        return jinja_true(*out) ? 0 : jinja_eval(r, n->b, out);
    case NODE_AND:
        return jinja_true(*out) ? jinja_eval(r, n->b, out) : 0;
    case NODE_CHOICE:
        if (jinja_true(*out))
            return jinja_eval(r, n->b, out);
        *out = jinja_undefined;
        return n->c ? jinja_eval(r, n->c, out) : 0;
    default: /* NODE_NEGATE */
        if (out->kind != JINJA_INT || out->number == INT64_MIN)
            return jinja_fail(r, "cannot negate %s", kind_name(*out));
        out->number = -out->number;
        return 0;
    }
}

static int eval(struct jinja_run *r, const struct jinja_node *n,
                struct jinja_value *out)
{
    struct jinja_value x, y;

    switch (n->kind) {
    case NODE_VALUE:
        *out = n->value;
        return 0;
    case NODE_NAME:
        *out = look_up(r, n->name);
        return 0;
    case NODE_LIST:
        return eval_list(r, n, out);
    case NODE_MAP:
        return eval_map(r, n, out);
    case NODE_ATTRIBUTE:
        return jinja_eval(r, n->a, &x)
                   ? -1
                   : jinja_member(r, x, jinja_string(n->name), out);
    case NODE_ITEM:
        return jinja_eval(r, n->a, &x) || jinja_eval(r, n->b, &y)
                   ? -1
                   : jinja_member(r, x, y, out);
    case NODE_BINARY:
        if (jinja_eval(r, n->a, &x) || jinja_eval(r, n->b, &y))
            return -1;
        r->line = n->line;
        return jinja_binary(r, (enum jinja_operator)n->number, x, y, out);
    case NODE_SLICE:
        return eval_slice(r, n, out);
    case NODE_CALL:
        return eval_call(r, n, out);
    case NODE_FILTER:
    case NODE_TEST:
    case NODE_METHOD:
        return eval_applied(r, n, out);
    default:
        return eval_logic(r, n, out);
    }
}

int jinja_eval(struct jinja_run *r, const struct jinja_node *n,
               struct jinja_value *out)
{
    int rc;

    r->line = n->line;
    if (jinja_step(r, 1))
        return -1;
    if (++r->depth > 4 * JINJA_MAX_DEPTH)
        return jinja_fail(r, "nested too deeply");
    rc = eval(r, n, out);
    r->depth--;
    return rc;
}
