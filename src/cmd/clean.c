/*
 * apus clean and apus rm: remove batches from the spool, old ones of some
 * states or those that are named, with their logs.  What came from AO stays
 * until its answers were sent and can no longer be disputed, and what was sent
 * until it is confirmed.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/plain.h"
#include "base/settings.h"
#include "base/sys.h"
#include "base/vec.h"
#include "cmd/cmd.h"
#include "cmd/named.h"
#include "jobs/launcher.h"
#include "node/drained.h"
#include "node/owners.h"
#include "push/push.h"
#include "spool/file_split.h"
#include "spool/spool.h"

#define DAY_S 86400
#define WHY_MAX ((size_t)4 << 10)
#define OUT_MAX ((size_t)64 << 20)
#define TRIES 8         /* of a batch that others move meanwhile */
#define MANY 100        /* batches: to remove their files may take a while */
#define PATIENCE_MS 500 /* for their files; what takes longer is left alone */

enum { REMOVED, KEPT, MOVED };

struct jobs {
    const struct launcher *launcher; /* NULL: there is none */
    struct launch_job *job;          /* sorted by batch */
    size_t n;
    const struct launch_job **doomed; /* of job: to be cancelled */
    size_t n_doomed;
};

struct clean {
    struct settings *settings;
    struct spool *spool;
    struct doomed *doomed;
    const char *older, *state;
    uint64_t older_s;
    bool dry_run, json, wait;
    bool disputable;     /* remove them, too: */
    uint64_t disputed_s; /* age up to which answers to AO may be disputed */
    struct jobs slurm, local; /* those that there are */
    bool jobs_known, jobs_named; /* it was asked for them; batches are named */
    struct buf out;      /* lines, or the objects of --json */
    uint64_t removed, kept, failed;
};

/* ---- what is said -------------------------------------------------------- */

static void put_batch(struct clean *c, const struct batch *b,
                      const char *state, const struct batch_info *i,
                      uint64_t age_s, const char *kept)
{
    char id[ID_TEXT];

    base64url(id, b->id.b, 32);
    if (c->json) {
        buf_puts(&c->out, c->out.len > 1 ? ",{" : "{");
        json_put_text(&c->out, "batch", id);
        json_put_text(&c->out, "state", state);
        json_put_number(&c->out, "age_s", age_s);
        json_put_number(&c->out, "requests", i->n_requests);
        json_put_text(&c->out, "source", i->source);
        json_put_bool(&c->out, "removed", !kept && !c->dry_run);
        json_put_text(&c->out, "kept", kept);
        buf_puts(&c->out, "}\n");
    } else if (!kept) {
        buf_printf(&c->out, "%s\t%s\t%s\t%" PRIu64 "d\t%" PRIu64 "\t",
                   c->dry_run ? "would remove" : "removed", id, state,
                   age_s / DAY_S, i->n_requests);
        /* tabs and line feeds of a path would break the line */
        if (i->source)
            plain_put(&c->out, i->source, strlen(i->source));
        buf_putc(&c->out, '\n');
    }
    if (kept)
        log_warning("batch %s %s: it is kept", id, kept);
}

/* A failed one that somebody cancelled is of a state of its own here. */
static const char *state_of(const struct batch *b)
{
    const char *state = spool_state_name(b->state);
    struct buf why;

    buf_init(&why, WHY_MAX);
    if (b->state == SPOOL_FAILED &&
        batch_file_read(&why, b->path, "why", NULL) == FOUND_ONE &&
        why.len >= strlen(BATCH_CANCELLED) &&
        memcmp(why.data, BATCH_CANCELLED, strlen(BATCH_CANCELLED)) == 0)
        state = BATCH_CANCELLED;
    buf_clear(&why);
    return state;
}

/* ---- one batch ----------------------------------------------------------- */

/* A batch whose owner is dead is not worked on: bring it back.  Unlike status
 * and drain this may be the first to see it. */
static int adopt(struct clean *c, struct batch *b, struct err *err)
{
    struct owners *o;
    enum taking rc;

    if (c->dry_run ||
        (b->state != SPOOL_RUNNING && b->state != SPOOL_SENDING))
        return 0;
    o = owners_ask(b, 1);
    rc = owners_adopt(c->spool, b, o, err);
    owners_free(o);
    return rc == TAKING_FAILED ? -1 : 0;
}

static bool has_owner(const struct batch *b)
{
    struct owners *o = owners_ask(b, 1);
    enum owner_life life = owner_judge(b, owners_over, o, OWNER_STALE_S);

    owners_free(o);
    return life != OWNER_DEAD;
}

/* Why it must stay, or NULL. */
static const char *must_stay(const struct clean *c, const struct batch *b,
                             const struct batch_info *i, uint64_t age_s)
{
    if (b->state == SPOOL_RUNNING && has_owner(b))
        return "is worked on (apus cancel ends that)";
    if (b->state == SPOOL_SENDING && has_owner(b))
        return "is being sent";
    if (i->from_ao && b->state != SPOOL_SENT)
        return "came from AO and is not sent";
    if (b->state == SPOOL_SENT && push_is_begun(b->path) &&
        !push_is_confirmed(b->path))
        return "is sent and not confirmed (apus push looks)";
    if (b->state == SPOOL_SENT && i->from_ao && !c->disputable &&
        age_s < c->disputed_s)
        return "has answers that may yet be disputed, and drain needs it to"
               " answer (--disputable removes it)";
    return NULL;
}

/* Of what the queue said last to apus drain; without drain nobody answers
 * disputes. */
static void read_window(struct clean *c)
{
    struct err err = ERR_INIT;
    struct drained last;
    enum found found = drained_read(&last, c->spool, &err);

    if (found == FOUND_ONE)
        c->disputed_s = drained_kept(last.window_s, last.turn_s);
    if (found != FOUND_FAILED || c->disputable)
        return;
    log_warning("%s: nothing that came from AO is removed; run apus drain, or"
                " give --disputable", err.text);
    c->disputed_s = UINT64_MAX;
}

static void remove_log(const struct clean *c, const char *id)
{
    char *path = xasprintf("%s/log/%s.log", spool_dir(c->spool), id);

    sys_unlink(path);
    free(path);
}

static int list_jobs(struct jobs *jobs, const struct launcher *l,
                     struct err *err)
{
    if (l->list(&jobs->job, &jobs->n, err))
        return -1;
    jobs->launcher = l;
    return 0;
}

/* All jobs, with one question: where Slurm does not answer, those of this
 * machine. */
static void ask_jobs(struct clean *c, const struct batch *b)
{
    const char *setting = settings_text(c->settings, "launcher");
    const struct launcher *l;
    struct err err = ERR_INIT;
    int rc;

    if (c->jobs_known)
        return;
    c->jobs_known = true;
    list_jobs(&c->local, launcher_find("local"), NULL);
    if (strcmp(setting, "local") == 0)
        return;
    rc = launcher_choose(&l, setting, &err);
    if (rc == 0 && strcmp(l->name, "slurm") == 0)
        rc = list_jobs(&c->slurm, l, &err);
    if (rc && (c->jobs_named || b->state == SPOOL_TODO))
        log_warning("a job may wait for what is removed, and would find"
                    " nothing: %s", err.text);
}

static void doom_job_in(struct clean *c, struct jobs *jobs,
                        const struct batch *b)
{
    const struct launch_job *j;
    char id[ID_TEXT];

    base64url(id, b->id.b, 32);
    j = jobs->launcher ? launch_job_of(jobs->job, jobs->n, id,
                                       spool_inode(c->spool)) : NULL;
    /* one that runs for a batch in another state is just ending */
    if (!j || (b->state != SPOOL_TODO && j->state != LAUNCH_PENDING))
        return;
    VEC_MORE(jobs->doomed, jobs->n_doomed);
    jobs->doomed[jobs->n_doomed++] = j;
}

/* A job that waits for a batch which is removed would find nothing. */
static void doom_jobs(struct clean *c, const struct batch *b)
{
    ask_jobs(c, b);
    doom_job_in(c, &c->slurm, b);
    doom_job_in(c, &c->local, b);
}

/* With one call for many. */
static void cancel_jobs(struct clean *c, struct jobs *jobs)
{
    const char **ids = xcalloc(jobs->n_doomed + 1, sizeof(*ids));
    struct err err = ERR_INIT;

    for (size_t i = 0; i < jobs->n_doomed; i++)
        ids[i] = jobs->doomed[i]->id;
    if (jobs->n_doomed && !c->dry_run &&
        jobs->launcher->cancel_all(ids, jobs->n_doomed, &err)) {
        err_prefix(&err, "not all of %zu jobs that wait are cancelled",
                   jobs->n_doomed);
        log_err(&err);
        c->failed++;
        jobs->n_doomed = 0;
    }
    for (size_t i = 0; i < jobs->n_doomed; i++) {
        const struct launch_job *j = jobs->doomed[i];

        log_info("batch %s: job %s, which waits for it, %s cancelled",
                 j->batch, j->name[0] ? j->name : j->id,
                 c->dry_run ? "would be" : "is");
    }
    free(ids);
    free(jobs->doomed);
    free(jobs->job);
}

/* REMOVED, or to be; KEPT; MOVED, by another process; -1. */
static int clean_one(struct clean *c, const struct batch *b, uint64_t age_s,
                     struct err *err)
{
    const char *state = state_of(b), *kept;
    struct batch_info info;
    int rc = 0;

    if (batch_info_read(&info, b->path, err))
        return -1;
    kept = must_stay(c, b, &info, age_s);
    if (!kept && !c->dry_run)
        rc = doomed_add(c->doomed, b, err);
    if (rc == 0 && !kept && !c->dry_run)
        remove_log(c, id_text(b->id).s);
    if (rc == 0 && !kept)
        doom_jobs(c, b);
    if (rc == 0) {
        put_batch(c, b, state, &info, age_s, kept);
        c->removed += !kept;
        c->kept += kept != NULL;
    }
    batch_info_clear(&info);
    return rc < 0 ? -1 : rc > 0 ? MOVED : kept ? KEPT : REMOVED;
}

/* One that was named: where it is by now, wherever it was.  It may be gone,
 * for instance since it was named twice. */
static int clean_this(struct clean *c, struct batch *b, struct err *err)
{
    char id[ID_TEXT];

    base64url(id, b->id.b, 32);
    for (int i = 0; i < TRIES; i++) {
        uint64_t age_s;
        int rc = adopt(c, b, err) || spool_age(c->spool, b, &age_s, err)
                     ? -1 : 0;

        if (rc == 0)
            rc = clean_one(c, b, age_s, err);
        if (rc == REMOVED || rc == KEPT || (rc < 0 && file_exists(b->path)))
            return rc;
        batch_clear(b);
        if (spool_find(c->spool, id, b, NULL))
            return REMOVED;
    }
    return err_set(err, ERR_RETRY, "batch %s was moved %d times by other"
                   " processes: run it again", id, TRIES);
}

static void failed(struct clean *c, const struct err *err)
{
    log_err(err);
    c->failed++;
}

/* ---- many ---------------------------------------------------------------- */

static int clean_old(struct clean *c, const struct batch *b, struct err *err)
{
    uint64_t age_s;

    if (spool_age(c->spool, b, &age_s, err))
        return -1;
    if (c->older && age_s <= c->older_s)
        return 0;
    if (c->state && strcmp(c->state, state_of(b)) != 0)
        return 0;
    return clean_one(c, b, age_s, err) < 0 ? -1 : 0;
}

static int clean_state(struct clean *c, enum spool_state state,
                       struct err *err)
{
    struct batch *list;
    size_t n;

    if (spool_list(c->spool, state, &list, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        /* one that cannot be removed does not keep the next, and one that
         * another has moved or removed meanwhile is not a failure */
        if (clean_old(c, &list[i], err) && file_exists(list[i].path))
            failed(c, err);
        batch_clear(&list[i]);
    }
    free(list);
    return 0;
}

static int adopt_state(struct clean *c, enum spool_state state,
                       struct err *err)
{
    struct batch *list;
    size_t n;

    if (c->dry_run)
        return 0;
    if (spool_list(c->spool, state, &list, &n, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (adopt(c, &list[i], err))
            failed(c, err);
        batch_clear(&list[i]);
    }
    free(list);
    return 0;
}

/* What waits is removed only if its state is named. */
static int clean_all(struct clean *c, struct err *err)
{
    static const enum spool_state states[] = { SPOOL_DONE, SPOOL_SENT,
                                               SPOOL_FAILED };

    if (adopt_state(c, SPOOL_RUNNING, err) ||
        adopt_state(c, SPOOL_SENDING, err))
        return -1;
    if (c->state && strcmp(c->state, spool_state_name(SPOOL_TODO)) == 0)
        return clean_state(c, SPOOL_TODO, err);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (clean_state(c, states[i], err))
            return -1;
    return 0;
}

/* All names are looked up before the first batch goes. */
static int clean_named(struct clean *c, const char **names, size_t n,
                       struct err *err)
{
    struct named found;

    if (named_find_all(&found, c->spool, names, n, err))
        return -1;
    for (size_t i = 0; i < found.n; i++)
        if (clean_this(c, &found.batch[i], err) < 0)
            failed(c, err);
    named_clear(&found);
    return 0;
}

/* A submit or run that was killed while it copied a file, into many batches
 * perhaps. */
static void clear_unfinished(struct clean *c, struct err *err)
{
    size_t n;

    if (spool_clear_unfinished(c->spool, !c->dry_run, &n, err))
        failed(c, err);
    if (n)
        log_info("%zu unfinished cop%s of files in \"%s/%s\", of processes"
                 " that ended, %s", n, n == 1 ? "y" : "ies",
                 spool_dir(c->spool), spool_state_name(SPOOL_TMP),
                 c->dry_run ? "would be removed" : "removed");
}

static int choose(struct clean *c, const char **names, size_t n,
                  struct err *err)
{
    if (!c->dry_run && spool_sweep(c->spool, err))
        failed(c, err);
    clear_unfinished(c, err);
    return n ? clean_named(c, names, n, err) : clean_all(c, err);
}

/* What is said to be removed cannot come back.  It is said before the files
 * go, which may take minutes where the file system waits for the disk. */
static int say_removed(struct clean *c, struct err *err)
{
    if (c->json)
        buf_puts(&c->out, "]\n");
    if (doomed_sync(c->doomed, err) ||
        buf_check(&c->out, "what was removed", err))
        return -1;
    if (c->out.len)
        fwrite(c->out.data, 1, c->out.len, stdout);
    fflush(stdout);
    return 0;
}

/* Of many, in a process of its own, so that this one need not wait. */
static int remove_files(struct clean *c, struct err *err)
{
    enum doomed_end end;

    if (c->removed < MANY || c->wait || c->dry_run)
        return doomed_remove(c->doomed, err);
    end = doomed_leave(c->doomed, PATIENCE_MS, err);
    if (end == DOOMED_CONTINUES)
        log_info("the files of %" PRIu64 " batches are being removed in the"
                 " background (--wait waits for that); if it is interrupted,"
                 " the next apus clean completes it", c->removed);
    return end == DOOMED_FAILED ? -1 : 0;
}

static int do_clean(struct clean *c, const char **names, size_t n,
                    struct err *err)
{
    int rc = -1;

    buf_init(&c->out, OUT_MAX);
    if (c->json)
        buf_putc(&c->out, '[');
    if (spool_open_there(&c->spool, settings_text(c->settings, "spool"), err))
        goto out;
    c->doomed = doomed_new(c->spool);
    read_window(c);
    rc = choose(c, names, n, err);
    cancel_jobs(c, &c->slurm);
    cancel_jobs(c, &c->local);
    if (rc == 0)
        rc = say_removed(c, err);
    if (rc == 0 && !c->dry_run && file_split_tidy(c->spool, err))
        failed(c, err);
    if (rc == 0 && remove_files(c, err))
        failed(c, err);
    if (rc == 0)
        log_info("%" PRIu64 " %s, %" PRIu64 " kept, %" PRIu64 " failed",
                 c->removed, c->dry_run ? "would be removed" : "removed",
                 c->kept, c->failed);
out:
    doomed_free(c->doomed);
    buf_clear(&c->out);
    spool_close(c->spool);
    return rc;
}

/* ---- the commands -------------------------------------------------------- */

static int check_use(struct clean *c, size_t n_names, struct err *err)
{
    static const char *const states[] = { "done", "sent", "failed",
                                          "cancelled", "todo" };
    bool known = !c->state;

    if (c->older && cmd_seconds(&c->older_s, c->older, "hdw"))
        return err_set(err, ERR_INPUT, "apus clean: --older \"%s\": a number"
                       " and h, d or w expected, such as 30d", c->older);
    for (size_t i = 0; !known && i < sizeof(states) / sizeof(states[0]); i++)
        known = strcmp(c->state, states[i]) == 0;
    if (!known)
        return err_set(err, ERR_INPUT, "apus clean: --state \"%s\": done,"
                       " sent, failed, cancelled or todo expected", c->state);
    if (n_names && (c->older || c->state))
        return err_set(err, ERR_INPUT, "apus clean: batches are named, or"
                       " chosen by --older and --state");
    if (!n_names && !c->older && !c->state)
        return err_set(err, ERR_INPUT, "apus clean: no batch, --older or"
                       " --state, such as --older 30d");
    return 0;
}

static int run_clean(struct clean *c, const char **names, size_t n)
{
    struct err err = ERR_INIT;
    int status;

    c->jobs_named = n > 0;
    status = do_clean(c, names, n, &err) ? cmd_fail(&err) : CMD_DONE;

    /* what was named and stays is not what was asked for */
    return c->failed || (n && c->kept) ? CMD_FAILED : status;
}

static const struct opt clean_opts[] = {
    { 0, "older", "AGE", "what was not changed for longer: 30d, 12h, 4w",
      offsetof(struct clean, older) },
    { 0, "state", "STATE", "done, sent, failed, cancelled or todo;"
      " default: all but todo", offsetof(struct clean, state) },
    { 0, "dry-run", NULL, "remove nothing, only say what",
      offsetof(struct clean, dry_run) },
    { 0, "json", NULL, "print an array of objects",
      offsetof(struct clean, json) },
    { 0, "disputable", NULL, "also what may yet be disputed at the queue",
      offsetof(struct clean, disputable) },
    { 0, "wait", NULL, "end when the files of many are removed, too",
      offsetof(struct clean, wait) },
    { .name = NULL }
};

static const struct opt_command clean_command = {
    .name = "apus clean",
    .synopsis = "[BATCH|FILE ...] [--older AGE] [--state STATE] [--dry-run]"
                " [--disputable] [--json] [--wait]",
    .about = "Remove batches from the spool, with their logs: those that"
             " are named, or that are\nolder than AGE or of a state."
             "  What is worked on stays, what came from AO and is\nnot"
             " sent or may yet be disputed, and what is sent and not"
             " confirmed.",
    .opts = clean_opts, .max_args = SIZE_MAX,
};

int cmd_clean(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct clean c = { .settings = s };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&clean_command, s, argc, argv, &c, args, &n_args);

    if (status == CMD_GO && check_use(&c, n_args, &err)) {
        log_err(&err);
        status = CMD_MISUSED;
    }
    if (status == CMD_GO)
        status = run_clean(&c, args, n_args);
    free(args);
    return status;
}

static const struct opt rm_opts[] = {
    { 0, "dry-run", NULL, "remove nothing, only say what",
      offsetof(struct clean, dry_run) },
    { 0, "json", NULL, "print an array of objects",
      offsetof(struct clean, json) },
    { 0, "disputable", NULL, "also what may yet be disputed at the queue",
      offsetof(struct clean, disputable) },
    { 0, "wait", NULL, "end when the files of many are removed, too",
      offsetof(struct clean, wait) },
    { .name = NULL }
};

static const struct opt_command rm_command = {
    .name = "apus rm",
    .synopsis = "BATCH|FILE ... [--dry-run] [--disputable] [--json] [--wait]",
    .about = "Remove these batches from the spool, whatever their state,"
             " with their answers and\nlogs; apus clean says what stays.",
    .opts = rm_opts, .min_args = 1, .max_args = SIZE_MAX,
};

int cmd_rm(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct clean c = { .settings = s };
    size_t n_args;
    int status = cmd_begin(&rm_command, s, argc, argv, &c, args, &n_args);

    if (status == CMD_GO)
        status = run_clean(&c, args, n_args);
    free(args);
    return status;
}
