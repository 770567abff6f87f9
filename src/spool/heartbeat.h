/*
 * A thread that touches the owner of a batch once a minute while this process
 * works on it, so that no process takes the batch away: sealing and an upload
 * may take hours.
 */
#ifndef APUS_SPOOL_HEARTBEAT_H
#define APUS_SPOOL_HEARTBEAT_H

#include <pthread.h>
#include <stdbool.h>

struct heartbeat {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool over, beats, lost;
    unsigned period_ms;
    const char *path;
};

#define HEARTBEAT_MS 60000 /* between two touches, by no wall clock */

/* For a batch of which this process is the owner; the path must stay where it
 * is until heartbeat_stop. */
void heartbeat_start(struct heartbeat *h, const char *batch_path);
void heartbeat_start_ms(struct heartbeat *h, const char *batch_path,
                        unsigned period_ms);
void heartbeat_stop(struct heartbeat *h);

/* Whether the batch was taken away by the last time that it was touched. */
bool heartbeat_lost(struct heartbeat *h);

#endif
