/*
 * Sealing in a thread of its own.
 */
#include <config.h>

#include "mpi/sealer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"

struct sealer {
    struct sealer_options o;
    pthread_t thread;
    pthread_mutex_t lock;
    enum sealer_state state; /* under the lock */
    struct err err;
};

static void *run_sealer(void *self)
{
    struct sealer *s = self;
    struct err err = ERR_INIT;
    const struct sealer_options *o = &s->o;
    int rc = seal_batch(o->batch_path, o->info, &o->seal, o->k, o->of,
                        o->finish, &err);

    pthread_mutex_lock(&s->lock);
    s->err = err;
    s->state = rc ? SEALER_FAILED : SEALER_DONE;
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int sealer_new(struct sealer **out, const struct sealer_options *o,
               struct err *err)
{
    struct sealer *s = xcalloc(1, sizeof(*s));
    int rc;

    s->o = *o;
    pthread_mutex_init(&s->lock, NULL);
    rc = pthread_create(&s->thread, NULL, run_sealer, s);
    if (rc) {
        errno = rc;
        free(s);
        return err_errno(err, ERR_RETRY, "cannot start a thread");
    }
    *out = s;
    return 0;
}

enum sealer_state sealer_state(struct sealer *s, struct err *err)
{
    enum sealer_state state;

    pthread_mutex_lock(&s->lock);
    state = s->state;
    if (state == SEALER_FAILED)
        err_copy(err, &s->err);
    pthread_mutex_unlock(&s->lock);
    return state;
}

void sealer_free(struct sealer *s)
{
    if (!s)
        return;
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
