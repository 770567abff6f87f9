/*
 * The steps of a push, in a row.
 */
#include <config.h>

#include "push/push.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao.h"
#include "arweave/bundler.h"
#include "arweave/gateway.h"
#include "arweave/key.h"
#include "arweave/wallet.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"
#include "base/sys.h"
#include "proof/digest.h"
#include "proof/statement.h"
#include "publish/results.h"
#include "push/ledger.h"
#include "push/push_internal.h"
#include "push/push_items.h"
#include "spool/heartbeat.h"
#include "store/seal.h"

#define ANSWER_S 120    /* to wait for what the queue says */

/* ---- while it lasts ------------------------------------------------------ */

/* Of the batch that is being pushed, one at a time; NULL: none is. */
static struct heartbeat *beating;
static struct caller asked;

static bool must_stop(void)
{
    return caller_stops(&asked) || (beating && heartbeat_lost(beating));
}

/* ---- opening ------------------------------------------------------------- */

int push_new(struct push **out, const struct spool *s,
             const struct push_options *o, struct err *err)
{
    struct push *p = xcalloc(1, sizeof(*p));
    char *path = NULL;
    int rc;

    p->spool = s;
    p->o = *o;
    asked = o->caller;
    p->o.caller.stop = must_stop;
    p->hashes = strcmp(settings_text(o->settings, "publish"), "hashes") == 0;
    rc = wallet_path(&path, o->settings, err) ||
         key_load(&p->key, path, err) ? -1 : 0;
    free(path);
    if (rc) {
        push_free(p);
        return -1;
    }
    key_address(p->key, &p->node);
    *out = p;
    return 0;
}

void push_free(struct push *p)
{
    if (!p)
        return;
    push_send_free(p->send);
    ao_free(p->ao);
    gateways_free(p->gateways);
    key_free(p->key);
    free(p);
}

int push_open_send(struct push *p, struct err *err)
{
    if (p->send)
        return 0;
    if (push_send_new(&p->send, p->o.settings, spool_dir(p->spool),
                      p->node, &p->o.caller, err))
        return -1;
    /* an upload may take hours */
    bundler_stop(push_send_bundler(p->send), p->o.caller.stop);
    return 0;
}

int push_open_ao(struct push *p, struct err *err)
{
    return p->ao ? 0 : ao_new(&p->ao, p->o.settings, p->key, err);
}

void push_note(const struct push *p, bool warning, const char *fmt, ...)
{
    char text[480];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    caller_note(&p->o.caller, warning, text);
}

struct message_journal push_journal(const struct push *p,
                                    const char *batch_path)
{
    return (struct message_journal){
        .ao = p->ao,
        .node = &p->node,
        .batch_path = batch_path,
        .wait_s = ANSWER_S,
        .caller = p->o.caller,
    };
}

/* ---- the chain of statements --------------------------------------------- */

/* What this spool said last; zeros if nothing. */
static int last_statement(const struct push *p, struct id *id, struct err *err)
{
    char *path = file_join(spool_dir(p->spool), "last-statement");
    struct buf b;
    int rc = 0;

    *id = (struct id){ { 0 } };
    buf_init(&b, ID_TEXT + 20);
    if (file_exists(path))
        rc = file_read(&b, path, err);
    if (rc == 0 && b.len) {
        b.data[strcspn(b.data, "\n")] = '\0';
        if (id_parse(id, b.data))
            rc = err_set(err, ERR_INPUT, "\"%s\" is damaged: 43 characters"
                         " expected", path);
    }
    buf_clear(&b);
    free(path);
    return rc;
}

static int set_last_statement(const struct push *p, const char *batch_path,
                              struct err *err)
{
    char *path = file_join(spool_dir(p->spool), "last-statement");
    struct id item, id, was;
    unsigned char record[STATEMENT_SIZE];
    char text[ID_TEXT + 1];
    int rc = -1;

    if (push_statement(batch_path, record, &item, err) ||
        last_statement(p, &was, err))
        goto out;
    digest(&id, record, sizeof(record));
    base64url(text, id.b, 32);
    memcpy(text + ID_TEXT - 1, "\n", 2);
    rc = id_equal(id, was) ? 0 : file_write(path, text, strlen(text), err);
out:
    free(path);
    return rc;
}

/* ---- steps --------------------------------------------------------------- */

static int sign_all(struct push *p, const struct batch *b, struct results *r,
                    struct push_plan *plan, struct err *err)
{
    const struct push_signing o = {
        .key = p->key, .version = p->o.version, .commit = p->o.commit,
        .threads = p->o.threads, .caller = p->o.caller,
    };

    plan->hashes = p->hashes && !results_info(r)->from_ao;
    plan->node = p->node;
    return last_statement(p, &plan->previous, err) ||
                   push_plan_settle(plan, b->path, err) ||
                   push_items_make(b->path, r, plan, &o, err)
               ? -1
               : 0;
}

/* What is signed must be what is in the batch now. */
static int check_statement(const struct batch *b, const struct results *r,
                           struct err *err)
{
    struct id item;
    unsigned char record[STATEMENT_SIZE];
    struct statement s;

    if (push_statement(b->path, record, &item, err))
        return -1;
    if (statement_unpack(&s, record) || !id_equal(s.root, *results_root(r)) ||
        s.count != results_count(r) || !id_equal(s.batch, results_info(r)->id))
        return err_set(err, ERR_INPUT, "the statement in \"%s\" is not about"
                       " its results: the checkpoint was changed after the"
                       " push began", b->path);
    return 0;
}

/* Prices of what is left, all at once: either it may all go, or nothing.  If
 * nothing is left there is nothing to check. */
static int check_price(struct push *p, const struct batch *b,
                       const struct push_plan *plan, size_t n_parts,
                       struct push_report *rep, struct err *err)
{
    struct push_upload u;
    uint64_t all = 0, winc;
    bool left = false;
    enum found found;
    int rc = 0;

    for (size_t i = 0; (found = push_upload_get(&u, b->path, plan, n_parts, i,
                                                err)) == FOUND_ONE; i++) {
        rep->uploads++;
        rep->bytes += u.n_head + u.n_data;
        if (!push_send_is_done(b->path, &u)) {
            left = true;
            rc = push_send_price(p->send, u.n_head + u.n_data, &winc, err);
            if (rc == 0)
                all = winc > UINT64_MAX - all ? UINT64_MAX : all + winc;
        }
        push_upload_clear(&u);
        if (rc < 0)
            return -1;
    }
    if (found == FOUND_FAILED)
        return -1;
    return !left ? 0 : push_send_allows(p->send, b->path, all, err);
}

static int send_all(struct push *p, const struct batch *b,
                    const struct push_plan *plan, size_t n_parts,
                    struct err *err)
{
    struct push_upload u;
    enum found found;
    int rc;

    for (size_t i = 0; (found = push_upload_get(&u, b->path, plan, n_parts, i,
                                                err)) == FOUND_ONE; i++) {
        rc = caller_stops(&p->o.caller)
                 ? err_set(err, ERR_RETRY, "stopped between two uploads: run"
                           " it again to go on")
                 : push_send_item(p->send, b->path, &u, false, err);
        push_upload_clear(&u);
        if (rc)
            return -1;
    }
    return found == FOUND_FAILED ? -1 : 0;
}

static int report_queue(struct push *p, const struct batch *b,
                        struct results *r, struct push_report *rep,
                        struct err *err)
{
    struct message_journal a;

    if (!results_info(r)->from_ao)
        return 0;
    if (push_open_ao(p, err))
        return -1;
    a = push_journal(p, b->path);
    return acknowledge(&a, r, &rep->queue, err);
}

static int batch_costs(const struct batch *b, uint64_t *winc,
                       struct err *err)
{
    char *path = push_path(b->path, "costs.jsonl");
    int rc = ledger_sum(path, winc, err);

    free(path);
    return rc;
}

int push_claimed(struct push *p, const struct batch *b,
                 struct push_report *rep, struct err *err)
{
    char *dir = file_join(b->path, "push");
    struct results *r = NULL;
    struct push_plan plan;
    size_t n_parts;
    int rc;

    rc = file_mkdirs(dir, err) || results_open(&r, b->path, err) ? -1 : 0;
    free(dir);
    if (rc)
        return -1;
    n_parts = results_seal(r)->n_parts;
    rep->results = results_count(r);
    if (rep->results == 0) {
        push_note(p, true, "a batch without a result: nothing is published");
        rc = report_queue(p, b, r, rep, err);
        goto out;
    }
    rc = -1;
    if (sign_all(p, b, r, &plan, err) || check_statement(b, r, err) ||
        push_open_send(p, err) ||
        check_price(p, b, &plan, n_parts, rep, err) ||
        send_all(p, b, &plan, n_parts, err) ||
        report_queue(p, b, r, rep, err) ||
        set_last_statement(p, b->path, err) ||
        batch_costs(b, &rep->winc, err))
        goto out;
    rc = 0;
out:
    results_close(r);
    return rc;
}

/* ---- a batch ------------------------------------------------------------- */

bool push_is_begun(const char *batch_path)
{
    char *path = push_path(batch_path, "plan.json");
    bool begun = file_exists(path);

    free(path);
    return begun;
}

enum taking push_claim_and_push(struct push *p, struct batch *b,
                                enum spool_state to, struct push_report *r,
                                struct err *err)
{
    struct heartbeat heartbeat;
    enum taking taken;
    int rc;

    memset(r, 0, sizeof(*r));
    taken = spool_claim(p->spool, b, err);
    if (taken != TAKING_DONE)
        return taken;
    heartbeat_start(&heartbeat, b->path);
    beating = &heartbeat;
    rc = push_claimed(p, b, r, err);
    beating = NULL;
    heartbeat_stop(&heartbeat);
    if (heartbeat.lost)
        return err_set(err, ERR_RETRY, "\"%s\" was taken away from this"
                       " process: another pushes it", b->path);
    if (rc == 0)
        rc = spool_leave(p->spool, b, to, err);
    /* where it can be found again, by the process that resumes */
    if (rc && b->state == SPOOL_SENDING)
        spool_move(p->spool, b, SPOOL_DONE, NULL);
    return rc ? TAKING_FAILED : TAKING_DONE;
}

enum taking push_batch(struct push *p, struct batch *b, struct push_report *r,
                       struct err *err)
{
    if (b->state != SPOOL_DONE)
        return err_set(err, ERR_INPUT, "batch in %s: only what is done can"
                       " be pushed", spool_state_name(b->state));
    return push_claim_and_push(p, b, SPOOL_SENT, r, err);
}

/* ---- what it would be ---------------------------------------------------- */

struct measure {
    struct push *p;
    struct push_report *r;
};

static int add_size(void *self, const char *name, uint64_t n,
                    struct err *err)
{
    struct measure *m = self;
    uint64_t winc;

    (void)name;
    if (push_send_price(m->p->send, n, &winc, err))
        return -1;
    m->r->uploads++;
    m->r->bytes += n;
    m->r->winc += winc;
    return 0;
}

int push_measure(struct push *p, const struct batch *b,
                 struct push_report *rep, struct err *err)
{
    const struct push_signing o = { .key = p->key };
    struct measure m = { p, rep };
    struct results *r = NULL;
    struct push_plan plan;
    int rc;

    memset(rep, 0, sizeof(*rep));
    memset(&plan, 0, sizeof(plan));
    if (push_open_send(p, err) || results_open(&r, b->path, err))
        return -1;
    plan.hashes = p->hashes && !results_info(r)->from_ao;
    plan.node = p->node;
    rep->results = results_count(r);
    rc = push_items_measure(b->path, r, &plan, &o, add_size, &m, err);
    results_close(r);
    return rc;
}

int push_balance(struct push *p, uint64_t *winc, struct err *err)
{
    return push_open_send(p, err) ||
           bundler_balance(push_send_bundler(p->send), p->node, winc, err)
               ? -1 : 0;
}
