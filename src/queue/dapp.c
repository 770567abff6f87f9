/*
 * Requests from the side of who asks.
 */
#include <config.h>

#include "queue/dapp.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "queue/client.h"

/* Two messages as JSON, which Content-Type says. */
static void put_messages(struct buf *out, const struct dapp_request *r)
{
    buf_puts(out, "{\"messages\":[{\"role\":\"system\",\"content\":");
    json_put_string(out, r->system, strlen(r->system));
    buf_puts(out, "},{\"role\":\"user\",\"content\":");
    json_put_string(out, r->text, r->n);
    buf_puts(out, "}]}");
}

int dapp_sign(struct client *t, struct buf *item, struct id *id,
              const struct dapp_request *r, struct err *err)
{
    struct item_text_tag tag[6] = { { "Action", "Infer" } };
    struct ao_message m = { .process = t->process, .tag = tag };
    struct buf data;
    size_t n = 1;
    int rc;

    if (r->n == 0 && !r->source)
        return err_set(err, ERR_INPUT, "an empty request");
    if (r->source)
        tag[n++] = (struct item_text_tag){ "X-Source", r->source };
    if (r->model)
        tag[n++] = (struct item_text_tag){ "X-Model", r->model };
    if (r->node)
        tag[n++] = (struct item_text_tag){ "X-Node", r->node };
    if (r->options)
        tag[n++] = (struct item_text_tag){ "X-Options", r->options };
    buf_init(&data, AO_MAX_DATA);
    if (r->system) {
        tag[n++] = (struct item_text_tag){ "Content-Type",
                                           "application/json" };
        put_messages(&data, r);
    } else {
        buf_put(&data, r->text, r->n);
    }
    m.n_tags = n;
    m.data = data.data;
    m.n = data.len;
    rc = buf_check(&data, "the request", err) ||
                 ao_sign(t->ao, item, id, &m, err)
             ? -1 : 0;
    buf_clear(&data);
    return rc;
}

/* The queue answers an Infer at once only if it refuses it. */
static int judge_infer(struct client *t, const struct ao_result *r,
                       struct err *err)
{
    const struct ao_out *out = NULL;

    if (!r->error && r->n_out == 0)
        return 0;
    for (size_t i = 0; i < r->n_out; i++) {
        const char *action = ao_out_tag(&r->out[i], "Action");

        if (action && strcmp(action, "Infer-Response") == 0)
            return client_judge(t, r, "Infer-Response", &out, err) < 0 ? -1 : 0;
    }
    if (r->error)
        return client_judge(t, r, "Infer-Response", &out, err);
    return 0;
}

int dapp_send(struct client *t, const void *item, size_t n, struct err *err)
{
    struct item *head = xcalloc(1, sizeof(*head));
    struct ao_result r = { .root = NULL };
    int rc = item_head(head, item, n, err);

    if (rc == ITEM_SHORT)
        rc = err_set(err, ERR_INPUT, "the item that was kept is cut off");
    if (rc == 0 &&
        (rc = ao_send(t->ao, item, n, err)) == 0 &&
        (rc = ao_result(t->ao, &r, t->process, head->id, t->wait_s, err)) ==
            0)
        rc = judge_infer(t, &r, err);
    ao_result_clear(&r);
    free(head);
    return rc;
}

/* ---- Status -------------------------------------------------------------- */

static int take_id(struct id *id, const struct ao_out *o, const char *name,
                   struct err *err)
{
    const char *text = ao_out_tag(o, name);

    if (!text || id_parse(id, text))
        return err_set(err, ERR_INPUT, "the queue's answer has no %s that is"
                       " an id", name);
    return 0;
}

static int take_status(struct dapp_status *s, const struct ao_out *o,
                       struct err *err)
{
    static const char *const states[] = { "pending", "leased", "done",
                                          "gone" };
    const char *state = ao_out_tag(o, "State");
    bool open = state && strcmp(state, "answered") == 0;
    size_t i = 0;

    if (open)
        state = "done";
    while (i < 4 && (!state || strcmp(state, states[i]) != 0))
        i++;
    if (i == 4)
        return err_set(err, ERR_INPUT, "the queue's answer has no State");
    memset(s, 0, sizeof(*s));
    s->state = (enum dapp_state)i;
    if ((open || s->state == DAPP_LEASED) &&
        client_number(&s->until_ms, o, "Until", UINT64_MAX, err))
        return -1;
    if (s->state == DAPP_LEASED)
        return take_id(&s->node, o, "Node", err);
    if (s->state != DAPP_DONE)
        return 0;
    s->conflict = ao_out_tag(o, "Conflict") != NULL;
    return take_id(&s->node, o, "Node", err) ||
                   take_id(&s->result, o, "Result", err) ||
                   take_id(&s->item, o, "Item", err)
               ? -1
               : 0;
}

int dapp_status(struct client *t, struct dapp_status *s, struct id id,
                struct err *err)
{
    char text[ID_TEXT];
    const struct item_text_tag tag[] = { { "Action", "Status" },
                                         { "Request", text } };
    const struct ao_message m = { .tag = tag, .n_tags = 2 };
    const struct ao_out *out = NULL;
    struct ao_result r;
    int rc;

    base64url(text, id.b, 32);
    if (client_ask_or_say(t, &m, "Status-Response", &r, &out, err) < 0)
        return -1;
    rc = take_status(s, out, err);
    ao_result_clear(&r);
    return rc;
}

int dapp_cancel(struct client *t, struct id id, struct err *err)
{
    char text[ID_TEXT];
    const struct item_text_tag tag[] = { { "Action", "Cancel" },
                                         { "Request", text } };
    const struct ao_message m = { .tag = tag, .n_tags = 2 };
    const struct ao_out *out = NULL;
    struct ao_result r;

    base64url(text, id.b, 32);
    if (client_say(t, &m, "Cancel-Response", &r, &out, err) < 0)
        return -1;
    ao_result_clear(&r);
    return 0;
}
