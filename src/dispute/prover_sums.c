/*
 * Partial sums as shows contain them: 1024 products of a dot each, 256 squares
 * of a norm, 16 keys of attention, 256 logits of a draw.
 */
#include <config.h>

#include "dispute/prover_internal.h"

#include <string.h>

#include "base/bytes.h"
#include "dispute/draw.h"
#include "dispute/linears.h"
#include "dispute/terms.h"
#include "kernels/x1.h"
#include "model/model.h"

const unsigned char *prover_head(struct execution *x, uint32_t head)
{
    return x->now->vector[ENTRY_HEADS] + OPERATORS_ATTENDED * head;
}

static float float_at(const unsigned char *v, size_t i)
{
    return f32_from(get_u32(v + 4 * i));
}

static int64_t integer_at(const unsigned char *v, size_t width, size_t i)
{
    return width == 1 ? (int8_t)v[i]
                      : (int16_t)(v[2 * i] | v[2 * i + 1] << 8);
}

static const struct x1_matrix *matrix_of(const struct model *m,
                                         uint32_t layer, enum entry e)
{
    const struct model_layer *l;

    if (layer == OPERATORS_HEAD)
        return &m->head;
    l = &m->layers[layer];
    switch (e) {
    case ENTRY_Q: return &l->wq;
    case ENTRY_K: return &l->wk;
    case ENTRY_V: return &l->wv;
    case ENTRY_Y: return &l->wo;
    case ENTRY_G: return &l->gate;
    case ENTRY_U: return &l->up;
    default: return &l->down;
    }
}

static void dots(struct execution *x, const struct judge *g,
                 enum entry input, unsigned char *out)
{
    const struct x1_matrix *m = matrix_of(x->in.model, g->layer, g->entry);
    const int8_t *w = m->w + (size_t)g->element * m->cols;
    size_t width = operators_width(&g->m, input);
    const unsigned char *q = x->now->vector[input];

    for (size_t from = 0; from < m->cols; from += 1024, out += 8) {
        size_t to = m->cols - from < 1024 ? m->cols : from + 1024;
        int64_t sum = 0;

        for (size_t i = from; i < to; i++)
            sum += integer_at(q, width, i) * w[i];
        set_u64(out, (uint64_t)sum);
    }
}

static void squares(struct execution *x, const struct judge *g,
                    unsigned char *out)
{
    enum entry e = g->entry == ENTRY_S ? ENTRY_EX
                   : g->entry == ENTRY_S2 ? ENTRY_EY : ENTRY_EF;
    uint32_t layer = g->layer == OPERATORS_HEAD ? g->m.n_layers : g->layer;
    const float *row = execution_x(x, g->leaf.position, layer);
    int32_t exponent = (int32_t)(uint32_t)x->now->scalar[e];

    for (size_t from = 0; from < g->m.dim; from += 256, out += 8) {
        size_t n = g->m.dim - from < 256 ? g->m.dim - from : 256;
        float v[256];

        for (size_t i = 0; i < n; i++)
            v[i] = e == ENTRY_EY
                       ? float_at(x->now->vector[ENTRY_Y], from + i)
                       : row[from + i];
        set_u64(out, (uint64_t)terms_squares(v, n, exponent));
    }
}

/* Of Z, or of element g->element of o. */
static void keys(struct execution *x, const struct judge *g,
                 unsigned char *out, uint32_t first)
{
    uint32_t head = g->place.head, hd = g->m.head_dim, kv = g->m.n_kv_heads;
    const unsigned char *a = prover_head(x, head);
    size_t at = (g->layer * kv + head / (g->m.n_heads / kv)) *
                execution_row_bytes(x);
    uint32_t to = g->leaf.position + 1, from = g->m.window && to > g->m.window
                                                   ? to - g->m.window : 0;
    int16_t r[TERMS_HEAD_DIM];
    int64_t sum = 0;

    for (size_t i = 0; i < hd; i++)
        r[i] = (int16_t)integer_at(x->now->vector[ENTRY_R], 2,
                                   head * hd + i);
    for (uint32_t t = from; t < to; t++) {
        const unsigned char *row = x->rows + t * execution_rows_bytes(x) + at;
        float m = f32_from(get_u32(a + 4));
        float score = terms_score(r, (int32_t)get_u32(a), g->m.attn_scale,
                                  row, hd);

        if (g->entry == ENTRY_O)
            sum += (int64_t)terms_u(score, m, terms_value_scale(row),
                                    (int32_t)get_u32(a + 12)) *
                   (int8_t)row[8 + hd + g->element % hd];
        else
            sum += terms_z(score, m);
        if (t + 1 < to && (t + 1) % TERMS_KEYS != 0)
            continue;
        set_u64(out + 8 * (t / TERMS_KEYS - first), (uint64_t)sum);
        sum = 0;
    }
}

/* Sum a draw, using the shown cuts and the shown id. */
static void draws(struct execution *x, const struct judge *g,
                  unsigned char *out)
{
    float max = f32_from((uint32_t)judge_scalar(g, ENTRY_MX));
    float t = draw_temperature(g->j.temperature);
    uint32_t cut[4];

    for (uint32_t i = 0; i < 4; i++)
        cut[i] = (uint32_t)judge_scalar(g, (enum entry)(ENTRY_WK + i));
    for (uint32_t id = 0; id < g->m.n_vocab; id++) {
        unsigned char *sum = out + 32 * (size_t)(id / 256);
        float l = float_at(x->now->vector[ENTRY_LOGITS], id);
        /* only a liar's max is not the greatest */
        uint32_t w = l <= max ? x1_draw_weight(l, max, t) : 0;
        bool k = draw_keeps(cut[0], cut[1], w, id);
        bool p = k && draw_keeps(cut[2], cut[3], w, id);
        uint64_t add[4] = { k, k ? w : 0, p ? w : 0,
                            p && id < g->leaf.next ? w : 0 };

        for (size_t i = 0; i < 4; i++)
            set_u64(sum + 8 * i, get_u64(sum + 8 * i) + add[i]);
    }
}

void prover_sums(struct execution *x, const struct judge *g,
                 unsigned char *out)
{
    const struct linear_entry *l = linears_of(g->entry);
    uint32_t first;
    size_t width;

    judge_n_sums(g, &first, &width);
    if (l)
        dots(x, g, l->input, out);
    else if (g->entry == ENTRY_SUM_K)
        draws(x, g, out);
    else if (g->entry == ENTRY_O || g->entry == ENTRY_HEADS)
        keys(x, g, out, first);
    else
        squares(x, g, out);
}
