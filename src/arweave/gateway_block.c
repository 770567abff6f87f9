/*
 * In which block a transaction lies, and what a block's hash is, as all
 * gateways see it.  Neither can be verified here, so those that answer must
 * agree: whoever wants to be told nothing wrong names one that is honest.
 */
#include <config.h>

#include "arweave/gateway.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arweave/gateway_head.h"
#include "arweave/gateway_internal.h"
#include "base/base64.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"

/* A block lists its transactions and has proofs of two chunks. */
#define MAX_BLOCK ((size_t)8 << 20)

struct block_question {
    char path[80];
    uint64_t wanted;  /* height of a block; 0: where a transaction lies */
    bool absent;      /* this gateway knows nothing of it */
    struct gateway_block block;
};

static int hash_of(unsigned char hash[GATEWAY_BLOCK], const struct json *root,
                   const char *name)
{
    const char *text = json_string(json_get(root, name));
    size_t n;

    return !text || base64url_decode(hash, GATEWAY_BLOCK, &n, text) ||
                   n != GATEWAY_BLOCK
               ? -1 : 0;
}

int gateway_block_read(struct gateway_block *b, bool status, const char *json,
                       size_t n, struct err *err)
{
    struct json *root;
    int rc = 0;

    if (json_parse(&root, json, n, err))
        return -1;
    if (json_u64(json_get(root, status ? "block_height" : "height"),
                 &b->height) ||
        hash_of(b->hash, root, status ? "block_indep_hash" : "indep_hash"))
        rc = err_set(err, ERR_INPUT, "no height and hash of a block is there");
    json_free(root);
    return rc;
}

static int read_block(struct block_question *q, const struct http_answer *a,
                      struct err *err)
{
    if (gateway_block_read(&q->block, q->wanted == 0, a->body.data,
                           a->body.len, err))
        return -1;
    if (q->wanted && q->block.height != q->wanted)
        return err_set(err, ERR_INPUT, "it is block %" PRIu64,
                       q->block.height);
    return 0;
}

static int ask(struct gateways *g, size_t i, void *self, struct err *err)
{
    struct block_question *q = self;
    struct http_request r = { .method = "GET", .max_body = MAX_BLOCK };
    struct http_answer a;
    int rc;

    http_answer_init(&a);
    q->absent = false;
    rc = gateway_ask(g, i, q->path, &r, &a, err);
    if (rc)
        q->absent = a.status == 202 || a.status == 404 || a.status == 410;
    else if (read_block(q, &a, err))
        rc = err_prefix(err, "\"%s/%s\"", g->url[i], q->path);
    http_answer_clear(&a);
    return rc;
}

/* Ask all of them; FOUND_NONE if none has it and one says so. */
static enum found agree(struct gateways *g, struct block_question *q,
                        struct gateway_block *out, struct err *err)
{
    size_t n = 0, n_absent = 0;
    struct err why = ERR_INIT;

    for (size_t i = 0; i < g->n; i++) {
        struct err own = ERR_INIT;

        if (gateways_each(g, i, i + 1, ask, q, &own)) {
            if (caller_stops(&g->caller))
                return err_copy(err, &own);
            n_absent += q->absent;
            why = own;
            continue;
        }
        if (n && (out->height != q->block.height ||
                  memcmp(out->hash, q->block.hash, GATEWAY_BLOCK) != 0))
            return err_set(err, ERR_RETRY, "\"%s/%s\": another block than an"
                           " earlier gateway says", g->url[i], q->path);
        *out = q->block;
        n++;
    }
    if (n)
        return FOUND_ONE;
    return n_absent ? FOUND_NONE : err_copy(err, &why);
}

enum found gateway_tx_block(struct gateways *g, struct id tx,
                            struct gateway_block *b, struct err *err)
{
    struct block_question q = { .wanted = 0 };

    snprintf(q.path, sizeof(q.path), "tx/%s/status", id_text(tx).s);
    return agree(g, &q, b, err);
}

enum found gateway_block(struct gateways *g, uint64_t height,
                         struct gateway_block *b, struct err *err)
{
    struct block_question q = { .wanted = height };

    snprintf(q.path, sizeof(q.path), "block/height/%" PRIu64, height);
    return agree(g, &q, b, err);
}
