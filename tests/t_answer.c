/*
 * src/store/answer: lines of both kinds to the byte, several choices, errors,
 * what text must be escaped, and that each is one line of JSON.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "store/answer.h"
#include "tests/tap.h"

/* base64url of 32 bytes 07 and of 32 zeros */
#define ID "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"
#define MODEL "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const uint32_t tokens[] = { 24, 298, 4294967295u };

static int is_line(const struct buf *b)
{
    struct err err = ERR_INIT;
    struct json *root;

    if (!b->len || memchr(b->data, '\n', b->len) != b->data + b->len - 1 ||
        json_parse(&root, b->data, b->len, &err))
        return 0;
    json_free(root);
    return 1;
}

static void check(struct buf *out, const char *want, const char *what)
{
    int same = out->len == strlen(want) &&
               memcmp(out->data, want, out->len) == 0;

    ok(same && is_line(out), "%s", what);
    if (!same)
        printf("# got  %s# want %s", out->data ? out->data : "\n", want);
    buf_reset(out);
}

static void test_chat(struct buf *out, struct id id)
{
    struct answer_choice c = { "6 + 24 = 30", 11, tokens, 2, "stop", NULL, 0 };
    struct answer_line a = { &id, "q000", true, "nano", MODEL, 17, &c, 1 };

    answer_put(out, &a);
    check(out,
          "{\"id\":\"batch_req_" ID "\",\"custom_id\":\"q000\","
          "\"response\":{\"status_code\":200,\"request_id\":\"" ID "\","
          "\"body\":{\"id\":\"chatcmpl-" ID "\","
          "\"object\":\"chat.completion\",\"created\":0,\"model\":\"nano\","
          "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
          "\"content\":\"6 + 24 = 30\"},\"logprobs\":null,"
          "\"finish_reason\":\"stop\",\"apus\":{\"tokens\":[24,298]}}],"
          "\"usage\":{\"prompt_tokens\":17,\"completion_tokens\":2,"
          "\"total_tokens\":19},\"system_fingerprint\":\"x1-" MODEL "\"}},"
          "\"error\":null}\n",
          "an answer to a chat");
}

static void test_completion(struct buf *out, struct id id)
{
    struct answer_choice c[] = {
        { "a\"\\\n\t\x01\xc3\xa9\xef\xbf\xbd", 11, tokens, 3, "length", NULL,
          0 },
        { "", 0, NULL, 0, "stop", NULL, 0 },
    };
    struct answer_line a = { &id, "\"\n", false, "a/b \"c\"", MODEL, 1, c, 2 };

    answer_put(out, &a);
    check(out,
          "{\"id\":\"batch_req_" ID "\",\"custom_id\":\"\\\"\\n\","
          "\"response\":{\"status_code\":200,\"request_id\":\"" ID "\","
          "\"body\":{\"id\":\"cmpl-" ID "\",\"object\":\"text_completion\","
          "\"created\":0,\"model\":\"a/b \\\"c\\\"\","
          "\"choices\":[{\"index\":0,\"text\":"
          "\"a\\\"\\\\\\n\\t\\u0001\xc3\xa9\xef\xbf\xbd\",\"logprobs\":null,"
          "\"finish_reason\":\"length\","
          "\"apus\":{\"tokens\":[24,298,4294967295]}},"
          "{\"index\":1,\"text\":\"\",\"logprobs\":null,"
          "\"finish_reason\":\"stop\",\"apus\":{\"tokens\":[]}}],"
          "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":3,"
          "\"total_tokens\":4},\"system_fingerprint\":\"x1-" MODEL "\"}},"
          "\"error\":null}\n",
          "a completion with two choices");
}

static void test_errors(struct buf *out, struct id id)
{
    answer_put_error(out, id, "c", "invalid_request",
                     "unknown parameter \"foo\"", 3);
    check(out,
          "{\"id\":\"batch_req_" ID "\",\"custom_id\":\"c\","
          "\"response\":null,\"error\":{\"code\":\"invalid_request\","
          "\"message\":\"unknown parameter \\\"foo\\\"\",\"line\":3}}\n",
          "an error, and its line");
    answer_put_error(out, id, NULL, "invalid_request", "\xc3\xa9\xc3", 0);
    check(out,
          "{\"id\":\"batch_req_" ID "\",\"custom_id\":null,"
          "\"response\":null,\"error\":{\"code\":\"invalid_request\","
          "\"message\":\"\xc3\xa9\xef\xbf\xbd\"}}\n",
          "one without a custom_id, its message cut within a character");
    answer_put_error(out, id, NULL, "x", "", 0);
    check(out,
          "{\"id\":\"batch_req_" ID "\",\"custom_id\":null,"
          "\"response\":null,\"error\":{\"code\":\"x\",\"message\":\"\"}}\n",
          "one without a message");
}

int main(void)
{
    struct id id;
    struct buf out;

    memset(id.b, 7, sizeof(id));
    buf_init(&out, 10000);
    test_chat(&out, id);
    test_completion(&out, id);
    test_errors(&out, id);
    buf_clear(&out);
    return done();
}
