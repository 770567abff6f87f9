/*
 * Results in their published form.
 */
#include <config.h>

#include "publish/result_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "publish/kinds.h"
#include "store/record.h"

static int unpack(struct job_record *job, struct result_record *res,
                  const struct record *r, struct err *err)
{
    if (job_record_unpack(job, r->job) || result_record_unpack(res, r->result))
        return err_set(err, ERR_INPUT, "no job or result record");
    return 0;
}

/* The bytes of an id or hash, as a string. */
static void put_id(struct buf *out, struct id id)
{
    buf_printf(out, "\"%s\"", id_text(id).s);
}

static void put_key_id(struct buf *out, const char *key, struct id id)
{
    buf_printf(out, ",\"%s\":", key);
    put_id(out, id);
}

/* Token ids, or how many they are and their blob. */
static void put_tokens(struct buf *out, const char *key,
                       const unsigned char *id, size_t n, const struct id *blob)
{
    buf_printf(out, ",\"%s\":[", key);
    if (blob) {
        buf_printf(out, "%zu,", n);
        put_id(out, *blob);
    }
    for (size_t i = 0; !blob && i < n; i++)
        buf_printf(out, "%s%" PRIu32, i ? "," : "", get_u32(id + 4 * i));
    buf_putc(out, ']');
}

static void put_params(struct buf *out, const struct job_record *job,
                       const struct record *r)
{
    char text[(JOB_MAX_STOP * 4 + 2) / 3 + 1];
    size_t at = 0;

    buf_printf(out, ",\"params\":{\"choice\":%" PRIu32 ",\"max_tokens\":%"
               PRIu32 ",\"temperature\":%" PRIu32 ",\"top_p\":%" PRIu32
               ",\"top_k\":%" PRIu32 ",\"flags\":%" PRIu32 ",\"seed\":\"%"
               PRIu64 "\",\"stops\":[", job->choice, job->max_tokens,
               job->temperature, job->top_p, job->top_k, job->flags,
               job->seed);
    while (r->stops_size - at >= 4) {
        size_t n = get_u32(r->stops + at);

        if (n > JOB_MAX_STOP || n > r->stops_size - at - 4)
            break; /* not one whose commitments were checked */
        base64url(text, r->stops + at + 4, n);
        buf_printf(out, "%s\"%s\"", at ? "," : "", text);
        at += 4 + n;
    }
    buf_puts(out, "]}");
}

static int put_text(struct buf *out, const struct record *r,
                    const struct id *hash, struct err *err)
{
    buf_puts(out, ",\"text\":");
    if (hash) {
        buf_putc(out, '[');
        put_id(out, *hash);
        buf_putc(out, ']');
        return 0;
    }
    if (!utf8_valid(r->text, r->text_size) ||
        (r->text_size && memchr(r->text, 0, r->text_size)))
        return err_set(err, ERR_INPUT, "its text is not UTF-8");
    json_put_string(out, (const char *)r->text, r->text_size);
    return 0;
}

static void put_error(struct buf *out, const struct result_record *res)
{
    buf_puts(out, ",\"error\":[");
    if (res->finish == RESULT_RANGE)
        buf_printf(out, "%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32
                   ",%" PRIu32, res->error_position, res->error_layer,
                   res->error_op, res->error_row, res->error_index);
    buf_putc(out, ']');
}

static void put_place(struct buf *out, const struct result_batch_part *b,
                      uint64_t index, const unsigned char *path,
                      size_t n_path)
{
    put_key_id(out, "batch_id", *b->batch);
    put_key_id(out, "batch_root", *b->root);
    buf_printf(out, ",\"index\":%" PRIu64 ",\"count\":%" PRIu64
               ",\"path\":[", index, b->count);
    for (size_t i = 0; i < n_path; i++) {
        if (i)
            buf_putc(out, ',');
        put_id(out, id_at(path + i * DIGEST_SIZE));
    }
    buf_putc(out, ']');
    put_key_id(out, "node", *b->node);
}

int result_json(struct buf *out, const struct record *r,
                const struct result_batch_part *b, uint64_t index,
                const unsigned char *path, size_t n_path, struct err *err)
{
    struct result_record res;
    struct job_record job;

    if (unpack(&job, &res, r, err))
        return -1;
    buf_puts(out, "{\"apus\":\"" KIND_RESULT "\"");
    put_key_id(out, "request", res.request);
    put_key_id(out, "process", *b->process);
    put_key_id(out, "model", res.model);
    put_key_id(out, "job", res.job);
    put_params(out, &job, r);
    put_tokens(out, "prompt", r->prompt, r->n_prompt,
               b->hashes ? &job.prompt : NULL);
    put_tokens(out, "tokens", r->output, r->n_output,
               b->hashes ? &res.output : NULL);
    if (put_text(out, r, b->hashes ? &res.text : NULL, err))
        return -1;
    buf_printf(out, ",\"finish\":%" PRIu32, res.finish);
    put_error(out, &res);
    put_key_id(out, "trace", res.trace);
    buf_printf(out, ",\"n\":%" PRIu32 ",\"level\":%" PRIu32, res.n,
               res.level);
    put_place(out, b, index, path, n_path);
    buf_putc(out, '}');
    return buf_check(out, "a result", err);
}

int result_tags(struct result_tags *t, const struct record *r, struct id batch,
                struct err *err)
{
    struct id id;
    struct result_record res;
    struct job_record job;

    if (unpack(&job, &res, r, err))
        return -1;
    base64url(t->request, res.request.b, 32);
    base64url(t->model, res.model.b, 32);
    base64url(t->job, res.job.b, 32);
    digest(&id, r->result, RECORD_RESULT);
    base64url(t->result, id.b, 32);
    base64url(t->batch, batch.b, 32);
    t->tag[0] = (struct item_text_tag){ KIND_TAG, KIND_RESULT };
    t->tag[1] = (struct item_text_tag){ "Request", t->request };
    t->tag[2] = (struct item_text_tag){ "Model", t->model };
    t->tag[3] = (struct item_text_tag){ "Job", t->job };
    t->tag[4] = (struct item_text_tag){ "Result", t->result };
    t->tag[5] = (struct item_text_tag){ "Batch", t->batch };
    t->tag[6] = (struct item_text_tag){ "Content-Type", "application/json" };
    return 0;
}
