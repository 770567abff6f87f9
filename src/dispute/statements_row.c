/*
 * Statements about rows and linears: 1 to 7, 15, 18.
 */
#include <config.h>

#include <string.h>

#include "base/bytes.h"
#include "dispute/judge_internal.h"
#include "dispute/linears.h"
#include "dispute/statements_internal.h"
#include "dispute/terms.h"

/* A leaf of the trace. */
static struct trace_leaf leaf_at(struct proof *p, uint32_t position)
{
    struct trace_leaf l = { 0 };
    struct id root;
    const unsigned char *data = openings_next(&p->o, ROLE_LEAF, position,
                                              p->g->r.n, TRACE_LEAF_SIZE,
                                              &root);

    if (!id_equal(root, p->g->r.trace))
        p->o.refused = true;
    if (trace_leaf_unpack(&l, data))
        p->fault = true;
    return l;
}

uint32_t proof_id(struct proof *p, uint32_t role, struct id root, size_t n,
                  size_t i)
{
    unsigned char bytes[4] = { 0 };

    proof_bytes(p, role, root, 4 * n, 4 * i, 4 * i + 4, bytes);
    return get_u32(bytes);
}

bool proof_ends_text(const struct judge *g, uint32_t id)
{
    for (uint32_t i = 0; i < g->m.n_eos; i++)
        if (g->m.eos[i] == id)
            return !(g->j.flags & JOB_IGNORE_EOS);
    return false;
}

bool proof_last_good(const struct judge *g, bool ends)
{
    switch (g->r.finish) {
    case RESULT_EOS: return ends;
    case RESULT_STOP: return !ends;
    case RESULT_LENGTH: return !ends && g->r.n_out == g->j.max_tokens;
    default: return !ends && g->r.n_out < g->j.max_tokens &&
                    g->r.n == g->m.context;
    }
}

/* Return whether output id i is the id drawn there, and ends the answer if and
 * only if it is the last one.  Stop strings are left to statement 17. */
static bool output_good(struct proof *p, uint32_t i)
{
    const struct judge *g = p->g;
    uint32_t id = proof_id(p, ROLE_OUTPUT, g->r.output, g->r.n_out, i);
    struct trace_leaf l = leaf_at(p, g->place.position);
    bool ends = proof_ends_text(g, id);

    if (l.next != id)
        return false;
    return i + 1 < g->r.n_out ? !ends : proof_last_good(g, ends);
}

/* 1: a leaf's token is the prompt's or the one drawn before it; or an output
 * id. */
bool proof_token(struct proof *p)
{
    const struct judge *g = p->g;
    uint32_t t = g->place.position;

    if (g->place.index != JUDGE_NONE)
        return output_good(p, g->place.index);
    if (t < g->j.n_prompt)
        return g->leaf.token == proof_id(p, ROLE_PROMPT, g->j.prompt,
                                         g->j.n_prompt, t);
    return g->leaf.token == leaf_at(p, t - 1).next;
}

/* Read the next 1024 weights of a row, or the remaining ones. */
static size_t weights(struct proof *p, struct id root, size_t cols,
                      uint32_t part, unsigned char *out)
{
    size_t from = (size_t)part * 1024;
    size_t to = cols - from < 1024 ? cols : from + 1024;

    proof_bytes(p, ROLE_WEIGHTS, root, cols, from, to, out);
    return to - from;
}

/* 2: x_0[i] is the weight of the token times its scale. */
bool proof_embed(struct proof *p)
{
    const struct judge *g = p->g;
    uint32_t i = g->element;
    unsigned char w[1024] = { 0 };
    struct id root;
    float scale;

    if (g->leaf.token >= g->m.n_vocab) {
        p->fault = true; /* nothing to open */
        return false;
    }
    scale = proof_scale(p, TENSOR_EMBED, g->leaf.token, &root);
    weights(p, root, g->m.dim, i / 1024, w);
    return f32_bits((float)(int8_t)w[i % 1024] * scale) == proof_claimed(p);
}

/* 3: the exponent is that of its witness, or no element exceeds it. */
bool proof_maximum(struct proof *p)
{
    const struct judge *g = p->g;
    uint64_t e = judge_scalar(g, g->entry), w = g->place.index;
    bool a8 = operators_a8(&g->m, g->entry);
    enum entry source = g->entry == ENTRY_EO ? ENTRY_O
                        : g->entry == ENTRY_EH ? ENTRY_H : ENTRY_X;
    float v;

    if (w == JUDGE_NONE) {
        w = judge_scalar(g, (enum entry)(g->entry + 1));
        if (w >= operators_elements(&g->m, source)) {
            p->fault = true; /* nothing to open */
            return false;
        }
        v = proof_source(p, g->entry, w);
        return e == (a8 ? f32_bits(terms_a8_scale(v))
                        : (uint32_t)terms_exponent(v));
    }
    v = proof_source(p, g->entry, w);
    if (terms_out_of_range(v))
        return false;
    if (a8) /* sizes compare as their bits */
        return f32_bits(terms_a8_scale(v)) <= e;
    return terms_exponent(v) <= (int32_t)(uint32_t)e;
}

/* 18: the element is below 2^40. */
bool proof_range(struct proof *p)
{
    float v;

    if (operators_is_vector(p->g->entry))
        v = proof_float(p, proof_claimed(p), VALUE_LIMIT);
    else
        v = proof_source(p, p->g->entry, p->g->place.index);
    return !terms_out_of_range(v);
}

/* 4: a partial sum of squares, their total, or inv. */
bool proof_squares(struct proof *p)
{
    const struct judge *g = p->g;
    enum entry first = g->entry; /* the exponent of this norm */
    enum entry row = ENTRY_X;
    unsigned char bytes[1024] = { 0 };
    size_t n = g->m.dim, from = (size_t)g->place.part * 256;
    int64_t sum = 0;
    int32_t e;

    if (g->entry == ENTRY_S2 || g->entry == ENTRY_INV2) {
        first = ENTRY_EY;
        row = ENTRY_Y;
    } else {
        first = g->layer == OPERATORS_HEAD ? ENTRY_EF : ENTRY_EX;
    }
    e = proof_exponent(p, first);
    sum = (int64_t)judge_scalar(g, (enum entry)(first + 2));
    if (g->entry == first + 3 && (sum < 0 || sum >= SUM_LIMIT)) {
        p->fault = true; /* squares of 131,072 elements are below 2^46 */
        return false;
    }
    if (g->entry == first + 3)
        return f32_bits(terms_inv(sum, e, n, g->m.eps)) ==
               judge_scalar(g, g->entry);
    sum = 0;
    if (g->place.part == JUDGE_NONE)
        return (uint64_t)proof_total(p) == judge_scalar(g, g->entry);
    n = n - from < 256 ? n - from : 256;
    proof_bytes(p, ROLE_PIECE + (uint32_t)row, proof_root(p, row),
                4 * (size_t)g->m.dim, 4 * from, 4 * (from + n), bytes);
    for (size_t i = 0; i < n; i++) {
        float v = proof_float(p, get_u32(bytes + 4 * i), ROW_LIMIT);

        if (terms_exponent(v) > e)
            p->fault = true;
        else
            sum += terms_squares(&v, 1, e);
    }
    return sum == proof_term(p);
}

/* 5: an integer of a quantised row. */
bool proof_quantised(struct proof *p)
{
    const struct judge *g = p->g;
    enum entry exponent = proof_exponent_of(g->entry);
    float v = proof_source(p, exponent, g->element), most;
    int32_t e = proof_exponent(p, exponent);
    uint64_t w = judge_scalar(g, (enum entry)(exponent + 1));

    if (operators_a8(&g->m, exponent)) {
        if (w >= operators_elements(&g->m, g->entry)) {
            p->fault = true;
            return false;
        }
        most = proof_source(p, exponent, w);
        if ((f32_bits(v) & 0x7fffffffu) > (f32_bits(most) & 0x7fffffffu))
            return false; /* the witness is not the greatest */
        return (uint32_t)terms_a8(v, most) == proof_claimed(p);
    }
    if (terms_exponent(v) > e)
        return false;
    return (uint32_t)terms_a14(v, e) == proof_claimed(p);
}

/* 6: an output of a linear from its partial sums. */
bool proof_dot_total(struct proof *p)
{
    const struct judge *g = p->g;
    const struct linear_entry *l = linears_of(g->entry);
    uint32_t i = g->element, flags = g->m.flags;
    uint32_t bits = (uint32_t)judge_scalar(g, l->exponent);
    int64_t acc = proof_total(p);
    struct id weights_root;
    float v, b, step;

    v = proof_scale(p, linears_tensor(g->layer, l->matrix), i, &weights_root);
    step = operators_a8(&g->m, l->exponent)
               ? proof_float(p, bits, ROW_LIMIT)
               : terms_step(proof_clamp(bits, -112));
    if (acc >= (int64_t)1 << 39 || acc <= -((int64_t)1 << 39)) {
        p->fault = true;
        acc = 0;
    }
    v = terms_linear(acc, v, step);
    if (l->bias != LAYER_TENSORS && flags & MODEL_QKV_BIAS) {
        proof_values(p, linears_tensor(g->layer, l->bias), i, 1, &b);
        v = v + b;
    }
    if (l->residual != ENTRIES) {
        b = proof_element(p, ROLE_PIECE + (uint32_t)l->residual,
                          proof_root(p, l->residual), g->m.dim, i, ROW_LIMIT);
        v = b + v;
    }
    return f32_bits(v) == proof_claimed(p);
}

/* 7: 1024 products of a dot. */
bool proof_dot_part(struct proof *p)
{
    const struct judge *g = p->g;
    const struct linear_entry *l = linears_of(g->entry);
    size_t cols = operators_elements(&g->m, l->input);
    size_t width = operators_width(&g->m, l->input), n;
    size_t from = (size_t)g->place.part * 1024;
    unsigned char w[1024] = { 0 }, q[2048] = { 0 };
    struct id root;
    int64_t sum = 0;

    proof_scale(p, linears_tensor(g->layer, l->matrix), g->element, &root);
    n = weights(p, root, cols, g->place.part, w);
    proof_bytes(p, ROLE_PIECE + (uint32_t)l->input, proof_root(p, l->input),
                cols * width, from * width, (from + n) * width, q);
    for (size_t i = 0; i < n; i++) {
        int64_t v = width == 1 ? (int8_t)q[i]
                               : (int16_t)(q[2 * i] | q[2 * i + 1] << 8);

        sum += v * (int8_t)w[i];
    }
    return sum == proof_term(p);
}

/* 15: no logit is above the one of wmx; without a temperature it is drawn. */
bool proof_greedy(struct proof *p)
{
    const struct judge *g = p->g;
    size_t n = g->m.n_vocab;
    uint32_t w = (uint32_t)judge_scalar(g, ENTRY_WMX), j = g->place.index;
    uint32_t bits = (uint32_t)judge_scalar(g, ENTRY_MX);
    float best, v;

    if (g->entry == ENTRY_WMX)
        return g->j.temperature != 0 || g->leaf.next == w;
    if (w >= n) {
        p->fault = true; /* nothing to open */
        return false;
    }
    if (j == JUDGE_NONE)
        j = w;
    v = proof_element(p, ROLE_PIECE + ENTRY_LOGITS,
                      proof_root(p, ENTRY_LOGITS), n, j, ROW_LIMIT) + 0.0f;
    if (g->place.index == JUDGE_NONE)
        return f32_bits(v) == bits;
    best = proof_float(p, bits, ROW_LIMIT);
    return v < best || (v == best && j >= w);
}
