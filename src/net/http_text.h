/*
 * The texts of HTTP that http.c believes only after it has read them itself:
 * URLs, header lines, ranges.  No network here.
 */
#ifndef APUS_NET_HTTP_TEXT_H
#define APUS_NET_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define HTTP_URL_MAX 2048

struct http_url {
    bool tls;      /* https */
    bool loopback; /* 127.0.0.0/8, ::1 or localhost, by its name */
};

/* ERR_INPUT unless it is https, or http on loopback, with a plain host, no
 * user and no fragment. */
int http_url_parse(struct http_url *u, const char *url, struct err *err);

/* Whether an exchange that began at `from` may go on at `to`: the same scheme
 * and loopback only within loopback. */
bool http_redirect_allowed(const struct http_url *from,
                           const struct http_url *to);

/* Append a header line as "Name: value\n": value trimmed, control bytes as
 * '?'.  A line that is none is left out. */
void http_line_put(struct buf *head, const char *line, size_t n);

/* The value of the only header of this name, in any case, in such lines: its
 * place and length. */
enum http_line { HTTP_LINE_NONE, HTTP_LINE_ONE, HTTP_LINE_SEVERAL };
enum http_line http_line_find(const char *head, size_t n, const char *name,
                              const char **value, size_t *n_value);

/* Whether "bytes A-B/N" is exactly the n > 0 bytes at `at`; N may be '*'. */
bool http_range_is(const char *text, uint64_t at, uint64_t n);

#endif
