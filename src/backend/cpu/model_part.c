/*
 * Cutting a model for the members of a group.
 */
#include <config.h>

#include "backend/cpu/model_part.h"

#include "base/err.h"
#include "engine/group.h"
#include "kernels/kernels.h"

/* The part of n that a member has, in units; the first ones have more. */
static void cut(size_t *first, size_t *part, size_t n,
                const struct model_part *p)
{
    size_t units = (n + X1_GROUP - 1) / X1_GROUP;
    size_t from = (units * p->rank + p->size - 1) / p->size * X1_GROUP;
    size_t to = (units * (p->rank + 1) + p->size - 1) / p->size * X1_GROUP;

    *first = from < n ? from : n;
    *part = (to < n ? to : n) - *first;
}

int part_init(struct model_part *p, const struct group *g,
              const struct model_record *rec, struct err *err)
{
    uint32_t size = g ? g->size : 1;

    if (rec->n_kv_heads % size != 0)
        return err_set(err, ERR_INPUT, "tp = %u does not divide the %u KV heads"
                       " of this model: set tp to a divisor of %u", size,
                       rec->n_kv_heads, rec->n_kv_heads);
    *p = (struct model_part){ .rank = g ? g->rank : 0, .size = size };
    p->kv_heads = rec->n_kv_heads / size;
    p->kv_first = p->rank * p->kv_heads;
    p->q_heads = rec->n_heads / size;
    p->q_first = p->rank * p->q_heads;
    cut(&p->ffn_first, &p->ffn, rec->ffn_dim, p);
    cut(&p->vocab_first, &p->vocab, rec->n_vocab, p);
    return 0;
}

static struct part_box rows_of(size_t first, size_t n, size_t cols)
{
    return (struct part_box){ first, n, 0, cols, false };
}

static struct part_box cols_of(size_t first, size_t n, size_t rows)
{
    return (struct part_box){ 0, rows, first, n + 1, true };
}

struct part_box part_box(const struct model_part *p,
                         const struct model_record *rec, uint32_t tensor,
                         size_t rows, size_t cols)
{
    size_t hd = rec->head_dim;

    if (p->size == 1 || tensor == TENSOR_EMBED)
        return rows_of(0, rows, cols);
    if (tensor == TENSOR_HEAD)
        return rows_of(p->vocab_first, p->vocab, cols);
    switch (model_part_of(rec, tensor)) {
    case LAYER_WQ:
        return rows_of(p->q_first * hd, p->q_heads * hd, cols);
    case LAYER_WK:
    case LAYER_WV:
        return rows_of(p->kv_first * hd, p->kv_heads * hd, cols);
    case LAYER_WO:
        return cols_of(p->q_first * hd, p->q_heads * hd, rows);
    case LAYER_GATE:
    case LAYER_UP:
        return rows_of(p->ffn_first, p->ffn, cols);
    case LAYER_DOWN:
        return cols_of(p->ffn_first, p->ffn, rows);
    default:
        return rows_of(0, rows, cols);
    }
}
