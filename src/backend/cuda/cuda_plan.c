/*
 * The sizes of all arrays: those that a step needs first, keys and values take
 * the rest.
 */
#include <config.h>

#include "backend/cuda/cuda_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/group/joined.h"
#include "backend/cpu/model_part.h"
#include "base/err.h"
#include "engine/backend.h"
#include "model/model_layout.h"

#define KNOWN_FLAGS (MODEL_TIED | MODEL_QKV_BIAS | MODEL_QK_NORM | MODEL_A8 | \
                     MODEL_A8R | MODEL_LAYERS | MODEL_NORM_AFTER |           \
                     MODEL_WIDE_NORM | MODEL_NORM_BOTH | MODEL_GELU)
#define MOST_LAYERS 254     /* 8 bits in the number of a fault */
#define MOST_LEAVES 3072    /* 32 bytes each in the 99 KB of a block */
#define LEAF_PIECE 1024     /* bytes of a residual row */
#define SCORE_BYTES ((uint64_t)256 << 20)
#define ATTENDED 32
#define SUM_TILE 64         /* outputs and columns of linear's widest tile */
#define SAMPLE_ROW_BYTES 72 /* at least sizeof(struct sample_row) */
#define LIBRARY_OUTS 16     /* outputs of a product come so many at a time */
#define TILE_BYTES 20       /* sizeof(struct prefill_tile) */

uint32_t cuda_plan_ldk(uint32_t cols)
{
    return (cols + 63) / 64 * 64;
}

int cuda_plan_check(const struct model_record *rec, struct err *err)
{
    uint64_t rows = (uint64_t)rec->n_layers * rec->n_kv_heads;

    if (rec->flags & (MODEL_SOFT_CAPS | MODEL_EXPERTS))
        return err_set(err, ERR_INPUT, "the GPU kernels do not support %s: set"
                       " kernel to one of the CPU",
                       rec->flags & MODEL_EXPERTS ? "experts" : "soft caps");
    if (rec->flags & ~(uint32_t)KNOWN_FLAGS)
        return err_set(err, ERR_INPUT, "the GPU kernels do not support flags %x"
                       " of this model: set kernel to one of the CPU",
                       rec->flags & ~(uint32_t)KNOWN_FLAGS);
    if (rec->n_layers > MOST_LAYERS)
        return err_set(err, ERR_INPUT, "%u layers exceed the maximum of %d on a"
                       " GPU: set kernel to one of the CPU",
                       rec->n_layers, MOST_LAYERS);
    if (rows > MOST_LEAVES ||
        (uint64_t)rec->dim * 4 / LEAF_PIECE + 1 > MOST_LEAVES)
        return err_set(err, ERR_INPUT, "%" PRIu64 " rows of keys a position"
                       " exceed the maximum of %d that a GPU hashes:"
                       " set kernel to one of the CPU", rows, MOST_LEAVES);
    return 0;
}

struct model_record cuda_plan_record(const struct model_record *rec,
                                     const struct model_part *part)
{
    struct model_record r = *rec;

    r.n_heads = (uint32_t)part->q_heads;
    r.n_kv_heads = (uint32_t)part->kv_heads;
    r.ffn_dim = (uint32_t)part->ffn;
    return r;
}

static size_t longest(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Arrays of rows and the linears on them. */
static void size_rows(struct cuda_plan *p, const struct model_record *rec)
{
    uint64_t rows = p->rows, *n = p->bytes;
    uint64_t q_dim = (uint64_t)rec->n_heads * rec->head_dim;
    uint64_t qkv = q_dim + 2 * (uint64_t)rec->n_kv_heads * rec->head_dim;
    size_t k = longest(longest(rec->dim, rec->ffn_dim), (size_t)q_dim);
    uint64_t outputs = longest(longest(rec->dim, 2 * (size_t)rec->ffn_dim),
                               (size_t)qkv);

    n[PLAN_X] = n[PLAN_H] = rows * rec->dim * 4;
    n[PLAN_QKV] = rows * qkv * 4;
    n[PLAN_Q] = rows * rec->n_heads * 2 * p->hdp;
    n[PLAN_STEP] = rows * rec->n_heads * 4;
    n[PLAN_O] = rows * q_dim * 4;
    n[PLAN_GATE] = rows * rec->ffn_dim * 4;
    n[PLAN_UP] = rec->flags & MODEL_GELU ? n[PLAN_GATE] : 4;
    n[PLAN_SLICES] = rows * 2 * cuda_plan_ldk((uint32_t)k);
    n[PLAN_SCALE] = rows * 4;
    n[PLAN_ANGLES] = 2 * rows * p->angles * 4;
    n[PLAN_TAP] = 8;
    n[PLAN_TAPPED] = 8 * (uint64_t)longest((size_t)outputs, rec->n_vocab);
    n[PLAN_TAP_Q] = 2 * cuda_plan_ldk((uint32_t)k);
    n[PLAN_SUM] = (outputs + SUM_TILE) * SUM_TILE * 4;
    n[PLAN_COUNT] = (outputs + SUM_TILE) * 4;
    n[PLAN_DONE] = PLAN_DONE_WORDS * 4;
    n[PLAN_WORDS] = (p->row_words * rows + PLAN_STEP_WORDS) * 4;
    n[PLAN_LEAST] = p->slots * 8;
    n[PLAN_DRAWN] = p->slots * 4;
    n[PLAN_TABLE] = (uint64_t)p->slots * p->stride * 4;
    n[PLAN_ENTRY] = p->entries * 12;
    n[PLAN_LOGITS] = n[PLAN_WEIGHT] = (uint64_t)p->draws * rec->n_vocab * 4;
    n[PLAN_DRAW] = p->draws * SAMPLE_ROW_BYTES;
}

/* What members exchange (members.cu): their greatest sizes and their sums, rows
 * of norms over all heads, logits. */
static void size_exchanges(struct cuda_plan *p, const struct model_record *rec,
                           const struct model_part *part)
{
    uint64_t rows = p->rows, *n = p->bytes;
    uint64_t q = (uint64_t)rec->n_heads * part->size * rec->head_dim;
    size_t most;

    n[PLAN_AMAX] = rows * 4;
    n[PLAN_SUMS] = rows * 2 * rec->dim * 4;
    n[PLAN_WHOLE] = rec->flags & MODEL_WIDE_NORM ? rows * q * 4 : 4;
    most = longest((size_t)n[PLAN_SUMS], (size_t)n[PLAN_WHOLE]);
    p->exchange = longest(most, 4 * (size_t)rec->n_vocab);
    p->leaves = joined_heads(part);
    p->trees = rec->n_layers * part->kv_heads / p->leaves;
}

/* Sums of a large product: as many outputs as fit, and at least the few that
 * the library takes, of both matrices of a gate. */
static void size_products(struct cuda_plan *p, const struct model_record *rec,
                          const struct cuda_memory *m)
{
    uint64_t kv = 2 * (uint64_t)rec->n_kv_heads * rec->head_dim;
    uint64_t qkv = (uint64_t)rec->n_heads * rec->head_dim + kv;
    uint64_t outputs = longest(longest(2 * (size_t)rec->ffn_dim, rec->dim),
                               longest((size_t)qkv, rec->n_vocab));
    uint64_t column = 2 * (uint64_t)p->rows * 4;
    uint64_t all = (outputs + 2 * LIBRARY_OUTS) * column, *n = p->bytes;

    n[PLAN_SLAB] = n[PLAN_WORKSPACE] = 4;
    if (m->slab == 0)
        return;
    n[PLAN_SLAB] = m->slab < all ? m->slab : all;
    if (n[PLAN_SLAB] < 2 * LIBRARY_OUTS * column)
        n[PLAN_SLAB] = 2 * LIBRARY_OUTS * column;
    n[PLAN_WORKSPACE] = m->workspace;
}

/* Arrays of attention and of what is committed to. */
static void size_heads(struct cuda_plan *p, const struct model_record *rec)
{
    uint64_t heads = rec->n_heads, *n = p->bytes;
    uint64_t scores = heads * rec->context * 4;

    p->attended = SCORE_BYTES / scores < 1 ? 1 : SCORE_BYTES / scores;
    if (p->attended > ATTENDED)
        p->attended = ATTENDED;
    n[PLAN_SCORE] = p->attended * scores;
    n[PLAN_TOP] = n[PLAN_VM] = p->attended * heads * 4;
    n[PLAN_NUM] = p->attended * heads * p->hdp * 8;
    n[PLAN_Z] = p->attended * heads * 8;
    n[PLAN_LIST] = 2 * (uint64_t)p->rows * 4;
    n[PLAN_TILE] = 2 * (uint64_t)p->rows * TILE_BYTES;
    n[PLAN_TOPS] = n[PLAN_VMS] = p->rows * heads * 4;
    n[PLAN_RING] = (uint64_t)PLAN_KEPT * p->rows * p->ring_row;
    n[PLAN_LAST] = (uint64_t)PLAN_KEPT * p->draws * rec->dim * 4;
    n[PLAN_HASH] = PLAN_KEPT * (p->trees + 1) * (uint64_t)p->rows * 32;
}

void cuda_plan_blocks(struct cuda_plan *p, uint64_t n)
{
    uint64_t keys = n * (p->block_bytes / (2 * (p->hdp + 4)));

    p->n_blocks = n;
    p->bytes[PLAN_K] = p->bytes[PLAN_V] = keys * p->hdp;
    p->bytes[PLAN_S_K] = p->bytes[PLAN_S_V] = keys * 4;
}

static uint64_t sum(const uint64_t *n, size_t from, size_t to)
{
    uint64_t s = 0;

    for (size_t i = from; i < to; i++)
        s += n[i];
    return s;
}

/* The parts of a plan, for people. */
static void list_parts(char *text, size_t size, const struct cuda_plan *p)
{
    const uint64_t *n = p->bytes;
    const double mb = 1e6;

    snprintf(text, size, "weights take %.0f, %zu rows a step %.0f, %zu draws"
             " %.0f, attention %.0f, commitments %.0f",
             (double)p->weights / mb, p->rows,
             (double)sum(n, PLAN_X, PLAN_LOGITS) / mb, p->draws,
             (double)sum(n, PLAN_LOGITS, PLAN_SCORE) / mb,
             (double)sum(n, PLAN_SCORE, PLAN_RING) / mb,
             (double)sum(n, PLAN_RING, PLAN_K) / mb);
}

/* `taken` bytes are those of all but keys and values. */
static int too_small(const struct cuda_plan *p, const struct model_record *rec,
                     const struct cuda_memory *memory, uint64_t taken,
                     struct err *err)
{
    uint64_t keys = p->stride * p->block_bytes;
    bool others = memory->alone && taken + keys <= memory->alone;
    char parts[200], rest[80] = "; " CUDA_PLAN_LARGER;

    list_parts(parts, sizeof(parts), p);
    if (others && memory->shared)
        return err_set(err, ERR_INPUT, "the GPU has no room for one sequence of"
                       " %u positions: " CUDA_PLAN_SHARED ": of %.0f MB that"
                       " may be used, %s, and keys and values %.0f",
                       rec->context, (double)memory->bytes / 1e6, parts,
                       (double)keys / 1e6);
    if (others)
        snprintf(rest, sizeof(rest), "; without other programs %.0f MB might",
                 (double)memory->alone / 1e6);
    return err_set(err, others ? ERR_RETRY : ERR_INPUT, "the GPU has no room"
                   " for one sequence of %u positions: of %.0f MB that may be"
                   " used, %s, and one sequence of keys and values %.0f%s",
                   rec->context, (double)memory->bytes / 1e6, parts,
                   (double)keys / 1e6, rest);
}

int cuda_plan_denied(const struct cuda_plan *p, uint64_t bytes, bool shared,
                     struct err *err)
{
    char parts[200];

    list_parts(parts, sizeof(parts), p);
    return err_set(err, shared ? ERR_INPUT : ERR_RETRY, "the GPU does not give"
                   " %.0f MB, which were free%s: of the plan, %s, keys and"
                   " values %.0f", (double)bytes / 1e6,
                   shared ? ": " CUDA_PLAN_SHARED
                          : " (another program has taken them?)", parts,
                   (double)sum(p->bytes, PLAN_K, PLAN_ARRAYS) / 1e6);
}

/* Blocks that sequences can come to use, and prefixes beside them. */
static uint64_t most_blocks(const struct cuda_plan *p)
{
    return 2 * (uint64_t)p->slots * p->stride;
}

static int check_taps(const struct backend_load *want, struct err *err)
{
    if (want->taps & BACKEND_TAP_RESIDUAL)
        return err_set(err, ERR_INPUT, "only the CPU gives residual rows of all"
                       " layers (tensors = hidden): set kernel to one of the"
                       " CPU");
    if (want->taps & BACKEND_TAP_DEEP)
        return err_set(err, ERR_INPUT, "only the CPU commits to all layers"
                       " (deep): set kernel to one of the CPU");
    return 0;
}

/* All but blocks; `rec` is of the part. */
static void size_all(struct cuda_plan *p, const struct model_record *rec,
                     const struct model_part *part,
                     const struct cuda_memory *memory)
{
    p->row_words = WORDS_WINDOW +
                   (rec->flags & MODEL_LAYERS ? PLAN_WINDOWS : 1);
    p->page = rec->head_dim > 256 ? 16 : 32;
    p->hdp = (rec->head_dim + 31) / 32 * 32;
    p->stride = (rec->context + p->page - 1) / p->page + 1;
    p->angles = (size_t)rec->head_dim / 2 * model_tables(rec);
    p->entries = p->rows + p->slots * p->stride;
    p->ring_row = (size_t)rec->n_layers * rec->n_kv_heads *
                  (8 + 2 * (size_t)rec->head_dim);
    p->block_bytes = (uint64_t)rec->n_layers * rec->n_kv_heads * p->page * 2 *
                     (p->hdp + 4);
    p->trees = 1;
    p->leaves = (size_t)rec->n_layers * rec->n_kv_heads;
    size_rows(p, rec);
    size_products(p, rec, memory);
    p->bytes[PLAN_AMAX] = p->bytes[PLAN_SUMS] = p->bytes[PLAN_WHOLE] = 4;
    if (part && part->size > 1)
        size_exchanges(p, rec, part);
    size_heads(p, rec);
    for (size_t i = 0; i < PLAN_K; i++) /* a member may have nothing of one */
        p->bytes[i] = p->bytes[i] ? p->bytes[i] : 4;
}

int cuda_plan_make(struct cuda_plan *p, const struct model_record *rec,
                   const struct model_part *part,
                   const struct backend_load *want,
                   const struct cuda_memory *memory, struct err *err)
{
    const struct model_record mine = part ? cuda_plan_record(rec, part) : *rec;
    uint64_t taken;

    if (check_taps(want, err) || cuda_plan_check(rec, err))
        return -1;
    *p = (struct cuda_plan){ .slots = want->slots, .rows = want->rows,
                             .draws = want->draws,
                             .weights = memory->weights };
    size_all(p, &mine, part, memory);
    taken = p->weights + sum(p->bytes, 0, PLAN_K);
    if (taken > memory->bytes ||
        (memory->bytes - taken) / p->block_bytes < p->stride)
        return too_small(p, rec, memory, taken, err);
    p->n_blocks = (memory->bytes - taken) / p->block_bytes;
    if (p->n_blocks > most_blocks(p))
        p->n_blocks = most_blocks(p);
    if (want->kv_bytes && p->n_blocks > want->kv_bytes / p->block_bytes)
        p->n_blocks = want->kv_bytes / p->block_bytes;
    if (p->n_blocks < p->stride) /* one sequence may go beyond a ceiling */
        p->n_blocks = p->stride;
    cuda_plan_blocks(p, p->n_blocks);
    return 0;
}
