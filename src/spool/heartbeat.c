/*
 * Touching an owner in the background.
 */
#include <config.h>

#include "spool/heartbeat.h"

#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "spool/spool.h"

#define LOOK_MS 5000
#define STEP_S 30

/* How far the wall clock is ahead of the one that cannot be set. */
static int64_t ahead_s(void)
{
    return (int64_t)time(NULL) - (int64_t)(clock_ms() / 1000);
}

/* Until it is time to touch it again, or somebody has set the wall clock:
 * times of files follow it, and the last touch looks old, or lies ahead. */
static void wait_a_beat(struct heartbeat *h)
{
    uint64_t end = clock_ms() + h->period_ms, now;
    int64_t ahead = ahead_s(), step = 0;

    while (!h->over && (now = clock_ms()) < end && step * step <
           STEP_S * STEP_S) {
        clock_wait(&h->wake, &h->lock,
                   end - now < LOOK_MS ? end - now : LOOK_MS);
        step = ahead_s() - ahead;
    }
}

/* The lock is not held while the file system answers, which may take long. */
static void *beat(void *self)
{
    struct heartbeat *h = self;

    pthread_mutex_lock(&h->lock);
    while (!h->over) {
        wait_a_beat(h);
        if (!h->over && !h->lost) {
            struct err err = ERR_INIT;
            bool lost;

            pthread_mutex_unlock(&h->lock);
            lost = owner_touch(h->path, &err) && err.code == ERR_FATAL;
            pthread_mutex_lock(&h->lock);
            h->lost = lost;
        }
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

void heartbeat_start_ms(struct heartbeat *h, const char *batch_path,
                        unsigned period_ms)
{
    sigset_t all, before;

    h->path = batch_path;
    h->period_ms = period_ms;
    h->over = h->lost = false;
    pthread_mutex_init(&h->lock, NULL);
    clock_cond_init(&h->wake);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->beats = pthread_create(&h->thread, NULL, beat, h) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void heartbeat_start(struct heartbeat *h, const char *batch_path)
{
    heartbeat_start_ms(h, batch_path, HEARTBEAT_MS);
}

void heartbeat_stop(struct heartbeat *h)
{
    pthread_mutex_lock(&h->lock);
    h->over = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    if (h->beats)
        pthread_join(h->thread, NULL);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
}

bool heartbeat_lost(struct heartbeat *h)
{
    bool lost;

    pthread_mutex_lock(&h->lock);
    lost = h->lost;
    pthread_mutex_unlock(&h->lock);
    return lost;
}
