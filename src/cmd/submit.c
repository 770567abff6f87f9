/*
 * apus submit: start workers for batches in the background, here or as jobs
 * of Slurm.  Nothing is waited for: apus status tells how far they are.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/start.h"
#include "cmd/work.h"
#include "engine/model.h"
#include "engine/models.h"
#include "store/resume.h"
#include "store/spool.h"

struct submit {
    struct settings *settings;
    const char *model, *output, *nodes_text;
    bool dry_run;
    struct spool *spool;
    struct start start;
    char *model_path; /* of the file at hand; NULL: the store's */
};

/* ---- before -------------------------------------------------------------- */

static int prepare(struct submit *s, struct err *err)
{
    uint64_t n = 0;

    if (s->nodes_text && (json_u64_text(s->nodes_text, &n) || n < 1 ||
                          n > 100000))
        return err_set(err, ERR_INPUT, "apus submit: --nodes \"%s\": a number"
                       " expected", s->nodes_text);
    if (start_init(&s->start, s->settings, NULL, err))
        return -1;
    s->start.nodes = (unsigned)n;
    s->start.dry_run = s->dry_run;
    return 0;
}

static void say(const char *line)
{
    log_info("%s", line);
}

static bool is_jsonl(const char *name)
{
    size_t n = strlen(name);

    return n > 6 && strcmp(name + n - 6, ".jsonl") == 0;
}

/* A file becomes a batch first. */
static int add_file(struct submit *s, const char *file, struct batch *b,
                    struct err *err)
{
    struct model_record rec;
    unsigned char id[32];
    bool existed;
    char *path, *real;
    int rc;

    if (!s->model)
        return err_set(err, ERR_INPUT, "apus submit: \"%s\" needs a model,"
                       " give one with -m", file);
    if (models_resolve(&path, settings_text(s->settings, "models"), s->model,
                       say, err))
        return -1;
    rc = model_peek(&rec, id, path, err);
    /* a job may begin in another directory */
    real = realpath(path, NULL);
    free(path);
    free(s->model_path);
    s->model_path = real;
    if (rc || spool_add_file(s->spool, file, id, s->output, b, &existed, err))
        return -1;
    return 0;
}

static int find(struct submit *s, const char *name, struct batch *b,
                struct err *err)
{
    return is_jsonl(name) ? add_file(s, name, b, err)
                          : spool_find(s->spool, name, b, err);
}

/* ---- starting ---------------------------------------------------------- */

/* A person who names a batch forgives the starts that got nowhere. */
static int submit_batch(struct submit *s, struct batch *b, bool named,
                        struct err *err)
{
    char id[ID_TEXT];

    base64url(id, b->id, 32);
    if (work_is_done(b)) {
        log_info("batch %s is done", id);
        return 0;
    }
    /* a dry run changes nothing */
    if (!s->dry_run && (work_prepare(s->spool, b, err) ||
                        (named && resume_again(b->path, err))))
        return -1;
    return start_batch(&s->start, b, s->model_path, err);
}

static int submit_named(struct submit *s, const char *name, struct err *err)
{
    struct batch b = { .path = NULL };
    int rc = find(s, name, &b, err);

    if (rc == 0)
        rc = submit_batch(s, &b, true, err);
    free(s->model_path);
    s->model_path = NULL;
    batch_clear(&b);
    return rc;
}

static int submit_todo(struct submit *s, struct err *err)
{
    struct batch *list;
    int rc = 0;
    size_t n;

    if (spool_list(s->spool, SPOOL_TODO, &list, &n, err))
        return -1;
    if (n == 0)
        log_info("nothing is to be done in \"%s\"", spool_dir(s->spool));
    for (size_t i = 0; i < n; i++) {
        if (rc == 0)
            rc = submit_batch(s, &list[i], false, err);
        batch_clear(&list[i]);
    }
    free(list);
    return rc;
}

static int do_submit(struct submit *s, const char **names, size_t n,
                     struct err *err)
{
    if (spool_open(&s->spool, settings_text(s->settings, "spool"), err))
        return -1;
    s->start.spool = s->spool;
    if (n == 0)
        return submit_todo(s, err);
    for (size_t i = 0; i < n; i++)
        if (submit_named(s, names[i], err))
            return -1;
    return 0;
}

int cmd_submit(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct submit sub = { .settings = s };
    const struct opt opts[] = {
        { 'm', "model", "MODEL", "of a FILE.jsonl", &sub.model, NULL },
        { 0, "nodes", "N", "of Slurm; default: one", &sub.nodes_text, NULL },
        { 0, "dry-run", NULL, "start nothing, print the command", NULL,
          &sub.dry_run },
        { 0, NULL, NULL, NULL, NULL, NULL }
    };
    const struct opt_command command = {
        .name = "apus submit",
        .synopsis = "[BATCH|FILE.jsonl ...] [-m MODEL] [--nodes N]"
                    " [--ranks N] [--dry-run]",
        .about = "Start workers in the background, for these batches or all"
                 " in todo, as the setting\nlauncher says: here or in Slurm."
                 "  Print a line each: batch, launcher, job.",
        .opts = opts, .max_args = SIZE_MAX,
    };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&command, s, argc, argv, args, &n_args);

    if (status == CMD_GO) {
        if (prepare(&sub, &err)) {
            log_err(&err);
            status = err.code == ERR_RETRY ? CMD_SAVED : CMD_MISUSED;
        } else {
            status = do_submit(&sub, args, n_args, &err) ? cmd_fail(&err)
                                                         : CMD_DONE;
        }
    }
    spool_close(sub.spool);
    start_clear(&sub.start);
    free(args);
    return status;
}
