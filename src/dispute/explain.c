/*
 * Implements doc/numerics.md, "A layer", and keeps every number.  Vectors come
 * from the kernel table; scalars that no kernel returns come from terms.h.
 */
#include <config.h>

#include "dispute/explain_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "dispute/terms.h"
#include "model/model.h"

/* ---- numbers as they come ------------------------------------------------ */

void explain_changed(struct explain *e, enum entry entry, void *value,
                     size_t n)
{
    if (e->alter)
        e->alter(e->alter_self, e->position, e->layer, entry, value, n);
}

void explain_scalar(struct explain *e, enum entry entry, uint64_t value)
{
    e->out.scalar[entry] = value;
    explain_changed(e, entry, &e->out.scalar[entry], 1);
}

void explain_floats(struct explain *e, enum entry entry)
{
    size_t n = operators_elements(&e->m->rec, entry);

    explain_changed(e, entry, e->f[entry], n);
    for (size_t i = 0; i < n; i++)
        set_u32(e->out.vector[entry] + 4 * i, f32_bits(e->f[entry][i]));
}

/* Integers of a quantised row, of one byte or two. */
static void put_row(struct explain *e, enum entry entry, size_t n)
{
    unsigned char *out = e->out.vector[entry];
    bool wide = operators_width(&e->m->rec, entry) == 2;

    explain_changed(e, entry, e->row, n);
    for (size_t i = 0; i < n; i++) {
        uint16_t q = (uint16_t)e->row[i];

        if (wide) {
            out[2 * i] = (unsigned char)q;
            out[2 * i + 1] = (unsigned char)(q >> 8);
        } else {
            out[i] = (unsigned char)q;
        }
    }
}

void explain_quantised(struct explain *e, const float *x, size_t n,
                       enum entry first)
{
    size_t w = terms_greatest(x, n);
    int32_t fault;

    e->in.m = 1;
    e->in.k = n;
    e->in.a8 = operators_a8(&e->m->rec, first);
    explain_scalar(e, first, e->in.a8 ? f32_bits(terms_a8_scale(x[w]))
                                      : (uint32_t)terms_exponent(x[w]));
    explain_scalar(e, first + 1, w);
    e->k.quantise(&e->in, x, n, &fault, 0, 1);
    e->k.integers(e->row, &e->in, 0);
    put_row(e, first + 2, n);
}

void explain_norm(struct explain *e, const float *x, const float *g,
                  enum entry first, enum entry second)
{
    size_t n = e->m->rec.dim, w = terms_greatest(x, n);
    int32_t exponent = terms_exponent(x[w]), fault;
    int64_t squares = terms_squares(x, n, exponent);
    float *y = e->f[second + 2];

    explain_scalar(e, first, (uint32_t)exponent);
    explain_scalar(e, first + 1, w);
    explain_scalar(e, first + 2, (uint64_t)squares);
    explain_scalar(e, first + 3, f32_bits(terms_inv(squares, exponent, n,
                                                    e->m->rec.eps)));
    e->k.rmsnorm(y, x, n, g, e->m->rec.eps, 1, n, &fault);
    explain_quantised(e, y, n, second);
}

int explain_linear(struct explain *e, float *y, const struct x1_matrix *w,
                   const float *b, bool add, struct err *err)
{
    size_t bytes = e->k.pack_bytes(w);
    struct x1_weights packed;
    void *room = NULL;

    if (bytes && mem_big(&room, bytes, 1, "a packed matrix", err))
        return -1;
    x1_pack(&e->k, &packed, w, room);
    e->k.linear(y, w->rows, &packed, b, add, &e->in, 0, w->rows);
    free(room);
    return 0;
}

/* ---- keys and values ----------------------------------------------------- */

size_t explain_row_bytes(const struct explain *e)
{
    return 8 + 2 * (size_t)e->m->rec.head_dim;
}

/* Heads of q or k: norm and rope. */
static void turn(struct explain *e, float *x, size_t heads, const float *g)
{
    const struct model_record *rec = &e->m->rec;
    size_t half = rec->head_dim / 2;
    float cos[TERMS_HEAD_DIM / 2], sin[TERMS_HEAD_DIM / 2];

    if (g)
        e->k.rmsnorm(x, x, rec->head_dim, g, rec->eps, heads, rec->head_dim,
                     e->fault);
    x1_rope_row(cos, sin, e->m->layers[e->layer].inv_freq, half, e->position);
    e->k.rope(x, heads, rec->head_dim, cos, sin);
}

static int keys_and_values(struct explain *e, const struct model_layer *w,
                           struct err *err)
{
    if (explain_linear(e, e->f[ENTRY_K], &w->wk, w->bk, false, err) ||
        explain_linear(e, e->f[ENTRY_V], &w->wv, w->bv, false, err))
        return -1;
    explain_floats(e, ENTRY_K);
    explain_floats(e, ENTRY_V);
    return 0;
}

int explain_rows(struct explain *e, unsigned char *out, uint32_t layer,
                 uint32_t position, const float *x, struct err *err)
{
    const struct model_layer *w = &e->m->layers[layer];
    size_t hd = e->m->rec.head_dim, bytes = explain_row_bytes(e);
    float s_k, s_v;
    int32_t bad[2];

    e->layer = layer;
    e->position = position;
    explain_norm(e, x, w->attn_norm, ENTRY_EX, ENTRY_EA);
    if (keys_and_values(e, w, err))
        return -1;
    turn(e, e->f[ENTRY_K], e->m->rec.n_kv_heads, w->k_norm);
    for (size_t g = 0; g < e->m->rec.n_kv_heads; g++) {
        unsigned char *row = out + g * bytes;

        e->k.quantise_kv(e->block[0], 0, e->f[ENTRY_K] + g * hd,
                         e->f[ENTRY_V] + g * hd, hd, bad);
        e->k.fetch((int8_t *)row + 8, (int8_t *)row + 8 + hd, &s_k, &s_v,
                   e->block[0], 0, hd);
        set_u32(row, f32_bits(s_k));
        set_u32(row + 4, f32_bits(s_v));
        explain_changed(e, ENTRY_KV, row, g);
    }
    return 0;
}

/* ---- attention ----------------------------------------------------------- */

/* Reserve blocks and scratch memory for this many positions. */
static int reserve(struct explain *e, size_t positions, struct err *err)
{
    size_t want = (positions + X1_BLOCK - 1) / X1_BLOCK;
    size_t hd = e->m->rec.head_dim;
    void *room;

    if (positions <= e->positions)
        return 0;
    e->block = xrealloc(e->block, want * sizeof(*e->block));
    for (; e->n_blocks < want; e->n_blocks++) {
        if (mem_big(&room, e->k.block_bytes(hd), 1, "keys and values", err))
            return -1;
        e->block[e->n_blocks] = room;
    }
    if (mem_big(&room, e->k.attention_bytes(want * X1_BLOCK, hd), 1, "scores",
                err))
        return -1;
    free(e->scratch);
    e->scratch = room;
    e->positions = want * X1_BLOCK;
    return 0;
}

/* Record the intermediate values of one head's attention: its entry of
 * `heads`. */
static void attended(struct explain *e, size_t head, const int16_t *r,
                     int32_t er, const unsigned char *rows, size_t stride,
                     size_t from, size_t to)
{
    unsigned char *out = e->out.vector[ENTRY_HEADS] + 32 * head;
    size_t hd = e->m->rec.head_dim, wm = from, wv = from;
    float c = e->m->layers[e->layer].attn_scale, m = 0;
    int64_t z = 0;

    for (size_t i = from; i < to; i++) {
        const unsigned char *row = rows + i * stride;
        float score = terms_score(r, er, c, row, hd) + 0.0f;

        if (i == from || score > m) {
            m = score;
            wm = i;
        }
        if (terms_value_scale(row) > terms_value_scale(rows + wv * stride))
            wv = i;
    }
    for (size_t i = from; i < to; i++)
        z += terms_z(terms_score(r, er, c, rows + i * stride, hd), m);
    set_u32(out, (uint32_t)er);
    set_u32(out + 4, f32_bits(m));
    set_u32(out + 8, (uint32_t)wm);
    set_u32(out + 12, (uint32_t)terms_value_exponent(
                          terms_value_scale(rows + wv * stride)));
    set_u32(out + 16, (uint32_t)wv);
    set_u32(out + 20, 0);
    set_u64(out + 24, (uint64_t)z);
}

/* Attend with the query heads that share KV head g. */
static void attend_group(struct explain *e, size_t g,
                         const unsigned char *rows, size_t stride,
                         size_t from, size_t to)
{
    struct x1_scoring c = { e->m->layers[e->layer].attn_scale, 0 };
    size_t hd = e->m->rec.head_dim;
    size_t group = e->m->rec.n_heads / e->m->rec.n_kv_heads;
    struct x1_blocks kv = { e->block, 0 };
    struct x1_query query;

    for (size_t i = 0; i < to; i++) {
        const unsigned char *row = rows + i * stride;

        e->k.put(e->block[i / X1_BLOCK], i % X1_BLOCK,
                 (const int8_t *)row + 8, (const int8_t *)row + 8 + hd,
                 f32_from(get_u32(row)), terms_value_scale(row), hd);
    }
    for (size_t h = g * group; h < (g + 1) * group; h++) {
        const float *q = e->f[ENTRY_R] + h * hd;
        int32_t er = terms_exponent(q[terms_greatest(q, hd)]);

        query = (struct x1_query){ q, e->f[ENTRY_O] + h * hd, (uint32_t)from,
                                   (uint32_t)to, -1 };
        e->k.attention(&query, 1, c, &kv, hd, e->scratch);
        attended(e, h, e->row + h * hd, er, rows, stride, from, to);
    }
}

static int attend_position(struct explain *e, const unsigned char *rows,
                           size_t stride, struct err *err)
{
    const struct model_record *rec = &e->m->rec;
    size_t to = (size_t)e->position + 1, hd = rec->head_dim;
    size_t window = e->m->layers[e->layer].window;
    size_t from = window && to > window ? to - window : 0;

    if (reserve(e, to, err))
        return -1;
    memcpy(e->f[ENTRY_R], e->f[ENTRY_Q],
           operators_elements(rec, ENTRY_Q) * sizeof(float));
    turn(e, e->f[ENTRY_R], rec->n_heads, e->m->layers[e->layer].q_norm);
    e->heads.m = rec->n_heads;
    e->heads.k = hd;
    e->heads.a8 = false;
    e->k.quantise(&e->heads, e->f[ENTRY_R], hd, e->fault, 0, rec->n_heads);
    for (size_t h = 0; h < rec->n_heads; h++)
        e->k.integers(e->row + h * hd, &e->heads, h);
    put_row(e, ENTRY_R, operators_elements(rec, ENTRY_R));
    for (size_t g = 0; g < rec->n_kv_heads; g++)
        attend_group(e, g, rows + g * explain_row_bytes(e), stride, from, to);
    explain_changed(e, ENTRY_HEADS, e->out.vector[ENTRY_HEADS], rec->n_heads);
    explain_floats(e, ENTRY_O);
    return 0;
}

/* ---- a layer ------------------------------------------------------------- */

/* Compute y = x + wo o, and the layer's output y + down(silu(swiglu) * up). */
static int feed_forward(struct explain *e, const struct model_layer *w,
                        const float *x, struct err *err)
{
    const struct model_record *rec = &e->m->rec;
    float *y = e->f[ENTRY_Y], *h = e->f[ENTRY_H], *sum = e->f[ENTRY_X];

    explain_quantised(e, e->f[ENTRY_O], operators_elements(rec, ENTRY_O),
                      ENTRY_EO);
    memcpy(y, x, rec->dim * sizeof(*y));
    if (explain_linear(e, y, &w->wo, NULL, true, err))
        return -1;
    explain_floats(e, ENTRY_Y);
    explain_norm(e, y, w->ffn_norm, ENTRY_EY, ENTRY_EC);
    if (explain_linear(e, e->f[ENTRY_G], &w->gate, NULL, false, err) ||
        explain_linear(e, e->f[ENTRY_U], &w->up, NULL, false, err))
        return -1;
    explain_floats(e, ENTRY_G);
    explain_floats(e, ENTRY_U);
    e->k.silu(h, e->f[ENTRY_G], rec->ffn_dim);
    for (size_t i = 0; i < rec->ffn_dim; i++)
        h[i] *= e->f[ENTRY_U][i];
    explain_quantised(e, h, rec->ffn_dim, ENTRY_EH);
    memcpy(sum, y, rec->dim * sizeof(*sum));
    if (explain_linear(e, sum, &w->down, NULL, true, err))
        return -1;
    explain_floats(e, ENTRY_X);
    return 0;
}

int explain_layer(struct explain *e, const struct explained **out,
                  uint32_t layer, uint32_t position, bool draws,
                  const float *x, const unsigned char *rows, size_t stride,
                  struct err *err)
{
    const struct model_layer *w = &e->m->layers[layer];

    e->layer = layer;
    e->position = position;
    e->x = x;
    e->out.table = operators_of(&e->m->rec, layer, draws);
    explain_norm(e, x, w->attn_norm, ENTRY_EX, ENTRY_EA);
    if (e->out.table == OPERATORS_LAYER) {
        if (explain_linear(e, e->f[ENTRY_Q], &w->wq, w->bq, false, err))
            return -1;
        explain_floats(e, ENTRY_Q);
    }
    if (keys_and_values(e, w, err))
        return -1;
    if (e->out.table == OPERATORS_LAYER &&
        (attend_position(e, rows, stride, err) || feed_forward(e, w, x, err)))
        return -1;
    *out = &e->out;
    return 0;
}

void explain_embed(struct explain *e, float *x, uint32_t token,
                   uint32_t position)
{
    const struct x1_matrix *m = &e->m->embed;

    /* the node may have published an id that no token has */
    for (size_t i = 0; i < m->cols; i++)
        x[i] = token < m->rows ? (float)m->w[(size_t)token * m->cols + i] *
                                     m->scale[token] : 0.0f;
    e->layer = 0;
    e->position = position;
    explain_changed(e, ENTRY_X, x, 0);
}

float explain_source(const struct explain *e, enum entry exponent, size_t i)
{
    switch (exponent) {
    case ENTRY_EX: case ENTRY_EF: return e->x[i];
    case ENTRY_EA: return e->f[ENTRY_A][i];
    case ENTRY_EO: return e->f[ENTRY_O][i];
    case ENTRY_EY: return e->f[ENTRY_Y][i];
    case ENTRY_EC: return e->f[ENTRY_C][i];
    case ENTRY_EH: return e->f[ENTRY_H][i];
    default: return e->f[ENTRY_F][i];
    }
}

/* ---- storage ------------------------------------------------------------- */

int explain_new(struct explain **out, const struct model *m,
                const struct x1_kernels *k, struct err *err)
{
    const struct model_record *rec = &m->rec;
    size_t wide = rec->ffn_dim > rec->dim ? rec->ffn_dim : rec->dim;
    size_t queries = (size_t)rec->n_heads * rec->head_dim;
    struct explain *e;

    if (operators_unknown(rec))
        return err_set(err, ERR_INPUT, "nothing to prove: answers of models"
                       " with %s are not judged", operators_unknown(rec));
    e = xcalloc(1, sizeof(*e));
    e->m = m;
    e->k = *k;
    wide = wide > queries ? wide : queries;
    for (enum entry i = 0; i < ENTRIES; i++) {
        size_t n = operators_elements(rec, i);

        if (!operators_is_vector(i))
            continue;
        e->f[i] = xcalloc(n, sizeof(float));
        e->out.vector[i] = xcalloc(n, operators_width(rec, i));
    }
    e->row = xcalloc(wide, sizeof(*e->row));
    e->in.q = xcalloc(1, k->rows_bytes(1, wide) + 64);
    e->in.scale = xcalloc(1, sizeof(float));
    e->heads.q = xcalloc(1, k->rows_bytes(rec->n_heads, rec->head_dim) + 64);
    e->heads.scale = xcalloc(rec->n_heads, sizeof(float));
    e->fault = xcalloc(rec->n_heads, sizeof(*e->fault));
    e->weight = xcalloc(rec->n_vocab, sizeof(*e->weight));
    if (reserve(e, 1, err)) {
        explain_free(e);
        return -1;
    }
    *out = e;
    return 0;
}

void explain_free(struct explain *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < ENTRIES; i++) {
        free(e->f[i]);
        free(e->out.vector[i]);
    }
    for (size_t i = 0; i < e->n_blocks; i++)
        free(e->block[i]);
    free(e->block);
    free(e->scratch);
    free(e->row);
    free(e->in.q);
    free(e->in.scale);
    free(e->heads.q);
    free(e->heads.scale);
    free(e->fault);
    free(e->weight);
    free(e);
}

void explain_alter(struct explain *e, explain_alter_fn *fn, void *self)
{
    e->alter = fn;
    e->alter_self = self;
}
