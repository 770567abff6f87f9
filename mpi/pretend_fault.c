/*
 * The answer computed once more, one position at a time, as a party of a
 * dispute does.
 */
#include <config.h>

#include "mpi/pretend_fault.h"

#include <string.h>

#include "answer/commit.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "dispute/execution.h"
#include "dispute/pretended.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "proof/trace.h"

/* Whether it draws the same ids. */
static bool same_output(const struct execution *x, const struct answer *a)
{
    for (size_t i = 0; i < a->n_out; i++) {
        struct trace_leaf leaf;

        if (trace_leaf_unpack(&leaf, x->leaves + TRACE_LEAF_SIZE *
                                         (x->j.n_prompt - 1 + i)) ||
            leaf.next != a->token[i])
            return false;
    }
    return true;
}

static void put_trace(struct commit *c, struct answer *a, float **last,
                      const struct execution *x)
{
    const struct model_record *rec = &x->in.model->rec;

    buf_reset(&c->leaves);
    merkle_init(&c->trace);
    for (size_t t = 0; t < x->n; t++) {
        const unsigned char *leaf = x->leaves + TRACE_LEAF_SIZE * t;

        buf_put(&c->leaves, leaf, TRACE_LEAF_SIZE);
        merkle_leaf(&c->trace, leaf, TRACE_LEAF_SIZE);
    }
    *last = xcalloc(rec->dim, sizeof(**last));
    memcpy(*last, execution_x(x, x->in.first, rec->n_layers),
           rec->dim * sizeof(**last));
    a->last = *last;
}

int pretend_fault(struct commit *c, struct answer *a, float **last,
                  const struct model *m, struct pretended *fault,
                  const struct sequence *s, struct err *err)
{
    unsigned char packed[JOB_RECORD_SIZE];
    struct execution_input in = {
        .model = m, .prompt = s->prompt, .output = a->token, .job = packed,
        .first = (uint32_t)(s->n_prompt + a->n_out - 2), .n = 1
    };
    struct job_record job;
    struct x1_kernels k;
    struct execution *x;
    int rc = 0;

    if (a->n_out == 0 || !a->last)
        return err_set(err, ERR_INPUT, "no fault can be pretended of an answer"
                       " without a trace");
    if (commit_job(&job, m, s, err))
        return -1;
    job_record_pack(packed, &job);
    x1_kernels_find(&k, "reference");
    if (execution_new(&x, &in, a->n_out, &k, pretended_alter, fault, err))
        return -1;
    if (same_output(x, a))
        put_trace(c, a, last, x);
    else
        rc = err_set(err, ERR_INPUT, "the pretended fault changes the answer:"
                     " take another place");
    execution_free(x);
    return rc;
}
