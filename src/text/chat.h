/*
 * Messages to prompt ids, by the chat template of a model (jinja.h).  Control
 * tokens come from the template alone: what a message says is plain text.
 */
#ifndef APUS_TEXT_CHAT_H
#define APUS_TEXT_CHAT_H

#include <stddef.h>
#include <stdint.h>

struct chat;
struct err;
struct tokenizer;
struct tokens;

struct chat_message {
    const char *role;    /* system, user, assistant */
    const char *content; /* UTF-8 */
};

/* Read a template of n bytes; bos and eos are the ids of the model's tokens
 * bos_token and eos_token, UINT32_MAX if it has none, by the tokenizer, which
 * is borrowed.  *out is NULL for an empty template.  ERR_INPUT names what is
 * not supported. */
int chat_new(struct chat **out, const struct tokenizer *t, const char *tmpl,
             size_t n, uint32_t bos, uint32_t eos, struct err *err);
void chat_free(struct chat *c); /* NULL is allowed */

/* Append the prompt: the messages, then the opening of the assistant's turn.
 * c may be NULL: ERR_INPUT, as when the template refuses the messages. */
int chat_encode(const struct chat *c, const struct chat_message *msg,
                size_t n_msg, struct tokens *out, struct err *err);

#endif
