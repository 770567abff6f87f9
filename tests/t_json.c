/*
 * src/base/json: what is accepted and what is not (RFC 8259, and our bounds:
 * depth, duplicate keys, NUL, surrogates), numbers by their text, the tree,
 * writing, and that large objects take no quadratic time.
 */
#include <config.h>

#include <float.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "tests/tap.h"

/* Compact form of a text in out, or the error in err: 0 or -1. */
static int compact(struct buf *out, const char *text, size_t n,
                   struct err *err)
{
    struct json *root;
    char *exact = malloc(n ? n : 1); /* nothing behind the end */
    int rc;

    memcpy(exact, text, n);
    rc = json_parse(&root, exact, n, err);
    free(exact);
    buf_reset(out);
    if (rc)
        return -1;
    json_put(out, root);
    json_free(root);
    return 0;
}

static void test_good(void)
{
    static const char *const rows[][2] = {
        { "null", "null" }, { " true\n", "true" }, { "false", "false" },
        { "0", "0" }, { "-0", "-0" }, { "-0.0e-00", "-0.0e-00" },
        { "18446744073709551615", "18446744073709551615" },
        { "1E+2", "1E+2" }, { "1e999999999", "1e999999999" },
        { "\"\"", "\"\"" }, { "[]", "[]" }, { "{}", "{}" },
        { "\t[ 1 ,\r2.50 , [ 3e1 ] ]", "[1,2.50,[3e1]]" },
        { "{ \"b\" : 1 , \"a\" : { \"b\" : 02e0 } }", NULL },
        { "{ \"b\" : 1 , \"a\" : { \"b\" : 2e0 } }",
          "{\"b\":1,\"a\":{\"b\":2e0}}" },
        { "{\"a\":1,\"A\":2}", "{\"a\":1,\"A\":2}" },
        { "{\"\":1}", "{\"\":1}" },
        { "\"\\u0041\\/\\\"\\\\\\b\\f\\n\\r\\t\"",
          "\"A/\\\"\\\\\\b\\f\\n\\r\\t\"" },
        { "\"\\u00e9\\u20AC\\ud83d\\ude00\"",
          "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
        { "\"\\u0001\\u001f\\u007f\"", "\"\\u0001\\u001f\x7f\"" },
        { "\"\xf4\x8f\xbf\xbf\"", "\"\xf4\x8f\xbf\xbf\"" },
        { "123456789012345678901234567890123456789012345678901234567890123",
          "123456789012345678901234567890123456789012345678901234567890123" },
    };
    struct err err = ERR_INIT;
    struct buf out;

    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *text = rows[i][0], *want = rows[i][1];
        int rc = compact(&out, text, strlen(text), &err);

        if (!want)
            ok(rc == -1, "refused: %s", err.text);
        else
            ok(rc == 0 && strcmp(out.data, want) == 0, "row %zu: %s", i,
               rc ? err.text : out.data);
    }
    buf_clear(&out);
}

static void test_bad(void)
{
    static const struct {
        const char *text;
        size_t n;
        const char *message; /* part of it */
    } rows[] = {
#define ROW(text, message) { text, sizeof(text) - 1, message }
        ROW("", "byte 0"), ROW("  ", "byte 2"), ROW("nul", "byte 0"),
        ROW("True", "byte 0"), ROW("nullx", "byte 4"), ROW("1 2", "byte 2"),
        ROW("01", "byte 1"), ROW("-", "bad number"), ROW("+1", "byte 0"),
        ROW(".5", "byte 0"), ROW("1.", "bad number"),
        ROW("1.e1", "bad number"), ROW("1e", "bad number"),
        ROW("1e+", "bad number"), ROW("0x1", "byte 1"), ROW("-a", "byte 0"),
        ROW("NaN", "byte 0"), ROW("Infinity", "byte 0"),
        ROW("-Infinity", "byte 0"),
        ROW("12345678901234567890123456789012345678901234567890123456789"
            "01234", "63 characters"),
        ROW("\"", "without an end"), ROW("\"a", "without an end"),
        ROW("\"\\\"", "without an end"), ROW("\"\\", "unknown escape"),
        ROW("\"\\x41\"", "unknown escape"), ROW("\"\\'\"", "unknown escape"),
        ROW("\"\\\0\"", "unknown escape"),
        ROW("\"a\nb\"", "byte 2: control"), ROW("\"a\0b\"", "byte 2"),
        ROW("\"\x1f\"", "control"), ROW("\"\\u00e\"", "hexadecimal"),
        ROW("\"\\u", "hexadecimal"), ROW("\"\\u00g0\"", "hexadecimal"),
        ROW("\"a\\u0000\"", "byte 2: \\u0000"),
        ROW("\"\\ud800\"", "lone surrogate"),
        ROW("\"\\udc00\"", "lone surrogate"),
        ROW("\"\\ud800\\u0041\"", "lone surrogate"),
        ROW("\"\\ud800\\ud800\"", "lone surrogate"),
        ROW("\"\\ud800x\\udc00\"", "lone surrogate"),
        ROW("\"\\ud800\\udc0", "lone surrogate"),
        ROW("\"\xff\"", "bad UTF-8"), ROW("\"\xc3\"", "bad UTF-8"),
        ROW("\"\xed\xa0\x80\"", "bad UTF-8"),
        ROW("\"\xc0\x80\"", "bad UTF-8"),
        ROW("\"\xf4\x90\x80\x80\"", "bad UTF-8"), ROW("\"\xe2\x82", "UTF-8"),
        ROW("\xef\xbb\xbf{}", "byte 0"), ROW("{}\0", "byte 2"),
        ROW("[", "text ends"), ROW("[1", "expected"), ROW("[1,", "ends"),
        ROW("[1,]", "byte 3"), ROW("[,1]", "byte 1"), ROW("[1 2]", "byte 3"),
        ROW("]", "byte 0"), ROW("[}", "byte 1"), ROW("{", "key expected"),
        ROW("{\"a\"", "\":\" expected"), ROW("{\"a\":", "ends"),
        ROW("{\"a\":1", "expected"), ROW("{\"a\":1,}", "key expected"),
        ROW("{a:1}", "key expected"), ROW("{1:1}", "key expected"),
        ROW("{\"a\":1 \"b\":2}", "expected"), ROW("{\"a\" 1}", "expected"),
        ROW("[1]\v", "byte 3"), ROW("\f1", "byte 0"), ROW("/**/1", "byte 0"),
        ROW("{\"a\":1,\"a\":2}", "byte 7: duplicate key \"a\""),
        ROW("{\"a\":1,\"\\u0061\":2}", "byte 7: duplicate key \"a\""),
        ROW("{\"\":1,\"\":2}", "duplicate"),
        ROW("[{\"x\":{\"b\":1,\"c\":2,\"b\":3}}]", "byte 19: duplicate"),
        ROW("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", "duplicate"),
        ROW("{\"a\\n\":1,\"a\\n\":2}", "duplicate key \"a?\""),
#undef ROW
    };
    struct err err = ERR_INIT;
    struct buf out;

    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        int rc = compact(&out, rows[i].text, rows[i].n, &err);

        ok(rc == -1 && err.code == ERR_INPUT &&
           strstr(err.text, rows[i].message), "bad row %zu: %s", i,
           rc ? err.text : "accepted");
    }
    buf_clear(&out);
}

static void test_depth(void)
{
    struct err err = ERR_INIT;
    struct buf out;
    char text[200];

    buf_init(&out, 1000);
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    ok(compact(&out, text, 64, &err) == 0, "32 deep");
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    ok(compact(&out, text, 66, &err) == -1 && strstr(err.text, "byte 32"),
       "%s", err.text);
    memset(text, '[', sizeof(text));
    ok(compact(&out, text, sizeof(text), &err) == -1 &&
       strstr(err.text, "deeper"), "%s", err.text);
    ok(compact(&out, "[[[]],[{}],{\"a\":[]}]", 20, &err) == 0,
       "breadth is not depth");
    buf_clear(&out);
}

static void test_tree(void)
{
    static const char text[] =
        "{\"Key\":1,\"key\":\"text\",\"list\":[true,false,null,{},-1.50],"
        "\"last\":{\"in\":7}}";
    const struct json *v, *list;
    struct err err = ERR_INIT;
    struct json *root = NULL;
    uint64_t u = 0;

    ok(json_parse(&root, "{", 1, &err) == -1 && !root,
       "nothing is handed over on failure");
    ok(json_parse(&root, text, sizeof(text) - 1, &err) == 0, "parse");
    ok(json_type(root) == JSON_OBJECT && json_count(root) == 4, "object");
    ok(json_u64(json_get(root, "Key"), &u) == 0 && u == 1 &&
       strcmp(json_string(json_get(root, "key")), "text") == 0 &&
       !json_get(root, "KEY") && !json_get(root, "in"),
       "keys are compared case-sensitively");
    list = json_get(root, "list");
    ok(json_type(list) == JSON_ARRAY && json_count(list) == 5 &&
       !json_get(list, "a"), "array");
    v = json_first(list);
    ok(json_type(v) == JSON_BOOL && json_true(v) && !json_key(v), "true");
    v = json_next(v);
    ok(json_type(v) == JSON_BOOL && !json_true(v), "false");
    v = json_next(v);
    ok(json_type(v) == JSON_NULL && !json_true(v), "null");
    v = json_next(v);
    ok(json_type(v) == JSON_OBJECT && json_count(v) == 0 && !json_first(v),
       "empty object");
    v = json_next(v);
    ok(json_type(v) == JSON_NUMBER && strcmp(json_number(v), "-1.50") == 0 &&
       !json_string(v) && !json_next(v), "number");
    v = json_next(list);
    ok(strcmp(json_key(v), "last") == 0 && !json_next(v), "key");
    v = json_get(root, "key");
    ok(!json_number(v) && json_u64(v, &u) == -1 && json_count(v) == 0 &&
       !json_first(v) && !json_get(v, "x"), "a string is nothing else");
    ok(!json_get(NULL, "x") && !json_first(NULL) && !json_next(NULL) &&
       !json_string(NULL) && !json_number(NULL) && !json_true(NULL) &&
       json_count(NULL) == 0 && json_u64(NULL, &u) == -1 && u == 1,
       "NULL is nothing");
    ok(strcmp(json_type_name(JSON_NULL), "null") == 0 &&
       strcmp(json_type_name(JSON_OBJECT), "object") == 0, "names of types");
    json_free(root);
    json_free(NULL);
}

/* Each of the readings of one number: the value, or what is not to be. */
struct number {
    const char *text;
    int is_u64, is_i64, is_millionths;
    uint64_t u64;
    int64_t i64, millionths;
};

static void test_number(const struct number *row)
{
    const int64_t none = 4711;
    int64_t i = none, m = none;
    uint64_t u = (uint64_t)none;
    struct err err = ERR_INIT;
    struct json *v;
    int good;

    if (json_parse(&v, row->text, strlen(row->text), &err)) {
        ok(0, "%s", err.text);
        return;
    }
    good = (json_u64(v, &u) == 0) == row->is_u64 &&
           (json_i64(v, &i) == 0) == row->is_i64 &&
           (json_nearest_millionths(v, &m) == 0) == row->is_millionths;
    good = good && u == (row->is_u64 ? row->u64 : (uint64_t)none) &&
           i == (row->is_i64 ? row->i64 : none) &&
           m == (row->is_millionths ? row->millionths : none);
    ok(good, "%s: %" PRIu64 " %" PRId64 " %" PRId64, row->text, u, i, m);
    json_free(v);
}

static void test_numbers(void)
{
    static const struct number rows[] = {
        { "0", 1, 1, 1, 0, 0, 0 }, { "-0", 1, 1, 1, 0, 0, 0 },
        { "-0.000e7", 1, 1, 1, 0, 0, 0 }, { "0e999999999", 1, 1, 1, 0, 0, 0 },
        { "7", 1, 1, 1, 7, 7, 7000000 }, { "7.0", 1, 1, 1, 7, 7, 7000000 },
        { "7e0", 1, 1, 1, 7, 7, 7000000 },
        { "70E-1", 1, 1, 1, 7, 7, 7000000 },
        { "0.7e+1", 1, 1, 1, 7, 7, 7000000 },
        { "1e3", 1, 1, 1, 1000, 1000, 1000000000 },
        { "0.7", 0, 0, 1, 0, 0, 700000 }, { "0.70", 0, 0, 1, 0, 0, 700000 },
        { "7e-1", 0, 0, 1, 0, 0, 700000 },
        { "-0.7", 0, 0, 1, 0, 0, -700000 },
        { "0.000001", 0, 0, 1, 0, 0, 1 }, { "1e-6", 0, 0, 1, 0, 0, 1 },
        { "0.0000001", 0, 0, 1, 0, 0, 0 }, { "1e-7", 0, 0, 1, 0, 0, 0 },
        { "10e-7", 0, 0, 1, 0, 0, 1 }, { "1.0000001", 0, 0, 1, 0, 0, 1000000 },
        { "-5", 0, 1, 1, 0, -5, -5000000 },
        { "-5.5", 0, 0, 1, 0, 0, -5500000 },
        { "18446744073709551615", 1, 0, 0, UINT64_MAX, 0, 0 },
        { "18446744073709551616", 0, 0, 0, 0, 0, 0 },
        { "1844674407370955161.5e1", 1, 0, 0, UINT64_MAX, 0, 0 },
        { "9223372036854775807", 1, 1, 0, INT64_MAX, INT64_MAX, 0 },
        { "9223372036854775808", 1, 0, 0, UINT64_C(1) << 63, 0, 0 },
        { "-9223372036854775808", 0, 1, 0, 0, INT64_MIN, 0 },
        { "-9223372036854775809", 0, 0, 0, 0, 0, 0 },
        { "9223372036854.775807", 0, 0, 1, 0, 0, INT64_MAX },
        { "9223372036854.775808", 0, 0, 0, 0, 0, 0 },
        { "-9223372036854.775808", 0, 0, 1, 0, 0, INT64_MIN },
        { "9007199254740993", 1, 1, 0, 9007199254740993, 9007199254740993,
          0 },
        { "1e19", 1, 0, 0, UINT64_C(10000000000000000000), 0, 0 },
        { "1e20", 0, 0, 0, 0, 0, 0 }, { "2e19", 0, 0, 0, 0, 0, 0 },
        { "1e999999999", 0, 0, 0, 0, 0, 0 },
        { "-1e-999999999", 0, 0, 1, 0, 0, 0 },
        { "1e99999999999999999999999999999999999999", 0, 0, 0, 0, 0, 0 },
        { "1e-99999999999999999999999999999999999999", 0, 0, 1, 0, 0, 0 },
        /* the nearest, half to even */
        { "0.30000000000000004", 0, 0, 1, 0, 0, 300000 },
        { "0.699999988079071", 0, 0, 1, 0, 0, 700000 },
        { "0.0000005", 0, 0, 1, 0, 0, 0 }, { "5e-7", 0, 0, 1, 0, 0, 0 },
        { "0.00000050", 0, 0, 1, 0, 0, 0 },
        { "0.00000050000000001", 0, 0, 1, 0, 0, 1 },
        { "0.0000015", 0, 0, 1, 0, 0, 2 },
        { "0.0000025", 0, 0, 1, 0, 0, 2 },
        { "-0.0000015", 0, 0, 1, 0, 0, -2 },
        { "-0.0000005", 0, 0, 1, 0, 0, 0 },
        { "0.00000049999999999", 0, 0, 1, 0, 0, 0 },
        { "9.9999995", 0, 0, 1, 0, 0, 10000000 },
        { "99999995e-7", 0, 0, 1, 0, 0, 10000000 },
        { "0.1234565", 0, 0, 1, 0, 0, 123456 },
        { "1.234575E-1", 0, 0, 1, 0, 0, 123458 },
        { "9223372036854.7758074", 0, 0, 1, 0, 0, INT64_MAX },
        { "9223372036854.7758075", 0, 0, 0, 0, 0, 0 },
        { "-9223372036854.77580849", 0, 0, 1, 0, 0, INT64_MIN },
        { "18446744073709.5516155", 0, 0, 0, 0, 0, 0 },
        { "1e18446744073709551616", 0, 0, 0, 0, 0, 0 },
        { "0.00000000000000000000000000000000000001e38", 1, 1, 1, 1, 1,
          1000000 },
        { "100000000000000000000000000000000000000e-38", 1, 1, 1, 1, 1,
          1000000 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        test_number(&rows[i]);
}

static void salvages(const char *text, const char *want)
{
    size_t n = strlen(text);
    char *exact = malloc(n ? n : 1), *got; /* nothing behind the end */

    memcpy(exact, text, n);
    got = json_salvage(exact, n, "id");
    ok(!got == !want && (!got || strcmp(got, want) == 0), "of %s: %s", text,
       got ? got : "nothing");
    free(got);
    free(exact);
}

static void test_salvage(void)
{
    salvages("{\"id\":\"a\",\"b\":\"\\ud83d\"}", "a");
    salvages("\xef\xbb\xbf{\"id\":\"a\",\"b\":1}", "a");
    salvages("\xef\xbb", NULL);
    salvages("{\"b\":\"\\ud83d\",\"id\" : \"\\u00e9\"}", "\xc3\xa9");
    salvages("{\"id\":\"a\",\"b\":{\"id\":\"c\"}", "a");
    salvages("{\"b\":{\"id\":\"c\"},\"d\":[{\"id\":\"e\"}],}", NULL);
    salvages(" {\"b\":\"\\\\\",\"id\":\"a\",\"x", "a");
    salvages("{\"b\":\"\xff\n\",\"id\":\"a\"", "a");
    salvages("{'b':1,\"id\":\"a\"}", "a");
    salvages("{\"id\":\"a\",\"id\":\"a\"}", "a");
    salvages("{\"id\":\"a\",\"id\":\"b\",\"id\":\"a\"}", NULL);
    salvages("{\"id\":7,\"b\":tru}", NULL);
    salvages("{\"id\":\"\\ud83d\"}", NULL);
    salvages("{\"id\":\"a", NULL);
    salvages("{\"id\":", NULL);
    salvages("{\"id\"", NULL);
    salvages("{\"x\":\"id\",\"y\":\"a\"", NULL);
    salvages("{\"id", NULL);
    salvages("{}{\"id\":\"a\"}", NULL);
    salvages("[{\"id\":\"a\"}", NULL);
    salvages("{\"a\\", NULL);
    salvages("\"id\":\"a\"", NULL);
    salvages("", NULL);
}

static void test_doubles(void)
{
    static const struct {
        const char *text;
        int rc;
        double v;
    } rows[] = {
        { "0.1", 0, 0.1 }, { "-1e3", 0, -1000 }, { "1e999", -1, 0 },
        { "1e-999", 0, 0 }, { "1.7976931348623157e308", 0, DBL_MAX },
        { "\"1\"", -1, 0 },
    };
    struct err err = ERR_INIT;
    struct json *v;
    uint64_t u = 5;
    double d;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        json_parse(&v, rows[i].text, strlen(rows[i].text), &err);
        d = 5;
        ok(json_f64(v, &d) == rows[i].rc &&
           !(d < (rows[i].rc ? 5 : rows[i].v)) &&
           !(d > (rows[i].rc ? 5 : rows[i].v)), "%s: %g", rows[i].text, d);
        json_free(v);
    }
    ok(json_u64_text("18446744073709551615", &u) == 0 && u == UINT64_MAX &&
       json_u64_text("0", &u) == 0 && u == 0, "json_u64_text");
    u = 5;
    ok(json_u64_text("", &u) && json_u64_text("01", &u) &&
       json_u64_text("-1", &u) && json_u64_text("+1", &u) &&
       json_u64_text(" 1", &u) && json_u64_text("1 ", &u) &&
       json_u64_text("1.0", &u) && json_u64_text("1e1", &u) &&
       json_u64_text("18446744073709551616", &u) && u == 5,
       "json_u64_text refuses");
}

static void test_put(void)
{
    struct buf b;

    buf_init(&b, 100);
    json_put_string(&b, "a\"\\\n\x01\0\xc3\xa9/", 9);
    ok(strcmp(b.data, "\"a\\\"\\\\\\n\\u0001\\u0000\xc3\xa9/\"") == 0,
       "json_put_string: %s", b.data);
    buf_reset(&b);
    json_put_string(&b, NULL, 0);
    ok(strcmp(b.data, "\"\"") == 0, "of nothing");
    buf_clear(&b);
}

/* What was written as an id and as digits is read as that; nothing else is. */
static void must_read(const char *text, size_t n)
{
    struct id id = { { 1 } }, zeros = { { 0 } };
    struct json *root = NULL;
    uint64_t v = 1;

    ok(json_parse(&root, text, n, NULL) == 0 &&
       json_id(json_get(root, "k"), &id) == 0 && id_equal(id, zeros) &&
       json_digits(json_get(root, "h"), &v) == 0 && v == 7, "read again");
    id.b[0] = 1;
    ok(json_id(json_get(root, "a"), &id) == -1 && json_id(NULL, &id) == -1 &&
       json_id(json_get(root, "i"), &id) == -1 && id.b[0] == 1 &&
       json_digits(json_get(root, "a"), &v) == -1 &&
       json_digits(json_get(root, "d"), &v) == -1 &&
       json_digits(NULL, &v) == -1 && v == 7, "what is none of them");
    json_free(root);
}

static void test_write(void)
{
    static const char want[] =
        "{\"a\":\"q\\\"\",\"b\":null,\"c\":\"x\xef\xbf\xbd\xef\xbf\xbd\","
        "\"d\":{\"e\":\"{\"},\"f\":[{\"g\":18446744073709551615}],"
        "\"h\":\"7\",\"i\":true,\"j\":false,"
        "\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";
    static const struct id zeros;
    struct buf b;

    buf_init(&b, 1000);
    buf_putc(&b, '{');
    json_put_text(&b, "a", "q\"");
    json_put_text(&b, "b", NULL);
    json_put_scrubbed(&b, "c", "x\xff\0", 3);
    json_put_key(&b, "d");
    buf_putc(&b, '{');
    json_put_text(&b, "e", "{");
    buf_putc(&b, '}');
    json_put_key(&b, "f");
    buf_puts(&b, "[{");
    json_put_number(&b, "g", UINT64_MAX);
    buf_puts(&b, "}]");
    json_put_digits(&b, "h", 7);
    json_put_bool(&b, "i", true);
    json_put_bool(&b, "j", false);
    json_put_id(&b, "k", zeros);
    buf_putc(&b, '}');
    ok(strcmp(b.data, want) == 0, "%s", b.data);
    must_read(b.data, b.len);
    buf_clear(&b);
    buf_init(&b, 3);
    json_put_text(&b, "key", "value");
    json_put_number(&b, "key", 1);
    ok(b.full && b.len <= 3, "a buffer that is full stays so");
    buf_clear(&b);
}

/* A tokenizer has an object of 150,000 keys; here of 300,000. */
static void test_large(void)
{
    struct err err = ERR_INIT;
    struct json *root = NULL;
    struct buf text;
    clock_t start;
    double took;
    int rc;

    buf_init(&text, 1 << 26);
    buf_putc(&text, '{');
    for (int i = 0; i < 300000; i++)
        buf_printf(&text, "\"\\u0120token%d\":%d,",
                   (int)(i * INT64_C(7919) % 300000), i);
    buf_puts(&text, "\"x\":[");
    for (int i = 0; i < 300000; i++)
        buf_printf(&text, "\"a b%d\",", i);
    buf_puts(&text, "0]}");
    start = clock();
    rc = json_parse(&root, text.data, text.len, &err);
    took = (double)(clock() - start) / CLOCKS_PER_SEC;
    ok(rc == 0 && json_count(root) == 300001 && took < 10,
       "%zu bytes, 300000 keys: %.2f s", text.len, took);
    json_free(root);
    root = NULL;
    buf_reset(&text);
    buf_putc(&text, '{');
    for (int i = 0; i < 300000; i++)
        buf_printf(&text, "\"k%d\":0,", i % 299999);
    buf_puts(&text, "\"x\":0}");
    ok(json_parse(&root, text.data, text.len, &err) == -1 && !root &&
       strstr(err.text, "duplicate key \"k0\""), "%s", err.text);
    buf_clear(&text);
}

static int add(void *self, uint64_t number)
{
    *(uint64_t *)self += number;
    return 0;
}

/* Long arrays of numbers, which have no nodes until they are asked for. */
static void test_arrays(void)
{
    static const char *const bad[] = { "1.5", "-1", "4294967296", "null",
                                       "\"7\"", "[7]" };
    struct err err = ERR_INIT;
    struct json *root = NULL;
    bool all = true;
    uint64_t sum;

    for (int n = 0; n < 40; n++) {
        struct buf text;

        buf_init(&text, 4096);
        buf_puts(&text, " [ ");
        for (int i = 0; i < n; i++)
            buf_printf(&text, "%s%d.0e0 ", i ? " ,\n" : "", i);
        buf_puts(&text, "] ");
        sum = 0;
        all = all && json_parse(&root, text.data, text.len, &err) == 0 &&
              (memset(text.data, 'x', text.len), true) &&
              json_count(root) == (size_t)n &&
              json_u64_array(root, 39, add, &sum) == 0 &&
              sum == (uint64_t)n * (uint64_t)(n - (n > 0)) / 2 &&
              (n == 0) == !json_first(root) && json_count(root) == (size_t)n;
        json_free(root);
        root = NULL;
        buf_clear(&text);
    }
    ok(all, "arrays of up to 39 numbers, the text gone");
    all = true;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *text = xasprintf("[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,%s]",
                               bad[i]);

        all = all && json_parse_over(&root, text, strlen(text), &err) == 0 &&
              json_count(root) == 20 &&
              json_u64_array(root, UINT32_MAX, add, &sum) == -1;
        json_free(root);
        root = NULL;
        free(text);
    }
    ok(all, "an element that does not fit");
    ok(json_u64_array(NULL, 1, add, &sum) == -1, "no array");
}

/* A text of the world's, where it is there. */
static void test_real(void)
{
    const char *dir = getenv("APUS_TEST_DATA");
    struct err err = ERR_INIT;
    struct json *root = NULL;
    struct buf text;
    clock_t start;
    char *path;
    int rc;

    if (!dir) {
        skip("a real tokenizer.json", "APUS_TEST_DATA is not set");
        return;
    }
    path = file_join(dir, "tokenizers/qwen3/qwen3.tokenizer.json");
    buf_init(&text, 64 << 20);
    if (file_read(&text, path, &err)) {
        skip("a real tokenizer.json", err.text);
    } else {
        start = clock();
        rc = json_parse(&root, text.data, text.len, &err);
        ok(rc == 0, "%s: %.2f s", path,
           (double)(clock() - start) / CLOCKS_PER_SEC);
        json_free(root);
    }
    buf_clear(&text);
    free(path);
}

int main(void)
{
    test_good();
    test_bad();
    test_depth();
    test_tree();
    test_numbers();
    test_salvage();
    test_doubles();
    test_put();
    test_write();
    test_large();
    test_arrays();
    test_real();
    return done();
}
