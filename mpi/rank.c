/*
 * A rank's side.  It waits for nothing: the work is done by threads (compute,
 * sealer), payloads and ticks come from the main loop of worker.c.
 */
#include <config.h>

#include "mpi/rank.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer/prompt.h"
#include "backend/backends.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/mem.h"
#include "engine/group.h"
#include "jobs/plan.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/models.h"
#include "mpi/compute.h"
#include "mpi/dispatch.h"
#include "mpi/comm.h"
#include "mpi/local_share.h"
#include "mpi/rank_backend.h"
#include "mpi/sealer.h"
#include "mpi/tensors.h"
#include "spool/no_gpu.h"
#include "spool/spool.h"
#include "store/worklog.h"

#define FIRST_BEATS 10 /* a second apart */
#define DONE_MAX 1024 /* in a payload */

struct rank_side {
    struct rank_options o;
    struct comm *comm;
    struct prompt_model model;
    bool has_model;
    struct model *plain;     /* of a pretended fault, or NULL */
    uint64_t own, shared;    /* memory of this process with its weights; of
                                those that ranks share */
    uint64_t sharers;        /* .. so many ranks */
    struct rank_backend on;

    /* of the batch */
    char *batch_path;
    struct batch_info info;
    uint32_t start;
    struct compute *compute;
    struct sealer *sealer;
    bool finishing;      /* the sealer makes the checkpoint */
    bool wanted;         /* asked for a shard, none came yet */
    bool saving;

    double received, told;
    unsigned beats;      /* told since it computes */
    bool quits;
    int status;
};

struct rank_side *rank_new(struct comm *comm, const struct rank_options *o)
{
    struct rank_side *r = xcalloc(1, sizeof(*r));

    r->o = *o;
    r->comm = comm;
    r->received = clock_s();
    return r;
}

/* Forget the batch; what works for it is waited for. */
static void leave_batch(struct rank_side *r)
{
    compute_free(r->compute);
    sealer_free(r->sealer);
    r->compute = NULL;
    r->sealer = NULL;
    batch_info_clear(&r->info);
    free(r->batch_path);
    r->batch_path = NULL;
}

void rank_free(struct rank_side *r)
{
    if (!r)
        return;
    leave_batch(r);
    rank_backend_close(&r->on);
    prompt_model_clear(&r->model);
    model_close(r->plain);
    free(r);
}

/* ---- telling rank 0 ------------------------------------------------------ */

static void send_to_root(struct rank_side *r, int tag, const struct buf *b)
{
    comm_send(r->comm, 0, tag, b ? b->data : "", b ? b->len : 0);
    r->told = clock_s();
}

/* Members of a group that is over may not know it yet. */
static bool group_is_over(const struct rank_side *r)
{
    const struct group *g = r->o.group;
    struct err unused = ERR_INIT;

    return g && g->ops->whole(g->self, &unused);
}

/* err NULL: well, and then `more` follows. */
static void report_end(struct rank_side *r, int tag, const struct err *err,
                       int more)
{
    int code = err ? (int)err->code : 0;
    struct buf b;

    if (err && tag == TAG_LEFT && group_is_over(r))
        code |= LEFT_GROUP;
    buf_init(&b, COMM_MAX);
    buf_putc(&b, code);
    if (err)
        buf_puts(&b, err->text);
    else if (more >= 0)
        buf_putc(&b, more);
    send_to_root(r, tag, &b);
    buf_clear(&b);
}

static void report_ready(struct rank_side *r)
{
    char host[256] = "";
    struct buf b;

    if (gethostname(host, sizeof(host) - 1))
        strcpy(host, "?");
    buf_init(&b, COMM_MAX);
    buf_puts(&b, host);
    send_to_root(r, TAG_READY, &b);
    buf_clear(&b);
}

/* Everything that is new, at once. */
static void report_done(struct rank_side *r)
{
    struct work_done d[DONE_MAX];
    size_t n;

    while ((n = compute_take(r->compute, d, DONE_MAX)) > 0) {
        struct buf b;

        buf_init(&b, COMM_MAX);
        buf_put_u64(&b, compute_tokens(r->compute));
        for (size_t i = 0; i < n; i++) {
            buf_put_u32(&b, d[i].line);
            buf_putc(&b, d[i].choice);
            buf_putc(&b, (d[i].given_up ? DONE_GIVEN_UP : 0) |
                             (d[i].reused ? DONE_REUSED : 0));
        }
        send_to_root(r, TAG_DONE, &b);
        buf_clear(&b);
    }
}

/* The first ones come soon: whoever looks at the progress waits for tokens. */
static double next_beat_s(const struct rank_side *r)
{
    double s = beat_s(r->o.lost_s);

    return r->compute && r->beats < FIRST_BEATS && s > 1 ? 1 : s;
}

static void report_beat(struct rank_side *r)
{
    struct buf b;

    buf_init(&b, 16);
    buf_put_u64(&b, r->compute ? compute_tokens(r->compute) : 0);
    r->beats += r->compute != NULL;
    send_to_root(r, TAG_BEAT, &b);
    buf_clear(&b);
}

/* ---- the model ----------------------------------------------------------- */

/* If the note cannot be written, they may come here again.  A host without
 * Slurm's name may not be a node, which sbatch would refuse. */
void rank_leave_out(const char *spool)
{
    const char *node = getenv("SLURMD_NODENAME");
    struct err why = ERR_INIT;

    if (node && no_gpu_add(spool, node, &why))
        log_warning("%s", why.text);
}

void rank_lost_gpu(const char *spool)
{
    const char *node = getenv("SLURMD_NODENAME");
    struct err why = ERR_INIT;
    unsigned times = 0;

    if (node && no_gpu_lost(&times, spool, node, &why))
        log_warning("%s", why.text);
    else if (times > 1)
        log_warning("%s has lost %u GPUs within an hour: the next start leaves"
                    " it out", node, times);
}

/* A model was not loaded: where other programs fill the GPU, the next start is
 * to be elsewhere. */
static int not_loaded(const struct rank_side *r)
{
    if (r->on.b && r->on.b->full)
        rank_leave_out(r->o.spool);
    return -1;
}

/* Whether this machine can hold what its ranks have of a model together.  A
 * device plans its own memory. */
static int check_parts(const struct rank_side *r, const char *path,
                       struct err *err)
{
    uint64_t size;

    if (!r->o.group || r->on.device)
        return 0;
    if (file_size(path, &size, err))
        return -1;
    return local_holds_parts(r->o.group->size, size, err);
}

/* The model's record says which backend computes it. */
static int open_backend(struct rank_side *r, const char *what, struct err *err)
{
    const struct backend_wish wish = {
        .kernel = r->o.kernel, .threads = r->o.threads,
        .pretend = r->o.pretend, .hidden = r->o.seal.with_hidden,
        .share_gpu = r->o.share_gpu, .check_gpu = r->o.check_gpu,
        .gpu_graphs = r->o.gpu_graphs, .gpu_nccl = r->o.gpu_nccl,
        .cuda_libs = r->o.cuda_libs,
        .group = r->o.group,
        .shares = r->o.sharers > 1,
        .wait_s = r->o.lost_s * START_FACTOR / 2,
    };
    struct model_record rec;
    struct id id;
    char *path;
    int rc;

    if (models_resolve(&path, r->o.models, what, NULL, err))
        return err_prefix(err, "the model of this batch");
    rc = model_peek(&rec, &id, path, err);
    if (rc)
        err_prefix(err, "the model of this batch");
    if (rc == 0) {
        rc = rank_backend_open(&r->on, &wish, &rec, err);
        if (rc && r->on.denied)
            rank_leave_out(r->o.spool);
    }
    if (rc == 0) {
        rc = check_parts(r, path, err);
        if (rc)
            err_prefix(err, "the model of this batch");
    }
    free(path);
    return rc;
}

/* What a fault is pretended with. */
static int open_plain(struct rank_side *r, const char *what, struct err *err)
{
    model_close(r->plain);
    r->plain = NULL;
    return models_open(&r->plain, r->o.models, what, NULL, NULL, err);
}

/* How many ranks are on a socket nobody knows: there its weights, which are
 * small, count for each as a whole. */
static void count_shared(struct rank_side *r)
{
    bool of_socket = false;

    r->shared = 0;
    if (!r->o.pretend && !r->on.device)
        r->shared = backend_shared_bytes(r->on.b, &of_socket);
    r->sharers = of_socket ? 1 : r->o.sharers;
}

int rank_open_model(struct rank_side *r, struct id model, struct err *err)
{
    const struct id_text text = id_text(model);
    const char *what = r->o.model_path ? r->o.model_path : text.s;
    struct model *m;

    if (r->has_model && id_equal(r->model.model->id, model))
        return 0;
    prompt_model_clear(&r->model);
    r->has_model = false;
    if (open_backend(r, what, err) ||
        (r->o.fault && open_plain(r, what, err)))
        return -1;
    if (models_open(&m, r->o.models, what, r->on.b->sink, NULL, err)) {
        err_prefix(err, "the model of this batch");
        return not_loaded(r);
    }
    if (!id_equal(m->id, model)) {
        model_close(m);
        return err_set(err, ERR_INPUT,
                       "\"%s\" is not the model of this"
                       " batch, which is %s",
                       r->o.model_path ? r->o.model_path : r->o.models,
                       text.s);
    }
    if (prompt_model_init(&r->model, m, err))
        return -1;
    r->has_model = true;
    /* now: no batch has a cache yet */
    r->own = machine_memory_own();
    count_shared(r);
    if (r->model.no_chat.code && comm_rank(r->comm) == 0)
        log_warning("chat requests are refused: %s", r->model.no_chat.text);
    return 0;
}

/* ---- from rank 0 --------------------------------------------------------- */

/* What the pretended engine has not. */
static unsigned of_steps(const struct seal_options *o)
{
    return (o->with_topk ? TENSORS_TOPK : 0) |
           (o->with_hidden ? TENSORS_HIDDEN : 0) |
           (o->with_logits ? TENSORS_LOGITS : 0);
}

/* What the cache may have beside the weights.  A device plans its own. */
static uint64_t kv_ceiling(const struct rank_side *r)
{
    if (r->o.kv_bytes || !r->o.memory || r->on.device)
        return r->o.kv_bytes;
    return plan_cache(r->o.memory, r->own, r->shared, r->sharers);
}

static int begin_batch(struct rank_side *r, struct err *err)
{
    struct compute_options o = {
        .batch_path = r->batch_path, .info = &r->info, .model = &r->model,
        .start = r->start, .rank = (uint32_t)comm_rank(r->comm),
        .max_sequences = r->o.max_sequences,
        .tensors = (r->o.seal.with_last ? TENSORS_LAST : 0) |
                   (r->o.pretend ? 0 : of_steps(&r->o.seal)),
        .offers_logits = !r->o.pretend,
        .with_leaves = !r->o.seal.roots_only,
        .reuse = r->o.pretend || r->o.fault ? NULL : r->o.reuse,
        .fault = r->o.fault, .plain = r->plain,
    };

    if (batch_info_read(&r->info, r->batch_path, err) ||
        rank_open_model(r, r->info.model, err))
        return -1;
    o.backend = r->on.b;
    o.revocable = r->on.device;
    o.kv_bytes = kv_ceiling(r);
    return compute_new(&r->compute, &o, err) ? not_loaded(r) : 0;
}

static void take_start(struct rank_side *r, const struct payload *p)
{
    struct err err = ERR_INIT;

    leave_batch(r);
    r->wanted = r->saving = r->finishing = false;
    if (p->n < 5)
        return;
    r->start = get_u32(p->data);
    r->batch_path = xstrndup((const char *)p->data + 4, p->n - 4);
    if (begin_batch(r, &err))
        report_end(r, TAG_LEFT, &err, -1);
    else
        report_ready(r);
}

/* Read a line at *at: false if the payload ends within it. */
static bool get_work(struct work *w, const unsigned char **at,
                     const unsigned char *end)
{
    const unsigned char *p = *at;

    if (end - p < WORK_BYTES)
        return false;
    *w = (struct work){ .line = get_u32(p), .n = get_u32(p + 4),
                        .at = get_u64(p + 8), .skip = p[16], .kind = p[17],
                        .begun = p[18] };
    p += WORK_BYTES;
    for (uint32_t c = 0; c < WORK_CHOICES; c++) {
        if (!(w->begun >> c & 1))
            continue;
        if (end - p < PLACE_BYTES)
            return false;
        w->partial[c] = (struct partial){
            .index = frame_index(w->line, c), .start = get_u32(p),
            .rank = get_u32(p + 4), .at = get_u64(p + 8)
        };
        p += PLACE_BYTES;
    }
    *at = p;
    return true;
}

static void take_shard(struct rank_side *r, const struct payload *p)
{
    const unsigned char *at = p->data, *end = p->data + p->n;
    struct work w[SHARD_MAX];
    size_t n = 0;

    if (!r->compute)
        return;
    while (n < SHARD_MAX && get_work(&w[n], &at, end))
        n++;
    compute_put(r->compute, w, n);
    r->wanted = false;
}

static void take_save(struct rank_side *r)
{
    r->saving = true;
    if (r->compute)
        compute_save(r->compute);
}

static void take_seal(struct rank_side *r, const struct payload *p)
{
    struct sealer_options o = {
        .batch_path = r->batch_path, .info = &r->info,
        .seal = r->o.seal,
    };
    struct err err = ERR_INIT;

    if (p->n < 9 || !r->has_model || !r->batch_path) {
        err_set(&err, ERR_FATAL, "asked to seal a batch that it does not hold");
        report_end(r, TAG_SEALED, &err, -1);
        return;
    }
    sealer_free(r->sealer);
    r->sealer = NULL;
    o.seal.caller.note = log_note;
    o.seal.pretended = r->o.pretend;
    models_source(o.seal.model_source, r->o.models, r->info.model);
    o.seal.n_vocab = r->model.model->rec.n_vocab;
    o.seal.n_layers = r->model.model->rec.n_layers;
    o.seal.dim = r->model.model->rec.dim;
    o.k = get_u32(p->data);
    o.of = get_u32(p->data + 4);
    o.of += o.of == 0;
    o.finish = r->finishing = p->data[8] != 0;
    if (sealer_new(&r->sealer, &o, &err))
        report_end(r, TAG_SEALED, &err, -1);
}

void rank_take(struct rank_side *r, const struct payload *p)
{
    r->received = clock_s();
    switch (p->tag) {
    case TAG_START:
        take_start(r, p);
        break;
    case TAG_SHARD:
        take_shard(r, p);
        break;
    case TAG_SAVE:
        take_save(r);
        break;
    case TAG_SEAL:
        take_seal(r, p);
        break;
    case TAG_QUIT:
        r->quits = true;
        r->status = p->n >= 4 ? (int)get_u32(p->data) : 1;
        break;
    default: /* TAG_PULSE */
        break;
    }
}

/* ---- time ---------------------------------------------------------------- */

/* Another member that was wrong says so, and why, itself. */
static void report_withdrawn(struct rank_side *r)
{
    bool own = r->on.b->wrong;
    struct err err = ERR_INIT;
    struct buf b;

    if (own)
        rank_leave_out(r->o.spool);
    compute_error(r->compute, &err);
    buf_init(&b, COMM_MAX);
    buf_putc(&b, own);
    if (own)
        buf_puts(&b, err.text);
    send_to_root(r, TAG_WITHDRAWN, &b);
    buf_clear(&b);
}

static void look_at_compute(struct rank_side *r)
{
    enum compute_state state;
    struct err err = ERR_INIT;

    if (!r->compute)
        return;
    state = compute_state(r->compute);
    if (state == COMPUTE_WITHDRAWN)
        report_withdrawn(r);
    else
        report_done(r);
    if (state == COMPUTE_RUNNING) {
        if (!r->wanted && !r->saving &&
            compute_waiting(r->compute) < r->o.max_sequences) {
            r->wanted = true;
            send_to_root(r, TAG_WANT, NULL);
        }
        return;
    }
    if (r->on.b->lost)
        rank_lost_gpu(r->o.spool);
    compute_error(r->compute, &err);
    compute_free(r->compute);
    r->compute = NULL;
    report_end(r, TAG_LEFT, state == COMPUTE_SAVED ? NULL : &err, -1);
}

static void look_at_sealer(struct rank_side *r)
{
    struct err err = ERR_INIT;
    enum sealer_state state;

    if (!r->sealer)
        return;
    state = sealer_state(r->sealer, &err);
    if (state == SEALER_WORKING)
        return;
    sealer_free(r->sealer);
    r->sealer = NULL;
    report_end(r, TAG_SEALED, state == SEALER_FAILED ? &err : NULL,
               r->finishing);
}

void rank_tick(struct rank_side *r)
{
    double t = clock_s();
    unsigned lost_s = r->o.lost_s;

    look_at_compute(r);
    look_at_sealer(r);
    /* between batches rank 0 reads a model, and the logs of the next */
    if (!r->compute && !r->sealer)
        lost_s *= START_FACTOR;
    if (t - r->told >= next_beat_s(r))
        report_beat(r);
    if (comm_rank(r->comm) == 0 || t - r->received < lost_s)
        return;
    log_warning("rank 0 is lost: silent for %u s; this rank saves and leaves",
                lost_s);
    leave_batch(r);
    r->quits = true;
    r->status = EXIT_SAVED;
}

void rank_signalled(struct rank_side *r)
{
    send_to_root(r, TAG_SIGNAL, NULL);
}

bool rank_quits(const struct rank_side *r, int *status)
{
    *status = r->status;
    return r->quits;
}
