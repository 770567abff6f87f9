/*
 * The units of legacynet: messenger, compute unit, scheduler.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "localnet/accept.h"
#include "localnet/dry_run.h"
#include "localnet/net.h"
#include "localnet/fault_results.h"
#include "localnet/route.h"
#include "localnet/routes.h"
#include "localnet/serve.h"
#include "localnet/units.h"
#include "localnet/units_eval.h"
#include "localnet/units_json.h"

#define BUSY_MS 15000 /* how long a result waits for its evaluation */

/* The process of ?process-id=, or NULL with the answer filled in. */
static struct process *process_of(struct net *net, const struct call *c,
                                  struct response *a)
{
    const char *text = call_query(c, "process-id");
    struct process *p = NULL;
    struct id id;
    char why[120];

    if (!text) {
        answer_error(a, 500, "'processId': a process-id query parameter is"
                     " required");
        return NULL;
    }
    if (id_parse(&id, text) == 0)
        p = units_process(net, id);
    if (!p) {
        snprintf(why, sizeof(why), "Error: Process not found: %.43s", text);
        answer_error(a, 404, why);
    }
    return p;
}

/* ---- messenger ----------------------------------------------------------- */

static void refused(const struct err *err, struct response *a)
{
    char text[520];

    snprintf(text, sizeof(text), "Error: %s", err->text);
    /* the network has no wallets that it does not take */
    answer_error(a, strstr(text, "not made by this localnet") ? 403 : 500,
                 text);
}

static void post_item(struct net *net, const struct call *c, struct response *a)
{
    struct err err = ERR_INIT;
    struct message *m;
    enum accepted end;

    end = accept_item(net, c->body, c->n_body, &m, &err);
    if (end == ACCEPT_FAILED) {
        refused(&err, a);
        return;
    }
    if (end == ACCEPT_KNOWN) {
        answer_error(a, 500, "Error: Message already exists");
        return;
    }
    a->status = 202;
    buf_printf(&a->body, "{\"message\":\"Processing DataItem\",\"id\":\"%s\"}",
               m->id_text);
    if (faults_now(&net->faults, FAULTS_LOST_ANSWER, UNIT_MU))
        a->fault = FAULT_DROP;
}

void mu_route(struct net *net, const struct call *c, const char *path,
              struct response *a)
{
    pthread_mutex_lock(&net->lock);
    if (strcmp(c->method, "POST") != 0) {
        answer_text(a, 200, "ao messenger unit");
    } else if (strncmp(path, "push/", 5) == 0) {
        a->status = 202;
        buf_puts(&a->body, "{\"message\":\"Processing\"}");
    } else if (strncmp(path, "monitor/", 8) == 0) {
        answer_error(a, 501, "monitors are not done by this localnet");
    } else if (call_query(c, "assign")) {
        answer_error(a, 501, "assignments are not done by this localnet");
    } else if (path[0] == '\0') {
        post_item(net, c, a);
    } else {
        answer_error(a, 404, "Not Found");
    }
    pthread_mutex_unlock(&net->lock);
}

/* ---- compute unit -------------------------------------------------------- */

static struct message *find_message(struct net *net, const struct process *p,
                                    const char *text)
{
    struct message *m = NULL;
    struct id id;
    uint64_t slot;

    if (id_parse(&id, text) == 0)
        m = units_message(net, id);
    else if (route_number(text, &slot) && slot < p->n)
        m = p->message[slot];
    return m && m->process == p ? m : NULL;
}

static void get_result(struct net *net, const struct call *c, const char *text,
                       struct response *a)
{
    struct process *p = process_of(net, c, a);
    struct message *m = p ? find_message(net, p, text) : NULL;

    if (!p)
        return;
    if (!m) {
        answer_error(a, 404, "Error: Message or Process not found");
        return;
    }
    if (!units_wait(net, m, BUSY_MS)) {
        a->status = 202;
        buf_printf(&a->body, "{\"message\":\"Evaluation of process \\\"%s\\\""
                   " to \\\"%s\\\" is in progress.\"}", p->id_text,
                   m->id_text);
        return;
    }
    fault_results_put(net, UNIT_CU, &a->body, m);
}

/* A cursor is the slot. */
static void get_results(struct net *net, const struct call *c, const char *text,
                        struct response *a)
{
    const char *sort = call_query(c, "sort");
    bool down = sort && strcmp(sort, "DESC") == 0, some = false;
    uint64_t from = 0, to = UINT64_MAX, limit = 25, n = 0, i;
    const char *begin = call_query(c, "from");
    bool start = !route_number(begin, &from);
    struct process *p = NULL;
    struct id id;

    if (begin && *begin && start) {
        answer_error(a, 400, "Error: 'from' is not a cursor of this unit");
        return;
    }
    route_number(call_query(c, "to"), &to);
    route_number(call_query(c, "limit"), &limit);
    if (id_parse(&id, text) == 0)
        p = units_process(net, id);
    if (!p) {
        answer_error(a, 404, "Error: Process not found");
        return;
    }
    buf_puts(&a->body, "{\"edges\":[");
    for (i = 0; i < p->n_done && n < limit; i++) {
        const struct message *m = p->message[down ? p->n_done - 1 - i : i];

        if ((!start && m->slot <= from) || m->slot > to)
            continue;
        buf_puts(&a->body, n++ ? ",{\"node\":" : "{\"node\":");
        fault_results_put(net, UNIT_CU, &a->body, m);
        buf_printf(&a->body, ",\"cursor\":\"%" PRIu64 "\"}", m->slot);
    }
    for (; i < p->n_done && !some; i++) {
        uint64_t slot = down ? p->n_done - 1 - i : i;

        some = (start || slot > from) && slot <= to;
    }
    buf_printf(&a->body, "],\"pageInfo\":{\"hasNextPage\":%s}}",
               some ? "true" : "false");
}

static const char *field(const struct json *root, const char *name,
                         const char *otherwise)
{
    const char *s = json_string(json_get(root, name));

    return s ? s : otherwise;
}

/* The tags of a message, if it is one. */
static int dry_tags(struct dry_run *d, struct item_tag *tag,
                    const struct json *root, struct err *err)
{
    const struct json *tags = json_get(root, "Tags");

    if (json_type(root) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "a message, an object, is expected");
    if (tags && json_type(tags) != JSON_ARRAY)
        return err_set(err, ERR_INPUT, "Tags: an array expected");
    for (const struct json *t = json_first(tags); t; t = json_next(t)) {
        const char *name = json_string(json_get(t, "name"));
        const char *value = json_string(json_get(t, "value"));

        if (!name || !value || d->n_tags == ITEM_MAX_TAGS)
            return err_set(err, ERR_INPUT, "Tags: at most %d objects with"
                           " texts as name and value expected",
                           ITEM_MAX_TAGS);
        tag[d->n_tags++] = (struct item_tag){ name, value, strlen(name),
                                              strlen(value) };
    }
    return 0;
}

/* Not under the lock. */
static void dry_run(struct net *net, const struct call *c, struct response *a)
{
    struct item_tag tag[ITEM_MAX_TAGS];
    struct dry_run d = { .tag = tag };
    struct json *root = NULL;
    struct err err = ERR_INIT;

    pthread_mutex_lock(&net->lock);
    if (!dry_run_refused(net, UNIT_CU, a))
        d.process = process_of(net, c, a);
    pthread_mutex_unlock(&net->lock);
    if (!d.process)
        return;
    if (json_parse(&root, c->body, c->n_body, &err) ||
        dry_tags(&d, tag, root, &err)) {
        answer_error(a, 400, err.text);
        json_free(root);
        return;
    }
    d.id = field(root, "Id", "1234");
    d.owner = field(root, "Owner", "1234");
    d.anchor = field(root, "Anchor", "0");
    d.data = field(root, "Data", "");
    d.n_data = strlen(d.data);
    if (units_dry_run(net, &d, &a->body, &err))
        answer_error(a, 500, err.text);
    json_free(root);
}

void cu_route(struct net *net, const struct call *c, const char *path,
              struct response *a)
{
    if (strcmp(c->method, "POST") == 0 && strcmp(path, "dry-run") == 0) {
        dry_run(net, c, a);
        return;
    }
    pthread_mutex_lock(&net->lock);
    if (strncmp(path, "result/", 7) == 0)
        get_result(net, c, path + 7, a);
    else if (strncmp(path, "results/", 8) == 0)
        get_results(net, c, path + 8, a);
    else if (path[0] == '\0')
        buf_printf(&a->body, "{\"address\":\"%s\",\"timestamp\":%" PRIu64 "}",
                   net->address_text, net_now_ms(net));
    else
        answer_error(a, 404, "Not Found");
    pthread_mutex_unlock(&net->lock);
}

/* ---- scheduler ----------------------------------------------------------- */

static void schedule(struct net *net, const struct call *c,
                     const struct process *p, struct response *a)
{
    const char *from = call_query(c, "from-nonce");
    const char *to = call_query(c, "to-nonce");
    struct schedule_page page = { .by_slot = from || to,
                                  .limit = 100,
                                  .to = UINT64_MAX };

    if (!page.by_slot) {
        from = call_query(c, "from");
        to = call_query(c, "to");
    }
    page.from_start = !route_number(from, &page.from);
    route_number(to, &page.to);
    route_number(call_query(c, "limit"), &page.limit);
    units_put_schedule(net, &a->body, p, &page);
}

static void get_message(struct net *net, const struct call *c, struct id id,
                        struct response *a)
{
    const struct process *p = units_process(net, id);
    const struct message *m = units_message(net, id);

    if (p)
        schedule(net, c, p, a);
    else if (m)
        units_put_node(net, &a->body, m);
    else
        answer_error(a, 404, "Message or Process not found");
}

void su_route(struct net *net, const struct call *c, const char *path,
              struct response *a)
{
    const struct process *p;
    struct id id;
    const char *rest;

    pthread_mutex_lock(&net->lock);
    if (strcmp(c->method, "POST") == 0) {
        answer_error(a, 403, "only messengers post here");
    } else if (strcmp(path, "timestamp") == 0) {
        buf_printf(&a->body, "{\"timestamp\":\"%" PRIu64
                   "\",\"block_height\":\"%012" PRIu64 "\"}",
                   net_now_ms(net), net_height(net));
    } else if (strncmp(path, "processes/", 10) == 0) {
        p = route_id(path + 10, &id, &rest) ? units_process(net, id) : NULL;
        if (p)
            units_put_process(net, &a->body, p);
        else
            answer_error(a, 404, "Process not found");
    } else if (route_id(path, &id, &rest) && rest[0] == '\0') {
        get_message(net, c, id, a);
    } else {
        answer_error(a, 404, "Not Found");
    }
    pthread_mutex_unlock(&net->lock);
}
