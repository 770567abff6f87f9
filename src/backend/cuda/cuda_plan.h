/*
 * Plan a device's memory for a model and its steps, before any of it is
 * allocated: everything is allocated at the start, so that memory cannot run
 * out later.  This is arithmetic alone; no device is touched.
 */
#ifndef APUS_BACKEND_CUDA_CUDA_PLAN_H
#define APUS_BACKEND_CUDA_CUDA_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proof/model_record.h"

#ifdef __cplusplus
extern "C" {
#endif

struct backend_load;
struct err;
struct model_part;

/* Arrays of the device beside the weights, by what they hold; rows are those
 * of a step, and f32 where nothing else is said. */
enum plan_array {
    PLAN_X,       /* rows x dim: the residual stream */
    PLAN_H,       /* rows x dim: what a layer adds, where that has a norm */
    PLAN_QKV,     /* rows x (heads + 2 kv heads) x head_dim */
    PLAN_Q,       /* int8, rows x heads x 2 x hdp: slices of queries */
    PLAN_STEP,    /* rows x heads: their scales */
    PLAN_O,       /* rows x heads x head_dim */
    PLAN_GATE,    /* rows x ffn */
    PLAN_UP,      /* rows x ffn, of a model with GELU */
    PLAN_SLICES,  /* int8, rows x 2 x longest: what the next linear reads */
    PLAN_SCALE,   /* rows */
    PLAN_ANGLES,  /* cos, then sin: 2 x rows x angles */
    PLAN_SUM,     /* int32: sums that splits of a linear share */
    PLAN_COUNT,   /* u32, one an output tile */
    PLAN_DONE,    /* u32, PLAN_DONE_WORDS: blocks that have ended, a row */
    PLAN_SLAB,    /* int32: sums of a large product, some outputs of it */
    PLAN_WORKSPACE, /* of the library that makes them */
    PLAN_WORDS,   /* u32, row_words x rows: slot, to, from ..; then
                     PLAN_STEP_WORDS: rows of the step, its frame */
    PLAN_DRAWN,   /* u32 a slot: the id drawn last */
    PLAN_LEAST,   /* u64 a slot: faults */
    PLAN_TABLE,   /* int32, slots x stride: blocks */
    PLAN_ENTRY,   /* u32, 3 x entries of a step */
    PLAN_AMAX,    /* u32, rows: of a member's part, then of the whole .. */
    PLAN_SUMS,    /* int32, rows x 2 x dim: .. and such sums */
    PLAN_WHOLE,   /* rows x heads of all members x head_dim: of a norm */
    PLAN_LOGITS,  /* draws x vocab */
    PLAN_WEIGHT,  /* u32, draws x vocab: of a draw */
    PLAN_DRAW,    /* draws x struct sample_row */
    PLAN_SCORE,   /* attended x heads x context */
    PLAN_TOP,     /* u32, attended x heads */
    PLAN_VM,      /* u32, attended x heads */
    PLAN_NUM,     /* u64, attended x heads x hdp */
    PLAN_Z,       /* u64, attended x heads */
    PLAN_LIST,    /* u32, 2 x rows: of tiles, in all layers and the last */
    PLAN_TILE,    /* 2 x rows x struct prefill_tile */
    PLAN_TOPS,    /* u32, rows x heads */
    PLAN_VMS,     /* u32, rows x heads */
    PLAN_RING,    /* PLAN_KEPT x rows x what is committed to of a position */
    PLAN_LAST,    /* PLAN_KEPT x draws x dim: x_L of the rows that drew */
    PLAN_HASH,    /* u32, PLAN_KEPT x (trees + 1) x rows x 8: kv, then fin */
    PLAN_TAP,     /* u32, 2: which row of a linear is checked .. */
    PLAN_TAPPED,  /* int32: .. its sums */
    PLAN_TAP_Q,   /* int8: .. and what it was multiplied with */
    PLAN_K,       /* int8, layers x blocks x kv heads x page x hdp */
    PLAN_V,
    PLAN_S_K,     /* layers x blocks x kv heads x page */
    PLAN_S_V,
    PLAN_ARRAYS
};

/* Of a row: slot, to, from 0 and token; then from of each window. */
enum { WORDS_SLOT, WORDS_TO, WORDS_FROM, WORDS_TOKEN, WORDS_WINDOW };
#define PLAN_WINDOWS 4   /* of layers that differ, at most */
#define PLAN_STEP_WORDS 2
#define PLAN_DONE_WORDS 4
#define PLAN_KEPT 3      /* steps of which x_L is kept, and what is hashed */

struct cuda_plan {
    size_t slots, rows, draws;
    size_t attended;  /* rows whose attention is computed at a time */
    size_t entries;   /* of the table that a step may change */
    size_t angles;    /* of a position: head_dim / 2 of each table */
    size_t row_words; /* of a row: WORDS_WINDOW, and one a window */
    uint32_t page;    /* positions a block */
    uint32_t hdp;     /* head_dim rounded up to 32 */
    uint32_t stride;  /* blocks of a slot */
    size_t ring_row;  /* bytes of a position that are committed to */
    size_t trees;     /* of a position: one, or of a member several, .. */
    size_t leaves;    /* .. each of so many rows of keys and values */
    size_t exchange;  /* bytes that members exchange at a time, at most */
    uint64_t n_blocks, block_bytes;
    uint64_t weights; /* bytes of matrices and vectors */
    uint64_t bytes[PLAN_ARRAYS];
};

/* Refuse a model that no GPU kernel computes: ERR_INPUT names the feature. */
int cuda_plan_check(const struct model_record *rec, struct err *err);

/* The record of what a member of a group computes (backend/cpu/model_part.h):
 * that of the model with the heads and the ffn_dim of its part. */
struct model_record cuda_plan_record(const struct model_record *rec,
                                     const struct model_part *part);

/* Bytes of a row of so many weights on the device. */
uint32_t cuda_plan_ldk(uint32_t cols);

/* What there is to plan with. */
struct cuda_memory {
    uint64_t bytes;     /* of the device that may be used, of which .. */
    uint64_t weights;   /* .. so many are the model's */
    uint64_t slab;      /* of sums at a time; 0: no library makes any */
    uint64_t workspace; /* of that library */
    uint64_t alone;     /* `bytes`, if no other program used the device, or, if
                           it should not make a difference, 0 */
    bool shared;        /* those others are ranks of this one, as was asked */
};

/* Why tensors = hidden is refused on a GPU. */
#define CUDA_PLAN_HIDDEN "a GPU gives no hidden rows (tensors = hidden): set" \
                         " kernel to one of the CPU"

/* What helps where no GPU of this size holds a model. */
#define CUDA_PLAN_LARGER "set kernel to one of the CPU, or tp to let several" \
                         " GPUs hold it"

/* What helps where ranks that share a device have no room (share-gpu). */
#define CUDA_PLAN_SHARED "it is shared (share-gpu = yes), and each rank takes" \
                         " what is free: set kv-memory, or start fewer ranks" \
                         " a GPU"

/* Plan a part of the model, or, NULL, all of it, for this memory.  ERR_INPUT
 * lists the bytes of every array if one sequence of the model's context does
 * not fit, ERR_RETRY if one would without other programs; *p is undefined
 * then.  Where these share the device no other time or machine helps, but
 * another setting, which an error of ERR_INPUT names. */
int cuda_plan_make(struct cuda_plan *p, const struct model_record *rec,
                   const struct model_part *part,
                   const struct backend_load *want,
                   const struct cuda_memory *memory, struct err *err);

/* Have n blocks, fewer than were planned: as many as each member of a group
 * has room for. */
void cuda_plan_blocks(struct cuda_plan *p, uint64_t n);

/* The device does not give `bytes` of what was planned: an error lists the
 * parts, of ERR_RETRY, or, where ranks share the device, of ERR_INPUT.  Returns
 * -1. */
int cuda_plan_denied(const struct cuda_plan *p, uint64_t bytes, bool shared,
                     struct err *err);

#ifdef __cplusplus
}
#endif

#endif
