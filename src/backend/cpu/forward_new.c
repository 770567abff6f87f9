/*
 * Work space of the forward pass: made for as many rows as a step may have.
 */
#include <config.h>

#include "backend/cpu/forward_internal.h"

#include <stdlib.h>
#include <string.h>

#include "backend/cpu/pool.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/model_layout.h"

#define QUERIES 16 /* of one KV head in a call of attention */

size_t forward_queries(const struct forward *f)
{
    size_t group = f->model->rec.n_heads / f->model->rec.n_kv_heads;

    return group > QUERIES ? group : QUERIES / group * group;
}

/* What a member of a group exchanges. */
static int alloc_part(struct forward *f, size_t rows, size_t draws,
                      struct err *err)
{
    const struct model_record *rec = &f->model->rec;
    size_t heads = (size_t)rec->n_heads * rec->head_dim;
    size_t cols = (f->ffn > f->q_dim ? f->ffn : f->q_dim) + 1;
    size_t words = rows > rec->n_vocab ? rows : rec->n_vocab;
    struct {
        void *out;
        size_t count, size;
    } want[] = {
        { &f->part_row, rows * cols > heads ? rows * cols : heads, 4 },
        { &f->word, words > heads ? words : heads, 4 },
        { &f->place, rows > draws ? rows : draws, 4 },
        { &f->acc, rows * f->dim, 8 },
        { &f->acc32, rows * f->dim, 4 },
        { &f->best, draws, sizeof(*f->best) },
        { &f->least, rows, sizeof(*f->least) },
        { &f->agreed, rows, sizeof(*f->agreed) },
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        void *p;

        if (mem_big(&p, want[i].count, want[i].size, "sums", err))
            return -1;
        memcpy(want[i].out, &p, sizeof(p));
    }
    return 0;
}

/* n arrays of floats of max_rows rows; sizes fit: limits of kernels.h. */
static int alloc_rows(struct forward *f, size_t rows, size_t draws,
                      struct err *err)
{
    size_t more = f->group ? 1 : 0; /* columns, of wo and down */
    size_t wide = f->dim > f->q_dim + more ? f->dim : f->q_dim + more;
    size_t wider = f->ffn + more > wide ? f->ffn + more : wide;
    size_t n_heads = f->model->rec.n_heads;
    size_t experts = model_experts(&f->model->rec);
    size_t used = model_experts_used(&f->model->rec);
    size_t queries = pool_threads(f->threads) * forward_queries(f);
    struct {
        void *out;
        size_t count, size;
    } want[] = {
        { &f->row, rows, sizeof(*f->row) },
        { &f->x_at, rows, sizeof(*f->x_at) },
        { &f->x, rows * f->dim, 4 },
        { &f->h, rows * f->dim, 4 },
        { &f->q, rows * f->q_dim, 4 },
        { &f->o_rows, rows * f->q_dim, 4 },
        { &f->kx, rows * f->kv_dim, 4 },
        { &f->vx, rows * f->kv_dim, 4 },
        { &f->g, rows * f->ffn, 4 },
        { &f->u, f->model->rec.flags & MODEL_GELU ? rows * f->ffn : 1, 4 },
        { &f->router, experts ? rows * experts : 1, 4 },
        { &f->chosen, experts ? rows * used : 1, sizeof(*f->chosen) },
        { &f->share, experts ? rows * used : 1, 4 },
        { &f->part, experts ? rows * f->dim : 1, 4 },
        { &f->sum, experts ? rows * f->dim : 1, 4 },
        { &f->member, experts ? rows : 1, sizeof(*f->member) },
        { &f->cos, rows * f->angles, 4 },
        { &f->sin, rows * f->angles, 4 },
        { &f->in.q, f->k->rows_bytes(rows, wider), 1 },
        { &f->in.scale, rows, 4 },
        { &f->query, queries, sizeof(*f->query) },
        { &f->span, rows, sizeof(*f->span) },
        { &f->fault, rows * n_heads, 4 },
        { &f->in_fault, rows, 4 },
        { &f->good, draws, sizeof(*f->good) },
        { &f->greatest, draws * pool_threads(f->threads),
          sizeof(*f->greatest) },
        { &f->logits, draws * f->model->rec.n_vocab, 4 },
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        void *p;

        if (mem_big(&p, want[i].count, want[i].size, "activations", err))
            return -1;
        memcpy(want[i].out, &p, sizeof(p));
    }
    return 0;
}

int forward_new(struct forward **out, const struct model *m,
                const struct weights *w, const struct x1_kernels *k,
                struct kv_pool *pool, struct pool *threads,
                const struct forward_options *o, struct err *err)
{
    const struct model_record *rec = &m->rec;
    struct forward *f = xcalloc(1, sizeof(*f));

    f->model = m;
    f->weights = w;
    f->k = k;
    f->pool = pool;
    f->threads = threads;
    f->scratch = xcalloc(pool_threads(threads), sizeof(*f->scratch));
    f->o = *o;
    f->dim = rec->dim;
    f->hd = rec->head_dim;
    f->angles = (size_t)rec->head_dim / 2 * model_tables(rec);
    f->group = o->group;
    f->mine = *o->part;
    f->q_dim = f->mine.q_heads * rec->head_dim;
    f->kv_dim = f->mine.kv_heads * rec->head_dim;
    f->ffn = f->mine.ffn;
    f->slot = xcalloc(o->slots, sizeof(*f->slot));
    if (alloc_rows(f, o->rows, o->draws, err) ||
        (f->group && alloc_part(f, o->rows, o->draws, err))) {
        forward_free(f);
        return -1;
    }
    *out = f;
    return 0;
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    free(f->row);
    free(f->x_at);
    free(f->slot);
    free(f->good);
    free(f->greatest);
    free(f->x);
    free(f->h);
    free(f->q);
    free(f->o_rows);
    free(f->kx);
    free(f->vx);
    free(f->g);
    free(f->u);
    free(f->router);
    free(f->chosen);
    free(f->share);
    free(f->part);
    free(f->sum);
    free(f->member);
    free(f->cos);
    free(f->sin);
    free(f->in.q);
    free(f->in.scale);
    free(f->query);
    free(f->fault);
    free(f->logits);
    for (size_t i = 0; i < pool_threads(f->threads); i++)
        free(f->scratch[i]);
    free(f->scratch);
    free(f->span);
    free(f->in_fault);
    free(f->part_row);
    free(f->word);
    free(f->place);
    free(f->acc);
    free(f->acc32);
    free(f->best);
    free(f->least);
    free(f->agreed);
    free(f);
}
