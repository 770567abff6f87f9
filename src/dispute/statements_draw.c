/*
 * Statement 16: a draw.  A term is four sums over 256 logits: the number of
 * tokens that top_k keeps, their weight, the weight of those that top_p keeps,
 * and the part of it with ids below the drawn one.
 */
#include <config.h>

#include <string.h>

#include "base/bytes.h"
#include "dispute/draw.h"
#include "dispute/judge_internal.h"
#include "dispute/statements_internal.h"
#include "kernels/x1.h"

/* The table's claims about a draw. */
struct draw_claims {
    float max, t;
    uint32_t wk, idk, wp, idp;
    uint64_t sum_k, sum_p, r, before;
};

static struct draw_claims claims(struct proof *p)
{
    const struct judge *g = p->g;

    return (struct draw_claims){
        proof_float(p, (uint32_t)judge_scalar(g, ENTRY_MX), ROW_LIMIT),
        draw_temperature(g->j.temperature),
        (uint32_t)judge_scalar(g, ENTRY_WK),
        (uint32_t)judge_scalar(g, ENTRY_IDK),
        (uint32_t)judge_scalar(g, ENTRY_WP),
        (uint32_t)judge_scalar(g, ENTRY_IDP),
        judge_scalar(g, ENTRY_SUM_K),
        judge_scalar(g, ENTRY_SUM_P),
        judge_scalar(g, ENTRY_DRAW),
        judge_scalar(g, ENTRY_BEFORE),
    };
}

static uint32_t weight(struct proof *p, const struct draw_claims *c,
                       uint32_t bits)
{
    float l = proof_float(p, bits, ROW_LIMIT) + 0.0f;

    if (l > c->max) {
        p->fault = true; /* mx is not the greatest */
        return 0;
    }
    return x1_draw_weight(l, c->max, c->t);
}

/* Return the weight of one id; an id outside the vocabulary is a fault. */
static uint32_t weight_of(struct proof *p, const struct draw_claims *c,
                          uint32_t id)
{
    size_t n = p->g->m.n_vocab;
    unsigned char bytes[4] = { 0 };

    if (id >= n) {
        p->fault = true; /* nothing to open */
        return 0;
    }
    proof_bytes(p, ROLE_PIECE + ENTRY_LOGITS, proof_root(p, ENTRY_LOGITS),
                4 * n, 4 * (size_t)id, 4 * (size_t)id + 4, bytes);
    return weight(p, c, get_u32(bytes));
}

static bool term_good(struct proof *p, const struct draw_claims *c)
{
    const struct judge *g = p->g;
    const struct shown *s = &g->sums;
    size_t first = (size_t)g->place.part * 256, n = g->m.n_vocab;
    size_t count = n - first < 256 ? n - first : 256;
    unsigned char bytes[1024] = { 0 };
    int64_t sum[4] = { 0 };

    proof_bytes(p, ROLE_PIECE + ENTRY_LOGITS, proof_root(p, ENTRY_LOGITS),
                4 * n, 4 * first, 4 * (first + count), bytes);
    for (size_t i = 0; i < count; i++) {
        uint32_t w = weight(p, c, get_u32(bytes + 4 * i));
        uint32_t id = (uint32_t)(first + i);

        if (!draw_keeps(c->wk, c->idk, w, id))
            continue;
        sum[0]++;
        sum[1] += w;
        if (!draw_keeps(c->wp, c->idp, w, id))
            continue;
        sum[2] += w;
        sum[3] += id < g->leaf.next ? w : 0;
    }
    for (size_t i = 0; i < 4; i++)
        if (sum[i] != (int64_t)get_u64(s->bytes.data + 8 * i +
                                       32 * (g->place.part - s->first)))
            return false;
    return true;
}

/* Check the cuts of top_k and top_p. */
static bool cuts_good(struct proof *p, const struct draw_claims *c,
                      int64_t n_kept)
{
    const struct job_record *j = &p->g->j;
    uint32_t n = p->g->m.n_vocab;
    bool good = c->wk == 0 && c->idk == n - 1;
    uint64_t enough;

    if (draw_cuts_k(j->top_k, n))
        good = weight_of(p, c, c->idk) == c->wk && n_kept == j->top_k;
    if (j->top_p >= DRAW_MILLION)
        return good && c->wp == c->wk && c->idp == c->idk;
    enough = draw_enough(c->sum_k, j->top_p);
    return (weight_of(p, c, c->idp) == c->wp) & good &&
           draw_keeps(c->wk, c->idk, c->wp, c->idp) && c->sum_p >= enough &&
           c->sum_p - c->wp < enough;
}

static bool total_good(struct proof *p, const struct draw_claims *c)
{
    const struct judge *g = p->g;
    const struct job_record *j = &g->j;
    int64_t sum[4] = { 0 };
    uint32_t w;
    bool good;

    for (size_t i = 0; i < 4 * (size_t)g->sums.n; i++)
        sum[i % 4] += (int64_t)get_u64(g->sums.bytes.data + 8 * i);
    if (c->sum_k >= (uint64_t)SUM_LIMIT || c->sum_p >= (uint64_t)SUM_LIMIT ||
        c->sum_p == 0) {
        p->fault = true; /* the greatest logit weighs 2^30 */
        return false;
    }
    good = cuts_good(p, c, sum[0]);
    w = weight_of(p, c, g->leaf.next);
    return good && (uint64_t)sum[1] == c->sum_k &&
           (uint64_t)sum[2] == c->sum_p && (uint64_t)sum[3] == c->before &&
           c->r == draw_bits(j->seed, j->choice, g->leaf.position + 1) %
                       c->sum_p &&
           draw_keeps(c->wp, c->idp, w, g->leaf.next) && c->before <= c->r &&
           c->r < c->before + w;
}

bool proof_sample(struct proof *p)
{
    struct draw_claims c = claims(p);

    return p->g->place.part == JUDGE_NONE ? total_good(p, &c)
                                          : term_good(p, &c);
}
