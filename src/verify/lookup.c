/*
 * Items from gateways and files, and statements by their tags.  The bundles
 * of a batch: lookup_batch.c.
 */
#include <config.h>

#include "verify/lookup_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "arweave/gateway.h"
#include "arweave/graphql.h"
#include "arweave/tx.h"
#include "base/base64.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "publish/kinds.h"

#define MAX_STATEMENTS 10000

int lookup_new(struct lookup **out, const struct settings *s,
               const struct caller *caller, struct err *err)
{
    struct lookup *l = xcalloc(1, sizeof(*l));

    if (gateways_new(&l->gateways, s, err) ||
        graphql_new(&l->index, s, err)) {
        lookup_free(l);
        return -1;
    }
    l->caller = caller_or_none(caller);
    gateways_caller(l->gateways, &l->caller);
    *out = l;
    return 0;
}

void lookup_free(struct lookup *l)
{
    if (!l)
        return;
    graphql_free(l->index);
    gateways_free(l->gateways);
    free(l);
}

void lookup_note(struct lookup *l, struct id id, const char *why)
{
    char *line;

    line = xasprintf("item %s is passed over: %s", id_text(id).s, why);
    caller_note(&l->caller, false, line);
    free(line);
}

void lookup_mute(struct lookup *l, bool mute)
{
    struct caller c = l->caller;

    if (mute)
        c.note = NULL;
    gateways_caller(l->gateways, &c);
}

/* ---- one item ------------------------------------------------------------ */

void lookup_item_init(struct lookup_item *i, size_t max)
{
    memset(&i->it, 0, sizeof(i->it));
    buf_init(&i->raw, max);
}

void lookup_item_clear(struct lookup_item *i)
{
    buf_clear(&i->raw);
}

static void set_data(struct lookup_item *i)
{
    i->it.data = i->raw.data + i->it.head.head_n;
    i->it.n = i->raw.len - i->it.head.head_n;
}

int lookup_get(struct lookup *l, struct id id, struct lookup_item *i,
               struct err *err)
{
    buf_reset(&i->raw);
    if (gateway_item(l->gateways, id, 0, &i->raw, &i->it.head, err))
        return -1;
    set_data(i);
    return 0;
}

/* Name the kind of bytes that are not an item but are easily mistaken for
 * one. */
static bool is_other(char what[BUNDLE_NAME], const struct buf *raw)
{
    struct json *root = NULL;
    uint64_t n_items;
    bool tx;

    if (raw->len == 0) {
        snprintf(what, BUNDLE_NAME, "empty");
        return true;
    }
    if (bundle_begins(raw->data, raw->len, &n_items)) {
        bundle_name(what, n_items);
        return true;
    }
    /* an item may begin like JSON without being JSON */
    if (raw->data[0] != '{' || raw->len > TX_JSON_MAX ||
        json_parse(&root, raw->data, raw->len, NULL))
        return false;
    tx = json_get(root, "last_tx") && json_get(root, "signature");
    snprintf(what, BUNDLE_NAME, tx ? "a transaction" : "JSON");
    json_free(root);
    return true;
}

/* Read a file, and the head of the item in it. */
static int read_item(const char *path, struct lookup_item *i, struct err *err)
{
    char what[BUNDLE_NAME];
    int rc;

    buf_reset(&i->raw);
    if (file_read(&i->raw, path, err))
        return -1;
    if (is_other(what, &i->raw))
        return err_set(err, ERR_INPUT, "\"%s\" is %s, not an item", path,
                       what);
    rc = item_head(&i->it.head, i->raw.data, i->raw.len, err);
    if (rc > 0)
        err_set(err, ERR_INPUT, "it ends in its head");
    return rc ? err_prefix(err, "\"%s\" is not an item", path) : 0;
}

enum lookup_found lookup_file(const char *path, struct lookup_item *i,
                              struct err *err)
{
    bool good;

    if (read_item(path, i, err))
        return LOOKUP_ERROR;
    good = item_open(&i->it.head, i->raw.data, i->raw.len, err) == 0;
    if (!good && !item_is_checked(i->it.head.type)) {
        err_prefix(err, "\"%s\"", path);
        return LOOKUP_ERROR;
    }
    set_data(i);
    return good ? LOOKUP_GOOD : LOOKUP_FORGED;
}

/* ---- blocks -------------------------------------------------------------- */

enum found lookup_blocks(struct lookup *l, struct id item, uint64_t n,
                         struct gateway_block *at,
                         struct gateway_block *later, struct err *err)
{
    struct id root;
    enum found found = gateway_root(l->gateways, item, &root, err);

    if (found == FOUND_FAILED)
        return FOUND_FAILED;
    if (found == FOUND_NONE) { /* err says why */
        err_turn(err, ERR_RETRY);
        err_prefix(err, "in which block item %s is", id_text(item).s);
        return FOUND_NONE;
    }
    found = gateway_tx_block(l->gateways, root, at, err);
    if (found == FOUND_NONE)
        err_set(err, ERR_RETRY, "item %s, in the transaction %s, is in no block"
                " yet", id_text(item).s, id_text(root).s);
    if (found != FOUND_ONE)
        return found;
    found = gateway_block(l->gateways, at->height + n, later, err);
    if (found == FOUND_NONE)
        err_set(err, ERR_RETRY, "item %s is in block %" PRIu64 ", and block %"
                PRIu64 " is not there yet", id_text(item).s, at->height,
                at->height + n);
    return found;
}

/* ---- statements ---------------------------------------------------------- */

/* Return why this is not a statement of that owner and batch, or NULL. */
static const char *not_wanted(const struct lookup_item *i, struct id owner,
                              const struct id *batch,
                              struct published_statement *s)
{
    struct err err = ERR_INIT;
    char kind[32];

    claims_kind(kind, &i->it.head);
    if (!id_equal(i->it.head.address, owner))
        return "somebody else signed it";
    if (strcmp(kind, KIND_STATEMENT) != 0 ||
        published_statement_read(s, i->it.data, i->it.n, &err))
        return "it is not a statement";
    if (batch && !id_equal(s->s.batch, *batch))
        return "it is about another batch";
    return NULL;
}

int lookup_ids(struct lookup *l, struct id owner, const char *kind,
               const struct id *batch, struct buf *ids, size_t max,
               struct err *err)
{
    char batch_id[ID_TEXT];
    struct item_text_tag tag[2] = { { KIND_TAG, kind }, { "Batch", batch_id } };
    struct graphql_query q = {
        .owner = &owner, .tag = tag, .n_tags = batch ? 2 : 1, .max = max
    };

    if (batch)
        base64url(batch_id, batch, 32);
    return graphql_find(l->index, &q, ids, err);
}

int lookup_of_queue(struct lookup *l, struct id process, struct id node,
                    struct buf *ids, size_t max, struct err *err)
{
    char text[ID_TEXT];
    struct item_text_tag tag[2] = { { KIND_TAG, KIND_STATEMENT },
                                    { "Process", text } };
    struct graphql_query q = { .owner = &node, .tag = tag, .n_tags = 2,
                               .max = max };

    base64url(text, &process, 32);
    return graphql_find(l->index, &q, ids, err);
}

enum found lookup_statements(struct lookup *l, struct id owner,
                             const struct id *batch,
                             lookup_statement_fn *visit, void *self,
                             struct err *err)
{
    struct published_statement s;
    struct lookup_item i;
    struct buf ids;
    enum found found;

    lookup_item_init(&i, PUBLISHED_MAX);
    buf_init(&ids, 32u * 16 * MAX_STATEMENTS);
    found = lookup_ids(l, owner, KIND_STATEMENT, batch, &ids, MAX_STATEMENTS,
                       err) ? FOUND_FAILED : FOUND_NONE;
    for (size_t at = 0; found == FOUND_NONE && at < ids.len; at += 32) {
        const unsigned char *id = (unsigned char *)ids.data + at;
        struct err unread = ERR_INIT;
        const char *why;

        if (lookup_get(l, id_at(id), &i, &unread)) {
            lookup_note(l, id_at(id), unread.text);
            continue;
        }
        why = not_wanted(&i, owner, batch, &s);
        if (why)
            lookup_note(l, id_at(id), why);
        else
            found = visit(self, &i, &s, err);
    }
    buf_clear(&ids);
    lookup_item_clear(&i);
    return found;
}

struct others {
    const struct published_statement *s;
    char text[160]; /* the first that differs, or "" */
};

static enum found compare_other(void *self, const struct lookup_item *i,
                                const struct published_statement *s,
                                struct err *err)
{
    struct others *o = self;
    const char *why = claims_other_batch(s, o->s);

    (void)err;
    if (!why)
        return FOUND_NONE;
    snprintf(o->text, sizeof(o->text), "statement %s: %s",
             id_text(i->it.head.id).s, why);
    return FOUND_ONE;
}

int lookup_others(struct lookup *l, struct claims *c,
                  const struct lookup_item *statement,
                  const struct published_statement *s, struct err *err)
{
    struct others o = { .s = s };

    if (lookup_statements(l, statement->it.head.address, &s->s.batch,
                          compare_other, &o, err) == FOUND_FAILED)
        return -1;
    claims_report(c, statement->it.head.id, "its batch",
                  "what its node signed about it", "nothing else",
                  *o.text ? o.text : NULL);
    return 0;
}
