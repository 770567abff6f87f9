/*
 * jobs/launcher.h.  Without arguments: what can be tried without starting a
 * worker.  With arguments it drives a launcher for the scenarios:
 *
 *   t_launcher LAUNCHER submit|show|wait [--worker=W] [--batch=B] [--ranks=N]
 *              [--nodes=N] [--log=L] [--dir=D] [--option=O]... [-- ARG...]
 *   t_launcher LAUNCHER find BATCH
 *   t_launcher LAUNCHER states ID...
 *   t_launcher LAUNCHER cancel ID...
 *
 * Exit status 1 with the error's code and text on standard error; of `wait`
 * that of the worker; of `find` 0 found, 4 none.
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/mem.h"
#include "jobs/child.h"
#include "jobs/launcher.h"
#include "jobs/launcher_internal.h"
#include "jobs/slurm_answer.h"
#include "tests/tap.h"

#define BATCH "-BCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnop"
#define OPTIONS_MAX 16
#define JOBS_MAX 64

/* ---- the driver --------------------------------------------------------- */

static int failed(const struct err *err)
{
    static const char *const codes[] = { "none", "retry", "input", "fatal" };

    fprintf(stderr, "%s: %s\n", codes[err->code], err->text);
    return 1;
}

static void print_job(const struct launch_job *j)
{
    static const char *const states[] = { "pending", "running", "over",
                                          "unanswered" };

    printf("%s %s %s\n", j->id, states[j->state], j->reason);
}

/* The value if the word is --name=value. */
static const char *value(const char *word, const char *name)
{
    size_t n = strlen(name);

    return strncmp(word, name, n) == 0 ? word + n : NULL;
}

static void parse(struct launch *l, const char **options, char **argv)
{
    static const char *const none[] = { NULL };
    size_t n = 0;

    *l = (struct launch){ .worker = "apus-worker", .args = none };
    for (; *argv && strcmp(*argv, "--") != 0; argv++) {
        const char *v;

        if ((v = value(*argv, "--worker=")))
            l->worker = v;
        else if ((v = value(*argv, "--batch=")))
            l->batch = v;
        else if ((v = value(*argv, "--ranks=")))
            l->ranks = (unsigned)atoi(v);
        else if ((v = value(*argv, "--nodes=")))
            l->nodes = (unsigned)atoi(v);
        else if ((v = value(*argv, "--log=")))
            l->log = v;
        else if ((v = value(*argv, "--dir=")))
            l->dir = v;
        else if ((v = value(*argv, "--option=")) && n < OPTIONS_MAX)
            options[n++] = v;
    }
    options[n] = NULL;
    l->options = options;
    if (*argv)
        l->args = (const char *const *)(argv + 1);
}

static int drive_launch(const struct launcher *k, const char *what,
                        char **argv)
{
    const char *options[OPTIONS_MAX + 1];
    char id[LAUNCH_ID_SIZE] = "";
    struct err err = ERR_INIT;
    struct launch l;
    struct buf out;
    int status = 0;

    parse(&l, options, argv);
    if (strcmp(what, "show") == 0) {
        buf_init(&out, 65536);
        k->show(&l, &out);
        puts(out.data);
        buf_clear(&out);
        return 0;
    }
    if (strcmp(what, "wait") == 0)
        return launch_wait(&l, &status, &err) ? failed(&err) : status;
    if (k->submit(&l, id, &err))
        return failed(&err);
    puts(id);
    return 0;
}

static int print_list(const struct launcher *k)
{
    struct launch_job *jobs = NULL;
    struct err err = ERR_INIT;
    size_t n = 0;

    if (k->list(&jobs, &n, &err))
        return failed(&err);
    for (size_t i = 0; i < n; i++)
        printf("%s %s\n", jobs[i].batch, jobs[i].name);
    free(jobs);
    return 0;
}

static int drive(int argc, char **argv)
{
    const struct launcher *k = NULL;
    struct launch_job jobs[JOBS_MAX] = { { .id = "" } };
    struct err err = ERR_INIT;
    int n = argc - 3;

    if (launcher_choose(&k, argv[1], &err))
        return failed(&err);
    if (argc < 3)
        return 2;
    if (strcmp(argv[2], "name") == 0)
        return puts(k->name) < 0;
    if (strcmp(argv[2], "find") == 0 && n == 1) {
        enum found found = k->find(argv[3], 0, &jobs[0], &err);

        if (found == FOUND_ONE)
            print_job(&jobs[0]);
        if (found == FOUND_FAILED)
            return failed(&err);
        return found == FOUND_ONE ? 0 : 4;
    }
    if (strcmp(argv[2], "list") == 0 && n == 0)
        return print_list(k);
    if (strcmp(argv[2], "cancel") == 0 && n == 1)
        return k->cancel(argv[3], &err) ? failed(&err) : 0;
    if (strcmp(argv[2], "cancel") == 0 && n > 1)
        return k->cancel_all((const char *const *)argv + 3, (size_t)n, &err)
                   ? failed(&err) : 0;
    if (strcmp(argv[2], "states") == 0 && n <= JOBS_MAX) {
        for (int i = 0; i < n; i++)
            snprintf(jobs[i].id, sizeof(jobs[i].id), "%s", argv[3 + i]);
        if (k->states(jobs, (size_t)n, &err))
            return failed(&err);
        for (int i = 0; i < n; i++)
            print_job(&jobs[i]);
        return 0;
    }
    return drive_launch(k, argv[2], argv + 3);
}

/* ---- the table ---------------------------------------------------------- */

static void test_names(void)
{
    const struct launcher *l = NULL;
    struct err err = ERR_INIT;

    ok(launcher_find("local") &&
       strcmp(launcher_find("local")->name, "local") == 0, "local");
    ok(launcher_find("slurm") &&
       strcmp(launcher_find("slurm")->name, "slurm") == 0, "slurm");
    ok(!launcher_find("pbs") && !launcher_find(""), "no other");
    setenv("SLURM_CONF", tap_missing("slurm.conf"), 1);
    ok(launcher_choose(&l, "auto", NULL) == 0 && l == launcher_find("slurm"),
       "auto with SLURM_CONF is slurm");
    unsetenv("SLURM_CONF");
    ok(!launcher_find("auto") && launcher_choose(&l, "pbs", &err) &&
       err.code == ERR_INPUT && l == launcher_find("slurm"), "auto is none");
}

/* A sinfo alone in PATH: "local", "slurm", or the text of the error. */
static const char *auto_with(const char *dir, const char *script,
                             struct err *err)
{
    const struct launcher *l = NULL;
    char *path = xasprintf("%s/sinfo", dir), *old = xstrdup(getenv("PATH"));
    FILE *f = script ? fopen(path, "w") : NULL;

    if (f) {
        fprintf(f, "#!/bin/sh\n%s\n", script);
        fclose(f);
        chmod(path, 0755);
    }
    *err = (struct err)ERR_INIT;
    setenv("PATH", dir, 1);
    if (launcher_choose(&l, "auto", err) && l)
        err->code = ERR_NONE; /* it shall be as it was */
    setenv("PATH", old, 1);
    unlink(path);
    free(path);
    free(old);
    return l ? l->name : err->text;
}

static void test_auto(const char *dir)
{
    struct err err;

    ok(strcmp(auto_with(dir, NULL, &err), "local") == 0,
       "auto: without Slurm's programs local");
    ok(strcmp(auto_with(dir, "exit 0", &err), "slurm") == 0,
       "auto: an answer is slurm");
    ok(strcmp(auto_with(dir, "echo 'sinfo: error: x: Unknown host' >&2\n"
                        "echo 'sinfo: fatal: Could not establish a"
                        " configuration source' >&2; exit 1", &err),
              "local") == 0, "auto: unconfigured programs: local");
    ok(strstr(auto_with(dir, "exit 1", &err), "sinfo ended with status 1;") &&
       err.code == ERR_RETRY, "auto: no answer: %s", err.text);
    ok(strstr(auto_with(dir, "echo a >&2; echo Unable to contact >&2; exit 1",
                        &err), "status 1: Unable to contact;") &&
       err.code == ERR_RETRY, "auto: it says why");
    ok(strstr(auto_with(dir, "echo 'x: Host name lookup failure' >&2\n"
                        "echo 'Could not establish a configuration source'"
                        " >&2; exit 1", &err), "configuration source") &&
       err.code == ERR_RETRY, "auto: a name server that is down");
    setenv("APUS_SLURM_TIMEOUT", "1", 1);
    ok(strstr(auto_with(dir, "while :; do :; done", &err), "longer than 1 s")
       && err.code == ERR_RETRY, "auto: one that hangs: %s", err.text);
    unsetenv("APUS_SLURM_TIMEOUT");
}

static void test_bad_input(void)
{
    static const char *const names[] = { "local", "slurm" };
    static const char *const none[] = { NULL };
    static const char *const other[] = { "--clusters=far", NULL };
    struct launch l = { .worker = tap_missing("w"), .args = none,
                        .log = tap_missing("w") };

    for (size_t i = 0; i < 2; i++) {
        const struct launcher *k = launcher_find(names[i]);
        struct launch_job j = { .id = "none" };
        char id[LAUNCH_ID_SIZE] = "as it was";
        struct err err = ERR_INIT;

        l.batch = "short";
        ok(k->submit(&l, id, &err) == -1 && err.code == ERR_INPUT,
           "%s: an invalid batch id", names[i]);
        ok(k->find("$(x)", 0, &j, &err) == FOUND_FAILED &&
               err.code == ERR_INPUT,
           "%s: find of one", names[i]);
        l.batch = BATCH;
        l.ranks = LAUNCH_RANKS_MAX + 1;
        ok(k->submit(&l, id, &err) == -1 && strcmp(id, "as it was") == 0,
           "%s: too many ranks", names[i]);
        l.ranks = 0;
        ok(k->states(&j, 1, &err) == -1 && err.code == ERR_INPUT &&
           strcmp(j.id, "none") == 0, "%s: states of no id", names[i]);
        ok(k->cancel("-1", &err) == -1 && err.code == ERR_INPUT &&
           k->cancel("0", &err) == -1 && k->cancel("-1:1", &err) == -1,
           "%s: cancel of no id", names[i]);
    }
    l.options = other;
    ok(launcher_find("slurm")->submit(&l, (char[LAUNCH_ID_SIZE]){ "" },
                                      NULL) == -1, "slurm: another cluster");
}

/* ---- show --------------------------------------------------------------- */

static void shows(const char *name, const struct launch *l, const char *want,
                  const char *what)
{
    struct buf out;

    buf_init(&out, 65536);
    launcher_find(name)->show(l, &out);
    if (!ok(strcmp(out.data, want) == 0, "%s: %s", name, what))
        printf("# got  %s\n# want %s\n", out.data, want);
    buf_clear(&out);
}

static void test_show(void)
{
    static const char *const args[] = { BATCH, "--spool", "/a b/it's", "",
                                        NULL };
    static const char *const none[] = { NULL };
    static const char *const big[] = { "-p", "big", NULL };
    struct launch l = { .worker = "/opt/w/apus-worker", .batch = BATCH,
                        .args = args, .log = "/var/log/50%", .dir = "/s p" };

    shows("local", &l, "cd '/s p' && /opt/w/apus-worker --alone " BATCH
          " --spool '/a b/it'\\''s' '' >>/var/log/50% 2>&1",
          "one rank, with words that need quotes");
    l.ranks = 4000;
    l.args = none;
    l.options = (const char *const[]){ "--map-by", "node", NULL };
    l.log = l.dir = NULL;
    shows("local", &l, geteuid() == 0
          ? "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun"
            " --bind-to none -np 4000 --oversubscribe --map-by node"
            " /opt/w/apus-worker"
          : "mpirun --bind-to none -np 4000 --oversubscribe --map-by node"
            " /opt/w/apus-worker", "more ranks than CPUs");
    setenv("PATH", tap_missing("bin"), 1);
    l.options = big;
    l.log = "/var/log/50%";
    l.dir = "/s p";
    l.nodes = 2;
    l.whole_nodes = true;
    l.ranks = 4;
    l.args = args;
    shows("slurm", &l, "sbatch --parsable --open-mode=append --export=ALL"
          " --job-name=apus-" BATCH " --comment=apus-" BATCH
          " --dependency=singleton --output=/var/log/50%% '--chdir=/s p'"
          " --nodes=2 --ntasks-per-node=4 --exclusive -p big"
          " --job-name=apus-" BATCH " apus-batch.sh"
          " --worker=/opt/w/apus-worker " BATCH
          " --spool '/a b/it'\\''s' ''", "everything");
    l = (struct launch){ .worker = "apus-worker", .args = none };
    shows("slurm", &l, "sbatch --parsable --open-mode=append --export=ALL"
          " --job-name=apus"
          " --comment=apus apus-batch.sh", "nothing");
}

/* ---- answers ------------------------------------------------------------ */

#define B1 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
#define B2 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* The third field as SLURM_QUEUE_FORMAT has it. */
static void test_queue_names(void)
{
    static const char text[] =
        "7 RUNNING None|5_1|apus\n"
        "8 PENDING JobHeldUser|8|apus-" B1 "|apus-" B1 ":77\n"
        "9 PENDING Nodes required are DOWN|9_[0-1]|apus-" B2 "\n"
        "13 PENDING None|13|apus-" B1 "|apus-" B1 ":18446744073709551615\n"
        "14 PENDING None|14|apus-" B1 "|a | comment: 78\n"
        "15 PENDING None|15|apus-" B1 "|apus-" B1 ":1844674407370955161600\n"
        "10 PENDING Priority|10|a name | of somebody\n"
        "11 PENDING Priority|11|apus-" B1 "x\n12 PENDING None|12";
    struct launch_job *jobs = NULL;
    size_t n = 0;

    ok(slurm_parse_queue(&jobs, &n, text, sizeof(text) - 1, NULL) == 0 &&
       n == 9, "squeue: nine jobs with names");
    ok(n == 9 && strcmp(jobs[0].name, "5_1") == 0 && !jobs[0].batch[0],
       "squeue: a task of an array");
    ok(n == 9 && jobs[1].spool == 77 && !jobs[2].spool &&
       jobs[3].spool == UINT64_MAX && !jobs[4].spool && !jobs[5].spool,
       "squeue: the spool of a job's batch");
    ok(n == 9 && strcmp(jobs[1].batch, B1) == 0 &&
       strcmp(jobs[1].reason, "JobHeldUser") == 0,
       "squeue: the batch of a job");
    ok(n == 9 && strcmp(jobs[2].name, "9_[0-1]") == 0 &&
       strcmp(jobs[2].reason, "Nodes required are DOWN") == 0,
       "squeue: a reason of several words");
    ok(n == 9 && !jobs[6].batch[0] && !jobs[7].batch[0] &&
       !jobs[8].batch[0], "squeue: jobs for no batch");
    if (n == 9)
        n = launch_keep_batches(jobs, n);
    ok(n == 5 && strcmp(jobs[0].id, "9") == 0 &&
       strcmp(jobs[1].batch, B1) == 0, "jobs for batches, sorted by batch");
    free(jobs);
}

static void test_spools(void)
{
    const struct launch_job jobs[] = {
        { .batch = B2, .spool = 77 }, { .batch = B1, .spool = 77 },
        { .batch = B1, .spool = 79 }
    };
    const struct launch_job old = { .batch = B1 };

    ok(launch_job_of(jobs, 3, B1, 77) == &jobs[1] &&
       launch_job_of(jobs, 3, B1, 79) == &jobs[2] &&
       !launch_job_of(jobs, 3, B1, 78), "the job of a batch of one spool");
    ok(launch_job_of(jobs, 3, B1, 0) == &jobs[1] &&
       launch_job_of(&old, 1, B1, 78) == &old,
       "of a spool or a job that is not known");
}

static void test_queue(void)
{
    static const char text[] = "7 PENDING Resources\n8 RUNNING None\n\n"
                               "9 COMPLETING None\n10 TIMEOUT TimeLimit\n"
                               "11 NEWWORD \x01what is it\n12 COMPLETED None";
    static const char *const bad[] = { "7", "x PENDING None\n", "7 \n",
        "-7 PENDING None\n", "99999999999999999999 PENDING None",
        "7 AWORDTHATISMUCHTOOLONGFORTHIS_AND_MORE None" };
    struct launch_job *jobs = NULL;
    size_t n = 0;

    ok(slurm_parse_queue(&jobs, &n, text, sizeof(text) - 1, NULL) == 0 &&
       n == 6, "squeue: six jobs");
    ok(n == 6 && jobs[0].state == LAUNCH_PENDING &&
       strcmp(jobs[0].id, "7") == 0 &&
       strcmp(jobs[0].reason, "Resources") == 0, "squeue: pending");
    ok(n == 6 && jobs[1].state == LAUNCH_RUNNING &&
       jobs[2].state == LAUNCH_RUNNING, "squeue: what completes still runs");
    ok(n == 6 && jobs[3].state == LAUNCH_OVER &&
       jobs[5].state == LAUNCH_OVER &&
       strcmp(jobs[5].reason, "COMPLETED") == 0, "squeue: over");
    ok(n == 6 && jobs[4].state == LAUNCH_RUNNING &&
       strcmp(jobs[4].reason, "?what is it") == 0,
       "squeue: an unknown word is a job that lives");
    free(jobs);
    jobs = NULL;
    ok(slurm_parse_queue(&jobs, &n, "", 0, NULL) == 0 && n == 0 && !jobs,
       "squeue: no job");
    test_queue_names();
    test_spools();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(slurm_parse_queue(&jobs, &n, bad[i], strlen(bad[i]), NULL) == -1 &&
           !jobs, "squeue: bad line %zu", i);
}

static void test_reply(void)
{
    static const char jobs[] = "{\"jobs\":[{\"id\":\"7\",\"state\":"
        "\"over\",\"reason\":\"COMPLETED\",\"name\":\"5_1\",\"job_name\":"
        "\"apus-" B1 "\"}]}";
    static const char *const bad[] = { "", "down\n", "{}", "[]",
        "{\"id\":7}", "{\"id\":\"x\"}", "{\"jobs\":7}", "{\"jobs\":[{}]}",
        "{\"jobs\":[{\"id\":\"7\",\"state\":\"lost\",\"reason\":\"\"}]}" };
    static const char error[] = "{\"error\":\"no\",\"retry\":true}\n";
    char id[LAUNCH_ID_SIZE] = "";
    struct slurm_reply r = { .jobs = NULL };

    ok(slurm_parse_reply(&r, jobs, strlen(jobs), NULL) == 0 && !r.failed &&
       r.n == 1 && r.jobs[0].state == LAUNCH_OVER, "helper: jobs");
    ok(r.n == 1 && strcmp(r.jobs[0].name, "5_1") == 0 &&
       strcmp(r.jobs[0].batch, B1) == 0, "helper: the names of a job");
    free(r.jobs);
    ok(slurm_parse_reply(&r, error, strlen(error), NULL) == 0 && r.failed &&
       r.retry && strcmp(r.error, "no") == 0, "helper: an error");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(slurm_parse_reply(&r, bad[i], strlen(bad[i]), NULL) == -1,
           "helper: bad answer %zu", i);
    ok(slurm_parse_submitted(id, "17\n", NULL) == 0 &&
       strcmp(id, "17") == 0, "sbatch: an id");
    ok(slurm_parse_submitted(id, "18;far\n", NULL) == 0 &&
       strcmp(id, "18") == 0, "sbatch: an id and a cluster");
    ok(slurm_parse_submitted(id, "Submitted 7\n", NULL) == -1 &&
       strcmp(id, "18") == 0, "sbatch: no id");
}

static void test_time_left(void)
{
    static const struct {
        const char *text;
        uint64_t seconds;
    } good[] = {
        { "0", 0 }, { "90", 90 }, { "0:00", 0 }, { "0:59", 59 },
        { "59:59", 3599 }, { "90:00", 5400 }, { "1:00:00", 3600 },
        { "23:59:59", 86399 }, { "1-00:00:00", 86400 },
        { "365-23:59:59", 31622399 }, { "999999999", 999999999 },
    };
    static const char *const none[] = { "", "UNLIMITED", "NOT_SET",
                                        "INVALID" };
    static const char *const bad[] = { "x", "-", ":", "-1", "1:", ":30",
        "1:5", "1:60", "1:2:3", "1:00:60", "1-", "1-10", "1-10:00",
        "1-24:00:00", "1-1:00:00:00", "1:00:00:00", "1.5", " 5", "5 ",
        "0:-5", "1-2-3", "1000000000", "99999999999999999999:00",
        "unlimited" };
    static const uint64_t work[][2] = {
        { 86400, 86340 }, { 600, 540 }, { 599, 540 }, { 300, 270 },
        { 101, 91 }, { 60, 50 }, { 11, 1 }, { 10, 0 }, { 0, 0 },
    };
    uint64_t s = 7;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ok(slurm_parse_time_left(&s, good[i].text, NULL) == FOUND_ONE &&
           s == good[i].seconds, "time left: %s", good[i].text);
    s = 7;
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        ok(slurm_parse_time_left(&s, none[i], NULL) == FOUND_NONE && s == 7,
           "time left: no limit in \"%s\"", none[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(slurm_parse_time_left(&s, bad[i], NULL) == FOUND_FAILED && s == 7,
           "time left: \"%s\" is refused", bad[i]);
    for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++)
        ok(slurm_work_seconds(work[i][0]) == work[i][1],
           "of %u s it works %u", (unsigned)work[i][0],
           (unsigned)work[i][1]);
}

/* ---- environment -------------------------------------------------------- */

static int env_has(char *const *env, const char *line)
{
    for (; *env; env++)
        if (strcmp(*env, line) == 0)
            return 1;
    return 0;
}

static void test_environment(void)
{
    static const char *const extra[] = { "APUS_X=new", NULL };
    char **env;

    setenv("SLURM_JOB_ID", "1", 1);
    setenv("SLURM_CONF", "c", 1);
    setenv("PMIX_RANK", "1", 1);
    setenv("OMPI_COMM_WORLD_RANK", "1", 1);
    setenv("OMPI_MCA_pml", "ob1", 1);
    setenv("OMPI_MCA_orte_hnp_uri", "1", 1);
    setenv("OMPI_MCA_ess", "^singleton", 1);
    setenv("SRUN_DEBUG", "3", 1);
    setenv("SBATCH_MEM_BIND_TYPE", "x", 1);
    setenv("SECRET", "s", 1);
    setenv("APUS_X", "old", 1);
    env = child_env_new(CHILD_ENV_CLEAN, extra);
    ok(!env_has(env, "SLURM_JOB_ID=1") && !env_has(env, "PMIX_RANK=1") &&
       !env_has(env, "OMPI_COMM_WORLD_RANK=1") &&
       !env_has(env, "OMPI_MCA_orte_hnp_uri=1") &&
       !env_has(env, "OMPI_MCA_ess=^singleton") &&
       !env_has(env, "SRUN_DEBUG=3"), "leftovers are left out");
    ok(env_has(env, "SLURM_CONF=c") && env_has(env, "OMPI_MCA_pml=ob1") &&
       env_has(env, "SECRET=s"), "what a person sets stays");
    ok(env_has(env, "APUS_X=new") && !env_has(env, "APUS_X=old"),
       "an addition replaces");
    child_env_free(env);
    env = child_env_new(CHILD_ENV_JOB, NULL);
    ok(!env_has(env, "SECRET=s") && !env_has(env, "SLURM_JOB_ID=1") &&
       !env_has(env, "SBATCH_MEM_BIND_TYPE=x") &&
       env_has(env, "APUS_X=old") && env_has(env, "SLURM_CONF=c"),
       "a job gets little");
    child_env_free(env);
}

/* ---- a program to its end ----------------------------------------------- */

static int runs(const char *script, unsigned timeout_ms, struct buf *out,
                int *status, struct err *err)
{
    const char *const argv[] = { "/bin/sh", "-c", script, NULL };
    struct buf errs;
    int rc;

    buf_init(&errs, 100);
    rc = child_run(status, out, &errs, argv, NULL, timeout_ms, err);
    buf_clear(&errs);
    return rc;
}

static void test_run(void)
{
    const char *const missing[] = { tap_missing("x"), NULL };
    struct err err = ERR_INIT;
    struct buf out;
    int status = -1;

    buf_init(&out, 10);
    ok(runs("echo hello; exit 7", 60000, &out, &status, &err) == 0 &&
       status == 7 && strcmp(out.data, "hello\n") == 0, "output and status");
    buf_reset(&out);
    ok(runs("kill -9 $$", 60000, &out, &status, &err) == 0 && status == 137,
       "killed");
    ok(runs("echo 0123456789abcdef; exit 3", 60000, &out, &status, &err) == 0
       && status == 3 && out.full && out.len == 10, "too much output");
    buf_reset(&out);
    ok(runs("sleep 60 & sleep 60", 200, &out, &status, &err) == -1 &&
       err.code == ERR_RETRY, "a deadline");
    ok(runs("exec >&- 2>&-; sleep 60", 200, &out, &status, &err) == -1 &&
       err.code == ERR_RETRY, "a deadline with closed outputs");
    ok(runs("ps -o sid= -p $$ | grep -qw $$ || [ ! -x /bin/ps ]", 60000, &out,
            &status, &err) == 0 && status == 0, "a session of its own");
    ok(child_run(&status, &out, &out, missing, NULL, 60000, &err) == -1 &&
       err.code == ERR_INPUT, "no such program");
    buf_clear(&out);
}

static void test_filter(void)
{
    const char *const argv[] = { "/bin/sh", "-c", "tr a-z A-Z; kill -8 $$",
                                 NULL };
    const char *const missing[] = { "/dev/null/x", NULL };
    struct err err = ERR_INIT;
    FILE *f = tmpfile();
    int status = -1;
    struct buf out;
    char *path;

    buf_init(&out, 100);
    fputs("some text", f);
    fflush(f);
    rewind(f);
    ok(child_filter(&status, &out, &out, fileno(f), argv, 10000, &err) == 0 &&
       status == 136 && strcmp(out.data, "SOME TEXT") == 0,
       "a program reads a descriptor %s", err.text);
    ok(child_filter(&status, &out, &out, fileno(f), missing, 1000, &err) == -1
       && err.code == ERR_INPUT, "no such program: %s", err.text);
    setenv("APUS_LIBEXEC", "/some/where", 1);
    path = child_helper("it");
    ok(strcmp(path, "/some/where/it") == 0, "a helper is where APUS_LIBEXEC"
       " says");
    free(path);
    unsetenv("APUS_LIBEXEC");
    path = child_helper("it");
    ok(strcmp(path, APUS_LIBEXECDIR "/it") == 0, "or where it was installed");
    free(path);
    path = child_shared("it");
    ok(strcmp(path, APUS_PKGDATADIR "/it") == 0, "what is shared, too");
    free(path);
    buf_clear(&out);
    fclose(f);
}

int main(int argc, char **argv)
{
    const char *dir;

    if (argc > 1)
        return drive(argc, argv);
    dir = tap_tmp();
    test_names();
    test_auto(dir);
    rmdir(dir);
    test_bad_input();
    test_environment();
    test_run();
    test_filter();
    test_queue();
    test_reply();
    test_time_left();
    test_show();
    return done();
}
