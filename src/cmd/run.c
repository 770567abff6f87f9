/*
 * apus run: answer the requests of a file.  The file becomes a batch of the
 * spool, a worker answers it, the answers are exported: each step can be run
 * again, so this can.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/output.h"
#include "base/settings.h"
#include "cmd/answers_out.h"
#include "cmd/cmd.h"
#include "cmd/keep.h"
#include "cmd/named.h"
#include "cmd/progress.h"
#include "cmd/run_from.h"
#include "model/model.h"
#include "model/models.h"
#include "node/work.h"
#include "spool/source.h"
#include "spool/spool.h"
#include "store/export.h"
#include "store/refusals.h"
#include "store/scan.h"

#define SUFFIX ".jsonl"
#define SUFFIX_OUT ".out.jsonl"

struct run_command {
    struct settings *settings;
    const char *in_path, *out_path, *model_name;
    const char *from;     /* instead of in_path: answers */
    struct run_from made; /* the requests that they answer */
    bool trust;
    char *default_out;
    bool quiet, strict, no_reuse;
    int status;           /* of a run that was done */

    char *model_path;
    struct id model;
    uint32_t context;     /* of it */
    struct spool *spool;
    struct batch batch;
    bool worked;          /* a worker ran */
    struct progress progress;
};

/* ---- the steps ----------------------------------------------------------- */

/* What can be known of the files without reading them. */
static int check_files(struct run_command *r, struct err *err)
{
    if (!source_is_stdin(r->in_path) && access(r->in_path, R_OK))
        return err_errno(err, ERR_INPUT, "cannot open \"%s\"", r->in_path);
    if (output_check(r->out_path, err))
        return err_prefix(err, "output");
    /* before a spool is made for it */
    return source_look(r->in_path, err);
}

/* Where the model is, and its id; the worker reads it. */
static int find_model(struct run_command *r, struct err *err)
{
    struct model_record rec;

    if (models_resolve(&r->model_path, settings_text(r->settings, "models"),
                       r->model_name, log_line, err))
        return r->from ? run_from_no_model(&r->made, r->from, err) : -1;
    if (model_peek(&rec, &r->model, r->model_path, err) ||
        work_check_group(r->settings, &rec, err))
        return -1;
    r->context = rec.context;
    return r->from ? run_from_check_model(&r->made, r->model, r->from, err)
                   : 0;
}

/* The answers become a file of requests like any other. */
static int take_from(struct run_command *r, struct err *err)
{
    if (!r->from)
        return 0;
    if (run_from_make(&r->made, r->settings, r->from, r->trust, err))
        return -1;
    r->in_path = r->made.path;
    if (!r->out_path)
        r->out_path = r->made.out;
    if (!r->model_name)
        r->model_name = r->made.model_id;
    return 0;
}

/* The batch of this file and model, wherever it stands already. */
static int make_batch(struct run_command *r, struct err *err)
{
    struct batch_part part = { .source = r->made.source };
    struct source *from = NULL;
    bool existed;
    int rc;

    /* what is read once is opened before a spool is made for it */
    if (!r->from && !source_is_file(r->in_path) &&
        source_open(&from, r->in_path, err))
        return -1;
    if (spool_open(&r->spool, settings_text(r->settings, "spool"), err)) {
        source_close(from);
        return -1;
    }
    if (r->from)
        rc = spool_add_part(r->spool, r->in_path, &part, r->model,
                            r->out_path, &r->batch, &existed, err);
    else if (from)
        rc = spool_add_opened(r->spool, r->in_path, from, r->model,
                              r->out_path, &r->batch, &existed, err);
    else
        rc = spool_add_file(r->spool, r->in_path, r->model, r->out_path,
                            &r->batch, &existed, err);
    if (rc)
        return -1;
    log_info("%sbatch %s",
             existed && !work_is_done(&r->batch) ? "resuming " : "",
             id_text(r->batch.id).s);
    if (!existed)
        work_warn_repeated(&r->batch, NULL);
    return 0;
}

/* The most tokens that may come, for an estimate before the first answer. */
static uint64_t most_tokens(const struct run_command *r)
{
    struct scan scan = { .n = 0 };
    struct batch_info info;
    uint64_t n = 0;

    if (r->quiet || batch_info_read(&info, r->batch.path, NULL))
        return 0;
    if (scan_read(&scan, r->batch.path, &info, NULL) == 0)
        for (uint32_t i = 0; i < scan.n; i++) {
            const struct scan_line *l = &scan.line[i];
            uint32_t most = l->max_tokens < r->context ? l->max_tokens
                                                       : r->context;

            n += l->malformed ? 0 : (uint64_t)most * l->n_choices;
        }
    scan_clear(&scan);
    batch_info_clear(&info);
    return n;
}

static enum work_end answer_requests_file(struct run_command *r,
                                          struct err *err)
{
    const struct caller caller = { .stop = cmd_interrupted,
                                   .progress = progress_report,
                                   .self = &r->progress };
    struct work_options o = {
        .settings = r->settings, .model_path = r->model_path,
        .quiet = r->quiet, .caller = &caller, .reports_saved = true,
    };

    if (work_is_done(&r->batch)) {
        log_info("already complete; rewriting the output");
        return WORK_DONE;
    }
    r->worked = true;
    o.most_tokens = most_tokens(r);
    r->progress.quiet = r->quiet;
    return work_here(r->spool, &r->batch, &o, err);
}

/* The batch by itself: a part of another file may be this one. */
static struct named as_named(struct run_command *r)
{
    return (struct named){ .batch = &r->batch, .n = 1, .is_file = true };
}

static int write_answers(struct run_command *r, struct err *err)
{
    const struct named named = as_named(r);
    struct refusals refusals = { .n = 0 };
    struct export_counts n;

    progress_clear(&r->progress);
    if (answers_write(&named, r->out_path, false, &n, err) ||
        (!n.damage.code &&
         refusals_read(&refusals, r->batch.path, false, err)))
        return -1;
    r->status = n.damage.code ? CMD_NO : cmd_refused(&refusals, r->strict);
    if (!r->worked && refusals_are_old(&refusals, r->batch.path))
        log_warning("an earlier version refused line %" PRIu64 ": apus rm %.8s,"
                    " then the same command, ask this one", refusals.line,
                    id_text(r->batch.id).s);
    if (r->worked)
        progress_end(&r->progress, n.answered, n.refused, n.tokens);
    else
        log_info("%" PRIu64 " answered, %" PRIu64 " refused", n.answered,
                 n.refused);
    return 0;
}

/* What there is so far, beside the output if that is a file. */
static int write_partial(struct run_command *r, struct err *err)
{
    const struct named named = as_named(r);
    struct export_counts n = { .missing = 0 };
    char *path;
    enum found found = answers_write_beside(&path, &named, r->out_path, &n,
                                            err);

    if (found == FOUND_NONE && n.missing)
        log_info("saved before the first answer: run it again to go on");
    else if (found == FOUND_NONE)
        log_info("saved, not all is answered: run it again to go on");
    if (found == FOUND_FAILED && !file_exists(r->batch.path)) {
        log_info("saved, and put away meanwhile: apus status %.8s shows where",
                 id_text(r->batch.id).s);
        return 0;
    }
    if (found != FOUND_ONE)
        return found == FOUND_FAILED ? -1 : 0;
    log_info("saved: %" PRIu64 " of %" PRIu64 " are in \"%s\"; run it"
             " again to go on", n.answered + n.refused,
             n.answered + n.refused + n.missing, path);
    free(path);
    return 0;
}

/* ---- the command --------------------------------------------------------- */

static enum work_end do_run(struct run_command *r, struct err *err)
{
    enum work_end end;

    if (take_from(r, err) || check_files(r, err) || find_model(r, err) ||
        make_batch(r, err))
        return WORK_FAILED;
    end = answer_requests_file(r, err);
    if (end == WORK_SAVED ? write_partial(r, err)
                          : end == WORK_DONE && write_answers(r, err))
        return WORK_FAILED;
    return end;
}

static void run_clear(struct run_command *r)
{
    batch_clear(&r->batch);
    spool_close(r->spool);
    free(r->model_path);
    free(r->default_out);
    run_from_clear(&r->made);
}

/* FILE.jsonl gives FILE.out.jsonl, what is not a file standard output. */
static char *output_name(const char *in)
{
    size_t n = strlen(in), suffix = strlen(SUFFIX);

    if (source_is_stdin(in) ||
        (access(in, F_OK) == 0 && !source_is_file(in)))
        return xstrdup("-");
    if (n > suffix && strcmp(in + n - suffix, SUFFIX) == 0)
        n -= suffix;
    return xasprintf("%.*s%s", (int)n, in, SUFFIX_OUT);
}

/* What is wrong with the command line itself. */
static int check_use(struct run_command *r, struct err *err)
{
    if (!r->in_path == !r->from)
        return err_set(err, ERR_INPUT, "apus run: FILE.jsonl or --from"
                       " expected, one of them");
    if (!r->model_name && !r->from)
        return err_set(err, ERR_INPUT,
                       "apus run: no model, give one with -m (see apus model"
                       " --help)");
    if (!r->out_path)
        return 0;
    return keep_not_input("run", r->from ? r->from : r->in_path, r->out_path,
                          err);
}

static int run_and_report(struct run_command *r)
{
    struct err err = ERR_INIT;
    enum work_end end;

    if (check_use(r, &err))
        return cmd_misused(&err);
    end = do_run(r, &err);
    progress_clear(&r->progress);
    if (end == WORK_DONE)
        return r->status;
    if (end == WORK_SAVED)
        return CMD_SAVED;
    return cmd_fail_retry(&err);
}

static const struct opt run_opts[] = {
    { 'm', "model", "MODEL",
      "name, id, model or GGUF file, or Hugging"
      " Face directory",
      offsetof(struct run_command, model_name) },
    { 'o', "output", "OUT.jsonl",
      "where the answers go; default:"
      " FILE.out.jsonl",
      offsetof(struct run_command, out_path) },
    { 0, "from", "FILE|BATCH|ID", "compute these answers again",
      offsetof(struct run_command, from) },
    { 0, "trust", NULL,
      "with --from: a file that was not made in this"
      " spool",
      offsetof(struct run_command, trust) },
    { 'q', "quiet", NULL, "show no progress, only what goes wrong",
      offsetof(struct run_command, quiet) },
    { 0, "no-reuse", NULL,
      "compute every answer, also those that the"
      " spool has",
      offsetof(struct run_command, no_reuse) },
    { 0, "strict", NULL,
      "exit status 4 if any request is refused, not"
      " only if all are",
      offsetof(struct run_command, strict) },
    { .name = NULL }
};

static const struct opt_command run_command = {
    .name = "apus run",
    .synopsis = "FILE.jsonl -m MODEL | --from FILE|BATCH|ID [--trust]"
                " [-o OUT.jsonl] [-q] [--no-reuse] [--strict] [--batch N]"
                " [--ranks N] [--tp K]",
    .about = "Answer the requests of a file in the form of the OpenAI"
             " Batch API, in their\norder, one line each.  A request that"
             " is refused has its error in its line.\nRun it again and it"
             " resumes.\n\n"
             "With --from, compute the answers of a part of a checkpoint,"
             " of a batch in the\nspool or the file that it was made of,"
             " or of a result or a statement on Arweave\nagain, as a batch"
             " of its own.",
    .opts = run_opts, .min_args = 0, .max_args = 1,
};

int cmd_run(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct run_command r = { .settings = s };
    size_t n_args;
    int status = cmd_begin(&run_command, s, argc, argv, &r, args, &n_args);

    if (status == CMD_GO) {
        r.in_path = n_args ? args[0] : NULL;
        if (r.in_path && !r.out_path)
            r.out_path = r.default_out = output_name(r.in_path);
        /* --from asks to compute again what is there */
        if (r.no_reuse || r.from)
            settings_set(s, "reuse", "no", NULL);
        if (r.quiet)
            log_init("apus", LOG_LEVEL_WARNING);
        status = work_is_twin() ? CMD_DONE : run_and_report(&r);
    }
    run_clear(&r);
    return status;
}
