/*
 * What is left of a batch: the lines that wait, in the order in which they
 * are handed out, and those that must run alone.  No ranks here.
 */
#ifndef APUS_MPI_QUEUE_H
#define APUS_MPI_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mpi/compute.h"

struct err;
struct resume;
struct scan;
struct queue;

/* Both are borrowed; what resume says is done is not handed out. */
int queue_new(struct queue **out, const struct scan *s,
              const struct resume *r, struct err *err);
void queue_free(struct queue *q);

/* Take up to `max` lines that run with others, longest first; how many.  One
 * that was done while it waited is left out, here and below. */
size_t queue_take(struct queue *q, struct work *w, size_t max);

/* Take one that runs alone, or is to be given up. */
bool queue_take_alone(struct queue *q, struct work *w);

/* A line comes back from a rank that is lost; where it goes now is judged
 * anew from resume. */
void queue_put_back(struct queue *q, uint32_t line);

/* Lines that wait to run with others, and alone; those that were done while
 * they waited are among them. */
size_t queue_waiting(const struct queue *q);
size_t queue_waiting_alone(const struct queue *q);

/* Whether nothing of a line is left to do. */
bool queue_line_done(const struct queue *q, uint32_t line);

#endif
