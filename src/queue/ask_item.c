/*
 * Tags and data of a message as a queue reads them.
 */
#include <config.h>

#include "queue/ask_item.h"

#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/utf8.h"
#include "queue/ask.h"

/* Of Data that is not UTF-8 a queue gets what the network makes of it: texts
 * are handed on, not bytes.  More than a queue takes is left for ask_read to
 * refuse; the text is never shorter. */
static void read_data(struct ask_message *m, struct buf *text)
{
    if (m->n > 4 * ASK_MAX_PROMPT || utf8_valid(m->data, m->n))
        return;
    utf8_scrub(text, m->data, m->n);
    m->data = text->data;
    m->n = text->len;
}

int ask_item_read(struct ask *a, const struct item *message, const void *data,
                  size_t n, struct err *err)
{
    struct ask_tag tag[ITEM_MAX_TAGS];
    struct ask_message m = { .tag = tag, .n_tags = message->n_tags,
                             .data = data, .n = n, .pushed = true };
    struct buf text;
    int rc;

    for (size_t i = 0; i < message->n_tags; i++)
        tag[i] = (struct ask_tag){ message->tag[i].name,
                                   message->tag[i].value,
                                   message->tag[i].n_name,
                                   message->tag[i].n_value };
    buf_init(&text, 3 * 4 * ASK_MAX_PROMPT);
    read_data(&m, &text);
    rc = ask_read(a, &m, err);
    buf_clear(&text);
    return rc;
}

bool ask_item_source(struct id *id, const struct item *message,
                     const void *data, size_t n)
{
    struct ask a;
    bool has;

    if (ask_item_read(&a, message, data, n, NULL))
        return false;
    has = ask_has_source(&a);
    if (has)
        *id = a.source;
    ask_clear(&a);
    return has;
}

int ask_item_line(struct buf *out, const struct item *message,
                  const void *data, size_t n, const void *source,
                  size_t n_source, struct err *err)
{
    struct ask a;
    int rc;

    if (ask_item_read(&a, message, data, n, err))
        return -1;
    rc = ask_put_line(out, &a, message->id, NULL, source ? source : "",
                      source ? n_source : 0, err);
    ask_clear(&a);
    return rc;
}
