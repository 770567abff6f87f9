/*
 * Statements of a template, run.
 */
#include <config.h>

#include "text/jinja_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* How a body ended, besides 0 and -1. */
enum { LEAVE_BREAK = 1, LEAVE_CONTINUE = 2 };

int jinja_fail(struct jinja_run *r, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return err_set(r->err, ERR_INPUT, "the chat template, line %u: %s", r->line,
                   text);
}

int jinja_step(struct jinja_run *r, size_t n)
{
    if (n > JINJA_MAX_STEPS - r->steps)
        return jinja_fail(r, "more than %u steps", JINJA_MAX_STEPS);
    r->steps += (unsigned)n;
    if (r->arena.used > JINJA_MAX_MEMORY)
        return jinja_fail(r, "more than %zu MiB of memory",
                          JINJA_MAX_MEMORY >> 20);
    if (r->out && r->out->n > JINJA_MAX_OUTPUT)
        return jinja_fail(r, "more than %zu MiB of output",
                          JINJA_MAX_OUTPUT >> 20);
    return 0;
}

static void set(struct jinja_run *r, struct jinja_text name,
                struct jinja_value v)
{
    jinja_put(&r->arena, r->scope->variables, name, v);
}

static void open_scope(struct jinja_run *r, struct jinja_scope *s,
                       struct jinja_scope *parent)
{
    s->parent = parent;
    s->variables = jinja_new_map(&r->arena).map;
    r->scope = s;
}

/* Set the targets of a for or a set. */
static int assign(struct jinja_run *r, const struct jinja_node *target,
                  struct jinja_value v)
{
    struct jinja_list *l;
    size_t n = 0;

    if (!target->next) {
        set(r, target->name, v);
        return 0;
    }
    if (jinja_elements(r, v, &l))
        return -1;
    for (; target; target = target->next, n++)
        if (n < l->n)
            set(r, target->name, l->v[n]);
    if (n != l->n)
        return jinja_fail(r, "%zu values for %zu names", l->n, n);
    return 0;
}

static int run_set(struct jinja_run *r, const struct jinja_node *n,
                   struct jinja_value v)
{
    struct jinja_value *of = NULL;

    if (!n->name.n)
        return assign(r, n->a, v);
    for (struct jinja_scope *s = r->scope; s && !of; s = s->parent)
        of = jinja_find(s->variables, n->a->name);
    if (!of || of->kind != JINJA_MAP || !of->map->is_namespace)
        return jinja_fail(r, "\"%.*s\" is not a namespace", (int)n->a->name.n,
                          n->a->name.s);
    jinja_put(&r->arena, of->map, n->name, v);
    return 0;
}

/* Run a body into a text of its own, and give that to filters. */
static int capture(struct jinja_run *r, const struct jinja_node *body,
                   const struct jinja_node *filters, struct jinja_value *out)
{
    struct jinja_writer w = { .arena = &r->arena }, *outer = r->out;
    struct jinja_arguments args;
    int rc;

    r->out = &w;
    rc = jinja_run_body(r, body);
    r->out = outer;
    if (rc < 0)
        return -1;
    *out = jinja_string(jinja_written(&w));
    for (; filters; filters = filters->next) {
        if (jinja_eval_arguments(r, filters->b, &args) ||
            jinja_filter(r, filters->number, *out, &args, out))
            return -1;
    }
    return rc;
}

/* ---- loops -------------------------------------------------------------- */

static void put_loop(struct jinja_run *r, struct jinja_map *loop,
                     const struct jinja_list *l, size_t i)
{
    struct {
        const char *name;
        struct jinja_value value;
    } of[] = {
        { "index", jinja_int((int64_t)i + 1) },
        { "index0", jinja_int((int64_t)i) },
        { "revindex", jinja_int((int64_t)(l->n - i)) },
        { "revindex0", jinja_int((int64_t)(l->n - i) - 1) },
        { "first", jinja_bool(i == 0) },
        { "last", jinja_bool(i + 1 == l->n) },
        { "length", jinja_int((int64_t)l->n) },
        { "depth", jinja_int(1) }, /* recursive loops are refused */
        { "depth0", jinja_int(0) },
        { "previtem", i > 0 ? l->v[i - 1] : jinja_undefined },
        { "nextitem", i + 1 < l->n ? l->v[i + 1] : jinja_undefined },
    };

    for (size_t k = 0; k < sizeof(of) / sizeof(*of); k++)
        jinja_put(&r->arena, loop, jinja_literal(of[k].name), of[k].value);
}

/* Leave out what the condition of the loop does not hold for. */
static int choose(struct jinja_run *r, const struct jinja_node *n,
                  struct jinja_list *l)
{
    struct jinja_scope scope, *outer = r->scope;
    struct jinja_value v;
    size_t kept = 0;
    int rc = 0;

    if (!n->a->b)
        return 0;
    open_scope(r, &scope, outer);
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        rc = assign(r, n->a, l->v[i]) || jinja_eval(r, n->a->b, &v) ? -1 : 0;
        if (rc == 0 && jinja_true(v))
            l->v[kept++] = l->v[i];
    }
    l->n = kept;
    r->scope = outer;
    return rc;
}

static int run_for(struct jinja_run *r, const struct jinja_node *n)
{
    struct jinja_value over, loop = jinja_new_map(&r->arena);
    struct jinja_scope scope, *outer = r->scope;
    struct jinja_list *l;
    int rc = 0;

    if (jinja_eval(r, n->b, &over) || jinja_elements(r, over, &l) ||
        choose(r, n, l))
        return -1;
    for (size_t i = 0; i < l->n && rc >= 0 && rc != LEAVE_BREAK; i++) {
        open_scope(r, &scope, outer);
        put_loop(r, loop.map, l, i);
        set(r, jinja_literal("loop"), loop);
        rc = assign(r, n->a, l->v[i]) ? -1 : jinja_run_body(r, n->c);
    }
    r->scope = outer;
    if (rc >= 0 && l->n == 0 && n->d)
        return jinja_run_body(r, n->d);
    return rc < 0 ? -1 : 0;
}

/* ---- macros and functions ----------------------------------------------- */

int jinja_call_macro(struct jinja_run *r, const struct jinja_node *macro,
                     const struct jinja_arguments *args,
                     struct jinja_value *out)
{
    struct jinja_scope scope, *outer = r->scope;
    size_t i = 0, used = 0;
    int rc = 0;

    if (++r->depth > 4 * JINJA_MAX_DEPTH)
        return jinja_fail(r, "nested too deeply");
    open_scope(r, &scope, r->top);
    for (const struct jinja_node *p = macro->a; p && rc == 0; p = p->next) {
        const struct jinja_value *named = jinja_find(args->named, p->name);
        struct jinja_value v = jinja_undefined;

        used += named != NULL;
        if (i < args->list->n)
            v = args->list->v[i];
        else if (named)
            v = *named;
        else if (p->b)
            rc = jinja_eval(r, p->b, &v);
        set(r, p->name, v);
        i++;
    }
    if (rc == 0 && (i < args->list->n || used < args->named->n))
        rc = jinja_fail(r, "too many arguments for \"%.*s\"",
                        (int)macro->name.n, macro->name.s);
    if (rc == 0)
        rc = capture(r, macro->c, NULL, out);
    r->scope = outer;
    r->depth--;
    return rc < 0 ? -1 : 0;
}

enum { FUNCTION_NAMESPACE, FUNCTION_RAISE, FUNCTION_RANGE, FUNCTION_STRFTIME };

int jinja_function_number(struct jinja_text name)
{
    static const char *const names[] = { "namespace", "raise_exception",
                                         "range", "strftime_now" };

    for (int i = 0; i < (int)(sizeof(names) / sizeof(*names)); i++)
        if (jinja_is(name, names[i]))
            return i;
    return -1;
}

static int make_namespace(struct jinja_run *r,
                          const struct jinja_arguments *args,
                          struct jinja_value *out)
{
    struct jinja_value from = jinja_argument(args, 0, "", jinja_undefined);

    *out = jinja_new_map(&r->arena);
    out->map->is_namespace = true;
    if (from.kind == JINJA_MAP)
        for (size_t i = 0; i < from.map->n; i++)
            jinja_put(&r->arena, out->map, from.map->key[i], from.map->v[i]);
    for (size_t i = 0; i < args->named->n; i++)
        jinja_put(&r->arena, out->map, args->named->key[i], args->named->v[i]);
    return 0;
}

static int raise(struct jinja_run *r, const struct jinja_arguments *args)
{
    struct jinja_text text;

    if (jinja_to_text(r, jinja_argument(args, 0, "", jinja_undefined), &text))
        return -1;
    return err_set(r->err, ERR_INPUT, "the chat template says: %.*s",
                   (int)(text.n < 300 ? text.n : 300), text.s);
}

static int range(struct jinja_run *r, const struct jinja_arguments *args,
                 struct jinja_value *out)
{
    struct jinja_value v[3];
    int64_t from, to, by;

    for (size_t i = 0; i < 3; i++) {
        v[i] = jinja_argument(args, i, "", jinja_int(i == 2));
        if (v[i].kind != JINJA_INT)
            return jinja_fail(r, "range takes integers");
    }
    from = args->list->n > 1 ? v[0].number : 0;
    to = args->list->n > 1 ? v[1].number : v[0].number;
    by = v[2].number;
    if (by == 0 || from > INT32_MAX || from < -INT32_MAX || to > INT32_MAX ||
        to < -INT32_MAX || by > INT32_MAX || by < -INT32_MAX)
        return jinja_fail(r, "range: out of range");
    *out = jinja_new_list(&r->arena);
    for (; by > 0 ? from < to : from > to; from += by) {
        if (jinja_step(r, 1))
            return -1;
        jinja_push(&r->arena, out->list, jinja_int(from));
    }
    return 0;
}

/* Write what a letter of a format stands for; false if it is not supported. */
static bool put_date(struct jinja_writer *w, const char *date, char letter)
{
    static const char *const months[] = {
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December"
    };
    const char *month = months[atoi(date + 5) - 1];
    char number[8];

    switch (letter) {
    case 'Y':
        jinja_write_bytes(w, date, 4, false);
        return true;
    case 'y':
        jinja_write_bytes(w, date + 2, 2, false);
        return true;
    case 'm':
        jinja_write_bytes(w, date + 5, 2, false);
        return true;
    case 'd':
        jinja_write_bytes(w, date + 8, 2, false);
        return true;
    case 'e':
        snprintf(number, sizeof(number), "%2d", atoi(date + 8));
        jinja_write(w, jinja_literal(number));
        return true;
    case 'b':
        jinja_write_bytes(w, month, 3, false);
        return true;
    case 'B':
        jinja_write(w, jinja_literal(month));
        return true;
    case '%':
        jinja_write_bytes(w, "%", 1, false);
        return true;
    default:
        return false;
    }
}

/* The date of the request in a format of %d %m %Y %b %B %y %e and %%. */
static int strftime_now(struct jinja_run *r,
                        const struct jinja_arguments *args,
                        struct jinja_value *out)
{
    struct jinja_value f = jinja_argument(args, 0, "", jinja_undefined);
    struct jinja_writer w = { .arena = &r->arena };
    int month;

    if (!r->date)
        return jinja_fail(r, "it writes a date into the prompt: give it"
                             " as \"apus.date\"");
    if (f.kind != JINJA_STRING)
        return jinja_fail(r, "strftime_now takes a format");
    month = strlen(r->date) == 10 ? atoi(r->date + 5) : 0;
    if (month < 1 || month > 12)
        return jinja_fail(r, "the date \"%.10s\" is not valid", r->date);
    for (size_t i = 0; i < f.text.n; i++) {
        char c = f.text.s[i];

        if (c != '%' || i + 1 == f.text.n)
            jinja_write_bytes(&w, &c, 1, false);
        else if (!put_date(&w, r->date, f.text.s[++i]))
            return jinja_fail(r, "\"%%%c\" of a date is not supported",
                              f.text.s[i]);
    }
    *out = jinja_string(jinja_written(&w));
    return 0;
}

int jinja_function(struct jinja_run *r, int number,
                   const struct jinja_arguments *args, struct jinja_value *out)
{
    switch (number) {
    case FUNCTION_NAMESPACE:
        return make_namespace(r, args, out);
    case FUNCTION_RAISE:
        return raise(r, args);
    case FUNCTION_RANGE:
        return range(r, args, out);
    default:
        return strftime_now(r, args, out);
    }
}

/* ---- statements --------------------------------------------------------- */

static int run_one(struct jinja_run *r, const struct jinja_node *n)
{
    struct jinja_value v;
    int rc;

    r->line = n->line;
    switch (n->kind) {
    case NODE_TEXT:
        jinja_write(r->out, n->value.text);
        return jinja_step(r, n->value.text.n / 64 + 1);
    case NODE_PRINT:
        return jinja_eval(r, n->a, &v) || jinja_print(r, r->out, v) ? -1 : 0;
    case NODE_FOR:
        return run_for(r, n);
    case NODE_IF:
        if (jinja_eval(r, n->a, &v))
            return -1;
        return jinja_run_body(r, jinja_true(v) ? n->b : n->c);
    case NODE_SET:
        return jinja_eval(r, n->b, &v) || run_set(r, n, v) ? -1 : 0;
    case NODE_SET_BLOCK:
        rc = capture(r, n->c, n->d, &v);
        return rc ? rc : run_set(r, n, v);
    case NODE_FILTER_BLOCK:
        rc = capture(r, n->c, n->d, &v);
        return rc < 0 || jinja_print(r, r->out, v) ? -1 : rc;
    case NODE_MACRO:
        set(r, n->name,
            (struct jinja_value){ .kind = JINJA_MACRO, .macro = n });
        return 0;
    case NODE_BREAK:
        return LEAVE_BREAK;
    default:
        return LEAVE_CONTINUE;
    }
}

int jinja_run_body(struct jinja_run *r, const struct jinja_node *n)
{
    int rc = 0;

    if (++r->depth > 4 * JINJA_MAX_DEPTH)
        return jinja_fail(r, "nested too deeply");
    for (; n && rc == 0; n = n->next)
        rc = jinja_step(r, 1) ? -1 : run_one(r, n);
    r->depth--;
    return rc;
}

static void set_variables(struct jinja_run *r,
                          const struct jinja_variable *variable, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct jinja_value v =
            variable[i].json ? jinja_from_json(&r->arena, variable[i].json,
                                               variable[i].from_user)
                             : jinja_string(jinja_literal(variable[i].text));

        set(r, jinja_literal(variable[i].name), v);
    }
}

int jinja_render(const struct jinja *t, const struct jinja_variable *variable,
                 size_t n_variables, const char *date, struct jinja_output *out,
                 struct err *err)
{
    struct jinja_run r = { .date = date, .line = 1 };
    struct jinja_writer w = { .arena = &r.arena };
    struct err why = ERR_INIT;
    struct jinja_scope top;
    int rc;

    *out = (struct jinja_output){ 0 };
    r.err = &why;
    open_scope(&r, &top, NULL);
    r.top = &top;
    set_variables(&r, variable, n_variables);
    r.out = &w;
    rc = jinja_step(&r, 1) || jinja_run_body(&r, t->body) < 0 ||
                 jinja_step(&r, 1)
             ? -1
             : 0;
    if (rc == 0) {
        out->n = w.n;
        out->text = xmalloc(w.n + 1);
        out->from_user = xmalloc(w.n + 1);
        if (w.n) {
            memcpy(out->text, w.s, w.n);
            memcpy(out->from_user, w.from_user, w.n);
        }
        out->text[w.n] = 0;
    } else {
        err_copy(err, &why);
    }
    jinja_arena_clear(&r.arena);
    return rc;
}

void jinja_output_clear(struct jinja_output *out)
{
    free(out->text);
    free(out->from_user);
    *out = (struct jinja_output){ 0 };
}
