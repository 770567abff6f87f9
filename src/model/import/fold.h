/*
 * Factors that some families have beside the weights: of the embedding, of
 * what a layer adds, of the logits.  X1 has none of them; they go into numbers
 * that it has, so that the function stays.
 */
#ifndef APUS_MODEL_IMPORT_FOLD_H
#define APUS_MODEL_IMPORT_FOLD_H

struct err;
struct import;

struct fold {
    float embedding; /* the embedding is multiplied by it */
    float residual;  /* so is what attention and feed-forward part add */
    float logits;    /* logits are divided by it */
};

/* Set the factors and the eps of m, whose eps is that of the source.  The
 * residual rows of X1 are the source's divided by `embedding`: norms, whose
 * eps is divided by its square, give the same; wo and down are multiplied by
 * residual / embedding, the final norm is divided by `logits`.  A tied head
 * stays the embedding.  ERR_INPUT: one is not a positive number of a size that
 * X1 has. */
int fold_factors(struct import *m, const struct fold *f, struct err *err);

#endif
