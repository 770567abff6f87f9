/*
 * The job around this process.
 */
#include <config.h>

#include "jobs/allocation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/json.h"
#include "base/mem.h"
#include "jobs/child.h"
#include "jobs/launcher_internal.h"
#include "jobs/slurm_answer.h"

#define ANSWER_MAX ((size_t)64 << 20)
#define ERRORS_MAX 65536
#define SCRIPT "/apus-batch.sh"
/* From here on a step's number says that it is not a step of an srun: the batch
 * script, the shell of salloc (slurm.h, SLURM_INTERACTIVE_STEP). */
#define STEP_SPECIAL 0xfffffff0u

/* A number of the environment: false if it is none. */
static bool get_variable(uint64_t *out, const char *name)
{
    const char *text = getenv(name);

    return text && json_u64_text(text, out) == 0;
}

/* Whether this is a task of an srun. */
static bool is_task(void)
{
    uint64_t step = 0;

    return get_variable(&step, "SLURM_STEP_ID") && step < STEP_SPECIAL;
}

unsigned allocation_twin(unsigned *n)
{
    static const char *const names[][2] = {
        { "SLURM_PROCID", "SLURM_STEP_NUM_TASKS" },
        { "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE" },
        { "PMI_RANK", "PMI_SIZE" },
    };
    uint64_t rank = 0, size = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((i == 0 && !is_task()) || !get_variable(&rank, names[i][0]) ||
            !get_variable(&size, names[i][1]) || rank >= size ||
            size > UINT32_MAX)
            continue;
        *n = (unsigned)size;
        return (unsigned)rank;
    }
    *n = 1;
    return 0;
}

enum scontrol {
    SCONTROL_SILENT = -1, /* ERR_RETRY */
    SCONTROL_YES,
    SCONTROL_NO           /* why is in `errs` */
};

/* Append what scontrol says. */
static enum scontrol ask(struct buf *out, struct buf *errs,
                         const char *const *argv, struct err *err)
{
    char **env = child_env_new(CHILD_ENV_CLEAN, NULL);
    int status = 0;
    int rc = child_run(&status, out, errs, argv, env,
                       slurm_timeout_s() * 1000, err);

    child_env_free(env);
    if (rc) {
        err_turn(err, ERR_RETRY);
        return SCONTROL_SILENT;
    }
    if (status && slurm_says_silent(errs->len ? errs->data : ""))
        return err_set(err, ERR_RETRY, "Slurm does not answer: %.*s",
                       (int)strcspn(errs->data, "\n"), errs->data);
    return status == 0 ? SCONTROL_YES : SCONTROL_NO;
}

/* Is the job running, by `scontrol show job`? */
static bool is_running(const struct buf *text)
{
    return text->len > 0 && strstr(text->data, "\n   JobState=RUNNING ");
}

static enum found look(struct allocation *a, struct buf *text,
                       struct buf *errs, struct err *err)
{
    const char *nodes = getenv("SLURM_JOB_NODELIST");
    struct err no = ERR_INIT;
    enum scontrol said = ask(text, errs, (const char *[]){
        "scontrol", "show", "job", "-d", a->name, NULL }, err);

    if (said == SCONTROL_SILENT)
        return FOUND_FAILED;
    if (said == SCONTROL_NO || !is_running(text))
        return FOUND_NONE;
    if (nodes && ask(text, errs, (const char *[]){
            "scontrol", "show", "node", nodes, NULL }, err) ==
            SCONTROL_SILENT)
        return FOUND_FAILED;
    if (plan_job_parse(&a->has, text->data, text->len, &no))
        return err_set(err, ERR_RETRY, "scontrol show job: %s", no.text);
    buf_reset(text);
    buf_reset(errs);
    if (ask(text, errs, (const char *[]){ "srun", "--mpi=list", NULL },
            err) == SCONTROL_SILENT)
        return FOUND_FAILED;
    a->pmix = (text->len && strstr(text->data, "pmix")) ||
              (errs->len && strstr(errs->data, "pmix"));
    return FOUND_ONE;
}

/* What Slurm's programs call this job alone.  srun takes the number, and means
 * this job by it. */
static void set_name(struct allocation *a)
{
    const char *array = getenv("SLURM_ARRAY_JOB_ID");
    uint64_t task;

    if (array && strcmp(array, a->job) == 0 &&
        get_variable(&task, "SLURM_ARRAY_TASK_ID"))
        snprintf(a->name, sizeof(a->name), "%s_%" PRIu64, a->job, task);
    else
        snprintf(a->name, sizeof(a->name), "%s", a->job);
}

enum found allocation_find(struct allocation *a, char left[128],
                           struct err *err)
{
    const char *job = getenv("SLURM_JOB_ID");
    struct allocation got = { .pmix = false };
    struct buf text, errs;
    enum found found;

    left[0] = '\0';
    if (!job || !slurm_is_id(job) || is_task())
        return FOUND_NONE;
    snprintf(got.job, sizeof(got.job), "%s", job);
    set_name(&got);
    buf_init(&text, ANSWER_MAX);
    buf_init(&errs, ERRORS_MAX);
    found = look(&got, &text, &errs, err);
    buf_clear(&errs);
    buf_clear(&text);
    if (found == FOUND_NONE)
        snprintf(left, 128, "SLURM_JOB_ID = %s is left over: job %s does not"
                 " run", got.job, got.name);
    if (found == FOUND_ONE)
        *a = got;
    return found;
}

/* ---- its steps ----------------------------------------------------------- */

/* What a step of a worker is called that was not started with a name of its
 * batch: that of apus-batch.sh as its program is. */
static const char *const programs[] = { "apus-worker", "orted", "prted", NULL };

static bool is_one_of(const char *name, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Call `each` for each step of a job, until it returns true. */
typedef bool step_fn(void *self, const char *step, const char *name);
static enum found walk_steps(const char *job, step_fn *each, void *self,
                             struct err *err)
{
    struct buf text, errs;
    bool found = false;
    enum scontrol said;

    buf_init(&text, ANSWER_MAX);
    buf_init(&errs, ERRORS_MAX);
    said = ask(&text, &errs, (const char *[]){
        "squeue", "-h", "-s", "-j", job, "-o", "%i %j", NULL }, err);
    for (char *line = text.len ? text.data : NULL, *next, *name;
         said == SCONTROL_YES && line && !found; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        name = strchr(line, ' ');
        if (!name || name - line >= LAUNCH_ID_SIZE)
            continue;
        *name++ = '\0';
        found = each(self, line, name);
    }
    buf_clear(&errs);
    buf_clear(&text);
    if (said == SCONTROL_SILENT)
        return FOUND_FAILED;
    return found ? FOUND_ONE : FOUND_NONE; /* SCONTROL_NO: it has none */
}

static bool note_other(void *self, const char *step, const char *name)
{
    struct buf *others = self;

    if (is_one_of(name, programs))
        buf_printf(others, "%s ", step);
    return false;
}

int allocation_note_others(struct allocation *a, struct err *err)
{
    struct buf others;
    size_t n;
    enum found found;

    buf_init(&others, ANSWER_MAX);
    found = walk_steps(a->name, note_other, &others, err);
    free(a->others);
    a->others = found == FOUND_NONE && others.len ? buf_take(&others, &n)
                                                  : NULL;
    buf_clear(&others);
    return found == FOUND_FAILED ? -1 : 0;
}

void allocation_clear(struct allocation *a)
{
    free(a->others);
    a->others = NULL;
}

/* Which step is looked for, and where it goes. */
struct search {
    const char *name, *others;
    bool any_program;
    char *step;
};

static bool is_noted(const char *others, const char *step)
{
    size_t n = strlen(step);

    for (; others && *others; others += strcspn(others, " ") + 1)
        if (strncmp(others, step, n) == 0 && others[n] == ' ')
            return true;
    return false;
}

static bool match(void *self, const char *step, const char *name)
{
    const struct search *s = self;
    bool found = strcmp(name, s->name) == 0 ||
                 (s->any_program && is_one_of(name, programs) &&
                  !is_noted(s->others, step));

    if (found && s->step)
        snprintf(s->step, LAUNCH_ID_SIZE, "%s", step);
    return found;
}

enum found allocation_has_step(const struct allocation *a, const char *name,
                               struct err *err)
{
    struct search s = { name, a->others, true, NULL };

    return walk_steps(a->name, match, &s, err);
}

enum found allocation_step(char step[LAUNCH_ID_SIZE], const char *job,
                           const char *name, struct err *err)
{
    struct search s = { name, NULL, false, step };

    return walk_steps(job, match, &s, err);
}

int allocation_report_step(const char *step, struct err *err)
{
    struct buf text, errs;
    enum scontrol said;
    int rc;

    buf_init(&text, ANSWER_MAX);
    buf_init(&errs, ERRORS_MAX);
    said = ask(&text, &errs, (const char *[]){
        "scancel", "-s", "USR1", step, NULL }, err);
    rc = said == SCONTROL_SILENT ? -1 : 0;
    if (said == SCONTROL_NO && !slurm_says_gone(errs.len ? errs.data : ""))
        rc = err_set(err, ERR_INPUT, "scancel %s: %.*s", step,
                     (int)strcspn(errs.len ? errs.data : "", "\n"),
                     errs.len ? errs.data : "");
    buf_clear(&errs);
    buf_clear(&text);
    return rc;
}

/* Whether `scontrol show job` tells of a job for batches: by the name that it
 * was given, or by its script. */
static bool is_for_batches(const char *text)
{
    const char *name = strstr(text, " JobName=");
    const char *command = strstr(text, "\n   Command=");
    struct launch_job j = { .state = LAUNCH_RUNNING };
    char job_name[LAUNCH_NAME_SIZE + 1] = "";
    size_t n;

    if (name) {
        name += strlen(" JobName=");
        snprintf(job_name, sizeof(job_name), "%.*s",
                 (int)strcspn(name, "\n"), name);
    }
    launch_set_batch(&j, job_name);
    if (j.batch[0] || strcmp(job_name, "apus") == 0)
        return true;
    command = command ? command + 1 + strlen("   Command=") : "";
    n = strcspn(command, " \n");
    return n > strlen(SCRIPT) &&
           strncmp(command + n - strlen(SCRIPT), SCRIPT, strlen(SCRIPT)) == 0;
}

enum allocation_use allocation_use(const char *job, struct err *err)
{
    struct buf text, errs;
    enum allocation_use use = ALLOCATION_OURS;
    enum scontrol said;

    buf_init(&text, ANSWER_MAX);
    buf_init(&errs, ERRORS_MAX);
    said = ask(&text, &errs, (const char *[]){
        "scontrol", "show", "job", job, NULL }, err);
    if (said == SCONTROL_SILENT)
        use = ALLOCATION_UNKNOWN;
    else if (said == SCONTROL_YES && text.len && !is_for_batches(text.data))
        use = ALLOCATION_OTHERS;
    buf_clear(&errs);
    buf_clear(&text);
    return use;
}

/* What mpirun reads of an allocation. */
static void add_variables(struct words *env)
{
    static const char *const names[] = { "SLURM_JOB_ID", "SLURM_JOBID",
        "SLURM_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NNODES",
        "SLURM_JOB_NUM_NODES", "SLURM_TASKS_PER_NODE",
        "SLURM_JOB_CPUS_PER_NODE", NULL };

    for (size_t i = 0; names[i]; i++)
        if (getenv(names[i]))
            words_printf(env, "%s=%s", names[i], getenv(names[i]));
}

void allocation_words(char ***words, char ***env, const struct allocation *a,
                      const struct plan *p, const char *name)
{
    struct words w = { NULL, 0 }, e = { NULL, 0 };

    words_add(&w, a->pmix ? "srun" : "mpirun");
    if (a->pmix) {
        words_printf(&w, "--jobid=%s", a->job);
        words_printf(&w, "--job-name=%s", name);
        words_add_all(&w, (const char *[]){ "--mpi=pmix", "--no-kill",
            "--kill-on-bad-exit=0", "--export=ALL", NULL });
        words_printf(&w, "--nodes=%" PRIu64, a->has.nodes);
        words_printf(&w, "--ntasks=%" PRIu64, p->ranks);
        if (p->per_node)
            words_printf(&w, "--ntasks-per-node=%" PRIu64, p->per_node);
        words_printf(&w, "--cpus-per-task=%" PRIu64, p->cpus);
        if (p->overcommit)
            words_add(&w, "--overcommit");
    } else {
        words_add(&w, "-np");
        words_printf(&w, "%" PRIu64, p->ranks);
        if (p->per_node) {
            words_add(&w, "-npernode");
            words_printf(&w, "%" PRIu64, p->per_node);
        }
        add_variables(&e);
        /* its step, too, has the name of its batch */
        if (!getenv("OMPI_MCA_plm_slurm_args"))
            words_printf(&e, "OMPI_MCA_plm_slurm_args=--job-name=%s", name);
    }
    words_printf(&e, "APUS_JOB_MEMORY=%" PRIu64, p->memory);
    *words = (char **)w.v;
    *env = (char **)e.v;
}

void allocation_free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}
