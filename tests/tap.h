/*
 * Test Anything Protocol for the unit tests: ok() per check, done() at the
 * end of main.
 */
#ifndef APUS_TESTS_TAP_H
#define APUS_TESTS_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int tap_n, tap_failed;
static char tap_dir[4000];

__attribute__((format(printf, 2, 3), unused))
static int ok(int good, const char *fmt, ...)
{
    va_list ap;

    printf("%sok %d - ", good ? "" : "not ", ++tap_n);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    fflush(stdout);
    if (!good)
        tap_failed++;
    return good;
}

/* One check that cannot be made here; says why. */
__attribute__((unused))
static void skip(const char *what, const char *why)
{
    printf("ok %d - %s # SKIP %s\n", ++tap_n, what, why);
}

/* The plan, at the end, when the scratch directory goes if it is empty;
 * returns the exit status of the test. */
__attribute__((unused))
static int done(void)
{
    if (tap_dir[0])
        rmdir(tap_dir);
    printf("1..%d\n", tap_n);
    return tap_failed != 0;
}

/* A scratch directory of this process, in TMPDIR or /tmp.  The caller removes
 * what is in it. */
__attribute__((unused))
static const char *tap_tmp(void)
{
    const char *up = getenv("TMPDIR");

    if (tap_dir[0])
        return tap_dir;
    if (snprintf(tap_dir, sizeof(tap_dir), "%s/apus-test-XXXXXX",
                 up && up[0] ? up : "/tmp") >= (int)sizeof(tap_dir) ||
        !mkdtemp(tap_dir))
        abort();
    return tap_dir;
}

/* The path of `name` in a directory that does not exist, but could: in the
 * scratch directory, where only this test makes things.  Good until the fourth
 * call after. */
__attribute__((unused))
static const char *tap_missing(const char *name)
{
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/missing/%s", tap_tmp(), name);
    return path;
}

#endif
