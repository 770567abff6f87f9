/*
 * The level "amx": linear, gate and what makes their rows, with tdpbssd, which
 * multiplies a tile of 16 rows x 64 k with one of 64 k x 16 outputs.  Up to
 * four rows memory is the bound: they are vnni's, on the same weights.
 * amx_attention.c has attention; what is left is vnni's.
 *
 * Weights: as pack.h has them; a tile there is a tile of AMX.
 *
 * Rows: a row is one slice row of signed bytes if it is A8, two (high, low) if
 * it is A14 (slices.h).  Few rows, of at most 16 slice rows together, are one
 * tile for each 64 k: [tiles of k][high rows, low rows][64].  More lie in
 * blocks of two tiles, [blocks][tiles of k][2][16][64]: high and low of 16 rows
 * of A14, or 32 rows of A8.  Rows of the last block that are none hold
 * anything, and so do their sums.
 *
 * Two tiles of rows times two blocks of outputs are four tiles of sums, which
 * stay in registers for all of k.  A build with K_TILES defined takes as many
 * tiles of k at a time, and the sums of all rows wait in memory between them:
 * 8 keep the weights of a pair in the L1 cache.  That was never measured, so it
 * is not the default; a test computes it.
 *
 * Exactness: a slice is at most 128 in size, 128 * 127 * 131072 < 2^31, so sums
 * hold all of k; 256 high + low is rounded once from binary64 (vnni.h).
 */
#include <config.h>

#include "kernels/x86/amx.h"

#include "kernels/levels.h"
#include "kernels/pack.h"
#include "kernels/x86/slices.h"

#if defined(__x86_64__) && defined(__GNUC__)

#define VNNI_ROWS 4u /* up to which rows are vnni's */
#define TILE_ROWS 16u
#define TILE_BYTES 1024u
#define BLOCK_BYTES (2 * TILE_BYTES) /* of rows, for 64 k */
#ifdef K_TILES
#define WAITING 64u /* blocks of rows whose sums wait in memory */
#else
#define K_TILES (X1_MAX_K / PACK_TILE_K)
#define WAITING 1u
#endif
#define PASS_BYTES (1100u << 10) /* of rows, to stay in the L2 cache */
#define STREAM_TILES 8 /* that a stream is fetched ahead */

/* ---- rows ---------------------------------------------------------------- */

/* Rows of a block, which is two tiles. */
static size_t block_rows(const struct x1_rows *rows)
{
    return 2 * TILE_ROWS / slices_of(rows);
}

static size_t blocks_of(const struct x1_rows *rows)
{
    return (rows->m + block_rows(rows) - 1) / block_rows(rows);
}

/* Whether all rows are one tile for each 64 k. */
static bool is_small(const struct x1_rows *rows)
{
    return rows->m * slices_of(rows) <= TILE_ROWS;
}

/* Where slice `s` of row i begins, and in *stride how far its tiles of k are
 * apart. */
static unsigned char *slice_at(const struct x1_rows *rows, size_t i, size_t s,
                               size_t *stride)
{
    size_t each = block_rows(rows), block = i / each, row = i % each;
    unsigned char *q = rows->q;

    if (is_small(rows)) {
        *stride = TILE_BYTES;
        return q + (s * rows->m + i) * PACK_TILE_K;
    }
    *stride = BLOCK_BYTES;
    return q + block * pack_tiles(rows->k) * BLOCK_BYTES +
           (s * TILE_ROWS + row) * PACK_TILE_K;
}

/* Enough for every m up to this one, in each form. */
static size_t amx_rows_bytes(size_t m, size_t k)
{
    if (m <= VNNI_ROWS)
        return slice_rows_bytes(m, k);
    return (m + TILE_ROWS - 1) / TILE_ROWS * pack_tiles(k) * BLOCK_BYTES;
}

/* Row i of rint(x * r); zeros where r is 0. */
static void put_row(struct x1_rows *out, size_t i, const float *x, float r)
{
    size_t padded = pack_tiles(out->k) * PACK_TILE_K, stride, slices;
    unsigned char *high, *low;
    __m512 factor = _mm512_set1_ps(r);

    slices = slices_of(out);
    high = slice_at(out, i, 0, &stride);
    low = slice_at(out, i, slices - 1, &stride);
    for (size_t k = 0; k < padded; k += 16) {
        __mmask16 m = r != 0 && k < out->k ? lanes(out->k - k) : 0;
        __m512i q = round16(x + (m ? k : 0), m, factor);
        size_t at = k / PACK_TILE_K * stride + k % PACK_TILE_K;

        if (slices == 2)
            _mm_storeu_si128((void *)(high + at), high16(q));
        _mm_storeu_si128((void *)(low + at), low16(q));
    }
}

static void amx_quantise(struct x1_rows *out, const float *x, size_t stride,
                         int32_t *fault, size_t from, size_t to)
{
    if (out->m <= VNNI_ROWS) {
        vnni_quantise(out, x, stride, fault, from, to);
        return;
    }
    for (size_t i = from; i < to; i++) {
        const float *row = x + i * stride;

        put_row(out, i, row, pack_factor(&out->scale[i], &fault[i], row,
                                         out->k, amax_bits16(row, out->k),
                                         out->a8));
    }
}

static void amx_integers(int16_t *q, const struct x1_rows *rows, size_t i)
{
    size_t stride;
    const unsigned char *high, *low;

    if (rows->m <= VNNI_ROWS) {
        vnni_integers(q, rows, i);
        return;
    }
    high = slice_at(rows, i, 0, &stride);
    low = slice_at(rows, i, slices_of(rows) - 1, &stride);
    for (size_t k = 0; k < rows->k; k++) {
        size_t at = k / PACK_TILE_K * stride + k % PACK_TILE_K;

        q[k] = (int16_t)(int8_t)low[at];
        if (!rows->a8)
            q[k] = (int16_t)(q[k] + 256 * (int8_t)high[at]);
    }
}

/* ---- few rows ------------------------------------------------------------ */

static void fetch_tile(const int8_t *b)
{
    for (size_t i = 0; i < TILE_BYTES; i += 64)
        _mm_prefetch((const char *)b + i, _MM_HINT_T0);
}

INLINE __m512i sum_of(int32_t (*c)[TILE_ROWS][16], size_t row)
{
    return _mm512_add_epi32(
        _mm512_add_epi32(_mm512_load_si512(c[0][row]),
                         _mm512_load_si512(c[1][row])),
        _mm512_add_epi32(_mm512_load_si512(c[2][row]),
                         _mm512_load_si512(c[3][row])));
}

/* The sums of one block of outputs in four parts, over tiles of k in turn, the
 * weights as one stream. */
static void multiply_stream(int32_t (*c)[TILE_ROWS][16],
                            const unsigned char *a, const int8_t *b,
                            size_t kt)
{
    size_t k = 0;

    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
    for (; k + 4 <= kt; k += 4, a += 4 * TILE_BYTES, b += 4 * TILE_BYTES) {
        for (size_t i = 0; i < 4; i++)
            fetch_tile(b + (STREAM_TILES + i) * TILE_BYTES);
        tile_load(4, a, 64);
        tile_load(5, b, 64);
        tile_dot(0, 4, 5);
        tile_load(6, a + TILE_BYTES, 64);
        tile_load(7, b + TILE_BYTES, 64);
        tile_dot(1, 6, 7);
        tile_load(4, a + 2 * TILE_BYTES, 64);
        tile_load(5, b + 2 * TILE_BYTES, 64);
        tile_dot(2, 4, 5);
        tile_load(6, a + 3 * TILE_BYTES, 64);
        tile_load(7, b + 3 * TILE_BYTES, 64);
        tile_dot(3, 6, 7);
    }
    for (; k < kt; k++, a += TILE_BYTES, b += TILE_BYTES) {
        tile_load(4, a, 64);
        tile_load(5, b, 64);
        tile_dot(0, 4, 5);
    }
    tile_store(0, c[0], 64);
    tile_store(1, c[1], 64);
    tile_store(2, c[2], 64);
    tile_store(3, c[3], 64);
}

/* The integer sums of row i as floats. */
INLINE __m512 small_sums(const struct x1_rows *in, int32_t (*c)[TILE_ROWS][16],
                         size_t i)
{
    return in->a8 ? _mm512_cvtepi32_ps(sum_of(c, i))
                  : whole16(sum_of(c, i), sum_of(c, in->m + i));
}

/* The sums of row i as they are, of a block of outputs from `at` on. */
static void keep_small(const struct vnni_target *t,
                       int32_t (*c)[TILE_ROWS][16], size_t i, size_t at)
{
    int32_t high[16], low[16];

    _mm512_storeu_si512(high, sum_of(c, i));
    if (!t->in->a8)
        _mm512_storeu_si512(low, sum_of(c, t->in->m + i));
    put_sums16(t, i, at, high, t->in->a8 ? NULL : low);
}

/* Outputs [from, to) of rows that are one tile. */
static void multiply_small(const struct vnni_target *t, size_t from,
                           size_t to)
{
    int32_t c[2][4][TILE_ROWS][16] __attribute__((aligned(64)));
    const struct x1_rows *in = t->in;
    size_t kt = pack_tiles(in->k);
    uint8_t n = (uint8_t)(in->m * slices_of(in));

    configure_tiles((const uint8_t[]){ n, n, n, n, n, 16, n, 16 },
                    (const uint8_t[]){ 64, 64, 64, 64, 64, 64, 64, 64 });
    for (size_t at = from; at < to; at += PACK_OUTS) {
        multiply_stream(c[0], in->q, pack_block(t->w, at / PACK_OUTS, kt),
                        kt);
        if (t->u)
            multiply_stream(c[1], in->q, pack_block(t->u, at / PACK_OUTS, kt),
                            kt);
        for (size_t i = 0; i < in->m; i++) {
            if (t->u)
                put_gated16(t, i, at, small_sums(in, c[0], i),
                            small_sums(in, c[1], i));
            else if (t->sums)
                keep_small(t, c[0], i, at);
            else
                put16(t, i, at, small_sums(in, c[0], i));
        }
    }
    tile_release();
}

/* ---- many rows ----------------------------------------------------------- */

/* A pair of blocks of outputs, two of w or one of gate and up; `second` NULL:
 * there is only one.  Lines of the next pair are fetched from `ahead` on. */
struct tile_pair {
    const int8_t *first, *second;
    const int8_t *ahead[2];
    size_t lines; /* of each, in a step */
};

/* The sums of a block of rows and a pair: [block of the pair][tile of rows]. */
struct sums {
    int32_t c[2][2][TILE_ROWS][16];
};

static void fetch_ahead(struct tile_pair *p)
{
    for (size_t i = 0; i < p->lines; i++) {
        _mm_prefetch((const char *)p->ahead[0], _MM_HINT_T1);
        _mm_prefetch((const char *)p->ahead[1], _MM_HINT_T1);
        p->ahead[0] += 64;
        p->ahead[1] += 64;
    }
}

/* s = or += a block of rows times a pair, over n tiles of k from tile k on. */
static void multiply_block(struct sums *s, bool add, const unsigned char *a,
                           struct tile_pair *p, size_t k, size_t n)
{
    const int8_t *b0 = p->first + k * TILE_BYTES;
    const int8_t *b1 = p->second ? p->second + k * TILE_BYTES : b0;

    a += k * BLOCK_BYTES;
    if (add) {
        tile_load(0, s->c[0][0], 64);
        tile_load(1, s->c[0][1], 64);
        tile_load(2, s->c[1][0], 64);
        tile_load(3, s->c[1][1], 64);
    } else {
        tile_zero(0);
        tile_zero(1);
        tile_zero(2);
        tile_zero(3);
    }
    for (size_t i = 0; i < n; i++) {
        tile_load(4, a, 64);
        tile_load(6, b0, 64);
        tile_dot(0, 4, 6);
        tile_load(5, a + TILE_BYTES, 64);
        tile_dot(1, 5, 6);
        tile_load(7, b1, 64);
        tile_dot(2, 4, 7);
        tile_dot(3, 5, 7);
        fetch_ahead(p);
        a += BLOCK_BYTES;
        b0 += TILE_BYTES;
        b1 += TILE_BYTES;
    }
    tile_store(0, s->c[0][0], 64);
    tile_store(1, s->c[0][1], 64);
    tile_store(2, s->c[1][0], 64);
    tile_store(3, s->c[1][1], 64);
}

/* The integer sums of a row of a block as floats. */
INLINE __m512 block_sums(bool a8, int32_t (*c)[TILE_ROWS][16], size_t row)
{
    if (a8)
        return _mm512_cvtepi32_ps(
            _mm512_load_si512(c[row / TILE_ROWS][row % TILE_ROWS]));
    return whole16(_mm512_load_si512(c[0][row]),
                   _mm512_load_si512(c[1][row]));
}

/* The sums as they are, of row `first` + i of a block. */
static void keep_row(const struct vnni_target *t, struct sums *s, size_t first,
                     size_t i, size_t n, bool two)
{
    for (size_t b = 0; b < (two ? 2 : 1); b++) {
        int32_t (*c)[TILE_ROWS][16] = s->c[b];

        if (t->in->a8)
            put_sums16(t, first + i, n + b * PACK_OUTS,
                       c[i / TILE_ROWS][i % TILE_ROWS], NULL);
        else
            put_sums16(t, first + i, n + b * PACK_OUTS, c[0][i], c[1][i]);
    }
}

/* Outputs n .. of the rows of a block, from row `first` on. */
static void finish_sums(const struct vnni_target *t, struct sums *s,
                        size_t first, size_t n, bool two)
{
    const struct x1_rows *in = t->in;
    size_t left = in->m - first, each = block_rows(in);

    for (size_t i = 0; t->sums && i < each && i < left; i++)
        keep_row(t, s, first, i, n, two);
    for (size_t i = 0; !t->sums && i < each && i < left; i++) {
        __m512 v = block_sums(in->a8, s->c[0], i);

        if (t->u) {
            put_gated16(t, first + i, n, v, block_sums(in->a8, s->c[1], i));
            continue;
        }
        put16(t, first + i, n, v);
        if (two)
            put16(t, first + i, n + PACK_OUTS, block_sums(in->a8, s->c[1], i));
    }
}

/* The pair at block nb of `last`, and what to fetch while n blocks of rows meet
 * it: all lines of the next pair. */
static struct tile_pair pair_at(const struct vnni_target *t, size_t nb,
                                size_t last, size_t n)
{
    size_t kt = pack_tiles(t->in->k), step = t->u ? 1 : 2;
    struct tile_pair p = { .first = pack_block(t->w, nb, kt) };

    if (t->u)
        p.second = pack_block(t->u, nb, kt);
    else if (nb + 1 < last)
        p.second = pack_block(t->w, nb + 1, kt);
    p.ahead[0] = p.first + step * kt * TILE_BYTES;
    p.ahead[1] = (p.second ? p.second : p.first) + step * kt * TILE_BYTES;
    p.lines = (TILE_BYTES / 64 + n - 1) / n;
    return p;
}

/* Blocks [b0, b1) of the rows times the pair at block nb. */
static void multiply_pair(const struct vnni_target *t, struct tile_pair *p,
                          size_t b0, size_t b1, size_t nb)
{
    static _Thread_local struct sums sums[WAITING]
        __attribute__((aligned(64)));
    const struct x1_rows *in = t->in;
    size_t kt = pack_tiles(in->k), n;
    const unsigned char *a = in->q;

    for (size_t k = 0; k < kt; k += n) {
        n = kt - k < K_TILES ? kt - k : K_TILES;
        for (size_t b = b0; b < b1; b++) {
            struct sums *s = &sums[(b - b0) % WAITING];

            multiply_block(s, k > 0, a + b * kt * BLOCK_BYTES, p, k, n);
            if (k + n == kt)
                finish_sums(t, s, b * block_rows(in), nb * PACK_OUTS,
                            p->second != NULL);
        }
    }
}

/* Blocks [b0, b1) of the rows, outputs [from, to). */
static void multiply_pass(const struct vnni_target *t, size_t b0, size_t b1,
                          size_t from, size_t to)
{
    size_t last = (to + PACK_OUTS - 1) / PACK_OUTS;

    for (size_t nb = from / PACK_OUTS; nb < last; nb += t->u ? 1 : 2) {
        struct tile_pair p = pair_at(t, nb, last, b1 - b0);

        multiply_pair(t, &p, b0, b1, nb);
    }
}

/* Outputs [from, to) of all rows, in passes whose rows stay in the cache. */
static void multiply_large(const struct vnni_target *t, size_t from,
                           size_t to)
{
    size_t n = blocks_of(t->in), passes, kt = pack_tiles(t->in->k);
    size_t most = PASS_BYTES / (kt * BLOCK_BYTES);

    most = most < 1 ? 1 : most;
    if (kt > K_TILES && most > WAITING)
        most = WAITING;
    passes = (n + most - 1) / most;
    configure_tiles((const uint8_t[]){ 16, 16, 16, 16, 16, 16, 16, 16 },
                    (const uint8_t[]){ 64, 64, 64, 64, 64, 64, 64, 64 });
    for (size_t i = 0; i < passes; i++)
        multiply_pass(t, n * i / passes, n * (i + 1) / passes, from, to);
    tile_release();
}

static void multiply(const struct vnni_target *t, size_t from, size_t to)
{
    if (is_small(t->in))
        multiply_small(t, from, to);
    else
        multiply_large(t, from, to);
}

static void amx_linear(float *y, size_t stride, const struct x1_weights *w,
                       const float *b, bool add, const struct x1_rows *in,
                       size_t from, size_t to)
{
    struct vnni_target t = {
        .y = y, .stride = stride, .w = w, .b = b, .add = add, .in = in
    };

    if (in->m <= VNNI_ROWS)
        vnni_linear(y, stride, w, b, add, in, from, to);
    else
        multiply(&t, from, to);
}

static void amx_swiglu(float *h, size_t stride, const struct x1_weights *g,
                       const struct x1_weights *u, const struct x1_rows *in,
                       size_t from, size_t to)
{
    struct vnni_target t = {
        .y = h, .stride = stride, .w = g, .u = u, .in = in
    };

    if (in->m <= VNNI_ROWS)
        vnni_swiglu(h, stride, g, u, in, from, to);
    else
        multiply(&t, from, to);
}

static void amx_sums(int64_t *acc, size_t stride, const struct x1_weights *w,
                     const struct x1_rows *in, size_t from, size_t to)
{
    struct vnni_target t = { .stride = stride, .w = w, .in = in, .sums = acc };

    if (in->m <= VNNI_ROWS)
        vnni_sums(acc, stride, w, in, from, to);
    else
        multiply(&t, from, to);
}

void x1_amx_init(struct x1_kernels *k)
{
    k->rows_bytes = amx_rows_bytes;
    k->quantise = amx_quantise;
    k->integers = amx_integers;
    k->linear = amx_linear;
    k->swiglu = amx_swiglu;
    k->sums = amx_sums;
    k->attention = amx_attention;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
