/*
 * What the writer and the reader of a part share: the table of the layout
 * (checkpoint.md, Layout), its types, and what a row's records say about its
 * columns.  Private to checkpoint_*.c.  The ids of HDF5 (hid_t) are int64_t
 * here, so that no other file needs its header.
 */
#ifndef APUS_STORE_CHECKPOINT_HDF5_H
#define APUS_STORE_CHECKPOINT_HDF5_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/checkpoint.h"

struct buf;
struct job_record;
struct part_file;
struct result_record;

#define LAYOUT_FORMAT "apus-checkpoint"
#define LAYOUT_VERSION 2   /* that is written */
#define LAYOUT_OLDEST 1    /* that is read */
#define LAYOUT_NUMERICS "X1"
#define LAYOUT_MAX_RANK 3
#define LAYOUT_ID 43        /* characters of /requests/id */
#define LAYOUT_MAX_CELL 64  /* bytes of a cell that layout_cell makes */
#define LAYOUT_BLOCK 1024   /* rows of a column handled at once */

/* Of apus-part-index: the first line of what it prints, the most it prints,
 * how long it takes, and how it ends over a file that is not a part. */
#define LAYOUT_INDEX "apus-part-index-2"
#define LAYOUT_INDEX_MAX ((size_t)64 << 10)
#define LAYOUT_WALL_S 60
#define LAYOUT_EXIT_INPUT 3

/* Said of a version that this one does not read. */
#define LAYOUT_OTHER_VERSION "is a checkpoint of version"
/* Whether a file that cannot be opened is damaged: not where it is of such a
 * version, nor where the process that parsed it died, which is no verdict. */
bool layout_is_damage(const struct err *err);

enum layout_type {
    TYPE_ID, TYPE_U8, TYPE_U32, TYPE_U64, TYPE_I32, TYPE_F32, TYPE_F64,
    N_TYPES,
    TYPE_TEXT = N_TYPES /* a string of COUNT_CUSTOM_ID bytes, UTF-8 */
};

/* Numbers that shapes are made of. */
enum layout_count {
    COUNT_NONE, COUNT_ROWS, COUNT_STOPS, COUNT_STOP_BYTES, COUNT_PROMPT,
    COUNT_LEAVES, COUNT_OUTPUT, COUNT_TEXT, COUNT_LOGITS, COUNT_HIDDEN,
    COUNT_STEPS, COUNT_PIECES, COUNT_PIECE_BYTES, COUNT_TOPK, /* of /topk */
    COUNT_VOCAB, COUNT_DIM, COUNT_LEVELS, COUNT_CUSTOM_ID,
    N_COUNTS
};
#define COUNT_UNKNOWN UINT64_MAX

/* In the order in which they are written. */
enum layout_set {
    SET_ID, SET_INDEX, SET_CHOICE, SET_FINISH, SET_SEED, SET_MAX_TOKENS,
    SET_TOP_K, SET_TEMPERATURE, SET_TOP_P, SET_IGNORE_EOS, SET_JOB, SET_TRACE,
    SET_RESULT, SET_CUSTOM_ID,
    SET_STOP_START, SET_STOP_FROM, SET_STOP_UTF8, SET_PROMPT_START,
    SET_PROMPT_TOKEN, SET_LEAF_START, SET_LEAF, SET_OUTPUT_START,
    SET_OUTPUT_TOKEN, SET_OUTPUT_SHA256,
    SET_TEXT_START, SET_TEXT_UTF8, SET_TOPK_START, SET_TOPK_LOG_SUM,
    SET_TOPK_LOGIT, SET_TOPK_TOKEN, SET_TOPK_TOP, SET_PIECE_START,
    SET_PIECE_TOKEN, SET_PIECE_FROM, SET_PIECE_UTF8, SET_LOGITS_START,
    SET_LOGITS_VALUE,
    SET_LAST, SET_HIDDEN_START, SET_HIDDEN_VALUE, N_SETS
};

struct layout {
    const char *path;         /* "group/name" */
    enum layout_type type;
    enum layout_count count;  /* rows .. */
    unsigned plus;            /* .. and this many more */
    int inner[LAYOUT_MAX_RANK - 1]; /* positive: so many; negative: a count */
    enum layout_count ends;   /* of offsets: what the last one must be */
    unsigned since;           /* the version that brought it */
    unsigned optional;        /* from this version on; 0: never */
    const char *long_name, *units;
};

extern const struct layout layout_table[N_SETS];

/* Its group, as a string of at most 15 characters. */
void layout_group(char out[16], const struct layout *l);

/* Start HDF5 as it must be: silent, nothing at exit, no plugins. */
int layout_init(struct err *err);

/* A new type, to be closed by H5Tclose; negative if that fails.  Of TYPE_TEXT
 * that is layout_text_type. */
int64_t layout_type(enum layout_type t);

/* NumPy's name of a type, of elements of so many bytes. */
void layout_dtype(char out[24], enum layout_type t, uint64_t size);

/* A fixed string of n bytes, NULLPAD, UTF-8. */
int64_t layout_text_type(size_t n);

/* Properties of access of every file of ours, to be closed by H5Pclose. */
int64_t layout_access(void);

/* The same for reading an open file by its descriptor, which stays the
 * caller's: the name for H5Fopen is "/" and its number. */
int64_t layout_read_access(void);

/* The counts of a head; those that it does not tell are COUNT_UNKNOWN. */
void layout_counts(uint64_t count[N_COUNTS], const struct checkpoint_head *h);

/* The shape under these counts, all of them known; *row is the bytes of one
 * row, *nbytes of all.  Gives the rank, or -1 if a size is over 2^62. */
int layout_shape(const struct layout *l, const uint64_t count[N_COUNTS],
                 uint64_t dims[LAYOUT_MAX_RANK], uint64_t *row,
                 uint64_t *nbytes);

/* Unpack the records of a row.  ERR_INPUT if one is invalid, is not of the
 * head's model, or if they are of two choices. */
int layout_records(struct job_record *job, struct result_record *res,
                   const struct record *r, const struct checkpoint_head *h,
                   struct err *err);

/* What a column of /requests holds for such a row: the bytes, at most
 * LAYOUT_MAX_CELL, of SET_ID to SET_IGNORE_EOS and SET_TRACE. */
void layout_cell(unsigned char *out, enum layout_set set, uint32_t line,
                 const struct job_record *job,
                 const struct result_record *res);

/* Where a dataset lies. */
struct layout_place {
    bool there;
    int rank;
    uint64_t dims[LAYOUT_MAX_RANK];
    uint64_t row_bytes, nbytes, offset;
};

/* What somebody says of a dataset. */
struct layout_found {
    int rank;
    uint64_t dims[LAYOUT_MAX_RANK];
    uint64_t nbytes, offset;
    uint64_t size; /* of an element of TYPE_TEXT */
};

/* The counts of a head before any dataset was looked at. */
void layout_unknown(uint64_t count[N_COUNTS], const struct checkpoint_head *h);

/* After the last one: ERR_INPUT unless everything is there that this version
 * has.  From version 2 on a dataset of no elements is not there; what nobody
 * told is 0 then. */
int layout_complete(const struct layout_place place[N_SETS],
                    uint64_t count[N_COUNTS], uint32_t version,
                    const char *path, struct err *err);

/* Take a dataset as it was found in a file of `size` bytes: its shape follows
 * from the counts, or is where they are learnt.  ERR_INPUT unless it is as it
 * must be and lies within the file. */
int layout_put(struct layout_place *s, uint64_t count[N_COUNTS],
               enum layout_set i, const char *path,
               const struct layout_found *f, uint64_t size, struct err *err);

/* Ask HDF5, in this process, for the attributes of an open file, the counts
 * and the places, which are zeros before.  ERR_INPUT unless all of them are as
 * they must be (Files from others, 4); what stands in the datasets is not
 * read.  For apus-part-index, and for a file that this process just wrote. */
int layout_walk(int fd, const char *path, struct checkpoint_head *h,
                uint64_t count[N_COUNTS], struct layout_place place[N_SETS],
                struct err *err);

/* The same through apus-part-index.  ERR_INPUT if that died of the file,
 * ERR_RETRY if something else ended it, ERR_FATAL if it cannot be used. */
int layout_ask(const struct part_file *f, struct checkpoint_head *h,
               uint64_t count[N_COUNTS], struct layout_place place[N_SETS],
               struct err *err);

/* What apus-part-index prints: the head, then the places as in a part's .idx;
 * and the same read by who believes nothing of it. */
void layout_print_head(struct buf *out, const struct checkpoint_head *h);
void layout_print_places(struct buf *out,
                         const struct layout_place place[N_SETS]);
int layout_parse(const char *text, size_t n, const struct part_file *f,
                 struct checkpoint_head *h, uint64_t count[N_COUNTS],
                 struct layout_place place[N_SETS], struct err *err);

/* Open a file that this process just wrote: HDF5 reads it here. */
int checkpoint_open_own(struct checkpoint **out, const char *path,
                        struct err *err);

/* ERR_INPUT: the file is not a part, because `what`; a dataset `what`. */
int layout_none(const char *path, const char *what, struct err *err);
int layout_bad(const char *path, enum layout_set set, const char *what,
               struct err *err);

/* Failure of a call of HDF5 or the system: the text ends with errno if it is
 * not 0.  Where the path is wrong the code is ERR_INPUT, else `code`. */
int layout_fail(struct err *err, enum err_code code, const char *what,
                const char *path);

#endif
