/*
 * A thread that copies lines from a pipe to standard error.
 */
#include <config.h>

#include "jobs/boxes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#define LINE_MAX_BYTES 8192
#define LOOK_MS 200
#define LINGER_MS 2000 /* for what is left of a program that has ended */
#define RULE 60 /* dashes at least, of which a box has a line on each side */

struct boxes {
    int fd;
    pthread_t thread;
    atomic_bool drop;
    atomic_bool ended; /* the program has; something of it may linger */
    bool in_box;    /* between its lines */
    bool after_box; /* a blank line may belong to it */
    bool terminal;  /* a bar of progress may stand in its last line */
    size_t n;
    char line[LINE_MAX_BYTES];
};

static bool is_rule(const char *line, size_t n)
{
    size_t i = 0;

    while (i < n && line[i] == '-')
        i++;
    return i >= RULE && (i == n || line[i] == '\n');
}

/* What mpirun and a worker say of being asked to save, as they are: whoever
 * asked says what came of it. */
static bool is_of_saving(const char *line, size_t n)
{
    static const char *const saids[] = { "mpirun: Forwarding signal",
                                         ": info: asked to save" };

    for (size_t i = 0; i < sizeof(saids) / sizeof(saids[0]); i++)
        if (memmem(line, n, saids[i], strlen(saids[i])))
            return true;
    return false;
}

/* What cannot be written is not said; there is no other place for it. */
static void put_stderr(const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, data, n);

        if (done < 0 && errno != EINTR)
            return;
        if (done > 0) {
            data += done;
            n -= (size_t)done;
        }
    }
}

/* One write, so that nothing gets between a bar's removal and the line. */
static void put_line(const struct boxes *b)
{
    static const char clear[] = "\r\033[K";
    size_t n = b->terminal ? sizeof(clear) - 1 : 0;
    char line[sizeof(clear) + LINE_MAX_BYTES];

    memcpy(line, clear, n);
    memcpy(line + n, b->line, b->n);
    put_stderr(line, n + b->n);
}

static void end_line(struct boxes *b)
{
    bool rule = is_rule(b->line, b->n);
    bool blank = b->n == 1 && b->line[0] == '\n';

    if (!atomic_load(&b->drop)) {
        b->in_box = b->in_box != rule;
        put_line(b);
    } else if (rule) {
        b->in_box = !b->in_box;
        b->after_box = !b->in_box;
    } else if (!b->in_box && !(b->after_box && blank) &&
               !is_of_saving(b->line, b->n)) {
        b->after_box = false;
        put_line(b);
    }
    b->n = 0;
}

/* Wait for something to read.  False once the program has ended and its last
 * words were read: what it left behind is silent, or writes on and on. */
static bool wait_for_more(struct boxes *b, uint64_t *end_ms)
{
    struct pollfd p = { .fd = b->fd, .events = POLLIN };

    for (;;) {
        int ready = poll(&p, 1, LOOK_MS);

        if (atomic_load(&b->ended) && !*end_ms)
            *end_ms = clock_ms() + LINGER_MS;
        else if (*end_ms && (ready == 0 || clock_ms() > *end_ms))
            return false;
        if (ready > 0)
            return true;
    }
}

static void *copy(void *self)
{
    struct boxes *b = self;
    uint64_t end_ms = 0; /* 0: the program has not ended */
    ssize_t got;
    char c[512];

    while (wait_for_more(b, &end_ms)) {
        got = read(b->fd, c, sizeof(c));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        for (ssize_t i = 0; i < got; i++) {
            b->line[b->n++] = c[i];
            if (c[i] == '\n' || b->n == sizeof(b->line))
                end_line(b);
        }
    }
    if (b->n)
        end_line(b);
    return NULL;
}

int boxes_open(struct boxes **out, int *fd, struct err *err)
{
    struct boxes *b = xcalloc(1, sizeof(*b));
    sigset_t all, before;
    int p[2], why;

    if (pipe2(p, O_CLOEXEC)) {
        free(b);
        return err_errno(err, ERR_RETRY, "no pipe");
    }
    b->fd = p[0];
    b->terminal = isatty(STDERR_FILENO) == 1;
    atomic_init(&b->drop, false);
    atomic_init(&b->ended, false);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    why = pthread_create(&b->thread, NULL, copy, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (why) {
        close(p[0]);
        close(p[1]);
        free(b);
        errno = why;
        return err_errno(err, ERR_RETRY, "no thread");
    }
    *fd = p[1];
    *out = b;
    return 0;
}

void boxes_drop(struct boxes *b)
{
    if (b)
        atomic_store(&b->drop, true);
}

void boxes_close(struct boxes *b)
{
    if (!b)
        return;
    atomic_store(&b->ended, true);
    pthread_join(b->thread, NULL);
    close(b->fd);
    free(b);
}
