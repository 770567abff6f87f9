/*
 * Progress.  Times come from the monotonic clock and go nowhere but to the
 * screen.
 */
#include <config.h>

#include "cmd/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/plural.h"
#include "spool/spool.h"

#define FILE_MAX ((size_t)4 << 20)
#define BAR_PERIOD 0.2
#define LINE_PERIOD 60.0
#define FIRST_LINE 2.0    /* a run that is over by then has no line */
#define FIRST_WAIT 10.0   /* for tokens, which an estimate needs */
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

/* Seconds that the tokens which may still come take at most; -1 unknown. */
static double most_left(const struct progress *p, uint64_t tokens, double run)
{
    double most;

    if (tokens == 0 || p->most == 0 || p->total == 0)
        return -1;
    most = (double)p->most * (double)(p->total - p->before) /
               (double)p->total - (double)tokens;
    return most > 0 ? most * run / (double)tokens : 0;
}

/* How long it may take: from the answers that there are, and before the first
 * from the most tokens that may come.  A few short answers say little of the
 * long ones in flight, but it takes no longer than all tokens. */
static void put_left(char *out, size_t n, const struct progress *p,
                     uint64_t done, uint64_t tokens, double run)
{
    double left, most = most_left(p, tokens, run);
    char time[32];

    if (done > p->before) {
        left = run / (double)(done - p->before) * (double)(p->total - done);
        put_time(time, sizeof(time), most >= 0 && most < left ? most : left);
        snprintf(out, n, "%s left", time);
    } else if (most >= 0) {
        put_time(time, sizeof(time), most);
        snprintf(out, n, "at most %s left", time);
    } else {
        snprintf(out, n, "? left");
    }
}

/* The worker's own count of tokens a second in this start: what apus status
 * says too. */
static void set_rate(struct progress *p, uint64_t tok_s)
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
        snprintf(rate, sizeof(rate), "%" PRIu64 " token%s, %.0f tok/s, ",
                 tokens, plural_s(tokens), rate_of(p, tokens, run));
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

bool progress_due(const struct progress *p, uint64_t tokens, double t)
{
    double first = tokens ? FIRST_LINE : FIRST_WAIT;

    if (p->terminal)
        return t - p->shown >= BAR_PERIOD;
    return p->has_before ? t - p->shown >= LINE_PERIOD
                         : t - p->started >= first;
}

void progress_show(struct progress *p, uint64_t done, uint64_t total,
                   uint64_t tokens)
{
    double t = clock_s();
    char line[256];

    if (p->quiet || !progress_due(p, tokens, t))
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
    double run = clock_s() - p->started, rate = rate_of(p, tokens, run);

    progress_clear(p);
    if (p->quiet)
        return;
    fprintf(stderr,
            "%" PRIu64 " answered, %" PRIu64 " refused, %" PRIu64
            " token%s in %.1f s",
            answered, refused, tokens, plural_s(tokens), run);
    /* none if all were answered before */
    if (rate > 0)
        fprintf(stderr, ", %.0f tok/s", rate);
    fputc('\n', stderr);
}

/* ---- the file ------------------------------------------------------------ */

/* The file `progress` of a batch, or NULL. */
static struct json *read_file(const char *batch_path)
{
    struct json *root = NULL;
    struct buf text;

    buf_init(&text, FILE_MAX);
    if (progress_read(batch_path, &text, NULL) || text.len == 0 ||
        json_parse(&root, text.data, text.len, NULL))
        root = NULL;
    buf_clear(&text);
    return root;
}

/* When the start that wrote it began, and when it wrote. */
static void times_of(int64_t times[2], const struct json *file)
{
    times[0] = times[1] = 0;
    json_i64(json_get(file, "started"), &times[0]);
    json_i64(json_get(file, "updated"), &times[1]);
}

void progress_ignore(struct progress *p, const char *batch_path)
{
    struct json *file = read_file(batch_path);

    if (file)
        times_of(p->old, file);
    json_free(file);
}

void progress_look(struct progress *p, const char *batch_path)
{
    uint64_t done = 0, total = 0, tokens = 0, tok_s = 0;
    struct json *file = read_file(batch_path);
    int64_t times[2];

    if (!file)
        return;
    times_of(times, file);
    if (times[0] != p->old[0] || times[1] != p->old[1]) {
        if (json_u64(json_get(file, "tok_s"), &tok_s) == 0)
            set_rate(p, tok_s);
        if (json_u64(json_get(file, "done"), &done) == 0 &&
            json_u64(json_get(file, "total"), &total) == 0 &&
            json_u64(json_get(file, "tokens"), &tokens) == 0)
            progress_show(p, done, total, tokens);
    }
    json_free(file);
}

void progress_report(void *self, enum caller_moment moment,
                     const struct caller_work *w)
{
    struct progress *p = self;

    switch (moment) {
    case CALLER_BEGIN:
        progress_init(p, w->total, p->quiet);
        p->most = w->most;
        break;
    case CALLER_START:
        progress_ignore(p, w->path);
        break;
    case CALLER_LOOK:
        progress_look(p, w->path);
        break;
    case CALLER_PAUSE:
        progress_clear(p);
        break;
    }
}
