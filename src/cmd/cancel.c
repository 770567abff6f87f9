/*
 * apus cancel: end the work on a batch.  The worker saves, what is answered
 * is kept, and nobody takes the batch until a person names it again.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/owners.h"
#include "cmd/work.h"
#include "jobs/launcher.h"
#include "store/spool.h"

#define WAIT_S 180   /* KillWait and a worker that saves are far below */
#define WHY "cancelled: apus submit or apus run begins it again\n"

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Tell whoever owns it to save. */
static int tell(const struct batch *b, bool *slurm, struct err *err)
{
    char id[64];
    struct owner o, self;
    int rc = owner_read(&o, b->path, err);

    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_RETRY, "\"%s\" has just been"
                                     " taken by a worker: try again",
                                     b->path);
    *slurm = o.slurm_job[0] != '\0';
    if (*slurm)
        return launcher_find("slurm")->cancel(o.slurm_job, err);
    owner_self(&self);
    if (strcmp(o.host, self.host) != 0)
        return err_set(err, ERR_INPUT, "its worker is process %" PRId64
                       " on %s: cancel it there", o.pid, o.host);
    snprintf(id, sizeof(id), "%" PRId64 ":%" PRIu64, o.pid, o.pid_start);
    return launcher_find("local")->cancel(id, err);
}

/* Until it has left.  1 it has, 0 it has not, -1. */
static int wait_for_end(const struct spool *s, struct batch *b, bool slurm,
                        struct err *err)
{
    struct timespec pause = { .tv_sec = slurm, .tv_nsec = 100000000 };
    double end = now() + WAIT_S;
    int rc;

    for (;;) {
        struct owners *o = owners_ask(b, 1);

        rc = owners_adopt(s, b, o, err);
        owners_free(o);
        if (rc <= 0)
            return rc < 0 ? -1 : 1;
        if (now() > end)
            return 0;
        nanosleep(&pause, NULL);
    }
}

static int end_work(const struct spool *s, struct batch *b, struct err *err)
{
    struct owners *o = owners_ask(b, 1);
    int rc = owners_adopt(s, b, o, err);
    bool slurm = false;

    owners_free(o);
    if (rc <= 0)
        return rc;
    if (tell(b, &slurm, err))
        return -1;
    rc = wait_for_end(s, b, slurm, err);
    if (rc == 0)
        return err_set(err, ERR_RETRY, "\"%s\": its worker was told to save"
                       " and has not left in %d s; look again with apus"
                       " status", b->path, WAIT_S);
    return rc < 0 ? -1 : 0;
}

/* Jobs that wait for their turn with it. */
static int drop_jobs(const struct batch *b, struct err *err)
{
    static const char *const name[] = { "local", "slurm" };
    struct err unused = ERR_INIT;
    char id[ID_TEXT];

    base64url(id, b->id, 32);
    for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
        const struct launcher *l = launcher_find(name[i]);
        struct launch_job j;

        if (i == 1 && launcher_find("auto") != l)
            continue; /* no Slurm here */
        if (l->find(id, &j, &unused) == 1 && l->cancel(j.id, err))
            return -1;
    }
    return 0;
}

static int put_away(const struct spool *s, struct batch *b, struct err *err)
{
    char *why = file_join(b->path, "why");
    int rc = file_write(why, WHY, strlen(WHY), err);

    free(why);
    if (rc == 0)
        rc = spool_move(s, b, SPOOL_FAILED, err);
    if (rc > 0)
        return err_set(err, ERR_RETRY, "\"%s\" was taken by a worker in this"
                       " moment: cancel it again", b->path);
    return rc;
}

static int cancel(const struct spool *s, const char *name, struct err *err)
{
    struct batch b = { .path = NULL };
    char id[ID_TEXT];
    int rc = spool_find(s, name, &b, err);

    if (rc == 0) {
        base64url(id, b.id, 32);
        if (work_is_done(&b))
            log_info("batch %s is done: there is nothing to cancel", id);
        else if (b.state == SPOOL_RUNNING)
            rc = end_work(s, &b, err);
        if (rc == 0 && b.state == SPOOL_TODO)
            rc = drop_jobs(&b, err) || put_away(s, &b, err) ? -1 : 0;
        if (rc == 0)
            printf("%s\t%s\n", id, spool_state_name(b.state));
    }
    batch_clear(&b);
    return rc;
}

int cmd_cancel(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    const struct opt opts[] = { { 0, NULL, NULL, NULL, NULL, NULL } };
    const struct opt_command command = {
        .name = "apus cancel",
        .synopsis = "BATCH ...",
        .about = "End the work on batches: the worker saves and leaves, what"
                 " is answered is kept.\nPrint where each batch is then.",
        .opts = opts, .min_args = 1, .max_args = SIZE_MAX,
    };
    struct spool *spool = NULL;
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&command, s, argc, argv, args, &n_args);

    if (status == CMD_GO) {
        status = CMD_DONE;
        if (spool_open(&spool, settings_text(s, "spool"), &err))
            status = cmd_fail(&err);
        for (size_t i = 0; status == CMD_DONE && i < n_args; i++)
            if (cancel(spool, args[i], &err))
                status = cmd_fail(&err);
        spool_close(spool);
    }
    free(args);
    return status;
}
