/*
 * Leaves, job and result of one sequence.  The formats are proof's, the
 * numbers the engine's; here they only meet.
 */
#include <config.h>

#include "answer/commit.h"

#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "engine/engine.h"
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
}

void commit_clear(struct commit *c)
{
    buf_clear(&c->leaves);
}

void commit_position(struct commit *c, const struct position *p)
{
    unsigned char packed[TRACE_LEAF_SIZE];
    struct trace_leaf leaf = { .position = p->position, .token = p->token,
                               .next = p->next };

    leaf.kv = *p->kv;
    if (p->fin) {
        leaf.flags |= TRACE_FIN;
        leaf.fin = *p->fin;
    }
    if (p->deep) {
        leaf.flags |= TRACE_DEEP;
        leaf.deep = *p->deep;
    }
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
    r.model = m->id;
    job_record_prompt(&r, s->prompt, s->n_prompt);
    if (job_record_stops(&r, stop, s->n_stops, err))
        return -1;
    *j = r;
    return 0;
}

void commit_result(struct result_record *r, const struct commit *c,
                   struct id request, const struct job_record *j,
                   const struct answer *a, const char *text, size_t n_text)
{
    memset(r, 0, sizeof(*r));
    r->request = request;
    job_record_id(&r->job, j);
    r->model = j->model;
    merkle_root(&c->trace, &r->trace);
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
