/*
 * Reading what earlier starts left.  Nothing here writes: a log belongs to
 * the rank and start that made it.
 */
#include <config.h>

#include "store/resume.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/vec.h"
#include "spool/spool_file.h"
#include "store/worklog.h"

#define SMALL 4096 /* larger payloads are hashed, not kept */

/* Files in the directory of a start. */
#define AGAIN "again" /* a person named the batch again after it */
#define SAVED "saved" /* it was told to save */

/* ---- names -------------------------------------------------------------- */

char *start_path(const char *batch_path, uint32_t start)
{
    return xasprintf("%s/a%03" PRIu32, batch_path, start);
}

char *start_log_path(const char *batch_path, uint32_t start, uint32_t rank)
{
    return xasprintf("%s/a%03" PRIu32 "/%04" PRIu32 ".log", batch_path,
                     start, rank);
}

/* A number of at least `digits` digits before `end`: 0, or -1. */
static int name_number(uint32_t *out, const char *text, size_t digits,
                       const char *end)
{
    size_t n = strspn(text, "0123456789");

    if (n < digits || n > 9 || (n > digits && text[0] == '0') ||
        strcmp(text + n, end) != 0)
        return -1;
    *out = (uint32_t)strtoul(text, NULL, 10);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int by_start(const void *a, const void *b)
{
    const struct start_log *x = a, *y = b;

    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* The numbers in the names of a directory's entries: PREFIX digits SUFFIX. */
static int numbers_in(uint32_t **list, size_t *n, const char *dir,
                      const char *prefix, size_t digits, const char *suffix,
                      struct err *err)
{
    size_t skip = strlen(prefix), cap = 0;
    int fd = spool_open_dir(dir, err), rc = 0;
    struct dirent *e;
    uint32_t number;
    DIR *d;

    *list = NULL;
    *n = 0;
    if (fd < 0)
        return -1;
    d = fdopendir(fd);
    while (d && (errno = 0, (e = readdir(d)) != NULL)) {
        if (strncmp(e->d_name, prefix, skip) != 0 ||
            name_number(&number, e->d_name + skip, digits, suffix))
            continue;
        VEC_RESERVE(*list, cap, *n + 1);
        (*list)[(*n)++] = number;
    }
    if (!d || errno)
        rc = spool_fail(err, "read", dir);
    if (d)
        closedir(d);
    if (rc) {
        free(*list);
        *list = NULL;
        return -1;
    }
    if (*n > 1)
        qsort(*list, *n, sizeof(**list), by_number);
    return 0;
}

static int add_logs(struct start_logs *l, const char *batch_path,
                    uint32_t start, struct err *err)
{
    char *dir = start_path(batch_path, start);
    uint32_t *rank;
    size_t n;
    int rc = numbers_in(&rank, &n, dir, "", 4, ".log", err);

    free(dir);
    if (rc)
        return -1;
    l->log = xrealloc(l->log, (l->n + n + 1) * sizeof(*l->log));
    for (size_t i = 0; i < n; i++)
        l->log[l->n++] = (struct start_log){
            start, rank[i], start_log_path(batch_path, start, rank[i])
        };
    free(rank);
    return 0;
}

int start_logs_find(struct start_logs *l, const char *batch_path,
                    struct err *err)
{
    size_t n;

    memset(l, 0, sizeof(*l));
    if (numbers_in(&l->start, &n, batch_path, "a", 3, "", err))
        return -1;
    l->n_starts = (uint32_t)n;
    for (size_t i = 0; i < n; i++) {
        if (add_logs(l, batch_path, l->start[i], err)) {
            start_logs_clear(l);
            return -1;
        }
    }
    if (l->n > 1)
        qsort(l->log, l->n, sizeof(*l->log), by_start);
    return 0;
}

void start_logs_clear(struct start_logs *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->log[i].path);
    free(l->log);
    free(l->start);
    memset(l, 0, sizeof(*l));
}

/* ---- reasons ------------------------------------------------------------ */

void reason_set(struct reason *r, const char *code, const char *message)
{
    snprintf(r->code, sizeof(r->code), "%s", code);
    snprintf(r->message, sizeof(r->message), "%s", message);
}

size_t reason_pack(char out[REASON_CODE + REASON_TEXT],
                   const struct reason *r)
{
    int n = snprintf(out, REASON_CODE + REASON_TEXT, "%s\n%s", r->code,
                     r->message);

    return (size_t)n;
}

static void cut_copy(char *out, size_t size, const char *text, size_t n)
{
    if (n > size - 1)
        n = size - 1;
    if (n > 0)
        memcpy(out, text, n);
    out[n] = '\0';
}

void reason_unpack(struct reason *r, const void *payload, size_t n)
{
    const char *text = payload;
    const char *line = n > 0 ? memchr(text, '\n', n) : NULL;
    size_t code = line ? (size_t)(line - text) : n;

    cut_copy(r->code, sizeof(r->code), text, code);
    cut_copy(r->message, sizeof(r->message), line ? line + 1 : "",
             line ? n - code - 1 : 0);
}

/* ---- the state ---------------------------------------------------------- */

int resume_init(struct resume *r, uint32_t n, const struct caller *caller,
                struct err *err)
{
    void *line;

    memset(r, 0, sizeof(*r));
    if (mem_big(&line, n, sizeof(*r->line), "the state of a batch", err))
        return -1;
    memset(line, 0, n * sizeof(*r->line));
    r->line = line;
    r->n = n;
    r->caller = caller_or_none(caller);
    return 0;
}

void resume_clear(struct resume *r)
{
    free(r->line);
    partials_clear(&r->partials);
    memset(r, 0, sizeof(*r));
}

/* What is in the engine, as far as a log has been read. */
struct open_set {
    struct {
        uint64_t index;
        bool alone;
    } *entry;
    size_t n, cap;
};

static void open_add(struct open_set *o, uint64_t index, bool alone)
{
    VEC_RESERVE(o->entry, o->cap, o->n + 1);
    o->entry[o->n].index = index;
    o->entry[o->n++].alone = alone;
}

static bool open_has(const struct open_set *o, uint64_t index)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->entry[i].index == index)
            return true;
    return false;
}

static void open_remove(struct open_set *o, uint64_t index)
{
    for (size_t i = o->n; i > 0; i--) {
        if (o->entry[i - 1].index != index)
            continue;
        o->entry[i - 1] = o->entry[--o->n];
        return;
    }
}

/* A line that is given up takes all its choices along. */
static void open_remove_line(struct open_set *o, uint32_t line)
{
    for (size_t i = o->n; i > 0; i--)
        if ((uint32_t)o->entry[i - 1].index == line)
            o->entry[i - 1] = o->entry[--o->n];
}

static void add_death(uint8_t *count)
{
    if (*count < UINT8_MAX)
        (*count)++;
}

/* The writer of the log is dead, and these were open: each line once. */
static void count_deaths(struct resume *r, const struct open_set *o)
{
    for (size_t i = 0; i < o->n; i++) {
        uint32_t line = (uint32_t)o->entry[i].index;
        bool seen = false;

        for (size_t j = 0; j < i && !seen; j++)
            seen = (uint32_t)o->entry[j].index == line;
        if (!seen)
            add_death(o->entry[i].alone ? &r->line[line].alone
                                        : &r->line[line].dead);
    }
}

static int take_frame(struct resume *r, struct open_set *o,
                      const struct frame *f, const char *path,
                      struct err *err)
{
    uint32_t line = (uint32_t)f->index, choice = (uint32_t)(f->index >> 32);
    const unsigned char *payload = f->payload;

    if (line >= r->n || choice > 7)
        return err_set(err, ERR_INPUT, "\"%s\" has a frame of line %" PRIu64
                       ", choice %" PRIu32 ", and the batch %" PRIu32
                       " lines", path, (uint64_t)line + 1, choice, r->n);
    switch (f->type) {
    case FRAME_OPEN:
        open_add(o, f->index, f->n > 0 && payload && payload[0] == 1);
        break;
    case FRAME_RECORD:
        r->line[line].done |= (uint8_t)(1u << choice);
        if (!open_has(o, f->index))
            r->line[line].reused |= (uint8_t)(1u << choice);
        open_remove(o, f->index);
        break;
    case FRAME_GIVEN_UP:
        r->line[line].given_up = true;
        open_remove_line(o, line);
        break;
    case FRAME_PARKED:
        open_remove(o, f->index);
        break;
    default: /* tensors */
        break;
    }
    return 0;
}

static void note_damage(const struct resume *r, const char *path, uint64_t at)
{
    char text[640];

    snprintf(text, sizeof(text), "\"%s\" is damaged at byte %" PRIu64
             ": what follows is computed again", path, at);
    caller_note(&r->caller, true, text);
}

/* What a start has done, from all of its logs. */
struct yield {
    bool opened;   /* a request */
    bool answered; /* recorded an answer, gave a request up, or saved tokens
                      that none before had */
};

static void add_yield(struct yield *y, enum frame_type type)
{
    y->opened |= type == FRAME_OPEN;
    y->answered |= type == FRAME_RECORD || type == FRAME_GIVEN_UP;
}

/* A frame with the tokens of an answer that had to be left. */
static void add_partial(struct resume *r, const struct start_log *log,
                        const struct frame *f, struct yield *y)
{
    struct partial p = { .index = f->index, .start = log->start,
                         .rank = log->rank, .at = f->at };

    if (f->n <= PARTIAL_FIXED)
        return;
    p.n = (f->n - PARTIAL_FIXED) / 4;
    y->answered |= partials_add(&r->partials, &p);
}

static int read_log(struct resume *r, const struct start_log *of,
                    struct id batch, struct yield *yield, struct err *err)
{
    const char *path = of->path;
    struct open_set open = { .n = 0 };
    struct worklog_reader *log;
    struct frame f;
    uint64_t at;
    enum found rc;

    if (worklog_open(&log, path, &batch, err))
        return -1;
    worklog_skip_above(log, SMALL);
    while ((rc = worklog_next(log, &f, err)) == FOUND_ONE) {
        add_yield(yield, f.type);
        if (take_frame(r, &open, &f, path, err)) {
            rc = FOUND_FAILED;
            break;
        }
        if (f.type == FRAME_PARTIAL)
            add_partial(r, of, &f, yield);
    }
    if (rc == FOUND_NONE) {
        if (worklog_damaged(log, &at))
            note_damage(r, path, at);
        count_deaths(r, &open);
    }
    free(open.entry);
    worklog_reader_close(log);
    return rc == FOUND_FAILED ? -1 : 0;
}

enum found resume_log(struct resume *r, const char *batch_path, struct id batch,
                      uint32_t start, uint32_t rank, struct err *err)
{
    struct start_log log = { start, rank,
                             start_log_path(batch_path, start, rank) };
    struct yield unused = { false, false };
    enum found rc = FOUND_NONE;

    if (file_exists(log.path)) {
        rc = read_log(r, &log, batch, &unused, err) ? FOUND_FAILED : FOUND_ONE;
        partials_sort(&r->partials);
    }
    free(log.path);
    return rc;
}

/* ---- idle starts --------------------------------------------------------- */

static char *mark_path(const char *batch_path, uint32_t start,
                       const char *name)
{
    return xasprintf("%s/a%03" PRIu32 "/%s", batch_path, start, name);
}

static bool is_marked(const char *batch_path, uint32_t start,
                      const char *name)
{
    char *path = mark_path(batch_path, start, name);
    bool is = file_exists(path);

    free(path);
    return is;
}

static int mark(const char *batch_path, uint32_t start, const char *name,
                struct err *err)
{
    char *path = mark_path(batch_path, start, name);
    int rc = file_write(path, "", 0, err);

    free(path);
    return rc;
}

int resume_note_saved(const char *batch_path, uint32_t start,
                      struct err *err)
{
    return mark(batch_path, start, SAVED, err);
}

int resume_again(const char *batch_path, struct err *err)
{
    struct start_logs logs;
    int rc = 0;

    if (start_logs_find(&logs, batch_path, err))
        return -1;
    if (logs.n_starts > 0 &&
        !is_marked(batch_path, logs.start[logs.n_starts - 1], AGAIN))
        rc = mark(batch_path, logs.start[logs.n_starts - 1], AGAIN, err);
    start_logs_clear(&logs);
    return rc;
}

static void count_start(struct resume *r, const char *batch_path,
                        uint32_t start, const struct yield *yield)
{
    bool saved = is_marked(batch_path, start, SAVED);

    r->n_starts++;
    if (yield->answered || is_marked(batch_path, start, AGAIN)) {
        r->fruitless_starts = r->idle_starts = 0;
        r->idle_saved = false;
        return;
    }
    r->fruitless_starts++;
    if (saved || !yield->opened) {
        r->idle_starts++;
        r->idle_saved |= saved;
    } else {
        r->idle_starts = 0;
        r->idle_saved = false;
    }
}

int resume_starts(struct resume *r, const char *batch_path, struct id batch,
                  uint32_t before, struct err *err)
{
    struct start_logs logs;
    size_t at = 0;
    int rc = 0;

    if (start_logs_find(&logs, batch_path, err))
        return -1;
    for (uint32_t i = 0; rc == 0 && i < logs.n_starts; i++) {
        struct yield yield = { false, false };

        if (logs.start[i] >= before)
            break;
        for (; rc == 0 && at < logs.n && logs.log[at].start == logs.start[i];
             at++)
            rc = read_log(r, &logs.log[at], batch, &yield, err);
        partials_sort(&r->partials);
        count_start(r, batch_path, logs.start[i], &yield);
    }
    start_logs_clear(&logs);
    return rc;
}

int resume_check(const struct resume *r, struct err *err)
{
    if (r->idle_starts >= RESUME_IDLE_STARTS && r->idle_saved)
        return err_set(err, ERR_FATAL, "%" PRIu32 " starts in a row got"
                       " nowhere: they had to save before a request was"
                       " answered; give the job a longer time limit or"
                       " compute fewer requests at once (a smaller --batch),"
                       " and name the batch again (apus submit)",
                       r->idle_starts);
    if (r->idle_starts >= RESUME_IDLE_STARTS)
        return err_set(err, ERR_FATAL, "%" PRIu32 " starts in a row got"
                       " nowhere: they ended before they began a request;"
                       " see their messages, fix the cause, and name the"
                       " batch again (apus submit)", r->idle_starts);
    if (r->fruitless_starts >= RESUME_FRUITLESS_STARTS)
        return err_set(err, ERR_FATAL, "%" PRIu32 " starts in a row got"
                       " nowhere: no request was answered; see their"
                       " messages, compute fewer requests at once (a smaller"
                       " --batch) or give the job a longer time limit, and"
                       " name the batch again (apus submit)",
                       r->fruitless_starts);
    return 0;
}
