/*
 * Touching an owner in the background.
 */
#include <config.h>

#include "store/heart.h"

#include <signal.h>
#include <time.h>

#include "base/err.h"
#include "store/spool.h"

#define TOUCH_S 60

static void *beat(void *self)
{
    struct heart *h = self;
    struct timespec next;

    pthread_mutex_lock(&h->lock);
    while (!h->over) {
        clock_gettime(CLOCK_REALTIME, &next);
        next.tv_sec += TOUCH_S;
        pthread_cond_timedwait(&h->wake, &h->lock, &next);
        if (!h->over && !h->lost) {
            struct err err = ERR_INIT;

            h->lost = owner_touch(h->path, &err) && err.code == ERR_FATAL;
        }
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

void heart_start(struct heart *h, const char *batch_path)
{
    sigset_t all, before;

    h->path = batch_path;
    h->over = h->lost = false;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    h->beats = pthread_create(&h->thread, NULL, beat, h) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void heart_stop(struct heart *h)
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

bool heart_lost(struct heart *h)
{
    bool lost;

    pthread_mutex_lock(&h->lock);
    lost = h->lost;
    pthread_mutex_unlock(&h->lock);
    return lost;
}
