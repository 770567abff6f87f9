/*
 * The requests of a file by id: the position and SHA-256 of each line, and
 * whether an answer was found.  The texts stay in the file.
 */
#ifndef APUS_VERIFY_REQUEST_LIST_H
#define APUS_VERIFY_REQUEST_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
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

/* Where ids come from: a list, version 2 or 1 of the ids of a file, or the
 * custom_id. */
enum request_list_ids {
    REQUEST_LIST_IDS_LISTED, REQUEST_LIST_IDS_2, REQUEST_LIST_IDS_1,
    REQUEST_LIST_IDS_AO, REQUEST_LIST_KINDS
};

/* Read the whole file.  `r->model` only matters for ids of version 2, and lists
 * of those.  On failure *f is as after request_list_close. */
int request_list_open(struct request_list *f, const struct check_requests *r,
                      enum request_list_ids ids, struct err *err);
void request_list_close(struct request_list *f);

/* Return the first unanswered line with this id, or the last line with it; NULL
 * if no line has it. */
struct request_line *request_list_find(const struct request_list *f,
                                       struct id id);

/* Find another line with the same bytes that has no answer yet. */
enum found request_list_equal(struct request_line **out,
                              struct request_list *f,
                              const struct request_line *l, struct err *err);

/* Read the text of a line; the caller frees it.  ERR_RETRY if the line has
 * changed since the first read. */
int request_list_text(char **out, const struct request_list *f,
                      const struct request_line *l, struct err *err);

/* Sort by line number.  request_list_find must not be called after that. */
void request_list_sort(struct request_list *f);

#endif
