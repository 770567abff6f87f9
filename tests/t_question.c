/*
 * src/verify/question: finds a result whose parameters, model or node are not
 * those of its message, however its tags are spelled; accepts one that is as
 * the queue has read the message.
 */
#include <config.h>

#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/id.h"
#include "tests/arweave_util.h"
#include "tests/published_util.h"
#include "tests/tap.h"
#include "verify/question.h"
#include "verify/claims.h"

#define OPTIONS "{\"max_tokens\":256,\"temperature\":7e-1,\"top_p\":0.95," \
                "\"top_k\":40,\"seed\":\"1234567890123456789\","           \
                "\"stop\":\"\\n\\n\",\"session\":\"s\"}"

static struct key *key;
static struct id process;
static struct buf raw;

/* A message; data may be NULL. */
static struct claims_item sign(const struct item_text_tag *tag, size_t n,
                               const char *data)
{
    struct item_spec spec = { .target = &process, .tag = tag, .n_tags = n };
    struct claims_item it;
    struct err err = ERR_INIT;
    struct id id;

    buf_reset(&raw);
    if (item_sign(&raw, &spec, data, data ? strlen(data) : 0, key, &id, &err) ||
        item_open(&it.head, raw.data, raw.len, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    it.data = raw.data + it.head.head_n;
    it.n = raw.len - it.head.head_n;
    return it;
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

/* The published job of doc/proof.md section 9, asked for in these words; `say`
 * is in what is wrong, NULL if nothing is. */
static void asks_in(const struct item_text_tag *tag, size_t n,
                    const char *data, const char *say)
{
    struct claims_item it = sign(tag, n, data);
    struct claims c = { .report = on_claim };
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
    question_check(&c, p.result.request, &p, &it, NULL, NULL);
    ok(say ? strstr(wrong, say) != NULL && c.failed : !*wrong && !c.failed,
       "%s %.50s: %d claims, %d open %s", tag[1].name, tag[1].value, n_told,
       n_open, wrong);
    if (!say) {
        p.process.b[0] ^= 1;
        question_check(&c, p.result.request, &p, &it, NULL, NULL);
        ok(strstr(wrong, "went elsewhere") != NULL, "another process: %s",
           wrong);
        p.process.b[0] ^= 1;
        p.result.request.b[0] ^= 1;
        wrong[0] = '\0';
        question_check(&c, p.result.request, &p, &it, NULL, NULL);
        ok(strstr(wrong, "another message") != NULL, "another request: %s",
           wrong);
    }
    published_clear(&p);
    buf_clear(&json);
    pub_clear(&pub);
}

/* With these options, and one more tag if name is not NULL. */
static void asks(const char *options, const char *name, const char *value,
                 const char *say)
{
    const struct item_text_tag tag[] = { { "Action", "Infer" },
                                         { "X-Options", options },
                                         { name, value } };

    asks_in(tag, name ? 3 : 2, "a text", say);
}

/* OPTIONS with a part of it replaced. */
static void asks_instead(const char *from, const char *to, const char *say)
{
    char text[512] = OPTIONS;
    char *at = strstr(text, from);
    char rest[512];

    strcpy(rest, at + strlen(from));
    sprintf(at, "%s%s", to, rest);
    asks(text, NULL, NULL, say);
}

static void test_parameters(void)
{
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
}

static void test_others(void)
{
    struct id other = { { 1 } };
    char text[ID_TEXT];
    struct pub p;

    asks(OPTIONS, NULL, NULL, NULL);
    ok(n_told > 0, "in claims");
    pub_init(&p, NULL);
    base64url(text, p.model.b, 32);
    asks(OPTIONS, "X-Model", text, NULL);
    base64url(text, p.node.b, 32);
    asks(OPTIONS, "X-Node", text, NULL);
    base64url(text, other.b, 32);
    asks(OPTIONS, "X-Model", text, "its model");
    asks(OPTIONS, "x_model", text, "its model");
    asks(OPTIONS, "X-Node", text, "its node");
    asks(OPTIONS, "X-Model", "a.name", NULL);
    asks(OPTIONS, "X-Model", "no name", "its parameters");
    pub_clear(&p);
}

/* Tags in other words than ours, and none that the queue would pass over. */
static void test_spelling(void)
{
    static const struct {
        struct item_text_tag tag[3];
        const char *data, *say;
    } c[] = {
        { { { "action", "Infer" }, { "x_options", OPTIONS } }, "a text",
          NULL },
        { { { "ACTION", "Infer" }, { "X-OPTIONS", "{\"temperature\":0}" } },
          "a text", "temperature" },
        { { { "Action", "Infer" }, { "X-Options", OPTIONS },
            { "content_type", "Application/JSON; charset=utf-8" } },
          "{\"prompt\":\"p\"}", NULL },
        { { { "Action", "Infer" }, { "X-Options", OPTIONS },
            { "content-type", "application/json" } },
          "{\"prompt\":\"p\",\"prompt\":\"q\"}", "its parameters" },
        { { { "Action", "Infer" }, { "X-Options", OPTIONS },
            { "x_options", OPTIONS } }, "a text", "its parameters" },
        /* not UTF-8: the network makes it so in Data, not in tags */
        { { { "Action", "Infer" }, { "X-Options", OPTIONS } },
          "a \xff text \xe2\x82", NULL },
        { { { "Action", "Infer" }, { "X-Options", OPTIONS },
            { "Content-Type", "application/json" } },
          "{\"prompt\":\"\xc0\xaf\"}", NULL },
        { { { "Action", "Infer" }, { "X-Options", OPTIONS },
            { "X-Prompt", "a \xff text" } }, "a text", "its parameters" },
    };

    for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
        asks_in(c[i].tag, c[i].tag[2].name ? 3 : 2, c[i].data, c[i].say);
}

int main(void)
{
    key = test_key();
    buf_init(&raw, 1u << 20);
    memset(process.b, 9, 32);
    test_parameters();
    test_others();
    test_spelling();
    buf_clear(&raw);
    key_free(key);
    return done();
}
