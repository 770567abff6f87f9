/*
 * Lines of a pull, as a compute unit gives them, with what their source holds
 * behind a NUL: what is accepted is within the ranges of doc/proof.md, and the
 * line made of it is a request with the same parameters, or is refused.
 * First byte 'l': the file of a lease; 'r': that of the last rounds.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "node/rounds.h"
#include "queue/lease.h"
#include "queue/pull_line.h"

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

static void try_rounds(const char *text, size_t n)
{
    struct rounds r = { .lost = 7 };
    struct err err = ERR_INIT;

    if (rounds_parse(&r, text, n, &err))
        must(err.code == ERR_INPUT && r.lost == 7);
    else
        must(r.lost >> 53 == 0 && r.pulled_s >> 53 == 0);
}

static void check_ranges(const struct ask *a)
{
    must(!a->prompt || strlen(a->prompt) <= PULL_MAX_PROMPT);
    if (a->form == ASK_BATCH) {
        must(a->count > 0 && a->count <= UINT32_MAX);
        return;
    }
    must(a->max_tokens > 0 && a->top_p > 0 && a->top_p <= 1000000);
    must(a->temperature == 0 ||
         (a->temperature >= 10000 && a->temperature <= 100000000));
    must(a->n_stops <= REQUEST_MAX_STOPS);
    for (size_t i = 0; i < a->n_stops; i++)
        must(a->stop[i].n >= 1 && a->stop[i].n <= 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pull_line l = { .ask.n_stops = 7 };
    const char *text = (const char *)data, *source = "";
    size_t n = strnlen(text, size), n_source = 0;
    struct err err = ERR_INIT;
    struct request r;
    struct buf out;

    if (size > 0 && data[0] == 'l') {
        try_lease(text + 1, size - 1);
        return 0;
    }
    if (size > 0 && data[0] == 'r') {
        try_rounds(text + 1, size - 1);
        return 0;
    }
    if (n < size) {
        source = text + n + 1;
        n_source = size - n - 1;
    }
    if (pull_line_parse(&l, text, n, &err)) {
        must(err.code == ERR_INPUT && l.ask.n_stops == 7 && !l.ask.prompt);
        return 0;
    }
    check_ranges(&l.ask);
    buf_init(&out, 32u << 20);
    if (l.ask.form != ASK_BATCH &&
        pull_line_put(&out, &l, source, n_source, &err) == 0) {
        must(out.len > 1 && out.data[out.len - 1] == '\n' &&
             !memchr(out.data, '\n', out.len - 1));
        must(request_parse(&r, out.data, out.len - 1, &err) == 0 &&
             r.max_tokens == l.ask.max_tokens && r.seed == l.ask.seed);
        request_clear(&r);
    } else {
        must(out.len == 0);
    }
    buf_clear(&out);
    pull_line_clear(&l);
    return 0;
}
