/*
 * Leaves, job and result of one sequence.  The formats are proof's, the
 * numbers the engine's; here they only meet.
 */
#include <config.h>

#include "answer/commit.h"

#include <string.h>

#include "base/err.h"
#include "engine/engine.h"
#include "engine/kv.h"
#include "model/model.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "proof/trace.h"

#define MAX_LEAVES ((size_t)131072 * TRACE_LEAF_SIZE)

void commit_init(struct commit *c, const struct model *m)
{
    c->model = m;
    merkle_init(&c->trace);
    buf_init(&c->leaves, MAX_LEAVES);
    buf_init(&c->last, (size_t)m->rec.dim * 4);
}

void commit_clear(struct commit *c)
{
    buf_clear(&c->leaves);
    buf_clear(&c->last);
}

void commit_position(struct commit *c, const struct position *p)
{
    const struct model_record *rec = &c->model->rec;
    int8_t k[X1_MAX_HEAD_DIM], v[X1_MAX_HEAD_DIM];
    unsigned char packed[TRACE_LEAF_SIZE];
    struct trace_leaf leaf;
    struct trace_step step;
    float s_k, s_v;

    trace_step_init(&step);
    for (uint32_t l = 0; l < rec->n_layers; l++) {
        for (uint32_t g = 0; g < rec->n_kv_heads; g++) {
            kv_fetch(k, v, &s_k, &s_v, p->kv, p->pool, l, g, p->position);
            trace_step_row(&step, s_k, s_v, k, v, rec->head_dim);
        }
    }
    if (p->last) {
        trace_step_draw(&step, p->next, p->last, rec->dim);
        buf_reset(&c->last);
        for (uint32_t i = 0; i < rec->dim; i++)
            buf_put_f32(&c->last, p->last[i]);
    }
    trace_step_leaf(&step, &leaf, p->position, p->token);
    trace_put(&c->trace, &leaf);
    trace_leaf_pack(packed, &leaf);
    buf_put(&c->leaves, packed, sizeof(packed));
}

int commit_job(struct job_record *j, const struct model *m,
               const struct sequence *s, struct err *err)
{
    struct job_stop stop[JOB_MAX_STOPS];
    struct job_record r = {
        .numerics = m->rec.numerics,
        .choice = s->sampling.choice,
        .max_tokens = s->max_tokens,
        .temperature = s->sampling.temperature,
        .top_p = s->sampling.top_p,
        .top_k = s->sampling.top_k,
        .flags = s->ignore_eos ? JOB_IGNORE_EOS : 0,
        .seed = s->sampling.seed,
    };

    if (s->n_stops > JOB_MAX_STOPS)
        return err_set(err, ERR_INPUT, "%zu stop strings, at most %d",
                       s->n_stops, JOB_MAX_STOPS);
    for (size_t i = 0; i < s->n_stops; i++) {
        stop[i].text = s->stops[i].text;
        stop[i].n = s->stops[i].n;
    }
    memcpy(r.model, m->id, 32);
    job_record_prompt(&r, s->prompt, s->n_prompt);
    if (job_record_stops(&r, stop, s->n_stops, err))
        return -1;
    *j = r;
    return 0;
}

void commit_result(struct result_record *r, const struct commit *c,
                   const unsigned char request[32],
                   const struct job_record *j, const struct answer *a,
                   const char *text, size_t n_text)
{
    memset(r, 0, sizeof(*r));
    memcpy(r->request, request, 32);
    job_record_id(r->job, j);
    memcpy(r->model, j->model, 32);
    merkle_root(&c->trace, r->trace);
    r->n = (uint32_t)c->trace.n;
    result_record_output(r, a->token, a->n_out);
    result_record_text(r, text, n_text);
    r->finish = (uint32_t)a->finish;
    r->choice = j->choice;
    if (a->finish != FINISH_RANGE)
        return;
    r->error_position = a->fault.position;
    r->error_layer = a->fault.layer;
    r->error_op = a->fault.op;
    r->error_row = a->fault.row;
    r->error_index = a->fault.index;
}
