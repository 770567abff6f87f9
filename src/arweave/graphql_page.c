/*
 * A query with variables, and a page of its answer.
 */
#include <config.h>

#include "arweave/graphql.h"

#include <string.h>

#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"

#define PAGE 100 /* what every gateway gives */

static const char query[] =
    "query($o:[String!],$t:[TagFilter!],$n:Int,$c:String)"
    "{transactions(owners:$o,tags:$t,first:$n,after:$c,sort:HEIGHT_DESC)"
    "{pageInfo{hasNextPage}edges{cursor node{id}}}}";

/* ---- the request --------------------------------------------------------- */

void graphql_body(struct buf *out, const struct graphql_query *q,
                  const char *cursor)
{
    char owner[ID_TEXT];

    buf_putc(out, '{');
    json_put_text(out, "query", query);
    json_put_key(out, "variables");
    buf_putc(out, '{');
    if (q->owner) {
        base64url(owner, q->owner, 32);
        json_put_key(out, "o");
        buf_printf(out, "[\"%s\"]", owner);
    }
    json_put_key(out, "t");
    buf_putc(out, '[');
    for (size_t i = 0; i < q->n_tags; i++) {
        buf_puts(out, i ? ",{" : "{");
        json_put_text(out, "name", q->tag[i].name);
        json_put_key(out, "values");
        buf_putc(out, '[');
        json_put_string(out, q->tag[i].value, strlen(q->tag[i].value));
        buf_puts(out, "]}");
    }
    buf_putc(out, ']');
    json_put_number(out, "n", PAGE);
    if (*cursor)
        json_put_text(out, "c", cursor);
    buf_puts(out, "}}");
}

/* ---- the answer ---------------------------------------------------------- */

/* {"errors":[{"message":".."}]}: what the gateway has to say. */
static int its_error(const struct json *root, struct err *err)
{
    const struct json *e = json_first(json_get(root, "errors"));
    const char *text = json_string(json_get(e, "message"));

    return err_set(err, ERR_INPUT, "the gateway says: %.200s",
                   text ? text : "an error");
}

/* Each edge must have an id; the cursor is that of the last. */
static int take_edges(struct buf *ids, char cursor[GRAPHQL_CURSOR],
                      const struct json *edges, struct err *err)
{
    for (const struct json *e = json_first(edges); e; e = json_next(e)) {
        const char *at = json_string(json_get(e, "cursor"));
        struct id id;

        if (json_id(json_get(json_get(e, "node"), "id"), &id))
            return err_set(err, ERR_INPUT, "a node without an id");
        if (!at || strlen(at) >= GRAPHQL_CURSOR)
            return err_set(err, ERR_INPUT, "an edge without a cursor");
        memcpy(cursor, at, strlen(at) + 1);
        buf_put(ids, id.b, 32);
    }
    return buf_check(ids, "the list of ids", err);
}

int graphql_page(struct buf *ids, char cursor[GRAPHQL_CURSOR],
                 const char *json, size_t n, struct err *err)
{
    const struct json *page, *edges, *more;
    struct json *root;
    int rc = -1;

    cursor[0] = '\0';
    if (json_parse(&root, json, n, err))
        return -1;
    page = json_get(json_get(root, "data"), "transactions");
    edges = json_get(page, "edges");
    more = json_get(json_get(page, "pageInfo"), "hasNextPage");
    if (json_get(root, "errors"))
        its_error(root, err);
    else if (!edges || json_type(edges) != JSON_ARRAY || !more ||
             json_type(more) != JSON_BOOL)
        err_set(err, ERR_INPUT, "no page of transactions");
    else if (json_count(edges) > GRAPHQL_PAGE_MAX)
        err_set(err, ERR_INPUT, "a page of %zu transactions",
                json_count(edges));
    else
        rc = take_edges(ids, cursor, edges, err);
    if (rc || !json_true(more))
        cursor[0] = '\0';
    json_free(root);
    return rc;
}

/* ---- bundledIn ----------------------------------------------------------- */

void graphql_parent_body(struct buf *out, struct id id)
{
    buf_putc(out, '{');
    json_put_text(out, "query", "query($i:[ID!]){transactions(ids:$i)"
                  "{edges{node{id bundledIn{id}}}}}");
    buf_printf(out, ",\"variables\":{\"i\":[\"%s\"]}}", id_text(id).s);
}

enum found graphql_parent_read(struct id *parent, const char *json, size_t n,
                               struct err *err)
{
    const struct json *edges, *node;
    const char *text;
    struct json *root;
    enum found found = FOUND_NONE;

    if (json_parse(&root, json, n, err))
        return FOUND_FAILED;
    edges = json_get(json_get(json_get(root, "data"), "transactions"),
                     "edges");
    node = json_get(json_first(edges), "node");
    text = json_string(json_get(json_get(node, "bundledIn"), "id"));
    if (json_get(root, "errors"))
        found = its_error(root, err);
    else if (!edges || json_type(edges) != JSON_ARRAY)
        found = err_set(err, ERR_INPUT, "no list of transactions");
    else if (text && *text)
        found = id_parse(parent, text)
                    ? err_set(err, ERR_INPUT, "bundledIn has no id")
                    : FOUND_ONE;
    json_free(root);
    return found;
}
