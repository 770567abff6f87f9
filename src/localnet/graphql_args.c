/*
 * Tokens of GraphQL, one after the other, and what closes what.
 */
#include <config.h>

#include "localnet/graphql_args.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Past what means nothing; to colons and commas we give what JSON wants. */
static const char *skip(const char *s)
{
    return s + strspn(s, " \t\r\n,");
}

/* A string, with its escapes: those of JSON. */
static const char *string(struct buf *out, const char *s)
{
    const char *from = s++;

    while (*s && *s != '"')
        s += s[0] == '\\' && s[1] ? 2 : 1;
    if (*s)
        s++;
    buf_put(out, from, (size_t)(s - from));
    return s;
}

/* A variable's value, or null. */
static const char *variable(struct buf *out, const char *s,
                            const struct json *variables)
{
    size_t n = 0;
    char name[64];

    for (s++; is_name(*s); s++)
        if (n < sizeof(name) - 1)
            name[n++] = *s;
    name[n] = '\0';
    if (json_get(variables, name))
        json_put(out, json_get(variables, name));
    else
        buf_puts(out, "null");
    return s;
}

/* A number, or a name, which becomes a string. */
static const char *word(struct buf *out, const char *s)
{
    size_t n = 0;
    bool number = isdigit((unsigned char)*s) || *s == '-';

    while (is_name(s[n]) || s[n] == '-' || s[n] == '.')
        n++;
    if (n == 0) {
        out->full = true;
        return s;
    }
    if (number || (n == 4 && memcmp(s, "true", 4) == 0) ||
        (n == 5 && memcmp(s, "false", 5) == 0) ||
        (n == 4 && memcmp(s, "null", 4) == 0))
        buf_put(out, s, n);
    else
        json_put_string(out, s, n);
    return s + n;
}

/* From behind the '(' to its ')': {"name":value ..}.  Objects and lists are
 * told by a stack of what closes them. */
static int arguments(struct buf *out, const char *s,
                     const struct json *variables)
{
    char close[16] = { '}' };
    size_t depth = 1;
    bool first = true, key = true;

    buf_putc(out, '{');
    for (s = skip(s); *s && !out->full; s = skip(s)) {
        bool end = *s == ']' || *s == '}' || *s == ')';

        if (end) {
            if ((*s == ')' ? '}' : *s) != close[depth - 1] ||
                (*s == ')') != (depth == 1))
                return -1;
            buf_putc(out, close[--depth]);
            if (depth == 0)
                return 0;
            s++;
            first = false;
            key = close[depth - 1] == '}';
            continue;
        }
        if (!first && (key || close[depth - 1] == ']'))
            buf_putc(out, ',');
        first = false;
        if (key) {
            s = skip(word(out, s));
            if (*s != ':')
                return -1;
            buf_putc(out, ':');
            s++;
            key = false;
            continue;
        }
        if (*s == '[' || *s == '{') {
            if (depth == sizeof(close))
                return -1;
            buf_putc(out, *s);
            close[depth++] = *s == '[' ? ']' : '}';
            key = *s++ == '{';
            first = true;
            continue;
        }
        s = *s == '"' ? string(out, s)
            : *s == '$' ? variable(out, s, variables) : word(out, s);
        key = close[depth - 1] == '}';
    }
    return -1;
}

int graphql_args(struct buf *out, const char *query,
                 const struct json *variables)
{
    const char *at = strstr(query, "transactions");
    int rc = 0;

    if (!at)
        return -1;
    at = skip(at + strlen("transactions"));
    if (*at != '(')
        buf_puts(out, "{}");
    else
        rc = arguments(out, at + 1, variables);
    return rc || out->full ? -1 : 0;
}
