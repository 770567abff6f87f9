/*
 * Requests from the side of who asks.
 */
#include <config.h>

#include "relay/dapp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "proof/result_record.h"
#include "publish/published.h"
#include "queue/talk.h"
#include "verify/claims.h"
#include "verify/lookup.h"

/* Two messages as JSON, which Content-Type says. */
static void put_messages(struct buf *out, const struct dapp_request *r)
{
    buf_puts(out, "{\"messages\":[{\"role\":\"system\",\"content\":");
    json_put_string(out, r->system, strlen(r->system));
    buf_puts(out, "},{\"role\":\"user\",\"content\":");
    json_put_string(out, r->text, r->n);
    buf_puts(out, "}]}");
}

int dapp_sign(struct talk *t, struct buf *item, unsigned char id[32],
              const struct dapp_request *r, struct err *err)
{
    struct item_text_tag tag[6] = { { "Action", "Infer" } };
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
    rc = buf_check(&data, "the request", err) ||
                 ao_message(t->ao, item, id, t->process, tag, n,
                            data.len ? data.data : "", data.len, err)
             ? -1 : 0;
    buf_clear(&data);
    return rc;
}

/* The queue answers an Infer at once only if it refuses it. */
static int judge(struct talk *t, const struct ao_result *r, struct err *err)
{
    const struct ao_out *out = NULL;

    if (!r->error && r->n_out == 0)
        return 0;
    for (size_t i = 0; i < r->n_out; i++) {
        const char *action = ao_out_tag(&r->out[i], "Action");

        if (action && strcmp(action, "Infer-Response") == 0)
            return talk_judge(t, r, "Infer-Response", &out, err) < 0 ? -1 : 0;
    }
    if (r->error)
        return talk_judge(t, r, "Infer-Response", &out, err);
    return 0;
}

int dapp_send(struct talk *t, const void *item, size_t n, struct err *err)
{
    struct item *head = xcalloc(1, sizeof(*head));
    struct ao_result r = { .root = NULL };
    int rc = item_head(head, item, n, err);

    if (rc > 0)
        rc = err_set(err, ERR_INPUT, "the item that was kept is cut off");
    if (rc == 0 &&
        (rc = ao_send(t->ao, item, n, err)) == 0 &&
        (rc = ao_result(t->ao, &r, t->process, head->id, t->wait_s, err)) ==
            0)
        rc = judge(t, &r, err);
    ao_result_clear(&r);
    free(head);
    return rc;
}

/* ---- Status -------------------------------------------------------------- */

static int take_id(unsigned char id[32], const struct ao_out *o,
                   const char *name, struct err *err)
{
    const char *text = ao_out_tag(o, name);

    if (!text || base64url_id(id, text))
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
    size_t i = 0;

    while (i < 4 && (!state || strcmp(state, states[i]) != 0))
        i++;
    if (i == 4)
        return err_set(err, ERR_INPUT, "the queue's answer has no State");
    memset(s, 0, sizeof(*s));
    s->state = (enum dapp_state)i;
    if (s->state == DAPP_LEASED)
        return take_id(s->node, o, "Node", err) ||
                       talk_number(&s->until_ms, o, "Until", UINT64_MAX, err)
                   ? -1 : 0;
    if (s->state != DAPP_DONE)
        return 0;
    s->conflict = ao_out_tag(o, "Conflict") != NULL;
    return take_id(s->node, o, "Node", err) ||
                   take_id(s->result, o, "Result", err) ||
                   take_id(s->item, o, "Item", err)
               ? -1 : 0;
}

int dapp_status(struct talk *t, struct dapp_status *s,
                const unsigned char id[32], struct err *err)
{
    char text[ID_TEXT];
    const struct item_text_tag tag[] = { { "Action", "Status" },
                                         { "Request", text } };
    const struct ao_out *out = NULL;
    struct ao_result r;
    int rc;

    base64url(text, id, 32);
    if (talk_ask_or_say(t, tag, 2, "Status-Response", &r, &out, err) < 0)
        return -1;
    rc = take_status(s, out, err);
    ao_result_clear(&r);
    return rc;
}

int dapp_cancel(struct talk *t, const unsigned char id[32], struct err *err)
{
    char text[ID_TEXT];
    const struct item_text_tag tag[] = { { "Action", "Cancel" },
                                         { "Request", text } };
    const struct ao_out *out = NULL;
    struct ao_result r;

    base64url(text, id, 32);
    if (talk_say(t, tag, 2, "", 0, "Cancel-Response", &r, &out, err) < 0)
        return -1;
    ao_result_clear(&r);
    return 0;
}

/* ---- the answer ---------------------------------------------------------- */

/* The first claim that does not hold. */
struct failed {
    char text[300];
};

static void note_claim(void *self, const struct check_claim *c)
{
    struct failed *f = self;

    if (!c->holds && !c->open && !f->text[0])
        snprintf(f->text, sizeof(f->text), "%s: %s", c->what, c->detail);
}

/* What the queue said of it, held against what is signed. */
static int compare(const struct talk *t, const struct dapp_status *s,
                   const unsigned char id[32], const struct published *p,
                   struct err *err)
{
    unsigned char result[32];

    result_record_id(result, &p->result);
    if (memcmp(p->result.request, id, 32) != 0)
        return err_set(err, ERR_INPUT, "it answers another request");
    if (memcmp(p->process, t->process, 32) != 0)
        return err_set(err, ERR_INPUT, "it answers another queue");
    if (memcmp(result, s->result, 32) != 0)
        return err_set(err, ERR_INPUT, "its result is another than the queue"
                       " has");
    if (p->hashed)
        return err_set(err, ERR_INPUT, "only the hash of its text was"
                       " published");
    if (p->result.finish >= RESULT_RANGE)
        return err_set(err, ERR_INPUT, "the request has no answer: finish %"
                       PRIu32 " (%s)", p->result.finish,
                       p->result.finish == RESULT_RANGE
                           ? "activation out of range"
                           : "the prompt is too long, or empty");
    return 0;
}

int dapp_check(const struct talk *t, const struct dapp_status *s,
               const unsigned char id[32], const struct claims_item *it,
               struct buf *text, struct err *err)
{
    struct failed f = { "" };
    struct claims c = { .tell = note_claim, .self = &f, .key = s->node };
    struct published p;
    int rc;

    published_init(&p);
    rc = claims_result(&c, it, &p);
    if (rc || c.failed)
        rc = err_set(err, ERR_INPUT, "%s", f.text);
    else
        rc = compare(t, s, id, &p, err);
    if (rc == 0) {
        buf_put(text, p.text.len ? p.text.data : "", p.text.len);
        rc = buf_check(text, "the answer", err);
    }
    published_clear(&p);
    return rc;
}

/* Whether an item that was checked answers what its message asks. */
static int check_asked(struct lookup *l, const struct claims_item *it,
                       const char *kept, struct err *unseen, struct err *err)
{
    struct failed f = { "" };
    struct claims c = { .tell = note_claim, .self = &f };
    struct err unused = ERR_INIT;
    struct lookup_item message;
    struct published p;
    bool here;
    int rc;

    published_init(&p);
    lookup_item_init(&message, PUBLISHED_MAX);
    here = kept && lookup_file(kept, &message, &unused) == 0;
    rc = published_read(&p, it->data, it->n, err);
    if (rc == 0 && lookup_asked(l, &c, it->head.id, &p, NULL,
                                here ? &message.it : NULL, unseen) == 0 &&
        c.failed)
        rc = err_set(err, ERR_INPUT, "%s", f.text);
    lookup_item_clear(&message);
    published_clear(&p);
    return rc;
}

int dapp_answer(const struct talk *t, const struct settings *settings,
                const struct dapp_status *s, const unsigned char id[32],
                const char *kept, struct buf *text, struct err *unseen,
                struct err *err)
{
    struct lookup *l = NULL;
    struct lookup_item it;
    char item[ID_TEXT];
    int rc;

    base64url(item, s->item, 32);
    lookup_item_init(&it, PUBLISHED_MAX);
    rc = lookup_new(&l, settings, NULL, NULL, err);
    if (rc == 0)
        rc = lookup_get(l, s->item, &it, err);
    if (rc == 0)
        rc = dapp_check(t, s, id, &it.it, text, err);
    if (rc == 0)
        rc = check_asked(l, &it.it, kept, unseen, err);
    if (rc)
        err_prefix(err, "answer %s", item);
    lookup_item_clear(&it);
    lookup_free(l);
    return rc;
}
