/*
 * src/arweave/graphql: the body of a query, and pages of answers: whole,
 * wrong, with more behind them, with more ids than they may have; and several
 * gateways, good ones and those whose pages do not end.
 */
#include <config.h>

#include <string.h>
#include <unistd.h>

#include "arweave/graphql.h"
#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/program.h"
#include "base/settings.h"
#include "tests/pretend_server.h"
#include "tests/tap.h"

#define A43 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B43 "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA"
#define EDGE(c, id) "{\"cursor\":\"" c "\",\"node\":{\"id\":\"" id "\"}}"
#define PAGE(more, edges)                                                    \
    "{\"data\":{\"transactions\":{\"pageInfo\":{\"hasNextPage\":" more "},"  \
    "\"edges\":[" edges "]}}}"

static struct buf ids;
static char cursor[GRAPHQL_CURSOR];
static struct err err;

static int page(const char *json)
{
    buf_reset(&ids);
    memset(&err, 0, sizeof(err));
    memset(cursor, 'x', sizeof(cursor) - 1);
    return graphql_page(&ids, cursor, json, strlen(json), &err);
}

static void test_pages(void)
{
    ok(page(PAGE("false", "")) == 0 && ids.len == 0 && !*cursor, "no ids");
    ok(page(PAGE("false", EDGE("c1", A43))) == 0 && ids.len == 32 && !*cursor,
       "one id, the last page");
    ok(page(PAGE("true", EDGE("c1", A43) "," EDGE("c2", B43))) == 0 &&
       ids.len == 64 && strcmp(cursor, "c2") == 0 &&
       (unsigned char)ids.data[32] == 4, "two, and more behind c2");
    ok(page("{\"data\":{\"transactions\":{\"edges\":[{\"node\":{\"id\":\""
            A43 "\",\"more\":1},\"cursor\":\"c\"}],\"pageInfo\":{"
            "\"hasNextPage\":true}}},\"extensions\":{}}") == 0 &&
       ids.len == 32 && strcmp(cursor, "c") == 0, "what we did not ask for");
}

static void test_wrong(void)
{
    static const char *const rows[] = {
        "", "[]", "{}", "{\"data\":null}", "<html>",
        "{\"data\":{\"transactions\":null}}",
        "{\"data\":{\"transactions\":{\"edges\":[]}}}",
        "{\"data\":{\"transactions\":{\"edges\":{},\"pageInfo\":{"
        "\"hasNextPage\":false}}}}",
        PAGE("1", EDGE("c", A43)),
        PAGE("true", EDGE("c", "AAA")),
        PAGE("true", "{\"cursor\":\"c\",\"node\":{}}"),
        PAGE("true", "{\"node\":{\"id\":\"" A43 "\"}}"),
        PAGE("true", "{\"cursor\":7,\"node\":{\"id\":\"" A43 "\"}}"),
        PAGE("true", "7"),
    };
    char *many = malloc(100000), *end = many;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        ok(page(rows[i]) == -1 && err.code == ERR_INPUT && !*cursor,
           "%.60s: %s", rows[i], err.text);
    ok(page("{\"errors\":[{\"message\":\"no such field\"}],\"data\":null}")
       == -1 && strstr(err.text, "no such field"), "told: %s", err.text);
    /* a cursor that does not fit */
    end += sprintf(end, "%s", "{\"data\":{\"transactions\":{\"pageInfo\":{"
                              "\"hasNextPage\":true},\"edges\":[{\"cursor\":"
                              "\"");
    memset(end, 'c', GRAPHQL_CURSOR);
    end += GRAPHQL_CURSOR;
    sprintf(end, "\",\"node\":{\"id\":\"" A43 "\"}}]}}}");
    ok(page(many) == -1 && !*cursor, "a cursor that is too long");
    end = many;
    end += sprintf(end, "%s", "{\"data\":{\"transactions\":{\"pageInfo\":{"
                              "\"hasNextPage\":true},\"edges\":[");
    for (int i = 0; i <= GRAPHQL_PAGE_MAX; i++)
        end += sprintf(end, "%s" EDGE("c", A43), i ? "," : "");
    sprintf(end, "]}}}");
    ok(page(many) == -1 && strstr(err.text, "1001"), "%s", err.text);
    free(many);
}

static void test_body(void)
{
    const struct item_text_tag tag[] = { { "Apus", "bundle-1" },
                                         { "Batch", "a\"b" } };
    struct id owner = { 0 };
    struct graphql_query q = { .owner = &owner, .tag = tag, .n_tags = 2 };
    const struct json *v, *t;
    struct json *root = NULL;
    struct buf b;

    buf_init(&b, 4096);
    graphql_body(&b, &q, "c\"1");
    ok(json_parse(&root, b.data, b.len, &err) == 0, "a body is JSON");
    v = json_get(root, "variables");
    t = json_next(json_first(json_get(v, "t")));
    ok(json_string(json_get(root, "query")) &&
       strcmp(json_string(json_first(json_get(v, "o"))), A43) == 0 &&
       strcmp(json_string(json_get(v, "c")), "c\"1") == 0 &&
       strcmp(json_string(json_get(t, "name")), "Batch") == 0 &&
       strcmp(json_string(json_first(json_get(t, "values"))), "a\"b") == 0,
       "owner, tags and cursor");
    json_free(root);
    buf_reset(&b);
    q.owner = NULL;
    graphql_body(&b, &q, "");
    ok(json_parse(&root, b.data, b.len, &err) == 0 &&
       !json_get(json_get(root, "variables"), "o") &&
       !json_get(json_get(root, "variables"), "c"), "or without them");
    json_free(root);
    buf_clear(&b);
}

/* ---- gateways ------------------------------------------------------------ */

/* Ids are 32 times a number.  Pages of two from `first` on to `last`; an
 * endless one begins anew, one that repeats has always the same cursor. */
struct indexer {
    int first, last;
    const char *status; /* NULL: 200 */
    bool endless, repeats;
};

static void on_call(struct pretend_call *c)
{
    const struct indexer *x = c->self;
    const struct json *after;
    struct json *root = NULL;
    struct err unused;
    struct buf b;
    int from = x->first;

    if (x->status) {
        pretend_answer(c, x->status, "", "no", 2);
        return;
    }
    if (json_parse(&root, (char *)c->body, c->n_body, &unused))
        abort();
    after = json_get(json_get(root, "variables"), "c");
    if (after && !x->repeats)
        from = atoi(json_string(after)) + 1;
    if (x->endless && from > x->last)
        from = x->first;
    buf_init(&b, 1u << 16);
    buf_puts(&b, "{\"data\":{\"transactions\":{\"edges\":[");
    for (int i = from; i < from + 2 && i <= x->last; i++) {
        struct id id;

        memset(id.b, i, 32);
        buf_printf(&b, "%s{\"cursor\":\"%d\",\"node\":{\"id\":\"%s\"}}",
                   i > from ? "," : "", i, id_text(id).s);
    }
    buf_printf(&b, "],\"pageInfo\":{\"hasNextPage\":%s}}}}",
               x->endless || x->repeats || from + 2 <= x->last ? "true"
                                                              : "false");
    pretend_answer(c, "200 OK", "", b.data, b.len);
    buf_clear(&b);
    json_free(root);
}

/* The ids that two gateways name, as their numbers in a row. */
static void finds(const struct indexer *a, const struct indexer *b,
                  const char *want, unsigned calls, const char *what)
{
    struct pretend *one = pretend_start(on_call, (void *)a);
    struct pretend *two = pretend_start(on_call, (void *)b);
    struct graphql_query q = { .max = 6 };
    struct graphql *g = NULL;
    struct settings *s;
    char *urls, got[256] = "";
    struct err e = ERR_INIT;
    struct buf found;
    int rc;

    buf_init(&found, 1u << 16);
    urls = xasprintf("%s, %s/", pretend_url(one), pretend_url(two));
    if (settings_new(&s, program_settings, &e) ||
        settings_set(s, "gateways", urls, &e) ||
        settings_set(s, "http-retries", "0", &e) || graphql_new(&g, s, &e)) {
        ok(0, "%s: %s", what, e.text);
        return;
    }
    rc = graphql_find(g, &q, &found, &e);
    for (size_t i = 0; i < found.len; i += 32)
        sprintf(got + strlen(got), "%d ", found.data[i]);
    ok((rc ? strcmp(want, "none") == 0 && *e.text : strcmp(want, got) == 0) &&
       pretend_calls(one) + pretend_calls(two) == calls, "%s: %s%s, %u calls",
       what, got, e.text, pretend_calls(one) + pretend_calls(two));
    graphql_free(g);
    settings_free(s);
    pretend_end(one);
    pretend_end(two);
    buf_clear(&found);
    free(urls);
}

static void test_gateways(void)
{
    const struct indexer few = { 1, 3, NULL, false, false };
    const struct indexer others = { 3, 6, NULL, false, false };
    const struct indexer none = { 1, 0, NULL, false, false };
    const struct indexer down = { 1, 3, "503 Busy", false, false };
    const struct indexer gone = { 1, 3, "404 Gone", false, false };
    const struct indexer endless = { 1, 4, NULL, true, false };
    const struct indexer repeats = { 1, 2, NULL, false, true };
    const struct indexer empty = { 1, 0, NULL, true, false };

    finds(&few, &none, "1 2 3 ", 3, "one has all");
    finds(&few, &others, "1 2 3 4 5 6 ", 4, "each once");
    finds(&others, &few, "3 4 5 6 1 2 ", 4, "in the order of their coming");
    finds(&down, &few, "1 2 3 ", 3, "the first is busy");
    finds(&few, &gone, "1 2 3 ", 3, "the second has no index");
    finds(&down, &gone, "none", 2, "neither answers");
    finds(&endless, &none, "1 2 3 4 ", 4, "pages without an end");
    finds(&repeats, &none, "1 2 ", 3, "a page that leads to itself");
    finds(&empty, &few, "1 2 3 ", 3, "more, but nothing there");
}

static void test_settings(void)
{
    struct graphql *g = NULL;
    struct err e = ERR_INIT;
    struct settings *s;

    if (settings_new(&s, program_settings, &e))
        abort();
    ok(settings_set(s, "gateways", " , ", &e) == 0 &&
       graphql_new(&g, s, &e) == -1, "no gateway: %s", e.text);
    ok(settings_set(s, "gateways", "http://example.org", &e) == 0 &&
       graphql_new(&g, s, &e) == -1, "http elsewhere: %s", e.text);
    ok(settings_set(s, "gateways", "a b c d e f g h i j k l m n o p q", &e)
       == 0 && graphql_new(&g, s, &e) == -1, "what is none: %s", e.text);
    settings_free(s);
}

int main(void)
{
    char *conf = file_join(tap_tmp(), "apus.conf");
    struct err e = ERR_INIT;

    if (file_write(conf, "", 0, &e))
        abort();
    setenv("APUS_CONFIG", conf, 1);
    buf_init(&ids, 1u << 20);
    test_pages();
    test_wrong();
    test_body();
    test_gateways();
    test_settings();
    buf_clear(&ids);
    unlink(conf);
    rmdir(tap_tmp());
    free(conf);
    return done();
}
