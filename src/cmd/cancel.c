/*
 * apus cancel: end the work on a batch.  The worker saves, what is answered
 * is kept, and nobody takes the batch until a person names it again.  Of a
 * batch from AO what is answered is pushed and the rest goes back to the queue.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plural.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "commit.h"
#include "jobs/allocation.h"
#include "jobs/launcher.h"
#include "node/owners.h"
#include "node/work.h"
#include "push/push.h"
#include "spool/spool.h"
#include "store/seal.h"

#define WAIT_S 180   /* KillWait and a worker that saves are far below */
#define WHY BATCH_CANCELLED ": apus submit or apus run begins it again\n"

/* Whose job the worker that was asked is in. */
struct its_job {
    bool slurm;    /* a job, which ends with the work */
    char job[32];  /* somebody's, which goes on; or "" */
    char *step;    /* what the work is called in it, or NULL */
};

/* A job that goes on does not tell of its worker, but the step does, or the
 * process. */
static enum owner_job is_job_over(void *self, const char *job,
                                  uint32_t restarts)
{
    const struct its_job *t = self;
    char step[LAUNCH_ID_SIZE];
    enum found found;

    (void)restarts;
    if (strcmp(job, t->job) != 0)
        return OWNER_JOB_UNKNOWN;
    if (!t->step)
        return OWNER_BY_PROCESS;
    found = allocation_step(step, job, t->step, NULL);
    if (found == FOUND_FAILED)
        return OWNER_JOB_UNKNOWN;
    return found == FOUND_ONE ? OWNER_JOB_ALIVE : OWNER_JOB_OVER;
}

/* Who was asked to save. */
enum saving {
    SAVING_FAILED = -1,
    SAVING_NOBODY, /* no job or step of Slurm: the worker is a process */
    SAVING_SLURM
};

/* Ask the step of a worker in somebody's job. */
static enum saving ask_step(const struct batch *b, struct its_job *t,
                            struct err *err)
{
    char step[LAUNCH_ID_SIZE];
    char *name;
    enum found found;

    name = xasprintf("apus-%s", id_text(b->id).s);
    found = allocation_step(step, t->job, name, err);
    if (found == FOUND_ONE && allocation_report_step(step, err) == 0) {
        t->step = name;
        return SAVING_SLURM;
    }
    free(name);
    return found == FOUND_NONE ? SAVING_NOBODY : SAVING_FAILED;
}

/* Ask its job of Slurm, or its step in that. */
static enum saving ask_job(const struct batch *b, const struct owner *o,
                           struct its_job *t, struct err *err)
{
    enum allocation_use use = allocation_use(o->slurm_job, err);
    enum saving saving;

    t->slurm = true;
    if (use == ALLOCATION_OURS)
        return launcher_find("slurm")->cancel(o->slurm_job, err)
                   ? SAVING_FAILED : SAVING_SLURM;
    if (use == ALLOCATION_UNKNOWN)
        return SAVING_FAILED;
    snprintf(t->job, sizeof(t->job), "%s", o->slurm_job);
    saving = ask_step(b, t, err);
    if (saving == SAVING_NOBODY && !owner_is_seen(o)) {
        err_set(err, ERR_INPUT, "its worker is a process on %s, in Slurm job"
                " %s, which is not for it alone: cancel it there", o->host,
                o->slurm_job);
        return SAVING_FAILED;
    }
    return saving;
}

/* Ask whoever owns it to save. */
static int ask_to_save(const struct batch *b, struct its_job *t,
                       struct err *err)
{
    char id[64], who[OWNER_TEXT], when[FREE_AT];
    struct owner o, self;
    enum saving saving;
    enum found found = owner_read(&o, b->path, err);

    owner_describe(who, sizeof(who), b);
    if (found == FOUND_NONE && !owner_free_at(when, sizeof(when), b, false))
        return err_set(err, ERR_RETRY, "\"%s\" has just been abandoned by its"
                       " worker: try again", b->path);
    if (found == FOUND_FAILED)
        return -1;
    if (found == FOUND_NONE)
        return err_set(err, ERR_RETRY, "\"%s\" is worked on by %s: cancel it"
                       " when it is free", b->path, who);
    saving = o.slurm_job[0] ? ask_job(b, &o, t, err) : SAVING_NOBODY;
    if (saving != SAVING_NOBODY)
        return saving == SAVING_SLURM ? 0 : -1;
    owner_self(&self);
    if (strcmp(o.host, self.host) != 0)
        return err_set(err, ERR_INPUT, "its worker is %s: cancel it there",
                       who);
    if (o.ns[0] && self.ns[0] && strcmp(o.ns, self.ns) != 0)
        return err_set(err, ERR_INPUT, "its worker is %s, in another"
                       " namespace of processes (a container): cancel it"
                       " there", who);
    if (owner_free_at(when, sizeof(when), b, false) && !owner_is_seen(&o))
        return err_set(err, ERR_RETRY, "its worker is %s: cancel it when it"
                       " is free", who);
    snprintf(id, sizeof(id), "%" PRId64 ":%" PRIu64, o.pid, o.pid_start);
    return launcher_find("local")->cancel(id, err);
}

/* Wait until it has left; TAKING_LATE if it has not in time. */
static enum taking wait_for_end(const struct spool *s, struct batch *b,
                                struct its_job *t, struct err *err)
{
    struct timespec pause = { .tv_sec = t->slurm, .tv_nsec = 100000000 };
    double end = clock_s() + WAIT_S;
    enum taking rc;

    for (;;) {
        struct owners *o = t->job[0] ? NULL : owners_ask(b, 1);

        rc = o ? owners_adopt(s, b, o, err)
               : spool_adopt(s, b, is_job_over, t, OWNER_STALE_S, err);
        owners_free(o);
        if (rc != TAKING_LATE || clock_s() > end)
            return rc;
        nanosleep(&pause, NULL);
    }
}

static int end_work(const struct spool *s, struct batch *b, struct err *err)
{
    struct timespec pause = { .tv_nsec = 200000000 };
    struct its_job job = { .slurm = false };
    enum taking end = TAKING_LATE;

    /* twice: its owner may be who is just taking it back, and no worker */
    for (int i = 0; end == TAKING_LATE && i < 2; i++) {
        struct owners *o = owners_ask(b, 1);

        end = owners_adopt(s, b, o, err);
        owners_free(o);
        if (end == TAKING_LATE && i == 0)
            nanosleep(&pause, NULL);
    }
    if (end != TAKING_LATE)
        return end == TAKING_DONE ? 0 : -1;
    if (ask_to_save(b, &job, err))
        return -1;
    end = wait_for_end(s, b, &job, err);
    free(job.step);
    if (end == TAKING_LATE)
        return err_set(err, ERR_RETRY, "\"%s\": its worker was asked to save"
                       " and has not left in %d s; look again with apus"
                       " status", b->path, WAIT_S);
    return end == TAKING_DONE ? 0 : -1;
}

/* The launcher of Slurm if jobs may wait there.  Fails with ERR_RETRY. */
static enum found find_slurm(const struct launcher **slurm,
                             const struct settings *settings, struct err *err)
{
    const char *setting = settings_text(settings, "launcher");

    if (launcher_choose(slurm, strcmp(setting, "slurm") == 0 ? setting : "auto",
                        err))
        return FOUND_FAILED;
    return strcmp((*slurm)->name, "slurm") == 0 ? FOUND_ONE : FOUND_NONE;
}

static int drop_job_of(const struct launcher *l, const struct spool *s,
                       const char *id, struct err *err)
{
    struct launch_job j;
    enum found found = l->find(id, spool_inode(s), &j, err);

    if (found == FOUND_ONE)
        return l->cancel(j.id, err);
    return found == FOUND_FAILED ? -1 : 0;
}

/* Cancel jobs that wait for their turn with it.  A job of which a silent
 * controller says nothing would begin the batch again, except where the setting
 * says that workers run here alone. */
static int drop_jobs(const struct spool *s, const struct batch *b,
                     const struct settings *settings, struct err *err)
{
    bool local = strcmp(settings_text(settings, "launcher"), "local") == 0;
    const struct launcher *slurm;
    struct err own = ERR_INIT;
    char id[ID_TEXT];
    enum found found;
    int rc;

    err = err_or(err, &own);
    base64url(id, b->id.b, 32);
    if (drop_job_of(launcher_find("local"), s, id, err))
        return -1;
    found = find_slurm(&slurm, settings, err);
    rc = found == FOUND_FAILED ? -1 : 0;
    if (found == FOUND_ONE)
        rc = drop_job_of(slurm, s, id, err);
    if (rc < 0 && !(local && err->code == ERR_RETRY))
        return err_prefix(err, "batch %s stays in todo and may have a job",
                          id);
    return 0;
}

/* A job that waits for a batch which another worker has done or which failed:
 * it would only find that out. */
static enum found drop_waiting(const struct spool *s, const struct batch *b,
                               const struct settings *settings,
                               struct err *err)
{
    bool local = strcmp(settings_text(settings, "launcher"), "local") == 0;
    const struct launcher *slurm;
    struct launch_job j;
    enum found found = FOUND_NONE;

    if (!local)
        found = find_slurm(&slurm, settings, err);
    if (found == FOUND_ONE)
        found = slurm->find(id_text(b->id).s, spool_inode(s), &j, err);
    if (found != FOUND_ONE)
        return found;
    if (j.state != LAUNCH_PENDING)
        return FOUND_NONE;
    if (slurm->cancel(j.id, err))
        return FOUND_FAILED;
    log_info("batch %s is %s: job %s, which waited for it, is cancelled",
             id_text(b->id).s, spool_state_name(b->state), j.id);
    return FOUND_ONE;
}

/* Others wait for its requests. */
static enum taking give_back(const struct spool *s, struct batch *b,
                             const struct settings *settings,
                             const struct batch_info *info, struct err *err)
{
    const struct push_options o = {
        .settings = settings, .version = PACKAGE_VERSION,
        .commit = APUS_COMMIT, .caller = { .note = log_note },
    };
    struct seal_options seal;
    struct push_report r;
    struct push *p = NULL;
    bool here = work_seal_options(&seal, settings, info->model, NULL) == 0;
    enum taking rc;

    if (push_new(&p, s, &o, err))
        return TAKING_FAILED;
    rc = push_failed(p, b, BATCH_CANCELLED, here ? &seal : NULL, &r, err);
    push_free(p);
    if (rc == TAKING_DONE)
        log_info("%" PRIu64 " answer%s pushed, %" PRIu64 " request%s returned"
                 " to the queue", r.results, plural_s(r.results),
                 r.queue.released, plural_s(r.queue.released));
    return rc;
}

static int put_away(const struct spool *s, struct batch *b,
                    const struct settings *settings, struct err *err)
{
    struct batch_info info = { .from_ao = false };
    char *why = file_join(b->path, "why");
    enum taking rc;

    /* one that cannot be read can be put away all the same */
    if (batch_info_read(&info, b->path, NULL) == 0 && info.from_ao)
        rc = give_back(s, b, settings, &info, err);
    else
        rc = file_write(why, WHY, strlen(WHY), err)
                 ? TAKING_FAILED : spool_move(s, b, SPOOL_FAILED, err);
    free(why);
    batch_info_clear(&info);
    if (rc == TAKING_LATE)
        return err_set(err, ERR_RETRY, "\"%s\" was taken by a worker in this"
                       " moment: cancel it again", b->path);
    return rc == TAKING_DONE ? 0 : -1;
}

static int cancel(const struct spool *s, struct batch *b,
                  const struct settings *settings, struct err *err)
{
    enum found found;
    int rc = 0;

    if (work_is_done(b) || b->state == SPOOL_FAILED) {
        found = drop_waiting(s, b, settings, err);
        if (found == FOUND_FAILED)
            return err_prefix(err, "batch %s is %s and may have a job",
                              id_text(b->id).s, spool_state_name(b->state));
        if (found == FOUND_NONE && work_is_done(b))
            log_info("batch %s is done: there is nothing to cancel",
                     id_text(b->id).s);
    }
    if (b->state == SPOOL_RUNNING)
        rc = end_work(s, b, err);
    if (rc == 0 && b->state == SPOOL_TODO)
        rc = drop_jobs(s, b, settings, err);
    if (rc == 0 && b->state == SPOOL_TODO)
        rc = put_away(s, b, settings, err);
    if (rc == 0)
        printf("%s\t%s\n", id_text(b->id).s, spool_state_name(b->state));
    return rc;
}

static const struct opt cancel_opts[] = { { .name = NULL } };

static const struct opt_command cancel_command = {
    .name = "apus cancel",
    .synopsis = "BATCH|FILE ...",
    .about = "End the work on batches: the worker saves and exits, and"
             " completed answers are kept;\nfor a batch from AO they are"
             " pushed, and all other requests go back to the queue.\n"
             "Print where each batch is then.",
    .opts = cancel_opts, .min_args = 1, .max_args = SIZE_MAX,
};

int cmd_cancel(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct named found = { .n = 0 };
    struct spool *spool = NULL;
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&cancel_command, s, argc, argv, NULL, args, &n_args);

    if (status == CMD_GO) {
        status = CMD_DONE;
        if (spool_open_there(&spool, settings_text(s, "spool"), &err) ||
            named_find_all(&found, spool, args, n_args, &err))
            status = cmd_fail(&err);
        for (size_t i = 0; status == CMD_DONE && i < found.n; i++)
            if (cancel(spool, &found.batch[i], s, &err))
                status = cmd_fail_retry(&err);
        named_clear(&found);
        spool_close(spool);
    }
    free(args);
    return status;
}
