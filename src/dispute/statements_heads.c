/*
 * Statements about attention: 8 to 14.
 */
#include <config.h>

#include <string.h>

#include "base/bytes.h"
#include "dispute/judge_internal.h"
#include "dispute/linears.h"
#include "dispute/statements_internal.h"
#include "dispute/terms.h"
#include "proof/digest.h"
#include "proof/merkle.h"
#include "proof/trace.h"

/* Head `head` of q, k or v: hd floats of a vector of the table. */
static void head_floats(struct proof *p, enum entry e, uint32_t head,
                        float *out)
{
    const struct model_record *m = &p->g->m;
    unsigned char bytes[4 * TERMS_HEAD_DIM] = { 0 };
    size_t size = 4 * (size_t)m->head_dim;

    proof_bytes(p, ROLE_PIECE + (uint32_t)e, proof_root(p, e),
                4 * operators_elements(m, e), head * size, (head + 1) * size,
                bytes);
    for (size_t i = 0; i < m->head_dim; i++)
        out[i] = proof_float(p, get_u32(bytes + 4 * i), VALUE_LIMIT);
}

/* A head of q or k after norm and rope. */
static void turned(struct proof *p, enum entry e, uint32_t head,
                   uint32_t gains, float *x)
{
    const struct judge *g = p->g;
    bool normed = g->m.flags & MODEL_QK_NORM;
    float gain[TERMS_HEAD_DIM], freq[TERMS_HEAD_DIM / 2];

    head_floats(p, e, head, x);
    if (normed)
        proof_values(p, linears_tensor(g->layer, gains), 0, g->m.head_dim,
                     gain);
    proof_values(p, TENSOR_INV_FREQ, 0, g->m.head_dim / 2, freq);
    for (size_t i = 0; i < g->m.head_dim / 2; i++)
        if (freq[i] < 0 || freq[i] > 1) {
            p->fault = true; /* a loader refuses it */
            freq[i] = 0;
        }
    if (!terms_turn(x, g->m.head_dim, normed ? gain : NULL, g->m.eps, freq,
                    g->leaf.position))
        p->fault = true;
}

/* The picked entry of `heads`: shown, or opened. */
struct attended {
    int32_t er, ev;
    uint32_t m, wm, wv; /* m as bits */
    int64_t z;
};

static struct attended read_attended(const unsigned char *at)
{
    return (struct attended){
        proof_clamp(get_u32(at), -112), proof_clamp(get_u32(at + 12), -97),
        get_u32(at + 4), get_u32(at + 8), get_u32(at + 16),
        (int64_t)get_u64(at + 24)
    };
}

static const unsigned char *shown_head(const struct proof *p)
{
    const struct judge *g = p->g;

    return (unsigned char *)g->piece.bytes.data +
           OPERATORS_ATTENDED * (g->element - g->piece.first);
}

static struct attended attended(struct proof *p)
{
    const struct judge *g = p->g;
    unsigned char bytes[OPERATORS_ATTENDED] = { 0 };
    size_t at = (size_t)g->place.head * OPERATORS_ATTENDED;

    if (g->entry == ENTRY_HEADS)
        return read_attended(shown_head(p));
    proof_bytes(p, ROLE_PIECE + ENTRY_HEADS, proof_root(p, ENTRY_HEADS),
                (size_t)g->m.n_heads * OPERATORS_ATTENDED, at,
                at + OPERATORS_ATTENDED, bytes);
    return read_attended(bytes);
}

/* 8: an integer of a head of queries, or its exponent. */
bool proof_head(struct proof *p)
{
    const struct judge *g = p->g;
    uint32_t hd = g->m.head_dim;
    float x[TERMS_HEAD_DIM];
    int32_t e;

    turned(p, ENTRY_Q, g->place.head, LAYER_Q_NORM, x);
    if (p->fault)
        return false;
    e = terms_exponent(x[terms_greatest(x, hd)]);
    if (g->entry == ENTRY_HEADS)
        return (uint32_t)e == get_u32(shown_head(p));
    return (uint32_t)terms_a14(x[g->element % hd], e) == proof_claimed(p);
}

/* 9: the kv row of a KV head follows from k and v. */
bool proof_row(struct proof *p)
{
    const struct judge *g = p->g;
    uint32_t head = g->place.head, hd = g->m.head_dim;
    float k[TERMS_HEAD_DIM], v[TERMS_HEAD_DIM];
    unsigned char row[TERMS_ROW_MAX];
    struct id h;

    turned(p, ENTRY_K, head, LAYER_K_NORM, k);
    head_floats(p, ENTRY_V, head, v);
    if (p->fault || !terms_row(row, k, v, hd))
        return false;
    merkle_leaf_hash(&h, row, 8 + 2 * (size_t)hd);
    return id_equal(h, id_at(g->rows + DIGEST_SIZE * head));
}

/* ---- keys ---------------------------------------------------------------- */

/* The integers of the picked head of queries. */
static void queries(struct proof *p, int16_t *r)
{
    const struct judge *g = p->g;
    unsigned char bytes[2 * TERMS_HEAD_DIM] = { 0 };
    size_t size = 2 * (size_t)g->m.head_dim, head = g->place.head;

    proof_bytes(p, ROLE_PIECE + ENTRY_R, proof_root(p, ENTRY_R),
                2 * operators_elements(&g->m, ENTRY_R), head * size,
                (head + 1) * size, bytes);
    for (size_t i = 0; i < g->m.head_dim; i++)
        r[i] = (int16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
}

/* Open the kv row of a position, given the root of kv rows in its leaf. */
static const unsigned char *row_under(struct proof *p, struct id rows)
{
    const struct judge *g = p->g;
    uint32_t kv = g->m.n_kv_heads;
    uint32_t index = g->layer * kv + g->place.head / (g->m.n_heads / kv);
    struct id root;
    const unsigned char *row =
        openings_next(&p->o, ROLE_ROW, index, (uint64_t)g->m.n_layers * kv,
                      8 + 2 * (size_t)g->m.head_dim, &root);

    if (!id_equal(root, rows))
        p->o.refused = true;
    proof_float(p, get_u32(row), ROW_LIMIT);
    proof_float(p, get_u32(row + 4), ROW_LIMIT);
    return p->fault || p->o.refused ? NULL : row;
}

/* Open the leaf of a position, then its kv row. */
static const unsigned char *row_at(struct proof *p, uint32_t position)
{
    struct id root;
    const unsigned char *leaf = openings_next(&p->o, ROLE_LEAF, position,
                                              p->g->r.n, TRACE_LEAF_SIZE,
                                              &root);

    if (!id_equal(root, p->g->r.trace))
        p->o.refused = true;
    return row_under(p, id_at(leaf + 16));
}

/* Return whether the witness is a key that the position attends to. */
static bool attends(struct proof *p, uint32_t key)
{
    if (key >= judge_first_key(p->g) && key <= p->g->leaf.position)
        return true;
    p->fault = true; /* nothing to open */
    return false;
}

/* 10: the greatest score is that of its witness, or no key has a greater. */
bool proof_score_maximum(struct proof *p)
{
    const struct judge *g = p->g;
    struct attended a = attended(p);
    uint32_t key = g->place.index == JUDGE_NONE ? a.wm : g->place.index;
    int16_t r[TERMS_HEAD_DIM];
    const unsigned char *row;
    float score;

    if (!attends(p, key))
        return false;
    queries(p, r);
    row = row_at(p, key);
    if (!row)
        return false;
    score = terms_score(r, a.er, g->m.attn_scale, row, g->m.head_dim) + 0.0f;
    if (g->place.index == JUDGE_NONE)
        return f32_bits(score) == a.m;
    return score <= proof_float(p, a.m, 0x1p120f);
}

/* 11: the same of the greatest s_v. */
bool proof_value_maximum(struct proof *p)
{
    const struct judge *g = p->g;
    struct attended a = attended(p);
    uint32_t key = g->place.index == JUDGE_NONE ? a.wv : g->place.index;
    int32_t claimed = (int32_t)get_u32(shown_head(p) + 12), ev;
    const unsigned char *row;

    if (!attends(p, key))
        return false;
    row = row_at(p, key);
    if (!row)
        return false;
    ev = terms_value_exponent(terms_value_scale(row));
    return g->place.index == JUDGE_NONE ? ev == claimed : ev <= claimed;
}

/* Add a group of keys' share of Z, or of element i of the mix, to *sum. */
static void group(struct proof *p, const struct attended *a, bool mix,
                  int64_t *sum)
{
    const struct judge *g = p->g;
    uint32_t first = g->place.part * TERMS_KEYS, to = g->leaf.position + 1;
    uint32_t n = g->r.n - first < TERMS_KEYS ? g->r.n - first : TERMS_KEYS;
    uint32_t from = judge_first_key(g), hd = g->m.head_dim;
    float m = proof_float(p, a->m, 0x1p120f);
    int16_t r[TERMS_HEAD_DIM];
    const unsigned char *leaf, *row;
    unsigned char block[TERMS_KEYS * DIGEST_SIZE];
    struct id h;

    queries(p, r);
    memcpy(block, openings_next(&p->o, ROLE_BLOCK, g->place.part,
                                (g->r.n + TERMS_KEYS - 1) / TERMS_KEYS,
                                n * DIGEST_SIZE, &h), n * DIGEST_SIZE);
    if (!id_equal(h, g->r.trace))
        p->o.refused = true;
    *sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (first + i < from || first + i >= to)
            continue;
        leaf = openings_bare(&p->o, ROLE_LEAF, first + i, TRACE_LEAF_SIZE);
        merkle_leaf_hash(&h, leaf, TRACE_LEAF_SIZE);
        if (!id_equal(h, id_at(block + i * DIGEST_SIZE)))
            p->o.refused = true;
        row = row_under(p, id_at(leaf + 16));
        if (row) {
            float score = terms_score(r, a->er, g->m.attn_scale, row, hd);
            float s_v = terms_value_scale(row);

            if (score + 0.0f > m || terms_value_exponent(s_v) > a->ev)
                p->fault = true; /* m or ev is not the greatest */
            else if (mix)
                *sum += (int64_t)terms_u(score, m, s_v, a->ev) *
                        (int8_t)row[8 + hd + g->element % hd];
            else
                *sum += terms_z(score, m);
        }
    }
}

/* 12: a partial sum of Z, or the total. */
bool proof_z(struct proof *p)
{
    struct attended a = attended(p);
    int64_t sum;

    if (p->g->place.part == JUDGE_NONE)
        return proof_total(p) == a.z;
    group(p, &a, false, &sum);
    return sum == proof_term(p);
}

/* 13: a partial sum of an output of attention. */
bool proof_mix(struct proof *p)
{
    struct attended a = attended(p);
    int64_t sum;

    group(p, &a, true, &sum);
    return sum == proof_term(p);
}

/* 14: that output from its sums. */
bool proof_mixed(struct proof *p)
{
    struct attended a = attended(p);
    int64_t num = proof_total(p);

    if (a.z <= 0 || a.z >= SUM_LIMIT || num >= SUM_LIMIT ||
        num <= -SUM_LIMIT) {
        p->fault = true;
        return false;
    }
    return f32_bits(terms_mixed(num, a.z, a.ev)) == proof_claimed(p);
}
