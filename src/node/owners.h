/*
 * Who works on batches, asked of everybody who may know: this machine for
 * processes, Slurm for jobs, with one question for all of them.
 */
#ifndef APUS_NODE_OWNERS_H
#define APUS_NODE_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/spool.h"

struct err;
struct launch_job;
struct owners;

/* Ask after the owners of these batches. */
struct owners *owners_ask(const struct batch *list, size_t n);
void owners_free(struct owners *o);

/* What Slurm said of the job that owns one of them; NULL if it is none. */
const struct launch_job *owners_job(const struct owners *o, const char *job);

/* For spool_adopt: 1 over or unknown to Slurm, 0 it lives, -1 no answer. */
int owners_over(void *self, const char *job, uint32_t restarts);

/* Take a batch back whose owner is dead: as spool_adopt. */
enum taking owners_adopt(const struct spool *s, struct batch *b,
                         struct owners *o, struct err *err);

#endif
