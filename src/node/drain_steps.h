/*
 * The steps of a round of apus drain, which drain_round.c runs in order.  A
 * step that fails reports it (drain_trouble), and the next one runs all the
 * same.
 */
#ifndef APUS_NODE_DRAIN_STEPS_H
#define APUS_NODE_DRAIN_STEPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "node/drain_models.h"
#include "node/puller.h"
#include "node/start.h"
#include "spool/spool.h"

struct caller;
struct launch_job;
struct pretended;
struct push;
struct settings;

struct drain {
    struct settings *settings;
    const struct caller *caller; /* its progress is not called */
    const char *commit;      /* that this program was made of */
    uint64_t for_s;          /* rounds for so long; 0: one */
    bool wait;
    bool resume;             /* pull as much as ever */
    struct spool *spool;
    struct start start;
    struct launch_job *jobs; /* that there were when a round began to start
                              * others, sorted by batch */
    size_t n_jobs;
    struct err no_launcher;  /* why start.launcher is NULL */
    struct push *push;       /* NULL: no wallet */
    struct puller puller;  /* open if the setting queue is set */
    bool has_queue;
    struct drain_models models; /* of this step */
    size_t n_rounds;
    size_t n_working;        /* batches that somebody alive has */
    size_t n_waiting;        /* batches for our workers in todo, when last
                              * counted */
    bool no_pull;            /* what is there is enough */
    bool did;                /* this round did something */
    bool answered, lost;     /* in this round something for AO was; all of a
                              * pull went back */
    bool takes_disputes;     /* the queue does, as far as is known */
    uint64_t gap_s;          /* since the last round of the drain before */
    uint64_t turn_s;         /* of the queue's disputes; 0: not asked yet */
    uint64_t window_s;       /* the longest Window of the queue, .. */
    uint64_t longest_turn_s; /* .. and Turn, as far as they are known */
    bool asked_times;        /* for these, in this process */
    double disputes_s;       /* not asked for before this, by base/clock */
    struct pretended *fault;     /* that this node pretends to have, or NULL */
    bool failed, later;      /* something went wrong; may pass */
    bool damaged;            /* .. since a checkpoint is damaged */
};

/* Open the wallet and the queue, as far as they are configured. */
int drain_open(struct drain *d, struct err *err);
void drain_close(struct drain *d);

/* Run rounds until for_s is over or the caller stops them; then, with `wait`,
 * wait for workers. */
void drain_rounds(struct drain *d);

/* Ask Slurm again, if it did not answer before. */
void drain_ask_again(struct drain *d);
void drain_push(struct drain *d);
void drain_renew(struct drain *d);
/* Make the next move of each dispute in which it is this node's turn. */
void drain_disputes(struct drain *d);
void drain_pull(struct drain *d);
void drain_start(struct drain *d);
/* Count the batches that wait for workers, in n_waiting. */
void drain_count(struct drain *d);

/* Report an error; the drain continues, and its exit status reflects it. */
void drain_trouble(struct drain *d, const struct err *err);
/* Visit each batch of a state until the caller stops it; -1 if they cannot be
 * listed, which was reported. */
int drain_each(struct drain *d, enum spool_state state,
               void (*step)(struct drain *d, struct batch *b,
                            const struct batch_info *info));

#endif
