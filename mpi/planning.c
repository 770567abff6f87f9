/*
 * What a job has against what its batches need.
 */
#include <config.h>

#include "mpi/planning.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/settings.h"
#include "jobs/plan.h"
#include "model/models.h"
#include "spool/no_gpu.h"
#include "spool/spool.h"

#define FACTS_MAX ((size_t)64 << 20)

static void read_input(struct buf *out)
{
    char part[4096];
    size_t got;

    while ((got = fread(part, 1, sizeof(part), stdin)) > 0)
        buf_put(out, part, got);
}

/* Of the largest; a batch that is gone, or whose model is, needs nothing. */
static void add_batch(struct plan_need *need, const struct settings *s,
                      const char *model_path, const struct batch *b)
{
    char id[ID_TEXT], *path = NULL;
    struct batch_info info;
    uint64_t size = 0;

    if (batch_info_read(&info, b->path, NULL))
        return;
    base64url(id, info.model.b, 32);
    if (info.n_requests > need->requests)
        need->requests = info.n_requests;
    batch_info_clear(&info);
    if (!model_path && models_resolve(&path, settings_text(s, "models"), id,
                                      NULL, NULL))
        return;
    if (file_size(path ? path : model_path, &size, NULL) == 0 &&
        size > need->model)
        need->model = size;
    free(path);
}

static void add_todo(struct plan_need *need, const struct settings *s,
                     const char *model_path, const struct spool *spool)
{
    struct batch *list;
    size_t n;

    if (spool_list(spool, SPOOL_TODO, &list, &n, NULL))
        return;
    for (size_t i = 0; i < n; i++) {
        add_batch(need, s, model_path, &list[i]);
        batch_clear(&list[i]);
    }
    free(list);
}

static void look_at_work(struct plan_need *need, const struct settings *s,
                         const char *model_path, const char *const *name,
                         size_t n)
{
    struct spool *spool;

    need->kv = settings_count(s, "kv-memory");
    need->tp = (unsigned)settings_count(s, "tp");
    if (spool_open_there(&spool, settings_text(s, "spool"), NULL))
        return;
    if (n == 0)
        add_todo(need, s, model_path, spool);
    for (size_t i = 0; i < n; i++) {
        struct batch b = { .path = NULL };

        if (spool_find(spool, name[i], &b, NULL) == 0)
            add_batch(need, s, model_path, &b);
        batch_clear(&b);
    }
    spool_close(spool);
}

static bool may_use_gpu(const struct settings *s)
{
    const char *kernel = settings_text(s, "kernel");

    return strcmp(kernel, "cuda") == 0 || strcmp(kernel, "auto") == 0;
}

void planning_print_no_gpu(const struct settings *s)
{
    char *hosts = may_use_gpu(s) ? no_gpu_hosts(settings_text(s, "spool"))
                                 : NULL;

    if (hosts)
        printf("%s\n", hosts);
    free(hosts);
}

/* Leave out the nodes where lately no GPU could be used, if ranks of this job
 * are to use GPUs: the caller frees their list.  NULL: none. */
static char *leave_out(struct plan_job *job, const struct settings *s,
                       const struct buf *facts)
{
    const char *kernel = settings_text(s, "kernel");
    const char *spool = settings_text(s, "spool");
    char *hosts, *out = NULL;

    if (!may_use_gpu(s) || (strcmp(kernel, "cuda") != 0 && !job->gpus))
        return NULL;
    hosts = no_gpu_hosts(spool);
    if (hosts)
        out = plan_leave_out(job, hosts, (unsigned)settings_count(s, "tp"),
                             facts->data, facts->len);
    if (out)
        log_info("leaving out %s, where no GPU could be used:"
                 " \"%s/log/no-gpu\"", out, spool);
    free(hosts);
    return out;
}

int planning(const struct settings *s, const char *model_path,
             const char *const *name, size_t n, struct err *err)
{
    struct plan_need need = { .model = 0 };
    char text[PLAN_TEXT], *without;
    struct plan_job job;
    struct buf facts;
    struct plan p;
    int rc;

    buf_init(&facts, FACTS_MAX);
    read_input(&facts);
    rc = plan_job_parse(&job, facts.len ? facts.data : "", facts.len, err);
    without = rc ? NULL : leave_out(&job, s, &facts);
    buf_clear(&facts);
    if (rc)
        return -1;
    /* of the node that this is, which the others are like */
    if (!job.memory || machine_memory() < job.memory)
        job.memory = machine_memory();
    if (!job.sockets)
        job.sockets = machine_sockets();
    look_at_work(&need, s, model_path, name, n);
    plan_make(&p, &job, &need);
    plan_describe(text, &p, &job, &need);
    if (p.lacks)
        log_warning("%s", text);
    else
        log_info("%s", text);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %" PRIu64 "%s%s"
           "\n", job.nodes, p.ranks, p.per_node, p.cpus, p.overcommit, p.memory,
           without ? " --exclude=" : "", without ? without : "");
    free(without);
    return 0;
}
