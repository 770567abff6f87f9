/*
 * A log whose writer is killed, or whose disk is full, at each of its calls:
 * every frame that was synced is there and whole, and a half one is never
 * read.  Only in a build with --enable-crash-tests.
 */
#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/worklog.h"
#include "tests/tap.h"

#ifdef APUS_CRASH_TESTS

#define FRAMES 12
#define KILLED 99

/* What frame i holds: its length and bytes follow from its number. */
static size_t payload(unsigned char *out, unsigned i)
{
    size_t n = i * 37 % 3000;

    memset(out, (int)(i + 1), n);
    return n;
}

/* The status of a writer that says what helps where a disk is full; else 2. */
static int failed(const struct err *err)
{
    return strstr(err->text, "apus clean removes old batches") ? 1 : 2;
}

/* The writer: each number of frames that a sync has made safe goes to
 * standard output.  0 to the end, 1 after an error. */
static int write_log(const char *path)
{
    struct id batch = { { 7 } };
    unsigned char data[3000];
    struct err err = ERR_INIT;
    struct worklog *w;

    if (worklog_create(&w, path, batch, 0, 0, &err))
        return failed(&err);
    for (unsigned i = 0; i < FRAMES; i++) {
        size_t n = payload(data, i);

        if (worklog_put(w, FRAME_RECORD, i, data, n, &err) ||
            (i % 3 == 2 && worklog_sync(w, &err))) {
            worklog_close(w, NULL);
            return failed(&err);
        }
        if (i % 3 == 2) {
            printf("%u\n", i + 1);
            fflush(stdout);
        }
    }
    return worklog_close(w, &err) ? failed(&err) : 0;
}

/* Run the writer as a program of its own; its status, KILLED if it was
 * killed, and the last number that it told. */
static int run_writer(const char *variable, int n, const char *path,
                      unsigned *safe)
{
    char *cmd = xasprintf("%s=%d exec /proc/%d/exe %s", variable, n,
                          (int)getpid(), path);
    char line[32];
    FILE *f = popen(cmd, "r");
    int st;

    *safe = 0;
    while (f && fgets(line, sizeof(line), f))
        *safe = (unsigned)strtoul(line, NULL, 10);
    st = f ? pclose(f) : -1;
    free(cmd);
    return WIFEXITED(st) ? WEXITSTATUS(st) : KILLED;
}

/* How many frames can be read; -1 if one of them is not what was written. */
static int count_frames(const char *path)
{
    struct id batch = { { 7 } };
    unsigned char data[3000];
    struct worklog_reader *r;
    struct err err = ERR_INIT;
    struct frame f;
    uint64_t at;
    int n = 0;

    if (access(path, F_OK))
        return 0;
    if (worklog_open(&r, path, &batch, &err))
        return -1;
    for (; worklog_next(r, &f, &err) == FOUND_ONE; n++) {
        size_t want = payload(data, (unsigned)n);

        if (f.index != (uint64_t)n || f.n != want ||
            memcmp(f.payload, data, want) != 0) {
            n = -1;
            break;
        }
    }
    if (worklog_damaged(r, &at))
        n = -1;
    worklog_reader_close(r);
    return n;
}

static void test_each(const char *variable, int want)
{
    char *path = xasprintf("%s/log", tap_tmp());
    unsigned safe;
    int n = 1, st;

    do {
        int got;

        unlink(path);
        st = run_writer(variable, n, path, &safe);
        got = count_frames(path);
        ok((st == want || st == 0) && got >= (int)safe &&
               (st != 0 || got == FRAMES),
           "%s=%d: exit %d, %u frames safe, %d read", variable, n, st, safe,
           got);
    } while (st != 0 && ++n < 100);
    ok(st == 0 && n > FRAMES, "%s: %d places", variable, n - 1);
    unlink(path);
    free(path);
}

int main(int argc, char **argv)
{
    if (argc == 2)
        return write_log(argv[1]);
    test_each("APUS_CRASH", KILLED);
    test_each("APUS_ENOSPC", 1);
    rmdir(tap_tmp());
    return done();
}

#else

int main(void)
{
    skip("a log that is cut off", "not built with --enable-crash-tests");
    return done();
}

#endif
