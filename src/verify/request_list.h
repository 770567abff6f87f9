/*
 * The requests of a file by their ids: where each line lies, what its SHA-256
 * is and whether it was found answered.  The texts stay in the file.
 */
#ifndef APUS_VERIFY_REQUEST_LIST_H
#define APUS_VERIFY_REQUEST_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct check_requests;
struct err;

struct request_line {
    struct id id;
    struct id sha256; /* of the line, which is read again */
    uint64_t at;
    uint32_t line, n;         /* from 0; bytes */
    uint32_t seen;            /* of the first of equal lines: those before are
                               * answered */
    bool answered;
};

struct request_list {
    struct request_line *line; /* sorted by id */
    struct request_line **equal; /* equal ones beside each other, in the order
                                  * of the file; NULL until it is asked for */
    size_t n;
    int fd;
    const char *path;        /* borrowed */
};

/* How lines have ids: by a list, version 2 and 1 of those of a file, or their
 * custom_id. */
enum request_list_ids {
    REQUEST_LIST_IDS_LISTED, REQUEST_LIST_IDS_2, REQUEST_LIST_IDS_1,
    REQUEST_LIST_IDS_AO, REQUEST_LIST_KINDS
};

/* Read the file through.  `r->model` only matters for ids of version 2, and
 * lists of those.  On failure *f is as after request_list_close. */
int request_list_open(struct request_list *f, const struct check_requests *r,
                      enum request_list_ids ids, struct err *err);
void request_list_close(struct request_list *f);

/* The first line of this id without an answer, or the last of it; NULL: there
 * is none. */
struct request_line *request_list_find(const struct request_list *f,
                                       struct id id);

/* Another line with the same bytes that has no answer yet: 1, 0 or -1. */
int request_list_equal(struct request_line **out, struct request_list *f,
                       const struct request_line *l, struct err *err);

/* The text of a line, the caller frees it.  ERR_RETRY if it is no longer the
 * one that was read at first. */
int request_list_text(char **out, const struct request_list *f,
                      const struct request_line *l, struct err *err);

/* Sort by the lines of the file, after which no line is found any more. */
void request_list_sort(struct request_list *f);

#endif
