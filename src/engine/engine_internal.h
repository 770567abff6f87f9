/*
 * The state of the engine, for its own files: engine.c has its life and what
 * comes of a step, step.c which rows a step has and where their keys and
 * values go.
 */
#ifndef APUS_ENGINE_ENGINE_INTERNAL_H
#define APUS_ENGINE_ENGINE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/blocks.h"
#include "engine/engine.h"
#include "engine/prefix.h"
#include "engine/sequence.h"

struct engine {
    struct backend *backend;
    struct backend_plan plan;
    const struct model *model;
    const struct tokenizer *tokenizer;
    struct engine_options o;
    size_t limit;             /* known rows of a sequence a step, at most
                                 o.chunk, which memory was planned for */
    struct observer obs;
    struct blocks blocks;
    struct prefixes prefixes;
    bool shares;              /* prompts that begin alike share blocks */
    uint64_t most_used;       /* blocks that sequences had at once */
    struct running **running; /* n of them, in the order they were added */
    size_t n;
    struct running **ended;   /* those over, not reported yet, in order */
    size_t n_ended;
    struct running **slot;    /* by slot, NULL: free */
    struct backend_row *row;  /* of the step */
    size_t n_rows;
    struct flight {           /* steps that are not collected, in order from */
        struct backend_row *row; /* n_collected on, modulo plan.ahead + 1 */
        size_t n_rows;
    } *flight;
    uint64_t n_launched, n_collected; /* steps, those without rows too */
    struct backend_entry *entry;
    size_t n_entries, cap_entries;
    struct backend_place *last; /* x_L to be asked for */
    size_t n_last;
    struct engine_stats stats;
};

/* Whether a step with rows of this sequence is not collected. */
static inline bool in_flight(const struct engine *e, const struct running *r)
{
    return r->last_step > e->n_collected;
}

/* Blocks that a sequence of so many positions may come to need. */
uint64_t step_blocks(const struct engine *e, uint64_t positions);

/* Fill e->row and e->entry with the next step. */
void step_plan(struct engine *e);

/* Give back the blocks of a sequence that no window reaches any more. */
void step_slide(struct engine *e, struct running *r);

/* A digest for the prefix that a sequence computes, if it is of one. */
void step_digest(struct engine *e, struct running *r, uint32_t position,
                 const struct id *kv);

/* What of a sequence's prefixes is computed can be shared, where nobody waits
 * for digests. */
void step_share(struct engine *e, struct running *r);

/* Give back all blocks of a sequence. */
void step_leave(struct engine *e, struct running *r);

#endif
