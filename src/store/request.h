/*
 * Requests: OpenAI Batch lines {custom_id, method, url, body} with our own
 * parameters under body.apus, turned into what determines an answer
 * (proof.md section 3).  What changes no answer is accepted: null, empty and
 * neutral values of every member that request_names.c knows.  All other values
 * are refused by name, never ignored.  Prompt text is not tokenised here.
 */
#ifndef APUS_STORE_REQUEST_H
#define APUS_STORE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/lines.h"

struct err;
struct json;

#define REQUEST_MAX_LINE LINES_MAX_LINE /* bytes of one line */
#define REQUEST_MAX_STOPS 16
#define REQUEST_MAX_CHOICES 8

struct request_message {
    const char *role; /* system, user, assistant (developer is system) */
    const char *content;
};

struct request_stop {
    const char *text;
    size_t n; /* 1 to 64 bytes */
};

struct request {
    struct json *line;   /* owns the strings below */
    const char *custom_id; /* NULL if it could not be read */
    char *kept_id;       /* owns custom_id if there is no such tree */
    bool chat;           /* /v1/chat/completions, else /v1/completions */
    const char *model;   /* as the line says, NULL if absent */
    struct request_message *message; /* chat */
    size_t n_messages;
    char *joined;        /* owns contents that were given in parts */
    const char *prompt;  /* completion as text, or NULL .. */
    uint32_t *prompt_id; /* .. and then its ids */
    size_t n_prompt;
    uint32_t n_choices;   /* n: 1 to 8 */
    uint32_t max_tokens;  /* 0: absent, what is left of the context */
    uint32_t temperature; /* millionths, default 1000000 */
    uint32_t top_p;       /* millionths, default 1000000 */
    uint32_t top_k;       /* default 0 */
    bool has_seed;
    uint64_t seed;
    bool ignore_eos;      /* body.apus.ignore_eos */
    struct request_stop stop[REQUEST_MAX_STOPS]; /* sorted, unique */
    size_t n_stops;
    unsigned given;       /* request_fields.c's: what was said */
};

/* Parse one line (without its newline).  On failure (ERR_INPUT) r is cleared
 * but for custom_id, which is kept if it could be read (of a line that is no
 * JSON, too), so that the error can be told in that line's answer;
 * request_clear is due in both cases.  The
 * line, which is not needed afterwards, is scanned by base/json: UTF-8, no
 * duplicate key and so on.  It takes a few bytes for each token id of a
 * prompt and a node for each other value. */
int request_parse(struct request *r, const char *line, size_t n,
                  struct err *err);
void request_clear(struct request *r);

/* The seed of a request that gives none: the first 8 bytes, little-endian, of
 * H("apussed1" || request id). */
uint64_t request_default_seed(const unsigned char id[32]);

#endif
