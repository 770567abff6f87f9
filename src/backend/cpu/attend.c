/*
 * Attention in the forward pass: a call of the kernels for each run of rows of
 * one sequence and each KV head.
 */
#include <config.h>

#include "backend/cpu/forward_internal.h"
#include "backend/cpu/kv.h"
#include "backend/cpu/pool.h"
#include "backend/op_numbers.h"
#include "model/model.h"

/* What a job has to know. */
struct attend_job {
    struct forward *f;
    uint32_t layer;
};

/* Rows of one slot, as many as their queries fit in one call. */
static void find_spans(struct forward *f)
{
    const struct model_record *rec = &f->model->rec;
    size_t most = forward_queries(f) / (rec->n_heads / rec->n_kv_heads);

    f->n_spans = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct span *s = f->n_spans ? &f->span[f->n_spans - 1] : NULL;

        if (s && s->n < most && f->row[i]->slot == f->row[i - 1]->slot)
            s->n++;
        else
            f->span[f->n_spans++] = (struct span){ i, 1 };
    }
}

/* The queries of a span and a KV head: of each row the heads that share it. */
static void attend_span(struct forward *f, uint32_t l, const struct span *s,
                        size_t g, size_t thread)
{
    const struct model_record *rec = &f->model->rec;
    const struct model_layer *w = &f->model->layers[l];
    size_t group = rec->n_heads / rec->n_kv_heads;
    struct x1_query *query = f->query + thread * forward_queries(f);
    struct x1_blocks kv = kv_blocks(f->pool, f->row[s->first]->slot, l, g);
    struct x1_scoring c = { w->attn_scale, f->model->score_cap };

    for (size_t j = 0; j < s->n * group; j++) {
        size_t i = s->first + j / group;
        size_t at = i * f->q_dim + (g * group + j % group) * f->hd;
        size_t to = (size_t)f->row[i]->position + 1;
        size_t from = w->window && to > w->window ? to - w->window : 0;

        query[j] = (struct x1_query){ f->q + at, f->o_rows + at,
                                      (uint32_t)from, (uint32_t)to, -1 };
    }
    f->k->attention(query, s->n * group, c, &kv, f->hd, f->scratch[thread]);
    for (size_t j = 0; j < s->n * group; j++)
        forward_fault_at(f, f->row[s->first + j / group], l, OP_Q_ROPE,
                         f->mine.q_first + g * group + j % group,
                         query[j].fault);
}

static void attend_spans(void *self, size_t from, size_t to, size_t thread)
{
    const struct attend_job *j = self;
    size_t heads = j->f->mine.kv_heads;

    for (size_t i = from; i < to; i++)
        attend_span(j->f, j->layer, &j->f->span[i / heads], i % heads,
                    thread);
}

void forward_attend(struct forward *f, uint32_t l)
{
    struct attend_job j = { .f = f, .layer = l };
    size_t n, keys = 0;

    find_spans(f);
    for (size_t i = 0; i < f->n; i++)
        keys += f->row[i]->position + 1;
    n = f->n_spans * f->mine.kv_heads;
    pool_run(f->threads, attend_spans, &j, n,
             forward_least(1, 4 * keys * f->q_dim / n));
}

void forward_fetch_row(const struct forward *f, uint32_t l, size_t i)
{
    const struct backend_row *r;

    if (++i >= f->n)
        return;
    r = f->row[i];
    if (i + 1 < f->n && f->row[i + 1]->slot == r->slot)
        return;
    for (size_t g = 0; g < f->mine.kv_heads; g++)
        kv_fetch_ahead(f->pool, r->slot, l, g, r->position);
}
