/*
 * Which pipeline a tokenizer.json describes: model options, normalizer,
 * pre-tokenizer and post-processor.  Here are the pipelines that have a number
 * in apustok1; the others are tokenizer_json_steps.c.  Nothing is approximated.
 */
#include <config.h>

#include "text/tokenizer_json.h"

#include <string.h>

#include "base/err.h"
#include "base/json.h"

bool tok_absent(const struct json *v)
{
    return !v || json_type(v) == JSON_NULL;
}

const char *tok_type(const struct json *v)
{
    const char *s = json_string(json_get(v, "type"));

    return s ? s : "";
}

bool tok_is(const struct json *v, const char *type)
{
    return strcmp(tok_type(v), type) == 0;
}

/* A member that is a boolean, or what it is when it is not there. */
bool tok_flag(const struct json *v, const char *key, bool otherwise)
{
    const struct json *m = json_get(v, key);

    return tok_absent(m) ? otherwise : json_true(m);
}

bool tok_says(const struct json *v, const char *key, const char *text)
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
const struct json *tok_unwrap(const struct json *v, const char *key)
{
    const struct json *only;

    while (!tok_absent(v) && tok_is(v, "Sequence")) {
        if (elements(v, key, NULL, 0))
            return NULL;
        if (!elements(v, key, &only, 1))
            break;
        v = only;
    }
    return tok_absent(v) ? NULL : v;
}

int tok_refuse(struct err *err, const char *what, const struct json *v)
{
    return err_set(err, ERR_INPUT, "%s \"%.80s\" with these settings is not "
                   "supported", what, tok_type(v));
}

static int check_model(const struct json *model, struct err *err)
{
    static const char *const affixes[] = { "continuing_subword_prefix",
                                           "end_of_word_suffix" };
    const struct json *v;
    const char *s;
    double dropout;
    size_t i;

    if (tok_is(model, "Unigram"))
        return 0;
    if (!tok_is(model, "BPE"))
        return err_set(err, ERR_INPUT, "model type \"%.80s\" is not "
                       "supported, only BPE and Unigram",
                       tok_type(model));
    for (i = 0; i < 2; i++) {
        v = json_get(model, affixes[i]);
        s = json_string(v);
        if (!tok_absent(v) && (!s || *s))
            return err_set(err, ERR_INPUT, "model.%s is not supported",
                           affixes[i]);
    }
    v = json_get(model, "dropout");
    if (!tok_absent(v) && (json_f64(v, &dropout) || dropout != 0))
        return err_set(err, ERR_INPUT, "model.dropout is not supported");
    return 0;
}

/* ByteLevel as the last of a sequence: it only maps bytes. */
static bool maps_bytes(const struct json *v, bool use_regex)
{
    return tok_is(v, "ByteLevel") && !tok_flag(v, "add_prefix_space", true) &&
           tok_flag(v, "use_regex", true) == use_regex;
}

static uint32_t sequence_pattern(const struct json *pre)
{
    const struct json *e[2];
    const char *regex;

    if (!elements(pre, "pretokenizers", e, 2))
        return TOK_PLAIN;
    if (tok_is(e[0], "Digits") && tok_flag(e[0], "individual_digits", false) &&
        maps_bytes(e[1], true))
        return TOK_SMOLLM;
    regex = json_string(json_get(json_get(e[0], "pattern"), "Regex"));
    if (tok_is(e[0], "Split") && regex &&
        tok_says(e[0], "behavior", "Isolated") &&
        !tok_flag(e[0], "invert", false) && maps_bytes(e[1], false))
        return pretok_number(regex);
    return TOK_PLAIN;
}

/* Metaspace that only turns spaces: the leading one by its scheme. */
static int metaspace_form(struct tok_build *b, const struct json *pre,
                          struct err *err)
{
    if (!tok_says(pre, "replacement", METASPACE) ||
        tok_flag(pre, "split", true))
        return err_set(err, ERR_INPUT, "pre-tokenizer Metaspace is only "
                       "supported with split = false");
    if (tok_says(pre, "prepend_scheme", "never"))
        return 0;
    b->flags |= TOK_LEADING_SPACE | TOK_NOT_TWICE;
    if (tok_says(pre, "prepend_scheme", "first"))
        return 0;
    b->flags |= TOK_EVERY_RUN;
    if (tok_says(pre, "prepend_scheme", "always"))
        return 0;
    return err_set(err, ERR_INPUT, "pre-tokenizer Metaspace without a "
                   "prepend_scheme is not supported");
}

static int pre_tokenizer_form(struct tok_build *b, const struct json *root,
                              struct err *err)
{
    const struct json *pre = tok_unwrap(json_get(root, "pre_tokenizer"),
                                    "pretokenizers");

    b->kind = TOK_SPM;
    if (!pre)
        return 0;
    if (tok_is(pre, "Metaspace"))
        return metaspace_form(b, pre, err);
    b->kind = TOK_BYTE_LEVEL;
    if (tok_is(pre, "ByteLevel") && tok_flag(pre, "use_regex", true)) {
        b->pattern = TOK_GPT2;
        if (tok_flag(pre, "add_prefix_space", true))
            b->flags |= TOK_LEADING_SPACE | TOK_NOT_TWICE | TOK_EVERY_RUN;
        return 0;
    }
    if (tok_is(pre, "Sequence"))
        b->pattern = sequence_pattern(pre);
    if (b->pattern == TOK_PLAIN)
        return tok_refuse(err, "pre-tokenizer", pre);
    return 0;
}

static bool replaces_spaces(const struct json *v)
{
    const char *from = json_string(json_get(json_get(v, "pattern"),
                                            "String"));

    return tok_is(v, "Replace") && from && strcmp(from, " ") == 0 &&
           tok_says(v, "content", METASPACE);
}

static int normalizer_form(struct tok_build *b, const struct json *root,
                           struct err *err)
{
    const struct json *norm = tok_unwrap(json_get(root, "normalizer"),
                                     "normalizers");
    bool metaspace = tok_unwrap(json_get(root, "pre_tokenizer"),
                                "pretokenizers");
    const struct json *e[2];

    if (b->kind == TOK_BYTE_LEVEL) {
        if (b->pattern == TOK_QWEN2 ? norm && tok_is(norm, "NFC") : !norm)
            return 0;
        return err_set(err, ERR_INPUT, "normalizer \"%.80s\" is not "
                       "supported with pre-tokenizer %u", tok_type(norm),
                       b->pattern);
    }
    if (metaspace) {
        if (norm)
            return tok_refuse(err, "normalizer", norm);
        return 0;
    }
    /* Spaces are turned by the normalizer, for want of a pre-tokenizer. */
    if (norm && replaces_spaces(norm))
        return 0;
    if (norm && tok_is(norm, "Sequence") &&
        elements(norm, "normalizers", e, 2) && tok_is(e[0], "Prepend") &&
        tok_says(e[0], "prepend", METASPACE) && replaces_spaces(e[1])) {
        b->flags |= TOK_LEADING_SPACE | TOK_EVERY_RUN;
        return 0;
    }
    return tok_refuse(err, "normalizer", norm);
}

/* One step of the post-processor. */
static int post_step(struct tok_first *first, const struct json *post,
                     struct err *err)
{
    const struct json *v = json_first(json_get(post, "single"));

    if (tok_is(post, "ByteLevel")) /* concerns offsets only */
        return 0;
    if (!tok_is(post, "TemplateProcessing"))
        return tok_refuse(err, "post-processor", post);
    if (first->post)
        return err_set(err, ERR_INPUT, "two post-processors that add tokens "
                       "are not supported");
    while (v && json_get(v, "SpecialToken"))
        v = json_next(v);
    if (!v || !json_get(v, "Sequence") || json_next(v))
        return err_set(err, ERR_INPUT, "a post-processor that adds a token "
                       "after the text is not supported");
    first->post = post;
    return 0;
}

int tokenizer_json_first(struct tok_first *first, const struct json *root,
                         const struct tok_config *config, struct err *err)
{
    const struct json *post = json_get(root, "post_processor"), *v;
    int rc = 0;

    *first = (struct tok_first){ NULL, false };
    if (config->add_eos == 1)
        return err_set(err, ERR_INPUT, "add_eos_token is not supported");
    /* Llama's class makes its own post-processor. */
    if (config->llama) {
        first->bos = config->add_bos;
        return 0;
    }
    if (!tok_absent(post) && !tok_is(post, "Sequence"))
        rc = post_step(first, post, err);
    else if (!tok_absent(post))
        for (v = json_first(json_get(post, "processors")); v && rc == 0;
             v = json_next(v))
            rc = post_step(first, v, err);
    first->bos = !first->post && config->add_bos == 1;
    return rc;
}

/* One of those with a number. */
static int numbered(struct tok_build *b, const struct json *root,
                    struct err *err)
{
    const struct json *model = json_get(root, "model");

    if (tok_is(model, "Unigram"))
        return err_set(err, ERR_INPUT, "unigram has no number");
    if (pre_tokenizer_form(b, root, err) || normalizer_form(b, root, err))
        return -1;
    if (b->kind == TOK_SPM && tok_flag(model, "byte_fallback", false))
        b->flags |= TOK_BYTE_FALLBACK;
    return 0;
}

int tokenizer_json_form(struct tok_build *b, const struct json *root,
                        bool steps, struct err *err)
{
    if (check_model(json_get(root, "model"), err))
        return -1;
    if (!steps && numbered(b, root, NULL) == 0)
        return 0;
    b->kind = b->pattern = b->flags = 0;
    return tokenizer_json_steps(b, root, err);
}
