/*
 * A pull: messages to the queue until the batch is full, then the batch.
 * What of it can be made again after a crash is made from wire/ alone, so
 * there is one way for a new batch and for one that was left.
 */
#include <config.h>

#include "queue/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "queue/lease.h"
#include "queue/pull_answer.h"
#include "queue/pull_internal.h"
#include "queue/client.h"
#include "spool/spool.h"

#define MAX_MESSAGES 10000
#define MAX_BYTES "262144"
#define MAX_MODELS 64 /* in one tag */
#define ITEM_MAX (AO_MAX_DATA + ITEM_HEAD_MAX)

/* ---- messages ------------------------------------------------------------ */

/* Ids of the models, with commas: those that we serve, or the batch's. */
static void put_models(struct buf *out, const struct pulling *x)
{
    char text[ID_TEXT];
    size_t n = x->p->n_models < MAX_MODELS ? x->p->n_models : MAX_MODELS;

    if (x->answers.has_model) {
        base64url(text, x->answers.model.b, 32);
        buf_puts(out, text);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        base64url(text, x->p->model[i].b, 32);
        buf_printf(out, "%s%s", i ? "," : "", text);
    }
}

/* How many the next message asks for. */
static uint64_t to_ask(const struct pulling *x)
{
    uint64_t left = x->p->total - x->answers.n;

    return left < x->p->per_message ? left : x->p->per_message;
}

static int sign_pull(struct pulling *x, struct buf *item, struct id *id,
                     bool first, struct err *err)
{
    struct client *t = x->p->client;
    char max[24], ttl[24], batch[ID_TEXT];
    struct item_text_tag tag[6] = {
        { "Action", "Pull" }, { "Models", NULL }, { "Max", max },
        { "Max-Bytes", MAX_BYTES }, { "TTL", ttl }, { "Batch", batch }
    };
    const struct ao_message m = { .process = t->process, .tag = tag,
                                  .n_tags = first ? 5 : 6 };
    struct buf models;
    int rc;

    buf_init(&models, MAX_MODELS * ID_TEXT);
    put_models(&models, x);
    tag[1].value = models.data;
    snprintf(max, sizeof(max), "%" PRIu64, to_ask(x));
    snprintf(ttl, sizeof(ttl), "%" PRIu64, x->p->ttl_s);
    if (!first)
        base64url(batch, x->b.id.b, 32);
    rc = ao_sign(t->ao, item, id, &m, err);
    buf_clear(&models);
    return rc;
}

/* Sign the k-th Pull and keep it; the first one makes the batch. */
static int keep_pull(struct pulling *x, size_t k, struct buf *item,
                     struct err *err)
{
    struct id id;
    char *name;
    int rc;

    if (sign_pull(x, item, &id, k == 0, err) ||
        (k == 0 && spool_begin(x->p->spool, id, &x->b, err)))
        return -1;
    if (k == 0)
        pull_answers_init(&x->answers, x->b.id);
    name = pulling_wire(k, "item");
    rc = batch_file_write(x->b.path, name, item->data, item->len, err);
    free(name);
    return rc;
}

/* What became of a Pull. */
enum received {
    RECEIVED_LINES,   /* requests are leased to us */
    RECEIVED_NOTHING, /* the queue has none, or refused: *err says why */
    RECEIVED_LATER,   /* not known yet: *err */
    RECEIVED_WRONG    /* it may have leased something, nobody can say what */
};

/* Send a kept Pull and keep what the queue says. */
static enum received receive(struct pulling *x, size_t k,
                             const struct buf *item, struct ao_result *r,
                             const struct ao_out **out, struct err *err)
{
    struct client *t = x->p->client;
    struct err own = ERR_INIT;
    struct buf text;
    struct item head;
    char *name;
    int code;

    err = err_or(err, &own);
    if (item_head(&head, item->data, item->len, err))
        return RECEIVED_WRONG;
    if (ao_send(t->ao, item->data, item->len, err))
        return err->code == ERR_RETRY ? RECEIVED_LATER : RECEIVED_NOTHING;
    if (ao_result(t->ao, r, t->process, head.id, t->wait_s, err))
        return err->code == ERR_RETRY ? RECEIVED_LATER : RECEIVED_WRONG;
    code = client_judge(t, r, "Pull-Response", out, err);
    if (code != 200) {
        /* 204 may say why: this node has as many as it may */
        if (code == 204 && ao_out_tag(*out, "Message"))
            snprintf(x->why, sizeof(x->why), "%s",
                     ao_out_tag(*out, "Message"));
        ao_result_clear(r);
        return RECEIVED_NOTHING;
    }
    buf_init(&text, AO_MAX_KEPT);
    ao_out_put(&text, *out);
    name = pulling_wire(k, "answer");
    if (buf_check(&text, "an answer", err) ||
        batch_file_write(x->b.path, name, text.data, text.len, err)) {
        ao_result_clear(r);
        code = -1;
    }
    free(name);
    buf_clear(&text);
    return code < 0 ? RECEIVED_LATER : RECEIVED_LINES;
}

/* The k-th Pull and its answer, from wire/ as far as they are there. */
static enum received ask_pull(struct pulling *x, size_t k, bool may_sign,
                              struct ao_result *r,
                              const struct ao_out **out, struct err *err)
{
    enum received received = RECEIVED_NOTHING;
    struct buf item;
    char *name;
    enum found found = FOUND_NONE;

    if (k > 0 || x->b.path)
        found = pulling_answer(x, k, r, out, err);
    if (found != FOUND_NONE)
        return found == FOUND_ONE ? RECEIVED_LINES : RECEIVED_LATER;
    buf_init(&item, ITEM_MAX);
    name = pulling_wire(k, "item");
    if (x->b.path)
        found = batch_file_read(&item, x->b.path, name, err);
    if (found == FOUND_NONE && may_sign)
        found = keep_pull(x, k, &item, err) ? FOUND_FAILED : FOUND_ONE;
    if (found == FOUND_FAILED)
        received = RECEIVED_LATER;
    else if (found == FOUND_ONE)
        received = receive(x, k, &item, r, out, err);
    free(name);
    buf_clear(&item);
    return received;
}

static bool wants_more(const struct pulling *x, size_t k)
{
    if (x->is_left)
        return false;
    return k == 0 || (x->answers.more > 0 && !x->answers.is_file &&
                      x->answers.n < x->p->total &&
                      !caller_stops(&x->p->caller));
}

/* All messages of the batch: 0, or -1 with *received. */
static int collect_requests(struct pulling *x, enum received *received,
                            struct err *err)
{
    for (size_t k = 0; k < MAX_MESSAGES; k++) {
        struct ao_result r = { .root = NULL };
        const struct ao_out *out = NULL;
        uint64_t max = x->is_left ? PULL_MAX : to_ask(x);
        int rc;

        *received = ask_pull(x, k, wants_more(x, k), &r, &out, err);
        if (*received == RECEIVED_NOTHING && k > 0)
            return 0; /* what came before is a batch */
        if (*received != RECEIVED_LINES)
            return -1;
        /* what was left may have been asked for with other models */
        rc = pull_answers_add(&x->answers, out, max, x->p->model,
                              x->is_left ? 0 : x->p->n_models, err);
        ao_result_clear(&r);
        if (rc) {
            *received = RECEIVED_WRONG;
            return -1;
        }
        x->n_answers++;
        pulling_touch(x);
    }
    return 0;
}

/* ---- the end ------------------------------------------------------------- */

static int drop(struct pulling *x, struct err *err)
{
    if (!x->b.path)
        return 0;
    return spool_remove(x->p->spool, &x->b, err) < 0 ? -1 : 0;
}

/* An answer that cannot be used: what it leased goes back, or its
 * lease ends by itself. */
static void give_back(struct pulling *x)
{
    struct releases all = { .n = 0 };
    struct err why = ERR_INIT;

    if (lease_release(x->p->client, x->b.id, &all, NULL, &why))
        pulling_note_release(x, 0, &why);
    x->all_back = true;
    drop(x, &why);
}

/* What was leased by a process that has died and cannot be made a batch now
 * either (a full disk, say) is for others: it would be renewed for ever. */
static void put_all_off(struct pulling *x, struct err *err)
{
    struct err why = ERR_INIT;
    char id[ID_TEXT];

    base64url(id, x->b.id.b, 32);
    releases_clear(&x->back);
    for (size_t i = 0; i < x->answers.n; i++)
        releases_put_off(&x->back, x->answers.id[i], LATER_SOON_S);
    if (lease_release(x->p->client, x->b.id, &x->back, NULL, &why))
        pulling_note_release(x, x->back.n, &why);
    x->all_back = true;
    drop(x, &why);
    err_prefix(err, "the requests of batch %s, which was left, go back", id);
}

static enum pull_end end_badly(struct pulling *x, enum received received,
                               struct err *why)
{
    switch (received) {
    case RECEIVED_NOTHING:
        drop(x, NULL);
        return why->code == ERR_NONE ? PULL_NONE : PULL_FAILED;
    case RECEIVED_WRONG:
        give_back(x);
        if (why->code != ERR_FATAL)
            err_turn(why, ERR_INPUT);
        err_prefix(why, "the queue's answer to pull %s is refused, and what"
                   " it leased goes back", id_text(x->b.id).s);
        break;
    case RECEIVED_LATER:
    case RECEIVED_LINES:
        break;
    }
    return PULL_FAILED;
}

/* Whether a lease that was taken by a process that died is still ours; what was
 * pulled under one that is over is dropped. */
static enum lease_end check_lease(struct pulling *x, struct err *err)
{
    enum lease_end end = LEASE_KEPT;

    if (x->is_left)
        end = lease_renew(x->p->client, x->b.path, x->b.id, x->p->ttl_s, err);
    if (end != LEASE_OVER)
        return end;
    pulling_note(x,
                 "the lease of batch %s, which was left, is over: others"
                 " answer it",
                 id_text(x->b.id).s);
    return drop(x, err) ? LEASE_FAILED : LEASE_OVER;
}

/* Make a batch of what was collected. */
static enum pull_end make_pulled_batch(struct pulling *x, struct err *why)
{
    enum pull_end end;

    switch (check_lease(x, why)) {
    case LEASE_OVER:
        return PULL_NONE;
    case LEASE_FAILED:
        return PULL_FAILED;
    case LEASE_KEPT:
        break;
    }
    end = pulling_finish(x, why);
    x->all_back = end == PULL_NONE;
    if (end == PULL_FAILED && x->is_left && !caller_stops(&x->p->caller))
        put_all_off(x, why);
    return end;
}

static enum pull_end do_pull(struct pulling *x, struct err *err)
{
    struct err why = ERR_INIT;
    enum received received;
    enum pull_end end = collect_requests(x, &received, &why)
                            ? end_badly(x, received, &why)
                            : make_pulled_batch(x, &why);

    if (end == PULL_FAILED)
        err_copy(err, &why);
    return end;
}

static enum pull_end pull_and_report(struct pulling *x, struct batch *b,
                                     struct pulled *n, struct err *err)
{
    enum pull_end end = do_pull(x, err);

    n->released = x->back.n;
    n->all_back = x->all_back;
    memcpy(n->why, x->why, sizeof(n->why));
    if (end == PULL_BATCH) {
        n->requests = x->n_requests;
        n->model = x->answers.model;
        *b = x->b;
        x->b.path = NULL;
    }
    batch_clear(&x->b);
    releases_clear(&x->back);
    pull_answers_clear(&x->answers);
    return end;
}

enum pull_end pull_batch(const struct pull *p, struct batch *b,
                         struct pulled *n, struct err *err)
{
    struct pulling x = { .p = p };

    memset(n, 0, sizeof(*n));
    if (p->n_models == 0) {
        err_set(err, ERR_INPUT, "no model to pull requests for: add one with"
                " apus model add");
        return PULL_FAILED;
    }
    return pull_and_report(&x, b, n, err);
}

/* The queue that a batch was pulled from is what its first Pull names, and may
 * be another than ours by now. */
static int queue_of(struct id *process, const struct batch *b, struct err *err)
{
    char *name = pulling_wire(0, "item");
    struct buf text;
    struct item it;
    enum found found;
    int rc = 0;

    buf_init(&text, ITEM_MAX);
    found = batch_file_read(&text, b->path, name, err);
    if (found == FOUND_ONE) {
        rc = item_head(&it, text.data ? text.data : "", text.len, err);
        if (rc == 0 && it.target)
            *process = *it.target;
    }
    buf_clear(&text);
    free(name);
    return found == FOUND_FAILED || rc ? -1 : 0;
}

/* One that was left, if its puller is dead. */
static enum pull_end take_left(const struct pull *p, struct batch *left,
                               struct batch *b, struct pulled *n,
                               struct err *err)
{
    struct client client = *p->client;
    struct pull of_it = *p;
    struct pulling x = { .p = &of_it, .is_left = true };
    enum taking end = spool_take_over(left, err);

    if (end != TAKING_DONE)
        return end == TAKING_FAILED ? PULL_FAILED : PULL_NONE;
    of_it.client = &client;
    if (queue_of(&client.process, left, err))
        return PULL_FAILED;
    x.b = *left;
    left->path = NULL;
    pull_answers_init(&x.answers, x.b.id);
    return pull_and_report(&x, b, n, err);
}

enum pull_end pull_left(const struct pull *p, struct batch *b,
                        struct pulled *n, struct err *err)
{
    struct batch *list = NULL;
    size_t n_list = 0;
    bool failed = spool_list(p->spool, SPOOL_TMP, &list, &n_list, err) < 0;
    enum pull_end end = PULL_NONE;

    memset(n, 0, sizeof(*n));
    /* what cannot be finished is not in the way of others */
    for (size_t i = 0; end != PULL_BATCH && i < n_list; i++) {
        end = take_left(p, &list[i], b, n, err);
        failed |= end == PULL_FAILED;
    }
    spool_list_free(list, n_list);
    return failed && end != PULL_BATCH ? PULL_FAILED : end;
}
