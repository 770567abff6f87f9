/*
 * Which backend computes for a rank: the setting `kernel`, what the machine
 * has, what the model needs and what the rank was promised.  A GPU is promised
 * by kernel = cuda, or, in a build for GPUs, by what Slurm and people set in
 * the environment; a rank that was promised one never computes on the CPU
 * instead.  Members of a group are alike: they compute on GPUs where these are
 * promised, else on CPUs, whatever the machine has.
 */
#ifndef APUS_MPI_RANK_BACKEND_H
#define APUS_MPI_RANK_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

struct backend;
struct err;
struct group;
struct model_record;

/* What it depends on beside the model. */
struct backend_wish {
    const char *kernel;   /* the setting, borrowed */
    size_t threads;       /* of a CPU */
    bool pretend, hidden; /* made-up answers; residual rows of all layers */
    bool share_gpu;       /* with other processes */
    bool check_gpu;       /* one product a step */
    bool gpu_graphs;      /* of steps that only draw */
    bool gpu_nccl;        /* between GPUs of a group */
    const char *cuda_libs; /* where its libraries are, borrowed */
    const struct group *group; /* of ranks that share a model, or NULL;
                                  borrowed until it is closed */
    bool shares;          /* packed weights, with other ranks .. */
    unsigned wait_s;      /* .. for which it waits at most so long */
};

struct rank_backend {
    struct backend *b; /* NULL: none is open yet */
    bool device;       /* it is a GPU's, with memory of its own */
    bool no_device;    /* none can be used here: that was said */
    bool denied;       /* one was promised, and another machine may have it;
                          not where another rank has this one's */
};

/* Open what computes models of this record, after closing what does not.
 * ERR_RETRY, with the name of the machine and the reason: it was promised a GPU
 * and can use none.  ERR_INPUT: no GPU computes this model, or gives what is
 * asked of it, and the rank was promised one; another machine would not help.
 * rec NULL: a member of a group that does not know its models yet.
 * Other errors are those of backend_open. */
int rank_backend_open(struct rank_backend *r, const struct backend_wish *o,
                      const struct model_record *rec, struct err *err);

/* For whoever has none open, too. */
void rank_backend_close(struct rank_backend *r);

#endif
