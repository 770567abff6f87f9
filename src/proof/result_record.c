/*
 * The bytes of result records and the order of a batch.  What a right answer
 * is, others know.
 */
#include <config.h>

#include "proof/result_record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "proof/blob.h"
#include "proof/digest.h"
#include "proof/fields.h"
#include "proof/merkle.h"

static const char magic[8] = "apusres1";

static const struct {
    uint32_t finish;
    const char *word;
} ends[] = {
    { RESULT_EOS, "end_of_text" },
    { RESULT_LENGTH, "length" },
    { RESULT_STOP, "stop" },
    { RESULT_CONTEXT, "context" },
    { RESULT_RANGE, "activation_out_of_range" },
    { RESULT_LONG, "prompt_too_long" },
    { RESULT_PROMPT, "prompt_empty" },
};

const char *result_finish_word(size_t k, uint32_t *finish)
{
    if (k >= sizeof(ends) / sizeof(*ends))
        return NULL;
    *finish = ends[k].finish;
    return ends[k].word;
}

const char *result_finish_name(uint32_t finish)
{
    for (size_t k = 0; k < sizeof(ends) / sizeof(*ends); k++)
        if (ends[k].finish == finish)
            return ends[k].word;
    return "unknown";
}

void result_record_output(struct result_record *r, const uint32_t *id,
                          size_t n)
{
    assert(n <= UINT32_MAX);
    r->n_out = (uint32_t)n;
    blob_u32(&r->output, id, n);
}

void result_record_text(struct result_record *r, const void *text, size_t n)
{
    digest(&r->text, text, n);
}

void result_record_nothing(struct result_record *r)
{
    r->n = 0;
    merkle_blob(&r->trace, NULL, 0);
    result_record_output(r, NULL, 0);
    result_record_text(r, NULL, 0);
}

void result_record_pack(unsigned char out[RESULT_RECORD_SIZE],
                        const struct result_record *r)
{
    unsigned char *at = out;

    field_put(&at, magic, sizeof(magic));
    field_put(&at, r->request.b, 32);
    field_put(&at, r->job.b, 32);
    field_put(&at, r->model.b, 32);
    field_put(&at, r->trace.b, 32);
    field_put_u32(&at, r->n);
    field_put_u32(&at, r->n_out);
    field_put(&at, r->output.b, 32);
    field_put(&at, r->text.b, 32);
    field_put_u32(&at, r->finish);
    field_put_u32(&at, r->level);
    field_put_u32(&at, r->choice);
    field_put_u32(&at, r->error_position);
    field_put_u32(&at, r->error_layer);
    field_put_u32(&at, r->error_op);
    field_put_u32(&at, r->error_row);
    field_put_u32(&at, r->error_index);
    assert(at == out + RESULT_RECORD_SIZE);
}

int result_record_unpack(struct result_record *r,
                         const unsigned char in[RESULT_RECORD_SIZE])
{
    const unsigned char *at = in + sizeof(magic);
    struct result_record t;

    if (memcmp(in, magic, sizeof(magic)) != 0)
        return -1;
    field_take(&at, t.request.b, 32);
    field_take(&at, t.job.b, 32);
    field_take(&at, t.model.b, 32);
    field_take(&at, t.trace.b, 32);
    t.n = field_take_u32(&at);
    t.n_out = field_take_u32(&at);
    field_take(&at, t.output.b, 32);
    field_take(&at, t.text.b, 32);
    t.finish = field_take_u32(&at);
    t.level = field_take_u32(&at);
    t.choice = field_take_u32(&at);
    t.error_position = field_take_u32(&at);
    t.error_layer = field_take_u32(&at);
    t.error_op = field_take_u32(&at);
    t.error_row = field_take_u32(&at);
    t.error_index = field_take_u32(&at);
    if (t.finish != RESULT_RANGE &&
        (t.error_position | t.error_layer | t.error_op | t.error_row |
         t.error_index) != 0)
        return -1;
    *r = t;
    return 0;
}

void result_record_id(struct id *id, const struct result_record *r)
{
    unsigned char record[RESULT_RECORD_SIZE];

    result_record_pack(record, r);
    digest(id, record, sizeof(record));
}

void result_leaf(struct result_leaf *out, const struct result_record *r)
{
    unsigned char record[RESULT_RECORD_SIZE];

    result_record_pack(record, r);
    out->request = r->request;
    out->choice = r->choice;
    merkle_leaf_hash(&out->hash, record, sizeof(record));
}

int result_leaf_compare(const void *a, const void *b)
{
    const struct result_leaf *x = a, *y = b;
    int c = id_compare(x->request, y->request);

    return c ? c : (x->choice > y->choice) - (x->choice < y->choice);
}

int result_batch(struct id *root, struct result_leaf *leaf, size_t n,
                 struct err *err)
{
    struct merkle m;

    if (n > 0)
        qsort(leaf, n, sizeof(*leaf), result_leaf_compare);
    merkle_init(&m);
    for (size_t i = 0; i < n; i++) {
        char request[65];

        if (i > 0 && result_leaf_compare(&leaf[i - 1], &leaf[i]) == 0) {
            digest_hex(request, leaf[i].request);
            return err_set(err, ERR_INPUT, "two results for choice %u of"
                           " request %s", (unsigned)leaf[i].choice, request);
        }
        merkle_hash(&m, leaf[i].hash);
    }
    merkle_root(&m, root);
    return 0;
}
