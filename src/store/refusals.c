/*
 * Requests without an answer: counted once, when the batch is sealed, and
 * written down.  What is written down is a copy of what refused.jsonl and the
 * parts say, so a file that cannot be read is passed over.
 */
#include <config.h>

#include "store/refusals.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "proof/result_record.h"
#include "spool/request_file.h"
#include "spool/spool_file.h"
#include "store/answer.h"
#include "store/checkpoint.h"
#include "store/request.h"
#include "store/request_names.h"
#include "store/rows.h"
#include "store/seal.h"
#include "store/seal_internal.h"
#include "store/scan.h"
#include "store/worklog.h"

#define NAME "refusals.json"
#define FILE_MAX ((size_t)64 << 10)

/* The lines come in any order.  1 if this one is the first so far. */
static int count_line(struct refusals *r, uint32_t line)
{
    r->n++;
    if (r->line && r->line <= (uint64_t)line + 1)
        return 0;
    r->line = (uint64_t)line + 1;
    return 1;
}

static void set_reason(struct refusals *r, const struct result_record *res,
                       size_t n_prompt)
{
    answer_reason(r->why.code, sizeof(r->why.code), r->why.message,
                  sizeof(r->why.message), res, n_prompt);
}

/* ---- when the batch is sealed -------------------------------------------- */

/* The frame at the place of a row or of a reason. */
static int read_reason(struct refusals *r, struct seal *s, uint32_t log,
                       uint64_t at, bool is_row, struct err *err)
{
    struct worklog_reader *reader;
    struct result_record res;
    struct record record;
    struct frame f;
    int rc;

    if (worklog_open(&reader, s->logs.log[log].path, &s->info->id, err))
        return -1;
    rc = worklog_read_at(reader, at, &f, err);
    if (rc == 0 && !is_row)
        reason_unpack(&r->why, f.payload, f.n);
    else if (rc == 0 && record_get(&record, f.payload, f.n, err) == 0 &&
             result_record_unpack(&res, record.result) == 0)
        set_reason(r, &res, record.n_prompt);
    worklog_reader_close(reader);
    return rc;
}

static int count_sealed(struct refusals *r, struct seal *s, struct err *err)
{
    const struct seal_refused *no = NULL;
    const struct seal_row *bad = NULL;

    memset(r, 0, sizeof(*r));
    r->n_requests = s->scan->n_requests;
    for (size_t i = 0; i < s->n_refused; i++)
        if (count_line(r, s->refused[i].line))
            no = &s->refused[i];
    for (size_t i = 0, last = SIZE_MAX; i < s->n_rows; i++) {
        if (s->row[i].finish < RESULT_RANGE || s->row[i].line == last)
            continue;
        last = s->row[i].line;
        if (count_line(r, s->row[i].line))
            bad = &s->row[i];
    }
    if (bad)
        return read_reason(r, s, bad->log, bad->at, true, err);
    return no ? read_reason(r, s, no->log, no->at, false, err) : 0;
}

int refusals_write(struct seal *s, struct err *err)
{
    struct refusals r;
    struct buf text;
    int rc = -1;

    buf_init(&text, FILE_MAX);
    if (count_sealed(&r, s, err))
        goto out;
    buf_putc(&text, '{');
    json_put_number(&text, "requests", r.n_requests);
    json_put_number(&text, "refused", r.n);
    json_put_number(&text, "line", r.line);
    /* cut somewhere, or never text */
    json_put_scrubbed(&text, "code", r.why.code, strlen(r.why.code));
    json_put_scrubbed(&text, "message", r.why.message, strlen(r.why.message));
    buf_puts(&text, "}\n");
    rc = buf_check(&text, NAME, err) ||
         spool_write_in(s->batch_path, NAME, text.data, text.len, err)
             ? -1 : 0;
out:
    buf_clear(&text);
    return rc;
}

/* ---- later --------------------------------------------------------------- */

/* 0 if it is there and fits the checkpoint. */
static int read_written(struct refusals *r, const char *batch_path,
                        const struct seal_info *info)
{
    const char *code = NULL, *message = NULL;
    struct refusals got = { .n = 0 };
    struct json *root = NULL;
    uint64_t line = 0;
    struct buf text;
    int rc = -1;

    buf_init(&text, FILE_MAX);
    if (spool_read_in(&text, batch_path, NAME, NULL, NULL) != FOUND_ONE ||
        json_parse(&root, text.len ? text.data : "", text.len, NULL))
        goto out;
    code = json_string(json_get(root, "code"));
    message = json_string(json_get(root, "message"));
    if (!code || !message ||
        json_u64(json_get(root, "requests"), &got.n_requests) ||
        json_u64(json_get(root, "refused"), &got.n) ||
        json_u64(json_get(root, "line"), &line) || line > UINT32_MAX ||
        got.n_requests != info->n_requests || got.n < info->n_refused ||
        got.n > got.n_requests || (line == 0) != (got.n == 0))
        goto out;
    got.line = line;
    reason_set(&got.why, code, message);
    *r = got;
    rc = 0;
out:
    json_free(root);
    buf_clear(&text);
    return rc;
}

static int count_reasons(struct refusals *r, const char *batch_path,
                         struct err *err)
{
    struct refused *f;
    struct reason why;
    uint32_t line;
    enum found rc;

    if (refused_open(&f, batch_path, err))
        return -1;
    while ((rc = refused_next(f, &line, &why, err)) == FOUND_ONE)
        if (count_line(r, line))
            r->why = why;
    refused_close(f);
    return rc == FOUND_FAILED ? -1 : 0;
}

/* Count the row that was just read, if its answer is an error and that of no
 * choice before it in its line, `last`, was. */
static int count_row(struct refusals *r, const struct rows *rows,
                     uint64_t *last, struct err *err)
{
    struct checkpoint *c = rows_part(rows);
    uint64_t i = rows_number(rows);
    const unsigned char *packed;
    struct result_record res;
    struct checkpoint_row row;
    uint32_t line, choice;

    if (checkpoint_result(c, i, &packed, err))
        return -1;
    if (result_record_unpack(&res, packed) || res.finish < RESULT_RANGE)
        return 0;
    if (checkpoint_place(c, i, &line, &choice, err))
        return -1;
    if (line == *last)
        return 0;
    *last = line;
    if (!count_line(r, line))
        return 0;
    if (checkpoint_row(c, i, &row, err))
        return -1;
    set_reason(r, &res, row.record.n_prompt);
    return 0;
}

static int count_parts(struct refusals *r, const char *batch_path,
                       const struct seal_info *info, struct err *err)
{
    struct rows *rows = rows_open(batch_path, info);
    uint64_t last = UINT64_MAX;
    enum found rc;

    while ((rc = rows_next(rows, err)) == FOUND_ONE)
        if (count_row(r, rows, &last, err)) {
            rc = FOUND_FAILED;
            break;
        }
    rows_close(rows);
    return rc == FOUND_FAILED ? -1 : 0;
}

int refusals_read(struct refusals *r, const char *batch_path, bool quick,
                  struct err *err)
{
    struct refusals got = { .n = 0 };
    struct seal_info info;
    int rc = 0;

    if (seal_info_read(&info, batch_path, err))
        return -1;
    if (read_written(&got, batch_path, &info)) {
        got.n_requests = info.n_requests;
        rc = count_reasons(&got, batch_path, err);
        if (rc == 0 && !quick)
            rc = count_parts(&got, batch_path, &info, err);
    }
    if (rc == 0)
        *r = got;
    seal_info_clear(&info);
    return rc;
}

void refusals_text(char out[REFUSALS_TEXT], const struct refusals *r)
{
    out[0] = '\0';
    if (r->n)
        snprintf(out, REFUSALS_TEXT, "%" PRIu64 " refused, the first is line"
                 " %" PRIu64 ": %s", r->n, r->line, r->why.message);
}

bool refusals_are_old(const struct refusals *r, const char *batch_path)
{
    char *path = file_join(batch_path, "requests.jsonl");
    struct err why = ERR_INIT;
    struct request_file *f = NULL;
    struct request now;
    const char *text = "";
    bool old = false;
    size_t n = 0;
    int rc = r->n && strcmp(r->why.code, "invalid_request") == 0
                 ? request_file_open(&f, path, NULL) : -1;

    for (uint64_t i = 0; rc == 0 && i < r->line && text; i++)
        rc = request_file_next(f, &text, &n, NULL);
    if (rc == 0 && text && request_old_reason(r->why.message, text, n)) {
        old = request_parse(&now, text, n, &why) == 0 ||
              strcmp(why.text, r->why.message) != 0;
        request_clear(&now);
    }
    request_file_close(f);
    free(path);
    return old;
}
