/*
 * A model beside a reference over the same windows: another model of the same
 * vocabulary by X1, or a source by its own float values.
 */
#ifndef APUS_FIDELITY_COMPARISON_H
#define APUS_FIDELITY_COMPARISON_H

#include <stddef.h>
#include <stdint.h>

struct backend;
struct divergence;
struct err;
struct float_source;
struct model;
struct windows;

/* Borrowed.  Of the reference either the source is there, or model and
 * backend, which is not the other model's. */
struct comparison_sides {
    const struct model *model;
    struct backend *backend;
    struct float_source *source;
    const struct model *reference;
    struct backend *reference_backend;
    /* Called after each layer of the source and after each window; may be
     * NULL. */
    void (*progress)(void *user, const char *what, size_t done, size_t of);
    void *user;
};

/* ERR_INPUT unless the reference reads the ids of the model: as large a
 * vocabulary, and the same tokenizer if both have one. */
int comparison_check(const struct comparison_sides *s, struct err *err);

/* The smaller of both contexts: no window may be longer. */
uint32_t comparison_context(const struct comparison_sides *s);

/* Put each position of the windows, whose ids are below n_vocab, into d.
 * ERR_INPUT: a number of either model left the range, or a window is longer
 * than the context, and the message says where. */
int comparison_run(struct divergence *d, const struct comparison_sides *s,
                const struct windows *w, struct err *err);

#endif
