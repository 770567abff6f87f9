/*
 * apus drain: one round between the queue, the workers and Arweave, for cron:
 * take back what the dead have left, push, renew, pull, start workers.  Each
 * step can be run alone and run again, so two drains at once do no harm, and
 * each step is tried even where the one before it failed.
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
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/drain.h"
#include "cmd/owners.h"
#include "cmd/work.h"
#include "relay/rounds.h"
#include "spool/spool.h"

#define PAUSE_S 10

/* ---- what a round has to say --------------------------------------------- */

/* It goes on, and the exit status will tell. */
void drain_trouble(struct drain *d, const struct err *err)
{
    log_err(err);
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

        if (!cmd_interrupted() &&
            batch_info_read(&info, list[i].path, &err) == 0) {
            step(d, &list[i], &info);
            batch_info_clear(&info);
        }
        batch_clear(&list[i]);
    }
    free(list);
    return 0;
}

/* ---- what the dead have left --------------------------------------------- */

/* Whose owner nobody can look at, and that misses its touches. */
static void tell_silent(const struct batch *b, enum spool_state state)
{
    char who[OWNER_TELL], when[FREE_AT];

    if (b->state != state || !owner_free_at(when, sizeof(when), b, true))
        return;
    owner_tell(who, sizeof(who), b);
    log_info("\"%s\" is still held by %s", b->path, who);
}

static void adopt_state(struct drain *d, enum spool_state state)
{
    struct err err = ERR_INIT;
    struct batch *list;
    struct owners *o;
    size_t n;

    if (spool_list(d->spool, state, &list, &n, &err)) {
        drain_trouble(d, &err);
        return;
    }
    o = owners_ask(list, n);
    for (size_t i = 0; i < n; i++) {
        if (owners_adopt(d->spool, &list[i], o, &err) < 0)
            drain_trouble(d, &err);
        else if (list[i].state != state)
            log_info("\"%s\": who had it is gone, it is in %s again",
                     list[i].path, spool_state_name(list[i].state));
        else if (state == SPOOL_RUNNING)
            d->n_working++;
        tell_silent(&list[i], state);
        batch_clear(&list[i]);
    }
    owners_free(o);
    free(list);
}

/* ---- rounds -------------------------------------------------------------- */

static void one_round(struct drain *d)
{
    d->n_working = 0;
    d->did = false;
    d->answered = false;
    d->lost = false;
    drain_ask_again(d);
    adopt_state(d, SPOOL_RUNNING);
    adopt_state(d, SPOOL_SENDING);
    drain_push(d);
    drain_renew(d);
    drain_pull(d);
    drain_start(d);
}

static size_t count(struct drain *d, enum spool_state state)
{
    struct err unused = ERR_INIT;
    struct batch *list;
    size_t n;

    if (spool_list(d->spool, state, &list, &n, &unused))
        return 0;
    for (size_t i = 0; i < n; i++)
        batch_clear(&list[i]);
    free(list);
    return n;
}

static void pause_s(unsigned seconds)
{
    const struct timespec second = { .tv_sec = 1 };

    for (unsigned i = 0; i < seconds && !cmd_interrupted(); i++)
        nanosleep(&second, NULL);
}

static bool is_all_worked(struct drain *d)
{
    drain_count(d);
    return d->n_waiting + count(d, SPOOL_RUNNING) == 0;
}

/* Until nothing waits and nothing is worked on; while it pulled that might
 * never be. */
static void wait_for_workers(struct drain *d)
{
    d->no_pull = true;
    while (!cmd_interrupted() && !d->failed && !is_all_worked(d)) {
        pause_s(PAUSE_S);
        d->later = false;
        one_round(d);
    }
    if (!cmd_interrupted())
        drain_push(d);
}

static void all_rounds(struct drain *d)
{
    double end = clock_s() + (double)d->for_s;

    do {
        d->later = false;
        one_round(d);
        /* with nothing to do it looks now and then */
        if (!d->did && clock_s() + PAUSE_S < end)
            pause_s(PAUSE_S);
        else if (!d->did)
            break;
    } while (!cmd_interrupted() && clock_s() < end);
    if (d->wait)
        wait_for_workers(d);
}

/* A node that pulls makes its spool where the settings have it, or in a
 * directory that is there; a name that was typed makes none. */
static int open_spool(struct drain *d, struct err *err)
{
    const char *dir = settings_text(d->settings, "spool");
    bool makes = *settings_text(d->settings, "queue") &&
                 (!settings_from_flag(d->settings, "spool") ||
                  file_is_dir(dir));

    return makes ? spool_open(&d->spool, dir, err)
                 : spool_open_there(&d->spool, dir, err);
}

static int do_drain(struct drain *d)
{
    struct err err = ERR_INIT;

    if (open_spool(d, &err))
        return cmd_fail(&err);
    cmd_catch_signals();
    if (d->resume && rounds_forget(d->spool, &err))
        return cmd_fail(&err);
    if (drain_open(d, &err))
        return cmd_fail(&err);
    all_rounds(d);
    if (d->failed)
        return CMD_FAILED;
    return d->later || cmd_interrupted() ? CMD_SAVED : CMD_DONE;
}

int cmd_drain(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct drain d = { .settings = s };
    const char *for_text = NULL;
    const struct opt opts[] = {
        { 0, "for", "TIME", "rounds for so long: 55m, 2h; default: one",
          &for_text, NULL },
        { 0, "wait", NULL, "until what was started is done and pushed, in"
          " Slurm too", NULL, &d.wait },
        { 0, "resume", NULL, "pull at the full rate again after rounds that"
          " released everything", NULL, &d.resume },
        { 0, NULL, NULL, NULL, NULL, NULL }
    };
    const struct opt_command command = {
        .name = "apus drain",
        .synopsis = "[--for TIME] [--wait] [--resume]",
        .about = "One round, for cron: take back what dead workers have left,"
                 " push answers, renew\nleases, pull requests, start workers."
                 "  Where workers run on this machine they are\nwaited for and"
                 " their answers pushed; those in Slurm are not.  Says"
                 " nothing where\nnothing is to be done.",
        .opts = opts,
    };
    size_t n_args;
    int status = cmd_begin(&command, s, argc, argv, args, &n_args);

    free(args);
    if (status != CMD_GO)
        return status;
    if (for_text && cmd_seconds(&d.for_s, for_text, "smh")) {
        log_error("apus drain: --for \"%s\": a number and s, m or h"
                  " expected, such as 55m", for_text);
        return CMD_MISUSED;
    }
    status = do_drain(&d);
    drain_close(&d);
    spool_close(d.spool);
    return status;
}
