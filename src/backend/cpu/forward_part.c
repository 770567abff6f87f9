/*
 * The forward pass of a member of a group: where its part meets the others'.
 *
 * Everywhere else a member computes its heads, its part of the feed-forward
 * row and its part of the logits from residual rows that all members have.
 * The products of wo and down are sums over columns that lie with different
 * members.  A row is quantised by the greatest size of the whole row, on which
 * members agree first; then the sums of integers are added, and each member
 * rounds the same numbers, as linear does it (numerics.md, Linear).
 *
 * After an exchange that failed nothing is exchanged any more, what is
 * computed means nothing, and the step fails.
 */
#include <config.h>

#include "backend/cpu/forward_internal.h"

#include <string.h>

#include "backend/cpu/pool.h"
#include "backend/cpu/weights.h"
#include "backend/op_numbers.h"
#include "base/err.h"
#include "engine/group.h"
#include "kernels/x1.h"
#include "model/model.h"

#define ITEM 16 /* outputs that a thread takes at least */

/* ---- exchanges ----------------------------------------------------------- */

static void agree_u32(struct forward *f, uint32_t *x, size_t n)
{
    if (!f->broken && n > 0)
        f->broken = f->group->ops->max_u32(f->group->self, x, n, &f->why) != 0;
}

static void add_all(struct forward *f, size_t n)
{
    const struct group *g = f->group;

    if (f->broken)
        return;
    f->broken = (f->in.a8 ? g->ops->sum_i32(g->self, f->acc32, n, &f->why)
                          : g->ops->sum_i64(g->self, f->acc, n, &f->why)) != 0;
}

/* A row of n numbers, of which this member has [first, first + part): whole
 * from now on.  Bits are not changed: of the others each has zeros. */
static void gather_row(struct forward *f, float *x, size_t n, size_t first,
                       size_t part)
{
    memset(f->word, 0, n * sizeof(*f->word));
    memcpy(f->word + first, x + first, part * sizeof(*x));
    agree_u32(f, f->word, n);
    memcpy(x, f->word, n * sizeof(*x));
}

/* ---- sums over columns --------------------------------------------------- */

static uint32_t amax_bits(const float *x, size_t n)
{
    int32_t most = 0;

    for (size_t i = 0; i < n; i++) {
        int32_t size = (int32_t)(x1_bits(x[i]) & 0x7fffffffu);

        most = size > most ? size : most;
    }
    return (uint32_t)most;
}

/* The rows with a column more, and the greatest size of each. */
static void measure_rows(void *self, size_t from, size_t to, size_t thread)
{
    const struct part_linear *j = self;
    struct forward *f = j->f;

    (void)thread;
    for (size_t i = from; i < to; i++) {
        memcpy(f->part_row + i * (j->k + 1), j->x + i * j->k,
               j->k * sizeof(*j->x));
        f->word[i] = amax_bits(j->x + i * j->k, j->k);
    }
}

/* Rows out of range: the place of the first such element, of all members'.
 * All members know which rows these are. */
static void find_faults(struct forward *f, const struct part_linear *j)
{
    size_t n = 0;

    for (size_t i = 0; i < j->m; i++)
        n += f->word[i] >= X1_LIMIT_BITS;
    if (n == 0)
        return;
    for (size_t i = 0; i < j->m; i++) {
        int32_t at = x1_fault(j->x + i * j->k, j->k);

        f->place[i] = at < 0 ? 0 : ~(uint32_t)(j->first + (size_t)at);
    }
    agree_u32(f, f->place, j->m);
    for (size_t i = 0; i < j->m; i++)
        if (f->place[i] != 0)
            forward_fault_at(f, f->row[j->of ? j->of[i] / j->used : i],
                             j->layer, j->op, j->head,
                             (int32_t)~f->place[i]);
}

static void quantise_part(void *self, size_t from, size_t to, size_t thread)
{
    const struct part_linear *j = self;
    struct forward *f = j->f;

    (void)thread;
    for (size_t i = from; i < to; i++)
        f->part_row[i * (j->k + 1) + j->k] = x1_float(f->word[i]);
    f->k->quantise(&f->in, f->part_row, j->k + 1, f->in_fault, from, to);
}

/* The integer sums of some outputs; those of A8 fit 32 bits. */
static void sum_part(void *self, size_t from, size_t to, size_t thread)
{
    const struct part_linear *j = self;
    struct forward *f = j->f;
    size_t n = j->w->rows;

    (void)thread;
    from *= ITEM;
    to = to * ITEM < n ? to * ITEM : n;
    f->k->sums(f->acc, n, j->w, &f->in, from, to);
    for (size_t i = 0; f->in.a8 && i < j->m; i++)
        for (size_t o = from; o < to; o++)
            f->acc32[i * n + o] = (int32_t)f->acc[i * n + o];
}

static void round_sums(void *self, size_t from, size_t to, size_t thread)
{
    const struct part_linear *j = self;
    struct forward *f = j->f;
    size_t n = j->w->rows;

    (void)thread;
    for (size_t i = from; i < to; i++)
        for (size_t o = 0; o < n; o++) {
            int64_t acc = f->in.a8 ? f->acc32[i * n + o] : f->acc[i * n + o];
            float v = x1_scale_acc(acc, j->w->scale[o], f->in.scale[i]);
            float *y = j->y + i * n + o;

            *y = j->add ? *y + v : v;
        }
}

void forward_part_linear(struct forward *f, struct part_linear *j)
{
    size_t n = j->w->rows, items = (n + ITEM - 1) / ITEM;

    j->f = f;
    forward_prepare(f, j->k + 1, j->layer, j->op);
    f->in.m = j->m;
    pool_run(f->threads, measure_rows, j, j->m, forward_least(1, 16 * j->k));
    agree_u32(f, f->word, j->m);
    find_faults(f, j);
    pool_run(f->threads, quantise_part, j, j->m, forward_least(4, 64 * j->k));
    pool_run(f->threads, sum_part, j, items,
             forward_least(1, ITEM * (j->k + 1) * j->m));
    add_all(f, j->m * n);
    pool_run(f->threads, round_sums, j, j->m, forward_least(1, 32 * n));
}

/* ---- a norm over all heads ----------------------------------------------- */

void forward_part_norm(struct forward *f, float *x, size_t first, size_t heads,
                       size_t all, const float *g, uint32_t layer,
                       uint32_t op)
{
    size_t n = all * f->hd, at = first * f->hd, part = heads * f->hd;

    for (size_t i = 0; i < f->n; i++) {
        float *row = x + i * part;
        int32_t fault;

        memset(f->part_row, 0, n * sizeof(*row));
        memcpy(f->part_row + at, row, part * sizeof(*row));
        gather_row(f, f->part_row, n, at, part);
        f->k->rmsnorm(f->part_row, f->part_row, n, g, f->model->rec.eps, 1, n,
                      &fault);
        forward_fault_at(f, f->row[i], layer, op, 0, fault);
        memcpy(row, f->part_row + at, part * sizeof(*row));
    }
}

/* ---- the head ------------------------------------------------------------ */

/* Of a tied head this member has all rows and computes its own. */
static void head_part(void *self, size_t from, size_t to, size_t thread)
{
    struct forward *f = self;
    const struct model_part *p = &f->mine;
    size_t v = f->model->rec.n_vocab, n;
    size_t skip = f->model->rec.flags & MODEL_TIED ? p->vocab_first : 0;

    from *= ITEM;
    to = to * ITEM < p->vocab ? to * ITEM : p->vocab;
    n = to - from;
    f->k->linear(f->logits + (p->vocab_first - skip), v, &f->weights->head,
                 NULL, false, &f->in, from + skip, to + skip);
    from += p->vocab_first;
    for (size_t i = 0; i < f->n; i++)
        forward_fault_at(f, f->row[i], HEAD_LAYER, HEAD_LOGITS, 0,
                         logits_look(&f->greatest[thread * f->n + i],
                                     f->logits + i * v + from, from, n,
                                     f->model->logit_cap, f->k));
}

void forward_part_head(struct forward *f)
{
    size_t items = (f->mine.vocab + ITEM - 1) / ITEM;

    pool_run(f->threads, head_part, f, items,
             forward_least(1, ITEM * f->in.k * f->in.m));
}

/* ---- the end of a step --------------------------------------------------- */

/* Field w of a fault, in the order that says which is less. */
static uint32_t *fault_field(struct fault *f, int w)
{
    uint32_t *field[] = { &f->position, &f->layer, &f->op, &f->row,
                          &f->index };

    return field[w];
}

/* The least fault of each row's slot over all members: number by number, of
 * those that are least so far. */
static void agree_faults(struct forward *f, const struct backend_row *rows,
                         size_t n)
{
    uint32_t any = 0;

    for (size_t i = 0; i < n; i++)
        any |= f->slot[rows[i].slot].faulty;
    agree_u32(f, &any, 1);
    if (!any)
        return;
    for (size_t i = 0; i < n; i++)
        f->least[i] = f->slot[rows[i].slot].faulty;
    for (int w = 0; w < 5; w++) {
        for (size_t i = 0; i < n; i++) {
            f->place[i] = f->least[i]
                ? ~*fault_field(&f->slot[rows[i].slot].least, w) : 0;
            f->word[i] = f->place[i];
        }
        agree_u32(f, f->word, n);
        for (size_t i = 0; i < n; i++) {
            f->least[i] = f->least[i] && f->word[i] == f->place[i];
            *fault_field(&f->agreed[i], w) = ~f->word[i];
        }
    }
    for (size_t i = 0; i < n; i++)
        if (f->agreed[i].position != UINT32_MAX)
            f->slot[rows[i].slot] = (struct slot_fault){ true, f->agreed[i] };
}

/* A logit so that greater ones are greater integers, above 0. */
static uint32_t ordered(float logit)
{
    uint32_t u = x1_bits(logit + 0.0f);

    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

/* The greatest logit of each row, then the lowest id of those that are as
 * great. */
static void agree_best(struct forward *f)
{
    for (size_t i = 0; i < f->n; i++) {
        size_t id = logits_best(f->greatest + i, pool_threads(f->threads),
                                f->n);

        f->best[i] = id;
        f->place[i] = id == SIZE_MAX ? 0
                      : ordered(forward_logits(f, i)[id]);
        f->word[i] = f->place[i];
    }
    agree_u32(f, f->word, f->n);
    for (size_t i = 0; i < f->n; i++)
        f->word[i] = f->place[i] && f->word[i] == f->place[i]
                         ? ~(uint32_t)f->best[i] : 0;
    agree_u32(f, f->word, f->n);
    for (size_t i = 0; i < f->n; i++)
        f->best[i] = (uint32_t)~f->word[i];
}

/* Logits that are given, or that a draw weighs. */
static void gather_logits(struct forward *f)
{
    size_t v = f->model->rec.n_vocab;

    for (size_t i = 0; i < f->n; i++) {
        const struct backend_row *r = f->row[i];
        bool weighed = r->sampling && r->sampling->temperature != 0;

        if (weighed || (r->tap && f->good[i]))
            gather_row(f, f->logits + i * v, v, f->mine.vocab_first,
                       f->mine.vocab);
    }
}

int forward_part_end(struct forward *f, const struct backend_row *rows,
                     size_t n, struct err *err)
{
    if (f->broken)
        return err_copy(err, &f->why);
    agree_faults(f, rows, n);
    for (size_t i = 0; i < f->n; i++)
        f->good[i] = !f->slot[f->row[i]->slot].faulty;
    agree_best(f);
    gather_logits(f);
    return f->broken ? err_copy(err, &f->why) : 0;
}
