/*
 * src/queue/ask: what cannot be sent through the queue by a test (0441-ask.t
 * has the rest): bytes that are not text, what lies on Arweave, limits.
 */
#include <config.h>

#include "queue/ask.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "tests/tap.h"

#define MAX 70
#define SOURCE "some-source_______________________________A"

/* Tags as name, value, name, value .. NULL. */
static struct ask_message message(struct ask_tag *tag,
                                  const char *const *text, const char *data,
                                  size_t n)
{
    struct ask_message m = { .tag = tag, .data = data, .n = n };

    for (; *text; text += 2)
        tag[m.n_tags++] = (struct ask_tag){ text[0], text[1],
                                            strlen(text[0]),
                                            strlen(text[1]) };
    return m;
}

/* What is asked with these tags, and this as data or as the source; `want` is
 * behind the id in the line, or NULL if it is refused with `why`. */
static void line(const char *const *text, const char *data, size_t n,
                 const char *want, const char *why)
{
    static const struct id id;
    struct ask_tag tag[MAX];
    struct ask_message m = message(tag, text, data, n);
    struct ask a = { .count = 7 };
    struct err err = ERR_INIT;
    struct buf out;
    const char *got;
    int rc;

    buf_init(&out, 1u << 20);
    rc = ask_read(&a, &m, &err);
    if (rc == 0)
        rc = ask_put_line(&out, &a, id, NULL, data, n, &err);
    else if (a.count != 7)
        abort();
    else
        a.count = 0;
    got = out.len ? strstr(out.data, "\"url\":\"/v1/") : NULL;
    if (want)
        ok(rc == 0 && got && strncmp(got + 11, want, strlen(want)) == 0,
           "%.100s%s", got ? got : "", err.text);
    else
        ok(rc == -1 && err.code == ERR_INPUT && out.len == 0 &&
           strstr(err.text, why), "%s: %s", why, err.text);
    ask_clear(&a);
    buf_clear(&out);
}

#define TAGS(...) (const char *const[]){ "Action", "Infer", __VA_ARGS__, NULL }

static void test_data(void)
{
    const char *const *none = (const char *const[]){ "Action", "Infer",
                                                     NULL };
    const char *json = "application/json";

    line(none, "a \"b\"", 5, "chat/completions\",\"body\":{\"messages\":[{"
         "\"role\":\"user\",\"content\":\"a \\\"b\\\"\"}],\"max_tokens\":256,"
         "\"temperature\":1.000000,\"top_p\":1.000000,\"apus\":{\"top_k\":0}"
         "}}", NULL);
    line(none, NULL, 0, NULL, "a prompt must have");
    line(none, "\xff", 1, NULL, "a prompt must have");
    line(none, "\xed\xa0\x80", 3, NULL, "a prompt must have");
    line(none, "a\0b", 3, NULL, "a prompt must have");
    line(TAGS("Content-Type", json), "{\"prompt\":\"a\0\"}", 14, NULL,
         "Data");
    line(TAGS("Content-Type", json), "{\"prompt\":\"\xff\"}", 14, NULL,
         "Data");
    line(TAGS("Content-Type", json, "X-Prompt", "p"), "\xff", 1, NULL,
         "Data");
    line(TAGS("Content-Type", "text/plain", "X-Prompt", "p"), "\xff", 1,
         "chat/completions", NULL);
    line(TAGS("X-Prompt", "\xff"), "x", 1, NULL, "the tag x-prompt is too");
    line(TAGS("X-\xff", "x"), "x", 1, NULL, "a tag's name is too long");
    line(TAGS("X-Other", "\xed\xa0\x80"), "x", 1, NULL,
         "the tag x-other is too");
}

static void test_sources(void)
{
    const char *const *text = TAGS("x_source", SOURCE);
    const char *const *json = TAGS("X-Source", SOURCE, "Content-Type",
                                   "Application/JSON;a");

    line(text, "from Arweave", 12, "chat/completions", NULL);
    line(text, "", 0, "chat/completions\",\"body\":{\"messages\":[{\"role\":"
         "\"user\",\"content\":\"\"}],", NULL);
    line(text, NULL, 0, "chat/completions", NULL);
    line(text, "\xff", 1, NULL, "not valid UTF-8");
    line(json, "{\"prompt\":\"p\"}", 14, "completions\",\"body\":{\"prompt\":"
         "\"p\"", NULL);
    line(json, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
         "\"text\",\"text\":\"p\"}]}]}", 69, "chat/completions", NULL);
    line(json, "{\"prompt\":\"p\",\"n\":1,\"stop\":null}", 32,
         "completions\",\"body\":{\"prompt\":\"p\",\"max_tokens\":256,", NULL);
    line(json, "{\"prompt\":[[7,8]],\"messages\":[]}", 32,
         "completions\",\"body\":{\"prompt\":[[7,8]],", NULL);
    line(json, "{\"prompt\":\"p\",\"top_k\":1}", 24, NULL, "in X-Options");
    line(json, "{\"prompt\":\"p\",\"model\":\"m\"}", 26, NULL,
         "in X-Options");
    line(json, "{\"prompt\":\"p\",\"tools\":[1]}", 26, NULL,
         "\"tools\" does not belong with \"prompt\"");
    line(json, "{\"max_tokens\":null}", 19, NULL, "an object with");
    line(json, "{\"prompt\":\"p\",\"prompt\":\"p\"}", 27, NULL,
         "duplicate key");
    line(json, "", 0, NULL, "JSON");
    line((const char *const[]){ "Action", "Infer-Batch", "X-Source", SOURCE,
                                "X-Count", "1", "X-Sha256", SOURCE, NULL },
         "", 0, NULL, "in its file");
    line((const char *const[]){ "Action", "Cancel", NULL }, "x", 1, NULL,
         "its tag Action");
    line((const char *const[]){ "X-Prompt", "x", NULL }, "x", 1, NULL,
         "its tag Action");
}

/* Token ids in the message, and in an item that has the count and root that the
 * message says (H of 00 and the twelve bytes, by another program). */
static void test_ids(void)
{
    static const unsigned char ids[12] = { 7, 0, 0, 0, 8, 0, 0, 0,
                                           255, 255, 255, 255 };
    const char *root = "Daj_V7L-Gxxhv_lMMEOoZkKsQ5mmnCHINMI4Z5YTZ8k";
    const char *const *json = TAGS("Content-Type", "application/json");
    const char *const *apart = TAGS("X-Source", SOURCE, "X-Prompt-Count", "3",
                                    "X-Prompt-Root", root);

    line(json, "{\"prompt\":[[7,1e1,4294967295]]}", 31,
         "completions\",\"body\":{\"prompt\":[7,10,4294967295],", NULL);
    line(json, "{\"prompt\":[7],\"max_tokens\":8193}", 32, NULL,
         "max_tokens: at most 8192");
    line(apart, (const char *)ids, 12,
         "completions\",\"body\":{\"prompt\":[7,8,4294967295],", NULL);
    line(apart, (const char *)ids, 8, NULL, "source: it does not hold");
    line(apart, "abcdabcdabcd", 12, NULL, "source: it does not hold");
    line(TAGS("X-Source", SOURCE, "X-Prompt-Count", "3"), (const char *)ids,
         12, NULL, "belong to an X-Source");
    line(TAGS("X-Prompt-Root", root), "x", 1, NULL, "belong to an X-Source");
}

/* A body in Data, and X-Options beside it. */
static void test_bodies(void)
{
    const char *json = "application/json";
    const char *const *alone = TAGS("Content-Type", json);
    const char *const *tagged = TAGS("Content-Type", json, "X-Model", "nano",
                                     "X-Options", "{\"max_tokens\":7}");
    static const char text[] = "{\"messages\":[{\"role\":\"developer\","
        "\"name\":null,\"content\":[{\"type\":\"text\",\"text\":\"a\"},"
        "{\"type\":\"text\",\"text\":\"b\"}]}],\"prompt\":null,"
        "\"temperature\":0.3000000000000000444,\"ignore_eos\":true}";
    static const char *const bad[][2] = {
        { "{\"prompt\":\"a\",\"max_tokens\":8}", "X-Options: \"max_tokens\""
          " is given twice, and differs" },
        { "{\"prompt\":\"a\",\"model\":\"other\"}", "\"model\" is not what"
          " X-Model says" },
        { "{\"prompt\":[]}", "Data: \"prompt\" has no token ids" },
        { "{\"prompt\":[1],\"max_tokens\":8193}", "given twice" },
        { "{\"prompt\":\"a\",\"messages\":[{}]}", "Data: \"messages\" and"
          " \"prompt\": give one" },
        { "{\"prompt\":\"a\",\"n\":2}", "Data: \"n\" must be 1: a message" },
        { "{\"prompt\":\"\"}", "a prompt must have 1 to 16384 bytes" },
    };

    line(alone, text, strlen(text), "chat/completions\",\"body\":{"
         "\"messages\":[{\"role\":\"developer\",\"content\":\"ab\"}],"
         "\"max_tokens\":256,\"temperature\":0.300000,\"top_p\":1.000000,"
         "\"apus\":{\"top_k\":0,\"ignore_eos\":true}}}", NULL);
    line(tagged, "{\"prompt\":[\"a\"],\"model\":\"nano\",\"max_tokens\":7}",
         46, "completions\",\"body\":{\"prompt\":\"a\",\"max_tokens\":7,",
         NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        line(tagged, bad[i][0], strlen(bad[i][0]), NULL, bad[i][1]);
    line(alone, "{\"prompt\":\"a\",\"model\":\"a/b\"}", 28, NULL,
         "\"model\" is none of this queue");
    line(TAGS("X-Options", " \n"), "x", 1, "chat/completions", NULL);
    line(TAGS("X-Options", "null"), "x", 1, "chat/completions", NULL);
    line(TAGS("X-Options", "\"\""), "x", 1, NULL, "X-Options: an object");
    line(TAGS("X-Options", "{\"prompt\":\"y\"}"), "x", 1, NULL,
         "X-Options: \"prompt\" does not belong in X-Options");
}

/* What a chat template sees beside the messages. */
static void test_templates(void)
{
    static const char text[] = "{\"apus\":{\"date\":\"2026-02-28\"},"
        "\"documents\":[{\"n\":[1.50,-0,{}]}],\"chat_template_kwargs\":{"
        "\"enable_thinking\":false},\"tools\":[{\"type\":\"function\"}],"
        "\"messages\":[{\"tool_calls\":[{\"function\":{\"name\":\"f\","
        "\"arguments\":\"{}\"}}],\"role\":\"assistant\"},{\"role\":\"tool\","
        "\"tool_call_id\":\"c\",\"content\":\"21\",\"name\":\"f\"}]}";
    static const char want[] = "chat/completions\",\"body\":{"
        "\"messages\":[{\"role\":\"assistant\","
        "\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\","
        "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":\"21\","
        "\"name\":\"f\",\"tool_call_id\":\"c\"}],\"tools\":[{\"type\":"
        "\"function\"}],\"documents\":[{\"n\":[1.50,-0,{}]}],"
        "\"chat_template_kwargs\":{\"enable_thinking\":false},"
        "\"max_tokens\":256,\"temperature\":1.000000,\"top_p\":1.000000,"
        "\"apus\":{\"top_k\":0,\"date\":\"2026-02-28\"}}}";
    static const char source[] = "{\"messages\":[{\"role\":\"user\","
        "\"content\":\"u\"}],\"tools\":[{}],\"apus\":{\"date\":"
        "\"2026-02-28\"}}";
    const char *json = "application/json";

    line(TAGS("Content-Type", json), text, strlen(text), want, NULL);
    line(TAGS("Content-Type", "Application/JSON", "X-Source", SOURCE), source,
         strlen(source), "chat/completions\",\"body\":{\"messages\":[{\"role\":"
         "\"user\",\"content\":\"u\"}],\"tools\":[{}],\"max_tokens\":256,"
         "\"temperature\":1.000000,\"top_p\":1.000000,\"apus\":{\"top_k\":0,"
         "\"date\":\"2026-02-28\"}}}", NULL);
    line(TAGS("X-Options", "{\"chat_template_kwargs\":{\"a\":1}}"), "x", 1,
         NULL, "\"chat_template_kwargs\" does not belong in X-Options");
    line(TAGS("X-Options", "{\"apus\":{\"date\":\"2026-02-28\"}}"), "x", 1,
         NULL, "\"apus.date\" does not belong in X-Options");
    line(TAGS("Content-Type", json),
         "{\"prompt\":\"a\",\"apus\":{\"date\":\"2026-02-28\"}}", 43, NULL,
         "\"apus.date\" does not belong with \"prompt\"");
}

/* A prompt has as many bytes as it may, also with what JSON escapes. */
static void test_lengths(void)
{
    const char *const *none = (const char *const[]){ "Action", "Infer",
                                                     NULL };
    static char text[ASK_MAX_PROMPT + 1];

    memset(text, 'x', sizeof(text));
    line(none, text, ASK_MAX_PROMPT, "chat/completions", NULL);
    line(none, text, ASK_MAX_PROMPT + 1, NULL, "a prompt must have");
    memset(text, '"', sizeof(text));
    line(none, text, ASK_MAX_PROMPT, "chat/completions", NULL);
    text[0] = 1; /* six bytes */
    line(none, text, ASK_MAX_PROMPT - 2, "chat/completions", NULL);
    line(none, text, ASK_MAX_PROMPT - 1, NULL, "at most 32768 as JSON");
}

static void test_pushed(void)
{
    struct ask_tag tag[MAX];
    struct ask_message m = message(tag, TAGS("From-Process", SOURCE), "x", 1);
    struct err err = ERR_INIT;
    struct ask a;

    ok(ask_read(&a, &m, &err) == -1, "of a messenger: %s", err.text);
    m.pushed = true;
    ok(ask_read(&a, &m, &err) == 0, "if it may be");
    ask_clear(&a);
}

static void test_stops(void)
{
    struct ask a = { .n_stops = 0 };
    char text[65] = "";
    int rc = 0;

    ok(ask_add_stop(&a, "", 0) == -1 && ask_add_stop(&a, text, 65) == -1,
       "stops of 1 to 64 bytes");
    for (char c = 'p'; c >= 'a'; c--)
        rc |= ask_add_stop(&a, &c, 1);
    ok(rc == 0 && a.n_stops == 16 && a.stop[0].text[0] == 'a' &&
       a.stop[15].text[0] == 'p', "16, sorted");
    ok(ask_add_stop(&a, "c", 1) == 0 && a.n_stops == 16, "none twice");
    ok(ask_add_stop(&a, "q", 1) == -1 && a.n_stops == 16, "and no more");
}

int main(void)
{
    test_data();
    test_sources();
    test_ids();
    test_bodies();
    test_templates();
    test_lengths();
    test_pushed();
    test_stops();
    return done();
}
