/*
 * How far a run is, on standard error: on a terminal a bar, else a line soon
 * after the first tokens and then one a minute; one line at the end in both
 * cases.
 */
#ifndef APUS_CMD_PROGRESS_H
#define APUS_CMD_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/caller.h"

struct progress {
    bool quiet, terminal;
    bool drawn;          /* a bar stands in the current line */
    double started, shown; /* seconds of the monotonic clock */
    uint64_t total;      /* lines */
    uint64_t most;       /* tokens that all of them may give; 0: unknown */
    bool has_before;
    uint64_t before;     /* lines done when it was shown first */
    bool has_rate;
    uint64_t tok_s;      /* of this start, as apus status says it */
    int64_t old[2];      /* of progress_ignore: times in that file */
};

/* The clock starts here. */
void progress_init(struct progress *p, uint64_t total, bool quiet);

/* Show it, if it is time to.  tokens are those since the clock started. */
void progress_show(struct progress *p, uint64_t done, uint64_t total,
                   uint64_t tokens);

/* Whether it is time for the next bar or line, at second t of the monotonic
 * clock; away from a terminal the first line waits a while for tokens. */
bool progress_due(const struct progress *p, uint64_t tokens, double t);

/* The line that is shown, in less than `width` columns: what does not fit is
 * left out.  run: seconds since the clock started. */
void progress_line(char *out, size_t n, const struct progress *p,
                   uint64_t done, uint64_t tokens, double run, size_t width);

/* As progress_show, of the file `progress` in a batch's directory, which a
 * worker writes; nothing if there is none. */
void progress_look(struct progress *p, const char *batch_path);

/* Before a start: progress_look passes over what an earlier one has left. */
void progress_ignore(struct progress *p, const char *batch_path);

/* As the progress of a caller, whose self is a struct progress: it is begun
 * anew when work begins, `quiet` stays. */
void progress_report(void *self, enum caller_moment moment,
                     const struct caller_work *w);

/* Take the bar away, so that a message can be written. */
void progress_clear(struct progress *p);

/* The last line. */
void progress_end(struct progress *p, uint64_t answered, uint64_t refused,
                  uint64_t tokens);

#endif
