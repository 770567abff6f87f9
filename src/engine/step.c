/*
 * Which rows the next step has: the row of each sequence that is being
 * answered, and of those whose tokens are known as many as fit.
 *
 * A sequence has blocks for the positions that it has computed, not for those
 * that it may come to.  When there are none left, the youngest is put back: it
 * gives all of its blocks away and begins again later, its prompt and what it
 * has drawn being known by then.  Started ones are always the first of those
 * in flight, and the oldest is never put back, so the engine gets further.
 *
 * The whole blocks of a prompt, but for its last position, which draws, are
 * prefixes (prefix.h): whoever comes first computes one, and those that begin
 * alike wait for it and take it over with its digests.
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
        if (r->block[i] == NO_BLOCK)
            continue;
        blocks_give(&e->blocks, r->block[i]);
        r->block[i] = NO_BLOCK;
        r->n_held--;
    }
}

/* One user less of a prefix.  Of those without users a few stay, beside what
 * sequences need. */
static void leave(struct engine *e, struct prefix *f)
{
    uint64_t most = e->most_used / 2 + e->o.max_sequences;
    uint32_t block = f->block;

    if (prefix_leave(&e->prefixes, f))
        blocks_give(&e->blocks, block);
    while (e->prefixes.n_unused > most)
        blocks_give(&e->blocks, prefix_evict(&e->prefixes));
}

void step_leave(struct engine *e, struct running *r)
{
    give_blocks(e, r, r->n_prefixes, r->n_blocks);
    while (r->n_prefixes > 0) {
        r->block[--r->n_prefixes] = NO_BLOCK;
        r->n_held--;
        leave(e, r->prefix[r->n_prefixes]);
    }
    r->n_blocks = 0;
}

void step_slide(struct engine *e, struct running *r)
{
    uint32_t window = e->model->rec.window;

    if (window && r->fed + 1 > window)
        give_blocks(e, r, 0, (r->fed + 1 - window) / e->plan.block_positions);
}

/* Positions that can be fed now. */
static size_t ready(const struct engine *e, const struct running *r)
{
    return running_ready(r, e->model->rec.context);
}

uint64_t step_blocks(const struct engine *e, uint64_t positions)
{
    uint64_t size = e->plan.block_positions, window = e->model->rec.window;
    uint64_t n = (positions + size - 1) / size;

    if (window && n > (window + e->o.chunk) / size + 2)
        n = (window + e->o.chunk) / size + 2;
    return n;
}

/* Blocks that sequences have; prefixes without users are not among them. */
static uint64_t blocks_used(const struct engine *e)
{
    return e->blocks.made - e->blocks.n_free - e->prefixes.n_unused;
}

static uint64_t blocks_left(const struct engine *e)
{
    uint64_t used = blocks_used(e);

    return used < e->plan.n_blocks ? e->plan.n_blocks - used : 0;
}

/* How many blocks of a prompt are prefixes. */
static size_t sharable(const struct engine *e, const struct running *r)
{
    if (!e->shares || r->s.deep)
        return 0;
    return (r->s.n_prompt - 1) / e->plan.block_positions;
}

/* The prefix that is next for a sequence, if it is at the beginning of one. */
static struct prefix *next_prefix(const struct engine *e,
                                  const struct running *r)
{
    size_t n = r->n_prefixes;

    if (n != r->n_blocks || n >= sharable(e, r) ||
        r->fed != n * e->plan.block_positions)
        return NULL;
    return prefix_find(&e->prefixes, n > 0 ? r->prefix[n - 1] : NULL,
                       r->s.prompt + r->fed);
}

/* How many prefixes from this one on are there for a sequence and have users:
 * the blocks of the others are counted as free. */
static uint64_t count_used(const struct engine *e, const struct running *r,
                           const struct prefix *f)
{
    size_t at = r->n_prefixes;
    uint64_t n = 0;

    while (f && f->ready) {
        n += f->n_users > 0;
        at++;
        f = at < sharable(e, r)
                ? prefix_find(&e->prefixes, f,
                              r->s.prompt + at * e->plan.block_positions)
                : NULL;
    }
    return n;
}

/* Blocks that a sequence needs on top of those it has, for its known tokens. */
static uint64_t blocks_missing(const struct engine *e,
                               const struct running *r)
{
    uint64_t n = step_blocks(e, r->fed + ready(e, r)), has = r->n_held;

    has += count_used(e, r, next_prefix(e, r));
    return n > has ? n - has : 0;
}

/* .. and one more, if it may come to that: else it would be put back soon. */
static uint64_t blocks_wanted(const struct engine *e, const struct running *r)
{
    uint64_t n = blocks_missing(e, r);
    uint64_t most = (uint64_t)r->s.n_prompt + r->s.max_tokens;

    if (most > e->model->rec.context)
        most = e->model->rec.context;
    return n + (step_blocks(e, most) > r->n_held + n);
}

/* Start sequences in order while there are the blocks that they want; the
 * first in line always starts. */
static void start(struct engine *e)
{
    uint64_t left = blocks_left(e), wanted = 0;

    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];

        wanted += blocks_wanted(e, r);
        if (!r->started && i > 0 && (wanted > left || in_flight(e, r)))
            return;
        r->started = true;
    }
}

static void enter(struct engine *e, struct running *r, uint32_t block)
{
    r->block = xrealloc(r->block, (r->n_blocks + 1) * sizeof(*r->block));
    VEC_RESERVE(e->entry, e->cap_entries, e->n_entries + 1);
    e->entry[e->n_entries++] = (struct backend_entry){
        r->slot, (uint32_t)r->n_blocks, block
    };
    r->block[r->n_blocks++] = block;
    r->n_held++;
}

static void add_prefix(struct running *r, struct prefix *f)
{
    VEC_RESERVE(r->prefix, r->cap_prefixes, r->n_prefixes + 1);
    r->prefix[r->n_prefixes++] = f;
}

/* Blocks for the positions below n; new ones are entries of the step. */
static void reserve(struct engine *e, struct running *r, size_t n)
{
    size_t size = e->plan.block_positions, want = (n + size - 1) / size;

    while (r->n_blocks < want) {
        size_t at = r->n_blocks;
        uint32_t block = e->prefixes.n_unused > 0 &&
                                 blocks_left(e) <= e->prefixes.n_unused
                             ? prefix_evict(&e->prefixes)
                             : blocks_take(&e->blocks);

        enter(e, r, block);
        if (at == r->n_prefixes && at < sharable(e, r))
            add_prefix(r, prefix_make(&e->prefixes,
                                      at > 0 ? r->prefix[at - 1] : NULL,
                                      r->s.prompt + at * size, block));
    }
}

/* The positions of a prefix that another has computed. */
static void report_shared(struct engine *e, struct running *r,
                          const struct prefix *f)
{
    for (size_t i = 0; i < e->plan.block_positions; i++, r->fed++) {
        if (r->fed < r->n_told)
            continue;
        r->n_told = r->fed + 1;
        if (r->n_planned < r->n_told)
            r->n_planned = r->n_told;
        e->stats.shared++;
        if (e->obs.position)
            e->obs.position(e->obs.self, r->s.user,
                            &(struct position){
                                .position = (uint32_t)r->fed,
                                .token = f->token[i],
                                .next = UINT32_MAX,
                                .kv = &f->digest[i],
                            });
    }
}

/* Take over what is there of a prompt: false if it is to wait, for a prefix
 * that another computes or for digests of before it was put back. */
static bool take_prefixes(struct engine *e, struct running *r)
{
    struct prefix *f;

    while ((f = next_prefix(e, r)) != NULL) {
        if (!f->ready || r->pending_at < r->n_pending || in_flight(e, r))
            return false;
        prefix_use(&e->prefixes, f);
        enter(e, r, f->block);
        add_prefix(r, f);
        report_shared(e, r, f);
    }
    return true;
}

/* Whether a position is of a prefix that this sequence computes. */
static bool computes_prefix(const struct engine *e, const struct running *r,
                            size_t position)
{
    size_t at = position / e->plan.block_positions;

    return at < r->n_prefixes && !r->prefix[at]->ready;
}

void step_digest(struct engine *e, struct running *r, uint32_t position,
                 const struct id *kv)
{
    if (computes_prefix(e, r, position))
        prefix_digest(&e->prefixes,
                      r->prefix[position / e->plan.block_positions],
                      position % e->plan.block_positions, kv);
}

void step_share(struct engine *e, struct running *r)
{
    size_t size = e->plan.block_positions;

    for (size_t i = 0; i < r->n_prefixes && !e->obs.position; i++)
        r->prefix[i]->ready |= (i + 1) * size <= r->fed;
}

/* The next `count` positions of a sequence as rows of the step. */
static void put_rows(struct engine *e, struct running *r, size_t count)
{
    size_t drawing = running_drawing(r), asking = running_asking(r);

    for (size_t i = 0; i < count; i++, r->fed++) {
        bool draws = r->fed >= asking;
        bool fresh = r->fed >= r->n_planned; /* not computed before */

        e->row[e->n_rows++] = (struct backend_row){
            .slot = r->slot,
            .position = (uint32_t)r->fed,
            .token = running_token(r, r->fed),
            .logits = draws || (e->o.draw_all && fresh),
            .tap = e->obs.logits && !r->s.without_logits,
            .commit = e->obs.position &&
                      (fresh || computes_prefix(e, r, r->fed)),
            .deep = r->s.deep && e->o.deep && fresh,
            .fin = r->fed >= drawing && !draws,
            .sampling = draws ? &r->s.sampling : NULL,
        };
        if (fresh && r->fed < r->s.n_prompt)
            e->stats.prompt_tokens++;
        if (fresh)
            r->n_planned = r->fed + 1;
    }
    if (count > 0)
        r->last_step = e->n_launched + 1;
}

/* What a step still has room for. */
struct capacity {
    size_t rows, draws;
};

/* Whether a sequence waits for what its next row draws.  Such a row has its
 * place in every step. */
static bool answering(const struct engine *e, const struct running *r)
{
    return r->started && r->out.n > 0 && ready(e, r) == 1;
}

/* How many rows of a sequence this step takes, at most `fit`: one if it is
 * being answered; those that are known share what is left, the oldest sequence
 * first. */
static size_t rows_of(const struct engine *e, const struct running *r,
                    size_t fit, struct capacity *left)
{
    size_t count = ready(e, r), silent, draws;

    if (answering(e, r))
        return 1;
    if (count > fit)
        count = fit;
    if (count > e->limit)
        count = e->limit;
    if (count > left->rows)
        count = left->rows;
    silent = e->o.draw_all             ? count
             : running_asking(r) > r->fed ? running_asking(r) - r->fed
                                          : 0;
    draws = count > silent ? count - silent : 0;
    if (draws > left->draws)
        draws = left->draws;
    if (count > silent)
        count = silent + draws;
    left->rows -= count;
    left->draws -= draws;
    return count;
}

static void put_back(struct engine *e, struct running *r, struct capacity *left)
{
    left->rows += answering(e, r);
    left->draws += answering(e, r);
    step_leave(e, r);
    r->fed = 0;
    r->started = false;
    e->stats.put_back++;
}

/* Put back the youngest that has started after the i-th: false if none. */
static bool put_back_after(struct engine *e, size_t i, struct capacity *left)
{
    for (size_t j = e->n; j > i + 1; j--) {
        struct running *r = e->running[j - 1];

        if (!r->started || r->over)
            continue;
        put_back(e, r, left);
        return true;
    }
    return false;
}

/* How many rows of the i-th sequence there are blocks for: at least one, or it
 * is put back itself.  One alone has what it asks for (backend_plan.grows). */
static size_t fit_blocks(struct engine *e, size_t i, struct capacity *left)
{
    struct running *r = e->running[i];
    size_t size = e->plan.block_positions, count = ready(e, r);
    size_t has = r->n_blocks * size - r->fed;

    while (has == 0 && blocks_left(e) == 0) {
        if (put_back_after(e, i, left))
            continue;
        if (i == 0)
            return count;
        put_back(e, r, left);
        return 0;
    }
    if (count <= has || (count - has - 1) / size < blocks_left(e))
        return count;
    return has + (size_t)blocks_left(e) * size;
}

void step_plan(struct engine *e)
{
    struct capacity left = { e->o.max_rows, e->o.max_draws };

    start(e);
    for (size_t i = 0; i < e->n; i++) {
        left.rows -= answering(e, e->running[i]);
        left.draws -= answering(e, e->running[i]);
    }
    for (size_t i = 0; i < e->n; i++) {
        struct running *r = e->running[i];
        size_t count;

        if (!r->started || r->over || ready(e, r) == 0 ||
            (left.rows == 0 && !answering(e, r)) || !take_prefixes(e, r))
            continue;
        count = rows_of(e, r, fit_blocks(e, i, &left), &left);
        reserve(e, r, r->fed + count);
        put_rows(e, r, count);
    }
    if (e->most_used < blocks_used(e))
        e->most_used = blocks_used(e);
}
