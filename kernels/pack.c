/*
 * Packing a matrix, reading a row of it back, and the scale of a quantised row.
 */
#include <config.h>

#include "kernels/pack.h"

#include <string.h>

#include "kernels/x1.h"

/* Bytes of the weights alone, where the scales begin. */
static size_t weight_bytes(size_t rows, size_t cols)
{
    return (rows + PACK_OUTS - 1) / PACK_OUTS * pack_tiles(cols) *
           PACK_TILE_BYTES;
}

static size_t pack_bytes(const struct x1_matrix *m)
{
    size_t outs = (m->rows + PACK_OUTS - 1) / PACK_OUTS * PACK_OUTS;

    return weight_bytes(m->rows, m->cols) +
           outs * (sizeof(float) + sizeof(int32_t));
}

/* Where element k of output n begins. */
static size_t place(size_t n, size_t k, size_t kt)
{
    return (n / PACK_OUTS * kt + k / PACK_TILE_K) * PACK_TILE_BYTES +
           k % PACK_TILE_K / 4 * PACK_TILE_K + n % PACK_OUTS * 4 + k % 4;
}

/* Output n, whose row is NULL if it is padding; returns the sum of its
 * weights. */
static int32_t pack_row(int8_t *out, const int8_t *row, size_t n, size_t cols)
{
    size_t kt = pack_tiles(cols), k = 0;
    int32_t sum = 0;

    for (; row && k + 4 <= cols; k += 4) {
        memcpy(out + place(n, k, kt), row + k, 4);
        sum += row[k] + row[k + 1] + row[k + 2] + row[k + 3];
    }
    for (; k < kt * PACK_TILE_K; k++) {
        out[place(n, k, kt)] = row && k < cols ? row[k] : 0;
        sum += row && k < cols ? row[k] : 0;
    }
    return sum;
}

static void pack(void *out, const struct x1_matrix *m, size_t from,
                 size_t to)
{
    size_t outs = (m->rows + PACK_OUTS - 1) / PACK_OUTS * PACK_OUTS;
    unsigned char *tail = (unsigned char *)out +
                          weight_bytes(m->rows, m->cols);
    float *scale = (float *)(void *)tail;
    int32_t *sum = (int32_t *)(void *)(tail + outs * sizeof(*scale));

    for (size_t n = from; n < (to == m->rows ? outs : to); n++) {
        bool real = n < m->rows;

        scale[n] = real ? m->scale[n] : 0;
        sum[n] = pack_row(out, real ? m->w + n * m->cols : NULL, n, m->cols);
    }
}

static void weights(struct x1_weights *w, const struct x1_matrix *m,
                    const void *out)
{
    w->rows = m->rows;
    w->cols = m->cols;
    w->data = out;
    w->scale = (const float *)(const void *)((const unsigned char *)out +
                                             weight_bytes(m->rows, m->cols));
}

static void embed(float *x, const struct x1_weights *w, uint32_t id)
{
    const int8_t *data = w->data;
    size_t kt = pack_tiles(w->cols);

    for (size_t k = 0; k < w->cols; k++)
        x[k] = (float)data[place(id, k, kt)] * w->scale[id];
}

float pack_factor(float *scale, int32_t *fault, const float *x, size_t n,
                  uint32_t amax, bool a8)
{
    *scale = 0;
    *fault = -1;
    if (amax >= X1_LIMIT_BITS) {
        *fault = x1_fault(x, n);
        return 0;
    }
    if (!a8) {
        *scale = x1_pow2(x1_a14_exponent(amax) - 14);
        return x1_pow2(14 - x1_a14_exponent(amax));
    }
    if (x1_float(amax) < 0x1p-90f)
        return 0;
    *scale = x1_float(amax) / 127.0f;
    return 127.0f / x1_float(amax);
}

void pack_init(struct x1_kernels *k)
{
    k->pack_bytes = pack_bytes;
    k->pack = pack;
    k->weights = weights;
    k->embed = embed;
}
