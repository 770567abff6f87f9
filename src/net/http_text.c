/*
 * URLs, header lines and ranges: strict where a stranger wrote them.
 */
#include <config.h>

#include "net/http_text.h"

#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* "127." and three numbers of up to 255: no short forms, no octal. */
static bool is_loopback_v4(const char *host, size_t n)
{
    unsigned dots = 0, value = 0, digits = 0;

    if (n < 9 || memcmp(host, "127.", 4) != 0)
        return false;
    for (size_t i = 4; i <= n; i++) {
        if (i == n || host[i] == '.') {
            if (!digits || value > 255)
                return false;
            dots++;
            value = digits = 0;
        } else if (host[i] >= '0' && host[i] <= '9' && digits < 3 &&
                   !(digits && !value)) {
            value = 10 * value + (unsigned)(host[i] - '0');
            digits++;
        } else {
            return false;
        }
    }
    return dots == 3;
}

static bool is_loopback(const char *host, size_t n)
{
    return (n == 9 && strncasecmp(host, "localhost", 9) == 0) ||
           (n == 5 && memcmp(host, "[::1]", 5) == 0) || is_loopback_v4(host, n);
}

/* Length of the host at the front of an authority, 0 if it is none. */
static size_t host_length(const char *s)
{
    size_t n;

    if (*s == '[') {
        n = strspn(s + 1, "0123456789abcdefABCDEF:.");
        return n && s[1 + n] == ']' ? n + 2 : 0;
    }
    return strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_");
}

static bool is_port(const char *s, size_t n)
{
    uint64_t port = 0;

    if (n < 1 || n > 5)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        port = 10 * port + (uint64_t)(s[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

int http_url_parse(struct http_url *u, const char *url, struct err *err)
{
    bool tls = strncasecmp(url, "https://", 8) == 0;
    size_t n_host, n_port = 0;
    const char *host, *end;

    if (strlen(url) > HTTP_URL_MAX)
        return err_set(err, ERR_INPUT, "a URL is over %d bytes",
                       HTTP_URL_MAX);
    for (const char *p = url; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '#' || *p == '\\' || *p == '"')
            return err_set(err, ERR_INPUT, "the URL \"%s\" has a byte that "
                           "no URL has", url);
    if (!tls && strncasecmp(url, "http://", 7) != 0)
        return err_set(err, ERR_INPUT, "the URL \"%s\" is not https", url);
    host = url + (tls ? 8 : 7);
    n_host = host_length(host);
    end = host + n_host;
    if (*end == ':') {
        n_port = strcspn(++end, "/?");
        if (!is_port(end, n_port))
            n_host = 0;
        end += n_port;
    }
    if (!n_host || (*end && *end != '/' && *end != '?'))
        return err_set(err, ERR_INPUT, "the URL \"%s\" has no plain host",
                       url);
    if (!tls && !is_loopback(host, n_host))
        return err_set(err, ERR_INPUT, "the URL \"%s\" is not https (http is "
                       "for this machine alone)", url);
    u->tls = tls;
    u->loopback = is_loopback(host, n_host);
    return 0;
}

bool http_redirect_allowed(const struct http_url *from,
                           const struct http_url *to)
{
    return from->tls == to->tls && from->loopback == to->loopback;
}

void http_line_put(struct buf *head, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    size_t n_name = colon ? (size_t)(colon - line) : 0;
    size_t at = n_name + 1;

    for (size_t i = 0; i < n_name; i++)
        if (line[i] <= ' ' || line[i] > '~')
            return;
    if (!n_name)
        return;
    while (n > at && strchr(" \t\r\n", line[n - 1]))
        n--;
    while (at < n && (line[at] == ' ' || line[at] == '\t'))
        at++;
    buf_put(head, line, n_name);
    buf_puts(head, ": ");
    for (size_t i = at; i < n; i++) {
        unsigned char c = (unsigned char)line[i];

        buf_putc(head, (c < ' ' && c != '\t') || c == 127 ? '?' : c);
    }
    buf_putc(head, '\n');
}

enum http_line http_line_find(const char *head, size_t n, const char *name,
                              const char **value, size_t *n_value)
{
    size_t n_name = strlen(name), found = 0;

    for (size_t at = 0; at < n;) {
        const char *line = head + at, *end = memchr(line, '\n', n - at);
        size_t len = end ? (size_t)(end - line) : n - at;

        if (len >= n_name + 2 && strncasecmp(line, name, n_name) == 0 &&
            line[n_name] == ':') {
            *value = line + n_name + 2;
            *n_value = len - n_name - 2;
            found++;
        }
        at += len + 1;
    }
    if (found == 0)
        return HTTP_LINE_NONE;
    return found == 1 ? HTTP_LINE_ONE : HTTP_LINE_SEVERAL;
}

/* The decimal number at *s, which is moved past it. */
static bool take_number(const char **s, uint64_t *v)
{
    size_t n = strspn(*s, "0123456789");
    char text[21];

    if (n < 1 || n > 20)
        return false;
    memcpy(text, *s, n);
    text[n] = '\0';
    *s += n;
    return !json_u64_text(text, v);
}

bool http_range_is(const char *text, uint64_t at, uint64_t n)
{
    uint64_t first, last, all;

    if (strncasecmp(text, "bytes ", 6) != 0)
        return false;
    text += 6;
    if (!take_number(&text, &first) || *text++ != '-' ||
        !take_number(&text, &last) || *text++ != '/')
        return false;
    if (first != at || last < first || last - first != n - 1)
        return false;
    if (strcmp(text, "*") == 0)
        return true;
    return take_number(&text, &all) && !*text && all > last;
}
