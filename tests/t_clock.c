/*
 * src/base/clock, src/spool/heartbeat: waits, and touching an owner, while
 * somebody sets the wall clock: this program has a time(2) and a
 * clock_gettime(2) of its own, whose wall clock jumps by hours.
 */
#include <config.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "spool/heartbeat.h"
#include "tests/spool_util.h"

#define PATIENCE_S 120

/* In place of the system's, for all that is linked here. */
static atomic_long off_s;

int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);

    if (rc == 0 && id == CLOCK_REALTIME)
        t->tv_sec += off_s;
    return rc;
}

time_t time(time_t *out)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (out)
        *out = t.tv_sec;
    return t.tv_sec;
}

static void pause_ms(long ms)
{
    const struct timespec t = { .tv_nsec = ms * 1000000 };

    nanosleep(&t, NULL);
}

/* ---- waits --------------------------------------------------------------- */

/* Ends by SIGALRM where a wait takes the wall clock's word. */
static void test_waits(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const long jump[] = { 0, 3 * 3600, -3 * 3600 };
    pthread_cond_t wake;

    clock_cond_init(&wake);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sizeof(jump) / sizeof(*jump); i++) {
        /* the earlier first: this thread may sleep between the two */
        double begin_s = clock_s();
        uint64_t begin = clock_ms();

        off_s = jump[i];
        alarm(PATIENCE_S);
        while (clock_ms() < begin + 30)
            clock_wait(&wake, &lock, begin + 30 - clock_ms());
        alarm(0);
        ok(clock_s() >= begin_s + 0.029, "30 ms, the wall clock %ld s off",
           jump[i]);
    }
    off_s = 0;
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&wake);
}

/* ---- the heartbeat ------------------------------------------------------- */

/* Whether the owner's file is touched anew, sooner or later. */
static bool is_touched(const char *path)
{
    uint64_t end = clock_ms() + PATIENCE_S * 1000;
    struct stat was, st;

    backdate(path, 7200);
    if (lstat(path, &was))
        return false;
    do {
        pause_ms(5);
        if (lstat(path, &st))
            return false;
    } while (st.st_mtim.tv_sec == was.st_mtim.tv_sec && clock_ms() < end);
    return st.st_mtim.tv_sec != was.st_mtim.tv_sec;
}

static void test_heart(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = make_batch(s, SPOOL_TODO, "beat");
    struct err err = ERR_INIT;
    struct heartbeat h;
    char *path;

    if (spool_claim(s, &b, &err))
        printf("# %s\n", err.text);
    path = file_join(b.path, "owner-0001");
    heartbeat_start_ms(&h, b.path, 20);
    ok(is_touched(path), "it beats");
    off_s = 3 * 3600;
    ok(is_touched(path), "the wall clock is put on by hours");
    off_s = -3 * 3600;
    ok(is_touched(path) && !heartbeat_lost(&h), "and back");
    heartbeat_stop(&h);
    off_s = 0;

    heartbeat_start(&h, b.path); /* a beat a minute */
    pause_ms(50);
    off_s = 3 * 3600;
    ok(is_touched(path), "whoever sets the clock is answered by a touch");
    heartbeat_stop(&h);
    off_s = 0;

    heartbeat_start_ms(&h, b.path, 20);
    ok(owner_write(b.path, &(struct owner){ .host = "n2", .pid = 1 }, &err) ==
       0, "another takes it");
    for (int i = 0; i < PATIENCE_S * 100 && !heartbeat_lost(&h); i++)
        pause_ms(10);
    ok(heartbeat_lost(&h), "which is noticed");
    heartbeat_stop(&h);
    free(path);
    batch_clear(&b);
    spool_close(s);
}

int main(void)
{
    test_waits();
    test_heart();
    all_remove();
    return done();
}
