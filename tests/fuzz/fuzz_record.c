/*
 * record_get on any bytes, then record_check.  The first byte says whether
 * the commitments are made to fit the parts before, so that what is behind
 * the hashes is reached too.  What is accepted, written, is the same bytes;
 * what is refused leaves its argument alone.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void seal_job(const struct record *r, unsigned char *packed)
{
    struct job_stop stop[JOB_MAX_STOPS];
    const unsigned char *at = r->stops;
    struct job_record j;
    size_t n = 0;

    if (job_record_unpack(&j, r->job))
        return;
    while (at < r->stops + r->stops_size) {
        must(n < JOB_MAX_STOPS);
        stop[n].n = get_u32(at);
        stop[n].text = at + 4;
        at += 4 + stop[n++].n;
    }
    must(job_record_stops(&j, stop, n, NULL) == 0);
    j.n_prompt = (uint32_t)r->n_prompt;
    merkle_blob(&j.prompt, r->prompt, r->n_prompt * 4);
    job_record_pack(packed, &j);
}

static void seal_result(const struct record *r, unsigned char *packed)
{
    struct result_record res;
    struct merkle m;

    if (result_record_unpack(&res, r->result))
        return;
    digest(&res.job, r->job, RECORD_JOB);
    res.model = id_at(r->job + 8);
    merkle_init(&m);
    for (size_t i = 0; i < r->n_leaves; i++)
        merkle_leaf(&m, r->leaf + i * RECORD_LEAF, RECORD_LEAF);
    merkle_root(&m, &res.trace);
    res.n = (uint32_t)r->n_leaves;
    res.n_out = (uint32_t)r->n_output;
    merkle_blob(&res.output, r->output, r->n_output * 4);
    digest(&res.text, r->text, r->text_size);
    result_record_pack(packed, &res);
}

/* The view is of p, which is ours to write to. */
static void seal(const struct record *r, unsigned char *p)
{
    seal_job(r, p + (r->job - p));
    seal_result(r, p + (r->result - p));
}

static void try_record(unsigned char *p, size_t n, bool sealed)
{
    struct record r = { .n_prompt = 7 };
    struct err err = ERR_INIT;
    struct buf out;

    if (record_get(&r, p, n, &err)) {
        must(err.code == ERR_INPUT && r.n_prompt == 7 && !r.job);
        return;
    }
    if (sealed)
        seal(&r, p);
    buf_init(&out, 1u << 20);
    record_put(&out, &r);
    must(out.len == n && memcmp(out.data, p, n) == 0);
    buf_clear(&out);
    if (record_check(&r, &err))
        must(err.code == ERR_INPUT && err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char *p;

    if (size < 1 || size > 65536)
        return 0;
    p = malloc(size);
    memcpy(p, data + 1, size - 1);
    try_record(p, size - 1, data[0] & 1);
    free(p);
    return 0;
}
