/*
 * The forms of results at a HyperBEAM node.  What its compute unit said is
 * copied; only the outbox is made here.
 */
#include <config.h>

#include "localnet/node_json.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

static void put_pair(struct buf *b, const char *name, const struct json *v)
{
    buf_putc(b, '"');
    for (; *name; name++)
        buf_putc(b, (char)tolower((unsigned char)*name));
    buf_puts(b, "\":");
    if (v)
        json_put(b, v);
    else
        buf_puts(b, "\"\"");
}

/* A message with its tags as members, their names in lower case. */
static void put_message(struct buf *b, const struct json *m)
{
    buf_puts(b, "{");
    put_pair(b, "target", json_get(m, "Target"));
    buf_puts(b, ",");
    put_pair(b, "data", json_get(m, "Data"));
    for (const struct json *t = json_first(json_get(m, "Tags")); t;
         t = json_next(t)) {
        const char *name = json_string(json_get(t, "name"));

        if (!name || strpbrk(name, "\"\\"))
            continue;
        buf_puts(b, ",");
        put_pair(b, name, json_get(t, "value"));
    }
    buf_puts(b, "}");
}

static void put_outbox(struct buf *b, const struct json *messages)
{
    unsigned n = 0;

    buf_puts(b, "{");
    for (const struct json *m = json_first(messages); m; m = json_next(m)) {
        buf_printf(b, "%s\"%u\":", n ? "," : "", n + 1);
        put_message(b, m);
        n++;
    }
    buf_puts(b, "}");
}

void node_put_results(struct buf *b, const char *result, size_t n,
                      bool is_old)
{
    struct json *root = NULL;

    if (is_old) {
        buf_puts(b, "{\"json\":{\"content-type\":\"application/json\","
                 "\"body\":");
        json_put_string(b, result, n);
        buf_puts(b, "}}");
        return;
    }
    buf_puts(b, "{\"raw\":");
    buf_put(b, result, n);
    buf_puts(b, ",\"outbox\":");
    if (json_parse(&root, result, n, NULL) == 0)
        put_outbox(b, json_get(root, "Messages"));
    else
        buf_puts(b, "{}");
    json_free(root);
    buf_puts(b, ",\"data\":\"\"}");
}

void node_put_nothing(struct buf *b)
{
    buf_puts(b, "{\"outbox\":{}}");
}
