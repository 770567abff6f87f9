/*
 * Each message is a usual one in which a few things were changed.
 */
#include <config.h>

#include "tests/ask_made.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define MAX_MADE ((size_t)1 << 20)
#define ID "some-source_______________________________A"
#define MESSENGER "mu_________________________________________"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define PICK(a, list) ((list)[below(a, COUNT(list))])

/* splitmix64 */
static uint64_t next(struct ask_made *a)
{
    uint64_t z = a->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static unsigned below(struct ask_made *a, size_t n)
{
    return (unsigned)(next(a) % n);
}

static bool one_in(struct ask_made *a, unsigned n)
{
    return below(a, n) == 0;
}

static void repeat(struct buf *b, const char *text, long n)
{
    while (n-- > 0)
        buf_puts(b, text);
}

/* ---- pieces of JSON ------------------------------------------------------ */

static const char *const numbers[] = {
    "0", "-0", "1", "1.0", "1e0", "10e-1", "2.5", "0.7", "7E-1", "0.70",
    "70e-2", "-1", "-0.0e5", "1e2", "1E+02", "100", "100.000001", "0.01",
    "0.009999", "0.000001", "0.0000001", "0.1234567", "0.123456", "1e400",
    "1e-400", "0e999999", "1e0000000000000002", "40", "4294967295",
    "4294967296", "4294967295.0", "18446744073709551615",
    "18446744073709551616", "123456789012345678901234567890",
    "999999999999999999999999999999999999999999999999999999999999999",
    "9999999999999999999999999999999999999999999999999999999999999999",
    "00", "01", "1.", ".5", "+1", "0x10", "1e", "1e+", "1_000", "NaN",
    "Infinity", "--1", "1 2",
};
static const char *const others[] = {
    "null", "true", "false", "[]", "{}", "[1]", "{\"a\":1}", "\"\"", "\"7\"",
    "\"07\"", "\"-1\"", "\"0.7\"", "\"18446744073709551615\"",
    "\"18446744073709551616\"", "\" 7\"", "nul", "nullx", "True", "'7'", "",
};
static const char *const strings[] = {
    "\"Why?\"", "\"\"", "\"\\n\\n\"", "\"\\u00e9\"", "\"\xc3\xa9\"",
    "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"", "\"\\ud83d\"",
    "\"\\ude00\"", "\"\\ud83dx\"", "\"\\ud83d\\u0041\"", "\"\\u0000\"",
    "\"\\u0001\\b\\f\\/\\\"\\\\\"", "\"\\x41\"", "\"\\u12g4\"",
    "\"a\nb\"", "\"a\tb\"", "\"\x7f\"", "\"\xe2\x80\xa8\"", "\"open",
    "\"\xef\xbf\xbf\xef\xbb\xbf\"", "\"0123456789012345678901234567890123456"
    "789012345678901234567890123\"", "\"012345678901234567890123456789012345"
    "67890123456789012345678901234\"", "\"system\"", "\"a\\u0000b\"",
};
static const char *const spaces[] = {
    "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "",
    "", "", "", "", "", "", " ", " ", "\n", "\t ", "\r\n", "\f", "\xc2\xa0",
};

static void put_nested(struct ask_made *a, struct buf *b)
{
    unsigned depth = 29 + below(a, 6);

    repeat(b, "[", depth);
    buf_puts(b, one_in(a, 2) ? "1" : "");
    repeat(b, "]", depth);
}

static void put_value(struct ask_made *a, struct buf *b)
{
    switch (below(a, 12)) {
    case 0:
        put_nested(a, b);
        break;
    case 1:
    case 2:
        buf_puts(b, PICK(a, others));
        break;
    case 3:
        buf_puts(b, PICK(a, strings));
        break;
    default:
        buf_puts(b, PICK(a, numbers));
    }
}

/* ---- X-Options ----------------------------------------------------------- */

static void put_stop(struct ask_made *a, struct buf *b)
{
    unsigned n = one_in(a, 6) ? 14 + below(a, 4) : below(a, 4);

    if (one_in(a, 3)) {
        buf_puts(b, PICK(a, strings));
        return;
    }
    buf_putc(b, '[');
    for (unsigned i = 0; i < n; i++) {
        buf_puts(b, i ? "," : "");
        if (one_in(a, 8))
            put_value(a, b);
        else if (one_in(a, 3))
            buf_puts(b, PICK(a, strings));
        else
            buf_printf(b, "\"%c\"", 'a' + (int)below(a, n > 8 ? 26 : 3));
    }
    buf_puts(b, one_in(a, 12) ? ",]" : "]");
}

static void put_option(struct ask_made *a, struct buf *b)
{
    static const char *const keys[] = {
        "max_tokens", "temperature", "top_p", "top_k", "seed", "session",
        "reference", "max_tokens", "temperature", "top_p",
    };
    static const char *const odd[] = {
        "n", "Temperature", "max_tokens ", "", "to\\u0070_p", "\\u00e9",
        "a\\u0001b", "0123456789012345678901234567890123456789", "stream",
    };
    static const char *const good[] = { "1", "1.0", "1e0", "10e-1", "null" };
    bool stop = one_in(a, 5);

    buf_printf(b, "\"%s\"%s:%s", stop ? "stop" : one_in(a, 14)
               ? PICK(a, odd) : PICK(a, keys), PICK(a, spaces),
               one_in(a, 5) ? " " : "");
    if (stop && !one_in(a, 5))
        put_stop(a, b);
    else if (!one_in(a, 4))
        buf_puts(b, PICK(a, good));
    else
        put_value(a, b);
}

static void put_options(struct ask_made *a, struct buf *b)
{
    unsigned n = below(a, 4);

    if (one_in(a, 12)) {
        buf_puts(b, one_in(a, 2) ? "[ ]" : PICK(a, others));
        return;
    }
    buf_puts(b, PICK(a, spaces));
    buf_putc(b, '{');
    for (unsigned i = 0; i < n; i++) {
        buf_puts(b, i ? "," : "");
        put_option(a, b);
    }
    buf_puts(b, one_in(a, 20) ? ",}" : one_in(a, 30) ? "} 1" : "}");
    buf_puts(b, PICK(a, spaces));
    if (one_in(a, 25))
        repeat(b, " ", 4097 - (long)b->len);
}

/* ---- data ---------------------------------------------------------------- */

/* Members of a message that one role has, and what is beside messages. */
static const char *const calls[] = {
    ("[{\"type\":\"function\",\"function\":{\"name\":\"f\","
     "\"arguments\":\"{}\"}}]"),
    "[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":[1.50,-0]}}}]",
    "[]", "[{}]", "[{\"function\":{\"name\":1}}]", "{\"function\":1}", "[1]",
    "{}", "null", "\"\"",
};
static const char *const lists[] = {
    "[{\"type\":\"function\"}]",
    "[{\"a\":{\"b\":[null,true,1e2,\"\\u0007\"]}},{}]",
    "[]", "{}", "null", "[1]", "{\"a\":1}", "\"x\"", "[{},[]]",
};
static const char *const variables[] = {
    "{\"enable_thinking\":false}", "{\"a\":{},\"b\":[],\"\u00e9\":\"\\n\"}",
    "{}",
    "[]", "[1]", "\"x\"", "true", "null",
};
static const char *const dates[] = {
    "\"2026-02-28\"", "\"2024-02-29\"", "\"2026-02-29\"", "\"\"", "null", "1",
    "\"2026-1-1\"", "\"0000-01-01\"", "\"2026-12-31\"", "{}",
};

static void put_members(struct ask_made *a, struct buf *b)
{
    if (one_in(a, 8))
        buf_printf(b, "\"tool_calls\":%s,", PICK(a, calls));
    if (one_in(a, 12))
        buf_printf(b, "\"tool_call_id\":%s,", PICK(a, strings));
    if (one_in(a, 16))
        buf_puts(b, "\"reasoning_content\":\"r\",");
    if (one_in(a, 30)) {
        buf_puts(b, "\"name\":");
        put_value(a, b);
        buf_putc(b, ',');
    }
}

static void put_beside(struct ask_made *a, struct buf *b)
{
    if (one_in(a, 8))
        buf_printf(b, "\"tools\":%s,", PICK(a, lists));
    if (one_in(a, 16))
        buf_printf(b, "\"documents\":%s,", PICK(a, lists));
    if (one_in(a, 8))
        buf_printf(b, "\"chat_template_kwargs\":%s,", PICK(a, variables));
    if (one_in(a, 8))
        buf_printf(b, "\"apus\":{\"date\":%s},", PICK(a, dates));
}

static void put_message(struct ask_made *a, struct buf *b)
{
    static const char *const roles[] = { "user", "system", "assistant",
                                         "developer", "user", "tool" };
    static const char *const wrong[] = { "function", "", "User", "system " };

    if (one_in(a, 14)) {
        put_value(a, b);
        return;
    }
    buf_putc(b, '{');
    if (!one_in(a, 20))
        buf_printf(b, "\"role\":\"%s\",",
                   one_in(a, 12) ? PICK(a, wrong) : PICK(a, roles));
    if (one_in(a, 20))
        buf_puts(b, "\"name\":\"n\",");
    put_members(a, b);
    if (one_in(a, 16))
        buf_puts(b, "\"content\":\"before\",");
    buf_puts(b, "\"content\":");
    if (one_in(a, 12))
        buf_puts(b, "null");
    else if (one_in(a, 12))
        put_value(a, b);
    else
        buf_puts(b, !one_in(a, 3) ? "\"What is 2 + 2?\"" : PICK(a, strings));
    buf_puts(b, one_in(a, 20) ? ",}" : one_in(a, 20) ? ",\"x\":null}" : "}");
}

static void put_body(struct ask_made *a, struct buf *b)
{
    unsigned n = 1 + below(a, 3);

    buf_puts(b, PICK(a, spaces));
    buf_putc(b, '{');
    if (one_in(a, 14))
        buf_puts(b, "\"prompt\":\"before\",");
    if (one_in(a, 16))
        buf_puts(b, "\"other\":null,");
    put_beside(a, b);
    if (one_in(a, 2)) {
        buf_puts(b, "\"prompt\":");
        if (one_in(a, 6))
            put_value(a, b);
        else
            buf_puts(b, !one_in(a, 3) ? "\"Once upon\"" : PICK(a, strings));
    } else {
        buf_puts(b, "\"messages\":[");
        for (unsigned i = 0; i < n; i++) {
            buf_puts(b, i ? "," : "");
            put_message(a, b);
        }
        buf_puts(b, one_in(a, 20) ? ",]" : one_in(a, 20) ? ",null]" : "]");
    }
    buf_puts(b, one_in(a, 14) ? ",}" : one_in(a, 30) ? "}}" : "}");
    buf_puts(b, PICK(a, spaces));
}

/* A text, or a body; now and then at a limit. */
static void put_data(struct ask_made *a, struct buf *b, bool json)
{
    static const char *const texts[] = {
        "What is 6 + 24?", "", " ", "\xc3\xa9\xf0\x9f\x98\x80", "a\nb\x01",
        "{\"prompt\":\"as text\"}", "\"quoted\"", "1984", "null", "[]",
        "\xef\xbb\xbfwith a mark", "\xe2\x80\xae", "-", "017", "{}",
    };
    static const unsigned lengths[] = { 4095, 4096, 4097, 16384, 16385 };
    unsigned n;

    if (json && !one_in(a, 8)) {
        put_body(a, b);
        if (one_in(a, 12))
            repeat(b, " ", 16370 + below(a, 16) - (long)b->len);
    } else if (one_in(a, 9)) {
        n = PICK(a, lengths);
        if (json) {
            buf_puts(b, "{\"prompt\":\"");
            repeat(b, one_in(a, 2) ? "\\u0041" : "x", n > 4097 ? 2700 : n);
            buf_puts(b, "\"}");
        } else {
            repeat(b, "x", n > 4097 ? 4094 : n);
            buf_puts(b, n > 4097 ? "\xc3\xa9" : "");
        }
    } else {
        buf_puts(b, PICK(a, texts));
    }
}

/* ---- tags ---------------------------------------------------------------- */

/* Names are the same in any case, and `_` is `-`. */
static void put_name(struct ask_made *a, struct buf *b, const char *name)
{
    unsigned how = below(a, 5);

    for (; *name; name++) {
        char c = *name;

        if (how == 1 || (how == 3 && one_in(a, 2)))
            c = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        if (how == 2 || (how == 3 && one_in(a, 2)))
            c = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
        if (how >= 3 && c == '-' && one_in(a, 2))
            c = '_';
        buf_putc(b, c);
    }
}

static void put_tag(struct ask_made *a, const char *name, const char *value,
                    size_t n)
{
    struct buf b;

    buf_init(&b, MAX_MADE);
    put_name(a, &b, name);
    buf_puts(&a->out, a->out.data[a->out.len - 1] == '[' ? "{\"name\":"
                                                          : ",{\"name\":");
    json_put_string(&a->out, b.data ? b.data : "", b.len);
    buf_puts(&a->out, ",\"value\":");
    json_put_string(&a->out, value, n);
    buf_putc(&a->out, '}');
    buf_clear(&b);
}

static void put_text(struct ask_made *a, const char *name, const char *value)
{
    put_tag(a, name, value, strlen(value));
}

/* A tag that something is wrong with, or only odd. */
static void put_odd(struct ask_made *a)
{
    static const char *const names[] = {
        "Id", "Owner", "From", "Module", "Timestamp", "Block-Height", "Nonce",
        "Epoch", "Hash-Chain", "Cron", "Reply-To", "Path", "Method",
        "Reference", "From-Module", "Pushed-For", "X-Other", "SDK", "Name",
        "x\xc3\xa9", "a b", "a\nb", "Models", "Price",
        "0123456789012345678901234567890123456789012345678901234567890123",
        "01234567890123456789012345678901234567890123456789012345678901234",
    };
    static const char *const values[] = { "1", "x", "a\nb", "\x7f",
                                          "\xc3\xa9", "" };
    struct buf b;

    if (one_in(a, 8)) {
        buf_init(&b, MAX_MADE);
        repeat(&b, "x", 4095 + below(a, 3));
        put_tag(a, one_in(a, 3) ? "Models" : "X-Long", b.data, b.len);
        buf_clear(&b);
    } else {
        put_text(a, PICK(a, names), PICK(a, values));
    }
}

/* Reference, session, model, node. */
static void put_head(struct ask_made *a)
{
    static const char *const nodes[] = { ASK_MADE_NODE, ASK_MADE_NODE, "",
                                         "short", "x" ASK_MADE_NODE,
                                         "node______________________________"
                                         "________B" };
    static const char *const models[] = {
        "nano", "nano", "", "no name",
        "a-name-that-is-longer-than-any-id-0123456789"
    };
    struct buf b;

    buf_init(&b, MAX_MADE);
    if (one_in(a, 3)) {
        buf_printf(&b, "r%u%s", a->n, one_in(a, 3) ? "\xc3\xa9\"" : "");
        if (one_in(a, 3))
            repeat(&b, "r", 126 + below(a, 4) - (long)b.len);
        put_text(a, "X-Reference", one_in(a, 20) ? "" : b.data);
    }
    buf_reset(&b);
    if (one_in(a, 5)) {
        repeat(&b, "s", one_in(a, 2) ? below(a, 3) : 127 + below(a, 3));
        put_text(a, "X-Session", b.data ? b.data : "");
    }
    buf_clear(&b);
    if (one_in(a, 6))
        put_text(a, "X-Model", one_in(a, 3) ? a->model : PICK(a, models));
    if (one_in(a, 7))
        put_text(a, "X-Node", PICK(a, nodes));
}

static void put_batch(struct ask_made *a)
{
    static const char *const counts[] = { "1", "100000", "0", "007", "1e3",
                                          "4294967295", "4294967296", "-1",
                                          "" };

    put_text(a, "X-Count", one_in(a, 2) ? "17" : PICK(a, counts));
    put_text(a, "X-Sha256", one_in(a, 6) ? "x" : ID);
    if (!one_in(a, 8))
        put_text(a, "X-Source", ID);
}

/* Where the prompt is; gives whether the data are JSON. */
static bool put_place(struct ask_made *a)
{
    static const char *const types[] = {
        "application/json", "application/json", "application/json",
        "Application/JSON", "application/json; charset=utf-8",
        "application/json;x", "application/json x", " application/json",
        "application/jsonl", "text/plain", "", "APPLICATION/JSON ;",
        "application/json,text/plain",
    };
    static const char *const sources[] = { ID, ID, "", "x", ID "A" };
    const char *type = one_in(a, 2) ? PICK(a, types) : NULL;
    struct buf b;

    if (type)
        put_text(a, "Content-Type", type);
    if (one_in(a, 6)) {
        buf_init(&b, MAX_MADE);
        put_data(a, &b, one_in(a, 4));
        put_tag(a, "X-Prompt", b.data ? b.data : "", b.len);
        buf_clear(&b);
    }
    if (one_in(a, 8))
        put_text(a, "X-Source", PICK(a, sources));
    return type && (type[0] | 32) == 'a';
}

/* ---- messages ------------------------------------------------------------ */

void ask_made_init(struct ask_made *a, uint64_t seed, const char *model)
{
    *a = (struct ask_made){ .state = seed, .model = model };
    buf_init(&a->out, MAX_MADE);
}

void ask_made_clear(struct ask_made *a)
{
    buf_clear(&a->out);
}

static void put_tags(struct ask_made *a, bool *json)
{
    struct buf b;
    bool batch = one_in(a, 16);

    put_text(a, "Action", batch ? "Infer-Batch"
                                : one_in(a, 40) ? "infer" : "Infer");
    put_head(a);
    if (batch) {
        put_batch(a);
        *json = one_in(a, 4);
        if (*json)
            put_text(a, "Content-Type", "application/json");
    } else {
        *json = put_place(a);
    }
    if (one_in(a, 2)) {
        buf_init(&b, MAX_MADE);
        put_options(a, &b);
        put_tag(a, "X-Options", b.data ? b.data : "", b.len);
        buf_clear(&b);
    }
    if (one_in(a, 9))
        put_odd(a);
    if (one_in(a, 30))
        put_text(a, one_in(a, 2) ? "Action" : "X-Options", "Infer");
    if (one_in(a, 30))
        for (unsigned i = 0, n = 56 + below(a, 8); i < n; i++) {
            char name[16];

            snprintf(name, sizeof(name), "T%u", i);
            put_text(a, name, "v");
        }
}

const char *ask_made_next(struct ask_made *a)
{
    bool json = false, pushed = one_in(a, 10);
    struct buf data;

    buf_reset(&a->out);
    buf_puts(&a->out, "\"tags\":[");
    put_tags(a, &json);
    if (pushed) {
        put_text(a, "From-Process", "dapp______________________________"
                 "________A");
        put_text(a, "Reference", "7");
    }
    buf_init(&data, MAX_MADE);
    put_data(a, &data, json);
    buf_puts(&a->out, "],\"data\":");
    json_put_string(&a->out, data.data ? data.data : "", data.len);
    if (pushed)
        buf_puts(&a->out, ",\"owner\":\"" MESSENGER "\"");
    buf_clear(&data);
    a->n++;
    return a->out.data;
}
