/*
 * apus watch: the statements about batches of a queue as they are published;
 * of their answers those that a secret draws are computed again, and a wrong
 * one becomes a case of a dispute.
 */
#include <config.h>

#include "cmd/verify_look.h"

#include <dirent.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
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
#include "cmd/dispute.h"
#include "cmd/model_use.h"
#include "model/model.h"
#include "model/models.h"
#include "node/asked.h"
#include "node/challenge.h"
#include "node/drain_models.h"
#include "node/listed.h"
#include "node/watched.h"
#include "proof/digest.h"
#include "queue/client.h"
#include "verify/recompute.h"
#include "verify/spot.h"

#define PAUSE_S 60
#define PLAY_S 10       /* the same while a dispute is open */
#define NODES_MAX 10000
#define ROUND_MAX 10000 /* statements of a node that are asked for */

struct watch {
    struct look look; /* first: it is the self of callbacks */
    struct verify v;
    const char *rate_text, *for_text;
    bool once, challenge;
    uint64_t for_s;
    uint32_t rate;
    struct id queue;
    struct client client;
    struct watched seen;
    struct spot spot;
    struct id named;            /* model of -m, if it was given */
    struct drain_models models; /* of the store, as it was in this round */
    bool lacks;                 /* drawn answers of the statement are of .. */
    struct id lacked;           /* .. a model that is not here */
    bool later, plays, failed;
    bool quiet;                 /* what is missing was told */
};

/* ---- an answer ----------------------------------------------------------- */

static int write_case(struct watch *w, struct id item,
                      const struct published *p, struct err *err)
{
    struct challenge_case c = { .item = item, .queue = p->process,
                                .state = "found" };
    const char *spool = settings_text(w->v.settings, "spool");
    struct id result;
    struct asked asked;
    char *path;

    if (asked_find(&asked, &w->client, p, err))
        return -1;
    c.request = asked.request;
    digest(&result, p->result_bytes, sizeof(p->result_bytes));
    asked_dispute(&c.dispute, &asked, result, w->client.node);
    path = challenge_case_path(spool, c.dispute);
    if (!file_exists(path) && challenge_case_write(&c, spool, err)) {
        free(path);
        return -1;
    }
    printf("found\t%s\trequest %s\tnode %s\tcase %s\n", id_text(item).s,
           id_text(p->result.request).s, id_text(p->node).s, path);
    fflush(stdout);
    free(path);
    return 0;
}

static bool draws(void *self, const struct published *p)
{
    const struct watch *w = self;

    return spot_draws(&w->spot, p->result.request, w->rate);
}

/* Those of a statement have one model, others another. */
static void drop_model(struct watch *w, struct id model)
{
    if (!w->v.o.model || id_equal(w->v.model.model->id, model))
        return;
    recompute_free(w->look.recompute);
    w->look.recompute = NULL;
    prompt_model_clear(&w->v.model);
    w->v.o.model = NULL;
}

static bool is_named(const struct watch *w, struct id model)
{
    return w->v.model_name && id_equal(w->named, model);
}

/* FOUND_FAILED: nobody knows, since the store cannot be read or is empty. */
static enum found find_model(struct watch *w, struct id model,
                             struct err *err)
{
    const char *store = settings_text(w->v.settings, "models");

    if (is_named(w, model))
        return FOUND_ONE;
    return drain_models_has(&w->models, store, model, err);
}

static int open_here(struct watch *w, struct id model, struct err *err)
{
    const char *name = w->v.model_name;
    int rc;

    if (!is_named(w, model))
        w->v.model_name = NULL;
    rc = verify_open_model(&w->v, &model, err);
    w->v.model_name = name;
    return rc;
}

/* One that cannot be opened is looked for and told of now and then. */
static enum found open_model(struct watch *w, struct id model,
                             struct err *err)
{
    enum found found;

    if (w->v.o.model)
        return FOUND_ONE;
    w->quiet = watched_waits(&w->seen, model);
    if (w->quiet)
        return err_set(err, ERR_RETRY, "its model is not here");
    found = find_model(w, model, err);
    if (found == FOUND_ONE && open_here(w, model, err))
        found = FOUND_FAILED;
    if (found == FOUND_FAILED)
        watched_put_off(&w->seen, model);
    return found;
}

static int case_of_wrong(struct look *l, struct id item,
                         const struct published *p, bool wrong,
                         struct err *err)
{
    struct watch *w = (struct watch *)l;

    return wrong ? write_case(w, item, p, err) : 0;
}

/* All answers of a statement have one model. */
static int compute_watched(void *self, struct id item,
                           const struct published *p, struct err *err)
{
    struct watch *w = self;
    enum found found;

    drop_model(w, p->result.model);
    found = open_model(w, p->result.model, err);
    if (found == FOUND_NONE) {
        w->lacks = true;
        w->lacked = p->result.model;
        return 0;
    }
    return found == FOUND_ONE ? look_compute(&w->look, item, p, err) : -1;
}

/* ---- a statement --------------------------------------------------------- */

static int watch_batch(struct watch *w, const struct lookup_item *i,
                       struct err *err)
{
    struct lookup_visit visit = { .draws = draws,
                                  .compute = compute_watched,
                                  .computed = look_compute_rest,
                                  .self = w };
    struct look *l = &w->look;
    struct published_statement s;
    struct id id = i->it.head.id;
    int rc;

    l->claims.failed = false;
    if (claims_statement(&l->claims, &i->it, &s) || l->claims.failed)
        return 0; /* it was told what is wrong */
    w->spot.statement = id;
    memset(w->spot.block, 0, sizeof(w->spot.block));
    memcpy(w->spot.block, w->seen.secret.b, 32);
    l->n_computed = 0;
    rc = lookup_others(l->lookup, &l->claims, i, &s, err) ||
                 lookup_batch(l->lookup, &l->claims, i, &s, &visit, err)
             ? -1 : 0;
    /* what was found counts, also where another answer was not computed */
    w->failed |= l->claims.failed;
    if (rc)
        return -1;
    printf("statement\t%s\tnode %s\t%" PRIu64 " of %" PRIu32 " answer%s"
           " computed", id_text(id).s, id_text(s.s.node).s, l->n_computed,
           s.s.count, plural_s(s.s.count));
    if (w->lacks)
        printf(", model %s is missing", id_text(w->lacked).s);
    putchar('\n');
    fflush(stdout);
    return 0;
}

/* Keep a statement for when its model is here.  Each model is named once, with
 * what its node says of where it is to be had. */
static int leave(struct watch *w, struct id id, struct id node,
                 const struct lookup_item *i, struct err *err)
{
    char hint[MODELS_SOURCE], *how;

    if (!watched_misses(&w->seen, w->lacked)) {
        if (item_tag_text(&i->it.head, "Model-Source", hint, sizeof(hint)))
            *hint = '\0';
        how = model_use_how(hint);
        log_warning("model %s is not in the store \"%s\", so its answers are"
                    " not computed until it is: %s", id_text(w->lacked).s,
                    settings_text(w->v.settings, "models"), how);
        free(how);
    }
    return watched_add_lacking(&w->seen, id, node, w->lacked, err);
}

/* Whether a statement waits for a model that is not here yet. */
static bool is_left(struct watch *w, struct id statement)
{
    const struct id *model = watched_lacks(&w->seen, statement);

    return model && find_model(w, *model, NULL) == FOUND_NONE;
}

static void watch_statement(struct watch *w, struct id id, struct id node)
{
    struct err err = ERR_INIT;
    struct lookup_item i;
    int rc;

    if (watched_waits(&w->seen, id)) {
        w->later = true;
        return;
    }
    w->quiet = w->lacks = false;
    lookup_item_init(&i, PUBLISHED_MAX + ITEM_HEAD_MAX);
    rc = lookup_get(w->look.lookup, id, &i, &err) || watch_batch(w, &i, &err)
             ? -1 : 0;
    if (rc == 0)
        rc = w->lacks ? leave(w, id, node, &i, &err)
                      : watched_add(&w->seen, id, node, &err);
    lookup_item_clear(&i);
    if (rc == 0)
        return;
    err_prefix(&err, "statement %s", id_text(id).s);
    if (!w->quiet)
        log_err(&err);
    watched_put_off(&w->seen, id);
    w->later = true;
}

/* ---- rounds -------------------------------------------------------------- */

static bool is_ours(const struct watch *w, const struct challenge_case *c)
{
    return id_equal(c->queue, w->queue) && (strcmp(c->state, "found") == 0 ||
                                            strcmp(c->state, "open") == 0);
}

static void play_case(struct watch *w, const struct challenge_case *c,
                      const char *path)
{
    if (watched_waits(&w->seen, c->dispute))
        return;
    switch (dispute_play(w->v.settings, path, 0)) {
    case CMD_DONE: case CMD_NO:
        return;
    case CMD_SAVED:
        w->plays = w->later = true;
        return;
    default: /* it was told why */
        watched_put_off(&w->seen, c->dispute);
    }
}

/* Every case that is not over is played on. */
static void challenge_all(struct watch *w)
{
    char *dir = file_join(settings_text(w->v.settings, "spool"), "disputes");
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && !cmd_interrupted() && (e = readdir(d))) {
        struct challenge_case c;
        char *path = file_join(dir, e->d_name);
        size_t n = strlen(e->d_name);

        if (n > 5 && strcmp(e->d_name + n - 5, ".json") == 0 &&
            challenge_case_read(&c, path, NULL) == FOUND_ONE && is_ours(w, &c))
            play_case(w, &c, path);
        free(path);
    }
    if (d)
        closedir(d);
    free(dir);
}

/* New statements of a node, oldest first; at most so many are listed. */
static int watch_node(struct watch *w, struct id node, size_t max,
                      struct err *err)
{
    struct buf ids;
    int rc;

    buf_init(&ids, 32u * 16 * ROUND_MAX);
    rc = lookup_of_queue(w->look.lookup, w->queue, node, &ids, max, err);
    for (size_t at = ids.len; rc == 0 && at >= 32 && !cmd_interrupted();
         at -= 32) {
        struct id id = id_at(ids.data + at - 32);

        if (!watched_has(&w->seen, id) && !is_left(w, id))
            watch_statement(w, id, node);
    }
    buf_clear(&ids);
    return rc;
}

/* Answers that count come from nodes of the queue, be they revoked meanwhile;
 * what strangers sign about it is not looked at. */
static int one_round(struct watch *w, struct err *err)
{
    static const struct listed_question nodes = {
        .action = "Nodes", .answer = "Nodes-Response", .key = "node",
        .max = NODES_MAX
    };
    struct id *node = NULL;
    size_t n = 0, max;
    int rc;

    w->later = w->plays = false;
    drain_models_forget(&w->models);
    rc = listed_ids(&w->client, &nodes, &node, &n, err);
    /* what is listed again in each round has to be among those that are seen */
    max = n > WATCHED_MAX / ROUND_MAX ? WATCHED_MAX / n : ROUND_MAX;
    for (size_t i = 0; rc == 0 && i < n && !cmd_interrupted(); i++)
        rc = watch_node(w, node[i], max, err);
    free(node);
    if (rc == 0 && w->challenge)
        challenge_all(w);
    return rc;
}

static void pause_s(unsigned seconds, double end)
{
    const struct timespec second = { .tv_sec = 1 };

    for (unsigned i = 0; i < seconds && !cmd_interrupted() &&
                         (end <= 0 || clock_s() < end); i++)
        nanosleep(&second, NULL);
}

static int rounds(struct watch *w)
{
    double end = w->for_s ? clock_s() + (double)w->for_s : 0;

    for (;;) {
        struct err err = ERR_INIT;

        if (one_round(w, &err)) {
            if (w->once || err.code != ERR_RETRY)
                return cmd_fail_retry(&err);
            log_err(&err);
        }
        if (w->once || cmd_interrupted() || (end > 0 && clock_s() >= end))
            break;
        pause_s(w->plays ? PLAY_S : PAUSE_S, end);
    }
    if (w->failed)
        return CMD_NO;
    return w->later ? CMD_SAVED : CMD_DONE;
}

/* ---- beginning ----------------------------------------------------------- */

static int check_use(struct watch *w, struct err *err)
{
    const char *queue = settings_text(w->v.settings, "queue");

    if (id_parse(&w->queue, queue))
        return err_set(err, ERR_INPUT, "apus watch: the setting queue is"
                       " \"%s\", the id of a queue expected", queue);
    if (w->for_text && cmd_seconds(&w->for_s, w->for_text, "smh"))
        return err_set(err, ERR_INPUT, "apus watch: --for \"%s\": a number and"
                       " s, m or h expected, such as 55m", w->for_text);
    return spot_rate(&w->rate, w->rate_text ? w->rate_text : "0.01", err);
}

static const struct opt watch_opts[] = {
    { 0, "rate", "R", "share of answers to recompute; default 0.01",
      offsetof(struct watch, rate_text) },
    { 0, "challenge", NULL, "dispute wrong answers, resume open disputes",
      offsetof(struct watch, challenge) },
    { 0, "for", "TIME", "time to watch: 55m, 2h; default: until a signal",
      offsetof(struct watch, for_text) },
    { 0, "once", NULL, "watch for one round, for cron",
      offsetof(struct watch, once) },
    { 'm', "model", "MODEL", "the model, if it is not in the store",
      offsetof(struct watch, v.model_name) },
    { .name = NULL }
};

static const struct opt_command watch_command = {
    .name = "apus watch",
    .synopsis = "[--rate R] [--challenge] [--for TIME] [--once] [-m MODEL]",
    .about = "Follow the statements about batches of the queue, and recompute"
             " a sample of\ntheir answers, drawn by a secret of this spool."
             "  Print each wrong answer, and\nwrite a case for apus dispute."
             "  Exit status 3 if an answer was wrong, 75 if a\nstatement could"
             " not be checked yet.",
    .opts = watch_opts,
};

/* The id of the model that -m names. */
static int find_named(struct watch *w, struct err *err)
{
    struct model_record rec;
    char *path;
    int rc;

    if (!w->v.model_name)
        return 0;
    if (models_resolve(&path, settings_text(w->v.settings, "models"),
                       w->v.model_name, log_line, err))
        return -1;
    rc = model_peek(&rec, &w->named, path, err);
    free(path);
    return rc;
}

static int watch(struct watch *w)
{
    struct err err = ERR_INIT;
    int status;

    if (check_use(w, &err))
        return cmd_misused(&err);
    cmd_catch_signals();
    look_init(&w->look, &w->v);
    w->look.computed = case_of_wrong;
    /* where there is no wallet, its disputes are nobody's */
    if (client_open_ask(&w->client, w->v.settings, NULL, &err)) {
        look_clear(&w->look);
        return cmd_fail(&err);
    }
    if (find_named(w, &err) ||
        watched_open(&w->seen, settings_text(w->v.settings, "spool"), &err) ||
        look_network(&w->look, &err))
        status = cmd_fail_retry(&err);
    else
        status = rounds(w);
    watched_close(&w->seen);
    drain_models_forget(&w->models);
    client_close(&w->client);
    look_clear(&w->look);
    return status;
}

int cmd_watch(struct settings *s, int argc, char **argv)
{
    struct watch w = { .v = { .settings = s } };
    size_t n_args;
    int status = cmd_begin(&watch_command, s, argc, argv, &w, NULL, &n_args);

    if (status == CMD_GO) {
        w.v.o.recompute = CHECK_ALL;
        w.v.o.claim = verify_print_wrong;
        w.v.o.self = &w.v;
        status = watch(&w);
    }
    backend_close(w.v.o.backend);
    prompt_model_clear(&w.v.model);
    return status;
}
