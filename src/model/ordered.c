/*
 * A thread takes the next piece, makes it, waits until the pieces before are
 * out, and puts it out.
 */
#include <config.h>

#include "model/ordered.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "kernels/kernels.h"

#define MAX_THREADS 16

struct crew {
    const struct ordered *o;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    size_t next; /* item that nobody has taken */
    size_t out;  /* items before this one are out */
    bool failed;
    struct err err;
};

static void begin(struct crew *c)
{
    pthread_mutex_lock(&c->lock);
}

static void end(struct crew *c)
{
    pthread_mutex_unlock(&c->lock);
}

/* The next piece; false if there is none, or an error. */
static bool take_piece(struct crew *c, size_t *from, size_t *to)
{
    size_t n = c->o->n;
    bool some;

    begin(c);
    some = !c->failed && c->next < n;
    *from = c->next;
    *to = n - *from < c->o->piece ? n : *from + c->o->piece;
    if (some)
        c->next = *to;
    end(c);
    return some;
}

/* Wait until items before this one are out; false if one of them failed. */
static bool wait_turn(struct crew *c, size_t from)
{
    bool mine;

    begin(c);
    while (!c->failed && c->out < from)
        pthread_cond_wait(&c->moved, &c->lock);
    mine = !c->failed;
    end(c);
    return mine;
}

static void pass_turn(struct crew *c, size_t to, int rc, const struct err *why)
{
    begin(c);
    c->out = to;
    if (rc) {
        c->failed = true;
        c->err = *why;
    }
    pthread_cond_broadcast(&c->moved);
    end(c);
}

static void work(struct crew *c, void *room)
{
    const struct ordered *o = c->o;
    size_t from, to;

    while (take_piece(c, &from, &to)) {
        struct err why = ERR_INIT;
        int rc = o->make(o->self, from, to, room, &why);

        if (!wait_turn(c, from))
            return;
        if (!rc)
            rc = o->put(o->self, from, to, room, &why);
        pass_turn(c, to, rc, &why);
    }
}

/* A thread that gets no memory leaves the work to the others. */
static void *run_thread(void *arg)
{
    struct crew *c = arg;
    void *room;

    x1_thread_init();
    if (mem_big(&room, 1, c->o->room, "items", NULL))
        return NULL;
    work(c, room);
    free(room);
    return NULL;
}

/* Signals are the caller's affair. */
static unsigned start(struct crew *c, pthread_t *id, unsigned most)
{
    sigset_t all, before;
    unsigned n = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (n < most && pthread_create(&id[n], NULL, run_thread, c) == 0)
        n++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

int ordered_run(const struct ordered *o, unsigned threads, struct err *err)
{
    size_t pieces = (o->n + o->piece - 1) / o->piece;
    struct crew c = { .o = o };
    pthread_t id[MAX_THREADS];
    unsigned n;
    void *room;

    if (mem_big(&room, 1, o->room, "items", err))
        return -1;
    if (threads > MAX_THREADS)
        threads = MAX_THREADS;
    if (threads > pieces)
        threads = (unsigned)pieces;
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.moved, NULL);
    n = start(&c, id, threads > 1 ? threads - 1 : 0);
    work(&c, room);
    while (n > 0)
        pthread_join(id[--n], NULL);
    pthread_cond_destroy(&c.moved);
    pthread_mutex_destroy(&c.lock);
    free(room);
    return c.failed ? err_copy(err, &c.err) : 0;
}
