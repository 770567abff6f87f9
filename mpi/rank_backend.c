/*
 * Which backend computes for a rank.
 */
#include <config.h>

#include "mpi/rank_backend.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backends.h"
#include "backend/cuda/cuda.h"
#include "backend/cuda/cuda_plan.h"
#include "backend/pretend/pretend.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/log.h"
#include "engine/group.h"
#include "kernels/kernels.h"
#include "mpi/local_share.h"

/* The variable that promises this process a GPU, or NULL.  "-1" and such hide
 * all of them. */
static const char *promise(void)
{
    static const char *const names[] = { "SLURM_STEP_GPUS", "SLURM_JOB_GPUS",
                                         "CUDA_VISIBLE_DEVICES" };

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *text = getenv(names[i]);

        if (text && *text && *text != '-' && strcmp(text, "NoDevFiles") != 0)
            return names[i];
    }
    return NULL;
}

/* The reason, with the machine's name, for whoever starts the next rank. */
static int no_gpu(struct rank_backend *r, const char *name,
                  const struct err *why, struct err *err)
{
    char host[256] = "";

    r->denied = why->code == ERR_RETRY && !cuda_claimed();
    if (gethostname(host, sizeof(host) - 1))
        strcpy(host, "?");
    return err_set(err, why->code, "%s, where %s promises a GPU: %s", host,
                   name, why->text);
}

/* Whether a GPU computes such models with what is asked for. */
static int check_device(const struct backend_wish *o,
                        const struct model_record *rec, struct err *err)
{
    if (o->hidden)
        return err_set(err, ERR_INPUT, CUDA_PLAN_HIDDEN);
    return cuda_plan_check(rec, err);
}

/* One rank of a machine says it for all. */
static void say_why(const struct err *why, bool warn)
{
    if (local_rank() != 0)
        return;
    if (warn)
        log_warning("the CPU computes: %s", why->text);
    else
        log_info("the CPU computes: %s", why->text);
}

static int open_device(struct rank_backend *r, const struct backend_wish *o,
                       struct err *err)
{
    /* one rank of a machine says it for all */
    const struct caller caller = { .note = local_rank() ? NULL : log_note };
    const struct cuda_options with = { .local = local_rank(),
                                       .share = o->share_gpu,
                                       .start_test = true,
                                       .plain = !o->gpu_graphs,
                                       .checks = o->check_gpu,
                                       .nccl = o->gpu_nccl,
                                       .wait_s = o->wait_s,
                                       .libs = o->cuda_libs,
                                       .caller = &caller,
                                       .group = o->group };

    rank_backend_close(r);
    if (cuda_open(&r->b, &with, err))
        return -1;
    r->device = true;
    log_info("computes on %s", cuda_text(r->b));
    return 0;
}

/* With kernel = auto. */
enum computes {
    COMPUTES_NONE = -1, /* err says why */
    COMPUTES_CPU,
    COMPUTES_GPU
};

static enum computes try_device(struct rank_backend *r,
                                const struct backend_wish *o,
                                const struct model_record *rec,
                                struct err *err)
{
    const char *name = promise();
    struct err why = ERR_INIT;

    if (r->no_device || (r->b && !r->device && check_device(o, rec, &why)))
        return COMPUTES_CPU;
    if (!r->device && open_device(r, o, &why)) {
        bool unbuilt = why.code == ERR_INPUT;

        r->no_device = unbuilt || !name;
        if (!r->no_device)
            return no_gpu(r, name, &why, err);
        if (name || !unbuilt)
            say_why(&why, name != NULL);
        return COMPUTES_CPU;
    }
    if (check_device(o, rec, &why) == 0)
        return COMPUTES_GPU;
    if (name)
        return no_gpu(r, name, &why, err);
    rank_backend_close(r);
    say_why(&why, false);
    return COMPUTES_CPU;
}

static int open_cpu(struct rank_backend *r, const struct backend_wish *o,
                    struct err *err)
{
    const struct caller caller = { .note = log_note };
    const struct group alone = { .size = 1 };

    if (backend_open_member(&r->b, o->kernel, o->threads,
                            o->group ? o->group : &alone, err))
        return -1;
    /* others have patience for a rank that reads its model, not without end */
    if (o->shares)
        backend_share(r->b, o->wait_s, &caller);
    if (x1_cpu_refused() && strcmp(o->kernel, "auto") == 0)
        log_warning("this CPU has %s: kernel \"%s\" computes",
                    x1_cpu_refused(), r->b->name);
    return 0;
}

/* With the first model it is decided for all: a model that no GPU computes is
 * refused.  A build without GPUs has no promise to keep, but of kernel = cuda.
 */
static int open_member(struct rank_backend *r, const struct backend_wish *o,
                       const struct model_record *rec, struct err *err)
{
    bool asked = strcmp(o->kernel, "cuda") == 0;
    const char *name = asked ? "kernel = cuda"
                       : strcmp(o->kernel, "auto") == 0 ? promise() : NULL;
    struct err why = ERR_INIT;

    if (!r->b && name && open_device(r, o, &why)) {
        if (asked || why.code != ERR_INPUT)
            return no_gpu(r, name, &why, err);
        say_why(&why, true);
    }
    if (r->device && rec && check_device(o, rec, &why))
        return no_gpu(r, name, &why, err);
    return r->b ? 0 : open_cpu(r, o, err);
}

int rank_backend_open(struct rank_backend *r, const struct backend_wish *o,
                      const struct model_record *rec, struct err *err)
{
    struct err why = ERR_INIT;
    enum computes computes = COMPUTES_CPU;

    if (o->pretend) {
        if (!r->b)
            r->b = pretend_new();
        return 0;
    }
    if (o->group)
        return open_member(r, o, rec, err);
    if (strcmp(o->kernel, "cuda") == 0) {
        if (!r->b && open_device(r, o, &why))
            return no_gpu(r, "kernel = cuda", &why, err);
        return check_device(o, rec, err);
    }
    if (strcmp(o->kernel, "auto") == 0)
        computes = try_device(r, o, rec, err);
    if (computes != COMPUTES_CPU)
        return computes == COMPUTES_GPU ? 0 : -1;
    return r->b ? 0 : open_cpu(r, o, err);
}

void rank_backend_close(struct rank_backend *r)
{
    backend_close(r->b);
    r->b = NULL;
    r->device = false;
}
