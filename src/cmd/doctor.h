/*
 * apus doctor: what its checks share.  A check says what it found in one
 * line, and a finding has its remedy.
 */
#ifndef APUS_CMD_DOCTOR_H
#define APUS_CMD_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

struct settings;

struct doctor {
    struct settings *settings;
    bool offline;
    bool of_node; /* what a worker needs on this node alone */
    bool deep;    /* hash the models, too */
    const char *node; /* stands before each finding; NULL: nothing does */
    size_t n_bad, n_warnings;
};

/* It is as it should be. */
void doctor_ok(struct doctor *d, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Not looked at, and why. */
void doctor_skip(struct doctor *d, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Work goes on, but somebody should know. */
void doctor_warn(struct doctor *d, const char *what, const char *remedy,
                 const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Work cannot go on. */
void doctor_bad(struct doctor *d, const char *what, const char *remedy,
                const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Checks of this machine. */
void doctor_spool(struct doctor *d);
void doctor_batches(struct doctor *d);
void doctor_models(struct doctor *d);
void doctor_arithmetic(struct doctor *d);
void doctor_worker(struct doctor *d);
void doctor_gpus(struct doctor *d);
void doctor_parser(struct doctor *d);
void doctor_ranks(struct doctor *d);
void doctor_slurm(struct doctor *d);

/* Checks of a node of a cluster. */
void doctor_node(struct doctor *d);
void doctor_machine(struct doctor *d);
void doctor_writes(struct doctor *d);

/* Checks of what is elsewhere. */
void doctor_wallet(struct doctor *d);
void doctor_gateways(struct doctor *d);
void doctor_clock(struct doctor *d);
void doctor_bundler(struct doctor *d);
void doctor_queue(struct doctor *d);

#endif
