/*
 * What runs on a device: the arguments of each kernel and the function that
 * launches it.  This header is all that the step needs of kernels/cuda.
 *
 * Pointers in arguments are to memory of the device, aligned to 256 bytes, and
 * stay the caller's; what they point to is defined when the stream gets there.
 * A launch function returns at once: 0 (cudaSuccess), or the error of the
 * launch, after which nothing of it runs.
 *
 * Quantised rows.  A row of k elements is S slices of ldk bytes, ldk being k
 * rounded up to 64 and the rest zeros: in A14 (S = 2) hi and lo, the value
 * being 256 hi + lo with lo in [-128, 127]; in A8 (S = 1) the value itself.
 * Slice s of row i is slice i * S + s of the array.
 */
#ifndef APUS_KERNELS_CUDA_LAUNCH_CUH
#define APUS_KERNELS_CUDA_LAUNCH_CUH

#include "kernels/cuda/dev.cuh"

/* Bytes of a slice of k elements. */
static inline uint32_t slice_bytes(size_t k)
{
    return (uint32_t)((k + 63) / 64 * 64);
}

/* A launch may have room for more rows than a step has: `live` of the arguments
 * below points to how many it has, in device memory, and what belongs to the
 * rows behind them stays as it is.  NULL: it has all of them.  So a launch that
 * is made once serves steps of fewer rows. */
DEV bool row_is_live(const uint32_t *live, uint32_t row)
{
    return !live || row < *live;
}

/* Up to so many rows the last block of a kernel goes on with what is a launch
 * of its own of more: what one block does must not take longer than a launch.
 * The bits are the same. */
#define LAST_ROWS 4

/* Faults of a step: of each slot the least, all ones where there is none, in
 * the order of doc/numerics.md.  The head is layer FAULT_HEAD. */
#define FAULT_HEAD 255u
struct fault_sink {
    unsigned long long *least; /* by slot; NULL: nobody wants them */
    const uint32_t *slot, *to; /* of each row; its position is to - 1 */
    uint32_t layer;
};

/* One product to look at: of the linear with this number, the integer sums of
 * this row; number TAP_NONE: of none.  The host changes it between steps, in
 * device memory, so that launches are the same. */
#define TAP_NONE 0xffffffffu
struct linear_tap {
    uint32_t number, row;
};

/* 17 bits of position, 8 of layer, 4 of operator, 16 of head, 18 of index. */
__host__ __device__ static inline unsigned long long
fault_key(uint32_t position, uint32_t layer, uint32_t op, uint32_t head,
          uint32_t index)
{
    return (unsigned long long)position << 46 |
           (unsigned long long)layer << 38 | (unsigned long long)op << 34 |
           (unsigned long long)head << 18 | index;
}

/* Rows of k floats, `stride` floats apart: RMSNorm with the weights g, unless
 * g is NULL, then A14 or A8 into q and scale, unless q is NULL.  A fault is
 * the index of the first element of 2^40 or more in size, or -1; a row with
 * one is zeros after it.  Formulas: doc/numerics.md.  Where the tap is of a
 * linear that reads these rows, the slices of its row go to tapped_q, too. */
struct rows_args {
    const float *x;
    const float *g;
    float *y;         /* the norm's result, `stride` apart, or NULL */
    int8_t *q;        /* m * S slices */
    float *scale;     /* m */
    int32_t *fault_x; /* m, of x: written where g is, or NULL */
    int32_t *fault_y; /* m, of what is quantised: where q is, or NULL */
    struct fault_sink fault;
    const struct linear_tap *tap; /* or NULL */
    int8_t *tapped_q;    /* S slices */
    uint32_t reader[2];  /* the linears' numbers; one twice if it is alone */
    const uint32_t *live;
    uint32_t op_x, op_y; /* of these faults */
    uint32_t k, ldk, stride;
    float eps;
    int a8;
    /* m, the greatest sizes (bits) of longer rows, of which these are elements
     * `first` on, and g is NULL; or NULL: rows are whole, and first is 0 */
    const uint32_t *amax;
    uint32_t first;
};
cudaError_t rows_launch(const struct rows_args *a, uint32_t m,
                        cudaStream_t stream);

/* The same by the last block of the kernel that writes those rows: m of them,
 * from the first on, 0: none.  `done` is a word, zero before and after.  What
 * that kernel reads may be written over. */
struct rows_then {
    struct rows_args rows;
    uint32_t m;
    uint32_t *done;
};

/* amax[i] = the greatest size of row i, as bits: of m rows of k floats,
 * `stride` floats apart. */
cudaError_t amax_launch(uint32_t *amax, const float *x, uint32_t k,
                        uint32_t stride, uint32_t m, cudaStream_t stream);

/* Columns of rows: y[i][to + j] = x[i][from + j] for j < k and m rows, ldy and
 * ldx floats apart; with `clear` the others of y are zeros. */
struct columns_args {
    float *y;
    const float *x;
    uint32_t ldy, to, ldx, from, k;
    bool clear;
};
cudaError_t columns_launch(const struct columns_args *a, uint32_t m,
                           cudaStream_t stream);

/* Rotation of halves of `heads` vectors of hd floats in each of m rows, in
 * place; cos and sin have hd / 2 a row. */
cudaError_t rope_launch(float *x, const float *cos, const float *sin,
                        uint32_t m, uint32_t heads, uint32_t hd,
                        cudaStream_t stream);

/* y[i] = f(a[i]), or f(a[i], b[i]), for n elements. */
enum each { EACH_EXP32, EACH_SILU, EACH_GATE, EACH_GELU, EACH_ADD };
cudaError_t each_launch(float *y, const float *a, const float *b, uint32_t n,
                        enum each f, cudaStream_t stream);

/* table[slot * stride + index] = block for n entries of three words. */
cudaError_t table_launch(int32_t *table, const uint32_t *entry, uint32_t n,
                         uint32_t stride, cudaStream_t stream);

/* x = row id[i] of the embedding w (rows of ldk bytes, k of them used) times
 * its scale, for m rows of k floats.  EMBED_DRAWN as an id is what was drawn
 * last in the row's slot. */
#define EMBED_DRAWN 0xffffffffu
struct embed_args {
    float *x;              /* m rows of k */
    const int8_t *w;
    const float *scale;    /* of w's rows */
    const uint32_t *id;    /* m */
    const uint32_t *slot;  /* m, or NULL: every id is one */
    const uint32_t *drawn; /* by slot, or NULL likewise */
    const uint32_t *live;
    uint32_t k, ldk;
};
cudaError_t embed_launch(const struct embed_args *a, uint32_t m,
                         cudaStream_t stream);

/* y = W x for 1 to LINEAR_ROWS rows: ((f32(acc) * s_w[n]) * step[r]) + bias,
 * added to `add`.  With w2: silu of W x times W2 x, no bias, nothing added. */
#define LINEAR_ROWS 32
struct sample_row;
struct linear_args {
    const int8_t *w, *w2;      /* n rows of ldk bytes */
    const float *s_w, *s_w2;   /* n */
    const float *bias;         /* n, or NULL */
    const int8_t *q;           /* m * S slices */
    const float *step;         /* m */
    const float *add;          /* m rows of ldy floats, or NULL; may be y */
    float *y;                  /* m rows of ldy floats */
    uint32_t *amax;            /* m, or NULL: max(|y|, what is there), bits */
    int32_t *sum;              /* linear_scratch, zero before and after */
    uint32_t *count;           /* n, zero before and after */
    const struct linear_tap *tap; /* or NULL */
    int32_t *tapped; /* S x n sums of the row, then those of w2 */
    uint32_t number; /* of this linear */
    const uint32_t *live;
    uint32_t n, m, ldk, ldy;
    /* where y are logits: of each row the greatest goes into `best`, and a
     * fault of this operator is noted; draw NULL: they are not */
    struct sample_row *draw; /* m */
    struct fault_sink fault;
    uint32_t op;
    uint32_t first; /* the id of output 0 */
    /* m * S x n sums, of a product over some columns only, in the place of y,
     * which is not written; or NULL */
    int32_t *sums;
    struct rows_then then; /* of y, of a launch of at most LAST_ROWS rows by
                              linear_launch; no other takes any */
};

/* K is split over `splits` blocks an output, at least 1: sums are exact, so
 * splits change no bit.  a8: one slice a row. */
cudaError_t linear_launch(const struct linear_args *a, bool a8,
                          uint32_t splits, cudaStream_t stream);

/* int32s of `sum` for n outputs. */
static inline size_t linear_scratch(size_t n, bool gate)
{
    return (n + 63) / 64 * 64 * 64 * (gate ? 2 : 1);
}

/* int32s of `sum` that a launch with so many columns, rows x slices, uses at
 * most: of its tiles, of which the widest has 64 x 64. */
static inline size_t linear_sums(size_t n, uint32_t cols, bool gate)
{
    size_t outs = gate ? 32 : 64, tiles = (n + outs - 1) / outs;

    return tiles * 64 * (cols <= 8 ? 8 : cols <= 16 ? 16 : cols <= 32 ? 32
                                                                      : 64);
}

/* The same for any number of rows, in tiles of which each has all of K, or a
 * split of it (kernels/cuda/large.cuh): forms and splits change no bit. */
enum large_form { LARGE_SMALL, LARGE_MIDDLE, LARGE_WIDE, LARGE_FORMS };
struct large_way {
    enum large_form form;
    uint32_t splits; /* at least 1 */
};
/* What splits need: int32s of `sum`, words of `count`, both zero. */
struct large_needs {
    size_t sums, counts;
};
struct large_needs large_needs_of(enum large_form form,
                                  const struct linear_args *a, bool a8);
/* The way that suits so many multiprocessors and has no greater needs. */
struct large_way large_choose(const struct linear_args *a, bool a8,
                              uint32_t processors, struct large_needs most);
cudaError_t large_launch(const struct linear_args *a, bool a8,
                         struct large_way way, cudaStream_t stream);

/* The same from sums that a library has made (src/backend/cuda/blas.cuh), for
 * any number of rows: outputs [first, first + some) of `of`, whose w, q, amax,
 * sum and count are not used.  d has those outputs' sums, a slice of a row
 * `ld` after the one before; d2 those of w2. */
struct scale_args {
    struct linear_args of;
    const int32_t *d, *d2; /* m * S x ld */
    uint32_t first, some, ld;
};
cudaError_t scale_launch(const struct scale_args *a, bool a8,
                         cudaStream_t stream);

/* What comes of a row's q, k and v in a layer: q of the first m_q rows, normed
 * and turned, as A14; k, normed and turned, and v as A8 into the pool (as in
 * attention_args) and into what is committed to.  Operators of faults: those
 * of q's norm, k's norm, q, k, v. */
enum heads_op { HEADS_Q_NORM, HEADS_K_NORM, HEADS_Q, HEADS_K, HEADS_V };
struct heads_args {
    const float *x; /* m rows, ldx apart: heads of q, kv heads of k, of v */
    const float *q_norm, *k_norm; /* hd, or NULL */
    const float *cos, *sin;       /* m rows of hd / 2, `angles` apart */
    int8_t *q;                    /* m_q x heads x 2 slices of hdp */
    float *step;                  /* m_q x heads */
    int8_t *k, *v;
    float *s_k, *s_v;
    const int32_t *table;
    uint8_t *ring; /* m rows, ring_row bytes apart: of this layer and each kv
                      head s_k, s_v, K, V */
    const uint32_t *frame; /* the ring has several, frame_bytes apart: which is
                              written; or NULL: the first */
    struct fault_sink fault; /* its slots and positions are needed */
    const uint32_t *live;
    uint32_t op[5];
    uint32_t heads, kv_heads, hd, hdp, page, table_stride;
    uint32_t first, kv_first; /* numbers of the first of them, in faults */
    uint32_t m_q, ldx, angles;
    size_t ring_row, frame_bytes;
    float eps;
};
cudaError_t heads_launch(const struct heads_args *a, uint32_t m,
                         cudaStream_t stream);

/* Attention of one query a sequence to its keys [from, to), at least one.
 *
 * The pool of a layer: k and v are [block][kv head][page][hdp] int8, s_k and
 * s_v [block][kv head][page]; `page` is a multiple of 16, hdp is hd padded
 * with zeros to a multiple of 32.  Row slot[i] of the table has the blocks of
 * sequence i, or row i where slot is NULL: rows of a prompt are sequences of
 * one slot.  c is the model's attention scale. */
struct attention_args {
    const int8_t *k, *v;
    const float *s_k, *s_v;
    const int32_t *table;       /* sequences x table_stride */
    const uint32_t *from, *to;  /* sequences */
    const uint32_t *slot;       /* sequences, or NULL */
    const int8_t *q;            /* sequences x heads x 2 slices of hdp */
    const float *step;          /* sequences x heads */
    float c;
    float *score;               /* sequences x heads x score_stride */
    uint32_t *top;              /* sequences x heads, zero before and after */
    uint32_t *vm;               /* likewise */
    unsigned long long *num;    /* sequences x heads x hdp, zero likewise */
    unsigned long long *z;      /* sequences x heads, zero likewise */
    float *o;                   /* sequences x heads x hd */
    uint32_t *done;             /* sequences, zero likewise: no launch of its
                                   own divides; or NULL: one does */
    struct rows_args then;      /* with `done`: of rows `row` on, which the
                                   launch that divides quantises, too; its q
                                   NULL: nothing */
    const uint32_t *live;       /* rows of a step, of which these begin .. */
    uint32_t row;               /* .. with this one */
    uint32_t heads, kv_heads, hd, hdp, page, table_stride, score_stride;
};

/* Keys are split over `splits` blocks, at least 1; splits change no bit. */
cudaError_t attention_launch(const struct attention_args *a,
                             uint32_t sequences, uint32_t splits,
                             cudaStream_t stream);

/* Attention of many rows of the same slots: tiles of queries, a group of query
 * heads having at most TILE_QUERIES.  Rows are numbers of from, to, q, step and
 * o; those of a tile are list[first .. first + count), of one slot, count times
 * the group at most TILE_QUERIES, and its keys [from, to) are all of theirs;
 * [0, to) where the layer has no window (whole). */
#define TILE_QUERIES 64
struct prefill_tile {
    uint32_t slot, first, count, from, to;
};
struct prefill_args {
    const int8_t *k, *v; /* the pool, as in attention_args .. */
    const float *s_k, *s_v;
    const int32_t *table;
    const struct prefill_tile *tile;
    const uint32_t *list;
    const uint32_t *from, *to; /* rows */
    const int8_t *q;           /* rows x heads x 2 slices of hdp */
    const float *step;         /* rows x heads */
    float c;
    uint32_t *top, *vm;        /* rows x heads: scratch */
    float *o;                  /* rows x heads x hd */
    uint32_t heads, kv_heads, hd, hdp, page, table_stride;
    bool whole;
};
cudaError_t prefill_launch(const struct prefill_args *a, uint32_t tiles,
                           cudaStream_t stream);

/* A draw and its result, one a row of logits; t is f32(f64(temperature) /
 * 1e6), 0 for greedy, when only token is written.  top_p in millionths, top_k
 * 0 for all; seed is low word first.  sum_k, sum_p and r as in
 * src/engine/sampler.h.  The token is also the one drawn last in `slot`, unless
 * that is SAMPLE_NOWHERE; no two rows of a launch have the same.
 *
 * best has the greatest logit, in an unsigned order of floats (zeros are
 * equal), above 2^32 - 1 less its id, so that it is the lowest of equal ones;
 * BEST_FAULT where a logit is a fault, when token is 0 and nothing is drawn. */
#define SAMPLE_NOWHERE 0xffffffffu
#define BEST_FAULT 0xffffffffffffffffull
struct sample_row {
    float t;
    uint32_t top_p, top_k, choice, position;
    uint32_t seed[2];
    uint32_t slot, token, kept;
    unsigned long long sum_k, sum_p, r;
    unsigned long long best; /* zero before linear_args.draw sets it */
};

struct sample_args {
    const float *logits; /* rows x n */
    uint32_t *w;         /* rows x n: scratch */
    struct sample_row *row;
    uint32_t *drawn;     /* by slot, or NULL: nobody wants to know */
    const uint32_t *live;
    uint32_t n;
};
cudaError_t sample_launch(const struct sample_args *a, uint32_t rows,
                          cudaStream_t stream);

/* The hashes of a step's positions (doc/proof.md): kv, the root of its rows of
 * keys and values, each a leaf of s_k, s_v, K and V as they are committed; fin,
 * the root of the last residual row in pieces of 1 KiB. */
struct commit_args {
    const uint32_t *rows; /* positions x n_rows x row_words; or NULL */
    const uint32_t *x;    /* positions x d, the bits of f32; or NULL */
    uint32_t *kv, *fin;   /* positions x 8 words, bytes in the hash's order */
    uint32_t n_rows, row_words, d;
};

/* cudaErrorInvalidValue if the leaves of a position do not fit the shared
 * memory of a block, 32 bytes each. */
cudaError_t commit_launch(const struct commit_args *a, uint32_t positions,
                          cudaStream_t stream);

#endif
