/*
 * Where an item lies, if a gateway does not say it with the item: its index
 * (GraphQL) names the bundle, and the bundle's table has offset and size.  Both
 * are hints: what is read there must have the id.
 */
#include <config.h>

#include "arweave/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "arweave/gateway_head.h"
#include "arweave/gateway_internal.h"
#include "arweave/graphql.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"

#define MAX_ANSWER (64u << 10)
#define NUMBER 32 /* bytes before the table .. */
#define ENTRY 64  /* .. and of an entry */

enum found gateway_parent(struct gateways *g, size_t i, struct id id,
                          struct id *parent, struct err *err)
{
    static const char *const head[] = { "Content-Type: application/json",
                                        "Accept: application/json", NULL };
    struct http_request r = { .method = "POST", .header = head,
                              .max_body = MAX_ANSWER };
    struct err no = ERR_INIT;
    struct http_answer a;
    struct buf body;
    enum found found = FOUND_NONE;

    http_answer_init(&a);
    buf_init(&body, 1024);
    graphql_parent_body(&body, id);
    r.body = body.data;
    r.body_n = body.len;
    /* without an index it says nothing, which is not a fault */
    if (gateway_ask(g, i, "graphql", &r, &a, &no) == 0)
        found = graphql_parent_read(parent, a.body.data, a.body.len, err);
    if (found == FOUND_NONE && g->page)
        found = err_copy(err, &no);
    else if (found == FOUND_FAILED)
        err_prefix(err, "\"%s/graphql\"", g->url[i]);
    buf_clear(&body);
    http_answer_clear(&a);
    return found;
}

static int append_body(void *self, const void *data, size_t n, struct err *err)
{
    struct buf *b = self;

    if (buf_reserve(b, n, "the table of a bundle", err))
        return -1;
    buf_put(b, data, n);
    return 0;
}

/* The table of the bundle that is the data of d, of which all but the size is
 * said. */
static int read_table(struct gateways *g, size_t i, struct gateway_data *d,
                      struct buf *table, struct err *err)
{
    struct http_request r = { .method = "HEAD", .max_body = 1 };
    struct gateway_hint hint;
    struct http_answer a;
    uint64_t n_items = 0;
    int rc;

    http_answer_init(&a);
    rc = gateway_ask(g, i, d->path, &r, &a, err);
    if (rc == 0)
        gateway_hint_read(&hint, a.head.data, a.head.len);
    http_answer_clear(&a);
    if (rc)
        return -1;
    d->size = hint.has_data ? hint.n_data : 0;
    if (d->size >= NUMBER &&
        gateway_read(g, i, d, 0, NUMBER, append_body, table, err))
        return -1;
    if (!bundle_begins(table->data, table->len, &n_items) ||
        n_items > (d->size - NUMBER) / ENTRY)
        return err_set(err, ERR_INPUT, "\"%s/%s\" is not a bundle", g->url[i],
                       d->path);
    return gateway_read(g, i, d, NUMBER, n_items * ENTRY, append_body, table,
                        err);
}

enum found gateway_bundled(struct gateways *g, size_t i, struct id id,
                           struct gateway_place *place, struct err *err)
{
    struct bundle_entry *e = NULL;
    struct gateway_data d;
    struct buf table;
    size_t n = 0, k = 0;
    enum found found = gateway_parent(g, i, id, &place->bundle, err);
    int rc;

    if (found != FOUND_ONE)
        return found;
    gateway_data_init(&d);
    buf_init(&table, NUMBER + (size_t)BUNDLE_MAX_ITEMS * ENTRY);
    gateway_path(&d, place->bundle);
    rc = read_table(g, i, &d, &table, err);
    if (rc == 0 && bundle_table(&e, &n, table.data, table.len, d.size, err))
        rc = err_prefix(err, "\"%s/%s\"", g->url[i], d.path);
    while (k < n && !id_equal(e[k].id, id))
        k++;
    if (rc == 0 && k == n)
        rc = err_set(err, ERR_INPUT, "\"%s/%s\" does not hold the item",
                     g->url[i], d.path);
    if (rc == 0) {
        place->at = e[k].at;
        place->size = e[k].size;
    }
    free(e);
    buf_clear(&table);
    gateway_data_clear(&d);
    return rc ? FOUND_FAILED : FOUND_ONE;
}
