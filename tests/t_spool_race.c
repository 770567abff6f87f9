/*
 * src/store: several processes at once that add a file, claim, remove and
 * start a batch.  Exactly one makes or has it, nothing is ever there twice.
 * And processes that die, or find the disk full, at each step of adding and
 * claiming (with --enable-crash-tests): the next one goes on.
 */
#include <config.h>

#include <signal.h>
#include <sys/file.h>

#include "base/buf.h"
#include "base/found.h"
#include "base/id.h"
#include "tests/spool_util.h"

#define ROUNDS 10

static struct id model;

/* 0 made it, 1 found it. */
static int add_it(void *self, int number)
{
    struct err err = ERR_INIT;
    struct batch b;
    bool existed;

    (void)number;
    if (spool_add_file(self, at("in.jsonl"), model, NULL, &b, &existed,
                       &err)) {
        printf("# %s\n", err.text);
        fflush(stdout);
        return 2;
    }
    batch_clear(&b);
    return existed;
}

/* Number 0 works on what the others add, and sends it round. */
static int add_and_work(void *self, int number)
{
    static const enum spool_state round[] = {
        SPOOL_DONE, SPOOL_SENDING, SPOOL_DONE, SPOOL_FAILED, SPOOL_TODO,
        SPOOL_RUNNING, SPOOL_TODO, SPOOL_RUNNING, SPOOL_DONE
    };
    struct err err = ERR_INIT;
    struct batch *list;
    size_t n = 0;
    int rc;

    if (number > 0)
        return add_it(self, number);
    while (n == 0)
        if (spool_list(self, SPOOL_TODO, &list, &n, &err))
            return 2;
    rc = spool_claim(self, &list[0], &err);
    for (size_t i = 0; rc == 0 && i < sizeof(round) / sizeof(*round); i++)
        rc = round[i] == SPOOL_RUNNING || round[i] == SPOOL_SENDING
                 ? spool_claim(self, &list[0], &err)
                 : spool_move(self, &list[0], round[i], &err);
    if (rc)
        printf("# %s\n", err.text);
    return rc ? 2 : 3;
}

/* 0 has it, 1 another was faster. */
static int claim_it(void *self, int number)
{
    struct err err = ERR_INIT;
    struct batch b;
    int rc;

    (void)number;
    make_id(&b.id, "race");
    b.state = SPOOL_TODO;
    b.path = xstrdup(at("spool/todo/b%s", id_text(b.id).s));
    rc = spool_claim(self, &b, &err);
    if (rc < 0)
        printf("# %s\n", err.text);
    return rc < 0 ? 2 : rc;
}

static int remove_it(void *self, int number)
{
    struct batch b = { .state = SPOOL_DONE };
    struct err err = ERR_INIT;
    int rc;

    (void)number;
    make_id(&b.id, "race");
    rc = spool_remove(self, &b, &err);
    return rc < 0 ? 2 : rc;
}

static int start_it(void *self, int number)
{
    struct err err = ERR_INIT;
    uint32_t n;
    int rc = 0;

    (void)number;
    for (int i = 0; rc == 0 && i < 5; i++)
        rc = batch_new_start(self, &n, &err);
    return rc ? 2 : 0;
}

static void test_add(void)
{
    bool good = true;
    int st[4] = { 0 };

    put(at("in.jsonl"), "{}\n");
    for (int i = 0; good && i < ROUNDS; i++) {
        struct spool *s = new_spool("spool");

        race(6, add_it, s, st);
        good = st[0] == 1 && st[1] == 5 && batches(s) == 1;
        spool_close(s);
    }
    ok(good, "six add a file: one makes it (%d %d %d)", st[0], st[1], st[2]);
    good = true;
    for (int i = 0; good && i < 2 * ROUNDS; i++) {
        struct spool *s = new_spool("spool");

        race(6, add_and_work, s, st);
        good = st[0] == 1 && st[1] == 4 && st[3] == 1 && batches(s) == 1 &&
               entries(at("spool/done")) == 1;
        spool_close(s);
    }
    ok(good, "also while it is worked on (%d %d %d %d)", st[0], st[1], st[2],
       st[3]);
}

static void test_claim(void)
{
    struct err err = ERR_INIT;
    bool good = true;
    int st[4] = { 0 };

    for (int i = 0; good && i < ROUNDS; i++) {
        struct spool *s = new_spool("spool");
        struct batch b = make_batch(s, SPOOL_TODO, "race");
        struct owner o;

        race(6, claim_it, s, st);
        batch_clear(&b);
        good = st[0] == 1 && st[1] == 5 && batches(s) == 1 &&
               spool_find(s, "race", &b, &err) == 0 &&
               b.state == SPOOL_RUNNING &&
               owner_read(&o, b.path, &err) == FOUND_ONE;
        batch_clear(&b);
        spool_close(s);
    }
    ok(good, "six claim a batch: one has it (%d %d %d)", st[0], st[1], st[2]);
}

/* ---- killed ------------------------------------------------------------- */

#define HOLDERS 8
#define KILLS 150      /* APUS_LONG=1: 3,000 */

/* Whoever has the batch has this lock; the kernel takes it from the dead. */
static bool has_it_alone(int lock)
{
    return flock(lock, LOCK_EX | LOCK_NB) == 0;
}

/* The batch of s if nobody is at it: 1 it is ours, 0 it is not, -1. */
static int get_it(struct spool *s, struct batch *b)
{
    struct err err = ERR_INIT;
    int rc;

    b->path = NULL;
    if (spool_find(s, "race", b, &err))
        return 0;
    rc = spool_adopt(s, b, NULL, NULL, OWNER_STALE_S, &err);
    if (rc == 0 && (b->state == SPOOL_TODO || b->state == SPOOL_DONE))
        rc = spool_claim(s, b, &err);
    else
        rc = 1;
    if (rc < 0 && err.code == ERR_FATAL)
        printf("# %s\n", err.text);
    return rc < 0 && err.code == ERR_FATAL ? -1 : rc == 0;
}

/* Take it, have it for a moment, pass it on; until it is killed.  Ends with 1
 * if another has it too. */
static int take_turns(const char *dir, const char *lock_path)
{
    struct err err = ERR_INIT;
    struct spool *s = NULL;
    int lock = open(lock_path, O_RDWR | O_CLOEXEC), got;

    if (lock < 0 || spool_open(&s, dir, &err))
        return 2;
    for (;;) {
        struct batch b;

        got = get_it(s, &b);
        if (got < 0)
            return 2;
        if (got > 0) {
            if (!has_it_alone(lock))
                return 1;
            usleep((useconds_t)(rand() % 300));
            flock(lock, LOCK_UN);
            spool_move(s, &b, b.state == SPOOL_SENDING || rand() % 2
                       ? SPOOL_DONE : SPOOL_TODO, &err);
        }
        batch_clear(&b);
    }
}

static pid_t start_holder(const char *dir, const char *lock, unsigned seed)
{
    pid_t pid = fork();

    if (pid == 0) {
        srand(seed);
        _exit(take_turns(dir, lock));
    }
    return pid;
}

static void test_kills(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_TODO, "race");
    char *dir = xstrdup(at("spool")), *lock = xstrdup(at("lock"));
    pid_t pid[HOLDERS];
    unsigned kills = getenv("APUS_LONG") ? 20 * KILLS : KILLS;
    int st[4] = { 0 }, one, rc = 0;

    batch_clear(&b);
    put(lock, "");
    fflush(stdout);
    srand(1);
    for (unsigned i = 0; i < HOLDERS; i++)
        pid[i] = start_holder(dir, lock, i);
    for (unsigned i = 0; i < kills; i++) {
        unsigned k = (unsigned)rand() % HOLDERS;

        usleep((useconds_t)(rand() % 4000));
        kill(pid[k], SIGKILL);
        waitpid(pid[k], &one, 0);
        st[WIFEXITED(one) ? WEXITSTATUS(one) : 0]++;
        pid[k] = start_holder(dir, lock, HOLDERS + i);
    }
    for (int k = 0; k < HOLDERS; k++) {
        kill(pid[k], SIGKILL);
        waitpid(pid[k], &one, 0);
        st[WIFEXITED(one) ? WEXITSTATUS(one) : 0]++;
    }
    ok(st[1] == 0 && st[2] == 0, "of %d that are killed while they pass a"
       " batch round none has it with another (%d, %d failed)", HOLDERS,
       st[1], st[2]);
    /* twice: the first adopts it from one who died adopting it */
    for (int i = 0; rc == 0 && i < 3; i++)
        rc = get_it(s, &b);
    ok(rc == 1 && batches(s) == 1, "and none of the dead keeps it");
    batch_clear(&b);
    free(dir);
    free(lock);
    spool_close(s);
}

static void test_remove(void)
{
    bool good = true;
    int st[4] = { 0 };

    for (int i = 0; good && i < ROUNDS; i++) {
        struct spool *s = new_spool("spool");
        struct batch b = make_batch(s, SPOOL_DONE, "race");

        race(4, remove_it, s, st);
        batch_clear(&b);
        good = st[0] == 1 && st[1] == 3 && batches(s) == 0;
        spool_close(s);
    }
    ok(good, "four remove a batch: one does (%d %d %d)", st[0], st[1], st[2]);
}

static void test_starts(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_RUNNING, "race");
    struct err err = ERR_INIT;
    uint32_t n = 0;
    int st[4];

    race(4, start_it, b.path, st);
    ok(st[0] == 4 && entries(b.path) == 21 &&
       batch_new_start(b.path, &n, &err) == 0 && n == 20,
       "of twenty starts each has a number of its own");
    batch_clear(&b);
    spool_close(s);
}

/* ---- cut off ------------------------------------------------------------ */

#define TEXT "{}\n{}\n"

/* What the child is: add the file and claim the batch.  1 after a failure
 * that leaves nothing and says that it may be tried again. */
static int work(const char *dir, const char *file)
{
    struct err err = ERR_INIT;
    struct spool *s = NULL;
    struct batch b = { .state = SPOOL_TODO };
    bool existed;
    int rc;

    if (spool_open(&s, dir, &err))
        return 2;
    rc = spool_add_file(s, file, model, NULL, &b, &existed, &err);
    if (rc == 0 && b.state == SPOOL_TODO)
        rc = spool_claim(s, &b, &err);
    if (rc)
        printf("# %s\n", err.text);
    batch_clear(&b);
    spool_close(s);
    return rc == 0 ? 0 : err.code == ERR_RETRY ? 1 : 2;
}

#ifdef APUS_CRASH_TESTS
/* The status of `work` in a program of its own, where calls are counted from
 * the first; 9 if it was killed. */
static int work_alone(const char *variable, int n)
{
    char number[16];
    int st = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        snprintf(number, sizeof(number), "%d", n);
        setenv(variable, number, 1);
        execl("/proc/self/exe", "t_spool_race", at("spool"),
              at("in.jsonl"), (char *)NULL);
        _exit(2);
    }
    waitpid(pid, &st, 0);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 9;
}

/* The batch is there once and whole, whoever made it. */
static bool is_whole(const struct spool *s)
{
    struct err err = ERR_INIT;
    struct batch_info i;
    struct batch *list = NULL;
    struct buf text;
    size_t n = 0;
    bool good;

    buf_init(&text, 100);
    good = spool_list(s, SPOOL_RUNNING, &list, &n, &err) == 0 && n == 1 &&
           entries(at("spool/todo")) == 0 &&
           batch_info_read(&i, list[0].path, &err) == 0 && i.n_requests == 2;
    if (good) {
        char *path = file_join(list[0].path, "requests.jsonl");

        good = file_read(&text, path, &err) == 0 &&
               strcmp(text.data, TEXT) == 0;
        batch_info_clear(&i);
        free(path);
    }
    buf_clear(&text);
    for (size_t k = 0; k < n; k++)
        batch_clear(&list[k]);
    free(list);
    return good;
}

static void test_cut_off(const char *variable, int want)
{
    int n = 1, st = want;

    put(at("in.jsonl"), TEXT);
    for (; n < 100; n++) {
        struct spool *s = new_spool("spool");
        bool good;

        st = work_alone(variable, n);
        good = st == want || st == 0;
        if (good && st == 1) /* whoever lives tidies up */
            good = entries(at("spool/tmp")) == 0;
        good = good && work(at("spool"), at("in.jsonl")) == 0 && is_whole(s);
        spool_close(s);
        if (st == 0 && good)
            break;
        ok(good, "%s=%d", variable, n);
    }
    ok(st == 0 && n > 10, "%s: %d places", variable, n - 1);
}
#endif

static void test_crashes(void)
{
#ifdef APUS_CRASH_TESTS
    test_cut_off("APUS_CRASH", 9);
    test_cut_off("APUS_ENOSPC", 1);
#else
    skip("a process that is cut off", "not built with --enable-crash-tests");
#endif
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return work(argv[1], argv[2]);
    test_add();
    test_claim();
    test_kills();
    test_remove();
    test_starts();
    test_crashes();
    all_remove();
    return done();
}
