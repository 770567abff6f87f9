/*
 * Runs workers for commands.
 */
#include <config.h>

#include "node/work.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend/cpu/model_part.h"
#include "backend/cuda/cuda_plan.h"
#include "base/base64.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/settings.h"
#include "engine/group.h"
#include "jobs/allocation.h"
#include "jobs/launcher.h"
#include "jobs/plan.h"
#include "model/model.h"
#include "model/models.h"
#include "node/owners.h"
#include "spool/spool.h"
#include "store/custom_ids.h"
#include "store/resume.h"
#include "store/seal.h"

#define TRIES 3           /* starts in a row that get nowhere */
#define LOOK_NS 200000000
#define STEP_LOOKS 200    /* 40 s: Slurm gives ranks 30 s to end (KillWait) */
#define STEP_SAYS 190     /* looks that are left when it is said */
#define MPI_FILE (16u << 20) /* bytes of a file that MPI makes, at most */

/* How apus-worker ends (man apus-worker). */
enum { WORKER_FAILED = 1, WORKER_MISUSED = 2, WORKER_SAVED = 75 };

/* ---- where a batch stands ------------------------------------------------ */

bool work_is_done(const struct batch *b)
{
    return b->state == SPOOL_DONE || b->state == SPOOL_SENDING ||
           b->state == SPOOL_SENT;
}

/* No error that another try mends: whoever has the batch answers it. */
static int report_owner(const struct batch *b, struct err *err)
{
    char id[ID_TEXT], who[OWNER_TEXT], when[FREE_AT];

    base64url(id, b->id.b, 32);
    owner_describe(who, sizeof(who), b);
    if (owner_free_at(when, sizeof(when), b, false))
        return err_set(err, ERR_INPUT, "batch %s is worked on by %s", id,
                       who);
    return err_set(err, ERR_INPUT, "batch %s is worked on by %s (apus status;"
                   " apus cancel %.8s ends it)", id, who, id);
}

/* Find the batch again: another process may have moved it. */
static int find_again(const struct spool *s, struct batch *b,
                      struct err *err)
{
    struct batch found = { .path = NULL };

    if (spool_find(s, id_text(b->id).s, &found, err))
        return -1;
    batch_clear(b);
    *b = found;
    return 0;
}

int work_prepare(const struct spool *s, struct batch *b, struct err *err)
{
    enum taking rc;
    char *why;

    if (b->state == SPOOL_RUNNING) {
        struct owners *o = owners_ask(b, 1);

        rc = owners_adopt(s, b, o, err);
        owners_free(o);
        if (rc != TAKING_DONE)
            return rc == TAKING_LATE ? report_owner(b, err) : -1;
    }
    if (b->state == SPOOL_FAILED || b->state == SPOOL_TODO) {
        why = file_join(b->path, "why");
        unlink(why);
        free(why);
    }
    if (b->state == SPOOL_FAILED &&
        spool_move(s, b, SPOOL_TODO, err) == TAKING_FAILED)
        return -1;
    return find_again(s, b, err);
}

/* ---- the worker's command line ------------------------------------------- */

/* Return the path from the environment, or the place where make and make
 * install put the worker. */
char *work_worker_path(void)
{
    const char *named = getenv("APUS_WORKER");
    char self[4096], *slash;
    ssize_t n;

    if (named && named[0])
        return xstrdup(named);
    n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
        if (slash)
            return xasprintf("%.*s/apus-worker", (int)(slash - self), self);
    }
    return xstrdup("apus-worker");
}

/* Return whether a program is in PATH. */
static bool is_in_path(const char *name)
{
    const char *dir = getenv("PATH");
    bool found = false;

    while (dir && !found) {
        size_t n = strcspn(dir, ":");
        char *path = xasprintf("%.*s/%s", (int)n, dir, name);

        found = n > 0 && access(path, X_OK) == 0;
        free(path);
        dir = dir[n] ? dir + n + 1 : NULL;
    }
    return found;
}

/* Return whether files may be as large as mpirun needs.  Its ranks communicate
 * through files of 4 MiB and more; if it may not create them it hangs. */
static bool may_share_files(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) ||
           limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= MPI_FILE;
}

const char *work_no_mpi(void)
{
#ifdef HAVE_MPI
    if (!may_share_files())
        return "MPI needs files of 16 MiB, and this process may not make such"
               " large ones (ulimit -f)";
    return is_in_path("mpirun") ? NULL : "there is no mpirun in PATH";
#else
    (void)is_in_path;
    (void)may_share_files;
    return "this is a build without MPI";
#endif
}

/* Set the memory that a rank needs. */
static void set_need(struct plan_need *need, const struct settings *s,
                     const struct batch_info *info, const char *model_path)
{
    char *path = NULL;

    memset(need, 0, sizeof(*need));
    need->kv = settings_count(s, "kv-memory");
    need->requests = info->n_requests;
    need->tp = (unsigned)settings_count(s, "tp");
    if (!model_path && models_resolve(&path, settings_text(s, "models"),
                                      id_text(info->model).s, NULL, NULL))
        return;
    file_size(path ? path : model_path, &need->model, NULL);
    free(path);
}

int work_check_group(const struct settings *s, const struct model_record *rec,
                     struct err *err)
{
    const struct group g = { .size = (uint32_t)settings_count(s, "tp") };
    struct model_part part;
    bool device = strcmp(settings_text(s, "kernel"), "cuda") == 0;

    if (device && strcmp(settings_text(s, "tensors"), "hidden") == 0)
        return err_set(err, ERR_INPUT, CUDA_PLAN_HIDDEN);
    if (device && cuda_plan_check(rec, err))
        return -1;
    return part_init(&part, &g, rec, err);
}

int work_check_batch(const struct settings *s, const struct batch_info *info,
                     const char *model_path, struct err *err)
{
    char *path = NULL;
    struct model_record rec;
    struct id id;
    int rc;

    /* whoever computes says what is wrong with a model that cannot be read */
    if ((settings_count(s, "tp") <= 1 &&
         strcmp(settings_text(s, "kernel"), "cuda") != 0) ||
        (!model_path && models_resolve(&path, settings_text(s, "models"),
                                       id_text(info->model).s, NULL, NULL)))
        return 0;
    rc = model_peek(&rec, &id, path ? path : model_path, NULL);
    free(path);
    return rc ? 0 : work_check_group(s, &rec, err);
}

unsigned work_ranks(const struct settings *s, const struct batch_info *info,
                    const char *model_path)
{
    const char *why = work_no_mpi();
    unsigned cores = machine_cores();
    struct plan_job job = {
        .nodes = 1, .cpus = cores, .node_cpus = cores,
        .sockets = machine_sockets(), .memory = machine_memory(),
        .per_node = settings_count(s, "ranks"),
    };
    struct plan_need need;
    char text[PLAN_TEXT];
    struct plan p;

    set_need(&need, s, info, model_path);
    plan_make(&p, &job, &need);
    if (p.bound == PLAN_MEMORY || p.lacks) {
        plan_describe(text, &p, &job, &need);
        log_info("%s", text);
    }
    if (p.ranks > 1 && why) {
        log_info("one rank instead of %" PRIu64 ": %s", p.ranks, why);
        return 1;
    }
    return (unsigned)p.ranks;
}

void work_launch(struct launch *l, const struct batch *b,
                 const struct work_options *o)
{
    char **args = settings_for_worker(o->settings);
    char *id = xmalloc(ID_TEXT);
    size_t n = 0;

    memset(l, 0, sizeof(*l));
    base64url(id, b->id.b, 32);
    while (args[n])
        n++;
    args = xrealloc(args, (n + 5) * sizeof(*args));
    if (o->quiet)
        args[n++] = xstrdup("--log-level=warning");
    if (o->model_path)
        args[n++] = xasprintf("--model=%s", o->model_path);
    args[n++] = xstrdup("--");
    args[n++] = xstrdup(id);
    args[n] = NULL;
    l->worker = work_worker_path();
    l->batch = id;
    l->args = (const char *const *)args;
    l->ranks = (unsigned)settings_count(o->settings, "ranks");
}

void work_launch_clear(struct launch *l)
{
    for (size_t i = 0; l->args && l->args[i]; i++)
        free((char *)l->args[i]);
    free((char **)l->args);
    free((char *)l->worker);
    free((char *)l->batch);
    memset(l, 0, sizeof(*l));
}

/* ---- how far it is ------------------------------------------------------- */

/* Reports progress to the caller while a worker runs. */
struct worker_watch {
    pthread_t thread;
    pthread_mutex_t lock;
    bool stop;
    const struct caller *caller;
    struct caller_work work;  /* its path is in running, where the worker has
                               * it */
};

static void report_progress(const struct worker_watch *w,
                            enum caller_moment moment, const char *path)
{
    struct caller_work now = w->work;

    if (path)
        now.path = path;
    if (w->caller->progress)
        w->caller->progress(w->caller->self, moment, &now);
}

static void *watch_run(void *self)
{
    const struct timespec pause = { .tv_nsec = LOOK_NS };
    struct worker_watch *w = self;
    bool stop = false;

    while (!stop) {
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&w->lock);
        stop = w->stop;
        pthread_mutex_unlock(&w->lock);
        if (!stop)
            report_progress(w, CALLER_LOOK, NULL);
    }
    return NULL;
}

/* Run the worker once, and report its progress. */
static int run_worker(const struct launch *l, const struct worker_watch *show,
                      int *status, struct err *err)
{
    struct worker_watch w = *show;
    sigset_t all, before;
    bool watching;
    int rc;

    pthread_mutex_init(&w.lock, NULL);
    /* signals are for the thread that waits */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    watching = w.caller->progress &&
               pthread_create(&w.thread, NULL, watch_run, &w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    rc = launch_wait(l, status, err);
    if (watching) {
        pthread_mutex_lock(&w.lock);
        w.stop = true;
        pthread_mutex_unlock(&w.lock);
        pthread_join(w.thread, NULL);
    }
    pthread_mutex_destroy(&w.lock);
    report_progress(show, CALLER_PAUSE, NULL);
    return rc;
}

/* ---- in a job of Slurm --------------------------------------------------- */

/* Where the worker runs: on the whole allocation of this process, if it is in a
 * Slurm job. */
struct work_place {
    struct allocation in;
    bool any;
    char **starter, **env;
};

/* A Slurm job that no longer has a step for a batch. */
struct stepless {
    const char *job;
    bool proves; /* the worker was in a step: it has ended */
};

/* For spool_adopt. */
static enum owner_job is_that_job(void *self, const char *job,
                                  uint32_t restarts)
{
    const struct stepless *s = self;

    (void)restarts;
    if (strcmp(s->job, job) != 0)
        return OWNER_JOB_UNKNOWN;
    return s->proves ? OWNER_JOB_OVER : OWNER_BY_PROCESS;
}

static int place_find(struct work_place *p, const struct work_options *o,
                      struct err *err)
{
    char left[128];
    enum found found;

    if (o->unnamed ||
        strcmp(settings_text(o->settings, "launcher"), "local") == 0)
        return 0;
    found = allocation_find(&p->in, left, err);
    if (left[0])
        log_info("%s", left);
    p->any = found == FOUND_ONE;
    return found == FOUND_FAILED ? -1 : 0;
}

/* Return whether the owner is a visible, live process of this machine. */
static bool owner_is_here(const struct batch *b)
{
    struct owner o;

    return owner_read(&o, b->path, NULL) == FOUND_ONE && owner_is_seen(&o);
}

/* Move a batch that belongs to this job, but has no step in it any more, to
 * todo.  A worker that ends leaves its batch in running, for a requeue, but the
 * job continues, and a new worker in it belongs to the same job.  A worker that
 * mpirun started on its own node has no step: check its process, unless it is
 * this process's own worker and has ended. */
static int place_take_back(struct work_place *p, const struct spool *s,
                           struct batch *b, bool ended, struct err *err)
{
    const struct timespec pause = { .tv_nsec = LOOK_NS };
    struct stepless job = { p->in.job, p->in.pmix || ended };
    int looks = ended ? STEP_LOOKS : 1;
    char *name;
    enum found found;

    if (!p->any || b->state != SPOOL_RUNNING || owner_is_here(b))
        return 0;
    name = xasprintf("apus-%s", id_text(b->id).s);
    /* an ended step may be listed for a moment longer */
    while ((found = allocation_has_step(&p->in, name, err)) == FOUND_ONE &&
           --looks > 0) {
        if (looks == STEP_SAYS)
            log_info("waiting until Slurm has ended the step of its ranks");
        nanosleep(&pause, NULL);
    }
    free(name);
    if (found == FOUND_ONE && ended)
        log_warning("the step of its ranks is still there: until it ends, the"
                    " batch stays in running");
    if (found == FOUND_NONE &&
        spool_adopt(s, b, is_that_job, &job, OWNER_STALE_S, err) ==
            TAKING_FAILED)
        return -1;
    return found == FOUND_FAILED ? -1 : 0;
}

/* Plan the ranks, and set the launch to start them there. */
static void place_set(struct work_place *p, struct launch *l,
                      const struct batch_info *info,
                      const struct work_options *o)
{
    char text[PLAN_TEXT], *name = xasprintf("apus-%s", l->batch);
    struct plan_need need;
    struct plan plan;

    if (l->ranks)
        p->in.has.per_node = l->ranks;
    set_need(&need, o->settings, info, o->model_path);
    plan_make(&plan, &p->in.has, &need);
    plan_describe(text, &plan, &p->in.has, &need);
    log_info("Slurm job %s: %s", p->in.name, text);
    allocation_words(&p->starter, &p->env, &p->in, &plan, name);
    l->starter = (const char *const *)p->starter;
    l->env = (const char *const *)p->env;
    free(name);
}

bool work_is_twin(void)
{
    unsigned n, i = allocation_twin(&n);

    if (i > 0)
        log_info("process %u of %u that were started together: the first works"
                 " alone, this one ends", i, n);
    return i > 0;
}

/* ---- here, and waiting --------------------------------------------------- */

/* Return the size of all logs, which grow if a start makes progress. */
static uint64_t log_bytes(const struct batch *b)
{
    struct start_logs logs;
    uint64_t n = 0;
    struct stat st;

    if (start_logs_find(&logs, b->path, NULL))
        return 0;
    for (size_t i = 0; i < logs.n; i++)
        if (stat(logs.log[i].path, &st) == 0 && st.st_size > 64)
            n += (uint64_t)st.st_size;
    start_logs_clear(&logs);
    return n;
}

/* The system may have killed it: linux has no exit status of its own for want
 * of memory. */
static void report_killed(int status, uint64_t killed_before)
{
    if (status == 128 + SIGKILL && machine_killed() > killed_before)
        log_warning("the system killed a worker for want of memory, of which"
                    " it may have %" PRIu64 " MiB here: fewer requests at once"
                    " need less (a smaller --batch, kv-memory); restarting",
                    machine_memory() >> 20);
    else
        log_warning("worker exited with status %d; restarting", status);
}

/* Start the worker once.  WORK_KILLED: start it again. */
static enum work_end start_once(const struct spool *s, struct batch *b,
                                const struct launch *l,
                                const struct worker_watch *w, struct err *err)
{
    uint64_t killed = machine_killed();
    int status;

    report_progress(w, CALLER_START, b->path);
    if (run_worker(l, w, &status, err) || find_again(s, b, err))
        return WORK_FAILED;
    if (work_is_done(b)) {
        report_progress(w, CALLER_LOOK, b->path);
        report_progress(w, CALLER_PAUSE, b->path);
        return WORK_DONE;
    }
    /* asked to save; mpirun may return the signal as its status */
    if (status == WORKER_SAVED || status == 128 + SIGUSR1)
        return WORK_SAVED;
    if (status == WORKER_FAILED || status == WORKER_MISUSED || status == 127)
        return err_set(err, ERR_FATAL, "the worker failed (status %d), what"
                       " it said is above", status);
    if (b->state == SPOOL_FAILED) /* cancelled meanwhile */
        return WORK_SAVED;
    report_killed(status, killed);
    return WORK_KILLED;
}

/* Report low limits: a worker that hits one can say what failed, but not
 * why. */
static void report_limits(void)
{
    char text[MACHINE_LIMITS];

    machine_limits(text);
    if (*text)
        log_info("a worker is limited to %s here: a higher limit may help",
                 text);
}

enum work_end work_here(const struct spool *s, struct batch *b,
                        const struct work_options *o, struct err *err)
{
    struct batch_info info;
    struct worker_watch w = { .caller = o->caller };
    struct work_place place = { .any = false };
    struct launch l;
    uint64_t before;
    enum work_end end = WORK_FAILED;
    char *running;

    if (place_find(&place, o, err) ||
        place_take_back(&place, s, b, false, err) ||
        (place.any && allocation_note_others(&place.in, err)) ||
        work_prepare(s, b, err) || batch_info_read(&info, b->path, err)) {
        allocation_clear(&place.in);
        return WORK_FAILED;
    }
    if (work_check_batch(o->settings, &info, o->model_path, err) ||
        (!o->unnamed && resume_again(b->path, err))) {
        allocation_clear(&place.in);
        batch_info_clear(&info);
        return WORK_FAILED;
    }
    running = xasprintf("%s/%s/b%s", spool_dir(s),
                        spool_state_name(SPOOL_RUNNING), id_text(b->id).s);
    w.work = (struct caller_work){ .path = running, .total = info.n_requests,
                                   .most = o->most_tokens };
    work_launch(&l, b, o);
    l.spool = spool_inode(s);
    if (place.any)
        place_set(&place, &l, &info, o);
    else
        l.ranks = work_ranks(o->settings, &info, o->model_path);
    report_progress(&w, CALLER_BEGIN, b->path);
    for (int tries = 0; tries < TRIES; tries++) {
        before = log_bytes(b);
        end = start_once(s, b, &l, &w, err);
        if (end != WORK_FAILED && place_take_back(&place, s, b, true, err))
            end = WORK_FAILED;
        if (end != WORK_KILLED)
            break;
        if (log_bytes(b) > before)
            tries = -1;
        if (work_prepare(s, b, err)) {
            end = WORK_FAILED;
            break;
        }
    }
    if (end != WORK_DONE)
        report_limits();
    if (end == WORK_SAVED && !o->reports_saved)
        log_info("saved, some requests are pending: run it again to resume");
    if (end == WORK_KILLED) {
        err_set(err, ERR_FATAL, "%d consecutive workers died without making"
                " progress", TRIES);
        end = WORK_FAILED;
    }
    allocation_free_words(place.starter);
    allocation_free_words(place.env);
    allocation_clear(&place.in);
    work_launch_clear(&l);
    batch_info_clear(&info);
    free(running);
    return end;
}

/* ---- sealing ------------------------------------------------------------- */

int work_seal_options(struct seal_options *o, const struct settings *s,
                      struct id model, struct err *err)
{
    struct model_record rec;
    struct id got;
    char id[ID_TEXT], *path;
    int rc;

    base64url(id, model.b, 32);
    if (models_resolve(&path, settings_text(s, "models"), id, NULL, err))
        return err_prefix(err, "the model of this batch");
    rc = model_peek(&rec, &got, path, err);
    free(path);
    if (rc)
        return -1;
    memset(o, 0, sizeof(*o));
    seal_settings(o, s);
    models_source(o->model_source, settings_text(s, "models"), model);
    o->n_vocab = rec.n_vocab;
    o->n_layers = rec.n_layers;
    o->dim = rec.dim;
    o->caller.note = log_note;
    return 0;
}

void work_warn_repeated(const struct batch *b, const char *file)
{
    char *path = file ? xstrdup(file) : file_join(b->path, "requests.jsonl");
    char text[CUSTOM_IDS_TEXT];

    if (custom_ids_look(text, path, NULL) == 0 && *text)
        log_warning("%s", text);
    free(path);
}
