/*
 * Rank 0's side.  Nothing here waits: payloads and ticks come in, payloads go
 * out.  What a rank did is believed only from its log: TAG_DONE comes after
 * it was synced.
 */
#include <config.h>

#include "mpi/dispatch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/found.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/plural.h"
#include "base/vec.h"
#include "mpi/comm.h"
#include "mpi/queue.h"
#include "mpi/ranks.h"
#include "mpi/run_log.h"
#include "spool/heartbeat.h"
#include "spool/spool.h"
#include "store/resume.h"
#include "store/scan.h"

#define PROGRESS_MAX ((size_t)4 << 20)
#define PROGRESS_RANKS 1024 /* more are not listed one by one */

enum rank_state {
    RANK_STARTING, RANK_WORKING, RANK_SEALING,
    RANK_LEFT, RANK_LOST, /* these, and those below, have no work */
    RANK_MEMBER, /* it computes for the first rank of its group .. */
    RANK_LEAVING /* .. which is gone: whether it found something is awaited */
};
static const char *const state_name[] = {
    "starting", "working", "sealing", "left", "lost", "member", "leaving"
};

struct rank {
    enum rank_state state;
    bool wants;
    bool alone;            /* what it has runs alone */
    bool failed;           /* left because of an error */
    bool strange;          /* was lost before this batch */
    bool withdrawn;        /* all that it has answered: .. */
    int wrong;             /* .. since this rank, of its group, was wrong */
    char *why;             /* .. as it says, or the first one; or NULL */
    double received;          /* when, by the monotonic clock */
    double asked;             /* when, a member that is leaving */
    char host[RANKS_HOST];
    uint64_t tokens, done;
    uint32_t *line;        /* what it was handed and has not finished */
    size_t n, cap;
};

struct dispatch {
    struct dispatch_options o;
    struct comm *comm;
    struct ranks *ranks;
    struct rank *rank; /* of each number */
    int size;
    struct scan scan;
    struct resume resume;
    struct queue *queue;
    enum dispatch_phase phase;
    bool save;         /* ends as saved, whatever is left */
    bool taken;        /* the batch is another's by now */
    struct err err;    /* of the first rank that failed, or our own */
    uint64_t n_done, n_refused; /* lines */
    double started, pulsed, told, ticked;
    bool changed;      /* since `progress` was written */
    int64_t began;     /* seconds of the wall clock, for people */
};

/* ---- the start ----------------------------------------------------------- */

static void count_lines(struct dispatch *d)
{
    for (uint32_t i = 0; i < d->scan.n; i++) {
        if (d->scan.line[i].n_choices == 0 ||
            !queue_line_done(d->queue, i))
            continue;
        d->n_done++;
        d->n_refused += d->resume.line[i].given_up;
    }
}

static int read_batch(struct dispatch *d, struct err *err)
{
    const struct caller caller = { .note = log_note };

    if (scan_read(&d->scan, d->o.batch_path, d->o.info, err) ||
        resume_init(&d->resume, d->scan.n, &caller, err) ||
        resume_starts(&d->resume, d->o.batch_path, d->o.info->id, d->o.start,
                      err) ||
        queue_new(&d->queue, &d->scan, &d->resume, err))
        return -1;
    count_lines(d);
    return d->n_done < d->scan.n_requests ? resume_check(&d->resume, err) : 0;
}

static bool is_gone(const struct rank *r)
{
    return r->state >= RANK_LEFT;
}

/* Whether another rank answers for this one. */
static bool is_member(const struct dispatch *d, int i)
{
    return d->o.tp > 1 && (unsigned)i % d->o.tp != 0;
}

static void send_to(struct dispatch *d, int to, int tag, const struct buf *b)
{
    comm_send(d->comm, to, tag, b ? b->data : "", b ? b->len : 0);
}

static void send_all(struct dispatch *d, int tag, const struct buf *b)
{
    for (int i = 0; i < d->size; i++)
        if (!is_gone(&d->rank[i]))
            send_to(d, i, tag, b);
}

static void start_ranks(struct dispatch *d)
{
    struct buf b;

    buf_init(&b, COMM_MAX);
    buf_put_u32(&b, d->o.start);
    buf_puts(&b, d->o.batch_path);
    for (int i = 0; i < d->size; i++) {
        d->rank[i].strange = d->ranks->lost[i];
        d->rank[i].state = d->ranks->lost[i]  ? RANK_LOST
                           : is_member(d, i) ? RANK_MEMBER
                                             : RANK_STARTING;
        d->rank[i].received = clock_s();
    }
    send_all(d, TAG_START, &b);
    for (int i = 0; i < d->size; i++)
        if (d->rank[i].state == RANK_MEMBER)
            send_to(d, i, TAG_START, &b);
    buf_clear(&b);
}

int dispatch_new(struct dispatch **out, struct comm *comm,
                 struct ranks *ranks, const struct dispatch_options *o,
                 struct err *err)
{
    struct dispatch *d = xcalloc(1, sizeof(*d));

    d->o = *o;
    d->comm = comm;
    d->ranks = ranks;
    d->size = ranks->size;
    d->rank = xcalloc((size_t)d->size, sizeof(*d->rank));
    for (int i = 0; i < d->size; i++)
        d->rank[i].wrong = i;
    d->started = d->ticked = clock_s();
    d->began = (int64_t)time(NULL);
    d->changed = true;
    if (read_batch(d, err)) {
        dispatch_free(d);
        return -1;
    }
    start_ranks(d);
    *out = d;
    return 0;
}

/* Where a rank is, "?" where nobody knows. */
static const char *host_of(const struct dispatch *d, int i)
{
    if (d->rank[i].host[0])
        return d->rank[i].host;
    return d->ranks->host[i][0] ? d->ranks->host[i] : "?";
}

void dispatch_free(struct dispatch *d)
{
    if (!d)
        return;
    for (int i = 0; i < d->size; i++) {
        const struct rank *r = &d->rank[i];

        if (r->withdrawn)
            run_log_withdrawn(d->o.batch_path, d->o.start, i,
                              host_of(d, r->wrong), r->why ? r->why : "");
        free(r->why);
        free(r->line);
    }
    free(d->rank);
    queue_free(d->queue);
    resume_clear(&d->resume);
    scan_clear(&d->scan);
    free(d);
}

/* ---- the end ------------------------------------------------------------- */

static bool any_in(const struct dispatch *d, enum rank_state state)
{
    for (int i = 0; i < d->size; i++)
        if (d->rank[i].state == state)
            return true;
    return false;
}

/* Ranks park what is open and close their logs. */
static void close_ranks(struct dispatch *d, bool save)
{
    if (d->phase != DISPATCH_ANSWERING)
        return;
    d->save = save;
    d->phase = DISPATCH_CLOSING;
    for (int i = 0; i < d->size; i++)
        if (!is_gone(&d->rank[i]))
            send_to(d, i, TAG_SAVE, NULL);
}

static void send_seal(struct dispatch *d, int to, uint32_t k, uint32_t of,
                      bool finish)
{
    struct buf b;

    buf_init(&b, 64);
    buf_put_u32(&b, k);
    buf_put_u32(&b, of);
    buf_putc(&b, finish);
    send_to(d, to, TAG_SEAL, &b);
    buf_clear(&b);
    d->rank[to].state = RANK_SEALING;
    d->rank[to].received = clock_s();
}

/* How many bytes the logs may have, from what was drawn: only to decide
 * whether it is worth to share the sealing. */
static bool is_large(const struct dispatch *d)
{
    return (uint64_t)d->scan.n_requests * 4096 > d->o.part_size;
}

/* One that failed may have neither the model nor a disk. */
static bool may_seal(const struct dispatch *d, int i)
{
    return d->rank[i].state != RANK_LOST && !is_member(d, i) &&
           !d->rank[i].failed;
}

/* Lines none of whose answers had to be computed. */
static void report_reused(const struct dispatch *d)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < d->scan.n; i++) {
        uint8_t all = scan_choices(&d->scan.line[i]);

        n += all && (d->resume.line[i].reused & all) == all;
    }
    if (n)
        log_info("%" PRIu32 " of %" PRIu32 " %s answered before", n,
                 d->scan.n_requests,
                 plural(d->scan.n_requests, "line", "lines"));
}

static void begin_sealing(struct dispatch *d)
{
    uint32_t k = 0, of = 0;

    report_reused(d);
    d->phase = DISPATCH_SEALING;
    for (int i = 0; i < d->size; i++)
        of += may_seal(d, i);
    if (!is_large(d) || of < 2) {
        send_seal(d, 0, 0, 1, true);
        return;
    }
    for (int i = 0; i < d->size; i++)
        if (may_seal(d, i))
            send_seal(d, i, k++, of, false);
    d->changed = true;
}

static void end_with_error(struct dispatch *d)
{
    d->phase = d->err.code && d->err.code != ERR_RETRY ? DISPATCH_FAILED
                                                       : DISPATCH_SAVED;
}

/* All logs are closed, of the ranks that live. */
static void after_closing(struct dispatch *d)
{
    if (d->taken)
        d->phase = DISPATCH_FAILED;
    else if (d->save) /* others could go on, whoever failed before */
        d->phase = DISPATCH_SAVED;
    else if (d->n_done < d->scan.n_requests)
        end_with_error(d);
    else if (any_in(d, RANK_LEAVING)) /* nothing is sealed before they say */
        return;
    else
        begin_sealing(d);
    d->changed = true;
}

/* Go on if nobody is left that could, or nothing is left to do. */
static void look_around(struct dispatch *d)
{
    bool any = any_in(d, RANK_STARTING) || any_in(d, RANK_WORKING);

    if (d->phase == DISPATCH_ANSWERING) {
        if (d->n_done == d->scan.n_requests)
            close_ranks(d, false);
        else if (!any)
            d->phase = DISPATCH_CLOSING;
    }
    if (d->phase == DISPATCH_CLOSING && !any)
        after_closing(d);
}

void dispatch_save(struct dispatch *d)
{
    struct err err = ERR_INIT;

    if (d->phase > DISPATCH_CLOSING || d->save ||
        (d->phase == DISPATCH_CLOSING && !any_in(d, RANK_LEAVING)))
        return;
    log_info("asked to save: %" PRIu64 " of %" PRIu32 " done", d->n_done,
             d->scan.n_requests);
    close_ranks(d, true);
    d->save = true;
    /* after the ranks know it: the disk may be slow, or full */
    if (resume_note_saved(d->o.batch_path, d->o.start, &err))
        log_warning("%s", err.text);
    look_around(d);
}

/* ---- shards -------------------------------------------------------------- */

/* Where the beginnings of a line's answers are. */
static void put_partials(struct buf *b, const struct work *w)
{
    buf_putc(b, w->begun);
    for (uint32_t c = 0; c < WORK_CHOICES; c++) {
        if (!(w->begun >> c & 1))
            continue;
        buf_put_u32(b, w->partial[c].start);
        buf_put_u32(b, w->partial[c].rank);
        buf_put_u64(b, w->partial[c].at);
    }
}

static void hand_out(struct dispatch *d, int to, const struct work *w,
                     size_t n)
{
    struct rank *r = &d->rank[to];
    struct buf b;

    buf_init(&b, COMM_MAX);
    VEC_RESERVE(r->line, r->cap, r->n + n);
    for (size_t i = 0; i < n; i++) {
        buf_put_u32(&b, w[i].line);
        buf_put_u32(&b, w[i].n);
        buf_put_u64(&b, w[i].at);
        buf_putc(&b, w[i].skip);
        buf_putc(&b, w[i].kind);
        put_partials(&b, &w[i]);
        r->line[r->n++] = w[i].line;
    }
    r->wants = false;
    r->alone = w[0].kind != WORK_WITH_OTHERS;
    send_to(d, to, TAG_SHARD, &b);
    buf_clear(&b);
}

/* A shard is 64 requests or 1/(8 x ranks) of what is left. */
static size_t shard_size(const struct dispatch *d)
{
    size_t working = 0, n;

    for (int i = 0; i < d->size; i++)
        working += !is_gone(&d->rank[i]);
    n = queue_waiting(d->queue) / (8 * (working ? working : 1));
    if (n > SHARD_MAX)
        n = SHARD_MAX;
    return n ? n : 1;
}

/* Give one rank that wants something its next shard. */
static void serve_ranks(struct dispatch *d, int to)
{
    struct rank *r = &d->rank[to];
    struct work w[SHARD_MAX];
    size_t n;

    if (!r->wants || r->state != RANK_WORKING ||
        d->phase != DISPATCH_ANSWERING || (r->n > 0 && r->alone))
        return;
    n = queue_take(d->queue, w, shard_size(d));
    if (n == 0 && r->n == 0)
        n = queue_take_alone(d->queue, w);
    if (n > 0)
        hand_out(d, to, w, n);
}

static void serve_all(struct dispatch *d)
{
    for (int i = 0; i < d->size; i++)
        serve_ranks(d, i);
}

/* Its process is gone, or it says that it failed: what it had goes out
 * again. */
static void take_back(struct dispatch *d, int from)
{
    struct rank *r = &d->rank[from];

    for (size_t i = 0; i < r->n; i++)
        queue_put_back(d->queue, r->line[i]);
    r->n = 0;
    r->wants = false;
}

/* The first rank of a group is gone, and its log counts: the others say
 * whether they have found something that withdraws it. */
static void ask_members(struct dispatch *d, int first)
{
    for (int i = first + 1; i < d->size && is_member(d, i); i++) {
        if (d->rank[i].state != RANK_MEMBER)
            continue;
        d->rank[i].state = RANK_LEAVING;
        d->rank[i].received = d->rank[i].asked = clock_s();
        send_to(d, i, TAG_SAVE, NULL);
        log_info("rank %d on %s is to leave: nothing is sealed before it has"
                 " said whether its group was wrong", i, host_of(d, i));
    }
}

static void lose(struct dispatch *d, int i, unsigned silent_s)
{
    bool began = d->rank[i].state != RANK_STARTING;
    struct err err = ERR_INIT;
    uint64_t before = d->n_done;

    log_warning("rank %d on %s is lost%s: silent for %u s; what it had goes"
                " out again", i, host_of(d, i),
                began ? "" : " before it began", silent_s);
    /* what it recorded counts, what was open when it died too */
    if (resume_log(&d->resume, d->o.batch_path, d->o.info->id, d->o.start,
                   (uint32_t)i, &err) == FOUND_FAILED)
        log_err(&err);
    d->rank[i].state = RANK_LOST;
    d->ranks->lost[i] = true;
    comm_mute(d->comm, i);
    take_back(d, i);
    d->n_done = d->n_refused = 0;
    count_lines(d);
    d->rank[i].done += d->n_done - before;
    d->changed = true;
    if (began) /* else nothing was answered */
        ask_members(d, i);
}

/* ---- payloads ------------------------------------------------------------ */

static void forget_line(struct rank *r, uint32_t line)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->line[i] != line)
            continue;
        r->line[i] = r->line[--r->n];
        return;
    }
}

static void take_done(struct dispatch *d, int from, const unsigned char *p,
                      size_t n)
{
    struct rank *r = &d->rank[from];

    for (; n >= DONE_BYTES; p += DONE_BYTES, n -= DONE_BYTES) {
        uint32_t line = get_u32(p);
        bool before;

        if (line >= d->scan.n || p[4] > 7)
            continue;
        before = queue_line_done(d->queue, line);
        if (p[5] & DONE_GIVEN_UP)
            d->resume.line[line].given_up = true;
        else
            d->resume.line[line].done |= (uint8_t)(1u << p[4]);
        if (p[5] & DONE_REUSED)
            d->resume.line[line].reused |= (uint8_t)(1u << p[4]);
        if (!queue_line_done(d->queue, line))
            continue;
        forget_line(r, line);
        if (before)
            continue;
        d->n_done++;
        d->n_refused += (p[5] & DONE_GIVEN_UP) != 0;
        r->done++;
    }
    d->changed = true;
}

static void take_ready(struct dispatch *d, struct rank *r,
                       const struct payload *p)
{
    ranks_text(r->host, sizeof(r->host), p->data, p->n);
    if (r->state == RANK_STARTING)
        r->state = RANK_WORKING;
    /* it was started after the others were told to save */
    if (d->phase == DISPATCH_CLOSING)
        send_to(d, p->from, TAG_SAVE, NULL);
    d->changed = true;
}

/* What the rank says that was wrong, or else the first one's error. */
static void keep_why(struct rank *r, const char *text, bool own)
{
    if (!r->withdrawn || !text[0] || (r->why && !own))
        return;
    free(r->why);
    r->why = xstrdup(text);
}

static void keep_error(struct dispatch *d, const struct payload *p)
{
    char text[400];

    ranks_text(text, sizeof(text), p->data + 1, p->n - 1);
    log_error("rank %d: %s", p->from, text);
    keep_why(&d->rank[p->from], text, false);
    if (!d->err.code)
        err_set(&d->err, (enum err_code)(p->data[0] & ~LEFT_GROUP),
                "rank %d: %s", p->from, text);
}

static void take_left(struct dispatch *d, struct rank *r,
                      const struct payload *p)
{
    bool began = r->state != RANK_STARTING;

    if (p->n < 1 || (is_gone(r) && r->state != RANK_LEAVING))
        return;
    r->state = RANK_LEFT;
    r->failed = p->data[0] != 0;
    if (r->failed)
        keep_error(d, p);
    if (began && p->data[0] & LEFT_GROUP)
        ask_members(d, p->from);
    take_back(d, p->from);
    d->changed = true;
}

/* Counts lose the rank's answers, and other ranks get its places: the next
 * start reads the logs anew, without its frames.  Of a group two may say so,
 * its first rank and the one that has found it. */
static void take_withdrawn(struct dispatch *d, const struct payload *p)
{
    int tp = d->o.tp > 1 ? (int)d->o.tp : 1, first = p->from / tp * tp;
    struct rank *r = &d->rank[first];
    char text[400] = "";

    if (!r->withdrawn)
        log_warning("rank %d on %s withdraws all that it answered in this"
                    " start: %s; look at earlier starts of its GPU with apus"
                    " verify --recompute", first, host_of(d, first),
                    d->phase == DISPATCH_SEALING || d->phase == DISPATCH_DONE
                        ? "this is too late, and the checkpoint may have it"
                        : "the next one computes it again");
    r->withdrawn = true;
    if (p->n > 0 && p->data[0])
        r->wrong = p->from;
    if (p->n > 1)
        ranks_text(text, sizeof(text), p->data + 1, p->n - 1);
    keep_why(r, text, true);
    close_ranks(d, true);
    d->save = true;
    d->changed = true;
}

static void take_sealed(struct dispatch *d, struct rank *r,
                        const struct payload *p)
{
    if (d->phase != DISPATCH_SEALING || r->state != RANK_SEALING || p->n < 1)
        return;
    r->state = RANK_LEFT;
    d->changed = true;
    if (p->data[0] == 0)
        return;
    /* the last word is rank 0's, which seals what is missing, whatever others
     * said before */
    if (p->from == 0)
        d->err.code = ERR_NONE;
    keep_error(d, p);
    if (p->from == 0)
        end_with_error(d);
}

/* Whether rank 0 has made the checkpoint, or is to make it now. */
static void look_at_seals(struct dispatch *d, bool finished)
{
    if (d->phase != DISPATCH_SEALING || any_in(d, RANK_SEALING))
        return;
    if (finished)
        d->phase = DISPATCH_DONE;
    else
        send_seal(d, 0, 0, 1, true);
}

static bool has_checkpoint(const struct payload *p)
{
    return p->n >= 2 && p->data[0] == 0 && p->data[1];
}

void dispatch_take(struct dispatch *d, const struct payload *p)
{
    struct rank *r = &d->rank[p->from];

    /* one that was lost in an earlier batch may still speak of that one */
    if (r->strange)
        return;
    r->received = clock_s();
    switch (p->tag) {
    case TAG_READY:
        take_ready(d, r, p);
        break;
    case TAG_WANT:
        r->wants = true;
        break;
    case TAG_BEAT:
    case TAG_DONE:
        if (p->n >= 8)
            r->tokens = get_u64(p->data);
        if (p->tag == TAG_DONE && p->n >= 8)
            take_done(d, p->from, p->data + 8, p->n - 8);
        break;
    case TAG_SIGNAL:
        dispatch_save(d);
        break;
    case TAG_WITHDRAWN:
        take_withdrawn(d, p);
        break;
    case TAG_LEFT:
        take_left(d, r, p);
        break;
    case TAG_SEALED:
        take_sealed(d, r, p);
        look_at_seals(d, has_checkpoint(p));
        break;
    default:
        break;
    }
    look_around(d);
    serve_all(d);
}

/* ---- time ---------------------------------------------------------------- */

/* One that is stuck gives signs of life, too.  It still hears that rank 0
 * lives: a rank that ends may end the job. */
static void look_for_late(struct dispatch *d, double t)
{
    for (int i = 1; i < d->size; i++) {
        struct rank *r = &d->rank[i];

        if (r->state != RANK_LEAVING ||
            (t - r->received < d->o.lost_s &&
             t - r->asked < START_FACTOR * d->o.lost_s))
            continue;
        log_warning("rank %d on %s is lost: it was to leave %.0f s ago", i,
                    host_of(d, i), t - r->asked);
        r->state = RANK_LOST;
        d->changed = true;
    }
}

static void look_for_lost(struct dispatch *d, double t)
{
    for (int i = 1; i < d->size; i++) {
        unsigned lost_s = d->o.lost_s;

        /* reading a large model takes its time; what comes before that, where
         * a rank is, does not */
        if (d->rank[i].state == RANK_STARTING && d->ranks->host[i][0])
            lost_s *= START_FACTOR;
        if (is_gone(&d->rank[i]) || t - d->rank[i].received < lost_s)
            continue;
        lose(d, i, lost_s);
        look_around(d);
        look_at_seals(d, false);
        serve_all(d);
    }
}

static void put_ranks(struct buf *b, const struct dispatch *d)
{
    int n = d->size < PROGRESS_RANKS ? d->size : PROGRESS_RANKS;

    for (int i = 0; i < n; i++) {
        const struct rank *r = &d->rank[i];
        const char *host = host_of(d, i);

        buf_printf(b, "%s{\"rank\":%d,\"host\":", i ? "," : "", i);
        json_put_string(b, host, strcmp(host, "?") != 0 ? strlen(host) : 0);
        buf_printf(b, ",\"state\":\"%s\",\"done\":%" PRIu64 "}",
                   state_name[r->state], r->done);
    }
}

static void write_progress(struct dispatch *d, double t)
{
    uint64_t tokens = 0;
    double run = t - d->started;
    struct buf b;

    for (int i = 0; i < d->size; i++)
        tokens += d->rank[i].tokens;
    buf_init(&b, PROGRESS_MAX);
    buf_printf(&b, "{\"done\":%" PRIu64 ",\"total\":%" PRIu32
               ",\"refused\":%" PRIu64 ",\"tokens\":%" PRIu64
               ",\"tok_s\":%.0f,\"started\":%" PRId64 ",\"updated\":%" PRId64
               ",\"ranks\":[", d->n_done, d->scan.n_requests, d->n_refused,
               tokens,
               run > 0 ? (double)tokens / run : 0.0, d->began,
               (int64_t)time(NULL));
    put_ranks(&b, d);
    buf_puts(&b, "]}\n");
    /* nothing depends on it: a disk that is full is told of by the logs */
    progress_write(d->o.batch_path, b.data, b.len, NULL);
    buf_clear(&b);
    d->told = t;
    d->changed = false;
}

static void look_at_heart(struct dispatch *d)
{
    if (d->taken || !d->o.heartbeat || !heartbeat_lost(d->o.heartbeat))
        return;
    err_set(&d->err, ERR_FATAL, "\"%s\" was taken away from this process",
            d->o.batch_path);
    d->taken = true;
    close_ranks(d, true);
}

/* A rank was not silent while nobody listened: a file system may hold this one
 * up for long. */
static void count_absence(struct dispatch *d, double t)
{
    double gone = t - d->ticked;

    d->ticked = t;
    for (int i = 1; gone > beat_s(d->o.lost_s) && i < d->size; i++)
        /* what it said meanwhile may have been taken just now */
        d->rank[i].received = d->rank[i].received + gone < t
                               ? d->rank[i].received + gone : t;
}

void dispatch_tick(struct dispatch *d)
{
    double t = clock_s();

    count_absence(d, t);
    look_for_lost(d, t);
    look_for_late(d, t);
    if (t - d->pulsed >= beat_s(d->o.lost_s)) {
        d->pulsed = t;
        for (int i = 1; i < d->size; i++)
            if (d->rank[i].state != RANK_LOST || is_member(d, i))
                send_to(d, i, TAG_PULSE, NULL);
    }
    look_at_heart(d);
    look_around(d);
    if ((t - d->told >= 1 && (d->changed || d->phase == DISPATCH_ANSWERING)) ||
        (d->changed && d->phase >= DISPATCH_DONE))
        write_progress(d, t);
}

enum dispatch_phase dispatch_phase(const struct dispatch *d)
{
    return d->phase;
}

void dispatch_error(const struct dispatch *d, struct err *err)
{
    err_copy(err, &d->err);
}
