/*
 * One query, page by page.  Pages are bounded in bytes and in number, and a
 * gateway whose pages do not end, or repeat, is cut off.  What a page is:
 * graphql_page.c.
 */
#include <config.h>

#include "arweave/graphql.h"

#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"
#include "net/http.h"

#define PAGE_MAX (1u << 20) /* bytes of an answer */
#define MAX_GATEWAYS 16

struct graphql {
    struct http *http;
    char *url[MAX_GATEWAYS]; /* with /graphql */
    size_t n;
};

/* ---- gateways ------------------------------------------------------------ */

int graphql_new(struct graphql **out, const struct settings *s,
                struct err *err)
{
    struct graphql *g = xcalloc(1, sizeof(*g));
    const char *at = settings_text(s, "gateways");
    struct http_limits limits;
    size_t n;

    for (at += strspn(at, " ,"); *at; at += n, at += strspn(at, " ,")) {
        char *base = NULL;

        n = strcspn(at, " ,");
        if (g->n == MAX_GATEWAYS) {
            err_set(err, ERR_INPUT, "gateways: more than %d", MAX_GATEWAYS);
            goto fail;
        }
        base = xstrndup(at, n);
        g->url[g->n++] = http_url_join(base, "graphql");
        free(base);
        if (http_url_check(g->url[g->n - 1], err)) {
            err_prefix(err, "gateways");
            goto fail;
        }
    }
    if (g->n == 0) {
        err_set(err, ERR_INPUT, "the setting gateways is empty");
        goto fail;
    }
    http_limits_of(&limits, s);
    if (http_new(&g->http, &limits, err))
        goto fail;
    *out = g;
    return 0;
fail:
    graphql_free(g);
    return -1;
}

void graphql_free(struct graphql *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n; i++)
        free(g->url[i]);
    http_free(g->http);
    free(g);
}

static int ask_page(struct graphql *g, const char *url,
                    const struct graphql_query *q, struct buf *ids,
                    char cursor[GRAPHQL_CURSOR], struct err *err)
{
    static const char *const head[] = { "Content-Type: application/json",
                                        "Accept: application/json", NULL };
    struct http_request r = { .method = "POST", .url = url, .header = head,
                              .max_body = PAGE_MAX };
    struct http_answer a;
    struct buf body;
    int rc = -1;

    http_answer_init(&a);
    buf_init(&body, 64u << 10);
    graphql_body(&body, q, cursor);
    r.body = body.data;
    r.body_n = body.len;
    if (buf_check(&body, "a query", err) ||
        http_try(g->http, &r, NULL, NULL, &a, err))
        goto out;
    if (a.status != 200)
        err_set(err, a.status >= 500 ? ERR_RETRY : ERR_INPUT,
                "status %d", a.status);
    else if (http_is_page(&a))
        err_set(err, ERR_RETRY, "status %d with a web page: look for a proxy"
                " or a login page on the way", a.status);
    else
        rc = graphql_page(ids, cursor, a.body.data, a.body.len, err);
out:
    buf_clear(&body);
    http_answer_clear(&a);
    return rc;
}

/* All pages of one gateway into `ids`. */
static int ask_pages(struct graphql *g, const char *url,
                     const struct graphql_query *q, struct buf *ids,
                     struct err *err)
{
    char cursor[GRAPHQL_CURSOR] = "", before[GRAPHQL_CURSOR];

    do {
        size_t had = ids->len;

        memcpy(before, cursor, sizeof(before));
        if (ask_page(g, url, q, ids, cursor, err))
            return err_prefix(err, "%s", url);
        /* a page that leads to itself, or to nothing, does not end */
        if (ids->len == had || strcmp(before, cursor) == 0)
            break;
    } while (*cursor && ids->len / 32 < q->max);
    if (ids->len / 32 > q->max)
        ids->len = q->max * 32;
    return 0;
}

struct cursor_place {
    const struct id *id;
    size_t at; /* in the ids that are there, then those found */
};

static int by_id(const void *a, const void *b)
{
    const struct cursor_place *x = a, *y = b;
    int c = id_compare(*x->id, *y->id);

    return c ? c : (x->at > y->at) - (x->at < y->at);
}

/* Append those of `found` that are there the first time, in their order. */
static void take_new(struct buf *ids, size_t from, const struct buf *found)
{
    size_t n_old = (ids->len - from) / 32, n = n_old + found->len / 32;
    struct cursor_place *p = xcalloc(n + 1, sizeof(*p));
    char *fresh = xcalloc(n + 1, 1);

    for (size_t i = 0; i < n; i++) {
        const char *at = i < n_old ? ids->data + from + 32 * i
                                   : found->data + 32 * (i - n_old);

        p[i] = (struct cursor_place){ id_view(at), i };
    }
    qsort(p, n, sizeof(*p), by_id);
    for (size_t i = 0; i < n; i++)
        fresh[p[i].at] = i == 0 || !id_equal(*p[i - 1].id, *p[i].id);
    for (size_t i = n_old; i < n; i++)
        if (fresh[i])
            buf_put(ids, found->data + 32 * (i - n_old), 32);
    free(fresh);
    free(p);
}

int graphql_find(struct graphql *g, const struct graphql_query *q,
                 struct buf *ids, struct err *err)
{
    struct err last = ERR_INIT;
    size_t from = ids->len;
    bool answered = false;
    struct buf found;

    for (size_t i = 0; i < g->n; i++) {
        buf_init(&found, (q->max + GRAPHQL_PAGE_MAX) * 32);
        if (ask_pages(g, g->url[i], q, &found, &last) == 0) {
            answered = true;
            take_new(ids, from, &found);
        }
        buf_clear(&found);
    }
    if (!answered)
        return err_set(err, last.code, "%s", last.text);
    return buf_check(ids, "the list of ids", err);
}
