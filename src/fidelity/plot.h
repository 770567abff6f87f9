/*
 * A picture (SVG) of divergence by position.
 */
#ifndef APUS_FIDELITY_PLOT_H
#define APUS_FIDELITY_PLOT_H

struct buf;
struct divergence;

/* Append it: the mean over windows, of at most 128 runs of positions.  What
 * the names stand for is the caller's; bytes in them that are not UTF-8 become
 * '?'. */
void plot_divergence(struct buf *out, const struct divergence *d,
                     const char *model, const char *reference);

#endif
