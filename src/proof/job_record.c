/*
 * The bytes of job records.  What the values of a request may be is for those
 * who read requests to judge; how they get here from JSON too.
 */
#include <config.h>

#include "proof/job_record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "proof/blob.h"
#include "proof/digest.h"
#include "proof/fields.h"
#include "proof/merkle.h"

static const char magic[8] = "apusjob1";

void job_record_prompt(struct job_record *r, const uint32_t *id, size_t n)
{
    assert(n <= UINT32_MAX);
    r->n_prompt = (uint32_t)n;
    blob_u32(&r->prompt, id, n);
}

/* As bytes; of two with the same beginning the shorter is first. */
static int by_bytes(const void *a, const void *b)
{
    const struct job_stop *x = a, *y = b;
    int c = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);

    return c ? c : (x->n > y->n) - (x->n < y->n);
}

int job_record_stops(struct job_record *r, const struct job_stop *stop,
                     size_t n, struct err *err)
{
    struct job_stop sorted[JOB_MAX_STOPS];
    struct merkle m;

    if (n > JOB_MAX_STOPS)
        return err_set(err, ERR_INPUT, "%zu stop strings, at most %d", n,
                       JOB_MAX_STOPS);
    for (size_t i = 0; i < n; i++) {
        if (stop[i].n < 1 || stop[i].n > JOB_MAX_STOP)
            return err_set(err, ERR_INPUT, "a stop string of %zu bytes, must"
                           " be 1 to %d", stop[i].n, JOB_MAX_STOP);
        sorted[i] = stop[i];
    }
    merkle_init(&m);
    if (n > 0)
        qsort(sorted, n, sizeof(*sorted), by_bytes);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_bytes(&sorted[i - 1], &sorted[i]) != 0)
            merkle_leaf(&m, sorted[i].text, sorted[i].n);
    r->n_stops = (uint32_t)m.n;
    merkle_root(&m, &r->stops);
    return 0;
}

void job_record_pack(unsigned char out[JOB_RECORD_SIZE],
                     const struct job_record *r)
{
    unsigned char *at = out;

    field_put(&at, magic, sizeof(magic));
    field_put(&at, r->model.b, 32);
    field_put_u32(&at, r->numerics);
    field_put_u32(&at, r->choice);
    field_put_u32(&at, r->n_prompt);
    field_put(&at, r->prompt.b, 32);
    field_put_u32(&at, r->max_tokens);
    field_put_u32(&at, r->temperature);
    field_put_u32(&at, r->top_p);
    field_put_u32(&at, r->top_k);
    field_put_u32(&at, r->flags);
    field_put_u64(&at, r->seed);
    field_put_u32(&at, 0);
    field_put_u32(&at, r->n_stops);
    field_put(&at, r->stops.b, 32);
    assert(at == out + JOB_RECORD_SIZE);
}

int job_record_unpack(struct job_record *r,
                      const unsigned char in[JOB_RECORD_SIZE])
{
    const unsigned char *at = in + sizeof(magic);
    struct job_record t;

    if (memcmp(in, magic, sizeof(magic)) != 0)
        return -1;
    field_take(&at, t.model.b, 32);
    t.numerics = field_take_u32(&at);
    t.choice = field_take_u32(&at);
    t.n_prompt = field_take_u32(&at);
    field_take(&at, t.prompt.b, 32);
    t.max_tokens = field_take_u32(&at);
    t.temperature = field_take_u32(&at);
    t.top_p = field_take_u32(&at);
    t.top_k = field_take_u32(&at);
    t.flags = field_take_u32(&at);
    t.seed = field_take_u64(&at);
    if (field_take_u32(&at) != 0)
        return -1;
    t.n_stops = field_take_u32(&at);
    field_take(&at, t.stops.b, 32);
    *r = t;
    return 0;
}

void job_record_id(struct id *id, const struct job_record *r)
{
    unsigned char record[JOB_RECORD_SIZE];

    job_record_pack(record, r);
    digest(id, record, sizeof(record));
}
