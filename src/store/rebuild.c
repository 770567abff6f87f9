/*
 * Lines from the records of answers.
 */
#include <config.h>

#include "store/rebuild.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "proof/job_record.h"
#include "proof/result_record.h"
#include "store/checkpoint.h"
#include "store/record.h"
#include "store/request.h"

/* ---- one line ------------------------------------------------------------ */

static void put_millionths(struct buf *out, const char *name, uint32_t v)
{
    char text[16];
    size_t n;

    snprintf(text, sizeof(text), "%" PRIu32 ".%06" PRIu32, v / 1000000,
             v % 1000000);
    n = strlen(text);
    while (text[n - 1] == '0')
        n--;
    n -= text[n - 1] == '.';
    buf_printf(out, ",\"%s\":%.*s", name, (int)n, text);
}

static int put_stops(struct buf *out, const struct record *r, struct err *err)
{
    bool first = true;

    if (r->stops_size == 0)
        return 0;
    buf_puts(out, ",\"stop\":[");
    /* record_check has seen that they are whole */
    for (size_t at = 0; at < r->stops_size;) {
        size_t n = get_u32(r->stops + at);

        if (!utf8_valid(r->stops + at + 4, n))
            return err_set(err, ERR_INPUT, "a stop string is not UTF-8: no"
                           " request can ask for it");
        buf_puts(out, first ? "" : ",");
        json_put_string(out, (const char *)r->stops + at + 4, n);
        first = false;
        at += 4 + n;
    }
    buf_putc(out, ']');
    return 0;
}

static void put_prompt(struct buf *out, const struct record *r)
{
    buf_puts(out, "\"prompt\":[");
    for (size_t i = 0; i < r->n_prompt; i++)
        buf_printf(out, "%s%" PRIu32, i ? "," : "",
                   get_u32(r->prompt + 4 * i));
    buf_putc(out, ']');
}

static int put_body(struct buf *out, const struct record *r,
                    const struct job_record *job, uint32_t n_choices,
                    struct err *err)
{
    put_prompt(out, r);
    buf_printf(out, ",\"max_tokens\":%" PRIu32, job->max_tokens);
    put_millionths(out, "temperature", job->temperature);
    put_millionths(out, "top_p", job->top_p);
    /* as text: not every reader of JSON has all 64 bits */
    buf_printf(out, ",\"n\":%" PRIu32 ",\"seed\":\"%" PRIu64 "\"", n_choices,
               job->seed);
    if (put_stops(out, r, err))
        return -1;
    buf_printf(out, ",\"apus\":{\"top_k\":%" PRIu32 ",\"ignore_eos\":%s}",
               job->top_k, job->flags & JOB_IGNORE_EOS ? "true" : "false");
    return 0;
}

int rebuild_line(struct buf *out, const struct record *r, const char *name,
                 size_t n, uint32_t n_choices, struct err *err)
{
    struct result_record res;
    struct job_record job;

    if (record_check(r, err))
        return -1;
    if (job_record_unpack(&job, r->job) ||
        result_record_unpack(&res, r->result))
        return err_set(err, ERR_INPUT, "its records are none");
    if (n_choices < 1 || n_choices > REQUEST_MAX_CHOICES)
        return err_set(err, ERR_INPUT,
                       "it is choice %" PRIu32 ", and a"
                       " request has at most %d",
                       n_choices - 1, REQUEST_MAX_CHOICES);
    buf_puts(out, "{\"custom_id\":");
    json_put_string(out, n ? name : id_text(res.request).s,
                    n ? n : ID_TEXT - 1);
    buf_puts(out, ",\"method\":\"POST\",\"url\":\"/v1/completions\","
             "\"body\":{");
    if (put_body(out, r, &job, n_choices, err))
        return -1;
    buf_puts(out, "}}\n");
    return buf_check(out, "a request", err);
}

/* ---- a part -------------------------------------------------------------- */

/* How many choices the line of row i has, and the row after its last. */
static int look_ahead(struct checkpoint *c, uint64_t i, uint32_t *n_choices,
                      uint64_t *next, struct err *err)
{
    uint32_t line, choice, last;

    if (checkpoint_place(c, i, &line, &choice, err))
        return -1;
    *next = i;
    do {
        *n_choices = choice + 1;
        last = line;
        if (++*next == checkpoint_head(c)->n_rows)
            break;
        if (checkpoint_place(c, *next, &line, &choice, err))
            return -1;
    } while (line == last);
    return 0;
}

int rebuild_part(struct checkpoint *c, rebuild_fn *put, void *self,
                 uint64_t *n, struct err *err)
{
    struct checkpoint_row row;
    uint32_t n_choices = 0;
    uint64_t next = 0;
    struct buf line;
    int rc = 0;

    buf_init(&line, REQUEST_MAX_LINE + 1);
    *n = 0;
    for (uint64_t i = 0; rc == 0 && i < checkpoint_head(c)->n_rows; i = next) {
        buf_reset(&line);
        rc = look_ahead(c, i, &n_choices, &next, err) ||
             checkpoint_row(c, i, &row, err) ? -1 : 0;
        if (rc == 0 && rebuild_line(&line, &row.record, row.custom_id,
                                    row.custom_id_size, n_choices, err))
            rc = err_prefix(err, "the answer to line %" PRIu64,
                            (uint64_t)row.line + 1);
        rc = rc ? rc : put(self, line.data, line.len, err);
        *n += rc == 0;
    }
    buf_clear(&line);
    return rc;
}
