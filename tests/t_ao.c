/*
 * src/ao against a pretended messenger, compute unit and HyperBEAM node: what
 * goes over the wire, what each answer means, what is refused before it is
 * sent.
 */
#include <config.h>

#include "ao/ao.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ao/ao_internal.h"
#include "arweave/key.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/program.h"
#include "base/settings.h"
#include "tests/pretend_server.h"
#include "tests/tap.h"

#define PROCESS "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"

/* ---- the server ---------------------------------------------------------- */

/* What it is to say, one answer after the other, the last one again. */
struct say {
    const char *status, *head, *body;
};
static const struct say *plan;
static size_t n_plan, said;
static char seen_path[2048], seen_type[128], seen_codec[128];
static struct buf seen_body, first_body;

static void serve(struct pretend_call *c)
{
    const struct say *s = &plan[said < n_plan ? said : n_plan - 1];

    snprintf(seen_path, sizeof(seen_path), "%s", c->path);
    pretend_header(c, "content-type", seen_type, sizeof(seen_type));
    pretend_header(c, "codec-device", seen_codec, sizeof(seen_codec));
    buf_reset(&seen_body);
    buf_put(&seen_body, c->body ? (char *)c->body : "", c->n_body);
    if (said++ == 0) {
        buf_reset(&first_body);
        buf_put(&first_body, seen_body.data ? seen_body.data : "",
                seen_body.len);
    }
    pretend_answer(c, s->status, s->head, s->body, strlen(s->body));
}

static void says(const struct say *s, size_t n)
{
    plan = s;
    n_plan = n;
    said = 0;
}

#define SAYS(...)                                                          \
    do {                                                                   \
        static const struct say list[] = { __VA_ARGS__ };                  \
        says(list, sizeof(list) / sizeof(list[0]));                        \
    } while (0)
#define OK(body) { "200 OK", "", body }
#define TAKEN { "202 Accepted", "", "{\"message\":\"Processing\"}" }

/* ---- what tests share ---------------------------------------------------- */

static struct settings *settings;
static struct pretend *server;
static struct key *key;
static struct id process;

static void set(const char *name, const char *value)
{
    struct err err = ERR_INIT;

    if (settings_set(settings, name, value, &err))
        printf("# %s\n", err.text);
}

static struct ao *open_ao(const char *network)
{
    struct err err = ERR_INIT;
    struct ao *ao = NULL;

    set("ao-network", network);
    if (ao_new(&ao, settings, key, &err)) {
        printf("# %s\n", err.text);
        exit(1);
    }
    ao->limits.wait_ms = 1;
    ao->limits.retries = 2;
    return ao;
}

static bool in_text(const struct buf *b, const char *what)
{
    size_t n = strlen(what);

    for (size_t i = 0; i + n <= b->len; i++)
        if (memcmp(b->data + i, what, n) == 0)
            return true;
    return false;
}

#define MESSAGE(to, tags, count, text)                                     \
    &(struct ao_message){ .process = to, .tag = tags, .n_tags = count,     \
                          .data = text, .n = strlen(text) }

/* ---- making -------------------------------------------------------------- */

static void test_message(struct ao *ao)
{
    static const struct item_text_tag tag[] = { { "Action", "Pull" },
                                                { "Max", "7" } };
    struct id id, other;
    struct err err = ERR_INIT;
    struct buf item, again;
    struct item it;

    buf_init(&item, 200000);
    buf_init(&again, 200000);
    ok(ao_sign(ao, &item, &id, MESSAGE(process, tag, 2, "hello"), &err) == 0 &&
           item_open(&it, item.data, item.len, &err) == 0,
       "a message is a signed item %s", err.text);
    ok(id_equal(it.id, id) && it.target && id_equal(*it.target, process) &&
           it.anchor && it.n_tags == 5 &&
           memcmp(item.data + it.head_n, "hello", 5) == 0,
       "to the process, with an anchor and five tags");
    ok(in_text(&item, "ao.TN.1") && in_text(&item, "Message"),
       "with the tags of the protocol");
    ok(ao_sign(ao, &again, &other, MESSAGE(process, tag, 2, "hello"), &err) ==
           0 && !id_equal(id, other),
       "an equal message is another one");
    buf_clear(&item);
    buf_clear(&again);
}

static void test_refused(struct ao *ao)
{
    static const struct item_text_tag bad[][2] = {
        { { "Timestamp", "1" }, { "A", "b" } },
        { { "A", "b" }, { "reply_to", "x" } },
        { { "FROM-process", "1" }, { "A", "b" } },
        { { "X-Model", "1" }, { "x_model", "2" } },
        { { "A", "b+link" }, { "B", "b" } },
        { { "A+link", "b" }, { "B", "b" } },
        { { "Variant", "b" }, { "B", "b" } },
    };
    struct err err = ERR_INIT;
    struct id id;
    struct buf item;
    char *big = xcalloc(AO_MAX_DATA + 1, 1);

    buf_init(&item, 200000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(ao_sign(ao, &item, &id, MESSAGE(process, bad[i], 2, ""), &err) ==
           -1 && err.code == ERR_INPUT && item.len == 0, "%s", err.text);
    ok(ao_sign(ao, &item, &id, &(struct ao_message){ .process = process,
               .data = big, .n = AO_MAX_DATA + 1 }, &err) == -1 &&
       err.code == ERR_INPUT, "%s", err.text);
    free(big);
    buf_clear(&item);
}

static void test_process(struct ao *ao)
{
    struct err err = ERR_INIT;
    struct id id;
    struct buf item;
    struct item it;

    buf_init(&item, 200000);
    ok(ao_process(ao, &item, &id, MESSAGE(process, NULL, 0, "x = 1"), &err) ==
           0 && item_open(&it, item.data, item.len, &err) == 0 &&
           !it.target && item_tag_get(&it, "Module") &&
           item_tag_get(&it, "On-Boot") &&
           item_tag_get(&it, "Authority"),
       "a process item %s", err.text);
    buf_clear(&item);
}

/* ---- sending ------------------------------------------------------------- */

static struct buf message;
static struct id message_id;

static void make_message(struct ao *ao)
{
    static const struct item_text_tag tag[] = { { "Action", "Info" } };
    struct err err = ERR_INIT;

    buf_reset(&message);
    if (ao_sign(ao, &message, &message_id, MESSAGE(process, tag, 1, ""), &err))
        printf("# %s\n", err.text);
}

static void sends(struct ao *ao, int rc, enum err_code code, unsigned times,
                  const char *name)
{
    struct err err = ERR_INIT;
    int got;

    make_message(ao);
    got = ao_send(ao, message.data, message.len, &err);
    ok(got == rc && err.code == code && said == times,
       "%s (%zu times): %s", name, said, err.text);
}

static void test_send(struct ao *ao)
{
    SAYS(TAKEN);
    sends(ao, 0, ERR_NONE, 1, "202 is taken");
    ok(seen_body.len == message.len && memcmp(seen_body.data, message.data,
       message.len) == 0 && strcmp(seen_path, "/") == 0 &&
       strcmp(seen_type, "application/octet-stream") == 0,
       "the item's bytes, as octets, to %s", seen_path);
    SAYS({ "500 X", "", "{\"error\":\"Error: Message already exists\"}" });
    sends(ao, 0, ERR_NONE, 1, "\"already exists\" is success");
    SAYS({ "400 X", "", "Deep hash already exists" });
    sends(ao, 0, ERR_NONE, 1, "so is the deep hash's");
    SAYS({ "500 X", "", "{\"error\":\"Rate limit exceeded\"}" }, TAKEN);
    sends(ao, 0, ERR_NONE, 2, "a rate limit passes");
    ok(first_body.len == seen_body.len && memcmp(first_body.data,
       seen_body.data, seen_body.len) == 0, "with the same bytes again");
    SAYS({ "429 X", "", "Rate limit exceeded" });
    sends(ao, -1, ERR_RETRY, 3, "a rate limit that stays");
    SAYS({ "502 X", "", "<html>" }, { "504 X", "", "" }, TAKEN);
    sends(ao, 0, ERR_NONE, 3, "pages of a proxy");
    SAYS(OK("\r\n<!DOCTYPE html>"), TAKEN);
    sends(ao, 0, ERR_NONE, 2, "a page that claims success");
    SAYS({ "500 X", "", "{\"error\":\"Forbidden, process not whitelisted\"}" });
    sends(ao, -1, ERR_INPUT, 1, "a whitelist, behind a 500");
    SAYS({ "500 X", "", "A valid and signed data item must be provided" });
    sends(ao, -1, ERR_INPUT, 1, "a broken item, behind a 500");
    SAYS({ "500 X", "", "Message size exceeds maximum of 102400 bytes" });
    sends(ao, -1, ERR_INPUT, 1, "a large item, behind a 500");
    SAYS({ "403 X", "", "no" });
    sends(ao, -1, ERR_INPUT, 1, "403");
    SAYS({ "202 X", "", "{\"id\":\"" PROCESS "\"}" });
    sends(ao, -1, ERR_INPUT, 1, "another item's id");
}

static void test_spawn(struct ao *ao)
{
    struct err err = ERR_INIT;
    struct id id, got;
    struct buf item;

    buf_init(&item, 200000);
    SAYS(TAKEN);
    ok(ao_process(ao, &item, &id, MESSAGE(process, NULL, 0, "x"), &err) == 0 &&
           ao_spawn(ao, item.data, item.len, &got, &err) == 0 &&
           id_equal(id, got),
       "a process is called as its item");
    buf_clear(&item);
}

/* ---- results ------------------------------------------------------------- */

#define GOOD                                                               \
    "{\"Messages\":[{\"Target\":\"t\",\"Data\":\"d\",\"Anchor\":\"0\","    \
    "\"Tags\":[{\"name\":\"Action\",\"value\":\"Pong\"},"                  \
    "{\"name\":\"Code\",\"value\":200}]}],\"Spawns\":[],"                  \
    "\"Output\":{\"data\":\"out\"},\"GasUsed\":0}"

static int get_result(struct ao *ao, struct ao_result *r, unsigned wait_s,
                      struct err *err)
{
    memset(r, 0, sizeof(*r));
    return ao_result(ao, r, process, message_id, wait_s, err);
}

static bool is_good(const struct ao_result *r)
{
    return !r->error && r->n_out == 1 && strcmp(r->output, "out") == 0 &&
           strcmp(r->out[0].target, "t") == 0 &&
           strcmp(r->out[0].data, "d") == 0 &&
           ao_out_tag(&r->out[0], "action") &&
           strcmp(ao_out_tag(&r->out[0], "action"), "Pong") == 0 &&
           strcmp(ao_out_tag(&r->out[0], "Code"), "200") == 0 &&
           !ao_out_tag(&r->out[0], "None");
}

static void test_result(struct ao *ao)
{
    struct err err = ERR_INIT;
    char want[200];
    struct ao_result r;
    struct buf kept;

    SAYS(OK(GOOD));
    ok(get_result(ao, &r, 5, &err) == 0 && is_good(&r), "a result %s",
       err.text);
    snprintf(want, sizeof(want), "/result/%s?process-id=%s",
             id_text(message_id).s, PROCESS);
    ok(strcmp(seen_path, want) == 0, "asked at %s", seen_path);
    buf_init(&kept, 10000);
    ao_out_put(&kept, &r.out[0]);
    ao_result_clear(&r);
    ok(ao_result_parse(&r, kept.data, kept.len, &err) == 0 && r.n_out == 1 &&
       r.out[0].n_tags == 2 && strcmp(r.out[0].data, "d") == 0,
       "kept as JSON and read again");
    buf_clear(&kept);
    ao_result_clear(&r);
    SAYS({ "202 X", "", "{\"message\":\"in progress\"}" },
         { "404 X", "", "" }, { "500 X", "", "{\"error\":\"oops\"}" },
         OK(GOOD));
    ok(get_result(ao, &r, 5, &err) == 0 && is_good(&r) && said == 4,
       "it is waited for");
    ao_result_clear(&r);
    SAYS({ "202 X", "", "" });
    ok(get_result(ao, &r, 0, &err) == -1 && err.code == ERR_RETRY &&
       said == 1, "%s", err.text);
    SAYS({ "500 X", "", "message not found cached, and earlier than latest"
           " known nonce" });
    ok(get_result(ao, &r, 5, &err) == -1 && err.code == ERR_INPUT &&
       said == 1, "%s", err.text);
    SAYS(OK("{\"Error\":\"[string]:1: bad\",\"Messages\":[]}"));
    ok(get_result(ao, &r, 5, &err) == 0 && r.error && r.n_out == 0,
       "the process raised an error");
    ao_result_clear(&r);
}

static void test_no_result(void)
{
    static const char *const bad[] = {
        "", "[]", "1", "{}", "{\"Messages\":7}", "{\"Messages\":[7]}",
        "{\"a\":1", "<html>", "{\"Messages\":[],\"Messages\":[]}",
        "{\"Messages\":[[]]}", "null", "\"x\"",
    };
    static const char *const good[] = {
        "{\"Messages\":[]}", "{\"Messages\":{},\"Error\":\"\"}",
        "{\"Output\":\"x\"}", "{\"Error\":null,\"Output\":[]}",
        "{\"Messages\":[{\"Tags\":{},\"Data\":{}}]}",
        "{\"Messages\":[{\"Tags\":[{\"name\":\"a\",\"value\":[]},7]}]}",
    };
    struct err err = ERR_INIT;
    struct ao_result r = { .root = NULL };
    struct buf big;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(ao_result_parse(&r, bad[i], strlen(bad[i]), &err) == -1 &&
           err.code == ERR_INPUT && !r.root, "'%s': %s", bad[i], err.text);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(ao_result_parse(&r, good[i], strlen(good[i]), &err) == 0 &&
           !r.error, "'%s'", good[i]);
        ao_result_clear(&r);
    }
    buf_init(&big, 1u << 20);
    buf_puts(&big, "{\"Messages\":[{}");
    for (int i = 0; i < AO_MAX_OUT; i++)
        buf_puts(&big, ",{}");
    buf_puts(&big, "]}");
    ok(ao_result_parse(&r, big.data, big.len, &err) == -1, "%s", err.text);
    ok(ao_result_parse_unit(&r, "<p>", 3, NULL) == -1, "nobody asks why");
    buf_clear(&big);
}

/* A unit that does not stop: what is over the ceiling is not read. */
static void test_huge(struct ao *ao)
{
    /* the server still sends it when we have heard enough */
    static char text[AO_MAX_ANSWER + 1001];
    size_t n = sizeof(text) - 1;
    struct say one = { "200 OK", "", text };
    struct err err = ERR_INIT;
    struct ao_result r;

    memset(text, ' ', n);
    text[n] = '\0';
    says(&one, 1);
    ok(get_result(ao, &r, 5, &err) == -1 && err.code == ERR_INPUT,
       "%s", err.text);
}

static void test_ask(struct ao *ao)
{
    static const struct item_text_tag tag[] = { { "Action", "In\"fo" } };
    struct err err = ERR_INIT;
    struct ao_result r = { .root = NULL };

    SAYS({ "429 X", "", "Rate limit exceeded" }, OK(GOOD));
    ok(ao_ask(ao, &r, MESSAGE(process, tag, 1, "x"), NULL, &err) == 0 &&
       is_good(&r) && said == 2, "a dry run %s", err.text);
    ao_result_clear(&r);
    ok(strcmp(seen_path, "/dry-run?process-id=" PROCESS) == 0 &&
       in_text(&seen_body, "\"Target\":\"" PROCESS "\"") &&
       in_text(&seen_body, "In\\\"fo"), "at %s", seen_path);
    ok(seen_body.len == first_body.len && memcmp(seen_body.data,
       first_body.data, seen_body.len) != 0, "no two of them are equal");
}

/* ---- HyperBEAM ----------------------------------------------------------- */

#define EDGES                                                              \
    "{\"page_info\":{},\"edges\":[{\"cursor\":\"41\",\"node\":{"           \
    "\"message\":{\"id\":\"%s\"},\"assignment\":{\"tags\":["               \
    "{\"name\":\"Nonce\",\"value\":\"41\"}]}}}]}"

static void test_node_send(struct ao *ao)
{
    struct err err = ERR_INIT;
    struct ao_result r;

    SAYS({ "200 OK", "slot: 12\r\n", "{}" },
         OK("{\"results\":{\"json\":{\"body\":\"{\\\"Output\\\":\\\"o\\\""
            "}\"}}}"));
    sends(ao, 0, ERR_NONE, 1, "a node takes it");
    ok(strcmp(seen_path, "/" PROCESS "~process@1.0/push") == 0 &&
       strcmp(seen_codec, "ans104@1.0") == 0 &&
       strcmp(seen_type, "application/ans104") == 0 &&
       in_text(&seen_body, "ao.N.1"), "at %s, with its codec", seen_path);
    ok(get_result(ao, &r, 5, &err) == 0 && strcmp(r.output, "o") == 0 &&
       strcmp(seen_path, "/" PROCESS "~process@1.0/compute?slot=12") == 0,
       "its result is asked by slot: %s %s", seen_path, err.text);
    ao_result_clear(&r);
    SAYS({ "400 X", "", "Message is not valid." });
    sends(ao, -1, ERR_INPUT, 1, "not valid");
    SAYS({ "500 X", "", "<html>" }, OK("{\"slot\":3}"));
    sends(ao, 0, ERR_NONE, 2, "an error page passes");
}

static void test_node_find(struct ao *ao)
{
    struct err err = ERR_INIT;
    char edges[400];
    struct say list[] = {
        OK("41"), { "200 OK", "", edges },
        OK("{\"results\":{\"messages\":{\"1\":{\"target\":\"t\","
           "\"data\":\"d\",\"tags\":[]}},\"output\":\"x\"}}"),
    };
    struct ao_result r;

    make_message(ao);
    snprintf(edges, sizeof(edges), EDGES, id_text(message_id).s);
    says(list, 3);
    ok(get_result(ao, &r, 5, &err) == 0 && r.n_out == 1 &&
       strcmp(r.out[0].data, "d") == 0 && strstr(seen_path, "slot=41"),
       "what another process of ours sent is found in the schedule %s",
       err.text);
    ao_result_clear(&r);
}

/* What a node said until 2025, since then, and what stands there when neither
 * is: name of the form, answer, a text of the error (NULL: GOOD). */
static void test_node_forms(void)
{
#define OUTBOX "\"outbox\":{\"1\":{\"target\":\"x\",\"data\":\"y\"}}"
    static const struct {
        const char *name, *answer, *want;
    } forms[] = {
        { "results.raw", "{\"slot\":\"7\",\"process\":\"p\",\"results\":{"
          "\"raw\":" GOOD "," OUTBOX ",\"data\":\"\"}}", NULL },
        { "raw of results alone", "{\"raw\":" GOOD "," OUTBOX "}", NULL },
        { "results.raw as text", "{\"results\":{\"raw\":\"{\\\"Output\\\":"
          "\\\"o\\\"}\"}}", "" },
        { "results.json.body", "{\"results\":{\"json\":{\"body\":"
          "\"{\\\"Output\\\":\\\"o\\\"}\"}}}", "" },
        { "json.body of results alone", "{\"json\":{\"body\":"
          "\"{\\\"Output\\\":\\\"o\\\"}\"}}", "" },
        { "json.body decoded", "{\"results\":{\"json\":{\"body\":" GOOD
          "}}}", NULL },
        { "neither", "{\"slot\":\"7\",\"results\":{" OUTBOX
          ",\"data\":\"\"},\"process\":\"p\"}",
          "it has slot, results (outbox, data), process, and neither" },
        { "an empty object", "{}", "it has nothing, and neither" },
        { "a list", "[1]", "it has no object" },
        { "links instead", "{\"results+link\":\"x\"}", "results+link" },
        { "invalid raw", "{\"results\":{\"raw\":{\"a\":1}}}",
          "results (raw)" },
        { "invalid text", "{\"results\":{\"raw\":\"<html>\"}}",
          "what the compute unit said" },
        { "a unit's limit", "{\"results\":{\"raw\":{\"error\":"
          "\"Rate limit exceeded\"}}}", "lets no more through" },
        { "a unit that knows a message already", "{\"results\":{\"raw\":{"
          "\"error\":\"Message already exists\"}}}", "instead of a result" },
        { "a result in lower case", "{\"results\":{\"raw\":{\"messages\":[],"
          "\"error\":\"\",\"output\":\"o\"}}}", "" },
        { "a result in lower case, as text", "{\"results\":{\"json\":{"
          "\"body\":\"{\\\"error\\\":\\\"\\\",\\\"output\\\":\\\"o\\\""
          "}\"}}}", "" },
        { "of an invalid error", "{\"results\":{\"raw\":{\"error\":\"\","
          "\"output\":{\"data\":\"o\"}}}}", "" },
        { "a unit's refusal", "{\"results\":{\"json\":{\"body\":"
          "\"{\\\"error\\\":\\\"not found cached, and earlier than latest"
          " known nonce\\\"}\"}}}", "gone for good" },
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        struct ao_result r = { .root = NULL };
        struct err err = ERR_INIT;
        const char *want = forms[i].want;
        int rc = ao_result_parse_node(&r, forms[i].answer,
                                      strlen(forms[i].answer), &err);

        if (!want)
            ok(rc == 0 && is_good(&r), "%s %s", forms[i].name, err.text);
        else if (!*want)
            ok(rc == 0 && strcmp(r.output, "o") == 0, "%s %s",
               forms[i].name, err.text);
        else
            ok(rc == -1 && !r.root && strstr(err.text, want), "%s: %s",
               forms[i].name, err.text);
        ao_result_clear(&r);
    }
#undef OUTBOX
}

/* What a process raised, where its names are in lower case, is not what the
 * unit says. */
static void test_node_error(void)
{
    static const char text[] = "{\"results\":{\"raw\":{\"messages\":[],"
                               "\"error\":\"Rate limit exceeded\"}}}";
    struct ao_result r = { .root = NULL };
    struct err err = ERR_INIT;

    ok(ao_result_parse_node(&r, text, strlen(text), &err) == 0 && r.error &&
       strcmp(r.error, "Rate limit exceeded") == 0, "an error of the process"
       " in lower case %s", err.text);
    ao_result_clear(&r);
}

/* Who a new process is given to, if the settings do not say. */
static void made_by(const char *network, const char *want, const char *name)
{
    struct err err = ERR_INIT;
    struct ao *ao = open_ao(network);
    struct id id;
    struct buf item;

    buf_init(&item, 200000);
    if (ao_process(ao, &item, &id, MESSAGE(process, NULL, 0, "x = 1"), &err))
        ok(!want && err.code && item.len == 0 &&
           strstr(err.text, "set ao-scheduler and ao-authority"), "%s: %s",
           name, err.text);
    else
        ok(want && strcmp(ao->scheduler, want) == 0 &&
           in_text(&item, want), "%s", name);
    buf_clear(&item);
    ao_free(ao);
}

static void test_find_units(void)
{
    set("ao-scheduler", "");
    set("ao-authority", "");
    made_by("legacynet", "_GQ33BkPtZrqxA84vM8Zk-N2aO0toNNu_C-l-rawrBA",
            "legacynet's own");
    SAYS(OK(PROCESS "\n"));
    made_by("hyperbeam", PROCESS, "the node's address");
    ok(strcmp(seen_path, "/~meta@1.0/info/address") == 0, "from %s",
       seen_path);
    SAYS(OK("\"" PROCESS "\""));
    made_by("hyperbeam", PROCESS, "as JSON");
    SAYS(OK("{\"body\":\"" PROCESS "\",\"status\":200}"));
    made_by("hyperbeam", PROCESS, "as a message");
    SAYS({ "404 X", "", "<html>" });
    made_by("hyperbeam", NULL, "none");
    SAYS(OK("<html>not here</html>"));
    made_by("hyperbeam", NULL, "a page");
    SAYS(OK(""));
    made_by("hyperbeam", NULL, "nothing");
    set("ao-scheduler", PROCESS);
    set("ao-authority", PROCESS);
    says(NULL, 0);
    made_by("hyperbeam", PROCESS, "what is set is not asked for");
}

/* A unit's complaint and a proxy's page with status 200: the first is not an
 * error of the process, and both may pass. */
static void test_not_of_process(struct ao *ao)
{
    struct err err = ERR_INIT;
    struct ao_result r;

    SAYS(OK("{\"error\":\"Nonce limit exceeded\"}"), OK(GOOD));
    ok(get_result(ao, &r, 5, &err) == 0 && is_good(&r),
       "waits for a unit that complains %s", err.text);
    ao_result_clear(&r);
    SAYS(OK("{\"error\":\"Forbidden\"}"));
    ok(get_result(ao, &r, 0, &err) == -1 && err.code == ERR_RETRY &&
       strstr(err.text, "\"compute unit\" answered \"Forbidden\""), "%s",
       err.text);
    SAYS(OK("{\"error\":\"not found cached, and earlier than latest known"
            " nonce\"}"));
    ok(get_result(ao, &r, 5, &err) == -1 && err.code == ERR_INPUT, "%s",
       err.text);
    SAYS(OK("{\"Error\":\"of the process\"}"));
    ok(get_result(ao, &r, 5, &err) == 0 && r.error, "an error of the process");
    ao_result_clear(&r);
    SAYS(OK("<html>log in</html>"), OK("upstream error"), OK(""), OK(GOOD));
    ok(get_result(ao, &r, 5, &err) == 0 && is_good(&r),
       "waits while there are pages of a proxy %s", err.text);
    ao_result_clear(&r);
    SAYS(OK("<html>log in</html>"));
    ok(get_result(ao, &r, 0, &err) == -1 && err.code == ERR_RETRY &&
       strstr(err.text, "a proxy or a login page"), "%s", err.text);
    SAYS(OK("{\"Messages\":"));
    ok(get_result(ao, &r, 5, &err) == -1 && err.code == ERR_INPUT,
       "rejects an object that is cut off: %s", err.text);
}

/* What answers and makes no dry runs is told from what may pass. */
static void refuses(struct ao *ao, bool want, const char *text)
{
    static const struct item_text_tag tag[] = { { "Action", "Info" } };
    struct err err = ERR_INIT;
    struct ao_result r = { .root = NULL };
    bool refused = !want;
    int rc;

    ao->refused_until = 0; /* nothing is remembered */
    rc = ao_ask(ao, &r, MESSAGE(process, tag, 1, ""), &refused, &err);
    ok(rc == -1 && refused == want && strstr(err.text, text), "%s", err.text);
}

static void test_no_dry_runs(struct ao *ao)
{
    SAYS({ "403 X", "", "no" });
    refuses(ao, true, "it makes no dry runs: ");
    /* a node is asked whether it knows the process */
    SAYS({ "404 X", "", "no" }, OK("7"));
    refuses(ao, true, "404");
    SAYS({ "404 X", "", "Error: Process not found: x" });
    refuses(ao, false, "Process not found");
    SAYS({ "429 X", "", "Rate limit exceeded" });
    refuses(ao, true, "429");
    SAYS({ "405 X", "", "no" });
    refuses(ao, true, "405");
    SAYS({ "410 X", "", "no" });
    refuses(ao, true, "410");
    SAYS({ "501 X", "", "no" });
    refuses(ao, true, "501");
    SAYS({ "400 X", "", "no" });
    refuses(ao, false, "400");
    SAYS({ "500 X", "", "<html>" });
    refuses(ao, false, "500");
    SAYS(OK("{\"results\":{\"raw\":{\"error\":\"Forbidden\"}}}"));
    refuses(ao, false, "");
    SAYS(OK("{\"results\":{\"raw\":{\"error\":\"Rate limit exceeded\"}}}"));
    refuses(ao, false, "");
    SAYS(OK("<html>a proxy's page</html>"));
    refuses(ao, false, "web page");
    SAYS({ "202 X", "", "" });
    refuses(ao, false, "");
    SAYS({ "502 X", "", "<html>" });
    refuses(ao, false, "502");
    SAYS({ "503 X", "", "" });
    refuses(ao, false, "503");
}

/* What refuses is not asked again, about this process. */
static void test_refusal_kept(struct ao *ao)
{
    static const struct item_text_tag tag[] = { { "Action", "Info" } };
    struct id other = { { 7 } };
    struct err err = ERR_INIT;
    struct ao_result r = { .root = NULL };
    bool refused = false;

    SAYS({ "403 X", "", "no" });
    refuses(ao, true, "403");
    SAYS(OK("{}"));
    ok(ao_ask(ao, &r, MESSAGE(process, tag, 1, ""), &refused, &err) == -1 &&
       refused && said == 0 && err.code == ERR_INPUT &&
       strstr(err.text, "it makes no dry runs: ") && strstr(err.text, "403"),
       "a refusal is remembered: %s", err.text);
    SAYS({ "502 X", "", "" });
    ok(ao_ask(ao, &r, MESSAGE(other, tag, 1, ""), &refused, &err) == -1 &&
       !refused && said > 0, "not for another process: %s", err.text);
    ao->refused_until = 0;
}

static void test_node_ask(struct ao *ao)
{
    static const struct item_text_tag tag[] = {
        { "Action", "In&fo /\xc3\xa9" }
    };
    static const char path[] = "/" PROCESS "~process@1.0/as=execution/compute"
                               "&Action=In%26fo%20%2F%C3%A9&target=" PROCESS
                               "&data=x&X-Ask=";
    struct err err = ERR_INIT;
    struct ao_result r = { .root = NULL };
    char first[sizeof(seen_path)];

    SAYS(OK("{\"results\":{\"raw\":" GOOD "}}"));
    ok(ao_ask(ao, &r, MESSAGE(process, tag, 1, "x"), NULL, &err) == 0 &&
       is_good(&r) && seen_body.len == 0, "a dry run of a node %s", err.text);
    ao_result_clear(&r);
    ok(strncmp(seen_path, path, strlen(path)) == 0, "at %s", seen_path);
    memcpy(first, seen_path, sizeof(first));
    ok(ao_ask(ao, &r, MESSAGE(process, tag, 1, "x"), NULL, &err) == 0 &&
       strcmp(first, seen_path) != 0, "no two of them are equal");
    ao_result_clear(&r);
}

static void test_node_waits(struct ao *ao)
{
    struct err err = ERR_INIT;
    struct ao_result r;

    SAYS({ "200 OK", "slot: 12\r\n", "{}" },
         OK("{\"results\":{\"raw\":{\"error\":\"Nonce limit exceeded\"}}}"),
         OK("{\"results\":{\"raw\":" GOOD "}}"));
    sends(ao, 0, ERR_NONE, 1, "a node takes it");
    ok(get_result(ao, &r, 5, &err) == 0 && is_good(&r) && said == 3,
       "a compute unit that catches up is waited for %s", err.text);
    ao_result_clear(&r);
}

/* ---- the rest ------------------------------------------------------------ */

static void test_new(void)
{
    struct err err = ERR_INIT;
    struct ao *ao = NULL;

    set("ao-network", "legacynet");
    set("ao-mu", "http://example.org");
    ok(ao_new(&ao, settings, NULL, &err) == -1 && err.code == ERR_INPUT,
       "%s", err.text);
    set("ao-mu", pretend_url(server));
    set("ao-network", "hyperbeam");
    set("ao-node", "");
    ok(ao_new(&ao, settings, NULL, &err) == -1 && err.code == ERR_INPUT,
       "%s", err.text);
    set("ao-node", pretend_url(server));
}

static void test_legacynet(void)
{
    struct ao *ao = open_ao("legacynet");

    test_message(ao);
    test_refused(ao);
    test_process(ao);
    test_send(ao);
    test_spawn(ao);
    test_result(ao);
    test_not_of_process(ao);
    test_huge(ao);
    test_ask(ao);
    test_no_dry_runs(ao);
    test_refusal_kept(ao);
    ao_free(ao);
}

int main(void)
{
    char *conf = file_join(tap_tmp(), "conf");
    struct err err = ERR_INIT;
    struct ao *ao;

    if (file_write(conf, "", 0, &err))
        printf("# %s\n", err.text);
    setenv("APUS_CONFIG", conf, 1);
    buf_init(&seen_body, 1u << 20);
    buf_init(&first_body, 1u << 20);
    buf_init(&message, 1u << 20);
    if (settings_new(&settings, program_settings, &err) ||
        key_new(&key, &err) || id_parse(&process, PROCESS)) {
        printf("# %s\n", err.text);
        return 1;
    }
    server = pretend_start(serve, NULL);
    set("ao-mu", pretend_url(server));
    set("ao-cu", pretend_url(server));
    set("ao-node", pretend_url(server));
    test_legacynet();
    test_no_result();
    test_node_forms();
    test_node_error();
    ao = open_ao("hyperbeam");
    test_node_send(ao);
    test_node_find(ao);
    test_node_waits(ao);
    test_node_ask(ao);
    test_no_dry_runs(ao);
    test_refusal_kept(ao);
    ao_free(ao);
    test_find_units();
    test_new();
    pretend_end(server);
    key_free(key);
    settings_free(settings);
    buf_clear(&seen_body);
    buf_clear(&first_body);
    buf_clear(&message);
    unlink(conf);
    free(conf);
    return done();
}
