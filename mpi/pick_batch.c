/*
 * Batches in the spool as a worker sees them.  An owner is asked after here
 * without Slurm: of another job than this nothing is known, it lives.
 */
#include <config.h>

#include "mpi/pick_batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/models.h"
#include "mpi/run_log.h"
#include "spool/spool.h"
#include "store/resume.h"
#include "store/seal.h"

/* Whether the owner is an earlier run of this Slurm job. */
static bool is_own(const struct owner *o)
{
    struct owner self;

    owner_self(&self);
    return o->slurm_job[0] && strcmp(o->slurm_job, self.slurm_job) == 0 &&
           o->slurm_restarts < self.slurm_restarts;
}

static bool is_running_own_of(const struct batch *b, struct owner *o)
{
    return b->state == SPOOL_RUNNING &&
           owner_read(o, b->path, NULL) == FOUND_ONE && is_own(o);
}

static bool is_running_own(const struct batch *b)
{
    struct owner unused;

    return is_running_own_of(b, &unused);
}

static int report_owner(const struct batch *b, struct err *err)
{
    char who[OWNER_TEXT];

    owner_describe(who, sizeof(who), b);
    return err_set(err, ERR_INPUT, "batch %s is worked on by %s",
                   id_text(b->id).s, who);
}

enum found pick_batch_named(const struct spool *s, const char *name,
                            struct batch *b, struct err *err)
{
    if (spool_find(s, name, b, err))
        return FOUND_FAILED;
    if (b->state == SPOOL_RUNNING && !is_running_own(b)) {
        enum taking rc = spool_adopt(s, b, NULL, NULL, OWNER_STALE_S, err);

        if (rc != TAKING_DONE)
            return rc == TAKING_LATE ? report_owner(b, err) : FOUND_FAILED;
    }
    switch (b->state) {
    case SPOOL_TODO:
    case SPOOL_RUNNING:
        return FOUND_ONE;
    case SPOOL_DONE:
    case SPOOL_SENDING:
    case SPOOL_SENT:
        return FOUND_NONE;
    default:
        return err_set(err, ERR_INPUT,
                       "batch %s is in %s: apus submit %s"
                       " begins it again",
                       id_text(b->id).s, spool_state_name(b->state),
                       id_text(b->id).s);
    }
}

/* Take one of a list over into b, and clear the rest. */
static void take_batch(struct batch *b, struct batch *list, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++) {
        if (i == at)
            *b = list[i];
        else
            batch_clear(&list[i]);
    }
    free(list);
}

static size_t find_own(const struct batch *list, size_t n)
{
    size_t i = 0;

    while (i < n && !is_running_own(&list[i]))
        i++;
    return i;
}

/* ---- what waits ---------------------------------------------------------- */

/* qsort has no argument for its comparison. */
struct aged {
    struct timespec since;
    struct batch batch;
};

/* The one that was put there first; equal ones in the order of their ids. */
static int by_age(const void *a, const void *b)
{
    const struct aged *x = a, *y = b;

    if (x->since.tv_sec != y->since.tv_sec)
        return x->since.tv_sec < y->since.tv_sec ? -1 : 1;
    if (x->since.tv_nsec != y->since.tv_nsec)
        return x->since.tv_nsec < y->since.tv_nsec ? -1 : 1;
    return id_compare(x->batch.id, y->batch.id);
}

static int by_id(const void *a, const void *b)
{
    const struct id *x = a, *y = b;

    return id_compare(*x, *y);
}

static bool was_tried(const struct pick_batch_list *l, struct id id)
{
    return l->n_tried &&
           bsearch(&id, l->tried, l->n_tried, sizeof(id), by_id);
}

/* What is in todo and was not tried, the oldest first. */
static int look_again(struct pick_batch_list *l, const struct spool *s,
                      struct err *err)
{
    struct batch *list;
    struct aged *aged;
    struct stat st;
    size_t n;

    spool_list_free(l->todo, l->n);
    l->todo = NULL;
    l->at = l->n = 0;
    if (spool_list(s, SPOOL_TODO, &list, &n, err))
        return -1;
    aged = xcalloc(n ? n : 1, sizeof(*aged));
    if (l->n_tried > 1)
        qsort(l->tried, l->n_tried, sizeof(*l->tried), by_id);
    for (size_t i = 0; i < n; i++) {
        if (was_tried(l, list[i].id) || stat(list[i].path, &st))
            batch_clear(&list[i]);
        else
            aged[l->n++] = (struct aged){ st.st_mtim, list[i] };
    }
    if (l->n > 1)
        qsort(aged, l->n, sizeof(*aged), by_age);
    for (size_t i = 0; i < l->n; i++)
        list[i] = aged[i].batch;
    l->todo = list;
    free(aged);
    return 0;
}

/* Take the next of the list that is still there; false if there is none. */
static bool next_of(struct pick_batch_list *l, struct batch *b)
{
    while (l->at < l->n) {
        struct batch *next = &l->todo[l->at++];

        if (!file_is_dir(next->path))
            continue;
        *b = *next;
        next->path = NULL;
        return true;
    }
    return false;
}

void pick_batch_list_clear(struct pick_batch_list *l)
{
    spool_list_free(l->todo, l->n);
    free(l->tried);
    *l = (struct pick_batch_list){ .todo = NULL };
}

enum found pick_batch_next(struct pick_batch_list *l, const struct spool *s,
                           struct batch *b, struct err *err)
{
    struct batch *list;
    size_t n, at;

    if (spool_list(s, SPOOL_RUNNING, &list, &n, err))
        return FOUND_FAILED;
    at = find_own(list, n);
    take_batch(b, list, n, at);
    if (at == n && !next_of(l, b)) {
        if (look_again(l, s, err))
            return FOUND_FAILED;
        if (!next_of(l, b))
            return FOUND_NONE;
    }
    VEC_MORE(l->tried, l->n_tried);
    l->tried[l->n_tried++] = b->id;
    return FOUND_ONE;
}

enum taking pick_batch_claim(const struct spool *s, struct batch *b,
                             struct err *err)
{
    struct owner was;
    enum taking rc;

    if (is_running_own_of(b, &was))
        rc = owner_succeed(b->path, &was, err);
    else if (b->state == SPOOL_RUNNING) /* it was, a moment ago */
        rc = TAKING_LATE;
    else
        rc = spool_claim_job(s, b, err);
    if (rc == TAKING_LATE)
        err_set(err, ERR_RETRY, "\"%s\" was taken by another worker",
                b->path);
    return rc;
}

/* ---- outcomes ------------------------------------------------------------ */

enum starts {
    STARTS_UNKNOWN = -1, /* the logs cannot be read */
    STARTS_HELP,
    STARTS_NOWHERE       /* another would not help; err says why */
};

static enum starts judge_starts(const struct batch *b, struct err *err)
{
    struct batch_info info;
    struct resume r;
    enum starts starts = STARTS_UNKNOWN;

    if (batch_info_read(&info, b->path, err))
        return STARTS_UNKNOWN;
    if (resume_init(&r, (uint32_t)info.n_lines, NULL, err) == 0) {
        if (resume_starts(&r, b->path, b->id, UINT32_MAX, err) == 0)
            starts = resume_check(&r, err) ? STARTS_NOWHERE : STARTS_HELP;
        if (starts == STARTS_NOWHERE)
            err_prefix(err, "batch %s", id_text(b->id).s);
        resume_clear(&r);
    }
    batch_info_clear(&info);
    return starts;
}

/* This job's own, also of this very run of it. */
static bool is_jobs(const struct batch *b)
{
    struct owner o, self;

    owner_self(&self);
    return owner_read(&o, b->path, NULL) == FOUND_ONE && o.slurm_job[0] &&
           strcmp(o.slurm_job, self.slurm_job) == 0;
}

/* Find the model of a batch in the store; NULL has all. */
static enum found find_model(const struct batch *b, const char *models,
                             struct err *err)
{
    struct batch_info info;
    char id[ID_TEXT], *path;

    if (!models)
        return FOUND_ONE;
    if (batch_info_read(&info, b->path, err))
        return FOUND_FAILED;
    base64url(id, info.model.b, 32);
    batch_info_clear(&info);
    if (models_resolve(&path, models, id, NULL, NULL))
        return FOUND_NONE;
    free(path);
    return FOUND_ONE;
}

static enum outcome outcome_of(const struct batch *b, const char *models,
                               struct err *err)
{
    enum starts starts;
    enum found model;

    if (b->state == SPOOL_FAILED)
        return OUTCOME_NOWHERE;
    if (b->state != SPOOL_TODO && b->state != SPOOL_RUNNING)
        return OUTCOME_DONE;
    /* another works on it: there is nothing to come back for */
    if (b->state == SPOOL_RUNNING && !is_jobs(b) &&
        owner_judge(b, NULL, NULL, OWNER_STALE_S) != OWNER_DEAD)
        return OUTCOME_NOWHERE;
    starts = judge_starts(b, err);
    if (starts != STARTS_HELP)
        return starts == STARTS_UNKNOWN ? OUTCOME_UNKNOWN : OUTCOME_NOWHERE;
    model = find_model(b, models, err);
    if (model == FOUND_FAILED)
        return OUTCOME_UNKNOWN;
    return model == FOUND_ONE ? OUTCOME_MORE : OUTCOME_NOWHERE;
}

/* Of two outcomes the one that says more: as long as one batch has more to do
 * it is come back for, whatever became of the other. */
static enum outcome both(enum outcome a, enum outcome b)
{
    if (a == OUTCOME_UNKNOWN || b == OUTCOME_UNKNOWN)
        return OUTCOME_UNKNOWN;
    return a > b ? a : b;
}

static enum outcome outcome_in(const struct spool *s, enum spool_state state,
                               const char *models, struct err *err)
{
    enum outcome outcome = OUTCOME_DONE;
    struct batch *list;
    size_t n;

    if (spool_list(s, state, &list, &n, err))
        return OUTCOME_UNKNOWN;
    for (size_t i = 0; i < n; i++)
        if (state == SPOOL_TODO || is_jobs(&list[i]))
            outcome = both(outcome, outcome_of(&list[i], models, err));
    take_batch(&(struct batch){ .path = NULL }, list, n, n);
    return outcome;
}

/* ---- starts that begin no batch ------------------------------------------ */

/* The restart count of the last start of this job that began one of these
 * batches, or any where there are none; -1: there is none. */
static int64_t last_in_state(const struct spool *s, enum spool_state state,
                             const struct owner *self)
{
    struct batch *list;
    int64_t last = -1;
    size_t n;

    if (spool_list(s, state, &list, &n, NULL))
        return -1;
    for (size_t i = 0; i < n; i++) {
        int64_t one = run_log_last(list[i].path, self);

        last = one > last ? one : last;
    }
    take_batch(&(struct batch){ .path = NULL }, list, n, n);
    return last;
}

static int64_t last_start(const struct spool *s, const char *const *name,
                          size_t n, const struct owner *self)
{
    int64_t last = -1, one;

    for (int state = SPOOL_TODO; n == 0 && state < SPOOL_STATES; state++) {
        one = last_in_state(s, (enum spool_state)state, self);
        last = one > last ? one : last;
    }
    for (size_t i = 0; i < n; i++) {
        struct batch b = { .path = NULL };

        if (spool_find(s, name[i], &b, NULL))
            continue;
        one = run_log_last(b.path, self);
        last = one > last ? one : last;
        batch_clear(&b);
    }
    return last;
}

/* Whether the last starts of this job began no batch at all: a worker that
 * cannot be loaded, or not within the time limit, leaves no start in a batch.
 * Slurm counts them.  err says why. */
static bool begins_nothing(const struct spool *s, const char *const *name,
                          size_t n, struct err *err)
{
    struct owner self;
    int64_t starts;

    owner_self(&self);
    if (!self.slurm_job[0] || self.slurm_restarts + 1 < RESUME_IDLE_STARTS)
        return false;
    starts = (int64_t)self.slurm_restarts - last_start(s, name, n, &self);
    if (starts < RESUME_IDLE_STARTS)
        return false;
    err_set(err, ERR_FATAL, "%" PRId64 " starts in a row of Slurm job %s got"
            " nowhere: they ended before they began a batch; see their"
            " messages, fix the cause or give the job a longer time limit,"
            " and submit again", starts, self.slurm_job);
    return true;
}

static enum outcome outcome_of_batches(const struct spool *s,
                                       const char *const *name, size_t n,
                                       const char *models, struct err *err)
{
    enum outcome outcome = OUTCOME_DONE;

    if (n == 0)
        return both(outcome_in(s, SPOOL_RUNNING, models, err),
                    outcome_in(s, SPOOL_TODO, models, err));
    for (size_t i = 0; i < n; i++) {
        struct batch b;

        if (spool_find(s, name[i], &b, err))
            return OUTCOME_UNKNOWN;
        outcome = both(outcome, outcome_of(&b, models, err));
        batch_clear(&b);
    }
    return outcome;
}

enum outcome pick_batch_outcome(const struct spool *s, const char *const *name,
                                size_t n, const char *models, struct err *err)
{
    enum outcome outcome = outcome_of_batches(s, name, n, models, err);

    if (outcome == OUTCOME_MORE && begins_nothing(s, name, n, err))
        outcome = OUTCOME_NOWHERE;
    return outcome;
}
