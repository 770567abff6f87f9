/*
 * What a request says, and the parameters of its body, each by its name.  The
 * functions are private to the parsers of requests and of messages.
 *
 * A line of a file, the data of a message and its X-Options say the same
 * things in three places; the rules are here, so that they cannot differ.
 * Numbers are read from their text, never through a double (doc/proof.md
 * section 3): 0.7 is 700000 millionths on every machine.  A parameter that is
 * not implemented is refused unless its value would change nothing.
 */
#ifndef APUS_STORE_REQUEST_FIELDS_H
#define APUS_STORE_REQUEST_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/request_file.h"

struct err;
struct json;

#define REQUEST_MAX_LINE REQUEST_FILE_MAX_LINE /* bytes of one line */
#define REQUEST_MAX_STOPS 16
#define REQUEST_MAX_CHOICES 8
#define REQUEST_MAX_LOGPROBS 20

/* A message of a chat; the strings are the request's, UTF-8, NUL-terminated. */
struct request_message {
    const char *role;    /* system, developer, user, assistant, tool */
    const char *content; /* NULL: none, beside calls of tools */
    /* all of the message, of which the members name, tool_call_id, tool_calls
     * and reasoning_content are checked */
    const struct json *more;
};

/* A stop string, borrowed from the tree of the line. */
struct request_stop {
    const char *text;
    size_t n; /* 1 to 64 bytes */
};

/* Made by request_parse (request.h), which fills all of it, and released by
 * request_clear, also after a failure. */
struct request {
    struct json *line;   /* owns the strings below */
    const char *custom_id; /* NULL if it could not be read */
    char *kept_id;       /* owns custom_id if there is no such tree */
    bool chat;           /* /v1/chat/completions, else /v1/completions */
    const char *model;   /* as the line says, NULL if absent */
    struct request_message *message; /* chat */
    size_t n_messages;
    const struct json *tools, *documents; /* chat: arrays of objects, or NULL */
    const struct json *kwargs; /* chat: chat_template_kwargs, or NULL */
    const char *date;    /* body.apus.date, YYYY-MM-DD, or NULL */
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
    bool logprobs;        /* of the tokens of the answer .. */
    uint32_t top_logprobs; /* .. and of so many of the likeliest, 0 to 20 */
    struct request_stop stop[REQUEST_MAX_STOPS]; /* sorted, unique */
    size_t n_stops;
    unsigned given;       /* request_fields.c's: what was said */
};

/* Where a body stands, and so what beside the parameters is its own. */
enum request_place {
    REQUEST_CHAT,       /* in a line, for /v1/chat/completions */
    REQUEST_COMPLETION, /* .. for /v1/completions */
    REQUEST_DATA,       /* in the data of a message: messages or a prompt */
    REQUEST_OPTIONS     /* a message's X-Options: neither */
};

/* The values of a request that says nothing. */
void request_defaults(struct request *r);

/* Set the parameters that the body has, over those that r has: what another
 * body gave before must not differ.  Messages and prompt are left to the
 * caller. */
int request_fields(struct request *r, const struct json *body,
                   enum request_place place, struct err *err);

/* The messages of a body that is in a text of n bytes, with what else a chat
 * template sees, or its prompt. */
int request_chat(struct request *r, const struct json *body, size_t n,
                 struct err *err);
int request_prompt(struct request *r, const struct json *v, struct err *err);

/* NULL, null, "", [] or {}. */
bool request_is_empty(const struct json *v);

/* "`name` must be `what`"; returns -1. */
int request_must(struct err *err, const char *name, const char *what);

/* How many bytes of a name from outside to show in a message. */
int request_shown(const char *name);

#endif
