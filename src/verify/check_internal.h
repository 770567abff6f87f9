/*
 * Shared by the files of check.
 */
#ifndef APUS_VERIFY_CHECK_INTERNAL_H
#define APUS_VERIFY_CHECK_INTERNAL_H

#include "base/id.h"
#include "verify/check.h"

struct batch_info;
struct checkpoint;
struct checkpoint_head;
struct request_file;
struct record;
struct result_leaf;
struct result_record;
struct reason;
struct recompute;
struct seal_file;
struct seal_info;

#define CHECK_NAMED 20 /* wrong answers of a check that are named */

/* A line of requests.jsonl, and what was found for it. */
struct check_line {
    uint8_t n_choices; /* that it asks for; 0: it is malformed */
    uint8_t got;       /* choices with a row, bit c for choice c */
    bool refused;
    bool blank;        /* it is not a request */
};

struct check_group;

/* requests.jsonl along rows in its order. */
struct check_along {
    struct request_file *f;  /* NULL: not opened */
    uint32_t next;    /* lines read */
    const char *text; /* of the last one */
    size_t n;
};

/* The state of a check. */
struct check {
    const struct check_options *o;
    const char *file;         /* its name, for claims */
    struct checkpoint *part;
    const struct checkpoint_head *head;
    const struct batch_info *batch; /* NULL for a part by itself */
    const char *batch_path;   /* .. too, as is the next */
    const char *requests;     /* path of requests.jsonl */
    struct id sha256;         /* of its bytes as they were counted */
    struct check_along along; /* the lines of the rows that are looked at */
    struct check_along again; /* .. and of those computed again */
    struct check_line *line;  /* of a batch: each of these .. */
    uint64_t n_lines;         /* .. so many */
    uint64_t n_requests;      /* of these, without the blank ones */
    uint64_t next;            /* the line that the next part begins with */
    const struct seal_file *sealed; /* what checkpoint.json says of the part;
                                     * NULL: nothing */
    uint64_t n_rows;          /* of all parts that were read */
    bool is_signed;           /* there is a statement: the answers .. */
    struct result_leaf *leaf; /* .. are kept for its root */
    size_t n_leaves, cap_leaves;
    struct recompute *recompute;
    struct check_group *group; /* rows for it */
    bool with_hidden;         /* .. compares hidden states, too */
    uint64_t planned;         /* rows that answers are drawn from */
    uint64_t to_draw, to_see; /* answers still to be drawn, of so many rows */
    uint64_t computed, of;
    bool traced;              /* the request to be traced was there */
    bool failed;
    char wrong[400];          /* the first thing wrong of a claim, or "" */
    char row[400];            /* the same of a row */
    uint64_t n_wrong;         /* of the claim: answers, .. */
    uint64_t n_unnamed;       /* .. those without a line of their own */
    unsigned n_named;         /* of the whole check */
};

/* Report a claim about c->file: it holds unless c->wrong says why not.  Clears
 * c->wrong. */
void check_report(struct check *c, const char *what, const char *against,
                  const char *detail);

/* Report a claim that could not be checked, and why. */
void check_report_open(struct check *c, const char *what, const char *why);

/* Report one of the things that a claim covers as wrong.  The first CHECK_NAMED
 * of a check get a line each; all are counted for .. */
void check_name_wrong(struct check *c, const char *what, const char *against,
                      const char *text);
/* .. the claim: it holds if none was wrong.  `of` is the number of things. */
void check_report_some(struct check *c, const char *what,
                       const char *against, uint64_t of, const char *things);

/* Keep the first thing that is wrong with a row .. */
void check_row_wrong(struct check *c, const char *text);
/* .. and report the row if anything is. */
void check_row_end(struct check *c, uint32_t line, uint32_t choice,
                   const char *how, const char *against);

/* The last part of a path, borrowed. */
const char *check_name(const char *path);

/* Read forward to this line (from 0).  ERR_INPUT if it was passed already or
 * does not exist. */
int check_seek(struct check_along *a, uint32_t line, struct err *err);

/* Check that the leaves of a record have its ids: 0, or -1 with the difference
 * in `why`. */
int check_trace(const struct record *r, char *why, size_t size);

/* Make c->recompute if any answer will be recomputed; check_recompute_end frees
 * it. */
int check_recompute(struct check *c, struct err *err);
void check_recompute_end(struct check *c);

/* Draw answers of c->part, compute them again, and report them. */
int check_computed(struct check *c, struct err *err);

/* Prepare to draw from this many answers. */
void check_plan(struct check *c, uint64_t n_rows);

/* Return whether the next of them is drawn. */
bool check_draw(struct check *c);

/* Make a reason as it is read back from refused.jsonl: cut, scrubbed, cut. */
void check_reason(struct reason *r, const char *code, const char *message);

/* Check one part.  A mismatch is reported as a claim; -1 is an error that stops
 * the check. */
int check_file(struct check *c, const struct part_file *f, struct err *err);

/* Compare the results of c->part with the statement in its options. */
int check_root(struct check *c, struct err *err);

/* Return the result of check_part and check_batch. */
enum verdict check_result(const struct check *c, int rc, struct err *err);

/* Return whether a batch has the statement that its node signed when pushing;
 * keep an answer for its root; compare the statement with the counts. */
bool check_has_statement(const char *batch_path);
void check_leaf(struct check *c, const struct result_record *res);
int check_signed(struct check *c, const char *batch_path,
                 const struct seal_info *info, struct err *err);

#endif
