/*
 * Answers of squeue, sbatch and apus-slurm.
 */
#include <config.h>

#include "jobs/slurm_answer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/found.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"
#include "jobs/launcher_internal.h"

bool slurm_is_id(const char *text)
{
    uint64_t id;

    return json_u64_text(text, &id) == 0 && id > 0 && id < UINT32_MAX;
}

/* A text of theirs in a field of ours: printable, and cut. */
static void set_text(char *out, size_t size, const char *text, size_t len)
{
    size_t n = 0;

    for (; n < len && n < size - 1; n++)
        out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    out[n] = '\0';
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* squeue(1), JOB STATE CODES.  A word of a later release is taken for a job
 * that lives: to wait for it is the smaller mistake. */
static enum launch_state state_of(const char *word)
{
    static const char *const pending[] = { "PENDING", "REQUEUED",
        "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT",
        NULL };
    static const char *const over[] = { "BOOT_FAIL", "CANCELLED",
        "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL",
        "OUT_OF_MEMORY", "PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT",
        NULL };

    if (is_one_of(word, pending))
        return LAUNCH_PENDING;
    return is_one_of(word, over) ? LAUNCH_OVER : LAUNCH_RUNNING;
}

/* What a job is called, "7" or "5_1", what it was named, and its comment. */
static void set_names(struct launch_job *j, const char *name, size_t n_name,
                      const char *job_name, size_t n_job_name,
                      const char *comment, size_t n_comment)
{
    char text[LAUNCH_BATCH_LEN + 32];

    set_text(j->name, sizeof(j->name), name, n_name);
    set_text(text, sizeof(text), job_name, n_job_name);
    launch_set_batch(j, text);
    set_text(text, sizeof(text), comment, n_comment);
    launch_set_spool(j, text);
}

/* ---- squeue and sbatch -------------------------------------------------- */

/* "REASON|NAME|JOB NAME|COMMENT", of which a part may be missing. */
static void parse_rest(struct launch_job *j, const char *text, size_t len)
{
    const char *end = text + len, *bar = memchr(text, '|', len), *last, *more;

    set_text(j->reason, sizeof(j->reason), text,
             bar ? (size_t)(bar - text) : len);
    if (!bar)
        return;
    last = memchr(bar + 1, '|', (size_t)(end - bar - 1));
    if (!last)
        return;
    more = memchr(last + 1, '|', (size_t)(end - last - 1));
    if (!more)
        more = end;
    set_names(j, bar + 1, (size_t)(last - bar - 1), last + 1,
              (size_t)(more - last - 1), more < end ? more + 1 : end,
              more < end ? (size_t)(end - more - 1) : 0);
}

static int parse_line(struct launch_job *j, const char *line, size_t len,
                      struct err *err)
{
    char id[LAUNCH_ID_SIZE], word[32];
    const char *blank = memchr(line, ' ', len), *more;
    size_t n_id = blank ? (size_t)(blank - line) : len, n_word;

    if (!blank || n_id >= sizeof(id))
        goto bad;
    memcpy(id, line, n_id);
    id[n_id] = '\0';
    blank++;
    len -= n_id + 1;
    more = memchr(blank, ' ', len);
    n_word = more ? (size_t)(more - blank) : len;
    if (!slurm_is_id(id) || n_word == 0 || n_word >= sizeof(word))
        goto bad;
    set_text(word, sizeof(word), blank, n_word);
    memset(j, 0, sizeof(*j));
    memcpy(j->id, id, strlen(id) + 1);
    j->state = state_of(word);
    if (more)
        parse_rest(j, more + 1, len - n_word - 1);
    /* where there is no reason, how it ended is more than nothing */
    if (!j->reason[0] || strcmp(j->reason, "None") == 0)
        set_text(j->reason, sizeof(j->reason), word, strlen(word));
    return 0;
bad:
    return err_set(err, ERR_INPUT, "squeue: \"%.*s\" is not a job",
                   len > 100 ? 100 : (int)len, line);
}

int slurm_parse_queue(struct launch_job **jobs, size_t *n_jobs,
                      const char *text, size_t n, struct err *err)
{
    struct launch_job *out = NULL;
    const char *end = text + n, *line = text;
    size_t count = 0, capacity = 0;

    while (line < end) {
        const char *lf = memchr(line, '\n', (size_t)(end - line));
        size_t len = lf ? (size_t)(lf - line) : (size_t)(end - line);

        if (len > 0 && count == SLURM_JOBS_MAX) {
            free(out);
            return err_set(err, ERR_INPUT, "squeue: more than %d jobs",
                           SLURM_JOBS_MAX);
        }
        if (len > 0) {
            VEC_RESERVE(out, capacity, count + 1);
            if (parse_line(&out[count], line, len, err)) {
                free(out);
                return -1;
            }
            count++;
        }
        line += len + 1;
    }
    *jobs = out;
    *n_jobs = count;
    return 0;
}

int slurm_parse_submitted(char id[LAUNCH_ID_SIZE], const char *text,
                          struct err *err)
{
    char word[LAUNCH_ID_SIZE];
    size_t n = strcspn(text, ";\n");

    if (n < sizeof(word)) {
        memcpy(word, text, n);
        word[n] = '\0';
        if (slurm_is_id(word)) {
            memcpy(id, word, sizeof(word));
            return 0;
        }
    }
    return err_set(err, ERR_INPUT, "sbatch: \"%.64s\" is not a job id", text);
}

/* Is one of them in the text, whatever its case? */
static bool mentions(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(text, *words))
            return true;
    return false;
}

bool slurm_says_gone(const char *text)
{
    static const char *const words[] = { "invalid job id",
        "already completing or completed", NULL };

    return mentions(text, words);
}

bool slurm_says_silent(const char *text)
{
    static const char *const words[] = { "unable to contact", "timed out",
        "not responding", "zero bytes", "connection", "communication",
        "transport endpoint", "temporarily", "unexpected message",
        "socket", "backup controller", NULL };

    return mentions(text, words);
}

/* ---- apus-slurm --------------------------------------------------------- */

static int reply_job(struct launch_job *j, const struct json *v)
{
    static const char *const names[] = { "pending", "running", "over" };
    const char *id = json_string(json_get(v, "id"));
    const char *state = json_string(json_get(v, "state"));
    const char *reason = json_string(json_get(v, "reason"));
    const char *name = json_string(json_get(v, "name"));
    const char *job_name = json_string(json_get(v, "job_name"));
    const char *comment = json_string(json_get(v, "comment"));

    if (!id || !state || !reason || !slurm_is_id(id))
        return -1;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(state, names[i]) == 0) {
            set_text(j->id, sizeof(j->id), id, strlen(id));
            set_text(j->reason, sizeof(j->reason), reason, strlen(reason));
            if (name && job_name)
                set_names(j, name, strlen(name), job_name, strlen(job_name),
                          comment ? comment : "",
                          comment ? strlen(comment) : 0);
            j->state = (enum launch_state)i;
            return 0;
        }
    }
    return -1;
}

static int reply_jobs(struct slurm_reply *r, const struct json *jobs)
{
    size_t n = json_count(jobs), i = 0;

    if (json_type(jobs) != JSON_ARRAY || n > SLURM_JOBS_MAX)
        return -1;
    r->jobs = xcalloc(n ? n : 1, sizeof(*r->jobs));
    r->n = n;
    for (const struct json *v = json_first(jobs); v; v = json_next(v))
        if (reply_job(&r->jobs[i++], v))
            return -1;
    return 0;
}

/* Exactly one of "error", "jobs" and "id" makes it what it is. */
static int reply_of(struct slurm_reply *r, const struct json *root)
{
    const char *error = json_string(json_get(root, "error"));
    const char *id = json_string(json_get(root, "id"));
    const struct json *jobs = json_get(root, "jobs");

    if (error) {
        r->failed = true;
        r->retry = json_true(json_get(root, "retry"));
        set_text(r->error, sizeof(r->error), error, strlen(error));
        return 0;
    }
    if (jobs)
        return reply_jobs(r, jobs);
    if (!id || !slurm_is_id(id))
        return -1;
    set_text(r->id, sizeof(r->id), id, strlen(id));
    return 0;
}

int slurm_parse_reply(struct slurm_reply *r, const char *text, size_t n,
                      struct err *err)
{
    struct slurm_reply got = { .jobs = NULL };
    struct json *root = NULL;

    if (json_parse(&root, text, n, err))
        return err_prefix(err, "apus-slurm");
    if (reply_of(&got, root)) {
        json_free(root);
        free(got.jobs);
        return err_set(err, ERR_INPUT, "apus-slurm: not the form of an"
                       " answer");
    }
    json_free(root);
    *r = got;
    return 0;
}

/* ---- times --------------------------------------------------------------- */

#define TIME_DIGITS 9
#define DAY_SECONDS 86400
#define SAVE_SECONDS 60
#define SAVE_SECONDS_MIN 10

/* Take a number of 1 to 9 digits; the text after it, or NULL. */
static const char *take_number(uint64_t *n, const char *text)
{
    size_t digits = strspn(text, "0123456789");

    if (digits < 1 || digits > TIME_DIGITS)
        return NULL;
    *n = 0;
    for (size_t i = 0; i < digits; i++)
        *n = 10 * *n + (uint64_t)(text[i] - '0');
    return text + digits;
}

/* "[[HOURS:]MINUTES:]SECONDS" with that many colons at least: 0, or -1. */
static int parse_clock(uint64_t *seconds, const char *text, int colons)
{
    uint64_t field;
    int i = 0;

    *seconds = 0;
    for (;; i++) {
        const char *end = take_number(&field, text);

        if (!end || (i > 0 && (end != text + 2 || field >= 60)))
            return -1;
        *seconds = 60 * *seconds + field;
        text = end;
        if (i == 2 || *text != ':')
            break;
        text++;
    }
    return *text == '\0' && i >= colons ? 0 : -1;
}

enum found slurm_parse_time_left(uint64_t *seconds, const char *text,
                                 struct err *err)
{
    static const char *const none[] = { "", "UNLIMITED", "NOT_SET",
                                        "INVALID" };
    uint64_t days = 0, clock = 0;
    bool has_days = strchr(text, '-') != NULL;
    const char *p = text;

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        if (strcmp(text, none[i]) == 0)
            return FOUND_NONE;
    if (has_days)
        p = take_number(&days, text);
    if (!p || (has_days && *p++ != '-') ||
        parse_clock(&clock, p, has_days ? 2 : 0) ||
        (has_days && clock >= DAY_SECONDS))
        return err_set(err, ERR_INPUT, "\"%.64s\" is not a time:"
                       " DAYS-HH:MM:SS or a number of seconds expected",
                       text);
    *seconds = days * DAY_SECONDS + clock;
    return FOUND_ONE;
}

uint64_t slurm_work_seconds(uint64_t left)
{
    uint64_t save = left >= 10 * SAVE_SECONDS ? SAVE_SECONDS : left / 10;

    if (save < SAVE_SECONDS_MIN)
        save = SAVE_SECONDS_MIN;
    return left > save ? left - save : 0;
}
