/*
 * Messages of DApps, for the queue and for src/queue/ask at once.
 *
 *     askrun messages FILE.jsonl SEED N
 *         those of the file ({"tags", "data"}, a line each), every member that
 *         a request may have with every kind of value, and N made ones, as an
 *         array for tests/aosrun and tests/aos-run: a queue with a model and a
 *         node, each message, and the pulls that fetch what it took
 *     askrun names
 *         the table of members, a row a line, as contrib/ao/queue has it
 *     askrun compare MESSAGES.json RESULTS
 *         RESULTS has a line for each of them, last, from either: the queue's
 *         line makes the same request as src/queue/ask does, or both refuse
 *         with the same words.  TAP.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "queue/ask.h"
#include "queue/pull_line.h"
#include "store/request_names.h"
#include "tests/ask_made.h"
#include "tests/tap.h"

#define FILE_MAX ((size_t)64 << 20)
#define MAX_TAGS 100
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define OWNER "owner______________________________________"
#define MESSENGER "mu_________________________________________"
#define DAPP "dapp______________________________________A"
#define MODEL "model_____________________________________A"
#define NODE ASK_MADE_NODE

static void read_file(struct buf *b, const char *path)
{
    struct err err = ERR_INIT;

    buf_init(b, FILE_MAX);
    if (file_read(b, path, &err)) {
        fprintf(stderr, "askrun: %s\n", err.text);
        exit(1);
    }
}

static struct json *parse(const char *text, size_t n)
{
    struct err err = ERR_INIT;
    struct json *root;

    if (json_parse(&root, text, n, &err)) {
        fprintf(stderr, "askrun: %s: %.200s\n", err.text, text);
        exit(1);
    }
    return root;
}

/* ---- messages ------------------------------------------------------------ */

static int n_put;

/* Append a message: {from, tags, data} without its braces. */
static void append_message(struct buf *out, const char *from, const char *rest)
{
    buf_printf(out, "%s{\"id\":\"m%05d____________________________________A\","
               "\"from\":\"%s\",%s}", n_put ? ",\n" : "[\n", n_put, from,
               rest);
    n_put++;
}

static void put_pull(struct buf *out)
{
    append_message(out, NODE,
                   "\"tags\":{\"Action\":\"Pull\",\"Models\":\"" MODEL "\"}");
}

static void put_infer(struct buf *out, const char *rest)
{
    append_message(out, DAPP, rest);
    if (n_put % 6 == 0)
        put_pull(out);
}

static void put_line(struct buf *out, const char *line, size_t n)
{
    struct json *root = parse(line, n);
    struct buf rest;

    buf_init(&rest, FILE_MAX);
    buf_puts(&rest, "\"tags\":");
    json_put(&rest, json_get(root, "tags"));
    buf_puts(&rest, ",\"data\":");
    json_put(&rest, json_get(root, "data"));
    if (json_true(json_get(root, "pushed")))
        buf_puts(&rest, ",\"owner\":\"" MESSENGER "\"");
    put_infer(out, rest.data);
    buf_clear(&rest);
    json_free(root);
}

/* ---- every member -------------------------------------------------------- */

static const char *const values[] = {
    "null", "\"\"", "[]", "{}", "true", "false", "0", "1", "1.0", "-1", "2",
    "0.5", "1e-9", "-1e-9", "0.9999999", "\"none\"", "\"auto\"", "\"x y\"",
    "[\"text\"]", "{\"type\":\"text\"}", "{\"a\":1}", "[1]", "[null]", "[{}]",
    "\"nano\"", "\"7\"", "{\"top_k\":-1}", "{\"foo\":null}",
};
static const char *const numbers[] = {
    "-1.0", "16", "0.01", "0.0099999999", "0.009999", "0.30000000000000004",
    "0.699999988079071", "0.1234565", "0.1234575", "0.12345650000001",
    "0.0000005", "0.0000015", "0.00000050000001", "1.0000004999", "1.0000005",
    "1.0000015", "100.0000005", "100.00000051", "0.001", "1e-400",
    "-1e-99999", "0.0000004e1", "999999999999999999e-18", "4294967295.4",
    "18446744073709551615", "18446744073709551616", "2e19", "-0.0",
    "99999999999999999999999999999999999999999999999999999999999e-59",
};

static void put_options(struct buf *out, const char *options)
{
    struct buf rest;

    buf_init(&rest, FILE_MAX);
    buf_puts(&rest, "\"tags\":{\"Action\":\"Infer\",\"X-Options\":");
    json_put_string(&rest, options, strlen(options));
    buf_puts(&rest, "},\"data\":\"x\"");
    put_infer(out, rest.data);
    buf_clear(&rest);
}

static void put_body(struct buf *out, const char *body)
{
    struct buf rest;

    buf_init(&rest, FILE_MAX);
    buf_puts(&rest, "\"tags\":{\"Action\":\"Infer\",\"Content-Type\":"
             "\"application/json\"},\"data\":");
    json_put_string(&rest, body, strlen(body));
    put_infer(out, rest.data);
    buf_clear(&rest);
}

/* A member inside what its name says it is in; every other time in the data
 * where it could be in X-Options as well. */
static void put_member(struct buf *out, const char *name, const char *value)
{
    const char *dot = strchr(name, '.');
    const char *key = dot ? dot + 1 : name;
    bool in_data = n_put % 2;
    char *text;

    if (dot && *name == 'm')
        text = xasprintf("{\"messages\":[{%s\"content\":\"x\",\"%s\":%s}]}",
                         strcmp(key, "role") == 0 ? "" : "\"role\":\"user\",",
                         strcmp(key, "content") == 0 ? "name" : key, value);
    else if (dot && *name == 'c')
        text = xasprintf("{\"messages\":[{\"role\":\"user\",\"content\":[{"
                         "%s%s\"%s\":%s}]}]}",
                         strcmp(key, "type") == 0 ? "" : "\"type\":\"text\",",
                         strcmp(key, "text") == 0 ? "" : "\"text\":\"x\",",
                         key, value);
    else if (dot)
        text = xasprintf("{\"apus\":{\"%s\":%s}}", key, value);
    else if (in_data && strcmp(key, "prompt") != 0)
        text = xasprintf("{\"prompt\":\"x\",\"%s\":%s}", key, value);
    else
        text = xasprintf("{\"%s\":%s}", key, value);
    if ((dot && *name != 'a') || (in_data && !dot))
        put_body(out, text);
    else
        put_options(out, text);
    free(text);
}

/* What is not the name of a member, but near one. */
static const char *const near[] = {
    "temp", "maxTokens", "Top-P", "tempreature", "frequency_penality", "topp",
    "seeds", "sto", "st", "x", "apus.top_k", "stream_option", "a\\u0001b",
    "\\u00e9", "\\\"q", ("01234567890123456789012345678901234567890123456789"
    "0123456789012345678901234567890"), "logprob", "nn", "", "messages.name",
    "apus.topk", "messages.nam", "content.txt", "messages.content.x",
};

static void put_members(struct buf *out)
{
    const struct request_name *row = request_names;

    /* a model is for the queue to know */
    for (; row->name; row++)
        for (size_t i = 0; i < COUNT(values); i++)
            if (strcmp(row->name, "model") != 0 || values[i][0] != '"' ||
                strcmp(values[i], "\"nano\"") == 0)
                put_member(out, row->name, values[i]);
    for (row = request_names; row->name; row++)
        for (size_t i = 0; *row->values == '+' && i < COUNT(numbers); i++)
            put_member(out, row->name, numbers[i]);
    for (size_t i = 0; i < COUNT(near); i++)
        put_member(out, near[i], "null");
}

static int write_names(void)
{
    const struct request_name *row = request_names;

    for (; row->name; row++)
        printf("%s%s%s\n", row->name, *row->values ? " " : "", row->values);
    return 0;
}

static int write_messages(const char *path, const char *seed, const char *n)
{
    struct ask_made made;
    struct buf out, file;

    buf_init(&out, FILE_MAX);
    read_file(&file, path);
    append_message(&out, OWNER,
                   "\"tags\":{\"Action\":\"Allow\",\"Node\":\"" NODE "\","
                   "\"Max\":\"50000\"}");
    append_message(&out, OWNER,
                   "\"tags\":{\"Action\":\"Set\",\"Max-Requester\":"
                   "\"50000\"}");
    append_message(&out, OWNER,
                   "\"tags\":{\"Action\":\"Register-Model\",\"Model\":\"" MODEL
                   "\",\"Name\":\"nano\",\"Source\":\"" MODEL "\"}");
    for (char *line = file.data; line && *line;) {
        char *end = strchr(line, '\n');

        if (!end)
            break;
        put_line(&out, line, (size_t)(end - line));
        line = end + 1;
    }
    put_members(&out);
    ask_made_init(&made, strtoull(seed, NULL, 10), MODEL);
    for (long i = 0; i < atol(n); i++)
        put_infer(&out, ask_made_next(&made));
    for (int i = 0; i < 40; i++)
        put_pull(&out);
    ask_made_clear(&made);
    printf("%s]\n", out.data);
    buf_clear(&file);
    buf_clear(&out);
    return 0;
}

/* ---- what came of them --------------------------------------------------- */

struct lines {
    struct pull_line *line;
    struct json **root; /* from and reference */
    size_t n;
};

static const char *tag_of(const struct json *message, const char *name)
{
    const struct json *t = json_first(json_get(message, "Tags"));

    for (; t; t = json_next(t))
        if (strcmp(json_string(json_get(t, "name")), name) == 0)
            return json_string(json_get(t, "value"));
    return NULL;
}

/* The lines of an answer to a Pull. */
static void take_lines(struct lines *l, const struct json *message)
{
    const char *action = tag_of(message, "Action");
    const char *at = json_string(json_get(message, "Data"));
    struct err err = ERR_INIT;

    if (!action || strcmp(action, "Pull-Response") != 0)
        return;
    while (at && *at) {
        size_t n = strcspn(at, "\n");

        l->line = xrealloc(l->line, (l->n + 1) * sizeof(*l->line));
        l->root = xrealloc(l->root, (l->n + 1) * sizeof(*l->root));
        if (pull_line_parse(&l->line[l->n], at, n, &err)) {
            ok(false, "a line of a pull: %s: %.*s", err.text, (int)n, at);
        } else {
            l->root[l->n] = parse(at, n);
            l->n++;
        }
        at += n + (at[n] == '\n');
    }
}

/* Whether a message was refused with an answer, and its words. */
static bool is_refused(const struct json *result, const char **why)
{
    const struct json *m = json_first(json_get(result, "Messages"));

    *why = NULL;
    for (; m; m = json_next(m)) {
        const char *action = tag_of(m, "Action");

        if (action && (strcmp(action, "Infer-Response") == 0 ||
                       strcmp(action, "Infer-Batch-Response") == 0)) {
            *why = tag_of(m, "Message");
            return true;
        }
    }
    return false;
}

static size_t read_tags(struct ask_tag *tag, const struct json *tags)
{
    static const char *const usual[][2] = { { "Data-Protocol", "ao" },
                                            { "Variant", "ao.TN.1" },
                                            { "Type", "Message" } };
    size_t n = 0;

    for (; n < 3; n++)
        tag[n] = (struct ask_tag){ usual[n][0], usual[n][1],
                                   strlen(usual[n][0]),
                                   strlen(usual[n][1]) };
    for (const struct json *t = json_first(tags); t && n < MAX_TAGS;
         t = json_next(t)) {
        bool pair = json_type(t) == JSON_OBJECT;
        const char *name = pair ? json_string(json_get(t, "name"))
                                : json_key(t);
        const char *value = json_string(pair ? json_get(t, "value") : t);

        tag[n++] = (struct ask_tag){ name, value, strlen(name),
                                     strlen(value) };
    }
    return n;
}

/* The same words, but for what each says of the place in a JSON text. */
static bool same_words(const char *ours, const char *theirs)
{
    const char *json = strstr(ours, "JSON, byte ");

    if (!theirs)
        return true;
    return json ? strncmp(ours, theirs, (size_t)(json - ours)) == 0
                : strcmp(ours, theirs) == 0;
}

/* Both lines for the worker, and what else the queue says. */
static bool same_line(const struct ask *a, const struct pull_line *l,
                      const struct json *root, const char *id,
                      const char *from)
{
    static const char source[] = "{\"prompt\":\"of a source\"}";
    const char *reference = *a->reference ? a->reference : id;
    struct err err = ERR_INIT, err2 = ERR_INIT;
    struct buf ours, theirs;
    bool same;
    int rc;

    buf_init(&ours, FILE_MAX);
    buf_init(&theirs, FILE_MAX);
    rc = ask_put_line(&ours, a, l->id, &l->model, source, strlen(source), &err);
    same = pull_line_put(&theirs, l, source, strlen(source), &err2) == rc &&
           strcmp(err.text, err2.text) == 0;
    if (same && rc == 0) {
        buf_putc(&ours, '\n');
        same = strcmp(ours.data, theirs.data) == 0;
    }
    if (same && rc != 0)
        same = a->form == ASK_BATCH && l->ask.form == ASK_BATCH &&
               a->count == l->ask.count && id_equal(a->source, l->ask.source) &&
               id_equal(a->sha256, l->ask.sha256);
    same = same && a->form == l->ask.form &&
           strcmp(json_string(json_get(root, "from")), from) == 0 &&
           strcmp(json_string(json_get(root, "reference")), reference) == 0;
    if (!same)
        printf("# ours %s%s\n# theirs %s%s\n", ours.data ? ours.data : "",
               err.text, theirs.data ? theirs.data : "", err2.text);
    buf_clear(&ours);
    buf_clear(&theirs);
    return same;
}

static const struct pull_line *find(const struct lines *l, const char *text,
                                    size_t *at)
{
    struct id id;

    if (id_parse(&id, text))
        return NULL;
    for (*at = 0; *at < l->n; ++*at)
        if (id_equal(l->line[*at].id, id))
            return &l->line[*at];
    return NULL;
}

struct count {
    unsigned same, refused, wrong;
};

/* One message: what the queue made of it, what we do. */
static void compare_outcome(struct count *c, const struct json *m,
                            const struct json *result, const struct lines *l)
{
    const char *id = json_string(json_get(m, "id")), *why;
    const char *from = json_string(json_get(m, "from"));
    const char *data = json_string(json_get(m, "data"));
    struct ask_tag tag[MAX_TAGS];
    struct ask_message message = {
        .tag = tag, .n_tags = read_tags(tag, json_get(m, "tags")),
        .data = data ? data : "", .n = data ? strlen(data) : 0,
        .pushed = json_get(m, "owner") != NULL
    };
    bool refused = is_refused(result, &why), good;
    struct err err = ERR_INIT;
    struct ask a = { .prompt = NULL };
    size_t at;
    const struct pull_line *line = find(l, id, &at);

    if (ask_read(&a, &message, &err))
        /* the queue has no answer at all for actions that it does not know */
        good = !line && (refused || strcmp(tag[3].value, "infer") == 0) &&
               same_words(err.text, why);
    else
        good = !refused && line &&
               same_line(&a, line, l->root[at], id, from);
    c->refused += good && !line;
    c->same += good && line;
    c->wrong += !good;
    if (!good) {
        struct buf text;

        buf_init(&text, FILE_MAX);
        json_put(&text, m);
        printf("# %.1500s\n# ours: %s\n# queue: %s%s\n", text.data,
               err.code ? err.text : "taken",
               line ? "taken" : refused ? "refused: " : "nothing",
               why ? why : "");
        buf_clear(&text);
    }
    ask_clear(&a);
}

static bool is_infer(const struct json *m)
{
    return strcmp(json_string(json_get(m, "from")), OWNER) != 0 &&
           strcmp(json_string(json_get(m, "from")), NODE) != 0;
}

/* A line each, of which the last n count. */
static struct json **read_results(const char *path, size_t n)
{
    struct json **result = xcalloc(n, sizeof(*result));
    size_t skip = 0;
    struct buf b;
    char *line;

    read_file(&b, path);
    for (const char *p = b.data; p && *p; p++)
        skip += *p == '\n';
    if (skip < n) {
        fprintf(stderr, "askrun: \"%s\" has %zu lines\n", path, skip);
        exit(1);
    }
    skip -= n;
    line = b.data;
    for (size_t i = 0; i < skip + n; i++) {
        char *end = strchr(line, '\n');

        if (i >= skip)
            result[i - skip] = parse(line, (size_t)(end - line));
        line = end + 1;
    }
    buf_clear(&b);
    return result;
}

static int compare_all(const char *messages, const char *results)
{
    struct lines l = { NULL, NULL, 0 };
    struct count c = { 0, 0, 0 };
    struct json *root, **result;
    const struct json *m;
    struct buf b;
    size_t n, i;

    read_file(&b, messages);
    root = parse(b.data, b.len);
    n = json_count(root);
    result = read_results(results, n);
    for (i = 0; i < n; i++) {
        m = json_first(json_get(result[i], "Messages"));
        for (; m; m = json_next(m))
            take_lines(&l, m);
    }
    for (i = 0, m = json_first(root); m; m = json_next(m), i++)
        if (is_infer(m))
            compare_outcome(&c, m, result[i], &l);
    ok(c.wrong == 0, "%u lines the same, %u messages refused alike, %u"
       " differ", c.same, c.refused, c.wrong);
    ok(c.same >= 40 && c.refused >= 40, "enough of both");
    for (i = 0; i < n; i++)
        json_free(result[i]);
    for (i = 0; i < l.n; i++) {
        pull_line_clear(&l.line[i]);
        json_free(l.root[i]);
    }
    free(l.line);
    free(l.root);
    free(result);
    json_free(root);
    buf_clear(&b);
    return done();
}

/* Id and line of each Infer of a file that needs no item and names no node, or
 * "refused". */
static int write_lines(const char *path)
{
    struct id model;
    struct json *root;
    struct buf b;

    read_file(&b, path);
    root = parse(b.data, b.len);
    if (id_parse(&model, MODEL))
        return 1;
    for (const struct json *m = json_first(root); m; m = json_next(m)) {
        const char *text = json_string(json_get(m, "id"));
        const char *data = json_string(json_get(m, "data"));
        struct ask_tag tag[MAX_TAGS];
        struct ask_message message = {
            .tag = tag, .n_tags = read_tags(tag, json_get(m, "tags")),
            .data = data ? data : "", .n = data ? strlen(data) : 0,
            .pushed = json_get(m, "owner") != NULL
        };
        struct err err = ERR_INIT;
        struct ask a = { .prompt = NULL };
        struct buf line;
        struct id id;

        if (!is_infer(m) || strcmp(tag[3].value, "Infer") != 0)
            continue;
        buf_init(&line, FILE_MAX);
        if (ask_read(&a, &message, &err) || ask_has_source(&a) || *a.node ||
            id_parse(&id, text) ||
            ask_put_line(&line, &a, id, &model, NULL, 0, &err))
            printf("%s\trefused\n", text);
        else
            printf("%s\t%s\n", text, line.data);
        ask_clear(&a);
        buf_clear(&line);
    }
    json_free(root);
    buf_clear(&b);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "messages") == 0)
        return write_messages(argv[2], argv[3], argv[4]);
    if (argc == 2 && strcmp(argv[1], "names") == 0)
        return write_names();
    if (argc == 3 && strcmp(argv[1], "lines") == 0)
        return write_lines(argv[2]);
    if (argc == 4 && strcmp(argv[1], "compare") == 0)
        return compare_all(argv[2], argv[3]);
    fputs("usage: askrun messages FILE.jsonl SEED N\n"
          "       askrun names\n"
          "       askrun lines MESSAGES.json\n"
          "       askrun compare MESSAGES.json RESULTS\n", stderr);
    return 2;
}
