/*
 * A crew, and what comes of it.
 */
#include <config.h>

#include "tests/crew.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/shape.h"
#include "proof/digest.h"
#include "tests/thread_group.h"

/* ---- members ------------------------------------------------------------- */

static const struct model *find(void *self, struct id id, struct err *err)
{
    struct crew_member *m = self;
    const struct crew *c = m->crew;

    if (c->model && id_equal(c->model->id, id) && c->comes && !m->came &&
        shape_build_into(&m->came, &c->model->rec, m->b->sink, err))
        return NULL;
    if (c->model && id_equal(c->model->id, id))
        return m->came ? m->came : c->model;
    err_set(err, ERR_FATAL, "this member has no such model");
    return NULL;
}

void crew_open_named(struct backend **out, const char *kind,
                     const struct group *g)
{
    if (backend_open_member(out, kind, 1 + g->rank % 2, g, NULL))
        abort();
}

static struct backend *open_member(struct crew *c, uint32_t rank)
{
    struct group *g = &c->member[rank].group;
    struct backend *b;

    *g = thread_group_member(c->group, rank);
    c->open(&b, c->odd && rank + 1 == c->size ? c->odd : c->kind, g);
    return b;
}

static void *follow(void *self)
{
    struct crew_member *m = self;

    x1_thread_init();
    m->failed = backend_follow(m->b, find, m, &m->err) != 0;
    if (m->failed)
        m->group.ops->leave(m->group.self, &m->err);
    backend_close(m->b);
    model_close(m->came);
    return NULL;
}

struct backend *crew_start(struct crew *c, const struct model *theirs,
                           bool comes, uint32_t size)
{
    c->model = theirs;
    c->comes = comes;
    c->size = size;
    c->group = thread_group_new(size);
    memset(c->member, 0, sizeof(c->member));
    for (uint32_t i = 1; i < size; i++) {
        c->member[i] = (struct crew_member){ .crew = c, .rank = i };
        c->member[i].b = open_member(c, i);
        if (pthread_create(&c->member[i].thread, NULL, follow, &c->member[i]))
            abort();
    }
    return open_member(c, 0);
}

bool crew_end(struct crew *c, struct backend *first)
{
    bool good = true;

    backend_close(first);
    for (uint32_t i = 1; i < c->size; i++) {
        pthread_join(c->member[i].thread, NULL);
        good = good && !c->member[i].failed;
    }
    thread_group_free(c->group);
    return good;
}

/* ---- everything that leaves the engine ----------------------------------- */

/* Backends differ in when a thing of a sequence comes, beside other things. */
enum thing { TOKENS, POSITIONS, LOGITS, ENDS, THINGS };

struct line {
    struct digest *of[THINGS];
    uint32_t prompt[CREW_PROMPT];
};

struct watch {
    struct crew_seen *seen;
    struct line line[CREW_SEQUENCES];
    uint32_t n_vocab, dim;
};

static void put(void *user, enum thing t, const void *data, size_t n)
{
    digest_put(((struct line *)user)->of[t], data, n);
}

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    struct watch *w = self;

    put(user, LOGITS, &position, sizeof(position));
    put(user, LOGITS, logits, w->n_vocab * sizeof(*logits));
    w->seen->logits++;
}

static void on_token(void *self, void *user, uint32_t position,
                     const struct drawn *d)
{
    const uint64_t n[] = { position, d->token, d->kept, d->sum_k, d->sum_p,
                           d->r };

    (void)self;
    put(user, TOKENS, n, sizeof(n));
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct watch *w = self;

    put(user, POSITIONS, &p->next, sizeof(p->next));
    put(user, POSITIONS, p->kv, sizeof(*p->kv));
    if (p->fin)
        put(user, POSITIONS, p->fin, sizeof(*p->fin));
    if (p->deep)
        put(user, POSITIONS, p->deep, sizeof(*p->deep));
    w->seen->positions++;
}

static void on_finished(void *self, const struct answer *a)
{
    struct watch *w = self;
    const uint32_t f[] = { (uint32_t)a->finish, a->fault.position,
                           a->fault.layer, a->fault.op, a->fault.row,
                           a->fault.index };

    put(a->user, ENDS, f, sizeof(f));
    put(a->user, ENDS, a->token, a->n_out * sizeof(*a->token));
    w->seen->faults += a->finish == FINISH_RANGE;
    if (a->last)
        put(a->user, ENDS, a->last, w->dim * sizeof(float));
}

static void add(struct engine *e, struct watch *w, uint32_t i,
                const struct crew_asks *asks)
{
    static const struct sampling draws[] = {
        { .top_p = 1000000 },
        { .temperature = 900000, .top_p = 1000000, .seed = 7 },
        { .temperature = 1000000, .top_p = 700000, .top_k = 40, .seed = 9 },
    };
    uint32_t *prompt = w->line[i].prompt, alike = asks->prompt - 4;
    struct sequence s = { .prompt = prompt, .n_prompt = asks->prompt - i,
                          .max_tokens = asks->tokens, .sampling = draws[i % 3],
                          .without_logits = i % 2,
                          .deep = asks->deep && i == 2, .ignore_eos = true,
                          .user = &w->line[i] };
    struct err err = ERR_INIT;

    for (uint32_t k = 0; k < asks->prompt; k++)
        prompt[k] = (k < alike ? k * k * 7 + 3 : k * i + 1) % w->n_vocab;
    if (engine_add(e, &s, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
}

static void begin(struct watch *w, struct crew_seen *s, const struct model *m)
{
    memset(s, 0, sizeof(*s));
    memset(w, 0, sizeof(*w));
    w->seen = s;
    w->n_vocab = m->rec.n_vocab;
    w->dim = m->rec.dim;
    for (size_t i = 0; i < CREW_SEQUENCES; i++)
        for (int t = 0; t < THINGS; t++)
            w->line[i].of[t] = digest_new();
}

static void end(struct watch *w, struct id *all)
{
    struct digest *d = digest_new();
    struct id one;

    for (size_t i = 0; i < CREW_SEQUENCES; i++)
        for (int t = 0; t < THINGS; t++) {
            digest_end(w->line[i].of[t], &one);
            digest_put(d, one.b, sizeof(one.b));
        }
    digest_end(d, all);
}

bool crew_answer(struct crew_seen *s, struct backend *b, const struct model *m,
                 const struct crew_asks *asks)
{
    struct watch w;
    struct observer obs = { .self = &w, .logits = on_logits, .token = on_token,
                            .position = on_position, .finished = on_finished };
    struct engine_options o = { .max_sequences = 3,
                                .chunk = asks->chunk ? asks->chunk : 23,
                                .with_last = true, .deep = asks->deep };
    struct err err = ERR_INIT;
    struct engine *e;
    uint32_t next = 0;
    bool busy = true;
    int rc = 0;

    begin(&w, s, m);
    if (engine_new(&e, b, m, NULL, &o, &obs, &err) == 0) {
        while (rc == 0 && (busy || next < asks->sequences)) {
            for (; next < asks->sequences && engine_capacity(e); next++)
                add(e, &w, next, asks);
            rc = engine_step(e, &busy, &err);
        }
        if (rc == 0)
            rc = engine_drain(e, &err);
        engine_free(e);
    }
    end(&w, &s->all);
    if (err.code)
        printf("# %s\n", err.text);
    s->wrong = b->withdraw;
    s->err = err;
    return err.code == 0;
}
