/*
 * Messages to prompt ids, by the chat template of a model (jinja.h).  Control
 * tokens come from the template alone: what a request says is plain text.
 */
#ifndef APUS_TEXT_CHAT_H
#define APUS_TEXT_CHAT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct chat;
struct err;
struct json;
struct tokenizer;
struct tokens;

struct chat_message {
    const char *role;    /* system, developer, user, assistant, tool */
    const char *content; /* UTF-8; NULL is the template's none */
    /* NULL, or the object of which members `name`, `tool_call_id`, `tool_calls`
     * and `reasoning_content` are taken, unless they are empty */
    const struct json *more;
};

/* What a template is run over.  All is borrowed. */
struct chat_input {
    const struct chat_message *message;
    size_t n_messages;
    const struct json *tools, *documents; /* arrays, or NULL */
    const struct json *kwargs;            /* an object of variables, or NULL */
    const char *date;                     /* YYYY-MM-DD, or NULL */
};

/* Read a template of n bytes; bos and eos are the ids of the model's tokens
 * bos_token and eos_token, UINT32_MAX if it has none, by the tokenizer, which
 * is borrowed.  *out is NULL for an empty template.  ERR_INPUT names what is
 * not supported. */
int chat_new(struct chat **out, const struct tokenizer *t, const char *tmpl,
             size_t n, uint32_t bos, uint32_t eos, struct err *err);
void chat_free(struct chat *c); /* NULL is allowed */

/* Whether chat_new reads this template. */
int chat_check(const char *tmpl, size_t n, struct err *err);

/* Append the one template that does as two: `tool_use` where there are tools,
 * else `text`.  Either may be NULL or empty; without text chats need tools. */
void chat_join(struct buf *out, const char *text, const char *tool_use);

/* Append the prompt: the messages, then the opening of the assistant's turn.
 * developer is system for a template that does not have the word.  Arguments
 * of a tool call that are the text of a JSON object are that object, unless the
 * template only takes the text.
 * ERR_INPUT: c is NULL; the template refuses the messages; or something is
 * given that it does not look at, so that the answer would ignore it: tools,
 * documents, a date, tool_calls, reasoning_content, the messages of a tool, or
 * a variable, except one that is empty or false and not near to another. */
int chat_encode(const struct chat *c, const struct chat_input *in,
                struct tokens *out, struct err *err);

/* The token with which a template closes the assistant's turn, UINT32_MAX if it
 * does that without one, or is not supported.  bos and eos as for chat_new. */
uint32_t chat_turn_end(const struct tokenizer *t, const char *tmpl, size_t n,
                       uint32_t bos, uint32_t eos);

#endif
