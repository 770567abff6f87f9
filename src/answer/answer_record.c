/*
 * Columns of a record from what the engine and its observer have.
 */
#include <config.h>

#include "answer/answer_record.h"

#include <stddef.h>
#include <stdint.h>

#include "answer/commit.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/utf8.h"
#include "engine/engine.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "store/record.h"

#define TEXT_MAX ((size_t)1 << 30)

static const unsigned char *bytes(const struct buf *b)
{
    return (const unsigned char *)(b->len ? b->data : "");
}

/* Ids as little-endian bytes: as they are, where the machine has them so. */
static const unsigned char *ids_bytes(struct buf *room, const uint32_t *id,
                                      size_t n)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    (void)room;
    return n ? (const unsigned char *)id : (const unsigned char *)"";
#else
    for (size_t i = 0; i < n; i++)
        buf_put_u32(room, id[i]);
    return bytes(room);
#endif
}

static void put_record(struct buf *out, const struct commit *c,
                       const struct sequence *s, struct id request,
                       const struct job_record *job, const struct answer *a,
                       const struct buf *text)
{
    unsigned char packed_job[RECORD_JOB], packed_result[RECORD_RESULT];
    struct buf prompt, stops, output;
    struct result_record result;

    buf_init(&prompt, SIZE_MAX);
    buf_init(&stops, SIZE_MAX);
    buf_init(&output, SIZE_MAX);
    for (size_t i = 0; i < s->n_stops; i++) {
        buf_put_u32(&stops, (uint32_t)s->stops[i].n);
        buf_put(&stops, s->stops[i].text, s->stops[i].n);
    }
    commit_result(&result, c, request, job, a, text->len ? text->data : "",
                  text->len);
    job_record_pack(packed_job, job);
    result_record_pack(packed_result, &result);
    record_put(out, &(struct record){
        .job = packed_job, .result = packed_result,
        .prompt = ids_bytes(&prompt, s->prompt, s->n_prompt),
        .n_prompt = s->n_prompt,
        .stops = bytes(&stops), .stops_size = stops.len,
        .leaf = bytes(&c->leaves),
        .n_leaves = c->leaves.len / RECORD_LEAF,
        .output = ids_bytes(&output, a->token, a->n_out),
        .n_output = a->n_out,
        .text = bytes(text), .text_size = text->len,
    });
    buf_clear(&prompt);
    buf_clear(&stops);
    buf_clear(&output);
}

int answer_record(struct buf *out, const struct commit *c,
                  const struct sequence *s, struct id request,
                  const struct answer *a, struct err *err)
{
    struct job_record job;
    struct buf text;
    int rc;

    buf_init(&text, TEXT_MAX);
    utf8_scrub(&text, a->text, a->n_text);
    rc = commit_job(&job, c->model, s, err);
    if (rc == 0) {
        put_record(out, c, s, request, &job, a, &text);
        rc = buf_check(out, "a record", err) ||
                     buf_check(&c->leaves, "a trace", err)
                 ? -1 : 0;
    }
    buf_clear(&text);
    return rc;
}
