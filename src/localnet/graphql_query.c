/*
 * One token after the other; text that is given on is copied.
 */
#include <config.h>

#include "localnet/graphql_query.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#define NAME_SIZE 64
#define MAX_DEPTH 16
#define DEFAULTS_MAX 16384

struct query_reader {
    const char *s;
    const struct json *variables;
    struct json *defaults; /* of each declared variable: a value, or null */
    struct err *err;
};

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* What means nothing: blanks, commas, comments. */
static void skip(struct query_reader *r)
{
    for (;;) {
        r->s += strspn(r->s, " \t\r\n,");
        if (*r->s != '#')
            return;
        r->s += strcspn(r->s, "\r\n");
    }
}

static char peek(struct query_reader *r)
{
    skip(r);
    return *r->s;
}

static int unexpected(struct query_reader *r, const char *wanted)
{
    if (!*r->s)
        return err_set(r->err, ERR_INPUT, "the query ends where %s is"
                       " expected", wanted);
    return err_set(r->err, ERR_INPUT, "%s expected in the query at \"%.20s\"",
                   wanted, r->s);
}

/* Take c, if it is next. */
static bool accept_char(struct query_reader *r, char c)
{
    if (peek(r) != c)
        return false;
    r->s++;
    return true;
}

static int take_name(struct query_reader *r, char name[NAME_SIZE])
{
    size_t n = 0;

    skip(r);
    while (is_name(r->s[n]))
        n++;
    if (n == 0 || n >= NAME_SIZE || isdigit((unsigned char)*r->s))
        return unexpected(r, "a name");
    memcpy(name, r->s, n);
    name[n] = '\0';
    r->s += n;
    return 0;
}

/* ---- values -------------------------------------------------------------- */

/* A string, whose escapes are those of JSON. */
static int take_string(struct query_reader *r, struct buf *out)
{
    const char *from = r->s++;

    if (strncmp(from, "\"\"\"", 3) == 0)
        return unexpected(r, "no block string");
    while (*r->s && *r->s != '"')
        r->s += r->s[0] == '\\' && r->s[1] ? 2 : 1;
    if (!*r->s)
        return unexpected(r, "the end of a string");
    r->s++;
    buf_put(out, from, (size_t)(r->s - from));
    return 0;
}

static int take_variable(struct query_reader *r, struct buf *out)
{
    const struct json *v;
    char name[NAME_SIZE];

    r->s++;
    if (take_name(r, name))
        return -1;
    v = json_get(r->variables, name);
    if (!v)
        v = json_get(r->defaults, name);
    if (!v)
        return err_set(r->err, ERR_INPUT, "variable $%s is not declared",
                       name);
    json_put(out, v);
    return 0;
}

/* A number, or a name, which becomes a string. */
static int take_word(struct query_reader *r, struct buf *out)
{
    const char *s = r->s;
    bool number = isdigit((unsigned char)*s) || *s == '-';
    size_t n = 0;

    while (is_name(s[n]) ||
           (number && (s[n] == '-' || s[n] == '+' || s[n] == '.')))
        n++;
    if (n == 0)
        return unexpected(r, "a value");
    if (number || (n == 4 && memcmp(s, "true", 4) == 0) ||
        (n == 5 && memcmp(s, "false", 5) == 0) ||
        (n == 4 && memcmp(s, "null", 4) == 0))
        buf_put(out, s, n);
    else
        json_put_string(out, s, n);
    r->s += n;
    return 0;
}

static int take_value(struct query_reader *r, struct buf *out, unsigned depth);

/* From behind what opens it to `close`: "name: value", with braces. */
static int take_members(struct query_reader *r, struct buf *out, char close,
                        unsigned depth)
{
    char name[NAME_SIZE];
    bool first = true;

    buf_putc(out, '{');
    while (!accept_char(r, close)) {
        if (take_name(r, name))
            return -1;
        if (!accept_char(r, ':'))
            return unexpected(r, "a colon");
        buf_printf(out, "%s\"%s\":", first ? "" : ",", name);
        first = false;
        if (take_value(r, out, depth + 1))
            return -1;
    }
    buf_putc(out, '}');
    return 0;
}

static int take_list(struct query_reader *r, struct buf *out, unsigned depth)
{
    bool first = true;

    buf_putc(out, '[');
    while (!accept_char(r, ']')) {
        if (!first)
            buf_putc(out, ',');
        first = false;
        if (take_value(r, out, depth + 1))
            return -1;
    }
    buf_putc(out, ']');
    return 0;
}

static int take_value(struct query_reader *r, struct buf *out, unsigned depth)
{
    char c = peek(r);

    if (depth > MAX_DEPTH || out->full)
        return err_set(r->err, ERR_INPUT, "the query is too deep or too long");
    if (c == '"')
        return take_string(r, out);
    if (c == '$')
        return take_variable(r, out);
    if (accept_char(r, '['))
        return take_list(r, out, depth);
    if (accept_char(r, '{'))
        return take_members(r, out, '}', depth);
    return take_word(r, out);
}

/* ---- variables ----------------------------------------------------------- */

/* "$name: Type = value": its default, or null, onto `out`. */
static int take_definition(struct query_reader *r, struct buf *out)
{
    bool required = false;
    char name[NAME_SIZE];
    const struct json *v;

    if (!accept_char(r, '$'))
        return unexpected(r, "a variable");
    if (take_name(r, name))
        return -1;
    if (!accept_char(r, ':'))
        return unexpected(r, "a colon");
    for (char c = peek(r); is_name(c) || strchr("[]!", c); c = peek(r)) {
        if (!c)
            return unexpected(r, "a type");
        required = c == '!';
        r->s++;
    }
    buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    if (accept_char(r, '='))
        return take_value(r, out, 0);
    buf_puts(out, "null");
    v = json_get(r->variables, name);
    if (required && (!v || json_type(v) == JSON_NULL))
        return err_set(r->err, ERR_INPUT, "variable $%s is not given", name);
    return 0;
}

static int take_definitions(struct query_reader *r)
{
    struct buf text;
    int rc = 0;

    buf_init(&text, DEFAULTS_MAX);
    buf_putc(&text, '{');
    while (rc == 0 && !accept_char(r, ')'))
        rc = take_definition(r, &text);
    buf_putc(&text, '}');
    if (rc == 0)
        rc = buf_check(&text, "the query", r->err) ||
             json_parse(&r->defaults, text.data, text.len, r->err);
    buf_clear(&text);
    return rc ? -1 : 0;
}

/* ---- fields -------------------------------------------------------------- */

/* What is selected of an answer, from behind its brace. */
static int skip_selection(struct query_reader *r)
{
    struct buf unused;
    unsigned depth = 1;
    int rc = 0;

    buf_init(&unused, DEFAULTS_MAX);
    while (depth > 0 && rc == 0) {
        char c = peek(r);

        if (!c)
            rc = unexpected(r, "a closing brace");
        else if (c == '"')
            rc = take_string(r, &unused);
        else
            r->s++;
        depth += c == '{';
        depth -= c == '}';
    }
    buf_clear(&unused);
    return rc;
}

static int take_field(struct query_reader *r, struct buf *out)
{
    char alias[NAME_SIZE], name[NAME_SIZE];

    if (peek(r) == '.')
        return err_set(r->err, ERR_INPUT, "a fragment in place of a field is"
                       " not answered here");
    if (take_name(r, alias))
        return -1;
    memcpy(name, alias, sizeof(name));
    if (accept_char(r, ':') && take_name(r, name))
        return -1;
    buf_printf(out, "%s{\"as\":\"%s\",\"field\":\"%s\",\"args\":",
               out->len > 1 ? "," : "", alias, name);
    if (!accept_char(r, '('))
        buf_puts(out, "{}");
    else if (take_members(r, out, ')', 0))
        return -1;
    buf_puts(out, "}");
    if (peek(r) == '@')
        return err_set(r->err, ERR_INPUT, "a directive of \"%s\" is not"
                       " answered here", name);
    return accept_char(r, '{') ? skip_selection(r) : 0;
}

static int take_fields(struct query_reader *r, struct buf *out)
{
    if (!accept_char(r, '{'))
        return unexpected(r, "an opening brace");
    buf_puts(out, "[");
    while (!accept_char(r, '}'))
        if (take_field(r, out))
            return -1;
    buf_puts(out, "]");
    return 0;
}

/* "query Name($x: T) { .. }", or only its fields. */
static int take_operation(struct query_reader *r, struct buf *out)
{
    char name[NAME_SIZE];

    if (peek(r) == '{')
        return take_fields(r, out);
    if (take_name(r, name))
        return -1;
    if (strcmp(name, "query") != 0)
        return err_set(r->err, ERR_INPUT, "\"%s\" is not answered here, only"
                       " \"query\"", name);
    if (peek(r) != '(' && *r->s != '{' && take_name(r, name))
        return -1;
    if (accept_char(r, '(') && take_definitions(r))
        return -1;
    return take_fields(r, out);
}

/* Fragments, which say what is selected. */
static int skip_fragment(struct query_reader *r)
{
    char name[NAME_SIZE];

    if (take_name(r, name))
        return -1;
    if (strcmp(name, "fragment") != 0)
        return err_set(r->err, ERR_INPUT, "a second operation is not answered"
                       " here");
    while (peek(r) && *r->s != '{')
        r->s++;
    return accept_char(r, '{') ? skip_selection(r)
                               : unexpected(r, "a selection");
}

int graphql_query(struct buf *out, const char *query,
                  const struct json *variables, struct err *err)
{
    struct query_reader r = { query, variables, NULL, err };
    int rc = take_operation(&r, out);

    while (rc == 0 && peek(&r))
        rc = skip_fragment(&r);
    if (rc == 0)
        rc = buf_check(out, "the query", err);
    json_free(r.defaults);
    return rc;
}
