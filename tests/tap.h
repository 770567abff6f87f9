/*
 * Test Anything Protocol for the unit tests: ok() per check, done() at the
 * end of main.
 */
#ifndef APUS_TESTS_TAP_H
#define APUS_TESTS_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_n, tap_failed;

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

/* The plan, at the end; the exit status of the test. */
__attribute__((unused))
static int done(void)
{
    printf("1..%d\n", tap_n);
    return tap_failed != 0;
}

/* A scratch directory of this process, removed by nobody but the caller. */
__attribute__((unused))
static const char *tap_tmp(void)
{
    static char dir[] = "/tmp/apus-test-XXXXXX";
    static int made;

    if (!made && !mkdtemp(dir))
        abort();
    made = 1;
    return dir;
}

#endif
