/*
 * Statements of a template to a tree.  What is not known is refused here, by
 * name, when a model is added and not when somebody chats with it.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "text/jinja_parser_internal.h"

static struct jinja_node *statements(struct jinja_parser *p,
                                     const char *const *ends);

static bool end_tag(struct jinja_parser *p)
{
    if (p->at->kind == TOKEN_TAG_END) {
        p->at++;
        return true;
    }
    jinja_parse_fail_here(p, "\"%}\" expected before");
    return false;
}

/* Names with commas between, as pairs. */
static struct jinja_node *targets(struct jinja_parser *p)
{
    struct jinja_node *first = NULL, **tail = &first;
    bool open = jinja_take_sign(p, "(");

    do {
        if (p->at->kind != TOKEN_NAME)
            return jinja_parse_fail_here(p, "a name expected instead of");
        *tail = jinja_make(p, NODE_PAIR);
        if (!*tail)
            return NULL;
        (*tail)->name = p->at++->text;
        tail = &(*tail)->next;
    } while (jinja_take_sign(p, ","));
    if (open && !jinja_need_sign(p, ")"))
        return NULL;
    return first;
}

/* a targets, b what is walked over, c statements, d those of else; the filter
 * is the value of the first target's pair. */
static struct jinja_node *for_loop(struct jinja_parser *p)
{
    static const char *const ends[] = { "endfor", "else", NULL };
    static const char *const end[] = { "endfor", NULL };
    struct jinja_node *n = jinja_make(p, NODE_FOR);

    if (!n || !(n->a = targets(p)))
        return NULL;
    if (!jinja_take_name(p, "in"))
        return jinja_parse_fail_here(p, "\"in\" expected before");
    n->b = jinja_logic(p);
    if (!n->b || (jinja_take_name(p, "if") && !(n->a->b = jinja_logic(p))))
        return NULL;
    if (jinja_is_name(p, "recursive"))
        return jinja_parse_fail_here(p, "not supported:");
    if (!end_tag(p))
        return NULL;
    p->in_loop++;
    n->c = statements(p, ends);
    p->in_loop--;
    if (!p->err->code && jinja_take_name(p, "else") && end_tag(p))
        n->d = statements(p, end);
    if (p->err->code || !jinja_take_name(p, "endfor") || !end_tag(p))
        return NULL;
    return n;
}

/* a the condition, b statements, c what stands at else or elif. */
static struct jinja_node *condition(struct jinja_parser *p)
{
    static const char *const ends[] = { "endif", "elif", "else", NULL };
    static const char *const end[] = { "endif", NULL };
    struct jinja_node *n = jinja_make(p, NODE_IF);

    if (!n || !(n->a = jinja_expression(p)) || !end_tag(p))
        return NULL;
    n->b = statements(p, ends);
    if (p->err->code)
        return NULL;
    if (jinja_take_name(p, "elif")) {
        if (!jinja_enter(p) || !(n->c = condition(p)))
            return NULL;
        p->depth--;
        return n;
    }
    if (jinja_take_name(p, "else")) {
        if (!end_tag(p))
            return NULL;
        n->c = statements(p, end);
    }
    return !p->err->code && jinja_take_name(p, "endif") && end_tag(p) ? n
                                                                      : NULL;
}

/* a targets (name, and b the attribute's name in `name` of NODE_ATTRIBUTE), b
 * the value; or a block in c with filters in d. */
static struct jinja_node *set(struct jinja_parser *p)
{
    static const char *const end[] = { "endset", NULL };
    struct jinja_node *n = jinja_make(p, NODE_SET);

    if (!n || !(n->a = targets(p)))
        return NULL;
    if (jinja_take_sign(p, ".")) {
        if (p->at->kind != TOKEN_NAME)
            return jinja_parse_fail_here(p, "a name expected instead of");
        n->name = p->at++->text;
    }
    if (jinja_take_sign(p, "="))
        return (n->b = jinja_expressions(p)) && end_tag(p) ? n : NULL;
    n->kind = NODE_SET_BLOCK;
    for (struct jinja_node **tail = &n->d; jinja_take_sign(p, "|");
         tail = &(*tail)->next)
        if (!(*tail = jinja_parse_filter(p, NULL)))
            return NULL;
    if (!end_tag(p))
        return NULL;
    n->c = statements(p, end);
    return !p->err->code && jinja_take_name(p, "endset") && end_tag(p) ? n
                                                                       : NULL;
}

/* a parameters (b their defaults), c statements. */
static struct jinja_node *macro(struct jinja_parser *p)
{
    static const char *const end[] = { "endmacro", NULL };
    struct jinja_node *n = jinja_make(p, NODE_MACRO), **tail;
    unsigned in_loop = p->in_loop;

    if (!n)
        return NULL;
    if (p->at->kind != TOKEN_NAME)
        return jinja_parse_fail_here(p, "a name expected instead of");
    if (p->n_macros == sizeof(p->macro) / sizeof(*p->macro))
        return jinja_parse_fail_here(p, "too many macros at");
    n->name = p->macro[p->n_macros++] = p->at++->text;
    if (!jinja_need_sign(p, "("))
        return NULL;
    for (tail = &n->a; !jinja_take_sign(p, ")"); tail = &(*tail)->next) {
        if (p->at->kind != TOKEN_NAME)
            return jinja_parse_fail_here(p, "a name expected instead of");
        if (!(*tail = jinja_make(p, NODE_PAIR)))
            return NULL;
        (*tail)->name = p->at++->text;
        if (jinja_take_sign(p, "=") && !((*tail)->b = jinja_expression(p)))
            return NULL;
        if (!jinja_is_sign(p, ")") && !jinja_need_sign(p, ","))
            return NULL;
    }
    if (!end_tag(p))
        return NULL;
    p->in_loop = 0;
    n->c = statements(p, end);
    p->in_loop = in_loop;
    return !p->err->code && jinja_take_name(p, "endmacro") && end_tag(p) ? n
                                                                         : NULL;
}

/* c statements, d filters. */
static struct jinja_node *filter_block(struct jinja_parser *p)
{
    static const char *const end[] = { "endfilter", NULL };
    struct jinja_node *n = jinja_make(p, NODE_FILTER_BLOCK), **tail;

    if (!n)
        return NULL;
    tail = &n->d;
    do {
        if (!(*tail = jinja_parse_filter(p, NULL)))
            return NULL;
        tail = &(*tail)->next;
    } while (jinja_take_sign(p, "|"));
    if (!end_tag(p))
        return NULL;
    n->c = statements(p, end);
    return !p->err->code && jinja_take_name(p, "endfilter") && end_tag(p)
               ? n
               : NULL;
}

/* {% generation %} marks what a model wrote, for training: an if that holds. */
static struct jinja_node *generation(struct jinja_parser *p)
{
    static const char *const end[] = { "endgeneration", NULL };
    struct jinja_node *n = jinja_make(p, NODE_IF);

    if (!n || !end_tag(p) || !(n->a = jinja_value_node(p, jinja_bool(true))))
        return NULL;
    n->b = statements(p, end);
    return !p->err->code && jinja_take_name(p, "endgeneration") && end_tag(p)
               ? n
               : NULL;
}

static struct jinja_node *leave_loop(struct jinja_parser *p,
                                     enum jinja_node_kind kind)
{
    struct jinja_node *n = jinja_make(p, kind);

    if (!p->in_loop)
        return jinja_parse_fail(p, "break or continue outside of a loop",
                                jinja_literal(""));
    return n && end_tag(p) ? n : NULL;
}

static struct jinja_node *statement(struct jinja_parser *p)
{
    if (jinja_take_name(p, "for"))
        return for_loop(p);
    if (jinja_take_name(p, "if"))
        return condition(p);
    if (jinja_take_name(p, "set"))
        return set(p);
    if (jinja_take_name(p, "macro"))
        return macro(p);
    if (jinja_take_name(p, "filter"))
        return filter_block(p);
    if (jinja_take_name(p, "generation"))
        return generation(p);
    if (jinja_take_name(p, "break"))
        return leave_loop(p, NODE_BREAK);
    if (jinja_take_name(p, "continue"))
        return leave_loop(p, NODE_CONTINUE);
    return jinja_parse_fail_here(p, "not supported:");
}

static struct jinja_node *print(struct jinja_parser *p)
{
    struct jinja_node *n = jinja_make(p, NODE_PRINT);

    if (!n || !(n->a = jinja_expression(p)))
        return NULL;
    if (p->at->kind != TOKEN_PRINT_END)
        return jinja_parse_fail_here(p, "\"}}\" expected before");
    p->at++;
    return n;
}

static bool is_end(const struct jinja_parser *p, const char *const *ends)
{
    for (; *ends; ends++)
        if (jinja_is_name(p, *ends))
            return true;
    return false;
}

/* Statements up to a tag that begins with one of `ends`, which is the next
 * word then; without ends up to the end of the template.  NULL: none, or an
 * error. */
static struct jinja_node *statements(struct jinja_parser *p,
                                     const char *const *ends)
{
    struct jinja_node *first = NULL, **tail = &first;

    if (!jinja_enter(p))
        return NULL;
    for (;;) {
        if (p->at->kind == TOKEN_END) {
            if (*ends)
                return jinja_parse_fail(
                    p, "the end is missing:", jinja_literal(*ends));
            break;
        }
        if (p->at->kind == TOKEN_TEXT) {
            *tail = jinja_make(p, NODE_TEXT);
            if (*tail)
                (*tail)->value = jinja_string(p->at++->text);
        } else if (p->at->kind == TOKEN_PRINT) {
            p->at++;
            *tail = print(p);
        } else {
            p->at++;
            if (is_end(p, ends))
                break;
            *tail = statement(p);
        }
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    }
    p->depth--;
    return first;
}

/* Macros may be defined after their calls. */
static void check_calls(struct jinja_parser *p)
{
    for (const struct jinja_node *n = p->calls; n && !p->err->code; n = n->d) {
        bool known = n->number >= 0;

        for (size_t i = 0; !known && i < p->n_macros; i++)
            known = jinja_same_text(p->macro[i], n->name);
        if (!known)
            jinja_parse_fail(p, "unknown function", n->name);
    }
}

int jinja_new(struct jinja **out, const char *text, size_t n, struct err *err)
{
    static const char *const no_ends[] = { NULL };
    struct err why = ERR_INIT;
    struct jinja_parser *p;
    char *copy;

    if (n > JINJA_MAX_TEMPLATE)
        return err_set(err, ERR_INPUT,
                       "the chat template has %zu bytes; at most %zu are read",
                       n, JINJA_MAX_TEMPLATE);
    p = xcalloc(1, sizeof(*p));
    p->t = xcalloc(1, sizeof(*p->t));
    p->err = &why;
    copy = jinja_alloc(&p->t->arena, n + 1);
    if (n)
        memcpy(copy, text, n);
    if (jinja_lex(&p->at, &p->t->arena, copy, n, &why) == 0)
        p->t->body = statements(p, no_ends);
    check_calls(p);
    if (why.code) {
        jinja_free(p->t);
        free(p);
        return err_copy(err, &why);
    }
    *out = p->t;
    free(p);
    return 0;
}

void jinja_free(struct jinja *t)
{
    if (!t)
        return;
    jinja_arena_clear(&t->arena);
    free(t);
}

/* ---- words --------------------------------------------------------------- */

bool jinja_reads(const struct jinja *t, const char *variable)
{
    for (const struct jinja_node *n = t->made; n; n = n->made)
        if (n->kind == NODE_NAME && jinja_is(n->name, variable))
            return true;
    return false;
}

bool jinja_mentions(const struct jinja *t, const char *word)
{
    for (const struct jinja_node *n = t->made; n; n = n->made) {
        if (n->kind == NODE_VALUE && n->value.kind == JINJA_STRING &&
            jinja_is(n->value.text, word))
            return true;
        if ((n->kind == NODE_NAME || n->kind == NODE_ATTRIBUTE) &&
            jinja_is(n->name, word))
            return true;
    }
    return false;
}

char *jinja_near(const struct jinja *t, const char *typed)
{
    char name[41], *near = NULL;
    struct nearest meant;

    nearest_init(&meant, typed, strlen(typed));
    for (const struct jinja_node *n = t->made; n; n = n->made) {
        size_t slips = meant.slips;

        if (n->kind != NODE_NAME || n->name.n >= sizeof(name))
            continue;
        memcpy(name, n->name.s, n->name.n);
        name[n->name.n] = '\0';
        nearest_offer(&meant, name);
        if (meant.name && (!near || meant.slips < slips)) {
            free(near);
            near = xstrdup(name);
        }
    }
    return near;
}
