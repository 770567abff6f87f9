/*
 * The facts of a batch.
 */
#include <config.h>

#include "cmd/status_row.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/plain.h"
#include "base/settings.h"
#include "push/push.h"
#include "spool/spool_file.h"
#include "store/refusals.h"

#define PROGRESS_MAX ((size_t)4 << 20)
#define SAVED "Exited with exit code 75" /* srun of a rank that saved */
#define TAIL_MAX 4096
/* A worker writes it each second; NFS may show it a minute later. */
#define PROGRESS_STALE_S 90

/* ---- jobs for batches in todo -------------------------------------------- */

int status_jobs_ask(struct status_jobs *j, const struct settings *s,
                    struct err *err)
{
    const struct launcher *local = launcher_find("local");
    const struct launcher *l;
    int rc;

    memset(j, 0, sizeof(*j));
    rc = local->list(&j->local, &j->n_local, err);
    if (launcher_choose(&l, settings_text(s, "launcher"), err) ||
        (l != local && l->list(&j->slurm, &j->n_slurm, err)))
        rc = -1;
    return rc;
}

void status_jobs_clear(struct status_jobs *j)
{
    free(j->local);
    free(j->slurm);
    memset(j, 0, sizeof(*j));
}

/* ---- gathering ----------------------------------------------------------- */

static void read_progress(struct status_row *r, const struct batch *b)
{
    struct json *root;

    buf_init(&r->progress, PROGRESS_MAX);
    r->total = r->info.n_requests;
    if (progress_read(b->path, &r->progress, NULL) ||
        r->progress.len == 0 ||
        json_parse(&root, r->progress.data, r->progress.len, NULL)) {
        buf_reset(&r->progress);
        return;
    }
    json_u64(json_get(root, "done"), &r->done);
    json_u64(json_get(root, "total"), &r->total);
    json_u64(json_get(root, "refused"), &r->refused);
    json_u64(json_get(root, "tok_s"), &r->tok_s);
    json_free(root);
}

static void read_refusals(struct status_row *r, const struct batch *b)
{
    char text[REFUSALS_TEXT];
    struct refusals f;

    r->done = r->total;
    if (refusals_read(&f, b->path, true, NULL))
        return;
    r->refused = f.n;
    f.line += r->info.lines_before;
    refusals_text(text, &f);
    snprintf(r->refusal, sizeof(r->refusal), "%.*s",
             (int)sizeof(r->refusal) - 1, text);
}

static bool is_held(const struct launch_job *j)
{
    return strncmp(j->reason, "JobHeld", 7) == 0 ||
           strncmp(j->reason, "JobHold", 7) == 0 || strstr(j->reason, "held");
}

/* `was`: it had the batch before, so that one that waits came back. */
static void set_job(struct status_row *r, const struct launch_job *j,
                    bool slurm, bool was)
{
    r->job = *j;
    r->in_slurm = slurm;
    plain_string(r->job.reason);
    plain_string(r->job.name);
    if (j->state != LAUNCH_PENDING)
        r->job_state = "running";
    else
        r->job_state = is_held(j) ? "held" : was ? "requeued" : "pending";
}

static void read_owner(struct status_row *r, const struct batch *b,
                       const struct owners *o)
{
    const struct launch_job *j;
    struct owner owner;

    if (owner_read(&owner, b->path, NULL) != FOUND_ONE)
        return;
    owner_text(r->owner, sizeof(r->owner), &owner);
    j = owner.slurm_job[0] ? owners_job(o, owner.slurm_job) : NULL;
    if (j && (j->state == LAUNCH_PENDING || j->state == LAUNCH_RUNNING)) {
        set_job(r, j, true, true);
        /* a task of an array, as people call it */
        if (j->name[0])
            snprintf(r->owner, sizeof(r->owner), "Slurm job %s on %s",
                     r->job.name, owner.host);
    }
}

/* Whether its worker has written it just now: not one that is gone, and not
 * the start before this one. */
static bool is_fresh(const struct batch *b)
{
    char *path = file_join(b->path, "progress");
    uint64_t age_s = 0;
    bool fresh = spool_file_age(path, &age_s, NULL) == 0 &&
                 age_s < PROGRESS_STALE_S;

    free(path);
    return fresh;
}

/* ---- why it failed ------------------------------------------------------- */

/* The first line of it. */
static void set_error(struct status_row *r, const char *text, size_t n)
{
    const char *lf = memchr(text, '\n', n);
    size_t len = lf ? (size_t)(lf - text) : n;

    if (len > sizeof(r->error) - 1)
        len = sizeof(r->error) - 1;
    memcpy(r->error, text, len);
    r->error[len] = '\0';
    plain_string(r->error);
}

static bool error_from(struct status_row *r, const struct batch *b,
                       const char *name)
{
    struct buf text;

    buf_init(&text, TAIL_MAX);
    if (batch_file_read(&text, b->path, name, NULL) == FOUND_ONE &&
        text.len > 0)
        set_error(r, text.data, text.len);
    buf_clear(&text);
    return r->error[0] != '\0';
}

/* Of a start that never came to the batch, such as a program that cannot be
 * loaded, or that was ended from outside: the last line of its log that speaks
 * of an error, or of the signal that ended a rank (mpirun's words). */
static void error_from_log(struct status_row *r, const struct spool *s)
{
    char *path = xasprintf("%s/log/%s.log", spool_dir(s), r->id);
    FILE *f = fopen(path, "re");
    char text[TAIL_MAX + 1], *line, *next = text, *last = NULL;
    size_t n = 0;

    free(path);
    if (!f)
        return;
    if (fseek(f, -TAIL_MAX, SEEK_END))
        rewind(f);
    n = fread(text, 1, TAIL_MAX, f);
    fclose(f);
    text[n] = '\0';
    while ((line = strsep(&next, "\n")) != NULL) {
        if (strstr(line, "\", start "))
            last = NULL; /* a later start came further */
        else if (strstr(line, SAVED))
            continue; /* who asked for that said so before */
        else if (strstr(line, "error") || strstr(line, "exited on signal"))
            last = line;
    }
    if (last)
        set_error(r, last, strlen(last));
}

static void read_error(struct status_row *r, const struct spool *s,
                       const struct batch *b)
{
    if (b->state == SPOOL_FAILED)
        error_from(r, b, "why");
    else if (b->state == SPOOL_TODO && !error_from(r, b, "error"))
        error_from_log(r, s);
}

/* ---- a row --------------------------------------------------------------- */

static void init_todo(struct status_row *r, const struct spool *s,
                      const struct status_jobs *j)
{
    const uint64_t spool = spool_inode(s);
    const struct launch_job *job = launch_job_of(j->slurm, j->n_slurm, r->id,
                                                 spool);
    bool slurm = job != NULL;

    if (!job)
        job = launch_job_of(j->local, j->n_local, r->id, spool);
    if (job)
        set_job(r, job, slurm, false);
}

static void init_owned(struct status_row *r, const struct batch *b,
                       const struct owners *o)
{
    read_owner(r, b, o);
    owner_free_at(r->when, sizeof(r->when), b, true);
    if (r->when[0] && !r->owner[0])
        snprintf(r->owner, sizeof(r->owner), "unknown");
    r->computing = b->state == SPOOL_RUNNING && r->owner[0] && !r->when[0] &&
                   (!r->job_state || strcmp(r->job_state, "running") == 0) &&
                   r->progress.len > 0 && is_fresh(b);
}

int status_row_init(struct status_row *r, const struct spool *s,
                    const struct batch *b, const struct owners *o,
                    const struct status_jobs *j)
{
    struct err err = ERR_INIT;

    memset(r, 0, sizeof(*r));
    if (batch_info_read(&r->info, b->path, &err)) {
        if (access(b->path, F_OK) == 0)
            log_err(&err);
        return -1;
    }
    base64url(r->id, b->id.b, 32);
    r->state = spool_state_name(b->state);
    if (b->state == SPOOL_SENT && push_is_confirmed(b->path))
        r->state = "confirmed";
    read_progress(r, b);
    if (b->state == SPOOL_TODO)
        init_todo(r, s, j);
    if (b->state == SPOOL_RUNNING || b->state == SPOOL_SENDING)
        init_owned(r, b, o);
    if (b->state == SPOOL_DONE || b->state == SPOOL_SENDING ||
        b->state == SPOOL_SENT)
        read_refusals(r, b);
    read_error(r, s, b);
    return 0;
}

void status_row_clear(struct status_row *r)
{
    buf_clear(&r->progress);
    batch_info_clear(&r->info);
}

/* ---- for people ---------------------------------------------------------- */

static void put_job(const struct status_row *r, struct buf *out)
{
    if (!r->in_slurm) {
        buf_printf(out, "process %s begins", r->job.name);
        return;
    }
    buf_printf(out, "Slurm job %s ", r->job.name[0] ? r->job.name
                                                    : r->job.id);
    if (strcmp(r->job_state, "running") == 0)
        buf_puts(out, "begins");
    else if (strcmp(r->job_state, "requeued") == 0)
        buf_puts(out, "requeued, waits");
    else
        buf_puts(out, strcmp(r->job_state, "held") == 0 ? "held" : "waits");
    if (strcmp(r->job_state, "running") != 0 && r->job.reason[0])
        buf_printf(out, " (%s)", r->job.reason);
}

void status_row_worker(const struct status_row *r, struct buf *out)
{
    bool waits = r->job_state && (!r->owner[0] ||
                                  strcmp(r->job_state, "running") != 0);

    if (waits)
        put_job(r, out);
    else if (r->owner[0])
        buf_puts(out, r->owner);
    if (r->when[0])
        buf_printf(out, ", %s", r->when);
    if (r->error[0])
        buf_printf(out, "%s%s%s", waits ? "; " : "",
                   strcmp(r->state, "failed") == 0 ? "" : "last start: ",
                   r->error);
}

void status_row_done(const struct status_row *r, struct buf *out)
{
    buf_printf(out, "%" PRIu64 " of %" PRIu64, r->done, r->total);
    if (r->refused)
        buf_printf(out, ", %" PRIu64 " refused", r->refused);
}

/* ---- for programs -------------------------------------------------------- */

static void put_or_null(struct buf *out, const char *key, const char *text)
{
    json_put_text(out, key, text && *text ? text : NULL);
}

static void put_json_job(const struct status_row *r, struct buf *out)
{
    if (!r->job_state) {
        json_put_text(out, "job", NULL);
        return;
    }
    json_put_key(out, "job");
    buf_putc(out, '{');
    json_put_text(out, "launcher", r->in_slurm ? "slurm" : "local");
    json_put_text(out, "id", r->job.id);
    json_put_text(out, "state", r->job_state);
    put_or_null(out, "name", r->job.name);
    put_or_null(out, "reason",
                strcmp(r->job_state, "running") == 0 ? NULL : r->job.reason);
    buf_putc(out, '}');
}

void status_row_json(const struct status_row *r, const char *disputes,
                     struct buf *out)
{
    size_t n = r->progress.len;

    buf_putc(out, '{');
    json_put_text(out, "batch", r->id);
    json_put_text(out, "state", r->state);
    json_put_id(out, "model", r->info.model);
    json_put_number(out, "requests", r->info.n_requests);
    json_put_number(out, "done", r->done);
    json_put_number(out, "refused", r->refused);
    put_or_null(out, "refusal", r->refusal);
    if (r->computing)
        json_put_number(out, "tok_s", r->tok_s);
    else
        json_put_text(out, "tok_s", NULL);
    put_or_null(out, "source", r->info.source);
    put_or_null(out, "output", r->info.output);
    put_or_null(out, "owner", r->owner);
    put_or_null(out, "free", r->when);
    put_json_job(r, out);
    put_or_null(out, "error", r->error);
    json_put_key(out, "disputes");
    buf_puts(out, disputes ? disputes : "null");
    while (n > 0 && r->progress.data[n - 1] == '\n')
        n--;
    json_put_key(out, "progress");
    if (n > 0)
        buf_put(out, r->progress.data, n);
    else
        buf_puts(out, "null");
    buf_puts(out, "}");
}
