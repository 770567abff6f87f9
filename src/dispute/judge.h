/*
 * The judge of a dispute about one answer (doc/dispute.md): from the hash of
 * its result record, move by move, to one statement that a proof decides.  It
 * keeps only what the node showed; clock, money, names and signatures are left
 * to the queue.
 *
 * The node shows, the challenger picks, either proves.  An invalid move is
 * refused with ERR_INPUT and a reason, and leaves the state unchanged.
 */
#ifndef APUS_DISPUTE_JUDGE_H
#define APUS_DISPUTE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "dispute/operators.h"
#include "dispute/stops.h"
#include "proof/job_record.h"
#include "proof/model_record.h"
#include "proof/result_record.h"
#include "proof/trace.h"

struct err;

#define JUDGE_NONE 0xffffffffu   /* of a statement's fields */
#define JUDGE_SHOW_MAX 8192      /* bytes of a show */
#define JUDGE_PROOF_MAX 65536
#define JUDGE_PICK_MAX 64        /* characters of a pick */
#define JUDGE_RECORDS (RESULT_RECORD_SIZE + JOB_RECORD_SIZE + MODEL_RECORD_SIZE)
#define JUDGE_LIST 64            /* hashes of a list that is shown at once */
#define JUDGE_SUMS 128           /* partial sums, the same */

/* What the node shows, in this order; some are skipped. */
enum show {
    SHOW_RECORDS,      /* result, job and model record */
    SHOW_LINE,         /* of a file of requests: the same, line and path */
    SHOW_AFTER,        /* the result record after it, and its path */
    SHOW_STOPS,        /* stop strings, texts of output tokens */
    SHOW_OFFSETS,      /* id of one, and offsets in the tokenizer up to it */
    SHOW_BETWEEN,      /* offsets between two of those */
    SHOW_CHUNKS,       /* roots of blocks of 4096 leaves */
    SHOW_BLOCKS,       /* .. and of 64 leaves in one of them */
    SHOW_LEAVES,       /* leaf hashes of one of those */
    SHOW_LEAF,
    SHOW_LAYERS,       /* layer table */
    SHOW_ROW_BLOCKS,   /* roots of 64 kv row hashes each */
    SHOW_ROWS,         /* kv row hashes of all layers, or of a block */
    SHOW_OPERATORS,    /* operator table, kv row hashes */
    SHOW_PIECE_BLOCKS, /* roots of 64 piece hashes each */
    SHOW_PIECES,       /* piece hashes */
    SHOW_PIECE,
    SHOW_SUM_BLOCKS,   /* sums of 128 partial sums each */
    SHOW_SUMS          /* partial sums */
};

enum judge_turn { JUDGE_SHOWS, JUDGE_PICKS, JUDGE_PROVES, JUDGE_OVER };
enum judge_verdict { JUDGE_HOLDS, JUDGE_FAULT, JUDGE_UNJUDGED };

/* The statement to prove: the fields of a proof's head. */
struct statement_place {
    uint32_t code, position, layer, head, index, part;
};

/* A result that belongs to a request file: the file that was asked, the file's
 * results, and the index of this result among them. */
struct judge_file {
    struct id root;   /* over the result records of the file */
    struct id model;
    struct id sha256; /* of the file */
    uint32_t lines;   /* of the file */
    uint32_t index, count;
};

/* Numbers [first, first + n) of a list, and their bytes. */
struct shown {
    uint32_t first, n;
    struct buf bytes;
};

/* What was shown and picked about stop strings. */
struct judge_stops {
    uint32_t index;      /* output token that one may end in */
    struct buf shown;    /* stop strings and texts, stops_read */
    uint32_t first, n;   /* output tokens whose texts these are */
    uint32_t at;         /* the picked one of them, and its id */
    uint32_t id;
    struct stops_tokenizer tokenizer;
    size_t n_points;     /* 0: the id has no token */
    uint32_t point[STOPS_POINTS], offset[STOPS_POINTS];
    size_t gap;          /* number of the point before the picked gap */
};

struct judge {
    struct id result;        /* or that of a file: */
    struct judge_file file;  /* count 0 where it is none */
    enum judge_turn turn;
    enum show show;          /* that is awaited, or was picked from */
    uint32_t number;         /* moves so far */
    struct result_record r;
    struct job_record j;
    struct model_record m;
    struct shown list;       /* chunks, blocks, leaves or rows */
    struct trace_leaf leaf;
    struct buf layers, table;
    unsigned char *rows;     /* in table: kv row hashes, or NULL */
    uint32_t layer;          /* of table, or OPERATORS_HEAD */
    enum entry entry;        /* that was picked, and the root of its vector */
    struct id root;
    struct shown pieces;
    struct shown piece;      /* its number, bytes from there on */
    uint32_t element;
    struct shown sums;
    bool sums_blocked;       /* sums are of JUDGE_SUMS terms each */
    struct judge_stops stops;
    struct statement_place place;
    enum judge_verdict verdict;
    char text[160];          /* the verdict in a sentence */
};

/* Begin a dispute about the result with this hash.  The judge awaits the
 * records. */
void judge_init(struct judge *g, struct id result);

/* Begin a dispute about a result of a file, given by its index.  The challenger
 * may also pick `order`, unless it is the last result: its request id must be
 * below that of the next result. */
void judge_init_file(struct judge *g, const struct judge_file *file);
void judge_clear(struct judge *g);

/* Take the awaited show of the node. */
int judge_show(struct judge *g, const unsigned char *bytes, size_t n,
               struct err *err);

/* Take the challenger's pick: words and numbers, as doc/dispute.md defines
 * them. */
int judge_pick(struct judge *g, const char *choice, struct err *err);

/* Take a proof of the statement at g->place, from either party.  If it is well
 * formed, the verdict follows. */
int judge_prove(struct judge *g, const unsigned char *bytes, size_t n,
                struct err *err);

/* A name of a show, as in messages and files. */
const char *judge_show_name(enum show s);

/* Return the number of partial sums of an entry at this place.  *width is the
 * size of each in bytes and *first the number of the first: groups of keys are
 * numbered from position 0. */
uint32_t judge_n_sums(const struct judge *g, uint32_t *first, size_t *width);

/* Return whether a token is drawn at the shown leaf. */
bool judge_draws(const struct judge *g);

/* Return the value of an entry in the shown table. */
uint64_t judge_scalar(const struct judge *g, enum entry e);
const unsigned char *judge_root(const struct judge *g, enum entry e);

#endif
