/*
 * Floats are compared by their bits, since X1 promises equal bits.
 */
#include <config.h>

#include "verify/tensor_rows.h"

#include <string.h>

#include "base/bytes.h"

static bool is_before(const struct tensor_element *a,
                      const struct tensor_element *b)
{
    if (!b->some || a->position != b->position)
        return !b->some || a->position < b->position;
    return a->row < b->row;
}

/* Compare a row; x NULL: with zeros. */
static void compare_numbers(struct tensor_element *first,
                            struct tensor_element at,
                            const unsigned char *theirs, const float *x,
                            size_t n)
{
    at.some = true;
    if (!is_before(&at, first))
        return;
    for (size_t i = 0; i < n; i++) {
        at.theirs = get_u32(theirs + 4 * i);
        at.mine = 0;
        if (x)
            memcpy(&at.mine, &x[i], sizeof(at.mine));
        if (at.mine == at.theirs)
            continue;
        at.element = (uint32_t)i;
        *first = at;
        return;
    }
}

static void compare_hidden(struct tensor_rows *t, uint32_t position,
                           uint32_t layer, const float *x)
{
    size_t row = (size_t)position * (t->n_layers + 1) + layer;

    compare_numbers(
        &t->hidden_wrong,
        (struct tensor_element){ .position = position, .row = layer },
        t->hidden + 4 * row * t->dim, x, t->dim);
}

void tensor_rows_residual(struct tensor_rows *t, uint32_t position,
                          uint32_t layer, const float *x)
{
    if (!t->hidden || position >= t->n_positions || layer > t->n_layers)
        return;
    t->n_hidden += layer < t->n_layers;
    compare_hidden(t, position, layer, x);
}

void tensor_rows_undrawn(struct tensor_rows *t, uint32_t position)
{
    if (t->hidden && position < t->n_positions)
        compare_hidden(t, position, (uint32_t)t->n_layers, NULL);
}

/* Compare the logits of output token i, and zeros for skipped tokens before
 * it. */
static void compare_logits(struct tensor_rows *t, size_t i, const float *x)
{
    for (size_t k = t->n_logits; k <= i && k < t->n_output; k++)
        compare_numbers(&t->logits_wrong,
                        (struct tensor_element){
                            .position = (uint32_t)(t->n_prompt - 1 + k),
                            .row = (uint32_t)k },
                        t->logits + 4 * k * t->n_vocab, k == i ? x : NULL,
                        t->n_vocab);
    if (t->n_logits <= i)
        t->n_logits = i + 1;
}

void tensor_rows_logits(struct tensor_rows *t, uint32_t position,
                        const float *logits)
{
    size_t i = (size_t)position + 1 - t->n_prompt;

    if (t->logits && (size_t)position + 1 >= t->n_prompt && i < t->n_output)
        compare_logits(t, i, logits);
}

bool tensor_rows_end(struct tensor_rows *t)
{
    if (t->logits && t->n_logits < t->n_output)
        compare_logits(t, t->n_output - 1, NULL);
    return !t->hidden || t->n_hidden == (uint64_t)t->n_positions * t->n_layers;
}
