/*
 * apus doctor: look at everything that the work needs, and say of each what
 * is wrong and what to do.  It changes nothing.  The checks are in
 * doctor_local.c and doctor_net.c.
 */
#include <config.h>

#include "cmd/doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/settings.h"
#include "cmd/cmd.h"

#define TEXT_MAX 4096

/* What others answered may be in it. */
static void line(const struct doctor *d, const char *status, const char *what,
                 const char *fmt, va_list ap)
{
    char text[TEXT_MAX];

    vsnprintf(text, sizeof(text), fmt, ap);
    plain_string(text);
    printf("%s\t%s\t%s%s%s", status, what, d->node ? d->node : "",
           d->node ? ": " : "", text);
}

void doctor_ok(struct doctor *d, const char *what, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    line(d, "ok", what, fmt, ap);
    va_end(ap);
    putchar('\n');
}

void doctor_skip(struct doctor *d, const char *what, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    line(d, "skipped", what, fmt, ap);
    va_end(ap);
    putchar('\n');
}

void doctor_warn(struct doctor *d, const char *what, const char *remedy,
                 const char *fmt, ...)
{
    va_list ap;

    d->n_warnings++;
    va_start(ap, fmt);
    line(d, "warning", what, fmt, ap);
    va_end(ap);
    printf("\tremedy: %s\n", remedy);
}

void doctor_bad(struct doctor *d, const char *what, const char *remedy,
                const char *fmt, ...)
{
    va_list ap;

    d->n_bad++;
    va_start(ap, fmt);
    line(d, "bad", what, fmt, ap);
    va_end(ap);
    printf("\tremedy: %s\n", remedy);
}

/* A person waits: what does not answer soon is told as it is.  Shorter waits
 * that are set stay so; a time of 0 has no end. */
static void be_impatient(struct settings *s)
{
    static const struct { const char *name; uint64_t most; bool time; } l[] = {
        { "http-connect-timeout", 5, true },
        { "http-stall-timeout", 20, true },
        { "http-timeout", 60, true }, { "http-retries", 1, false },
    };
    char most[24];

    for (size_t i = 0; i < sizeof(l) / sizeof(l[0]); i++) {
        uint64_t is = settings_count(s, l[i].name);

        snprintf(most, sizeof(most), "%" PRIu64, l[i].most);
        if (is > l[i].most || (is == 0 && l[i].time))
            settings_set(s, l[i].name, most, NULL);
    }
}

static void run_checks(struct doctor *d,
                       void (*const checks[])(struct doctor *))
{
    for (size_t i = 0; checks[i]; i++) {
        checks[i](d);
        fflush(stdout);
    }
}

static int do_doctor(struct doctor *d)
{
    static void (*const local[])(struct doctor *) = {
        doctor_spool, doctor_batches, doctor_models, doctor_arithmetic,
        doctor_worker, doctor_gpus, doctor_parser, doctor_ranks, doctor_slurm,
        doctor_wallet, NULL
    };
    static void (*const remote[])(struct doctor *) = {
        doctor_gateways, doctor_clock, doctor_bundler, doctor_queue, NULL
    };
    static void (*const of_node[])(struct doctor *) = {
        doctor_node, doctor_machine, doctor_spool, doctor_writes,
        doctor_models, doctor_arithmetic, doctor_worker, doctor_gpus,
        doctor_parser, NULL
    };

    be_impatient(d->settings);
    run_checks(d, d->of_node ? of_node : local);
    if (!d->of_node && !d->offline)
        run_checks(d, remote);
    return d->n_bad ? CMD_NO : CMD_DONE;
}

static const struct opt doctor_opts[] = {
    { 0, "offline", NULL, "look at this machine alone",
      offsetof(struct doctor, offline) },
    { 0, "node", NULL, "look at what a worker needs on this node, as under"
      " srun", offsetof(struct doctor, of_node) },
    { 0, "deep", NULL, "read every model and compare it with its id",
      offsetof(struct doctor, deep) },
    { .name = NULL }
};

static const struct opt_command doctor_command = {
    .name = "apus doctor",
    .synopsis = "[--offline | --node] [--deep]",
    .about = "Look at everything that the work needs: spool, models,"
             " workers, Slurm, wallet,\ngateways, bundler, queue.  Print"
             " a line each, with the remedy for what is wrong;\nthe exit"
             " status is 3 if anything is.",
    .opts = doctor_opts,
};

int cmd_doctor(struct settings *s, int argc, char **argv)
{
    struct doctor d = { .settings = s };
    size_t n_args;
    int status = cmd_begin(&doctor_command, s, argc, argv, &d, NULL, &n_args);

    if (status != CMD_GO)
        return status;
    return do_doctor(&d);
}
