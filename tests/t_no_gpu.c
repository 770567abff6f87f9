/*
 * src/spool/no_gpu: hosts are added, each once, for an hour; lines that are
 * none, and names that Slurm would take for more than one, are left out.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "base/file.h"
#include "spool/no_gpu.h"
#include "tests/tap.h"

static char dir[] = "t_no_gpu.XXXXXX";

static void put(const char *text, size_t n)
{
    char *path = file_join(dir, "log/no-gpu");
    FILE *f = fopen(path, "w");

    if (!f || fwrite(text, 1, n, f) != n || fclose(f))
        abort();
    free(path);
}

/* What counts: compared with "" where there is none. */
static bool counts(const char *want)
{
    char *hosts = no_gpu_hosts(dir);
    bool good = strcmp(hosts ? hosts : "", want) == 0;

    if (!good)
        printf("# %s\n", hosts ? hosts : "none");
    free(hosts);
    return good;
}

static void test_lost(int64_t now)
{
    struct err err = ERR_INIT;
    unsigned times = 0;
    char text[256];

    put("", 0);
    ok(no_gpu_lost(&times, dir, "n1", &err) == 0 && times == 1 && counts(""),
       "a host that has lost a GPU once is not left out");
    ok(no_gpu_lost(&times, dir, "n2", &err) == 0 && times == 1 &&
           no_gpu_lost(&times, dir, "n", &err) == 0 && times == 1 && counts(""),
       "nor is another one");
    ok(no_gpu_lost(&times, dir, "n1", &err) == 0 && times == 2 && counts("n1"),
       "the second time it is");
    ok(no_gpu_lost(&times, dir, "n1", &err) == 0 && times == 3 && counts("n1"),
       "and the third");
    snprintf(text, sizeof(text), "%" PRId64 " n1 lost\n%" PRId64 " n1  lost\n%"
             PRId64 " n1 lost \n%" PRId64 " n1 los\n%" PRId64 " n1\n",
             now - NO_GPU_S - 5, now, now, now, now - NO_GPU_S - 5);
    put(text, strlen(text));
    ok(no_gpu_lost(&times, dir, "n1", &err) == 0 && times == 1 && counts(""),
       "what was lost long ago does not count, nor lines of another form");
    ok(no_gpu_lost(&times, dir, "n 1", &err) == -1 && err.code == ERR_INPUT &&
           counts(""), "a bad host name is refused");
}

int main(void)
{
    static const char *const bad[] = { "", "a b", "a,b", "n[1-3]", "-x", "a\nb",
                                       "a;b" };
    char text[512], *path;
    struct err err = ERR_INIT;
    int64_t now = time(NULL);
    bool good = true;
    int n;

    if (!mkdtemp(dir))
        abort();
    ok(counts(""), "no file: no hosts");
    ok(no_gpu_add(dir, "n1", &err) == 0 && no_gpu_add(dir, "n2.x", &err) == 0 &&
           no_gpu_add(dir, "n1", &err) == 0 && counts("n1,n2.x"),
       "two hosts, each once");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        good = good && no_gpu_add(dir, bad[i], &err) == -1 &&
               err.code == ERR_INPUT;
    ok(good && counts("n1,n2.x"), "what is no name is refused");
    snprintf(text, sizeof(text), "%" PRId64 " old\n%" PRId64 " late\n%" PRId64
             " new\nnonsense\n%" PRId64 " n[1-9]\n99999999999999999999 big\n %"
             PRId64 " blank\n%" PRId64 "\n%" PRId64 " \n%" PRId64 " cut",
             now - NO_GPU_S - 5, now + 2 * NO_GPU_S, now - 60, now, now, now,
             now, now);
    put(text, strlen(text));
    ok(counts("new"), "lines that are old, late, cut or none do not count");
    n = snprintf(text, sizeof(text), "%" PRId64 " n1\n%" PRId64 " ho*st\n%"
                 PRId64 " n2\n", now, now, now);
    *strchr(text, '*') = '\0';
    put(text, (size_t)n);
    ok(counts("n1,n2"), "a NUL is no letter of a name");
    test_lost(now);
    path = file_join(dir, "log/no-gpu");
    remove(path);
    free(path);
    path = file_join(dir, "log");
    remove(path);
    free(path);
    remove(dir);
    return done();
}
