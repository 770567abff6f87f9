/*
 * URLs, header lines and ranges of strangers.  The first byte says which;
 * what is accepted must hold what http.c relies on.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/http_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_url(const char *text)
{
    struct err err = ERR_INIT;
    struct http_url u = { false, false };

    if (http_url_parse(&u, text, &err)) {
        if (err.code != ERR_INPUT)
            abort();
        return;
    }
    if (!u.tls && !u.loopback)
        abort();
    if (strchr(text, '#') || strlen(text) > HTTP_URL_MAX)
        abort();
    if (!http_redirect_allowed(&u, &u))
        abort();
}

/* Every line that was put is found, or is there several times. */
static void use_lines(const char *p, size_t n)
{
    struct buf head;

    buf_init(&head, 4096);
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t len = end ? (size_t)(end - p) + 1 : n;

        http_line_put(&head, p, len);
        p += len;
        n -= len;
    }
    for (size_t at = 0; at < head.len && !head.full;) {
        const char *value;
        size_t n_name = strcspn(head.data + at, ":"), n_value;
        char *name = xstrndup(head.data + at, n_name);
        enum http_line found = http_line_find(head.data, head.len, name,
                                              &value, &n_value);

        if (found == HTTP_LINE_NONE ||
            (found == HTTP_LINE_ONE && memchr(value, '\n', n_value)))
            abort();
        free(name);
        at += strcspn(head.data + at, "\n") + 1;
    }
    buf_clear(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size < 1)
        return 0;
    text = xstrndup((const char *)data + 1, size - 1);
    switch (*data % 3) {
    case 0:
        use_url(text);
        break;
    case 1:
        use_lines((const char *)data + 1, size - 1);
        break;
    default:
        if (http_range_is(text, 3, 5) && strncmp(text + 6, "3-7/", 4) != 0)
            abort();
    }
    free(text);
    return 0;
}
