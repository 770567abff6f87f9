/*
 * topk_get on any bytes: what is accepted, written, is the same bytes, and
 * makes JSON that parses; what is refused says why.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/answer_logprobs.h"
#include "store/topk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* The ids of the answer are those that are the likeliest. */
static void show(const struct topk *t, bool chat)
{
    uint32_t *token = xmalloc(4 * t->n + 1);
    struct json *root = NULL;
    struct buf out;

    for (size_t i = 0; i < t->n; i++)
        token[i] = get_u32(t->token + 4 * i * t->k);
    buf_init(&out, (size_t)64 << 20);
    answer_put_logprobs(&out, t, TOPK_MAX, token, chat);
    must(out.full || json_parse(&root, out.data, out.len, NULL) == 0);
    json_free(root);
    buf_clear(&out);
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct topk t;
    struct buf out;
    char *p;

    if (size > 65536)
        return 0;
    p = memcpy(xmalloc(size + 1), data, size);
    if (topk_get(&t, p, size, &err)) {
        must(err.code == ERR_INPUT && err.text[0]);
    } else {
        buf_init(&out, 1u << 20);
        topk_put(&out, &t);
        must(out.len == size && memcmp(out.data, p, size) == 0);
        buf_clear(&out);
        show(&t, true);
        show(&t, false);
    }
    free(p);
    return 0;
}
