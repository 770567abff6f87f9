/*
 * Fitted conversion: weights that are rounded for the activations which the
 * model has on its own words and on a text, in place of the nearest rule
 * (doc/quality.md, Fitted weights).  The result is a model like any other.
 * convert.h calls what is here through a struct convert_rounding.
 *
 * The same source gives the same bytes on every machine, with any number of
 * threads and any kernel, and wherever it was interrupted.
 */
#ifndef APUS_FIDELITY_FIT_H
#define APUS_FIDELITY_FIT_H

#include <stdbool.h>
#include <stddef.h>

struct convert_rounding;
struct err;
struct fit;

/* Counts up when a source may give other weights than before.  1: fitted to
 * text 1, the tree's fit-text-1.txt.  2: half to the model's own words, half to
 * text 1. */
#define FIT_RULE 2
#define FIT_IDS 16384  /* half of them the model's, in windows of WINDOW_IDS or
                          of as many as its context has */
#define FIT_LEAST 1024 /* that a text must give: many times the channels of a
                          block, beside as many as ever from the model */

struct fit_options {
    const char *state;   /* a directory for what is done */
    const char *kernel;  /* as the setting */
    size_t threads;      /* 0: one for each core */
    const char *text;    /* NULL: text 1; others, and .. */
    size_t n_text;
    size_t ids;          /* .. but 0 for FIT_IDS are for tests */
    /* Called before the model writes (0), after each layer and the head; may
     * be NULL. */
    void (*progress)(void *user, size_t done, size_t of);
    /* Called with lines that the user should know; may be NULL. */
    void (*note)(void *user, const char *line);
    /* Whether to stop and go on another time: ERR_RETRY; may be NULL. */
    bool (*stop)(void);
    void *user;
};

/* What a conversion is given; options are borrowed until fit_free. */
struct fit *fit_new(const struct fit_options *o);
void fit_rounding(struct convert_rounding *r, struct fit *f);

/* The model is where it belongs, or *err says why not: remove the state unless
 * another try may go on with it (ERR_RETRY, ERR_CLOSED).  f may be NULL. */
void fit_end(struct fit *f, const struct err *err);
void fit_free(struct fit *f); /* NULL is accepted; the state stays */

#endif
