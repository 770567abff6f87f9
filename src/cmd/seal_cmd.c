/*
 * apus seal: make the checkpoint of a batch whose requests are all answered,
 * from its logs, if the worker did not come to it; or repair one.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plural.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "cmd/progress.h"
#include "node/owners.h"
#include "node/work.h"
#include "proof/statement.h"
#include "push/push_items.h"
#include "spool/heartbeat.h"
#include "spool/spool.h"
#include "store/seal.h"
#include "store/seal_again.h"

static int seal_claimed(const struct batch *b, const struct settings *s,
                        struct err *err)
{
    struct seal_options o;
    struct batch_info info;
    int rc;

    if (batch_info_read(&info, b->path, err))
        return -1;
    rc = work_seal_options(&o, s, info.model, err) ||
         (!seal_is_done(b->path) &&
          seal_batch(b->path, &info, &o, 0, 1, true, err)) ? -1 : 0;
    batch_info_clear(&info);
    return rc;
}

/* As spool_adopt, of a job of Slurm too. */
static enum taking adopt(const struct spool *spool, struct batch *b,
                         struct err *err)
{
    struct owners *o = owners_ask(b, 1);
    enum taking rc = owners_adopt(spool, b, o, err);

    owners_free(o);
    return rc;
}

/* todo -> running -> done; back to todo if it cannot be. */
static int seal_open_batch(const struct spool *spool, struct batch *b,
                           const struct settings *s, struct err *err)
{
    struct heartbeat heartbeat;
    char who[OWNER_TEXT];
    enum taking taken = adopt(spool, b, err);
    int rc;

    if (taken == TAKING_LATE) {
        owner_describe(who, sizeof(who), b);
        return err_set(err, ERR_RETRY, "\"%s\" is being worked on by %s:"
                       " wait, or apus cancel it", b->path, who);
    }
    if (taken == TAKING_DONE)
        taken = spool_claim(spool, b, err);
    if (taken == TAKING_LATE)
        return err_set(err, ERR_RETRY, "\"%s\" was taken by another",
                       b->path);
    if (taken == TAKING_FAILED)
        return -1;
    heartbeat_start(&heartbeat, b->path);
    rc = seal_claimed(b, s, err);
    heartbeat_stop(&heartbeat);
    if (rc) {
        spool_move(spool, b, SPOOL_TODO, NULL);
        return -1;
    }
    return spool_leave(spool, b, SPOOL_DONE, err);
}

/* ---- --again ------------------------------------------------------------- */

/* Why parts are other bytes than before, as far as can be known. */
static const char *why_changed(const struct seal_info *was)
{
    return was->format == 1
        ? "they were sealed in layout version 1, which is read and no longer"
          " written"
        : "the settings part-size, tensors, keep-trace, custom-ids or publish,"
          " or the version of apus or HDF5, differ from before";
}

/* A part's SHA-256 stands in a statement that was signed, if one was: say what
 * that means where it is another now. */
static void compare_parts(const struct seal_info *was, const char *batch_path)
{
    struct id item;
    unsigned char record[STATEMENT_SIZE];
    struct seal_info now;
    char id[ID_TEXT];
    bool same;

    if (was->n_parts == 0 || seal_info_read(&now, batch_path, NULL))
        return;
    same = was->n_parts == now.n_parts;
    for (size_t i = 0; same && i < was->n_parts; i++)
        same = id_equal(was->part[i].sha256, now.part[i].sha256);
    seal_info_clear(&now);
    if (same)
        return;
    log_warning("\"%s\": the SHA-256 of its parts changed: %s", batch_path,
                why_changed(was));
    if (push_statement(batch_path, record, &item, NULL))
        return;
    base64url(id, item.b, 32);
    log_warning("the statement %s that was signed names what they were before%s"
                ": apus verify will say so; the answers, and the root that is"
                " signed, are the same", id, was->format == 1
                ? ", which cannot come again" : "");
}

enum repair {
    REPAIR_FAILED = -1,
    REPAIR_SEALED,
    REPAIR_NEEDLESS, /* nothing was damaged */
    REPAIR_COMPUTE   /* some of it must be computed again */
};

/* The batch is ours, in sending. */
static enum repair repair(const struct batch *b, const struct seal_options *o,
                          struct err *err)
{
    const struct caller caller = { .note = log_note };
    enum repair end = REPAIR_FAILED;
    struct err why = ERR_INIT;
    struct seal_again got;
    struct batch_info info;

    if (batch_info_read(&info, b->path, err))
        return REPAIR_FAILED;
    switch (seal_take_apart(b->path, &info, &caller, &got, err)) {
    case SEAL_TAKE_FAILED:
        break;
    case SEAL_UNDAMAGED:
        end = REPAIR_NEEDLESS;
        break;
    case SEAL_TAKEN_APART:
        log_info("%zu of %zu part%s damaged, %" PRIu64 " answer%s kept",
                 got.n_damaged, got.n_parts, plural_s(got.n_parts),
                 got.n_kept, plural_s(got.n_kept));
        if (seal_batch(b->path, &info, o, 0, 1, true, &why) == 0)
            end = REPAIR_SEALED;
        else if (why.code == ERR_RETRY)
            end = REPAIR_COMPUTE;
        else
            err_copy(err, &why);
        break;
    }
    batch_info_clear(&info);
    return end;
}

static enum work_end compute_rest(const struct spool *spool, struct batch *b,
                                  struct settings *s, struct err *err)
{
    struct progress progress = { .quiet = false };
    const struct caller caller = { .stop = cmd_interrupted,
                                   .progress = progress_report,
                                   .self = &progress };
    struct work_options o = { .settings = s, .caller = &caller };
    enum work_end end;

    log_info("computing the other answers again; after an interruption, apus"
             " run or submit resumes");
    end = work_here(spool, b, &o, err);
    progress_clear(&progress);
    return end;
}

/* A batch that was given up has its reasons in the log by now: what is missing
 * is computed, whoever does it. */
static void forget_why(const char *batch_path)
{
    char *path = file_join(batch_path, "why");

    unlink(path);
    free(path);
}

/* done or sent -> sending: ours. */
static int claim_again(const struct spool *spool, struct batch *b,
                       struct seal_options *o, const struct settings *s,
                       struct err *err)
{
    enum taking taken = TAKING_DONE;
    struct batch_info info;
    int rc;

    if (batch_info_read(&info, b->path, err))
        return -1;
    rc = work_seal_options(o, s, info.model, err);
    batch_info_clear(&info);
    if (rc)
        return -1;
    if (b->state == SPOOL_SENT)
        taken = spool_move(spool, b, SPOOL_DONE, err);
    if (taken == TAKING_DONE)
        taken = spool_claim(spool, b, err);
    if (taken == TAKING_LATE)
        return err_set(err, ERR_RETRY, "\"%s\" was taken by another",
                       b->path);
    return taken == TAKING_DONE ? 0 : -1;
}

/* done or sent -> sending -> back, or todo and a worker. */
static enum work_end repair_claimed(const struct spool *spool, struct batch *b,
                                    struct settings *s, struct err *err)
{
    bool was_sent = b->state == SPOOL_SENT;
    struct heartbeat heartbeat;
    struct seal_options o;
    enum repair end;

    if (claim_again(spool, b, &o, s, err))
        return WORK_FAILED;
    heartbeat_start(&heartbeat, b->path);
    end = repair(b, &o, err);
    heartbeat_stop(&heartbeat);
    if (end == REPAIR_FAILED) {
        spool_move(spool, b, SPOOL_DONE, NULL);
        return WORK_FAILED;
    }
    if (end == REPAIR_COMPUTE)
        forget_why(b->path);
    if (spool_leave(spool, b, end == REPAIR_COMPUTE ? SPOOL_TODO
                    : was_sent ? SPOOL_SENT : SPOOL_DONE, err))
        return WORK_FAILED;
    if (end == REPAIR_NEEDLESS)
        log_info("\"%s\": nothing is damaged", b->path);
    if (end != REPAIR_COMPUTE)
        return WORK_DONE;
    if (was_sent)
        log_info("apus push then moves the batch back to sent");
    return compute_rest(spool, b, s, err);
}

static enum work_end seal_again(const struct spool *spool, struct batch *b,
                                struct settings *s, struct err *err)
{
    struct seal_info was = { .n_parts = 0 };
    enum work_end end;

    seal_info_read(&was, b->path, NULL);
    end = repair_claimed(spool, b, s, err);
    if (end == WORK_DONE)
        compare_parts(&was, b->path);
    seal_info_clear(&was);
    return end;
}

/* A batch in sending is being pushed, or repaired, or whoever did that died. */
static int free_sending(const struct spool *spool, struct batch *b,
                        struct err *err)
{
    char who[OWNER_TEXT];
    int rc = adopt(spool, b, err);

    if (rc <= 0)
        return rc;
    owner_describe(who, sizeof(who), b);
    return err_set(err, ERR_RETRY, "\"%s\" is being pushed or repaired by %s:"
                   " wait for that to end", b->path, who);
}

static enum work_end seal_found(const struct spool *spool, struct batch *b,
                                bool again, struct settings *s,
                                struct err *err)
{
    enum work_end end = WORK_DONE;
    int rc = 0;

    if (again && b->state == SPOOL_SENDING)
        rc = free_sending(spool, b, err);
    if (rc == 0 && again && (b->state == SPOOL_DONE || b->state == SPOOL_SENT))
        end = seal_again(spool, b, s, err);
    else if (rc == 0 && b->state != SPOOL_DONE &&
             b->state != SPOOL_SENDING && b->state != SPOOL_SENT)
        rc = seal_open_batch(spool, b, s, err);
    if (rc == 0 && end == WORK_DONE)
        rc = seal_tidy(b->path, err);
    if (rc)
        return WORK_FAILED;
    if (end == WORK_DONE)
        printf("%s\n", b->path);
    return end;
}

struct seal_cmd_options {
    bool again;
};

static const struct opt seal_opts[] = {
    { 0, "again", NULL, "repair a damaged checkpoint",
      offsetof(struct seal_cmd_options, again) },
    { .name = NULL }
};

static const struct opt_command seal_command = {
    .name = "apus seal",
    .synopsis = "BATCH|FILE ... [--again]",
    .about = "Make the checkpoint of batches whose requests are all"
             " answered, from their logs,\nand print where they are."
             "  A checkpoint that is there is not changed.\n\n"
             "With --again, check every file of the checkpoint.  If one is"
             " damaged, keep the\nanswers with correct hashes, compute the"
             " others again with a worker on this machine,\nand seal the"
             " batch anew.",
    .opts = seal_opts, .min_args = 1, .max_args = SIZE_MAX,
};

int cmd_seal(struct settings *s, int argc, char **argv)
{
    struct seal_cmd_options opt = { .again = false };
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct named found = { .n = 0 };
    struct spool *spool = NULL;
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&seal_command, s, argc, argv, &opt, args, &n_args);

    if (status != CMD_GO)
        goto out;
    status = CMD_DONE;
    if (spool_open_there(&spool, settings_text(s, "spool"), &err) ||
        named_find_all(&found, spool, args, n_args, &err))
        status = cmd_fail(&err);
    for (size_t i = 0; status == CMD_DONE && i < found.n; i++) {
        enum work_end end = seal_found(spool, &found.batch[i], opt.again, s,
                                       &err);

        if (end != WORK_DONE)
            status = end == WORK_SAVED ? CMD_SAVED : cmd_fail(&err);
    }
    named_clear(&found);
    spool_close(spool);
out:
    free(args);
    return status;
}
