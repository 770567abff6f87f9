/*
 * What stands in JSON in a message: X-Options, and data that are a body.  Its
 * members are those of a line (request_names.h).  Private to the reader of
 * messages and the writer of lines.
 */
#ifndef APUS_QUEUE_ASK_INTERNAL_H
#define APUS_QUEUE_ASK_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/ask.h"

/* Whether a body has messages, or else a prompt, and nothing that only belongs
 * to messages. */
int ask_is_chat(bool *chat, const struct json *body, struct err *err);

/* A body that is in a text of n bytes: parameters go to r, which borrows, its
 * prompt or messages, as a queue hands them on, to text. */
int ask_body(struct buf *text, enum ask_form *form, struct request *r,
             const struct json *body, size_t n, struct err *err);

/* The text of X-Options: parameters go to r, which borrows from *root; it is
 * to be freed in any case. */
int ask_options(struct request *r, struct json **root, const char *text,
                size_t n, struct err *err);

/* What r says.  a->model is that of the tag. */
int ask_parameters(struct ask *a, const struct request *r, struct err *err);

/* Append s as a string of JSON as the queue writes it, for its length has a
 * limit. */
void ask_put_quoted(struct buf *b, const char *s);

#endif
