/*
 * apus-slurm: the one program that is linked with libslurm, so that its
 * version and its habit of ending the process harm nobody else.  Arguments
 * in, one line out: JSON, except for ping.  It reads no #SBATCH lines and no
 * SBATCH_* variables, as libslurm does not; what apus-batch.sh asks for there
 * is set here.
 */
#include <config.h>

#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"
#include "commit.h"

/* slurm_init() without a configuration tries for a minute, and then ends the
 * process; a controller that hangs is given up after MessageTimeout (10 s),
 * by some calls after twice that. */
#define PING_S 20
#define TIMEOUT_S 25
#define TIMEOUT_MAX_S 600
#define SCRIPT_MAX (256 << 10) /* far below max_script_size (4 MB) */
#define OUTPUT_MAX (16 << 20)
#define COUNT_MAX 65535
#define MINUTES_MAX (365 * 24 * 60)
#define API_MAJOR(v) ((v) >> 16)

extern char **environ;

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_MISUSED = 2, EXIT_VERSION = 3 };

static const char usage[] =
    "usage: apus-slurm ping [DEADLINE_S]\n"
    "       apus-slurm submit [OPTION...] SCRIPT [ARGUMENT...]\n"
    "       apus-slurm status [--timeout=S] ID...\n"
    "       apus-slurm find [--timeout=S] [NAME]\n"
    "       apus-slurm cancel [--timeout=S] ID...\n"
    "       apus-slurm --version | --help\n"
    "\n"
    "ping    ask Slurm's controller for a sign of life; prints \"up\" and\n"
    "        exits 0, or \"down\" and exits 1, after DEADLINE_S (20) seconds\n"
    "        at most\n"
    "submit  make a job of SCRIPT: {\"id\":\"7\"}.  Options are those of\n"
    "        sbatch, always as --name=value: job-name comment dependency\n"
    "        output chdir nodes ntasks-per-node cpus-per-task time (minutes)\n"
    "        partition account qos gres, and timeout.  The job has the\n"
    "        environment of this process\n"
    "status  {\"jobs\":[{\"id\":\"7\",\"state\":\"running\",\"reason\":"
    "\"None\",\n"
    "        \"name\":\"5_1\",\"job_name\":\"apus\",\"comment\":\"\"}]}, the\n"
    "        state being\n"
    "        pending, running or over; unknown jobs are left out\n"
    "find    the same for jobs of this user, all or with that name, which\n"
    "        pend or run\n"
    "cancel  have Slurm end the jobs; one that is over is not a failure\n"
    "\n"
    "A failure is {\"error\":\"why\",\"retry\":true}, retry being true if it\n"
    "is unknown what the controller did, and exit status 1.  2 is misuse, 3 a\n"
    "libslurm of another release than the one this was built with.\n";

/* ---- answers ------------------------------------------------------------ */

static bool answered;
static bool pings; /* what is said at the deadline: "down", or JSON */

static const char *last_words(void)
{
    return pings ? "down\n"
                 : "{\"error\":\"the controller does not answer\","
                   "\"retry\":true}\n";
}

static void on_alarm(int signo)
{
    const char *text = last_words();

    (void)signo;
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(EXIT_MISUSED);
    _exit(EXIT_BAD);
}

/* libslurm ends the process over a configuration that it cannot use.  Without
 * an answer in its form the caller takes Slurm's own programs; they have the
 * better messages. */
static void on_exit_unanswered(void)
{
    if (!answered && pings)
        fputs(last_words(), stdout);
}

/* Nothing is printed before its end, and nothing is called after it that may
 * hang. */
static int finish_answer(struct buf *out, int status)
{
    if (out->full)
        return EXIT_BAD;
    alarm(0);
    answered = true;
    fwrite(out->data, 1, out->len, stdout);
    putchar('\n');
    return fflush(stdout) ? EXIT_BAD : status;
}

static int fail_helper(bool retry, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static int fail_helper(bool retry, const char *fmt, ...)
{
    char text[512];
    struct buf out;
    va_list ap;
    int rc;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    buf_init(&out, OUTPUT_MAX);
    buf_puts(&out, "{\"error\":");
    json_put_string(&out, text, strlen(text));
    buf_printf(&out, ",\"retry\":%s}", retry ? "true" : "false");
    rc = finish_answer(&out, EXIT_BAD);
    buf_clear(&out);
    return rc;
}

/* An error of libslurm.  Below 2000 are those of the connection, from 5000 to
 * 6999 those of sockets and of authentication: after them nobody knows what
 * the controller did.  The others are what it answered. */
static int fail_slurm(int why)
{
    if (why == SLURM_PROTOCOL_VERSION_ERROR)
        return EXIT_VERSION;
    return fail_helper(why < 2000 || (why >= 5000 && why < 7000) ||
                           why == ESLURM_IN_STANDBY_MODE ||
                           why == ESLURM_ERROR_ON_DESC_TO_RECORD_COPY,
                       "%s", slurm_strerror(why));
}

static int answer_id(uint32_t id)
{
    struct buf out;
    int rc;

    buf_init(&out, OUTPUT_MAX);
    buf_printf(&out, "{\"id\":\"%u\"}", (unsigned)id);
    rc = finish_answer(&out, EXIT_GOOD);
    buf_clear(&out);
    return rc;
}

/* ---- arguments ---------------------------------------------------------- */

struct args {
    const char *name, *comment, *dependency, *output, *chdir;
    const char *partition, *account, *qos, *gres;
    unsigned nodes, ranks, cpus, minutes, timeout_s;
    char **words; /* what is not an option */
    int n;
};

static int misused(void)
{
    fputs(usage, stderr);
    return EXIT_MISUSED;
}

static int parse_count(unsigned *out, const char *text, unsigned max)
{
    uint64_t v = 0;

    if (json_u64_text(text, &v) || v < 1 || v > max)
        return -1;
    *out = (unsigned)v;
    return 0;
}

/* What follows the command, up to the first word that is not an option. */
static int parse_args(struct args *a, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **text;
        unsigned *count;
        unsigned max;
    } rows[] = {
        { "account", &a->account, NULL, 0 },
        { "chdir", &a->chdir, NULL, 0 },
        { "comment", &a->comment, NULL, 0 },
        { "cpus-per-task", NULL, &a->cpus, COUNT_MAX },
        { "dependency", &a->dependency, NULL, 0 },
        { "gres", &a->gres, NULL, 0 },
        { "job-name", &a->name, NULL, 0 },
        { "nodes", NULL, &a->nodes, COUNT_MAX },
        { "ntasks-per-node", NULL, &a->ranks, COUNT_MAX },
        { "output", &a->output, NULL, 0 },
        { "partition", &a->partition, NULL, 0 },
        { "qos", &a->qos, NULL, 0 },
        { "time", NULL, &a->minutes, MINUTES_MAX },
        { "timeout", NULL, &a->timeout_s, TIMEOUT_MAX_S },
    };
    int i = 0;

    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *word = argv[i] + 2;
        size_t n = strcspn(word, "="), row = 0;

        while (row < sizeof(rows) / sizeof(rows[0]) &&
               (strlen(rows[row].name) != n ||
                strncmp(rows[row].name, word, n) != 0))
            row++;
        if (row == sizeof(rows) / sizeof(rows[0]) || !word[n])
            return -1;
        if (rows[row].text)
            *rows[row].text = word + n + 1;
        else if (parse_count(rows[row].count, word + n + 1, rows[row].max))
            return -1;
    }
    a->words = argv + i;
    a->n = argc - i;
    return 0;
}

static int parse_id(uint32_t *id, const char *text)
{
    uint64_t v = 0;

    if (json_u64_text(text, &v) || v < 1 || v >= NO_VAL)
        return -1;
    *id = (uint32_t)v;
    return 0;
}

/* ---- submit ------------------------------------------------------------- */

/* The checks of sbatch that libslurm leaves out: a job with a script that
 * cannot be started stays in the queue, held, for ever. */
static int read_script(struct buf *script, const char *path, struct err *err)
{
    if (file_read(script, path, err))
        return -1;
    if (strlen(script->data) != script->len ||
        strncmp(script->data, "#!", 2) != 0)
        return err_set(err, ERR_INPUT, "\"%s\" is not a script: it does not"
                       " begin with \"#!\"", path);
    if (strchr(script->data, '\r'))
        return err_set(err, ERR_INPUT, "\"%s\" has line ends of DOS", path);
    return 0;
}

struct environment {
    char **v;
    uint32_t n;
};

static void env_add(struct environment *e, char *line)
{
    VEC_MORE(e->v, e->n + 1);
    e->v[e->n++] = line;
    e->v[e->n] = NULL;
}

/* What this process has, and what sbatch adds for srun and for the script. */
static void set_environment(struct environment *e, const struct args *a,
                            const char *dir)
{
    mode_t mask = umask(022);

    umask(mask);
    for (char **p = environ; *p; p++)
        env_add(e, xstrdup(*p));
    env_add(e, xasprintf("SLURM_SUBMIT_DIR=%s", dir));
    env_add(e, xasprintf("SLURM_UMASK=%04o", (unsigned)mask));
    if (a->name)
        env_add(e, xasprintf("SLURM_JOB_NAME=%s", a->name));
    if (a->ranks)
        env_add(e, xasprintf("SLURM_NTASKS_PER_NODE=%u", a->ranks));
    if (a->ranks && a->nodes)
        env_add(e, xasprintf("SLURM_NTASKS=%u", a->ranks * a->nodes));
    if (a->cpus)
        env_add(e, xasprintf("SLURM_CPUS_PER_TASK=%u", a->cpus));
}

/* "gpu:2" in the words of libslurm, which changed. */
static char *tres_of(const char *gres)
{
    bool slash = SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 11, 0);

    return gres ? xasprintf("gres%c%s", slash ? '/' : ':', gres) : NULL;
}

/* What was asked for, and what the #SBATCH lines of apus-batch.sh say. */
static void describe(job_desc_msg_t *d, const struct args *a)
{
    slurm_init_job_desc_msg(d);
    d->name = (char *)(a->name ? a->name : "apus");
    d->comment = (char *)a->comment;
    d->dependency = (char *)a->dependency;
    d->std_out = (char *)(a->output ? a->output : "%x-%j.out");
    d->std_in = (char *)"/dev/null";
    d->partition = (char *)a->partition;
    d->account = (char *)a->account;
    d->qos = (char *)a->qos;
    d->requeue = 1;
    d->open_mode = OPEN_MODE_APPEND;
    d->kill_on_node_fail = 0;
    if (a->nodes)
        d->min_nodes = d->max_nodes = a->nodes;
    if (a->ranks) {
        d->ntasks_per_node = (uint16_t)a->ranks;
        d->num_tasks = a->ranks * (a->nodes ? a->nodes : 1);
        d->min_cpus = d->num_tasks * (a->cpus ? a->cpus : 1);
    }
    if (a->cpus)
        d->cpus_per_task = (uint16_t)a->cpus;
    if (a->minutes)
        d->time_limit = a->minutes;
}

static int submit_described(job_desc_msg_t *d)
{
    submit_response_msg_t *reply = NULL;
    uint32_t id;

    if (slurm_submit_batch_job(d, &reply) != SLURM_SUCCESS || !reply)
        return fail_slurm(slurm_get_errno());
    /* the job exists; error_code says why it may wait for long, and sbatch
     * calls that a success too */
    id = reply->job_id;
    if (reply->error_code)
        fprintf(stderr, "apus-slurm: job %u: %s\n", (unsigned)id,
                slurm_strerror((int)reply->error_code));
    slurm_free_submit_response_response_msg(reply);
    return answer_id(id);
}

static int cmd_submit(const struct args *a)
{
    struct environment env = { NULL, 0 };
    struct err err = ERR_INIT;
    struct buf script;
    job_desc_msg_t d;
    char dir[4096], *tres;
    int rc;

    if (a->n < 1)
        return misused();
    tres = tres_of(a->gres);
    buf_init(&script, SCRIPT_MAX);
    if (read_script(&script, a->words[0], &err)) {
        rc = fail_helper(false, "%s", err.text);
        goto out;
    }
    if (!a->chdir && !getcwd(dir, sizeof(dir))) {
        rc = fail_helper(false, "the working directory has no name");
        goto out;
    }
    describe(&d, a);
    d.work_dir = a->chdir ? (char *)a->chdir : dir;
    d.script = script.data;
    d.argc = (uint32_t)a->n;
    d.argv = a->words;
    d.tres_per_node = tres;
    set_environment(&env, a, d.work_dir);
    d.environment = env.v;
    d.env_size = env.n;
    rc = submit_described(&d);
out:
    for (uint32_t i = 0; i < env.n; i++)
        free(env.v[i]);
    free(env.v);
    free(tres);
    buf_clear(&script);
    return rc;
}

/* ---- status, find, cancel ----------------------------------------------- */

/* Flags lie above the state: a job that completes is not over yet. */
static const char *state_of(uint32_t state)
{
    switch (state & JOB_STATE_BASE) {
    case JOB_PENDING:
        return "pending";
    case JOB_RUNNING:
    case JOB_SUSPENDED:
        return "running";
    default:
        return state & JOB_COMPLETING ? "running" : "over";
    }
}

/* The common ones of those that squeue knows; libslurm's own function is
 * declared nowhere. */
static const char *reason_of(const slurm_job_info_t *j)
{
    static const struct {
        unsigned code;
        const char *name;
    } reasons[] = {
        { WAIT_PRIORITY, "Priority" },
        { WAIT_DEPENDENCY, "Dependency" },
        { WAIT_RESOURCES, "Resources" },
        { WAIT_PART_NODE_LIMIT, "PartitionNodeLimit" },
        { WAIT_PART_TIME_LIMIT, "PartitionTimeLimit" },
        { WAIT_HELD, "JobHeldAdmin" },
        { WAIT_HELD_USER, "JobHeldUser" },
        { WAIT_TIME, "BeginTime" },
        { WAIT_PART_DOWN, "PartitionDown" },
        { WAIT_PART_INACTIVE, "PartitionInactive" },
        { WAIT_PART_CONFIG, "PartitionConfig" },
        { WAIT_NODE_NOT_AVAIL, "ReqNodeNotAvail" },
        { WAIT_RESERVATION, "Reservation" },
        { WAIT_LICENSES, "Licenses" },
        { WAIT_CLEANING, "Cleaning" },
        { WAIT_PROLOG, "Prolog" },
        { WAIT_QOS, "QOSNotAllowed" },
        { WAIT_ACCOUNT, "AccountNotAllowed" },
        { WAIT_DEP_INVALID, "DependencyNeverSatisfied" },
        { WAIT_ASSOC_MAX_JOBS, "AssocMaxJobsLimit" },
        { WAIT_ASSOC_GRP_JOB, "AssocGrpJobsLimit" },
        { WAIT_ASSOC_GRP_NODE, "AssocGrpNodeLimit" },
        { WAIT_ASSOC_GRP_CPU, "AssocGrpCpuLimit" },
        { WAIT_QOS_MAX_JOB_PER_USER, "QOSMaxJobsPerUserLimit" },
        { WAIT_QOS_MAX_NODE_PER_USER, "QOSMaxNodePerUserLimit" },
        { WAIT_MAX_REQUEUE, "JobHoldMaxRequeue" },
        { WAIT_ARRAY_TASK_LIMIT, "JobArrayTaskLimit" },
        { FAIL_DOWN_NODE, "NodeDown" },
        { FAIL_ACCOUNT, "InvalidAccount" },
        { FAIL_QOS, "InvalidQOS" },
        { FAIL_BAD_CONSTRAINTS, "BadConstraints" },
        { FAIL_LAUNCH, "JobLaunchFailure" },
        { FAIL_EXIT_CODE, "NonZeroExitCode" },
        { FAIL_TIMEOUT, "TimeLimit" },
    };
    static const char *const ends[] = { [JOB_COMPLETE] = "COMPLETED",
        [JOB_CANCELLED] = "CANCELLED", [JOB_FAILED] = "FAILED",
        [JOB_TIMEOUT] = "TIMEOUT", [JOB_NODE_FAIL] = "NODE_FAIL",
        [JOB_PREEMPTED] = "PREEMPTED", [JOB_OOM] = "OUT_OF_MEMORY" };
    unsigned state = j->job_state & JOB_STATE_BASE;

    if (state == JOB_PENDING && j->state_desc && *j->state_desc)
        return j->state_desc;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == j->state_reason)
            return reasons[i].name;
    if (state < sizeof(ends) / sizeof(ends[0]) && ends[state])
        return ends[state];
    return "";
}

/* A text that may be NULL. */
static void put_text(struct buf *out, const char *text)
{
    json_put_string(out, text ? text : "", text ? strlen(text) : 0);
}

/* What squeue's %i, %j and %k say: one task, or tasks that wait together. */
static void put_names(struct buf *out, const slurm_job_info_t *j)
{
    buf_puts(out, ",\"name\":\"");
    if (j->array_task_str && *j->array_task_str)
        buf_printf(out, "%u_[", (unsigned)j->array_job_id);
    else if (j->array_job_id && j->array_task_id != NO_VAL)
        buf_printf(out, "%u_%u", (unsigned)j->array_job_id,
                   (unsigned)j->array_task_id);
    else
        buf_printf(out, "%u", (unsigned)j->job_id);
    if (j->array_task_str && *j->array_task_str)
        buf_printf(out, "%.32s]", j->array_task_str);
    buf_puts(out, "\",\"job_name\":");
    put_text(out, j->name);
    buf_puts(out, ",\"comment\":");
    put_text(out, j->comment);
}

static void put_job(struct buf *out, const slurm_job_info_t *j)
{
    const char *why = reason_of(j);

    buf_printf(out, "%s{\"id\":\"%u\",\"state\":\"%s\",\"reason\":",
               out->data[out->len - 1] == '[' ? "" : ",",
               (unsigned)j->job_id, state_of(j->job_state));
    json_put_string(out, why, strlen(why));
    put_names(out, j);
    buf_putc(out, '}');
}

/* Is the job one of those that were asked for: one of n, or where n is 0 one
 * of this user, of that name or (NULL) of any? */
static bool wanted(const slurm_job_info_t *j, const uint32_t *ids, int n,
                   const char *name)
{
    if (n == 0)
        return j->name && (!name || strcmp(j->name, name) == 0) &&
               j->user_id == geteuid() &&
               strcmp(state_of(j->job_state), "over") != 0;
    for (int i = 0; i < n; i++)
        if (ids[i] == j->job_id)
            return true;
    return false;
}

static int list(const job_info_msg_t *jobs, const uint32_t *ids, int n,
                const char *name)
{
    struct buf out;
    int rc;

    buf_init(&out, OUTPUT_MAX);
    buf_puts(&out, "{\"jobs\":[");
    for (uint32_t i = 0; jobs && i < jobs->record_count; i++)
        if (wanted(&jobs->job_array[i], ids, n, name))
            put_job(&out, &jobs->job_array[i]);
    buf_puts(&out, "]}");
    rc = finish_answer(&out, EXIT_GOOD);
    buf_clear(&out);
    return rc;
}

/* One question: for the one job, or for all that there are. */
static int cmd_status(const struct args *a)
{
    uint32_t *ids;
    job_info_msg_t *jobs = NULL;
    int rc;

    if (a->n < 1)
        return misused();
    ids = xcalloc((size_t)a->n, sizeof(*ids));
    for (int i = 0; i < a->n; i++)
        if (parse_id(&ids[i], a->words[i])) {
            free(ids);
            return misused();
        }
    rc = a->n == 1 ? slurm_load_job(&jobs, ids[0], SHOW_ALL)
                   : slurm_load_jobs(0, &jobs, SHOW_ALL);
    if (rc == SLURM_SUCCESS || slurm_get_errno() == ESLURM_INVALID_JOB_ID)
        rc = list(rc == SLURM_SUCCESS ? jobs : NULL, ids, a->n, NULL);
    else
        rc = fail_slurm(slurm_get_errno());
    if (jobs)
        slurm_free_job_info_msg(jobs);
    free(ids);
    return rc;
}

static int cmd_find(const struct args *a)
{
    job_info_msg_t *jobs = NULL;
    int rc;

    if (a->n > 1)
        return misused();
    if (slurm_load_job_user(&jobs, geteuid(), SHOW_ALL) != SLURM_SUCCESS)
        return fail_slurm(slurm_get_errno());
    rc = list(jobs, NULL, 0, a->n ? a->words[0] : NULL);
    slurm_free_job_info_msg(jobs);
    return rc;
}

/* The name of one job alone.  A task of an array goes by ARRAY_TASK: by the
 * number of the array all its tasks are meant, and by its own none is found.
 * The caller frees it. */
static char *task_name(const job_info_msg_t *jobs, uint32_t id)
{
    for (uint32_t i = 0; jobs && i < jobs->record_count; i++) {
        const slurm_job_info_t *j = &jobs->job_array[i];

        if (j->job_id == id && j->array_job_id &&
            j->array_task_id != NO_VAL)
            return xasprintf("%u_%u", (unsigned)j->array_job_id,
                             (unsigned)j->array_task_id);
    }
    return xasprintf("%u", (unsigned)id);
}

/* 0, or the error.  KILL to the job as a whole is what scancel asks for: TERM
 * to the script and to every rank, which saves, and KILL after KillWait. */
static int kill_job(const job_info_msg_t *jobs, uint32_t id)
{
    char *name = task_name(jobs, id);
    int rc = slurm_kill_job2(name, SIGKILL, 0, NULL);
    int why = slurm_get_errno();

    free(name);
    return rc == SLURM_SUCCESS || why == ESLURM_INVALID_JOB_ID ||
           why == ESLURM_ALREADY_DONE ? 0 : why;
}

/* All are tried; the first failure is the answer. */
static int cmd_cancel(const struct args *a)
{
    job_info_msg_t *jobs = NULL;
    int first = 0;
    uint32_t id = 0;

    if (a->n < 1)
        return misused();
    for (int i = 0; i < a->n; i++)
        if (parse_id(&id, a->words[i]))
            return misused();
    if ((a->n == 1 ? slurm_load_job(&jobs, id, SHOW_ALL)
                   : slurm_load_jobs(0, &jobs, SHOW_ALL)) != SLURM_SUCCESS)
        jobs = NULL;
    for (int i = 0; i < a->n; i++) {
        int why;

        parse_id(&id, a->words[i]);
        why = kill_job(jobs, id);
        first = first ? first : why;
    }
    if (jobs)
        slurm_free_job_info_msg(jobs);
    return first ? fail_slurm(first) : answer_id(id);
}

/* ---- ping --------------------------------------------------------------- */

static void begin(unsigned timeout_s)
{
    atexit(on_exit_unanswered);
    signal(SIGALRM, on_alarm);
    alarm(timeout_s);
    slurm_init(NULL);
}

/* The primary controller is asked. */
static int ping(unsigned deadline_s)
{
    int up;

    pings = true;
    begin(deadline_s);
    up = slurm_ping(0) == SLURM_SUCCESS;
    if (!up)
        fprintf(stderr, "apus-slurm: the controller does not answer: %s\n",
                slurm_strerror(slurm_get_errno()));
    slurm_fini();
    alarm(0);
    answered = true;
    puts(up ? "up" : "down");
    return up ? EXIT_GOOD : EXIT_BAD;
}

static int cmd_ping(int argc, char **argv)
{
    unsigned deadline_s = PING_S;

    if (argc > 1 ||
        (argc == 1 && parse_count(&deadline_s, argv[0], TIMEOUT_MAX_S)))
        return misused();
    return ping(deadline_s);
}

/* ---- main --------------------------------------------------------------- */

static int command(int (*run)(const struct args *), int argc, char **argv)
{
    struct args a = { .timeout_s = TIMEOUT_S };

    if (parse_args(&a, argc, argv))
        return misused();
    if (APUS_SLURM_API &&
        API_MAJOR(slurm_api_version()) != API_MAJOR(APUS_SLURM_API)) {
        fprintf(stderr, "apus-slurm: built with libslurm %ld, and this is"
                " %ld\n", (long)API_MAJOR(APUS_SLURM_API),
                API_MAJOR(slurm_api_version()));
        return EXIT_VERSION;
    }
    begin(a.timeout_s);
    return run(&a);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct args *);
    } commands[] = {
        { "cancel", cmd_cancel },
        { "find", cmd_find },
        { "status", cmd_status },
        { "submit", cmd_submit },
    };

    if (argc < 2)
        return misused();
    if (strcmp(argv[1], "ping") == 0)
        return cmd_ping(argc - 2, argv + 2);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return command(commands[i].run, argc - 2, argv + 2);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("apus-slurm %s (%s), libslurm %ld\n", PACKAGE_VERSION,
               APUS_COMMIT, slurm_api_version());
        return EXIT_GOOD;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_GOOD;
    }
    return misused();
}
