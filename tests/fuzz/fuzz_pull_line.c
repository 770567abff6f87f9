/*
 * Lines of a pull, as a compute unit gives them, with what their source holds
 * behind a NUL: what is accepted is within the ranges of doc/proof.md, and the
 * line made of it is a request with the same parameters, or is refused.
 * First byte 'l': the file of a lease.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "relay/lease.h"
#include "relay/pull_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void try_lease(const char *text, size_t n)
{
    struct lease l = { .ttl_s = 7 };
    struct err err = ERR_INIT;

    if (lease_parse(&l, text, n, &err))
        must(err.code == ERR_INPUT && l.ttl_s == 7);
    else
        must(lease_left_s(&l) <= l.ttl_s);
}

static void check_ranges(const struct pull_line *l)
{
    must(strlen(l->prompt) <= PULL_MAX_PROMPT);
    if (l->form == PULL_BATCH) {
        must(l->count > 0 && l->count <= UINT32_MAX);
        return;
    }
    must(l->max_tokens > 0 && l->top_p > 0 && l->top_p <= 1000000);
    must(l->temperature == 0 ||
         (l->temperature >= 10000 && l->temperature <= 100000000));
    must(l->n_stops <= REQUEST_MAX_STOPS);
    for (size_t i = 0; i < l->n_stops; i++)
        must(l->stop[i].n >= 1 && l->stop[i].n <= 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pull_line l = { .n_stops = 7 };
    const char *text = (const char *)data, *source = "";
    size_t n = strnlen(text, size), n_source = 0;
    struct err err = ERR_INIT;
    struct request r;
    struct buf out;

    if (size > 0 && data[0] == 'l') {
        try_lease(text + 1, size - 1);
        return 0;
    }
    if (n < size) {
        source = text + n + 1;
        n_source = size - n - 1;
    }
    if (pull_line_parse(&l, text, n, &err)) {
        must(err.code == ERR_INPUT && l.n_stops == 7 && !l.root);
        return 0;
    }
    check_ranges(&l);
    buf_init(&out, 32u << 20);
    if (l.form != PULL_BATCH &&
        pull_line_put(&out, &l, source, n_source, &err) == 0) {
        must(out.len > 1 && out.data[out.len - 1] == '\n' &&
             !memchr(out.data, '\n', out.len - 1));
        must(request_parse(&r, out.data, out.len - 1, &err) == 0 &&
             r.max_tokens == l.max_tokens && r.seed == l.seed);
        request_clear(&r);
    } else {
        must(out.len == 0);
    }
    buf_clear(&out);
    pull_line_clear(&l);
    return 0;
}
