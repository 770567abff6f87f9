/*
 * src/arweave/graphql: the body of a query, and pages of answers: whole,
 * wrong, with more behind them, with more ids than they may have.
 */
#include <config.h>

#include <string.h>

#include "arweave/graphql.h"
#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
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
    unsigned char owner[32] = { 0 };
    struct graphql_query q = { .owner = owner, .tag = tag, .n_tags = 2 };
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

int main(void)
{
    buf_init(&ids, 1u << 20);
    test_pages();
    test_wrong();
    test_body();
    buf_clear(&ids);
    return done();
}
