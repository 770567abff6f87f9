/*
 * How far a run is, on standard error: on a terminal a bar, else a line a
 * minute; one line at the end in both cases.
 */
#ifndef APUS_CMD_PROGRESS_H
#define APUS_CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool quiet, terminal;
    bool drawn;          /* a bar stands in the current line */
    double started, shown; /* seconds of the monotonic clock */
    uint64_t total;      /* lines */
    uint64_t most;       /* tokens that all of them may give; 0: unknown */
    bool has_before;
    uint64_t before;     /* lines done when it was shown first */
    bool has_rate;
    uint64_t tok_s;      /* of progress_rate */
};

/* The clock starts here. */
void progress_init(struct progress *p, uint64_t total, bool quiet);

/* Show it, if it is time to.  tokens are those since the clock started. */
void progress_show(struct progress *p, uint64_t done, uint64_t total,
                   uint64_t tokens);

/* The line that is shown, in less than `width` columns: what does not fit is
 * left out.  run: seconds since the clock started. */
void progress_line(char *out, size_t n, const struct progress *p,
                   uint64_t done, uint64_t tokens, double run, size_t width);

/* The worker's own count of tokens a second in this start: what apus status
 * says too. */
void progress_rate(struct progress *p, uint64_t tok_s);

/* Take the bar away, so that a message can be written. */
void progress_clear(struct progress *p);

/* The last line. */
void progress_end(struct progress *p, uint64_t answered, uint64_t refused,
                  uint64_t tokens);

#endif
