/*
 * What squeue, sbatch and apus-slurm may answer, as the first byte says.  Jobs
 * that are accepted have ids that can be asked for again and texts of one
 * printable line; what is refused leaves its argument alone.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/found.h"
#include "jobs/plan.h"
#include "jobs/slurm_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void check_line(const char *text, size_t size)
{
    size_t n = 0;

    while (n < size && text[n] >= ' ' && text[n] <= '~')
        n++;
    must(n < size && text[n] == '\0');
}

static void check_jobs(const struct launch_job *jobs, size_t n)
{
    must(n <= SLURM_JOBS_MAX);
    for (size_t i = 0; i < n; i++) {
        check_line(jobs[i].id, sizeof(jobs[i].id));
        check_line(jobs[i].reason, sizeof(jobs[i].reason));
        check_line(jobs[i].name, sizeof(jobs[i].name));
        must(!jobs[i].batch[0] ||
             strlen(jobs[i].batch) == LAUNCH_BATCH_LEN);
        must(slurm_is_id(jobs[i].id) && jobs[i].state <= LAUNCH_OVER);
    }
}

static void try_queue(const char *text, size_t n)
{
    struct launch_job *jobs = NULL;
    struct err err = ERR_INIT;
    size_t n_jobs = 7;

    if (slurm_parse_queue(&jobs, &n_jobs, text, n, &err)) {
        must(err.code == ERR_INPUT && !jobs && n_jobs == 7);
        return;
    }
    check_jobs(jobs, n_jobs);
    free(jobs);
}

static void try_reply(const char *text, size_t n)
{
    struct slurm_reply r = { .n = 7 };
    struct err err = ERR_INIT;

    if (slurm_parse_reply(&r, text, n, &err)) {
        must(err.code == ERR_INPUT && !r.jobs && r.n == 7);
        return;
    }
    check_line(r.error, sizeof(r.error));
    must(r.failed || r.jobs || slurm_is_id(r.id));
    check_jobs(r.jobs, r.n);
    free(r.jobs);
}

static void try_submitted(const char *data, size_t n)
{
    char id[LAUNCH_ID_SIZE] = "7", *text = calloc(1, n + 1);
    struct err err = ERR_INIT;

    must(text);
    memcpy(text, data, n);
    if (slurm_parse_submitted(id, text, &err))
        must(err.code == ERR_INPUT && strcmp(id, "7") == 0);
    else
        must(slurm_is_id(id));
    free(text);
}

static void try_time_left(const char *data, size_t n)
{
    char *text = calloc(1, n + 1);
    struct err err = ERR_INIT;
    uint64_t s = 7;
    enum found found;

    must(text);
    memcpy(text, data, n);
    found = slurm_parse_time_left(&s, text, &err);
    must(found == FOUND_ONE ? s < (uint64_t)1 << 48 : s == 7);
    must(found != FOUND_FAILED || err.code == ERR_INPUT);
    must(slurm_work_seconds(s) <= s);
    free(text);
}

static void try_plan(const char *text, size_t n)
{
    const struct plan_need need = { .model = 1000, .kv = 5, .requests = 9 };
    struct plan_job j = { .nodes = 7 };
    struct err err = ERR_INIT;
    char said[PLAN_TEXT];
    struct plan p;

    if (plan_job_parse(&j, text, n, &err)) {
        must(err.code == ERR_INPUT && j.nodes == 7);
        return;
    }
    must(j.nodes > 0);
    plan_make(&p, &j, &need);
    must(p.cpus > 0);
    plan_describe(said, &p, &j, &need);
    check_line(said, sizeof(said));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;

    if (size == 0)
        return 0;
    if (data[0] == 'q')
        try_queue(text, size - 1);
    else if (data[0] == 's')
        try_submitted(text, size - 1);
    else if (data[0] == 't')
        try_time_left(text, size - 1);
    else if (data[0] == 'p')
        try_plan(text, size - 1);
    else
        try_reply(text, size - 1);
    return 0;
}
