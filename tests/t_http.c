/*
 * net/http against a server that does what none should: every rule of the
 * header, and each way to fail.
 */
#include <config.h>

#include "net/http.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "net/http_text.h"
#include "tests/pretend_server.h"
#include "tests/tap.h"

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz";
static atomic_uint seen_posts; /* whose body was the right one */
static atomic_uint wrong_posts;
static char other_url[64]; /* of a second server */
static char range_seen[128], type_seen[128], encoding_seen[128];

/* ---- the server ----- */

static void serve_range(struct pretend_call *c)
{
    const char *how = c->path + strlen("/range/");

    pretend_header(c, "range", range_seen, sizeof(range_seen));
    if (strcmp(how, "good") == 0)
        pretend_file(c, "", alphabet, 26);
    else if (strcmp(how, "star") == 0)
        pretend_answer(c, "206 X", "Content-Range: bytes 3-7/*\r\n",
                       alphabet + 3, 5);
    else if (strcmp(how, "whole") == 0)
        pretend_answer(c, "200 OK", "", alphabet, 26);
    else if (strcmp(how, "other") == 0)
        pretend_answer(c, "206 X", "Content-Range: bytes 4-8/26\r\n",
                       alphabet + 4, 5);
    else if (strcmp(how, "longer") == 0)
        pretend_answer(c, "206 X", "Content-Range: bytes 3-8/26\r\n",
                       alphabet + 3, 6);
    else if (strcmp(how, "none") == 0)
        pretend_answer(c, "206 X", "", alphabet + 3, 5);
    else if (strcmp(how, "twice") == 0)
        pretend_answer(c, "206 X", "Content-Range: bytes 3-7/26\r\n"
                       "Content-Range: bytes 3-7/26\r\n", alphabet + 3, 5);
    else if (strcmp(how, "beyond") == 0)
        pretend_answer(c, "206 X", "Content-Range: bytes 3-7/5\r\n",
                       alphabet + 3, 5);
    else if (strcmp(how, "less") == 0)
        pretend_answer(c, "206 X", "Content-Range: bytes 3-7/26\r\n",
                       alphabet + 3, 4);
    else if (strcmp(how, "more") == 0)
        pretend_answer(c, "206 X", "Content-Range: bytes 3-7/26\r\n",
                       alphabet + 3, 6);
    else
        pretend_answer(c, "416 Range Not Satisfiable", "", "no", 2);
}

static void redirect(struct pretend_call *c, const char *status,
                     const char *to)
{
    char *h = xasprintf("Location: %s\r\n", to);

    pretend_answer(c, status, h, "gone", 4);
    free(h);
}

static void serve_redirect(struct pretend_call *c)
{
    const char *how = c->path + strlen("/to/");
    char *url = NULL;

    if (strcmp(how, "loop") == 0) {
        redirect(c, "302 Found", "/to/loop");
    } else if (*how >= '1' && *how <= '9') {
        url = xasprintf(*how == '1' ? "../alphabet#x" : "/to/%c", *how - 1);
        redirect(c, "307 Temporary Redirect", url);
    } else if (strcmp(how, "tls") == 0) {
        redirect(c, "302 Found", "https://127.0.0.1:1/x");
    } else if (strcmp(how, "file") == 0) {
        redirect(c, "302 Found", "file:///etc/passwd");
    } else if (strcmp(how, "away") == 0) {
        redirect(c, "302 Found", "http://192.0.2.1/x");
    } else if (strcmp(how, "user") == 0) {
        redirect(c, "302 Found", "http://me:too@127.0.0.1/x");
    } else if (strcmp(how, "neighbour") == 0) {
        url = xasprintf("%s/alphabet", other_url);
        redirect(c, "301 Moved Permanently", url);
    } else if (strcmp(how, "nowhere") == 0) {
        pretend_answer(c, "302 Found", "", "", 0);
    } else if (strcmp(how, "post") == 0) {
        redirect(c, "308 Permanent Redirect", "/post");
    } else if (strcmp(how, "get") == 0) {
        redirect(c, "303 See Other", "/alphabet");
    }
    free(url);
}

static void serve_body(struct pretend_call *c)
{
    const char *how = c->path + strlen("/body/");
    char block[1024];

    memset(block, 'x', sizeof(block));
    c->close = true;
    if (strcmp(how, "endless") == 0) {
        pretend_puts(c, "HTTP/1.1 200 OK\r\n\r\n");
        while (pretend_put(c, block, sizeof(block)))
            continue;
    } else if (strcmp(how, "endless-error") == 0) {
        pretend_puts(c, "HTTP/1.1 400 Bad Request\r\n\r\n");
        while (pretend_put(c, block, sizeof(block)))
            continue;
    } else if (strcmp(how, "stalled") == 0) {
        pretend_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxx");
        pretend_wait(c, 20000);
    } else if (strcmp(how, "drip") == 0) {
        pretend_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while (pretend_put(c, "x", 1))
            pretend_wait(c, 100);
    } else if (strcmp(how, "silent") == 0) {
        pretend_wait(c, 20000);
    } else if (strcmp(how, "short") == 0) {
        pretend_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxx");
    } else if (strcmp(how, "short-chunks") == 0) {
        pretend_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                     "\r\n5\r\nabcde\r\n5\r\nab");
    } else if (strcmp(how, "chunks") == 0) {
        pretend_puts(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                     "\r\n5\r\nabcde\r\n3\r\nfgh\r\n0\r\nX-Late: 1\r\n\r\n");
    } else if (strcmp(how, "gzip") == 0) {
        pretend_answer(c, "200 OK", "Content-Encoding: gzip\r\n", "abc", 3);
    } else if (strcmp(how, "old") == 0) {
        pretend_puts(c, "just text\n");
    } else if (strcmp(how, "large") == 0) {
        pretend_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000"
                     "\r\n\r\n");
        pretend_wait(c, 20000);
    }
}

static void serve_head(struct pretend_call *c)
{
    const char *how = c->path + strlen("/head/");
    char line[64], *big;

    c->close = true;
    if (strcmp(how, "flood") == 0) {
        pretend_puts(c, "HTTP/1.1 200 OK\r\n");
        for (unsigned i = 0;; i++) {
            snprintf(line, sizeof(line), "X-%u: y\r\n", i);
            if (!pretend_puts(c, line))
                return;
        }
    } else if (strcmp(how, "huge") == 0) {
        big = xmalloc(1 << 20);
        memset(big, 'h', 1 << 20);
        pretend_puts(c, "HTTP/1.1 200 OK\r\nX: ");
        pretend_put(c, big, 1 << 20);
        pretend_puts(c, "\r\nContent-Length: 0\r\n\r\n");
        free(big);
    } else if (strcmp(how, "continue") == 0) {
        while (pretend_puts(c, "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"))
            continue;
    } else if (strcmp(how, "early") == 0) {
        pretend_puts(c, "HTTP/1.1 103 Early Hints\r\nX-A: 1\r\n\r\n");
        pretend_answer(c, "200 Fine \x01 Thanks",
                       "X-B:  two words \t\r\nX-C: 1\r\nx-c: 2\r\n"
                       "Bad Name: 1\r\nX-D: a\x02" "b\r\n", "", 0);
    }
}

/* Fails until the third attempt, in the way of the path. */
static void serve_again(struct pretend_call *c)
{
    static atomic_uint n;
    const char *how = c->path + strlen("/again/");

    if (++n % 3 == 0) {
        pretend_answer(c, "200 OK", "", "done", 4);
    } else if (strcmp(how, "lost") == 0) {
        c->close = true;
    } else if (strcmp(how, "late") == 0) {
        pretend_answer(c, "429 Slow Down", "Retry-After: 1\r\n", "", 0);
    } else if (strcmp(how, "half") == 0) {
        c->close = true;
        pretend_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nxxx");
    } else {
        char *status = xasprintf("%s Pardon", how);

        pretend_answer(c, status, "", "later", 5);
        free(status);
    }
}

static bool starts(const struct pretend_call *c, const char *front)
{
    return strncmp(c->path, front, strlen(front)) == 0;
}

static void serve(struct pretend_call *c)
{
    bool post = strcmp(c->method, "POST") == 0;

    pretend_header(c, "content-type", type_seen, sizeof(type_seen));
    pretend_header(c, "accept-encoding", encoding_seen, sizeof(encoding_seen));
    if (post && c->n_body == 26 && memcmp(c->body, alphabet, 26) == 0)
        seen_posts++;
    else if (post)
        wrong_posts++;
    if (starts(c, "/range/"))
        serve_range(c);
    else if (starts(c, "/to/"))
        serve_redirect(c);
    else if (starts(c, "/body/"))
        serve_body(c);
    else if (starts(c, "/head/"))
        serve_head(c);
    else if (starts(c, "/again/"))
        serve_again(c);
    else if (starts(c, "/alphabet"))
        pretend_file(c, "X-Way: this\r\n", alphabet, 26);
    else if (starts(c, "/post"))
        pretend_answer(c, "201 Created", "", c->body, c->n_body);
    else if (starts(c, "/once") && c->n_on_connection > 1)
        c->close = true; /* a kept connection that turns out to be dead */
    else if (starts(c, "/once"))
        pretend_answer(c, "200 OK", "", "ok", 2);
    else
        pretend_answer(c, "404 Not Found", "", "what?", 5);
}

/* ---- the client ----- */

static struct http *h;
static const char *base;
static struct http_answer a;
static struct err err;

/* One GET of a path; the client and its answer are the file's. */
static int fetch_answer(const char *path, uint64_t max)
{
    char *url = xasprintf("%s%s", base, path);
    struct http_request r = { .method = "GET", .url = url, .max_body = max };
    int rc;

    err.code = ERR_NONE;
    err.text[0] = '\0';
    rc = http_do(h, &r, &a, &err);
    free(url);
    return rc;
}

static int get_range(const char *path, uint64_t at, uint64_t n)
{
    char *url = xasprintf("%s%s", base, path);
    struct http_request r = { .method = "GET", .url = url, .max_body = 100,
                              .range_at = at, .range_n = n };
    int rc;

    err.code = ERR_NONE;
    rc = http_do(h, &r, &a, &err);
    free(url);
    return rc;
}

static bool body_is(const char *text)
{
    return a.body.len == strlen(text) && a.n_body == a.body.len &&
           memcmp(a.body.data ? a.body.data : "", text, a.body.len) == 0;
}

static bool refused(int rc, enum err_code code)
{
    return rc == -1 && err.code == code && a.status == 0 && a.body.len == 0 &&
           a.head.len == 0;
}

static void test_urls(void)
{
    static const char *const good[] = {
        "https://arweave.net", "https://arweave.net/x?y=%20", "HTTPS://A.b/",
        "http://127.0.0.1:8080/x", "http://127.255.0.1", "http://[::1]:80/",
        "http://localhost/x", "http://LocalHost:1", "https://10.0.0.1:65535",
        "https://[2001:db8::1]/",
    };
    static const char *const bad[] = {
        "http://arweave.net", "ftp://x.y/", "arweave.net", "",
        "file:///etc/passwd", "https://", "https:///x", "https://a b/",
        "https://u:p@x.y/", "https://x.y/#f", "https://x.y:0/",
        "https://x.y:65536/", "https://x.y:/", "https://x.y:1x/",
        "https://x.y\\@z/", "https://x.y/\n", "https://x.y/\x80",
        "http://127.1/", "http://127.0.0.256/", "http://127.0.0.01/",
        "http://127.0.0.1.evil.example/", "http://localhost.evil.example/",
        "http://0x7f000001/", "http://[::2]/", "http://[::1/", "https://[]/",
        "http://127.0.0.1@evil.example/", "http://128.0.0.1/",
        "http://127.0.0./", "http://127..0.1/",
    };
    char big[HTTP_URL_MAX + 20] = "https://x.y/", *joined;

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        ok(!http_url_check(good[i], &err), "a URL: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        err.code = ERR_NONE;
        ok(http_url_check(bad[i], &err) && err.code == ERR_INPUT,
           "no URL, number %zu", i);
    }
    memset(big + 12, 'x', HTTP_URL_MAX);
    ok(http_url_check(big, &err), "a URL that is too long");
    joined = http_url_join("https://x.y//", "/a/b");
    ok(strcmp(joined, "https://x.y/a/b") == 0, "joined");
    free(joined);
}

static void test_texts(void)
{
    ok(http_range_is("bytes 3-7/26", 3, 5), "a range");
    ok(http_range_is("Bytes 3-7/*", 3, 5), "of unknown length");
    ok(!http_range_is("bytes 3-7/7", 3, 5), "of less bytes than it has");
    ok(!http_range_is("bytes 3-8/26", 3, 5) &&
       !http_range_is("bytes 2-6/26", 3, 5) &&
       !http_range_is("bytes 7-3/26", 7, 5), "another range");
    ok(!http_range_is("bytes 3-7/26x", 3, 5) &&
       !http_range_is("bytes 3-7", 3, 5) && !http_range_is("3-7/26", 3, 5) &&
       !http_range_is("bytes -7/26", 3, 5) && !http_range_is("", 3, 5) &&
       !http_range_is("bytes 3 - 7/26", 3, 5) &&
       !http_range_is("bytes */26", 3, 5), "no range");
    ok(!http_range_is("bytes 18446744073709551619-18446744073709551623/*", 3,
                      5), "numbers that do not fit");
}

static void test_get(void)
{
    char text[32];

    ok(!fetch_answer("/alphabet", 26) && a.status == 200 && body_is(alphabet) &&
           strcmp(a.reason, "OK") == 0,
       "GET");
    ok(http_header(&a, "X-way", text, sizeof(text)) &&
       strcmp(text, "this") == 0, "a header of the answer");
    ok(strcmp(encoding_seen, "identity") == 0, "no encoding is asked for");
    ok(refused(fetch_answer("/alphabet", 25), ERR_INPUT),
       "over the ceiling: %s", err.text);
    ok(!fetch_answer("/nothing", 3) && a.status == 404 && body_is("what?"),
       "404 is an answer, whose body may be longer");
    ok(!fetch_answer("/body/chunks", 100) && body_is("abcdefgh") &&
           !http_header(&a, "x-late", text, sizeof(text)),
       "chunks, no trailers");
    ok(!fetch_answer("/body/gzip", 100) && body_is("abc"),
       "contents are not decoded");
    ok(refused(fetch_answer("/body/endless", 100000), ERR_INPUT), "endless: %s",
       err.text);
    ok(!fetch_answer("/body/endless-error", 100) && a.status == 400 &&
           a.body.len == 65536,
       "an endless text of an error is cut");
    ok(refused(fetch_answer("/body/large", 1000), ERR_INPUT),
       "what says that it is too large is not read: %s", err.text);
    ok(refused(fetch_answer("/body/short", 1000), ERR_RETRY), "short: %s",
       err.text);
    ok(refused(fetch_answer("/body/short-chunks", 1000), ERR_RETRY),
       "short in chunks: %s", err.text);
    ok(refused(fetch_answer("/body/old", 1000), ERR_RETRY), "no HTTP: %s",
       err.text);
}

static void test_range(void)
{
    static const char *const bad[] = { "whole", "other", "longer", "none",
                                       "twice", "beyond", "more" };

    ok(!get_range("/range/good", 3, 5) && a.status == 206 &&
       body_is("defgh") && strcmp(range_seen, "bytes=3-7") == 0, "a range");
    ok(!get_range("/range/star", 3, 5) && body_is("defgh"),
       "a range of unknown length");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char *path = xasprintf("/range/%s", bad[i]);

        ok(refused(get_range(path, 3, 5), ERR_INPUT), "%s: %s", path,
           err.text);
        free(path);
    }
    ok(refused(get_range("/range/less", 3, 5), ERR_RETRY),
       "less than the range: %s", err.text);
    ok(!get_range("/range/unsatisfiable", 3, 5) && a.status == 416,
       "416 is an answer");
    ok(refused(get_range("/range/good", UINT64_MAX - 3, 9), ERR_INPUT),
       "a range beyond all bytes");
}

static void test_redirects(void)
{
    ok(!fetch_answer("/to/3", 100) && body_is(alphabet), "three redirects");
    ok(refused(fetch_answer("/to/4", 100), ERR_INPUT), "four: %s", err.text);
    ok(refused(fetch_answer("/to/loop", 100), ERR_INPUT), "a loop: %s",
       err.text);
    ok(refused(fetch_answer("/to/tls", 100), ERR_INPUT), "another scheme: %s",
       err.text);
    ok(refused(fetch_answer("/to/file", 100), ERR_INPUT), "a file: %s",
       err.text);
    ok(refused(fetch_answer("/to/away", 100), ERR_INPUT),
       "from loopback away: %s", err.text);
    ok(refused(fetch_answer("/to/user", 100), ERR_INPUT), "with a user: %s",
       err.text);
    ok(refused(fetch_answer("/to/nowhere", 100), ERR_INPUT), "to nowhere: %s",
       err.text);
    ok(!fetch_answer("/to/neighbour", 100) && body_is(alphabet),
       "to another port of this machine");
    ok(!get_range("/to/2", 3, 5) && body_is("defgh"), "with a range");
}

static void test_heads(void)
{
    char text[32];

    ok(refused(fetch_answer("/head/flood", 100), ERR_INPUT),
       "a flood of headers: %s", err.text);
    ok(fetch_answer("/head/huge", 100) && a.status == 0, "a huge header: %s",
       err.text);
    ok(refused(fetch_answer("/head/continue", 100), ERR_INPUT),
       "100 Continue without end: %s", err.text);
    ok(!fetch_answer("/head/early", 100) && a.status == 200 &&
           strcmp(a.reason, "Fine  Thanks") == 0,
       "the last head counts");
    ok(!http_header(&a, "x-a", text, sizeof(text)), "not the one before");
    ok(http_header(&a, "x-b", text, sizeof(text)) &&
       strcmp(text, "two words") == 0, "a value is trimmed");
    ok(!http_header(&a, "x-b", text, 9), "one that does not fit");
    ok(!http_header(&a, "x-c", text, sizeof(text)), "one that is there twice");
    ok(!strstr(a.head.data, "Bad Name"), "no name with a blank");
    ok(http_header(&a, "x-d", text, sizeof(text)) && strcmp(text, "a?b") == 0,
       "control bytes are shown as ?");
}

static int head_of(const char *path)
{
    char *url = xasprintf("%s%s", base, path);
    struct http_request r = { .method = "HEAD", .url = url, .max_body = 1 };
    int rc = http_do(h, &r, &a, &err);

    free(url);
    return rc;
}

static void test_head(void)
{
    char text[32];

    ok(!head_of("/alphabet") && a.status == 200 && !a.n_body &&
       http_header(&a, "content-length", text, sizeof(text)) &&
       strcmp(text, "26") == 0, "HEAD: the ceiling is of bodies");
}

/* ---- bodies that are sent ----- */

struct source {
    size_t at;
    size_t end;
    unsigned n_rewinds;
};

static int source_next(void *self, void *data, size_t n, size_t *got,
                       struct err *e)
{
    struct source *s = self;

    (void)e;
    *got = s->end - s->at < n ? s->end - s->at : n;
    if (*got > 7)
        *got = 7;
    memcpy(data, alphabet + s->at, *got);
    s->at += *got;
    return 0;
}

static void source_rewind(void *self)
{
    struct source *s = self;

    s->at = 0;
    s->n_rewinds++;
}

static void test_post(void)
{
    struct source s = { .end = 26 };
    struct http_request r = { .method = "POST", .max_body = 100,
                              .body = alphabet, .body_n = 26 };
    static const char *const typed[] = { "content-type: text/plain", NULL };
    char *url = xasprintf("%s/post", base);

    r.url = url;
    seen_posts = wrong_posts = 0;
    ok(!http_do(h, &r, &a, &err) && a.status == 201 && body_is(alphabet) &&
       strcmp(type_seen, "application/octet-stream") == 0, "POST of memory");
    r.header = typed;
    ok(!http_do(h, &r, &a, &err) && strcmp(type_seen, "text/plain") == 0,
       "with a type");
    r.source = source_next;
    r.rewind = source_rewind;
    r.source_self = &s;
    ok(!http_do(h, &r, &a, &err) && a.status == 201 && body_is(alphabet),
       "POST of a source");
    s.at = 0;
    s.end = 20;
    ok(http_do(h, &r, &a, &err) == -1 && err.code == ERR_FATAL,
       "a source that ends too early: %s", err.text);
    s.at = 0;
    s.end = 26;
    free(url);
    r.url = url = xasprintf("%s/to/post", base);
    ok(!http_do(h, &r, &a, &err) && a.status == 201 && body_is(alphabet) &&
       s.n_rewinds == 1, "a redirect that keeps the method");
    s.at = 0;
    free(url);
    r.url = url = xasprintf("%s/to/get", base);
    ok(http_do(h, &r, &a, &err) == -1 && err.code == ERR_INPUT,
       "a redirect to a GET: %s", err.text);
    ok(seen_posts == 6 && wrong_posts == 0, "every body came whole");
    r.source = NULL;
    r.body_n = 0;
    free(url);
    r.url = url = xasprintf("%s/post", base);
    ok(!http_do(h, &r, &a, &err) && a.status == 201 && body_is(""),
       "POST of nothing");
    free(url);
}

/* ---- again ----- */

struct sink {
    size_t n;
    unsigned n_again;
};

static int sink_take(void *self, const void *data, size_t n, struct err *e)
{
    struct sink *s = self;

    if (memchr(data, 'z', n))
        return err_set(e, ERR_FATAL, "the sink is full");
    s->n += n;
    return 0;
}

static void sink_again(void *self)
{
    struct sink *s = self;

    s->n = 0;
    s->n_again++;
}

static int post_again(const char *path, struct source *s, bool (*stop)(void))
{
    char *url = xasprintf("%s%s", base, path);
    struct http_request r = { .method = "POST", .url = url, .max_body = 100,
                              .source = source_next, .source_self = s,
                              .rewind = source_rewind, .body_n = 26 };
    int rc = http_try(h, &r, NULL, stop, &a, &err);

    free(url);
    return rc;
}

static atomic_bool stopped;

static bool stop_now(void)
{
    return stopped;
}

static void test_try(void)
{
    static const char *const path[] = { "/again/503", "/again/502",
                                        "/again/504", "/again/429",
                                        "/again/late", "/again/lost",
                                        "/again/half" };
    struct sink t = { 0 };
    char *url = xasprintf("%s/again/half", base);
    struct http_request r = { .method = "GET", .url = url, .max_body = 9,
                              .sink = sink_take, .sink_self = &t };

    for (size_t i = 0; i < sizeof(path) / sizeof(*path); i++) {
        struct source s = { .end = 26 };

        seen_posts = wrong_posts = 0;
        ok(!post_again(path[i], &s, NULL) && a.status == 200 &&
           body_is("done") && seen_posts == 3 && !wrong_posts,
           "%s: three times the same bytes", path[i]);
    }
    ok(!http_try(h, &r, sink_again, NULL, &a, &err) && t.n == 4 &&
       t.n_again == 2, "a sink starts anew");
    free(url);
    r.url = url = xasprintf("%s/alphabet", base);
    r.max_body = 100;
    ok(http_try(h, &r, sink_again, NULL, &a, &err) == -1 &&
       err.code == ERR_FATAL && strcmp(err.text, "the sink is full") == 0,
       "what a sink says");
    free(url);
    r.url = url = xasprintf("%s/body/short", base);
    ok(http_try(h, &r, sink_again, NULL, &a, &err) == -1 &&
       err.code == ERR_RETRY && t.n_again == 4, "twice and no more");
    free(url);
}

/* Two waits in all, of a second and what the clock of a loaded machine adds:
 * that they end is what is tested. */
static void test_time(void)
{
    struct source s = { .end = 26 };
    struct http_limits l = { 1, 1, 0, 2, 10 };
    struct http *old = h;

    ok(!http_new(&h, &l, &err), "a client that is impatient");
    ok(refused(fetch_answer("/body/stalled", 1000), ERR_RETRY) &&
           strstr(err.text, "nothing came"),
       "a stalled body: %s", err.text);
    ok(refused(fetch_answer("/body/silent", 1000), ERR_RETRY) &&
           strstr(err.text, "nothing came"),
       "no answer: %s", err.text);
    http_free(h);
    l.total_s = 1;
    l.stall_s = 30;
    ok(!http_new(&h, &l, &err), "another");
    ok(refused(fetch_answer("/body/drip", 1000), ERR_RETRY),
       "a drip that never ends: %s", err.text);
    stopped = true;
    ok(post_again("/again/503", &s, stop_now) == -1 &&
       err.code == ERR_RETRY && strcmp(err.text, "interrupted") == 0,
       "asked to stop between attempts");
    http_stop(h, stop_now);
    ok(refused(fetch_answer("/body/silent", 1000), ERR_RETRY) &&
           strcmp(err.text, "interrupted") == 0,
       "and within one");
    http_free(h);
    h = old;
}

static void test_connections(struct pretend *p)
{
    unsigned n = pretend_connections(p), k;

    ok(!fetch_answer("/once", 10), "a first exchange: %s", err.text);
    n = pretend_connections(p);
    for (k = 0; k < 20; k++)
        if (fetch_answer("/alphabet", 26))
            break;
    ok(k == 20 && pretend_connections(p) == n,
       "a connection is used again: %s", err.text);
    ok(!fetch_answer("/once", 10) && body_is("ok") &&
           pretend_connections(p) == n + 1,
       "one that is dead is replaced");
}

static void test_nobody(void)
{
    struct pretend *p = pretend_start(serve, NULL);
    char *url = xstrdup(pretend_url(p));
    struct http_request r = { .method = "GET", .url = url, .max_body = 1 };

    pretend_end(p);
    ok(http_try(h, &r, NULL, NULL, &a, &err) == -1 && err.code == ERR_RETRY,
       "nobody listens: %s", err.text);
    r.url = "http://arweave.net/";
    ok(http_do(h, &r, &a, &err) == -1 && err.code == ERR_INPUT,
       "an invalid URL");
    setenv("http_proxy", "http://192.0.2.1:9", 1);
    setenv("all_proxy", "http://192.0.2.1:9", 1);
    ok(!fetch_answer("/alphabet", 26) && body_is(alphabet),
       "no proxy for loopback");
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    free(url);
}

int main(void)
{
    struct http_limits l = { 5, 20, 60, 2, 1 };
    struct pretend *p = pretend_start(serve, NULL);
    struct pretend *q = pretend_start(serve, NULL);

    snprintf(other_url, sizeof(other_url), "%s", pretend_url(q));
    base = pretend_url(p);
    http_answer_init(&a);
    ok(!http_new(&h, &l, &err), "a client");
    test_urls();
    test_texts();
    test_get();
    test_range();
    test_redirects();
    test_heads();
    test_head();
    test_post();
    test_try();
    test_time();
    test_connections(p);
    test_nobody();
    http_answer_clear(&a);
    http_free(h);
    pretend_end(p);
    pretend_end(q);
    return done();
}
