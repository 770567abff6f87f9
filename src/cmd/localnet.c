/*
 * apus localnet: a small AO and Arweave on loopback.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#ifdef HAVE_LOCALNET
#include "localnet/localnet.h"
#endif

#define MAX_DELAY_MS 60000

struct arguments {
    const char *dir, *port, *delay, *new_wallet;
    const char **hostile; /* each of them, NULL at the end */
    bool old_node;
};

#ifdef HAVE_LOCALNET

static int number_of(const char *text, const char *what, uint64_t max,
                     unsigned *out, struct err *err)
{
    uint64_t n = 0;

    if (text && (json_u64_text(text, &n) || n > max))
        return err_set(err, ERR_INPUT, "%s \"%s\": a number up to %u expected",
                       what, text, (unsigned)max);
    if (text)
        *out = (unsigned)n;
    return 0;
}

static int serve(struct localnet *l, struct err *err)
{
    const struct timespec fifth = { 0, 200000000 };
    int rc = 0;

    printf("ready %s\n", localnet_url(l));
    fflush(stdout);
    while (rc == 0 && !cmd_interrupted()) {
        nanosleep(&fifth, NULL);
        rc = localnet_tick(l, err);
    }
    return rc;
}

static int do_localnet(const struct arguments *a)
{
    struct localnet_options o = { .dir = a->dir, .delay_ms = 100,
                                  .hostile = a->hostile,
                                  .old_node = a->old_node };
    struct localnet *l = NULL;
    struct err err = ERR_INIT;
    int rc;

    if (number_of(a->port, "--port", 65535, &o.port, &err) ||
        number_of(a->delay, "--delay", MAX_DELAY_MS, &o.delay_ms, &err)) {
        log_err(&err);
        return CMD_MISUSED;
    }
    if (a->new_wallet)
        return localnet_new_wallet(a->dir, a->new_wallet, &err)
                   ? cmd_fail(&err) : CMD_DONE;
    cmd_catch_signals();
    if (localnet_start(&l, &o, &err))
        return cmd_fail(&err);
    rc = serve(l, &err);
    localnet_stop(l);
    return rc ? cmd_fail(&err) : CMD_DONE;
}

#else

static int do_localnet(const struct arguments *a)
{
    struct err err = ERR_INIT;

    (void)a;
    err_set(&err, ERR_FATAL, "this apus was built without localnet: install"
            " libmicrohttpd-dev and liblua5.3-dev, then configure and make it"
            " again");
    return cmd_fail(&err);
}

#endif

int cmd_localnet(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct arguments a = {
        .hostile = xcalloc((size_t)argc, sizeof(*a.hostile))
    };
    const struct opt opts[] = {
        { 0, "dir", "D", "where it keeps everything; made if it is missing",
          &a.dir, NULL },
        { 0, "port", "P", "port on 127.0.0.1 (0, the default: any free one)",
          &a.port, NULL },
        { 0, "delay", "MS", "milliseconds from taking a message to its result"
          " (100)", &a.delay, NULL },
        { 0, "hostile", "CASE...", "misbehave, [UNIT/]CASE[:N|:every-N]; an"
          " unknown one lists the cases", a.hostile, NULL },
        { 0, "old-node", NULL, "let /hb answer as HyperBEAM did until 2025",
          NULL, &a.old_node },
        { 0, "new-wallet", "FILE", "only make a wallet that it accepts, also"
          " while it runs", &a.new_wallet, NULL },
        { 0, NULL, NULL, NULL, NULL, NULL }
    };
    const struct opt_command command = {
        .name = "apus localnet",
        .synopsis = "--dir D [--port P] [--delay MS] [--hostile CASE]..."
                    " [--old-node] [--new-wallet FILE]",
        .about = "A small AO and Arweave on loopback, to try everything"
                 " without money:\nuse it with APUS_CONFIG=D/apus.conf.  It"
                 " prints \"ready URL\" and serves until\nit is interrupted;"
                 " what it took is there again the next time.",
        .opts = opts,
    };
    size_t n_args;
    int status;

    status = cmd_begin(&command, s, argc, argv, args, &n_args);
    free(args);
    if (status == CMD_GO && !a.dir) {
        struct err err = ERR_INIT;

        err_set(&err, ERR_INPUT, "apus localnet: no directory, give one with"
                " --dir, such as --dir net");
        log_err(&err);
        status = CMD_MISUSED;
    }
    if (status == CMD_GO)
        status = do_localnet(&a);
    free(a.hostile);
    return status;
}
