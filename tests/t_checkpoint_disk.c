/*
 * src/store/checkpoint.h on disks that are full, or grow full under HDF5's
 * hands, and a writer that is killed, or fails, at each of its own calls:
 * nothing is left that is half, and the next try succeeds.
 */
#include <config.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/checkpoint_util.h"
#include "tests/tap.h"

static int mount_small(const char *where, const char *size, unsigned long how)
{
    char *options = xasprintf("size=%s,mode=755", size);
    int rc = mount("none", where, "tmpfs", how, options);

    free(options);
    return rc;
}

/* In a namespace of this process, which is a child. */
static int unshare_mounts(void)
{
    char map[64];
    bool root = geteuid() == 0;
    int fd;

    snprintf(map, sizeof(map), "0 %ld 1", (long)geteuid());
    if (unshare(CLONE_NEWNS | (root ? 0 : CLONE_NEWUSER)))
        return -1;
    fd = root ? -1 : open("/proc/self/uid_map", O_WRONLY);
    if (fd >= 0 && write(fd, map, strlen(map)) < 0)
        return -1;
    if (fd >= 0)
        close(fd);
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* The exit status: 0, what failed, or 9 if nothing can be mounted. */
static int on_small_disk(void)
{
    static const char *sizes[] = { "16k", "128k", "512k", "3m", "4m" };
    struct err err = ERR_INIT;

    if (unshare_mounts() || mount_small(part_at("small"), "16k", 0))
        return 9;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        if (mount_small(part_at("small"), sizes[i], MS_REMOUNT))
            return 9;
        if (make_part(part_at("small/p.h5"), 1500, true, NULL, &err) != -1)
            return 1;
        printf("# %s: %s\n", sizes[i], err.text);
        if (err.code != ERR_RETRY || !strstr(err.text, "no room for") ||
            !strstr(err.text, "/small\"): make room there (apus clean"))
            return 2;
        if (dir_entries(part_at("small")) != 0)
            return 3;
    }
    if (mount_small(part_at("small"), "32m", MS_REMOUNT) ||
        make_part(part_at("small/p.h5"), 1500, true, NULL, &err) ||
        read_all(part_at("small/p.h5"), &err)) {
        printf("# %s\n", err.text);
        return 4;
    }
    return 0;
}

static void test_disk(void)
{
    int st = -1;
    pid_t pid;

    mkdir(part_at("small"), 0700);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        st = on_small_disk();
        fflush(stdout);
        _exit(st);
    }
    waitpid(pid, &st, 0);
    if (WIFEXITED(st) && WEXITSTATUS(st) == 9)
        skip("a full disk", "no tmpfs can be mounted");
    else
        ok(WIFEXITED(st) && WEXITSTATUS(st) == 0, "a full disk: %d", st);
    rmdir(part_at("small"));
}

/* Files may not grow over 64 KiB: where nothing can be reserved HDF5 meets the
 * end of the space itself.  To the end of the process, where it would crash. */
static void test_limit(void)
{
    struct rlimit small = { 64 << 10, RLIM_INFINITY };
    struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
    struct err err = ERR_INIT;
    int st = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &small) ||
            make_part(part_at("p.h5"), 1500, true, NULL, &err) != -1 ||
            err.code != ERR_RETRY || dir_entries(tap_tmp()) != 0)
            exit(1);
        printf("# %s\n", err.text);
        if (setrlimit(RLIMIT_FSIZE, &none) ||
            make_part(part_at("p.h5"), 1500, true, NULL, &err) ||
            read_all(part_at("p.h5"), &err) || unlink(part_at("p.h5")))
            exit(2);
        leave(0);
    }
    waitpid(pid, &st, 0);
    ok(WIFEXITED(st) && WEXITSTATUS(st) == 0,
       "a file that may not grow, and another after it: %d", st);
}

#ifdef APUS_CRASH_TESTS
/* At each call that changes the disk and is ours: what is left is nothing, or
 * the old name's whole file, and the next try succeeds. */
static void test_calls(const char *variable, int want)
{
    char *args = xasprintf("write %s/c.h5 5", tap_tmp());
    struct err err = ERR_INIT;
    int n = 1, st;

    make_part(part_at("good.h5"), 5, true, NULL, &err);
    for (; n < 20; n++) {
        st = run(variable, n, args);
        if (st == 0)
            break;
        ok(st == want && (!file_exists(part_at("c.h5")) ||
                          (want == 99 && same_file(part_at("good.h5"),
                                                   part_at("c.h5")))) &&
               (want == 99 || dir_entries(tap_tmp()) == 1),
           "%s=%d: exit %d and nothing half", variable, n, st);
        unlink(part_at("c.h5"));
    }
    ok(n > 4 && n < 20 && same_file(part_at("good.h5"), part_at("c.h5")) &&
           dir_entries(tap_tmp()) == 2,
       "%s: %d places, and then it is whole", variable, n - 1);
    unlink(part_at("c.h5"));
    unlink(part_at("good.h5"));
    free(args);
}
#endif

int main(int argc, char **argv)
{
    if (argc > 2)
        return serve(argv[1], argv[2], argc > 3 ? argv[3] : NULL);
    test_disk();
    test_limit();
#ifdef APUS_CRASH_TESTS
    test_calls("APUS_CRASH", 99);
    test_calls("APUS_ENOSPC", 1);
#else
    skip("a writer that is killed", "not built with --enable-crash-tests");
#endif
    rmdir(tap_tmp());
    return done();
}
