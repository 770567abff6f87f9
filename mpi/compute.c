/*
 * The thread that answers requests.  Its loop is the way of a request: read,
 * tokenize, prefill and decode (engine_step), commit (the observer), record.
 */
#include <config.h>

#include "mpi/compute.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer/answer_record.h"
#include "answer/commit.h"
#include "answer/prompt.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/sys.h"
#include "base/vec.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "mpi/pretend_fault.h"
#include "mpi/tensors.h"
#include "proof/job_record.h"
#include "proof/line_ids.h"
#include "proof/result_record.h"
#include "spool/ids_file.h"
#include "spool/spool.h"
#include "store/checkpoint.h"
#include "store/partial.h"
#include "store/record.h"
#include "store/request.h"
#include "store/resume.h"
#include "store/reuse.h"
#include "store/topk.h"
#include "store/worklog.h"

#define RECORD_MAX ((size_t)1 << 31)
#define WAIT_MS 50

/* A line that is being answered, and one of its choices. */
struct task {
    struct task *next;
    struct work work;
    struct id id;
    struct prompt prompt;
    bool topk;            /* its likeliest tokens are recorded */
    uint32_t next_choice; /* to be added to the engine */
    size_t in_engine;
};
struct compute_choice {
    struct compute_choice *next; /* in the list of those that are open */
    struct task *task;
    uint32_t number;
    struct sequence s;
    uint32_t *forced; /* tokens of an earlier start */
    struct commit commit;
    struct tensors tensors;
};

struct compute {
    struct compute_options o;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;

    /* under the lock */
    struct work *work; /* a ring would do; it is short */
    size_t n_work, cap_work;
    struct work_done *done;
    size_t n_done, cap_done;
    uint64_t tokens;
    bool save;
    enum compute_state state;
    struct err err;

    /* the thread's own */
    int requests;               /* requests.jsonl */
    struct ids_file *ids;       /* NULL: its lines have none of their own */
    struct reuse *reuse;        /* answers that are there already, or NULL */
    bool looked;                /* .. for them: with the first request */
    struct worklog *log;
    struct engine *engine;
    struct task *task;          /* whose choices are being added, or NULL */
    struct compute_choice *open;
    size_t n_open;
    bool alone;                 /* the engine has one that runs alone */
    struct work_done *fresh;    /* recorded and not synced */
    size_t n_fresh, cap_fresh;
    uint64_t new_tokens;
    size_t n_lost, tokens_lost; /* answers whose tokens could not be kept */
    struct err failure;         /* in a callback of the engine */
    bool failed;
};

/* ---- reading and tokenizing ---------------------------------------------- */

static void done_put(struct work_done **list, size_t *n, size_t *cap,
                     struct work_done d)
{
    VEC_RESERVE(*list, *cap, *n + 1);
    (*list)[(*n)++] = d;
}

static int read_text(const struct compute *c, const struct work *w,
                     char **text, struct err *err)
{
    if (w->n > REQUEST_MAX_LINE + 1)
        return err_set(err, ERR_FATAL, "line %" PRIu64 " of %" PRIu32
                       " bytes", (uint64_t)w->line + 1, w->n);
    *text = xmalloc((size_t)w->n + 1);
    if (file_read_at(c->requests, *text, w->n, w->at) == (ssize_t)w->n)
        return 0;
    free(*text);
    *text = NULL;
    return err_set(err, ERR_RETRY, "cannot read line %" PRIu64 " of \"%s/"
                   "requests.jsonl\"", (uint64_t)w->line + 1,
                   c->o.batch_path);
}

/* A line without an answer: the reason goes to the log. */
static int refuse_line(struct compute *c, uint32_t line, const char *code,
                       const char *message, struct err *err)
{
    char payload[REASON_CODE + REASON_TEXT];
    struct reason why;
    size_t n;

    reason_set(&why, code, message);
    n = reason_pack(payload, &why);
    if (worklog_put(c->log, FRAME_GIVEN_UP, frame_index(line, 0), payload, n,
                    err))
        return -1;
    done_put(&c->fresh, &c->n_fresh, &c->cap_fresh,
             (struct work_done){ .line = line, .given_up = true });
    return 0;
}

static void task_free(struct task *t)
{
    if (!t)
        return;
    prompt_clear(&t->prompt);
    free(t);
}

/* The id of a line of the batch's file. */
static int line_id_of(struct compute *c, uint32_t line, struct id *id,
                      struct err *err)
{
    if (c->ids)
        return ids_file_get(c->ids, line, id, err);
    line_id_by_file(id, c->o.info->file, line);
    return 0;
}

/* The next line becomes c->task, or is refused. */
static int tokenize(struct compute *c, const struct work *w, struct err *err)
{
    struct task *t = xcalloc(1, sizeof(*t));
    struct err e = ERR_INIT;
    struct request r;
    char *text;
    int rc;

    t->work = *w;
    if (line_id_of(c, w->line, &t->id, err) || read_text(c, w, &text, err)) {
        free(t);
        return -1;
    }
    rc = request_parse(&r, text, w->n, &e);
    if (rc == 0)
        rc = batch_request_id(&t->id, c->o.info, t->id, r.custom_id, &e);
    if (rc == 0)
        rc = prompt_take(&t->prompt, c->o.model, &r, t->id, &e);
    t->topk = c->o.offers_logits && (c->o.tensors & TENSORS_TOPK || r.logprobs);
    request_clear(&r);
    free(text);
    if (rc == 0) {
        c->task = t;
        return 0;
    }
    free(t);
    if (e.code == ERR_INPUT)
        return refuse_line(c, w->line, "invalid_request", e.text, err);
    return err_copy(err, &e);
}

/* ---- answers that are there already -------------------------------------- */

/* Without them everything is computed, which is slower and the same. */
static bool has_answers(struct compute *c)
{
    struct reuse_options o = { .spool = c->o.reuse };

    if (!c->o.reuse)
        return false;
    o.model = c->o.info->model;
    if (!c->looked && reuse_open(&c->reuse, &o, NULL))
        c->reuse = NULL;
    c->looked = true;
    return c->reuse && reuse_rows(c->reuse) > 0;
}

static int put_reused_topk(struct compute *c, const struct task *t,
                           uint64_t index, const struct topk *topk,
                           struct err *err)
{
    struct buf out;
    int rc;

    if (!t->topk || !topk->n)
        return 0;
    buf_init(&out, RECORD_MAX);
    topk_put(&out, topk);
    rc = buf_check(&out, "likeliest tokens", err) ||
         worklog_put(c->log, FRAME_TOPK, index, out.data, out.len, err);
    buf_clear(&out);
    return rc ? -1 : 0;
}

/* The same record under this request's id.  It has no open frame: it never
 * was in the engine. */
static int put_reused(struct compute *c, const struct task *t, uint32_t number,
                      struct checkpoint_row *row, struct err *err)
{
    uint64_t index = frame_index(t->work.line, number);
    unsigned char packed[RECORD_RESULT];
    struct result_record res;
    struct buf out;
    int rc = -1;

    if (result_record_unpack(&res, row->record.result))
        return err_set(err, ERR_FATAL, "an answer without a result record");
    res.request = t->id;
    result_record_pack(packed, &res);
    row->record.result = packed;
    buf_init(&out, RECORD_MAX);
    record_put(&out, &row->record);
    if (buf_check(&out, "a record", err) == 0 &&
        (!(c->o.tensors & TENSORS_LAST) || !row->last ||
         worklog_put(c->log, FRAME_LAST, index, row->last,
                     (size_t)c->o.model->model->rec.dim * 4, err) == 0) &&
        put_reused_topk(c, t, index, &row->topk, err) == 0 &&
        worklog_put(c->log, FRAME_RECORD, index, out.data, out.len, err) == 0)
        rc = 0;
    buf_clear(&out);
    if (rc == 0)
        done_put(&c->fresh, &c->n_fresh, &c->cap_fresh, (struct work_done){
            .line = t->work.line, .choice = (uint8_t)number,
            .reused = true });
    return rc;
}

/* Give the choice its answer, if it was there. */
static enum found reuse_choice(struct compute *c, const struct task *t,
                               uint32_t number, struct err *err)
{
    struct reuse_needs needs = { c->o.tensors & TENSORS_LAST, c->o.with_leaves,
                                 t->topk };
    struct sequence s = t->prompt.first;
    struct checkpoint_row row;
    struct job_record job;
    struct id id;

    /* other answers may lack them, and they are large */
    if (c->o.tensors & (TENSORS_HIDDEN | TENSORS_LOGITS) || !has_answers(c))
        return FOUND_NONE;
    s.sampling.choice = number;
    if (commit_job(&job, c->o.model->model, &s, NULL))
        return FOUND_NONE;
    job_record_id(&id, &job);
    if (!reuse_find(c->reuse, id, needs, &row))
        return FOUND_NONE;
    return put_reused(c, t, number, &row, err) ? FOUND_FAILED : FOUND_ONE;
}

/* ---- the engine ---------------------------------------------------------- */

static void choice_free(struct compute *c, struct compute_choice *ch)
{
    struct task *t = ch->task;

    for (struct compute_choice **at = &c->open; *at; at = &(*at)->next) {
        if (*at == ch) {
            *at = ch->next;
            break;
        }
    }
    c->n_open--;
    if (--t->in_engine == 0 && c->task != t)
        task_free(t);
    commit_clear(&ch->commit);
    tensors_clear(&ch->tensors);
    free(ch->forced);
    free(ch);
}

/* Go on with the tokens that an earlier start had drawn, if they are there:
 * without them they are drawn again, which takes longer and gives the same. */
static void take_partial(const struct compute *c, struct compute_choice *ch)
{
    const struct work *w = &ch->task->work;
    const struct model_record *rec = &c->o.model->model->rec;
    const struct partial *p = &w->partial[ch->number];
    size_t most = ch->s.max_tokens - (size_t)1;
    struct err err = ERR_INIT;
    struct job_record job;
    struct id id;
    char *path;

    if (!(w->begun >> ch->number & 1) || ch->s.n_prompt > rec->context ||
        commit_job(&job, c->o.model->model, &ch->s, NULL))
        return;
    if (most > rec->context - ch->s.n_prompt)
        most = rec->context - ch->s.n_prompt;
    job_record_id(&id, &job);
    path = start_log_path(c->o.batch_path, p->start, p->rank);
    if (partial_read(&ch->forced, &ch->s.n_forced, path, c->o.info->id, p, id,
                     most, rec->n_vocab, &err))
        log_warning("line %" PRIu32 " begins anew: %s", w->line + 1, err.text);
    free(path);
    ch->s.forced = ch->forced;
    /* what had a record of its logits is computed with the head again */
    ch->s.believed = ch->s.without_logits;
}

/* Add the task's next choice; the task is done with when it was the last. */
static int add_choice(struct compute *c, struct err *err)
{
    struct task *t = c->task;
    uint32_t number = t->next_choice++;
    unsigned char alone = t->work.kind == WORK_ALONE;
    struct compute_choice *ch;
    enum found there = t->work.skip >> number & 1 ? FOUND_ONE : FOUND_NONE;

    if (t->next_choice == t->prompt.n_choices)
        c->task = NULL;
    if (there == FOUND_NONE)
        there = reuse_choice(c, t, number, err);
    if (there != FOUND_NONE) {
        if (!c->task && t->in_engine == 0)
            task_free(t);
        return there == FOUND_FAILED ? -1 : 0;
    }
    if (worklog_put(c->log, FRAME_OPEN, frame_index(t->work.line, number),
                    &alone, 1, err)) {
        if (!c->task && t->in_engine == 0)
            task_free(t);
        return -1;
    }
    sys_crash_if("APUS_CRASH_LINE", t->work.line);
    ch = xcalloc(1, sizeof(*ch));
    ch->task = t;
    ch->number = number;
    ch->s = t->prompt.first;
    ch->s.sampling.choice = number;
    ch->s.user = ch;
    tensors_init(&ch->tensors, &c->o.model->model->rec, ch->s.n_prompt,
                 (t->topk ? TENSORS_TOPK : 0) |
                     (c->o.tensors & ~(unsigned)TENSORS_TOPK));
    ch->s.without_logits = !tensors_want_logits(&ch->tensors);
    take_partial(c, ch);
    commit_init(&ch->commit, c->o.model->model);
    ch->next = c->open;
    c->open = ch;
    c->n_open++;
    t->in_engine++;
    c->alone = alone;
    return engine_add(c->engine, &ch->s, err);
}

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    struct compute_choice *ch = user;

    (void)self;
    tensors_logits(&ch->tensors, position, logits);
}

static void on_residual(void *self, void *user, uint32_t position,
                        uint32_t layer, const float *x)
{
    struct compute_choice *ch = user;

    (void)self;
    tensors_residual(&ch->tensors, position, layer, x);
}

static void on_token(void *self, void *user, uint32_t position,
                     const struct drawn *d)
{
    struct compute_choice *ch = user;
    struct compute *c = self;

    tensors_token(&ch->tensors, position, d->token);
    c->new_tokens++;
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct compute_choice *ch = user;

    (void)self;
    commit_position(&ch->commit, p);
}

/* ---- recording ----------------------------------------------------------- */

static int record(struct compute *c, const struct compute_choice *ch,
                  const struct answer *a, struct err *err)
{
    uint64_t index = frame_index(ch->task->work.line, ch->number);
    struct buf out;
    int rc = -1;

    buf_init(&out, RECORD_MAX);
    if (answer_record(&out, &ch->commit, &ch->s, ch->task->id, a, err) ||
        tensors_put(&ch->tensors, c->log, index, a, c->o.model->tokenizer,
                    ch->commit.leaves.len / RECORD_LEAF, err) ||
        worklog_put(c->log, FRAME_RECORD, index, out.data, out.len, err))
        goto end;
    done_put(&c->fresh, &c->n_fresh, &c->cap_fresh, (struct work_done){
        .line = ch->task->work.line, .choice = (uint8_t)ch->number });
    rc = 0;
end:
    buf_clear(&out);
    return rc;
}

static void on_finished(void *self, const struct answer *a)
{
    struct compute_choice *ch = a->user;
    struct compute *c = self;
    struct answer own = *a;
    float *last = NULL;

    if (!c->failed &&
        ((c->o.fault && pretend_fault(&ch->commit, &own, &last, c->o.plain,
                                      c->o.fault, &ch->s, &c->failure)) ||
         record(c, ch, &own, &c->failure)))
        c->failed = true;
    free(last);
    /* without a record it is still open, and is to be parked */
    if (!c->failed)
        choice_free(c, ch);
}

/* ---- the loop ------------------------------------------------------------ */

/* The first line that waits, if the engine may have it now. */
static bool take_work(struct compute *c, struct work *w)
{
    bool some;

    pthread_mutex_lock(&c->lock);
    some = c->n_work > 0 &&
           (c->n_open == 0 ||
            (!c->alone && c->work[0].kind == WORK_WITH_OTHERS));
    if (some) {
        *w = c->work[0];
        c->n_work--;
        memmove(c->work, c->work + 1, c->n_work * sizeof(*c->work));
    }
    pthread_mutex_unlock(&c->lock);
    return some;
}

static bool has_room(const struct compute *c)
{
    size_t capacity = c->o.max_sequences;

    if (c->task ? c->task->work.kind == WORK_ALONE : c->alone)
        capacity = 1;
    return c->n_open < capacity;
}

/* Give the engine sequences until it is full or nothing waits. */
static int feed(struct compute *c, struct err *err)
{
    struct work w;

    while (has_room(c)) {
        if (c->task) {
            if (add_choice(c, err))
                return -1;
            continue;
        }
        if (!take_work(c, &w))
            break;
        if (w.kind == WORK_GIVE_UP ? refuse_line(c, w.line, "given_up",
                                                 "every process that computed"
                                                 " it was ended while it did",
                                                 err)
                                   : tokenize(c, &w, err))
            return -1;
    }
    return 0;
}

static int step(struct compute *c, struct err *err)
{
    bool busy;

    if (engine_step(c->engine, &busy, err))
        return -1;
    if (c->n_open == 0)
        c->alone = false;
    return c->failed ? err_copy(err, &c->failure) : 0;
}

/* Sync, and only then tell what was recorded. */
static int publish_results(struct compute *c, struct err *err)
{
    if (worklog_sync(c->log, err))
        return -1;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < c->n_fresh; i++)
        done_put(&c->done, &c->n_done, &c->cap_done, c->fresh[i]);
    pthread_mutex_unlock(&c->lock);
    c->n_fresh = 0;
    return 0;
}

/* Wait until there is something to do; true if that is to save. */
static bool rest(struct compute *c, bool idle)
{
    bool save;

    pthread_mutex_lock(&c->lock);
    c->tokens += c->new_tokens;
    c->new_tokens = 0;
    if (idle && !c->save && c->n_work == 0)
        clock_wait(&c->wake, &c->lock, WAIT_MS);
    save = c->save;
    pthread_mutex_unlock(&c->lock);
    return save;
}

static int answer_requests(struct compute *c, struct err *err)
{
    for (;;) {
        bool idle;

        if (feed(c, err) || step(c, err))
            return -1;
        idle = c->n_open == 0 && !c->task;
        if ((worklog_due(c->log) || (idle && c->n_fresh)) &&
            publish_results(c, err))
            return -1;
        if (rest(c, idle))
            return engine_drain(c->engine, err);
    }
}

/* The tokens of an answer that is to be left. */
static void put_partial(void *self, void *user, const uint32_t *token,
                        size_t n)
{
    struct compute *c = self;
    const struct compute_choice *ch = user;
    struct job_record job;
    struct buf b;
    struct id id;

    if (n == 0 || commit_job(&job, c->o.model->model, &ch->s, NULL))
        return;
    job_record_id(&id, &job);
    buf_init(&b, RECORD_MAX);
    partial_pack(&b, id, token, n);
    if (!c->failed && worklog_put(c->log, FRAME_PARTIAL,
                                  frame_index(ch->task->work.line, ch->number),
                                  b.data, b.len, &c->failure))
        c->failed = true;
    if (c->failed) {
        c->n_lost++;
        c->tokens_lost += n;
    }
    buf_clear(&b);
}

/* What is open is gone on with by whoever comes next, from the tokens that it
 * has, and no death is counted for it. */
static int park(struct compute *c, struct err *err)
{
    engine_each(c->engine, put_partial, c);
    if (c->n_lost)
        log_warning("%zu token%s of %zu unfinished answer%s cannot be kept and"
                    " will be computed again: %s", c->tokens_lost,
                    plural_s(c->tokens_lost), c->n_lost, plural_s(c->n_lost),
                    c->failure.text);
    for (struct compute_choice *ch = c->open; ch; ch = ch->next)
        if (worklog_put(c->log, FRAME_PARKED,
                        frame_index(ch->task->work.line, ch->number), "", 0,
                        err))
            return -1;
    return publish_results(c, err);
}

static void *run_evaluator(void *self)
{
    struct compute *c = self;
    struct err err = ERR_INIT, unused = ERR_INIT;
    int rc;

    x1_thread_init();
    rc = answer_requests(c, &err);
    /* a failure is not a death of what was open; the log may take this still */
    if (rc == 0)
        rc = park(c, &err);
    else if (!c->o.backend->withdraw)
        park(c, &unused);
    else if (worklog_withdraw(c->log, &unused))
        log_err(&unused);
    if (worklog_close(c->log, rc ? &unused : &err) && rc == 0)
        rc = -1;
    c->log = NULL;
    pthread_mutex_lock(&c->lock);
    c->err = err;
    c->state = rc == 0                  ? COMPUTE_SAVED
               : c->o.backend->withdraw ? COMPUTE_WITHDRAWN
                                        : COMPUTE_FAILED;
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static int open_engine(struct compute *c, struct err *err)
{
    struct observer obs = {
        .self = c, .token = on_token, .position = on_position,
        .finished = on_finished
    };
    struct engine_options o = {
        .max_sequences = c->o.max_sequences, .kv_bytes = c->o.kv_bytes,
        .with_last = c->o.tensors & TENSORS_LAST
    };

    if (c->o.offers_logits)
        obs.logits = on_logits;
    if (c->o.tensors & TENSORS_HIDDEN)
        obs.residual = on_residual;
    return engine_new(&c->engine, c->o.backend, c->o.model->model,
                      c->o.model->tokenizer, &o, &obs, err);
}

static int open_files(struct compute *c, struct err *err)
{
    char *path = file_join(c->o.batch_path, "requests.jsonl");
    int rc = -1;

    c->requests = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (c->requests < 0) {
        err_errno(err, ERR_RETRY, "cannot open \"%s\"", path);
        goto out;
    }
    if (c->o.info->ids >= 2 &&
        ids_file_open(&c->ids, c->o.batch_path, c->o.info->n_lines, err))
        goto out;
    free(path);
    path = start_log_path(c->o.batch_path, c->o.start, c->o.rank);
    rc = (c->o.revocable ? worklog_create_revocable : worklog_create)(
        &c->log, path, c->o.info->id, c->o.rank, c->o.start, err);
out:
    free(path);
    return rc;
}

static void clear(struct compute *c)
{
    engine_free(c->engine); /* first: it borrows from the tasks */
    while (c->open)
        choice_free(c, c->open);
    task_free(c->task);
    worklog_close(c->log, NULL);
    if (c->requests >= 0)
        close(c->requests);
    ids_file_close(c->ids);
    reuse_close(c->reuse);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    free(c->work);
    free(c->done);
    free(c->fresh);
    free(c);
}

int compute_new(struct compute **out, const struct compute_options *o,
                struct err *err)
{
    struct compute *c = xcalloc(1, sizeof(*c));
    int rc;

    c->o = *o;
    c->requests = -1;
    pthread_mutex_init(&c->lock, NULL);
    clock_cond_init(&c->wake);
    if (open_engine(c, err) || open_files(c, err)) {
        clear(c);
        return -1;
    }
    rc = pthread_create(&c->thread, NULL, run_evaluator, c);
    if (rc) {
        errno = rc;
        clear(c);
        return err_errno(err, ERR_RETRY, "cannot start a thread");
    }
    *out = c;
    return 0;
}

void compute_free(struct compute *c)
{
    if (!c)
        return;
    compute_save(c);
    pthread_join(c->thread, NULL);
    clear(c);
}

void compute_put(struct compute *c, const struct work *w, size_t n)
{
    pthread_mutex_lock(&c->lock);
    VEC_RESERVE(c->work, c->cap_work, c->n_work + n);
    memcpy(c->work + c->n_work, w, n * sizeof(*w));
    c->n_work += n;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

size_t compute_waiting(struct compute *c)
{
    size_t n;

    pthread_mutex_lock(&c->lock);
    n = c->n_work;
    pthread_mutex_unlock(&c->lock);
    return n;
}

size_t compute_take(struct compute *c, struct work_done *d, size_t max)
{
    size_t n;

    pthread_mutex_lock(&c->lock);
    n = c->n_done < max ? c->n_done : max;
    memcpy(d, c->done ? c->done : d, n * sizeof(*d));
    c->n_done -= n;
    if (c->n_done)
        memmove(c->done, c->done + n, c->n_done * sizeof(*d));
    pthread_mutex_unlock(&c->lock);
    return n;
}

uint64_t compute_tokens(struct compute *c)
{
    uint64_t n;

    pthread_mutex_lock(&c->lock);
    n = c->tokens;
    pthread_mutex_unlock(&c->lock);
    return n;
}

void compute_save(struct compute *c)
{
    pthread_mutex_lock(&c->lock);
    c->save = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
}

enum compute_state compute_state(struct compute *c)
{
    enum compute_state state;

    pthread_mutex_lock(&c->lock);
    state = c->state;
    pthread_mutex_unlock(&c->lock);
    return state;
}

void compute_error(struct compute *c, struct err *err)
{
    pthread_mutex_lock(&c->lock);
    err_copy(err, &c->err);
    pthread_mutex_unlock(&c->lock);
}
