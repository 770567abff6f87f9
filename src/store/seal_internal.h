/*
 * What the files of seal share.  Not for others.
 *
 * Sealing reads the logs of all starts once and keeps where each answer lies
 * (128 bytes a row), cuts the lines into parts, and then writes part by
 * part from the logs, so that memory does not grow with the answers.  The cut
 * depends on the answers and on part-size alone, not on ranks and starts:
 * sealing the batch again, from other logs, writes the same bytes.
 */
#ifndef APUS_STORE_SEAL_INTERNAL_H
#define APUS_STORE_SEAL_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "spool/spool.h"
#include "store/seal.h"

struct worklog_reader;

/* As seal_info_read, for who repairs: the error of FOUND_NONE and FOUND_FAILED
 * names no remedy. */
enum found seal_info_look(struct seal_info *i, const char *batch_path,
                          struct err *err);

#define SEAL_READERS 64 /* logs that are open at once */

/* Where an answer lies, and how much of everything it has. */
struct seal_row {
    uint32_t line, choice, log;
    uint32_t finish;   /* enum result_finish */
    uint32_t n_prompt, n_leaves, n_output, n_stops, stop_bytes;
    uint64_t at, last; /* offsets in the log; last is 0 without a tensor */
    uint64_t topk;     /* likewise, of the likeliest tokens .. */
    uint32_t n_topk, k, n_pieces, piece_bytes; /* .. and how much of them */
    uint64_t hidden, logits; /* likewise, of rows and logits .. */
    uint64_t hidden_size, logits_size; /* .. and their bytes */
    uint64_t text;
    bool commits;      /* its trace commits to a last row */
    bool bare;         /* its trace has leaves, which the log has not */
};

/* A line without an answer: where its reason lies. */
struct seal_refused {
    uint32_t line, log;
    uint64_t at;
};

/* Lines [first, first + count), rows [row, row + n_rows). */
struct seal_part {
    uint32_t first, count;
    size_t row, n_rows;
};

/* An open log; slot number % SEAL_READERS has it. */
struct seal_reader {
    struct worklog_reader *log;
    uint32_t number;
};

/* What the request of each row of a part is called. */
struct seal_name {
    size_t at, n; /* in the text */
};
struct seal_names {
    struct buf text;
    struct seal_name *row;
    size_t longest; /* bytes of the longest; 0: nothing was read */
};

/* One sealing.  Rows and refused lines are in the order of the lines, rows of
 * one line by choice. */
struct seal {
    char *batch_path;
    const struct batch_info *info;
    const struct scan *scan;
    struct seal_options o;
    struct start_logs logs;
    struct seal_reader reader[SEAL_READERS]; /* by the log's number */
    struct seal_row *row;
    size_t n_rows, cap_rows;
    struct seal_refused *refused;
    size_t n_refused, cap_refused;
    struct seal_part *part;
    size_t n_parts;
    struct buf last, topk, hidden, logits;
};

struct checkpoint_row;

/* Read requests.jsonl for the rows of a part; seal_names_clear is due after
 * success, and allowed of zeros. */
int seal_names_read(struct seal_names *n, const struct seal *s,
                    const struct seal_part *p, struct err *err);
void seal_names_clear(struct seal_names *n);
void seal_names_get(const struct seal_names *n, size_t i,
                    struct checkpoint_row *row);

#endif
