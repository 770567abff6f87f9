/*
 * What tests/aos-run/run.mjs does with the real AOS module, with localnet's
 * Lua: evaluates programs as the owner of a fresh process, then sends each
 * message of a file; one line of JSON for each.  So the two can be compared.
 *
 *     aosrun program.lua... [messages.json]
 *     aosrun -                  messages on the input, one to a line
 */
#include <config.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "localnet/evaluation.h"
#include "localnet/evaluator.h"

#define FILE_MAX ((size_t)64 << 20)
#define MAX_TAGS 256

struct run {
    struct evaluator *evaluator;
    struct evaluation e; /* the process */
    struct item_tag process_tag[5];
    uint64_t nonce;
};

/* What the other one calls who(): letters padded to 43 characters. */
static char *who(const char *text)
{
    char *id = xmalloc(44);
    size_t n = strlen(text);

    memset(id, '_', 43);
    memcpy(id, text, n < 43 ? n : 43);
    id[43] = '\0';
    return id;
}

/* And id(): the same, but one that is 32 bytes of base64url. */
static char *id_of(const char *text)
{
    char *id = who(text);

    id[42] = 'A';
    return id;
}

static struct item_tag tag_of(const char *name, const char *value)
{
    return (struct item_tag){ name, value, strlen(name), strlen(value) };
}

static const char *text_of(const struct json *m, const char *key,
                           const char *otherwise)
{
    const char *s = json_string(json_get(m, key));

    return s ? s : otherwise;
}

static size_t read_tags(struct item_tag *tag, const struct json *tags)
{
    size_t n = 3;

    tag[0] = tag_of("Data-Protocol", "ao");
    tag[1] = tag_of("Variant", "ao.TN.1");
    tag[2] = tag_of("Type", "Message");
    for (const struct json *t = json_first(tags); t && n < MAX_TAGS;
         t = json_next(t)) {
        if (json_type(t) == JSON_OBJECT)
            tag[n++] = tag_of(json_string(json_get(t, "name")),
                              json_string(json_get(t, "value")));
        else
            tag[n++] = tag_of(json_key(t), json_string(t));
    }
    return n;
}

static void evaluate(struct run *r, const struct evaluation *e, bool keep)
{
    struct err err = ERR_INIT;
    struct buf request, reply;

    buf_init(&request, FILE_MAX);
    buf_init(&reply, EVALUATOR_REPLY_MAX);
    evaluation_put(&request, e);
    if (evaluator_eval(r->evaluator, request.data, request.len, keep, &reply,
                       &err) == EVALUATOR_GONE) {
        fprintf(stderr, "aosrun: %s\n", err.text);
        exit(1);
    }
    printf("%.*s\n", (int)get_u32(reply.data), reply.data + 4);
    buf_clear(&request);
    buf_clear(&reply);
}

/* What a text of JSON cannot have, as the member data64: base64url. */
static const char *data64_of(const struct json *m, const char *data,
                             size_t *n)
{
    static char out[1 << 16];
    const char *text = json_string(json_get(m, "data64"));

    if (text && base64url_decode(out, sizeof(out), n, text)) {
        fprintf(stderr, "aosrun: data64 is not base64url\n");
        exit(1);
    }
    return text ? out : data;
}

static void send_message(struct run *r, const struct json *m)
{
    struct item_tag tag[MAX_TAGS];
    struct evaluation e = r->e;
    bool dry = json_true(json_get(m, "dryrun"));
    uint64_t nonce = dry ? r->nonce : ++r->nonce;
    char name[40], *id, *hash;

    snprintf(name, sizeof(name), "message-%u", (unsigned)nonce);
    id = id_of(name);
    snprintf(name, sizeof(name), "hash-%u", (unsigned)nonce);
    hash = id_of(name);
    e.id = text_of(m, "id", id);
    e.from = text_of(m, "from", e.process_owner);
    e.owner = text_of(m, "owner", e.from);
    e.target = text_of(m, "target", e.process);
    e.anchor = "";
    e.hash_chain = hash;
    e.data = text_of(m, "data", "");
    e.n_data = strlen(e.data);
    e.data = data64_of(m, e.data, &e.n_data);
    e.tag = tag;
    e.n_tags = read_tags(tag, json_get(m, "tags"));
    e.nonce = nonce;
    e.timestamp_ms = UINT64_C(1700000000000) + nonce * 1000;
    e.height = 1500000 + nonce;
    json_u64(json_get(m, "timestamp"), &e.timestamp_ms);
    json_u64(json_get(m, "height"), &e.height);
    evaluate(r, &e, !dry);
    free(id);
    free(hash);
}

/* The process item is the first message of its own schedule. */
static void boot(struct run *r)
{
    struct evaluation e = r->e;
    char *hash = id_of("hash-0");

    e.id = e.target = e.process;
    e.owner = e.from = e.process_owner;
    e.anchor = e.data = "";
    e.hash_chain = hash;
    e.tag = e.process_tag;
    e.n_tags = e.n_process_tags;
    e.timestamp_ms = UINT64_C(1700000000000);
    e.height = 1500000;
    evaluate(r, &e, true);
    free(hash);
}

static struct json *read_json(const char *path)
{
    struct err err = ERR_INIT;
    struct json *root;
    struct buf b;

    buf_init(&b, FILE_MAX);
    if (file_read(&b, path, &err) || json_parse(&root, b.data, b.len, &err)) {
        fprintf(stderr, "aosrun: %s\n", err.text);
        exit(1);
    }
    buf_clear(&b);
    return root;
}

static void run_program(struct run *r, const char *path)
{
    struct err err = ERR_INIT;
    struct json *root;
    struct buf b, m;

    buf_init(&b, FILE_MAX);
    buf_init(&m, FILE_MAX);
    if (file_read(&b, path, &err)) {
        fprintf(stderr, "aosrun: %s\n", err.text);
        exit(1);
    }
    buf_puts(&m, "{\"tags\":{\"Action\":\"Eval\"},\"data\":");
    json_put_string(&m, b.data, b.len);
    buf_puts(&m, "}");
    if (json_parse(&root, m.data, m.len, &err))
        exit(1);
    send_message(r, root);
    json_free(root);
    buf_clear(&b);
    buf_clear(&m);
}

/* Each line of the input is a message, answered before the next one is read. */
static void serve(struct run *r)
{
    struct err err = ERR_INIT;
    struct json *root;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    fflush(stdout);
    while ((n = getline(&line, &room, stdin)) > 0) {
        if (json_parse(&root, line, (size_t)n, &err)) {
            fprintf(stderr, "aosrun: %s\n", err.text);
            exit(1);
        }
        send_message(r, root);
        fflush(stdout);
        json_free(root);
    }
    free(line);
}

static bool is_lua(const char *path)
{
    size_t n = strlen(path);

    return n > 4 && strcmp(path + n - 4, ".lua") == 0;
}

int main(int argc, char **argv)
{
    struct evaluators *evaluators;
    struct err err = ERR_INIT;
    static struct run r; /* owns its names until the end */
    struct json *root;
    int i;

    if (argc < 2) {
        fputs("usage: aosrun program.lua... [messages.json] | -\n", stderr);
        return 2;
    }
    if (evaluators_new(&evaluators, &err) ||
        evaluator_new(&r.evaluator, evaluators, NULL, NULL, &err)) {
        fprintf(stderr, "aosrun: %s\n", err.text);
        return 1;
    }
    r.e.process = id_of("process");
    r.e.process_owner = who("owner");
    r.e.module = id_of("module");
    r.process_tag[0] = tag_of("Data-Protocol", "ao");
    r.process_tag[1] = tag_of("Variant", "ao.TN.1");
    r.process_tag[2] = tag_of("Type", "Process");
    r.process_tag[3] = tag_of("Authority", who("mu"));
    r.process_tag[4] = tag_of("Module", r.e.module);
    r.e.process_tag = r.process_tag;
    r.e.n_process_tags = 5;
    boot(&r);
    if (strcmp(argv[1], "-") == 0) {
        serve(&r);
        argc = 1;
    }
    for (i = 1; i < argc && (i == 1 || is_lua(argv[i])); i++)
        run_program(&r, argv[i]);
    if (i < argc) {
        root = read_json(argv[i]);
        for (const struct json *m = json_first(root); m; m = json_next(m))
            send_message(&r, m);
        json_free(root);
    }
    evaluator_free(r.evaluator);
    evaluators_free(evaluators);
    return 0;
}
