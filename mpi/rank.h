/*
 * A rank's side of a batch: it opens the model, answers what rank 0 hands
 * out, seals what rank 0 says, and tells.  Rank 0 has one too.
 */
#ifndef APUS_MPI_RANK_H
#define APUS_MPI_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "store/seal.h"

struct err;
struct comm;
struct group;
struct payload;
struct pretended;
struct rank_side;

struct rank_options {
    const char *models;      /* directory of the model store, borrowed */
    const char *model_path;  /* or the model itself; may be NULL */
    const char *kernel;      /* borrowed */
    size_t threads;
    size_t max_sequences;
    uint64_t kv_bytes;       /* ceiling of the KV cache; 0: what weights leave
                                of the next, if that is known (not 0) */
    uint64_t memory;         /* of this rank */
    struct seal_options seal; /* but what the model tells */
    const char *spool;       /* its directory, borrowed */
    const char *reuse;       /* a spool whose answers are taken over, borrowed;
                                NULL: all are computed */
    bool share_gpu;          /* with other processes */
    bool check_gpu;          /* one product a step */
    bool gpu_graphs;         /* of steps that only draw */
    bool gpu_nccl;           /* between GPUs of a group */
    const char *cuda_libs;   /* directories of its libraries, or "none" */
    bool pretend;
    struct pretended *fault; /* that it pretends to have, borrowed; NULL */
    uint64_t sharers;        /* ranks of this machine, which share packed
                                weights; at most 1: it packs its own */
    const struct group *group; /* whose first member it is, borrowed; NULL: it
                                computes alone */
    unsigned lost_s;         /* rank 0 is lost when silent so long */
};

/* The link and what the options point to are borrowed. */
struct rank_side *rank_new(struct comm *comm, const struct rank_options *o);
void rank_free(struct rank_side *r);

/* Take a payload with a tag below TAG_READY. */
void rank_take(struct rank_side *r, const struct payload *p);

/* Tell rank 0 what is new. */
void rank_tick(struct rank_side *r);

/* A signal came: ask rank 0 to save. */
void rank_signalled(struct rank_side *r);

/* Whether it is over for this rank, and the exit status: TAG_QUIT came, or
 * rank 0 is lost and everything is parked. */
bool rank_quits(const struct rank_side *r, int *status);

/* Let the next starts of this spool avoid this node, where a promised GPU is
 * missing or computes wrongly. */
void rank_leave_out(const char *spool);

/* The same where this node has lost a GPU for a second time within an hour;
 * the first is noted. */
void rank_lost_gpu(const char *spool);

/* Open the model of a batch, which is kept for the next; rank 0 does so
 * before it claims the batch. */
int rank_open_model(struct rank_side *r, struct id model, struct err *err);

#endif
