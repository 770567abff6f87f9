/*
 * What a DApp asks of a queue (doc/queue.md, Infer and Infer-Batch), and the
 * line of requests.jsonl that a node makes of it.  A message is read here as
 * the queue reads it (contrib/ao/queue, in Lua): the same is asked, or it is
 * refused for the same reason.  What a message alone cannot say is left to
 * the queue: which models and nodes it has, prices, how many may wait.
 */
#ifndef APUS_QUEUE_ASK_H
#define APUS_QUEUE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "store/request.h"

struct buf;
struct err;

#define ASK_MAX_PROMPT 16384   /* bytes of one in a message .. */
#define ASK_MAX_QUOTED 32768   /* .. and with what JSON escapes */
#define ASK_MAX_TAGS 64
#define ASK_MAX_NAME 64     /* bytes of a tag's name .. */
#define ASK_MAX_VALUE 4096  /* .. and of its value */
#define ASK_MAX_REFERENCE 128
#define ASK_MAX_STOP 64     /* bytes of a stop string */
#define ASK_MAX_IDS 8192    /* tokens of an answer to a prompt in ids */
#define ASK_MAX_MODEL 43    /* an id; a name is shorter */

/* A tag: bytes, any of them. */
struct ask_tag {
    const char *name, *value;
    size_t n_name, n_value;
};

struct ask_message {
    const struct ask_tag *tag;
    size_t n_tags;
    const void *data;
    size_t n;
    bool pushed; /* it may have the tags of a messenger: what a process sent */
};

/* What the prompt is, in the words of a line of a pull. */
enum ask_form {
    ASK_CHAT,        /* "chat": one user message */
    ASK_MESSAGES,    /* "messages": JSON text of an array of messages */
    ASK_PROMPT,      /* "prompt": text that goes into no template */
    ASK_IDS,         /* "ids": JSON text of an array of token ids */
    ASK_SOURCE,      /* "source": id of an item that holds the first of these */
    ASK_SOURCE_JSON, /* "source-json": .. that holds JSON with messages or
                        prompt */
    ASK_SOURCE_IDS,  /* "source-ids": .. that holds token ids, u32 each */
    ASK_BATCH        /* "batch": .. that holds a file of requests */
};

struct ask {
    enum ask_form form;
    char *prompt;             /* of the first four forms; ours */
    struct id source;         /* of the others */
    uint32_t max_tokens, temperature, top_p, top_k, flags;
    bool has_seed;
    uint64_t seed;
    struct {
        char text[ASK_MAX_STOP];
        size_t n;
    } stop[REQUEST_MAX_STOPS]; /* sorted, unique */
    size_t n_stops;
    uint64_t count;           /* of a batch: its lines; of ASK_SOURCE_IDS the
                                 ids .. */
    struct id sha256;         /* .. and the file's hash, or the ids' blob */

    /* of a message; "": it leaves that to the queue */
    char model[ASK_MAX_MODEL + 1]; /* a name, or an id */
    char node[44];
    char reference[ASK_MAX_REFERENCE + 1], session[ASK_MAX_REFERENCE + 1];
};

/* Whether the prompt is in one item on Arweave, ask.source. */
bool ask_has_source(const struct ask *a);

/* Read a message: 0, and ask_clear is due; or -1 with ERR_INPUT, and *a as it
 * was, if no queue takes it. */
int ask_read(struct ask *a, const struct ask_message *m, struct err *err);
void ask_clear(struct ask *a);

/* Whether a queue can have a model of this name, or id. */
bool ask_is_model(const char *text);

/* Check a parameter of X-Options that is a number, written as in JSON, as a
 * queue does.  ERR_INPUT: not a number, or not one for this parameter. */
int ask_check_number(const char *name, const char *number, struct err *err);

/* Put a stop string in its place; one that is there is not repeated.  -1 if it
 * has not 1 to 64 bytes, or there are 16. */
int ask_add_stop(struct ask *a, const char *text, size_t n);

/* Append the line of requests.jsonl, without a newline: of request `id`, for
 * this model (NULL: none is named); source[0..n) is what the item holds for
 * the forms that name one.  ERR_INPUT if no worker of this version can take
 * the request, or if it is a batch, whose lines are in its file. */
int ask_put_line(struct buf *out, const struct ask *a, struct id id,
                 const struct id *model, const void *source, size_t n,
                 struct err *err);

#endif
