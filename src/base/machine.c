/*
 * This machine, as far as it is ours.
 */
#include <config.h>

#include "base/machine.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROOT "/sys/fs/cgroup"
#define PATH_BYTES 4200

/* ---- control groups ------------------------------------------------------ */

/* Up to two numbers of a file's first line; "max" is none.  How many. */
static int numbers(const char *path, uint64_t n[2])
{
    FILE *f = fopen(path, "re");
    int got = 0;

    if (!f)
        return 0;
    got = fscanf(f, "%" SCNu64 " %" SCNu64, &n[0], &n[1]);
    fclose(f);
    return got > 0 ? got : 0;
}

/* The path of this process below a controller's root: that of version 2 if
 * the controller is "".  False if it has none. */
static bool own_path(char out[PATH_BYTES], const char *controller)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[PATH_BYTES];
    bool found = false;

    while (f && !found && fgets(line, sizeof(line), f)) {
        char *names = strchr(line, ':'), *path, *next = NULL;

        path = names ? strchr(++names, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        found = !*controller && !*names;
        for (char *name = strtok_r(names, ",", &next); name && !found;
             name = strtok_r(NULL, ",", &next))
            found = strcmp(name, controller) == 0;
        if (found)
            snprintf(out, PATH_BYTES, "%s", path);
    }
    if (f)
        fclose(f);
    return found;
}

/* Call `look` with the directory of each group from this process's up to the
 * root of a controller. */
static void each_group(const char *controller,
                       void (*look)(const char *dir, void *self), void *self)
{
    char own[PATH_BYTES], dir[2 * PATH_BYTES];

    if (!own_path(own, controller))
        return;
    for (;;) {
        char *slash = strrchr(own, '/');

        snprintf(dir, sizeof(dir), ROOT "/%s%s", controller, own);
        look(dir, self);
        if (!slash)
            return;
        *slash = '\0';
    }
}

/* ---- cores --------------------------------------------------------------- */

struct quota {
    bool v2;
    unsigned cores;
};

/* Microseconds of processors in each period. */
static void look_at_quota(const char *dir, void *self)
{
    struct quota *q = self;
    char path[2 * PATH_BYTES + 64];
    uint64_t n[2] = { 0, 0 }, period[2] = { 0, 0 }, cores;

    snprintf(path, sizeof(path), "%s/%s", dir,
             q->v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (numbers(path, n) < (q->v2 ? 2 : 1))
        return;
    if (!q->v2) {
        snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", dir);
        if (numbers(path, period) < 1)
            return;
        n[1] = period[0];
    }
    /* -1, which is not a quota, is read as a very large number */
    if (n[0] == 0 || n[1] == 0 || n[0] > (uint64_t)1 << 50)
        return;
    cores = (n[0] + n[1] - 1) / n[1];
    if (cores < q->cores)
        q->cores = (unsigned)cores;
}

unsigned machine_cores(void)
{
    struct quota q = { .v2 = true, .cores = 1 };
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        q.cores = (unsigned)CPU_COUNT(&set);
    each_group("", look_at_quota, &q);
    q.v2 = false;
    each_group("cpu", look_at_quota, &q);
    return q.cores;
}

bool machine_shares_cores(void)
{
    uint64_t n[2] = { 0, 0 };

    return numbers("/sys/devices/system/cpu/smt/active", n) == 1 && n[0] == 1;
}

unsigned machine_whole_cores(void)
{
    unsigned n = machine_cores();

    return machine_shares_cores() ? (n + 1) / 2 : n;
}

/* Numbers of packages are small; larger ones count as one more. */
static uint64_t packages(void)
{
    cpu_set_t set;
    uint64_t seen = 0;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set))
        return 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        uint64_t at[2] = { 0, 0 };
        char path[128];

        if (!CPU_ISSET(cpu, &set))
            continue;
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology"
                 "/physical_package_id", cpu);
        if (numbers(path, at) == 1)
            seen |= (uint64_t)1 << (at[0] < 63 ? at[0] : 63);
    }
    return seen;
}

unsigned machine_sockets(void)
{
    unsigned n = 0;

    for (uint64_t seen = packages(); seen; seen &= seen - 1)
        n++;
    return n ? n : 1;
}

int machine_socket(void)
{
    uint64_t seen = packages();
    int n = 0;

    if (!seen || (seen & (seen - 1)))
        return -1;
    for (; !(seen & 1); seen >>= 1)
        n++;
    return n;
}

/* ---- memory -------------------------------------------------------------- */

static void look_at_limit(const char *dir, void *self)
{
    static const char *const names[] = { "memory.max",
                                         "memory.limit_in_bytes" };
    char path[2 * PATH_BYTES + 64];
    uint64_t *bytes = self;

    for (int i = 0; i < 2; i++) {
        uint64_t n[2] = { 0, 0 };

        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        if (numbers(path, n) == 1 && n[0] > 0 && n[0] < *bytes)
            *bytes = n[0];
    }
}

uint64_t machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);
    uint64_t bytes;

    if (pages <= 0 || size <= 0)
        return 0;
    bytes = (uint64_t)pages * (uint64_t)size;
    each_group("", look_at_limit, &bytes);
    each_group("memory", look_at_limit, &bytes);
    return bytes;
}

/* The number after `name` on a line of a file: true if there is one. */
static bool find_number(uint64_t *out, const char *path, const char *name)
{
    FILE *f = fopen(path, "re");
    size_t n = strlen(name);
    char line[256];
    bool found = false;

    while (f && !found && fgets(line, sizeof(line), f))
        found = strncmp(line, name, n) == 0 &&
                sscanf(line + n, "%" SCNu64, out) == 1;
    if (f)
        fclose(f);
    return found;
}

/* A group may have its limit, less what is in use but for pages of files that
 * nobody uses. */
static void look_at_use(const char *dir, void *self)
{
    static const struct {
        const char *limit, *use, *idle;
    } version[] = {
        { "memory.max", "memory.current", "inactive_file " },
        { "memory.limit_in_bytes", "memory.usage_in_bytes",
          "total_inactive_file " },
    };
    char path[2 * PATH_BYTES + 64];
    uint64_t *bytes = self;

    for (int i = 0; i < 2; i++) {
        uint64_t limit[2] = { 0, 0 }, use[2] = { 0, 0 }, idle = 0;

        snprintf(path, sizeof(path), "%s/%s", dir, version[i].limit);
        if (numbers(path, limit) != 1)
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, version[i].use);
        if (numbers(path, use) != 1)
            continue;
        snprintf(path, sizeof(path), "%s/memory.stat", dir);
        if (find_number(&idle, path, version[i].idle) && idle <= use[0])
            use[0] -= idle;
        /* 0 means that nobody knows */
        limit[0] = use[0] < limit[0] ? limit[0] - use[0] : 1;
        if (limit[0] < *bytes)
            *bytes = limit[0];
    }
}

uint64_t machine_memory_free(void)
{
    uint64_t bytes;

    if (!find_number(&bytes, "/proc/meminfo", "MemAvailable:"))
        return 0;
    bytes *= 1024;
    each_group("", look_at_use, &bytes);
    each_group("memory", look_at_use, &bytes);
    return bytes;
}

uint64_t machine_memory_own(void)
{
    uint64_t bytes;

    return find_number(&bytes, "/proc/self/status", "RssAnon:") ? bytes * 1024
                                                                : 0;
}

static void look_at_kills(const char *dir, void *self)
{
    static const char *const names[] = { "memory.events",
                                         "memory.oom_control" };
    char path[2 * PATH_BYTES + 64];
    uint64_t *sum = self, n;

    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        if (find_number(&n, path, "oom_kill "))
            *sum += n;
    }
}

uint64_t machine_killed(void)
{
    uint64_t sum;

    if (!find_number(&sum, "/proc/vmstat", "oom_kill "))
        sum = 0;
    each_group("", look_at_kills, &sum);
    each_group("memory", look_at_kills, &sum);
    return sum;
}

/* ---- limits -------------------------------------------------------------- */

void machine_limits(char out[MACHINE_LIMITS])
{
    static const struct {
        int which;
        rlim_t low, unit;
        const char *what;
    } limits[] = {
        { RLIMIT_AS, (rlim_t)4 << 30, 1 << 20, "MiB of memory (ulimit -v)" },
        { RLIMIT_STACK, 1 << 20, 1 << 10, "KiB of stack (ulimit -s)" },
        { RLIMIT_FSIZE, 1 << 30, 1 << 10, "KiB in a file (ulimit -f)" },
        { RLIMIT_NOFILE, 64, 1, "open files (ulimit -n)" },
    };

    out[0] = '\0';
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct rlimit now;
        size_t n = strlen(out);

        if (getrlimit(limits[i].which, &now) ||
            now.rlim_cur == RLIM_INFINITY || now.rlim_cur >= limits[i].low)
            continue;
        snprintf(out + n, MACHINE_LIMITS - n, "%s%ju %s", n ? ", " : "",
                 (uintmax_t)(now.rlim_cur / limits[i].unit), limits[i].what);
    }
}
