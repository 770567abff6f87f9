/*
 * Jobs of Slurm: through the helper apus-slurm, which is linked with libslurm,
 * and where that is missing or of another release than the Slurm here,
 * through sbatch, squeue and scancel.  A submit that failed may have
 * succeeded: every job has the batch in its name, and is looked for there
 * before another one is made.
 */
#include <config.h>

#include "jobs/launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/json.h"
#include "base/mem.h"
#include "jobs/child.h"
#include "jobs/launcher_internal.h"
#include "jobs/slurm_answer.h"

#define HELPER "apus-slurm"
#define SCRIPT "apus-batch.sh"
#define TIMEOUT_S 30
#define TIMEOUT_MAX_S 600
#define GRACE_S 2 /* for the helper to say that its own deadline is over */
#define ANSWER_MAX (8 << 20)
#define ERRORS_MAX 65536
#define SUBMIT_TRIES 3
#define RETRY_PAUSE_S 1
#define STATES_AT_ONCE 1000
#define CANCEL_AT_ONCE 200 /* each is a question of its own to the controller */

extern char **environ;

unsigned slurm_timeout_s(void)
{
    const char *text = getenv("APUS_SLURM_TIMEOUT");
    uint64_t s = 0;

    if (text && json_u64_text(text, &s) == 0 && s >= 1 && s <= TIMEOUT_MAX_S)
        return (unsigned)s;
    return TIMEOUT_S;
}

/* ---- files -------------------------------------------------------------- */

/* "DIR/NAME" with the directory of `path`, or NULL if it has none. */
static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');

    return slash ? xasprintf("%.*s/%s", (int)(slash - path), path, name)
                 : NULL;
}

/* The job script: beside the worker, or in PATH, as sbatch would find it. */
static char *script_path(const struct launch *l)
{
    char *worker = launch_path(NULL, l->worker, 1);
    char *path = beside(worker, SCRIPT);
    const char *dir = getenv("PATH");

    free(worker);
    while (!path || !file_exists(path)) {
        size_t n = dir ? strcspn(dir, ":") : 0;

        free(path);
        if (!dir)
            return xstrdup(SCRIPT);
        path = n ? xasprintf("%.*s/" SCRIPT, (int)n, dir)
                 : xstrdup("./" SCRIPT);
        dir = dir[n] ? dir + n + 1 : NULL;
    }
    return path;
}

/* The script and its arguments: the job may not see our PATH, so the worker is
 * named unless it is to be found there. */
static void script_words(struct words *w, const struct launch *l)
{
    char *script = script_path(l), *worker = launch_path(NULL, l->worker, 1);

    words_add(w, script);
    if (strchr(worker, '/'))
        words_printf(w, "--worker=%s", worker);
    words_add_all(w, l->args);
    free(worker);
    free(script);
}

/* ---- questions ---------------------------------------------------------- */

enum answer_kind {
    ANSWER_GOOD,
    ANSWER_REFUSED, /* the controller, or the program itself, says no */
    ANSWER_SILENT,  /* nobody knows */
    ANSWER_UNUSABLE /* the helper cannot be used here */
};

struct slurm_answer {
    enum answer_kind kind;
    struct slurm_reply reply; /* of the helper, and jobs of squeue too */
    struct buf out;           /* standard output of a program */
    char error[256];
};

static void answer_init(struct slurm_answer *a)
{
    *a = (struct slurm_answer){ .kind = ANSWER_SILENT };
    buf_init(&a->out, ANSWER_MAX);
}

static void answer_clear(struct slurm_answer *a)
{
    free(a->reply.jobs);
    buf_clear(&a->out);
}

static void set_error(struct slurm_answer *a, enum answer_kind kind,
                      const char *text)
{
    size_t n = strcspn(text, "\n");

    a->kind = kind;
    if (n > sizeof(a->error) - 1)
        n = sizeof(a->error) - 1;
    memcpy(a->error, text, n);
    a->error[n] = '\0';
}

/* What a failure means to the caller. */
static int answer_fails(const struct slurm_answer *a, struct err *err)
{
    return err_set(err, a->kind == ANSWER_REFUSED ? ERR_INPUT : ERR_RETRY,
                   "slurm: %s", a->error[0] ? a->error : "no answer");
}

/* Run a program; false with the answer set if it did not end by itself. */
static bool run_for_answer(struct slurm_answer *a, int *status,
                           struct buf *errs, const char *const *argv,
                           unsigned s)
{
    struct err e = ERR_INIT;
    char **env = child_env_new(CHILD_ENV_JOB, NULL);
    int rc = child_run(status, &a->out, errs, argv, env, s * 1000, &e);

    child_env_free(env);
    if (rc == 0)
        return true;
    set_error(a, e.code == ERR_RETRY ? ANSWER_SILENT : ANSWER_UNUSABLE,
              e.text);
    return false;
}

/* Ask the helper.  Only an answer in its form is one: a helper that the system
 * cannot link or that libslurm ended gives none. */
static void ask_helper(struct slurm_answer *a, const char *const *words)
{
    struct words w = { NULL, 0 };
    char *helper = child_helper(HELPER);
    unsigned s = slurm_timeout_s();
    int status = 0;
    struct buf errs;

    buf_init(&errs, ERRORS_MAX);
    words_add(&w, helper);
    words_add(&w, words[0]);
    words_printf(&w, "--timeout=%u", s);
    words_add_all(&w, words + 1);
    if (run_for_answer(a, &status, &errs, w.v, s + GRACE_S)) {
        if (status > 1 || a->out.full ||
            slurm_parse_reply(&a->reply, a->out.data, a->out.len, NULL))
            set_error(a, ANSWER_UNUSABLE, "apus-slurm cannot be used here");
        else if (a->reply.failed)
            set_error(a, a->reply.retry ? ANSWER_SILENT : ANSWER_REFUSED,
                      a->reply.error);
        else
            a->kind = ANSWER_GOOD;
    }
    buf_clear(&errs);
    words_clear(&w);
    free(helper);
}

/* Ask a program of Slurm's own.  Its exit status is 1 for everything: what
 * went wrong is in its text. */
static void ask_program(struct slurm_answer *a, const char *const *words)
{
    struct buf errs;
    int status = 0;

    buf_init(&errs, ERRORS_MAX);
    buf_reset(&a->out);
    if (run_for_answer(a, &status, &errs, words, slurm_timeout_s())) {
        if (a->out.full)
            set_error(a, ANSWER_SILENT, "an answer that is too long");
        else if (status == 0)
            a->kind = ANSWER_GOOD;
        else
            set_error(a, slurm_says_silent(errs.data) ? ANSWER_SILENT
                                                      : ANSWER_REFUSED,
                      errs.len ? errs.data : words[0]);
    }
    /* without the programs too there is nobody left to ask */
    if (a->kind == ANSWER_UNUSABLE)
        a->kind = ANSWER_SILENT;
    buf_clear(&errs);
}

/* ---- what is there ------------------------------------------------------ */

/* The jobs that squeue tells of. */
static void ask_queue(struct slurm_answer *a, const char *const *words)
{
    struct err e = ERR_INIT;

    ask_program(a, words);
    /* it may have one id, and that one unknown: an answer all the same */
    if (a->kind == ANSWER_REFUSED && slurm_says_gone(a->error))
        a->kind = ANSWER_GOOD;
    else if (a->kind == ANSWER_REFUSED)
        a->kind = ANSWER_SILENT;
    else if (a->kind == ANSWER_GOOD &&
             slurm_parse_queue(&a->reply.jobs, &a->reply.n, a->out.data,
                               a->out.len, &e))
        set_error(a, ANSWER_SILENT, e.text);
}

static void queue_words(struct words *w, const char *format)
{
    const char *const base[] = { "squeue", "-h", "-t", "all", "-o", format,
                                 NULL };

    words_add_all(w, base);
}

/* This user's jobs of that name, or (NULL) of any. */
static void look_for(struct slurm_answer *a, const char *name)
{
    struct words w = { NULL, 0 };

    ask_helper(a, (const char *[]){ "find", name, NULL });
    if (a->kind != ANSWER_UNUSABLE)
        return;
    queue_words(&w, SLURM_QUEUE_FORMAT);
    if (name)
        words_printf(&w, "--name=%s", name);
    /* anybody may give a job this name */
    words_printf(&w, "--user=%lu", (unsigned long)geteuid());
    ask_queue(a, w.v);
    words_clear(&w);
}

static enum found slurm_find(const char *batch, uint64_t spool,
                             struct launch_job *j, struct err *err)
{
    const struct launch_job *best = NULL;
    struct slurm_answer a;
    char *name;
    enum found found;

    if (launch_check_batch(batch, err))
        return FOUND_FAILED;
    name = launch_job_name(batch);
    answer_init(&a);
    look_for(&a, name);
    free(name);
    for (size_t i = 0; a.kind == ANSWER_GOOD && i < a.reply.n; i++) {
        const struct launch_job *k = &a.reply.jobs[i];

        if (k->state != LAUNCH_OVER && launch_is_of(k, spool) &&
            (!best || best->state == LAUNCH_PENDING))
            best = k;
    }
    if (best)
        *j = *best;
    found = best ? FOUND_ONE : FOUND_NONE;
    if (a.kind != ANSWER_GOOD)
        found = answer_fails(&a, err);
    answer_clear(&a);
    return found;
}

static int slurm_list(struct launch_job **jobs, size_t *n, struct err *err)
{
    struct slurm_answer a;
    size_t kept = 0;
    int rc = 0;

    answer_init(&a);
    look_for(&a, NULL);
    if (a.kind == ANSWER_GOOD) {
        for (size_t i = 0; i < a.reply.n; i++)
            if (a.reply.jobs[i].state != LAUNCH_OVER)
                a.reply.jobs[kept++] = a.reply.jobs[i];
        *n = launch_keep_batches(a.reply.jobs, kept);
        *jobs = a.reply.jobs;
        a.reply.jobs = NULL;
    } else {
        rc = answer_fails(&a, err);
    }
    answer_clear(&a);
    return rc;
}

static void ask_states(struct slurm_answer *a, const struct launch_job *j,
                       size_t n)
{
    struct words w = { NULL, 0 };
    struct buf ids;

    words_add(&w, "status");
    for (size_t i = 0; i < n; i++)
        words_add(&w, j[i].id);
    ask_helper(a, w.v);
    words_clear(&w);
    if (a->kind != ANSWER_UNUSABLE)
        return;
    buf_init(&ids, n * LAUNCH_ID_SIZE);
    for (size_t i = 0; i < n; i++)
        buf_printf(&ids, "%s%s", i ? "," : "", j[i].id);
    queue_words(&w, SLURM_QUEUE_FORMAT);
    words_printf(&w, "--jobs=%s", ids.data);
    ask_queue(a, w.v);
    words_clear(&w);
    buf_clear(&ids);
}

static void set_state(struct launch_job *j, const struct slurm_answer *a)
{
    const char *why = "unknown to Slurm";

    j->state = LAUNCH_OVER;
    if (a->kind != ANSWER_GOOD) {
        j->state = LAUNCH_UNANSWERED;
        why = a->error;
    }
    snprintf(j->reason, sizeof(j->reason), "%.*s",
             (int)sizeof(j->reason) - 1, why);
    for (size_t i = 0; a->kind == ANSWER_GOOD && i < a->reply.n; i++)
        if (strcmp(j->id, a->reply.jobs[i].id) == 0) {
            *j = a->reply.jobs[i];
            return;
        }
}

static int slurm_states(struct launch_job *j, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!memchr(j[i].id, '\0', sizeof(j[i].id)) || !slurm_is_id(j[i].id))
            return err_set(err, ERR_INPUT, "\"%.31s\" is not a job id",
                           j[i].id);
    for (size_t at = 0; at < n; at += STATES_AT_ONCE) {
        size_t some = n - at < STATES_AT_ONCE ? n - at : STATES_AT_ONCE;
        struct slurm_answer a;

        answer_init(&a);
        ask_states(&a, j + at, some);
        for (size_t i = 0; i < some; i++)
            set_state(&j[at + i], &a);
        answer_clear(&a);
    }
    return 0;
}

/* "JOB" or "ARRAY_TASK": what squeue's %i calls a single job. */
static bool is_task(const char *text)
{
    size_t n = strspn(text, "0123456789");

    if (n > 0 && text[n] == '_' && text[n + 1])
        return text[n + 1 + strspn(text + n + 1, "0123456789")] == '\0';
    return n > 0 && text[n] == '\0';
}

/* Words for scancel: a task of an array goes by ARRAY_TASK, since the number
 * of the array means all its tasks, and its own none. */
static void cancel_words(struct words *w, const char *const *ids, size_t n)
{
    struct words ask = { NULL, 0 };
    struct slurm_answer a;
    struct buf list;

    answer_init(&a);
    buf_init(&list, n * LAUNCH_ID_SIZE);
    for (size_t i = 0; i < n; i++)
        buf_printf(&list, "%s%s", i ? "," : "", ids[i]);
    queue_words(&ask, SLURM_QUEUE_FORMAT);
    words_printf(&ask, "--jobs=%s", list.data);
    ask_queue(&a, ask.v);
    words_add(w, "scancel");
    for (size_t i = 0; i < n; i++) {
        const char *name = ids[i];

        for (size_t k = 0; a.kind == ANSWER_GOOD && k < a.reply.n; k++)
            if (strcmp(a.reply.jobs[k].id, ids[i]) == 0 &&
                is_task(a.reply.jobs[k].name))
                name = a.reply.jobs[k].name;
        words_add(w, name);
    }
    words_clear(&ask);
    buf_clear(&list);
    answer_clear(&a);
}

static void ask_to_cancel(struct slurm_answer *a, const char *const *ids,
                          size_t n)
{
    struct words w = { NULL, 0 };

    words_add(&w, "cancel");
    for (size_t i = 0; i < n; i++)
        words_add(&w, ids[i]);
    ask_helper(a, w.v);
    words_clear(&w);
    if (a->kind != ANSWER_UNUSABLE)
        return;
    cancel_words(&w, ids, n);
    ask_program(a, w.v);
    words_clear(&w);
    if (n == 1 && a->kind == ANSWER_REFUSED && slurm_says_gone(a->error))
        a->kind = ANSWER_GOOD;
}

/* One of several may be over, which scancel says of that one alone: who said
 * no to all is asked for each. */
static int cancel_some(const char *const *ids, size_t n, struct err *err)
{
    struct slurm_answer a;
    int rc = 0;

    answer_init(&a);
    ask_to_cancel(&a, ids, n);
    if (a.kind == ANSWER_REFUSED && n > 1) {
        for (size_t i = 0; i < n; i++)
            rc |= cancel_some(ids + i, 1, err);
    } else if (a.kind != ANSWER_GOOD) {
        rc = answer_fails(&a, err);
    }
    answer_clear(&a);
    return rc ? -1 : 0;
}

static int slurm_cancel_all(const char *const *ids, size_t n,
                            struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (!slurm_is_id(ids[i]))
            return err_set(err, ERR_INPUT, "\"%.64s\" is not a job id",
                           ids[i]);
    for (size_t at = 0; at < n; at += CANCEL_AT_ONCE) {
        size_t some = n - at < CANCEL_AT_ONCE ? n - at : CANCEL_AT_ONCE;

        if (cancel_some(ids + at, some, err))
            return -1;
    }
    return 0;
}

static int slurm_cancel(const char *id, struct err *err)
{
    return slurm_cancel_all(&id, 1, err);
}

/* ---- submit ------------------------------------------------------------- */

/* Words for sbatch that libslurm has a field for in our helper. */
static bool helper_knows(const char *word)
{
    static const char *const names[] = { "--account=", "--cpus-per-task=",
        "--gres=", "--partition=", "--qos=", "--time=", NULL };

    for (size_t i = 0; names[i]; i++) {
        size_t n = strlen(names[i]);

        if (strncmp(word, names[i], n) == 0)
            /* of the ways to write a time: minutes */
            return strcmp(names[i], "--time=") != 0 ||
                   (word[n] && word[n + strspn(word + n, "0123456789")] ==
                               '\0');
    }
    return false;
}

/* libslurm knows nothing of SBATCH_* and of most words. */
static bool helper_can_submit(const struct launch *l)
{
    if (l->whole_nodes)
        return false;
    for (char **e = environ; *e; e++)
        if (strncmp(*e, "SBATCH_", 7) == 0)
            return false;
    for (const char *const *o = l->options; o && *o; o++)
        if (!helper_knows(*o))
            return false;
    return true;
}

/* A job on another cluster is not found again by its id alone. */
static int check_options(const struct launch *l, struct err *err)
{
    for (const char *const *o = l->options; o && *o; o++)
        if (strncmp(*o, "-M", 2) == 0 || strncmp(*o, "--cluster", 9) == 0)
            return err_set(err, ERR_INPUT, "\"%s\": jobs on another cluster"
                           " are not supported", *o);
    return 0;
}

/* The file of the output, in which '%' would begin a pattern. */
static char *log_pattern(const struct launch *l)
{
    char *path = launch_path(l->dir, l->log, 0), *out;
    struct buf b;

    buf_init(&b, 2 * strlen(path) + 1);
    for (const char *p = path; *p; p++) {
        if (*p == '%')
            buf_putc(&b, '%');
        buf_putc(&b, *p);
    }
    free(path);
    out = buf_take(&b, NULL);
    return out;
}

/* What sbatch and the helper call by the same names, up to the script. */
static void job_words(struct words *w, const struct launch *l)
{
    char *name = launch_job_name(l->batch);
    char *tag = launch_tag(l->batch, l->spool);

    words_printf(w, "--job-name=%s", name);
    words_printf(w, "--comment=%s", tag);
    /* two jobs of a batch never run at once, whoever submitted them */
    if (l->batch)
        words_add(w, "--dependency=singleton");
    if (l->log) {
        char *log = log_pattern(l);

        words_printf(w, "--output=%s", log);
        free(log);
    }
    if (l->dir) {
        char *dir = launch_path(NULL, l->dir, 0);

        words_printf(w, "--chdir=%s", dir);
        free(dir);
    }
    if (l->nodes)
        words_printf(w, "--nodes=%u", l->nodes);
    if (l->ranks)
        words_printf(w, "--ntasks-per-node=%u", l->ranks);
    if (l->whole_nodes)
        words_add(w, "--exclusive");
    words_add_all(w, l->options);
    /* the last counts, and a job of another name would not be found again */
    if (l->batch && l->options && *l->options)
        words_printf(w, "--job-name=%s", name);
    free(tag);
    free(name);
}

static void sbatch_words(struct words *w, const struct launch *l)
{
    words_add(w, "sbatch");
    words_add(w, "--parsable");
    words_add(w, "--open-mode=append");
    /* what is handed on is a short list already, whatever the site's habit
     * with the environments of its users */
    words_add(w, "--export=ALL");
    job_words(w, l);
    script_words(w, l);
}

static void helper_words(struct words *w, const struct launch *l)
{
    words_add(w, "submit");
    job_words(w, l);
    script_words(w, l);
}

/* A helper that broke down may have done so after its submit: true with the
 * answer set unless it is certain that there is no job. */
static bool submitted_already(struct slurm_answer *a, const struct launch *l)
{
    struct err e = ERR_INIT;
    struct launch_job j;
    int rc = l->batch ? slurm_find(l->batch, l->spool, &j, &e) : 0;

    if (rc == 1) {
        a->kind = ANSWER_GOOD;
        memcpy(a->reply.id, j.id, LAUNCH_ID_SIZE);
    } else if (rc < 0) {
        set_error(a, ANSWER_SILENT, e.text);
    }
    return rc != 0;
}

/* Once: the id is in a->reply.id if the answer is good. */
static void ask_submit(struct slurm_answer *a, const struct launch *l)
{
    struct words w = { NULL, 0 };
    struct err e = ERR_INIT;

    a->kind = ANSWER_UNUSABLE;
    if (helper_can_submit(l)) {
        helper_words(&w, l);
        ask_helper(a, w.v);
        words_clear(&w);
        if (a->kind == ANSWER_GOOD && !a->reply.id[0])
            set_error(a, ANSWER_SILENT, "apus-slurm: an answer without id");
    }
    if (a->kind == ANSWER_UNUSABLE && !submitted_already(a, l)) {
        sbatch_words(&w, l);
        ask_program(a, w.v);
        words_clear(&w);
        if (a->kind == ANSWER_GOOD &&
            slurm_parse_submitted(a->reply.id, a->out.data, &e))
            set_error(a, ANSWER_SILENT, e.text);
    }
}

enum submit_end {
    SUBMIT_FAILED = -1, /* it makes no sense to try again */
    SUBMIT_AGAIN,
    SUBMIT_DONE
};

/* Look, and submit if there is none. */
static enum submit_end try_submit(const struct launch *l,
                                  char id[LAUNCH_ID_SIZE], struct err *err)
{
    struct launch_job j;
    struct slurm_answer a;
    enum found found = FOUND_NONE;
    enum submit_end end = SUBMIT_DONE;

    if (l->batch)
        found = slurm_find(l->batch, l->spool, &j, err);
    if (found == FOUND_FAILED)
        return SUBMIT_FAILED;
    if (found == FOUND_ONE) {
        memcpy(id, j.id, LAUNCH_ID_SIZE);
        return SUBMIT_DONE;
    }
    answer_init(&a);
    ask_submit(&a, l);
    if (a.kind == ANSWER_GOOD) {
        memcpy(id, a.reply.id, LAUNCH_ID_SIZE);
    } else {
        answer_fails(&a, err);
        /* without a name of its own it could not be found again */
        end = a.kind == ANSWER_SILENT && l->batch ? SUBMIT_AGAIN
                                                  : SUBMIT_FAILED;
    }
    answer_clear(&a);
    return end;
}

static int slurm_submit(const struct launch *l, char id[LAUNCH_ID_SIZE],
                        struct err *err)
{
    static const struct timespec pause = { RETRY_PAUSE_S, 0 };
    enum submit_end end = SUBMIT_AGAIN;
    int rc;

    if (launch_check(l, err) || check_options(l, err))
        return -1;
    if (l->log) {
        char *log = launch_path(l->dir, l->log, 0);

        /* in a missing directory there would be no output at all */
        rc = launch_make_parent(log, err);
        free(log);
        if (rc)
            return -1;
    }
    for (int i = 0; end == SUBMIT_AGAIN && i < SUBMIT_TRIES; i++) {
        if (i)
            nanosleep(&pause, NULL);
        end = try_submit(l, id, err);
    }
    return end == SUBMIT_DONE ? 0 : -1;
}

static void slurm_show(const struct launch *l, struct buf *out)
{
    struct words w = { NULL, 0 };

    sbatch_words(&w, l);
    words_show(out, w.v);
    words_clear(&w);
}

const struct launcher slurm_launcher = {
    .name = "slurm",
    .submit = slurm_submit,
    .find = slurm_find,
    .list = slurm_list,
    .states = slurm_states,
    .cancel = slurm_cancel,
    .cancel_all = slurm_cancel_all,
    .show = slurm_show,
};
