/*
 * src/arweave/gateway_depth against gateways that know a transaction, do not,
 * fail, or say what makes no sense; and what the answer's parser takes.  The
 * same of blocks, on which they have to agree.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/gateway.h"
#include "arweave/gateway_head.h"
#include "base/base64.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/file.h"
#include "base/found.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/program.h"
#include "base/settings.h"
#include "tests/pretend_server.h"
#include "tests/tap.h"

#define HASH "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define MINED(n) "{\"block_height\":1500000,\"block_indep_hash\":\"" HASH \
                 "\",\"number_of_confirmations\":" n "}"

/* What a gateway answers: status, headers and body. */
struct says {
    const char *status, *head, *body;
};
static const struct says seven = { "200 OK", "", MINED("7") };
static const struct says nine = { "200 OK", "", MINED("9") };
static const struct says pending = { "202 Accepted", "", "Pending" };
static const struct says absent = { "404 Not Found", "", "Not Found." };
static const struct says refused = { "410 Gone", "", "overspend" };
static const struct says busy = { "503 Busy", "", "" };
static const struct says nonsense = { "200 OK", "", "<html>" };
static const struct says none = { "200 OK", "", MINED("0") };
static struct says huge = { "200 OK", "", NULL };

static const struct id id = { "a transaction, or an item in it" };
static char want_path[80];
static bool asked_for_another;
/* What the index says: each is bundled in the next, and the last in none. */
static struct id chain[6];
static size_t n_chain;

/* The parent of what is asked for, by the index. */
static void serve_index(struct pretend_call *c)
{
    char text[ID_TEXT], *body;
    size_t i = 0;

    for (; i < n_chain; i++) {
        base64url(text, chain[i].b, 32);
        if (memmem(c->body, c->n_body, text, ID_TEXT - 1))
            break;
    }
    if (i + 1 < n_chain)
        base64url(text, chain[i + 1].b, 32);
    body = xasprintf("{\"data\":{\"transactions\":{\"edges\":[{\"node\":{"
                     "\"bundledIn\":%s%s%s}}]}}}",
                     i + 1 < n_chain ? "{\"id\":\"" : "null",
                     i + 1 < n_chain ? text : "",
                     i + 1 < n_chain ? "\"}" : "");
    pretend_answer(c, "200 OK", "", body, strlen(body));
    free(body);
}

static void serve(struct pretend_call *c)
{
    const struct says *s = c->self;

    if (n_chain && strcmp(c->path, "/graphql") == 0) {
        serve_index(c);
        return;
    }
    if (strcmp(c->path, "/graphql") == 0) {
        pretend_answer(c, "404 Not Found", "", "", 0);
        return;
    }
    if (strcmp(c->path, want_path) != 0)
        asked_for_another = true;
    pretend_answer(c, s->status, s->head, s->body,
                   strcmp(c->method, "HEAD") != 0 ? strlen(s->body) : 0);
}

static struct gateways *open_gateways(struct pretend *const *p, size_t n)
{
    struct err err = ERR_INIT;
    struct gateways *g = NULL;
    struct settings *s;
    struct buf urls;

    buf_init(&urls, 4096);
    for (size_t i = 0; i < n; i++)
        buf_printf(&urls, "%s%s", i ? " " : "", pretend_url(p[i]));
    if (settings_new(&s, program_settings, &err) ||
        settings_set(s, "gateways", urls.data, &err) ||
        settings_set(s, "http-retries", "0", &err) ||
        gateways_new(&g, s, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    settings_free(s);
    buf_clear(&urls);
    return g;
}

/* Ask two gateways: the word they give, with the confirmations. */
static bool is(enum gateway_word want, uint64_t want_n, const struct says *a,
               const struct says *b)
{
    struct pretend *p[2] = { pretend_start(serve, (void *)(uintptr_t)a),
                             pretend_start(serve, (void *)(uintptr_t)b) };
    struct gateways *g = open_gateways(p, 2);
    enum gateway_word word = GATEWAY_MUTE;
    struct err err = ERR_INIT;
    uint64_t n = 99;
    int rc = gateway_depth(g, id, &word, &n, &err);

    if (rc || word != want || n != want_n)
        printf("# %d: word %d, %lu: %s\n", rc, word, (unsigned long)n,
               err.text);
    gateways_free(g);
    pretend_end(p[0]);
    pretend_end(p[1]);
    return rc == 0 && word == want && n == want_n;
}

static void test_depth(void)
{
    char *body = xmalloc(10001);

    snprintf(want_path, sizeof(want_path), "/tx/%s/status", id_text(id).s);
    memset(body, ' ', 10000);
    memcpy(body + 5000, MINED("7"), strlen(MINED("7")));
    body[10000] = '\0';
    huge.body = body;
    ok(is(GATEWAY_MINED, 7, &seven, &nine), "the first that has it");
    ok(is(GATEWAY_MINED, 9, &absent, &nine), "one does not know it");
    ok(is(GATEWAY_MINED, 9, &busy, &nine), "one fails");
    ok(is(GATEWAY_MINED, 9, &nonsense, &nine), "one talks nonsense");
    ok(is(GATEWAY_MINED, 9, &huge, &nine), "one talks without end");
    ok(is(GATEWAY_PENDING, 0, &pending, &nine), "pending");
    ok(is(GATEWAY_PENDING, 0, &busy, &pending), "pending at the second");
    ok(is(GATEWAY_ABSENT, 0, &absent, &absent), "both do not know it");
    ok(is(GATEWAY_ABSENT, 0, &busy, &refused), "one refused it");
    ok(is(GATEWAY_ABSENT, 0, &absent, &nonsense),
       "one does not know it, nor does the other make sense");
    ok(is(GATEWAY_MUTE, 0, &busy, &none), "none tells");
    ok(!asked_for_another, "all by GET /tx/ID/status");
    free(body);
}

static bool stopped(void)
{
    return true;
}

static void test_stop(void)
{
    struct pretend *p = pretend_start(serve, (void *)(uintptr_t)&seven);
    struct gateways *g = open_gateways(&p, 1);
    enum gateway_word word = GATEWAY_MUTE;
    struct id root;
    struct err err = ERR_INIT;
    uint64_t n;

    gateways_caller(g, &(struct caller){ .stop = stopped });
    ok(gateway_depth(g, id, &word, &n, &err) == -1 && err.code == ERR_RETRY,
       "ended early: %s", err.text);
    ok(gateway_root(g, id, &root, &err) == FOUND_FAILED &&
       err.code == ERR_RETRY,
       "that of an item, too");
    gateways_free(g);
    pretend_end(p);
}

static void test_root(void)
{
    static const struct id want = { "the transaction" };
    char text[ID_TEXT], head[400];
    struct says tells = { "200 OK", head, "" };
    static const struct says silent = { "200 OK", "X-Cache: HIT\r\n", "" };
    const struct says *const order[][2] = { { &tells, &busy },
                                            { &silent, &tells },
                                            { &absent, &tells } };
    struct err err = ERR_INIT;
    struct id root;
    struct pretend *p[2];
    struct gateways *g;

    base64url(text, id.b, 32);
    snprintf(want_path, sizeof(want_path), "/raw/%s", text);
    base64url(text, want.b, 32);
    snprintf(head, sizeof(head), "X-AR-IO-Root-Transaction-Id: %s\r\n"
             "X-AR-IO-Root-Data-Item-Offset: 10\r\n"
             "X-AR-IO-Root-Data-Offset: 20\r\n"
             "X-AR-IO-Data-Item-Size: 30\r\n", text);
    for (size_t i = 0; i < 4; i++) {
        const struct says *a = i < 3 ? order[i][0] : &silent;
        const struct says *b = i < 3 ? order[i][1] : &busy;
        enum found found;

        p[0] = pretend_start(serve, (void *)(uintptr_t)a);
        p[1] = pretend_start(serve, (void *)(uintptr_t)b);
        g = open_gateways(p, 2);
        root = (struct id){ { 0 } };
        found = gateway_root(g, id, &root, &err);
        ok(i < 3 ? found == FOUND_ONE && id_equal(root, want)
                 : found == FOUND_NONE,
           "where an item lies, case %zu: %s", i, i < 3 ? "" : err.text);
        gateways_free(g);
        pretend_end(p[0]);
        pretend_end(p[1]);
    }
    ok(!asked_for_another, "all by HEAD /raw/ID, and the index");
}

/* By the index, through bundles in bundles, of which there is an end. */
static void test_index(void)
{
    static const char *const names[] = { "0", "1", "2", "3", "4", "5" };
    static const struct says silent = { "200 OK", "", "" };
    struct id root;

    chain[0] = id;
    for (size_t i = 1; i < 6; i++)
        memcpy(chain[i].b, names[i], 2);
    for (size_t n = 1; n <= 6; n++) {
        struct pretend *p = pretend_start(serve, (void *)(uintptr_t)&silent);
        struct gateways *g = open_gateways(&p, 1);
        struct err err = ERR_INIT;
        enum found found;

        n_chain = n;
        found = gateway_root(g, id, &root, &err);
        ok(n > 1 && n < 5 ? found == FOUND_ONE && id_equal(root, chain[n - 1])
                         : found == FOUND_NONE,
           "in %zu bundles: %s", n - 1, err.text);
        gateways_free(g);
        pretend_end(p);
    }
}

/* The block of a transaction, or one by its height: all who answer agree. */
static enum found block(struct gateway_block *b, uint64_t height,
                        const struct says *one, const struct says *two)
{
    struct pretend *p[2] = { pretend_start(serve, (void *)(uintptr_t)one),
                             pretend_start(serve, (void *)(uintptr_t)two) };
    struct gateways *g = open_gateways(p, 2);
    struct err err = ERR_INIT;
    enum found rc;

    if (height)
        snprintf(want_path, sizeof(want_path), "/block/height/%lu",
                 (unsigned long)height);
    else
        snprintf(want_path, sizeof(want_path), "/tx/%s/status", id_text(id).s);
    rc = height ? gateway_block(g, height, b, &err)
                : gateway_tx_block(g, id, b, &err);
    if (rc == FOUND_FAILED)
        printf("# %s\n", err.text);
    gateways_free(g);
    pretend_end(p[0]);
    pretend_end(p[1]);
    return rc;
}

static void test_block(void)
{
#define BLOCK(height, hash) \
    "{\"height\":" height ",\"indep_hash\":\"" hash "\"}"
    static const struct says other = { "200 OK", "",
        "{\"block_height\":1500001,\"block_indep_hash\":\"" HASH
        "\",\"number_of_confirmations\":7}" };
    static const struct says eight = { "200 OK", "", BLOCK("8", HASH) };
    static const struct says nine_b = { "200 OK", "", BLOCK("9", HASH) };
    static const struct says cut = { "200 OK", "", BLOCK("8", "AAAA") };
    struct gateway_block b;

    asked_for_another = false;
    ok(block(&b, 0, &seven, &nine) == FOUND_ONE && b.height == 1500000,
       "the block of a transaction");
    ok(block(&b, 0, &absent, &nine) == FOUND_ONE, "that one does not know");
    ok(block(&b, 0, &seven, &other) == FOUND_FAILED, "two say otherwise");
    ok(block(&b, 0, &absent, &pending) == FOUND_NONE, "none has it yet");
    ok(block(&b, 0, &busy, &absent) == FOUND_NONE, "one says so");
    ok(block(&b, 0, &busy, &nonsense) == FOUND_FAILED, "none tells");
    ok(block(&b, 8, &eight, &eight) == FOUND_ONE && b.height == 8, "a block");
    ok(block(&b, 8, &absent, &absent) == FOUND_NONE, "not there yet");
    ok(block(&b, 8, &nine_b, &cut) == FOUND_FAILED, "another, and half of one");
    ok(!asked_for_another, "asked for by their paths");
}

static void test_read(void)
{
    static const char *const bad[] = {
        "", "Pending", "7", "[]", "{}", MINED("0"), MINED("-1"),
        MINED("1.5"), MINED("\"7\""), MINED("18446744073709551616"),
        MINED("7") "x", "{\"number_of_confirmations\":7}",
        "{\"number_of_confirmations\":7,\"block_height\":1,"
            "\"block_indep_hash\":\"AAAA\"}",
        "{\"number_of_confirmations\":7,\"block_height\":\"1\","
            "\"block_indep_hash\":\"" HASH "\"}",
        "{\"number_of_confirmations\":7,\"block_height\":1,"
            "\"block_indep_hash\":\"" HASH "AA\"}",
    };
    struct err err = ERR_INIT;
    uint64_t n = 42;

    ok(!gateway_depth_read(&n, MINED("18"), strlen(MINED("18")), &err) &&
       n == 18, "read");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        n = 42;
        ok(gateway_depth_read(&n, bad[i], strlen(bad[i]), &err) == -1 &&
           err.code == ERR_INPUT && n == 42, "%zu: %s", i, err.text);
    }
}

int main(void)
{
    char *conf = file_join(tap_tmp(), "conf");

    file_write(conf, "", 0, NULL);
    setenv("APUS_CONFIG", conf, 1);
    test_read();
    test_depth();
    test_root();
    test_index();
    test_block();
    test_stop();
    unlink(conf);
    rmdir(tap_tmp());
    free(conf);
    return done();
}
