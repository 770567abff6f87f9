/*
 * vocab.json and merges.txt, the files of a byte-level BPE from before there
 * was tokenizer.json: that is written here, and read by who reads it.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/json_python.h"

#define BYTE_LEVEL(regex) "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s," \
    "\"use_regex\":" regex "}"
#define QWEN2 \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+"  \
    "|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+" \
    "|\\\\s+(?!\\\\S)|\\\\s+"

/* The pipelines, by the class that tokenizer_config.json names. */
static const struct class {
    const char *name, *pipeline;
} classes[] = {
    { "GPT2Tokenizer", "\"normalizer\":null,\"pre_tokenizer\":"
      BYTE_LEVEL("true") },
    { "CodeGenTokenizer", "\"normalizer\":null,\"pre_tokenizer\":"
      BYTE_LEVEL("true") },
    { "Qwen2Tokenizer", "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":"
      "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
      "\"pattern\":{\"Regex\":\"" QWEN2 "\"},\"behavior\":\"Isolated\","
      "\"invert\":false}," BYTE_LEVEL("false") "]}" },
};

static int put_pipeline(struct buf *b, const struct json *config,
                        struct err *err)
{
    const char *name = json_string(json_get(config, "tokenizer_class"));
    const struct class *class = name ? NULL : &classes[0];
    size_t n = name ? strlen(name) : 0;

    if (n > 4 && strcmp(name + n - 4, "Fast") == 0)
        n -= 4;
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (name && strlen(classes[i].name) == n &&
            strncmp(classes[i].name, name, n) == 0)
            class = &classes[i];
    if (!class)
        return err_set(err, ERR_INPUT, "tokenizer_class \"%.60s\" with "
                       "vocab.json and merges.txt is not supported; "
                       "tokenizer.json of the same model may be", name);
    for (const char *p = class->pipeline, *at; *p; p = at) {
        at = strstr(p, "%s");
        if (!at) {
            buf_puts(b, p);
            break;
        }
        buf_put(b, p, (size_t)(at - p));
        buf_puts(b, json_true(json_get(config, "add_prefix_space")) ? "true"
                                                                   : "false");
        at += 2;
    }
    return 0;
}

/* The lines of merges.txt, without the first if that is a version. */
static void put_merges(struct buf *b, const char *s, size_t n)
{
    bool first = true;

    for (size_t at = 0, len; at < n; at += len + 1) {
        const char *end = memchr(s + at, '\n', n - at);
        size_t text;

        text = len = end ? (size_t)(end - s) - at : n - at;
        if (text > 0 && s[at + text - 1] == '\r')
            text--;
        if (text < 1 || (at == 0 && text > 8 &&
                         memcmp(s, "#version", 8) == 0))
            continue;
        buf_puts(b, first ? "" : ",");
        json_put_string(b, s + at, text);
        first = false;
    }
}

static const char *truth(uint32_t flags, uint32_t flag)
{
    return flags & flag ? "true" : "false";
}

static void put_added(struct buf *b, const struct tok_added_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        uint32_t flags = l->v[i].flags;

        buf_printf(b, "%s{\"id\":%u,\"content\":", i > 0 ? "," : "",
                   l->v[i].id);
        json_put_string(b, l->v[i].text, strlen(l->v[i].text));
        buf_printf(b, ",\"special\":%s,\"lstrip\":%s,\"rstrip\":%s,"
                   "\"single_word\":%s}", truth(flags, TOKEN_CONTROL),
                   truth(flags, TOKEN_LSTRIP), truth(flags, TOKEN_RSTRIP),
                   truth(flags, TOKEN_SINGLE_WORD));
    }
}

/* Tokens of the vocabulary that the configuration names are special. */
static void add_named(struct tok_added_list *l, const struct json *vocab,
                     const struct json *config)
{
    static const char *const keys[] = { "bos_token", "eos_token", "pad_token",
                                        "unk_token" };
    bool known;

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
        const struct json *v = json_get(config, keys[i]);
        const char *text = json_string(v) ? json_string(v)
                                          : json_string(json_get(v, "content"));
        uint64_t id;

        if (!text || json_u64(json_get(vocab, text), &id) || id > UINT32_MAX)
            continue;
        known = false;
        for (size_t k = 0; k < l->n; k++)
            known |= strcmp(l->v[k].text, text) == 0;
        if (!known)
            tok_added_append(l, (uint32_t)id, TOKEN_CONTROL, text);
    }
}

static int put_all(struct buf *b, const struct buf *vocab,
                   const struct buf *merges, const struct tok_texts *texts,
                   struct err *err)
{
    struct json *config = NULL, *root = NULL;
    struct tok_added_list added = { NULL, 0 };
    int rc = -1;

    if (texts->n_config > 0 &&
        json_parse_python(&config, texts->config, texts->n_config, err))
        return err_prefix(err, "tokenizer_config.json");
    if (json_parse(&root, vocab->data ? vocab->data : "", vocab->len, err))
        goto out;
    if (tok_added_read(&added, texts, err))
        goto out;
    add_named(&added, root, config);
    buf_puts(b, "{\"added_tokens\":[");
    put_added(b, &added);
    buf_puts(b, "],");
    if (put_pipeline(b, config, err))
        goto out;
    buf_puts(b, ",\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":"
             "\"BPE\",\"vocab\":");
    buf_put(b, vocab->data, vocab->len);
    buf_puts(b, ",\"merges\":[");
    if (merges->len > 0)
        put_merges(b, merges->data, merges->len);
    buf_puts(b, "]}}");
    rc = buf_check(b, "vocab.json and merges.txt", err);
out:
    tok_added_clear(&added);
    json_free(root);
    json_free(config);
    return rc;
}

int tokenizer_import_vocab(struct buf *out, const struct buf *vocab,
                           const struct buf *merges,
                           const struct tok_texts *texts,
                           struct tokenizer_source *source, struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, 2 * TOK_MAX_FILE);
    rc = put_all(&b, vocab, merges, texts, err);
    if (rc == 0)
        rc = tokenizer_import_json(out, b.data, b.len, texts, source, err);
    buf_clear(&b);
    return rc;
}
