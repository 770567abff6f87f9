/*
 * Disputes that tests play: runs of vectors/x1 computed with and without a lie,
 * and games between two executions of them.
 */
#ifndef APUS_TESTS_DISPUTE_UTIL_H
#define APUS_TESTS_DISPUTE_UTIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "dispute/execution.h"
#include "dispute/judge.h"
#include "model/model.h"

#define PLAYED_MAX 256 /* ids of a run */

/* A run of a model: prompt, output and the job record. */
struct played {
    struct model *model;
    uint32_t prompt[PLAYED_MAX], output[PLAYED_MAX];
    size_t n_prompt, n_out;
    unsigned char job[JOB_RECORD_SIZE];
    uint32_t temperature;
};

/* Run `run` of a model of vectors/x1, or of nano; at most max_out of its output
 * ids.  The model is converted once and stays. */
void played_init(struct played *p, const char *model, uint32_t run,
                 size_t max_out);

/* One element that is computed wrongly. */
struct lie {
    uint32_t position, layer;
    enum entry entry;
    size_t index;
    int64_t add; /* to an integer, or to the bits of a float */
    bool embed;  /* of x_0 */
};

/* The run computed by plain kernels, with a lie or (NULL) without one.  The lie
 * has to stay. */
struct execution *played_execution(const struct played *p, bool deep,
                                   struct lie *lie);

/* A game: the moves, as a dispute file has them, and how it ended. */
struct game {
    struct buf file;
    unsigned n_shows;
    size_t most_shown, proof;
    uint32_t code;
    bool stuck; /* the challenger saw no difference, or somebody was refused */
    enum judge_verdict verdict;
    char why[200];
};

/* Changes a show before the judge sees it; may be NULL. */
typedef void game_show_fn(void *self, const struct judge *g, struct buf *show);

/* Picks: 1 with a choice, 0 nothing to pick. */
typedef int game_pick_fn(void *self, const struct judge *g, char *choice);

/* Play the node's execution against a challenger's picks. */
void game_play(struct game *out, struct execution *node, game_pick_fn *pick,
               void *picker, game_show_fn *show, void *shower);
void game_clear(struct game *g);

/* A picker with an execution of its own: self is a struct execution. */
int game_honest(void *self, const struct judge *g, char *choice);

/* One that picks anything that can be picked: self is a uint64_t seed. */
int game_random(void *self, const struct judge *g, char *choice);

/* The same, until the judge takes it. */
int game_any(void *self, const struct judge *g, char *choice);

/* Append every pick that the judge takes now but those about stop strings, each
 * with its NUL. */
void game_picks(struct buf *out, const struct judge *g);

/* Return a number below n, by the seed. */
uint32_t game_below(uint64_t *seed, uint32_t n);

#endif
