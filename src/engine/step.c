/*
 * Which rows the next step has: the row of each sequence that is being
 * answered, and of those whose tokens are known as many as fit.
 */
#include <config.h>

#include "engine/engine_internal.h"

#include "base/mem.h"
#include "base/vec.h"
#include "model/model.h"

static void give_blocks(struct engine *e, struct running *r, size_t from,
                        size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (r->block[i] != NO_BLOCK)
            blocks_give(&e->blocks, r->block[i]);
        r->block[i] = NO_BLOCK;
    }
}

void step_leave(struct engine *e, struct running *r)
{
    give_blocks(e, r, 0, r->n_blocks);
}

void step_slide(struct engine *e, struct running *r)
{
    uint32_t window = e->model->rec.window;

    if (window && r->fed + 1 > window)
        give_blocks(e, r, 0, (r->fed + 1 - window) / e->plan.block_positions);
}

uint64_t step_blocks(const struct engine *e, uint64_t positions)
{
    uint64_t size = e->plan.block_positions, window = e->model->rec.window;
    uint64_t n = (positions + size - 1) / size;

    if (window && n > (window + e->o.chunk) / size + 2)
        n = (window + e->o.chunk) / size + 2;
    return n;
}

/* Start the sequences that there are blocks for, in order; the first in line
 * always starts when it is alone. */
static void start(struct engine *e)
{
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];
        uint64_t need = step_blocks(e, r->kv_positions);

        if (r->started)
            continue;
        if (e->counted && (e->counted > e->plan.n_blocks ||
                           need > e->plan.n_blocks - e->counted))
            return;
        r->started = true;
        e->counted += need;
    }
}

/* Blocks for the positions below n; new ones are entries of the step. */
static void reserve(struct engine *e, struct running *r, size_t n)
{
    size_t want = (n + e->plan.block_positions - 1) / e->plan.block_positions;

    if (want <= r->n_blocks)
        return;
    r->block = xrealloc(r->block, want * sizeof(*r->block));
    VEC_RESERVE(e->entry, e->cap_entries, e->n_entries + want);
    for (; r->n_blocks < want; r->n_blocks++) {
        r->block[r->n_blocks] = blocks_take(&e->blocks);
        e->entry[e->n_entries++] = (struct backend_entry){
            r->slot, (uint32_t)r->n_blocks, r->block[r->n_blocks]
        };
    }
}

/* The next `count` positions of a sequence as rows of the step. */
static void put_rows(struct engine *e, struct running *r, size_t count)
{
    size_t drawing = running_drawing(r);

    for (size_t i = 0; i < count; i++, r->fed++) {
        bool draws = r->fed >= drawing;

        e->row[e->n_rows++] = (struct backend_row){
            .slot = r->slot,
            .position = (uint32_t)r->fed,
            .token = running_token(r, r->fed),
            .logits = draws || e->o.draw_all,
            .tap = e->obs.logits && !r->s.without_logits,
            .commit = e->obs.position != NULL,
            .deep = r->s.deep && e->o.deep,
            .sampling = draws ? &r->s.sampling : NULL,
        };
        if (r->fed < r->s.n_prompt)
            e->stats.prompt_tokens++;
    }
}

/* What a step still has room for. */
struct capacity {
    size_t rows, draws;
};

/* Whether a sequence waits for what its next row draws.  Such a row has its
 * place in every step. */
static bool answering(const struct running *r)
{
    return r->started && r->out.n > 0 && running_ready(r) == 1;
}

/* How many rows of a sequence this step takes: one if it is being answered;
 * those that are known share what is left, the oldest sequence first. */
static size_t rows_of(const struct engine *e, const struct running *r,
                    struct capacity *left)
{
    size_t count = running_ready(r), silent, draws;

    if (answering(r))
        return 1;
    if (count > e->o.chunk)
        count = e->o.chunk;
    if (count > left->rows)
        count = left->rows;
    silent = e->o.draw_all ? count : running_drawing(r) - r->fed;
    draws = count > silent ? count - silent : 0;
    if (draws > left->draws)
        draws = left->draws;
    if (count > silent)
        count = silent + draws;
    left->rows -= count;
    left->draws -= draws;
    return count;
}

void step_plan(struct engine *e)
{
    struct capacity left = { e->o.max_rows, e->o.max_draws };

    start(e);
    for (size_t i = 0; i < e->n; i++) {
        left.rows -= answering(e->running[i]);
        left.draws -= answering(e->running[i]);
    }
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];
        size_t count;

        if (!r->started)
            continue;
        count = rows_of(e, r, &left);
        reserve(e, r, r->fed + count);
        put_rows(e, r, count);
    }
}
