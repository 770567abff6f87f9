/*
 * json_parse on any bytes.  What it accepts, json_put must write as a text
 * that is accepted again and written the same; numbers and strings are read
 * in every way on the way.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Numbers of an array, summed up. */
static int add(void *self, uint64_t number)
{
    *(uint64_t *)self += number;
    return 0;
}

/* An array of numbers gives the same with its nodes and without. */
static void check_array(const struct json *v)
{
    uint64_t before = 0, after = 0;
    size_t n = json_count(v), m = 0;
    int rc = json_u64_array(v, UINT64_MAX, add, &before);

    for (const struct json *c = json_first(v); c; c = json_next(c))
        m++;
    if (n != m || json_count(v) != n ||
        json_u64_array(v, UINT64_MAX, add, &after) != rc || before != after)
        abort();
}

/* Read it all: what a reader relies on must hold. */
static void visit(const struct json *v)
{
    const char *s = json_string(v);
    int64_t i, m;
    uint64_t u;
    double d;

    if (s && !utf8_valid(s, strlen(s)))
        abort();
    if (json_u64(v, &u) == 0 && json_i64(v, &i) == 0 && (uint64_t)i != u)
        abort();
    if (json_i64(v, &i) == 0 && json_nearest_millionths(v, &m) == 0 &&
        m != i * 1000000)
        abort();
    json_f64(v, &d);
    if (json_type(v) == JSON_ARRAY)
        check_array(v);
    for (const struct json *c = json_first(v); c; c = json_next(c)) {
        if (json_type(v) == JSON_OBJECT && json_get(v, json_key(c)) != c)
            abort();
        visit(c);
    }
}

static void salvage(const char *data, size_t size)
{
    char *s = json_salvage(data, size, "a");

    if (s && !utf8_valid(s, strlen(s)))
        abort();
    free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct json *root, *again, *over;
    struct buf first, second;

    if (json_parse(&root, (const char *)data, size, &err)) {
        if (err.code != ERR_INPUT)
            abort();
        salvage((const char *)data, size);
        return 0;
    }
    salvage((const char *)data, size);
    buf_init(&first, size); /* compact is never longer */
    buf_init(&second, size);
    visit(root);
    json_put(&first, root);
    if (first.full || json_parse(&again, first.data, first.len, &err))
        abort();
    json_put(&second, again);
    if (second.len != first.len ||
        memcmp(second.data, first.data, first.len) != 0)
        abort();
    buf_reset(&second);
    if (json_parse_over(&over, (const char *)data, size, &err))
        abort();
    json_put(&second, over);
    if (second.len != first.len ||
        memcmp(second.data, first.data, first.len) != 0)
        abort();
    json_free(over);
    json_free(again);
    json_free(root);
    buf_clear(&first);
    buf_clear(&second);
    return 0;
}
