/*
 * apus drain: rounds between the queue, the workers and Arweave, for cron.
 */
#include <config.h>

#include <stddef.h>
#include <stdlib.h>

#include "base/caller.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "commit.h"
#include "dispute/pretended.h"
#include "node/drain_steps.h"
#include "node/puller.h"
#include "node/rounds.h"
#include "spool/spool.h"

static int do_drain(struct drain *d)
{
    struct err err = ERR_INIT;

    if (puller_open_spool(&d->spool, d->settings, &err))
        return cmd_fail(&err);
    cmd_catch_signals();
    if (d->resume && rounds_forget(d->spool, &err))
        return cmd_fail(&err);
    if (drain_open(d, &err))
        return cmd_fail(&err);
    drain_rounds(d);
    if (d->failed)
        return d->damaged ? CMD_NO : CMD_FAILED;
    return d->later || cmd_interrupted() ? CMD_SAVED : CMD_DONE;
}

struct drain_options {
    const char *for_text;
    const char *fault;
    bool wait, resume;
};

static const struct opt drain_opts[] = {
    { 0, "for", "TIME", "rounds for so long: 55m, 2h; default: one",
      offsetof(struct drain_options, for_text) },
    { 0, "wait", NULL, "until what was started is done and pushed, in"
      " Slurm too", offsetof(struct drain_options, wait) },
    { 0, "resume", NULL, "pull at the full rate again after rounds that"
      " released everything", offsetof(struct drain_options, resume) },
    { 0, "pretend-fault", "PLACE", "for tests: answer disputes as if the node"
      " had computed POSITION/LAYER/ENTRY/INDEX wrongly",
      offsetof(struct drain_options, fault) },
    { .name = NULL }
};

static const struct opt_command drain_command = {
    .name = "apus drain",
    .synopsis = "[--for TIME] [--wait] [--resume] [--pretend-fault PLACE]",
    .about = "One round, for cron: take back what dead workers have left,"
             " push answers, renew\nleases, answer disputes, pull requests,"
             " start workers.  Where workers run on this\nmachine they are"
             " waited for and their answers pushed; those in Slurm are not."
             "\nSays nothing where nothing is to be done.",
    .opts = drain_opts,
};

int cmd_drain(struct settings *s, int argc, char **argv)
{
    const struct caller caller = { .stop = cmd_interrupted,
                                   .note = log_note };
    struct drain d = { .settings = s, .commit = APUS_COMMIT,
                       .caller = &caller };
    struct drain_options opt = { .for_text = NULL };
    struct err err = ERR_INIT;
    struct pretended pretended;
    size_t n_args;
    int status = cmd_begin(&drain_command, s, argc, argv, &opt, NULL, &n_args);

    if (status != CMD_GO)
        return status;
    d.wait = opt.wait;
    d.resume = opt.resume;
    if (opt.for_text && cmd_seconds(&d.for_s, opt.for_text, "smh")) {
        log_error("apus drain: --for \"%s\": a number and s, m or h"
                  " expected, such as 55m", opt.for_text);
        return CMD_MISUSED;
    }
    if (opt.fault && pretended_init(&pretended, opt.fault, &err))
        return cmd_misused(&err);
    d.fault = opt.fault ? &pretended : NULL;
    status = do_drain(&d);
    drain_close(&d);
    spool_close(d.spool);
    return status;
}
