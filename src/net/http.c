/*
 * HTTP with libcurl.  Redirects are followed here and not in the library, so
 * that each is held against the rules; so are stalls, ceilings and ranges.
 * Texts are read in http_text.c.
 */
#include <config.h>

#include "net/http.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/settings.h"
#include "net/http_text.h"

#define MAX_REDIRECTS 3
#define MAX_HEAD ((size_t)64 << 10)   /* of an answer */
#define MAX_HEADS ((size_t)256 << 10) /* of an exchange, 1xx and all */
#define MAX_TEXT ((size_t)64 << 10)   /* of a body that is no 2xx */
#define MAX_RETRY_AFTER 3600
#define MAX_WAIT_MS 60000
#define STEP_MS 100 /* between two questions whether to stop */

struct http {
    CURL *curl;
    struct http_limits limits;
    bool (*stop)(void);
    bool untrusted; /* the last failure was a certificate */
};

/* One exchange while it goes on. */
struct exchange {
    struct http *h;
    const struct http_request *r;
    struct http_answer *a;
    struct http_url url;
    size_t n_heads;     /* bytes of all heads */
    uint64_t n_sent;    /* of the body */
    bool body;          /* the head of the answer is over */
    bool cut;           /* what is left of the body is not wanted */
    uint64_t moved_ms;  /* when a byte last moved */
    curl_off_t n_moved; /* bytes up to then */
    bool connected;
    bool dirty;         /* the source was read from */
    struct err err;     /* what ended it, if we did */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global_code;

static void init_global(void)
{
    global_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The ranges of the settings are far below what unsigned holds. */
static unsigned count_of(const struct settings *s, const char *name)
{
    return (unsigned)settings_count(s, name);
}

void http_limits_of(struct http_limits *l, const struct settings *s)
{
    memset(l, 0, sizeof(*l));
    l->connect_s = count_of(s, "http-connect-timeout");
    l->stall_s = count_of(s, "http-stall-timeout");
    l->total_s = count_of(s, "http-timeout");
    l->retries = count_of(s, "http-retries");
}

int http_new(struct http **out, const struct http_limits *l, struct err *err)
{
    struct http *h;

    pthread_once(&once, init_global);
    if (global_code != CURLE_OK)
        return err_set(err, ERR_FATAL, "cannot start libcurl: %s",
                       curl_easy_strerror(global_code));
    h = xcalloc(1, sizeof(*h));
    h->limits = *l;
    h->curl = curl_easy_init();
    if (!h->curl) {
        free(h);
        return err_set(err, ERR_FATAL, "cannot start libcurl");
    }
    *out = h;
    return 0;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    free(h);
}

void http_stop(struct http *h, bool (*stop)(void))
{
    h->stop = stop;
}

int http_url_check(const char *url, struct err *err)
{
    struct http_url u;

    return http_url_parse(&u, url, err);
}

char *http_url_join(const char *base, const char *path)
{
    size_t n = strlen(base);

    while (n && base[n - 1] == '/')
        n--;
    while (*path == '/')
        path++;
    return xasprintf("%.*s/%s", (int)n, base, path);
}

void http_answer_init(struct http_answer *a)
{
    memset(a, 0, sizeof(*a));
    buf_init(&a->body, MAX_TEXT);
    buf_init(&a->head, MAX_HEAD);
}

void http_answer_clear(struct http_answer *a)
{
    buf_clear(&a->body);
    buf_clear(&a->head);
    http_answer_init(a);
}

bool http_header(const struct http_answer *a, const char *name, char *out,
                 size_t n)
{
    const char *value;
    size_t len;

    if (http_line_find(a->head.data, a->head.len, name, &value, &len) !=
            HTTP_LINE_ONE ||
        len >= n)
        return false;
    memcpy(out, value, len);
    out[len] = '\0';
    return true;
}

bool http_is_page(const struct http_answer *a)
{
    size_t i = 0;

    while (i < a->body.len && strchr(" \t\r\n", a->body.data[i]))
        i++;
    return i < a->body.len && a->body.data[i] == '<';
}

static bool is_html(const struct http_answer *a)
{
    char type[128];

    return http_header(a, "content-type", type, sizeof(type)) &&
           strncasecmp(type, "text/html", 9) == 0;
}

/* ---- what the library calls ----- */

static bool is_2xx(const struct exchange *x)
{
    return x->a->status >= 200 && x->a->status < 300;
}

/* The head is over: whether its body is one that was asked for. */
static int check_head(struct exchange *x)
{
    const struct http_request *r = x->r;
    char text[128];
    uint64_t n;

    if (r->range_n && is_2xx(x)) {
        if (x->a->status != 206 && is_html(x->a))
            return err_set(&x->err, ERR_RETRY, "\"%s\" answers %d with a web"
                           " page: look for a proxy or a login page on the"
                           " way", r->url, x->a->status);
        if (x->a->status != 206)
            return err_set(&x->err, ERR_INPUT, "\"%s\" answers %d to a range",
                           r->url, x->a->status);
        if (!http_header(x->a, "content-range", text, sizeof(text)) ||
            !http_range_is(text, r->range_at, r->range_n))
            return err_set(&x->err, ERR_INPUT,
                           "\"%s\" answers with another range than %" PRIu64
                           "+%" PRIu64,
                           r->url, r->range_at, r->range_n);
    }
    if (is_2xx(x) && strcmp(r->method, "HEAD") != 0 &&
        http_header(x->a, "content-length", text, sizeof(text)) &&
        !json_u64_text(text, &n) && n > r->max_body)
        return err_set(&x->err, ERR_INPUT,
                       "\"%s\" has %" PRIu64 " bytes, at most "
                       "%" PRIu64 " are taken",
                       r->url, n, r->max_body);
    return 0;
}

/* A status line begins a head anew: there may be some of 1xx before. */
static void begin_head(struct exchange *x, const char *line, size_t n)
{
    struct http_answer *a = x->a;
    const char *space = memchr(line, ' ', n);
    size_t at = space ? (size_t)(space - line) + 1 : n, k = 0;

    buf_reset(&a->head);
    a->status = 0;
    a->reason[0] = '\0';
    while (at < n && line[at] >= '0' && line[at] <= '9' && a->status < 1000)
        a->status = 10 * a->status + (line[at++] - '0');
    while (at < n && line[at] == ' ')
        at++;
    for (; at < n && k + 1 < sizeof(a->reason); at++)
        if ((unsigned char)line[at] >= ' ' && line[at] <= '~')
            a->reason[k++] = line[at];
    a->reason[k] = '\0';
}

static size_t on_header(char *line, size_t size, size_t n, void *self)
{
    struct exchange *x = self;

    n *= size;
    x->moved_ms = clock_ms();
    x->n_heads += n;
    if (x->n_heads > MAX_HEADS) {
        err_set(&x->err, ERR_INPUT, "\"%s\" sends headers without end",
                x->r->url);
        return 0;
    }
    if (x->body) /* trailers */
        return n;
    if (n > 5 && memcmp(line, "HTTP/", 5) == 0) {
        begin_head(x, line, n);
        return n;
    }
    if (n && *line != '\r' && *line != '\n') {
        http_line_put(&x->a->head, line, n);
        if (!x->a->head.full)
            return n;
        err_set(&x->err, ERR_INPUT, "\"%s\" sends over %zu bytes of headers",
                x->r->url, MAX_HEAD);
        return 0;
    }
    if (x->a->status < 200)
        return n;
    x->body = true;
    return check_head(x) ? 0 : n;
}

static size_t on_body(char *data, size_t size, size_t n, void *self)
{
    struct exchange *x = self;
    const struct http_request *r = x->r;
    size_t capacity;

    n *= size;
    x->moved_ms = clock_ms();
    if (!is_2xx(x)) {
        capacity = MAX_TEXT - x->a->body.len;
        buf_put(&x->a->body, data, n < capacity ? n : capacity);
        x->a->n_body += n < capacity ? n : capacity;
        x->cut = n > capacity;
        return x->cut ? 0 : n;
    }
    if (n > r->max_body - x->a->n_body ||
        (r->range_n && n > r->range_n - x->a->n_body)) {
        err_set(&x->err, ERR_INPUT, "\"%s\" sends over %" PRIu64 " bytes",
                r->url, r->range_n ? r->range_n : r->max_body);
        return 0;
    }
    if (r->sink ? r->sink(r->sink_self, data, n, &x->err)
                : buf_reserve(&x->a->body, n, r->url, &x->err))
        return 0;
    if (!r->sink)
        buf_put(&x->a->body, data, n);
    x->a->n_body += n;
    return n;
}

static size_t on_read(char *data, size_t size, size_t n, void *self)
{
    struct exchange *x = self;
    uint64_t left = x->r->body_n - x->n_sent;
    size_t got = 0;

    n *= size;
    if (n > left)
        n = (size_t)left;
    if (!n)
        return 0;
    x->dirty = true;
    if (x->r->source(x->r->source_self, data, n, &got, &x->err))
        return CURL_READFUNC_ABORT;
    if (!got || got > n) {
        err_set(&x->err, ERR_FATAL,
                "the body for \"%s\" ends after %" PRIu64 " of "
                "%" PRIu64 " bytes",
                x->r->url, x->n_sent, x->r->body_n);
        return CURL_READFUNC_ABORT;
    }
    x->n_sent += got;
    x->moved_ms = clock_ms();
    return got;
}

/* The body once more: a redirect, or a kept connection that was closed. */
static int on_seek(void *self, curl_off_t at, int whence)
{
    struct exchange *x = self;

    if (at || whence != SEEK_SET)
        return CURL_SEEKFUNC_FAIL;
    if (x->dirty && !x->r->rewind)
        return CURL_SEEKFUNC_FAIL;
    if (x->dirty)
        x->r->rewind(x->r->source_self);
    x->dirty = false;
    x->n_sent = 0;
    return CURL_SEEKFUNC_OK;
}

/* About once a second, and whenever something moves. */
static int on_progress(void *self, curl_off_t dl_all, curl_off_t dl,
                       curl_off_t ul_all, curl_off_t ul)
{
    struct exchange *x = self;
    uint64_t now = clock_ms();
    curl_off_t t = 0;

    (void)dl_all;
    (void)ul_all;
    if (x->h->stop && x->h->stop()) {
        err_set(&x->err, ERR_RETRY, "interrupted");
        return 1;
    }
    /* Until then the time for connecting is what counts. */
    if (!x->connected &&
        !curl_easy_getinfo(x->h->curl, CURLINFO_PRETRANSFER_TIME_T, &t) &&
        t > 0) {
        x->connected = true;
        x->moved_ms = now;
    }
    if (dl + ul != x->n_moved) {
        x->n_moved = dl + ul;
        x->moved_ms = now;
    }
    if (!x->connected ||
        now - x->moved_ms < (uint64_t)x->h->limits.stall_s * 1000)
        return 0;
    err_set(&x->err, ERR_RETRY, "\"%s\": nothing came for %u seconds",
            x->r->url, x->h->limits.stall_s);
    return 1;
}

/* http is for loopback, whatever a resolver makes of "localhost". */
static curl_socket_t on_socket(void *self, curlsocktype purpose,
                               struct curl_sockaddr *to)
{
    struct exchange *x = self;
    bool good = x->url.tls;

    (void)purpose;
    if (to->family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, &to->addr, sizeof(in));
        good |= ntohl(in.sin_addr.s_addr) >> 24 == 127;
    } else if (to->family == AF_INET6) {
        /* to->addr is of a shorter type than what lies there */
        const char *p = (const char *)&to->addr;
        struct in6_addr in;

        memcpy(&in, p + offsetof(struct sockaddr_in6, sin6_addr), sizeof(in));
        good |= memcmp(&in, &in6addr_loopback, sizeof(in)) == 0;
    }
    if (!good)
        return CURL_SOCKET_BAD;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* ---- one exchange ----- */

/* The first option that fails is told by *code. */
#define SET(option, value)                                                 \
    do {                                                                   \
        if (*code == CURLE_OK)                                             \
            *code = curl_easy_setopt(x->h->curl, option, value);           \
    } while (0)

static void set_rules(struct exchange *x, CURLcode *code)
{
    const struct http_limits *l = &x->h->limits;

    curl_easy_reset(x->h->curl);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, x->url.tls ? "https" : "http");
#else
    SET(CURLOPT_PROTOCOLS,
        (long)(x->url.tls ? CURLPROTO_HTTPS : CURLPROTO_HTTP));
#endif
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (x->url.loopback)
        SET(CURLOPT_PROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "apus/" PACKAGE_VERSION);
    SET(CURLOPT_CONNECTTIMEOUT, (long)l->connect_s);
    SET(CURLOPT_TIMEOUT, (long)l->total_s);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, x);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, x);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, x);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    SET(CURLOPT_OPENSOCKETDATA, x);
}

static void set_method(struct exchange *x, CURLcode *code)
{
    const struct http_request *r = x->r;
    char range[48];

    if (strcmp(r->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    else if (strcmp(r->method, "GET") == 0)
        SET(CURLOPT_HTTPGET, 1L);
    else
        SET(CURLOPT_POST, 1L);
    if (strcmp(r->method, "POST") == 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_n);
        if (!r->source)
            SET(CURLOPT_POSTFIELDS, r->body_n ? r->body : "");
        SET(CURLOPT_READFUNCTION, on_read);
        SET(CURLOPT_READDATA, x);
        SET(CURLOPT_SEEKFUNCTION, on_seek);
        SET(CURLOPT_SEEKDATA, x);
    }
    if (r->range_n) {
        snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64, r->range_at,
                 r->range_at + r->range_n - 1);
        SET(CURLOPT_RANGE, range);
    }
}

/* *list may be half made where this fails. */
static int add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *more = curl_slist_append(*list, line);

    if (more)
        *list = more;
    return more ? 0 : -1;
}

static int make_headers(struct curl_slist **list,
                        const struct http_request *r)
{
    bool typed = false;
    int rc = 0;

    for (const char *const *h = r->header; h && *h; h++) {
        typed |= strncasecmp(*h, "content-type:", 13) == 0;
        rc |= add_header(list, *h);
    }
    rc |= add_header(list, "Accept-Encoding: identity");
    if (strcmp(r->method, "POST") != 0)
        return rc;
    /* "Expect" costs a second with servers that do not know it. */
    rc |= add_header(list, "Expect:");
    if (!typed)
        rc |= add_header(list, "Content-Type: application/octet-stream");
    return rc;
}

/* The library's text, as a message of ours. */
static int library_failure(struct exchange *x, CURLcode code,
                           const char *text, struct err *err)
{
    enum err_code what = ERR_RETRY;
    char first[2] = { 0, 0 };

    if (!*text)
        text = curl_easy_strerror(code);
    if (code == CURLE_URL_MALFORMAT)
        what = ERR_INPUT;
    if (code == CURLE_OUT_OF_MEMORY || code == CURLE_FAILED_INIT ||
        code == CURLE_UNKNOWN_OPTION || code == CURLE_NOT_BUILT_IN)
        what = ERR_FATAL;
    x->h->untrusted = code == CURLE_PEER_FAILED_VERIFICATION ||
                      code == CURLE_SSL_CACERT_BADFILE;
    first[0] = *text >= 'A' && *text <= 'Z' ? (char)(*text + 32) : *text;
    return err_set(err, what, "\"%s\": %s%s", x->r->url, first,
                   *text ? text + 1 : "");
}

/* What is to be said of an exchange that the library has ended. */
static int judge_exchange(struct exchange *x, CURLcode code, const char *text,
                          struct err *err)
{
    const struct http_request *r = x->r;

    if (x->err.code) {
        return err_copy(err, &x->err);
    }
    if (code != CURLE_OK && !(x->cut && code == CURLE_WRITE_ERROR))
        return library_failure(x, code, text, err);
    if (x->a->status < 200 || x->a->status > 599)
        return err_set(err, ERR_RETRY, "\"%s\" answers with the status %d",
                       r->url, x->a->status);
    if (r->range_n && is_2xx(x) && x->a->n_body != r->range_n &&
        strcmp(r->method, "HEAD") != 0)
        return err_set(err, ERR_RETRY,
                       "\"%s\" sends %" PRIu64 " bytes of a range "
                       "of %" PRIu64,
                       r->url, x->a->n_body, r->range_n);
    return 0;
}

static int perform(struct exchange *x, struct err *err)
{
    struct curl_slist *list = NULL;
    char text[CURL_ERROR_SIZE] = "";
    CURLcode set = CURLE_OK, *code = &set;
    int rc;

    set_rules(x, code);
    set_method(x, code);
    if (make_headers(&list, x->r))
        set = CURLE_OUT_OF_MEMORY;
    SET(CURLOPT_HTTPHEADER, list);
    SET(CURLOPT_URL, x->r->url);
    SET(CURLOPT_ERRORBUFFER, text);
    x->moved_ms = clock_ms();
    if (set == CURLE_OK)
        set = curl_easy_perform(x->h->curl);
    rc = judge_exchange(x, set, text, err);
    /* `text` and `list` end here. */
    curl_easy_setopt(x->h->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_setopt(x->h->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(list);
    return rc;
}

/* ---- redirects ----- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 ||
           status == 307 || status == 308;
}

/* Where a redirect leads; the caller frees it.  NULL: it is refused. */
static char *redirect_url(struct exchange *x, struct err *err)
{
    struct http_url to;
    char *url = NULL, *copy;

    if (strcmp(x->r->method, "POST") == 0 && x->a->status != 307 &&
        x->a->status != 308) {
        err_set(err, ERR_INPUT, "\"%s\" answers a POST with %d", x->r->url,
                x->a->status);
        return NULL;
    }
    if (curl_easy_getinfo(x->h->curl, CURLINFO_REDIRECT_URL, &url) || !url) {
        err_set(err, ERR_INPUT, "\"%s\" answers %d and does not say where "
                "to go", x->r->url, x->a->status);
        return NULL;
    }
    copy = xstrndup(url, strcspn(url, "#"));
    if (http_url_parse(&to, copy, err)) {
        err_prefix(err, "a redirect of \"%.200s\"", x->r->url);
    } else if (!http_redirect_allowed(&x->url, &to)) {
        err_set(err, ERR_INPUT, "\"%.200s\" redirects to \"%.200s\", which "
                "is refused", x->r->url, copy);
    } else {
        x->url = to;
        return copy;
    }
    free(copy);
    return NULL;
}

/* As it was before the first byte was sent, to send it elsewhere. */
static int start_again(struct exchange *x, struct err *err)
{
    if (on_seek(x, 0, SEEK_SET) != CURL_SEEKFUNC_OK)
        return err_set(err, ERR_RETRY, "\"%s\": the body cannot be sent "
                       "twice", x->r->url);
    x->n_heads = 0;
    x->body = x->cut = x->connected = false;
    x->n_moved = 0;
    x->a->n_body = 0;
    buf_reset(&x->a->body);
    buf_reset(&x->a->head);
    return 0;
}

static int exchange_run(struct exchange *x, struct http_request *r,
                        struct err *err)
{
    char *url = NULL, *next;
    int rc;

    for (unsigned n = 0;; n++) {
        rc = perform(x, err);
        if (rc || !is_redirect(x->a->status))
            break;
        rc = -1;
        if (n == MAX_REDIRECTS) {
            err_set(err, ERR_INPUT, "\"%s\": more than %d redirects", r->url,
                    MAX_REDIRECTS);
            break;
        }
        next = redirect_url(x, err);
        if (!next)
            break;
        free(url);
        r->url = url = next;
        if (start_again(x, err))
            break;
    }
    free(url);
    return rc;
}

int http_do(struct http *h, const struct http_request *request,
            struct http_answer *a, struct err *err)
{
    struct http_request r = *request;
    struct exchange x = { .h = h, .r = &r, .a = a };
    char text[16];
    uint64_t s;

    http_answer_clear(a);
    /* bodies may be longer than texts of errors */
    if (!r.sink && r.max_body > a->body.max)
        a->body.max = r.max_body < SIZE_MAX ? (size_t)r.max_body : SIZE_MAX;
    h->untrusted = false;
    if (http_url_parse(&x.url, r.url, err))
        return -1;
    if (r.range_n && r.range_at > UINT64_MAX - r.range_n)
        return err_set(err, ERR_INPUT, "a range beyond all bytes");
    if (exchange_run(&x, &r, err)) {
        http_answer_clear(a);
        return -1;
    }
    if (http_header(a, "retry-after", text, sizeof(text)) &&
        !json_u64_text(text, &s))
        a->retry_after_s = s < MAX_RETRY_AFTER ? (unsigned)s
                                               : MAX_RETRY_AFTER;
    return 0;
}

/* ---- again ----- */

/* -1 if told to stop in the meantime. */
static int wait_ms(unsigned ms, bool (*stop)(void))
{
    while (ms > 0) {
        unsigned step = ms < STEP_MS ? ms : STEP_MS;
        struct timespec t = { 0, (long)step * 1000000 };

        if (stop && stop())
            return -1;
        nanosleep(&t, NULL);
        ms -= step;
    }
    return stop && stop() ? -1 : 0;
}

/* Doubled each time, of which a part by chance, so that many clients do not
 * come back at once. */
static unsigned pause_ms(const struct http *h, const struct http_answer *a,
                         unsigned turn)
{
    uint64_t ms = h->limits.wait_ms ? h->limits.wait_ms : 1000;

    if (a->retry_after_s)
        ms = (uint64_t)a->retry_after_s * 1000;
    else
        ms <<= turn < 16 ? turn : 16;
    if (ms > MAX_WAIT_MS)
        ms = MAX_WAIT_MS;
    return (unsigned)(ms + (clock_ms() * 2654435761u >> 7) % (ms / 4 + 1));
}

int http_wait(struct http *h, unsigned turn, const struct http_answer *a,
              struct err *err)
{
    static const struct http_answer none;

    if (wait_ms(pause_ms(h, a ? a : &none, turn), h->stop))
        return err_set(err, ERR_RETRY, "interrupted");
    return 0;
}

static bool is_passing(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

int http_try(struct http *h, const struct http_request *r,
             void (*again)(void *sink_self), bool (*stop)(void),
             struct http_answer *a, struct err *err)
{
    struct err why = ERR_INIT;

    if (!stop)
        stop = h->stop;
    for (unsigned turn = 0;; turn++) {
        int rc = http_do(h, r, a, &why);

        if (rc ? why.code != ERR_RETRY || h->untrusted
               : !is_passing(a->status)) {
            if (rc)
                err_copy(err, &why);
            return rc;
        }
        if (turn == h->limits.retries) {
            if (rc)
                err_copy(err, &why);
            return rc;
        }
        if (wait_ms(pause_ms(h, a, turn), stop)) {
            http_answer_clear(a);
            return err_set(err, ERR_RETRY, "interrupted");
        }
        if (again)
            again(r->sink_self);
        if (r->source && r->rewind)
            r->rewind(r->source_self);
    }
}

const char *http_library(void)
{
    static char text[64];

    snprintf(text, sizeof(text), "libcurl %s",
             curl_version_info(CURLVERSION_NOW)->version);
    return text;
}
