/*
 * Lines of Disputes-Response are {dispute, request, state, turn, number, until,
 * at}; those whose turn is "node" count.
 */
#include <config.h>

#include "node/turns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/vec.h"
#include "node/rounds.h"
#include "queue/client.h"

#define LENGTH_MAX 172800  /* seconds; the most that a queue takes */
#define WINDOW_MAX 2592000

void turns_clear(struct turns *t)
{
    free(t->list);
    memset(t, 0, sizeof(*t));
}

static int take_line(struct turns *t, const char *line, size_t n,
                     struct err *err)
{
    struct turn turn;
    struct json *root;
    const char *side;
    bool good, ours;

    if (json_parse(&root, line, n, err))
        return err_prefix(err, "the queue's answer to Disputes");
    side = json_string(json_get(root, "turn"));
    ours = side && strcmp(side, "node") == 0;
    good = side && json_id(json_get(root, "dispute"), &turn.dispute) == 0 &&
           json_id(json_get(root, "request"), &turn.request) == 0 &&
           json_digits(json_get(root, "number"), &turn.number) == 0 &&
           json_digits(json_get(root, "until"), &turn.until_ms) == 0;
    json_free(root);
    if (!good || t->n == TURNS_MAX)
        return err_set(err, ERR_INPUT, "the queue's answer to Disputes has"
                       " %s", good ? "too many lines" : "a line that cannot"
                       " be");
    if (ours) {
        VEC_RESERVE(t->list, t->cap, t->n + 1);
        t->list[t->n++] = turn;
    }
    return 0;
}

int turns_parse(struct turns *t, const char *text, struct err *err)
{
    while (*text) {
        size_t n = strcspn(text, "\n");

        if (n && take_line(t, text, n, err))
            return -1;
        text += text[n] ? n + 1 : n;
    }
    return 0;
}

static const struct item_text_tag INFO[] = { { "Action", "Info" } };
static const struct ao_message ASK_INFO = { .tag = INFO, .n_tags = 1 };

int turns_length(uint64_t *length_s, struct client *c, struct err *err)
{
    const struct ao_out *out;
    struct ao_result r;
    int rc;

    if (client_ask(c, &ASK_INFO, "Info-Response", &r, &out, err) < 0)
        return -1;
    rc = client_number(length_s, out, "Turn", LENGTH_MAX, err);
    ao_result_clear(&r);
    return rc;
}

int turns_times(uint64_t *window_s, uint64_t *length_s, struct client *c,
                struct err *err)
{
    struct err none = ERR_INIT;
    const struct ao_out *out;
    struct ao_result r;
    int rc;

    if (client_ask_or_say(c, &ASK_INFO, "Info-Response", &r, &out, err) < 0)
        return -1;
    rc = client_number(window_s, out, "Window", WINDOW_MAX, err);
    *length_s = 0;
    if (rc == 0 && client_number(length_s, out, "Turn", LENGTH_MAX, &none))
        log_debug("Info: %s", none.text);
    ao_result_clear(&r);
    return rc;
}

int turns_ask(struct turns *t, struct client *c, struct err *err)
{
    const struct id_text me = id_text(c->node);
    char page[24] = "0";
    const struct item_text_tag tag[] = {
        { "Action", "Disputes" }, { "Page", page }, { "Node", me.s }
    };
    const struct ao_message m = { .tag = tag, .n_tags = 3 };

    memset(t, 0, sizeof(*t));
    for (size_t pages = 0; *page && pages <= TURNS_MAX; pages++) {
        const struct ao_out *out;
        struct ao_result r;
        const char *next;
        int rc;

        if (client_ask(c, &m, "Disputes-Response", &r, &out, err) < 0)
            return -1;
        rc = turns_parse(t, out->data, err);
        next = ao_out_tag(out, "Next");
        snprintf(page, sizeof(page), "%s", next ? next : "");
        ao_result_clear(&r);
        if (rc)
            return -1;
    }
    return t->n ? turns_length(&t->length_s, c, err) : 0;
}

uint64_t turns_left_s(uint64_t until_ms)
{
    uint64_t now = rounds_now(), until = until_ms / 1000;

    return until > now ? until - now : 0;
}

bool turns_late(uint64_t until_ms, uint64_t length_s)
{
    return turns_left_s(until_ms) <= length_s / 2;
}

const char *turns_left(char text[TURNS_LEFT], uint64_t until_ms)
{
    uint64_t s = turns_left_s(until_ms);

    if (s == 0)
        snprintf(text, TURNS_LEFT, "nothing left");
    else if (s < 7200)
        snprintf(text, TURNS_LEFT, "%" PRIu64 " min left", (s + 59) / 60);
    else
        snprintf(text, TURNS_LEFT, "%" PRIu64 " h left", s / 3600);
    return text;
}
