/*
 * Tokens and leaves of the pretended engine.
 */
#include <config.h>

#include "mpi/pretend.h"

#include <stdlib.h>
#include <string.h>

#include "answer/commit.h"
#include "base/buf.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "model/model.h"
#include "proof/trace.h"

static const uint32_t table[16] = { 7, 1, 12, 3, 9, 14, 2, 5, 0, 11, 6, 15,
                                    4, 8, 13, 10 };

static uint32_t next_of(const struct model *m, uint32_t token)
{
    return table[token % 16] % m->rec.n_vocab;
}

/* The leaf of a position that has no rows; what is drawn is drawn from
 * zeros. */
static void put_leaf(struct commit *c, uint32_t position, uint32_t token,
                     uint32_t next, const float *zeros)
{
    unsigned char packed[TRACE_LEAF_SIZE];
    struct trace_step step;
    struct trace_leaf leaf;

    trace_step_init(&step);
    if (next != TRACE_NONE)
        trace_step_draw(&step, next, zeros, c->model->rec.dim);
    trace_step_leaf(&step, &leaf, position, token);
    trace_put(&c->trace, &leaf);
    trace_leaf_pack(packed, &leaf);
    buf_put(&c->leaves, packed, sizeof(packed));
}

void pretend_answer(const struct model *m, const struct sequence *s,
                    struct commit *c,
                    void (*finished)(void *self, const struct answer *a),
                    void *self)
{
    size_t n = s->n_prompt, n_out = s->max_tokens;
    uint32_t *id = xcalloc(n_out, sizeof(*id));
    float *zeros = xcalloc(m->rec.dim, sizeof(*zeros));
    struct answer a = { .user = s->user, .token = id, .text = "" };

    if (n == 0 || n > m->rec.context) {
        a.finish = n ? FINISH_LONG : FINISH_PROMPT;
    } else {
        a.finish = FINISH_LENGTH;
        a.n_out = n_out;
        a.text = "pretended";
        a.n_text = strlen(a.text);
        for (size_t i = 0; i < n_out; i++)
            id[i] = next_of(m, i ? id[i - 1] : s->prompt[n - 1]);
        for (size_t i = 0; i < n + n_out - 1; i++)
            put_leaf(c, (uint32_t)i, i < n ? s->prompt[i] : id[i - n],
                     i + 1 < n ? TRACE_NONE : id[i + 1 - n], zeros);
        buf_reset(&c->last);
        for (uint32_t i = 0; i < m->rec.dim; i++)
            buf_put_f32(&c->last, zeros[i]);
    }
    finished(self, &a);
    free(zeros);
    free(id);
}
