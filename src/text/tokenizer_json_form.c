/*
 * Which pipeline a tokenizer.json describes: model options, normaliser,
 * pre-tokenizer and post-processor.  A pipeline is known or it is refused;
 * nothing is approximated.
 */
#include <config.h>

#include "text/tokenizer_json.h"

#include <string.h>

#include "base/err.h"
#include "base/json.h"

static bool absent(const struct json *v)
{
    return !v || json_type(v) == JSON_NULL;
}

static const char *type_of(const struct json *v)
{
    const char *s = json_string(json_get(v, "type"));

    return s ? s : "";
}

static bool is_type(const struct json *v, const char *type)
{
    return strcmp(type_of(v), type) == 0;
}

/* A member that is a boolean, or what it is when it is not there. */
static bool flag(const struct json *v, const char *key, bool otherwise)
{
    const struct json *m = json_get(v, key);

    return absent(m) ? otherwise : json_true(m);
}

static bool says(const struct json *v, const char *key, const char *text)
{
    const char *s = json_string(json_get(v, key));

    return s && strcmp(s, text) == 0;
}

/* The elements of a Sequence, of which there must be n: those of
 * v[key] in at[0..n).  False if there are more or fewer. */
static bool elements(const struct json *v, const char *key,
                     const struct json **at, size_t n)
{
    const struct json *e = json_first(json_get(v, key));
    size_t i;

    for (i = 0; i < n && e; i++, e = json_next(e))
        at[i] = e;
    return i == n && !e;
}

/* A Sequence of one is that one, and an empty one is nothing. */
static const struct json *unwrap(const struct json *v, const char *key)
{
    const struct json *only;

    while (!absent(v) && is_type(v, "Sequence")) {
        if (elements(v, key, NULL, 0))
            return NULL;
        if (!elements(v, key, &only, 1))
            break;
        v = only;
    }
    return absent(v) ? NULL : v;
}

static int refuse(struct err *err, const char *what, const struct json *v)
{
    return err_set(err, ERR_INPUT, "%s \"%.80s\" with these settings is not "
                   "supported", what, type_of(v));
}

static int check_model(const struct json *model, struct err *err)
{
    static const char *const affixes[] = { "continuing_subword_prefix",
                                           "end_of_word_suffix" };
    const struct json *v;
    const char *s;
    double dropout;
    size_t i;

    if (!is_type(model, "BPE"))
        return err_set(err, ERR_INPUT, "model type \"%.80s\" is not "
                       "supported, only BPE", type_of(model));
    for (i = 0; i < 2; i++) {
        v = json_get(model, affixes[i]);
        s = json_string(v);
        if (!absent(v) && (!s || *s))
            return err_set(err, ERR_INPUT, "model.%s is not supported",
                           affixes[i]);
    }
    v = json_get(model, "dropout");
    if (!absent(v) && (json_f64(v, &dropout) || dropout != 0))
        return err_set(err, ERR_INPUT, "model.dropout is not supported");
    return 0;
}

/* ByteLevel as the last of a sequence: it only maps bytes. */
static bool maps_bytes(const struct json *v, bool use_regex)
{
    return is_type(v, "ByteLevel") && !flag(v, "add_prefix_space", true) &&
           flag(v, "use_regex", true) == use_regex;
}

static uint32_t sequence_pattern(const struct json *pre)
{
    const struct json *e[2];
    const char *regex;

    if (!elements(pre, "pretokenizers", e, 2))
        return TOK_PLAIN;
    if (is_type(e[0], "Digits") && flag(e[0], "individual_digits", false) &&
        maps_bytes(e[1], true))
        return TOK_SMOLLM;
    regex = json_string(json_get(json_get(e[0], "pattern"), "Regex"));
    if (is_type(e[0], "Split") && regex && says(e[0], "behavior", "Isolated") &&
        !flag(e[0], "invert", false) && maps_bytes(e[1], false))
        return pretok_number(regex);
    return TOK_PLAIN;
}

/* Metaspace that only turns spaces: the leading one by its scheme. */
static int metaspace_form(struct tok_build *b, const struct json *pre,
                          struct err *err)
{
    if (!says(pre, "replacement", METASPACE) || flag(pre, "split", true))
        return err_set(err, ERR_INPUT, "pre-tokenizer Metaspace is only "
                       "supported with split = false");
    if (says(pre, "prepend_scheme", "never"))
        return 0;
    b->flags |= TOK_LEADING_SPACE | TOK_NOT_TWICE;
    if (says(pre, "prepend_scheme", "first"))
        return 0;
    b->flags |= TOK_EVERY_RUN;
    if (says(pre, "prepend_scheme", "always"))
        return 0;
    return err_set(err, ERR_INPUT, "pre-tokenizer Metaspace without a "
                   "prepend_scheme is not supported");
}

static int pre_tokenizer_form(struct tok_build *b, const struct json *root,
                              struct err *err)
{
    const struct json *pre = unwrap(json_get(root, "pre_tokenizer"),
                                    "pretokenizers");

    b->kind = TOK_SPM;
    if (!pre)
        return 0;
    if (is_type(pre, "Metaspace"))
        return metaspace_form(b, pre, err);
    b->kind = TOK_BYTE_LEVEL;
    if (is_type(pre, "ByteLevel") && flag(pre, "use_regex", true)) {
        b->pattern = TOK_GPT2;
        if (flag(pre, "add_prefix_space", true))
            b->flags |= TOK_LEADING_SPACE | TOK_NOT_TWICE | TOK_EVERY_RUN;
        return 0;
    }
    if (is_type(pre, "Sequence"))
        b->pattern = sequence_pattern(pre);
    if (b->pattern == TOK_PLAIN)
        return refuse(err, "pre-tokenizer", pre);
    return 0;
}

static bool replaces_spaces(const struct json *v)
{
    const char *from = json_string(json_get(json_get(v, "pattern"),
                                            "String"));

    return is_type(v, "Replace") && from && strcmp(from, " ") == 0 &&
           says(v, "content", METASPACE);
}

static int normalizer_form(struct tok_build *b, const struct json *root,
                           struct err *err)
{
    const struct json *norm = unwrap(json_get(root, "normalizer"),
                                     "normalizers");
    bool metaspace = unwrap(json_get(root, "pre_tokenizer"), "pretokenizers");
    const struct json *e[2];

    if (b->kind == TOK_BYTE_LEVEL) {
        if (b->pattern == TOK_QWEN2 ? norm && is_type(norm, "NFC") : !norm)
            return 0;
        return err_set(err, ERR_INPUT, "normaliser \"%.80s\" is not "
                       "supported with pre-tokenizer %u", type_of(norm),
                       b->pattern);
    }
    if (metaspace) {
        if (norm)
            return refuse(err, "normaliser", norm);
        return 0;
    }
    /* Spaces are turned by the normaliser, for want of a pre-tokenizer. */
    if (norm && replaces_spaces(norm))
        return 0;
    if (norm && is_type(norm, "Sequence") &&
        elements(norm, "normalizers", e, 2) && is_type(e[0], "Prepend") &&
        says(e[0], "prepend", METASPACE) && replaces_spaces(e[1])) {
        b->flags |= TOK_LEADING_SPACE | TOK_EVERY_RUN;
        return 0;
    }
    return refuse(err, "normaliser", norm);
}

/* One step of the post-processor: does it put one token before the text? */
static int template_form(struct tok_build *b, const struct json *post,
                         struct err *err)
{
    const struct json *e[2];

    if (elements(post, "single", e, 1) && json_get(e[0], "Sequence"))
        return 0;
    if (elements(post, "single", e, 2) && json_get(e[0], "SpecialToken") &&
        json_get(e[1], "Sequence")) {
        b->flags |= TOK_ADD_BOS;
        return 0;
    }
    return err_set(err, ERR_INPUT, "a post-processor that adds more than one "
                   "token before the text is not supported");
}

static int post_step(struct tok_build *b, const struct json *post,
                     struct err *err)
{
    if (is_type(post, "ByteLevel")) /* concerns offsets only */
        return 0;
    if (is_type(post, "TemplateProcessing"))
        return template_form(b, post, err);
    return refuse(err, "post-processor", post);
}

static int post_processor_form(struct tok_build *b, const struct json *root,
                               const struct tok_config *config,
                               struct err *err)
{
    const struct json *post = json_get(root, "post_processor"), *v;

    if (config->add_eos == 1)
        return err_set(err, ERR_INPUT, "add_eos_token is not supported");
    /* Llama's class makes its own post-processor. */
    if (config->llama) {
        if (config->add_bos)
            b->flags |= TOK_ADD_BOS;
        return 0;
    }
    if (absent(post))
        return 0;
    if (!is_type(post, "Sequence"))
        return post_step(b, post, err);
    for (v = json_first(json_get(post, "processors")); v; v = json_next(v))
        if (post_step(b, v, err))
            return -1;
    return 0;
}

int tokenizer_json_form(struct tok_build *b, const struct json *root,
                        const struct tok_config *config, struct err *err)
{
    const struct json *model = json_get(root, "model");

    if (check_model(model, err) || pre_tokenizer_form(b, root, err) ||
        normalizer_form(b, root, err) ||
        post_processor_form(b, root, config, err))
        return -1;
    if (b->kind == TOK_SPM && flag(model, "byte_fallback", false))
        b->flags |= TOK_BYTE_FALLBACK;
    return 0;
}
