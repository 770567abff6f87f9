/*
 * A server of HTTP on loopback for tests: raw sockets, so that it can answer
 * in ways in which no server should.  A thread a connection; the handler
 * writes the answer itself, byte by byte as it likes.
 */
#ifndef APUS_TESTS_PRETEND_SERVER_H
#define APUS_TESTS_PRETEND_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pretend;

/* A request as it came. */
struct pretend_call {
    struct pretend *server;
    void *self;
    int fd;
    char method[16];
    char path[2048];
    char head[16384];       /* from the request line on, NUL-terminated */
    unsigned char *body;
    size_t n_body;
    bool has_range;
    uint64_t range_at, range_n; /* of "Range: bytes=A-B" */
    unsigned n_call;        /* from 1 on, of this server */
    unsigned n_on_connection; /* from 1 on */
    bool close;             /* the handler sets it: close after this answer */
};

/* One request at a time is handled, whatever connection it came by. */
typedef void pretend_fn(struct pretend_call *c);

struct pretend *pretend_start(pretend_fn *fn, void *self);
/* Closes what is open and waits for its threads. */
void pretend_end(struct pretend *p);
const char *pretend_url(const struct pretend *p);
unsigned pretend_calls(const struct pretend *p);
unsigned pretend_connections(const struct pretend *p);

/* Write; false when the other side is gone. */
bool pretend_put(struct pretend_call *c, const void *data, size_t n);
bool pretend_puts(struct pretend_call *c, const char *text);
/* A whole answer with Content-Length; headers end with \r\n each, or "". */
void pretend_answer(struct pretend_call *c, const char *status,
                    const char *headers, const void *body, size_t n);
/* data[0..n) as a good server gives it: HEAD, whole, or the range asked. */
void pretend_file(struct pretend_call *c, const char *headers,
                  const void *data, size_t n);
/* Value of a request's header, "" if it is not there. */
const char *pretend_header(const struct pretend_call *c, const char *name,
                           char *out, size_t n);
/* Wait while the server lives and the client is there, ms at most. */
void pretend_wait(struct pretend_call *c, unsigned ms);

#endif
