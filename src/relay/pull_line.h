/*
 * A line of what the queue answers to Pull (doc/queue.md), read from a compute
 * unit that is not believed: every field is there once, of its kind and within
 * its bounds, or the line is refused.  From it, and from what its source on
 * Arweave holds, comes a line of requests.jsonl.
 */
#ifndef APUS_RELAY_PULL_LINE_H
#define APUS_RELAY_PULL_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/request.h"

struct buf;
struct err;
struct json;

#define PULL_MAX_PROMPT (64u << 10)  /* bytes of a prompt in a line */
#define PULL_MAX_LINE (512u << 10)   /* with everything escaped */
#define PULL_MAX_SOURCE ((size_t)4 << 20) /* bytes of one from Arweave */

/* What the prompt of a line is. */
enum pull_form {
    PULL_CHAT,        /* one user message */
    PULL_MESSAGES,    /* JSON text of an array of messages */
    PULL_PROMPT,      /* text that goes into no template */
    PULL_SOURCE,      /* id of an item that holds the first of these */
    PULL_SOURCE_JSON, /* .. that holds JSON with messages or prompt */
    PULL_BATCH        /* .. that holds a file of requests */
};

struct pull_line {
    struct json *root;       /* owns the texts */
    unsigned char id[32], model[32];
    enum pull_form form;
    const char *prompt;
    unsigned char source[32]; /* of the forms that have one */
    uint32_t max_tokens, temperature, top_p, top_k, flags;
    bool has_seed;
    uint64_t seed;
    struct {
        char text[64];
        size_t n;
    } stop[REQUEST_MAX_STOPS];
    size_t n_stops;
    uint64_t count;           /* of a batch: its lines .. */
    unsigned char sha256[32]; /* .. and the file's hash */
};

/* ERR_INPUT, and *l as it was, if the line is not exactly one of these. */
int pull_line_parse(struct pull_line *l, const char *text, size_t n,
                    struct err *err);
void pull_line_clear(struct pull_line *l);

/* Append the line of requests.jsonl, with its newline; source[0..n) is what
 * the item holds for the forms that name one.  ERR_INPUT if no worker of this
 * version could take the request: a reason to release it. */
int pull_line_put(struct buf *out, const struct pull_line *l,
                  const char *source, size_t n, struct err *err);

#endif
