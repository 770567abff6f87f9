/*
 * Lines of Complete.
 */
#include <config.h>

#include "push/complete_line.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "proof/result_record.h"
#include "publish/results.h"
#include "queue/ask.h"

#define RECORD_TEXT (RECORD_RESULT / 3 * 4 + 1) /* in base64url, and a NUL */

static void put_head(struct buf *out, struct id request)
{
    buf_putc(out, '{');
    json_put_id(out, "request", request);
}

void complete_line(struct buf *out, const struct results_row *row,
                   struct id item)
{
    const struct record *r = &row->row.record;
    struct result_record res = { .finish = 0 };

    result_record_unpack(&res, r->result); /* it was, to be a row */
    put_head(out, row->request);
    json_put_digits(out, "choice", row->choice);
    json_put_id(out, "job", res.job);
    json_put_id(out, "result", row->id);
    json_put_id(out, "item", item);
    json_put_digits(out, "finish", res.finish);
    if (r->text_size <= COMPLETE_TEXT) {
        json_put_key(out, "text");
        json_put_string(out, (const char *)r->text, r->text_size);
    }
    buf_puts(out, "}\n");
}

void complete_line_records(struct buf *out, const struct results_row *row,
                           struct id item, bool with_ids)
{
    const struct record *r = &row->row.record;
    char record[RECORD_TEXT];
    char *ids;

    put_head(out, row->request);
    json_put_digits(out, "choice", row->choice);
    base64url(record, r->result, RECORD_RESULT);
    json_put_text(out, "record", record);
    base64url(record, r->job, RECORD_JOB);
    json_put_text(out, "jobrecord", record);
    json_put_id(out, "item", item);
    if (with_ids && r->n_output <= ASK_MAX_IDS) {
        ids = xmalloc((r->n_output * 16 + 2) / 3 + 1);
        base64url(ids, r->output, 4 * r->n_output);
        json_put_text(out, "ids", ids);
        free(ids);
    }
    if (r->text_size <= COMPLETE_TEXT) {
        json_put_key(out, "text");
        json_put_string(out, (const char *)r->text, r->text_size);
    }
    buf_puts(out, "}\n");
}

size_t complete_line_quoted(const struct buf *line)
{
    size_t n = line->len;

    for (size_t i = 0; i < line->len; i++)
        n += line->data[i] == '"' || line->data[i] == '\\' ||
             line->data[i] == '\n';
    return n;
}

void complete_line_file(struct buf *out, struct id request, struct id root,
                        struct id statement)
{
    put_head(out, request);
    json_put_digits(out, "choice", 0);
    json_put_text(out, "job", "");
    json_put_id(out, "result", root);
    json_put_id(out, "item", statement);
    json_put_digits(out, "finish", 0);
    buf_puts(out, "}\n");
}

void complete_line_file_records(struct buf *out, struct id request,
                                struct id root, uint64_t count,
                                struct id statement)
{
    put_head(out, request);
    json_put_digits(out, "choice", 0);
    json_put_id(out, "result", root);
    json_put_digits(out, "count", count);
    json_put_id(out, "item", statement);
    buf_puts(out, "}\n");
}
