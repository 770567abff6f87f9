/*
 * Words of a text.
 */
#include <config.h>

#include "base/split.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

/* A backslash and what it makes literal; a line end is gone with it. */
static int take_escaped(struct buf *word, const char **at, struct err *err)
{
    const char *p = *at + 1;

    if (!*p)
        return err_set(err, ERR_INPUT, "nothing follows the backslash at the"
                       " end");
    if (*p != '\n')
        buf_putc(word, *p);
    *at = p + 1;
    return 0;
}

/* From a quote to the one that closes it. */
static int take_quoted(struct buf *word, const char **at, struct err *err)
{
    const char *p = *at, quote = *p++;

    while (*p && *p != quote) {
        if (quote == '"' && *p == '\\' && p[1] && strchr("$`\"\\\n", p[1]))
            take_escaped(word, &p, err);
        else
            buf_putc(word, *p++);
    }
    if (!*p)
        return err_set(err, ERR_INPUT, "the quote %c is not closed in %.40s",
                       quote, *at);
    *at = p + 1;
    return 0;
}

/* *any: there is one, be it empty. */
static int take_word(struct buf *word, const char **at, bool *any,
                     struct err *err)
{
    const char *p = *at;
    int rc = 0;

    buf_reset(word);
    *any = false;
    while (rc == 0 && *p && !is_blank(*p)) {
        *any = *any || *p != '\\' || p[1] != '\n';
        if (*p == '\'' || *p == '"')
            rc = take_quoted(word, &p, err);
        else if (*p == '\\')
            rc = take_escaped(word, &p, err);
        else
            buf_putc(word, *p++);
    }
    *at = p;
    return rc;
}

int split_words(char ***out, const char *text, struct err *err)
{
    size_t len = strlen(text), n = 0;
    char **list = xcalloc(len / 2 + 2, sizeof(*list));
    struct buf word;
    int rc = 0;

    buf_init(&word, len + 1);
    while (rc == 0 && *text) {
        bool any;

        rc = take_word(&word, &text, &any, err);
        if (rc == 0 && any)
            list[n++] = xstrndup(word.len ? word.data : "", word.len);
        while (is_blank(*text))
            text++;
    }
    buf_clear(&word);
    if (rc)
        split_free(list);
    else
        *out = list;
    return rc;
}

void split_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}
