/*
 * Models of the store with the same weights: what makes them different models,
 * as when one comes from safetensors and the other from a GGUF file.
 */
#include <config.h>

#include "model/models.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "model/model.h"

/* "what A, there B" */
static void put_count(struct buf *b, const char *what, uint32_t one,
                      uint32_t other)
{
    if (one == other)
        return;
    buf_printf(b, " %s ", what);
    if (one == MODEL_NONE)
        buf_puts(b, "none");
    else
        buf_printf(b, "%u", one);
    if (other == MODEL_NONE)
        buf_puts(b, ", there none;");
    else
        buf_printf(b, ", there %u;", other);
}

static void put_real(struct buf *b, const char *what, float one, float other)
{
    if (one < other || one > other)
        buf_printf(b, " %s %.9g, there %.9g;", what, (double)one,
                   (double)other);
}

static void put_eos(struct buf *b, const struct model_record *r)
{
    for (uint32_t i = 0; i < r->n_eos; i++)
        buf_printf(b, " %u", r->eos[i]);
    if (r->n_eos == 0)
        buf_puts(b, " none");
}

static void put_ends(struct buf *b, const struct model_record *one,
                     const struct model_record *other)
{
    bool same = one->n_eos == other->n_eos;

    for (uint32_t i = 0; same && i < one->n_eos; i++)
        same = one->eos[i] == other->eos[i];
    if (same)
        return;
    buf_puts(b, " ends");
    put_eos(b, one);
    buf_puts(b, ", there");
    put_eos(b, other);
    buf_putc(b, ';');
}

/* Something differs, else they were one model. */
static void put_twin(struct buf *b, const struct model_record *one,
                     const struct model_record *other, struct id id)
{
    buf_printf(b, "the same weights as model %.8s, but:", id_text(id).s);
    put_count(b, "context", one->context, other->context);
    put_count(b, "window", one->window, other->window);
    put_count(b, "flags", one->flags, other->flags);
    put_real(b, "eps", one->eps, other->eps);
    put_real(b, "attention scale", one->attn_scale, other->attn_scale);
    put_count(b, "bos", one->bos, other->bos);
    put_ends(b, one, other);
    if (!id_equal(one->tokenizer, other->tokenizer))
        buf_puts(b, " tokenizer;");
    if (!id_equal(one->template_blob, other->template_blob))
        buf_puts(b, " chat template;");
    b->data[b->len - 1] = '\n'; /* for the last ; */
}

int models_twins(struct buf *out, const char *store, struct id id,
                 struct err *err)
{
    struct model_record one, other;
    char *path = models_path(store, id);
    struct id *ids = NULL, h;
    size_t n = 0;
    int rc = model_peek(&one, &h, path, err) ||
             models_ids(&ids, &n, store, err) ? -1 : 0;

    free(path);
    for (size_t i = 0; i < n && rc == 0; i++) {
        path = models_path(store, ids[i]);
        if (!id_equal(ids[i], id) &&
            model_peek(&other, &h, path, NULL) == 0 &&
            id_equal(one.tensors, other.tensors))
            put_twin(out, &one, &other, ids[i]);
        free(path);
    }
    free(ids);
    return rc ? rc : buf_check(out, "the list of models", err);
}
