/*
 * Status of a process that answers by itself, and its answers.
 */
#include <config.h>

#include "queue/onchain.h"

#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "queue/client.h"

#define COUNT_MAX UINT32_MAX
#define WHY_MAX 300 /* bytes that are shown */

/* ---- Status -------------------------------------------------------------- */

static int take_done(struct onchain_status *s, const struct ao_out *o)
{
    const char *code = ao_out_tag(o, "Answer-Code");
    const char *text = ao_out_tag(o, "Answer-Message");

    if (code)
        s->why = xasprintf("%.8s: %.*s", code, WHY_MAX, text ? text : "");
    s->data = xstrdup(o->data);
    return 0;
}

static int take_status(struct onchain_status *s, const struct ao_out *o,
                       struct err *err)
{
    const char *state = ao_out_tag(o, "State");

    memset(s, 0, sizeof(*s));
    if (state && strcmp(state, "done") == 0) {
        s->state = ONCHAIN_DONE;
        return take_done(s, o);
    }
    if (state && strcmp(state, "gone") == 0) {
        s->state = ONCHAIN_GONE;
        return 0;
    }
    if (!state || strcmp(state, "pending") != 0)
        return err_set(err, ERR_INPUT, "its answer to Status has no State: is"
                       " it a process of apus chain new?");
    s->state = ONCHAIN_PENDING;
    return client_number(&s->before, o, "Before", COUNT_MAX, err) ||
                   client_number(&s->position, o, "Position", COUNT_MAX, err)
               ? -1
               : 0;
}

int onchain_status(struct onchain_status *s, struct client *t, struct id id,
                   bool say, struct err *err)
{
    const struct id_text text = id_text(id);
    const struct item_text_tag tag[] = { { "Action", "Status" },
                                         { "Request", text.s } };
    const struct ao_message m = { .tag = tag, .n_tags = 2 };
    static const char answer[] = "Status-Response";
    const struct ao_out *out = NULL;
    struct ao_result r;
    int rc = say ? client_say(t, &m, answer, &r, &out, err)
                 : client_ask_or_say(t, &m, answer, &r, &out, err);

    if (rc < 0)
        return -1;
    rc = take_status(s, out, err);
    ao_result_clear(&r);
    return rc;
}

void onchain_status_clear(struct onchain_status *s)
{
    free(s->why);
    free(s->data);
    memset(s, 0, sizeof(*s));
}

/* ---- an answer ----------------------------------------------------------- */

int onchain_answer_parse(struct onchain_answer *a, const char *text, size_t n,
                         struct err *err)
{
    struct onchain_answer got = { .root = NULL };
    const struct json *of;

    if (json_parse(&got.root, text, n, err))
        return err_prefix(err, "the answer");
    got.text = json_string(json_get(got.root, "result"));
    of = json_get(got.root, "attestation");
    if (!got.text || json_id(json_get(of, "request"), &got.request) ||
        json_id(json_get(of, "node"), &got.process) ||
        json_id(json_get(of, "model"), &got.model) ||
        json_id(json_get(of, "job"), &got.job) ||
        json_id(json_get(of, "result"), &got.result)) {
        onchain_answer_clear(&got);
        return err_set(err, ERR_INPUT, "the answer is not one of a process:"
                       " \"result\" or a part of \"attestation\" is missing");
    }
    *a = got;
    return 0;
}

void onchain_answer_clear(struct onchain_answer *a)
{
    json_free(a->root);
    memset(a, 0, sizeof(*a));
}
