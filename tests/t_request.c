/*
 * src/store/request: every parameter and what it gives, every member that is
 * not read with every kind of value, every refusal by name, numbers by their
 * text, messages and parts, prompts, what is kept of a bad line, ids of lines
 * and default seeds (vectors made with sha256sum).
 */
#include <config.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "proof/digest.h"
#include "proof/line_ids.h"
#include "store/request.h"
#include "store/request_names.h"
#include "tests/tap.h"

#define CHAT "{\"custom_id\":\"c\",\"method\":\"POST\"," \
             "\"url\":\"/v1/chat/completions\",\"body\":{"
#define TEXT "{\"custom_id\":\"c\",\"method\":\"POST\"," \
             "\"url\":\"/v1/completions\",\"body\":{"
#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static int parse(struct request *r, const char *line, struct err *err)
{
    size_t n = strlen(line);
    char *exact = malloc(n ? n : 1); /* nothing behind the end */
    int rc;

    memcpy(exact, line, n);
    rc = request_parse(r, exact, n, err);
    free(exact);
    return rc;
}

/* A chat request with these parameters, or a completion of "x". */
static int chat(struct request *r, const char *params, struct err *err)
{
    char *line = xasprintf(CHAT HI "%s%s}}", *params ? "," : "", params);
    int rc = parse(r, line, err);

    free(line);
    return rc;
}

static int completion(struct request *r, const char *params, struct err *err)
{
    char *line = xasprintf(TEXT "\"prompt\":\"x\"%s%s}}",
                           *params ? "," : "", params);
    int rc = parse(r, line, err);

    free(line);
    return rc;
}

static void refused(const char *line, const char *why)
{
    struct err err = ERR_INIT;
    struct request r;
    int rc = parse(&r, line, &err);

    ok(rc == -1 && err.code == ERR_INPUT && strstr(err.text, why) &&
           !r.message && !r.prompt && !r.prompt_id && r.n_stops == 0,
       "refused: %s (%s)", rc ? err.text : "accepted", why);
    request_clear(&r);
}

static void refused_in(bool in_chat, const char *params, const char *why)
{
    char *line = in_chat ? xasprintf(CHAT HI ",%s}}", params)
                         : xasprintf(TEXT "\"prompt\":\"x\",%s}}", params);

    refused(line, why);
    free(line);
}

static void test_defaults(void)
{
    struct err err = ERR_INIT;
    struct request r;

    ok(chat(&r, "", &err) == 0, "the least chat request");
    ok(r.chat && strcmp(r.custom_id, "c") == 0 && !r.model &&
           r.n_messages == 1 && strcmp(r.message[0].role, "user") == 0 &&
           strcmp(r.message[0].content, "hi") == 0,
       "what it says");
    ok(r.n_choices == 1 && r.max_tokens == 0 && r.temperature == 1000000 &&
           r.top_p == 1000000 && r.top_k == 0 && !r.has_seed &&
           !r.ignore_eos && r.n_stops == 0,
       "what it does not say");
    request_clear(&r);
    ok(completion(&r, "", &err) == 0 && !r.chat &&
           strcmp(r.prompt, "x") == 0 && !r.prompt_id,
       "the least completion");
    request_clear(&r);
    ok(chat(&r, "\"model\":null,\"max_tokens\":null,"
            "\"max_completion_tokens\":null,\"temperature\":null,"
            "\"top_p\":null,\"n\":null,\"seed\":null,\"stop\":null,"
            "\"apus\":null,\"presence_penalty\":null,"
            "\"frequency_penalty\":null,\"logit_bias\":null,"
            "\"response_format\":null,\"tools\":null,\"logprobs\":null,"
            "\"top_logprobs\":null,\"stream\":null,\"user\":null", &err) == 0,
       "null is absent: %s", err.text);
    ok(r.n_choices == 1 && r.temperature == 1000000 && !r.has_seed,
       "and gives the defaults");
    request_clear(&r);
}

static void test_all(void)
{
    struct err err = ERR_INIT;
    struct request r;

    ok(chat(&r, "\"model\":\"m\",\"max_tokens\":7,"
            "\"max_completion_tokens\":7,\"temperature\":0.7,"
            "\"top_p\":0.95,\"n\":8,\"seed\":42,"
            "\"stop\":[\"b\",\"ab\",\"a\",\"b\"],"
            "\"apus\":{\"top_k\":40,\"ignore_eos\":true},"
            "\"presence_penalty\":0,\"frequency_penalty\":0.0,"
            "\"logit_bias\":{},\"response_format\":{\"type\":\"text\"},"
            "\"tools\":[],\"logprobs\":false,\"top_logprobs\":0,"
            "\"stream\":false,\"user\":\"u\",\"metadata\":{\"a\":[1]},"
            "\"store\":true,\"service_tier\":\"auto\","
            "\"safety_identifier\":1,\"prompt_cache_key\":\"k\"", &err) == 0,
       "every parameter of a chat: %s", err.text);
    ok(strcmp(r.model, "m") == 0 && r.max_tokens == 7 &&
           r.temperature == 700000 && r.top_p == 950000 &&
           r.n_choices == 8 && r.has_seed && r.seed == 42 && r.top_k == 40 &&
           r.ignore_eos,
       "their values");
    ok(r.n_stops == 3 && r.stop[0].n == 1 && r.stop[0].text[0] == 'a' &&
           r.stop[1].n == 2 && memcmp(r.stop[1].text, "ab", 2) == 0 &&
           r.stop[2].n == 1 && r.stop[2].text[0] == 'b',
       "stops are sorted and unique");
    request_clear(&r);
    ok(completion(&r, "\"max_tokens\":4294967295,\"stop\":\"\\n\\n\","
                  "\"logprobs\":null,\"presence_penalty\":0,"
                  "\"logit_bias\":{},\"stream\":false", &err) == 0 &&
           r.max_tokens == UINT32_MAX && r.n_stops == 1 && r.stop[0].n == 2,
       "parameters of a completion: %s", err.text);
    request_clear(&r);
}

static void test_numbers(void)
{
    static const struct { const char *text; uint32_t millionths; } t[] = {
        { "0.7", 700000 }, { "0.70", 700000 }, { "7e-1", 700000 },
        { "7E-1", 700000 }, { "0.000007e5", 700000 }, { "0", 0 },
        { "-0", 0 }, { "0.0", 0 }, { "0e9", 0 }, { "0.01", 10000 },
        { "100", 100000000 }, { "1e2", 100000000 }, { "1", 1000000 },
        { "0.123456", 123456 }, { "0.30000000000000004", 300000 },
        { "0.699999988079071", 700000 }, { "0.1234567", 123457 },
        { "0.0099999995", 10000 }, { "100.0000005", 100000000 },
    };
    static const char *const bad_t[] = {
        "0.001", "0.0099994", "0.009999", "100.000001", "-0.7", "\"0.7\"",
        "1e3",
        "true", "[]", "1e-7", "-1e-9", "1e-999999", "99999999999999999999",
    };
    static const char *const bad_p[] = {
        "0", "1.000001", "-1", "2", "1e-7", "0.0000005", "\"1\"",
    };
    struct err err = ERR_INIT;
    struct request r;
    char params[128];

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        snprintf(params, sizeof(params), "\"temperature\":%s", t[i].text);
        ok(chat(&r, params, &err) == 0 && r.temperature == t[i].millionths,
           "temperature %s", t[i].text);
        request_clear(&r);
    }
    for (size_t i = 0; i < sizeof(bad_t) / sizeof(*bad_t); i++) {
        snprintf(params, sizeof(params), "\"temperature\":%s", bad_t[i]);
        refused_in(true, params, "\"temperature\" must be 0 or");
    }
    ok(chat(&r, "\"top_p\":1e-6", &err) == 0 && r.top_p == 1, "top_p 1e-6");
    request_clear(&r);
    ok(chat(&r, "\"top_p\":1.0", &err) == 0 && r.top_p == 1000000,
       "top_p 1.0");
    request_clear(&r);
    for (size_t i = 0; i < sizeof(bad_p) / sizeof(*bad_p); i++) {
        snprintf(params, sizeof(params), "\"top_p\":%s", bad_p[i]);
        refused_in(false, params, "\"top_p\" must be a number from");
    }
}

static void test_seeds(void)
{
    static const struct { const char *text; uint64_t seed; } good[] = {
        { "0", 0 }, { "9007199254740993", 9007199254740993u },
        { "18446744073709551615", UINT64_MAX },
        { "\"18446744073709551615\"", UINT64_MAX },
        { "\"9007199254740993\"", 9007199254740993u }, { "\"0\"", 0 },
        { "7.0", 7 },
    };
    static const char *const bad[] = {
        "-2", "\"-1\"", "18446744073709551616", "\"18446744073709551616\"",
        "1.5", "-0.5", "\"0x1\"", "\" 1\"", "\"1 \"", "true", "[1]",
        "\"beacon\"",
    };
    struct err err = ERR_INIT;
    struct request r;
    char params[64];

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        snprintf(params, sizeof(params), "\"seed\":%s", good[i].text);
        ok(chat(&r, params, &err) == 0 && r.has_seed &&
               r.seed == good[i].seed,
           "seed %s", good[i].text);
        request_clear(&r);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        snprintf(params, sizeof(params), "\"seed\":%s", bad[i]);
        refused_in(true, params, "\"seed\" must be an integer");
    }
}

static void test_limits(void)
{
    static const char s64[] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    struct err err = ERR_INIT;
    struct request r;
    char params[256];

    snprintf(params, sizeof(params), "\"stop\":\"%s\"", s64);
    ok(chat(&r, params, &err) == 0 && r.stop[0].n == 64,
       "a stop of 64 bytes");
    request_clear(&r);
    snprintf(params, sizeof(params), "\"stop\":\"%s4\"", s64);
    refused_in(true, params, "\"stop\" must be a string of 1 to 64");
    refused_in(true, "\"stop\":[\"\"]", "\"stop\" must be a string of 1 to");
    refused_in(true, "\"stop\":[\"a\",1]", "\"stop\" must be a string");
    refused_in(true, "\"stop\":[\"a\",null]", "\"stop\" must be a string");
    refused_in(true, "\"stop\":{\"a\":1}", "\"stop\" must be a string");
    refused_in(true, "\"stop\":false", "\"stop\" must be a string");
    ok(chat(&r, "\"stop\":[\"p\",\"o\",\"n\",\"m\",\"l\",\"k\",\"j\",\"i\","
            "\"h\",\"g\",\"f\",\"e\",\"d\",\"c\",\"b\",\"a\"]", &err) == 0 &&
           r.n_stops == 16 && r.stop[0].text[0] == 'a' &&
           r.stop[15].text[0] == 'p',
       "16 stops");
    request_clear(&r);
    refused_in(true, "\"stop\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
               "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
               "\"a\"]", "\"stop\" must be at most 16");
    ok(chat(&r, "\"stop\":[]", &err) == 0 && r.n_stops == 0, "no stops");
    request_clear(&r);

    refused_in(true, "\"n\":0", "\"n\" must be an integer from 1 to 8");
    refused_in(true, "\"n\":9", "\"n\" must be");
    refused_in(true, "\"n\":1.5", "\"n\" must be");
    refused_in(true, "\"n\":\"1\"", "\"n\" must be");
    refused_in(true, "\"max_tokens\":0", "\"max_tokens\" must be");
    refused_in(true, "\"max_tokens\":-1", "\"max_tokens\" must be");
    refused_in(false, "\"max_tokens\":4294967296", "\"max_tokens\" must be");
    refused_in(true, "\"max_tokens\":1,\"max_completion_tokens\":2",
               "\"max_completion_tokens\" is given twice, and differs");
    refused_in(true, "\"top_k\":1,\"apus\":{\"top_k\":2}",
               "\"top_k\" is given twice, and differs");
    refused_in(true, "\"ignore_eos\":true,\"apus\":{\"ignore_eos\":false}",
               "\"ignore_eos\" is given twice, and differs");
    refused_in(true, "\"model\":1", "\"model\" must be a string");
    refused_in(true, "\"apus\":[1]", "\"apus\" must be an object");
    refused_in(true, "\"apus\":{\"top_k\":-2}", "\"top_k\" must be");
    refused_in(true, "\"top_k\":0.5", "\"top_k\" must be");
    refused_in(true, "\"apus\":{\"top_k\":4294967296}", "\"top_k\" must be");
    refused_in(true, "\"apus\":{\"ignore_eos\":1}",
               "\"ignore_eos\" must be true or false");
}

/* Whatever has no meaning here is refused by its name, and by that which may
 * be meant. */
static void test_unknown(void)
{
    static const struct { const char *name, *meant; } both[] = {
        { "foo", NULL }, { "", NULL }, { "apus.top_k", NULL },
        { "Temperature", "temperature" }, { "temp", "temperature" },
        { "tempreature", "temperature" }, { "max_token", "max_tokens" },
        { "maxTokens", "max_tokens" }, { "top-P", "top_p" },
        { "seed ", "seed" }, { "max_new_tokens", "max_tokens" },
        { "stop_sequences", "stop" }, { "input", "prompt" },
        { "presence_penality", "presence_penalty" },
    };
    char params[128], why[128];

    for (size_t i = 0; i < sizeof(both) / sizeof(*both); i++) {
        snprintf(params, sizeof(params), "\"%s\":null", both[i].name);
        snprintf(why, sizeof(why), "unknown parameter \"%s\"%s%s%s",
                 both[i].name, both[i].meant ? ": is \"" : "",
                 both[i].meant ? both[i].meant : "",
                 both[i].meant ? "\" meant?" : "");
        refused_in(true, params, why);
        refused_in(false, params, why);
    }
    refused_in(true, "\"prompt\":\"x\"",
               "\"prompt\" does not belong in /v1/chat/completions");
    refused_in(false, "\"messages\":[1]",
               "\"messages\" does not belong in /v1/completions");
    refused_in(true, "\"apus\":{\"foo\":1}",
               "unknown parameter \"apus.foo\"");
    refused_in(true, "\"apus\":{\"topk\":1}",
               "unknown parameter \"apus.topk\": is \"apus.top_k\" meant?");
    refused_in(true, "\"a\\u0001\\u00e9\\\"\":1",
               "unknown parameter \"a????\"");
    refused_in(true, "\"functions\":[{}]", "\"functions\" is not implemented:"
                                           " it must be null or []");
    refused_in(true, "\"response_format\":{\"type\":\"text\",\"a\":1}",
               "it must be null or {\"type\":\"text\"} or {}");
    refused_in(false, "\"prompt_logprobs\":0",
               "\"prompt_logprobs\" is not implemented: it must be null");
}

/* What a value is taken for if a row lists it; of two that are equal the
 * first is the row's. */
static const char *const values[][2] = {
    { "0", "0" }, { "0", "0.0" }, { "0", "-0" }, { "0", "1e-9" },
    { "1", "1" }, { "1", "1.0" }, { "1", "0.99999999" }, { "2", "2" },
    { "true", "true" }, { "false", "false" }, { "\"\"", "\"\"" },
    { "\"none\"", "\"none\"" }, { "\"auto\"", "\"auto\"" },
    { "\"medium\"", "\"medium\"" }, { "\"high\"", "\"high\"" },
    { "{}", "{}" }, { "{}", "[]" }, { "[\"text\"]", "[ \"text\" ]" },
    { "{\"type\":\"text\"}", "{ \"type\" : \"text\" }" },
    { "{\"type\":\"disabled\"}", "{\"type\":\"disabled\"}" },
    { "{\"effort\":\"none\"}", "{\"effort\":\"none\"}" },
    { "[\"audio\"]", "[\"audio\"]" }, { "[1]", "[1]" },
    { "{\"a\":[]}", "{\"a\":[]}" }, { "0.5", "0.5" }, { "-1", "-1" },
};

static bool lists(const char *row, const char *value)
{
    char list[128], text[64];

    snprintf(list, sizeof(list), " %s ", row);
    snprintf(text, sizeof(text), " %s ", value);
    return strstr(list, text) ||
           (strcmp(value, "{}") == 0 && strstr(list, " [] "));
}

/* A line with this member where the row's name says. */
static int member(struct request *r, const char *name, const char *value,
                  bool in_chat, struct err *err)
{
    const char *key = strchr(name, '.');
    char *text;
    int rc;

    key = key ? key + 1 : name;
    if (key == name) {
        text = xasprintf("\"%s\":%s", key, value);
        rc = in_chat ? chat(r, text, err) : completion(r, text, err);
    } else {
        text = *name == 'm'
                   ? xasprintf(CHAT "\"messages\":[{\"role\":\"user\","
                               "\"content\":\"x\",\"%s\":%s}]}}", key, value)
                   : xasprintf(CHAT "\"messages\":[{\"role\":\"user\","
                               "\"content\":[{\"type\":\"text\",\"text\":"
                               "\"x\",\"%s\":%s}]}]}}", key, value);
        rc = parse(r, text, err);
    }
    free(text);
    return rc;
}

/* Every member that is not read, with every value. */
static void test_neutral(const struct request_name *row, bool in_chat)
{
    struct err err = ERR_INIT;
    struct request r;
    unsigned taken = 0, wrong = 0;
    int rc = member(&r, row->name, "null", in_chat, &err);

    wrong += (rc == 0) != (*row->values != '=');
    request_clear(&r);
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        bool special = strcmp(row->name, "add_special_tokens") == 0;
        bool good = *row->values == '*' || lists(row->values, values[i][0]) ||
                    (special && strcmp(values[i][1],
                                       in_chat ? "false" : "true") == 0);
        const char *why = *row->values == '=' ? "meant?"
                                              : "is not implemented";

        err = (struct err)ERR_INIT;
        rc = member(&r, row->name, values[i][1], in_chat, &err);
        if ((rc == 0) != good || (rc && !strstr(err.text, why))) {
            wrong++;
            printf("# %s\n", values[i][1]);
        }
        taken += rc == 0;
        request_clear(&r);
    }
    ok(wrong == 0, "%s %s: %u values taken", row->name, row->values, taken);
}

static void test_members(void)
{
    const struct request_name *row = request_names;

    for (; row->name; row++) {
        if (*row->values == '+')
            continue;
        test_neutral(row, true);
        if (!strchr(row->name, '.'))
            test_neutral(row, false);
    }
}

/* Those that are read, by another name or in the value that says nothing. */
static void test_empty(void)
{
    struct err err = ERR_INIT;
    struct request r;

    ok(chat(&r, "\"model\":\"\",\"seed\":\"\",\"stop\":\"\",\"apus\":[],"
            "\"prompt\":[],\"top_k\":-1", &err) == 0 && !r.model &&
           !r.has_seed && r.n_stops == 0 && r.top_k == 0,
       "what is empty is absent: %s", err.text);
    request_clear(&r);
    ok(completion(&r, "\"seed\":-1,\"stop\":{},\"messages\":[],"
                  "\"apus\":{\"top_k\":null,\"ignore_eos\":null}", &err) == 0 &&
           !r.has_seed && !r.ignore_eos,
       "and a seed of -1: %s", err.text);
    request_clear(&r);
    ok(chat(&r, "\"top_k\":40,\"ignore_eos\":true,\"apus\":{\"top_k\":40},"
            "\"max_completion_tokens\":9", &err) == 0 && r.top_k == 40 &&
           r.ignore_eos && r.max_tokens == 9,
       "by either name: %s", err.text);
    request_clear(&r);
    ok(completion(&r, "\"max_completion_tokens\":9", &err) == 0 &&
           r.max_tokens == 9, "of a completion, too");
    request_clear(&r);
}

static void test_messages(void)
{
    struct err err = ERR_INIT;
    struct request r;

    ok(parse(&r, CHAT "\"messages\":["
             "{\"role\":\"system\",\"content\":\"a\"},"
             "{\"role\":\"developer\",\"content\":\"\"},"
             "{\"role\":\"user\",\"content\":[{\"type\":\"text\","
             "\"text\":\"b\"},{\"text\":\"c\\u00e9\",\"type\":\"text\"}]},"
             "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
             "\"text\":\"\"}]}]}}", &err) == 0,
       "four messages: %s", err.text);
    ok(r.n_messages == 4 && strcmp(r.message[0].role, "system") == 0 &&
           strcmp(r.message[1].role, "developer") == 0 &&
           strcmp(r.message[2].role, "user") == 0 &&
           strcmp(r.message[3].role, "assistant") == 0,
       "their roles");
    ok(strcmp(r.message[1].content, "") == 0 &&
           strcmp(r.message[2].content, "bc\xc3\xa9") == 0 &&
           strcmp(r.message[3].content, "") == 0,
       "parts are joined");
    request_clear(&r);

    refused(CHAT "}}", "\"messages\" must be an array");
    refused(CHAT "\"messages\":[]}}", "\"messages\" must be an array");
    refused(CHAT "\"messages\":null}}", "\"messages\" must be an array");
    refused(CHAT "\"messages\":\"hi\"}}", "\"messages\" must be an array");
    refused(CHAT "\"messages\":[\"hi\"]}}", "\"messages[0]\" must be");
    refused(CHAT "\"messages\":[{\"content\":\"a\"}]}}",
            "\"messages[0].role\" must be");
    refused(CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},"
            "{\"role\":\"function\",\"content\":\"a\"}]}}",
            "\"messages[1].role\" must be");
    refused(CHAT "\"messages\":[{\"role\":\"user\"}]}}",
            "\"messages[0].content\" must be");
    refused(CHAT "\"messages\":[{\"role\":\"user\",\"content\":null}]}}",
            "\"messages[0].content\" must be");
    refused(CHAT "\"messages\":[{\"role\":\"user\",\"content\":[]}]}}",
            "\"messages[0].content\" must be");
    refused(CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"a\","
            "\"name\":\"bob\"}]}}", "\"messages[0].name\" belongs in a mess");
    refused(CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"a\","
            "\"x\":null}]}}", "unknown parameter \"messages[0].x\"");
    refused(CHAT "\"messages\":[{\"role\":\"user\",\"content\":["
            "{\"type\":\"image_url\",\"image_url\":{}}]}]}}",
            "a part of \"messages[0].content\" must be");
    refused(CHAT "\"messages\":[{\"role\":\"user\",\"content\":["
            "{\"type\":\"text\",\"text\":\"a\",\"x\":1}]}]}}",
            "unknown parameter \"messages[0].content.x\"");
}

#define CALLS(calls) CHAT "\"messages\":[{\"role\":\"assistant\"," \
                          "\"tool_calls\":" calls "}]}}"

static void test_tools(void)
{
    struct err err = ERR_INIT;
    struct request r;

    ok(parse(&r, CHAT "\"messages\":[{\"role\":\"assistant\",\"content\":null,"
             "\"reasoning_content\":\"r\",\"tool_calls\":[{\"function\":{"
             "\"name\":\"f\"}}]},{\"role\":\"tool\",\"content\":\"21\","
             "\"name\":\"f\",\"tool_call_id\":\"c\",\"tool_calls\":[]}]}}",
             &err) == 0 && !r.message[0].content &&
           strcmp(r.message[1].role, "tool") == 0 && !r.tools && !r.documents &&
           !r.kwargs && !r.date && json_get(r.message[1].more, "name"),
       "a call of a tool and what it gave: %s", err.text);
    request_clear(&r);
    ok(chat(&r, "\"tools\":[{}],\"documents\":[{}],\"chat_template_kwargs\":"
            "{\"a\":1},\"apus\":{\"date\":\"2024-02-29\"}", &err) == 0 &&
           r.tools && r.documents && r.kwargs &&
           strcmp(r.date, "2024-02-29") == 0,
       "what a chat template sees: %s", err.text);
    request_clear(&r);
    ok(chat(&r, "\"tools\":[],\"documents\":null,\"chat_template_kwargs\":{},"
            "\"apus\":{\"date\":\"\"}", &err) == 0 && !r.tools &&
           !r.documents && !r.kwargs && !r.date,
       "nothing of it: %s", err.text);
    request_clear(&r);
    refused(CALLS("[]"), "\"messages[0].content\" must be");
    refused(CALLS("[{}]"), "\"messages[0].tool_calls\" must be an array of");
    refused(CALLS("{\"a\":1}"), "\"messages[0].tool_calls\" must be");
    refused(CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"a\","
            "\"tool_calls\":[{}]}]}}", "in a message of role \"assistant\"");
    refused(CHAT "\"messages\":[{\"role\":\"tool\",\"content\":\"a\","
            "\"name\":1}]}}", "\"messages[0].name\" must be a string");
    refused_in(true, "\"tools\":{\"a\":1}", "\"tools\" must be an array of");
    refused_in(true, "\"documents\":[1]", "\"documents\" must be an array of");
    refused_in(true, "\"chat_template_kwargs\":[1]", "must be an object");
    refused_in(false, "\"tools\":[{}]", "\"tools\" does not belong in /v1");
    refused_in(false, "\"apus\":{\"date\":\"2026-01-01\"}",
               "\"apus.date\" does not belong in /v1/completions");
}

static void test_dates(void)
{
    static const char *const bad[] = {
        "2026-02-29", "1900-02-29", "2026-13-01", "2026-00-01", "2026-04-31",
        "2026-01-00", "0000-01-01", "2026-1-01", "2026-01-1", "26-01-01",
        "2026-01-01T", "2026/01/01", "+026-01-01", "2026-01-0a",
    };
    static const char *const good[] = { "2000-02-29", "2026-12-31",
                                        "0001-01-01", "9999-10-10" };
    struct err err = ERR_INIT;
    struct request r;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *text = xasprintf("\"apus\":{\"date\":\"%s\"}", bad[i]);

        refused_in(true, text, "\"date\" must be a date, YYYY-MM-DD");
        free(text);
    }
    refused_in(true, "\"apus\":{\"date\":20260101}", "must be a date");
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char *text = xasprintf("\"apus\":{\"date\":\"%s\"}", good[i]);

        ok(chat(&r, text, &err) == 0 && strcmp(r.date, good[i]) == 0,
           "the date %s", good[i]);
        request_clear(&r);
        free(text);
    }
}

static void test_prompts(void)
{
    struct err err = ERR_INIT;
    struct request r;

    ok(parse(&r, TEXT "\"prompt\":\"\"}}", &err) == 0 && r.prompt &&
           !*r.prompt, "an empty text is judged with the model");
    request_clear(&r);
    ok(parse(&r, TEXT "\"prompt\":[0,4294967295,7e0]}}", &err) == 0 &&
           !r.prompt && r.n_prompt == 3 && r.prompt_id[0] == 0 &&
           r.prompt_id[1] == UINT32_MAX && r.prompt_id[2] == 7,
       "token ids");
    request_clear(&r);
    ok(parse(&r, TEXT "\"prompt\":[]}}", &err) == 0 && !r.prompt &&
           r.n_prompt == 0, "no token ids");
    request_clear(&r);
    refused(TEXT "}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":null}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":7}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":[4294967296]}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":[-1]}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":[1.5]}}", "\"prompt\" must be");
    ok(parse(&r, TEXT "\"prompt\":[\"a\"]}}", &err) == 0 && r.prompt &&
           strcmp(r.prompt, "a") == 0, "a list of one text");
    request_clear(&r);
    ok(parse(&r, TEXT "\"prompt\":[[1,2]]}}", &err) == 0 && r.n_prompt == 2 &&
           r.prompt_id[1] == 2, "a list of one list of ids");
    request_clear(&r);
    refused(TEXT "\"prompt\":[\"a\",\"b\"]}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":[[1],[2]]}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":[[\"a\"]]}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":[[[1]]]}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":[null]}}", "\"prompt\" must be");
    refused(TEXT "\"prompt\":{}}}", "\"prompt\" must be");
}

static void test_lines(void)
{
    refused("", "the line is empty");
    refused(" \t\r", "the line is empty");
    refused("{", "JSON, byte 1");
    refused("[]", "the line is not a JSON object");
    refused("null", "the line is not a JSON object");
    refused("{\"custom_id\":\"\xff\"}", "bad UTF-8");
    refused("{\"custom_id\":\"a\",\"custom_id\":\"a\"}", "duplicate key");
    refused(CHAT HI ",\"n\":1,\"n\":1}}", "duplicate key \"n\"");
    refused("{}", "\"custom_id\" is missing");
    refused("{\"custom_id\":\"\"}", "\"custom_id\" must be");
    refused("{\"custom_id\":null}", "\"custom_id\" must be");
    refused("{\"custom_id\":7}", "\"custom_id\" must be");
    refused("{\"custom_id\":\"c\",\"id\":1}",
            "unknown parameter \"id\" beside \"body\"");
    refused("{\"custom_id\":\"c\"}", "\"method\" must be \"POST\"");
    refused("{\"custom_id\":\"c\",\"method\":\"GET\"}", "\"method\" must be");
    refused("{\"custom_id\":\"c\",\"method\":\"POST\"}", "\"url\" must be");
    refused("{\"custom_id\":\"c\",\"method\":\"POST\",\"url\":"
            "\"/v1/embeddings\",\"body\":{}}",
            "\"/v1/embeddings\" is not implemented: \"url\" must be");
    refused("{\"prompt\":\"x\"}", "\"prompt\" belongs in \"body\"");
    refused("{\"custom_id\":\"c\",\"temperature\":1}",
            "\"temperature\" belongs in \"body\"");
    refused("{\"custom_id\":\"c\",\"method\":\"POST\",\"url\":"
            "\"/v1/completions\"}", "\"body\" must be an object");
    refused("{\"custom_id\":\"c\",\"method\":\"POST\",\"url\":"
            "\"/v1/completions\",\"body\":[]}", "\"body\" must be an object");
}

static void test_custom_id(void)
{
    static const char *const broken[] = {
        CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"\\ud83d\"}]}}",
        "{\"body\":{\"prompt\":\"\xff\"},\"custom_id\":\"c\"}", CHAT,
        CHAT HI "}},", CHAT HI ",}}", "{\"custom_id\":\"c\",\"a\":1,\"a\":1}",
    };
    struct err err = ERR_INIT;
    struct request r;
    char id[514], line[700];
    char *huge;

    memset(id, 'i', sizeof(id) - 1);
    id[513] = '\0';
    snprintf(line, sizeof(line), "{\"custom_id\":\"%s\"}", id);
    ok(parse(&r, line, &err) == -1 && !r.custom_id &&
           strstr(err.text, "\"custom_id\" must be"),
       "a custom_id of 513 bytes");
    request_clear(&r);
    id[512] = '\0';
    snprintf(line, sizeof(line), "{\"custom_id\":\"%s\"}", id);
    ok(parse(&r, line, &err) == -1 && r.custom_id &&
           strcmp(r.custom_id, id) == 0,
       "one of 512 bytes is kept though the line is bad");
    request_clear(&r);
    ok(parse(&r, CHAT HI ",\"foo\":1}}", &err) == -1 && r.custom_id &&
           strcmp(r.custom_id, "c") == 0 && !r.message && !r.n_messages,
       "as is that of a line with a bad body");
    request_clear(&r);
    request_clear(&r);
    ok(!r.line && !r.custom_id, "clearing twice is harmless");
    for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
        ok(parse(&r, broken[i], &err) == -1 && r.custom_id &&
               strcmp(r.custom_id, "c") == 0 && strstr(err.text, "JSON"),
           "that of %s", broken[i]);
        request_clear(&r);
    }
    snprintf(line, sizeof(line), "{\"custom_id\":\"%s3\",", id);
    ok(parse(&r, line, &err) == -1 && !r.custom_id, "but none that is too"
       " long");
    request_clear(&r);

    huge = malloc(REQUEST_MAX_LINE + 1);
    memset(huge, ' ', REQUEST_MAX_LINE + 1);
    ok(request_parse(&r, huge, REQUEST_MAX_LINE + 1, &err) == -1 &&
           err.code == ERR_INPUT && strstr(err.text, "16777216 bytes"),
       "a line that is too long: %s", err.text);
    request_clear(&r);
    huge[0] = '{';
    memcpy(huge + REQUEST_MAX_LINE - 17, "\"custom_id\":\"big\"}", 18);
    ok(request_parse(&r, huge + 1, REQUEST_MAX_LINE, &err) == -1 &&
           strstr(err.text, "JSON"), "a line of the greatest length");
    request_clear(&r);
    free(huge);
}

static void test_ids(void)
{
    /* printf apusline | cat - <hash of "abc"> <number> | sha256sum */
    static const struct { uint64_t line; const char *hex; } want[] = {
        { 0, "cf28801cf3967c2784c4b7ee7dab2cfd"
             "8ca98e1d5a7a5d34c78c7c3977ac097c" },
        { 1, "a208155b114a27081a9b47ee3fe408b5"
             "cf394e01c9a34f60c116d88cdf7d5d71" },
        { 256, "c891411aea1cfec5409f66fe917a5a8a"
               "eb988390f4ac81da7f49d64fa884c331" },
    };
    struct id file, id;
    char hex[65];

    digest(&file, "abc", 3);
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        line_id_by_file(&id, file, want[i].line);
        digest_hex(hex, id);
        ok(strcmp(hex, want[i].hex) == 0, "id of line %" PRIu64,
           want[i].line);
    }
    memset(id.b, 7, sizeof(id));
    ok(request_default_seed(id) == 2474695593990584554u,
       "default seed (vector of the proofs)");
}

static void test_old_reasons(void)
{
    static const char text[] = TEXT "\"prompt\":[\"x\"],\"echo\":false}}";
    static const struct { const char *message; bool old; } t[] = {
        { "unknown parameter \"echo\"", true },
        { "unknown parameter \"suffix\"", false },
        { "unknown parameter \"messages[0].echo\"", true },
        { "\"prompt\" must be a string or an array of token ids", true },
        { "\"echo\" must be false: nothing else is implemented", true },
        { "\"prompt\" is bad", false }, { "unknown parameter \"", false },
        { "the line is empty", false }, { "", false },
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
        ok(request_old_reason(t[i].message, text, strlen(text)) == t[i].old,
           "an earlier reason: %s", t[i].message);
    ok(!request_old_reason("unknown parameter \"echo\"", "\"echo", 5),
       "nothing behind the end");
}

int main(void)
{
    test_defaults();
    test_all();
    test_numbers();
    test_seeds();
    test_limits();
    test_unknown();
    test_members();
    test_empty();
    test_messages();
    test_tools();
    test_dates();
    test_prompts();
    test_lines();
    test_custom_id();
    test_ids();
    test_old_reasons();
    return done();
}
