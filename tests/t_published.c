/*
 * src/publish/published: the published job, result and statement of
 * doc/proof.md section 9 come out of their JSON; each key can be missing, be
 * there twice or have a wrong form, and is named; each value that is another
 * makes another record.
 */
#include <config.h>

#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/merkle.h"
#include "publish/published.h"
#include "publish/published_statement.h"
#include "tests/published_util.h"
#include "tests/tap.h"

static struct published got;
static struct err err;

static int read_pub(const struct pub *p)
{
    struct buf json;
    int rc;

    buf_init(&json, 1u << 20);
    pub_json(&json, p);
    memset(&err, 0, sizeof(err));
    rc = published_read(&got, json.data, json.len, &err);
    buf_clear(&json);
    return rc;
}

static bool hex_is(struct id h, const char *want)
{
    char text[65];

    digest_hex(text, h);
    return strcmp(text, want) == 0;
}

static void result_id(struct id *id)
{
    digest(id, got.result_bytes, sizeof(got.result_bytes));
}

/* ---- what is right ------------------------------------------------------- */

/* The ids are those of the page, not computed here. */
static void test_vectors(void)
{
    struct id id;
    struct record rec;
    struct err e = ERR_INIT;
    struct pub p;

    pub_init(&p, NULL);
    ok(read_pub(&p) == 0, "a result is read%s%s", err.code ? ": " : "",
       err.text);
    ok(hex_is(got.result.job, "c029a2a49c2cc69d86691992d0132c5b"
                              "2d7b64c015b62b8c8844dcccd1408d82"),
       "its job is the one of doc/proof.md");
    result_id(&id);
    ok(hex_is(id, "1ae1d84059645c81e5b3870c719a5841"
                  "28cc1203d4b17d3af1b7f09ea66db01c"),
       "so is its result");
    ok(got.n_path == 0 && published_is_in(&got, got.root, 1) &&
       !published_is_in(&got, got.root, 2) &&
       !published_is_in(&got, got.batch, 1), "alone in its batch");
    published_record(&got, &rec);
    ok(record_check_untraced(&rec, &e) == 0, "as a record it holds%s",
       e.text);
    ok(!got.hashed && got.text.len == 4 && got.prompt.len == 12, "in full");

    pub_hash(&p);
    ok(read_pub(&p) == 0 && got.hashed, "by hashes%s%s", err.code ? ": " : "",
       err.text);
    result_id(&id);
    ok(hex_is(id, "1ae1d84059645c81e5b3870c719a5841"
                  "28cc1203d4b17d3af1b7f09ea66db01c") &&
       got.text.len == 0 && got.prompt.len == 0, "it is the same result");
    pub_clear(&p);
}

/* The same request with finish 17. */
static void test_long(void)
{
    struct id id;
    struct merkle none;
    struct pub p;

    pub_init(&p, NULL);
    merkle_init(&none);
    merkle_root(&none, &id);
    pub_set_id(&p, "trace", id);
    pub_set(&p, "tokens", "[]");
    pub_set(&p, "text", "\"\"");
    pub_set(&p, "finish", "17");
    pub_set(&p, "n", "0");
    ok(read_pub(&p) == 0, "a prompt that was too long%s", err.text);
    result_id(&id);
    ok(hex_is(id, "85cab3fe5293de8dbefc4121fa2e1a37"
                  "6d0af7da1408d20d155d981d42bd6587"),
       "is the result of doc/proof.md");
    pub_clear(&p);
}

static void test_path(void)
{
    struct id hash[3], root;
    unsigned char path[64 * 32];
    char text[256], a[ID_TEXT], b[ID_TEXT];
    struct merkle m;
    struct pub p;

    pub_init(&p, NULL);
    merkle_init(&m);
    for (int i = 0; i < 3; i++) {
        memset(hash[i].b, 40 + i, 32);
        if (i == 1)
            hash[i] = p.root;
        merkle_hash(&m, hash[i]);
    }
    merkle_root(&m, &root);
    merkle_path(path, hash[0].b, 3, 1);
    base64url(a, path, 32);
    base64url(b, path + 32, 32);
    snprintf(text, sizeof(text), "[\"%s\",\"%s\"]", a, b);
    pub_set(&p, "path", text);
    pub_set(&p, "index", "1");
    pub_set(&p, "count", "3");
    ok(read_pub(&p) == 0 && published_is_in(&got, root, 3), "one of three");
    ok(!published_is_in(&got, root, 5), "not of five");
    got.index = 2;
    ok(!published_is_in(&got, root, 3), "not another one");
    got.index = 1;
    got.path[40] ^= 1;
    ok(!published_is_in(&got, root, 3), "not by another path");
    got.path[40] ^= 1;
    got.result_bytes[100] ^= 1;
    ok(!published_is_in(&got, root, 3), "not another result");
    pub_clear(&p);
}

/* ---- what is not --------------------------------------------------------- */

static void refuses(const char *key, const char *json, const char *say)
{
    struct pub p;

    pub_init(&p, NULL);
    pub_set(&p, key, json);
    ok(read_pub(&p) == -1 && err.code == ERR_INPUT && strstr(err.text, say),
       "\"%s\":%.40s: %s", key, json, err.text);
    pub_clear(&p);
}

/* Forms that each kind of value must not have. */
static void test_forms(void)
{
    static const char *const ids[] = { "request", "process", "model", "job",
                                       "trace", "batch_id", "batch_root",
                                       "node" };
    static const char *const numbers[] = {
        "finish", "n", "level", "index", "count", "choice", "max_tokens",
        "temperature", "top_p", "top_k", "flags"
    };
    static const char *const no_id[] = {
        "7", "null", "\"\"", "[]",
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\"",
        "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
    };
    static const char *const no_number[] = { "\"1\"", "-1", "1.0", "1e0",
                                             "4294967296", "null", "[1]" };

    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
        for (size_t k = 0; k < sizeof(no_id) / sizeof(*no_id); k++)
            refuses(ids[i], no_id[k], ids[i]);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        for (size_t k = 0; k < sizeof(no_number) / sizeof(*no_number); k++)
            refuses(numbers[i], no_number[k], numbers[i]);
    for (int i = 0; i < PUB_KEYS; i++)
        refuses(pub_key[i], "", pub_key[i]);
    for (int i = 0; i < PUB_PARAMS; i++)
        refuses(pub_param[i], "", pub_param[i]);
}

static void test_other_forms(void)
{
    char many[1200] = "[";

    refuses("apus", "\"result-2\"", "apus");
    refuses("apus", "1", "apus");
    refuses("params", "[]", "params");
    refuses("seed", "7", "seed");
    refuses("seed", "\"07\"", "seed");
    refuses("seed", "\"18446744073709551616\"", "seed");
    refuses("stops", "[\"\"]", "stops");
    refuses("stops", "[\"Cgp\"]", "stops");
    refuses("stops", "[\"Yg\",\"YQ\"]", "stops");
    refuses("stops", "[\"YQ\",\"YQ\"]", "stops");
    refuses("stops", "[7]", "stops");
    refuses("prompt", "[1,\"a\"]", "prompt");
    refuses("prompt", "\"1\"", "prompt");
    refuses("tokens", "[4294967296]", "tokens");
    refuses("tokens", "{}", "tokens");
    refuses("text", "7", "text");
    refuses("text", "[]", "text");
    /* a hashed text wants hashed tokens */
    refuses("text", "[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]",
            "prompt");
    refuses("error", "[1,2,3,4,5]", "error");
    refuses("error", "null", "error");
    refuses("finish", "16", "error");
    refuses("path", "\"\"", "path");
    refuses("path", "[7]", "path");
    for (int i = 0; i < 65; i++)
        strcat(many, i ? ",\"a\"" : "\"a\"");
    strcat(many, "]");
    refuses("path", many, "path");
    many[0] = '\0';
    strcat(many, "[");
    for (int i = 0; i < 17; i++)
        strcat(many, i ? ",\"YQ\"" : "\"YQ\"");
    strcat(many, "]");
    refuses("stops", many, "stops");
}

static void test_keys(void)
{
    static const char *const more[] = { "\"extra\":1,", "\"node\":1,",
                                        "\"Apus\":1," };
    static const char params[] = "{\"choice\":0,\"n\":1}";
    struct buf json, with;
    struct pub p;

    pub_init(&p, NULL);
    buf_init(&json, 1u << 20);
    buf_init(&with, 1u << 20);
    pub_json(&json, &p);
    for (size_t i = 0; i < 3; i++) {
        struct err e = ERR_INIT;

        buf_reset(&with);
        buf_printf(&with, "{%s", more[i]);
        buf_put(&with, json.data + 1, json.len - 1);
        ok(published_read(&got, with.data, with.len, &e) == -1 &&
           e.code == ERR_INPUT && (i == 1 || strstr(e.text, "unknown key")),
           "with %s it is refused: %s", more[i], e.text);
    }
    pub_set(&p, "params", params);
    ok(read_pub(&p) == -1 && strstr(err.text, "unknown key \"n\""),
       "an invalid parameter: %s", err.text);
    ok(published_read(&got, "[]", 2, &err) == -1, "no object");
    ok(published_read(&got, "", 0, &err) == -1, "nothing");
    ok(published_read(&got, "", PUBLISHED_MAX + 1, &err) == -1 &&
       strstr(err.text, "at most"), "too long: %s", err.text);
    buf_clear(&json);
    buf_clear(&with);
    pub_clear(&p);
}

/* Other values of the right form: the record is another. */
static void test_values(void)
{
    static const struct { const char *key, *json; bool job; } rows[] = {
        { "request", NULL, false }, { "model", NULL, true },
        { "choice", "1", true }, { "max_tokens", "255", true },
        { "temperature", "700001", true }, { "top_p", "1", true },
        { "top_k", "0", true }, { "flags", "1", true },
        { "seed", "\"1234567890123456788\"", true },
        { "stops", "[]", true }, { "stops", "[\"Cg\"]", true },
        { "prompt", "[1,15043]", true }, { "tokens", "[306,3]", false },
        { "text", "\" thf\"", false }, { "finish", "1", false },
        { "trace", NULL, false }, { "n", "5", false },
        { "level", "1", false },
    };
    struct id id, other;

    memset(other.b, 77, 32);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        bool fits;
        struct pub p;

        pub_init(&p, NULL);
        if (rows[i].json)
            pub_set(&p, rows[i].key, rows[i].json);
        else
            pub_set_id(&p, rows[i].key, other);
        fits = read_pub(&p) == 0;
        result_id(&id);
        fits = fits && !id_equal(id, p.result) &&
               (!id_equal(got.result.job, p.job)) == rows[i].job;
        ok(fits, "another %s is another %s %s", rows[i].key,
           rows[i].job ? "job" : "result", err.text);
        pub_clear(&p);
    }
}

/* ---- statements ---------------------------------------------------------- */

static void test_statement(void)
{
    unsigned char data[STATEMENT_SIZE + 3 * PUBLISHED_FILE] = { 0 };
    struct published_statement s;
    struct statement st = { .count = 1, .n_files = 1 };
    struct id id, sha, other;
    struct merkle files;
    struct pub p;

    pub_init(&p, NULL);
    st.batch = p.batch;
    st.root = p.root;
    memset(st.process.b, 9, 32);
    memset(st.node.b, 10, 32);
    memset(sha.b, 11, 32);
    memset(other.b, 12, 32);
    merkle_init(&files);
    statement_file(&files, 12345, sha);
    merkle_root(&files, &st.files);
    statement_pack(data, &st);
    set_u64(data + STATEMENT_SIZE, 12345);
    memcpy(data + STATEMENT_SIZE + 8, sha.b, 32);
    ok(published_statement_read(&s, data, 248, &err) == 0, "a statement");
    statement_id(&id, &s.s);
    ok(hex_is(id, "16017ed8561fd1f9cf03e830a0f2a5a0"
                  "d0da4acd5d1cffb77d296f0e53314edf"),
       "is the one of doc/proof.md");
    ok(published_files_fit(&s), "its file is the one of its root");
    ok(published_has_file(&s, 12345, sha) &&
       !published_has_file(&s, 12346, sha) &&
       !published_has_file(&s, 12345, other), "which it has, and no other");
    data[STATEMENT_SIZE] ^= 1;
    ok(published_statement_read(&s, data, 248, &err) == 0 &&
       !published_files_fit(&s), "another size does not fit");
    for (size_t n = 0; n <= sizeof(data); n += 7) {
        struct err e = ERR_INIT;

        if (n != 248 &&
            (published_statement_read(&s, data, n, &e) != -1 ||
             e.code != ERR_INPUT)) {
            ok(0, "%zu bytes are taken", n);
            break;
        }
    }
    ok(published_statement_read(&s, data, 288, &err) == -1,
       "two files where there is to be one: %s", err.text);
    data[0] = 'x';
    ok(published_statement_read(&s, data, 248, &err) == -1, "no magic");
    pub_clear(&p);
}

int main(void)
{
    published_init(&got);
    test_vectors();
    test_long();
    test_path();
    test_forms();
    test_other_forms();
    test_keys();
    test_values();
    test_statement();
    published_clear(&got);
    return done();
}
