/*
 * What tests of the spool share: a scratch spool, batches made by hand, and
 * several processes at once.
 */
#ifndef APUS_TESTS_SPOOL_UTIL_H
#define APUS_TESTS_SPOOL_UTIL_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "spool/spool.h"
#include "tests/tap.h"

/* "SCRATCH/NAME" in memory that the test never frees but at its end. */
const char *at(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

void scratch_remove(const char *name);

/* At the end of main. */
void all_remove(void);

/* Make a file or directory older. */
void backdate(const char *path, time_t by_s);

void put(const char *path, const char *text);

/* A new spool "SCRATCH/NAME". */
struct spool *new_spool(const char *name);

/* An id whose text begins so. */
void make_id(struct id *id, const char *begin);

/* A batch from AO with such an id, as pull would leave it. */
struct batch make_batch(const struct spool *s, enum spool_state state,
                        const char *begin);

/* Entries of a directory but "." and "..", or -1. */
int entries(const char *path);

/* All batches, in whatever state. */
int batches(const struct spool *s);

/* Run `fn` in n processes at once; how many ended with each status 0 .. 3. */
typedef int child_fn(void *self, int number);

void race(int n, child_fn *fn, void *self, int status[4]);

#endif
