/*
 * The messages of a chat as the JSON that a template walks over.
 */
#ifndef APUS_TEXT_CHAT_INTERNAL_H
#define APUS_TEXT_CHAT_INTERNAL_H

#include <stdbool.h>

#include "text/chat.h"

/* How to write them. */
struct chat_form {
    bool developer;      /* the role stays; else it is system */
    bool texts;          /* arguments of a tool call stay texts */
    const char *altered; /* a role whose contents get a letter more, or NULL */
};

/* *out is to be freed with json_free.  *had_texts: whether arguments became
 * objects, or would have. */
int chat_messages(struct json **out, const struct chat_input *in,
                  const struct chat_form *form, bool *had_texts,
                  struct err *err);

/* null, false, "", [] or {}; also NULL. */
bool chat_is_nothing(const struct json *v);

#endif
