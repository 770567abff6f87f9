/*
 * src/queue: pulls from a pretended queue.  What the queue leased is in a
 * batch once and only once, whatever ends the puller in between; what cannot
 * be right is refused and goes back; leases are renewed and released.
 */
#include <config.h>

#include "queue/pull.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ao/ao_internal.h"
#include "arweave/gateway.h"
#include "arweave/key.h"
#include "base/buf.h"
#include "base/found.h"
#include "base/id.h"
#include "base/program.h"
#include "base/settings.h"
#include "queue/lease.h"
#include "queue/pull_line.h"
#include "queue/client.h"
#include "tests/pretend_queue.h"
#include "tests/spool_util.h"

#define QUEUE "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
#define MODEL "BQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
#define OTHER "CQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"

static struct settings *settings;
static struct client client;
static struct gateways *gateways;
static struct id models[1];
static char noted[2000];

static void note(void *self, bool warning, const char *text)
{
    (void)self;
    (void)warning;
    snprintf(noted, sizeof(noted), "%s", text);
}

static void set(const char *name, const char *value)
{
    struct err err = ERR_INIT;

    if (settings_set(settings, name, value, &err))
        printf("# %s\n", err.text);
}

static struct pull new_pull(const struct spool *s)
{
    return (struct pull){
        .client = &client,
        .spool = s,
        .gateways = gateways,
        .model = models,
        .n_models = 1,
        .per_message = 10,
        .total = 1000,
        .ttl_s = 600,
        .max_file = 1u << 20,
        .caller = { .note = note },
    };
}

static int in_state(const struct spool *s, enum spool_state state)
{
    struct err err = ERR_INIT;
    struct batch *list;
    size_t n;

    if (spool_list(s, state, &list, &n, &err))
        return -1;
    for (size_t i = 0; i < n; i++)
        batch_clear(&list[i]);
    free(list);
    return (int)n;
}

static char *read_file(const char *dir, const char *name)
{
    struct err err = ERR_INIT;
    char *path = file_join(dir, name), *text;
    struct buf b;
    size_t n;

    buf_init(&b, 1u << 24);
    text = file_read(&b, path, &err) || !b.len ? xstrdup("")
                                               : buf_take(&b, &n);
    buf_clear(&b);
    free(path);
    return text;
}

#ifdef APUS_CRASH_TESTS
/* How often a request is in requests.jsonl of the batches in todo. */
static unsigned count_in_todo(const struct spool *s, const char *id)
{
    struct err err = ERR_INIT;
    struct batch *list;
    unsigned found = 0;
    size_t n;

    if (spool_list(s, SPOOL_TODO, &list, &n, &err))
        return 99;
    for (size_t i = 0; i < n; i++) {
        char *text = read_file(list[i].path, "requests.jsonl");

        for (const char *p = text; (p = strstr(p, id)) != NULL; p++)
            found++;
        free(text);
        batch_clear(&list[i]);
    }
    free(list);
    return found;
}
#endif

/* ---- what is right ------------------------------------------------------- */

static void test_batch(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct batch_info info;
    struct pulled n;
    struct lease l;
    char *text;

    pretend_queue_fill(25, MODEL);
    ok(pull_batch(&p, &b, &n, &err) == PULL_BATCH && n.requests == 25 &&
           n.released == 0 && id_equal(n.model, models[0]),
       "25 requests by three messages are one batch %s", err.text);
    ok(b.state == SPOOL_TODO && pretend_n_messages == 3 &&
           batch_info_read(&info, b.path, &err) == 0 && info.from_ao &&
           !info.is_file_of_ao && info.n_requests == 25 &&
           id_equal(info.process, client.process),
       "in todo, from AO");
    ok(lease_read(&l, b.path, &err) == FOUND_ONE && l.ttl_s == 600 &&
       l.until_ms == 1800000000000 && lease_left_s(&l) > 500,
       "with its lease");
    text = read_file(b.path, "requests.jsonl");
    ok(strstr(text, "{\"custom_id\":\"BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
              "AAAA\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\","
              "\"body\":{\"model\":\"" MODEL "\",\"messages\":[{\"role\":"
              "\"user\",\"content\":\"What is 0?\"}],\"max_tokens\":5,"
              "\"temperature\":0.700000,\"top_p\":1.000000,\"apus\":{"
              "\"top_k\":0}}}\n") == text, "its first line");
    free(text);
    ok(lease_renew(&client, b.path, b.id, 900, &err) == LEASE_KEPT &&
       lease_read(&l, b.path, &err) == FOUND_ONE && l.ttl_s == 900, "renewed");
    batch_clear(&b);
    ok(pull_batch(&p, &b, &n, &err) == PULL_NONE,
       "then nothing waits %s", err.text);
    ok(in_state(s, SPOOL_TMP) == 0 && in_state(s, SPOOL_TODO) == 1,
       "and nothing is left in tmp");
    ok(pull_left(&p, &b, &n, &err) == PULL_NONE,
       "nor is anything to be finished");
    p.total = 12;
    pretend_queue_fill(25, MODEL);
    ok(pull_batch(&p, &b, &n, &err) == PULL_BATCH && n.requests == 12,
       "no more than wanted");
    batch_clear(&b);
    spool_close(s);
}

static void test_release(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct lease l;
    struct releases r = { .n = 0 };
    struct id id = { { 7, 3 } };
    struct pulled n;
    uint64_t released;

    pretend_queue_fill(5, MODEL);
    ok(pull_batch(&p, &b, &n, &err) == PULL_BATCH, "a batch %s", err.text);
    releases_blame(&r, id, "no \"disk\" \xff left");
    ok(lease_release(&client, b.id, &r, &released, &err) == 0 &&
           released == 1 &&
       !pretend_request[3].batch[0] && pretend_request[3].blames == 1 &&
       pretend_request[4].batch[0], "one goes back with its reason %s",
       err.text);
    releases_clear(&r);
    ok(lease_release(&client, b.id, &r, &released, &err) == 0 &&
           released == 4 &&
       pretend_request[0].blames == 0, "then all the others");
    ok(lease_renew(&client, b.path, b.id, 600, &err) == LEASE_OVER &&
       lease_read(&l, b.path, &err) == FOUND_ONE && l.ttl_s == 0 &&
       lease_left_s(&l) == 0, "nothing of it is leased any more, it is kept");
    batch_clear(&b);
    spool_close(s);
}

/* What no worker could answer goes back; the rest is a batch. */
static void test_back(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct pulled n;
    char *at;

    pretend_queue_fill(4, MODEL);
    at = strstr(pretend_request[0].line, "\"flags\":\"0\"");
    at[strlen("\"flags\":\"")] = '4';
    at = strstr(pretend_request[1].line, "\"chat\",\"prompt\":\"");
    memcpy(at, "\"messages\",\"prompt\":\"[]\",\"max_tokens\":\"1\",", 43);
    snprintf(pretend_request[1].line, 4096, "{\"id\":\"%s\",\"from\":\"x\","
             "\"reference\":\"\",\"model\":\"" MODEL "\",\"form\":\"messages\","
             "\"prompt\":\"[{\\\"role\\\":\\\"robot\\\",\\\"content\\\":"
             "\\\"x\\\"}]\",\"max_tokens\":\"1\",\"temperature\":\"0\","
             "\"top_p\":\"1\",\"top_k\":\"0\",\"flags\":\"0\",\"seed\":\"7\","
             "\"stops\":[\"Cgo\"],\"fee\":\"0\"}", pretend_request[1].id);
    snprintf(pretend_request[2].line, 4096, "{\"id\":\"%s\",\"from\":\"x\","
             "\"reference\":\"\",\"model\":\"" MODEL "\",\"form\":\"source\","
             "\"prompt\":\"" OTHER "\",\"max_tokens\":\"1\",\"temperature\":"
             "\"0\",\"top_p\":\"1\",\"top_k\":\"0\",\"flags\":\"0\",\"seed\":"
             "\"\",\"stops\":{},\"fee\":\"0\"}", pretend_request[2].id);
    ok(pull_batch(&p, &b, &n, &err) == PULL_BATCH && n.requests == 1 &&
       n.released == 3, "three of four go back: %s %s", noted, err.text);
    ok(pretend_request[0].blames == 1 && pretend_request[1].blames == 1 &&
       pretend_request[0].put_offs == 0 && pretend_request[3].batch[0],
       "unknown flags and an unknown role are blamed");
    ok(!pretend_request[2].batch[0] && pretend_request[2].blames == 0 &&
       pretend_request[2].put_offs == 0,
       "a source that is not there is not, nor put off with an old queue");
    batch_clear(&b);
    pretend_queue_fill(1, MODEL);
    at = strstr(pretend_request[0].line, "\"flags\":\"0\"");
    at[strlen("\"flags\":\"")] = '9';
    ok(pull_batch(&p, &b, &n, &err) == PULL_NONE && n.released == 1 &&
       n.all_back && in_state(s, SPOOL_TMP) == 0,
       "without any there is no batch");
    spool_close(s);
}

/* What this node lacks is not its fault, and others have it meanwhile. */
static void test_put_off(void)
{
    static const struct {
        const char *version;
        bool takes;
    } queue[] = { { "1.0", false }, { "0.9", false }, { "1", false },
                  { "x", false }, { "1.1", true }, { "1.10", true },
                  { "2.0", true }, { "10.0", true } };
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct releases r = { .n = 0 };
    struct id id = { { 7, 0 } };
    struct pulled n;

    for (size_t i = 0; i < sizeof(queue) / sizeof(queue[0]); i++) {
        pretend_queue_fill(2, MODEL);
        pretend_version = queue[i].version;
        ok(pull_batch(&p, &b, &n, &err) == PULL_BATCH && !n.all_back,
           "a batch");
        id.b[1] = 0;
        releases_put_off(&r, id, LATER_SOON_S);
        id.b[1] = 1;
        releases_blame(&r, id, "no words");
        ok(lease_release(&client, b.id, &r, NULL, &err) == 0 &&
           pretend_request[0].blames == 0 && pretend_request[1].blames == 1 &&
           pretend_request[0].put_offs == queue[i].takes &&
           pretend_request[1].put_offs == queue[i].takes,
           "a queue %s is%s told when %s", queue[i].version,
           queue[i].takes ? "" : " not", err.text);
        releases_clear(&r);
        batch_clear(&b);
    }
    spool_close(s);
}

/* ---- what the queue says ------------------------------------------------- */

static void test_codes(void)
{
    static const struct {
        const char *code;
        enum err_code want;
    } codes[] = {
        { "400", ERR_INPUT }, { "403", ERR_INPUT }, { "404", ERR_INPUT },
        { "503", ERR_RETRY }, { "999", ERR_INPUT }, { "x", ERR_INPUT },
    };
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct pulled n;

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        struct err err = ERR_INIT;

        pretend_queue_fill(3, MODEL);
        pretend_code = codes[i].code;
        ok(pull_batch(&p, &b, &n, &err) == PULL_FAILED &&
           err.code == codes[i].want &&
           in_state(s, SPOOL_TMP) == 0, "%s: %s", codes[i].code, err.text);
    }
    spool_close(s);
}

/* ---- wrong answers ----------------------------------------------------- */

static const char *lie_from, *lie_to;

static void lie(char **result, const char *action)
{
    char *at = strstr(*result, lie_from), *text;

    if (strcmp(action, "Pull") != 0)
        return;
    if (!at) {
        printf("# no %s in %s\n", lie_from, *result);
        return;
    }
    text = xasprintf("%.*s%s%s", (int)(at - *result), *result, lie_to,
                     at + strlen(lie_from));
    free(*result);
    *result = text;
}

#define Q "\\\""
#define FIRST_ID "BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define SECOND_ID "BwEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void test_wrong_answers(void)
{
    static const char *const wrong[][2] = {
        { Q "max_tokens" Q ":" Q "5", Q "max_tokens" Q ":" Q "0" },
        { Q "max_tokens" Q ":" Q "5", Q "max_tokens" Q ":" Q "4294967296" },
        { Q "max_tokens" Q ":" Q "5" Q, Q "max_tokens" Q ":5" },
        { Q "max_tokens" Q ":" Q "5", Q "max_tokens" Q ":" Q "05" },
        { Q "700000", Q "1e3" }, { Q "700000", Q "9999" },
        { Q "700000", Q "100000001" }, { Q "700000", Q "-1" },
        { Q "1000000", Q "1000001" }, { Q "1000000", Q "0" },
        { Q "seed" Q ":" Q, Q "seed" Q ":" Q "18446744073709551616" },
        { "[]", "[" Q Q "]" }, { "[]", "[" Q "Cg=" Q "]" },
        { "[]", "[" Q "Cgo" Q "," Q "Cgo" Q "]" }, { "[]", "[7]" },
        { "[]", "{" Q "a" Q ":1}" },
        { Q "fee" Q ":" Q "0", Q "fee" Q ":" Q "00" },
        { Q "chat", Q "chats" }, { Q "chat", Q "batch" },
        { Q "chat", Q "source" },
        { MODEL, OTHER }, { MODEL, "short" },
        { SECOND_ID, FIRST_ID }, { SECOND_ID, FIRST_ID "A" },
        { SECOND_ID, "../../../../../../../../../../etc/passwd-abc" },
        { Q "from" Q, Q "form2" Q }, { Q "reference" Q, Q "from" Q },
        { "\"Kind\",\"value\":\"requests", "\"Kind\",\"value\":\"batch" },
        { "\"Kind\",\"value\":\"requests", "\"Kind\",\"value\":\"x" },
        { "\"Kind\"", "\"Kin\"" }, { "\"Batch\"", "\"Batc\"" },
        { "\"More\",\"value\":\"", "\"More\",\"value\":\"-" },
        { "\"More\",\"value\":\"", "\"More\",\"value\":\"99999999999" },
        { "1800000000000", "99999999999999999999" },
        { "1800000000000", "18e11" },
        { "\"Data\":\"", "\"Data\":\"x" }, { "\\n", "" },
        { "\"Data\":\"", "\"Data\":\"\\n" },
        { "\"Data\":\"", "\"Data\":\"{}\\n" },
        { "\"Data\":\"", "\"Data\":7,\"Dat\":\"" },
    };
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct pulled n;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct err err = ERR_INIT;
        enum pull_end end;

        pretend_queue_fill(3, MODEL);
        lie_from = wrong[i][0];
        lie_to = wrong[i][1];
        pretend_lie = lie;
        end = pull_batch(&p, &b, &n, &err);
        ok(end == PULL_FAILED && err.code == ERR_INPUT &&
           in_state(s, SPOOL_TMP) == 0 &&
           in_state(s, SPOOL_TODO) == 0 && !pretend_request[0].batch[0] &&
           pretend_request[0].blames == 0, "%s: %s", lie_to, err.text);
        batch_clear(&b);
    }
    spool_close(s);
}

/* A prompt of ten megabytes. */
static void lie_big(char **result, const char *action)
{
    size_t n = 10u << 20;
    char *big;

    if (strcmp(action, "Pull") != 0)
        return;
    big = xmalloc(n + 1);
    memset(big, 'x', n);
    big[n] = '\0';
    lie_from = "What is 0";
    lie_to = big;
    lie(result, action);
    free(big);
}

/* More lines than were asked for. */
static void lie_many(char **result, const char *action)
{
    char *lines = xstrdup(""), *more;

    if (strcmp(action, "Pull") == 0) {
        for (unsigned i = 1; i < 12; i++) {
            struct id id = { { 8, (unsigned char)i } };

            more = xasprintf(
                "%s{" Q "id" Q ":" Q "%s" Q "," Q "from" Q ":" Q Q "," Q
                "reference" Q ":" Q Q "," Q "model" Q ":" Q MODEL Q "," Q
                "form" Q ":" Q "chat" Q "," Q "prompt" Q ":" Q "x" Q "," Q
                "max_tokens" Q ":" Q "1" Q "," Q "temperature" Q ":" Q "0" Q
                "," Q "top_p" Q ":" Q "1" Q "," Q "top_k" Q ":" Q "0" Q "," Q
                "flags" Q ":" Q "0" Q "," Q "seed" Q ":" Q Q "," Q "stops" Q
                ":[]," Q "fee" Q ":" Q "0" Q "}\\n",
                lines, id_text(id).s);
            free(lines);
            lines = more;
        }
        more = xasprintf("\"Data\":\"%s", lines);
        lie_from = "\"Data\":\"";
        lie_to = more;
        lie(result, action);
        free(more);
    }
    free(lines);
}

static void lie_error(char **result, const char *action)
{
    if (strcmp(action, "Pull") != 0)
        return;
    free(*result);
    *result = xstrdup("{\"Error\":\"[string]:7: oops\",\"Messages\":[]}");
}

static void test_other_wrong_answers(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct pulled n;

    pretend_queue_fill(3, MODEL);
    pretend_lie = lie_big;
    ok(pull_batch(&p, &b, &n, &err) == PULL_FAILED && err.code == ERR_INPUT &&
       !pretend_request[0].batch[0], "%s", err.text);
    pretend_queue_fill(3, MODEL);
    pretend_lie = lie_many;
    ok(pull_batch(&p, &b, &n, &err) == PULL_FAILED && err.code == ERR_INPUT &&
       strstr(err.text, "more lines") && !pretend_request[0].batch[0], "%s",
       err.text);
    pretend_queue_fill(3, MODEL);
    pretend_lie = lie_error;
    ok(pull_batch(&p, &b, &n, &err) == PULL_FAILED && err.code == ERR_INPUT &&
       strstr(err.text, "oops"), "%s", err.text);
    ok(in_state(s, SPOOL_TMP) == 0 && in_state(s, SPOOL_TODO) == 0,
       "nothing is left");
    spool_close(s);
}

/* ---- lines by themselves ------------------------------------------------- */

static void test_line(void)
{
    static const char text[] =
        "{\"id\":\"" FIRST_ID "\",\"from\":\"x\",\"reference\":\"\",\"model\":"
        "\"" MODEL "\",\"form\":\"source-json\",\"prompt\":\"" OTHER "\","
        "\"max_tokens\":\"4294967295\",\"temperature\":\"100000000\","
        "\"top_p\":\"1\",\"top_k\":\"4294967295\",\"flags\":\"1\",\"seed\":"
        "\"18446744073709551615\",\"stops\":[\"Cg\",\"Cgo\"],\"fee\":\"0\"}";
    static const char *const bad[] = {
        "{}", "[]",
        ("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
         "\"n\":2}"), "{\"prompt\":[1.5]}",
        "{\"prompt\":\"x\",\"messages\":[{}]}", "{\"messages\":[]}", "x",
    };
    struct err err = ERR_INIT;
    struct pull_line l;
    struct buf out;

    buf_init(&out, 1u << 20);
    ok(pull_line_parse(&l, text, strlen(text), &err) == 0, "a line %s",
       err.text);
    ok(pull_line_put(&out, &l, "{\"prompt\":\"1 + 1\"}", 18, &err) == 0 &&
       strstr(out.data, "\"url\":\"/v1/completions\",\"body\":{\"model\":\""
              MODEL "\",\"prompt\":\"1 + 1\",\"max_tokens\":4294967295,"
              "\"temperature\":100.000000,\"top_p\":0.000001,\"seed\":"
              "\"18446744073709551615\",\"stop\":[\"\\n\",\"\\n\\n\"],"
              "\"apus\":{\"top_k\":4294967295,\"ignore_eos\":true}}}\n"),
       "the greatest parameters: %s %s", out.data, err.text);
    buf_reset(&out);
    ok(pull_line_put(&out, &l, "{\"messages\":[{\"role\":\"system\","
                     "\"content\":\"y\"}]}", 46, &err) == 0 &&
       strstr(out.data, "chat/completions"), "messages from Arweave");
    buf_reset(&out);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ok(pull_line_put(&out, &l, bad[i], strlen(bad[i]), &err) == -1 &&
           err.code == ERR_INPUT && out.len == 0, "%s: %s", bad[i], err.text);
    l.ask.form = ASK_SOURCE;
    ok(pull_line_put(&out, &l, "a\0b", 3, &err) == -1 && out.len == 0, "%s",
       err.text);
    pull_line_clear(&l);
    buf_clear(&out);
}

/* ---- cut off ------------------------------------------------------------- */

#ifdef APUS_CRASH_TESTS
/* apus pull in a process of its own, ended at its n-th change of the disk:
 * whether it came to its end by itself. */
static bool run_pull(unsigned n)
{
    const char *top = getenv("top_builddir");
    char *cmd = xasprintf("APUS_CRASH=%u '%s/apus' pull -q --max 20"
                          " --pull-max 4 >>'%s' 2>&1", n, top ? top : ".",
                          at("pull.log"));
    int status = system(cmd);

    free(cmd);
    /* sh tells of a signal as 128 and its number */
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGKILL);
}

/* What came of all that. */
struct crash_count {
    unsigned missing, doubled, leased, left;
};

static void count_crash(struct crash_count *c, const struct spool *s)
{
    for (size_t i = 0; i < pretend_n_requests; i++) {
        unsigned found = count_in_todo(s, pretend_request[i].id);

        c->missing += found == 0;
        c->doubled += found > 1;
        c->leased += pretend_request[i].leases != 1;
    }
    c->left += in_state(s, SPOOL_TMP) != 0;
}

static void told(const struct crash_count *c, const char *when, unsigned n)
{
    ok(n > 10 && n < 400, "%s: ended at changes of the disk up to the %u.",
       when, n);
    ok(c->missing == 0 && c->doubled == 0, "%s: no request is lost or doubled"
       " (%u, %u)", when, c->missing, c->doubled);
    ok(c->leased == 0, "%s: none is leased twice (%u)", when, c->leased);
    ok(c->left == 0, "%s: nothing is left in tmp (%u)", when, c->left);
}

static void test_crash(void)
{
    struct crash_count c = { 0 }, again = { 0 };
    unsigned n, at_lease = 14;
    unsigned step = getenv("APUS_LONG") ? 1 : 5;
    bool ended = false;

    for (n = 1; !ended && n < 400; n += step) {
        struct spool *s = new_spool("spool");

        pretend_queue_fill(6, MODEL);
        ended = run_pull(n);
        run_pull(0);
        count_crash(&c, s);
        spool_close(s);
    }
    told(&c, "once", n - 2 * step);
    ended = false;
    for (n = 1; !ended && n < 400; n += step) {
        struct spool *s = new_spool("spool");

        pretend_queue_fill(6, MODEL);
        run_pull(at_lease);
        ended = run_pull(n);
        run_pull(0);
        count_crash(&again, s);
        spool_close(s);
    }
    told(&again, "twice", n - 2 * step);
}
#else
static void test_crash(void)
{
    skip("a puller that is ended anywhere", "no --enable-crash-tests");
}
#endif

/* The network takes the message and tells nothing of it. */
static void test_deaf(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct pulled n;

    pretend_queue_fill(3, MODEL);
    pretend_deaf = true;
    client.wait_s = 0;
    ok(pull_batch(&p, &b, &n, &err) == PULL_FAILED && err.code == ERR_RETRY &&
       in_state(s, SPOOL_TMP) == 1, "%s", err.text);
    pretend_deaf = false;
    ok(pull_left(&p, &b, &n, &err) == PULL_BATCH && n.requests == 3 &&
       pretend_request[0].leases == 1 && in_state(s, SPOOL_TMP) == 0,
       "the next pull takes it up %s", err.text);
    batch_clear(&b);
    pretend_queue_fill(3, MODEL);
    pretend_deaf = true;
    ok(pull_batch(&p, &b, &n, &err) == PULL_FAILED, "again");
    pretend_deaf = false;
    for (size_t i = 0; i < 3; i++)
        pretend_request[i].batch[0] ^= 1; /* somebody else has them now */
    ok(pull_left(&p, &b, &n, &err) == PULL_NONE &&
       in_state(s, SPOOL_TMP) == 0 &&
       strstr(noted, "is over"), "a lease that is over: %s", noted);
    client.wait_s = 5;
    spool_close(s);
}

/* A pull that nobody answers. */
static void leave_one(const struct pull *p)
{
    struct batch b = { .path = NULL };
    struct err err = ERR_INIT;
    struct pulled n;

    pretend_deaf = true;
    client.wait_s = 0;
    ok(pull_batch(p, &b, &n, &err) == PULL_FAILED, "a pull is left");
    pretend_deaf = false;
    client.wait_s = 5;
}

/* The settings name another queue by the time it is taken up. */
static void test_other_queue(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL };
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct batch_info info;
    struct id ours;
    struct pulled n;

    pretend_queue_fill(3, MODEL);
    leave_one(&p);
    ours = client.process;
    id_parse(&client.process, OTHER);
    ok(pull_left(&p, &b, &n, &err) == PULL_BATCH && n.requests == 3 &&
       batch_info_read(&info, b.path, &err) == 0, "it is taken up %s",
       err.text);
    ok(id_equal(info.process, ours), "of the queue it was pulled from");
    client.process = ours;
    batch_info_clear(&info);
    batch_clear(&b);
    spool_close(s);
}

/* One of two can never be finished. */
static void test_in_the_way(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL }, *list;
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct pulled n;
    size_t n_list;

    pretend_queue_fill(20, MODEL);
    leave_one(&p);
    leave_one(&p);
    ok(spool_list(s, SPOOL_TMP, &list, &n_list, &err) == 0 && n_list == 2 &&
       batch_file_write(list[0].path, "wire/0000.answer", "x", 1, &err) == 0,
       "two are left, one of them damaged");
    ok(pull_left(&p, &b, &n, &err) == PULL_BATCH && n.requests == 10 &&
           id_equal(b.id, list[1].id),
       "the other is finished %s", err.text);
    batch_clear(&b);
    ok(pull_left(&p, &b, &n, &err) == PULL_FAILED, "and this one told of: %s",
       err.text);
    for (size_t i = 0; i < n_list; i++)
        batch_clear(&list[i]);
    free(list);
    spool_close(s);
}

/* What cannot be made a batch twice is for others: it is not renewed for
 * ever. */
static void test_no_room(void)
{
    struct spool *s = new_spool("spool");
    struct batch b = { .path = NULL }, *list;
    struct pull p = new_pull(s);
    struct err err = ERR_INIT;
    struct pulled n;
    size_t n_list;
    char *path;

    pretend_queue_fill(3, MODEL);
    pretend_version = "1.1";
    leave_one(&p);
    if (spool_list(s, SPOOL_TMP, &list, &n_list, &err) || n_list != 1)
        exit(1);
    /* no file can be where a directory is */
    path = file_join(list[0].path, "requests.jsonl");
    if (mkdir(path, 0700))
        exit(1);
    ok(pull_left(&p, &b, &n, &err) == PULL_FAILED && n.released == 3 &&
       n.all_back &&
       pretend_request[0].put_offs == 1 && !pretend_request[2].batch[0] &&
       pretend_request[2].blames == 0 && in_state(s, SPOOL_TMP) == 0,
       "what cannot be kept goes back without blame: %s", err.text);
    free(path);
    batch_clear(&list[0]);
    free(list);
    spool_close(s);
}

/* ---- main ---------------------------------------------------------------- */

/* The same settings for apus itself. */
static void write_config(const char *url)
{
    struct err err = ERR_INIT;
    char *text = xasprintf("ao-network = legacynet\n"
                           "ao-mu = %s\nao-cu = %s\ngateways = %s\n"
                           "queue = %s\nwallet = %s\nspool = %s\nmodels = %s\n"
                           "http-retries = 0\n",
                           url, url, url, QUEUE, at("wallet.json"),
                           at("spool"), at("models"));
    char *file = xasprintf("%s/%s.apus", at("models"), MODEL);

    put(at("apus.conf"), text);
    if (file_mkdirs(at("models"), &err))
        printf("# %s\n", err.text);
    put(file, "no model");
    free(file);
    free(text);
}

int main(void)
{
    struct err err = ERR_INIT;
    struct key *key = NULL;
    const char *url = pretend_queue_start();

    if (key_new(&key, &err) || key_save(key, at("wallet.json"), &err))
        printf("# %s\n", err.text);
    key_free(key);
    write_config(url);
    setenv("APUS_CONFIG", at("apus.conf"), 1);
    id_parse(&models[0], MODEL);
    if (settings_new(&settings, program_settings, &err))
        return 1;
    set("ao-timeout", "5");
    if (client_open(&client, settings, NULL, &err) ||
        gateways_new(&gateways, settings, &err)) {
        printf("# %s\n", err.text);
        return 1;
    }
    client.ao->limits.wait_ms = 1;
    test_batch();
    test_release();
    test_back();
    test_put_off();
    test_codes();
    test_wrong_answers();
    test_other_wrong_answers();
    test_line();
    test_deaf();
    test_other_queue();
    test_in_the_way();
    test_no_room();
    test_crash();
    pretend_queue_end();
    gateways_free(gateways);
    client_close(&client);
    settings_free(settings);
    all_remove();
    return done();
}
