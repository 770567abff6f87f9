/*
 * Expressions of a template to a tree, by recursive descent.
 */
#include <config.h>

#include "text/jinja_parser_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define MAX_NODES 200000u

static struct jinja_node *unary(struct jinja_parser *p, bool with_filters);

struct jinja_node *jinja_parse_fail(struct jinja_parser *p, const char *what,
                                    struct jinja_text name)
{
    err_set(p->err, ERR_INPUT, "the chat template, line %u: %s%s%.*s%s",
            p->at->line, what, name.n ? " \"" : "",
            (int)(name.n < 60 ? name.n : 60), name.n ? name.s : "",
            name.n ? "\"" : "");
    return NULL;
}

struct jinja_node *jinja_parse_fail_here(struct jinja_parser *p,
                                         const char *what)
{
    switch (p->at->kind) { /* those without a text of their own */
    case TOKEN_END:
        return jinja_parse_fail(p, what, jinja_literal("the end"));
    case TOKEN_PRINT:
        return jinja_parse_fail(p, what, jinja_literal("{{"));
    case TOKEN_PRINT_END:
        return jinja_parse_fail(p, what, jinja_literal("}}"));
    case TOKEN_TAG:
        return jinja_parse_fail(p, what, jinja_literal("{%"));
    case TOKEN_TAG_END:
        return jinja_parse_fail(p, what, jinja_literal("%}"));
    default:
        return jinja_parse_fail(p, what, p->at->text);
    }
}

struct jinja_node *jinja_make(struct jinja_parser *p, enum jinja_node_kind kind)
{
    struct jinja_node *n;

    if (++p->n_nodes > MAX_NODES)
        return jinja_parse_fail_here(p, "too long");
    n = jinja_alloc(&p->t->arena, sizeof(*n));
    n->kind = kind;
    n->line = p->at->line;
    n->made = p->t->made;
    p->t->made = n;
    return n;
}

bool jinja_is_sign(const struct jinja_parser *p, const char *s)
{
    return p->at->kind == TOKEN_SIGN && jinja_is(p->at->text, s);
}

bool jinja_is_name(const struct jinja_parser *p, const char *s)
{
    return p->at->kind == TOKEN_NAME && jinja_is(p->at->text, s);
}

bool jinja_take_sign(struct jinja_parser *p, const char *s)
{
    if (!jinja_is_sign(p, s))
        return false;
    p->at++;
    return true;
}

bool jinja_take_name(struct jinja_parser *p, const char *s)
{
    if (!jinja_is_name(p, s))
        return false;
    p->at++;
    return true;
}

bool jinja_need_sign(struct jinja_parser *p, const char *s)
{
    if (jinja_take_sign(p, s))
        return true;
    err_set(p->err, ERR_INPUT, "the chat template, line %u: \"%s\" expected",
            p->at->line, s);
    return false;
}

bool jinja_enter(struct jinja_parser *p)
{
    if (++p->depth <= JINJA_MAX_DEPTH)
        return true;
    jinja_parse_fail(p, "nested too deeply", jinja_literal(""));
    return false;
}

/* ---- expressions -------------------------------------------------------- */

struct jinja_node *jinja_value_node(struct jinja_parser *p,
                                    struct jinja_value v)
{
    struct jinja_node *n = jinja_make(p, NODE_VALUE);

    if (n)
        n->value = v;
    return n;
}

/* Expressions up to `end`, with or without names; pairs in *out. */
static bool arguments(struct jinja_parser *p, const char *end,
                      struct jinja_node **out)
{
    struct jinja_node **tail = out, *n;

    *out = NULL;
    while (!jinja_take_sign(p, end)) {
        n = jinja_make(p, NODE_PAIR);
        if (!n)
            return false;
        if (jinja_is_sign(p, "*") || jinja_is_sign(p, "**")) {
            jinja_parse_fail_here(p, "arguments by");
            return false;
        }
        if (p->at->kind == TOKEN_NAME && p->at[1].kind == TOKEN_SIGN &&
            jinja_is(p->at[1].text, "=")) {
            n->name = p->at->text;
            p->at += 2;
        }
        n->b = jinja_expression(p);
        if (!n->b)
            return false;
        *tail = n;
        tail = &n->next;
        if (!jinja_is_sign(p, end) && !jinja_need_sign(p, ","))
            return false;
    }
    return true;
}

/* The elements of a list or a tuple, of which the first may be read. */
static struct jinja_node *elements(struct jinja_parser *p, const char *end,
                                   struct jinja_node *first)
{
    struct jinja_node *list = jinja_make(p, NODE_LIST), **tail, *n = first;

    if (!list)
        return NULL;
    tail = &list->a;
    if (n) {
        *tail = n;
        tail = &n->next;
    }
    while (!jinja_take_sign(p, end)) {
        n = jinja_make(p, NODE_PAIR);
        if (!n || !(n->b = jinja_expression(p)))
            return NULL;
        *tail = n;
        tail = &n->next;
        if (!jinja_is_sign(p, end) && !jinja_need_sign(p, ","))
            return NULL;
    }
    return list;
}

static struct jinja_node *map(struct jinja_parser *p)
{
    struct jinja_node *map = jinja_make(p, NODE_MAP), **tail, *n;

    if (!map)
        return NULL;
    tail = &map->a;
    while (!jinja_take_sign(p, "}")) {
        n = jinja_make(p, NODE_PAIR);
        if (!n || !(n->a = jinja_expression(p)) || !jinja_need_sign(p, ":") ||
            !(n->b = jinja_expression(p)))
            return NULL;
        *tail = n;
        tail = &n->next;
        if (!jinja_is_sign(p, "}") && !jinja_need_sign(p, ","))
            return NULL;
    }
    return map;
}

/* ( .. ): an expression, or a tuple, which is a list here. */
static struct jinja_node *group(struct jinja_parser *p)
{
    struct jinja_node *n, *pair;

    if (jinja_is_sign(p, ")"))
        return elements(p, ")", NULL);
    n = jinja_expression(p);
    if (!n || jinja_take_sign(p, ")"))
        return n;
    if (!jinja_need_sign(p, ",") || !(pair = jinja_make(p, NODE_PAIR)))
        return NULL;
    pair->b = n;
    return elements(p, ")", pair);
}

static struct jinja_node *string(struct jinja_parser *p)
{
    struct jinja_writer w = { .arena = &p->t->arena };
    struct jinja_text text = p->at->text;

    for (p->at++; p->at->kind == TOKEN_STRING; p->at++) {
        if (w.n == 0)
            jinja_write(&w, text);
        jinja_write(&w, p->at->text);
        text = jinja_written(&w);
    }
    text.from_user = NULL;
    return jinja_value_node(p, jinja_string(text));
}

static struct jinja_node *literal(struct jinja_parser *p)
{
    static const struct {
        const char *name;
        struct jinja_value value;
    } known[] = {
        { "true", { .kind = JINJA_BOOL, .truth = true } },
        { "True", { .kind = JINJA_BOOL, .truth = true } },
        { "false", { .kind = JINJA_BOOL } },
        { "False", { .kind = JINJA_BOOL } },
        { "none", { .kind = JINJA_NONE } },
        { "None", { .kind = JINJA_NONE } },
    };
    struct jinja_node *n;

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (jinja_take_name(p, known[i].name))
            return jinja_value_node(p, known[i].value);
    n = jinja_make(p, NODE_NAME);
    if (n)
        n->name = p->at++->text;
    return n;
}

static struct jinja_value number_literal(struct jinja_parser *p)
{
    char *copy = jinja_alloc(&p->t->arena, p->at->text.n + 1);

    memcpy(copy, p->at->text.s, p->at->text.n);
    if (p->at->kind == TOKEN_INT)
        return jinja_int(strtoll(copy, NULL, 10));
    return (struct jinja_value){ .kind = JINJA_FLOAT,
                                 .text = jinja_literal(copy) };
}

static struct jinja_node *primary(struct jinja_parser *p)
{
    struct jinja_value v;

    switch (p->at->kind) {
    case TOKEN_STRING:
        return string(p);
    case TOKEN_INT:
    case TOKEN_FLOAT:
        v = number_literal(p);
        p->at++;
        return jinja_value_node(p, v);
    case TOKEN_NAME:
        return literal(p);
    case TOKEN_SIGN:
        if (jinja_take_sign(p, "("))
            return group(p);
        if (jinja_take_sign(p, "["))
            return elements(p, "]", NULL);
        if (jinja_take_sign(p, "{"))
            return map(p);
        break;
    default:
        break;
    }
    return jinja_parse_fail_here(p, "an expression expected instead of");
}

/* x[..]: an item, or a slice of up to three bounds in b, c and d. */
static struct jinja_node *subscript(struct jinja_parser *p,
                                    struct jinja_node *of)
{
    struct jinja_node *n = jinja_make(p, NODE_ITEM), **bound[3];
    size_t i = 0;

    if (!n)
        return NULL;
    n->a = of;
    bound[0] = &n->b;
    bound[1] = &n->c;
    bound[2] = &n->d;
    while (!jinja_take_sign(p, "]")) {
        if (jinja_take_sign(p, ":")) {
            n->kind = NODE_SLICE;
            if (++i == 3)
                return jinja_parse_fail_here(p, "too many bounds before");
        } else if (*bound[i] || !(*bound[i] = jinja_expression(p))) {
            return p->err->code
                       ? NULL
                       : jinja_parse_fail_here(p, "\"]\" expected before");
        }
    }
    if (n->kind == NODE_ITEM && !n->b)
        return jinja_parse_fail_here(p, "an empty index before");
    return n;
}

/* x.name or x.name(..). */
static struct jinja_node *attribute(struct jinja_parser *p,
                                    struct jinja_node *of)
{
    struct jinja_node *n;

    if (p->at->kind != TOKEN_NAME)
        return jinja_parse_fail_here(p,
                                     "a name expected after \".\" instead of");
    n = jinja_make(p, NODE_ATTRIBUTE);
    if (!n)
        return NULL;
    n->a = of;
    n->name = p->at++->text;
    if (!jinja_is_sign(p, "("))
        return n;
    n->kind = NODE_METHOD;
    n->number = jinja_method_number(n->name);
    if (n->number < 0)
        return jinja_parse_fail(p, "unknown method", n->name);
    p->at++;
    return arguments(p, ")", &n->b) ? n : NULL;
}

/* name(..): a function of Jinja's, or a macro. */
static struct jinja_node *call(struct jinja_parser *p, struct jinja_node *of)
{
    struct jinja_node *n = jinja_make(p, NODE_CALL);

    if (!n)
        return NULL;
    if (of->kind != NODE_NAME)
        return jinja_parse_fail_here(p, "a call of what has no name, before");
    n->name = of->name;
    n->number = jinja_function_number(of->name);
    n->d = p->calls;
    p->calls = n;
    p->at++;
    return arguments(p, ")", &n->b) ? n : NULL;
}

static struct jinja_node *postfix(struct jinja_parser *p, struct jinja_node *n)
{
    while (n) {
        if (jinja_take_sign(p, "."))
            n = attribute(p, n);
        else if (jinja_take_sign(p, "["))
            n = subscript(p, n);
        else if (jinja_is_sign(p, "("))
            n = call(p, n);
        else
            break;
    }
    return n;
}

/* The text that argument i of a filter is, NULL if it is not a text. */
static const struct jinja_node *text_argument(const struct jinja_node *filter,
                                              size_t i)
{
    const struct jinja_node *arg = filter->b;

    while (arg && i-- > 0)
        arg = arg->next;
    if (!arg || arg->name.n > 0 || !arg->b || arg->b->kind != NODE_VALUE ||
        arg->b->value.kind != JINJA_STRING)
        return NULL;
    return arg->b;
}

/* map, select and the like name a filter or a test in a text. */
static bool names_known(struct jinja_parser *p, const struct jinja_node *n)
{
    bool by_attribute = jinja_is(n->name, "selectattr") ||
                        jinja_is(n->name, "rejectattr");
    const struct jinja_node *v = NULL;

    if (jinja_is(n->name, "map")) {
        v = text_argument(n, 0);
        if (v && jinja_filter_number(v->value.text) < 0)
            return jinja_parse_fail(p, "unknown filter", v->value.text);
    } else if (by_attribute || jinja_is(n->name, "select") ||
               jinja_is(n->name, "reject")) {
        v = text_argument(n, by_attribute);
        if (v && jinja_test_number(v->value.text) < 0)
            return jinja_parse_fail(p, "unknown test", v->value.text);
    }
    return true;
}

struct jinja_node *jinja_parse_filter(struct jinja_parser *p,
                                      struct jinja_node *of)
{
    struct jinja_node *n = jinja_make(p, NODE_FILTER);

    if (!n)
        return NULL;
    n->a = of;
    n->name = p->at->text;
    if (p->at->kind != TOKEN_NAME)
        return jinja_parse_fail_here(p, "a filter expected instead of");
    n->number = jinja_filter_number(n->name);
    if (n->number < 0)
        return jinja_parse_fail(p, "unknown filter", n->name);
    p->at++;
    if (jinja_take_sign(p, "(") && !arguments(p, ")", &n->b))
        return NULL;
    return names_known(p, n) ? n : NULL;
}

/* Whether an argument of a test follows without parentheses. */
static bool begins_argument(const struct jinja_parser *p)
{
    if (p->at->kind == TOKEN_NAME)
        return !jinja_is_name(p, "else") && !jinja_is_name(p, "or") &&
               !jinja_is_name(p, "and") && !jinja_is_name(p, "is") &&
               !jinja_is_name(p, "if") && !jinja_is_name(p, "in") &&
               !jinja_is_name(p, "not");
    return p->at->kind == TOKEN_STRING || p->at->kind == TOKEN_INT ||
           p->at->kind == TOKEN_FLOAT || jinja_is_sign(p, "[") ||
           jinja_is_sign(p, "{");
}

/* is [not] name [argument]. */
static struct jinja_node *test(struct jinja_parser *p, struct jinja_node *of)
{
    struct jinja_node *n = jinja_make(p, NODE_TEST);

    if (!n)
        return NULL;
    n->a = of;
    n->negated = jinja_take_name(p, "not");
    n->name = p->at->text;
    if (p->at->kind != TOKEN_NAME)
        return jinja_parse_fail_here(p, "a test expected instead of");
    n->number = jinja_test_number(n->name);
    if (n->number < 0)
        return jinja_parse_fail(p, "unknown test", n->name);
    p->at++;
    if (jinja_take_sign(p, "("))
        return arguments(p, ")", &n->b) ? n : NULL;
    if (!begins_argument(p))
        return n;
    n->b = jinja_make(p, NODE_PAIR);
    if (!n->b)
        return NULL;
    n->b->b = postfix(p, primary(p));
    return n->b->b ? n : NULL;
}

static struct jinja_node *unary(struct jinja_parser *p, bool with_filters)
{
    struct jinja_node *n;

    if (!jinja_enter(p))
        return NULL;
    if (jinja_take_sign(p, "-")) {
        n = jinja_make(p, NODE_NEGATE);
        if (n && !(n->a = unary(p, false)))
            return NULL;
    } else if (jinja_take_sign(p, "+")) {
        n = unary(p, false);
    } else {
        n = primary(p);
    }
    n = n ? postfix(p, n) : NULL;
    while (n && with_filters) {
        if (jinja_take_sign(p, "|"))
            n = jinja_parse_filter(p, n);
        else if (jinja_take_name(p, "is"))
            n = test(p, n);
        else
            break;
    }
    p->depth--;
    return n;
}

/* The operators by how tightly they bind, the loosest first. */
#define LEVELS 4
static const struct {
    const char *sign;
    int level;
    enum jinja_operator op;
} operators[] = {
    { "==", 0, OP_EQUAL },  { "!=", 0, OP_UNEQUAL },
    { "<", 0, OP_LESS },    { "<=", 0, OP_LESS_EQUAL },
    { ">", 0, OP_GREATER }, { ">=", 0, OP_GREATER_EQUAL },
    { "+", 1, OP_ADD },     { "-", 1, OP_SUBTRACT },
    { "~", 2, OP_JOIN },    { "*", 3, OP_TIMES },
    { "//", 3, OP_DIVIDE }, { "%", 3, OP_MODULO },
};

/* Take an operator of this level: its number, or -1. */
static int take_operator(struct jinja_parser *p, int level)
{
    if (level == 0 && jinja_take_name(p, "in"))
        return OP_IN;
    if (level == 0 && jinja_is_name(p, "not") && p->at[1].kind == TOKEN_NAME &&
        jinja_is(p->at[1].text, "in")) {
        p->at += 2;
        return OP_NOT_IN;
    }
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
        if (operators[i].level == level &&
            jinja_take_sign(p, operators[i].sign))
            return (int)operators[i].op;
    return -1;
}

static struct jinja_node *binary(struct jinja_parser *p, int level)
{
    struct jinja_node *n, *x;
    int op;

    if (level == LEVELS)
        return unary(p, true);
    x = binary(p, level + 1);
    while (x && (op = take_operator(p, level)) >= 0) {
        n = jinja_make(p, NODE_BINARY);
        if (!n)
            return NULL;
        n->number = op;
        n->a = x;
        n->b = binary(p, level + 1);
        x = n->b ? n : NULL;
        if (x && level == 0 &&
            (jinja_is_sign(p, "==") || jinja_is_sign(p, "<")))
            return jinja_parse_fail_here(p, "a chain of comparisons at");
    }
    return x;
}

static struct jinja_node *negation(struct jinja_parser *p)
{
    struct jinja_node *n;

    if (!jinja_take_name(p, "not"))
        return binary(p, 0);
    if (!jinja_enter(p))
        return NULL;
    n = jinja_make(p, NODE_NOT);
    if (n && !(n->a = negation(p)))
        n = NULL;
    p->depth--;
    return n;
}

static struct jinja_node *logic(struct jinja_parser *p, bool both)
{
    struct jinja_node *x = both ? negation(p) : logic(p, true), *n;

    while (x && jinja_take_name(p, both ? "and" : "or")) {
        n = jinja_make(p, both ? NODE_AND : NODE_OR);
        if (!n)
            return NULL;
        n->a = x;
        n->b = both ? negation(p) : logic(p, true);
        x = n->b ? n : NULL;
    }
    return x;
}

struct jinja_node *jinja_logic(struct jinja_parser *p)
{
    return logic(p, false);
}

/* x if y else z */
struct jinja_node *jinja_expression(struct jinja_parser *p)
{
    struct jinja_node *x, *n;

    if (!jinja_enter(p))
        return NULL;
    x = logic(p, false);
    while (x && jinja_take_name(p, "if")) {
        n = jinja_make(p, NODE_CHOICE);
        if (!n)
            return NULL;
        n->b = x;
        n->a = logic(p, false);
        if (!n->a ||
            (jinja_take_name(p, "else") && !(n->c = jinja_expression(p))))
            return NULL;
        x = n;
    }
    p->depth--;
    return x;
}

struct jinja_node *jinja_expressions(struct jinja_parser *p)
{
    struct jinja_node *x = jinja_expression(p), *list, **tail;

    if (!x || !jinja_is_sign(p, ","))
        return x;
    list = jinja_make(p, NODE_LIST);
    if (!list)
        return NULL;
    tail = &list->a;
    do {
        *tail = jinja_make(p, NODE_PAIR);
        if (!*tail)
            return NULL;
        (*tail)->b = x;
        tail = &(*tail)->next;
        if (p->at->kind == TOKEN_TAG_END)
            break;
        x = jinja_take_sign(p, ",") ? jinja_expression(p) : NULL;
    } while (x && jinja_is_sign(p, ","));
    if (x) {
        *tail = jinja_make(p, NODE_PAIR);
        if (!*tail)
            return NULL;
        (*tail)->b = x;
    }
    return p->err->code ? NULL : list;
}
