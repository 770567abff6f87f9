/*
 * The challenger's picks: the first place, in order of computation, where the
 * show differs from its own execution.
 */
#include <config.h>

#include "dispute/prover_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/found.h"
#include "base/mem.h"
#include "dispute/judge_internal.h"
#include "dispute/statements_internal.h"
#include "dispute/terms.h"
#include "proof/merkle.h"

__attribute__((format(printf, 2, 3))) static enum found
format_choice(char *choice, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(choice, JUDGE_PICK_MAX + 1, fmt, ap);
    va_end(ap);
    return FOUND_ONE;
}

/* Write what this execution would have shown to `own`, and find the first of n
 * elements of `width` bytes that differs, n if none does. */
static int own_show(struct buf *own, struct execution *x,
                    const struct judge *g, struct err *err)
{
    struct judge before = *g;

    before.turn = JUDGE_SHOWS;
    before.list.first = g->list.first;
    buf_init(own, (size_t)1 << 20);
    return prover_show(own, x, &before, err);
}

static size_t first_difference(const unsigned char *a, const unsigned char *b,
                               size_t n, size_t width)
{
    size_t i = 0;

    while (i < n && memcmp(a + i * width, b + i * width, width) == 0)
        i++;
    return i;
}

/* ---- records, trace, leaf ------------------------------------------------ */

static enum found pick_record(char *choice, struct execution *x,
                              const struct judge *g, struct err *err)
{
    struct result_record own = g->r;
    struct merkle trace;

    if (!judge_records_good(g))
        return format_choice(choice, "job");
    merkle_init(&trace);
    for (size_t i = 0; i < x->n; i++)
        merkle_leaf(&trace, x->leaves + i * TRACE_LEAF_SIZE, TRACE_LEAF_SIZE);
    merkle_root(&trace, &own.trace);
    if (!id_equal(own.trace, g->r.trace))
        return format_choice(choice, "trace");
    for (uint32_t i = 0; i < x->n_out; i++) {
        const unsigned char *leaf =
            x->leaves + (x->j.n_prompt - 1 + i) * TRACE_LEAF_SIZE;
        bool last = i + 1 == x->n_out;
        bool ends = proof_ends_text(g, x->in.output[i]);

        if (get_u32(leaf + 8) != x->in.output[i] || (ends && !last) ||
            (last && !proof_last_good(g, ends)))
            return format_choice(choice, "finish %u", i);
    }
    return prover_pick_stop(choice, x, g, err);
}

static enum found pick_field(char *choice, const struct execution *x,
                             const struct judge *g)
{
    struct trace_leaf own;
    const struct trace_leaf *l = &g->leaf;

    if (trace_leaf_unpack(&own, x->leaves + (size_t)l->position *
                                                TRACE_LEAF_SIZE))
        return FOUND_NONE;
    if (own.token != l->token)
        return format_choice(choice, "token");
    if (!id_equal(own.kv, l->kv))
        return format_choice(choice, "kv");
    if (!id_equal(own.deep, l->deep))
        return format_choice(choice, "deep");
    if (!id_equal(own.fin, l->fin))
        return format_choice(choice, "fin");
    return own.next != l->next ? format_choice(choice, "next") : FOUND_NONE;
}

/* ---- lists --------------------------------------------------------------- */

/* Pick from the last list, whose elements are numbered from s->first. */
static enum found pick_list(char *choice, struct execution *x,
                            const struct judge *g, const struct shown *s,
                            size_t width, struct err *err)
{
    struct buf own;
    size_t i;

    if (own_show(&own, x, g, err)) {
        buf_clear(&own);
        return FOUND_FAILED;
    }
    i = first_difference((unsigned char *)own.data,
                         (unsigned char *)s->bytes.data, s->n, width);
    buf_clear(&own);
    if (i < s->n)
        return format_choice(choice, "%zu", s->first + i);
    return FOUND_NONE;
}

static enum found pick_layer(char *choice, struct execution *x,
                             const struct judge *g, struct err *err)
{
    size_t n = g->layers.len / DIGEST_SIZE, i;
    struct buf own;

    if (own_show(&own, x, g, err)) {
        buf_clear(&own);
        return FOUND_FAILED;
    }
    i = first_difference((unsigned char *)own.data,
                         (unsigned char *)g->layers.data, n, DIGEST_SIZE);
    buf_clear(&own);
    if (i == n)
        return format_choice(choice, "kv");
    return i == 0 ? format_choice(choice, "embed")
                  : format_choice(choice, "%zu", i - 1);
}

/* ---- operators ----------------------------------------------------------- */

/* Return the size of element w of the row that an exponent belongs to, as the
 * exponent or the bits of s that follow from it. */
static uint32_t size_of(struct execution *x, const struct judge *g,
                        enum entry e, uint64_t w)
{
    float v = explain_source(x->e, e, w);

    return operators_a8(&g->m, e) ? f32_bits(terms_a8_scale(v))
                                  : (uint32_t)terms_exponent(v);
}

/* A maximum and its witness. */
static enum found pick_maximum(char *choice, struct execution *x,
                               const struct judge *g, enum entry e, size_t n)
{
    uint32_t own = (uint32_t)x->now->scalar[e];
    uint32_t shown = (uint32_t)judge_scalar(g, e);
    uint64_t w = judge_scalar(g, (enum entry)(e + 1));

    if (own == shown && w < n && size_of(x, g, e, w) == own)
        return FOUND_NONE;
    if ((int32_t)shown < (int32_t)own)
        return format_choice(choice, "%s %u", operators_name(e),
                             (uint32_t)x->now->scalar[e + 1]);
    return format_choice(choice, "%s", operators_name(e));
}

static enum found pick_greatest(char *choice, struct execution *x,
                                const struct judge *g)
{
    float own = f32_from((uint32_t)x->now->scalar[ENTRY_MX]);
    uint32_t bits = (uint32_t)judge_scalar(g, ENTRY_MX);
    uint32_t w = (uint32_t)judge_scalar(g, ENTRY_WMX);
    uint32_t mine = (uint32_t)x->now->scalar[ENTRY_WMX];

    if (f32_bits(own) == bits && w == mine)
        return FOUND_NONE;
    if (w < g->m.n_vocab &&
        f32_bits(
            f32_from(get_u32(x->now->vector[ENTRY_LOGITS] + 4 * (size_t)w)) +
            0.0f) == bits)
        return format_choice(choice, "mx %u", mine);
    return format_choice(choice, "mx");
}

static enum found pick_entry(char *choice, struct execution *x,
                             const struct judge *g, enum entry e,
                             const unsigned char *own)
{
    bool differs = memcmp(own, judge_root(g, e), operators_bytes(e)) != 0;

    switch (e) {
    case ENTRY_EX: case ENTRY_EA: case ENTRY_EY: case ENTRY_EC: case ENTRY_EF:
    case ENTRY_EN:
        return pick_maximum(choice, x, g, e, g->m.dim);
    case ENTRY_EO:
        return pick_maximum(choice, x, g, e,
                            operators_elements(&g->m, ENTRY_O));
    case ENTRY_EH:
        return pick_maximum(choice, x, g, e, g->m.ffn_dim);
    case ENTRY_WX: case ENTRY_WA: case ENTRY_WO: case ENTRY_WY: case ENTRY_WC:
    case ENTRY_WH: case ENTRY_WF: case ENTRY_WN: case ENTRY_WMX:
        return FOUND_NONE; /* with its maximum */
    case ENTRY_MX:
        return pick_greatest(choice, x, g);
    case ENTRY_WK: case ENTRY_IDK: case ENTRY_WP: case ENTRY_IDP:
    case ENTRY_SUM_K:
    case ENTRY_SUM_P:
    case ENTRY_DRAW:
    case ENTRY_BEFORE:
        return differs && g->j.temperature ? format_choice(choice, "W")
                                           : FOUND_NONE;
    default:
        return differs ? format_choice(choice, "%s", operators_name(e))
                       : FOUND_NONE;
    }
}

/* The kv rows of the layer, which follow from k and v. */
static enum found pick_row(char *choice, struct execution *x,
                           const struct judge *g)
{
    size_t kv = g->m.n_kv_heads, i;
    struct hashes h = hashes_of_rows(x, g->leaf.position);

    i = first_difference(h.hash + g->layer * kv * DIGEST_SIZE, g->rows, kv,
                         DIGEST_SIZE);
    free(h.hash);
    return i < kv ? format_choice(choice, "kv %zu", i) : FOUND_NONE;
}

static enum found pick_operator(char *choice, struct execution *x,
                                const struct judge *g, struct err *err)
{
    unsigned char own[OPERATORS_MAX];
    size_t at = 0;
    enum entry e;
    enum found found = FOUND_NONE;

    if (execution_explain(x, g->leaf.position, g->layer, err))
        return FOUND_FAILED;
    explain_table(x->e, own);
    for (size_t i = 0;
         found == FOUND_NONE &&
         (e = operators_entry(x->now->table, i)) != ENTRIES; i++) {
        found = pick_entry(choice, x, g, e, own + at);
        at += operators_bytes(e);
        if (found == FOUND_NONE && e == ENTRY_V)
            found = pick_row(choice, x, g);
    }
    if (found == FOUND_NONE && x->now->table == OPERATORS_LAYER)
        found = format_choice(choice, "x");
    if (found == FOUND_NONE && x->now->table == OPERATORS_OF_HEAD)
        found = format_choice(choice, g->j.temperature ? "W" : "wmx");
    return found;
}

/* ---- elements ------------------------------------------------------------ */

/* Return whether a key has the score, or the exponent of s_v, that the shown
 * head claims. */
static bool key_has(struct execution *x, const struct judge *g, uint32_t head,
                    uint32_t key, bool score, uint32_t bits)
{
    uint32_t hd = g->m.head_dim, kv = g->m.n_kv_heads;
    const unsigned char *r = x->now->vector[ENTRY_R] + 2 * (size_t)head * hd;
    const unsigned char *row;
    int16_t q[TERMS_HEAD_DIM];

    if (key < judge_first_key(g) || key > g->leaf.position)
        return false;
    row = x->rows + key * execution_rows_bytes(x) +
          (g->layer * kv + head / (g->m.n_heads / kv)) *
              execution_row_bytes(x);
    if (!score)
        return (uint32_t)terms_value_exponent(terms_value_scale(row)) == bits;
    for (size_t i = 0; i < hd; i++)
        q[i] = (int16_t)(r[2 * i] | r[2 * i + 1] << 8);
    return f32_bits(terms_score(q, (int32_t)get_u32(prover_head(x, head)),
                                g->m.attn_scale, row, hd) + 0.0f) == bits;
}

/* Pick an entry of `heads` that differs; FOUND_NONE if it only names other
 * witnesses. */
static enum found pick_head(char *choice, struct execution *x,
                            const struct judge *g, uint32_t head,
                            const unsigned char *shown)
{
    const unsigned char *own = prover_head(x, head);
    uint32_t m = get_u32(shown + 4), ev = get_u32(shown + 12);

    if (memcmp(own, shown, 4) != 0)
        return format_choice(choice, "%u er", head);
    if (m != get_u32(own + 4) && f32_from(m) < f32_from(get_u32(own + 4)))
        return format_choice(choice, "%u m %u", head, get_u32(own + 8));
    if (!key_has(x, g, head, get_u32(shown + 8), true, m) ||
        m != get_u32(own + 4))
        return format_choice(choice, "%u m", head);
    if ((int32_t)ev < (int32_t)get_u32(own + 12))
        return format_choice(choice, "%u ev %u", head, get_u32(own + 16));
    if (!key_has(x, g, head, get_u32(shown + 16), false, ev) ||
        ev != get_u32(own + 12))
        return format_choice(choice, "%u ev", head);
    return memcmp(own + 24, shown + 24, 8) != 0
               ? format_choice(choice, "%u Z", head)
               : FOUND_NONE;
}

static enum found pick_element(char *choice, struct execution *x,
                               const struct judge *g, struct err *err)
{
    size_t width = operators_width(&g->m, g->entry);
    const unsigned char *shown = (unsigned char *)g->piece.bytes.data;
    struct buf own;
    size_t i = 0;
    enum found found = FOUND_NONE;

    if (own_show(&own, x, g, err)) {
        buf_clear(&own);
        return FOUND_FAILED;
    }
    if (g->entry == ENTRY_HEADS) {
        for (; found == FOUND_NONE && i < g->piece.n; i++)
            found = pick_head(choice, x, g, g->piece.first + (uint32_t)i,
                              shown + i * width);
    } else {
        i = first_difference((unsigned char *)own.data, shown, g->piece.n,
                             width);
        if (i < g->piece.n)
            found = format_choice(choice, "%zu", g->piece.first + i);
    }
    buf_clear(&own);
    return found;
}

static enum found pick_sum(char *choice, struct execution *x,
                           const struct judge *g, struct err *err)
{
    struct judge before = *g;
    uint32_t first;
    size_t width;
    enum found found;

    judge_n_sums(g, &first, &width);
    if (g->show == SHOW_SUMS && g->sums_blocked) /* to its block's number */
        before.sums.first = (g->sums.first - first) / JUDGE_SUMS;
    found = pick_list(choice, x, &before, &g->sums, width, err);
    if (found != FOUND_NONE)
        return found;
    return format_choice(choice, "total"); /* it does not follow */
}

enum found prover_pick(char *choice, struct execution *x, const struct judge *g,
                       struct err *err)
{
    if (g->turn != JUDGE_PICKS)
        return err_set(err, ERR_INPUT, "nothing is to be picked now");
    switch (g->show) {
    case SHOW_RECORDS: return pick_record(choice, x, g, err);
    case SHOW_STOPS: case SHOW_OFFSETS: case SHOW_BETWEEN:
        return prover_pick_shown(choice, x, g, err);
    case SHOW_LEAF: return pick_field(choice, x, g);
    case SHOW_LAYERS: return pick_layer(choice, x, g, err);
    case SHOW_OPERATORS: return pick_operator(choice, x, g, err);
    case SHOW_PIECE_BLOCKS: case SHOW_PIECES:
        return pick_list(choice, x, g, &g->pieces, DIGEST_SIZE, err);
    case SHOW_PIECE: return pick_element(choice, x, g, err);
    case SHOW_SUM_BLOCKS: case SHOW_SUMS:
        return pick_sum(choice, x, g, err);
    default:
        return pick_list(choice, x, g, &g->list, DIGEST_SIZE, err);
    }
}
