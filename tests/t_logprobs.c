/*
 * Probabilities of drawn tokens: the sum of exponentials against the C
 * library's long double, the likeliest against sorting, and the payload of a
 * topk frame with every length that can be wrong.
 */
#include <config.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "answer/logprobs.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "engine/engine.h"
#include "store/answer_logprobs.h"
#include "store/topk.h"
#include "tests/tap.h"

#define N 3000

static uint64_t state = 88172645463325252u;

static uint64_t rnd(void) /* xorshift64, Marsaglia */
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* From -range to range. */
static void random_logits(float *x, size_t n, float range)
{
    for (size_t i = 0; i < n; i++)
        x[i] = ((float)(rnd() >> 40) / 8388608.0f - 1) * range;
}

static long double slow_sum(const float *x, size_t n)
{
    long double max = x[0], sum = 0;

    for (size_t i = 1; i < n; i++)
        if (x[i] > max)
            max = x[i];
    for (size_t i = 0; i < n; i++)
        sum += expl((long double)x[i] - max);
    return max + logl(sum);
}

static void test_sum(void)
{
    static const float range[] = { 0, 1e-6f, 1, 10, 88, 500, 1e9f };
    static float x[N];
    bool good = true;

    for (int i = 0; i < 700; i++) {
        size_t n = 1 + rnd() % N;
        long double want, got;

        random_logits(x, n, range[i % 7]);
        want = slow_sum(x, n);
        got = logprobs_log_sum(x, n);
        if (fabsl(got - want) > 1e-14L * (1 + fabsl(want))) {
            printf("# %zu of range %g: %.17Lg, not %.17Lg\n", n,
                   (double)range[i % 7], got, want);
            good = false;
        }
    }
    ok(good, "the logarithm of a sum of exponentials, in long double too");
}

struct ranked {
    float logit;
    uint32_t id;
};

static int by_logit(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : 1;
}

/* A payload of one answer of 3 tokens; step 1 comes twice, as a position that
 * is computed again does, and the two last in one step of the engine. */
static void make(struct buf *out, float logits[3][N], size_t n)
{
    static const uint32_t token[] = { 1, 0, 2 };
    struct answer a = { .token = token, .n_out = 3 };
    struct logprobs *l = logprobs_new(n, 5);
    struct err err = ERR_INIT;

    logprobs_logits(l, 3, logits[2]); /* of the prompt: nothing is drawn */
    logprobs_logits(l, 4, logits[0]);
    logprobs_token(l, 5, token[0]);
    logprobs_logits(l, 5, logits[0]);
    ok(logprobs_put(out, l, &a, NULL, &err) && err.code == ERR_FATAL,
       "not without all steps: %s", err.text);
    buf_reset(out);
    logprobs_logits(l, 5, logits[1]);
    logprobs_logits(l, 6, logits[2]);
    logprobs_token(l, 6, token[1]);
    logprobs_token(l, 7, token[2]);
    err.code = ERR_NONE;
    ok(logprobs_put(out, l, &a, NULL, &err) == 0, "three steps: %s", err.text);
    logprobs_free(l);
}

static void test_steps(size_t n)
{
    static float logits[3][N];
    static struct ranked all[N];
    struct err err = ERR_INIT;
    struct topk t;
    struct buf b;
    bool good;

    for (int i = 0; i < 3; i++) {
        random_logits(logits[i], n, 9);
        logits[i][n / 2] = logits[i][0]; /* of equal ones the lower id */
    }
    buf_init(&b, 1u << 20);
    make(&b, logits, n);
    ok(topk_get(&t, b.data, b.len, &err) == 0 && t.n == 3 &&
           t.k == (n < TOPK_MAX ? n : TOPK_MAX), "%zu ids: read back %s", n,
       err.text);
    good = topk_logprob(&t, 0) == (double)logits[0][1] -
                                      logprobs_log_sum(logits[0], n) ||
           n == 1;
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < n; j++)
            all[j] = (struct ranked){ logits[i][j], (uint32_t)j };
        qsort(all, n, sizeof(*all), by_logit);
        for (size_t j = 0; j < t.k; j++) {
            double want = (double)all[j].logit -
                          logprobs_log_sum(logits[i], n);
            uint32_t id;

            good = good && topk_top(&t, i, j, &id) == (want > 0 ? 0 : want) &&
                   id == all[j].id;
        }
    }
    ok(good, "%zu ids: the likeliest, in order", n);
    buf_clear(&b);
}

/* ---- payloads ------------------------------------------------------------ */

/* One step of two ids, "a" and an incomplete character. */
static void small(struct buf *out, struct topk *t)
{
    static const unsigned char log_sum[8] = { 0, 0, 0, 0, 0, 0, 0xf0, 0x3f },
        logit[4] = { 0, 0, 0x80, 0x3f }, token[8] = { 7, 0, 0, 0, 9 },
        top[8] = { 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0 },
        piece[8] = { 7, 0, 0, 0, 9 },
        end[16] = { 1, 0, 0, 0, 0, 0, 0, 0, 3 };

    *t = (struct topk){ 1, 2, log_sum, logit, token, top, 2, 3, piece, end,
                        (const unsigned char *)"a\xe2\x80" };
    buf_init(out, 1u << 16);
    topk_put(out, t);
}

static bool refused(const struct buf *b, size_t at, unsigned char v)
{
    unsigned char *p = memcpy(malloc(b->len), b->data, b->len);
    struct err err = ERR_INIT;
    struct topk t;
    bool is;

    p[at] = v;
    is = topk_get(&t, p, b->len, &err) && err.code == ERR_INPUT;
    free(p);
    return is;
}

static void test_payload(void)
{
    struct topk t, back;
    struct buf b;
    size_t n;
    bool good = true;

    small(&b, &t);
    ok(topk_get(&back, b.data, b.len, NULL) == 0 && back.n == 1 &&
           back.k == 2 && memcmp(topk_piece(&back, 9, &n), "\xe2\x80", 2) == 0
           && n == 2, "a payload of one step");
    ok(!*topk_piece(&back, 8, &n) && n == 0 &&
           memcmp(topk_piece(&back, 7, &n), "a", 1) == 0 && n == 1,
       "an id without bytes, and the first one");
    for (size_t i = 0; i < b.len; i++)
        good = good && topk_get(&back, b.data, i, NULL);
    ok(good, "no shorter payload");
    ok(refused(&b, 0, 2) && refused(&b, 4, 1) && refused(&b, 4, 0) &&
           refused(&b, 4, 21) && refused(&b, 8, 1) && refused(&b, 12, 4),
       "no other count");
    ok(refused(&b, 44, 9) && refused(&b, 48, 7) && refused(&b, 52, 4) &&
           refused(&b, 60, 2) && refused(&b, 60, 4),
       "ids and ends of bytes ascend, to the end");
    buf_clear(&b);
}

static void test_json(void)
{
    static const uint32_t token[] = { 7 };
    struct topk t;
    struct buf b, out;

    small(&b, &t);
    buf_init(&out, 1u << 16);
    answer_put_logprobs(&out, &t, 20, token, true);
    ok(strcmp(out.data,
              "{\"content\":[{\"token\":\"a\",\"logprob\":0.00000000,"
              "\"bytes\":[97],\"top_logprobs\":[{\"token\":\"a\",\"logprob\":"
              "0.00000000,\"bytes\":[97]},{\"token\":\"\xef\xbf\xbd\","
              "\"logprob\":-3.00000000,\"bytes\":[226,128]}]}],"
              "\"refusal\":null}") == 0, "of a chat: %s", out.data);
    buf_reset(&out);
    answer_put_logprobs(&out, &t, 2, token, false);
    ok(strcmp(out.data,
              "{\"tokens\":[\"a\"],\"token_logprobs\":[0.00000000],"
              "\"top_logprobs\":[{\"a\":0.00000000,\"bytes:\\\\xe2\\\\x80\":"
              "-3.00000000}],\"text_offset\":[0]}") == 0,
       "of a completion: %s", out.data);
    buf_reset(&out);
    answer_put_logprobs(&out, &t, 0, token, false);
    ok(strstr(out.data, "\"top_logprobs\":null") != NULL,
       "of a completion, the token alone: %s", out.data);
    t.utf8 = (const unsigned char *)"\0a";
    t.piece_bytes = 2;
    t.end = (const unsigned char *)"\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0";
    buf_reset(&out);
    answer_put_logprobs(&out, &t, 1, token, false);
    ok(strstr(out.data, "{\"tokens\":[\"bytes:\\\\x00\"]") == out.data,
       "a token of a NUL: %s", out.data);
    buf_clear(&out);
    buf_clear(&b);
}

int main(void)
{
    test_sum();
    test_steps(1000);
    test_steps(20);
    test_steps(3);
    test_payload();
    test_json();
    return done();
}
