/*
 * The pretended queue.
 */
#include <config.h>

#include "tests/pretend_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/pretend_server.h"

#define MAX_MESSAGES 4096
#define UNTIL "1800000000000"

struct pretend_request pretend_request[200];
size_t pretend_n_requests;
pretend_lie_fn *pretend_lie;
const char *pretend_code;
const char *pretend_version;
unsigned pretend_n_messages;
bool pretend_deaf;

static struct {
    char id[ID_TEXT], *result;
} message[MAX_MESSAGES];
static struct pretend *server;

/* ---- answers ------------------------------------------------------------- */

static void put_tag(struct buf *b, const char *name, const char *value)
{
    buf_printf(b, ",{\"name\":\"%s\",\"value\":\"%s\"}", name, value);
}

/* The answer to `to`, with Data and further tags (",{..},{..}"). */
static char *answer(const char *to, const char *action, const char *code,
                    const struct buf *tags, const struct buf *data)
{
    struct buf b;
    size_t n;

    buf_init(&b, 1u << 22);
    buf_printf(&b, "{\"Messages\":[{\"Target\":\"%s\",\"Data\":", to);
    json_put_string(&b, data->len ? data->data : "", data->len);
    buf_printf(&b, ",\"Tags\":[{\"name\":\"Action\",\"value\":"
               "\"%s-Response\"},{\"name\":\"Code\",\"value\":\"%s\"}%s]}],"
               "\"Output\":[],\"GasUsed\":0}", action, code,
               tags->len ? tags->data : "");
    return buf_take(&b, &n);
}

static void text_tag(char *out, size_t n, const struct item *it,
                     const char *name, const char *absent)
{
    if (item_tag_text(it, name, out, n))
        snprintf(out, n, "%s", absent);
}

/* ---- messages ------------------------------------------------------------ */

static bool do_pull(const struct item *it, const char *batch, struct buf *tags,
                    struct buf *data)
{
    char max[16], models[3073], more[24];
    long left, pending = 0;

    text_tag(max, sizeof(max), it, "Max", "100");
    text_tag(models, sizeof(models), it, "Models", "");
    left = strtol(max, NULL, 10);
    for (size_t i = 0; i < pretend_n_requests; i++) {
        struct pretend_request *r = &pretend_request[i];

        if (r->batch[0])
            continue;
        if (left == 0) {
            pending++;
            continue;
        }
        left--;
        r->leases++;
        snprintf(r->batch, sizeof(r->batch), "%s", batch);
        buf_puts(data, r->line);
        buf_putc(data, '\n');
    }
    snprintf(more, sizeof(more), "%ld", pending);
    put_tag(tags, "Batch", batch);
    put_tag(tags, "Until", UNTIL);
    put_tag(tags, "More", more);
    put_tag(tags, "Kind", "requests");
    return data->len > 0;
}

static unsigned do_renew(const char *batch)
{
    unsigned n = 0;

    for (size_t i = 0; i < pretend_n_requests; i++)
        n += strcmp(pretend_request[i].batch, batch) == 0;
    return n;
}

static void count_line(struct pretend_request *r, char *line)
{
    char *end = strchr(line, '\n');

    *end = '\0';
    r->blames += strstr(line, "\"reason\":") != NULL;
    r->put_offs += strstr(line, "\"later\":\"") != NULL;
    *end = '\n';
}

static unsigned do_release(const char *batch, const char *lines, size_t n)
{
    char *text = xstrndup(lines, n);
    unsigned released = 0;

    for (size_t i = 0; i < pretend_n_requests; i++) {
        struct pretend_request *r = &pretend_request[i];

        if (strcmp(r->batch, batch) != 0 || (n && !strstr(text, r->id)))
            continue;
        released++;
        if (n > 0)
            count_line(r, strstr(text, r->id));
        r->batch[0] = '\0';
    }
    free(text);
    return released;
}

static char *evaluate(const struct item *it, const char *id,
                      const char *data_in, size_t n)
{
    char action[32], batch[ID_TEXT], count[24] = "0";
    const char *code = "200";
    struct buf tags, data;
    char *result;

    buf_init(&tags, 1u << 16);
    buf_init(&data, 1u << 20);
    text_tag(action, sizeof(action), it, "Action", "");
    text_tag(batch, sizeof(batch), it, "Batch", id);
    if (pretend_code) {
        code = pretend_code;
        put_tag(&tags, "Message", "as it was told");
    } else if (strcmp(action, "Pull") == 0) {
        code = do_pull(it, batch, &tags, &data) ? "200" : "204";
    } else {
        snprintf(count, sizeof(count), "%u",
                 strcmp(action, "Renew") == 0 ? do_renew(batch)
                                              : do_release(batch, data_in, n));
        put_tag(&tags, "Count", count);
        put_tag(&tags, "Until", UNTIL);
    }
    result = answer(id_text(it->address).s, action, code, &tags, &data);
    if (pretend_lie)
        pretend_lie(&result, action);
    buf_clear(&tags);
    buf_clear(&data);
    return result;
}

/* ---- the network --------------------------------------------------------- */

static void take(struct pretend_call *c)
{
    struct err err = ERR_INIT;
    struct item it;
    char id[ID_TEXT];

    if (item_open(&it, c->body, c->n_body, &err)) {
        pretend_answer(c, "500 X", "", err.text, strlen(err.text));
        return;
    }
    base64url(id, it.id.b, 32);
    for (unsigned i = 0; i < pretend_n_messages; i++) {
        if (strcmp(message[i].id, id) == 0) {
            pretend_answer(c, "500 X", "", "Message already exists", 22);
            return;
        }
    }
    if (pretend_n_messages == MAX_MESSAGES)
        abort();
    memcpy(message[pretend_n_messages].id, id, sizeof(id));
    message[pretend_n_messages++].result =
        evaluate(&it, id, (char *)c->body + it.head_n, c->n_body - it.head_n);
    pretend_answer(c, "202 X", "", "{}", 2);
}

static void give(struct pretend_call *c)
{
    const char *id = c->path + strlen("/result/");

    for (unsigned i = 0; !pretend_deaf && i < pretend_n_messages; i++) {
        if (strncmp(message[i].id, id, 43) == 0) {
            pretend_answer(c, "200 OK", "", message[i].result,
                           strlen(message[i].result));
            return;
        }
    }
    pretend_answer(c, "202 X", "", "{}", 2);
}

/* Info is all that is asked. */
static void report(struct pretend_call *c)
{
    struct buf tags, data;
    char *text;

    buf_init(&tags, 1u << 10);
    buf_init(&data, 1);
    if (pretend_version)
        put_tag(&tags, "Version", pretend_version);
    text = answer("x", "Info", "200", &tags, &data);
    pretend_answer(c, "200 OK", "", text, strlen(text));
    free(text);
    buf_clear(&tags);
}

static void serve(struct pretend_call *c)
{
    if (strcmp(c->method, "POST") == 0 && strcmp(c->path, "/") == 0)
        take(c);
    else if (strncmp(c->path, "/result/", 8) == 0)
        give(c);
    else if (strncmp(c->path, "/dry-run", 8) == 0)
        report(c);
    else
        pretend_answer(c, "404 X", "", "", 0);
}

const char *pretend_queue_start(void)
{
    server = pretend_start(serve, NULL);
    return pretend_url(server);
}

void pretend_queue_end(void)
{
    pretend_end(server);
    pretend_queue_fill(0, "");
}

void pretend_queue_fill(size_t n, const char *model)
{
    for (unsigned i = 0; i < pretend_n_messages; i++)
        free(message[i].result);
    pretend_n_messages = 0;
    pretend_lie = NULL;
    pretend_code = NULL;
    pretend_version = NULL;
    pretend_deaf = false;
    memset(pretend_request, 0, sizeof(pretend_request));
    pretend_n_requests = n;
    for (size_t i = 0; i < n; i++) {
        struct pretend_request *r = &pretend_request[i];
        struct id id = { { 7, (unsigned char)i } };
        char *text;

        base64url(r->id, id.b, 32);
        text = xasprintf("{\"id\":\"%s\",\"from\":\"%s\","
                 "\"reference\":\"r%zu\",\"model\":\"%s\",\"form\":\"chat\","
                 "\"prompt\":\"What is %zu?\",\"max_tokens\":\"5\","
                 "\"temperature\":\"700000\",\"top_p\":\"1000000\","
                 "\"top_k\":\"0\",\"flags\":\"0\",\"seed\":\"\",\"stops\":[],"
                 "\"fee\":\"0\"}", r->id, r->id, i, model, i);
        if (strlen(text) >= sizeof(r->line))
            abort();
        memcpy(r->line, text, strlen(text) + 1);
        free(text);
    }
}
