/*
 * How far a model's distributions of the next token are from a reference's:
 * the divergence of Kullback and Leibler at each position, over the whole
 * vocabulary, how often both hold the same token for the likeliest, and the
 * perplexity of a text by each.  In f64, with libm: numbers for people, which
 * nothing is hashed of.
 */
#ifndef APUS_FIDELITY_DIVERGENCE_H
#define APUS_FIDELITY_DIVERGENCE_H

#include <stddef.h>
#include <stdint.h>

#define DIVERGENCE_NO_ID UINT32_MAX

/* By how much the reference's highest logit exceeds its second. */
enum {
    MARGIN_FAR,  /* by more than 0.5 */
    MARGIN_NEAR, /* by more than 0.1 */
    MARGIN_SAME, /* by less */
    MARGIN_ALL,
    MARGINS
};

struct divergence_margin {
    size_t n, equal; /* positions; those where the likeliest is the same */
};

struct divergence {
    uint32_t n_vocab;
    double *kl;      /* of each position that came, in their order */
    size_t n, cap;
    struct divergence_margin margin[MARGINS];
    size_t n_known;  /* positions whose next id is known */
    double nll_reference, nll_model; /* sums over these */
    double *by_position; /* sums of KL over windows, by position .. */
    size_t *by_count;    /* .. and of how many */
    size_t n_by, cap_by, cap_count;
};

/* What comes of them all. */
struct divergence_summary {
    double mean, median, p99, largest;
    /* Mean over the positions in the second half of the longest window, of all
     * windows that come so far: of their second halves, if all are as long. */
    double second;
    double perplexity_reference, perplexity_model;
};

void divergence_init(struct divergence *d, uint32_t n_vocab);
void divergence_clear(struct divergence *d);

/* A position of a window: n_vocab logits of both, and the id that follows in
 * the text, or DIVERGENCE_NO_ID. */
void divergence_put(struct divergence *d, size_t position,
                    const float *reference, const float *model, uint32_t next);

/* Of at least one position; quantiles are the smallest value that as many per
 * cent do not exceed.  Sorts d->kl. */
void divergence_summary(struct divergence_summary *s, struct divergence *d);

#endif
