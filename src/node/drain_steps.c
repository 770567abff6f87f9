/*
 * The steps of apus drain.
 */
#include <config.h>

#include "node/drain_steps.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundler.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/settings.h"
#include "jobs/launcher.h"
#include "node/rounds.h"
#include "node/work.h"
#include "push/push.h"
#include "queue/lease.h"
#include "queue/pull.h"
#include "store/resume.h"
#include "store/seal.h"

/* Maximum number of batches that wait for workers while more are pulled.  Slurm
 * jobs take time to start; one machine works on one batch at a time. */
#define BACKLOG_SLURM 4
#define BACKLOG_LOCAL 1

/* Seconds between checks of leases while a worker runs. */
#define RENEW_S 120

static bool is_local(const struct drain *d)
{
    return d->start.launcher && strcmp(d->start.launcher->name, "local") == 0;
}

static const struct puller_use all_models = { NULL, NULL, NULL };

/* ---- what all steps do --------------------------------------------------- */

void drain_trouble(struct drain *d, const struct err *err)
{
    log_err(err);
    d->damaged |= err->damage;
    if (err->code == ERR_RETRY)
        d->later = true;
    else
        d->failed = true;
}

int drain_each(struct drain *d, enum spool_state state,
               void (*step)(struct drain *d, struct batch *b,
                            const struct batch_info *info))
{
    struct err err = ERR_INIT;
    struct batch *list;
    size_t n;

    if (spool_list(d->spool, state, &list, &n, &err)) {
        drain_trouble(d, &err);
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        struct batch_info info;

        if (!d->caller->stop() &&
            batch_info_read(&info, list[i].path, &err) == 0) {
            step(d, &list[i], &info);
            batch_info_clear(&info);
        }
    }
    spool_list_free(list, n);
    return 0;
}

/* ---- wallet and queue ---------------------------------------------------- */

/* Drop lines that are mere information: from cron they would become mail. */
static void note_line(void *self, bool warning, const char *text)
{
    (void)self;
    if (warning)
        log_warning("%s", text);
    else
        log_debug("%s", text);
}

int drain_open(struct drain *d, struct err *err)
{
    struct push_options o = {
        .settings = d->settings, .version = PACKAGE_VERSION,
        .commit = d->commit,
        .caller = { .stop = d->caller->stop, .note = note_line },
    };
    struct err why = ERR_INIT;

    d->has_queue = *settings_text(d->settings, "queue") != '\0';
    /* continue with the steps that need no worker */
    if (start_init(&d->start, d->settings, d->spool, &why)) {
        if (why.code != ERR_RETRY)
            return err_copy(err, &why);
        d->no_launcher = why;
    }
    if (d->has_queue &&
        (puller_init(&d->puller, d->settings, &all_models, d->caller,
                      err) ||
         puller_open(&d->puller, d->settings, d->spool, err)))
        return -1;
    /* without a wallet a node answers files, which need none */
    if (push_new(&d->push, d->spool, &o, err) && d->has_queue)
        return -1;
    return 0;
}

void drain_ask_again(struct drain *d)
{
    struct err err = ERR_INIT;

    if (d->n_rounds++ && !d->start.launcher &&
        launcher_choose(&d->start.launcher,
                        settings_text(d->settings, "launcher"), &err))
        d->no_launcher = err;
}

void drain_close(struct drain *d)
{
    push_free(d->push);
    puller_clear(&d->puller);
    start_clear(&d->start);
    drain_models_forget(&d->models);
}

/* ---- rounds that give everything back ------------------------------------ */

/* Note that the node can answer. */
static void note_answered(struct drain *d)
{
    struct err err = ERR_INIT;

    if (!d->answered && rounds_forget(d->spool, &err))
        drain_trouble(d, &err);
    d->answered = true;
}

/* Note that a whole pull was given back; count it once a round. */
static void note_lost(struct drain *d)
{
    struct err err = ERR_INIT;
    struct rounds r;

    if (d->answered || d->lost)
        return;
    d->lost = true;
    if (rounds_read(&r, d->spool, &err)) {
        drain_trouble(d, &err);
        return;
    }
    r.lost++;
    if (rounds_write(&r, d->spool, &err))
        drain_trouble(d, &err);
}

/* Report once a day that the node pulls little. */
static int report_limited(struct drain *d, struct rounds *r, struct err *err)
{
    d->later = true;
    if (!rounds_due(r->told_s, ROUNDS_TELL_S))
        return 0;
    log_warning("the last %" PRIu64 " rounds gave back all that they pulled:"
                " one request an hour is pulled until one is answered (apus"
                " doctor looks for what is wrong, apus drain --resume pulls"
                " as before)", r->lost);
    r->told_s = rounds_now();
    return rounds_write(r, d->spool, err);
}

/* ---- push ---------------------------------------------------------------- */

static void push_done(struct drain *d, struct batch *b,
                      const struct batch_info *info)
{
    struct push_report r = { .results = 0 };
    struct err err = ERR_INIT;
    char id[ID_TEXT], cost[WINC_TEXT];
    enum taking rc;

    if (!info->from_ao && !push_is_begun(b->path))
        return;
    base64url(id, b->id.b, 32);
    rc = push_batch(d->push, b, &r, &err);
    if (rc == TAKING_FAILED) {
        err_prefix(&err, "batch %s", id);
        drain_trouble(d, &err);
    } else if (rc == TAKING_DONE) {
        d->did = true;
        if (info->from_ao && r.results)
            note_answered(d);
        else if (info->from_ao)
            note_lost(d);
        winc_text(cost, r.winc);
        log_info("batch %s: %" PRIu64 " result%s handed over for %s", id,
                 r.results, plural_s(r.results), cost);
        if (r.queue.conflicts) {
            log_error("batch %s: %" PRIu64 " answer%s from another node"
                      " disagree%s with ours (apus verify tells which are"
                      " right, apus dispute disputes another node's)", id,
                      r.queue.conflicts, plural_s(r.queue.conflicts),
                      plural(r.queue.conflicts, "s", ""));
            d->failed = true;
        }
    }
}

static void confirm_sent(struct drain *d, struct batch *b,
                         const struct batch_info *info)
{
    struct err err = ERR_INIT;
    enum push_state state;

    (void)info;
    if (push_is_confirmed(b->path))
        return;
    if (push_confirm(d->push, b, &state, &err)) {
        err_prefix(&err, "batch %s", id_text(b->id).s);
        drain_trouble(d, &err);
    } else if (state == PUSH_CONFIRMED) {
        log_info("batch %s confirmed on Arweave", id_text(b->id).s);
    }
}

void drain_push(struct drain *d)
{
    if (!d->push)
        return;
    drain_each(d, SPOOL_DONE, push_done);
    drain_each(d, SPOOL_SENT, confirm_sent);
}

/* ---- batches that nobody can start --------------------------------------- */

/* Read why the batch is being abandoned; false if that was not begun. */
static bool begun_giving_up(const struct batch *b, char *why, size_t n)
{
    struct buf text;
    enum found found;

    buf_init(&text, n - 1);
    found = batch_file_read(&text, b->path, "why", NULL);
    if (found == FOUND_ONE)
        snprintf(why, n, "%.*s", (int)text.len, text.data ? text.data : "");
    buf_clear(&text);
    return found == FOUND_ONE;
}

enum hope {
    HOPE_UNKNOWN = -1, /* the store cannot be read */
    HOPE_THERE,
    HOPE_NONE
};

/* HOPE_NONE with the reason if a batch must be abandoned because its starts get
 * nowhere or its model is missing (*gone): its answers are pushed, its other
 * requests are released. */
static enum hope judge_hope(struct drain *d, struct drain_models *known,
                            const struct batch *b,
                            const struct batch_info *info, bool *gone,
                            char *why, size_t n, struct err *err)
{
    const char *store = settings_text(d->settings, "models");
    enum found found = drain_models_has(known, store, info->model, err);
    enum hope hope = HOPE_THERE;
    struct err own = ERR_INIT;
    struct resume r;

    err = err_or(err, &own);
    *gone = found == FOUND_NONE;
    if (*gone)
        snprintf(why, n, "its model %s is not in \"%s\"",
                 id_text(info->model).s, store);
    if (found != FOUND_ONE)
        return found == FOUND_FAILED ? HOPE_UNKNOWN : HOPE_NONE;
    if (begun_giving_up(b, why, n))
        return HOPE_NONE;
    if (resume_init(&r, (uint32_t)info->n_lines, NULL, err))
        return HOPE_THERE;
    if (resume_starts(&r, b->path, b->id, UINT32_MAX, err) == 0 &&
        resume_check(&r, err)) {
        snprintf(why, n, "%s", err->text);
        hope = HOPE_NONE;
    }
    resume_clear(&r);
    return hope;
}

/* ---- leases -------------------------------------------------------------- */

static void renew(struct drain *d, struct batch *b,
                  const struct batch_info *info)
{
    uint64_t ttl = settings_count(d->settings, "lease");
    struct client client = d->puller.client;
    struct err err = ERR_INIT, unused = ERR_INIT;
    struct lease l;
    char why[600];
    bool gone;
    enum lease_end end;

    if (!info->from_ao || lease_read(&l, b->path, &err) != FOUND_ONE ||
        l.ttl_s == 0 || /* its end was reported already */
        lease_left_s(&l) > l.ttl_s / 2)
        return;
    /* do not keep requests from others if the batch cannot start; this may run
     * in another thread than the one that owns d->models */
    if (b->state == SPOOL_TODO &&
        judge_hope(d, NULL, b, info, &gone, why, sizeof(why), &unused) !=
            HOPE_THERE)
        return;
    /* renew at the queue that it came from, even if the setting has changed */
    client.process = info->process;
    end = lease_renew(&client, b->path, b->id, ttl, &err);
    if (end == LEASE_FAILED)
        drain_trouble(d, &err);
    else if (end == LEASE_OVER)
        log_warning("\"%s\": its lease is over, and others have its"
                    " requests; what is answered here first still counts",
                    b->path);
}

void drain_renew(struct drain *d)
{
    if (!d->has_queue)
        return;
    drain_each(d, SPOOL_TODO, renew);
    drain_each(d, SPOOL_RUNNING, renew);
    drain_each(d, SPOOL_DONE, renew);
}

/* ---- pull ---------------------------------------------------------------- */

/* A file batch whose model is not in the store was started with the path of its
 * model (apus run -m PATH), and resumes when started so again. */
static bool is_for_us(struct drain *d, const struct batch_info *info)
{
    return info->from_ao ||
           drain_models_found(&d->models, settings_text(d->settings, "models"),
                              info->model);
}

static void count_one(struct drain *d, struct batch *b,
                      const struct batch_info *info)
{
    (void)b;
    d->n_waiting += is_for_us(d, info);
}

void drain_count(struct drain *d)
{
    d->n_waiting = 0;
    drain_models_forget(&d->models);
    drain_each(d, SPOOL_TODO, count_one);
}

static void report_pulled(const struct batch *b, const struct pulled *n)
{
    log_info("batch %s: %" PRIu64 " request%s pulled", id_text(b->id).s,
             n->requests, plural_s(n->requests));
}

/* Pull a batch, or resume the pull of a process that died.  *nothing: nothing
 * was leased.  Failures are reported here. */
static enum pull_end pull_one(struct drain *d, const struct pull *p,
                              bool left, bool *nothing)
{
    struct batch b = { .path = NULL };
    struct pulled n = { .requests = 0 };
    struct err err = ERR_INIT;
    enum pull_end end = left ? pull_left(p, &b, &n, &err)
                             : pull_batch(p, &b, &n, &err);

    if (end == PULL_FAILED)
        drain_trouble(d, &err);
    if (n.all_back)
        note_lost(d);
    if (end == PULL_BATCH) {
        d->did = true;
        report_pulled(&b, &n);
    }
    batch_clear(&b);
    *nothing = end == PULL_NONE && !n.all_back;
    return end;
}

/* Pull one request, if the last was an hour ago. */
static int pull_little(struct drain *d, struct rounds *r, struct err *err)
{
    struct pull p = d->puller.pull;
    uint64_t before = r->pulled_s;
    bool nothing;

    if (report_limited(d, r, err))
        return -1;
    if (!rounds_due(r->pulled_s, ROUNDS_PULL_S))
        return 0;
    r->pulled_s = rounds_now();
    if (rounds_write(r, d->spool, err))
        return -1;
    p.per_message = 1;
    p.total = 1;
    pull_one(d, &p, false, &nothing);
    r->pulled_s = before;
    return nothing ? rounds_write(r, d->spool, err) : 0;
}

/* Pull a batch; return whether there may be more. */
static bool pull_new(struct drain *d)
{
    struct err err = ERR_INIT;
    struct rounds r;
    bool nothing;
    int rc = rounds_read(&r, d->spool, &err);

    if (rc == 0 && puller_find_models(&d->puller, d->settings, &all_models,
                                       &err)) {
        err.code = ERR_RETRY;
        rc = -1;
    }
    if (rc == 0 && !rounds_limited(&r))
        return pull_one(d, &d->puller.pull, false, &nothing) == PULL_BATCH;
    if (rc == 0)
        rc = pull_little(d, &r, &err);
    if (rc)
        drain_trouble(d, &err);
    return false;
}

void drain_pull(struct drain *d)
{
    size_t backlog = is_local(d) ? BACKLOG_LOCAL : BACKLOG_SLURM;
    bool nothing;

    if (!d->has_queue || d->no_pull)
        return;
    while (!d->caller->stop() &&
           pull_one(d, &d->puller.pull, true, &nothing) == PULL_BATCH)
        continue;
    /* leave requests to others if no worker can be started */
    while (!d->caller->stop() && d->start.launcher) {
        drain_count(d);
        if (d->n_waiting + (is_local(d) ? d->n_working : 0) >= backlog ||
            !pull_new(d))
            return;
    }
}

/* ---- workers ------------------------------------------------------------- */

/* Abandon a file batch, which needs no wallet. */
static enum taking give_up_file(struct drain *d, struct batch *b,
                                const char *why, struct err *err)
{
    char *path = file_join(b->path, "why");
    int rc = file_write(path, why, strlen(why), err);

    free(path);
    return rc ? TAKING_FAILED : spool_move(d->spool, b, SPOOL_FAILED, err);
}

static void give_up(struct drain *d, struct batch *b,
                    const struct batch_info *info, bool gone,
                    const char *why)
{
    struct push_report r = { .results = 0 };
    struct seal_options seal;
    struct err err = ERR_INIT;
    enum taking rc = TAKING_DONE;

    if (!gone && work_seal_options(&seal, d->settings, info->model, &err)) {
        err.code = ERR_RETRY;
        drain_trouble(d, &err);
        return;
    }
    log_error("batch %s: %s", id_text(b->id).s, why);
    d->failed = true;
    if (!info->from_ao)
        rc = give_up_file(d, b, why, &err);
    else if (d->push)
        rc = push_failed(d->push, b, why, gone ? NULL : &seal, &r, &err);
    if (rc == TAKING_FAILED)
        drain_trouble(d, &err);
    else if (rc == TAKING_DONE && info->from_ao && d->push && r.results)
        note_answered(d);
    else if (rc == TAKING_DONE && info->from_ao && d->push)
        note_lost(d);
}

/* ---- starts that left nothing -------------------------------------------- */

static uint32_t count_starts(const struct batch *b)
{
    struct start_logs logs;
    uint32_t n;

    if (start_logs_find(&logs, b->path, NULL))
        return 0;
    n = logs.n_starts;
    start_logs_clear(&logs);
    return n;
}

/* Count the start of a worker that died before it recorded one; otherwise each
 * round would retry it, forever. */
static void count_dead_start(struct drain *d, const struct batch *b)
{
    struct err err = ERR_INIT;
    uint32_t start;

    if (batch_new_start(b->path, &start, &err))
        drain_trouble(d, &err);
}

/* BATCH/launched: the number of starts when a Slurm job was last launched. */
static int launched_text(char text[16], const struct batch *b)
{
    return snprintf(text, 16, "%" PRIu32 "\n", count_starts(b));
}

/* The batch has no job: check whether it had one that recorded no start. */
static void look_at_launch(struct drain *d, const struct batch *b)
{
    struct buf before;
    char text[16];
    int n = launched_text(text, b);

    buf_init(&before, 64);
    if (batch_file_read(&before, b->path, "launched", NULL) == FOUND_ONE &&
        before.len == (size_t)n && memcmp(before.data, text, (size_t)n) == 0)
        count_dead_start(d, b);
    buf_clear(&before);
}

/* Record that a job was launched.  Only after Slurm accepted it: if Slurm
 * refuses, no worker has died. */
static void note_launch(struct drain *d, const struct batch *b)
{
    struct err err = ERR_INIT;
    char text[16];
    int n = launched_text(text, b);

    if (batch_file_write(b->path, "launched", text, (size_t)n, &err))
        drain_trouble(d, &err);
}

/* ---- while a worker is waited for ---------------------------------------- */

/* Work may take longer than a lease, so a thread renews leases meanwhile.
 * Nothing else in this process uses the network then. */
struct renewing {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool over, begun;
    struct drain *d;
};

static void *renew_run(void *self)
{
    struct renewing *r = self;
    uint64_t next;

    pthread_mutex_lock(&r->lock);
    while (!r->over) {
        next = clock_ms() + RENEW_S * 1000;
        while (!r->over && clock_ms() < next)
            clock_wait(&r->wake, &r->lock, next - clock_ms());
        if (!r->over) {
            pthread_mutex_unlock(&r->lock);
            drain_renew(r->d);
            pthread_mutex_lock(&r->lock);
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void renewing_start(struct renewing *r, struct drain *d)
{
    sigset_t all, before;

    memset(r, 0, sizeof(*r));
    r->d = d;
    pthread_mutex_init(&r->lock, NULL);
    clock_cond_init(&r->wake);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r->begun = d->has_queue &&
               pthread_create(&r->thread, NULL, renew_run, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void renewing_stop(struct renewing *r)
{
    pthread_mutex_lock(&r->lock);
    r->over = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    if (r->begun)
        pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
}

/* Start a worker here, wait for it, and push the answers at once. */
static void work_and_push(struct drain *d, struct batch *b,
                          const struct batch_info *info)
{
    struct work_options o = {
        .settings = d->settings, .quiet = true, .unnamed = true,
        .caller = d->caller,
    };
    uint32_t starts = count_starts(b);
    struct renewing renewing;
    struct err err = ERR_INIT;
    enum work_end end;

    renewing_start(&renewing, d);
    end = work_here(d->spool, b, &o, &err);
    renewing_stop(&renewing);
    drain_models_forget(&d->models); /* time has passed */
    /* a worker that waited for ranks in vain exits as saved; one that a signal
     * ended has not died */
    if (end != WORK_DONE && !d->caller->stop() && b->state == SPOOL_TODO &&
        count_starts(b) == starts)
        count_dead_start(d, b);
    /* pause after a round that only failed */
    d->did = d->did || end != WORK_FAILED;
    if (end == WORK_FAILED)
        drain_trouble(d, &err);
    else if (end == WORK_SAVED)
        d->later = true;
    else if (d->push && b->state == SPOOL_DONE)
        push_done(d, b, info);
}

/* Submit a Slurm job, unless the batch has one. */
static void start_job(struct drain *d, const struct batch *b,
                      const struct batch_info *info)
{
    struct err err = ERR_INIT;
    struct launch_job j;
    enum found found;
    int rc;

    if (launch_job_of(d->jobs, d->n_jobs, id_text(b->id).s,
                      spool_inode(d->spool)))
        return;
    /* another drain may have submitted one since */
    found = d->start.launcher->find(id_text(b->id).s, spool_inode(d->spool),
                                    &j, &err);
    rc = found == FOUND_FAILED ? -1 : 0;
    if (found == FOUND_NONE) {
        look_at_launch(d, b);
        rc = start_batch(&d->start, b, info, NULL, &err);
        if (rc == 0)
            note_launch(d, b);
        d->did = d->did || rc == 0;
    }
    if (rc < 0)
        drain_trouble(d, &err);
}

static void start_one(struct drain *d, struct batch *b,
                      const struct batch_info *info)
{
    struct err err = ERR_INIT;
    char why[600];
    bool gone;
    enum hope hope;

    if (!is_for_us(d, info))
        return;
    hope = judge_hope(d, &d->models, b, info, &gone, why, sizeof(why), &err);
    if (hope == HOPE_UNKNOWN) {
        err_prefix(&err, "batch %s waits", id_text(b->id).s);
        drain_trouble(d, &err);
    } else if (hope == HOPE_NONE) {
        give_up(d, b, info, gone, why);
    } else if (is_local(d)) {
        work_and_push(d, b, info);
    } else {
        start_job(d, b, info);
    }
}

/* One query to Slurm finds all batches that have a job. */
static void start_jobs(struct drain *d)
{
    if (d->start.launcher->list(&d->jobs, &d->n_jobs, NULL))
        d->n_jobs = 0;
    drain_each(d, SPOOL_TODO, start_one);
    free(d->jobs);
    d->jobs = NULL;
    d->n_jobs = 0;
}

/* One machine works on one batch: if another drain waits for its worker, this
 * one starts none. */
void drain_start(struct drain *d)
{
    drain_models_forget(&d->models);
    if (!d->start.launcher) {
        drain_count(d);
        if (d->n_waiting || d->has_queue)
            drain_trouble(d, &d->no_launcher);
    } else if (is_local(d) && d->n_working == 0) {
        drain_each(d, SPOOL_TODO, start_one);
    } else if (!is_local(d)) {
        start_jobs(d);
    }
}
