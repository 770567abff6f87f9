/*
 * The payload of a topk frame.
 */
#include <config.h>

#include "store/topk.h"

#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"

#define HEAD 16

void topk_put(struct buf *out, const struct topk *t)
{
    buf_put_u32(out, (uint32_t)t->n);
    buf_put_u32(out, (uint32_t)t->k);
    buf_put_u32(out, (uint32_t)t->n_pieces);
    buf_put_u32(out, (uint32_t)t->piece_bytes);
    buf_put(out, t->log_sum, 8 * t->n);
    buf_put(out, t->logit, 4 * t->n);
    buf_put(out, t->token, 4 * t->n * t->k);
    buf_put(out, t->top, 4 * t->n * t->k);
    buf_put(out, t->piece, 4 * t->n_pieces);
    buf_put(out, t->end, 8 * t->n_pieces);
    buf_put(out, t->utf8, t->piece_bytes);
}

static int bad(const char *what, struct err *err)
{
    return err_set(err, ERR_INPUT, "the likeliest tokens of an answer: %s",
                   what);
}

int topk_check(const struct topk *t, struct err *err)
{
    uint64_t end = 0;

    if (t->k < 1 || t->k > TOPK_MAX)
        return bad("not 1 to 20 a step", err);
    for (size_t i = 0; i < t->n_pieces; i++) {
        uint64_t next = get_u64(t->end + 8 * i);

        if (i > 0 &&
            get_u32(t->piece + 4 * i) <= get_u32(t->piece + 4 * (i - 1)))
            return bad("ids with bytes do not ascend", err);
        if (next < end || next > t->piece_bytes || next - end > TOPK_PIECE)
            return bad("the bytes of an id have no such length", err);
        end = next;
    }
    return end == t->piece_bytes ? 0 : bad("bytes belong to no id", err);
}

int topk_get(struct topk *t, const void *payload, size_t n, struct err *err)
{
    const unsigned char *p = payload;
    uint64_t size = HEAD;

    memset(t, 0, sizeof(*t));
    if (n < HEAD)
        return bad("too short", err);
    t->n = get_u32(p);
    t->k = get_u32(p + 4);
    t->n_pieces = get_u32(p + 8);
    t->piece_bytes = get_u32(p + 12);
    if (t->k > TOPK_MAX)
        return bad("more than 20 a step", err);
    size += (uint64_t)t->n * (12 + 8 * t->k) + 12 * (uint64_t)t->n_pieces +
            t->piece_bytes;
    if (size != n)
        return bad("of another length", err);
    t->log_sum = p + HEAD;
    t->logit = t->log_sum + 8 * t->n;
    t->token = t->logit + 4 * t->n;
    t->top = t->token + 4 * t->n * t->k;
    t->piece = t->top + 4 * t->n * t->k;
    t->end = t->piece + 4 * t->n_pieces;
    t->utf8 = t->end + 8 * t->n_pieces;
    return topk_check(t, err);
}

/* ---- one step ------------------------------------------------------------ */

/* Rounding must not make a probability above 1. */
static double logprob(const struct topk *t, size_t step,
                      const unsigned char *logit)
{
    uint64_t bits = get_u64(t->log_sum + 8 * step);
    uint32_t l = get_u32(logit);
    double sum, v;
    float f;

    memcpy(&sum, &bits, sizeof(sum));
    memcpy(&f, &l, sizeof(f));
    v = (double)f - sum;
    return v > 0 ? 0 : v;
}

double topk_logprob(const struct topk *t, size_t step)
{
    return logprob(t, step, t->logit + 4 * step);
}

double topk_top(const struct topk *t, size_t step, size_t j, uint32_t *id)
{
    size_t at = 4 * (step * t->k + j);

    *id = get_u32(t->token + at);
    return logprob(t, step, t->top + at);
}

const char *topk_piece(const struct topk *t, uint32_t id, size_t *n)
{
    size_t first = 0, last = t->n_pieces;
    uint64_t from;

    *n = 0;
    while (first < last) {
        size_t i = first + (last - first) / 2;

        if (get_u32(t->piece + 4 * i) < id)
            first = i + 1;
        else
            last = i;
    }
    if (first == t->n_pieces || get_u32(t->piece + 4 * first) != id)
        return "";
    from = first ? get_u64(t->end + 8 * (first - 1)) : 0;
    *n = (size_t)(get_u64(t->end + 8 * first) - from);
    return (const char *)t->utf8 + from;
}
