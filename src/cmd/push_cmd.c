/*
 * apus push: bring sealed batches to Arweave, tell the queue, and look whether
 * earlier uploads are confirmed.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/bundler.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plural.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "commit.h"
#include "node/owners.h"
#include "push/push.h"
#include "spool/spool.h"
#include "store/jobs_file.h"
#include "store/reuse.h"
#include "store/seal.h"

struct pushing {
    struct spool *spool;
    struct push *push;
    bool check;
    uint64_t winc;     /* that --check adds up */
    int status;        /* the worst so far */
};

/* One batch went wrong; the next may not.  What a person must see to wins
 * over what only has to be run again. */
static void failed(struct pushing *c, const struct batch *b,
                   struct err *why)
{
    err_prefix(why, "batch %s", id_text(b->id).s);
    log_err(why);
    if (why->damage && c->status != CMD_FAILED)
        c->status = CMD_NO;
    else if (why->code != ERR_RETRY)
        c->status = CMD_FAILED;
    else if (c->status == CMD_DONE)
        c->status = CMD_SAVED;
    *why = (struct err)ERR_INIT;
}

static void print_report(const struct batch *b, const char *state,
                         const struct push_report *r)
{
    printf("%s\t%s\t%" PRIu64 " results\t%" PRIu64 " uploads\t%" PRIu64
           " bytes\t%" PRIu64 " winc\n",
           id_text(b->id).s, state, r->results, r->uploads, r->bytes, r->winc);
    fflush(stdout);
}

/* ---- one batch ----------------------------------------------------------- */

/* How many answers of a batch have a job that is among others. */
static uint64_t count_repeated(const struct reuse *r, const char *batch_path,
                               uint64_t *of)
{
    struct id job;
    struct jobs_file *f;
    bool there = true;
    uint64_t n = 0;
    uint32_t row;

    for (size_t k = 0; there; k++) {
        char *path = seal_part_path(batch_path, k, "jobs");

        there = jobs_file_open(&f, path, NULL) == 0;
        free(path);
        if (!there)
            break;
        for (; jobs_file_next(f, &job, &row, NULL) == FOUND_ONE; ++*of)
            n += reuse_has(r, job);
        jobs_file_close(f);
    }
    return n;
}

/* Answers that were taken over from a batch which was pushed are results of
 * this batch, too, and cost once more. */
static void report_repeated(struct pushing *c, const struct batch *b)
{
    struct reuse_options o = { .spool = spool_dir(c->spool),
                               .pushed_only = true };
    struct batch_info info = { .n_requests = 0 };
    struct reuse *r = NULL;
    uint64_t n, of = 0;

    if (batch_info_read(&info, b->path, NULL))
        return;
    o.model = info.model;
    batch_info_clear(&info);
    if (reuse_open(&r, &o, NULL))
        return;
    n = reuse_rows(r) ? count_repeated(r, b->path, &of) : 0;
    reuse_close(r);
    if (n)
        log_info("batch %s: %" PRIu64 " of %" PRIu64 " answer%s pushed before,"
                 " in another batch, and paid for again",
                 id_text(b->id).s, n, of, plural_s(of));
}

static int measure(struct pushing *c, const struct batch *b, struct err *err)
{
    struct push_report r;

    if (push_measure(c->push, b, &r, err))
        return -1;
    print_report(b, "would be sent", &r);
    c->winc += r.winc;
    return 0;
}

static void report_queue(struct pushing *c, const struct batch *b,
                         const struct acknowledged *q)
{
    if (!(q->accepted | q->repeated | q->conflicts | q->unknown |
          q->refused | q->released))
        return;
    log_info("batch %s: the queue accepted %" PRIu64 ", had %" PRIu64
             " already, does not know %" PRIu64 "; %" PRIu64 " released",
             id_text(b->id).s, q->accepted, q->repeated, q->unknown,
             q->released);
    /* of which there was a warning */
    if ((q->conflicts || q->refused) && c->status == CMD_DONE)
        c->status = CMD_NO;
}

static int send(struct pushing *c, struct batch *b, struct err *err)
{
    struct push_report r;
    enum taking rc;

    report_repeated(c, b);
    if (c->check)
        return measure(c, b, err);
    rc = push_batch(c->push, b, &r, err);
    if (rc == TAKING_DONE) {
        report_queue(c, b, &r.queue);
        print_report(b, "sent", &r);
    }
    return rc == TAKING_FAILED ? -1 : 0;
}

static int confirm(struct pushing *c, const struct batch *b,
                   struct err *err)
{
    static const char *const name[] = { "sent", "confirmed",
                                        "handed over again" };
    enum push_state state;

    if (c->check)
        return 0;
    if (push_confirm(c->push, b, &state, err))
        return -1;
    printf("%s\t%s\n", id_text(b->id).s, name[state]);
    fflush(stdout);
    return 0;
}

/* Back to done, if whoever pushed it is dead. */
static enum taking adopt(struct pushing *c, struct batch *b, struct err *err)
{
    struct owners *o = owners_ask(b, 1);
    enum taking rc = owners_adopt(c->spool, b, o, err);

    owners_free(o);
    return rc;
}

static int push_named(struct pushing *c, struct batch *b, struct err *err)
{
    enum taking rc = b->state == SPOOL_SENDING && !c->check
                         ? adopt(c, b, err) : TAKING_DONE;
    char who[OWNER_TEXT];

    if (rc == TAKING_LATE) {
        owner_describe(who, sizeof(who), b);
        return err_set(err, ERR_RETRY, "it is being pushed by %s", who);
    }
    if (rc == TAKING_FAILED)
        return -1;
    if (b->state == SPOOL_DONE)
        return send(c, b, err);
    if (b->state == SPOOL_SENT)
        return confirm(c, b, err);
    return err_set(err, ERR_INPUT, "it is in %s: only what is done can be"
                   " pushed", spool_state_name(b->state));
}

/* ---- all of them --------------------------------------------------------- */

/* Without a name: what came from AO, and what somebody named before. */
static int is_wanted(const struct batch *b, bool *wanted, struct err *err)
{
    struct batch_info info;

    if (batch_info_read(&info, b->path, err))
        return -1;
    *wanted = info.from_ao || push_is_begun(b->path);
    batch_info_clear(&info);
    return 0;
}

static int push_one(struct pushing *c, struct batch *b, struct err *err)
{
    bool wanted = false;

    switch (b->state) {
    case SPOOL_SENDING:
        return c->check || adopt(c, b, err) != TAKING_FAILED ? 0 : -1;
    case SPOOL_DONE:
        if (is_wanted(b, &wanted, err))
            return -1;
        return wanted ? send(c, b, err) : 0;
    default:
        return push_is_confirmed(b->path) ? 0 : confirm(c, b, err);
    }
}

static int push_state_of(struct pushing *c, enum spool_state state,
                         struct err *err)
{
    struct batch *list;
    size_t n;

    if (spool_list(c->spool, state, &list, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!cmd_interrupted() && push_one(c, &list[i], err))
            failed(c, &list[i], err);
        batch_clear(&list[i]);
    }
    free(list);
    return 0;
}

static int push_all(struct pushing *c, struct err *err)
{
    /* what others left in sending is done again, and so pushed here */
    return push_state_of(c, SPOOL_SENDING, err) ||
           push_state_of(c, SPOOL_DONE, err) ||
           push_state_of(c, SPOOL_SENT, err) ? -1 : 0;
}

static int push_names(struct pushing *c, const char **names, size_t n,
                      struct err *err)
{
    struct named found;

    if (named_find_all(&found, c->spool, names, n, err))
        return -1;
    for (size_t i = 0; i < found.n && !cmd_interrupted(); i++)
        if (push_named(c, &found.batch[i], err))
            failed(c, &found.batch[i], err);
    named_clear(&found);
    return 0;
}

static int do_push(struct pushing *c, struct settings *s, const char **names,
                   size_t n, struct err *err)
{
    const struct push_options o = {
        .settings = s, .version = PACKAGE_VERSION, .commit = APUS_COMMIT,
        .caller = { .stop = cmd_interrupted, .note = log_note },
    };
    char cost[WINC_TEXT], have[WINC_TEXT];
    uint64_t winc;

    cmd_catch_signals();
    if (spool_open_there(&c->spool, settings_text(s, "spool"), err) ||
        push_new(&c->push, c->spool, &o, err) ||
        (n ? push_names(c, names, n, err) : push_all(c, err)))
        return -1;
    if (!c->check)
        return 0;
    if (push_balance(c->push, &winc, err))
        return -1;
    winc_text(cost, c->winc);
    winc_text(have, winc);
    log_info("all would cost %s; on the account are %s", cost, have);
    return 0;
}

static const struct opt push_opts[] = {
    { 0, "check", NULL, "send nothing, print what it would cost",
      offsetof(struct pushing, check) },
    { .name = NULL }
};

static const struct opt_command push_command = {
    .name = "apus push",
    .synopsis = "[BATCH|FILE ...] [--check] [--max-winc N]"
                " [--confirmations N]",
    .about = "Bring the answers of batches to Arweave and report them to"
             " the queue: the batches\nnamed, or else all that came from"
             " AO or have an unfinished push.  Signed with the\nwallet of"
             " this node; what is published is public for ever.  Then"
             " look whether earlier\nuploads are confirmed.  It can be"
             " killed and run again: nothing is paid twice.\n"
             "\n    apus push --check 0f3x     what it would cost\n"
             "    apus push 0f3x             a batch whose id begins so\n"
             "    apus push                  everything, from cron",
    .opts = push_opts, .max_args = SIZE_MAX,
};

int cmd_push(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct pushing c = { .status = CMD_DONE };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&push_command, s, argc, argv, &c, args, &n_args);

    if (status != CMD_GO) {
        free(args);
        return status;
    }
    if (do_push(&c, s, args, n_args, &err))
        c.status = cmd_fail_retry(&err);
    if (c.status == CMD_DONE && cmd_interrupted())
        c.status = CMD_SAVED;
    push_free(c.push);
    spool_close(c.spool);
    free(args);
    return c.status;
}
