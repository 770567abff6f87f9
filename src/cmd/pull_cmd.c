/*
 * apus pull: requests from the queue on AO into a batch of the spool.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caller.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plural.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "node/puller.h"
#include "spool/spool.h"

/* ---- the command --------------------------------------------------------- */

static void print_batch(const struct batch *b, const struct pulled *n)
{
    printf("%s\t%" PRIu64 "\t%s\n", id_text(b->id).s, n->requests,
           id_text(n->model).s);
    fflush(stdout);
}

/* What others left first: it was leased before. */
static int pull_all(const struct pull *p, bool quiet, struct err *err)
{
    uint64_t batches = 0, released = 0;
    struct batch b = { .path = NULL };
    struct pulled n;
    enum pull_end end;
    bool left = true;

    for (;;) {
        end = left ? pull_left(p, &b, &n, err) : pull_batch(p, &b, &n, err);
        if (end == PULL_FAILED)
            return -1;
        released += n.released;
        if (end == PULL_BATCH) {
            print_batch(&b, &n);
            batch_clear(&b);
            batches++;
        }
        if (!left)
            break;
        left = end == PULL_BATCH;
    }
    if (released)
        log_warning("%" PRIu64 " request%s returned to the queue", released,
                    plural_s(released));
    if (batches == 0 && !quiet)
        log_info("no pending requests%s%s", n.why[0] ? ": " : "", n.why);
    return 0;
}

static int do_pull(const struct puller_use *use, bool quiet,
                   const struct settings *s)
{
    struct spool *spool = NULL;
    struct err err = ERR_INIT;
    const struct caller caller = { .stop = cmd_interrupted,
                                   .note = log_note };
    struct puller p;
    int status = CMD_DONE;

    if (puller_init(&p, s, use, &caller, &err))
        return cmd_misused(&err);
    cmd_catch_signals();
    /* what is missing is said before a spool is made */
    if (puller_find_models(&p, s, use, &err) ||
        puller_open(&p, s, NULL, &err) ||
        puller_open_spool(&spool, s, &err)) {
        status = cmd_fail(&err);
    } else {
        p.pull.spool = spool;
        if (pull_all(&p.pull, quiet, &err))
            status = cmd_fail(&err);
    }
    puller_clear(&p);
    spool_close(spool);
    return status;
}

struct pull_options {
    struct puller_use use;
    bool quiet;
};

static const struct opt pull_opts[] = {
    { 'm', "model", "MODEL", "requests for this model, or for several with"
      " commas between; default: all of the store",
      offsetof(struct pull_options, use.model) },
    { 0, "max", "N", "most requests of a batch; default: the setting"
      " pull-total", offsetof(struct pull_options, use.max) },
    { 0, "ttl", "SECONDS", "how long they are leased; default: the setting"
      " lease", offsetof(struct pull_options, use.ttl) },
    { 'q', "quiet", NULL, "print nothing if no requests are pending",
      offsetof(struct pull_options, quiet) },
    { .name = NULL }
};

static const struct opt_command pull_command = {
    .name = "apus pull",
    .synopsis = "[-m MODEL] [--max N] [--ttl SECONDS] [-q]",
    .about = "Lease requests that wait with the queue on AO, and make a"
             " batch of them in the\nspool, for apus submit.  Print each"
             " batch: its id, how many requests, the model.\nWhat a pull"
             " that was cut off has leased is finished first.",
    .opts = pull_opts, .min_args = 0, .max_args = 0,
};

int cmd_pull(struct settings *s, int argc, char **argv)
{
    struct pull_options opt = { .quiet = false };
    size_t n_args;
    int status = cmd_begin(&pull_command, s, argc, argv, &opt, NULL, &n_args);

    return status == CMD_GO ? do_pull(&opt.use, opt.quiet, s) : status;
}
