/*
 * Owners of batches.
 */
#include <config.h>

#include "node/owners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/found.h"
#include "base/mem.h"
#include "base/vec.h"
#include "jobs/launcher.h"

struct owners {
    struct launch_job *job; /* Slurm's */
    size_t n;
};

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct launch_job *)a)->id,
                  ((const struct launch_job *)b)->id);
}

/* Sorted, each once. */
static void sort_jobs(struct owners *o)
{
    size_t n = 0;

    if (o->n > 1)
        qsort(o->job, o->n, sizeof(*o->job), compare_ids);
    for (size_t i = 0; i < o->n; i++)
        if (n == 0 || strcmp(o->job[n - 1].id, o->job[i].id) != 0)
            o->job[n++] = o->job[i];
    o->n = n;
}

struct owners *owners_ask(const struct batch *list, size_t n)
{
    struct owners *o = xcalloc(1, sizeof(*o));
    size_t capacity = 0;

    for (size_t i = 0; i < n; i++) {
        struct owner owner;

        if ((list[i].state != SPOOL_RUNNING &&
             list[i].state != SPOOL_SENDING) ||
            owner_read(&owner, list[i].path, NULL) != FOUND_ONE ||
            !owner.slurm_job[0])
            continue;
        VEC_RESERVE(o->job, capacity, o->n + 1);
        memset(&o->job[o->n], 0, sizeof(*o->job));
        snprintf(o->job[o->n].id, sizeof(o->job[o->n].id), "%s",
                 owner.slurm_job);
        o->job[o->n++].state = LAUNCH_UNANSWERED;
    }
    sort_jobs(o);
    if (o->n && launcher_find("slurm")->states(o->job, o->n, NULL))
        for (size_t i = 0; i < o->n; i++)
            o->job[i].state = LAUNCH_UNANSWERED;
    return o;
}

void owners_free(struct owners *o)
{
    if (!o)
        return;
    free(o->job);
    free(o);
}

const struct launch_job *owners_job(const struct owners *o, const char *job)
{
    struct launch_job key = { .state = LAUNCH_UNANSWERED };

    snprintf(key.id, sizeof(key.id), "%s", job);
    return o->n ? bsearch(&key, o->job, o->n, sizeof(key), compare_ids)
                : NULL;
}

/* A requeued job resumes its batch, so its owner counts as alive. */
enum owner_job owners_over(void *self, const char *job, uint32_t restarts)
{
    const struct launch_job *j = owners_job(self, job);

    (void)restarts;
    if (!j || j->state == LAUNCH_UNANSWERED)
        return OWNER_JOB_UNKNOWN;
    return j->state == LAUNCH_OVER ? OWNER_JOB_OVER : OWNER_JOB_ALIVE;
}

enum taking owners_adopt(const struct spool *s, struct batch *b,
                         struct owners *o, struct err *err)
{
    return spool_adopt(s, b, owners_over, o, OWNER_STALE_S, err);
}
