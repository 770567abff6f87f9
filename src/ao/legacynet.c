/*
 * Legacynet (ao.TN.1): items go to a messenger, results and dry runs come
 * from a compute unit.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "ao/ao_internal.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"

/* Addresses of its units. */
#define SCHEDULER "_GQ33BkPtZrqxA84vM8Zk-N2aO0toNNu_C-l-rawrBA"
#define MESSENGER "fcoN_xJeisVsPXA-trzVAuIiqO3ydLQxM-L4XbrQKzY"

#define ASK_MAX (1u << 20) /* body of a dry run */

/* The answer to a POST names the item again; another id would mean that it
 * took something else. */
static int check_id(const struct http_answer *a, struct id id, const char *url,
                    struct err *err)
{
    struct json *root = NULL;
    const char *text;
    int rc = 0;

    if (json_parse(&root, a->body.len ? a->body.data : "", a->body.len,
                   NULL))
        return 0;
    text = json_string(json_get(root, "id"));
    if (text && strcmp(text, id_text(id).s) != 0)
        rc = err_set(err, ERR_INPUT,
                     "\"%s\" took item \"%.43s\" where %s was"
                     " sent",
                     url, text, id_text(id).s);
    json_free(root);
    return rc;
}

static int post_to_mu(struct ao *ao, struct ao_post *p, struct err *err)
{
    static const char *const header[] = {
        "Content-Type: application/octet-stream",
        "Accept: application/json", NULL
    };
    char *url = http_url_join(ao->mu, "");
    struct http_answer a;
    int rc = ao_exchange(ao, &a, url, header, p->item, p->n, err);

    if (rc == 0 && ao_judge(&a, url, err) != AO_SAID_DONE) {
        p->again_s = a.retry_after_s;
        rc = -1;
    } else if (rc == 0 && ao_status_good(a.status)) {
        rc = check_id(&a, p->id, url, err);
    }
    if (rc == 0 && p->spawned)
        *p->spawned = p->id;
    http_answer_clear(&a);
    free(url);
    return rc;
}

/* Whatever may pass is "not yet": a message that the messenger took may not
 * have reached the scheduler, where the compute unit looks for it. */
static enum ao_said result(struct ao *ao, struct ao_result *r,
                           const char *process, struct id id,
                           struct err *err)
{
    static const char *const header[] = { "Accept: application/json", NULL };
    struct err own = ERR_INIT;
    char *path, *url;
    struct http_answer a;
    enum ao_said said;

    err = err_or(err, &own);
    path = xasprintf("result/%s?process-id=%s", id_text(id).s, process);
    url = http_url_join(ao->cu, path);
    if (ao_exchange(ao, &a, url, header, NULL, 0, err)) {
        said = ao_failed(err);
    } else if (a.status == 202 || a.status == 404) {
        err_set(err, ERR_RETRY,
                "\"%s\" has no result of message %s yet"
                " (%d)",
                ao->cu, id_text(id).s, a.status);
        said = AO_SAID_LATER;
    } else {
        said = ao_judge_get(&a, url, err);
        if (said == AO_SAID_DONE &&
            ao_result_parse_unit(r, a.body.len ? a.body.data : "",
                                 a.body.len, err)) {
            said = ao_failed(err);
            err_prefix(err, "\"%s\"", url);
        }
    }
    http_answer_clear(&a);
    free(url);
    free(path);
    return said;
}

/* One more of a list of tags. */
static void put_pair(struct buf *b, const char *name, const char *value)
{
    buf_puts(b, b->data[b->len - 1] == '[' ? "{" : ",{");
    json_put_text(b, "name", name);
    json_put_text(b, "value", value);
    buf_putc(b, '}');
}

/* The message of a dry run.  A tag that changes: the unit answers equal
 * bodies from a cache. */
static int put_question(struct buf *b, const struct ao *ao,
                        const struct ao_message *m, struct err *err)
{
    struct id address = { 0 };
    unsigned char random[16];
    char salt[32];

    if (key_random(random, sizeof(random), err))
        return -1;
    if (ao->key)
        key_address(ao->key, &address);
    base64url(salt, random, sizeof(random));
    buf_putc(b, '{');
    json_put_text(b, "Id", "1234");
    json_put_id(b, "Target", m->process);
    json_put_id(b, "Owner", address);
    json_put_id(b, "From", address);
    json_put_text(b, "Anchor", "0");
    json_put_key(b, "Data");
    json_put_string(b, m->n ? m->data : "", m->n);
    json_put_key(b, "Tags");
    buf_putc(b, '[');
    put_pair(b, "Data-Protocol", "ao");
    put_pair(b, "Type", "Message");
    put_pair(b, "Variant", ao->network->variant);
    put_pair(b, "X-Ask", salt);
    for (size_t i = 0; i < m->n_tags; i++)
        put_pair(b, m->tag[i].name, m->tag[i].value);
    buf_puts(b, "]}");
    return buf_check(b, "a dry run", err);
}

/* A 404 that speaks of the process, not of dry runs. */
static bool knows_none(const struct http_answer *a)
{
    return a->body.len && strcasestr(a->body.data, "process") &&
           strcasestr(a->body.data, "not found");
}

static int ask_unit(struct ao *ao, struct ao_result *r,
                    const struct ao_message *m, struct err *err)
{
    static const char *const header[] = {
        "Content-Type: application/json", "Accept: application/json", NULL
    };
    char *path = xasprintf("dry-run?process-id=%s",
                           id_text(m->process).s);
    char *url = http_url_join(ao->cu, path);
    struct http_answer a;
    struct buf body;
    int rc;

    http_answer_init(&a);
    buf_init(&body, ASK_MAX);
    rc = put_question(&body, ao, m, err);
    if (rc == 0)
        rc = ao_exchange(ao, &a, url, header, body.data, body.len, err);
    if (rc == 0)
        ao->ask_status = a.status == 404 && knows_none(&a) ? 0 : a.status;
    if (rc == 0 && a.status == 202)
        rc = err_set(err, ERR_RETRY, "\"%s\" is busy", url);
    else if (rc == 0 && ao_judge(&a, url, err) != AO_SAID_DONE)
        rc = -1;
    if (rc == 0 && ao_result_parse_unit(r, a.body.len ? a.body.data : "",
                                        a.body.len, err))
        rc = err_prefix(err, "\"%s\"", url);
    http_answer_clear(&a);
    buf_clear(&body);
    free(url);
    free(path);
    return rc;
}

/* ---- new processes ------------------------------------------------------- */

static int find_units(struct ao *ao, struct err *err)
{
    (void)err;
    ao_set_unit(&ao->scheduler, SCHEDULER);
    ao_set_unit(&ao->authority, MESSENGER);
    return 0;
}

static const struct item_text_tag no_tags[] = { { NULL, NULL } };

const struct ao_network ao_legacynet = { .name = "legacynet",
                                         .variant = "ao.TN.1",
                                         .process_tag = no_tags,
                                         .find_units = find_units,
                                         .post = post_to_mu,
                                         .result = result,
                                         .ask = ask_unit };
