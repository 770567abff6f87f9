/*
 * The thread that evaluates messages in the order of their coming and sends
 * on what comes of them; dry runs.
 */
#include <config.h>

#include "localnet/units_eval.h"

#include <pthread.h>
#include <string.h>

#include "arweave/item.h"
#include "base/base64.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "localnet/drive.h"
#include "localnet/evaluation.h"
#include "localnet/evaluator.h"
#include "localnet/stored.h"
#include "localnet/journal.h"
#include "localnet/net.h"
#include "localnet/push_messages.h"
#include "localnet/units.h"

#define REQUEST_MAX ((size_t)8 << 20)
#define CATCH_UP_MS 15000

/* From is who the tag says, or who signed. */
static void set_from(const struct item *it, char from[ID_TEXT])
{
    char said[ID_TEXT];

    units_owner(from, it);
    if (item_tag_text(it, "From-Process", said, sizeof(said)) == 0)
        memcpy(from, said, ID_TEXT);
}

static void put_request(struct buf *request, const struct message *m,
                        const struct item *it, const char *data, size_t n)
{
    const struct process *p = m->process;
    char owner[ID_TEXT], from[ID_TEXT], chain[ID_TEXT], anchor[ID_TEXT] = "";
    struct evaluation e = {
        .id = m->id_text, .target = p->id_text, .owner = owner, .from = from,
        .anchor = anchor, .hash_chain = chain, .tag = it->tag,
        .n_tags = it->n_tags, .data = data, .n_data = n, .nonce = m->slot,
        .timestamp_ms = m->timestamp_ms, .height = m->height,
        .process = p->id_text, .process_owner = p->owner,
        .module = p->module, .process_tag = p->item->tag,
        .n_process_tags = p->item->n_tags
    };
    struct buf clean;

    units_owner(owner, it);
    base64url(chain, m->chain.b, 32);
    if (it->anchor)
        base64url(anchor, it->anchor, 32);
    set_from(it, from);
    buf_init(&clean, REQUEST_MAX);
    /* the network hands on texts, not bytes */
    if (!utf8_valid(data, n)) {
        utf8_scrub(&clean, data, n);
        e.data = clean.data;
        e.n_data = clean.len;
    }
    evaluation_put(request, &e);
    buf_clear(&clean);
}

/* Under the lock of the process, during an evaluation. */
static int find_data(void *self, const char *name, uint64_t now_ms,
                     struct vm_file *file, struct err *err)
{
    const struct process *p = self;
    int rc;

    pthread_mutex_lock(&p->net->lock);
    rc = drive_find(p->net, p, name, now_ms, file, err);
    pthread_mutex_unlock(&p->net->lock);
    return rc;
}

/* The evaluator of a process, begun if need be.  Under its lock. */
static int begin_evaluator(struct net *net, struct process *p,
                           struct err *err)
{
    return p->evaluator ? 0
                        : evaluator_new(&p->evaluator, net->ao->evaluators,
                                        find_data, p, err);
}

static enum evaluator_end evaluate(struct net *net, struct message *m,
                                   struct buf *reply, struct err *err)
{
    struct process *p = m->process;
    struct buf request, raw;
    struct item it;
    enum evaluator_end end = EVALUATOR_GONE;

    buf_init(&request, REQUEST_MAX);
    buf_init(&raw, JOURNAL_MAX);
    if (buf_reserve(&raw, m->size, "message", err) ||
        stored_read(stored_get(net, m->id), 0, raw.data, m->size, err) ||
        item_head(&it, raw.data, m->size, err))
        goto out;
    put_request(&request, m, &it, raw.data + it.head_n,
                m->size - it.head_n);
    pthread_mutex_unlock(&net->lock);
    pthread_mutex_lock(&p->lock);
    if (begin_evaluator(net, p, err) == 0)
        end = evaluator_eval(p->evaluator, request.data, request.len, true,
                             reply, err);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_lock(&net->lock);
out:
    buf_clear(&request);
    buf_clear(&raw);
    return end;
}

/* Evaluate one, and what follows from it. */
static int work(struct net *net, struct message *m, struct err *err)
{
    enum evaluator_end end;
    struct buf reply;
    int rc = 0;

    if (!m->failed) {
        buf_init(&reply, EVALUATOR_REPLY_MAX);
        end = evaluate(net, m, &reply, err);
        if (end != EVALUATOR_GONE) {
            m->n_result = get_u32(reply.data);
            m->result = xstrndup(reply.data + 4, m->n_result);
            m->failed = end == EVALUATOR_FAILED;
        }
        if (end == EVALUATOR_DONE)
            push_all(net, m, &reply);
        else if (end == EVALUATOR_GONE)
            rc = -1;
        else if (m->n_result < JOURNAL_MAX - 32)
            rc = journal_put(net->journal, JOURNAL_FAILED, m->id.b, 32,
                             m->result, m->n_result, false, NULL, err);
        buf_clear(&reply);
    }
    if (rc < 0)
        return -1;
    m->done = true;
    m->process->n_done = m->slot + 1;
    pthread_cond_broadcast(&net->ao->changed);
    return 0;
}

static void sleep_until(struct net *net, uint64_t ms)
{
    uint64_t now = clock_ms();

    clock_wait(&net->ao->changed, &net->lock, ms > now ? ms - now : 0);
}

static void *run_units(void *self)
{
    struct net *net = self;
    struct ao_units *ao = net->ao;
    struct err err = ERR_INIT;
    int rc = 0;

    pthread_mutex_lock(&net->lock);
    while (!ao->stopping && rc == 0) {
        struct message *m = ao->queue_at < ao->n_queue
                                ? ao->queue[ao->queue_at] : NULL;

        if (!m) {
            pthread_cond_wait(&ao->changed, &net->lock);
        } else if (m->due_ms > clock_ms()) {
            sleep_until(net, m->due_ms);
        } else {
            ao->queue_at++;
            rc = work(net, m, &err);
        }
    }
    if (rc && !ao->stopping)
        err_set(&net->broken, ERR_FATAL, "%s", err.text);
    pthread_mutex_unlock(&net->lock);
    return NULL;
}

bool units_wait(struct net *net, const struct message *m, unsigned wait_ms)
{
    uint64_t until = clock_ms() + wait_ms;

    while (!m->done && !net->ao->stopping && clock_ms() < until)
        sleep_until(net, until);
    return m->done;
}

/* Until the messages of a process are evaluated that are due by now: a dry run
 * sees what came before it, also where a net that was started again evaluates
 * all of its messages once more. */
static void catch_up(struct net *net, const struct process *p)
{
    uint64_t now = clock_ms();
    size_t n = p->n;

    while (n > 0 && p->message[n - 1]->due_ms > now)
        n--;
    if (n > 0)
        units_wait(net, p->message[n - 1], CATCH_UP_MS);
}

int units_dry_run(struct net *net, const struct dry_run *d, struct buf *json,
                  struct err *err)
{
    struct process *p = d->process;
    struct evaluation e = {
        .id = d->id, .target = p->id_text, .owner = d->owner,
        .from = d->owner, .anchor = d->anchor, .hash_chain = "",
        .tag = d->tag, .n_tags = d->n_tags, .data = d->data,
        .n_data = d->n_data, .process = p->id_text,
        .process_owner = p->owner, .module = p->module,
        .process_tag = p->item->tag, .n_process_tags = p->item->n_tags,
        .read_only = true
    };
    struct buf request, reply;
    enum evaluator_end end = EVALUATOR_GONE;

    buf_init(&request, REQUEST_MAX);
    buf_init(&reply, EVALUATOR_REPLY_MAX);
    pthread_mutex_lock(&net->lock);
    catch_up(net, p);
    e.nonce = p->n - 1;
    e.timestamp_ms = net_now_ms(net);
    e.height = net_height(net);
    pthread_mutex_unlock(&net->lock);
    evaluation_put(&request, &e);
    pthread_mutex_lock(&p->lock);
    if (begin_evaluator(net, p, err) == 0)
        end = evaluator_eval(p->evaluator, request.data, request.len, false,
                             &reply, err);
    pthread_mutex_unlock(&p->lock);
    if (end != EVALUATOR_GONE)
        buf_put(json, reply.data + 4, get_u32(reply.data));
    buf_clear(&request);
    buf_clear(&reply);
    return end == EVALUATOR_GONE ? -1 : 0;
}

/* ---- life ---------------------------------------------------------------- */

int units_start(struct net *net, struct err *err)
{
    if (pthread_create(&net->ao->thread, NULL, run_units, net))
        return err_set(err, ERR_FATAL, "cannot start a thread");
    net->ao->running = true;
    return 0;
}

void units_stop(struct net *net)
{
    struct ao_units *ao = net->ao;

    if (!ao)
        return;
    pthread_mutex_lock(&net->lock);
    ao->stopping = true;
    for (size_t i = 0; i < ao->n_processes; i++)
        if (ao->process[i]->evaluator)
            evaluator_stop(ao->process[i]->evaluator);
    pthread_cond_broadcast(&ao->changed);
    pthread_mutex_unlock(&net->lock);
    if (ao->running)
        pthread_join(ao->thread, NULL);
    ao->running = false;
}
