/*
 * The small part of a gateway's GraphQL that finds items: one field,
 * transactions, by ids, owners, recipients and tags, page by page.  Every
 * field of an edge that we have is answered, whichever were asked for.
 */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"
#include "localnet/chain.h"
#include "localnet/graphql_args.h"
#include "localnet/held.h"
#include "localnet/net.h"
#include "localnet/route.h"
#include "localnet/routes.h"
#include "localnet/serve.h"

#define ARGUMENTS_MAX 65536
#define FIRST 10 /* of a page, if nothing is said */
#define FIRST_MAX 100

/* ---- the call ------------------------------------------------------------ */

/* The arguments of the field transactions, to be freed; NULL if the call is
 * not one of ours. */
static struct json *read_call(const struct call *c)
{
    struct json *root, *args = NULL;
    struct err unused = ERR_INIT;
    const char *query;
    struct buf text;

    if (json_parse(&root, c->body, c->n_body, &unused))
        return NULL;
    query = json_string(json_get(root, "query"));
    buf_init(&text, ARGUMENTS_MAX);
    if (query && graphql_args(&text, query, json_get(root, "variables")) == 0
        && json_parse(&args, text.data, text.len, &unused))
        args = NULL;
    buf_clear(&text);
    json_free(root);
    return args;
}

/* ---- what fits ----------------------------------------------------------- */

/* A filter of ids: absent, or one of them. */
static bool one_of(const struct json *list, const unsigned char *id)
{
    if (json_type(list) != JSON_ARRAY || json_count(list) == 0)
        return true;
    for (const struct json *e = json_first(list); e && id; e = json_next(e)) {
        unsigned char want[32];

        if (json_string(e) && base64url_id(want, json_string(e)) == 0 &&
            memcmp(want, id, 32) == 0)
            return true;
    }
    return false;
}

static bool is_text(const char *bytes, size_t n, const char *text)
{
    return text && strlen(text) == n && memcmp(bytes, text, n) == 0;
}

static bool has_tag(const struct item *it, const struct json *filter)
{
    const char *name = json_string(json_get(filter, "name"));

    for (size_t i = 0; i < it->n_tags; i++) {
        const struct item_tag *t = &it->tag[i];
        const struct json *v = json_first(json_get(filter, "values"));

        if (!is_text(t->name, t->n_name, name))
            continue;
        for (; v; v = json_next(v))
            if (is_text(t->value, t->n_value, json_string(v)))
                return true;
    }
    return false;
}

static bool fits(const struct item *it, const struct json *args)
{
    const struct json *tags = json_get(args, "tags");
    const struct json *ids = json_get(args, "ids");
    const struct json *owners = json_get(args, "owners");
    const struct json *to = json_get(args, "recipients");

    if ((ids && !one_of(ids, it->id)) ||
        (owners && !one_of(owners, it->address)) ||
        (to && !one_of(to, it->target)))
        return false;
    for (const struct json *t = json_first(tags); t; t = json_next(t))
        if (!has_tag(it, t))
            return false;
    return true;
}

/* ---- the answer ---------------------------------------------------------- */

static void put_bytes(struct buf *out, const char *s, size_t n)
{
    struct buf clean;

    buf_init(&clean, 3 * n + 1);
    utf8_scrub(&clean, s, n);
    json_put_string(out, clean.data, clean.len);
    buf_clear(&clean);
}

static void put_id(struct buf *out, const char *name, const unsigned char *id)
{
    char text[ID_TEXT] = "";

    if (id)
        base64url(text, id, 32);
    buf_printf(out, "\"%s\":\"%s\"", name, text);
}

static void put_edge(struct buf *out, const struct held *h,
                     const struct item *it, size_t at)
{
    const struct root *r = h->top->root;

    buf_printf(out, "{\"cursor\":\"%zu\",\"node\":{", at);
    put_id(out, "id", it->id);
    buf_puts(out, ",\"owner\":{");
    put_id(out, "address", it->address);
    buf_puts(out, "},");
    put_id(out, "recipient", it->target);
    buf_printf(out, ",\"data\":{\"size\":\"%" PRIu64 "\"},\"block\":",
               h->size - h->head_n);
    if (r)
        buf_printf(out, "{\"height\":%" PRIu64 "},\"bundledIn\":{", r->height);
    else
        buf_puts(out, "null,\"bundledIn\":{");
    put_id(out, "id", r ? r->id : NULL);
    buf_puts(out, "},\"tags\":[");
    for (size_t i = 0; i < it->n_tags; i++) {
        buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
        put_bytes(out, it->tag[i].name, it->tag[i].n_name);
        buf_puts(out, ",\"value\":");
        put_bytes(out, it->tag[i].value, it->tag[i].n_value);
        buf_puts(out, "}");
    }
    buf_puts(out, "]}}");
}

/* Items in the order of their coming, or the other way round; a cursor is a
 * place in it. */
static void put_page(struct buf *out, struct net *net,
                     const struct json *args)
{
    const char *sort = json_string(json_get(args, "sort"));
    const char *after = json_string(json_get(args, "after"));
    bool down = !sort || strcmp(sort, "HEIGHT_ASC") != 0, more = false;
    uint64_t first = FIRST, begin = 0, n = 0;

    json_u64(json_get(args, "first"), &first);
    if (first > FIRST_MAX)
        first = FIRST_MAX;
    if (after && route_number(after, &begin))
        begin++;
    for (uint64_t i = begin; i < net->n_order; i++) {
        /* items that come meanwhile make a page begin with some that were
         * on the one before it; none are left out */
        const struct held *h =
            net->order[down ? net->n_order - 1 - i : i];
        struct err unused = ERR_INIT;
        struct item it;
        struct buf head;

        buf_init(&head, ITEM_HEAD_MAX);
        if (held_head(h, &head, &it, &unused) == 0 && fits(&it, args)) {
            more = n == first;
            if (!more) {
                buf_puts(out, n++ ? "," : "");
                put_edge(out, h, &it, (size_t)i);
            }
        }
        buf_clear(&head);
        if (more)
            break;
    }
    buf_printf(out, "],\"pageInfo\":{\"hasNextPage\":%s}}}}",
               more ? "true" : "false");
}

void graphql_route(struct net *net, const struct call *c, struct answer *a)
{
    struct json *args = read_call(c);

    answer_type(a, "application/json");
    if (!args) {
        a->status = 400;
        buf_puts(&a->body, "{\"errors\":[{\"message\":\"only transactions("
                           "ids, owners, recipients, tags, first, after, sort)"
                           " is answered here\"}]}");
        return;
    }
    buf_puts(&a->body, "{\"data\":{\"transactions\":{\"edges\":[");
    put_page(&a->body, net, args);
    json_free(args);
}
