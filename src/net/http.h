/*
 * HTTP as a client (libcurl), for what lies on other machines and is not to be
 * trusted: https only (http on loopback), certificates checked, at most three
 * redirects and never to another scheme nor into or out of loopback, no netrc,
 * no cookies, no decoding of contents, a ceiling on every body and every wait.
 * HTTP/1.1 alone, since bundlers tell why in the reason phrase.  A proxy of
 * the environment (https_proxy, no_proxy) is used as an admin of a login node
 * expects, but never for loopback.  What a status means is the caller's.
 */
#ifndef APUS_NET_HTTP_H
#define APUS_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct err;
struct http;
struct settings;

/* Ceilings; http_limits_of reads them from the settings http-connect-timeout,
 * http-stall-timeout, http-timeout and http-retries. */
struct http_limits {
    unsigned connect_s; /* to connect */
    unsigned stall_s;   /* without a byte either way */
    unsigned total_s;   /* for one exchange; 0: only the two above */
    unsigned retries;   /* of http_try, after the first attempt */
    unsigned wait_ms;   /* before the second attempt; 0: 1000 */
};
void http_limits_of(struct http_limits *l, const struct settings *s);

/* A client: keeps connections open between calls; one thread at a time. */
int http_new(struct http **out, const struct http_limits *l, struct err *err);
void http_free(struct http *h);

/* Asked now and then while an exchange goes on and between two attempts: it
 * ends (ERR_RETRY) when stop() says so.  NULL: nobody is asked. */
void http_stop(struct http *h, bool (*stop)(void));

/* ERR_INPUT unless `url` is one that this client would call. */
int http_url_check(const char *url, struct err *err);

/* base without its trailing slashes, "/", path: the caller frees it. */
char *http_url_join(const char *base, const char *path);

/* Takes a piece of a body; a failure ends the exchange with that error. */
typedef int http_sink_fn(void *self, const void *data, size_t n,
                         struct err *err);
/* Gives the next piece of a request's body, at most n bytes: their number in
 * *got, 0 at the end. */
typedef int http_source_fn(void *self, void *data, size_t n, size_t *got,
                           struct err *err);

struct http_request {
    const char *method;         /* "GET", "HEAD", "POST" */
    const char *url;
    /* "Name: value", NULL at the end; or NULL.  A POST without Content-Type
     * is application/octet-stream. */
    const char *const *header;
    /* body of a POST: memory, or a source of exactly body_n bytes */
    const void *body;
    uint64_t body_n;
    http_source_fn *source;     /* if not NULL, body is not looked at */
    void (*rewind)(void *self); /* of the source, before it is sent again */
    void *source_self;
    /* bytes [range_at, range_at + range_n) only, if range_n > 0: any answer
     * but 206 with exactly this Content-Range is ERR_INPUT, 200 too;
     * statuses of 400 and more are told as they are */
    uint64_t range_at, range_n;
    /* where a body of 2xx goes; NULL: into the answer.  Bodies of other
     * statuses go into the answer, cut at 64 KiB. */
    http_sink_fn *sink;
    void *sink_self;
    uint64_t max_body;          /* over it: ERR_INPUT; must be set */
};

struct http_answer {
    int status;            /* of the last answer, 200 to 599 */
    char reason[128];      /* the text behind it, or "" */
    struct buf body;
    struct buf head;       /* lines "Name: value\n", names as they came */
    uint64_t n_body;       /* bytes of body that came */
    unsigned retry_after_s; /* of Retry-After in seconds, at most 3600; 0 */
};
void http_answer_init(struct http_answer *a);
void http_answer_clear(struct http_answer *a);

/* Value of a header by its name in any case, trimmed, in out[0..n): true if it
 * is there once and fits. */
bool http_header(const struct http_answer *a, const char *name, char *out,
                 size_t n);

/* Whether the body is a web page: that of a proxy or a login on the way, where
 * JSON was asked for. */
bool http_is_page(const struct http_answer *a);

/* One exchange.  0 whenever an answer came whole, whatever its status; a POST
 * is sent again only after 307 and 308, and when a connection that was kept
 * turns out to be closed.
 * ERR_RETRY: no connection, a certificate that is not trusted, a timeout, a
 * body that is shorter than it says, no HTTP, a web page instead of a range.
 * ERR_INPUT: a URL or redirect that is refused, a body or a head over the
 * ceiling (64 KiB for a head), a wrong range.  Or what the sink or source
 * says.  `a` is as after http_answer_init on failure. */
int http_do(struct http *h, const struct http_request *r,
            struct http_answer *a, struct err *err);

/* The same again after ERR_RETRY, 429, 502, 503 and 504, as often as the
 * limits say: after 1 s, doubled, with jitter, or what Retry-After says (up to
 * a minute).  Ends early if stop() says so (NULL is allowed): ERR_RETRY.  A
 * certificate that is not trusted is not tried again.  Only
 * for calls that may be made twice, and with no sink or one that starts anew
 * when `again` is called (NULL is allowed) with sink_self. */
int http_try(struct http *h, const struct http_request *r,
             void (*again)(void *sink_self), bool (*stop)(void),
             struct http_answer *a, struct err *err);

/* Wait as long as http_try does after its attempt number `turn` (from 0 on)
 * and this answer (NULL is allowed), for those who try again by themselves:
 * ERR_RETRY if told to stop. */
int http_wait(struct http *h, unsigned turn, const struct http_answer *a,
              struct err *err);

/* The library behind this and its version, for --version. */
const char *http_library(void);

#endif
