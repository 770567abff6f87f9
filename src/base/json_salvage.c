/*
 * A key's string out of a text that is not JSON.  It is walked as if it were:
 * strings from quote to quote, brackets counted, all else passed over.  So a
 * damage inside a string does no harm, and one among the brackets may only
 * hide what is behind it.
 */
#include <config.h>

#include "base/json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

struct text_walk {
    const char *text;
    size_t n, at;
};

/* Behind the string whose first quote is here; false if it has no end. */
static bool pass_string(struct text_walk *w)
{
    for (w->at++; w->at < w->n; w->at++) {
        if (w->text[w->at] == '"') {
            w->at++;
            return true;
        }
        if (w->text[w->at] == '\\')
            w->at++;
    }
    return false;
}

static void pass_space(struct text_walk *w)
{
    while (w->at < w->n && strchr(" \t\r\n", w->text[w->at]) &&
           w->text[w->at])
        w->at++;
}

/* If a string that is the value of a key is here: it, decoded. */
static char *value_here(struct text_walk *w)
{
    struct json *v = NULL;
    char *value = NULL;
    size_t start;

    pass_space(w);
    if (w->at == w->n || w->text[w->at] != ':')
        return NULL;
    w->at++;
    pass_space(w);
    start = w->at;
    if (start == w->n || w->text[start] != '"' || !pass_string(w))
        return NULL;
    if (json_parse(&v, w->text + start, w->at - start, NULL) == 0)
        value = xstrdup(json_string(v));
    json_free(v);
    return value;
}

/* Keep the first; of another one that differs, nothing is to be kept. */
static bool keep_found(char **found, char *value)
{
    bool differs = value && *found && strcmp(*found, value) != 0;

    if (!*found && value) {
        *found = value;
        return true;
    }
    free(value);
    if (differs) {
        free(*found);
        *found = NULL;
    }
    return !differs;
}

/* A string in the outermost object begins here: if it is our key, its value is
 * looked at.  Whether to go on. */
static bool match_key(struct text_walk *w, const char *key, char **found)
{
    size_t start = w->at, n = strlen(key);

    if (!pass_string(w))
        return false;
    if (w->at - start != n + 2 || memcmp(w->text + start + 1, key, n) != 0)
        return true;
    return keep_found(found, value_here(w));
}

char *json_salvage(const char *text, size_t n, const char *key)
{
    struct text_walk w = { .text = text, .n = n };
    char *found = NULL;
    size_t depth = 1;

    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a BOM */
        w.at = 3;
    pass_space(&w);
    if (w.at == n || text[w.at] != '{')
        return NULL;
    w.at++;
    while (w.at < n && depth > 0) {
        char c = text[w.at];

        if (c == '"' && depth == 1) {
            if (!match_key(&w, key, &found))
                break;
        } else if (c == '"') {
            if (!pass_string(&w))
                break;
        } else {
            depth += c == '{' || c == '[';
            depth -= c == '}' || c == ']';
            w.at++;
        }
    }
    return found;
}
