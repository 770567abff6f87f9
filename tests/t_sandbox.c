/*
 * src/base/sandbox: what a process can still do after it entered one, and
 * what it dies of.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sandbox.h"
#include "tests/tap.h"

#define NO_FILTER 77
#define FAILED 78

static const struct sandbox limits = {
    .memory = (uint64_t)1 << 30, .cpu_s = 1, .wall_s = 60, .n_files = 16
};

/* What happens to a process that does this in a sandbox: its wait status. */
static int in_sandbox(int (*act)(int fd), int fd)
{
    struct err err = ERR_INIT;
    pid_t pid;
    enum sandboxed in;
    int st = -1;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        /* the descriptor of the test is its standard input */
        if (dup2(fd, STDIN_FILENO) < 0)
            _exit(FAILED);
        in = sandbox_enter(&limits, &err);
        if (in == SANDBOX_LIMITS)
            _exit(act ? NO_FILTER : 0);
        _exit(in == SANDBOX_FAILED ? FAILED : act ? act(STDIN_FILENO) : 0);
    }
    if (pid < 0 || waitpid(pid, &st, 0) != pid)
        abort();
    return st;
}

static void may(int (*act)(int fd), int fd, const char *name)
{
    int st = in_sandbox(act, fd);

    if (WIFEXITED(st) && WEXITSTATUS(st) == NO_FILTER)
        skip(name, "no seccomp");
    else
        ok(WIFEXITED(st) && WEXITSTATUS(st) == 0, "may %s: %d", name, st);
}

static void dies(int (*act)(int fd), int fd, const char *name)
{
    int st = in_sandbox(act, fd);

    if (WIFEXITED(st) && WEXITSTATUS(st) == NO_FILTER)
        skip(name, "no seccomp");
    else
        ok(WIFSIGNALED(st) && WTERMSIG(st) == SIGSYS, "dies of %s: %d", name,
           st);
}

/* ---- what parsing takes --------------------------------------------------*/

static int reads(int fd)
{
    char c[4];

    return lseek(fd, 0, SEEK_END) > 4 && pread(fd, c, 4, 0) == 4 &&
                   memcmp(c, "some", 4) == 0 ? 0 : 1;
}

static int takes_memory(int fd)
{
    char *small = malloc(100), *large = malloc((size_t)64 << 20);

    (void)fd;
    if (!small || !large)
        return 1;
    memset(large, 1, (size_t)64 << 20);
    free(small);
    free(large);
    return 0;
}

static int prints(int fd)
{
    return write(fd, "printed", 7) == 7 ? 0 : 1;
}

static int cannot_read_others(int fd)
{
    (void)fd;
    return open("/etc/passwd", O_RDONLY) == -1 && errno == EACCES ? 0 : 1;
}

static int has_no_others(int fd)
{
    return fcntl(fd + 3, F_GETFD) == -1 ? 1 : 0;
}

static char outside[4100]; /* a file that nothing makes */

/* ---- what it dies of -----------------------------------------------------*/

static int writes_a_file(int fd)
{
    (void)fd;
    return open(outside, O_WRONLY | O_CREAT, 0600) < 0;
}

static int reads_and_writes(int fd)
{
    (void)fd;
    return open("/dev/null", O_RDWR) < 0;
}

static int executes(int fd)
{
    char *const argv[] = { (char *)"true", NULL };

    (void)fd;
    return execv("/bin/true", argv);
}

static int connects(int fd)
{
    (void)fd;
    return socket(AF_INET, SOCK_STREAM, 0) < 0;
}

static int forks(int fd)
{
    (void)fd;
    return fork() < 0;
}

static int kills(int fd)
{
    (void)fd;
    return kill(getppid(), 0);
}

static int removes(int fd)
{
    (void)fd;
    return unlink(outside);
}

static int makes_code(int fd)
{
    (void)fd;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

/* ---- limits, which need no filter ----------------------------------------*/

/* The exit status of a program of this test in a sandbox. */
static int limited(int (*act)(void))
{
    struct err err = ERR_INIT;
    pid_t pid;
    int st = -1;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (sandbox_enter(&limits, &err) == SANDBOX_FAILED)
            _exit(FAILED);
        _exit(act());
    }
    if (pid < 0 || waitpid(pid, &st, 0) != pid)
        abort();
    return st;
}

static int takes_too_much(void)
{
    return mmap(NULL, (size_t)2 << 30, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) ==
           MAP_FAILED ? 0 : 1;
}

static int runs_for_ever(void)
{
    volatile unsigned long n = 0;

    for (;;)
        n++;
    return 0;
}

static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

int main(void)
{
    FILE *f = tmpfile();
    int fd = f ? fileno(f) : -1, ends[2], st;

    snprintf(outside, sizeof(outside), "%s/outside", tap_tmp());
    if (fd < 0 || write(fd, "some bytes", 10) != 10 || pipe(ends))
        abort();
    ok(in_sandbox(NULL, fd) == 0, "a process enters a sandbox (%s)",
       sandbox_library() ? sandbox_library() : "no filter");
    may(reads, fd, "read what it has open");
    may(takes_memory, fd, "take memory");
    may(prints, ends[1], "write to a pipe");
    may(cannot_read_others, fd, "open no other file");
    dies(has_no_others, fd, "an unexpected system call");
    dies(writes_a_file, fd, "opening a file for writing");
    dies(reads_and_writes, fd, "opening one for both");
    dies(executes, fd, "executing a program");
    dies(connects, fd, "making a socket");
    dies(forks, fd, "making a process");
    dies(kills, fd, "sending a signal");
    dies(removes, fd, "removing a file");
    dies(makes_code, fd, "memory to be executed");
    if (is_sanitized()) {
        skip("it has 1 GiB of memory", "a build with sanitizers");
    } else {
        st = limited(takes_too_much);
        ok(WIFEXITED(st) && WEXITSTATUS(st) == 0,
           "it has 1 GiB of memory: %d", st);
    }
    st = limited(runs_for_ever);
    ok(WIFSIGNALED(st) && WTERMSIG(st) == SIGXCPU,
       "it has a second of CPU time: %d", st);
    fclose(f);
    return done();
}
