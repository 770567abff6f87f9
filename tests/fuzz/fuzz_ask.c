/*
 * ask_read on any tags (name=value, a line each, \x1e for a newline) and any
 * data behind the first NUL byte, which are the source, too: what is accepted
 * becomes a line that request_parse takes, or is refused.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "queue/ask.h"

#define MAX 128

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
    if (!good)
        abort();
}

static size_t read_tags(struct ask_tag *tag, char *text, char *end)
{
    size_t n = 0;

    while (text < end && n < MAX) {
        char *stop = memchr(text, '\n', (size_t)(end - text)), *value;

        if (!stop)
            stop = end;
        value = memchr(text, '=', (size_t)(stop - text));
        if (value) {
            tag[n++] = (struct ask_tag){ text, value + 1,
                                         (size_t)(value - text),
                                         (size_t)(stop - value - 1) };
            for (char *c = value; c < stop; c++)
                *c = *c == 0x1e ? '\n' : *c;
        }
        text = stop + 1;
    }
    return n;
}

static void try_message(const struct ask_message *m)
{
    static const struct id id = { { 1 } };
    struct err err = ERR_INIT;
    struct ask a = { .n_stops = 7 };
    struct request r;
    struct buf out;

    if (ask_read(&a, m, &err)) {
        must(err.code == ERR_INPUT && a.n_stops == 7);
        return;
    }
    must(a.form == ASK_BATCH || (a.max_tokens > 0 && a.top_p > 0));
    must(!a.prompt || (*a.prompt && strlen(a.prompt) <= ASK_MAX_PROMPT));
    must(!a.prompt == (a.form >= ASK_SOURCE));
    buf_init(&out, 2 * REQUEST_MAX_LINE);
    if (ask_put_line(&out, &a, id, &id, m->data, m->n, &err)) {
        /* what a message says itself can always be written */
        must(err.code == ERR_INPUT && out.len == 0);
        must(a.form >= ASK_SOURCE);
    } else {
        must(request_parse(&r, out.data, out.len, &err) == 0 &&
             r.max_tokens == a.max_tokens && r.n_stops == a.n_stops);
        request_clear(&r);
    }
    buf_clear(&out);
    ask_clear(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ask_tag tag[MAX + 1] = { { "Action", "Infer", 6, 5 } };
    struct ask_message m = { .tag = tag, .n_tags = 1 };
    char *text = malloc(size + 1), *end;

    must(text != NULL);
    memcpy(text, data, size);
    end = memchr(text, 0, size);
    if (!end)
        end = text + size;
    else
        m.n = (size_t)(text + size - end - 1);
    m.data = text + size - m.n;
    m.n_tags += read_tags(tag + 1, text, end);
    m.pushed = size > 0 && data[size - 1] == '!';
    try_message(&m);
    m.tag++; /* without the action */
    m.n_tags--;
    try_message(&m);
    free(text);
    return 0;
}
