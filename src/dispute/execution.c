/*
 * Layer by layer at each position in turn: rows of keys and values first, then
 * the layer that reads them; at the end the leaf.
 */
#include <config.h>

#include "dispute/execution.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"
#include "proof/trace.h"
#include "text/tokenizer.h"

size_t execution_row_bytes(const struct execution *x)
{
    return 8 + 2 * (size_t)x->in.model->rec.head_dim;
}

size_t execution_rows_bytes(const struct execution *x)
{
    const struct model_record *rec = &x->in.model->rec;

    return execution_row_bytes(x) * rec->n_layers * rec->n_kv_heads;
}

bool execution_draws(const struct execution *x, uint32_t position)
{
    return position + 1 >= x->j.n_prompt;
}

static float *row_at(const struct execution *x, uint32_t position,
                     uint32_t layer)
{
    const struct model_record *rec = &x->in.model->rec;
    size_t at = (size_t)(position - x->in.first) * (rec->n_layers + 1) + layer;

    return x->x + at * rec->dim;
}

const float *execution_x(const struct execution *x, uint32_t position,
                         uint32_t layer)
{
    return row_at(x, position, layer);
}

static const unsigned char *layer_rows(const struct execution *x,
                                       uint32_t layer)
{
    return x->rows + execution_row_bytes(x) * x->in.model->rec.n_kv_heads *
                         layer;
}

int execution_explain(struct execution *x, uint32_t position, uint32_t layer,
                      struct err *err)
{
    const struct job_record *j = &x->j;
    struct sampling s = { j->temperature, j->top_p, j->top_k, j->seed,
                          j->choice };
    uint32_t next;

    if (x->now && x->position == position && x->layer == layer)
        return 0;
    x->now = NULL;
    x->position = position;
    x->layer = layer;
    if (layer == OPERATORS_HEAD)
        return explain_head(x->e, &x->now, position,
                            row_at(x, position, x->in.model->rec.n_layers), &s,
                            &next, err);
    return explain_layer(x->e, &x->now, layer, position,
                         execution_draws(x, position),
                         row_at(x, position, layer), layer_rows(x, layer),
                         execution_rows_bytes(x), err);
}

/* ---- compute ------------------------------------------------------------- */

static uint32_t token_at(const struct execution *x, uint32_t position)
{
    return position < x->j.n_prompt
               ? x->in.prompt[position]
               : x->in.output[position - x->j.n_prompt];
}

/* The layers of a position; row[l] is x_l. */
static int compute_layers(struct execution *x, uint32_t t, float **row,
                          struct trace_step *step, struct err *err)
{
    const struct model_record *rec = &x->in.model->rec;
    size_t bytes = execution_row_bytes(x), all = execution_rows_bytes(x);

    for (uint32_t l = 0; l < rec->n_layers; l++) {
        unsigned char *kv = x->rows + t * all + l * bytes * rec->n_kv_heads;

        if (x->in.deep)
            trace_step_deep(step, row[l], rec->dim);
        if (explain_rows(x->e, kv, l, t, row[l], err))
            return -1;
        for (uint32_t g = 0; g < rec->n_kv_heads; g++, kv += bytes)
            trace_step_row(step, f32_from(get_u32(kv)),
                           f32_from(get_u32(kv + 4)), (int8_t *)kv + 8,
                           (int8_t *)kv + 8 + rec->head_dim, rec->head_dim);
        if (explain_layer(x->e, &x->now, l, t, execution_draws(x, t), row[l],
                          layer_rows(x, l), all, err))
            return -1;
        for (size_t i = 0; x->now->table == OPERATORS_LAYER && i < rec->dim;
             i++)
            row[l + 1][i] = f32_from(get_u32(x->now->vector[ENTRY_X] + 4 * i));
    }
    return 0;
}

static int compute_position(struct execution *x, uint32_t t, float **row,
                            struct err *err)
{
    const struct model_record *rec = &x->in.model->rec;
    const struct job_record *j = &x->j;
    struct sampling s = { j->temperature, j->top_p, j->top_k, j->seed,
                          j->choice };
    struct trace_step step;
    struct trace_leaf leaf;
    uint32_t next;

    trace_step_init(&step);
    explain_embed(x->e, row[0], token_at(x, t), t);
    if (compute_layers(x, t, row, &step, err))
        return -1;
    if (execution_draws(x, t)) {
        const float *last = row[rec->n_layers];

        if (x->in.deep)
            trace_step_deep(&step, last, rec->dim);
        if (explain_head(x->e, &x->now, t, last, &s, &next, err))
            return -1;
        trace_step_draw(&step, next, last, rec->dim);
    }
    trace_step_leaf(&step, &leaf, t, token_at(x, t));
    trace_leaf_pack(x->leaves + (size_t)t * TRACE_LEAF_SIZE, &leaf);
    return 0;
}

static int compute_positions(struct execution *x, struct err *err)
{
    const struct model_record *rec = &x->in.model->rec;
    float *scratch = xcalloc((size_t)rec->n_layers + 1,
                             rec->dim * sizeof(*scratch));
    float **row = xcalloc((size_t)rec->n_layers + 1, sizeof(*row));
    int rc = 0;

    for (uint32_t t = 0; rc == 0 && t < x->n; t++) {
        bool kept = t >= x->in.first && t - x->in.first < x->in.n;

        for (uint32_t l = 0; l <= rec->n_layers; l++)
            row[l] = kept ? row_at(x, t, l) : scratch + l * rec->dim;
        rc = compute_position(x, t, row, err);
    }
    x->now = NULL;
    free(row);
    free(scratch);
    return rc;
}

void execution_seal(struct execution *x, struct result_record *r)
{
    struct merkle trace;

    merkle_init(&trace);
    for (size_t i = 0; i < x->n; i++)
        merkle_leaf(&trace, x->leaves + i * TRACE_LEAF_SIZE, TRACE_LEAF_SIZE);
    merkle_root(&trace, &r->trace);
    job_record_id(&r->job, &x->j);
    r->model = x->in.model->id;
    r->n = (uint32_t)x->n;
    r->level = x->in.deep;
    result_record_output(r, x->in.output, x->n_out);
    result_record_pack(x->result, r);
}

/* ---- storage ------------------------------------------------------------- */

static int alloc(struct execution *x, struct err *err)
{
    const struct model_record *rec = &x->in.model->rec;
    size_t row = (size_t)(rec->n_layers + 1) * rec->dim * sizeof(float);
    void *leaves, *rows, *kept;

    if (mem_big(&leaves, x->n, TRACE_LEAF_SIZE, "leaves", err))
        return -1;
    x->leaves = leaves;
    if (mem_big(&rows, x->n, execution_rows_bytes(x), "keys and values", err))
        return -1;
    x->rows = rows;
    if (mem_big(&kept, x->in.n, row, "residual rows", err))
        return -1;
    x->x = kept;
    return 0;
}

int execution_new(struct execution **out, const struct execution_input *in,
                  size_t n_out, const struct x1_kernels *k,
                  explain_alter_fn *alter, void *self, struct err *err)
{
    struct execution *x = xcalloc(1, sizeof(*x));

    x->in = *in;
    x->n_out = n_out;
    if (job_record_unpack(&x->j, in->job) || x->j.n_prompt == 0 ||
        !id_equal(x->j.model, in->model->id)) {
        err_set(err, ERR_INPUT, "the job is of another model");
        goto fail;
    }
    x->n = x->j.n_prompt + n_out - 1;
    if (x->in.n == 0)
        x->in.n = (uint32_t)x->n;
    if (in->result)
        memcpy(x->result, in->result, sizeof(x->result));
    if (alloc(x, err) || explain_new(&x->e, in->model, k, err))
        goto fail;
    explain_alter(x->e, alter, self);
    if (compute_positions(x, err))
        goto fail;
    *out = x;
    return 0;
fail:
    execution_free(x);
    return -1;
}

void execution_free(struct execution *x)
{
    if (!x)
        return;
    explain_free(x->e);
    tokenizer_free(x->tokenizer);
    free(x->leaves);
    free(x->rows);
    free(x->x);
    free(x);
}
