/*
 * Progress.  Times come from the monotonic clock and go nowhere but to the
 * screen.
 */
#include <config.h>

#include "base/clock.h"
#include "cmd/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_PERIOD 0.2
#define LINE_PERIOD 60.0
#define BAR_WIDTH 24

void progress_init(struct progress *p, uint64_t total, bool quiet)
{
    memset(p, 0, sizeof(*p));
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO) == 1;
    p->total = total;
    p->started = p->shown = clock_s();
}

/* 75 s is 1:15, 3 h is 3:00:00. */
static void put_time(char *out, size_t n, double seconds)
{
    uint64_t s = seconds < 1e9 ? (uint64_t)(seconds + 0.5) : 1000000000;

    if (s < 3600)
        snprintf(out, n, "%" PRIu64 ":%02u", s / 60, (unsigned)(s % 60));
    else
        snprintf(out, n, "%" PRIu64 ":%02u:%02u", s / 3600,
                 (unsigned)(s / 60 % 60), (unsigned)(s % 60));
}

static void put_bar(uint64_t done, uint64_t total)
{
    size_t full = total ? (size_t)((double)done / (double)total * BAR_WIDTH)
                        : BAR_WIDTH;

    fputs("\r[", stderr);
    for (size_t i = 0; i < BAR_WIDTH; i++)
        fputc(i < full ? '#' : '.', stderr);
    fputs("] ", stderr);
}

void progress_show(struct progress *p, uint64_t done, uint64_t total,
                   uint64_t tokens)
{
    double t = clock_s(), run = t - p->started;
    char left[32] = "?";

    if (p->quiet ||
        t - p->shown < (p->terminal ? BAR_PERIOD : LINE_PERIOD))
        return;
    p->shown = t;
    p->total = total > done ? total : done;
    /* what earlier runs did says nothing of the rate of this one */
    if (!p->has_before)
        p->before = done;
    p->has_before = true;
    if (done > p->before)
        put_time(left, sizeof(left),
                 run / (double)(done - p->before) *
                     (double)(p->total - done));
    if (p->terminal)
        put_bar(done, p->total);
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 ", ", done, p->total);
    if (tokens)
        fprintf(stderr, "%.0f tok/s, ", run > 0 ? (double)tokens / run : 0.0);
    fprintf(stderr, "%s left", left);
    fputs(p->terminal ? "\033[K" : "\n", stderr);
    fflush(stderr);
    p->drawn = p->terminal;
}

void progress_clear(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}

void progress_end(struct progress *p, uint64_t answered, uint64_t refused,
                  uint64_t tokens)
{
    double run = clock_s() - p->started;

    progress_clear(p);
    if (p->quiet)
        return;
    fprintf(stderr,
            "%" PRIu64 " answered, %" PRIu64 " refused, %" PRIu64
            " tokens in %.1f s, %.0f tok/s\n",
            answered, refused, tokens, run,
            run > 0 ? (double)tokens / run : 0.0);
}
