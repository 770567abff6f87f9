/*
 * src/verify/tensor_rows: rows that come layer by layer, in chunks of any
 * size, are found the same; of an element that has other bits the position, the
 * row and both bits are named, of several those that are met first.
 */
#include <config.h>

#include <string.h>

#include "base/bytes.h"
#include "tests/tap.h"
#include "verify/tensor_rows.h"

/* A prompt of 3, answered by 4 tokens, the last of which was never fed. */
enum { PROMPT = 3, OUTPUT = 4, POSITIONS = 6, LAYERS = 2, DIM = 3, VOCAB = 5 };

static unsigned char hidden[POSITIONS][LAYERS + 1][DIM][4];
static unsigned char logits[OUTPUT][VOCAB][4];

static float value(uint32_t a, uint32_t b, uint32_t c)
{
    return (float)(1 + 100 * a + 10 * b + c) / 7;
}

static bool draws(uint32_t position)
{
    return position + 1 >= PROMPT;
}

/* As a worker keeps them. */
static void make(void)
{
    for (uint32_t p = 0; p < POSITIONS; p++)
        for (uint32_t l = 0; l <= LAYERS; l++)
            for (uint32_t i = 0; i < DIM; i++)
                set_u32(hidden[p][l][i], l < LAYERS || draws(p)
                                             ? f32_bits(value(p, l, i)) : 0);
    for (uint32_t k = 0; k < OUTPUT; k++)
        for (uint32_t i = 0; i < VOCAB; i++)
            set_u32(logits[k][i], f32_bits(value(k, 9, i)));
}

static void feed(struct tensor_rows *t, uint32_t p, uint32_t l)
{
    float x[DIM];

    for (uint32_t i = 0; i < DIM; i++)
        x[i] = value(p, l, i);
    if (l < LAYERS || draws(p))
        tensor_rows_residual(t, p, l, x);
}

static void feed_logits(struct tensor_rows *t, uint32_t p)
{
    float x[VOCAB];

    for (uint32_t i = 0; i < VOCAB; i++)
        x[i] = value(p + 1 - PROMPT, 9, i);
    tensor_rows_logits(t, p, x);
}

/* Steps of `chunk` positions; some come behind the answer's end. */
static bool compute_tensor_rows(struct tensor_rows *t, uint32_t chunk,
                                uint32_t n_logits)
{
    *t = (struct tensor_rows){
        .hidden = hidden[0][0][0], .logits = logits[0][0],
        .n_prompt = PROMPT, .n_positions = POSITIONS, .n_output = OUTPUT,
        .n_layers = LAYERS, .dim = DIM, .n_vocab = VOCAB
    };
    for (uint32_t at = 0; at < POSITIONS + 2; at += chunk) {
        for (uint32_t l = 0; l <= LAYERS; l++)
            for (uint32_t p = at; p < at + chunk; p++)
                feed(t, p, l);
        for (uint32_t p = at; p < at + chunk; p++) {
            if (draws(p) && p + 1 - PROMPT < n_logits)
                feed_logits(t, p);
            else if (!draws(p))
                tensor_rows_undrawn(t, p);
        }
    }
    return tensor_rows_end(t);
}

static bool is(const struct tensor_element *e, uint32_t position,
               uint32_t row, uint32_t element)
{
    return e->some && e->position == position && e->row == row &&
           e->element == element && e->theirs != e->mine;
}

static void test_same(void)
{
    struct tensor_rows t;

    make();
    for (uint32_t chunk = 1; chunk < 9; chunk++)
        ok(compute_tensor_rows(&t, chunk, 9) && !t.hidden_wrong.some &&
               !t.logits_wrong.some,
           "chunks of %u: the same", chunk);
    t = (struct tensor_rows){ .n_prompt = PROMPT, .n_output = OUTPUT };
    feed(&t, 0, 0);
    feed_logits(&t, PROMPT);
    tensor_rows_undrawn(&t, 0);
    ok(tensor_rows_end(&t) && !t.hidden_wrong.some && !t.logits_wrong.some,
       "nothing to be compared");
}

static void test_hidden(void)
{
    struct tensor_rows t;
    bool good = true;

    for (uint32_t p = 0; p < POSITIONS; p++) {
        for (uint32_t l = 0; l <= LAYERS; l++) {
            for (uint32_t i = 0; i < DIM * 4; i++) {
                hidden[p][l][i / 4][i % 4] ^= 1;
                good &= compute_tensor_rows(&t, 1 + p, 9) &&
                        !t.logits_wrong.some &&
                        is(&t.hidden_wrong, p, l, i / 4);
                hidden[p][l][i / 4][i % 4] ^= 1;
            }
        }
    }
    ok(good, "any byte of a hidden state");
    hidden[1][LAYERS][2][0] = 5;
    ok(compute_tensor_rows(&t, 2, 9) && is(&t.hidden_wrong, 1, LAYERS, 2) &&
           t.hidden_wrong.theirs == 5 && t.hidden_wrong.mine == 0,
       "x_L is zeros where no token is drawn");
    hidden[1][LAYERS][2][0] = 0;
    hidden[4][0][1][0] ^= 1;
    hidden[3][1][2][3] ^= 1;
    ok(compute_tensor_rows(&t, 8, 9) && is(&t.hidden_wrong, 3, 1, 2),
       "of two positions the lower");
    hidden[4][0][1][0] ^= 1;
    hidden[3][2][0][0] ^= 1;
    ok(compute_tensor_rows(&t, 8, 9) && is(&t.hidden_wrong, 3, 1, 2),
       "of two layers the lower");
    hidden[3][1][0][3] ^= 1;
    ok(compute_tensor_rows(&t, 8, 9) && is(&t.hidden_wrong, 3, 1, 0) &&
           t.hidden_wrong.mine == f32_bits(value(3, 1, 0)),
       "of two elements the first, with its bits");
    make();
    compute_tensor_rows(&t, 1, 9);
    t.n_hidden = 0;
    ok(!tensor_rows_end(&t), "rows that did not come are missed");
}

static void test_logits(void)
{
    struct tensor_rows t;
    bool good = true;

    for (uint32_t k = 0; k < OUTPUT; k++) {
        for (uint32_t i = 0; i < VOCAB * 4; i++) {
            logits[k][i / 4][i % 4] ^= 0x80;
            good &= compute_tensor_rows(&t, 1 + k, 9) && !t.hidden_wrong.some &&
                    is(&t.logits_wrong, PROMPT - 1 + k, k, i / 4);
            logits[k][i / 4][i % 4] ^= 0x80;
        }
    }
    ok(good, "any byte of logits");
    compute_tensor_rows(&t, 1, OUTPUT - 1);
    ok(is(&t.logits_wrong, PROMPT + OUTPUT - 2, OUTPUT - 1, 0) &&
           t.logits_wrong.mine == 0, "what did not come is zeros");
    memset(logits[OUTPUT - 1], 0, sizeof(logits[0]));
    compute_tensor_rows(&t, 1, OUTPUT - 1);
    ok(!t.logits_wrong.some, "as in the file, then");
    make();
}

int main(void)
{
    test_same();
    test_hidden();
    test_logits();
    return done();
}
