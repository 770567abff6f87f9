/*
 * The inside of a fitted conversion: fit.c has its order, fit_input.c what it
 * begins with, fit_read.c the numbers of the source, fit_nearest.c a layer by
 * the nearest rule, fit_layer.c what it becomes, fit_matrix.c one matrix.
 */
#ifndef APUS_FIDELITY_FIT_INTERNAL_H
#define APUS_FIDELITY_FIT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/backend.h"
#include "fidelity/fit.h"
#include "fidelity/fit_state.h"
#include "fidelity/rounding.h"
#include "fidelity/shown.h"
#include "fidelity/windows.h"
#include "kernels/kernels.h"

struct import;
struct model_layout;
struct rotated;

#define FIT_SHORTEST 8 /* ids of a window */

struct fit {
    struct fit_options o;
    struct import *source;          /* the conversion's, as lay */
    struct rotated *rotated;        /* of an A8R model; NULL: of others */
    const struct model_layout *lay;
    const char *tokenizer;          /* a file of its own, or NULL */
    struct x1_kernels k;
    struct pool *pool;
    struct windows w;
    size_t n_text;                  /* windows of the text; the model writes
                                       those after them */
    size_t n;                       /* ids of all windows */
    struct shown_rows s;
    struct fit_state st;
    bool fitted;                    /* the state has all tensors */
};

/* Numbers of the source as the nearest rule rounds them: those of a vector, and
 * rows of a matrix, which is begun first. */
int fit_read_vector(struct fit *f, uint32_t tensor, size_t n, float *x,
                    struct err *err);
int fit_read_begin(struct fit *f, uint32_t tensor, struct err *err);
int fit_read_rows(struct fit *f, uint32_t tensor, size_t first, size_t n,
                  float *x, struct err *err);

/* How the inputs of one kind are treated: factors that columns are multiplied
 * by, and what feeds them divided, and blocks. */
struct fit_plan {
    struct rounding r;
    size_t k;
    double *d, *c; /* energies, factors */
};

/* Energies of n rows of k, f->n of them; factors are 1.  Then the factors may
 * be set, and fit_plan_blocks has what they need. */
void fit_plan_init(struct fit *f, struct fit_plan *p, const float *x,
                   size_t k);
void fit_plan_blocks(struct fit *f, struct fit_plan *p, const float *x);
void fit_plan_clear(struct fit_plan *p);

/* What a matrix is and becomes: columns times plan->c, row i times or through
 * rows[i], or nothing (NULL). */
struct fit_matrix {
    uint32_t tensor; /* the embedding for a tied head */
    const struct fit_plan *plan;
    const double *rows;
    bool divide;
};
int fit_matrix(struct fit *f, const struct fit_matrix *m, struct err *err);

/* A vector, its numbers times or through factors. */
int fit_vector(struct fit *f, uint32_t tensor, const double *factor,
               bool divide, struct err *err);

/* The windows of the text, and room for the others; what the model writes
 * there, 1 if a number left the range, which was noted; f->s.x = the rows of
 * all in the embedding by the nearest rule; what the state must be of to be
 * gone on with: the source at this path, the rules, the text, how many ids. */
int fit_cut_windows(struct fit *f, struct err *err);
int fit_own_words(struct fit *f, const char *path, struct err *err);
int fit_embed(struct fit *f, struct err *err);
int fit_state_key(struct fit *f, const char *path, struct id *key,
                  struct err *err);

/* Text that a model writes itself, to which its weights are fitted besides a
 * text of others (doc/quality.md, Fitted weights).
 *
 * A window begins with the model's bos, if it has one, and an id that is drawn
 * evenly from the vocabulary; the rest are the ids that the sampler draws at
 * temperature 1 from the whole vocabulary (doc/numerics.md, Sampling), ends
 * among them.  Seed and first id follow from the number of the window, so the
 * ids are the same on every machine. */
struct own_words {
    const char *source;    /* the model by the nearest rule .. */
    const char *tokenizer; /* .. with this file of its own, or NULL .. */
    const char *path;      /* .. converted to a file that is removed again */
    const char *kernel;    /* as the setting, and */
    size_t threads;
    bool (*stop)(void); /* whether to end with ERR_RETRY; may be NULL */
};

/* Where an activation left the range. */
struct own_fault {
    struct fault at;
    size_t window; /* from 0 */
};

enum own_end {
    OWN_WRITTEN,
    OWN_FAULT,  /* *fault */
    OWN_FAILED, /* *err, which leaves the source's name to the caller */
};

/* id[i * length ..] = window i of n, each of `length` ids, at least 3. */
enum own_end own_words(uint32_t *id, size_t n, size_t length,
                       const struct own_words *o, struct own_fault *fault,
                       struct err *err);

/* A layer by the nearest rule; to be cleared whatever is returned. */
struct fit_nearest {
    struct shown_layer layer;
    void *part[LAYER_TENSORS][3]; /* what is to be freed */
};
int fit_nearest(struct fit *f, uint32_t l, struct fit_nearest *y,
                struct err *err);
void fit_nearest_clear(struct fit_nearest *y);

/* "layer N", or "the head" at n_layers and above; the caller frees it. */
char *fit_layer_name(const struct fit *f, uint32_t layer);

/* Tell the user that an activation left the range, in a layer or, at n_layers
 * and above, in the head: window i, from 0, of the text of this kind.  And that
 * blocks could not be factored, if any. */
void fit_note_fault(struct fit *f, uint32_t layer, size_t position,
                    size_t window, const char *text);
void fit_note_singular(struct fit *f, uint32_t layer, size_t blocks);

/* A layer from f->s.x to f->s.x.  1 if a number left the range: *fault. */
int fit_layer(struct fit *f, uint32_t l, struct shown_fault *fault,
              struct err *err);

#endif
