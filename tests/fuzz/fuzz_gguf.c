/*
 * A GGUF header of any bytes: the first eight say how large the file is that
 * they begin.  What is read is walked through as an import does, and its keys
 * become a record, its arrays a tokenizer.
 */
#include <config.h>

#include <stdint.h>

#include "base/bytes.h"
#include "model/import/gguf.h"
#include "model/import/gguf_config.h"
#include "model/import/gguf_texts.h"
#include "model/import/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned sum; /* of what was seen, so that it is read */

static void walk(const struct gguf *g, const struct gguf_value *v)
{
    struct gguf_items it;
    const char *s;
    size_t n;
    double x;
    uint64_t u;

    if (gguf_string(g, v, &s, &n) == 0)
        for (size_t i = 0; i < n; i++)
            sum += (unsigned char)s[i];
    if (gguf_u64(g, v, &u) == 0)
        sum += (unsigned)u;
    if (gguf_f64(g, v, &x) == 0)
        sum += x > 0;
    if (gguf_texts(g, v, &it) == 0)
        while (gguf_next_text(&it, &s, &n))
            sum += n ? (unsigned char)s[n - 1] : 0;
    if (gguf_numbers(g, v, &it) == 0)
        while (gguf_next_number(&it, &x))
            sum += x > 0;
}

/* The texts, as of a model with a vocabulary of 1,000. */
static void import_texts(const struct gguf *g)
{
    struct import *m = import_new();

    m->rec.n_vocab = 1000;
    m->rec.bos = MODEL_NONE;
    gguf_texts_read(m, g, NULL);
    sum += (unsigned)m->tokenizer.len;
    import_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gguf_config c;
    struct gguf *g;

    if (size < 8 ||
        gguf_check(&g, data + 8, size - 8, get_u64(data), NULL))
        return 0;
    for (size_t i = 0; i < gguf_count(g); i++)
        walk(g, gguf_at(g, i));
    for (size_t i = 0; i < gguf_tensors(g); i++)
        sum += gguf_find(g, gguf_tensor_at(g, i)->name) ==
               gguf_tensor_at(g, i);
    if (gguf_config(&c, g, NULL) == 0)
        sum += c.rec.dim;
    import_texts(g);
    gguf_close(g);
    return 0;
}
