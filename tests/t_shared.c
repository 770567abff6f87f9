/*
 * Memory that processes share: filled once, mapped by others, whoever of them
 * dies; what is in the way of it.
 */
#include <config.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/cpu/shared.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "tests/tap.h"

#define N 100000
#define WAIT_S 60

static struct id key;
static char why[SHARED_WHY];
static char *path;

/* A key of this process alone. */
static void new_key(void)
{
    static int n;
    char text[64];

    snprintf(text, sizeof(text), "t_shared %d %d", (int)getpid(), n++);
    digest(&key, text, strlen(text));
    free(path);
    path = xasprintf("/dev/shm/apus-%u-%.16s", (unsigned)geteuid(),
                     id_text(key).s);
}

static struct shared *fill(void)
{
    struct shared *s = NULL;

    if (shared_open(&s, key, N, WAIT_S, why) != SHARED_FILL)
        return NULL;
    memset(shared_memory(s), 7, N);
    return s;
}

static bool is_filled(const struct shared *s)
{
    const unsigned char *p = shared_memory(s);

    return p[0] == 7 && p[N - 1] == 7;
}

/* A process that has the memory; it says so on a pipe, and ends with it. */
struct other {
    pid_t pid;
    int says, waits;
};

static void begin(struct other *o)
{
    int says[2], waits[2];
    struct shared *s;
    char c = '?';

    if (pipe(says) || pipe(waits))
        exit(1);
    o->pid = fork();
    if (o->pid) {
        close(says[1]);
        close(waits[0]);
        o->says = says[0];
        o->waits = waits[1];
        return;
    }
    close(says[0]);
    close(waits[1]);
    switch (shared_open(&s, key, N, WAIT_S, why)) {
    case SHARED_FILL:
        c = 'f';
        break;
    case SHARED_READY:
        c = is_filled(s) ? 'r' : 'x';
        break;
    case SHARED_NONE:
        c = 'n';
        break;
    }
    if (write(says[1], &c, 1) != 1 || read(waits[0], &c, 1) < 0)
        _exit(1);
    _exit(0); /* without shared_close, as one that dies */
}

static char said(const struct other *o)
{
    char c;

    return read(o->says, &c, 1) == 1 ? c : '?';
}

static void end(struct other *o, int signal)
{
    kill(o->pid, signal);
    waitpid(o->pid, NULL, 0);
    close(o->says);
    close(o->waits);
}

static void test_deaths(void)
{
    struct other a, b, c;
    struct shared *s = fill(), *t = NULL;

    ok(s && shared_giver(s) == 0, "one fills it: %s", why);
    begin(&a); /* waits for it */
    usleep(100000);
    ok(shared_size(s) >= N && shared_size(NULL) == 0, "it says its bytes");
    shared_publish(s);
    ok(said(&a) == 'r', "another maps what was published");
    shared_close(s);
    ok(access(path, F_OK) == 0, "the list stays while somebody has it");
    begin(&b);
    ok(said(&b) == 'r', "a third one, after the first is gone");
    end(&a, SIGKILL);
    begin(&c);
    ok(said(&c) == 'r', "and a fourth, after the second was killed");
    end(&c, SIGKILL);
    ok(shared_open(&t, key, N, WAIT_S, why) == SHARED_READY && is_filled(t) &&
           shared_giver(t) == b.pid, "whoever has it is named");
    end(&b, SIGKILL);
    ok(t && is_filled(t), "it stays when all others are killed");
    shared_close(t);
    ok(access(path, F_OK) != 0, "the last one removes the list");
}

static void test_unfinished(void)
{
    struct other a, b;
    struct shared *s;

    begin(&a);
    ok(said(&a) == 'f', "one is to fill it");
    ok(shared_open(&s, key, N, 0, why) == SHARED_NONE &&
           strstr(why, path) != NULL, "who does not wait has none: %s", why);
    begin(&b);
    usleep(100000);
    end(&a, SIGKILL);
    ok(said(&b) == 'f', "it dies, and the next one fills it");
    end(&b, SIGKILL);
    s = fill();
    ok(s != NULL, "again");
    shared_close(s);
    ok(access(path, F_OK) != 0, "one that gives it up leaves nothing");
}

static void test_wrong(void)
{
    struct shared *s = fill(), *t = NULL;
    struct id mine = key;
    FILE *f;
    int status, fd;
    pid_t pid;

    shared_publish(s);
    ok(shared_open(&t, key, N + 64, WAIT_S, why) == SHARED_FILL,
       "memory of another size is another");
    shared_close(t);
    pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        *(volatile char *)shared_memory(s) = 1;
        _exit(0);
    }
    waitpid(pid, &status, 0);
    ok(!WIFEXITED(status) || WEXITSTATUS(status) != 0, "it is read only");
    shared_close(s);

    f = fopen(path, "w");
    fprintf(f, "%d 0\n1 1\n-1 2\nwords\n", (int)getpid());
    fclose(f);
    s = fill();
    ok(s != NULL, "a list of what is not there: %s", why);
    shared_close(s);
    ok(symlink("/dev/null", path) == 0 &&
           shared_open(&s, key, N, WAIT_S, why) == SHARED_NONE,
       "a link instead of the list: %s", why);
    unlink(path);
    ok(mkdir(path, 0700) == 0 &&
           shared_open(&s, key, N, WAIT_S, why) == SHARED_NONE,
       "a directory: %s", why);
    rmdir(path);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    s = fill();
    ok(fd >= 0 && s != NULL, "an empty list");
    key = mine;
    shared_close(s);
    close(fd);
}

int main(void)
{
    struct shared *s = NULL;

    signal(SIGPIPE, SIG_IGN);
    new_key();
    if (shared_open(&s, key, N, 0, why) == SHARED_NONE) {
        skip("memory that processes share", why);
        return done();
    }
    shared_close(s);
    test_deaths();
    new_key();
    test_unfinished();
    new_key();
    test_wrong();
    free(path);
    return done();
}
