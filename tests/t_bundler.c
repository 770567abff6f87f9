/*
 * src/arweave/bundler against bundlers that refuse, lose answers, forget
 * uploads and sign for others: an item is taken once, with the same bytes
 * each time, or the failure says what to do.
 */
#include <config.h>

#include "arweave/bundler.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arweave/bundler_internal.h"
#include "arweave/item.h"
#include "arweave/receipt.h"
#include "base/id.h"
#include "base/json.h"
#include "base/program.h"
#include "base/settings.h"
#include "tests/arweave_util.h"
#include "tests/pretend_server.h"
#include "tests/tap.h"

#define N_DATA 300000
#define PART 65536
#define ROOM (4u << 20)

static struct key *key;
static struct id address;
static struct buf item;     /* whole */
static struct item parsed;  /* its head */
static char *path;          /* a file with its data, behind 10 bytes */

/* What the server does next: statuses of POST /v1/tx, 0 at the end; -1 loses
 * the answer, -2 a receipt of another item, -3 one that is changed. */
static int script[8];
static size_t at_script;
static unsigned n_right, n_wrong; /* bodies that came */
static const char *answer_text;   /* of GETs */
static int answer_status;

/* ---- an upload in parts ----- */

static struct {
    unsigned n_begun, n_parts, n_finalized;
    unsigned asked_end;
    int fail_part;      /* status of the third part, 0: it is taken */
    bool gone;          /* forgets the upload */
    const char *end[4]; /* what GET .../status says, the last one for ever */
    unsigned char data[ROOM];
    bool have[64];
} up;

static void put_receipt(struct buf *b, int how)
{
    struct receipt r = { .timestamp_ms = 1700000000000,
                         .deadline_height = 1500000, .version = "0.2.0",
                         .winc = 5 };

    r.id = parsed.id;
    r.id.b[0] ^= how == -2;
    if (how == -4 || how == -5)
        r.winc = 5000000000000000;
    if (receipt_sign(b, &r, key, NULL))
        abort();
    if (how == -3 || how == -5)
        strstr(b->data, "1700000000000")[0] = '2';
    if (how == -6)
        memcpy(strstr(b->data, "\"winc\":\"5") + 8, "x", 1);
}

static void serve_part(struct pretend_call *c)
{
    unsigned long at = strtoul(strrchr(c->path, '/') + 1, NULL, 10);

    if (up.fail_part && at == 2 * PART) {
        char *status = xasprintf("%d No", up.fail_part);

        pretend_answer(c, status, "", "no", 2);
        free(status);
        return;
    }
    memcpy(up.data + at, c->body, c->n_body);
    up.have[at / PART] = true;
    up.n_parts++;
    pretend_answer(c, "200 OK", "", "", 0);
}

static void serve_list(struct pretend_call *c)
{
    struct buf b;

    buf_init(&b, 65536);
    buf_puts(&b, "{\"size\":\"1\",\"chunks\":[[1,2,3],\"x\",[5,7]");
    for (size_t i = 0; i < 64; i++)
        if (up.have[i])
            buf_printf(&b, ",[%zu,%zu]", i * PART,
                       item.len - i * PART < PART ? item.len - i * PART
                                                  : PART);
    buf_puts(&b, "],\"failedReason\":null}");
    pretend_answer(c, "200 OK", "", b.data, b.len);
    buf_clear(&b);
}

static void serve_end(struct pretend_call *c)
{
    const char *word = up.end[up.asked_end];
    struct buf b;

    if (up.end[up.asked_end + 1])
        up.asked_end++;
    buf_init(&b, 65536);
    buf_printf(&b, "{\"status\":\"%s\"", word);
    if (strcmp(word, "FINALIZED") == 0) {
        buf_puts(&b, ",\"receipt\":");
        put_receipt(&b, 0);
    }
    buf_puts(&b, "}");
    pretend_answer(c, "200 OK", "", b.data, b.len);
    buf_clear(&b);
}

static void serve_upload(struct pretend_call *c)
{
    bool post = strcmp(c->method, "POST") == 0;
    char version[8];

    if (strncmp(c->path, "/v1/chunks/arweave/-1/-1?chunkSize=", 35) == 0) {
        static const char begun[] = "{\"id\":\"up-1\",\"min\":1,\"max\":9,"
                                    "\"chunkSize\":65536}";

        up.n_begun++;
        up.gone = false;
        memset(up.have, 0, sizeof(up.have));
        pretend_answer(c, "200 OK", "", begun, strlen(begun));
    } else if (up.gone) {
        pretend_answer(c, "404 Not Found", "", "no upload", 9);
    } else if (post && strstr(c->path, "/finalize")) {
        pretend_header(c, "x-chunking-version", version, sizeof(version));
        up.n_finalized += strcmp(version, "2") == 0 && !c->n_body;
        pretend_answer(c, "202 Accepted", "", "", 0);
    } else if (post) {
        serve_part(c);
    } else if (strstr(c->path, "/status")) {
        serve_end(c);
    } else {
        serve_list(c);
    }
}

/* ---- the rest of the server ----- */

static void serve_post(struct pretend_call *c)
{
    int status = script[at_script];
    char *line;
    struct buf b;

    if (script[at_script + 1])
        at_script++;
    if (c->n_body == item.len && memcmp(c->body, item.data, item.len) == 0)
        n_right++;
    else
        n_wrong++;
    buf_init(&b, 65536);
    if (status == -1) {
        c->close = true;
    } else if (status == 200 || status < -1) {
        put_receipt(&b, status);
        pretend_answer(c, "200 OK", "", b.data, b.len);
    } else {
        line = xasprintf("%d %s", status, answer_text ? answer_text : "X");
        pretend_answer(c, line, "", "", 0);
        free(line);
    }
    buf_clear(&b);
}

static void serve(struct pretend_call *c)
{
    char *line;

    if (strncmp(c->path, "/v1/chunks/", 11) == 0) {
        serve_upload(c);
    } else if (strcmp(c->path, "/v1/tx") == 0 &&
               strcmp(c->method, "POST") == 0) {
        serve_post(c);
    } else {
        line = xasprintf("%d X", answer_status);
        pretend_answer(c, line, "", answer_text, strlen(answer_text));
        free(line);
    }
}

/* ---- the client ----- */

static struct bundler *open_bundler(const char *url)
{
    struct err err = ERR_INIT;
    struct bundler *b = NULL;
    struct settings *s;

    if (settings_new(&s, program_settings, &err) ||
        settings_set(s, "bundler", url, &err) ||
        settings_set(s, "bundler-payment", "", &err) ||
        settings_set(s, "http-stall-timeout", "5", &err) ||
        settings_set(s, "http-retries", "2", &err) ||
        bundler_new(&b, s, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    http_free(b->http);
    b->limits.wait_ms = 1;
    if (http_new(&b->http, &b->limits, &err))
        abort();
    settings_free(s);
    return b;
}

static void make_item(void)
{
    static const struct item_text_tag tag = { "Apus", "test" };
    struct item_spec spec = { NULL, NULL, &tag, 1 };
    struct id id;
    struct buf file, data;

    key = test_key();
    key_address(key, &address);
    buf_init(&item, ROOM);
    buf_init(&file, ROOM);
    buf_init(&data, ROOM);
    for (size_t i = 0; i < N_DATA; i++)
        buf_putc(&data, (int)(i * 13 + i / 253) & 255);
    if (item_sign(&item, &spec, data.data, N_DATA, key, &id, NULL) ||
        item_head(&parsed, item.data, item.len, NULL))
        abort();
    buf_puts(&file, "10 bytes..");
    buf_put(&file, data.data, data.len);
    path = file_join(tap_tmp(), "data");
    if (file_write(path, file.data, file.len, NULL))
        abort();
    buf_clear(&file);
    buf_clear(&data);
}

static struct err err;
static struct buf receipt;

/* Post the item, of which all is in memory or the data in the file. */
static int post(struct bundler *b, bool from_file, const char *state,
                const struct id *signer)
{
    struct bundler_item it = { .head = item.data, .n_head = item.len,
                               .state = state };

    it.id = parsed.id;
    if (from_file) {
        it.n_head = parsed.head_n;
        it.path = path;
        it.at = 10;
        it.n = N_DATA;
    }
    err.code = ERR_NONE;
    err.text[0] = '\0';
    buf_reset(&receipt);
    return bundler_post(b, &it, signer, &receipt, &err);
}

static void plan(int a, int b, int c)
{
    script[0] = a;
    script[1] = b;
    script[2] = c;
    at_script = 0;
    n_right = n_wrong = 0;
    answer_text = NULL;
}

/* What a bundler says of an item that it has. */
static const char *already(struct id id)
{
    static char text[128];

    snprintf(text, sizeof(text),
             "Data item with ID %s has already been "
             "uploaded",
             id_text(id).s);
    return text;
}

static void test_taken(struct bundler *b)
{
    static const int there[] = { 201, 202, 208 };
    struct id other = { "other" };
    struct receipt r;

    plan(200, 0, 0);
    ok(!post(b, false, NULL, &address) && n_right == 1 &&
           !receipt_read(&r, receipt.data, receipt.len, parsed.id, &address,
                         &err),
       "taken, with a receipt: %s", err.text);
    ok(!post(b, true, NULL, NULL) && n_right == 2 && receipt.len,
       "from a file: %s", err.text);
    for (size_t i = 0; i < 3; i++) {
        plan(there[i], 0, 0);
        answer_text = already(parsed.id);
        ok(!post(b, true, NULL, &address) && !receipt.len && n_right == 1,
           "%d: it was there", there[i]);
        plan(there[i], 0, 0);
        ok(post(b, true, NULL, &address) == -1 && err.code == ERR_RETRY,
           "%d without an id: %s", there[i], err.text);
        plan(there[i], 0, 0);
        answer_text = already(other);
        ok(post(b, true, NULL, &address) == -1 && err.code == ERR_RETRY,
           "%d with another id: %s", there[i], err.text);
    }
    plan(400, 0, 0);
    answer_text = already(parsed.id);
    ok(!post(b, true, NULL, &address) && !receipt.len, "said with 400");
    plan(400, 0, 0);
    answer_text = already(other);
    ok(post(b, true, NULL, &address) == -1 && err.code == ERR_INPUT,
       "400 with another id: %s", err.text);
}

static void test_charged(struct bundler *b)
{
    uint64_t winc = 1;

    plan(200, 0, 0);
    ok(!post(b, false, NULL, &address) && bundler_charged(b, &winc) &&
           winc == 5,
       "a receipt says what was charged");
    plan(-4, 0, 0);
    ok(!post(b, false, NULL, &address) && bundler_charged(b, &winc) &&
           winc == 5000000000000000,
       "and how much");
    plan(-5, 0, 0);
    ok(post(b, false, NULL, &address) == -1 && bundler_charged(b, &winc) &&
           winc == 5000000000000000,
       "one with a wrong signature, too: %s", err.text);
    plan(-6, 0, 0);
    ok(post(b, false, NULL, &address) == -1 && bundler_charged(b, &winc) &&
           winc == UINT64_MAX,
       "an invalid amount: %s", err.text);
    plan(500, 0, 0);
    ok(post(b, false, NULL, &address) == -1 && !bundler_charged(b, &winc),
       "no answer says nothing");
}

static void test_again(struct bundler *b)
{
    plan(500, 503, 200);
    ok(!post(b, true, NULL, &address) && n_right == 3 && !n_wrong,
       "500, 503, taken: the same bytes");
    plan(-1, 202, 0);
    answer_text = already(parsed.id);
    ok(!post(b, true, NULL, &address) && n_right == 2 && !receipt.len,
       "a lost answer: it was there");
    plan(429, 429, 200);
    ok(!post(b, false, NULL, &address) && n_right == 3, "429");
    plan(500, 0, 0);
    ok(post(b, false, NULL, &address) == -1 && err.code == ERR_RETRY &&
           n_right == 3,
       "500 for ever: %s", err.text);
}

static void test_refused(struct bundler *b)
{
    static const int no[] = { 400, 403, 413 };
    struct id other = { "other" };

    for (size_t i = 0; i < 3; i++) {
        plan(no[i], 0, 0);
        ok(post(b, true, NULL, &address) == -1 && err.code == ERR_INPUT &&
               n_right == 1,
           "refused: %s", err.text);
    }
    plan(402, 0, 0);
    answer_text = "Insufficient balance";
    ok(post(b, true, NULL, &address) == -1 && err.code == ERR_INPUT &&
           strncmp(err.text, "payment required", 16) == 0,
       "%s", err.text);
    plan(404, 0, 0);
    ok(post(b, true, NULL, &address) == -1 && err.code == ERR_RETRY,
       "no bundler at all: %s", err.text);
    plan(200, 0, 0);
    ok(post(b, true, NULL, &other) == -1 && err.code == ERR_RETRY &&
           !receipt.len,
       "another signer: %s", err.text);
    plan(-2, 0, 0);
    ok(post(b, true, NULL, &address) == -1 && !receipt.len,
       "the receipt of another item: %s", err.text);
    plan(-3, 0, 0);
    ok(post(b, true, NULL, &address) == -1 && !receipt.len,
       "a receipt that was changed: %s", err.text);
}

static void test_never_sent(struct bundler *b)
{
    struct item_spec spec = { NULL, NULL, NULL, 0 };
    struct bundler_item it = { .n_head = 0 };
    struct id id;
    struct buf bare;

    plan(200, 0, 0);
    buf_init(&bare, ROOM);
    if (item_sign(&bare, &spec, "data", 4, key, &id, NULL))
        abort();
    it.id = id;
    it.head = bare.data;
    it.n_head = bare.len;
    ok(bundler_post(b, &it, NULL, &receipt, &err) == -1 &&
       err.code == ERR_INPUT && !n_wrong, "no tags: %s", err.text);
    it.id.b[0] ^= 1;
    it.head = item.data;
    it.n_head = item.len;
    ok(bundler_post(b, &it, NULL, &receipt, &err) == -1 &&
       err.code == ERR_FATAL && !n_wrong, "another id: %s", err.text);
    it.id = parsed.id;
    it.n_head = parsed.head_n;
    it.path = path;
    it.at = 11;
    it.n = N_DATA;
    ok(bundler_post(b, &it, NULL, &receipt, &err) == -1 &&
       err.code == ERR_INPUT, "a file that is too short: %s", err.text);
    it.path = tap_missing("x");
    ok(bundler_post(b, &it, NULL, &receipt, &err) == -1 &&
       err.code == ERR_INPUT, "no file: %s", err.text);
    buf_clear(&bare);
}

/* ---- in parts ----- */

static void fresh(const char *a, const char *b, const char *c)
{
    memset(&up, 0, sizeof(up));
    up.end[0] = a;
    up.end[1] = b;
    up.end[2] = c;
}

static bool arrived(void)
{
    return memcmp(up.data, item.data, item.len) == 0;
}

static void test_parts(struct bundler *b, const char *state)
{
    bundler_parts(b, PART, 2 * PART);
    fresh("ASSEMBLING", "VALIDATING", "FINALIZED");
    ok(!post(b, true, state, &address) && arrived() && up.n_parts == 5 &&
           up.n_finalized == 1 && up.n_begun == 1 && receipt.len &&
           !file_exists(state),
       "in parts: %s", err.text);
    fresh("FINALIZED", NULL, NULL);
    ok(!post(b, false, NULL, &address) && arrived() && receipt.len,
       "of memory, without a state: %s", err.text);
    fresh("FINALIZED", NULL, NULL);
    up.fail_part = 503;
    ok(post(b, true, state, &address) == -1 && err.code == ERR_RETRY &&
           up.n_parts == 2 && file_exists(state),
       "a part fails: %s", err.text);
    up.fail_part = 0;
    ok(!post(b, true, state, &address) && arrived() && up.n_parts == 5 &&
           up.n_begun == 1 && !file_exists(state),
       "the next call sends what is missing: %s", err.text);
    fresh("FINALIZED", NULL, NULL);
    up.fail_part = 400;
    ok(post(b, true, state, &address) == -1 && err.code == ERR_INPUT,
       "a part is refused: %s", err.text);
    up.fail_part = 0;
    up.gone = true;
    ok(!post(b, true, state, &address) && arrived() && up.n_parts == 7 &&
           up.n_begun == 2,
       "the bundler forgot: from the front: %s", err.text);
    fresh("FINALIZED", NULL, NULL);
    up.fail_part = 404;
    ok(post(b, true, state, &address) == -1 && err.code == ERR_RETRY &&
           !file_exists(state),
       "it forgets in between: %s", err.text);
}

static void test_parts_end(struct bundler *b, const char *state)
{
    fresh("UNDERFUNDED", NULL, NULL);
    ok(post(b, true, state, &address) == -1 && err.code == ERR_INPUT &&
           strncmp(err.text, "payment required", 16) == 0 && file_exists(state),
       "%s", err.text);
    fresh("FINALIZED", NULL, NULL);
    up.have[0] = true;
    memcpy(up.data, item.data, PART);
    ok(!post(b, true, state, &address) && arrived() && up.n_parts == 4 &&
           !up.n_begun,
       "paid: nothing is sent twice");
    fresh("INVALID", NULL, NULL);
    ok(post(b, true, state, &address) == -1 && err.code == ERR_INPUT &&
           !file_exists(state),
       "%s", err.text);
    fresh("FINALIZED", NULL, NULL);
    file_write(state, "../x\" 65536\n", 12, NULL);
    ok(!post(b, true, state, &address) && up.n_begun == 1,
       "an invalid state");
    fresh("FINALIZED", NULL, NULL);
    ok(post(b, true, tap_missing("x"), &address) == -1 && !up.n_parts,
       "no part without a state: %s", err.text);
}

/* ---- questions ----- */

static void get_answer(int status, const char *text)
{
    answer_status = status;
    answer_text = text;
    err.code = ERR_NONE;
}

static void test_money(struct bundler *b)
{
    struct bundler_info i;
    uint64_t winc = 1;

    get_answer(200, "{\"addresses\":{\"arweave\":\"WlpaWlpaWlpaWlpaWlpaWlpa"
               "WlpaWlpaWlpaWlpaWlo\"},\"freeUploadLimitBytes\":517120}");
    ok(!bundler_info(b, &i, &err) && i.signer.b[31] == 0x5a &&
           i.free_bytes == 517120,
       "info: %s", err.text);
    get_answer(200, "{\"addresses\":{\"arweave\":\"x\"}}");
    ok(bundler_info(b, &i, &err) == -1 && err.code == ERR_RETRY, "%s",
       err.text);
    get_answer(200, "{\"winc\":\"18446744073709551615\"}");
    ok(!bundler_price(b, 1000, &winc, &err) && winc == UINT64_MAX,
       "the price of 1000 bytes");
    get_answer(200, "{\"winc\":\"-5\"}");
    ok(bundler_price(b, 1000, &winc, &err) == -1 && err.code == ERR_RETRY,
       "%s", err.text);
    get_answer(200, "nothing");
    ok(bundler_price(b, 1000, &winc, &err) == -1, "%s", err.text);
    get_answer(404, "User not found");
    ok(!bundler_balance(b, address, &winc, &err) && winc == 0,
       "an unknown account");
    get_answer(200, "{\"winc\":77}");
    ok(!bundler_balance(b, address, &winc, &err) && winc == 77,
       "a balance as a number");
    get_answer(503, "later");
    ok(bundler_balance(b, address, &winc, &err) == -1 &&
       err.code == ERR_RETRY, "%s", err.text);
}

static void test_status(struct bundler *b)
{
    static const struct {
        const char *text;
        enum bundler_status want;
    } is[] = {
        { "{\"status\":\"CONFIRMED\",\"info\":\"new\"}", BUNDLER_NEW },
        { "{\"status\":\"CONFIRMED\",\"info\":\"pending\"}",
          BUNDLER_PENDING },
        { "{\"status\":\"FINALIZED\",\"info\":\"permanent\"}",
          BUNDLER_PERMANENT },
        { "{\"status\":\"FAILED\",\"reason\":\"x\"}", BUNDLER_FAILED },
    };
    enum bundler_status st;
    struct id root;
    bool has;

    for (size_t i = 0; i < 4; i++) {
        get_answer(200, is[i].text);
        ok(!bundler_status(b, parsed.id, &st, &root, &has, &err) &&
               st == is[i].want && !has,
           "status %s", is[i].text);
    }
    get_answer(200, "{\"status\":\"CONFIRMED\",\"info\":\"pending\",\"bundleId"
               "\":\"WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo\"}");
    ok(!bundler_status(b, parsed.id, &st, &root, &has, &err) && has &&
           root.b[0] == 0x5a,
       "in a bundle");
    get_answer(404, "TX doesn't exist");
    ok(!bundler_status(b, parsed.id, &st, &root, &has, &err) &&
           st == BUNDLER_UNKNOWN && !has,
       "unknown");
    get_answer(200, "{\"status\":7}");
    ok(bundler_status(b, parsed.id, &st, &root, &has, &err) == -1, "%s",
       err.text);
}

static void test_winc_text(void)
{
    static const struct {
        uint64_t winc;
        const char *text;
    } rows[] = {
        { 0, "0 winston credits (0.0 AR)" },
        { 1, "1 winston credits (0.000000000001 AR)" },
        { 4861222, "4861222 winston credits (0.000004861222 AR)" },
        { 1500000000000, "1500000000000 winston credits (1.5 AR)" },
        { UINT64_MAX,
          "18446744073709551615 winston credits (18446744.073709551615 AR)" },
    };
    char text[WINC_TEXT];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        winc_text(text, rows[i].winc);
        ok(strcmp(text, rows[i].text) == 0, "%s", text);
    }
}

int main(void)
{
    char *conf = file_join(tap_tmp(), "conf");
    char *state = file_join(tap_tmp(), "state");
    struct pretend *p = pretend_start(serve, NULL);
    struct bundler *b;

    file_write(conf, "", 0, NULL);
    setenv("APUS_CONFIG", conf, 1);
    buf_init(&receipt, ROOM);
    make_item();
    b = open_bundler(pretend_url(p));
    ok(strcmp(bundler_url(b), pretend_url(p)) == 0, "a bundler");
    test_taken(b);
    test_charged(b);
    test_again(b);
    test_refused(b);
    test_never_sent(b);
    test_money(b);
    test_winc_text();
    test_status(b);
    test_parts(b, state);
    test_parts_end(b, state);
    bundler_free(b);
    pretend_end(p);
    key_free(key);
    buf_clear(&item);
    buf_clear(&receipt);
    unlink(path);
    unlink(conf);
    unlink(state);
    rmdir(tap_tmp());
    free(path);
    free(conf);
    free(state);
    return done();
}
