/*
 * apus check: what a file of requests would ask for.  The worker does it, as
 * all that parses a model; this program becomes it.
 */
#include <config.h>

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "model/models.h"
#include "node/work.h"

struct check_command {
    const char *model, *file;
    bool json, strict;
};

static int check_requests_file(const struct check_command *c,
                               const struct settings *s, struct err *err)
{
    const char *store = settings_text(s, "models");
    const char *argv[12];
    char *worker, *path, *models, *tensors;
    size_t n = 0;

    if (models_find(&path, store, c->model, err))
        return -1;
    worker = work_worker_path();
    models = xasprintf("--models=%s", store);
    tensors = xasprintf("--tensors=%s", settings_text(s, "tensors"));
    argv[n++] = worker;
    argv[n++] = models;
    argv[n++] = tensors;
    argv[n++] = "--model";
    argv[n++] = path;
    if (c->json)
        argv[n++] = "--json";
    if (c->strict)
        argv[n++] = "--strict";
    argv[n++] = "--check";
    argv[n++] = c->file;
    argv[n] = NULL;
    fflush(stdout);
    execv(worker, (char **)argv);
    err_errno(err, ERR_FATAL, "cannot start \"%s\"", worker);
    free(models);
    free(tensors);
    free(worker);
    free(path);
    return -1;
}

static const struct opt check_opts[] = {
    { 'm', "model", "MODEL", "name, id or model file",
      offsetof(struct check_command, model) },
    { 0, "strict", NULL,
      "exit status 4 if any request would be refused,"
      " not only if all would",
      offsetof(struct check_command, strict) },
    { 0, "json", NULL, "print an object a line",
      offsetof(struct check_command, json) },
    { .name = NULL }
};

static const struct opt_command check_command = {
    .name = "apus check",
    .synopsis = "FILE -m MODEL [--strict] [--json]",
    .about = "Tell which requests of a file would be refused, how many"
             " tokens their prompts have\nand how many may come.  Nothing"
             " is computed and nothing is queued.",
    .opts = check_opts, .min_args = 1, .max_args = 1,
};

int cmd_check(struct settings *s, int argc, char **argv)
{
    const char *args[1] = { NULL };
    struct check_command c = { .model = NULL };
    struct err err = ERR_INIT;
    size_t n_args;
    int status = cmd_begin(&check_command, s, argc, argv, &c, args, &n_args);

    if (status == CMD_GO && !c.model) {
        err_set(&err, ERR_INPUT, "apus check: no model, give one with -m");
        status = cmd_misused(&err);
    }
    if (status == CMD_GO) {
        c.file = args[0];
        status = check_requests_file(&c, s, &err) ? cmd_fail(&err) : CMD_DONE;
    }
    return status;
}
