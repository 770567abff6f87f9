/*
 * Check the claims of a checkpoint: its hashes follow from its columns, its
 * requests are those of the batch and its answers, recomputed, are the model's.
 * Each claim is reported together with what it was compared against.
 */
#ifndef APUS_VERIFY_CHECK_H
#define APUS_VERIFY_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"
#include "verify/verdict.h"

struct backend;
struct err;
struct job_record;
struct part_file;
struct prompt_model;
struct recompute_step;
struct request;
struct result_leaf;

/* One claim.  `file` is the file's name or the item's id, `what` was checked
 * against `against`; `detail` counts the things checked, or names the
 * difference.  An open claim could not be checked, and detail says why. */
struct check_claim {
    const char *file, *what, *against;
    bool holds, open;
    const char *detail;
};
typedef void check_claim_fn(void *self, const struct check_claim *c);

/* Report that answer i (from 0) of n is about to be recomputed. */
typedef void check_progress_fn(void *self, uint64_t i, uint64_t n);

#define CHECK_ALL UINT64_MAX

/* The statement of a batch that a part is a file of. */
struct check_statement {
    char id[44];                 /* of its item, as text */
    struct id root;              /* of all results of the batch */
    uint32_t count, n_files;
    /* Compare the results of a part that is one of several files, ascending by
     * request id and choice.  The function reports results that are not under
     * the root.  NULL: the claim stays open. */
    enum verdict (*compare)(void *self, const struct result_leaf *leaf,
                            size_t n, struct err *err);
    void *self;
};

struct check_options {
    check_claim_fn *claim;
    check_progress_fn *progress; /* may be NULL */
    void (*step)(void *self, const struct recompute_step *s); /* of a trace */
    void *self;                  /* of all three */

    uint64_t recompute;          /* how many answers, drawn at random */
    bool trace;                  /* only this request, position by position */
    struct id trace_id;
    const struct prompt_model *model; /* needed for both; else NULL */
    struct backend *backend;

    const struct check_statement *statement; /* of a part, or NULL */
};

/* Check a part by itself. */
enum verdict check_part(const struct part_file *f,
                        const struct check_options *o, struct err *err);

/* Check a sealed batch: its files, each part, and that every request has an
 * answer or a reason. */
enum verdict check_batch(const char *batch_path,
                         const struct check_options *o, struct err *err);

/* The requests that belong to an output file. */
struct check_requests {
    const char *path;
    const char *ids;       /* a file of the id of each line, 32 bytes (zeros
                              for a blank one); NULL: they follow from it */
    uint64_t lines_before; /* of the file that they are a part of, or 0 */
    const struct id *model; /* by which they have their ids; NULL: unknown */
};

/* Check an output file of `apus run` or `apus export` against its requests:
 * recompute lines (o->recompute of them) with o->model, and compare.  Without a
 * model, check only lines that need none.  ERR_INPUT if r->model is unknown,
 * unless the ids of the requests do not depend on it. */
enum verdict check_output(const char *path, const struct check_requests *r,
                          const struct check_options *o, struct err *err);

/* What an output file says about itself: the id of its first request, and its
 * model.  Without a model it is not an output file, or all its lines are
 * errors. */
struct check_output_head {
    bool has_request, has_model;
    struct id request, model;
};
int check_output_head(struct check_output_head *h, const char *path,
                      struct err *err);

/* Call `visit` with the id of each line's request, until it fails. */
int check_output_ids(const char *path,
                     int (*visit)(void *self, struct id id, struct err *err),
                     void *self, struct err *err);

/* Return the first field of a job that differs from the request with this id,
 * among fields that need no model; NULL if none does.  The choice is
 * ignored. */
const char *check_job_differs(const struct job_record *j,
                              const struct request *r, struct id id);

/* Find the request with this id in a file of requests from AO. */
enum found check_requests_have(const char *requests, struct id id,
                               struct err *err);

/* Read the model that answered a part, and its batch. */
int check_part_ids(struct id *model, struct id *batch,
                   const struct part_file *f, struct err *err);

#endif
