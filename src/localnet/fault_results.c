/*
 * A result is read as JSON, the answers in it are written anew with what the
 * case says, the rest stays as it was.
 */
#include <config.h>

#include "localnet/fault_results.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "localnet/stored.h"
#include "localnet/journal.h"
#include "localnet/net.h"
#include "localnet/units.h"

#define HUGE_PROMPT ((size_t)5 << 20)
#define LINES_MAX ((size_t)32 << 20)

struct lie {
    enum faults_case what;
    uint64_t n_lines; /* of a Complete */
};

/* ---- the lines of a pull ------------------------------------------------- */

static void put_huge(struct buf *b)
{
    char *text = xmalloc(HUGE_PROMPT);

    memset(text, 'x', HUGE_PROMPT);
    json_put_string(b, text, HUGE_PROMPT);
    free(text);
}

/* A member of a line, perhaps with another value. */
static void put_member(struct buf *b, const struct lie *l,
                       const struct json *v)
{
    const char *key = json_key(v);

    json_put_string(b, key, strlen(key));
    buf_puts(b, ":");
    if (l->what == FAULTS_CU_WRONG_IDS && strcmp(key, "id") == 0)
        buf_puts(b, "\"../../../etc/passwd\"");
    else if (l->what == FAULTS_CU_FALSE_REQUESTS &&
             strcmp(key, "prompt") == 0)
        buf_puts(b, "\"what nobody asked\"");
    else if (l->what == FAULTS_CU_HUGE_PROMPT && strcmp(key, "prompt") == 0)
        put_huge(b);
    else if (l->what == FAULTS_CU_ABSURD_NUMBERS &&
             (strcmp(key, "max_tokens") == 0 || strcmp(key, "top_k") == 0))
        buf_puts(b, "\"99999999999999999999999999\"");
    else if (l->what == FAULTS_CU_ABSURD_NUMBERS &&
             strcmp(key, "temperature") == 0)
        buf_puts(b, "\"-1\"");
    else if (l->what == FAULTS_CU_ABSURD_NUMBERS && strcmp(key, "count") == 0)
        buf_puts(b, "\"4294967295\"");
    else if (l->what == FAULTS_CU_ABSURD_NUMBERS &&
             strcmp(key, "sha256") == 0)
        buf_printf(b, "\"%043d\"", 0); /* of no file */
    else
        json_put(b, v);
}

static void put_line(struct buf *b, const struct lie *l, const char *line,
                     size_t n)
{
    struct json *root;
    bool first = true;

    if (json_parse(&root, line, n, NULL)) {
        buf_put(b, line, n);
        return;
    }
    buf_puts(b, "{");
    for (const struct json *v = json_first(root); v; v = json_next(v)) {
        buf_puts(b, first ? "" : ",");
        put_member(b, l, v);
        first = false;
    }
    buf_puts(b, "}");
    json_free(root);
}

static void put_lines(struct buf *b, const struct lie *l, const char *data)
{
    struct buf lines;

    buf_init(&lines, LINES_MAX);
    while (*data) {
        size_t n = strcspn(data, "\n");

        if (l->what == FAULTS_CU_TWICE) {
            buf_put(&lines, data, n);
            buf_puts(&lines, "\n");
        }
        if (n > 0)
            put_line(&lines, l, data, n);
        data += n;
        if (*data == '\n') {
            buf_puts(&lines, "\n");
            data++;
        }
    }
    json_put_string(b, lines.data ? lines.data : "", lines.len);
    buf_clear(&lines);
}

/* ---- a message ----------------------------------------------------------- */

static const char *tag_of(const struct json *message, const char *name)
{
    const struct json *tags = json_get(message, "Tags");

    for (const struct json *t = json_first(tags); t; t = json_next(t)) {
        const char *s = json_string(json_get(t, "name"));

        if (s && strcmp(s, name) == 0)
            return json_string(json_get(t, "value"));
    }
    return NULL;
}

/* What a false acknowledgement says instead, or NULL. */
static const char *false_value(const struct lie *l, const char *name,
                               char out[32])
{
    if (strcmp(name, "Until") == 0)
        return "99999999999999";
    if (strcmp(name, "Code") == 0)
        return "200";
    if (strcmp(name, "Conflicts") == 0 || strcmp(name, "Unknown") == 0 ||
        strcmp(name, "Repeated") == 0)
        return "0";
    if (strcmp(name, "Accepted") != 0)
        return NULL;
    snprintf(out, 32, "%" PRIu64, l->n_lines);
    return out;
}

static void put_tags(struct buf *b, const struct lie *l,
                     const struct json *tags)
{
    bool first = true;

    buf_puts(b, "[");
    for (const struct json *t = json_first(tags); t; t = json_next(t)) {
        const char *name = json_string(json_get(t, "name")), *value;
        char text[32];

        value = l->what == FAULTS_CU_FALSE_ACK && name
                    ? false_value(l, name, text) : NULL;
        buf_puts(b, first ? "" : ",");
        first = false;
        if (value)
            buf_printf(b, "{\"name\":\"%s\",\"value\":\"%s\"}", name, value);
        else
            json_put(b, t);
    }
    buf_puts(b, "]");
}

static void put_message(struct buf *b, const struct lie *l,
                        const struct json *message)
{
    const char *action = tag_of(message, "Action");
    bool pull = action && strcmp(action, "Pull-Response") == 0, first = true;
    bool complete = action && strcmp(action, "Complete-Response") == 0;

    if (!pull && !complete) {
        json_put(b, message);
        return;
    }
    buf_puts(b, "{");
    for (const struct json *v = json_first(message); v; v = json_next(v)) {
        const char *key = json_key(v), *text = json_string(v);

        buf_puts(b, first ? "" : ",");
        first = false;
        json_put_string(b, key, strlen(key));
        buf_puts(b, ":");
        if (strcmp(key, "Data") == 0 && text && pull)
            put_lines(b, l, text);
        else if (strcmp(key, "Data") == 0 && l->what == FAULTS_CU_FALSE_ACK)
            buf_puts(b, "\"\"");
        else if (strcmp(key, "Tags") == 0)
            put_tags(b, l, v);
        else
            json_put(b, v);
    }
    buf_puts(b, "}");
}

/* ---- a result ------------------------------------------------------------ */

static void put_lie(struct buf *b, const struct lie *l,
                    const struct json *root)
{
    bool first = true;

    buf_puts(b, "{");
    for (const struct json *v = json_first(root); v; v = json_next(v)) {
        const char *key = json_key(v);
        bool one = true;

        buf_puts(b, first ? "" : ",");
        first = false;
        json_put_string(b, key, strlen(key));
        buf_puts(b, ":");
        if (strcmp(key, "Messages") != 0) {
            json_put(b, v);
            continue;
        }
        buf_puts(b, "[");
        for (const struct json *m = json_first(v); m; m = json_next(m)) {
            buf_puts(b, one ? "" : ",");
            one = false;
            put_message(b, l, m);
        }
        buf_puts(b, "]");
    }
    buf_puts(b, "}");
}

/* Lines of the data of the message itself. */
static uint64_t count_lines(const struct net *net, const struct message *m)
{
    const struct stored *h = stored_get(net, m->id);
    uint64_t n = 0;
    struct buf raw;

    buf_init(&raw, JOURNAL_MAX);
    if (h && buf_reserve(&raw, m->size, "message", NULL) == 0 &&
        stored_read(h, 0, raw.data, m->size, NULL) == 0)
        for (uint64_t i = h->head_n; i < m->size; i++)
            n += raw.data[i] == '\n' || i + 1 == m->size;
    buf_clear(&raw);
    return n;
}

static bool is_answer(const struct message *m)
{
    return m->result && (strstr(m->result, "\"Pull-Response\"") ||
                         strstr(m->result, "\"Complete-Response\""));
}

void fault_results_put(struct net *net, enum unit u, struct buf *b,
                       const struct message *m)
{
    struct lie l = { .what = FAULTS_N };
    struct json *root;

    for (int w = FAULTS_CU_FALSE_REQUESTS; w <= FAULTS_CU_FALSE_ACK; w++)
        if (l.what == FAULTS_N && is_answer(m) &&
            faults_now(&net->faults, (enum faults_case)w, u))
            l.what = (enum faults_case)w;
    if (l.what == FAULTS_N ||
        json_parse(&root, m->result, m->n_result, NULL)) {
        buf_put(b, m->result, m->n_result);
        return;
    }
    l.n_lines = count_lines(net, m);
    put_lie(b, &l, root);
    json_free(root);
}
