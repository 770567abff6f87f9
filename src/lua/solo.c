/*
 * A worker of one sequence: request to prompt, engine, commitments, record.
 */
#include <config.h>

#include "lua/solo.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer/answer_record.h"
#include "answer/commit.h"
#include "answer/prompt.h"
#include "backend/backends.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/model_layout.h"
#include "store/request.h"

#define ROWS 32 /* positions of a prompt a step, at most */
#define RECORD_MAX ((size_t)64 << 20)

enum solo_state { SOLO_IDLE, SOLO_BUSY, SOLO_DONE, SOLO_BROKEN };

struct solo {
    struct prompt_model m;
    struct backend *backend;
    struct engine *engine;
    enum solo_state state;
    struct prompt prompt; /* of the request at hand .. */
    struct id request;
    struct commit commit;
    struct buf record;    /* .. and its record, once it is done */
    struct err failed;    /* why there is none */
};

/* ---- what the engine reports --------------------------------------------- */

static void on_position(void *self, void *user, const struct position *p)
{
    struct solo *s = self;

    (void)user;
    commit_position(&s->commit, p);
}

static void on_finished(void *self, const struct answer *a)
{
    struct solo *s = self;

    s->state = answer_record(&s->record, &s->commit, &s->prompt.first,
                             s->request, a, &s->failed) ? SOLO_BROKEN
                                                        : SOLO_DONE;
}

/* ---- a model ------------------------------------------------------------- */

static int open_engine(struct solo *s, const char *path, const char *kernel,
                       struct err *err)
{
    struct observer obs = { .self = s, .position = on_position,
                            .finished = on_finished };
    struct engine_options o = { .max_sequences = 1, .max_rows = ROWS };
    struct model *model;

    if (backend_open(&s->backend, kernel, 1, err) ||
        model_open_into(&model, path, NULL, true, s->backend->sink, err) ||
        prompt_model_init(&s->m, model, err))
        return -1;
    return engine_new(&s->engine, s->backend, s->m.model, s->m.tokenizer, &o,
                      &obs, err);
}

/* What cannot be opened is left for model_open_into to report. */
static int check_size(const char *path, uint64_t most, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    int rc = 0;

    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && (uint64_t)st.st_size > most)
        rc = err_set(err, ERR_INPUT, "\"%s\" has %" PRIu64 " bytes: one"
                     " message loads %" PRIu64 " at most", path,
                     (uint64_t)st.st_size, most);
    close(fd);
    return rc;
}

int solo_open(struct solo **out, const char *path, const char *kernel,
              uint64_t most, struct err *err)
{
    struct solo *s;

    if (check_size(path, most, err))
        return -1;
    s = xcalloc(1, sizeof(*s));
    tokens_init(&s->prompt.ids);
    buf_init(&s->record, RECORD_MAX);
    if (open_engine(s, path, kernel, err)) {
        solo_close(s);
        return -1;
    }
    commit_init(&s->commit, s->m.model);
    *out = s;
    return 0;
}

void solo_close(struct solo *s)
{
    if (!s)
        return;
    engine_free(s->engine);
    commit_clear(&s->commit);
    prompt_clear(&s->prompt);
    buf_clear(&s->record);
    if (s->m.model)
        prompt_model_clear(&s->m);
    backend_close(s->backend);
    free(s);
}

const struct model_record *solo_model(const struct solo *s)
{
    return &s->m.model->rec;
}

const char *solo_model_id(const struct solo *s)
{
    return s->m.id;
}

const struct id *solo_model_hash(const struct solo *s)
{
    return &s->m.model->id;
}

/* Weights of tensor i that one row meets. */
static uint64_t weights_met(const struct model_record *rec, uint32_t i)
{
    uint32_t part = model_part_of(rec, i), n = model_experts(rec);
    struct tensor_record t;
    uint64_t all;

    model_expect(rec, i, &t);
    all = (uint64_t)t.rows * t.cols;
    if (t.type != TENSOR_W8 || i == TENSOR_EMBED)
        return 0;
    return n && i >= TENSOR_LAYERS && part >= LAYER_GATE && part <= LAYER_DOWN
               ? all / n * model_experts_used(rec) : all;
}

void solo_figures(const struct solo *s, struct solo_figures *f)
{
    const struct model_record *rec = solo_model(s);
    struct model_layout lay;

    *f = (struct solo_figures){
        .heads = (uint64_t)rec->n_layers * rec->n_heads,
        .channels = (uint64_t)rec->n_layers * rec->n_heads * rec->head_dim,
        .context = rec->context,
        .chat = s->m.chat != NULL,
        .kernel = s->backend->name,
    };
    for (uint32_t i = 0; i < rec->n_tensors; i++)
        f->weights += weights_met(rec, i);
    if (model_layout(&lay, rec, NULL) == 0) {
        f->bytes = lay.size;
        model_layout_clear(&lay);
    }
}

/* ---- an answer ----------------------------------------------------------- */

static int read_request(struct prompt *p, const struct solo *s,
                        const char *line, size_t n, struct id id,
                        struct err *err)
{
    struct request r;
    int rc = request_parse(&r, line, n, err);

    if (rc == 0 && r.n_choices != 1)
        rc = err_set(err, ERR_INPUT, "\"n\" is %u: one choice at a time",
                     r.n_choices);
    if (rc == 0 && r.logprobs)
        rc = err_set(err, ERR_INPUT, "\"logprobs\" cannot be had here");
    if (rc == 0)
        rc = prompt_make(p, &s->m, &r, id, err);
    request_clear(&r);
    return rc;
}

int solo_start(struct solo *s, const char *line, size_t n, struct id request,
               size_t *n_prompt, struct err *err)
{
    struct prompt p;

    if (s->state == SOLO_BROKEN)
        return err_copy(err, &s->failed);
    if (read_request(&p, s, line, n, request, err))
        return -1;
    engine_reset(s->engine);
    prompt_clear(&s->prompt);
    commit_clear(&s->commit);
    commit_init(&s->commit, s->m.model);
    buf_reset(&s->record);
    s->prompt = p;
    s->prompt.first.stops = s->prompt.stop; /* it has moved */
    s->request = request;
    s->state = SOLO_BUSY;
    *n_prompt = s->prompt.ids.n;
    if (engine_add(s->engine, &s->prompt.first, err)) {
        s->state = SOLO_IDLE;
        return -1;
    }
    return 0;
}

/* One step of the engine, of at most `most` positions. */
static int step_once(struct solo *s, size_t most, size_t *computed,
                     struct err *err)
{
    struct engine_stats before, after;
    bool busy;

    engine_stats(s->engine, &before);
    engine_limit(s->engine, most);
    if (engine_step(s->engine, &busy, &s->failed)) {
        s->state = SOLO_BROKEN;
        return err_copy(err, &s->failed);
    }
    engine_stats(s->engine, &after);
    *computed = (size_t)(after.rows - before.rows);
    if (s->state == SOLO_BROKEN)
        return err_copy(err, &s->failed);
    assert(busy || s->state == SOLO_DONE);
    return 0;
}

int solo_step(struct solo *s, size_t n, size_t *computed, bool *done,
              struct err *err)
{
    size_t all = 0, some = 0;

    if (s->state == SOLO_IDLE)
        return err_set(err, ERR_INPUT, "no answer was begun");
    if (s->state == SOLO_BROKEN)
        return err_copy(err, &s->failed);
    while (all < n && s->state == SOLO_BUSY) {
        if (step_once(s, n - all, &some, err))
            return -1;
        all += some;
    }
    *computed = all;
    *done = s->state == SOLO_DONE;
    return 0;
}

int solo_answer(const struct solo *s, struct solo_answer *a, struct err *err)
{
    if (s->state != SOLO_DONE)
        return err_set(err, ERR_INPUT, "the answer is not done");
    if (record_get(&a->record, s->record.data, s->record.len, err))
        return -1;
    if (result_record_unpack(&a->result, a->record.result))
        return err_set(err, ERR_FATAL, "a record that cannot be read");
    result_record_id(&a->result_id, &a->result);
    return 0;
}
