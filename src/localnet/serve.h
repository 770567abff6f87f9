/*
 * HTTP as a server (libmicrohttpd), on 127.0.0.1 and nowhere else, a thread a
 * connection.  What a path means is the handlers': they are told of a call and
 * fill in an answer; how it is spoiled on the way (--hostile) is carried out
 * here.
 */
#ifndef APUS_LOCALNET_SERVE_H
#define APUS_LOCALNET_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct server;

#define SERVE_MAX_BODY ((size_t)4 << 20) /* of most calls */

/* A call; everything is valid during the handler. */
struct call {
    const char *method; /* "GET", "HEAD", "POST" */
    const char *path;   /* decoded, without the query */
    const char *body;   /* followed by a NUL */
    size_t n_body;
    bool body_cut;      /* it was over body_max */
    void *sink;         /* of the body, if the handler took it piecewise */
    void *connection;
};
/* Value of a query argument or a header, NULL if it is missing. */
const char *call_query(const struct call *c, const char *name);
const char *call_header(const struct call *c, const char *name);

/* What goes wrong on the way. */
enum fault { FAULT_NONE, FAULT_FLIP, FAULT_SHORT, FAULT_STALL, FAULT_ENDLESS,
             FAULT_DROP };

/* A part of a body: memory, or bytes of a file. */
struct piece {
    void *memory; /* freed with the answer; or NULL */
    char *path;   /* freed with the answer */
    uint64_t at, n;
};

struct response {
    int status;
    char type[200];   /* Content-Type */
    struct buf head;  /* further lines "Name: value\n" */
    struct buf body;  /* the body, or if there are pieces, those */
    struct piece *piece;
    size_t n_pieces;
    enum fault fault;
};
void answer_type(struct response *a, const char *type);
void answer_header(struct response *a, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* memory and path become the answer's. */
void answer_piece(struct response *a, void *memory, char *path, uint64_t at,
                  uint64_t n);
/* {"error":"text"}, as the units of AO say it. */
void answer_error(struct response *a, int status, const char *text);
void answer_text(struct response *a, int status, const char *text);

struct handlers {
    void *self;
    void (*answer)(void *self, const struct call *c, struct response *a);
    /* The ceiling of a body in memory. */
    size_t (*body_max)(void *self, const struct call *c);
    /* Called before the body of a POST: what takes it (then handed over in
     * call.sink, and given back to sink_free after the answer), or NULL for
     * memory.  `size` is its length. */
    void *(*sink_new)(void *self, const struct call *c, uint64_t size);
    void (*sink_put)(void *sink, const void *data, size_t n);
    void (*sink_free)(void *sink);
};

/* Listen on 127.0.0.1:*port (0: the system chooses; *port is what it is). */
int server_start(struct server **out, unsigned *port,
                 const struct handlers *h, struct err *err);
/* Ends connections, stalled ones too. */
void server_stop(struct server *s);

/* Name and version of the library below, static. */
const char *server_library(void);

#endif
