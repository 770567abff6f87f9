/*
 * The monotonic clock.
 */
#include <config.h>

#include "base/clock.h"

#include <time.h>

#define MAX_WAIT_MS ((uint64_t)86400 * 1000)

static struct timespec now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

uint64_t clock_ms(void)
{
    struct timespec t = now();

    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

double clock_s(void)
{
    struct timespec t = now();

    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void clock_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}

void clock_wait(pthread_cond_t *c, pthread_mutex_t *lock, uint64_t ms)
{
    struct timespec t = now();

    /* waits have an end, and sums have room */
    if (ms > MAX_WAIT_MS)
        ms = MAX_WAIT_MS;
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    pthread_cond_timedwait(c, lock, &t);
}
