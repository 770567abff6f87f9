/*
 * Time for waits and deadlines, by the clock that nobody sets: a wall clock
 * that is put on or back by hours ends no wait early and none late.  What time
 * of day it is, for people and for others' protocols, is time(2)'s.
 */
#ifndef APUS_BASE_CLOCK_H
#define APUS_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>

/* Since some moment before this process began. */
uint64_t clock_ms(void);
double clock_s(void);

/* A condition for clock_wait. */
void clock_cond_init(pthread_cond_t *c);

/* As pthread_cond_wait, for at most so long; it may return earlier. */
void clock_wait(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t ms);

#endif
