/*
 * Owners of batches.
 */
#include <config.h>

#include "cmd/owners.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "jobs/launcher.h"

struct owners {
    struct launch_job *job; /* Slurm's */
    size_t n;
};

struct owners *owners_ask(const struct batch *list, size_t n)
{
    struct owners *o = xcalloc(1, sizeof(*o));
    struct err unused = ERR_INIT;

    o->job = xcalloc(n + 1, sizeof(*o->job));
    for (size_t i = 0; i < n; i++) {
        struct owner owner;

        if ((list[i].state != SPOOL_RUNNING &&
             list[i].state != SPOOL_SENDING) ||
            owner_read(&owner, list[i].path, &unused) != 1 ||
            !owner.slurm_job[0])
            continue;
        snprintf(o->job[o->n].id, sizeof(o->job[o->n].id), "%s",
                 owner.slurm_job);
        o->job[o->n++].state = LAUNCH_UNANSWERED;
    }
    if (o->n && launcher_find("slurm")->states(o->job, o->n, &unused))
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

/* The same job in a later run goes on with its batch: it lives. */
int owners_over(void *self, const char *job, uint32_t restarts)
{
    const struct owners *o = self;

    (void)restarts;
    for (size_t i = 0; i < o->n; i++) {
        if (strcmp(o->job[i].id, job) != 0)
            continue;
        if (o->job[i].state == LAUNCH_UNANSWERED)
            return -1;
        return o->job[i].state == LAUNCH_OVER;
    }
    return -1;
}

int owners_adopt(const struct spool *s, struct batch *b, struct owners *o,
                 struct err *err)
{
    return spool_adopt(s, b, owners_over, o, OWNER_STALE_S, err);
}
