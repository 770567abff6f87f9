/*
 * Messages to prompt ids.  A template of a model file is recognised (by its
 * behaviour-defining text) as one of those built in: ChatML and Llama 3; any
 * other is refused by name until templates are run.  Nothing of the clock
 * reaches a prompt.
 */
#ifndef APUS_TEXT_CHAT_H
#define APUS_TEXT_CHAT_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct tokenizer;
struct tokens;

enum chat_kind { CHAT_NONE, CHAT_CHATML, CHAT_LLAMA3 };

struct chat_message {
    const char *role;    /* system, user, assistant */
    const char *content; /* UTF-8 */
};

/* Which of the built-in forms a template is: -1 with ERR_INPUT if it is
 * none.  An empty template is CHAT_NONE. */
int chat_recognise(enum chat_kind *kind, const char *tmpl, size_t n,
                   struct err *err);

/* Append the prompt: the messages in the form of `kind`, then the opening of
 * the assistant's turn.  The contents are tokenised as plain text. */
int chat_encode(enum chat_kind kind, const struct tokenizer *t,
                const struct chat_message *msg, size_t n_msg,
                struct tokens *out, struct err *err);

#endif
