/*
 * The counting of checks, and the scratch directory.
 */
#include <config.h>

#include "tests/tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int tap_n, tap_failed;
static char tap_dir[4000];

int ok(int good, const char *fmt, ...)
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

void skip(const char *what, const char *why)
{
    printf("ok %d - %s # SKIP %s\n", ++tap_n, what, why);
}

int done(void)
{
    if (tap_dir[0])
        rmdir(tap_dir);
    printf("1..%d\n", tap_n);
    return tap_failed != 0;
}

const char *tap_tmp(void)
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

const char *tap_missing(const char *name)
{
    static char paths[4][4200];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/missing/%s", tap_tmp(), name);
    return path;
}
