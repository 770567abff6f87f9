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

int ok(int good, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One check that cannot be made here; says why. */
void skip(const char *what, const char *why);

/* The plan, at the end, when the scratch directory goes if it is empty;
 * returns the exit status of the test. */
int done(void);

/* A scratch directory of this process, in TMPDIR or /tmp.  The caller removes
 * what is in it. */
const char *tap_tmp(void);

/* The path of `name` in a directory that does not exist, but could: in the
 * scratch directory, where only this test makes things.  Good until the fourth
 * call after. */
const char *tap_missing(const char *name);

#endif
