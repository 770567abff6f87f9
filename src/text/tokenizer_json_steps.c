/*
 * A pipeline of tokenizer.json as steps (man 5 apus-model, "Steps"): each
 * member by its name and settings, what is not known by its name.
 */
#include <config.h>

#include "text/tokenizer_json.h"

#include <string.h>

#include "base/err.h"
#include "base/json.h"

/* Call fn for v, or for the members of v, which is a Sequence. */
typedef int step_fn(struct tok_build *b, const struct json *v, bool last,
                    struct err *err);

static int each(struct tok_build *b, const struct json *v, const char *key,
                bool last, step_fn *fn, struct err *err)
{
    if (tok_absent(v))
        return 0;
    if (!tok_is(v, "Sequence"))
        return fn(b, v, last, err);
    for (const struct json *e = json_first(json_get(v, key)); e;
         e = json_next(e))
        if (each(b, e, key, last && !json_next(e), fn, err))
            return -1;
    return 0;
}

/* The text of {"String": ..} under "pattern", or NULL. */
static const char *pattern_text(const struct json *v)
{
    const char *s = json_string(json_get(json_get(v, "pattern"), "String"));

    return s && *s ? s : NULL;
}

static const char *pattern_regex(const struct json *v)
{
    return json_string(json_get(json_get(v, "pattern"), "Regex"));
}

/* ---- normalizer ---------------------------------------------------------- */

static int replace_step(struct tok_build *b, const struct json *v,
                        struct err *err)
{
    const char *text = pattern_text(v), *regex = pattern_regex(v);
    const char *with = json_string(json_get(v, "content"));
    char one[2] = "";
    size_t n = regex ? strlen(regex) : 0;

    if (with && text)
        return tok_step_add(&b->extra.normalizer, NORM_REPLACE, 0, text, with,
                            err);
    /* "x{2,}", of which SentencePiece's converters use " {2,}" */
    if (with && n == 5 && strcmp(regex + 1, "{2,}") == 0 &&
        !strchr("\\^$.|?*+()[]{}", regex[0])) {
        one[0] = regex[0];
        return tok_step_add(&b->extra.normalizer, NORM_REPLACE, 1, one, with,
                            err);
    }
    return err_set(err, ERR_INPUT, "normalizer \"Replace\" of \"%.60s\" is "
                   "not supported", regex ? regex : "");
}

static int normalizer_step(struct tok_build *b, const struct json *v,
                           bool last, struct err *err)
{
    struct tok_steps *steps = &b->extra.normalizer;
    const char *prepend = json_string(json_get(v, "prepend"));
    uint32_t sides;

    (void)last;
    if (tok_is(v, "NFC"))
        return tok_step_add(steps, NORM_NFC, 0, NULL, NULL, err);
    if (tok_is(v, "Replace"))
        return replace_step(b, v, err);
    if (tok_is(v, "Prepend") && prepend)
        return *prepend ? tok_step_add(steps, NORM_PREPEND, 0, prepend, NULL,
                                       err) : 0;
    if (tok_is(v, "Strip")) {
        sides = (tok_flag(v, "strip_left", true) ? 1u : 0u) |
                (tok_flag(v, "strip_right", true) ? 2u : 0u);
        return sides ? tok_step_add(steps, NORM_STRIP, sides, NULL, NULL, err)
                     : 0;
    }
    return tok_refuse(err, "normalizer", v);
}

/* ---- pre-tokenizer ------------------------------------------------------- */

static int byte_level(struct tok_build *b, const struct json *v, bool last,
                      struct err *err)
{
    struct tok_steps *steps = &b->extra.pretokenizer;

    if (!last)
        return err_set(err, ERR_INPUT, "a pre-tokenizer after \"ByteLevel\" "
                       "is not supported");
    if (tok_flag(v, "add_prefix_space", true) &&
        tok_step_add(steps, PRE_SPACE, 0, NULL, NULL, err))
        return -1;
    b->kind = TOK_BYTE_LEVEL;
    return tok_flag(v, "use_regex", true)
               ? tok_step_add(steps, PRE_PATTERN, TOK_GPT2, NULL, NULL, err)
               : 0;
}

static int behaviour_of(const struct json *v)
{
    static const char *const names[] = {
        "Removed", "Isolated", "MergedWithPrevious", "MergedWithNext",
        "Contiguous"
    };

    for (int i = 0; i < SPLIT_BEHAVIOURS; i++)
        if (tok_says(v, "behavior", names[i]))
            return i;
    return -1;
}

/* A pattern that matches everywhere: what is between its matches is nothing. */
static int split_regex(struct tok_build *b, const struct json *v,
                       const char *regex, struct err *err)
{
    uint32_t pattern = pretok_number(regex);
    bool invert = tok_flag(v, "invert", false);
    int behaviour = behaviour_of(v);

    if (pattern == TOK_PLAIN)
        return err_set(err, ERR_INPUT, "pre-tokenizer \"Split\" at \"%.120s\""
                       " is not supported", regex);
    if (behaviour == SPLIT_ISOLATED || (behaviour == SPLIT_REMOVED && invert))
        return tok_step_add(&b->extra.pretokenizer, PRE_PATTERN, pattern, NULL,
                            NULL, err);
    return tok_refuse(err, "pre-tokenizer", v);
}

static int split_step(struct tok_build *b, const struct json *v,
                      struct err *err)
{
    const char *text = pattern_text(v), *regex = pattern_regex(v);
    int behaviour = behaviour_of(v);

    if (regex)
        return split_regex(b, v, regex, err);
    if (!text || behaviour < 0 || tok_flag(v, "invert", false))
        return tok_refuse(err, "pre-tokenizer", v);
    return tok_step_add(&b->extra.pretokenizer, PRE_SPLIT,
                        (uint32_t)behaviour, text, NULL, err);
}

static int metaspace(struct tok_build *b, const struct json *v,
                     struct err *err)
{
    uint32_t argument = tok_flag(v, "split", true) ? SCHEME_SPLIT : 0;
    const struct json *scheme = json_get(v, "prepend_scheme");

    if (!tok_says(v, "replacement", METASPACE))
        return tok_refuse(err, "pre-tokenizer", v);
    /* files from before there was a scheme say add_prefix_space */
    if (tok_absent(scheme))
        argument |= tok_flag(v, "add_prefix_space", true) ? SCHEME_ALWAYS
                                                               : SCHEME_NEVER;
    else if (tok_says(v, "prepend_scheme", "first"))
        argument |= SCHEME_FIRST;
    else if (tok_says(v, "prepend_scheme", "always"))
        argument |= SCHEME_ALWAYS;
    else if (!tok_says(v, "prepend_scheme", "never"))
        return tok_refuse(err, "pre-tokenizer", v);
    return tok_step_add(&b->extra.pretokenizer, PRE_METASPACE, argument, NULL,
                        NULL, err);
}

static int pretokenizer_step(struct tok_build *b, const struct json *v,
                             bool last, struct err *err)
{
    if (tok_is(v, "ByteLevel"))
        return byte_level(b, v, last, err);
    if (tok_is(v, "Split"))
        return split_step(b, v, err);
    if (tok_is(v, "Digits"))
        return tok_step_add(&b->extra.pretokenizer, PRE_DIGITS,
                            tok_flag(v, "individual_digits", false), NULL,
                            NULL, err);
    if (tok_is(v, "Metaspace"))
        return metaspace(b, v, err);
    return tok_refuse(err, "pre-tokenizer", v);
}

int tokenizer_json_steps(struct tok_build *b, const struct json *root,
                         struct err *err)
{
    const struct json *model = json_get(root, "model");

    b->kind = TOK_SPM;
    b->flags = TOK_STEPS;
    if (each(b, json_get(root, "normalizer"), "normalizers", true,
             normalizer_step, err) ||
        each(b, json_get(root, "pre_tokenizer"), "pretokenizers", true,
             pretokenizer_step, err))
        return -1;
    if (tok_is(model, "Unigram")) {
        if (b->kind == TOK_BYTE_LEVEL)
            return err_set(err, ERR_INPUT, "Unigram with \"ByteLevel\" is not "
                           "supported");
        b->kind = TOK_UNIGRAM;
    }
    if (b->kind != TOK_BYTE_LEVEL &&
        tok_flag(model, "byte_fallback", false))
        b->flags |= TOK_BYTE_FALLBACK;
    return 0;
}

/* ---- decoder ------------------------------------------------------------- */

/* The decoder as it is read: whether it is past the step that puts the tokens
 * together. */
static int decoder_replace(struct tok_build *b, const struct json *v,
                           bool fused, struct err *err)
{
    const char *text = pattern_text(v);
    const char *with = json_string(json_get(v, "content"));

    /* in the whole text only what is one byte cannot lie across tokens */
    if (!with || !text ||
        (fused && (text[1] != '\0' || (unsigned char)text[0] >= 0x80 ||
                   b->kind != TOK_BYTE_LEVEL)))
        return tok_refuse(err, "decoder", v);
    return tok_step_add(&b->extra.decoder, DECODE_REPLACE, 0, text, with, err);
}

static int decoder_strip(struct tok_build *b, const struct json *v, bool fused,
                         struct err *err)
{
    const char *text = json_string(json_get(v, "content"));
    uint64_t start = 0, stop = 0;

    (void)json_u64(json_get(v, "start"), &start);
    (void)json_u64(json_get(v, "stop"), &stop);
    if (!text || !*text || start > 255 || stop > 255)
        return tok_refuse(err, "decoder", v);
    if (!fused)
        return start + stop > 0
                   ? tok_step_add(&b->extra.decoder, DECODE_STRIP,
                                  (uint32_t)(start | stop << 8), text, NULL,
                                  err)
                   : 0;
    /* The space that a text begins with is not an answer's, which continues
     * its prompt. */
    if (stop > 0 || start > 1 || strcmp(text, " ") != 0)
        return tok_refuse(err, "decoder", v);
    return 0;
}

static int decoder_step(struct tok_build *b, const struct json *v,
                        bool *fused, struct err *err)
{
    struct tok_steps *steps = &b->extra.decoder;
    bool bytes = b->kind == TOK_BYTE_LEVEL;

    if (tok_is(v, "ByteLevel") && bytes && !*fused) {
        *fused = true;
        return steps->n > 0 ? tok_refuse(err, "a step before decoder", v)
                            : 0;
    }
    if (tok_is(v, "Fuse")) {
        *fused |= !bytes; /* ByteLevel puts the tokens together anyway */
        return 0;
    }
    if (tok_is(v, "Replace"))
        return decoder_replace(b, v, *fused, err);
    if (tok_is(v, "Strip") && !bytes)
        return decoder_strip(b, v, *fused, err);
    if (tok_is(v, "ByteFallback") && !bytes && !*fused)
        return tok_step_add(steps, DECODE_BYTES, 0, NULL, NULL, err);
    if (tok_is(v, "Metaspace") && !bytes && !*fused &&
        tok_says(v, "replacement", METASPACE))
        return tok_step_add(steps, DECODE_REPLACE, 0, METASPACE, " ", err);
    return tok_refuse(err, "decoder", v);
}

static int decoder_steps(struct tok_build *b, const struct json *v,
                         bool *fused, struct err *err)
{
    if (!tok_is(v, "Sequence"))
        return decoder_step(b, v, fused, err);
    for (const struct json *e = json_first(json_get(v, "decoders")); e;
         e = json_next(e))
        if (decoder_steps(b, e, fused, err))
            return -1;
    return 0;
}

/* Whether the steps do what the kinds of characters do without. */
static bool is_usual(const struct tok_build *b)
{
    const struct tok_steps *steps = &b->extra.decoder;
    bool spaces = false, bytes = false;

    for (uint32_t i = 0; i < steps->n; i++) {
        const struct tok_step *s = &steps->v[i];

        bytes |= s->type == DECODE_BYTES;
        if (s->type == DECODE_BYTES)
            continue;
        if (s->type != DECODE_REPLACE || strcmp(s->a, METASPACE) != 0 ||
            strcmp(s->b, " ") != 0)
            return false;
        spaces = true;
    }
    for (uint32_t id = 0; id < b->n && !bytes; id++)
        if (b->token[id].flags == TOKEN_BYTE)
            return false;
    return spaces;
}

int tokenizer_json_decoder(struct tok_build *b, const struct json *root,
                           struct err *err)
{
    const struct json *v = json_get(root, "decoder");
    struct tok_extra usual = { .n_first = 0 };
    bool fused = false;

    if (b->kind != TOK_BYTE_LEVEL && tok_absent(v))
        return 0;
    if (tok_absent(v))
        return err_set(err, ERR_INPUT, "decoder null with a byte-level model "
                       "is not supported: its answers would be written in the "
                       "byte-level alphabet");
    if (decoder_steps(b, v, &fused, err))
        return -1;
    if (b->kind == TOK_BYTE_LEVEL)
        return fused ? 0 : tok_refuse(err, "decoder", v);
    if (is_usual(b)) {
        usual.decoder = b->extra.decoder;
        b->extra.decoder.n = 0;
        tok_extra_clear(&usual);
    } else if (b->extra.decoder.n == 0) {
        /* nothing is replaced: metaspaces stay, and so do names of bytes */
        return tok_step_add(&b->extra.decoder, DECODE_REPLACE, 0, METASPACE,
                            METASPACE, err);
    }
    return 0;
}
