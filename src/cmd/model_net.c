/*
 * apus model publish, apus model fetch: models on Arweave; and what apus model
 * add downloads.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/bundler.h"
#include "arweave/gateway.h"
#include "arweave/key.h"
#include "arweave/wallet.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "model/models.h"
#include "push/model_download.h"
#include "push/model_fetch.h"
#include "push/model_publish.h"
#include "push/push_send.h"

#define STEP_S 10 /* between two lines of progress */

/* On a terminal one line that counts, else a line now and then. */
static void show(const char *what, uint64_t done, uint64_t size)
{
    static uint64_t last;
    uint64_t now = clock_ms();
    bool terminal = isatty(STDERR_FILENO);
    unsigned percent = size ? (unsigned)((double)done / (double)size * 100)
                            : 100;

    if (last == 0)
        last = now;
    if (done < size && now - last < (terminal ? 1 : STEP_S) * 1000)
        return;
    last = now;
    if (terminal)
        fprintf(stderr, "\r%s: %u%% of %" PRIu64 " bytes%s", what, percent,
                size, done >= size ? "\n" : "");
    else if (done < size)
        log_info("%s: %u%% of %" PRIu64 " bytes", what, percent, size);
}

static void show_fetch(void *self, uint64_t done, uint64_t size)
{
    (void)self;
    show("fetching", done, size);
}

static void show_publish(void *self, const char *what, uint64_t done,
                         uint64_t size)
{
    (void)self;
    show(what, done, size);
}

static void print_id(struct id id)
{
    printf("%s\n", id_text(id).s);
}

/* What came is kept: 75 where the same command may go on. */
static int failed(const struct err *err)
{
    log_err(err);
    if (err->code != ERR_RETRY)
        return CMD_FAILED;
    log_info("what was done is kept: run it again to go on");
    return CMD_SAVED;
}

/* ---- fetch ----- */

static int fetch(struct settings *s, struct id arweave, const char *name)
{
    struct model_fetch f = { .store = settings_text(s, "models"),
                             .name = name, .progress = show_fetch,
                             .caller = { .stop = cmd_interrupted,
                                         .note = log_note } };
    struct err err = ERR_INIT;
    struct id id;
    int rc;

    if (gateways_new(&f.gateways, s, &err))
        return cmd_fail(&err);
    cmd_catch_signals();
    rc = model_fetch(&f, arweave, &id, &err);
    gateways_free(f.gateways);
    if (rc)
        return failed(&err);
    print_id(id);
    return CMD_DONE;
}

struct model_fetch_options {
    const char *gateway;
};

static const struct opt model_fetch_opts[] = {
    { 0, "gateway", "URL", "ask this one instead of the setting gateways",
      offsetof(struct model_fetch_options, gateway) },
    { .name = NULL },
};

static const struct opt_command model_fetch_command = {
    .name = "apus model fetch",
    .synopsis = "ARWEAVE-ID [NAME] [--gateway URL]",
    .about = "Fetch a model that was published on Arweave into the store"
             " and print its model\nid.  Every part is checked when it"
             " arrives, and fetched from the next gateway if\nit is wrong."
             "  Run it again to resume after an interruption.  -m takes"
             " ARWEAVE-ID,\nor NAME, from then on.",
    .opts = model_fetch_opts, .min_args = 1, .max_args = 2,
};

int cmd_model_fetch(struct settings *s, int argc, char **argv)
{
    struct model_fetch_options opt = { .gateway = NULL };
    const char *args[2] = { NULL };
    const char *what, *name;
    struct err err = ERR_INIT;
    struct id id;
    size_t n = 0;
    int status = cmd_begin(&model_fetch_command, s, argc, argv, &opt, args, &n);

    what = args[0];
    name = n > 1 ? args[1] : NULL;
    if (status != CMD_GO)
        return status;
    if (id_parse(&id, what)) {
        log_error("\"%s\" is not an id of Arweave (43 characters)", what);
        return CMD_MISUSED;
    }
    if (opt.gateway && settings_set(s, "gateways", opt.gateway, &err))
        return cmd_misused(&err);
    return fetch(s, id, name);
}

/* ---- download ----- */

static void show_download(void *self, const char *name, uint64_t done,
                          uint64_t size)
{
    (void)self;
    show(name, done, size);
}

int cmd_model_download(struct settings *s, const char *url,
                       const char *sha256, char **path)
{
    struct model_download d = { .store = settings_text(s, "models"),
                                .url = url, .sha256 = sha256,
                                .stop = cmd_interrupted,
                                .progress = show_download };
    struct err err = ERR_INIT;

    http_limits_of(&d.limits, s);
    cmd_catch_signals();
    return model_download(&d, path, &err) ? failed(&err) : CMD_GO;
}

/* ---- publish ----- */

/* A person at a terminal, or --yes. */
static int agree(uint64_t winc, bool yes, struct err *err)
{
    char answer[8] = "", cost[WINC_TEXT];

    if (yes || !winc)
        return 0;
    winc_text(cost, winc);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return err_set(err, ERR_INPUT, "publishing costs %s: say --yes to pay"
                       " them", cost);
    fprintf(stderr, "pay %s? [y/N] ", cost);
    if (fgets(answer, sizeof(answer), stdin) &&
        (answer[0] == 'y' || answer[0] == 'Y'))
        return 0;
    return err_set(err, ERR_INPUT, "not published");
}

int cmd_publish_send(const struct settings *s, struct model_publish *p,
                     const struct key *k, bool yes, struct err *err)
{
    const struct caller caller = { .note = log_note };
    struct id node;
    struct push_send *to;
    uint64_t winc;
    int rc;

    if (p->done)
        log_line("it was published before");
    if (p->done && (!p->attest.len || p->attested))
        return 0;
    key_address(k, &node);
    if (push_send_new(&to, s, settings_text(s, "spool"), node, &caller,
                      err))
        return -1;
    bundler_stop(push_send_bundler(to), cmd_interrupted);
    rc = model_publish_price(p, to, &winc, err);
    rc = rc ? rc : agree(winc, yes, err);
    rc = rc ? rc : model_publish_send(p, to, err);
    push_send_free(to);
    return rc;
}

struct model_publish_options {
    bool yes, attest;
};

static int publish_model(struct settings *s, const char *what,
                         const struct model_publish_options *o,
                         struct err *err)
{
    const char *store = settings_text(s, "models");
    char *path = NULL, *wallet = NULL;
    struct model_publish p;
    struct key *k = NULL;
    int rc = -1;

    model_publish_init(&p);
    p.progress = show_publish;
    if (models_resolve(&path, store, what, log_line, err) ||
        wallet_path(&wallet, s, err) || key_load(&k, wallet, err) ||
        model_publish_sign(&p, store, path, k, err) ||
        (o->attest && model_publish_attest(&p, k, err)))
        goto out;
    cmd_catch_signals();
    rc = cmd_publish_send(s, &p, k, o->yes, err);
    rc = rc ? rc : models_point(store, p.id, p.model, err);
    if (!rc && p.attested)
        log_info("attested by %s: processes that trust it may read the model",
                 id_text(p.address).s);
    if (!rc)
        print_id(p.id);
out:
    model_publish_clear(&p);
    key_free(k);
    free(wallet);
    free(path);
    return rc;
}

static const struct opt model_publish_opts[] = {
    { 'y', "yes", NULL, "pay what it costs, up to max-winc",
      offsetof(struct model_publish_options, yes) },
    { 0, "attest", NULL, "attest it, so that processes of AO which trust this"
      " wallet may read it", offsetof(struct model_publish_options, attest) },
    { .name = NULL },
};

static const struct opt_command model_publish_command = {
    .name = "apus model publish",
    .synopsis = "WHAT [--yes] [--attest]",
    .about = "Publish a model on Arweave, signed with the node's wallet,"
             " and print the id under\nwhich apus model fetch gets it on"
             " other machines.  What is published is public and\nstays."
             "  Run it again to go on after an interruption: nothing is"
             " paid twice.",
    .opts = model_publish_opts, .min_args = 1, .max_args = 1,
};

int cmd_model_publish(struct settings *s, int argc, char **argv)
{
    struct model_publish_options opt = { .yes = false };
    const char *args[1] = { NULL }, *what;
    struct err err = ERR_INIT;
    size_t n;
    int status =
        cmd_begin(&model_publish_command, s, argc, argv, &opt, args, &n);

    what = args[0];
    if (status != CMD_GO)
        return status;
    return publish_model(s, what, &opt, &err) ? failed(&err) : CMD_DONE;
}
