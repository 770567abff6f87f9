/*
 * Tokenizers that are lists of bytes with ranks: tekken.json, and tiktoken's
 * files of lines "base64 rank".  Two tokens merge to whatever is a token, the
 * lowest rank first, and a piece that is a token is that token.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

#define MAX_BASE64 (TOK_MAX_BYTES / 3 * 4 + 4)

/* Bytes of base64 with padding (RFC 4648, section 4). */
static int decode(unsigned char *out, size_t *n, const char *text, size_t len)
{
    char s[MAX_BASE64 + 1];

    while (len > 0 && text[len - 1] == '=')
        len--;
    if (len < 1 || len > MAX_BASE64)
        return -1;
    for (size_t i = 0; i < len; i++) {
        s[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
        if (text[i] == '-' || text[i] == '_')
            return -1;
    }
    s[len] = '\0';
    return base64url_decode(out, TOK_MAX_BYTES, n, s);
}

static int put_rank(struct tok_build *b, uint64_t id, uint64_t rank,
                    const char *text, size_t len, struct err *err)
{
    unsigned char bytes[TOK_MAX_BYTES];
    size_t n;

    if (id >= b->max)
        return err_set(err, ERR_INPUT, "rank %" PRIu64 " is beyond the model's"
                       " %u ids", rank, b->max);
    if (decode(bytes, &n, text, len))
        return err_set(err, ERR_INPUT, "the bytes of rank %" PRIu64 " are not"
                       " base64, or are more than %u", rank, TOK_MAX_BYTES);
    if (tok_build_has(b, (uint32_t)id))
        return err_set(err, ERR_INPUT, "rank %" PRIu64 " is there twice",
                       rank);
    return tok_build_set(b, (uint32_t)id, (const char *)bytes, n, 0,
                         -(float)rank, err);
}

static void begin_build(struct tok_build *b, uint32_t pattern)
{
    b->kind = TOK_BYTE_LEVEL;
    b->pattern = pattern;
    b->flags = TOK_BY_SCORE;
    b->ignore_merges = true;
}

/* ---- tekken.json --------------------------------------------------------- */

/* What files from before there was a list have; the rest are fillers. */
static const char *const tekken_special[] = {
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]",
    "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
    "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"
};
#define TEKKEN_SPECIAL (sizeof(tekken_special) / sizeof(*tekken_special))

static int put_control(struct tok_build *b, uint64_t id, const char *text,
                       struct err *err)
{
    if (!text || id >= b->max)
        return err_set(err, ERR_INPUT, "special token %" PRIu64 " has no text,"
                       " or the model no such id", id);
    if (tok_build_has(b, (uint32_t)id))
        return err_set(err, ERR_INPUT, "special token %" PRIu64 " is there "
                       "twice", id);
    return tok_build_set(b, (uint32_t)id, text, strlen(text), TOKEN_CONTROL, 0,
                         err);
}

static int tekken_specials(struct tok_build *b, const struct json *root,
                           uint64_t n_special, struct err *err)
{
    const struct json *list = json_get(root, "special_tokens");
    bool named = list && json_type(list) == JSON_ARRAY;
    char filler[40];
    uint64_t id;

    for (const struct json *v = named ? json_first(list) : NULL; v;
         v = json_next(v)) {
        if (json_u64(json_get(v, "rank"), &id) || id >= n_special)
            return err_set(err, ERR_INPUT, "the rank of a special token is not"
                           " below %" PRIu64, n_special);
        if (put_control(b, id, json_string(json_get(v, "token_str")), err))
            return -1;
    }
    for (id = 0; id < n_special; id++) {
        if (tok_build_has(b, (uint32_t)id))
            continue;
        snprintf(filler, sizeof(filler), "<SPECIAL_%" PRIu64 ">", id);
        if (put_control(b, id, !named && id < TEKKEN_SPECIAL
                                   ? tekken_special[id] : filler, err))
            return -1;
    }
    return 0;
}

static int tekken_vocab(struct tok_build *b, const struct json *root,
                        uint64_t n_special, uint64_t n_all, struct err *err)
{
    const struct json *v = json_get(root, "vocab");

    for (v = json_first(v); v; v = json_next(v)) {
        const char *bytes = json_string(json_get(v, "token_bytes"));
        uint64_t rank;

        if (!bytes || json_u64(json_get(v, "rank"), &rank))
            return err_set(err, ERR_INPUT, "an entry of vocab has no rank or "
                           "no token_bytes");
        /* those beyond default_vocab_size are not used */
        if (rank < n_all - n_special &&
            put_rank(b, n_special + rank, rank, bytes, strlen(bytes), err))
            return -1;
    }
    if (b->n < n_all)
        return err_set(err, ERR_INPUT, "vocab has not all of %" PRIu64 " "
                       "tokens", n_all);
    return 0;
}

static int tekken(struct tok_build *b, const struct json *root,
                  struct err *err)
{
    const struct json *config = json_get(root, "config");
    const char *pattern = json_string(json_get(config, "pattern"));
    uint64_t n_all, n_special;

    if (!pattern || pretok_number(pattern) == TOK_PLAIN)
        return err_set(err, ERR_INPUT, "the pattern \"%.120s\" is not "
                       "supported", pattern ? pattern : "");
    if (json_u64(json_get(config, "default_vocab_size"), &n_all) ||
        json_u64(json_get(config, "default_num_special_tokens"), &n_special) ||
        n_special < 2 || n_special >= n_all)
        return err_set(err, ERR_INPUT, "config has no default_vocab_size or "
                       "default_num_special_tokens");
    if (n_all > b->max)
        return err_set(err, ERR_INPUT, "default_vocab_size is %" PRIu64 ", and"
                       " the model has %u ids", n_all, b->max);
    begin_build(b, pretok_number(pattern));
    return tekken_specials(b, root, n_special, err) ||
           tekken_vocab(b, root, n_special, n_all, err) ? -1 : 0;
}

int tokenizer_import_tekken(struct buf *out, const char *text, size_t n,
                            struct tokenizer_source *source, struct err *err)
{
    struct tok_config none = { .add_bos = 1 };
    struct json *root;
    struct tok_build b;
    uint32_t bos;
    int rc;

    if (json_parse(&root, text, n, err))
        return -1;
    tok_build_init(&b, source->n_vocab);
    rc = tekken(&b, root, err);
    bos = rc ? TOK_NONE : tok_build_find(&b, "<s>");
    if (rc == 0)
        rc = tok_build_first(&b, &bos, bos != TOK_NONE, true, &none, source,
                             err);
    if (rc == 0)
        rc = tok_build_write(&b, out, err);
    tok_build_clear(&b);
    json_free(root);
    return rc;
}

/* ---- tiktoken ------------------------------------------------------------ */

/* The files that are known, by their number of ranks.  A number in the name of
 * a special token counts from `count` on. */
static const struct tiktoken {
    uint32_t n, pattern;
    const char *first;
    struct {
        uint32_t id;
        const char *text;
    } special[11];
    uint32_t more, n_more, count; /* those that are named by number */
    const char *name;             /* before the number */
} known[] = {
    { 128000, TOK_LLAMA3, "<|begin_of_text|>",
      { { 128000, "<|begin_of_text|>" }, { 128001, "<|end_of_text|>" },
        { 128002, "<|reserved_special_token_0|>" },
        { 128003, "<|reserved_special_token_1|>" },
        { 128004, "<|reserved_special_token_2|>" },
        { 128005, "<|reserved_special_token_3|>" },
        { 128006, "<|start_header_id|>" }, { 128007, "<|end_header_id|>" },
        { 128008, "<|reserved_special_token_4|>" },
        { 128009, "<|eot_id|>" } },
      128010, 246, 5, "reserved_special_token" },
    { 151643, TOK_QWEN2, NULL,
      { { 151643, "<|endoftext|>" }, { 151644, "<|im_start|>" },
        { 151645, "<|im_end|>" } }, 151646, 205, 0, "extra" },
    { 100256, TOK_LLAMA3, NULL,
      { { 100257, "<|endoftext|>" }, { 100258, "<|fim_prefix|>" },
        { 100259, "<|fim_middle|>" }, { 100260, "<|fim_suffix|>" },
        { 100276, "<|endofprompt|>" } }, 0, 0, 0, NULL },
    { 199998, TOK_O200K, NULL,
      { { 199999, "<|endoftext|>" }, { 200018, "<|endofprompt|>" } },
      0, 0, 0, NULL },
};

/* The parts of a line "base64 rank", its length in *len. */
static int split_line(const char *s, size_t n, size_t *n_bytes,
                      uint64_t *rank, size_t *len)
{
    const char *end = memchr(s, '\n', n), *space;
    size_t line = end ? (size_t)(end - s) : n, digits = 0;

    *len = end ? line + 1 : line;
    if (line > 0 && s[line - 1] == '\r')
        line--;
    space = memchr(s, ' ', line);
    if (!space)
        return -1;
    *n_bytes = (size_t)(space - s);
    *rank = 0;
    for (size_t i = *n_bytes + 1; i < line; i++, digits++) {
        if (s[i] < '0' || s[i] > '9' || digits > 8)
            return -1;
        *rank = *rank * 10 + (uint64_t)(s[i] - '0');
    }
    return digits > 0 ? 0 : -1;
}

bool tok_is_tiktoken(const char *text, size_t n)
{
    unsigned char bytes[TOK_MAX_BYTES];
    size_t n_bytes, len, n_out;
    uint64_t rank;

    return n > 0 && split_line(text, n, &n_bytes, &rank, &len) == 0 &&
           decode(bytes, &n_out, text, n_bytes) == 0;
}

static int put_lines(struct tok_build *b, const char *text, size_t n,
                     struct err *err)
{
    size_t at = 0, n_bytes, len, line = 0;
    uint64_t rank;

    while (at < n) {
        line++;
        if (split_line(text + at, n - at, &n_bytes, &rank, &len))
            return err_set(err, ERR_INPUT, "line %zu is not of the form "
                           "\"base64 rank\"", line);
        if (put_rank(b, rank, rank, text + at, n_bytes, err))
            return -1;
        at += len;
    }
    return 0;
}

static int put_special(struct tok_build *b, const struct tiktoken *k,
                       struct err *err)
{
    char name[48];

    for (size_t i = 0; i < 11 && k->special[i].text; i++)
        if (k->special[i].id < b->max &&
            put_control(b, k->special[i].id, k->special[i].text, err))
            return -1;
    for (uint32_t i = 0; i < k->n_more && k->more + i < b->max; i++) {
        snprintf(name, sizeof(name), "<|%s_%u|>", k->name, k->count + i);
        if (put_control(b, k->more + i, name, err))
            return -1;
    }
    return 0;
}

static int put_added(struct tok_build *b, const struct tiktoken *k,
                     const struct tok_texts *texts,
                     struct tokenizer_source *source, struct err *err)
{
    struct tok_added_list added;
    bool is_new;
    int rc = 0;

    if (tok_added_read(&added, texts, err))
        return -1;
    if (added.n == 0)
        rc = put_special(b, k, err);
    for (size_t i = 0; i < added.n && rc == 0; i++)
        rc = tok_added_put(b, &added.v[i], source, &is_new, err);
    tok_added_clear(&added);
    return rc;
}

int tokenizer_import_tiktoken(struct buf *out, const char *text, size_t n,
                              const struct tok_texts *texts,
                              struct tokenizer_source *source,
                              struct err *err)
{
    const struct tiktoken *k = NULL;
    struct tok_config c;
    struct tok_build b;
    uint32_t first = TOK_NONE;
    int rc = -1;

    if (tok_config_read(&c, texts->config, texts->n_config, err))
        return -1;
    tok_build_init(&b, source->n_vocab);
    if (put_lines(&b, text, n, err))
        goto out;
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (known[i].n == b.n)
            k = &known[i];
    if (!k) {
        err_set(err, ERR_INPUT, "a tiktoken file of %u ranks is not known: "
                "those of Llama 3, Qwen, cl100k and o200k are", b.n);
        goto out;
    }
    begin_build(&b, k->pattern);
    if (put_added(&b, k, texts, source, err))
        goto out;
    first = k->first && c.add_bos != 0 ? tok_build_find(&b, k->first)
                                       : TOK_NONE;
    if (tok_build_first(&b, &first, first != TOK_NONE, c.add_bos == 1, &c,
                        source, err) == 0)
        rc = tok_build_write(&b, out, err);
out:
    tok_config_clear(&c);
    tok_build_clear(&b);
    return rc;
}
