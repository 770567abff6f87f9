/*
 * asked_line on any X-Options and any data of a message (behind the first NUL
 * byte), as text and as JSON: what is accepted, request_parse can judge.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/request.h"
#include "verify/asked.h"
#include "verify/claims.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
    if (!good)
        abort();
}

static void tag(struct item *it, const char *name, const void *value,
                size_t n)
{
    it->tag[it->n_tags++] = (struct item_tag){ name, value, strlen(name), n };
}

static void try_message(const uint8_t *data, size_t size, int json)
{
    const uint8_t *nul = memchr(data, 0, size);
    struct claims_item it = { .n = 0 };
    struct err err = ERR_INIT;
    struct request r;
    struct buf out;

    tag(&it.head, "Action", "Infer", 5);
    if (json)
        tag(&it.head, "Content-Type", "application/json", 16);
    it.data = data;
    it.n = size;
    if (nul) {
        if (nul > data)
            tag(&it.head, "X-Options", data, (size_t)(nul - data));
        it.data = nul + 1;
        it.n = size - (size_t)(nul + 1 - data);
    }
    buf_init(&out, REQUEST_MAX_LINE);
    if (asked_line(&out, &it, NULL, &err)) {
        must(err.code == ERR_INPUT);
    } else {
        if (request_parse(&r, out.data, out.len, &err))
            must(err.code == ERR_INPUT);
        request_clear(&r);
    }
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    try_message(data, size, 0);
    try_message(data, size, 1);
    return 0;
}
