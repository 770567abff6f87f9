/*
 * The steps of apus drain.
 */
#include <config.h>

#include "cmd/drain.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/progress.h"
#include "cmd/work.h"
#include "commit.h"
#include "engine/models.h"
#include "jobs/launcher.h"
#include "relay/lease.h"
#include "relay/pull.h"
#include "relay/push.h"
#include "store/resume.h"
#include "store/seal.h"

/* Batches that may wait for workers while more are pulled: a job of Slurm
 * takes its time to begin, one machine works on one batch. */
#define BACKLOG_SLURM 4
#define BACKLOG_LOCAL 1

/* How often leases are looked at while a worker is waited for. */
#define RENEW_S 120

static bool is_local(const struct drain *d)
{
    return strcmp(d->start.launcher->name, "local") == 0;
}

/* ---- wallet and queue ---------------------------------------------------- */

/* What is only for the curious would be mail from cron. */
static void note(void *self, bool warning, const char *text)
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
        .commit = APUS_COMMIT, .stop = cmd_interrupted, .note = note,
    };

    const struct pulling_use use = { NULL, NULL, NULL };

    d->has_queue = *settings_text(d->settings, "queue") != '\0';
    if (start_init(&d->start, d->settings, d->spool, err))
        return -1;
    if (d->has_queue &&
        (pulling_init(&d->pulling, d->settings, &use, err) ||
         pulling_open(&d->pulling, d->settings, &use, d->spool, err)))
        return -1;
    /* who has no wallet answers files, which need none */
    if (push_new(&d->push, d->spool, &o, err) && d->has_queue)
        return -1;
    return 0;
}

void drain_close(struct drain *d)
{
    push_free(d->push);
    pulling_clear(&d->pulling);
    start_clear(&d->start);
}

/* ---- push ---------------------------------------------------------------- */

static void push_done(struct drain *d, struct batch *b,
                      const struct batch_info *info)
{
    struct push_report r = { .results = 0 };
    struct err err = ERR_INIT;
    char id[ID_TEXT];
    int rc;

    if (!info->from_ao && !push_is_begun(b->path))
        return;
    base64url(id, b->id, 32);
    rc = push_batch(d->push, b, &r, &err);
    if (rc < 0) {
        err_prefix(&err, "batch %s", id);
        drain_trouble(d, &err);
    } else if (rc == 0) {
        d->did = true;
        log_info("batch %s: %" PRIu64 " results handed over for %" PRIu64
                 " winston credits", id, r.results, r.winc);
        if (r.queue.conflicts) {
            log_error("batch %s: %" PRIu64 " answers differ from another"
                      " node's (apus verify tells whose are right)", id,
                      r.queue.conflicts);
            d->failed = true;
        }
    }
}

static void confirm_sent(struct drain *d, struct batch *b,
                         const struct batch_info *info)
{
    struct err err = ERR_INIT;
    enum push_state state;
    char id[ID_TEXT];

    (void)info;
    if (push_is_confirmed(b->path))
        return;
    base64url(id, b->id, 32);
    if (push_confirm(d->push, b, &state, &err)) {
        err_prefix(&err, "batch %s", id);
        drain_trouble(d, &err);
    } else if (state == PUSH_CONFIRMED) {
        log_info("batch %s is on Arweave to stay", id);
    }
}

void drain_push(struct drain *d)
{
    if (!d->push)
        return;
    drain_each(d, SPOOL_DONE, push_done);
    drain_each(d, SPOOL_SENT, confirm_sent);
}

/* ---- leases -------------------------------------------------------------- */

static void renew(struct drain *d, struct batch *b,
                  const struct batch_info *info)
{
    uint64_t ttl = settings_count(d->settings, "lease");
    struct talk talk = d->pulling.talk;
    struct err err = ERR_INIT;
    struct lease l;
    int rc;

    if (!info->from_ao || lease_read(&l, b->path, &err) != 1 ||
        l.ttl_s == 0 || /* it was told when it was over */
        lease_left_s(&l) > l.ttl_s / 2)
        return;
    /* of the queue that it came from, whatever the setting is by now */
    memcpy(talk.process, info->process, 32);
    rc = relay_renew(&talk, b->path, b->id, ttl, &err);
    if (rc < 0)
        drain_trouble(d, &err);
    else if (rc > 0)
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

/* A batch of a file whose model is not in the store was named with the path
 * of its model (apus run -m PATH), and goes on when it is named again. */
static bool is_for_us(struct drain *d, const struct batch_info *info)
{
    struct err unused = ERR_INIT;
    char id[ID_TEXT], *path;

    if (info->from_ao)
        return true;
    base64url(id, info->model, 32);
    if (models_resolve(&path, settings_text(d->settings, "models"), id, NULL,
                       &unused))
        return false;
    free(path);
    return true;
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
    drain_each(d, SPOOL_TODO, count_one);
}

static void tell_pulled(const struct batch *b, const struct pulled *n)
{
    char id[ID_TEXT];

    base64url(id, b->id, 32);
    log_info("batch %s: %" PRIu64 " requests pulled", id, n->requests);
}

void drain_pull(struct drain *d)
{
    size_t backlog = is_local(d) ? BACKLOG_LOCAL : BACKLOG_SLURM;
    struct err err = ERR_INIT;

    if (!d->has_queue || d->no_pull)
        return;
    for (bool left = true; !cmd_interrupted();) {
        struct batch b = { .path = NULL };
        struct pulled n = { .requests = 0 };
        int rc;

        drain_count(d);
        if (!left && d->n_waiting + (is_local(d) ? d->n_working : 0) >=
                         backlog)
            return;
        rc = left ? pull_left(&d->pulling.pull, &b, &n, &err)
                  : pull_batch(&d->pulling.pull, &b, &n, &err);
        if (rc < 0)
            drain_trouble(d, &err);
        if (rc > 0) {
            d->did = true;
            tell_pulled(&b, &n);
        }
        batch_clear(&b);
        if (rc <= 0 && !left)
            return;
        if (rc <= 0)
            left = false;
    }
}

/* ---- workers ------------------------------------------------------------- */

/* Its starts get nowhere, or the model is not here: nobody can start it.  What
 * it has goes out, the rest goes back. */
static bool is_hopeless(struct drain *d, const struct batch *b,
                        const struct batch_info *info, char *why, size_t n)
{
    struct err err = ERR_INIT;
    struct resume r;
    char id[ID_TEXT], *path;
    bool hopeless = false;

    base64url(id, info->model, 32);
    if (models_resolve(&path, settings_text(d->settings, "models"), id, NULL,
                       &err)) {
        snprintf(why, n, "its model is not here: %s", err.text);
        return true;
    }
    free(path);
    if (resume_init(&r, (uint32_t)info->n_requests, NULL, NULL, &err))
        return false;
    if (resume_starts(&r, b->path, b->id, UINT32_MAX, &err) == 0 &&
        resume_check(&r, &err)) {
        snprintf(why, n, "%s", err.text);
        hopeless = true;
    }
    resume_clear(&r);
    return hopeless;
}

/* A batch of a file needs no wallet to end. */
static int give_up_file(struct drain *d, struct batch *b, const char *why,
                        struct err *err)
{
    char *path = file_join(b->path, "why");
    int rc = file_write(path, why, strlen(why), err);

    free(path);
    return rc ? -1 : spool_move(d->spool, b, SPOOL_FAILED, err);
}

static void give_up(struct drain *d, struct batch *b,
                    const struct batch_info *info, const char *why)
{
    struct push_report r = { .results = 0 };
    struct seal_options seal;
    struct err err = ERR_INIT;
    bool here = work_seal_options(&seal, d->settings, info->model,
                                  &err) == 0;
    char id[ID_TEXT];
    int rc = 0;

    base64url(id, b->id, 32);
    log_error("batch %s: %s", id, why);
    d->failed = true;
    if (!info->from_ao)
        rc = give_up_file(d, b, why, &err);
    else if (d->push)
        rc = push_failed(d->push, b, why, here ? &seal : NULL, &r, &err);
    if (rc < 0)
        drain_trouble(d, &err);
}

/* ---- while a worker is waited for ---------------------------------------- */

/* It may take longer than a lease: a thread renews them meanwhile.  Nothing
 * else here speaks to the network then. */
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

/* Here, and waited for; the answers go out at once. */
static void work_and_push(struct drain *d, struct batch *b,
                          const struct batch_info *info)
{
    struct progress progress;
    struct work_options o = {
        .settings = d->settings, .quiet = true, .unnamed = true,
        .progress = &progress,
    };
    struct renewing renewing;
    struct err err = ERR_INIT;
    int rc;

    renewing_start(&renewing, d);
    rc = work_here(d->spool, b, &o, &err);
    renewing_stop(&renewing);
    /* a round that only failed is followed by a pause */
    d->did = d->did || rc >= 0;
    if (rc < 0)
        drain_trouble(d, &err);
    else if (rc > 0)
        d->later = true;
    else if (d->push && b->state == SPOOL_DONE)
        push_done(d, b, info);
}

/* A job of Slurm, unless it has one. */
static void start_job(struct drain *d, const struct batch *b)
{
    struct err err = ERR_INIT;
    struct launch_job j;
    char id[ID_TEXT];
    int rc;

    base64url(id, b->id, 32);
    rc = d->start.launcher->find(id, &j, &err);
    if (rc == 0) {
        rc = start_batch(&d->start, b, NULL, &err);
        d->did = d->did || rc == 0;
    }
    if (rc < 0)
        drain_trouble(d, &err);
}

static void start_one(struct drain *d, struct batch *b,
                      const struct batch_info *info)
{
    char why[600];

    if (!is_for_us(d, info))
        return;
    if (is_hopeless(d, b, info, why, sizeof(why)))
        give_up(d, b, info, why);
    else if (is_local(d))
        work_and_push(d, b, info);
    else
        start_job(d, b);
}

/* One machine works on one batch: where another drain waits for its worker,
 * this one starts none. */
void drain_start(struct drain *d)
{
    if (!is_local(d) || d->n_working == 0)
        drain_each(d, SPOOL_TODO, start_one);
}
