/*
 * A page says which comes next; what says so for ever ends at `max`.
 */
#include <config.h>

#include "node/listed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "base/err.h"
#include "base/json.h"
#include "base/vec.h"
#include "queue/client.h"

struct list {
    struct id *id;
    size_t n, cap;
};

static int take_line(struct list *l, const struct listed_question *q,
                     const char *line, size_t n, struct err *err)
{
    struct json *root;
    struct id id;
    bool text, good;

    if (json_parse(&root, line, n, err))
        return err_prefix(err, "the queue's answer to %s", q->action);
    text = json_string(json_get(root, q->key)) != NULL;
    good = json_id(json_get(root, q->key), &id) == 0;
    json_free(root);
    if (!text || l->n == q->max)
        return err_set(err, ERR_INPUT, "the queue's answer to %s has no \"%s\""
                       " that can be", q->action, q->key);
    if (good) {
        VEC_RESERVE(l->id, l->cap, l->n + 1);
        l->id[l->n++] = id;
    }
    return 0;
}

static int take_page(struct list *l, const struct listed_question *q,
                     const char *text, struct err *err)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        if (n && take_line(l, q, text, n, err))
            return -1;
        text += text[n] ? n + 1 : n;
    }
    return 0;
}

int listed_ids(struct client *c, const struct listed_question *q,
               struct id **id, size_t *n, struct err *err)
{
    char page[24] = "0";
    const struct item_text_tag tag[] = {
        { "Action", q->action }, { "Page", page }, { q->tag, q->value }
    };
    const struct ao_message m = { .tag = tag, .n_tags = q->tag ? 3 : 2 };
    struct list l = { .id = NULL };
    const struct ao_out *out;
    struct ao_result r;

    for (size_t pages = 0; *page && pages <= q->max; pages++) {
        const char *next;
        int rc;

        if (client_ask_or_say(c, &m, q->answer, &r, &out, err) < 0)
            goto fail;
        rc = take_page(&l, q, out->data, err);
        next = ao_out_tag(out, "Next");
        snprintf(page, sizeof(page), "%s", next ? next : "");
        ao_result_clear(&r);
        if (rc)
            goto fail;
    }
    *id = l.id;
    *n = l.n;
    return 0;
fail:
    free(l.id);
    return -1;
}
