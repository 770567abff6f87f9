/*
 * A HyperBEAM node, as far as its clients here use one: schedule and push,
 * results by slot, dry runs, keys that a process shows.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "localnet/accept.h"
#include "localnet/dry_run.h"
#include "localnet/fault_results.h"
#include "localnet/net.h"
#include "localnet/node_json.h"
#include "localnet/route.h"
#include "localnet/routes.h"
#include "localnet/serve.h"
#include "localnet/units.h"
#include "localnet/units_eval.h"
#include "localnet/units_json.h"

#define WAIT_MS 60000

/* Behind the front, or NULL. */
static const char *after(const char *path, const char *front)
{
    size_t n = strlen(front);

    return path && strncmp(path, front, n) == 0 ? path + n : NULL;
}

/* The results of a message, in the form that this net is asked for. */
static void put_results(struct net *net, struct buf *b,
                        const struct message *m)
{
    struct buf json;

    if (faults_now(&net->faults, FAULTS_NO_RESULT, UNIT_HB)) {
        node_put_nothing(b);
        return;
    }
    buf_init(&json, b->max);
    fault_results_put(net, UNIT_HB, &json, m);
    node_put_results(b, json.data ? json.data : "", json.len, net->old_node);
    buf_clear(&json);
}

/* ---- posting ------------------------------------------------------------- */

static void refused(const struct err *err, struct response *a)
{
    if (strstr(err->text, "valid and signed")) {
        answer_text(a, 500, "<html><body>Internal Server Error</body></html>");
        answer_type(a, "text/html");
    } else if (strstr(err->text, "not made by this localnet")) {
        answer_error(a, 403, err->text);
    } else {
        answer_error(a, 400, "Message is not valid.");
        answer_header(a, "details", "%s", err->text);
    }
}

static void post_process(struct net *net, const struct call *c, bool push,
                         struct response *a)
{
    const char *mode = call_header(c, "push-mode");
    struct err err = ERR_INIT;
    struct message *m;

    if (accept_item(net, c->body, c->n_body, &m, &err) == ACCEPT_FAILED) {
        refused(&err, a);
        return;
    }
    answer_header(a, "slot", "%" PRIu64, m->slot);
    answer_header(a, "timestamp", "%" PRIu64, m->timestamp_ms);
    answer_header(a, "process", "%s", m->process->id_text);
    answer_header(a, "message", "%s", m->id_text);
    if (push && !(mode && strcmp(mode, "async") == 0) &&
        units_wait(net, m, WAIT_MS)) {
        buf_printf(&a->body, "{\"slot\":\"%" PRIu64 "\",\"process\":\"%s\","
                   "\"results\":", m->slot, m->process->id_text);
        put_results(net, &a->body, m);
        buf_puts(&a->body, "}");
    } else {
        buf_printf(&a->body, "{\"slot\":%" PRIu64 ",\"process\":\"%s\","
                   "\"timestamp\":%" PRIu64 "}", m->slot,
                   m->process->id_text, m->timestamp_ms);
    }
    if (faults_now(&net->faults, FAULTS_LOST_ANSWER, UNIT_HB))
        a->fault = FAULT_DROP;
}

/* ---- reading ------------------------------------------------------------- */

/* All that the process computed at a slot, or its results alone. */
static void compute_slot(struct net *net, const struct process *p,
                         const char *text, bool results, struct response *a)
{
    struct message *m;
    uint64_t slot;

    if (!route_number(text, &slot) || slot >= p->n) {
        answer_error(a, 404, "no such slot");
        return;
    }
    m = p->message[slot];
    if (!units_wait(net, m, WAIT_MS)) {
        answer_error(a, 504, "not computed in time");
        return;
    }
    buf_puts(&a->body, results ? "" : "{\"results\":");
    put_results(net, &a->body, m);
    buf_puts(&a->body, results ? "" : "}");
}

static void cached(struct net *net, const struct process *p, const char *key,
                   bool now, struct response *a)
{
    if (now)
        units_wait(net, p->message[p->n - 1], WAIT_MS);
    for (size_t i = 0; i < p->n_patches; i++) {
        if (strcmp(p->patch[i].key, key) == 0) {
            answer_text(a, 200, p->patch[i].value);
            return;
        }
    }
    answer_error(a, 404, "not found");
}

static void schedule(struct net *net, const struct call *c,
                     const struct process *p, struct response *a)
{
    struct schedule_page page = {
        .by_slot = true, .from_start = true, .limit = 100, .to = UINT64_MAX
    };
    uint64_t from;

    /* from is inclusive here */
    if (route_number(call_query(c, "from"), &from) && from > 0) {
        page.from_start = false;
        page.from = from - 1;
    }
    route_number(call_query(c, "to"), &page.to);
    units_put_schedule(net, &a->body, p, &page);
}

static void get_process(struct net *net, const struct call *c,
                        const struct process *p, const char *what,
                        struct response *a)
{
    const char *rest;
    char slot[24];

    if (strcmp(what, "slot/current") == 0) {
        answer_text(a, 200, "");
        buf_printf(&a->body, "%zu", p->n - 1);
    } else if ((rest = after(what, "compute/results="))) {
        compute_slot(net, p, rest, true, a);
    } else if (strcmp(what, "compute") == 0 && call_query(c, "slot")) {
        compute_slot(net, p, call_query(c, "slot"), false, a);
    } else if ((rest = after(what, "compute&slot=")) ||
               (rest = after(what, "compute="))) {
        snprintf(slot, sizeof(slot), "%.*s", (int)strcspn(rest, "/"), rest);
        compute_slot(net, p, slot, strstr(rest, "/results") != NULL, a);
    } else if ((rest = after(what, "compute/cache/"))) {
        cached(net, p, rest, false, a);
    } else if ((rest = after(what, "now/cache/"))) {
        cached(net, p, rest, true, a);
    } else if (strcmp(what, "schedule") == 0) {
        schedule(net, c, p, a);
    } else {
        answer_error(a, 404, "not found");
    }
}

/* "<pid>~process@1.0/what", "<pid>/~scheduler@1.0/what", "<pid>/what": the
 * process (NULL: none in the path) and what. */
static struct process *parse_process(struct net *net, const char *path,
                                     const char **what)
{
    char text[ID_TEXT] = "";
    struct id id;
    const char *p = path;

    *what = path;
    if (strlen(path) < ID_TEXT - 1)
        return NULL;
    memcpy(text, path, ID_TEXT - 1);
    if (id_parse(&id, text))
        return NULL;
    p += ID_TEXT - 1;
    if (after(p, "~process@1.0"))
        p = after(p, "~process@1.0");
    if (*p == '/')
        p++;
    if (after(p, "~scheduler@1.0/"))
        p = after(p, "~scheduler@1.0/");
    *what = p;
    return units_process(net, id);
}

/* Not under the lock, while it waits for the process. */
static void ask_process(struct net *net, struct process *p,
                        const struct call *c, const char *args,
                        struct response *a)
{
    if (dry_run_refused(net, UNIT_HB, a))
        return;
    pthread_mutex_unlock(&net->lock);
    dry_run_node(net, p, c, args, a);
    pthread_mutex_lock(&net->lock);
}

void hb_route(struct net *net, const struct call *c, const char *path,
              struct response *a)
{
    struct process *p;
    const char *what, *rest;

    pthread_mutex_lock(&net->lock);
    p = parse_process(net, path, &what);
    if ((rest = after(what, "~process@1.0/")))
        what = rest;
    if (strcmp(c->method, "POST") == 0 && strcmp(what, "schedule") == 0)
        post_process(net, c, false, a);
    else if (strcmp(c->method, "POST") == 0 && strcmp(what, "push") == 0)
        post_process(net, c, true, a);
    else if (strcmp(path, "~meta@1.0/info/address") == 0)
        answer_text(a, 200, net->address_text);
    else if (p && (rest = after(what, "as=execution/compute")))
        ask_process(net, p, c, rest, a);
    else if (p)
        get_process(net, c, p, what, a);
    else
        answer_error(a, 404, "not found");
    pthread_mutex_unlock(&net->lock);
}
