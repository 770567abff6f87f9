/*
 * Turns a proof into a verdict, and reads the proof for the statements.
 */
#include <config.h>

#include "dispute/statements_internal.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "dispute/judge_internal.h"
#include "dispute/linears.h"
#include "dispute/terms.h"
#include "kernels/x1.h"
#include "model/model_layout.h"

float proof_float(struct proof *p, uint32_t bits, float limit)
{
    if ((bits & 0x7fffffffu) < f32_bits(limit))
        return f32_from(bits);
    p->fault = true;
    return 0;
}

static void expect(struct proof *p, struct id root, struct id want)
{
    if (!id_equal(root, want))
        p->o.refused = true;
}

/* Piece i of a blob of n bytes. */
static const unsigned char *piece(struct proof *p, uint32_t role,
                                  struct id root, size_t n, size_t i)
{
    size_t size = n - i * 1024 < 1024 ? n - i * 1024 : 1024;
    struct id got;
    const unsigned char *data = openings_next(&p->o, role, i,
                                              (n + 1023) / 1024, size, &got);

    expect(p, got, root);
    return data;
}

float proof_element(struct proof *p, uint32_t role, struct id root, size_t n,
                    size_t i, float limit)
{
    const unsigned char *data = piece(p, role, root, 4 * n, i / 256);

    return proof_float(p, get_u32(data + i % 256 * 4), limit);
}

void proof_bytes(struct proof *p, uint32_t role, struct id root, size_t n,
                 size_t from, size_t to, unsigned char *out)
{
    while (from < to) {
        size_t end = (from / 1024 + 1) * 1024;
        const unsigned char *data = piece(p, role, root, n, from / 1024);

        end = end < to ? end : to;
        memcpy(out, data + from % 1024, end - from);
        out += end - from;
        from = end;
    }
}

struct id proof_tensor(struct proof *p, uint32_t tensor)
{
    struct tensor_record t;
    struct id got;
    const unsigned char *data =
        openings_next(&p->o, ROLE_TENSOR, tensor, p->g->m.n_tensors,
                      TENSOR_RECORD_SIZE, &got);

    expect(p, got, p->g->m.tensors);
    if (tensor_record_unpack(&t, data))
        p->o.refused = true;
    return id_at(data + 16);
}

void proof_values(struct proof *p, uint32_t tensor, size_t from, size_t n,
                  float *out)
{
    struct tensor_record t;
    struct id root = proof_tensor(p, tensor);
    unsigned char bytes[4 * TERMS_HEAD_DIM] = { 0 };

    model_expect(&p->g->m, tensor, &t);
    proof_bytes(p, ROLE_VALUES, root, (size_t)t.rows * 4, from * 4,
                (from + n) * 4, bytes);
    for (size_t i = 0; i < n; i++)
        out[i] = proof_float(p, get_u32(bytes + 4 * i), ROW_LIMIT);
}

float proof_scale(struct proof *p, uint32_t tensor, size_t i,
                  struct id *weights)
{
    struct tensor_record t;
    struct id root = proof_tensor(p, tensor), got;
    const unsigned char *data;

    model_expect(&p->g->m, tensor, &t);
    data = openings_next(&p->o, ROLE_SCALE, i, t.rows, 36, &got);
    expect(p, got, root);
    *weights = id_at(data + 4);
    return proof_float(p, get_u32(data), ROW_LIMIT);
}

struct id proof_root(const struct proof *p, enum entry e)
{
    const struct judge *g = p->g;

    if (e != ENTRY_X)
        return id_at(judge_root(g, e));
    if (g->layer == OPERATORS_HEAD)
        return g->leaf.fin;
    return id_at(g->layers.data + g->layer * sizeof(struct id));
}

int32_t proof_clamp(uint32_t e, int32_t low)
{
    int32_t v = (int32_t)e;

    return v < low ? low : v > 41 ? 41 : v;
}

int32_t proof_exponent(const struct proof *p, enum entry e)
{
    return proof_clamp((uint32_t)judge_scalar(p->g, e), -112);
}

static float row_element(struct proof *p, enum entry e, size_t j)
{
    return proof_element(p, ROLE_PIECE + (uint32_t)e, proof_root(p, e),
                         operators_elements(&p->g->m, e), j, ROW_LIMIT);
}

/* (x * inv) * g of a norm */
static float normed(struct proof *p, enum entry row, enum entry inv,
                    uint32_t gain, size_t j)
{
    float x = row_element(p, row, j), g;
    float factor = proof_float(p, (uint32_t)judge_scalar(p->g, inv),
                               0x1p21f);

    proof_values(p, linears_tensor(p->g->layer, gain), j, 1, &g);
    return (x * factor) * g;
}

static float gated(struct proof *p, size_t j)
{
    size_t n = p->g->m.ffn_dim;
    float g = proof_element(p, ROLE_PIECE + ENTRY_G, proof_root(p, ENTRY_G),
                            n, j, VALUE_LIMIT);
    float u = proof_element(p, ROLE_PIECE + ENTRY_U, proof_root(p, ENTRY_U),
                            n, j, VALUE_LIMIT);
    double size = (double)x1_silu(g) * (double)u;

    if (size >= 0x1p41 || size <= -0x1p41) {
        p->fault = true;
        return 0;
    }
    return terms_gated(g, u);
}

float proof_source(struct proof *p, enum entry exponent, size_t j)
{
    switch (exponent) {
    case ENTRY_EA:
        return normed(p, ENTRY_X, ENTRY_INV, LAYER_ATTN_NORM, j);
    case ENTRY_EC:
        return normed(p, ENTRY_Y, ENTRY_INV2, LAYER_FFN_NORM, j);
    case ENTRY_EN:
        return normed(p, ENTRY_X, ENTRY_INVF, TENSOR_FINAL_NORM, j);
    case ENTRY_EH:
        return gated(p, j);
    case ENTRY_EO:
        return row_element(p, ENTRY_O, j);
    case ENTRY_EY:
        return row_element(p, ENTRY_Y, j);
    default: /* ENTRY_EX, ENTRY_EF */
        return row_element(p, ENTRY_X, j);
    }
}

enum entry proof_exponent_of(enum entry row)
{
    switch (row) {
    case ENTRY_A: return ENTRY_EA;
    case ENTRY_B: return ENTRY_EO;
    case ENTRY_C: return ENTRY_EC;
    case ENTRY_H: return ENTRY_EH;
    default: return ENTRY_EN;
    }
}

/* ---- what was shown ------------------------------------------------------ */

int64_t proof_term(const struct proof *p)
{
    const struct shown *s = &p->g->sums;

    return (int64_t)get_u64(s->bytes.data + 8 * (p->g->place.part - s->first));
}

int64_t proof_total(const struct proof *p)
{
    const struct shown *s = &p->g->sums;
    int64_t sum = 0;

    for (uint32_t i = 0; i < s->n; i++)
        sum += (int64_t)get_u64(s->bytes.data + 8 * (size_t)i);
    return sum;
}

uint32_t proof_claimed(const struct proof *p)
{
    const struct judge *g = p->g;
    size_t width = operators_width(&g->m, g->entry);
    const unsigned char *at = (unsigned char *)g->piece.bytes.data +
                              width * (g->element - g->piece.first);

    switch (width) {
    case 1: return (uint32_t)(int8_t)at[0];
    case 2: return (uint32_t)(int16_t)(at[0] | at[1] << 8);
    default: return get_u32(at);
    }
}

/* ---- verdict ------------------------------------------------------------- */

static bool (*const statement[])(struct proof *) = {
    NULL, proof_token, proof_embed, proof_maximum, proof_squares,
    proof_quantised, proof_dot_total, proof_dot_part, proof_head, proof_row,
    proof_score_maximum, proof_value_maximum, proof_z, proof_mix, proof_mixed,
    proof_greedy, proof_sample, proof_stops, proof_range,
};

int judge_prove(struct judge *g, const unsigned char *bytes, size_t n,
                struct err *err)
{
    struct proof p = { .g = g };
    bool good;

    if (g->turn != JUDGE_PROVES)
        return err_set(err, ERR_INPUT, "nothing is to be proven now");
    if (n > JUDGE_PROOF_MAX || openings_init(&p.o, bytes, n, &g->place))
        return err_set(err, ERR_INPUT, "this is not a proof of statement %u at "
                       "this place", g->place.code);
    good = statement[g->place.code](&p);
    if (!openings_done(&p.o))
        return err_set(err, ERR_INPUT, "the openings are not those of "
                       "statement %u here", g->place.code);
    g->number++;
    return judge_decide(g, good && !p.fault ? JUDGE_HOLDS : JUDGE_FAULT,
                        g->place.code);
}

int judge_openings(const struct judge *g, openings_source_fn *source,
                   void *self, struct buf *out, struct err *err)
{
    struct proof p = { .g = g };

    openings_write(&p.o, out, &g->place, source, self);
    statement[g->place.code](&p);
    if (p.o.refused)
        return err_set(err, ERR_INPUT, "what statement %u opens is not what "
                       "was shown", g->place.code);
    return 0;
}
