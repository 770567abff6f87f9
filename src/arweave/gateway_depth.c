/*
 * How deep a transaction lies below the newest block, as gateways see it, and
 * in which transaction an item lies.  Neither can be verified here: it is one
 * more word beside the bundler's.
 */
#include <config.h>

#include "arweave/gateway.h"

#include <stdio.h>
#include <string.h>

#include "arweave/gateway_head.h"
#include "arweave/gateway_internal.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"

#define MAX_ANSWER 4096
#define MAX_DEPTH 4 /* bundles within bundles */

struct depth_question {
    const struct id *id;
    bool absent;              /* one knows nothing of it */
    enum gateway_word word;
    uint64_t n;
    struct id root;
};

/* What was tried, as text. */
static void path_of(char out[80], const char *front, struct id id,
                    const char *back)
{
    snprintf(out, 80, "%s/%s%s", front, id_text(id).s, back);
}

static int ask_depth(struct gateways *g, size_t i, void *self,
                     struct err *err)
{
    struct depth_question *q = self;
    struct http_request r = { .method = "GET", .max_body = MAX_ANSWER };
    struct http_answer a;
    char path[80];
    int rc;

    path_of(path, "tx", *q->id, "/status");
    http_answer_init(&a);
    rc = gateway_ask(g, i, path, &r, &a, err);
    if (!rc) {
        q->word = GATEWAY_MINED;
        rc = gateway_depth_read(&q->n, a.body.data, a.body.len, err);
        if (rc)
            err_prefix(err, "\"%s/%s\"", g->url[i], path);
    } else if (a.status == 202) {
        q->word = GATEWAY_PENDING;
        rc = 0;
    } else if (a.status == 404 || a.status == 410) {
        q->absent = true;
    }
    http_answer_clear(&a);
    return rc;
}

int gateway_depth(struct gateways *g, struct id id, enum gateway_word *word,
                  uint64_t *n, struct err *err)
{
    struct depth_question q = { .id = &id };

    if (gateways_each(g, 0, g->n, ask_depth, &q, err)) {
        if (caller_stops(&g->caller))
            return -1;
        q.word = q.absent ? GATEWAY_ABSENT : GATEWAY_MUTE;
    }
    *word = q.word;
    *n = q.word == GATEWAY_MINED ? q.n : 0;
    return 0;
}

/* The bundle that is in none, by the index; the id itself if it is in none. */
static int root_of(struct gateways *g, size_t i, struct id id, struct id *root,
                   struct err *err)
{
    enum found found = FOUND_ONE;

    *root = id;
    for (unsigned depth = 0; found == FOUND_ONE && depth < MAX_DEPTH; depth++)
        found = gateway_parent(g, i, *root, root, err);
    if (found == FOUND_ONE)
        return err_set(err, ERR_INPUT, "\"%s\": bundles within more than %d"
                       " bundles", g->url[i], MAX_DEPTH);
    return found == FOUND_FAILED ? -1 : 0;
}

static int ask_root(struct gateways *g, size_t i, void *self,
                    struct err *err)
{
    struct depth_question *q = self;
    struct http_request r = { .method = "HEAD", .max_body = 1 };
    struct gateway_hint hint;
    struct http_answer a;
    char path[80];
    int rc;

    path_of(path, "raw", *q->id, "");
    http_answer_init(&a);
    rc = gateway_ask(g, i, path, &r, &a, err);
    if (!rc) {
        gateway_hint_read(&hint, a.head.data, a.head.len);
        if (hint.has_root)
            q->root = hint.root;
        else if (root_of(g, i, *q->id, &q->root, err))
            rc = -1;
        else if (id_equal(q->root, *q->id))
            rc = err_set(err, ERR_INPUT, "\"%s/%s\": it is not said in which"
                         " transaction that is", g->url[i], path);
    }
    http_answer_clear(&a);
    return rc;
}

enum found gateway_root(struct gateways *g, struct id id, struct id *root,
                        struct err *err)
{
    struct depth_question q = { .id = &id };

    if (gateways_each(g, 0, g->n, ask_root, &q, err))
        return caller_stops(&g->caller) ? FOUND_FAILED : FOUND_NONE;
    *root = q.root;
    return FOUND_ONE;
}
