/*
 * HyperBEAM (ao.N.1): everything goes to one node, as items in a POST with
 * the codec named in a header.  Results are asked for by slot, so where a
 * message of ours stands is remembered, or looked for in the schedule.  A
 * question is computed (as=execution) without being scheduled.
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao_internal.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"

#define QUESTION_MAX 8192 /* bytes of a path that asks */
#define POST_MAX_ANSWER ((uint64_t)256 << 20) /* read, not kept */
#define PAGE 100      /* slots of one look into the schedule */
#define MAX_PAGES 50  /* how far back a message of ours is looked for */

static const char *const read_header[] = {
    "require-codec: application/json", "accept-bundle: true",
    "Accept: application/json", NULL
};

/* ---- slots --------------------------------------------------------------- */

static void remember(struct ao *ao, struct id id, uint64_t slot)
{
    struct ao_slot *s = &ao->slot[ao->n_slots++ % AO_SLOTS];

    s->id = id;
    s->slot = slot;
}

static bool recall(const struct ao *ao, struct id id, uint64_t *slot)
{
    size_t n = ao->n_slots < AO_SLOTS ? ao->n_slots : AO_SLOTS;

    for (size_t i = 0; i < n; i++) {
        if (id_equal(ao->slot[i].id, id)) {
            *slot = ao->slot[i].slot;
            return true;
        }
    }
    return false;
}

/* A field of an answer: a header, or a member of its JSON; -1 if neither. */
static int field(char *out, size_t n, const struct http_answer *a,
                 const char *name)
{
    struct json *root = NULL;
    const char *text;
    int rc = -1;

    if (http_header(a, name, out, n))
        return 0;
    if (json_parse(&root, a->body.len ? a->body.data : "", a->body.len,
                   NULL))
        return -1;
    text = json_string(json_get(root, name));
    if (!text)
        text = json_number(json_get(root, name));
    if (text && strlen(text) < n) {
        memcpy(out, text, strlen(text) + 1);
        rc = 0;
    }
    json_free(root);
    return rc;
}

/* ---- sending ------------------------------------------------------------- */

/* The result comes along, and is not what is wanted: so much of it as may be
 * kept, for the slot.  Too much of it must not hide that the item was taken. */
static int keep_front(void *self, const void *data, size_t n, struct err *err)
{
    struct buf *b = self;

    (void)err;
    if (b->len + n <= AO_MAX_ANSWER)
        buf_put(b, data, n);
    return 0;
}

static int exchange_post(struct ao *ao, struct http_answer *a,
                         const char *url, const char *const *header,
                         const struct ao_post *p, struct err *err)
{
    struct buf body;
    struct http_request r = {
        .method = "POST", .url = url, .header = header, .body = p->item,
        .body_n = p->n, .sink = keep_front, .sink_self = &body,
        .max_body = POST_MAX_ANSWER,
    };
    int rc;

    buf_init(&body, AO_MAX_ANSWER);
    http_answer_init(a);
    rc = http_do(ao->http, &r, a, err);
    if (rc || a->body.len) {
        buf_clear(&body);
        return rc;
    }
    buf_clear(&a->body);
    a->body = body;
    return 0;
}

static int post_message(struct ao *ao, struct ao_post *p, struct err *err)
{
    static const char *const header[] = {
        "Content-Type: application/ans104", "codec-device: ans104@1.0",
        "require-codec: application/json", "accept-bundle: true",
        "Accept: application/json", NULL
    };
    char *path = p->process[0]
                     ? xasprintf("%s~process@1.0/push", p->process)
                     : xstrdup("push");
    char *url = http_url_join(ao->node, path), text[64];
    struct http_answer a;
    uint64_t slot;
    int rc = exchange_post(ao, &a, url, header, p, err);

    if (rc == 0 && ao_judge(&a, url, err) != AO_SAID_DONE) {
        p->again_s = a.retry_after_s;
        rc = -1;
    }
    if (rc == 0 && field(text, sizeof(text), &a, "slot") == 0 &&
        json_u64_text(text, &slot) == 0)
        remember(ao, p->id, slot);
    if (rc == 0 && p->spawned &&
        (field(text, sizeof(text), &a, "process") ||
         id_parse(p->spawned, text)))
        *p->spawned = p->id;
    http_answer_clear(&a);
    free(url);
    free(path);
    return rc;
}

/* ---- the schedule -------------------------------------------------------- */

/* GET of a path. */
static enum ao_said fetch_path(struct ao *ao, struct http_answer *a,
                               const char *path, struct err *err)
{
    char *url = http_url_join(ao->node, path);
    struct err own = ERR_INIT;
    enum ao_said said;

    err = err_or(err, &own);
    if (ao_exchange(ao, a, url, read_header, NULL, 0, err)) {
        said = ao_failed(err);
    } else if (a->status == 202 || a->status == 404) {
        err_set(err, ERR_RETRY, "\"%s\" has nothing there yet (%d)", url,
                a->status);
        said = AO_SAID_LATER;
    } else {
        said = ao_judge_get(a, url, err);
    }
    free(url);
    return said;
}

/* The last slot of a process. */
static enum ao_said current(struct ao *ao, uint64_t *slot,
                            const char *process, struct err *err)
{
    char *path = xasprintf("%s/slot/current", process), text[64] = "";
    struct http_answer a;
    enum ao_said said = fetch_path(ao, &a, path, err);
    bool here = said == AO_SAID_DONE;

    if (here && a.body.len > 0 && a.body.len < sizeof(text) - 1)
        memcpy(text, a.body.data, a.body.len + 1);
    if (here) {
        text[strcspn(text, "\r\n ")] = '\0';
        if (json_u64_text(text, slot) &&
            (field(text, sizeof(text), &a, "body") ||
             json_u64_text(text, slot))) {
            err_set(err, ERR_INPUT, "\"%s/%s\": a number expected", ao->node,
                    path);
            said = AO_SAID_NO;
        }
    }
    http_answer_clear(&a);
    free(path);
    return said;
}

/* A tag of an assignment as the scheduler's JSON has it. */
static const char *assignment_tag(const struct json *edge, const char *name)
{
    const struct json *node = json_get(edge, "node");
    const struct json *tags = json_get(json_get(node, "assignment"), "tags");

    for (const struct json *t = json_first(tags); t; t = json_next(t)) {
        const char *key = json_string(json_get(t, "name"));

        if (key && strcmp(key, name) == 0)
            return json_string(json_get(t, "value"));
    }
    return NULL;
}

static bool find_edge(const struct json *root, const char *id, uint64_t *slot)
{
    const struct json *edges = json_get(root, "edges");

    for (const struct json *e = json_first(edges); e; e = json_next(e)) {
        const struct json *m = json_get(json_get(e, "node"), "message");
        const char *got = json_string(json_get(m, "id"));
        const char *nonce = assignment_tag(e, "Nonce");

        if (!got || strcmp(got, id) != 0)
            continue;
        if (!nonce)
            nonce = json_string(json_get(e, "cursor"));
        if (nonce && json_u64_text(nonce, slot) == 0)
            return true;
    }
    return false;
}

/* One page of the schedule; LATER: it is not there, or not yet. */
static enum ao_said look_in_schedule(struct ao *ao, uint64_t *slot,
                                     const char *process, const char *id,
                                     uint64_t from, uint64_t to,
                                     struct err *err)
{
    char *path = xasprintf("%s~process@1.0/schedule?from=%" PRIu64 "&to=%"
                           PRIu64 "&accept=application/aos-2", process, from,
                           to);
    struct json *root = NULL;
    struct http_answer a;
    enum ao_said said = fetch_path(ao, &a, path, err);

    if (said == AO_SAID_DONE &&
        json_parse(&root, a.body.len ? a.body.data : "", a.body.len, err))
        said = AO_SAID_NO;
    if (said == AO_SAID_DONE && !find_edge(root, id, slot))
        said = AO_SAID_LATER;
    json_free(root);
    http_answer_clear(&a);
    free(path);
    return said;
}

/* From the end backwards: what is asked for was sent not long ago. */
static enum ao_said find_slot(struct ao *ao, uint64_t *slot,
                              const char *process, struct id id,
                              struct err *err)
{
    uint64_t last, from;
    enum ao_said said;

    if (recall(ao, id, slot))
        return AO_SAID_DONE;
    said = current(ao, &last, process, err);
    if (said != AO_SAID_DONE)
        return said;
    for (int page = 0; page < MAX_PAGES; page++) {
        from = last > PAGE ? last - PAGE : 0;
        said =
            look_in_schedule(ao, slot, process, id_text(id).s, from, last, err);
        if (said != AO_SAID_LATER || from == 0)
            break;
        last = from;
    }
    if (said == AO_SAID_DONE)
        remember(ao, id, *slot);
    else if (said == AO_SAID_LATER)
        err_set(err, ERR_RETRY,
                "message %s is not in the schedule of \"%s\""
                " yet",
                id_text(id).s, ao->node);
    return said;
}

/* ---- reading ------------------------------------------------------------- */

static enum ao_said result(struct ao *ao, struct ao_result *r,
                           const char *process, struct id id,
                           struct err *err)
{
    struct err own = ERR_INIT;
    struct http_answer a;
    uint64_t slot = 0;
    enum ao_said said;
    char *path;

    err = err_or(err, &own);
    said = find_slot(ao, &slot, process, id, err);
    if (said != AO_SAID_DONE)
        return said;
    path = xasprintf("%s~process@1.0/compute?slot=%" PRIu64, process, slot);
    said = fetch_path(ao, &a, path, err);
    if (said == AO_SAID_DONE &&
        ao_result_parse_node(r, a.body.len ? a.body.data : "", a.body.len,
                             err)) {
        said = ao_failed(err);
        err_prefix(err, "\"%s/%s\"", ao->node, path);
    }
    http_answer_clear(&a);
    free(path);
    return said;
}

/* ---- asking -------------------------------------------------------------- */

static void put_escaped(struct buf *b, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        /* RFC 3986 section 2.3 */
        if (c && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                        "0123456789-._~", c))
            buf_putc(b, (char)c);
        else
            buf_printf(b, "%%%02X", c);
    }
}

static void put_argument(struct buf *b, const char *name, const char *value,
                         size_t n)
{
    buf_putc(b, '&');
    put_escaped(b, name, strlen(name));
    buf_putc(b, '=');
    put_escaped(b, value, n);
}

/* A message of which only the node's compute unit knows: in the path, each tag
 * an argument.  One that changes, for what was computed once is kept. */
static int put_question(struct buf *b, const struct ao_message *m,
                        struct err *err)
{
    const struct id_text process = id_text(m->process);
    unsigned char random[16];
    char salt[32];

    if (key_random(random, sizeof(random), err))
        return -1;
    base64url(salt, random, sizeof(random));
    buf_printf(b, "%s~process@1.0/as=execution/compute", process.s);
    for (size_t i = 0; i < m->n_tags; i++)
        put_argument(b, m->tag[i].name, m->tag[i].value,
                     strlen(m->tag[i].value));
    put_argument(b, "target", process.s, strlen(process.s));
    if (m->n > 0)
        put_argument(b, "data", m->data, m->n);
    put_argument(b, "X-Ask", salt, strlen(salt));
    return buf_check(b, "a question in a path", err);
}

static int ask_node(struct ao *ao, struct ao_result *r,
                    const struct ao_message *m, struct err *err)
{
    struct http_answer a;
    char *url = NULL;
    struct buf path;
    uint64_t slot;
    int rc;

    http_answer_init(&a);
    buf_init(&path, QUESTION_MAX);
    rc = put_question(&path, m, err);
    if (rc == 0) {
        url = http_url_join(ao->node, path.data);
        rc = ao_exchange(ao, &a, url, read_header, NULL, 0, err);
    }
    if (rc == 0) {
        ao->ask_status = a.status;
        if (a.status == 404 &&
            current(ao, &slot, id_text(m->process).s, NULL) != AO_SAID_DONE)
            ao->ask_status = 0; /* it knows no such process */
        rc = ao_judge(&a, url, err) == AO_SAID_DONE ? 0 : -1;
    }
    if (rc == 0 && ao_result_parse_node(r, a.body.len ? a.body.data : "",
                                        a.body.len, err))
        rc = err_prefix(err, "\"%s\"", url);
    http_answer_clear(&a);
    buf_clear(&path);
    free(url);
    return rc;
}

/* ---- new processes ------------------------------------------------------- */

/* The address in an answer: all of it, a text of JSON, or its body. */
static int take_address(char out[ID_TEXT], const struct http_answer *a)
{
    const char *text = a->body.len ? a->body.data : "";
    size_t n = a->body.len;
    struct json *root = NULL;
    struct id id;
    int rc;

    while (n > 0 && strchr(" \r\n\t", text[n - 1]))
        n--;
    if (json_parse(&root, text, n, NULL) == 0) {
        text = json_string(json_type(root) == JSON_OBJECT
                               ? json_get(root, "body") : root);
        n = text ? strlen(text) : 0;
    }
    rc = n == ID_TEXT - 1 ? 0 : -1;
    if (rc == 0) {
        memcpy(out, text, n);
        out[n] = '\0';
        rc = id_parse(&id, out);
    }
    json_free(root);
    return rc;
}

/* A node orders and speaks for the processes that are made there. */
static int find_units(struct ao *ao, struct err *err)
{
    static const char *const header[] = { "Accept: text/plain, */*", NULL };
    char address[ID_TEXT], *url;
    struct http_answer a;
    int rc;

    if (*ao->scheduler && *ao->authority)
        return 0;
    url = http_url_join(ao->node, "~meta@1.0/info/address");
    rc = ao_exchange(ao, &a, url, header, NULL, 0, err);
    if (rc == 0 && ao_judge(&a, url, err) != AO_SAID_DONE)
        rc = -1;
    else if (rc == 0 && take_address(address, &a))
        rc = err_set(err, ERR_INPUT, "\"%s\": an address of 43 characters"
                     " expected", url);
    if (rc) {
        err_prefix(err, "the node does not say its address, which a new"
                   " process needs: set ao-scheduler and ao-authority");
    } else {
        ao_set_unit(&ao->scheduler, address);
        ao_set_unit(&ao->authority, address);
    }
    http_answer_clear(&a);
    free(url);
    return rc;
}

static const struct item_text_tag process_tags[] = {
    { "device", "process@1.0" },
    { "scheduler-device", "scheduler@1.0" },
    { "push-device", "push@1.0" },
    { "execution-device", "genesis-wasm@1.0" },
    { NULL, NULL }
};

const struct ao_network ao_hyperbeam = { .name = "hyperbeam",
                                         .variant = "ao.N.1",
                                         .process_tag = process_tags,
                                         .find_units = find_units,
                                         .post = post_message,
                                         .result = result,
                                         .ask = ask_node };
