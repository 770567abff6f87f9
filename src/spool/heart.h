/*
 * A thread that touches the owner of a batch once a minute while this process
 * works on it, so that nobody takes the batch away: sealing and an upload may
 * take hours.
 */
#ifndef APUS_SPOOL_HEART_H
#define APUS_SPOOL_HEART_H

#include <pthread.h>
#include <stdbool.h>

struct heart {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool over, beats, lost;
    unsigned period_ms;
    const char *path;
};

#define HEART_MS 60000 /* between two touches, by no wall clock */

/* For a batch of which this process is the owner; the path must stay where it
 * is until heart_stop. */
void heart_start(struct heart *h, const char *batch_path);
void heart_start_ms(struct heart *h, const char *batch_path,
                    unsigned period_ms);
void heart_stop(struct heart *h);

/* Whether the batch was taken away by the last time that it was touched. */
bool heart_lost(struct heart *h);

#endif
