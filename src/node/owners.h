/*
 * The owners of batches: processes of this machine, and Slurm jobs, which one
 * query looks up together.
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

/* Look up the owners of these batches. */
struct owners *owners_ask(const struct batch *list, size_t n);
void owners_free(struct owners *o);

/* Return what Slurm said about the job that owns one of them; NULL if it is not
 * one of them. */
const struct launch_job *owners_job(const struct owners *o, const char *job);

/* For spool_adopt: what Slurm said about the job of an owner. */
enum owner_job owners_over(void *self, const char *job, uint32_t restarts);

/* Reclaim a batch whose owner is dead, as spool_adopt does. */
enum taking owners_adopt(const struct spool *s, struct batch *b,
                         struct owners *o, struct err *err);

#endif
