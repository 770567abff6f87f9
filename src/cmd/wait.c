/*
 * apus wait: until batches are done.  It looks at the spool, and asks for jobs
 * only where a batch waits in todo; what works on a batch is left alone.
 */
#include <config.h>

#include "cmd/wait.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/answers_out.h"
#include "cmd/cmd.h"
#include "cmd/keep.h"
#include "cmd/status_row.h"
#include "model/model.h"
#include "model/models.h"
#include "node/owners.h"
#include "node/work.h"
#include "spool/spool.h"
#include "store/export.h"
#include "store/refusals.h"

/* The pause between two looks grows, so as not to flood Slurm's controller. */
#define PAUSE_MIN_MS 200
#define PAUSE_MAX_MS 10000
#define PAUSE_LOCAL_MS 1000
#define IDLE_LOOKS 3

struct wait_view {
    const struct settings *settings;
    const struct spool *spool;
    struct owners *owners;
    struct status_jobs jobs;
    bool in_slurm;            /* something of it is, or may be */
    bool unknown;             /* nobody says which jobs there are now */
    bool told;                /* that was said */
};

/* ---- one look ------------------------------------------------------------ */

/* Where a batch is now; what its worker left goes back to todo. */
static int find_again(const struct spool *s, struct batch *b,
                      struct err *err)
{
    struct batch now = { .path = NULL };
    enum taking rc;
    struct owners *o;

    if (spool_find(s, id_text(b->id).s, &now, err))
        return -1;
    batch_clear(b);
    *b = now;
    if (b->state != SPOOL_RUNNING)
        return 0;
    o = owners_ask(b, 1);
    rc = owners_adopt(s, b, o, err);
    owners_free(o);
    return rc == TAKING_FAILED ? -1 : 0;
}

/* Say once what changed. */
static void print_change(struct wait_for *w, const char *text)
{
    if (!*text || strcmp(w->said, text) == 0)
        return;
    snprintf(w->said, sizeof(w->said), "%s", text);
    log_info("\"%s\": %s", w->what, text);
}

/* One that is not done: true if a worker has it, or will, as far as anybody
 * knows.  `error` gets why the last start failed. */
static bool is_worked(struct wait_view *l, struct wait_for *w,
                      const struct batch *b, char error[STATUS_TEXT])
{
    struct owners *o = owners_ask(b, 1);
    struct status_row r;
    bool worked = true;
    struct buf text;

    buf_init(&text, 4096);
    if (status_row_init(&r, l->spool, b, o, &l->jobs) == 0) {
        worked = b->state == SPOOL_RUNNING || r.job_state ||
                 (l->unknown && b->state != SPOOL_FAILED);
        l->in_slurm = l->in_slurm || r.in_slurm;
        memcpy(error, r.error, STATUS_TEXT);
        status_row_worker(&r, &text);
        if (worked && w->named.n == 1)
            print_change(w, text.len ? text.data : "");
    }
    status_row_clear(&r);
    owners_free(o);
    buf_clear(&text);
    return worked;
}

/* All batches of it were looked for just now. */
static void judge_batches(struct wait_view *l, struct wait_for *w)
{
    char error[STATUS_TEXT] = "", text[80];
    const struct batch *idle = NULL;
    size_t n_done = 0;

    for (size_t i = 0; i < w->named.n; i++) {
        const struct batch *b = &w->named.batch[i];
        char why[STATUS_TEXT] = "";

        if (work_is_done(b)) {
            n_done++;
        } else if (!is_worked(l, w, b, why) && !idle) {
            idle = b;
            memcpy(error, why, sizeof(error));
        }
    }
    if (w->named.n > 1) {
        snprintf(text, sizeof(text), "%zu of %zu parts done", n_done,
                 w->named.n);
        print_change(w, text);
    }
    /* a look at which nobody knows tells nothing */
    if (idle || !l->unknown)
        w->idle = idle ? w->idle + 1 : 0;
    if (n_done == w->named.n)
        w->end = WAIT_DONE;
    if (!idle || (idle->state != SPOOL_FAILED && w->idle < IDLE_LOOKS))
        return;
    w->end = idle->state == SPOOL_FAILED || error[0] ? WAIT_FAILED
                                                     : WAIT_SAVED;
    if (w->end == WAIT_FAILED)
        log_error("batch %s: %s", id_text(idle->id).s,
                  error[0] ? error : "it failed");
    else
        log_warning("batch %s is in todo and nothing works on it: apus submit"
                    " or apus drain resumes it",
                    id_text(idle->id).s);
}

static void look_at(struct wait_view *l, struct wait_for *w)
{
    struct err err = ERR_INIT;

    for (size_t i = 0; i < w->named.n; i++)
        if (!work_is_done(&w->named.batch[i]) &&
            find_again(l->spool, &w->named.batch[i], &err)) {
            log_err(&err);
            if (err.code == ERR_INPUT)
                w->end = WAIT_FAILED;
            return;
        }
    judge_batches(l, w);
}

static bool any_in_todo(const struct wait_for *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; list[i].end == WAIT_ON && k < list[i].named.n; k++)
            if (!work_is_done(&list[i].named.batch[k]) &&
                list[i].named.batch[k].state != SPOOL_RUNNING)
                return true;
    return false;
}

/* Slurm's controller may be silent for a while: that is said once. */
static void ask_for_jobs(struct wait_view *l)
{
    struct err err = ERR_INIT;

    if (status_jobs_ask(&l->jobs, l->settings, &err) == 0)
        return;
    l->unknown = l->in_slurm = true;
    if (!l->told)
        log_warning("%s: the state of jobs is unknown; waiting for an"
                    " answer", err.text);
    l->told = true;
}

/* How many are not at their end. */
static size_t look_at_all(struct wait_view *l, struct wait_for *list, size_t n)
{
    size_t left = 0;

    l->unknown = false;
    if (any_in_todo(list, n))
        ask_for_jobs(l);
    for (size_t i = 0; i < n; i++) {
        if (list[i].end == WAIT_ON)
            look_at(l, &list[i]);
        left += list[i].end == WAIT_ON;
    }
    status_jobs_clear(&l->jobs);
    return left;
}

/* ---- the end ------------------------------------------------------------- */

static int write_to(const struct wait_for *w, const char *output,
                    struct export_counts *sum, struct err *err)
{
    if (answers_write(&w->named, output, false, sum, err))
        return -1;
    answers_report(sum, output);
    return 0;
}

static int write_output(const struct wait_for *w, struct export_counts *sum,
                        struct err *err)
{
    struct batch_info info;
    int rc;

    if (w->output)
        return write_to(w, w->output, sum, err);
    if (w->named.n != 1)
        return answers_check(&w->named, sum, err);
    if (batch_info_read(&info, w->named.batch[0].path, err))
        return -1;
    rc = info.output ? write_to(w, info.output, sum, err)
                     : answers_check(&w->named, sum, err);
    batch_info_clear(&info);
    return rc;
}

static int finish_wait(const struct wait_for *w, bool strict)
{
    struct export_counts sum = { .damage = ERR_INIT };
    struct err err = ERR_INIT;
    struct refusals refused;

    if (w->end != WAIT_DONE)
        return w->end == WAIT_FAILED ? CMD_FAILED : CMD_SAVED;
    if (write_output(w, &sum, &err))
        return cmd_fail(&err);
    if (sum.damage.code)
        return CMD_NO;
    if (answers_refused(&w->named, &refused, &err))
        return cmd_fail(&err);
    return cmd_refused(&refused, strict);
}

/* The one that tells more: failed, damaged, saved, refused, done. */
static int worse(int a, int b)
{
    static const int order[] = {
        CMD_FAILED, CMD_NO, CMD_SAVED, CMD_REFUSED
    };

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (a == order[i] || b == order[i])
            return order[i];
    return CMD_DONE;
}

int wait_all(const struct settings *s, const struct spool *spool,
             struct wait_for *list, size_t n, bool strict)
{
    struct wait_view l = { .settings = s, .spool = spool };
    long pause_ms = PAUSE_MIN_MS, most;
    int status = CMD_DONE;

    cmd_catch_signals();
    while (look_at_all(&l, list, n) > 0 && !cmd_interrupted()) {
        struct timespec pause = { pause_ms / 1000, pause_ms % 1000 * 1000000 };

        nanosleep(&pause, NULL);
        most = l.in_slurm ? PAUSE_MAX_MS : PAUSE_LOCAL_MS;
        pause_ms = pause_ms * 3 / 2 > most ? most : pause_ms * 3 / 2;
    }
    for (size_t i = 0; i < n; i++) {
        if (list[i].end == WAIT_ON) {
            log_info("\"%s\" is still in progress: apus wait waits again",
                     list[i].what);
            status = worse(status, CMD_SAVED);
        } else {
            status = worse(status, finish_wait(&list[i], strict));
        }
        named_clear(&list[i].named);
    }
    return status;
}

/* ---- the command --------------------------------------------------------- */

/* Id of the model that was named; *model NULL if none was. */
static int find_model(const struct settings *s, const char *name, struct id *id,
                      const struct id **model, struct err *err)
{
    struct model_record rec;
    char *path;
    int rc;

    *model = NULL;
    if (!name)
        return 0;
    if (models_find(&path, settings_text(s, "models"), name, err))
        return -1;
    rc = model_peek(&rec, id, path, err);
    free(path);
    *model = id;
    return rc;
}

static int wait_named(const struct settings *s, const char **names, size_t n,
                      const char *model_name, const char *output, bool strict)
{
    struct wait_for *list = xcalloc(n, sizeof(*list));
    const struct id *model;
    struct spool *spool = NULL;
    struct err err = ERR_INIT;
    struct id id;
    int status = CMD_DONE;
    size_t found = 0;

    if (find_model(s, model_name, &id, &model, &err) ||
        spool_open_there(&spool, settings_text(s, "spool"), &err))
        status = cmd_fail(&err);
    for (; status == CMD_DONE && found < n; found++) {
        list[found].what = names[found];
        list[found].output = output;
        if (named_find(&list[found].named, spool, names[found], model, &err)) {
            status = cmd_fail(&err);
            break;
        }
    }
    if (status == CMD_DONE)
        status = wait_all(s, spool, list, n, strict);
    for (size_t i = 0; i < found; i++)
        named_clear(&list[i].named);
    free(list);
    spool_close(spool);
    return status;
}

struct wait_options {
    const char *model, *output;
    bool strict;
};

static const struct opt wait_opts[] = {
    { 'm', "model", "MODEL", "of a file that several models answer",
      offsetof(struct wait_options, model) },
    { 'o', "output", "OUT.jsonl", "where the answers go; default: where"
      " submit -o said", offsetof(struct wait_options, output) },
    { 0, "strict", NULL, "exit status 4 if any request is refused, not"
      " only if all are", offsetof(struct wait_options, strict) },
    { .name = NULL }
};

static const struct opt_command wait_command = {
    .name = "apus wait",
    .synopsis = "BATCH|FILE ... [-m MODEL] [-o OUT.jsonl] [--strict]",
    .about = "Wait until batches are done, and write their answers.  Exit"
             " 1 if one failed, 75 if\none was saved and nothing continues"
             " it, 4 if every request was refused.  Ctrl-C\nends the"
             " waiting, not the work.",
    .opts = wait_opts, .min_args = 1, .max_args = SIZE_MAX,
};

int cmd_wait(struct settings *s, int argc, char **argv)
{
    struct wait_options opt = { .model = NULL };
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&wait_command, s, argc, argv, &opt, args, &n_args);

    if (status == CMD_GO && opt.output && n_args > 1) {
        log_error("apus wait: -o is for one batch or file");
        status = CMD_MISUSED;
    }
    if (status == CMD_GO && opt.output &&
        keep_not_input("wait", args[0], opt.output, &err))
        status = cmd_misused(&err);
    if (status == CMD_GO)
        status = wait_named(s, args, n_args, opt.model, opt.output, opt.strict);
    free(args);
    return status;
}
