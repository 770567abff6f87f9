/*
 * The server of pretend_server.h.
 */
#include <config.h>

#include "tests/pretend_server.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define MAX_CONNECTIONS 512

struct pretend {
    int fd;
    char url[64];
    pretend_fn *fn;
    void *self;
    pthread_t thread;
    pthread_mutex_t lock; /* of the handler */
    atomic_bool over;
    atomic_uint n_calls, n_conns;
    pthread_t conn[MAX_CONNECTIONS];
    int conn_fd[MAX_CONNECTIONS];
};

struct connection {
    struct pretend *p;
    int fd;
};

/* Readable within the life of the server. */
static bool wait_for(struct pretend *p, int fd)
{
    struct pollfd w = { .fd = fd, .events = POLLIN };

    while (!p->over)
        if (poll(&w, 1, 50) > 0)
            return true;
    return false;
}

static bool read_some(struct pretend *p, int fd, void *data, size_t n)
{
    char *to = data;

    while (n) {
        ssize_t got = wait_for(p, fd) ? recv(fd, to, n, 0) : 0;

        if (got <= 0)
            return false;
        to += got;
        n -= (size_t)got;
    }
    return true;
}

const char *pretend_header(const struct pretend_call *c, const char *name,
                           char *out, size_t n)
{
    size_t len = strlen(name);

    out[0] = '\0';
    for (const char *p = strstr(c->head, "\r\n"); p; p = strstr(p, "\r\n")) {
        p += 2;
        if (strncasecmp(p, name, len) != 0 || p[len] != ':')
            continue;
        p += len + 1;
        p += strspn(p, " ");
        snprintf(out, n, "%.*s", (int)strcspn(p, "\r"), p);
    }
    return out;
}

static bool read_head(struct pretend *p, struct pretend_call *c)
{
    size_t n = 0;

    while (n + 1 < sizeof(c->head)) {
        if (!read_some(p, c->fd, c->head + n, 1))
            return false;
        c->head[++n] = '\0';
        if (n >= 4 && memcmp(c->head + n - 4, "\r\n\r\n", 4) == 0)
            return sscanf(c->head, "%15s %2047s", c->method, c->path) == 2;
    }
    return false;
}

static bool read_call(struct pretend *p, struct pretend_call *c)
{
    uint64_t at, last;
    char text[256];

    if (!read_head(p, c))
        return false;
    pretend_header(c, "content-length", text, sizeof(text));
    c->n_body = (size_t)strtoull(text, NULL, 10);
    c->body = xmalloc(c->n_body + 1);
    if (!read_some(p, c->fd, c->body, c->n_body))
        return false;
    pretend_header(c, "range", text, sizeof(text));
    c->has_range = sscanf(text, "bytes=%" SCNu64 "-%" SCNu64, &at, &last) == 2;
    if (c->has_range) {
        c->range_at = at;
        c->range_n = last - at + 1;
    }
    return true;
}

static void *serve(void *arg)
{
    struct connection *conn = arg;
    struct pretend *p = conn->p;
    unsigned n = 0;

    for (bool more = true; more && !p->over;) {
        struct pretend_call *c = xcalloc(1, sizeof(*c));

        c->server = p;
        c->self = p->self;
        c->fd = conn->fd;
        more = read_call(p, c);
        if (more) {
            c->n_call = ++p->n_calls;
            c->n_on_connection = ++n;
            pthread_mutex_lock(&p->lock);
            p->fn(c);
            pthread_mutex_unlock(&p->lock);
            more = !c->close;
        }
        free(c->body);
        free(c);
    }
    shutdown(conn->fd, SHUT_RDWR);
    free(conn);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct pretend *p = arg;

    while (wait_for(p, p->fd)) {
        struct connection *c;
        int fd = accept(p->fd, NULL, NULL);
        unsigned n = p->n_conns;
        int on = 1;

        if (fd < 0)
            continue;
        /* head and body are two writes: do not wait for an ACK between */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (n == MAX_CONNECTIONS)
            abort();
        c = xcalloc(1, sizeof(*c));
        c->p = p;
        c->fd = p->conn_fd[n] = fd;
        if (pthread_create(&p->conn[n], NULL, serve, c))
            abort();
        p->n_conns++;
    }
    return NULL;
}

struct pretend *pretend_start(pretend_fn *fn, void *self)
{
    struct pretend *p = xcalloc(1, sizeof(*p));
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fn = fn;
    p->self = self;
    pthread_mutex_init(&p->lock, NULL);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&a, n) ||
        listen(p->fd, 32) || getsockname(p->fd, (struct sockaddr *)&a, &n))
        abort();
    snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u",
             (unsigned)ntohs(a.sin_port));
    if (pthread_create(&p->thread, NULL, accept_all, p))
        abort();
    return p;
}

void pretend_end(struct pretend *p)
{
    p->over = true;
    pthread_join(p->thread, NULL);
    for (unsigned i = 0; i < p->n_conns; i++)
        shutdown(p->conn_fd[i], SHUT_RDWR);
    for (unsigned i = 0; i < p->n_conns; i++) {
        pthread_join(p->conn[i], NULL);
        close(p->conn_fd[i]);
    }
    close(p->fd);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

const char *pretend_url(const struct pretend *p)
{
    return p->url;
}

unsigned pretend_calls(const struct pretend *p)
{
    return p->n_calls;
}

unsigned pretend_connections(const struct pretend *p)
{
    return p->n_conns;
}

/* From a copy: a client that has heard all of it may go on, and its test free
 * what was sent, before this thread comes back from its call. */
bool pretend_put(struct pretend_call *c, const void *data, size_t n)
{
    char *copy = xmalloc(n ? n : 1), *p = copy;
    bool good = true;

    if (n)
        memcpy(copy, data, n);

    while (good && n && !c->server->over) {
        struct pollfd w = { .fd = c->fd, .events = POLLOUT };
        ssize_t got;

        if (poll(&w, 1, 50) <= 0)
            continue;
        got = send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        good = got >= 0;
        p += good ? got : 0;
        n -= good ? (size_t)got : 0;
    }
    free(copy);
    return good && !n;
}

bool pretend_puts(struct pretend_call *c, const char *text)
{
    return pretend_put(c, text, strlen(text));
}

void pretend_answer(struct pretend_call *c, const char *status,
                    const char *headers, const void *body, size_t n)
{
    char *head = xasprintf("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n",
                           status, headers, n);

    pretend_puts(c, head);
    if (strcmp(c->method, "HEAD") != 0)
        pretend_put(c, body, n);
    free(head);
}

void pretend_file(struct pretend_call *c, const char *headers,
                  const void *data, size_t n)
{
    char *head;

    if (!c->has_range) {
        pretend_answer(c, "200 OK", headers, data, n);
        return;
    }
    if (c->range_at >= n) {
        pretend_answer(c, "416 Range Not Satisfiable", headers, "", 0);
        return;
    }
    if (c->range_n > n - c->range_at)
        c->range_n = n - c->range_at;
    head = xasprintf("%sContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%zu\r\n",
                     headers, c->range_at, c->range_at + c->range_n - 1, n);
    pretend_answer(c, "206 Partial Content", head,
                   (const char *)data + c->range_at, (size_t)c->range_n);
    free(head);
}

void pretend_wait(struct pretend_call *c, unsigned ms)
{
    char byte;

    for (; ms && !c->server->over; ms -= ms < 20 ? ms : 20) {
        if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
            return;
        usleep(20000);
    }
}
