/*
 * apus dispute: the challenger of a published answer, up to the verdict.
 */
#include <config.h>

#include "cmd/dispute.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/verify_look.h"
#include "dispute/judge.h"
#include "model/model.h"
#include "model/models.h"
#include "node/challenge.h"
#include "node/disputes.h"
#include "queue/client.h"

struct run {
    struct look look;
    struct verify v;
    const char *for_text, *model_name;
    bool dry;
    struct client client;
    struct challenge g;
    struct model *model;
    struct id item;
    bool has_case;
};

static void print_line(void *self, const char *text)
{
    (void)self;
    printf("%s\n", text);
    fflush(stdout);
}

/* ---- which answer -------------------------------------------------------- */

/* What was named: a case, its dispute, or the item of a result. */
static int find_case(struct run *u, const char *what, struct err *err)
{
    struct id id;
    char *path;
    enum found found;

    if (id_parse(&id, what)) {
        found = challenge_case_read(&u->g.c, what, err);
        if (found == FOUND_NONE)
            return err_set(err, ERR_INPUT, "\"%s\" is neither the id of a"
                           " result or of a dispute, nor a case", what);
    } else {
        path = challenge_case_path(settings_text(u->v.settings, "spool"), id);
        found = challenge_case_read(&u->g.c, path, err);
        free(path);
    }
    if (found == FOUND_FAILED)
        return -1;
    u->has_case = found == FOUND_ONE;
    u->item = u->has_case ? u->g.c.item : id;
    return 0;
}

/* The case of an answer that was disputed before, by the item's name. */
static int find_earlier(struct run *u, struct err *err)
{
    char *path = challenge_case_path(settings_text(u->v.settings, "spool"),
                                     u->g.c.dispute);
    enum found found = FOUND_NONE;

    if (!u->has_case)
        found = challenge_case_read(&u->g.c, path, err);
    free(path);
    return found == FOUND_FAILED ? -1 : 0;
}

static int take_result(struct run *u, const struct lookup_item *i,
                       struct err *err)
{
    struct published p;
    int rc = -1;

    published_init(&p);
    if (claims_result(&u->look.claims, &i->it, &p) || u->look.claims.failed)
        err_set(err, ERR_INPUT, "\"%s\" is not a result, or contradicts"
                " itself", id_text(u->item).s);
    else if (models_open_hashed(&u->model,
                                settings_text(u->v.settings, "models"),
                                u->model_name ? u->model_name
                                              : id_text(p.result.model).s,
                                NULL, err))
        err_prefix(err, "to recompute the answer");
    else
        rc = challenge_init(&u->g, u->item, &p, u->model, err) ||
             find_earlier(u, err) ? -1 : 0;
    published_clear(&p);
    return rc;
}

static int open_answer(struct run *u, struct err *err)
{
    struct lookup_item i;
    int rc;

    lookup_item_init(&i, PUBLISHED_MAX + ITEM_HEAD_MAX);
    rc = look_network(&u->look, err) ||
         lookup_get(u->look.lookup, u->item, &i, err) ||
         take_result(u, &i, err) ? -1 : 0;
    lookup_item_clear(&i);
    return rc;
}

/* ---- playing ------------------------------------------------------------- */

static int status_of(enum challenge_end end, const struct err *err)
{
    switch (end) {
    case CHALLENGE_WON: return CMD_DONE;
    case CHALLENGE_LOST: return CMD_NO;
    case CHALLENGE_OPEN: log_info("%s", err->text); return CMD_SAVED;
    default: return cmd_fail_retry(err);
    }
}

/* What it would do. */
static int show_plan(struct run *u, struct err *err)
{
    char choice[JUDGE_PICK_MAX + 1];
    enum found found = challenge_first(&u->g, choice, err);

    if (found == FOUND_FAILED)
        return -1;
    printf("dispute\t%s\nrequest\t%s\nstate\t%s\n",
           id_text(u->g.c.dispute).s, id_text(u->g.c.request).s,
           u->g.c.state);
    printf("first pick\t%s\n", found == FOUND_ONE
           ? choice : "none: the answer is what the model gives");
    return 0;
}

/* Whether it ended in an earlier run, and the exit status then. */
static bool is_over(const struct run *u, int *status)
{
    bool won = strcmp(u->g.c.state, "won") == 0;

    if (!won && strcmp(u->g.c.state, "lost") != 0)
        return false;
    printf("verdict\t%s\n", u->g.c.state);
    *status = won ? CMD_DONE : CMD_NO;
    return true;
}

static int play(struct run *u, const char *what)
{
    struct err err = ERR_INIT;
    int status;

    if (find_case(u, what, &err))
        return cmd_misused(&err);
    if (is_over(u, &status))
        return status;
    if (open_answer(u, &err))
        return cmd_fail_retry(&err);
    if (is_over(u, &status))
        return status;
    if (u->dry)
        return show_plan(u, &err) ? cmd_fail(&err) : CMD_DONE;
    return status_of(challenge_play(&u->g, &err), &err);
}

/* ---- all that are open --------------------------------------------------- */

static int list_side(struct run *u, bool as_node, struct err *err)
{
    struct id *id;
    size_t n;
    int rc = 0;

    if (disputes_list(&u->client, as_node, &id, &n, err))
        return -1;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct dispute d;
        enum found found = disputes_get(&u->client, &d, id[i], err);

        rc = found == FOUND_FAILED ? -1 : 0;
        if (found != FOUND_ONE)
            continue;
        printf("%s\t%s\trequest %s\tmove %u\tturn %s\n", id_text(id[i]).s,
               as_node ? "node" : "challenger", id_text(d.request).s,
               (unsigned)d.judge.number, d.node_turn ? "node" : "challenger");
        dispute_clear(&d);
    }
    free(id);
    return rc;
}

static int list_all(struct run *u)
{
    struct err err = ERR_INIT;

    return list_side(u, true, &err) || list_side(u, false, &err)
               ? cmd_fail_retry(&err) : CMD_DONE;
}

static const struct opt dispute_opts[] = {
    { 0, "for", "TIME", "time to wait for the node: 55m, 2h; default: none",
      offsetof(struct run, for_text) },
    { 0, "dry", NULL, "print the first pick, and open nothing",
      offsetof(struct run, dry) },
    { 'm', "model", "MODEL", "the model, if it is not in the store",
      offsetof(struct run, model_name) },
    { .name = NULL }
};

static const struct opt_command dispute_command = {
    .name = "apus dispute",
    .synopsis = "RESULT|DISPUTE|CASE|list [--for TIME] [--dry] [-m MODEL]",
    .about = "Dispute a published answer to a request of the queue: recompute"
             " it, find the\nfirst difference, and pick until the judge in the"
             " queue has a verdict.  Rerun to\nresume a dispute; `list` prints"
             " those of this wallet.  Print one line for each\nmove.  Exit"
             " status 0 if the judge agreed, 3 if not, 75 if the dispute is"
             " open.",
    .opts = dispute_opts, .min_args = 1, .max_args = 1,
};

static int run_dispute(struct run *u, const char *what)
{
    const struct caller caller = { .stop = cmd_interrupted,
                                   .note = log_note };
    struct err err = ERR_INIT;
    int status;

    if (client_open(&u->client, u->v.settings, NULL, &err))
        return cmd_fail(&err);
    u->v.o.claim = verify_print_wrong;
    u->v.o.self = &u->v;
    look_init(&u->look, &u->v);
    u->g.settings = u->v.settings;
    u->g.caller = &caller;
    u->g.client = &u->client;
    u->g.line = print_line;
    status = strcmp(what, "list") == 0 ? list_all(u) : play(u, what);
    challenge_clear(&u->g);
    model_close(u->model);
    look_clear(&u->look);
    client_close(&u->client);
    return status;
}

int dispute_play(struct settings *s, const char *what, uint64_t for_s)
{
    struct run u = { .v = { .settings = s } };

    u.g.for_s = for_s;
    return run_dispute(&u, what);
}

int cmd_dispute(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct run u = { .v = { .settings = s } };
    size_t n_args;
    int status = cmd_begin(&dispute_command, s, argc, argv, &u, args, &n_args);

    if (status != CMD_GO)
        return status;
    if (u.for_text && cmd_seconds(&u.g.for_s, u.for_text, "smh")) {
        log_error("apus dispute: --for \"%s\": a number and s, m or h expected,"
                  " such as 55m", u.for_text);
        return CMD_MISUSED;
    }
    cmd_catch_signals();
    return run_dispute(&u, args[0]);
}
