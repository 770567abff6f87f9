/*
 * Limits of the process and a filter of its system calls.
 */
#include <config.h>

#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef HAVE_SECCOMP
#include <seccomp.h>
#endif

#include "base/err.h"
#include "base/sys.h"

#define FIRST_FILE 3   /* after the standard ones */

/* A sanitizer maps terabytes, and some of them have threads of their own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) || \
    __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Run by a valgrind that follows children: it needs more memory, descriptors
 * and system calls than the program has. */
static bool is_watched(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload && strstr(preload, "/vgpreload_");
}

/* ---- limits --------------------------------------------------------------*/

/* At most `most`, and not above what holds already. */
static int limit(int what, rlim_t most, const char *name, struct err *err)
{
    struct rlimit r;

    if (getrlimit(what, &r))
        return err_errno(err, ERR_FATAL, "cannot read the limit of %s", name);
    if (r.rlim_max > most)
        r.rlim_max = most;
    r.rlim_cur = r.rlim_max;
    /* SIGXCPU first: at the hard limit it is SIGKILL, which says nothing */
    if (what == RLIMIT_CPU && r.rlim_cur > 1)
        r.rlim_cur--;
    if (setrlimit(what, &r))
        return err_errno(err, ERR_FATAL, "cannot limit %s", name);
    return 0;
}

static int limit_all(const struct sandbox *s, struct err *err)
{
    bool watched = is_watched();

#ifndef SANITIZED
    if (!watched && limit(RLIMIT_AS, (rlim_t)s->memory, "memory", err))
        return -1;
#endif
    if (!watched && limit(RLIMIT_NOFILE, s->n_files, "descriptors", err))
        return -1;
    if (limit(RLIMIT_CPU, (rlim_t)s->cpu_s + 1, "CPU time", err) ||
        limit(RLIMIT_FSIZE, 0, "files", err) ||
        limit(RLIMIT_CORE, 0, "core dumps", err) ||
        limit(RLIMIT_NPROC, 0, "processes", err))
        return -1;
    alarm(s->wall_s);
    return 0;
}

/* ---- the filter ----------------------------------------------------------*/

#ifdef HAVE_SECCOMP
/* By name: not every machine has all of them. */
static const char *const allowed[] = {
    /* of open descriptors */
    "read", "readv", "pread64", "preadv", "lseek", "_llseek", "fstat",
    "fstat64", "newfstatat", "fstatat64", "statx", "write", "writev", "close",
    /* of memory */
    "brk", "munmap", "mremap", "madvise",
    /* of threads and signals of its own */
    "futex", "futex_time64", "sched_yield", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "sigreturn", "sigaltstack", "restart_syscall", "getpid",
    "gettid", "exit", "exit_group",
    /* of the machine and its time: libhdf5 waits before it tries again */
    "getrandom", "clock_gettime", "clock_gettime64", "gettimeofday", "time",
    "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "sysinfo",
    "getcwd",
};

/* A rule for a system call, if this machine has it. */
static int rule(scmp_filter_ctx ctx, uint32_t action, const char *name,
                unsigned n, const struct scmp_arg_cmp *arg)
{
    int number = seccomp_syscall_resolve_name(name);

    if (number == __NR_SCMP_ERROR)
        return 0;
    return seccomp_rule_add_array(ctx, action, number, n, arg);
}

/* Memory that is not executable. */
static int rules_of_memory(scmp_filter_ctx ctx)
{
    static const char *const map[] = { "mmap", "mmap2", "mprotect" };
    const struct scmp_arg_cmp data = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC,
                                             0);
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(map) / sizeof(*map); i++)
        rc = rule(ctx, SCMP_ACT_ALLOW, map[i], 1, &data);
    return rc;
}

/* Files are not opened: for reading that fails, as if they were not ours, so
 * that a C library may look for what it can do without. */
static int rules_of_files(scmp_filter_ctx ctx)
{
    const uint32_t no = SCMP_ACT_ERRNO(EACCES);
    const scmp_datum_t mask = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
    const struct scmp_arg_cmp open = SCMP_A1(SCMP_CMP_MASKED_EQ, mask,
                                             O_RDONLY);
    const struct scmp_arg_cmp openat = SCMP_A2(SCMP_CMP_MASKED_EQ, mask,
                                               O_RDONLY);
    static const char *const look[] = { "access", "faccessat", "readlink",
                                        "readlinkat", "stat", "lstat",
                                        "stat64", "lstat64" };
    int rc = rule(ctx, no, "open", 1, &open);

    if (rc == 0)
        rc = rule(ctx, no, "openat", 1, &openat);
    for (size_t i = 0; rc == 0 && i < sizeof(look) / sizeof(*look); i++)
        rc = rule(ctx, no, look[i], 0, NULL);
    return rc;
}

static int rules(scmp_filter_ctx ctx)
{
    /* abort() */
    const struct scmp_arg_cmp self = SCMP_A0(SCMP_CMP_EQ,
                                             (scmp_datum_t)getpid(), 0);
    int rc = rule(ctx, SCMP_ACT_ALLOW, "tgkill", 1, &self);

    for (size_t i = 0; rc == 0 && i < sizeof(allowed) / sizeof(*allowed); i++)
        rc = rule(ctx, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    return rc ? rc : rules_of_memory(ctx) || rules_of_files(ctx) ? -1 : 0;
}

/* Whether the filter is on. */
static bool filter(void)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool on;

    if (!ctx) /* a library or kernel that kills threads only: we have one */
        ctx = seccomp_init(SCMP_ACT_KILL);
    if (!ctx)
        return false;
    on = rules(ctx) == 0 && seccomp_load(ctx) == 0;
    seccomp_release(ctx);
    return on;
}
#endif

enum sandboxed sandbox_enter(const struct sandbox *s, struct err *err)
{
    sys_close_from(FIRST_FILE);
    if (limit_all(s, err))
        return SANDBOX_FAILED;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return err_errno(err, ERR_FATAL, "cannot give up privileges");
#ifdef HAVE_SECCOMP
    if (!is_watched())
        return filter() ? SANDBOX_FILTER : SANDBOX_LIMITS;
#endif
    return SANDBOX_LIMITS;
}

const char *sandbox_library(void)
{
#ifdef HAVE_SECCOMP
    static char text[48];
    const struct scmp_version *v = seccomp_version();

    if (v)
        snprintf(text, sizeof(text), "libseccomp %u.%u.%u", v->major, v->minor,
                 v->micro);
    return v ? text : "libseccomp";
#else
    return NULL;
#endif
}
