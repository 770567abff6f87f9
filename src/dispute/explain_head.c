/*
 * The head: norm, logits, and the draw with the sums that decide it
 * (doc/numerics.md, Sampling).
 *
 * If top_k cuts a draw, `wk` and `idk` are the weight and id of the last kept
 * token in the order (weight descending, id ascending); otherwise they are 0
 * and the last id, which keeps every token.  wp and idp say the same for top_p
 * among the kept ones.
 */
#include <config.h>

#include "dispute/explain_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "dispute/draw.h"
#include "engine/sampler.h"
#include "model/model.h"
#include "proof/digest.h"
#include "proof/merkle.h"

struct weighed {
    uint32_t weight, id;
};

static int compare_weighed(const void *a, const void *b)
{
    const struct weighed *x = a, *y = b;

    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Find where top_k and top_p cut, and the sums of what remains. */
static void find_cuts(struct explain *e, const struct sampling *s)
{
    uint32_t n = e->m->rec.n_vocab;
    struct weighed *w = xmalloc(n * sizeof(*w));
    uint64_t sum_k = 0, sum_p = 0, enough;
    uint32_t k = draw_cuts_k(s->top_k, n) ? s->top_k : n, p = 0;
    bool all = s->top_p >= DRAW_MILLION;

    for (uint32_t i = 0; i < n; i++)
        w[i] = (struct weighed){ e->weight[i], i };
    qsort(w, n, sizeof(*w), compare_weighed);
    for (uint32_t i = 0; i < k; i++)
        sum_k += w[i].weight;
    enough = draw_enough(sum_k, s->top_p);
    while (!all && p < k && (p == 0 || sum_p < enough))
        sum_p += w[p++].weight;
    if (all)
        sum_p = sum_k;
    explain_scalar(e, ENTRY_WK, k < n ? w[k - 1].weight : 0);
    explain_scalar(e, ENTRY_IDK, k < n ? w[k - 1].id : n - 1);
    explain_scalar(e, ENTRY_WP, all ? e->out.scalar[ENTRY_WK]
                                    : w[p - 1].weight);
    explain_scalar(e, ENTRY_IDP, all ? e->out.scalar[ENTRY_IDK]
                                     : w[p - 1].id);
    explain_scalar(e, ENTRY_SUM_K, sum_k);
    explain_scalar(e, ENTRY_SUM_P, sum_p);
    free(w);
}

/* Draw the token, and sum the weights of the ids before it. */
static uint32_t draw(struct explain *e, const struct sampling *s)
{
    uint32_t n = e->m->rec.n_vocab, id = 0;
    const uint64_t *v = e->out.scalar;
    uint64_t r, before = 0;

    e->k.exp_weights(e->weight, e->f[ENTRY_LOGITS], n,
                     f32_from((uint32_t)v[ENTRY_MX]),
                     draw_temperature(s->temperature));
    find_cuts(e, s);
    r = draw_bits(s->seed, s->choice, e->position + 1) % v[ENTRY_SUM_P];
    for (; id + 1 < n; id++) {
        uint32_t w = e->weight[id];

        if (!draw_keeps((uint32_t)v[ENTRY_WP], (uint32_t)v[ENTRY_IDP], w, id))
            continue;
        if (before + w > r)
            break;
        before += w;
    }
    explain_scalar(e, ENTRY_DRAW, r);
    explain_scalar(e, ENTRY_BEFORE, before);
    return id;
}

int explain_head(struct explain *e, const struct explained **out,
                 uint32_t position, const float *x, const struct sampling *s,
                 uint32_t *next, struct err *err)
{
    size_t best;

    e->layer = OPERATORS_HEAD;
    e->position = position;
    e->x = x;
    e->out.table = OPERATORS_OF_HEAD;
    explain_norm(e, x, e->m->final_norm, ENTRY_EF, ENTRY_EN);
    if (explain_linear(e, e->f[ENTRY_LOGITS], &e->m->head, NULL, false, err))
        return -1;
    explain_floats(e, ENTRY_LOGITS);
    best = e->k.max(e->f[ENTRY_LOGITS], e->m->rec.n_vocab);
    explain_scalar(e, ENTRY_MX, f32_bits(e->f[ENTRY_LOGITS][best] + 0.0f));
    explain_scalar(e, ENTRY_WMX, best);
    for (enum entry i = ENTRY_WK; i <= ENTRY_BEFORE; i++)
        e->out.scalar[i] = 0;
    *next = (uint32_t)e->out.scalar[ENTRY_WMX];
    if (s->temperature)
        *next = draw(e, s);
    *out = &e->out;
    return 0;
}

void explain_table(const struct explain *e, unsigned char *out)
{
    enum entry i;

    for (size_t n = 0; (i = operators_entry(e->out.table, n)) != ENTRIES;
         n++) {
        size_t bytes = operators_bytes(i);

        if (operators_is_vector(i))
            merkle_blob(id_in(out), e->out.vector[i],
                        operators_elements(&e->m->rec, i) *
                            operators_width(&e->m->rec, i));
        else if (bytes == 8)
            set_u64(out, e->out.scalar[i]);
        else
            set_u32(out, (uint32_t)e->out.scalar[i]);
        out += bytes;
    }
}
