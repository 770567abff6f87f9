/*
 * apus pull: requests from the queue on AO into a batch of the spool.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/gateway.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "engine/model.h"
#include "engine/models.h"
#include "relay/lease.h"
#include "relay/pull.h"
#include "relay/talk.h"
#include "store/spool.h"

#define MAX_MODELS 64
#define MAX_TOTAL 1000000

struct command_line {
    const char *model, *max, *ttl;
    bool quiet;
};

static void note(void *self, const char *text)
{
    (void)self;
    log_warning("%s", text);
}

/* ---- options and settings ------------------------------------------------ */

static int number(uint64_t *v, const char *name, const char *text,
                  uint64_t set, uint64_t min, uint64_t max, struct err *err)
{
    *v = set;
    if ((text && json_u64_text(text, v)) || *v < min || *v > max)
        return err_set(err, ERR_INPUT, "%s must be %" PRIu64 " to %" PRIu64,
                       name, min, max);
    return 0;
}

static int check_use(struct pull *p, const struct command_line *c,
                     const struct settings *s, struct err *err)
{
    if (number(&p->per_message, "pull-max", NULL,
               settings_count(s, "pull-max"), 1, PULL_MAX, err) ||
        number(&p->total, c->max ? "--max" : "pull-total", c->max,
               settings_count(s, "pull-total"), 1, MAX_TOTAL, err) ||
        number(&p->ttl_s, c->ttl ? "--ttl" : "lease", c->ttl,
               settings_count(s, "lease"), LEASE_MIN_S, LEASE_MAX_S, err))
        return -1;
    p->max_file = settings_count(s, "pull-size");
    return 0;
}

/* ---- models -------------------------------------------------------------- */

static void say(const char *line)
{
    log_info("%s", line);
}

static int find_model(unsigned char id[32], const struct settings *s,
                      const char *name, struct err *err)
{
    struct model_record rec;
    char *path;
    int rc;

    if (models_resolve(&path, settings_text(s, "models"), name, say, err))
        return -1;
    rc = model_peek(&rec, id, path, err);
    free(path);
    return rc;
}

/* Those that were named, with commas between, or all of the store. */
static int find_models(unsigned char (**ids)[32], size_t *n,
                       const struct settings *s, const char *names,
                       struct err *err)
{
    char *copy, *at = NULL;
    int rc = 0;

    if (!names)
        return models_ids(ids, n, settings_text(s, "models"), err);
    copy = xstrdup(names);
    *ids = xcalloc(MAX_MODELS, sizeof(**ids));
    *n = 0;
    for (char *name = strtok_r(copy, ",", &at); name && rc == 0;
         name = strtok_r(NULL, ",", &at)) {
        if (*n == MAX_MODELS)
            rc = err_set(err, ERR_INPUT, "over %d models", MAX_MODELS);
        else
            rc = find_model((*ids)[(*n)++], s, name, err);
    }
    free(copy);
    return rc;
}

/* ---- the command --------------------------------------------------------- */

static void print_batch(const struct batch *b, const struct pulled *n)
{
    char id[ID_TEXT], model[ID_TEXT];

    base64url(id, b->id, 32);
    base64url(model, n->model, 32);
    printf("%s\t%" PRIu64 "\t%s\n", id, n->requests, model);
    fflush(stdout);
}

/* What others left first: it was leased before. */
static int pull_all(const struct pull *p, bool quiet, struct err *err)
{
    uint64_t batches = 0, released = 0;
    struct batch b = { .path = NULL };
    struct pulled n;
    bool left = true;
    int rc;

    for (;;) {
        rc = left ? pull_left(p, &b, &n, err) : pull_batch(p, &b, &n, err);
        if (rc < 0)
            return -1;
        released += n.released;
        if (rc > 0) {
            print_batch(&b, &n);
            batch_clear(&b);
            batches++;
        }
        if (!left)
            break;
        left = rc > 0;
    }
    if (released)
        log_warning("%" PRIu64 " requests went back to the queue", released);
    if (batches == 0 && !quiet)
        log_info("nothing waits");
    return 0;
}

static int with_network(struct pull *p, const struct command_line *c,
                        const struct settings *s, struct err *err)
{
    struct gateways *gateways = NULL;
    struct spool *spool = NULL;
    struct talk talk;
    int rc = -1;

    if (talk_open(&talk, s, NULL, err))
        return -1;
    if (spool_open(&spool, settings_text(s, "spool"), err) == 0 &&
        gateways_new(&gateways, s, err) == 0) {
        p->talk = &talk;
        p->spool = spool;
        p->gateways = gateways;
        rc = pull_all(p, c->quiet, err);
    }
    gateways_free(gateways);
    spool_close(spool);
    talk_close(&talk);
    return rc;
}

static int do_pull(const struct command_line *c, const struct settings *s)
{
    struct pull p = { .stop = cmd_interrupted, .note = note };
    unsigned char (*ids)[32] = NULL;
    struct err err = ERR_INIT;
    int rc;

    if (check_use(&p, c, s, &err)) {
        log_err(&err);
        return CMD_MISUSED;
    }
    cmd_catch_signals();
    rc = find_models(&ids, &p.n_models, s, c->model, &err);
    if (rc == 0) {
        p.model = (const unsigned char (*)[32])ids;
        rc = with_network(&p, c, s, &err);
    }
    free(ids);
    if (rc == 0)
        return CMD_DONE;
    return cmd_fail(&err);
}

int cmd_pull(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct command_line c = { NULL, NULL, NULL, false };
    const struct opt opts[] = {
        { 'm', "model", "MODEL", "requests for this model, or for several with"
          " commas between; default: all of the store", &c.model, NULL },
        { 0, "max", "N", "most requests of a batch; default: the setting"
          " pull-total", &c.max, NULL },
        { 0, "ttl", "SECONDS", "how long they are leased; default: the setting"
          " lease", &c.ttl, NULL },
        { 'q', "quiet", NULL, "say nothing if nothing waits", NULL,
          &c.quiet },
        { 0, NULL, NULL, NULL, NULL, NULL }
    };
    const struct opt_command command = {
        .name = "apus pull",
        .synopsis = "[-m MODEL] [--max N] [--ttl SECONDS] [-q]",
        .about = "Lease requests that wait with the queue on AO, and make a"
                 " batch of them in the\nspool, for apus submit.  Print each"
                 " batch: its id, how many requests, the model.\nWhat a pull"
                 " that was cut off has leased is finished first.",
        .opts = opts, .min_args = 0, .max_args = 0,
    };
    size_t n_args;
    int status = cmd_begin(&command, s, argc, argv, args, &n_args);

    free(args);
    return status == CMD_GO ? do_pull(&c, s) : status;
}
