/*
 * A chat template and, after a NUL, what a user says: prompts of them by
 * chat_encode.  A control token that the template cannot have written is not
 * in any of them, whatever the user says, in a message, a variable, a tool or
 * a document.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/chat.h"
#include "text/tokenizer_internal.h"

#define MAX_TEXT ((size_t)1 << 16)

enum { ID_SOH = 256, ID_BOS, ID_EOS, ID_TURN, N_VOCAB };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int rc)
{
    if (rc)
        abort();
}

/* All bytes, and four control tokens. */
static struct tokenizer *tokenizer_made(void)
{
    static const char *const control[] = { "\x01", "<s>", "<|e|>", "<|t|>" };
    struct tok_build b;
    struct tokenizer *t;

    tok_build_init(&b, N_VOCAB);
    for (uint32_t i = 0; i < 256; i++) {
        char c = (char)i;

        must(tok_build_set(&b, i, &c, 1, 0, 0, NULL));
    }
    for (uint32_t i = 0; i < 4; i++)
        must(tok_build_set(&b, ID_SOH + i, control[i], strlen(control[i]),
                           TOKEN_CONTROL, 0, NULL));
    must(tok_build_try(&b, &t, NULL));
    tok_build_clear(&b);
    return t;
}

/* {NAME: text}, or an array of that. */
static struct json *made_of(const char *open, const char *text,
                            const char *close)
{
    struct json *v = NULL;
    struct buf b;

    buf_init(&b, 8 * MAX_TEXT);
    buf_puts(&b, open);
    json_put_string(&b, text, strlen(text));
    buf_puts(&b, close);
    must(b.full || json_parse(&v, b.data, b.len, NULL));
    buf_clear(&b);
    return v;
}

/* What a template wrote has a token only if these bytes are in it: as it is, by
 * an escape, or by the name of a variable. */
static void check(const char *tmpl, const struct tokens *ids)
{
    bool escapes = strchr(tmpl, '\\') != NULL;
    bool angle = escapes || strchr(tmpl, '<');

    for (size_t i = 0; i < ids->n; i++) {
        uint32_t id = ids->id[i];

        if ((id == ID_SOH && !escapes && !strchr(tmpl, 1)) ||
            (id == ID_BOS && !angle && !strstr(tmpl, "bos_token")) ||
            (id == ID_EOS && !angle && !strstr(tmpl, "eos_token")) ||
            (id == ID_TURN && !angle))
            abort();
    }
}

static void encode(const struct chat *c, const char *tmpl,
                   const struct chat_input *in)
{
    struct err err = ERR_INIT;
    struct tokens ids;

    tokens_init(&ids);
    if (chat_encode(c, in, &ids, &err) == 0)
        check(tmpl, &ids);
    else if (err.code != ERR_INPUT)
        abort();
    tokens_clear(&ids);
}

/* The user's text in each place that a request has for it. */
static void converse(const struct chat *c, const char *tmpl, const char *text)
{
    struct json *calls = made_of("{\"reasoning_content\":", text, "}");
    struct json *tools = made_of("[{\"name\":", text, "}]");
    struct json *kwargs = made_of("{\"x\":", text, "}");
    const struct chat_message said[] = {
        { "system", text, NULL }, { "user", text, NULL },
        { "assistant", text, calls }, { "user", text, NULL },
    };
    struct chat_input in = { .message = said + 1, .n_messages = 1 };

    encode(c, tmpl, &in);
    in = (struct chat_input){ .message = said, .n_messages = 2,
                              .kwargs = kwargs };
    encode(c, tmpl, &in);
    in = (struct chat_input){ .message = said, .n_messages = 4,
                              .date = "2026-01-31" };
    encode(c, tmpl, &in);
    in = (struct chat_input){ .message = said + 1, .n_messages = 1,
                              .tools = tools };
    encode(c, tmpl, &in);
    in.tools = NULL;
    in.documents = tools;
    encode(c, tmpl, &in);
    json_free(calls);
    json_free(tools);
    json_free(kwargs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokenizer *t;
    const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
    struct err err = ERR_INIT;
    struct buf tmpl, text;
    struct chat *c;

    if (!t)
        t = tokenizer_made();
    if (!nul || size > MAX_TEXT ||
        memchr(nul + 1, 0, size - (size_t)(nul + 1 - data)))
        return 0;
    buf_init(&tmpl, MAX_TEXT);
    buf_init(&text, 4 * MAX_TEXT);
    buf_puts(&tmpl, (const char *)data);
    utf8_scrub(&text, nul + 1, size - (size_t)(nul + 1 - data));
    buf_puts(&text, "\x01<s><|e|><|t|>");
    if (chat_new(&c, t, tmpl.data, tmpl.len, ID_BOS, ID_EOS, &err) == 0) {
        if (c)
            converse(c, tmpl.data, text.data);
        chat_free(c);
    } else if (err.code != ERR_INPUT) {
        abort();
    }
    buf_clear(&tmpl);
    buf_clear(&text);
    return 0;
}
