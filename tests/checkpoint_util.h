/*
 * Parts of a checkpoint from hand-made rows of every kind, and what programs
 * that are called by tests do with them: serve().
 */
#ifndef APUS_TESTS_CHECKPOINT_UTIL_H
#define APUS_TESTS_CHECKPOINT_UTIL_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "tests/helper_path.h"
#include "tests/record_util.h"
#include "tests/tap.h"

#define DIM 6
#define FIRST 10
#define LONG ((size_t)3 << 20) /* a text that no buffer holds */
#define LONG_ROW 7

/* A path in the scratch directory, good until a few calls later. */
char *part_at(const char *name);

/* What row i is made of; every fifth is of one kind. */
struct maker {
    struct made m;
    unsigned char last[DIM * 4];
    char name[CHECKPOINT_CUSTOM_ID + 1];
    uint64_t fail_at; /* this row is not given */
    uint64_t swap_at; /* this row says that it is the one before */
};

const char *long_text(void);

void of_kind(struct made *m, uint64_t i);

/* What row i is called: its choices have one name; some have none. */
const char *name_of(struct maker *k, uint64_t i);

int make_row(void *self, uint64_t i, struct checkpoint_row *row,
             struct err *err);

void maker_init(struct maker *k);

/* The head that n rows make. */
void head_of(struct checkpoint_head *h, uint64_t n, bool with_last);

/* A part of n rows without leaves. */
int make_bare_part(const char *path, uint64_t n, struct err *err);

/* A part of n rows. */
int make_part(const char *path, uint64_t n, bool with_last, struct id *root,
              struct err *err);

bool same(const void *a, size_t na, const void *b, size_t nb);

/* Row i of the file, against what was given. */
bool row_is(struct checkpoint *c, uint64_t i, struct err *err);

/* How many entries a directory has. */
int dir_entries(const char *path);

void contents(struct buf *b, const char *path);

bool same_file(const char *a, const char *b);

void overwrite(const char *path, const void *data, size_t n);

void append(const char *path, const char *text);

/* Offset of a dataset, as the index says. */
size_t offset_of(const char *index, const char *path);

/* Every row: 0, or -1 where it is refused. */
int read_all(const char *path, struct err *err);

/* Run this program; its exit status, 99 if it was killed. */
int run(const char *variable, long v, const char *args);

/* End a child in which HDF5 met an error: what it then does not free the
 * sanitizer would count at exit; without one, exit() is part of the test. */
void leave(int status);

/* What this program does for others: `write` PATH N, a part of N rows, `bare`
 * one without leaves; `read`
 * PATH, every row, or why not; `index` PATH.  The exit status. */
int serve(const char *verb, const char *path, const char *n);

#endif
