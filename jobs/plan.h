/*
 * How many ranks a node gets: as many as were asked for, else one a GPU or one
 * a socket, whose cores are its threads, as far as the memory of the node, or
 * of the job there, and the requests allow.
 */
#ifndef APUS_JOBS_PLAN_H
#define APUS_JOBS_PLAN_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define PLAN_TEXT 704 /* bytes of plan_describe: more than it ever needs */
#define PLAN_REQUESTS 32 /* fewer are not worth another rank */

/* What there is: of nodes that differ the smallest.  0 where not known. */
struct plan_job {
    uint64_t nodes;
    uint64_t cpus;       /* that the job has on a node */
    uint64_t node_cpus;  /* that the node has */
    uint64_t threads;    /* CPUs of a core */
    uint64_t sockets;    /* of the node; 0: not known, taken for one */
    uint64_t gpus;       /* that the job has on a node */
    uint64_t memory;     /* bytes that it may use on a node */
    uint64_t all_cpus;   /* that the job has on all nodes */
    uint64_t per_node;   /* tasks that were asked for on a node */
    uint64_t tasks;      /* on all nodes; as many as nodes: not asked for */
    uint64_t cpus_per_task;
};

/* What ranks need. */
struct plan_need {
    uint64_t model;    /* bytes of the file, which weights are packed into as
                        * many of: once for the ranks of a socket, or of the
                        * node where a quarter of its memory holds no copy */
    uint64_t kv;       /* bytes of its KV cache; 0: a quarter of the memory
                        * for those of a node together */
    uint64_t requests; /* of the batch; 0: not known */
    unsigned tp;       /* ranks that hold a model together, each a part of it;
                        * 0: each holds all of it */
};

enum plan_bound {
    PLAN_ASKED, PLAN_GPUS, PLAN_SOCKETS, PLAN_TASK_CPUS, PLAN_MEMORY,
    PLAN_REQUEST_COUNT, PLAN_GROUP
};

struct plan {
    uint64_t ranks;    /* on all nodes */
    uint64_t per_node; /* 0: not the same on all */
    uint64_t cpus;     /* for each */
    uint64_t memory;   /* of a node, as in the job */
    uint64_t lacks;    /* bytes that groups need of a node, if it has less */
    int overcommit;    /* more were asked for than there are CPUs */
    enum plan_bound bound;
};

/* All ranks are a multiple of need->tp, also where others were asked for; those
 * of a group share a node where as many fit there. */
void plan_make(struct plan *p, const struct plan_job *j,
               const struct plan_need *need);

/* So many ranks of a node, or as many more as make whole groups of `tp` of
 * those of all `nodes`. */
uint64_t plan_whole_groups(uint64_t per_node, uint64_t nodes, unsigned tp);

/* Bytes that the cache of a rank may have which has `memory` of its node's:
 * what is left by its own bytes and by its part of the weights that so many
 * `ranks` share, which are there once; at least a byte, with which requests
 * are computed one at a time. */
uint64_t plan_cache(uint64_t memory, uint64_t own, uint64_t shared,
                    uint64_t ranks);

/* The plan in one line, and what bounds it. */
void plan_describe(char text[PLAN_TEXT], const struct plan *p,
                   const struct plan_job *j, const struct plan_need *need);

/* Fill *j from what `scontrol show job -d JOB` and `scontrol show node NODES`
 * print, one after the other.  Texts that a person wrote (a job's name, paths,
 * comments) are not facts, whatever they look like.  ERR_INPUT if the first is
 * no such thing; what is missing otherwise stays 0. */
int plan_job_parse(struct plan_job *j, const char *text, size_t n,
                   struct err *err);

/* Take off from *j, which was made of this text, its nodes that are among
 * `hosts`, names with commas between, and as many others as leave GPUs for
 * whole groups of `tp` ranks: the caller frees a list of those that were among
 * them.  NULL, and *j as before, if none is, or all are, or those that are left
 * make no group, or a person chose the job's nodes. */
char *plan_leave_out(struct plan_job *j, const char *hosts, unsigned tp,
                     const char *text, size_t n);

#endif
