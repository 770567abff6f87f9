/*
 * src/verify/asked: messages to a queue as doc/queue.md has them become lines
 * of requests; what no queue takes is refused; and a result whose parameters
 * are not those of its message is found out.
 */
#include <config.h>

#include <string.h>

#include "base/err.h"
#include "tests/arweave_util.h"
#include "tests/published_util.h"
#include "tests/tap.h"
#include "verify/asked.h"
#include "verify/claims.h"

#define OPTIONS "{\"max_tokens\":256,\"temperature\":7e-1,\"top_p\":0.95," \
                "\"top_k\":40,\"seed\":\"1234567890123456789\","           \
                "\"stop\":\"\\n\\n\",\"session\":\"s\"}"

static struct key *key;
static unsigned char process[32];
static struct buf raw;

/* A message; data may be NULL. */
static struct claims_item sign(const struct item_text_tag *tag, size_t n,
                               const char *data)
{
    struct item_spec spec = { .target = process, .tag = tag, .n_tags = n };
    struct claims_item it;
    struct err err = ERR_INIT;
    unsigned char id[32];

    buf_reset(&raw);
    if (item_sign(&raw, &spec, data, data ? strlen(data) : 0, key, id, &err) ||
        item_open(&it.head, raw.data, raw.len, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    it.data = raw.data + it.head.head_n;
    it.n = raw.len - it.head.head_n;
    return it;
}

/* ---- lines --------------------------------------------------------------- */

/* name and value, if there is one, are a tag beside Action; the line behind
 * its id is `want`, or NULL if it is refused. */
static void line(const char *name, const char *value, const char *data,
                 const char *want)
{
    const struct item_text_tag tag[] = { { "Action", "Infer" },
                                         { name, value } };
    struct claims_item it = sign(tag, name ? 2 : 1, data);
    struct err err = ERR_INIT;
    const char *got;
    struct buf out;
    int rc;

    buf_init(&out, 1u << 16);
    rc = asked_line(&out, &it, NULL, &err);
    got = strstr(out.data, "\"url\":\"/v1/");
    ok(want ? rc == 0 && got && strcmp(got + 11, want) == 0
            : rc == -1 && err.code == ERR_INPUT,
       "%s %.60s: %s%s", name ? name : "data", value ? value : "",
       got ? got : "", err.text);
    buf_clear(&out);
}

static void test_lines(void)
{
    const char *json = "application/json";
    const struct item_text_tag other = { "Action", "Cancel" };
    struct claims_item it;
    struct err err = ERR_INIT;
    struct buf out;

    line(NULL, NULL, "a \"b\"",
         "chat/completions\",\"body\":{\"messages\":[{\"role\":\"user\","
         "\"content\":\"a \\\"b\\\"\"}],\"max_tokens\":256,\"apus\":{}}}");
    line("X-Prompt", "c", "ignored",
         "chat/completions\",\"body\":{\"messages\":[{\"role\":\"user\","
         "\"content\":\"c\"}],\"max_tokens\":256,\"apus\":{}}}");
    line("Content-Type", json, "{\"prompt\":\"p\"}",
         "completions\",\"body\":{\"prompt\":\"p\",\"max_tokens\":256,"
         "\"apus\":{}}}");
    line("Content-Type", json, "{\"messages\":[1]}",
         "chat/completions\",\"body\":{\"messages\":[1],\"max_tokens\":256,"
         "\"apus\":{}}}");
    line("X-Options", "{\"top_k\":7,\"seed\":null,\"max_tokens\":8,"
         "\"reference\":1}", "d",
         "chat/completions\",\"body\":{\"messages\":[{\"role\":\"user\","
         "\"content\":\"d\"}],\"max_tokens\":8,\"apus\":{\"top_k\":7}}}");
    line("X-Options", "{\"top_k\":7,\"n\":2}", "d", NULL);
    line("X-Options", "[]", "d", NULL);
    line("X-Options", "{", "d", NULL);
    line("Content-Type", json, "{\"prompt\":7}", NULL);
    line("Content-Type", json, "{\"prompt\":\"a\",\"b\":1}", NULL);
    line("Content-Type", json, "{}", NULL);
    line("Content-Type", json, "text", NULL);
    line(NULL, NULL, "\xff", NULL);
    line(NULL, NULL, "", NULL);
    buf_init(&out, 1u << 16);
    it = sign(&other, 1, "d");
    ok(asked_line(&out, &it, NULL, &err) == -1, "another action: %s",
       err.text);
    buf_clear(&out);
}

/* ---- claims -------------------------------------------------------------- */

static char wrong[1000];
static int n_open, n_told;

static void on_claim(void *self, const struct check_claim *c)
{
    size_t n = strlen(wrong);

    (void)self;
    n_told++;
    n_open += c->open;
    if (!c->holds)
        snprintf(wrong + n, sizeof(wrong) - n, "%s: %s; ", c->what,
                 c->detail);
}

/* The published job of doc/proof.md section 9, asked for with these options;
 * `say` is in what is wrong, NULL if nothing is. */
static void asks(const char *options, const char *model, const char *say)
{
    const struct item_text_tag tag[] = { { "Action", "Infer" },
                                         { "X-Options", options },
                                         { "X-Model", model } };
    struct claims_item it = sign(tag, model ? 3 : 2, "a text");
    struct claims c = { .tell = on_claim };
    struct published p;
    struct buf json;
    struct pub pub;

    wrong[0] = '\0';
    n_open = n_told = 0;
    pub_init(&pub, NULL);
    pub_set_id(&pub, "request", it.head.id);
    pub_set_id(&pub, "process", process);
    buf_init(&json, 1u << 16);
    pub_json(&json, &pub);
    published_init(&p);
    if (published_read(&p, json.data, json.len, NULL))
        abort();
    asked_check(&c, p.result.request, &p, &it, NULL, NULL);
    ok(say ? strstr(wrong, say) != NULL && c.failed : !*wrong && !c.failed,
       "%.50s: %d claims, %d open %s", options, n_told, n_open, wrong);
    if (!say) {
        p.process[0] ^= 1;
        asked_check(&c, p.result.request, &p, &it, NULL, NULL);
        ok(strstr(wrong, "went elsewhere") != NULL, "another process: %s",
           wrong);
        p.process[0] ^= 1;
        p.result.request[0] ^= 1;
        wrong[0] = '\0';
        asked_check(&c, p.result.request, &p, &it, NULL, NULL);
        ok(strstr(wrong, "another message") != NULL, "another request: %s",
           wrong);
    }
    published_clear(&p);
    buf_clear(&json);
    pub_clear(&pub);
}

/* OPTIONS with a part of it replaced. */
static void asks_instead(const char *from, const char *to, const char *say)
{
    char text[512] = OPTIONS;
    char *at = strstr(text, from);
    char rest[512];

    strcpy(rest, at + strlen(from));
    sprintf(at, "%s%s", to, rest);
    asks(text, NULL, say);
}

static void test_claims(void)
{
    unsigned char other[32] = { 1 };
    char text[ID_TEXT];
    struct pub p;

    asks(OPTIONS, NULL, NULL);
    ok(n_told > 0, "in claims");
    pub_init(&p, NULL);
    base64url(text, p.model, 32);
    asks(OPTIONS, text, NULL);
    base64url(text, other, 32);
    asks(OPTIONS, text, "its model");
    asks(OPTIONS, "a name", NULL);
    asks_instead("256", "255", "max_tokens");
    asks_instead("7e-1", "0.71", "temperature");
    asks_instead("0.95", "0.96", "top_p");
    asks_instead("40", "41", "top_k");
    asks_instead("\"1234567890123456789\"", "7", "seed");
    asks_instead("\"1234567890123456789\"", "null", "seed");
    asks_instead("\"\\n\\n\"", "[]", "stop");
    asks_instead("\"\\n\\n\"", "[\"\\n\\n\",\"a\"]", "stop");
    asks_instead("256", "\"256\"", "its parameters");
    asks_instead("\"session\"", "\"sessions\"", "its parameters");
    pub_clear(&p);
}

int main(void)
{
    key = test_key();
    buf_init(&raw, 1u << 20);
    memset(process, 9, 32);
    test_lines();
    test_claims();
    buf_clear(&raw);
    key_free(key);
    return done();
}
