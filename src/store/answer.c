/*
 * Answers as lines.  Keys stand in a fixed order and numbers are integers, so
 * that the same answer is the same bytes.
 */
#include <config.h>

#include "store/answer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"
#include "base/utf8.h"
#include "proof/result_record.h"
#include "store/answer_logprobs.h"

#define ID_PREFIX "batch_req_"

int answer_id_parse(struct id *id, const char *text)
{
    static const char *const prefix[] = { ID_PREFIX, "chatcmpl-", "cmpl-" };

    for (size_t i = 0; i < sizeof(prefix) / sizeof(*prefix); i++) {
        size_t n = strlen(prefix[i]);

        if (strncmp(text, prefix[i], n) == 0)
            return id_parse(id, text + n);
    }
    return id_parse(id, text);
}

static void put_string(struct buf *out, const char *text)
{
    json_put_string(out, text, strlen(text));
}

/* {"id":"batch_req_..","custom_id":..," and then the rest of the line. */
static void put_head(struct buf *out, const char id[ID_TEXT],
                     const char *custom_id)
{
    buf_printf(out, "{\"id\":\"" ID_PREFIX "%s\",\"custom_id\":", id);
    if (custom_id)
        put_string(out, custom_id);
    else
        buf_puts(out, "null");
}

static void put_choice(struct buf *out, const struct answer_choice *c,
                       size_t index, bool chat)
{
    buf_printf(out, "{\"index\":%zu,", index);
    buf_puts(out, chat ? "\"message\":{\"role\":\"assistant\",\"content\":"
                       : "\"text\":");
    json_put_string(out, c->text, c->n_text);
    buf_printf(out, "%s,\"logprobs\":", chat ? "}" : "");
    if (c->topk)
        answer_put_logprobs(out, c->topk, c->top_logprobs, c->token, chat);
    else
        buf_puts(out, "null");
    buf_printf(out, ",\"finish_reason\":\"%s\",\"apus\":{\"tokens\":[",
               c->finish);
    for (size_t i = 0; i < c->n_tokens; i++)
        buf_printf(out, "%s%" PRIu32, i ? "," : "", c->token[i]);
    buf_printf(out, "]%s}}", c->topk ? ",\"logprobs\":\"outside X1\"" : "");
}

static void put_usage(struct buf *out, const struct answer_line *a)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n_choices; i++)
        n += a->choice[i].n_tokens;
    buf_printf(out, "\"usage\":{\"prompt_tokens\":%zu,"
               "\"completion_tokens\":%zu,\"total_tokens\":%zu}",
               a->prompt_tokens, n, a->prompt_tokens + n);
}

void answer_put(struct buf *out, const struct answer_line *a)
{
    char id[ID_TEXT];

    base64url(id, a->id, 32);
    put_head(out, id, a->custom_id);
    buf_printf(out, ",\"response\":{\"status_code\":200,\"request_id\":\"%s\","
               "\"body\":{\"id\":\"%s-%s\",\"object\":\"%s\",\"created\":0,"
               "\"model\":", id, a->chat ? "chatcmpl" : "cmpl", id,
               a->chat ? "chat.completion" : "text_completion");
    put_string(out, a->model);
    buf_puts(out, ",\"choices\":[");
    for (size_t i = 0; i < a->n_choices; i++) {
        if (i)
            buf_putc(out, ',');
        put_choice(out, &a->choice[i], i, a->chat);
    }
    buf_puts(out, "],");
    put_usage(out, a);
    buf_printf(out, ",\"system_fingerprint\":\"x1-%s\"}},\"error\":null}\n",
               a->model_id);
}

void answer_put_error(struct buf *out, struct id id, const char *custom_id,
                      const char *code, const char *message, uint64_t line)
{
    struct buf scrubbed;

    /* a message may have been cut within a character of what it quotes */
    buf_init(&scrubbed, 3 * strlen(message));
    utf8_scrub(&scrubbed, message, strlen(message));
    put_head(out, id_text(id).s, custom_id);
    buf_puts(out, ",\"response\":null,\"error\":{\"code\":");
    put_string(out, code);
    buf_puts(out, ",\"message\":");
    json_put_string(out, scrubbed.len ? scrubbed.data : "", scrubbed.len);
    if (line)
        buf_printf(out, ",\"line\":%" PRIu64, line);
    buf_puts(out, "}}\n");
    buf_clear(&scrubbed);
}

void answer_mark_part(struct buf *out)
{
    assert(out->full || out->len > 2);
    if (out->full)
        return;
    out->len -= 2; /* "}" and the newline */
    buf_puts(out, ",\"apus\":{\"part\":true}}\n");
}

const char *answer_finish(uint32_t finish)
{
    return finish == RESULT_EOS || finish == RESULT_STOP ? "stop" : "length";
}

void answer_reason(char *code, size_t code_size, char *message, size_t size,
                   const struct result_record *r, size_t n_prompt)
{
    char layer[16] = "head";

    switch (r->finish) {
    case RESULT_RANGE:
        snprintf(code, code_size, "activation_out_of_range");
        if (r->error_layer != RESULT_HEAD)
            snprintf(layer, sizeof(layer), "%" PRIu32, r->error_layer);
        snprintf(message, size, "activation out of range at position %" PRIu32
                 ", layer %s, operator %" PRIu32 ", row %" PRIu32
                 ", index %" PRIu32, r->error_position, layer, r->error_op,
                 r->error_row, r->error_index);
        break;
    case RESULT_LONG:
        snprintf(code, code_size, "prompt_too_long");
        snprintf(message, size, "the prompt has %zu tokens, more than the"
                 " model's context", n_prompt);
        break;
    default:
        snprintf(code, code_size, "prompt_empty");
        snprintf(message, size, "the prompt has no tokens");
        break;
    }
}
