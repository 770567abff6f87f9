/*
 * What apus doctor looks at on this machine.
 */
#include <config.h>

#include "cmd/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/settings.h"
#include "cmd/cmd.h"
#include "commit.h"
#include "jobs/child.h"
#include "jobs/launcher.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/models.h"
#include "node/owners.h"
#include "node/rounds.h"
#include "node/work.h"
#include "spool/spool.h"

#define MIN_FREE ((uint64_t)1 << 30)
#define OUT_MAX 65536
#define SINFO_MAX ((size_t)16 << 20)
#define RUN_MS 30000
#define WHY_MAX 4096
#define OLD_S (2 * 86400)
#define SPOOL_REMEDY "make it writable for this user, or set spool to a" \
                     " directory of its own"

/* ---- the spool ----------------------------------------------------------- */

static void check_space(struct doctor *d, const char *dir)
{
    uint64_t part = settings_count(d->settings, "part-size"), left;
    struct statvfs v;

    if (statvfs(dir, &v)) {
        doctor_bad(d, "space", "look at the file system of the spool",
                   "cannot ask \"%s\": %s", dir, strerror(errno));
        return;
    }
    left = (uint64_t)v.f_bavail * v.f_frsize;
    if (left < MIN_FREE)
        doctor_bad(d, "space", "apus clean --older 30d, or set spool to a"
                   " larger disk", "\"%s\" has %" PRIu64 " MiB left", dir,
                   left >> 20);
    else if (left < part)
        doctor_warn(d, "space", "apus clean --older 30d, or set part-size",
                    "\"%s\" has %" PRIu64 " MiB left, a part of a checkpoint"
                    " may come to %" PRIu64 " MiB", dir, left >> 20,
                    part >> 20);
    else
        doctor_ok(d, "space", "%" PRIu64 " MiB left", left >> 20);
}

/* Where a spool would be made. */
static void check_space_above(struct doctor *d, const char *dir)
{
    char *path = xstrdup(dir), *slash;

    while (!file_is_dir(path) && (slash = strrchr(path, '/')) != NULL)
        *(slash == path ? slash + 1 : slash) = '\0';
    check_space(d, file_is_dir(path) ? path : ".");
    free(path);
}

/* Its states are where batches are made and moved. */
static bool is_writable(struct doctor *d, const char *dir)
{
    bool good = true;

    for (int i = 0; good && i < SPOOL_STATES; i++) {
        char *path = file_join(dir, spool_state_name((enum spool_state)i));

        good = access(path, R_OK | W_OK | X_OK) == 0;
        if (!good)
            doctor_bad(d, "spool", SPOOL_REMEDY, "cannot write in \"%s\": %s",
                       path, strerror(errno));
        free(path);
    }
    return good;
}

void doctor_spool(struct doctor *d)
{
    const char *dir = settings_text(d->settings, "spool");
    struct err err = ERR_INIT;
    struct spool *s;

    if (spool_is_missing(dir)) {
        doctor_warn(d, "spool", "apus run and apus submit make it, or set"
                    " spool to the one that is meant", "no spool at \"%s\"",
                    dir);
        check_space_above(d, dir);
        return;
    }
    if (spool_open_there(&s, dir, &err)) {
        doctor_bad(d, "spool", SPOOL_REMEDY, "%s", err.text);
        return;
    }
    if (is_writable(d, spool_dir(s)))
        doctor_ok(d, "spool", "\"%s\"", dir);
    spool_close(s);
    check_space(d, dir);
}

/* ---- batches that nobody works on --------------------------------------- */

/* How many there are, and the id of the first. */
static size_t count_state(struct spool *s, enum spool_state state,
                          uint64_t older_s, char id[ID_TEXT])
{
    struct batch *list;
    size_t n, count = 0;
    uint64_t age;

    if (spool_list(s, state, &list, &n, NULL))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (spool_age(s, &list[i], &age, NULL) == 0 && age >= older_s &&
            count++ == 0)
            base64url(id, list[i].id.b, 32);
    }
    spool_list_free(list, n);
    return count;
}

/* Whether somebody put it away on purpose. */
static bool is_cancelled(const struct batch *b)
{
    struct buf text;
    bool cancelled;

    buf_init(&text, WHY_MAX);
    cancelled = batch_file_read(&text, b->path, "why", NULL) == FOUND_ONE &&
                text.len >= strlen(BATCH_CANCELLED) &&
                memcmp(text.data, BATCH_CANCELLED,
                       strlen(BATCH_CANCELLED)) == 0;
    buf_clear(&text);
    return cancelled;
}

/* Failed batches, the first of them, and how many were cancelled instead. */
static size_t count_failed(struct spool *s, size_t *cancelled,
                           char id[ID_TEXT])
{
    struct batch *list;
    size_t n, count = 0;

    *cancelled = 0;
    if (spool_list(s, SPOOL_FAILED, &list, &n, NULL))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (is_cancelled(&list[i]))
            ++*cancelled;
        else if (count++ == 0)
            base64url(id, list[i].id.b, 32);
    }
    spool_list_free(list, n);
    return count;
}

/* Batches whose owner is dead. */
static size_t count_dead(struct spool *s, enum spool_state state,
                         char id[ID_TEXT])
{
    struct batch *list;
    struct owners *o;
    size_t n, count = 0;

    if (spool_list(s, state, &list, &n, NULL))
        return 0;
    o = owners_ask(list, n);
    for (size_t i = 0; i < n; i++) {
        if (owner_judge(&list[i], owners_over, o, OWNER_STALE_S) ==
            OWNER_DEAD && count++ == 0)
            base64url(id, list[i].id.b, 32);
    }
    owners_free(o);
    spool_list_free(list, n);
    return count;
}

/* Batches whose owner may be dead and cannot be asked after. */
static size_t count_silent(struct spool *s, enum spool_state state,
                           char id[ID_TEXT], char when[FREE_AT])
{
    struct batch *list;
    size_t n, count = 0;
    char text[FREE_AT];

    if (spool_list(s, state, &list, &n, NULL))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (owner_free_at(text, sizeof(text), &list[i], true) &&
            count++ == 0) {
            base64url(id, list[i].id.b, 32);
            memcpy(when, text, FREE_AT);
        }
    }
    spool_list_free(list, n);
    return count;
}

/* Whether drain still pulls as much as it may. */
static void check_rounds(struct doctor *d, const struct spool *s)
{
    struct err err = ERR_INIT;
    struct rounds r;

    if (rounds_read(&r, s, &err))
        doctor_bad(d, "rounds", "apus drain --resume", "%s", err.text);
    else if (rounds_limited(&r))
        doctor_warn(d, "rounds", "mend what is wrong (gateways, workers,"
                    " models, disk), then apus drain --resume", "the last %"
                    PRIu64 " gave back all that they pulled: one request an"
                    " hour is pulled", r.lost);
}

void doctor_batches(struct doctor *d)
{
    struct spool *s;
    char id[ID_TEXT];
    size_t n, cancelled, found = 0;
    char when[FREE_AT] = "";

    if (spool_open_there(&s, settings_text(d->settings, "spool"), NULL))
        return;
    n = count_failed(s, &cancelled, id);
    if (n)
        doctor_warn(d, "batches", "apus show says why; apus submit tries it"
                    " again", "%zu failed, the first is %s", n, id);
    if (cancelled)
        doctor_ok(d, "batches", "%zu cancelled; apus submit begins them again,"
                  " apus clean removes them", cancelled);
    found += n;
    n = count_state(s, SPOOL_TODO, OLD_S, id);
    if (n)
        doctor_warn(d, "batches", "apus submit, or a cron line with apus"
                    " drain", "%zu wait for two days, the first is %s", n,
                    id);
    found += n;
    n = count_dead(s, SPOOL_RUNNING, id) + count_dead(s, SPOOL_SENDING, id);
    if (n)
        doctor_warn(d, "batches", "apus status puts them back, apus drain"
                    " resumes them", "%zu have lost their worker, one"
                    " is %s", n, id);
    found += n;
    n = count_silent(s, SPOOL_RUNNING, id, when) +
        count_silent(s, SPOOL_SENDING, id, when);
    if (n)
        doctor_warn(d, "batches", "wait until then; a worker that lives"
                    " touches it", "%zu of workers that cannot be seen"
                    " from here, one is %s: %s", n, id, when);
    if (found + n == 0)
        doctor_ok(d, "batches", "none failed, none was left lying");
    check_rounds(d, s);
    spool_close(s);
}

/* ---- models ------------------------------------------------------------- */

/* Whether a model's bytes still have its id: an error, or 0. */
static int hash_model(const struct doctor *d, const char *id, struct err *err)
{
    struct model *m;

    if (!d->deep)
        return 0;
    if (models_open_hashed(&m, settings_text(d->settings, "models"), id,
                           &model_pass, err))
        return -1;
    model_close(m);
    return 0;
}

/* A line of models_list: name, id, parameters, size or what is wrong. */
static void check_model(struct doctor *d, char *row, size_t *n_good)
{
    const char *name = strsep(&row, "\t"), *id = strsep(&row, "\t");
    const char *parameters = strsep(&row, "\t");
    struct err err = ERR_INIT;

    if (!parameters || !row)
        return;
    if (strcmp(parameters, "-") == 0)
        doctor_bad(d, "model", "apus model rm it, and add it again",
                   "%s, %s: the file is %s", name, id, row);
    else if (hash_model(d, id, &err))
        doctor_bad(d, "model", "apus model rm it, and add it again",
                   "%s, %s: %s", name, id, err.text);
    else
        ++*n_good;
}

void doctor_models(struct doctor *d)
{
    const char *store = settings_text(d->settings, "models");
    struct err err = ERR_INIT;
    size_t n_good = 0;
    struct buf out;
    char *next, *row;

    buf_init(&out, 1 << 20);
    if (models_list(store, &out, &err)) {
        doctor_bad(d, "models", "set models to a directory that this user may"
                   " read", "%s", err.text);
        goto out;
    }
    if (out.len == 0) {
        doctor_bad(d, "models", "apus model add DIRECTORY, or apus model"
                   " fetch ARWEAVE-ID", "there is none in \"%s\"", store);
        goto out;
    }
    next = out.data;
    while ((row = strsep(&next, "\n")) != NULL)
        if (*row)
            check_model(d, row, &n_good);
    if (n_good)
        doctor_ok(d, "models", "%zu in \"%s\"%s", n_good, store,
                  d->deep ? ", every byte hashed" : "");
out:
    buf_clear(&out);
}

/* ---- arithmetic and workers --------------------------------------------- */

/* The setting `kernel` names what this machine does not have: where jobs of
 * Slurm start elsewhere, their nodes may. */
static void say_no_kernel(struct doctor *d, const char *what, const char *why)
{
    const char *kernel = settings_text(d->settings, "kernel");
    const char *name = settings_text(d->settings, "launcher");
    const struct launcher *l;

    if (!d->of_node && (launcher_choose(&l, name, NULL) ||
                        strcmp(l->name, "slurm") == 0))
        doctor_ok(d, what, "%s; kernel = %s: ask the nodes of jobs (apus doctor"
                  " --node)", why, kernel);
    else
        doctor_bad(d, what, "set kernel = auto, or use another machine",
                   "%s, and kernel = %s", why, kernel);
}

void doctor_arithmetic(struct doctor *d)
{
    const struct x1_level *level;
    const char *kernel = settings_text(d->settings, "kernel");
    struct x1_kernels k;
    char text[200] = "";

    x1_thread_init();
    if (x1_cpu_refused())
        doctor_warn(d, "arithmetic", "the next level computes the same,"
                    " slower; Linux has it from 5.16 on", "this CPU has %s",
                    x1_cpu_refused());
    for (size_t i = 0; (level = x1_level(i)) != NULL; i++) {
        x1_kernels_init(&k, level->cpu);
        if (x1_selftest(&k, text, sizeof(text)))
            doctor_bad(d, "arithmetic", "build it again with the flags that"
                       " configure chooses", "%s: %s", k.name, text);
        else
            doctor_ok(d, "arithmetic", "%s computes X1 to the bit", k.name);
    }
    if (strcmp(kernel, "cuda") != 0 && x1_kernels_find(&k, kernel))
        say_no_kernel(d, "arithmetic", "this CPU computes with none but these");
}

/* Run a program and append what it says. */
static int all_lines(struct buf *out, const char *const *argv, struct err *err)
{
    struct buf errs;
    int status, rc;
    char **env;

    buf_init(&errs, OUT_MAX);
    env = child_env_new(CHILD_ENV_CLEAN, NULL);
    rc = child_run(&status, out, &errs, argv, env, RUN_MS, err);
    child_env_free(env);
    if (rc == 0 && status != 0) {
        if (errs.len)
            errs.data[strcspn(errs.data, "\n")] = '\0';
        rc = err_set(err, ERR_FATAL, "%s ended with status %d: %s", argv[0],
                     status, errs.len ? errs.data : "it said nothing");
    }
    buf_clear(&errs);
    return rc;
}

/* .. and keep the first line of it. */
static int first_line(char *line, size_t n, const char *const *argv,
                      struct err *err)
{
    struct buf out;
    int rc;

    buf_init(&out, OUT_MAX);
    rc = all_lines(&out, argv, err);
    if (rc == 0)
        snprintf(line, n, "%.*s",
                 out.len ? (int)strcspn(out.data, "\n") : 0,
                 out.len ? out.data : "");
    buf_clear(&out);
    return rc;
}

void doctor_worker(struct doctor *d)
{
    char *worker = work_worker_path(), line[200], want[200];
    const char *const argv[] = { worker, "--version", NULL };
    struct err err = ERR_INIT;

    snprintf(want, sizeof(want), "apus-worker %s (%s),", PACKAGE_VERSION,
             APUS_COMMIT);
    if (first_line(line, sizeof(line), argv, &err))
        doctor_bad(d, "worker", "install apus-worker beside apus", "%s",
                   err.text);
    else if (strncmp(line, want, strlen(want)) != 0)
        doctor_bad(d, "worker", "install both from one build",
                   "\"%s\" is \"%s\", apus is %s (%s)", worker, line,
                   PACKAGE_VERSION, APUS_COMMIT);
    else
        doctor_ok(d, "worker", "\"%s\"", worker);
    free(worker);
}

/* A line of a worker: its first word says which kind it is (cuda_look). */
static void say_of_gpus(struct doctor *d, char *line)
{
    char *text = strchr(line, ' '), *remedy = strchr(line, '\t');
    const char *kernel = settings_text(d->settings, "kernel");

    if (!text)
        return;
    *text++ = '\0';
    if (remedy)
        *remedy++ = '\0';
    if (remedy)
        doctor_warn(d, "gpu", remedy, "%s", text);
    else if (strcmp(line, "none") != 0)
        doctor_ok(d, "gpu", "%s", text);
    else if (strcmp(kernel, "cuda") == 0)
        say_no_kernel(d, "gpu", text);
    else
        doctor_ok(d, "gpu", "workers compute on the CPU: %s", text);
}

/* What a worker finds of GPUs here, in its own words. */
void doctor_gpus(struct doctor *d)
{
    char *worker = work_worker_path(), *next, *line;
    const char *const argv[] = { worker, "--show-gpus", NULL };
    struct err err = ERR_INIT;
    struct buf out;

    buf_init(&out, OUT_MAX);
    if (all_lines(&out, argv, &err))
        doctor_bad(d, "gpu", "install both from one build", "%s", err.text);
    else if (out.len == 0)
        doctor_skip(d, "gpu", "the worker says nothing");
    next = err.code || out.len == 0 ? NULL : out.data;
    while ((line = strsep(&next, "\n")) != NULL)
        say_of_gpus(d, line);
    buf_clear(&out);
    free(worker);
}

/* What parses parts of checkpoints. */
void doctor_parser(struct doctor *d)
{
    char *parser = child_helper("apus-part-index"), line[200], want[200];
    const char *const argv[] = { parser, "--version", NULL };
    struct err err = ERR_INIT;

    snprintf(want, sizeof(want), "apus-part-index %s (%s), ",
             PACKAGE_VERSION, APUS_COMMIT);
    if (first_line(line, sizeof(line), argv, &err))
        doctor_bad(d, "parser", "install apus-part-index, or name its"
                   " directory in APUS_LIBEXEC", "%s", err.text);
    else if (strncmp(line, want, strlen(want)) != 0)
        doctor_bad(d, "parser", "install both from one build",
                   "\"%s\" is \"%s\", apus is %s (%s)", parser, line,
                   PACKAGE_VERSION, APUS_COMMIT);
    else
        doctor_ok(d, "parser", "\"%s\", %s", parser, line + strlen(want));
    free(parser);
}

/* Do two ranks find each other? */
void doctor_ranks(struct doctor *d)
{
    char *worker = work_worker_path(), line[200];
    const char *const argv[] = {
        "mpirun", "-n", "2", "--oversubscribe", worker, "--show-ranks", NULL
    };
    struct err err = ERR_INIT;

    if (work_no_mpi())
        doctor_warn(d, "ranks", "build apus with MPI, install its mpirun, and"
                    " let it make files", "%s: one rank", work_no_mpi());
    else if (first_line(line, sizeof(line), argv, &err))
        doctor_bad(d, "ranks", "install mpirun of the MPI that apus was built"
                   " with, or set ranks = 1", "%s", err.text);
    else if (!strstr(line, " of 2 "))
        doctor_bad(d, "ranks", "use mpirun of the MPI that apus was built"
                   " with", "two ranks do not see each other: \"%s\"", line);
    else
        doctor_ok(d, "ranks", "two ranks of mpirun see each other");
    free(worker);
}

/* A word of sinfo for a node that takes no job. */
static bool takes_none(const char *state)
{
    static const char *const words[] = { "drain", "down", "fail", "maint",
        "unk", "inval", "boot", NULL };

    for (size_t i = 0; words[i]; i++)
        if (strncmp(state, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

/* Whether any node takes jobs; where sinfo does not say, the controller was
 * asked before. */
static void check_nodes(struct doctor *d)
{
    static const char *const ask[] = { "sinfo", "-h", "-N", "-o", "%N %T",
                                       NULL };
    char **env = child_env_new(CHILD_ENV_CLEAN, NULL), *next, *line;
    size_t n = 0, n_none = 0;
    struct buf out, errs;
    int status = 1;

    buf_init(&out, SINFO_MAX);
    buf_init(&errs, OUT_MAX);
    if (child_run(&status, &out, &errs, ask, env, RUN_MS, NULL) == 0 &&
        status == 0 && out.len > 0) {
        next = out.data;
        while ((line = strsep(&next, "\n")) != NULL) {
            const char *blank = strchr(line, ' ');

            n += blank != NULL;
            n_none += blank && takes_none(blank + 1);
        }
    }
    if (n > 0 && n == n_none)
        doctor_warn(d, "slurm", "scontrol show node tells why; scontrol update"
                    " nodename=NAME state=resume", "the controller answers,"
                    " and all nodes are drained or down: jobs wait");
    else
        doctor_ok(d, "slurm", "the controller answers");
    child_env_free(env);
    buf_clear(&out);
    buf_clear(&errs);
}

void doctor_slurm(struct doctor *d)
{
    const char *name = settings_text(d->settings, "launcher");
    const struct launcher *l;
    struct launch_job j = { .state = LAUNCH_OVER };
    struct err err = ERR_INIT;
    char nobody[ID_TEXT];

    if (launcher_choose(&l, name, &err)) {
        doctor_bad(d, "slurm", "scontrol ping; set SLURM_CONF, or launcher ="
                   " local", "%s", err.text);
        return;
    }
    if (strcmp(l->name, "slurm") != 0) {
        doctor_skip(d, "slurm", "workers are started on this machine"
                    " (launcher = %s)", name);
        return;
    }
    /* whether the controller answers at all: there is no such batch */
    base64url(nobody, "apus doctor asks whether it lives", 32);
    if (l->find(nobody, 0, &j, &err) == FOUND_FAILED)
        doctor_bad(d, "slurm", "scontrol ping; set SLURM_CONF, or launcher ="
                   " local", "%s", err.text);
    else
        check_nodes(d);
}
