/*
 * apus submit: start workers for batches in the background, here or as jobs
 * of Slurm.  Nothing is waited for: apus status tells how far they are.
 */
#include <config.h>

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/output.h"
#include "base/plural.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "cmd/keep.h"
#include "cmd/named.h"
#include "node/owners.h"
#include "node/start.h"
#include "cmd/wait.h"
#include "node/work.h"
#include "model/model.h"
#include "model/models.h"
#include "jobs/launcher.h"
#include "store/resume.h"
#include "spool/file_split.h"
#include "spool/source.h"
#include "spool/spool.h"

#define GPUS_MAX 64 /* of a node */
#define TRIES 8 /* of a batch that others move meanwhile */

struct submit {
    struct settings *settings;
    const char *model, *output, *nodes_text, *gpus_text, *split_text;
    bool dry_run, todo, wait, strict, no_reuse;
    size_t split;             /* batches of a file; 0: one */
    struct spool *spool;      /* NULL: a dry run without any */
    struct source **opened;   /* of each name; NULL: is opened when it is
                                 added, or was */
    size_t n_opened;
    struct source *source;    /* of the name at hand, or NULL */
    struct start start;
    char *model_path;         /* absolute, of the option; NULL: the store's */
    struct id model_id;
    struct launch_job *jobs;  /* all there are, sorted by batch */
    size_t n_jobs;
    bool unmet;               /* something that was asked for was not done */
    bool later;               /* and all of it may be done later */
    struct named started;     /* of the name at hand */
    struct wait_for *waits;   /* what --wait waits for */
    size_t n_waits;
};

/* ---- before -------------------------------------------------------------- */

/* A file to be split is read more than once; nothing has been read yet. */
static int check_split(const struct submit *s, const char **names, size_t n,
                       struct err *err)
{
    if (s->split && s->dry_run)
        return err_set(err, ERR_INPUT, "apus submit: --split has no dry run:"
                       " its batches would have to be made");
    if (s->split && s->output && !s->wait)
        return err_set(err, ERR_INPUT, "apus submit: -o with --split needs"
                       " --wait; apus wait -o writes it later");
    for (size_t i = 0; s->split && i < n; i++)
        if (named_is_file(names[i]) && !source_is_file(names[i]))
            return err_set(err, ERR_INPUT, "apus submit: --split needs a"
                           " file, and \"%s\" is none", names[i]);
    return 0;
}

static void print_line(const char *line)
{
    printf("%s\n", line);
}

/* Where standard output is for the answers. */
static void print_aside(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static void print_job(const struct submit *s, const char *id,
                      const char *launcher, const char *job)
{
    char *line = xasprintf("%s\t%s\t%s", id, launcher, job);

    s->start.print(line);
    free(line);
}

/* A job that asks for GPUs computes on them, or says why not. */
static int take_gpus(struct submit *s, struct err *err)
{
    const char *kernel = settings_text(s->settings, "kernel");
    uint64_t n = 0;

    if (!s->gpus_text)
        return 0;
    if (json_u64_text(s->gpus_text, &n) || n < 1 || n > GPUS_MAX)
        return err_set(err, ERR_INPUT, "apus submit: --gpus \"%s\": 1 to %d"
                       " expected", s->gpus_text, GPUS_MAX);
    if (settings_from_flag(s->settings, "kernel") &&
        strcmp(kernel, "auto") != 0 && strcmp(kernel, "cuda") != 0)
        return err_set(err, ERR_INPUT, "apus submit: --gpus with kernel = %s,"
                       " which computes on CPUs: --kernel cuda", kernel);
    if (strcmp(s->start.launcher->name, "slurm") != 0)
        return err_set(err, ERR_INPUT, "apus submit: --gpus asks Slurm for"
                       " GPUs, and workers start on this machine: --kernel"
                       " cuda --ranks %" PRIu64, n);
    if (start_gpus(&s->start, (unsigned)n, err))
        return err_prefix(err, "apus submit");
    return settings_set(s->settings, "kernel", "cuda", err);
}

static int prepare(struct submit *s, const char **names, size_t n_names,
                   struct err *err)
{
    uint64_t n = 0;

    if (s->nodes_text && (json_u64_text(s->nodes_text, &n) || n < 1 ||
                          n > 100000))
        return err_set(err, ERR_INPUT, "apus submit: --nodes \"%s\": a number"
                       " from 1 to 100000 expected", s->nodes_text);
    if (s->split_text) {
        uint64_t split = 0;

        if (json_u64_text(s->split_text, &split) || split < 1 ||
            split > FILE_SPLIT_MAX)
            return err_set(err, ERR_INPUT, "apus submit: --split \"%s\": 1 to"
                           " %d expected", s->split_text, FILE_SPLIT_MAX);
        s->split = (size_t)split;
    }
    if (check_split(s, names, n_names, err))
        return -1;
    if (s->wait && (s->dry_run || s->todo || n_names == 0))
        return err_set(err, ERR_INPUT, "apus submit: --wait waits for files"
                       " and batches that are named and started");
    if (s->output && n_names != 1)
        return err_set(err, ERR_INPUT, "apus submit: -o is for one file");
    if (s->output && keep_not_input("submit", names[0], s->output, err))
        return -1;
    if (s->output && !s->wait && output_is_descriptor(s->output))
        return err_set(err, ERR_INPUT, "apus submit: -o \"%s\" is of this"
                       " process alone: it needs --wait", s->output);
    if (s->output && output_check(s->output, err))
        return err_prefix(err, "output");
    if (start_init(&s->start, s->settings, NULL, err))
        return -1;
    s->start.nodes = (unsigned)n;
    if (take_gpus(s, err))
        return -1;
    s->start.dry_run = s->dry_run;
    s->start.print = s->output && output_is_stdout(s->output) ? print_aside
                                                              : print_line;
    return 0;
}

/* The model that was named, and its id. */
static int find_model(struct submit *s, struct err *err)
{
    const char *store = settings_text(s->settings, "models");
    struct model_record rec;
    char *path;
    int rc;

    if (!s->model)
        return 0;
    if (s->dry_run ? models_find(&path, store, s->model, err)
                   : models_resolve(&path, store, s->model, log_line, err))
        return -1;
    rc = model_peek(&rec, &s->model_id, path, err);
    if (rc == 0)
        rc = work_check_group(s->settings, &rec, err);
    /* a job may begin in another directory */
    s->model_path = realpath(path, NULL);
    free(path);
    return rc;
}

/* Whether a worker would find the model of a batch: the one that was named, or
 * the store's. */
static int check_model(const struct submit *s, const struct batch_info *info,
                       struct err *err)
{
    const char *store = settings_text(s->settings, "models");
    char *path;
    struct model_record rec;
    struct id id;
    int rc;

    if (s->model && !id_equal(s->model_id, info->model))
        return err_set(err, ERR_INPUT,
                       "batch %s is of the model %s, and"
                       " \"%s\" is %s",
                       id_text(info->id).s, id_text(info->model).s, s->model,
                       id_text(s->model_id).s);
    if (s->model)
        return 0;
    path = models_path(store, info->model);
    rc = model_peek(&rec, &id, path, err);
    free(path);
    if (rc)
        return err_prefix(err,
                          "batch %s needs the model %s (apus model add,"
                          " or -m its file)",
                          id_text(info->id).s, id_text(info->model).s);
    return 0;
}

/* ---- jobs that there are ------------------------------------------------- */

/* Of what was said on the command line, what the job at hand knows nothing
 * of; "" if there is nothing. */
static const char *unused_options(const struct submit *s)
{
    if (s->nodes_text)
        return "--nodes";
    if (s->gpus_text)
        return "--gpus";
    if (settings_from_flag(s->settings, "ranks"))
        return "--ranks";
    if (settings_from_flag(s->settings, "tp"))
        return "--tp";
    return settings_from_flag(s->settings, "sbatch") ? "--sbatch" : "";
}

/* 1 and a line if a job of this batch pends or runs. */
static int report_job(struct submit *s, const char *id)
{
    const struct launch_job *j = launch_job_of(s->jobs, s->n_jobs, id,
                                               s->spool ? spool_inode(s->spool)
                                                        : 0);
    const char *unused = unused_options(s), *what;
    bool waits;

    if (!j)
        return 0;
    waits = j->state == LAUNCH_PENDING;
    what = strcmp(s->start.launcher->name, "slurm") == 0 ? "job" : "process";
    log_info("batch %s: %s %s %s already%s%s%s; apus cancel %.8s ends it", id,
             what, j->name, waits ? "waits" : "works on it",
             waits && j->reason[0] ? " (" : "", waits ? j->reason : "",
             waits && j->reason[0] ? ")" : "", id);
    if (*unused) {
        log_warning("batch %s: nothing was submitted, and %s was not used",
                    id, unused);
        s->unmet = !s->wait;
    }
    if (!s->dry_run)
        print_job(s, id, s->start.launcher->name, j->id);
    return 1;
}

/* ---- starting ---------------------------------------------------------- */

/* What its worker left, also a job of Slurm. */
static int adopt(const struct submit *s, struct batch *b, struct err *err)
{
    struct owners *o;
    enum taking rc;

    if (b->state != SPOOL_RUNNING)
        return 0;
    o = owners_ask(b, 1);
    rc = owners_adopt(s->spool, b, o, err);
    owners_free(o);
    return rc == TAKING_FAILED ? -1 : 0;
}

/* A person who names a batch forgives the starts that got nowhere. */
static int submit_batch(struct submit *s, struct batch *b,
                        const struct batch_info *info, bool named,
                        struct err *err)
{
    struct err own = ERR_INIT;
    char id[ID_TEXT];

    err = err_or(err, &own);
    base64url(id, b->id.b, 32);
    if (work_is_done(b)) {
        log_info("batch %s is done", id);
        return 0;
    }
    if (check_model(s, info, err))
        return -1;
    if (report_job(s, id))
        return 0;
    /* a dry run changes nothing */
    if (!s->dry_run && (adopt(s, b, err) || work_prepare(s->spool, b, err) ||
                        (named && resume_again(b->path, err))))
        return -1;
    if (s->todo) {
        print_job(s, id, "-", "-");
        return 0;
    }
    if (start_batch(&s->start, b, info, s->model_path, err) == 0)
        return 0;
    /* it is there, which its user may not expect */
    if (named && !s->dry_run && err->code == ERR_INPUT)
        log_info("batch %s stays in todo: apus submit or apus drain starts it,"
                 " apus cancel %.8s puts it away", id, id);
    return -1;
}

/* As submit_batch, of where it is by now; nothing is started before it is
 * known. */
static int submit_here(struct submit *s, struct batch *b, bool named,
                       struct err *err)
{
    struct batch_info info;
    int rc;

    if (batch_info_read(&info, b->path, err))
        return -1;
    rc = submit_batch(s, b, &info, named, err);
    batch_info_clear(&info);
    return rc;
}

/* As submit_batch, of one in the spool.  A worker may move it meanwhile. */
static int submit_there(struct submit *s, struct batch *b, bool named,
                        struct err *err)
{
    int rc = submit_here(s, b, named, err);

    for (int i = 1; rc && i < TRIES && !file_exists(b->path); i++) {
        struct batch now = { .path = NULL };

        if (spool_find(s->spool, id_text(b->id).s, &now, NULL))
            break;
        batch_clear(b);
        *b = now;
        rc = submit_here(s, b, named, err);
    }
    if (rc == 0 && s->wait)
        named_add(&s->started, b);
    return rc;
}

/* Another output than it was submitted with is for apus wait and export. */
static void report_output(const struct submit *s, const struct batch *b)
{
    struct batch_info info;

    if (!s->output || s->wait || batch_info_read(&info, b->path, NULL))
        return;
    if (!info.output || !output_same(info.output, s->output))
        log_warning("batch %s was there before, with %s%s%s: apus wait -o or"
                    " apus export -o writes \"%s\"",
                    id_text(b->id).s, info.output ? "-o \"" : "no -o",
                    info.output ? info.output : "", info.output ? "\"" : "",
                    s->output);
    batch_info_clear(&info);
}

/* Several batches of a file, in its order. */
static int submit_split(struct submit *s, const char *file, struct err *err)
{
    struct file_split parts;
    int rc = 0;

    if (file_split_make(&parts, s->spool, file, s->model_id, s->split, err))
        return -1;
    s->start.many = parts.n > 1;
    log_info("\"%s\": %zu %s", file, parts.n,
             plural(parts.n, "batch", "batches"));
    work_warn_repeated(NULL, file);
    for (size_t i = 0; rc == 0 && i < parts.n; i++) {
        struct batch b = { .path = NULL };

        rc = spool_find(s->spool, id_text(parts.part[i]).s, &b, err);
        if (rc == 0)
            rc = submit_there(s, &b, true, err);
        batch_clear(&b);
    }
    if (s->start.many && !s->todo)
        log_info("messages go to \"%s/log/BATCH.log\"", spool_dir(s->spool));
    s->start.many = false;
    file_split_clear(&parts);
    return rc;
}

/* A file becomes a batch first, or would. */
static int submit_file(struct submit *s, const char *file, struct err *err)
{
    struct batch_info info = { .source = NULL };
    struct batch b = { .path = NULL };
    bool existed;
    int rc;

    if (s->split)
        return submit_split(s, file, err);
    if (s->dry_run) {
        rc = spool_plan_file(s->spool, file, s->model_id, &b, &info, &existed,
                             err);
        if (rc == 0)
            rc = submit_batch(s, &b, &info, true, err);
    } else {
        rc = s->source ? spool_add_opened(s->spool, file, s->source,
                                          s->model_id, s->output, &b,
                                          &existed, err)
                       : spool_add_file(s->spool, file, s->model_id,
                                        s->output, &b, &existed, err);
        s->source = NULL;
        if (rc == 0 && existed)
            report_output(s, &b);
        else if (rc == 0)
            work_warn_repeated(&b, NULL);
        if (rc == 0)
            rc = submit_there(s, &b, true, err);
    }
    batch_info_clear(&info);
    batch_clear(&b);
    return rc;
}

static int submit_named(struct submit *s, const char *name, struct err *err)
{
    struct batch b = { .path = NULL };
    int rc;

    if (named_is_file(name)) {
        named_report_both(s->spool, name);
        return submit_file(s, name, err);
    }
    if (!s->spool)
        return err_set(err, ERR_INPUT, "\"%s\" is not a file, and there is no"
                       " spool \"%s\"", name,
                       settings_text(s->settings, "spool"));
    rc = spool_find(s->spool, name, &b, err);
    if (rc == 0)
        report_output(s, &b);
    if (rc == 0)
        rc = submit_there(s, &b, true, err);
    batch_clear(&b);
    return rc;
}

/* One that cannot be started does not keep the next. */
static int submit_todo(struct submit *s, struct err *err)
{
    struct batch *list = NULL;
    size_t n = 0;

    if (s->spool && spool_list(s->spool, SPOOL_TODO, &list, &n, err))
        return -1;
    if (n == 0)
        log_info("nothing is to be done in \"%s\"",
                 settings_text(s->settings, "spool"));
    for (size_t i = 0; i < n; i++) {
        if (submit_there(s, &list[i], false, err)) {
            s->later = cmd_fail_retry(err) == CMD_SAVED &&
                       (s->later || !s->unmet);
            s->unmet = true;
        }
    }
    spool_list_free(list, n);
    return 0;
}

/* What was started by this name is waited for. */
static void remember(struct submit *s, const char *name)
{
    struct wait_for *w = &s->waits[s->n_waits++];

    w->what = name;
    w->output = s->output;
    w->named = s->started;
    w->named.is_file = named_is_file(name);
    s->started = (struct named){ .n = 0 };
}

/* A file that could become a batch. */
static int check_file(const struct submit *s, const char *file,
                      struct err *err)
{
    if (!s->model)
        return err_set(err, ERR_INPUT, "apus submit: \"%s\" is a file and"
                       " needs a model, give one with -m", file);
    return source_look(file, err);
}

/* Open what is read once: before a spool is made for it. */
static int open_pipes(struct submit *s, const char **names, size_t n,
                      struct err *err)
{
    bool stdin_taken = false;

    s->opened = xcalloc(n, sizeof(*s->opened));
    s->n_opened = n;
    for (size_t i = 0; i < n; i++) {
        bool is_stdin = source_is_stdin(names[i]);

        if (!named_is_file(names[i]) || source_is_file(names[i]) ||
            (is_stdin && stdin_taken))
            continue;
        if (source_open(&s->opened[i], names[i], err))
            return -1;
        stdin_taken |= is_stdin;
    }
    return 0;
}

/* Only a file makes one, and only where all files are good. */
static int open_spool(struct submit *s, const char **names, size_t n,
                      const char *dir, struct err *err)
{
    bool makes = false;

    for (size_t i = 0; i < n; i++) {
        if (!named_is_file(names[i]))
            continue;
        if (check_file(s, names[i], err))
            return -1;
        makes = !s->dry_run;
    }
    if (makes && !file_exists(dir) && open_pipes(s, names, n, err))
        return -1;
    if (makes)
        return spool_open(&s->spool, dir, err);
    return s->dry_run && !file_exists(dir)
               ? 0 : spool_open_there(&s->spool, dir, err);
}

static int do_submit(struct submit *s, const char **names, size_t n,
                     struct err *err)
{
    const char *dir = settings_text(s->settings, "spool");

    if (find_model(s, err))
        return -1;
    if (open_spool(s, names, n, dir, err))
        return -1;
    s->start.spool = s->spool;
    if (!s->todo && s->start.launcher->list(&s->jobs, &s->n_jobs, err) &&
        !s->dry_run)
        return -1;
    if (n == 0)
        return submit_todo(s, err);
    if (s->wait)
        s->waits = xcalloc(n, sizeof(*s->waits));
    for (size_t i = 0; i < n; i++) {
        if (s->n_opened) {
            s->source = s->opened[i];
            s->opened[i] = NULL;
        }
        if (submit_named(s, names[i], err))
            return -1;
        if (s->wait)
            remember(s, names[i]);
    }
    return 0;
}

static const struct opt submit_opts[] = {
    { 'm', "model", "MODEL", "of a file of requests",
      offsetof(struct submit, model) },
    { 'o', "output", "OUT.jsonl", "of a file: where the answers go, when"
      " they are waited for", offsetof(struct submit, output) },
    { 0, "wait", NULL, "until it is done, as apus wait",
      offsetof(struct submit, wait) },
    { 0, "strict", NULL, "with --wait: exit status 4 if any request is"
      " refused", offsetof(struct submit, strict) },
    { 0, "split", "N", "make N batches of a file",
      offsetof(struct submit, split_text) },
    { 0, "nodes", "N", "of Slurm; default: one",
      offsetof(struct submit, nodes_text) },
    { 0, "gpus", "N", "of each node of Slurm, one a rank",
      offsetof(struct submit, gpus_text) },
    { 0, "no-reuse", NULL, "compute every answer, also those that the"
      " spool has", offsetof(struct submit, no_reuse) },
    { 0, "todo", NULL, "start nothing: leave it in todo, for apus drain or"
      " apus-batch.sh", offsetof(struct submit, todo) },
    { 0, "dry-run", NULL, "start nothing, make nothing, print the"
      " command", offsetof(struct submit, dry_run) },
    { .name = NULL }
};

static const struct opt_command submit_command = {
    .name = "apus submit",
    .synopsis = "[BATCH|FILE ...] [-m MODEL] [-o OUT.jsonl] [--wait]"
                " [--strict] [--split N] [--nodes N] [--gpus N] [--ranks N]"
                " [--tp K] [--no-reuse] [--todo|--dry-run]",
    .about = "Start workers in the background, for these batches or all"
             " in todo, as the setting\nlauncher says: here or in Slurm."
             "  Print a line each: batch, launcher, job.  A batch\nthat"
             " has a job already gets no other.",
    .opts = submit_opts, .max_args = SIZE_MAX,
};

int cmd_submit(struct settings *s, int argc, char **argv)
{
    const char **args = xcalloc((size_t)argc, sizeof(*args));
    struct submit sub = { .settings = s };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&submit_command, s, argc, argv, &sub, args, &n_args);

    if (status == CMD_GO) {
        if (sub.no_reuse)
            settings_set(s, "reuse", "no", NULL);
        if (prepare(&sub, args, n_args, &err)) {
            log_err(&err);
            status = err.code == ERR_RETRY ? CMD_SAVED : CMD_MISUSED;
        } else {
            status = do_submit(&sub, args, n_args, &err) ? cmd_fail_retry(&err)
                     : sub.later ? CMD_SAVED
                     : sub.unmet ? CMD_FAILED : CMD_DONE;
        }
    }
    if (status == CMD_DONE && sub.n_waits) {
        fflush(stdout);
        status = wait_all(s, sub.spool, sub.waits, sub.n_waits, sub.strict);
    }
    for (size_t i = 0; i < sub.n_waits; i++)
        named_clear(&sub.waits[i].named);
    free(sub.waits);
    for (size_t i = 0; i < sub.n_opened; i++)
        source_close(sub.opened[i]);
    free(sub.opened);
    named_clear(&sub.started);
    spool_close(sub.spool);
    start_clear(&sub.start);
    free(sub.model_path);
    free(sub.jobs);
    free(args);
    return status;
}
