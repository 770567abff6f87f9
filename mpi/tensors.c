/*
 * Tensors of an answer while it is computed.
 */
#include <config.h>

#include "mpi/tensors.h"

#include <string.h>

#include "answer/logprobs.h"
#include "base/bytes.h"
#include "base/err.h"
#include "engine/engine.h"
#include "proof/model_record.h"
#include "store/worklog.h"

#define FRAME_BYTES ((size_t)1 << 31)

void tensors_init(struct tensors *t, const struct model_record *rec,
                  size_t n_prompt, unsigned which)
{
    *t = (struct tensors){ .which = which, .rec = rec, .n_prompt = n_prompt };
    if (which & TENSORS_TOPK)
        t->logprobs = logprobs_new(rec->n_vocab, n_prompt);
    buf_init(&t->hidden, FRAME_BYTES);
    buf_init(&t->logits, FRAME_BYTES);
}

void tensors_clear(struct tensors *t)
{
    logprobs_free(t->logprobs);
    buf_clear(&t->hidden);
    buf_clear(&t->logits);
    t->logprobs = NULL;
}

bool tensors_want_logits(const struct tensors *t)
{
    return t->which & (TENSORS_TOPK | TENSORS_LOGITS);
}

/* ---- while it is computed ------------------------------------------------ */

/* Row `row` of n floats; zeros stand where none came. */
static void put_floats(struct buf *b, const float *x, size_t n, size_t row)
{
    size_t at = row * n * 4;
    uint32_t bits;

    while (b->len < at + n * 4 && !b->full)
        buf_put_u32(b, 0);
    for (size_t i = 0; i < n && !b->full; i++) {
        memcpy(&bits, &x[i], sizeof(bits));
        set_u32((unsigned char *)b->data + at + 4 * i, bits);
    }
}

void tensors_logits(struct tensors *t, uint32_t position, const float *logits)
{
    if (t->logprobs)
        logprobs_logits(t->logprobs, position, logits);
    if (t->which & TENSORS_LOGITS && (size_t)position + 1 >= t->n_prompt)
        put_floats(&t->logits, logits, t->rec->n_vocab,
                   (size_t)position + 1 - t->n_prompt);
}

void tensors_token(struct tensors *t, uint32_t position, uint32_t token)
{
    if (t->logprobs)
        logprobs_token(t->logprobs, position, token);
}

void tensors_residual(struct tensors *t, uint32_t position, uint32_t layer,
                      const float *x)
{
    if (t->which & TENSORS_HIDDEN)
        put_floats(&t->hidden, x, t->rec->dim,
                   (size_t)position * (t->rec->n_layers + 1) + layer);
}

/* ---- frames -------------------------------------------------------------- */

static int put_last(const struct tensors *t, struct worklog *log,
                    uint64_t index, const struct answer *a, struct err *err)
{
    size_t dim = t->rec->dim;
    struct buf last;
    int rc;

    if (!(t->which & TENSORS_LAST) || !a->last)
        return 0;
    buf_init(&last, dim * 4);
    for (size_t i = 0; i < dim; i++)
        buf_put_f32(&last, a->last[i]);
    rc = worklog_put(log, FRAME_LAST, index, last.data, last.len, err);
    buf_clear(&last);
    return rc;
}

static int put_topk(const struct tensors *t, struct worklog *log,
                    uint64_t index, const struct answer *a,
                    const struct tokenizer *tokenizer, struct err *err)
{
    struct buf out;
    int rc;

    if (!t->logprobs || a->n_out == 0)
        return 0;
    buf_init(&out, FRAME_BYTES);
    rc = logprobs_put(&out, t->logprobs, a, tokenizer, err) ||
         worklog_put(log, FRAME_TOPK, index, out.data, out.len, err);
    buf_clear(&out);
    return rc ? -1 : 0;
}

/* The first n bytes: what came after the end of the answer is no part of it,
 * and what did not come is zeros, as x_L where nothing is drawn. */
static int put_rows(const struct buf *rows, size_t n, struct worklog *log,
                    enum frame_type type, uint64_t index, struct err *err)
{
    struct buf out;
    int rc;

    if (n == 0)
        return 0;
    if (rows->full || n > FRAME_BYTES)
        return err_set(err, ERR_FATAL, "the tensors of an answer take over 2"
                       " GiB: set tensors to last or topk");
    if (rows->len >= n)
        return worklog_put(log, type, index, rows->data, n, err);
    buf_init(&out, FRAME_BYTES);
    buf_put(&out, rows->data, rows->len);
    while (out.len < n && !out.full)
        buf_putc(&out, 0);
    rc = buf_check(&out, "a tensor", err) ||
         worklog_put(log, type, index, out.data, out.len, err);
    buf_clear(&out);
    return rc ? -1 : 0;
}

int tensors_put(const struct tensors *t, struct worklog *log, uint64_t index,
                const struct answer *a, const struct tokenizer *tokenizer,
                size_t n_positions, struct err *err)
{
    size_t levels = (size_t)t->rec->n_layers + 1;
    size_t hidden = t->which & TENSORS_HIDDEN
                        ? n_positions * levels * t->rec->dim * 4 : 0;
    size_t logits = t->which & TENSORS_LOGITS
                        ? a->n_out * t->rec->n_vocab * 4 : 0;

    return put_last(t, log, index, a, err) ||
                   put_topk(t, log, index, a, tokenizer, err) ||
                   put_rows(&t->hidden, hidden, log, FRAME_HIDDEN, index,
                            err) ||
                   put_rows(&t->logits, logits, log, FRAME_LOGITS, index, err)
               ? -1 : 0;
}
