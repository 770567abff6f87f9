/*
 * The main thread has the payloads of rank 0, another one the orders of the
 * group's first member.  If that one fails, it tells its group, and the rank
 * waits for TAG_QUIT: it must not end before the others, since mpirun ends all
 * ranks when one ends with more to do.  If the first member is gone, rank 0
 * seals no answer of it before this rank has said that its thread is through.
 */
#include <config.h>

#include "mpi/member.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "backend/backends.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/models.h"
#include "mpi/comm.h"
#include "mpi/dispatch.h"
#include "mpi/local_share.h"
#include "mpi/rank_group.h"
#include "mpi/rank.h"
#include "mpi/rank_backend.h"
#include "store/resume.h"
#include "store/worklog.h"

struct member {
    struct rank_options o;
    struct comm *comm;
    struct rank_group *group;
    pthread_t thread;
    struct rank_backend on;
    struct err none;        /* why there is no backend */
    struct model *model;    /* the thread's, or NULL */
    double received;        /* when, from rank 0 */
    bool reported;          /* the signal, to rank 0 */
    char *log;              /* the first member's, of this batch, or NULL */
    bool revoked;           /* .. since what this rank computed is wrong, .. */
    bool explained;         /* .. and rank 0 knows why */
    bool asked;             /* by rank 0, whether anything is wrong .. */
    bool left;              /* .. which it knows, .. */
    double beat;            /* .. or else when the last TAG_BEAT was sent */
    struct err why;         /* of the thread, once it is .. */
    atomic_bool through;
    atomic_bool ends;       /* the thread is to end */
    atomic_bool closed;     /* the first member has ended */
};

/* Whether this machine can hold what its ranks have of the model. */
static int check_parts(const struct member *m, const char *what,
                       struct err *err)
{
    uint64_t size;
    char *path;
    int rc;

    if (m->on.device) /* which plans its own */
        return 0;
    if (models_resolve(&path, m->o.models, what, NULL, err))
        return -1;
    rc = file_size(path, &size, err) ||
         local_holds_parts(m->o.group->size, size, err);
    free(path);
    return rc ? -1 : 0;
}

/* The model of an id, as this rank's store has it. */
static const struct model *find(void *self, struct id id, struct err *err)
{
    const struct id_text text = id_text(id);
    struct member *m = self;
    const char *what = m->o.model_path ? m->o.model_path : text.s;

    model_close(m->model);
    m->model = NULL;
    if (check_parts(m, what, err) ||
        models_open(&m->model, m->o.models, what, m->on.b->sink, NULL, err)) {
        err_prefix(err, "the model of this group");
        return NULL;
    }
    if (!id_equal(m->model->id, id))
        err_set(err, ERR_INPUT, "\"%s\" is not the model %s of this group",
                what, text.s);
    return id_equal(m->model->id, id) ? m->model : NULL;
}

static void *follow(void *self)
{
    struct member *m = self;
    struct err err = ERR_INIT;

    x1_thread_init();
    if ((m->none.code ? backend_refuse(m->o.group, &m->none, &err)
                      : backend_follow(m->on.b, find, m, &err)) == 0)
        atomic_store(&m->closed, true);
    if (m->on.b && (m->on.b->wrong || m->on.b->full))
        rank_leave_out(m->o.spool); /* also where all are to end by now */
    else if (m->on.b && m->on.b->lost)
        rank_lost_gpu(m->o.spool);
    if (!atomic_load(&m->closed) && !atomic_load(&m->ends)) {
        /* the first member reports it, or rank 0 that this one is lost */
        log_info("this rank leaves its group: %s", err.text);
        rank_group_leave(m->group, &err);
    }
    m->why = err;
    atomic_store(&m->through, true);
    return NULL;
}

int member_new(struct member **out, struct comm *comm, struct rank_group *g,
               const struct rank_options *o, struct err *err)
{
    const struct backend_wish wish = {
        .kernel = o->kernel, .threads = o->threads, .group = o->group,
        .share_gpu = o->share_gpu, .check_gpu = o->check_gpu,
        .gpu_graphs = o->gpu_graphs, .gpu_nccl = o->gpu_nccl,
        .cuda_libs = o->cuda_libs,
        .shares = o->sharers > 1, .wait_s = o->lost_s * START_FACTOR / 2,
    };
    struct member *m = xcalloc(1, sizeof(*m));

    m->o = *o;
    m->comm = comm;
    m->group = g;
    m->received = clock_s();
    rank_backend_open(&m->on, &wish, NULL, &m->none);
    if (m->on.denied)
        rank_leave_out(m->o.spool);
    if (pthread_create(&m->thread, NULL, follow, m)) {
        rank_backend_close(&m->on);
        free(m);
        return err_set(err, ERR_RETRY, "cannot start a thread");
    }
    *out = m;
    return 0;
}

/* How long rank 0 may be silent.  As with other ranks: longer between batches.
 * In a batch the first member, which saves, is to be through with it before. */
static unsigned patience_s(const struct member *m)
{
    double heard = rank_group_heard(m->group);

    if (atomic_load(&m->closed))
        return m->o.lost_s;
    return heard > 0 && heard + m->o.lost_s >= m->received
               ? m->o.lost_s + (m->o.lost_s + 1) / 2
               : m->o.lost_s * START_FACTOR;
}

static void take_start(struct member *m, const struct payload *p)
{
    const struct group *g = m->o.group;
    char *batch;

    if (p->n < 5 || m->asked) /* what it finds now is of an earlier batch */
        return;
    batch = xstrndup((const char *)p->data + 4, p->n - 4);
    free(m->log);
    m->log = start_log_path(batch, get_u32(p->data),
                            (uint32_t)comm_rank(m->comm) - g->rank);
    m->revoked = m->explained = false;
    free(batch);
}

/* The first member may be dead by then, and its log outlives it. */
static bool revoke(struct member *m)
{
    struct err err = ERR_INIT;

    if (m->revoked || !m->log || !rank_group_accuses(m->group))
        return false;
    m->revoked = true;
    if (worklog_revoke(m->log, &err))
        log_err(&err);
    return true;
}

/* At once, and again with the reason as soon as there is one: others may take
 * long until they have left, and this thread with them. */
static void report_withdrawn(struct member *m, bool through)
{
    bool revoked = revoke(m);
    char text[1 + sizeof(m->why.text)] = { 1 };
    size_t n = 1;

    if (!revoked && !(m->revoked && through && !m->explained))
        return;
    if (through)
        n += strlen(m->why.text);
    memcpy(text + 1, m->why.text, n - 1);
    m->explained = through;
    comm_send(m->comm, 0, TAG_WITHDRAWN, text, n);
}

/* The answer to TAG_SAVE, after what is withdrawn. */
static void report_left(struct member *m, bool through)
{
    static const char well[8];
    double t = clock_s();

    if (!m->asked || m->left)
        return;
    m->left = through;
    if (through) {
        comm_send(m->comm, 0, TAG_LEFT, well, 1);
    } else if (t - m->beat >= beat_s(m->o.lost_s)) {
        comm_send(m->comm, 0, TAG_BEAT, well, 8);
        m->beat = t;
    }
}

static void take(struct member *m, const struct payload *p)
{
    if (p->tag == TAG_START)
        take_start(m, p);
    if (p->tag != TAG_SAVE)
        return;
    m->asked = true;
    rank_group_stop(m->group);
}

bool member_ends(struct member *m, bool signalled, int *status)
{
    unsigned lost_s = patience_s(m);
    struct payload p;
    bool through;

    while (comm_poll(m->comm, &p)) {
        m->received = clock_s();
        *status = p.n >= 4 ? (int)get_u32(p.data) : 1;
        if (p.tag == TAG_QUIT)
            return true;
        take(m, &p);
    }
    /* read first: what the thread has found is complete then */
    through = atomic_load(&m->through);
    report_withdrawn(m, through);
    report_left(m, through);
    if (signalled && !m->reported)
        comm_send(m->comm, 0, TAG_SIGNAL, "", 0);
    m->reported = m->reported || signalled;
    if (clock_s() - m->received < lost_s)
        return false;
    log_warning("rank 0 is lost: silent for %u s; this rank leaves", lost_s);
    *status = EXIT_SAVED;
    return true;
}

void member_free(struct member *m)
{
    if (!m)
        return;
    /* TAG_QUIT may come before the first member has closed: no fault */
    atomic_store(&m->ends, true);
    rank_group_stop(m->group);
    pthread_join(m->thread, NULL);
    revoke(m);
    free(m->log);
    rank_backend_close(&m->on);
    model_close(m->model);
    free(m);
}
