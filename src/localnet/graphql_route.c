/*
 * A gateway's GraphQL as far as items are found by it: transactions, page by
 * page, and transaction, by its id.  Anything else is refused by its name.
 */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "localnet/graphql_filter.h"
#include "localnet/graphql_node.h"
#include "localnet/graphql_query.h"
#include "localnet/stored.h"
#include "localnet/net.h"
#include "localnet/routes.h"
#include "localnet/serve.h"

#define ARGUMENTS_MAX 65536

/* ---- the call ------------------------------------------------------------ */

/* The fields that are asked for, to be freed. */
static int read_call(struct json **fields, const struct call *c,
                     struct err *err)
{
    struct json *root;
    const char *query;
    struct buf text;
    int rc = -1;

    if (json_parse(&root, c->body, c->n_body, err))
        return -1;
    query = json_string(json_get(root, "query"));
    buf_init(&text, ARGUMENTS_MAX);
    if (!query)
        err_set(err, ERR_INPUT, "a JSON object with \"query\" expected");
    else if (graphql_query(&text, query, json_get(root, "variables"), err) ==
             0)
        rc = json_parse(fields, text.data, text.len, err);
    buf_clear(&text);
    json_free(root);
    return rc;
}

/* ---- the answer ---------------------------------------------------------- */

/* Items in the order of their coming, or the other way round; a cursor is a
 * place in it, whichever the direction. */
static void put_page(struct buf *out, struct net *net,
                     const struct graphql_filter *f)
{
    uint64_t n = 0, all = net->n_found;
    bool more = false;

    buf_puts(out, "{\"edges\":[");
    for (uint64_t i = 0; i < all && !more; i++) {
        uint64_t at = f->ascending ? i : all - 1 - i;
        struct item it;
        struct buf head;

        if (f->from_cursor && (f->ascending ? at <= f->after : at >= f->after))
            continue;
        buf_init(&head, ITEM_HEAD_MAX);
        if (stored_head(net->found[at], &head, &it, NULL) == 0 &&
            graphql_filter_fits(f, net->found[at], &it)) {
            more = n == f->first;
            if (!more) {
                buf_printf(out, "%s{\"cursor\":\"%" PRIu64 "\",\"node\":",
                           n++ ? "," : "", at);
                graphql_put_node(out, net->found[at], &it);
                buf_puts(out, "}");
            }
        }
        buf_clear(&head);
    }
    buf_printf(out, "],\"pageInfo\":{\"hasNextPage\":%s}}",
               more ? "true" : "false");
}

static int put_transactions(struct buf *out, struct net *net,
                            const struct json *args, struct err *err)
{
    struct graphql_filter f;

    if (graphql_filter_read(&f, args, err))
        return -1;
    put_page(out, net, &f);
    return 0;
}

static int put_transaction(struct buf *out, struct net *net,
                           const struct json *args, struct err *err)
{
    const char *text = json_string(json_get(args, "id"));
    struct stored *h = NULL;
    struct id id;
    struct item it;
    struct buf head;
    int rc = 0;

    if (!text || json_count(args) != 1)
        return err_set(err, ERR_INPUT, "transaction: an id expected");
    if (id_parse(&id, text) == 0)
        h = stored_get(net, id);
    if (!h) {
        buf_puts(out, "null");
        return 0;
    }
    buf_init(&head, ITEM_HEAD_MAX);
    rc = stored_head(h, &head, &it, err);
    if (rc == 0)
        graphql_put_node(out, h, &it);
    buf_clear(&head);
    return rc;
}

static int put_field(struct buf *out, struct net *net, const struct json *f,
                     struct err *err)
{
    const char *name = json_string(json_get(f, "field"));
    const struct json *args = json_get(f, "args");

    buf_printf(out, "\"%s\":", json_string(json_get(f, "as")));
    if (strcmp(name, "transactions") == 0)
        return put_transactions(out, net, args, err);
    if (strcmp(name, "transaction") == 0)
        return put_transaction(out, net, args, err);
    return err_set(err, ERR_INPUT, "\"%s\" is not answered here, only"
                   " transactions and transaction", name);
}

static int put_fields(struct buf *out, struct net *net,
                      const struct json *fields, struct err *err)
{
    bool first = true;

    buf_puts(out, "{\"data\":{");
    for (const struct json *f = json_first(fields); f; f = json_next(f)) {
        buf_puts(out, first ? "" : ",");
        first = false;
        if (put_field(out, net, f, err))
            return -1;
    }
    buf_puts(out, "}}");
    return buf_check(out, "the answer", err);
}

static void answer_refusal(struct response *a, const struct err *err)
{
    struct buf clean;

    buf_init(&clean, 3 * sizeof(err->text));
    utf8_scrub(&clean, err->text, strlen(err->text));
    a->status = 400;
    buf_reset(&a->body);
    buf_puts(&a->body, "{\"errors\":[{\"message\":");
    json_put_string(&a->body, clean.data, clean.len);
    buf_puts(&a->body, "}]}");
    buf_clear(&clean);
}

void graphql_route(struct net *net, const struct call *c, struct response *a)
{
    struct json *fields = NULL;
    struct err err = ERR_INIT;

    answer_type(a, "application/json");
    if (read_call(&fields, c, &err) ||
        put_fields(&a->body, net, fields, &err)) {
        answer_refusal(a, &err);
    }
    json_free(fields);
}
