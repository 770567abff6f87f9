/*
 * libmicrohttpd on one side, calls and answers on the other.
 */
#include <config.h>

#include "localnet/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"

#define HEAD_MAX ((size_t)64 << 10)
#define BODY_MAX ((size_t)256 << 20)
#define BLOCK ((size_t)64 << 10)
#define MAX_CONNECTIONS 256

struct server {
    struct MHD_Daemon *daemon;
    struct handlers h;
    atomic_bool stopping;
};

/* What is kept of a request between the pieces of its body. */
struct served_request {
    bool seen; /* the headers were looked at */
    struct call call;
    struct buf body;
};

/* A body on its way out. */
struct out {
    struct server *server;
    struct response a; /* its pieces */
    uint64_t size;
    int fd;          /* of the piece that is open, -1: none */
    size_t open;
};

/* ---- answers ------------------------------------------------------------- */

void answer_type(struct response *a, const char *type)
{
    snprintf(a->type, sizeof(a->type), "%s", type);
}

void answer_header(struct response *a, const char *name, const char *fmt, ...)
{
    va_list ap;
    char text[2048];

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    /* a value from outside must not begin a line of its own */
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    buf_printf(&a->head, "%s: %s\n", name, text);
}

void answer_piece(struct response *a, void *memory, char *path, uint64_t at,
                  uint64_t n)
{
    VEC_MORE(a->piece, a->n_pieces);
    a->piece[a->n_pieces++] = (struct piece){ memory, path, at, n };
}

void answer_error(struct response *a, int status, const char *text)
{
    a->status = status;
    answer_type(a, "application/json");
    buf_reset(&a->body);
    buf_puts(&a->body, "{\"error\":");
    json_put_string(&a->body, text, strlen(text));
    buf_puts(&a->body, "}");
}

void answer_text(struct response *a, int status, const char *text)
{
    a->status = status;
    answer_type(a, "text/plain; charset=utf-8");
    buf_reset(&a->body);
    buf_puts(&a->body, text);
}

static void answer_clear(struct response *a)
{
    buf_clear(&a->head);
    buf_clear(&a->body);
    for (size_t i = 0; i < a->n_pieces; i++) {
        free(a->piece[i].memory);
        free(a->piece[i].path);
    }
    free(a->piece);
}

const char *call_query(const struct call *c, const char *name)
{
    return MHD_lookup_connection_value(c->connection, MHD_GET_ARGUMENT_KIND,
                                       name);
}

const char *call_header(const struct call *c, const char *name)
{
    return MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, name);
}

/* ---- bodies -------------------------------------------------------------- */

static void out_free(void *self)
{
    struct out *o = self;

    if (o->fd >= 0)
        close(o->fd);
    answer_clear(&o->a);
    free(o);
}

static void stall(struct out *o)
{
    const struct timespec tenth = { 0, 100000000 };

    while (!atomic_load(&o->server->stopping))
        nanosleep(&tenth, NULL);
}

/* Bytes of piece i, from `at` in it. */
static ssize_t read_piece(struct out *o, size_t i, uint64_t at, char *to,
                          size_t n)
{
    const struct piece *p = &o->a.piece[i];

    if (n > p->n - at)
        n = (size_t)(p->n - at);
    if (p->memory) {
        memcpy(to, (const char *)p->memory + p->at + at, n);
        return (ssize_t)n;
    }
    if (o->fd < 0 || o->open != i) {
        if (o->fd >= 0)
            close(o->fd);
        o->fd = open(p->path, O_RDONLY | O_CLOEXEC);
        o->open = i;
    }
    return o->fd < 0 ? -1 : pread(o->fd, to, n, (off_t)(p->at + at));
}

static ssize_t out_read(void *self, uint64_t pos, char *to, size_t max)
{
    struct out *o = self;
    uint64_t at = pos, half = o->size / 2;
    ssize_t n = -1;

    if (o->a.fault == FAULT_ENDLESS) {
        memset(to, 'x', max);
        return (ssize_t)max;
    }
    if (o->a.fault == FAULT_SHORT || o->a.fault == FAULT_STALL) {
        if (pos >= half && o->a.fault == FAULT_STALL)
            stall(o);
        if (pos >= half)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (max > half - pos)
            max = (size_t)(half - pos);
    }
    for (size_t i = 0; i < o->a.n_pieces; i++) {
        if (at < o->a.piece[i].n) {
            n = read_piece(o, i, at, to, max);
            break;
        }
        at -= o->a.piece[i].n;
    }
    if (n <= 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (o->a.fault == FAULT_FLIP && half >= pos && half - pos < (uint64_t)n)
        to[half - pos] ^= 1;
    return n;
}

/* The answer's contents become the response's. */
static struct MHD_Response *response_of(struct server *s, struct response *a)
{
    struct out *o = xcalloc(1, sizeof(*o));
    uint64_t size = 0;

    if (a->n_pieces == 0 && a->body.len > 0) {
        size_t n = a->body.len;

        answer_piece(a, buf_take(&a->body, NULL), NULL, 0, n);
    }
    for (size_t i = 0; i < a->n_pieces; i++)
        size += a->piece[i].n;
    o->server = s;
    o->a = *a;
    o->size = size;
    o->fd = -1;
    if (a->fault == FAULT_ENDLESS)
        size = MHD_SIZE_UNKNOWN;
    if (size == 0) {
        out_free(o);
        return MHD_create_response_from_buffer(0, (void *)"",
                                               MHD_RESPMEM_PERSISTENT);
    }
    return MHD_create_response_from_callback(size, BLOCK, out_read, o,
                                             out_free);
}

static void add_headers(struct MHD_Response *r, char *lines)
{
    for (char *line = lines; line && *line;) {
        char *end = strchr(line, '\n'), *value = strstr(line, ": ");

        if (end)
            *end = '\0';
        if (value) {
            *value = '\0';
            MHD_add_response_header(r, line, value + 2);
        }
        line = end ? end + 1 : NULL;
    }
}

static enum MHD_Result answer_http(struct server *s, struct MHD_Connection *c,
                                   struct served_request *q)
{
    struct response a = { .status = 200 };
    struct MHD_Response *r;
    enum MHD_Result result;
    char *head;
    int status;

    answer_type(&a, "application/json");
    buf_init(&a.head, HEAD_MAX);
    buf_init(&a.body, BODY_MAX);
    q->call.body = q->body.data ? q->body.data : "";
    q->call.n_body = q->body.len;
    s->h.answer(s->h.self, &q->call, &a);
    if (a.fault == FAULT_DROP) {
        answer_clear(&a);
        return MHD_NO;
    }
    /* MHD sends it without end after a HEAD too, into the next answer */
    if (a.fault == FAULT_ENDLESS && strcmp(q->call.method, "HEAD") == 0)
        a.fault = FAULT_NONE;
    status = a.status;
    answer_header(&a, "Content-Type", "%s", a.type);
    head = buf_take(&a.head, NULL);
    r = response_of(s, &a);
    add_headers(r, head);
    free(head);
    result = MHD_queue_response(c, (unsigned)status, r);
    MHD_destroy_response(r);
    return result;
}

/* ---- requests ------------------------------------------------------------ */

/* Once, when the headers are there. */
static void begin_request(struct server *s, struct MHD_Connection *c,
                          struct served_request *q, const char *url,
                          const char *method)
{
    const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND,
                                                     "Content-Length");
    uint64_t size = 0;

    q->seen = true;
    q->call.method = method;
    q->call.path = url;
    q->call.connection = c;
    buf_init(&q->body, s->h.body_max(s->h.self, &q->call));
    if (strcmp(method, "POST") == 0 && length &&
        json_u64_text(length, &size) == 0)
        q->call.sink = s->h.sink_new(s->h.self, &q->call, size);
}

static enum MHD_Result handle(void *self, struct MHD_Connection *c,
                              const char *url, const char *method,
                              const char *version, const char *data,
                              size_t *n, void **state)
{
    struct server *s = self;
    struct served_request *q = *state;

    (void)version;
    if (!q->seen) {
        begin_request(s, c, q, url, method);
        return MHD_YES;
    }
    q->call.path = url;
    q->call.method = method;
    if (*n == 0)
        return answer_http(s, c, q);
    if (q->call.sink)
        s->h.sink_put(q->call.sink, data, *n);
    else
        buf_put(&q->body, data, *n);
    q->call.body_cut = q->body.full;
    *n = 0;
    return MHD_YES;
}

/* Every request gets its state before the first handle(). */
static void *arrived(void *self, const char *uri, struct MHD_Connection *c)
{
    (void)self;
    (void)uri;
    (void)c;
    return xcalloc(1, sizeof(struct served_request));
}

static void completed(void *self, struct MHD_Connection *c, void **state,
                      enum MHD_RequestTerminationCode why)
{
    struct server *s = self;
    struct served_request *q = *state;

    (void)c;
    (void)why;
    if (!q)
        return;
    if (q->call.sink)
        s->h.sink_free(q->call.sink);
    buf_clear(&q->body);
    free(q);
    *state = NULL;
}

/* ---- start, stop --------------------------------------------------------- */

int server_start(struct server **out, unsigned *port,
                 const struct handlers *h, struct err *err)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)*port) };
    const union MHD_DaemonInfo *info;
    struct server *s = xcalloc(1, sizeof(*s));

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->h = *h;
    s->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0,
        NULL, NULL, handle, s, MHD_OPTION_SOCK_ADDR, &at,
        MHD_OPTION_URI_LOG_CALLBACK, arrived, s,
        MHD_OPTION_NOTIFY_COMPLETED, completed, s,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)MAX_CONNECTIONS,
        MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
        MHD_OPTION_END);
    if (!s->daemon) {
        free(s);
        return err_errno(err, ERR_INPUT, "cannot listen on 127.0.0.1:%u",
                         *port);
    }
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info && info->port)
        *port = info->port;
    *out = s;
    return 0;
}

void server_stop(struct server *s)
{
    if (!s)
        return;
    atomic_store(&s->stopping, true);
    MHD_stop_daemon(s->daemon);
    free(s);
}

const char *server_library(void)
{
    static char text[64];

    snprintf(text, sizeof(text), "libmicrohttpd %s", MHD_get_version());
    return text;
}
