/*
 * A part of a checkpoint: one HDF5 file (checkpoint.md, Layout), written once
 * and whole from finished requests, and read back.  Layout version 2 is
 * written, version 1 is read, too.  Which requests belong into a part, and the
 * logs they come from, are left to seal.h.  Not for several threads at once:
 * HDF5 has one state.
 */
#ifndef APUS_STORE_CHECKPOINT_H
#define APUS_STORE_CHECKPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "store/record.h"
#include "store/topk.h"

struct buf;
struct err;
struct checkpoint;
struct part_file;

#define CHECKPOINT_CUSTOM_ID 512 /* bytes of a custom_id */

/* What the file says of itself, and how much of everything its rows hold
 * together: known before the first byte is written. */
struct checkpoint_head {
    struct id model, batch;
    struct id part_root;         /* set by reading; writing computes it */
    uint32_t version;            /* of the layout; set by reading */
    uint32_t n_vocab, n_layers, dim;
    uint64_t first, count;       /* requests: lines of requests.jsonl */
    uint64_t n_rows;             /* one for each request and choice, N */
    uint64_t n_stops, stop_bytes; /* strings, and their bytes */
    uint64_t n_prompt, n_leaves, n_output, text_bytes;
    uint64_t n_topk;             /* output tokens with their likeliest; 0:
                                  * the part has none .. */
    uint32_t topk;               /* .. so many of each */
    uint64_t n_pieces, piece_bytes; /* ids that are named there, bytes */
    uint64_t n_hidden;           /* positions with all their residual rows */
    uint64_t n_logits;           /* output tokens with their logits */
    uint32_t custom_id_size;     /* of the longest, to CHECKPOINT_CUSTOM_ID;
                                  * 0: there are none */
    bool with_last;              /* the last rows are there */
    bool without_leaves;         /* of each trace its root alone is there;
                                  * n_leaves is 0 then */
};

/* Rows of a tensor: bytes of f32, little-endian, whole rows. */
struct checkpoint_rows {
    const unsigned char *data;
    size_t nbytes;
};

/* One row.  Borrowed bytes. */
struct checkpoint_row {
    uint32_t line;              /* in requests.jsonl, from 0 */
    struct record record;       /* choice, finish, id .. are in its records;
                                 * leaf is NULL where leaves are left out, and
                                 * n_leaves as many as there were */
    const unsigned char *last;  /* dim f32, little-endian; NULL: zeros */
    struct topk topk;           /* n is 0, or as many as output tokens */
    /* For writing; checkpoint_hidden and checkpoint_logits read them. */
    struct checkpoint_rows hidden, logits;
    const char *custom_id;      /* what the request is called; no NUL ends it */
    size_t custom_id_size;      /* 0: unknown */
};

/* Give row i; called once for each, in order.  What it gives is borrowed
 * until the next call. */
typedef int checkpoint_row_fn(void *self, uint64_t i,
                              struct checkpoint_row *row, struct err *err);

/* Write `path`, which appears whole (a file aside, synced, renamed, directory
 * synced) or not at all: after a failure there is neither, except that a file
 * which was at `path` before stays until the new one replaces it.  The space
 * is reserved before HDF5 writes (ERR_RETRY: disk full).  When it is written
 * it is read again and its result records compared with what the rows gave.
 * ERR_FATAL if the rows do not add up to the head, or are not in the order of
 * line and choice within first and count; ERR_INPUT if a row has a job or
 * result record that is invalid, is of another model or of two choices, or has
 * stop strings that are none.  part_root (NULL is allowed) is that of the
 * rows.  A row's `last`, custom_id and leaves are ignored where the head says
 * there are none. */
int checkpoint_write(const char *path, const struct checkpoint_head *head,
                     checkpoint_row_fn *row, void *self, struct id *part_root,
                     struct err *err);

/* Open for reading.  ERR_INPUT unless it is a file of the layout whose
 * objects, types, shapes, storage and offsets are as they must be
 * (checkpoint.md, Files from others, 4), its rows in order and its offsets
 * ascending; names that are not known are passed over. Nothing is hashed. */
int checkpoint_open(struct checkpoint **out, const char *path,
                    struct err *err);

/* The same, through the descriptor of a file that was opened before, to be
 * hashed or for several readers.  Borrowed until checkpoint_close. */
int checkpoint_open_file(struct checkpoint **out, const struct part_file *f,
                         struct err *err);

/* Whether opening failed because the process which parses was ended by a
 * signal: that is not a verdict on the file. */
bool checkpoint_is_death(const struct err *err);
const struct checkpoint_head *checkpoint_head(const struct checkpoint *c);

/* Row i (below n_rows; messages count rows from 1), borrowed until the next
 * call; `last` is NULL if the part has none.  The columns (id, index, choice,
 * finish, seed ..) are compared with the job and result records, and their
 * model with the head's: ERR_INPUT names the first that differs.  Commitments
 * are not checked: record_check.  Row after row is fast. */
int checkpoint_row(struct checkpoint *c, uint64_t i,
                   struct checkpoint_row *row, struct err *err);

/* Tensors of row i, borrowed in the same way: x_0 .. x_L of each position,
 * logits of each output token; no bytes where the part has none of it.
 * ERR_INPUT if they are of another number than the row's. */
int checkpoint_hidden(struct checkpoint *c, uint64_t i,
                      struct checkpoint_rows *rows, struct err *err);
int checkpoint_logits(struct checkpoint *c, uint64_t i,
                      struct checkpoint_rows *rows, struct err *err);

/* Only the result record of row i (RECORD_RESULT bytes), borrowed in the same
 * way and compared with nothing. */
int checkpoint_result(struct checkpoint *c, uint64_t i,
                      const unsigned char **result, struct err *err);

/* The root of the result records as they are in the file; nothing else is
 * looked at. */
int checkpoint_result_root(struct checkpoint *c, struct id *root,
                           struct err *err);

/* The line and choice of row i as their columns have them. */
int checkpoint_place(struct checkpoint *c, uint64_t i, uint32_t *line,
                     uint32_t *choice, struct err *err);

/* What the request of row i is called, borrowed until the next call; *n is 0
 * where nothing is reported. */
int checkpoint_name(struct checkpoint *c, uint64_t i, const char **name,
                    size_t *n, struct err *err);
void checkpoint_close(struct checkpoint *c); /* NULL is allowed */

/* Append the lines of the part's .idx: for each dataset, in the order of the
 * layout, {"path","dtype","shape","offset","nbytes"} (dtype as NumPy writes
 * it, such as "<u4", "|u1", "|S43"; path as "/output/token"; a dataset of no
 * bytes is at offset 0). */
int checkpoint_index(const char *path, struct buf *out, struct err *err);
/* The same of a part that is open. */
int checkpoint_put_index(const struct checkpoint *c, struct buf *out,
                         struct err *err);

/* Name and version of the HDF5 library, for --version. */
const char *checkpoint_library(void);

#endif
