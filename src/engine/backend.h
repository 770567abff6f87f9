/*
 * The seam below the engine, at the height of a step: what computes rows.
 * The engine decides which rows a step has; a backend (src/backend) computes
 * them, draws tokens and hashes what is committed to.  The engine never
 * includes a backend: its caller opens one and passes it.
 *
 * Who owns what.  The engine owns slots (one a sequence) and counts blocks;
 * what lies in a block of keys and values is the backend's affair, and so are
 * the form of the weights, threads and devices.  Commitments leave as
 * digests, never as rows.  Nothing of an answer depends on the plan: slots,
 * rows a step, blocks and their size never change a bit.
 *
 * The life of a backend: opened by its own function, load (again for another
 * model), then step and collect in turns, close.  One thread at a time calls
 * it.  To port the engine to another device, implement this table; the
 * smallest example is src/backend/pretend.
 *
 * A row is one position of one sequence: token in, keys and values into its
 * block and, where asked for, logits and a token out.  Rows of one slot come
 * in order of position, without gaps, over all steps; from the beginning when
 * another sequence has the slot, or the same one was put back.  A fault
 * (numerics.md) is a value of a row; an error of a function here is the
 * machine's, after which the backend can only be closed.
 */
#ifndef APUS_ENGINE_BACKEND_H
#define APUS_ENGINE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "engine/sampler.h"

struct backend;
struct err;
struct model;
struct model_sink;

/* Where a row left the range: the least of its sequence, in this order. */
struct fault {
    uint32_t position, layer, op, row, index; /* layer ffffffff: the head */
};

/* What a backend offers on top of tokens and digests.  load refuses what it
 * cannot give, by name. */
enum {
    BACKEND_TAP_LOGITS = 1,  /* of rows that ask: results have them */
    BACKEND_TAP_RESIDUAL = 2, /* of all rows: the function below is called */
    BACKEND_TAP_DEEP = 4     /* of rows that ask: digests have `deep` */
};

/* What the engine would like; the plan says what it gets. */
struct backend_load {
    size_t slots, rows, draws; /* sequences; rows a step, those with logits */
    uint64_t kv_bytes;         /* ceiling for all blocks; 0: none */
    unsigned taps;             /* BACKEND_TAP_... */
    /* Residual row x_l, n_dim floats borrowed for the call, during step:
     * layer 0 is the embedding, n_layers the last, for rows with logits. */
    void (*residual)(void *self, uint32_t slot, uint32_t position,
                     uint32_t layer, const float *x);
    void *self;
};

struct backend_plan {
    size_t block_positions; /* positions in a block */
    uint64_t block_bytes;
    uint64_t n_blocks;      /* that may be in use at once */
    bool grows;             /* one sequence alone may use more of them */
    size_t slots, rows, draws; /* at least one each, at most those wanted */
    size_t ahead;           /* steps that may run before the first is
                               collected; 0: step, collect, step .. */
    const char *text;       /* every answer's text, NULL: from its tokens.
                               Then no token and no stop string ends one */
};

/* token: the one drawn last in this slot; where the row before did not draw,
 * since it left the range, any: what comes of the row is dropped */
#define BACKEND_DRAWN UINT32_MAX

struct backend_row {
    uint32_t slot, position, token;
    bool logits;   /* the head runs here */
    bool tap;      /* .. and its logits are given */
    bool commit;   /* kv, and fin where it is asked for or drew, are hashed */
    bool deep;     /* .. and the residual rows of all layers */
    bool fin;      /* not with logits: nothing is drawn, since the next token
                      is known, but x_L is computed, and hashed as fin */
    const struct sampling *sampling; /* of the draw, NULL: none here;
                                        borrowed until the step is collected */
};

/* From this step on, positions index * block_positions .. of a slot are in
 * this block.  Blocks are numbered from 0, the lowest free one is used. */
struct backend_entry {
    uint32_t slot, index, block;
};

struct backend_place {
    uint32_t slot, position;
};

/* Borrowed during the call, but for `sampling`.  A step of no rows moves only
 * what is outstanding. */
struct backend_step {
    const struct backend_row *row;
    size_t n_rows;
    const struct backend_entry *entry; /* what changes, before the rows */
    size_t n_entries;
    const struct backend_place *last;  /* rows that drew in this step or the
                                          three before: their x_L is wanted */
    size_t n_last;
};

/* One for each row with logits, in the order of the rows. */
struct backend_draw {
    uint32_t slot, position;
    bool drew;           /* d is set: asked for, and no fault up to here */
    struct drawn d;
    const float *logits; /* n_vocab, or NULL: not asked for, or a fault */
};

/* The least fault of a slot's rows in this step. */
struct backend_fault {
    uint32_t slot;
    struct fault fault;
};

/* Digests of a row: at most two steps after it, those of a slot in order. */
struct backend_digest {
    uint32_t slot, position;
    bool has_fin, has_deep;
    struct id kv, fin, deep; /* doc/proof.md section 4 */
};

/* x_L as it was asked for: at most two steps after that. */
struct backend_last {
    uint32_t slot, position;
    const float *x; /* dim */
};

/* Of the oldest step that was not collected.  Everything is the backend's and
 * valid until its next call. */
struct backend_result {
    const struct backend_draw *draw;
    size_t n_draws;
    const struct backend_fault *fault;
    size_t n_faults;
    const struct backend_digest *digest;
    size_t n_digests;
    const struct backend_last *last;
    size_t n_last;
};

/* The model of an id, for a member of a group; NULL with err set: it has
 * none.  It stays until the next call. */
typedef const struct model *backend_find_fn(void *self, struct id id,
                                            struct err *err);

struct backend_ops {
    /* Take a model, which is borrowed until the next load or close, and make
     * a plan.  Its matrices are in memory, or they went to this backend's
     * sink, whose latest model it is; a later load of that model finds them
     * there again.  One error names what does not fit. */
    int (*load)(struct backend *b, const struct model *m,
                const struct backend_load *want, struct backend_plan *plan,
                struct err *err);

    /* Compute rows; may return before it is done. */
    int (*step)(struct backend *b, const struct backend_step *s,
                struct err *err);

    /* Wait for the oldest step and give what came of it. */
    int (*collect)(struct backend *b, struct backend_result *r,
                   struct err *err);

    /* Make block `to` equal to block `from`, before the next step: a shared
     * prefix is written to. */
    int (*copy)(struct backend *b, uint32_t from, uint32_t to,
                struct err *err);

    void (*close)(struct backend *b);

    /* Of a member of a group that is not the first, in the place of all others:
     * backend_follow (backend/backends.h).  NULL: it has no groups. */
    int (*follow)(struct backend *b, backend_find_fn *find, void *self,
                  struct err *err);
};

/* A backend begins with this. */
struct backend {
    const struct backend_ops *ops;
    const char *name; /* of the level, the device, or "pretend" */
    /* Takes matrices while a model file is read (model/model.h), into the
     * form that the backend reads: nobody holds the other.  NULL: it wants
     * them in the model. */
    const struct model_sink *sink;
    bool wrong;    /* after an error: a check has found a wrong number of this
                      machine's; .. */
    bool withdraw; /* .. or of some member's of its group: nothing that came of
                      this backend may be believed */
    bool full;     /* after an error of the sink or of load: other programs have
                      memory of its device, another machine may have more */
    bool lost;     /* after an error: this machine's device has failed, or hangs
                      by itself; it is not known to be wrong */
};

/* NULL is accepted. */
static inline void backend_close(struct backend *b)
{
    if (b)
        b->ops->close(b);
}

#endif
