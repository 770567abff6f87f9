/*
 * Requests read, tokenised and forgotten, one by one.
 */
#include <config.h>

#include "mpi/checking.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer/prompt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/plain.h"
#include "base/plural.h"
#include "base/settings.h"
#include "model/model.h"
#include "model/models.h"
#include "proof/result_record.h"
#include "spool/request_file.h"
#include "spool/source.h"
#include "store/answer.h"
#include "store/custom_ids.h"
#include "store/refusals.h"
#include "store/request.h"
#include "store/topk.h"

#define EXIT_REFUSED 4
#define LINE_MAX_BYTES (16u << 10)
#define TYPICAL_PIECE 8 /* bytes that an id stands for */

struct line_check {
    struct prompt_model model;
    bool json;
    int write_errno;        /* of the first line that could not be printed */
    struct refusals refusals;
    struct custom_ids names;
    uint64_t prompt_tokens, most_tokens;
    const char *tensors;    /* the setting */
    uint64_t tensor_bytes;  /* at most, of what it asks for beside last */
};

/* ---- one line ------------------------------------------------------------ */

static void print(struct line_check *c, const struct buf *out)
{
    if (c->write_errno == 0 &&
        fwrite(out->data, 1, out->len, stdout) != out->len)
        c->write_errno = errno;
}

static void put_refused(struct line_check *c, uint32_t line,
                        const char *custom_id, const struct reason *why)
{
    struct buf out;

    buf_init(&out, LINE_MAX_BYTES);
    if (c->json) {
        buf_putc(&out, '{');
        json_put_number(&out, "line", line);
        json_put_text(&out, "custom_id", custom_id);
        json_put_text(&out, "code", why->code);
        json_put_text(&out, "message", why->message);
        buf_puts(&out, "}\n");
    } else {
        buf_printf(&out, "line %" PRIu32 "\t%s\t", line, why->code);
        plain_put(&out, why->message, strlen(why->message));
        buf_putc(&out, '\n');
    }
    print(c, &out);
    buf_clear(&out);
}

/* Why the engine would refuse a prompt: 1 and why, or 0. */
static int is_refused(struct reason *why, size_t n_prompt, uint32_t context)
{
    struct result_record res = {
        .finish = n_prompt ? RESULT_LONG : RESULT_PROMPT
    };

    if (n_prompt && n_prompt <= context)
        return 0;
    answer_reason(why->code, sizeof(why->code), why->message,
                  sizeof(why->message), &res, n_prompt);
    return 1;
}

/* What a checkpoint has of an answer of so many positions and tokens at most.
 * Of likely tokens each id is counted with the bytes of a common one. */
static uint64_t tensor_bytes(const struct line_check *c, uint64_t positions,
                             uint64_t tokens, bool logprobs)
{
    const struct model_record *rec = &c->model.model->rec;
    uint64_t k = rec->n_vocab < TOPK_MAX ? rec->n_vocab : TOPK_MAX, n = 0;

    if (logprobs || strcmp(c->tensors, "topk") == 0)
        n += tokens * (12 + 8 * k + (k + 1) * (12 + TYPICAL_PIECE));
    if (strcmp(c->tensors, "hidden") == 0)
        n += positions * (rec->n_layers + 1) * rec->dim * 4;
    if (strcmp(c->tensors, "logits") == 0)
        n += tokens * rec->n_vocab * 4;
    return n;
}

static void count(struct line_check *c, const struct prompt *p,
                  uint32_t context, bool logprobs)
{
    /* the last token of the context gives one more */
    uint64_t capacity = context - p->ids.n + 1, most = p->first.max_tokens;

    if (!most || most > capacity)
        most = capacity;
    c->prompt_tokens += p->ids.n;
    c->most_tokens += most * p->n_choices;
    c->tensor_bytes += p->n_choices * tensor_bytes(c, p->ids.n + most - 1,
                                                   most, logprobs);
}

static int check_line(struct line_check *c, uint32_t line, const char *text,
                      size_t n, struct err *err)
{
    const struct id id = { 0 }; /* seeds change no count */
    uint32_t context = c->model.model->rec.context;
    struct err e = ERR_INIT;
    struct reason why;
    struct request r;
    struct prompt p;
    int rc = request_parse(&r, text, n, &e), made = 0;

    if (rc == 0)
        rc = prompt_make(&p, &c->model, &r, id, &e);
    made = rc == 0;
    if (made)
        rc = is_refused(&why, p.ids.n, context);
    else if (e.code == ERR_INPUT)
        reason_set(&why, "invalid_request", e.text);
    c->refusals.n_requests++;
    custom_ids_add(&c->names, r.custom_id, line);
    if (rc == 0) {
        count(c, &p, context, r.logprobs);
    } else if (made || e.code == ERR_INPUT) {
        if (c->refusals.n++ == 0) {
            c->refusals.line = line;
            c->refusals.why = why;
        }
        put_refused(c, line, r.custom_id, &why);
        rc = 0;
    } else {
        err_copy(err, &e);
    }
    if (made)
        prompt_clear(&p);
    request_clear(&r);
    return rc;
}

/* ---- a file -------------------------------------------------------------- */

static int check_lines(struct line_check *c, const char *path, struct err *err)
{
    const struct id *model = &c->model.model->id;
    struct request_file *f;
    const char *text = "";
    uint32_t line = 0;
    size_t n;
    int rc = 0;

    if (request_file_open_v2(&f, path, *model, err))
        return -1;
    while (rc == 0 && c->write_errno == 0) {
        rc = request_file_next(f, &text, &n, err);
        line++;
        if (rc || !text)
            break;
        if (!request_file_is_blank(f))
            rc = check_line(c, line, text, n, err);
    }
    request_file_close(f);
    return rc;
}

static int check_file(struct line_check *c, const char *file, struct err *err)
{
    bool copied;
    char *path;
    int rc;

    if (source_path(&path, &copied, file, err))
        return -1;
    rc = check_lines(c, path, err);
    if (copied)
        unlink(path);
    free(path);
    return rc;
}

/* What was printed must have arrived. */
static int put_sums(struct line_check *c, struct err *err)
{
    uint64_t n = c->refusals.n_requests;
    struct buf out;

    buf_init(&out, LINE_MAX_BYTES);
    if (c->json) {
        buf_putc(&out, '{');
        json_put_number(&out, "requests", n);
        json_put_number(&out, "refused", c->refusals.n);
        json_put_number(&out, "prompt_tokens", c->prompt_tokens);
        json_put_number(&out, "most_tokens", c->most_tokens);
        if (c->tensor_bytes)
            json_put_number(&out, "tensor_bytes", c->tensor_bytes);
        buf_puts(&out, "}\n");
    } else {
        buf_printf(&out, "%" PRIu64 " request%s, %" PRIu64 " refused, %" PRIu64
                   " prompt token%s, at most %" PRIu64 " token%s to come\n", n,
                   plural_s(n), c->refusals.n, c->prompt_tokens,
                   plural_s(c->prompt_tokens), c->most_tokens,
                   plural_s(c->most_tokens));
        if (c->tensor_bytes)
            buf_printf(&out, "at most about %" PRIu64 " MiB of tensors in the"
                       " checkpoint (tensors = %s)\n",
                       (c->tensor_bytes >> 20) + 1, c->tensors);
    }
    print(c, &out);
    buf_clear(&out);
    if (c->write_errno == 0 && fflush(stdout))
        c->write_errno = errno;
    if (c->write_errno == EPIPE)
        return err_set(err, ERR_CLOSED, "standard output has no reader");
    if (c->write_errno)
        return err_set(err, ERR_FATAL, "cannot write to standard output: %s",
                       strerror(c->write_errno));
    return 0;
}

int checking(const struct settings *s, const char *model, const char *file,
             bool json, bool strict, struct err *err)
{
    struct line_check c = { .json = json,
                            .tensors = settings_text(s, "tensors") };
    char text[REFUSALS_TEXT], names[CUSTOM_IDS_TEXT];
    struct model *m;
    int rc = -1;

    if (models_open(&m, settings_text(s, "models"), model, &model_pass, NULL,
                    err))
        return -1;
    if (prompt_model_init(&c.model, m, err) || check_file(&c, file, err) ||
        put_sums(&c, err))
        goto out;
    rc = 0;
    custom_ids_text(names, &c.names);
    if (*names)
        log_warning("%s", names);
    if (c.refusals.n) {
        refusals_text(text, &c.refusals);
        log_warning("%s", text);
        if (strict || c.refusals.n == c.refusals.n_requests)
            rc = EXIT_REFUSED;
    }
out:
    prompt_model_clear(&c.model);
    custom_ids_clear(&c.names);
    return rc;
}
