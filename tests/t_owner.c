/*
 * src/store: owners of batches.  This process and others of this host (alive,
 * ended, a zombie, another with the same pid, with a strange name), other
 * hosts and boots, Slurm's answers, no owner, one that cannot be read, and
 * what its file may say.
 */
#include <config.h>

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "tests/spool_util.h"
#include "base/found.h"

#define STALE_S 900

static struct spool *spool;
static struct batch batch; /* in running */
static char *owner_path; /* of the file of owner that counts */

/* It is the last. */
static void find_owner(void)
{
    int n = 1;

    do {
        free(owner_path);
        owner_path = xasprintf("%s/owner-%04d", batch.path, n++);
    } while (file_exists(at("spool/running/%s/owner-%04d",
                            strrchr(batch.path, '/') + 1, n)));
}

static const char *life(slurm_over_fn *over, void *self)
{
    static const char *const names[] = { "alive", "dead", "unknown" };

    return names[owner_judge(&batch, over, self, STALE_S)];
}

static void forget_owners(void)
{
    do
        find_owner();
    while (unlink(owner_path) == 0);
}

/* Judge this owner, whose file is so old. */
static bool is(const char *want, const struct owner *o, time_t age_s)
{
    struct err err = ERR_INIT;

    if (owner_write(batch.path, o, &err))
        printf("# %s\n", err.text);
    find_owner();
    backdate(owner_path, age_s);
    return strcmp(life(NULL, NULL), want) == 0;
}

/* ---- this host ---------------------------------------------------------- */

static void test_self(void)
{
    struct err err = ERR_INIT;
    struct owner o, again;

    owner_self(&o);
    printf("# %s %s %ld %lu\n", o.host, o.boot, (long)o.pid,
           (unsigned long)o.pid_start);
    ok(o.pid == getpid() && o.host[0] && !o.slurm_job[0] &&
       o.slurm_restarts == 0, "this process");
    ok(owner_read(&again, batch.path, &err) == FOUND_NONE, "there is no owner");
    ok(owner_write(batch.path, &o, &err) == 0 &&
       owner_read(&again, batch.path, &err) == FOUND_ONE &&
       memcmp(&o, &again, sizeof(o)) == 0, "written and read");

    setenv("SLURM_JOB_ID", "1234", 1);
    owner_self(&o);
    ok(strcmp(o.slurm_job, "1234") == 0 && o.slurm_restarts == 0,
       "in a job of Slurm");
    setenv("SLURM_RESTART_COUNT", "2", 1);
    owner_self(&o);
    ok(strcmp(o.slurm_job, "1234") == 0 && o.slurm_restarts == 2 &&
       owner_write(batch.path, &o, &err) == 0 &&
       owner_read(&again, batch.path, &err) == FOUND_ONE &&
       memcmp(&o, &again, sizeof(o)) == 0, "which was requeued");
    setenv("SLURM_JOB_ID", "12;x", 1);
    owner_self(&o);
    ok(!o.slurm_job[0] && o.slurm_restarts == 0, "no job id");
    setenv("SLURM_JOB_ID", "12345678901234567890123456789012", 1);
    owner_self(&o);
    ok(!o.slurm_job[0], "a job id that is too long");
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
}

/* A child with a name that looks like fields; it writes its owner, and ends
 * when it is told to. */
static pid_t start_child(struct owner *o)
{
    struct err err = ERR_INIT;
    int ready[2];
    char c = 0;
    pid_t pid;

    if (pipe(ready))
        abort();
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_NAME, "a) Z 1 (b) 2 3");
        owner_self(o);
        if (owner_write(batch.path, o, &err) || write(ready[1], &c, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    if (read(ready[0], &c, 1) != 1 ||
        owner_read(o, batch.path, &err) != FOUND_ONE)
        printf("# no child\n");
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void test_processes(void)
{
    struct owner o, other;
    siginfo_t info;
    pid_t pid;

    owner_self(&o);
    if (!o.boot[0] || !o.pid_start) {
        skip("processes of this host", "no /proc");
        return;
    }
    ok(is("alive", &o, 0) && is("alive", &o, 100 * STALE_S),
       "we live, whatever the time");
    other = o;
    other.pid_start++;
    ok(is("dead", &other, 0), "another process with our pid");
    other = o;
    other.pid = 0x7fffffff;
    ok(is("dead", &other, 0), "no such process");
    other = o;
    other.pid = 0x7fffffff;
    other.ns[0] = o.ns[0] == '1' ? '2' : '1';
    ok(o.ns[0] && is("alive", &other, 0) &&
       is("dead", &other, STALE_S + 1), "in another namespace: its touches");
    other.pid = o.pid;
    ok(is("dead", &other, STALE_S + 1), "where our pid is another's");
    other = o;
    other.boot[0] = o.boot[0] == 'x' ? 'y' : 'x';
    ok(is("dead", &other, 0), "before this boot");

    pid = start_child(&o);
    ok(o.pid == pid && is("alive", &o, 0), "a child with a strange name");
    kill(pid, SIGSTOP);
    ok(is("alive", &o, 0), "stopped");
    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    ok(is("dead", &o, 0), "a zombie");
    waitpid(pid, NULL, 0);
    ok(is("dead", &o, 0), "gone");
}

/* ---- elsewhere ---------------------------------------------------------- */

static void test_times(void)
{
    struct err err = ERR_INIT;
    struct owner o;
    struct stat st;

    owner_self(&o);
    snprintf(o.host, sizeof(o.host), "elsewhere");
    ok(is("alive", &o, 0) && is("alive", &o, STALE_S - 60), "another host");
    /* a file's time may be some milliseconds ahead of time()'s */
    ok(is("alive", &o, -100000) && stat(owner_path, &st) == 0 &&
       st.st_mtim.tv_sec <= time(NULL) + 1,
       "whose clock was put back: counted from now");
    ok(is("dead", &o, STALE_S + 1), "silent for long");
    ok(owner_touch(batch.path, &err) == -1 && err.code == ERR_FATAL &&
       utimensat(AT_FDCWD, owner_path, NULL, 0) == 0 &&
       strcmp(life(NULL, NULL), "alive") == 0, "it touched it: %s", err.text);
    snprintf(o.host, sizeof(o.host), "%s", "?");
    o.boot[0] = '\0';
    ok(is("alive", &o, 0) && is("dead", &o, STALE_S + 1),
       "one that knows neither");
    owner_self(&o);
    ok(is("alive", &o, 1000) && owner_touch(batch.path, &err) == 0 &&
       stat(owner_path, &st) == 0 && st.st_mtim.tv_sec > time(NULL) - 100,
       "we touch what is ours");
    o.pid_start = 0;
    ok(is("alive", &o, 0) && is("dead", &o, STALE_S + 1),
       "nor when it began");

    ok(owner_touch(batch.path, &err) == -1 && err.code == ERR_FATAL, "%s",
       err.text);
    forget_owners();
    ok(utimensat(AT_FDCWD, batch.path, NULL, 0) == 0 &&
       strcmp(life(NULL, NULL), "alive") == 0, "no owner yet");
    backdate(batch.path, STALE_S + 1);
    ok(strcmp(life(NULL, NULL), "dead") == 0, "no owner for long");
}

/* ---- older versions ----------------------------------------------------- */

/* What format 1 had, of such a process, in this file of the batch. */
static void put_format_1(const char *name, const struct owner *o)
{
    char *path = file_join(batch.path, name);
    char *text = xasprintf("{\"format\":\"apus-owner-1\",\"host\":\"%s\","
                           "\"boot\":\"%s\",\"pid\":%ld,\"start\":\"%lu\","
                           "\"slurm_job\":\"\",\"slurm_restarts\":0}\n",
                           o->host, o->boot, (long)o->pid,
                           (unsigned long)o->pid_start);

    put(path, text);
    free(text);
    free(path);
}

static bool is_free_at(bool silent)
{
    char text[FREE_AT], who[OWNER_TEXT];
    bool is = owner_free_at(text, sizeof(text), &batch, silent);

    owner_describe(who, sizeof(who), &batch);
    printf("# %s\n", who);
    return is && strncmp(text, "free at ", 8) == 0 && strlen(text) == 13 &&
           strstr(who, text);
}

static void test_format_1(void)
{
    struct err err = ERR_INIT;
    struct owner o, again;
    char *old = file_join(batch.path, "owner"), *first;

    owner_self(&o);
    forget_owners();
    first = file_join(batch.path, "owner-0001");
    put_format_1("owner-0001", &o);
    backdate(first, 100 * STALE_S);
    ok(strcmp(life(NULL, NULL), "alive") == 0 &&
       owner_read(&again, batch.path, &err) == FOUND_ONE && !again.ns[0] &&
       !is_free_at(false), "format 1 of a process that is seen: it lives");
    o.pid = 0x7fffffff;
    put_format_1("owner-0001", &o);
    ok(strcmp(life(NULL, NULL), "alive") == 0 && is_free_at(true),
       "of one that is not seen: when it is free");
    backdate(first, STALE_S + 1);
    ok(strcmp(life(NULL, NULL), "dead") == 0 && !is_free_at(false),
       "and then it is");
    put(first, "{\"format\":\"apus-owner-1\",\"nobody\":true}\n");
    ok(owner_read(&again, batch.path, &err) == FOUND_NONE &&
       strcmp(life(NULL, NULL), "dead") == 0, "nobody's, in format 1");
    put(first, "{\"format\":\"apus-owner-3\"}");
    ok(owner_read(&again, batch.path, &err) == FOUND_FAILED &&
       is_free_at(true) &&
       strcmp(life(NULL, NULL), "unknown") == 0, "a later one: %s", err.text);
    unlink(first);

    put_format_1("owner", &o);
    ok(strcmp(life(NULL, NULL), "alive") == 0 && is_free_at(true) &&
       owner_read(&again, batch.path, &err) == FOUND_ONE && again.pid == o.pid,
       "the one file of before there was a log");
    backdate(old, STALE_S + 1);
    ok(strcmp(life(NULL, NULL), "dead") == 0, "also not for ever");
    backdate(old, -STALE_S - 1);
    owner_self(&o);
    ok(owner_write(batch.path, &o, &err) == 0 &&
       owner_read(&again, batch.path, &err) == FOUND_ONE &&
       again.pid == getpid() &&
       file_exists(first), "whoever takes it begins the log");
    snprintf(o.host, sizeof(o.host), "elsewhere");
    ok(is("alive", &o, 0) && is_free_at(false) &&
       !owner_free_at(again.host, FREE_AT, &batch, true),
       "who touches it is not called silent");
    ok(is("alive", &o, 300) && is_free_at(true), "else when it is free");
    unlink(old);
    forget_owners();
    ok(utimensat(AT_FDCWD, batch.path, NULL, 0) == 0 && is_free_at(true),
       "also without a name");
    free(first);
    free(old);
}

static void test_unreadable(void)
{
    struct batch none = batch;
    struct err err = ERR_INIT;
    struct owner o;

    put(owner_path, "{");
    ok(owner_read(&o, batch.path, &err) == FOUND_FAILED &&
       err.code == ERR_INPUT &&
       strcmp(life(NULL, NULL), "unknown") == 0, "%s", err.text);
    backdate(owner_path, STALE_S + 1);
    ok(strcmp(life(NULL, NULL), "dead") == 0, "and that for long");
    forget_owners();
    ok(symlink("/etc/passwd", owner_path) == 0 &&
       owner_read(&o, batch.path, &err) == FOUND_FAILED &&
       strcmp(life(NULL, NULL), "unknown") == 0, "%s", err.text);
    backdate(owner_path, STALE_S + 1);
    ok(strcmp(life(NULL, NULL), "dead") == 0, "nor is a link kept for ever");
    unlink(owner_path);
    put(owner_path, "");
    ok(truncate(owner_path, 1 << 20) == 0 &&
       owner_read(&o, batch.path, &err) == FOUND_FAILED &&
       strcmp(life(NULL, NULL), "unknown") == 0, "%s", err.text);
    backdate(owner_path, STALE_S + 1);
    ok(strcmp(life(NULL, NULL), "dead") == 0, "nor what is too long");
    unlink(owner_path);
    none.path = xstrdup(at("spool/running/bnone"));
    ok(owner_judge(&none, NULL, NULL, STALE_S) == OWNER_UNKNOWN &&
       owner_read(&o, none.path, &err) == FOUND_FAILED &&
       err.code == ERR_RETRY, "%s",
       err.text);
    ok(owner_write(none.path, &o, &err) == -1, "%s", err.text);
    ok(owner_touch(none.path, &err) == -1 && err.code == ERR_FATAL, "%s",
       err.text);
    free(none.path);
    none.path = xstrdup("x");
    ok(owner_judge(&none, NULL, NULL, STALE_S) == OWNER_UNKNOWN, "no path");
    free(none.path);
}

/* ---- Slurm -------------------------------------------------------------- */

struct controller {
    enum owner_job says;
    char job[40];
    uint32_t restarts;
    int asked;
};

static enum owner_job ask(void *self, const char *job, uint32_t restarts)
{
    struct controller *c = self;

    snprintf(c->job, sizeof(c->job), "%s", job);
    c->restarts = restarts;
    c->asked++;
    return c->says;
}

static void test_slurm(void)
{
    struct controller c = { .says = OWNER_JOB_ALIVE };
    struct err err = ERR_INIT;
    struct owner o;

    owner_self(&o);
    ok(owner_write(batch.path, &o, &err) == 0 &&
       strcmp(life(ask, &c), "alive") == 0 && c.asked == 0,
       "who is not in a job is not asked for");
    snprintf(o.slurm_job, sizeof(o.slurm_job), "77");
    o.slurm_restarts = 3;
    o.pid = 0x7fffffff; /* on another node, where we cannot look */
    ok(is("unknown", &o, 100 * STALE_S), "nobody to ask");
    ok(strcmp(life(ask, &c), "alive") == 0 && strcmp(c.job, "77") == 0 &&
       c.restarts == 3 && c.asked == 1, "the job lives, however silent");
    c.says = OWNER_JOB_UNKNOWN;
    ok(strcmp(life(ask, &c), "unknown") == 0, "slurmctld does not answer");
    c.says = OWNER_JOB_OVER;
    ok(strcmp(life(ask, &c), "dead") == 0, "the job is over");
    find_owner();
    utimensat(AT_FDCWD, owner_path, NULL, 0);
    ok(strcmp(life(ask, &c), "dead") == 0, "also if it was touched just now");
    c.says = OWNER_BY_PROCESS;
    ok(strcmp(life(ask, &c), "dead") == 0,
       "the job does not tell, and there is no such process");
    o.pid = (int64_t)getpid();
    ok(is("unknown", &o, 100 * STALE_S) &&
       strcmp(life(ask, &c), "alive") == 0, "the process is seen to live");
    snprintf(o.host, sizeof(o.host), "elsewhere");
    ok(is("unknown", &o, STALE_S / 2) && strcmp(life(ask, &c), "alive") == 0,
       "one elsewhere was touched");
    ok(is("unknown", &o, 2 * STALE_S) && strcmp(life(ask, &c), "dead") == 0,
       "one elsewhere was not touched");
}

/* ---- the file ----------------------------------------------------------- */

#define HEAD "{\"format\":\"apus-owner-1\",\"host\":\"n1\",\"boot\":\"b\","

static void test_file(void)
{
    static const char *const bad[] = {
        "", "null", "{}", "{\"format\":\"apus-owner-2\"}",
        "{\"format\":\"apus-owner-1\",\"host\":\"\",\"boot\":\"\","
            "\"pid\":1,\"start\":\"1\",\"slurm_job\":\"\","
            "\"slurm_restarts\":0}",
        "{\"format\":\"apus-owner-1\",\"host\":\"a b\",\"boot\":\"\","
            "\"pid\":1,\"start\":\"1\",\"slurm_job\":\"\","
            "\"slurm_restarts\":0}",
        HEAD "\"pid\":0,\"start\":\"1\",\"slurm_job\":\"\","
            "\"slurm_restarts\":0}",
        HEAD "\"pid\":2147483648,\"start\":\"1\",\"slurm_job\":\"\","
            "\"slurm_restarts\":0}",
        HEAD "\"pid\":1,\"start\":1,\"slurm_job\":\"\","
            "\"slurm_restarts\":0}",
        HEAD "\"pid\":1,\"start\":\"1\",\"slurm_job\":\"1 2\","
            "\"slurm_restarts\":0}",
        HEAD "\"pid\":1,\"start\":\"1\",\"slurm_job\":\"-n\","
            "\"slurm_restarts\":0}",
        HEAD "\"pid\":1,\"start\":\"1\",\"slurm_job\":"
            "\"12345678901234567890123456789012\",\"slurm_restarts\":0}",
        HEAD "\"pid\":1,\"start\":\"1\",\"slurm_job\":\"\","
            "\"slurm_restarts\":4294967296}",
    };
    struct err err = ERR_INIT;
    struct owner o;

    forget_owners();
    put(owner_path, HEAD "\"pid\":1,\"start\":\"18446744073709551615\","
        "\"slurm_job\":\"1234567890123456789012345678901\","
        "\"slurm_restarts\":4294967295,\"more\":true}");
    ok(owner_read(&o, batch.path, &err) == FOUND_ONE &&
       o.pid_start == UINT64_MAX &&
       o.slurm_restarts == UINT32_MAX && strcmp(o.host, "n1") == 0 &&
       strlen(o.slurm_job) == 31, "the largest numbers");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        put(owner_path, bad[i]);
        o.pid = 42;
        ok(owner_read(&o, batch.path, &err) == FOUND_FAILED &&
           err.code == ERR_INPUT &&
           strstr(err.text, "/owner-0001\"") && o.pid == 42, "%s", err.text);
    }
}

int main(void)
{
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_RESTART_COUNT");
    spool = new_spool("spool");
    batch = make_batch(spool, SPOOL_RUNNING, "own");
    test_self();
    test_processes();
    test_times();
    test_format_1();
    test_unreadable();
    test_slurm();
    test_file();
    free(owner_path);
    batch_clear(&batch);
    spool_close(spool);
    all_remove();
    return done();
}
