/*
 * What a DApp asks of a queue (doc/queue.md, Infer and Infer-Batch), and the
 * line of requests.jsonl that a node makes of it.
 */
#ifndef APUS_STORE_ASK_H
#define APUS_STORE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/request.h"

struct buf;
struct err;

#define ASK_MAX_STOP 64     /* bytes of a stop string */

/* What the prompt is, in the words of a line of a pull. */
enum ask_form {
    ASK_CHAT,        /* "chat": one user message */
    ASK_MESSAGES,    /* "messages": JSON text of an array of messages */
    ASK_PROMPT,      /* "prompt": text that goes into no template */
    ASK_SOURCE,      /* "source": id of an item that holds the first of these */
    ASK_SOURCE_JSON, /* "source-json": .. that holds JSON with messages or
                        prompt */
    ASK_BATCH        /* "batch": .. that holds a file of requests */
};

struct ask {
    enum ask_form form;
    char *prompt;             /* of the first three forms; ours */
    unsigned char source[32]; /* of the others */
    uint32_t max_tokens, temperature, top_p, top_k, flags;
    bool has_seed;
    uint64_t seed;
    struct {
        char text[ASK_MAX_STOP];
        size_t n;
    } stop[REQUEST_MAX_STOPS]; /* sorted, unique */
    size_t n_stops;
    uint64_t count;           /* of a batch: its lines .. */
    unsigned char sha256[32]; /* .. and the file's hash */
};

void ask_clear(struct ask *a);

/* Put a stop string in its place; one that is there is not repeated.  -1 if it
 * has not 1 to 64 bytes, or there are 16. */
int ask_add_stop(struct ask *a, const char *text, size_t n);

/* Append the line of requests.jsonl, without a newline: of request `id`, for
 * this model (NULL: none is named); source[0..n) is what the item holds for
 * the forms that name one.  ERR_INPUT if no worker of this version can take
 * the request, or if it is a batch, whose lines are in its file. */
int ask_put_line(struct buf *out, const struct ask *a,
                 const unsigned char id[32], const unsigned char *model,
                 const void *source, size_t n, struct err *err);

#endif
