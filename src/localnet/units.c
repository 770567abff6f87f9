/*
 * Processes and messages, and scheduling them.  Payloads of the journal:
 *
 *     MESSAGE  timestamp u64, height u64, id of the message that it was
 *              pushed for (or its own), the item
 *     FAILED   id of the message, JSON of its result
 */
#include <config.h>

#include "localnet/units.h"

#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/vec.h"
#include "localnet/evaluator.h"
#include "localnet/stored.h"
#include "localnet/journal.h"
#include "localnet/net.h"
#include "proof/digest.h"

#define HEAD 48 /* of the payload of MESSAGE, before the item */

struct process *units_process(const struct net *net, struct id id)
{
    return idmap_get(&net->ao->processes, id);
}

struct message *units_message(const struct net *net, struct id id)
{
    return idmap_get(&net->ao->messages, id);
}

void units_owner(char owner[ID_TEXT], const struct item *it)
{
    if (it->type == ITEM_ETHEREUM)
        key_ethereum_address(owner, it->owner);
    else
        base64url(owner, it->address.b, 32);
}

/* ---- scheduling ---------------------------------------------------------- */

static struct process *process_new(struct net *net, const void *raw, size_t n,
                                   const struct item *it)
{
    struct process *p = xcalloc(1, sizeof(*p));

    p->net = net;
    p->id = it->id;
    base64url(p->id_text, it->id.b, 32);
    units_owner(p->owner, it);
    item_tag_text(it, "Module", p->module, sizeof(p->module));
    buf_init(&p->raw, JOURNAL_MAX);
    buf_put(&p->raw, raw, n);
    p->item = xmalloc(sizeof(*p->item));
    if (item_head(p->item, p->raw.data, n, NULL))
        abort(); /* it was parsed before */
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void add_process(struct ao_units *ao, struct process *p)
{
    VEC_MORE(ao->process, ao->n_processes);
    ao->process[ao->n_processes++] = p;
    idmap_put(&ao->processes, p->id, p);
}

static void enqueue(struct ao_units *ao, struct message *m)
{
    VEC_MORE(ao->queue, ao->n_queue);
    ao->queue[ao->n_queue++] = m;
}

/* The next message of a process. */
static void add_message(struct net *net, struct process *p,
                        struct message *m)
{
    struct digest *d = digest_new();

    m->process = p;
    m->slot = p->n;
    base64url(m->id_text, m->id.b, 32);
    if (p->n > 0)
        digest_put(d, p->message[p->n - 1]->chain.b, 32);
    digest_put(d, m->id.b, 32);
    digest_end(d, &m->chain);
    VEC_MORE(p->message, p->n);
    p->message[p->n++] = m;
    idmap_put(&net->ao->messages, m->id, m);
    enqueue(net->ao, m);
}

/* The process that it goes to: a new one for a process's own item. */
static struct process *destination(struct net *net, const void *raw,
                                   size_t n, const struct item *it,
                                   struct err *err)
{
    struct process *p = it->target ? units_process(net, *it->target) : NULL;
    char type[16] = "", id[ID_TEXT] = "(none)";

    item_tag_text(it, "Type", type, sizeof(type));
    if (strcmp(type, "Process") == 0) {
        p = process_new(net, raw, n, it);
        add_process(net->ao, p);
        return p;
    }
    if (it->target)
        base64url(id, it->target, 32);
    if (!p)
        err_set(err, ERR_INPUT, "Process not found: %s", id);
    return p;
}

/* It is in the journal at `at`. */
static int accept_message(struct net *net, const unsigned char head[HEAD],
                          const void *raw, size_t n, const struct item *it,
                          uint64_t at, struct message **out, struct err *err)
{
    struct process *p = destination(net, raw, n, it, err);
    struct message *m;

    if (!p)
        return -1;
    m = xcalloc(1, sizeof(*m));
    m->id = it->id;
    m->timestamp_ms = get_u64(head);
    m->height = get_u64(head + 8);
    m->pushed_for = id_at(head + 16);
    m->at = at;
    m->size = n;
    stored_add(net, it, at, n, m->timestamp_ms);
    add_message(net, p, m);
    *out = m;
    return 0;
}

enum accepted units_put(struct net *net, const void *raw, size_t n,
                        const struct item *it, struct id pushed_for,
                        struct message **m, struct err *err)
{
    unsigned char head[HEAD];
    char type[16] = "";
    uint64_t at;

    *m = units_message(net, it->id);
    if (*m)
        return ACCEPT_KNOWN;
    item_tag_text(it, "Type", type, sizeof(type));
    if (strcmp(type, "Process") != 0 &&
        !(it->target && units_process(net, *it->target)))
        return destination(net, raw, n, it, err) ? ACCEPT_NEW : ACCEPT_FAILED;
    set_u64(head, net_now_ms(net));
    set_u64(head + 8, net_height(net));
    memcpy(head + 16, pushed_for.b, 32);
    if (journal_put(net->journal, JOURNAL_MESSAGE, head, HEAD, raw, n, true,
                    &at, err) ||
        accept_message(net, head, raw, n, it, at, m, err))
        return ACCEPT_FAILED;
    /* not by its timestamp: ours may be off on purpose, or be put back */
    (*m)->due_ms = clock_ms() + net->ao->delay_ms;
    pthread_cond_broadcast(&net->ao->changed);
    return ACCEPT_NEW;
}

enum accepted units_schedule(struct net *net, const void *raw, size_t n,
                             const struct item *it, struct message **m,
                             struct err *err)
{
    return units_put(net, raw, n, it, it->id, m, err);
}

static int replay_message(struct net *net, const struct journal_record *r,
                          struct err *err)
{
    struct message *m;
    struct item it;

    if (r->n < HEAD || item_head(&it, r->data + HEAD, r->n - HEAD, err))
        return err_set(err, ERR_FATAL, "a record of a message is not an item");
    if (get_u64(r->data) > net->last_ms)
        net->last_ms = get_u64(r->data);
    return accept_message(net, r->data, r->data + HEAD, r->n - HEAD, &it,
                          r->at + HEAD, &m, err);
}

int units_replay(struct net *net, const struct journal_record *r,
                 struct err *err)
{
    struct message *m;

    if (r->type == JOURNAL_MESSAGE)
        return replay_message(net, r, err);
    m = r->n > 32 ? units_message(net, id_at(r->data)) : NULL;
    if (!m || m->result)
        return err_set(err, ERR_FATAL, "a failure of no message");
    m->failed = true;
    m->n_result = r->n - 32;
    m->result = xstrndup((const char *)r->data + 32, m->n_result);
    return 0;
}

/* ---- life ---------------------------------------------------------------- */

int units_new(struct net *net, unsigned delay_ms, struct err *err)
{
    struct ao_units *ao = xcalloc(1, sizeof(*ao));

    idmap_init(&ao->processes);
    idmap_init(&ao->messages);
    clock_cond_init(&ao->changed);
    ao->delay_ms = delay_ms;
    net->ao = ao;
    return evaluators_new(&ao->evaluators, err);
}

static void message_free(void *value)
{
    struct message *m = value;

    free(m->result);
    free(m);
}

static void process_free(struct process *p)
{
    evaluator_free(p->evaluator);
    buf_clear(&p->raw);
    free(p->item);
    free(p->message);
    for (size_t i = 0; i < p->n_patches; i++) {
        free(p->patch[i].key);
        free(p->patch[i].value);
    }
    free(p->patch);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void units_free(struct net *net)
{
    struct ao_units *ao = net->ao;

    if (!ao)
        return;
    for (size_t i = 0; i < ao->n_processes; i++)
        process_free(ao->process[i]);
    free(ao->process);
    free(ao->queue);
    idmap_clear(&ao->messages, message_free);
    idmap_clear(&ao->processes, NULL);
    evaluators_free(ao->evaluators);
    pthread_cond_destroy(&ao->changed);
    free(ao);
    net->ao = NULL;
}
