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
#include <sys/ioctl.h>
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

static void put_bar(char *out, size_t n, uint64_t done, uint64_t total)
{
    size_t full = total ? (size_t)((double)done / (double)total * BAR_WIDTH)
                        : BAR_WIDTH;
    char bar[BAR_WIDTH + 1] = "";

    for (size_t i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    snprintf(out, n, "[%s] ", bar);
}

/* Columns of the terminal; 80 if it does not say. */
static size_t columns(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0
               ? w.ws_col : 80;
}

/* How long it may take: from the answers that there are, and before the first
 * from the most tokens that may come. */
static void put_left(char *out, size_t n, const struct progress *p,
                     uint64_t done, uint64_t tokens, double run)
{
    double left = (double)(p->total - done), most;
    char time[32];

    if (done > p->before) {
        put_time(time, sizeof(time), run / (double)(done - p->before) * left);
        snprintf(out, n, "%s left", time);
    } else if (tokens > 0 && p->most > 0 && p->total > 0) {
        most = (double)p->most * left / (double)p->total - (double)tokens;
        put_time(time, sizeof(time),
                 most > 0 ? most * run / (double)tokens : 0);
        snprintf(out, n, "at most %s left", time);
    } else {
        snprintf(out, n, "? left");
    }
}

void progress_rate(struct progress *p, uint64_t tok_s)
{
    p->has_rate = true;
    p->tok_s = tok_s;
}

/* Tokens a second: of a worker since it began to compute, without the time
 * that it took to begin. */
static double rate_of(const struct progress *p, uint64_t tokens, double run)
{
    if (p->has_rate)
        return (double)p->tok_s;
    return run > 0 ? (double)tokens / run : 0.0;
}

void progress_line(char *out, size_t n, const struct progress *p,
                   uint64_t done, uint64_t tokens, double run, size_t width)
{
    char bar[BAR_WIDTH + 8], left[64], count[64], rate[64] = "";

    put_bar(bar, sizeof(bar), done, p->total);
    put_left(left, sizeof(left), p, done, tokens, run);
    snprintf(count, sizeof(count), "%" PRIu64 " of %" PRIu64 ", ", done,
             p->total);
    if (tokens)
        snprintf(rate, sizeof(rate), "%" PRIu64 " tokens, %.0f tok/s, ",
                 tokens, rate_of(p, tokens, run));
    /* the last column stays free: some terminals wrap there */
    if (!p->terminal || strlen(bar) + strlen(count) + strlen(rate) +
                            strlen(left) >= width)
        bar[0] = '\0';
    if (strlen(count) + strlen(rate) + strlen(left) >= width)
        rate[0] = '\0';
    if (strlen(count) + strlen(left) >= width) {
        left[0] = '\0';
        count[strlen(count) - 2] = '\0'; /* a comma and a blank */
    }
    snprintf(out, n, "%s%s%s%s", bar, count, rate, left);
    if (strlen(out) >= width)
        out[width ? width - 1 : 0] = '\0';
}

void progress_show(struct progress *p, uint64_t done, uint64_t total,
                   uint64_t tokens)
{
    double t = clock_s();
    char line[256];

    if (p->quiet ||
        t - p->shown < (p->terminal ? BAR_PERIOD : LINE_PERIOD))
        return;
    p->shown = t;
    p->total = total > done ? total : done;
    /* what earlier runs did says nothing of the rate of this one */
    if (!p->has_before)
        p->before = done;
    p->has_before = true;
    progress_line(line, sizeof(line), p, done, tokens, t - p->started,
                  p->terminal ? columns() : sizeof(line));
    fprintf(stderr, p->terminal ? "\r%s\033[K" : "%s\n", line);
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
            answered, refused, tokens, run, rate_of(p, tokens, run));
}
