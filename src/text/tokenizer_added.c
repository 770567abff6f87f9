/*
 * Tokens that are added to a tokenizer by the small files beside it:
 * added_tokens_decoder of tokenizer_config.json, {"id": {"content": ..}}, and
 * added_tokens.json, {"text": id}.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"
#include "base/json_python.h"
#include "base/mem.h"
#include "base/vec.h"

static bool is_text(const struct json *v, const char *text)
{
    const char *s = json_string(v);

    if (!s)
        s = json_string(json_get(v, "content"));
    return s && strcmp(s, text) == 0;
}

/* Whether tokenizer_config.json names a token as one of its special ones. */
static bool is_named(const struct json *config, const char *text)
{
    static const char *const one[] = { "bos_token", "eos_token", "unk_token",
                                       "pad_token", "sep_token", "cls_token",
                                       "mask_token" };
    static const char *const many[] = { "additional_special_tokens",
                                        "extra_special_tokens" };

    for (size_t i = 0; i < sizeof(one) / sizeof(*one); i++)
        if (is_text(json_get(config, one[i]), text))
            return true;
    for (size_t i = 0; i < 2; i++)
        for (const struct json *v = json_first(json_get(config, many[i])); v;
             v = json_next(v))
            if (is_text(v, text))
                return true;
    return false;
}

static uint32_t flag(const struct json *v, const char *key, uint32_t flag)
{
    return json_true(json_get(v, key)) ? flag : 0;
}

void tok_added_append(struct tok_added_list *l, uint32_t id, uint32_t flags,
                      const char *text)
{
    VEC_MORE(l->v, l->n);
    l->v[l->n++] = (struct tok_added){ id, flags, xstrdup(text) };
}

static int add_token(struct tok_added_list *l, uint64_t id, const char *text,
                     uint32_t flags, struct err *err)
{
    if (!text || !*text)
        return err_set(err, ERR_INPUT, "an added token without a text");
    if (id >= UINT32_MAX)
        return err_set(err, ERR_INPUT, "the id of \"%.80s\" is impossible",
                       text);
    for (size_t i = 0; i < l->n; i++) {
        if (l->v[i].id != id && strcmp(l->v[i].text, text) != 0)
            continue;
        if (l->v[i].id == id && strcmp(l->v[i].text, text) == 0)
            return 0;
        return err_set(err, ERR_INPUT, "added tokens \"%.80s\" and \"%.80s\" "
                       "have one id, or one text two", l->v[i].text, text);
    }
    if (l->n == TOK_MAX_IDS)
        return err_set(err, ERR_INPUT, "too many added tokens");
    tok_added_append(l, (uint32_t)id, flags, text);
    return 0;
}

/* The number that a key is. */
static int key_id(const char *key, uint64_t *id)
{
    size_t n = strlen(key);

    if (n < 1 || n > 9 || strspn(key, "0123456789") != n)
        return -1;
    *id = strtoull(key, NULL, 10);
    return 0;
}

static int read_decoder(struct tok_added_list *l, const struct json *config,
                        struct err *err)
{
    const struct json *v = json_get(config, "added_tokens_decoder");

    if (v && json_type(v) != JSON_OBJECT && json_type(v) != JSON_NULL)
        return err_set(err, ERR_INPUT, "added_tokens_decoder is not an"
                       " object");
    for (v = json_first(v); v; v = json_next(v)) {
        const char *text = json_string(json_get(v, "content"));
        uint64_t id;
        bool special = json_true(json_get(v, "special")) ||
                       (text && is_named(config, text));

        if (key_id(json_key(v), &id))
            return err_set(err, ERR_INPUT, "added_tokens_decoder: \"%.80s\" is"
                           " not an id", json_key(v));
        if (add_token(l, id, text,
                      (special ? TOKEN_CONTROL : TOKEN_USER) |
                          flag(v, "lstrip", TOKEN_LSTRIP) |
                          flag(v, "rstrip", TOKEN_RSTRIP) |
                          flag(v, "single_word", TOKEN_SINGLE_WORD),
                      err))
            return -1;
    }
    return 0;
}

static int read_added(struct tok_added_list *l, const struct json *root,
                      const struct json *config, struct err *err)
{
    if (root && json_type(root) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "added_tokens.json: it is not an"
                       " object");
    for (const struct json *v = json_first(root); v; v = json_next(v)) {
        uint64_t id;

        if (json_u64(v, &id))
            return err_set(err, ERR_INPUT,
                           "added_tokens.json: the id of "
                           "\"%.80s\" is not an integer",
                           json_key(v));
        if (add_token(l, id, json_key(v),
                      is_named(config, json_key(v)) ? TOKEN_CONTROL
                                                    : TOKEN_USER,
                      err))
            return -1;
    }
    return 0;
}

int tok_added_read(struct tok_added_list *l, const struct tok_texts *texts,
                   struct err *err)
{
    struct json *config = NULL, *added = NULL;
    int rc = 0;

    *l = (struct tok_added_list){ NULL, 0 };
    if (texts->n_config > 0 &&
        json_parse_python(&config, texts->config, texts->n_config, err))
        rc = err_prefix(err, "tokenizer_config.json");
    if (rc == 0 && texts->n_added > 0 &&
        json_parse(&added, texts->added, texts->n_added, err))
        rc = err_prefix(err, "added_tokens.json");
    if (rc == 0)
        rc = read_decoder(l, config, err) || read_added(l, added, config, err)
                 ? -1 : 0;
    json_free(config);
    json_free(added);
    if (rc)
        tok_added_clear(l);
    return rc;
}

void tok_added_clear(struct tok_added_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].text);
    free(l->v);
    *l = (struct tok_added_list){ NULL, 0 };
}

/* Whether a text is a name that a byte has in such files: <0x0A>, or the
 * character that stands for it. */
static bool is_byte_name(const struct tok_build *b, const struct built *t,
                         const char *text)
{
    char name[8] = "";
    size_t n = 0;

    if (t->len == 1)
        snprintf(name, sizeof(name), "<0x%02X>",
                 (unsigned char)b->text.data[t->at]);
    for (const char *s = text; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n == 1 || strcmp(text, name) == 0;
}

int tok_added_put(struct tok_build *b, const struct tok_added *a,
                  struct tokenizer_source *source, bool *is_new,
                  struct err *err)
{
    bool special = a->flags & TOKEN_CONTROL;
    size_t n = strlen(a->text);
    struct built *t;

    *is_new = false;
    if (a->id >= b->max && special) {
        tok_note(source, "the special token \"%.80s\" is left out: the model "
                 "has no id %u", a->text, a->id);
        return 0;
    }
    if (a->id >= b->max)
        return err_set(err, ERR_INPUT, "the id of \"%.80s\" is %u, not below "
                       "%u", a->text, a->id, b->max);
    if (!tok_build_has(b, a->id)) {
        *is_new = true;
        return tok_build_set(b, a->id, a->text, n, a->flags, 0, err);
    }
    t = &b->token[a->id];
    if ((t->flags & TOKEN_IS) == TOKEN_BYTE && is_byte_name(b, t, a->text))
        return 0;
    if (t->len != n || memcmp(b->text.data + t->at, a->text, n) != 0)
        return err_set(err, ERR_INPUT, "added token \"%.80s\" has id %u of "
                       "another token", a->text, a->id);
    if ((t->flags & TOKEN_IS) != TOKEN_CONTROL)
        t->flags = a->flags;
    return 0;
}
