/*
 * Probabilities of drawn tokens.  exp and log are written out here: those of
 * C libraries differ in their last bit, and a checkpoint is to be the same
 * file everywhere.
 */
#include <config.h>

#include "answer/logprobs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "engine/engine.h"
#include "store/topk.h"
#include "text/tokenizer.h"

#define LN2_HIGH 0x1.62e42feep-1 /* 32 bits: k * LN2_HIGH is exact */
#define LN2_LOW 0x1.a39ef35793c76p-33
#define LN2 0x1.62e42fefa39efp-1
#define LOG2_E 0x1.71547652b82fep+0
#define SMALLEST (-700.0) /* exp of less adds nothing to a sum above 1 */

/* ---- exp and log --------------------------------------------------------- */

/* 2^k for k from -1022 to 1023. */
static double power_of_2(int64_t k)
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* exp(x) for x from SMALLEST to 0: x = k ln 2 + r with |r| <= ln 2 / 2, then
 * the series of exp(r) to r^13 / 13!, whose rest is below 2^-57. */
static double exp_negative(double x)
{
    static const double term[] = {
        1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0,
        1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0, 1.0 / 5040.0,
        1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0
    };
    int64_t k = (int64_t)(x * LOG2_E - 0.5);
    double r = (x - (double)k * LN2_HIGH) - (double)k * LN2_LOW, sum = 0;

    for (size_t i = 0; i < sizeof(term) / sizeof(*term); i++)
        sum = sum * r + term[i];
    return sum * power_of_2(k);
}

/* log(x) for a finite x >= 1: x = 2^k m with m from sqrt(1/2) to sqrt(2),
 * log(m) = 2 artanh(f), f = (m - 1) / (m + 1), |f| <= 0.172, by its series to
 * f^23 / 23. */
static double log_positive(double x)
{
    double m, f, square, sum = 0;
    uint64_t bits;
    int64_t k;

    memcpy(&bits, &x, sizeof(bits));
    k = (int64_t)(bits >> 52) - 1023;
    bits = (bits & (UINT64_MAX >> 12)) | (uint64_t)1023 << 52;
    memcpy(&m, &bits, sizeof(m));
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        k++;
    }
    f = (m - 1) / (m + 1);
    square = f * f;
    for (int i = 23; i >= 1; i -= 2)
        sum = sum * square + 1.0 / i;
    return (double)k * LN2 + 2 * f * sum;
}

double logprobs_log_sum(const float *logits, size_t n)
{
    double max = (double)logits[0], sum = 0;

    for (size_t i = 1; i < n; i++)
        if ((double)logits[i] > max)
            max = (double)logits[i];
    for (size_t i = 0; i < n; i++) {
        double x = (double)logits[i] - max;

        if (x >= SMALLEST)
            sum += exp_negative(x);
    }
    return max + log_positive(sum);
}

/* ---- steps --------------------------------------------------------------- */

struct step {
    const float *logits; /* while the engine's step lasts, until the token is
                          * known */
    bool there;
    double log_sum;
    float logit;
    uint32_t token[TOPK_MAX];
    float top[TOPK_MAX];
};

struct logprobs {
    size_t n_vocab, n_prompt, k;
    struct step *step; /* by number of the output token */
    size_t n, cap;
};

struct logprobs *logprobs_new(size_t n_vocab, size_t n_prompt)
{
    struct logprobs *l = xcalloc(1, sizeof(*l));

    l->n_vocab = n_vocab;
    l->n_prompt = n_prompt;
    l->k = n_vocab < TOPK_MAX ? n_vocab : TOPK_MAX;
    return l;
}

void logprobs_free(struct logprobs *l)
{
    if (!l)
        return;
    free(l->step);
    free(l);
}

/* The k highest logits, of equal ones the lower id first. */
static void select_top(struct step *s, const float *logits, size_t n,
                       size_t k)
{
    size_t n_top = 0;

    for (size_t i = 0; i < n; i++) {
        size_t at = n_top;

        if (n_top == k && !(logits[i] > s->top[k - 1]))
            continue;
        if (n_top < k)
            n_top++;
        else
            at--;
        for (; at > 0 && logits[i] > s->top[at - 1]; at--) {
            s->top[at] = s->top[at - 1];
            s->token[at] = s->token[at - 1];
        }
        s->top[at] = logits[i];
        s->token[at] = (uint32_t)i;
    }
}

void logprobs_logits(struct logprobs *l, uint32_t position,
                     const float *logits)
{
    size_t at = (size_t)position + 1 - l->n_prompt;

    if ((size_t)position + 1 < l->n_prompt)
        return; /* nothing is drawn there */
    while (l->n <= at) {
        VEC_RESERVE(l->step, l->cap, l->n + 1);
        l->step[l->n++] = (struct step){ .there = false };
    }
    l->step[at].log_sum = logprobs_log_sum(logits, l->n_vocab);
    select_top(&l->step[at], logits, l->n_vocab, l->k);
    l->step[at].logits = logits;
}

void logprobs_token(struct logprobs *l, uint32_t position, uint32_t token)
{
    size_t at = position - l->n_prompt;
    struct step *s = position < l->n_prompt || at >= l->n ? NULL
                                                          : &l->step[at];

    if (!s || !s->logits)
        return;
    s->logit = s->logits[token];
    s->logits = NULL;
    s->there = true;
}

/* ---- payload ------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

/* All ids of n steps and of the answer, ascending, each once: how many. */
static size_t list_ids(uint32_t *id, const struct logprobs *l,
                       const struct answer *a)
{
    size_t n = 0, n_ids = 0;

    for (size_t i = 0; i < a->n_out; i++) {
        id[n++] = a->token[i];
        for (size_t j = 0; j < l->k; j++)
            id[n++] = l->step[i].token[j];
    }
    if (n > 1)
        qsort(id, n, sizeof(*id), by_id);
    for (size_t i = 0; i < n; i++)
        if (n_ids == 0 || id[n_ids - 1] != id[i])
            id[n_ids++] = id[i];
    return n_ids;
}

static void put_f64(struct buf *out, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    buf_put_u64(out, bits);
}

static void put_steps(struct buf *out, const struct logprobs *l, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_f64(out, l->step[i].log_sum);
    for (size_t i = 0; i < n; i++)
        buf_put_f32(out, l->step[i].logit);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < l->k; j++)
            buf_put_u32(out, l->step[i].token[j]);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < l->k; j++)
            buf_put_f32(out, l->step[i].top[j]);
}

/* What a client of other engines gets as the text of a token: control tokens
 * too, which are no part of an output. */
static const char *piece_of(const struct tokenizer *t, uint32_t id, size_t *n)
{
    const char *text;

    *n = 0;
    if (!t)
        return "";
    text = tokenizer_is_control(t, id) ? tokenizer_text(t, id, n)
                                       : tokenizer_bytes(t, id, n);
    if (*n > TOPK_PIECE)
        *n = TOPK_PIECE;
    return *n ? text : "";
}

static void put_pieces(struct buf *out, const uint32_t *id, size_t n,
                       const struct tokenizer *t)
{
    uint64_t end = 0;
    const char *text;
    size_t size;

    for (size_t i = 0; i < n; i++)
        buf_put_u32(out, id[i]);
    for (size_t i = 0; i < n; i++) {
        piece_of(t, id[i], &size);
        end += size;
        buf_put_u64(out, end);
    }
    for (size_t i = 0; i < n; i++) {
        text = piece_of(t, id[i], &size);
        buf_put(out, text, size);
    }
}

int logprobs_put(struct buf *out, const struct logprobs *l,
                 const struct answer *a, const struct tokenizer *t,
                 struct err *err)
{
    size_t n_ids, bytes = 0, size;
    uint32_t *id;

    for (size_t i = 0; i < a->n_out; i++)
        if (i >= l->n || !l->step[i].there)
            return err_set(err, ERR_FATAL, "the logits of output token %zu did"
                           " not come", i + 1);
    id = xmalloc(a->n_out * (l->k + 1) * sizeof(*id) + 1);
    n_ids = list_ids(id, l, a);
    for (size_t i = 0; i < n_ids; i++) {
        piece_of(t, id[i], &size);
        bytes += size;
    }
    buf_put_u32(out, (uint32_t)a->n_out);
    buf_put_u32(out, (uint32_t)l->k);
    buf_put_u32(out, (uint32_t)n_ids);
    buf_put_u32(out, (uint32_t)bytes);
    put_steps(out, l, a->n_out);
    put_pieces(out, id, n_ids, t);
    free(id);
    return buf_check(out, "the likeliest tokens of an answer", err);
}
