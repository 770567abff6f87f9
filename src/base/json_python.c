/*
 * Words outside of strings are looked for, and put in quotes.
 */
#include <config.h>

#include "base/json_python.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* Length of a word that begins at s, 0 if it is none of them. */
static size_t word(const char *s, size_t n)
{
    static const char *const words[] = { "NaN", "Infinity", "-Infinity" };

    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);

        if (n >= len && memcmp(s, words[i], len) == 0)
            return len;
    }
    return 0;
}

/* End of the string whose quote is at `at`, or n. */
static size_t string_end(const char *s, size_t n, size_t at)
{
    for (at++; at < n && s[at] != '"'; at++)
        if (s[at] == '\\')
            at++;
    return at < n ? at + 1 : n;
}

int json_parse_python(struct json **root, const char *text, size_t n,
                      struct err *err)
{
    size_t at = 0, end;
    struct buf b;
    int rc;

    buf_init(&b, n < SIZE_MAX / 2 ? 2 * n + 1 : SIZE_MAX);
    while (at < n) {
        end = text[at] == '"' ? string_end(text, n, at)
                              : at + word(text + at, n - at);
        if (end > at && text[at] != '"')
            buf_printf(&b, "\"%.*s\"", (int)(end - at), text + at);
        else
            buf_put(&b, text + at, end > at ? end - at : 1);
        at = end > at ? end : at + 1;
    }
    buf_put(&b, "", 0); /* not NULL */
    rc = json_parse(root, b.data, b.len, err);
    buf_clear(&b);
    return rc;
}
