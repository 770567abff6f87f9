/*
 * The keys tokenizer.* of a GGUF file; what its arrays mean is
 * text/tokenizer_arrays.c.
 */
#include <config.h>

#include "model/import/gguf_texts.h"

#include <stdbool.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8_read.h"
#include "model/import/ends.h"
#include "model/import/gguf.h"
#include "model/import/import.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#define MAX_TEXTS ((uint64_t)1 << 23) /* tokens, merges */

/* What the arrays of a tokenizer are put into. */
struct arrays {
    struct tokenizer_text *token, *merge;
    float *score;
    unsigned char *type;
};

static const struct gguf_value *get_tokenizer_value(const struct gguf *g,
                                                    const char *key)
{
    char full[64] = "tokenizer.ggml.";

    strncat(full, key, sizeof(full) - strlen(full) - 1);
    return gguf_get(g, full);
}

/* 1, 0, or -1 where the file does not say. */
static int truth(const struct gguf *g, const char *key)
{
    bool b;

    return gguf_bool(g, get_tokenizer_value(g, key), &b) ? -1 : b;
}

/* An array of texts; none where the key is missing. */
static int read_texts(const struct gguf *g, const char *key,
                      struct tokenizer_text **out, size_t *n,
                      struct err *err)
{
    const struct gguf_value *v = get_tokenizer_value(g, key);
    struct gguf_items it;

    *n = 0;
    *out = NULL;
    if (!v)
        return 0;
    if (gguf_texts(g, v, &it) || it.left > MAX_TEXTS)
        return err_set(err, ERR_INPUT, "tokenizer.ggml.%s is not a list of"
                       " texts", key);
    *out = xcalloc((size_t)it.left + 1, sizeof(**out));
    for (; gguf_next_text(&it, &(*out)[*n].s, &(*out)[*n].n); ++*n)
        continue;
    return 0;
}

/* The scores, of which there is one a token, or none at all. */
static int read_scores(const struct gguf *g, struct arrays *a, size_t n,
                       struct err *err)
{
    const struct gguf_value *v = get_tokenizer_value(g, "scores");
    struct gguf_items it;
    double x;

    if (!v)
        return 0;
    if (gguf_numbers(g, v, &it) || it.left != n)
        return err_set(err, ERR_INPUT, "tokenizer.ggml.scores is not a list"
                       " of %zu numbers", n);
    a->score = xcalloc(n + 1, sizeof(*a->score));
    for (size_t i = 0; gguf_next_number(&it, &x); i++)
        a->score[i] = (float)x;
    return 0;
}

/* The types; without them every token is a normal one. */
static int read_types(const struct gguf *g, struct arrays *a, size_t n,
                      struct err *err)
{
    const struct gguf_value *v = get_tokenizer_value(g, "token_type");
    struct gguf_items it;
    double x;

    a->type = xmalloc(n + 1);
    memset(a->type, 1, n + 1);
    if (!v)
        return 0;
    if (gguf_numbers(g, v, &it) || it.left != n)
        return err_set(err, ERR_INPUT, "tokenizer.ggml.token_type is not a"
                       " list of %zu numbers", n);
    for (size_t i = 0; gguf_next_number(&it, &x); i++) {
        if (!(x >= 1 && x <= 6))
            return err_set(err, ERR_INPUT, "token %zu is of the type %g; 1 to"
                           " 6 are known", i, x);
        a->type[i] = (unsigned char)x;
    }
    return 0;
}

static int read_tokenizer(struct import *m, const struct gguf *g,
                          struct err *err)
{
    struct tokenizer_arrays t = { .model = { NULL, 0 } };
    struct arrays a = { NULL, NULL, NULL, NULL };
    int rc = -1;

    if (gguf_string(g, get_tokenizer_value(g, "model"), &t.model.s,
                    &t.model.n) ||
        gguf_says(g, get_tokenizer_value(g, "model"), "none") ||
        gguf_says(g, get_tokenizer_value(g, "model"), "no_vocab"))
        return 0;
    gguf_string(g, get_tokenizer_value(g, "pre"), &t.pre.s, &t.pre.n);
    t.add_bos = truth(g, "add_bos_token");
    if (t.add_bos > 0 && m->rec.bos == MODEL_NONE)
        return err_set(err, ERR_INPUT, "tokenizer.ggml.add_bos_token is true,"
                       " and bos_token_id is not in the vocabulary");
    if (m->rec.bos == MODEL_NONE)
        t.add_bos = 0;
    t.add_eos = truth(g, "add_eos_token");
    t.leading_space = truth(g, "add_space_prefix");
    t.squeeze = truth(g, "remove_extra_whitespaces");
    if (read_texts(g, "tokens", &a.token, &t.n_tokens, err) ||
        read_texts(g, "merges", &a.merge, &t.n_merges, err) ||
        read_scores(g, &a, t.n_tokens, err) ||
        read_types(g, &a, t.n_tokens, err))
        goto out;
    t.token = a.token;
    t.merge = a.merge;
    t.score = a.score;
    t.type = a.type;
    rc = tokenizer_import_arrays(&m->tokenizer, &t, m->rec.n_vocab, err);
out:
    free(a.token);
    free(a.merge);
    free(a.score);
    free(a.type);
    return rc;
}

/* *out = the text of a key, malloc'd; NULL if there is none. */
static int copy_template(char **out, const struct gguf *g, const char *key,
                         struct err *err)
{
    const char *s;
    size_t n;

    if (gguf_string(g, gguf_get(g, key), &s, &n))
        return 0;
    if (!utf8_valid(s, n) || (n && memchr(s, '\0', n)))
        return err_set(err, ERR_INPUT, "%s is not UTF-8", key);
    *out = xstrndup(s, n);
    return 0;
}

/* Of templates with names tool_use alone can be asked for (text/chat.h). */
static int read_template(struct import *m, const struct gguf *g,
                         struct err *err)
{
    char *text = NULL, *tool_use = NULL;
    int rc;

    rc = copy_template(&text, g, "tokenizer.chat_template", err) ||
                 copy_template(&tool_use, g,
                               "tokenizer.chat_template.tool_use", err)
             ? -1
             : 0;
    if (rc == 0) {
        chat_join(&m->chat_template, text, tool_use);
        rc = buf_check(&m->chat_template, "the chat template", err);
    }
    free(text);
    free(tool_use);
    return rc;
}

/* The id of a key, if the vocabulary has it: 2^32 - 1 says that there is none;
 * of any other one a note says that it is left out. */
static bool read_id(struct import *m, const struct gguf *g, const char *key,
                    uint32_t *out)
{
    uint64_t n;

    if (gguf_u64(g, get_tokenizer_value(g, key), &n) || n == UINT32_MAX)
        return false;
    if (n >= m->rec.n_vocab) {
        buf_printf(&m->notes, "tokenizer.ggml.%s is %" PRIu64 ", not below %u:"
                   " it is left out\n", key, n, m->rec.n_vocab);
        return false;
    }
    *out = (uint32_t)n;
    return true;
}

static int read_ids(struct import *m, const struct gguf *g, struct err *err)
{
    static const char *const ends[] = { "eos_token_id", "eot_token_id",
                                        "eom_token_id" };
    uint32_t id = 0;

    read_id(m, g, "bos_token_id", &m->rec.bos);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (read_id(m, g, ends[i], &id) && ends_add(&m->rec, id, err))
            return -1;
    return 0;
}

/* What closes a turn ends a text, too. */
static int read_turn(struct import *m, struct err *err)
{
    struct tokenizer *t;
    int rc;

    if (!m->tokenizer.len)
        return 0;
    if (tokenizer_new(&t, (const unsigned char *)m->tokenizer.data,
                      m->tokenizer.len, m->rec.n_vocab, err))
        return -1;
    rc = ends_of_template(m, t, err);
    tokenizer_free(t);
    return rc;
}

int gguf_texts_read(struct import *m, const struct gguf *g, struct err *err)
{
    return read_ids(m, g, err) || read_tokenizer(m, g, err) ||
                   read_template(m, g, err) || read_turn(m, err)
               ? -1 : 0;
}
