/*
 * Each argument of the path becomes a tag, its name spelled as that of a
 * header, and so do parts of the request itself, as in a node.
 */
#include <config.h>

#include "localnet/dry_run.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "localnet/evaluator.h"
#include "localnet/net.h"
#include "localnet/node_json.h"
#include "localnet/serve.h"
#include "localnet/units.h"
#include "localnet/units_eval.h"

bool dry_run_refused(struct net *net, enum unit u, struct response *a)
{
    if (faults_now(&net->faults, FAULTS_DRY_RUN_403, u))
        answer_error(a, 403, "Forbidden");
    else if (faults_now(&net->faults, FAULTS_DRY_RUN_404, u))
        answer_error(a, 404, "Not Found");
    else if (faults_now(&net->faults, FAULTS_DRY_RUN_429, u))
        answer_error(a, 429, "Rate limit exceeded");
    else
        return false;
    return true;
}

static void put_tag(struct dry_run *d, struct item_tag *tag, char *name,
                    const char *value)
{
    bool first = true;

    if (d->n_tags == ITEM_MAX_TAGS)
        return;
    for (char *c = name; *c; c++) {
        *c = (char)(first ? toupper((unsigned char)*c)
                          : tolower((unsigned char)*c));
        first = *c == '-';
    }
    tag[d->n_tags++] = (struct item_tag){ name, value, strlen(name),
                                          strlen(value) };
}

/* The data of a signed item that the question was posted with. */
static void take_data(struct dry_run *d, const struct call *c)
{
    const char *type = call_header(c, "Content-Type");
    struct item it;

    if (strcmp(c->method, "POST") != 0 || !type ||
        strcmp(type, "application/ans104") != 0 ||
        item_head(&it, c->body, c->n_body, NULL))
        return;
    d->data = c->body + it.head_n;
    d->n_data = c->n_body - it.head_n;
}

/* What a node takes out of the message is not a tag of it. */
static bool is_field(const char *name)
{
    static const char *const fields[] = { "id", "anchor", "owner", "target",
                                          "signature", "data" };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (strcmp(name, fields[i]) == 0)
            return true;
    return false;
}

void dry_run_node(struct net *net, struct process *p, const struct call *c,
                  const char *args, struct response *a)
{
    char path[] = "Path", method[] = "Method";
    struct item_tag tag[ITEM_MAX_TAGS];
    struct dry_run d = { .process = p, .id = "", .owner = "", .anchor = "",
                         .data = "", .tag = tag };
    char *copy = xstrdup(args), *rest = copy, *value;
    struct err err = ERR_INIT;
    struct buf json;

    take_data(&d, c);
    while ((value = strsep(&rest, "&")) != NULL) {
        char *name = strsep(&value, "=");

        if (value && strcmp(name, "data") == 0) {
            d.data = value;
            d.n_data = strlen(value);
        } else if (value && *name && !is_field(name)) {
            put_tag(&d, tag, name, value);
        }
    }
    put_tag(&d, tag, path, "compute");
    put_tag(&d, tag, method, c->method);
    buf_init(&json, EVALUATOR_REPLY_MAX);
    if (units_dry_run(net, &d, &json, &err)) {
        answer_error(a, 500, err.text);
    } else {
        /* clients look in either place */
        buf_puts(&a->body, "{\"results\":");
        node_put_results(&a->body, json.data, json.len, net->old_node);
        if (!net->old_node) {
            buf_puts(&a->body, ",\"raw\":");
            buf_put(&a->body, json.data, json.len);
        }
        buf_puts(&a->body, "}");
    }
    buf_clear(&json);
    free(copy);
}
