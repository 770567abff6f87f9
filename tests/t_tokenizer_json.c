/*
 * tokenizer.json: pipelines that become steps, what a text begins with, added
 * tokens, unknown characters, unigram, and decoders, each by ids or texts that
 * follow from the definitions.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/tap.h"

#define META METASPACE
#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false," \
    "\"use_regex\":false}"
#define SEQUENCE(of, what) "{\"type\":\"Sequence\",\"" of "\":[" what "]}"

/* Import a file, with tokenizer_config.json or NULL; bos in and out. */
static struct tokenizer *import(const char *text, const char *config,
                                struct tokenizer_source *source)
{
    struct tok_texts texts = { config, NULL, config ? strlen(config) : 0, 0 };
    struct tokenizer_source own = { 64, UINT32_MAX, false, NULL };
    struct err err = ERR_INIT;
    struct tokenizer *t = NULL;
    struct buf b;

    buf_init(&b, (size_t)1 << 20);
    if (tokenizer_import_json(&b, text, strlen(text), &texts,
                              source ? source : &own, &err) ||
        tokenizer_new(&t, (const unsigned char *)b.data, b.len, 64, &err))
        printf("# %s\n", err.text);
    buf_clear(&b);
    return t;
}

static bool encodes(const struct tokenizer *t, const char *s,
                    const uint32_t *want, size_t n)
{
    struct tokens ids;
    bool same;

    if (!t)
        return false;
    tokens_init(&ids);
    same = tokenizer_encode_special(t, s, strlen(s), true, &ids, NULL) == 0 &&
           ids.n == n &&
           (n == 0 || memcmp(ids.id, want, n * sizeof(*want)) == 0);
    for (size_t i = 0; !same && i < ids.n; i++)
        printf("# %zu: %u\n", i, ids.id[i]);
    tokens_clear(&ids);
    return same;
}

#define IDS(...) (const uint32_t[]){ __VA_ARGS__ }, \
    sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4

static bool gives(const char *json, const char *text, const uint32_t *want,
                  size_t n)
{
    struct tokenizer *t = import(json, NULL, NULL);
    bool same = encodes(t, text, want, n);

    tokenizer_free(t);
    return same;
}

static bool refused_with(const char *json, const char *config,
                         const char *why)
{
    struct tok_texts texts = { config, NULL, config ? strlen(config) : 0, 0 };
    struct tokenizer_source source = { 64, UINT32_MAX, false, NULL };
    struct err err = ERR_INIT;
    struct buf b;
    bool good;

    buf_init(&b, (size_t)1 << 20);
    good = tokenizer_import_json(&b, json, strlen(json), &texts, &source,
                                 &err) == -1 && strstr(err.text, why);
    if (!good)
        printf("# %s\n", err.text);
    buf_clear(&b);
    return good;
}

static bool refused(const char *json, const char *why)
{
    return refused_with(json, NULL, why);
}

/* ---- characters ---------------------------------------------------------- */

/* 0 <unk>, 1 a, 2 b, 3 ab, 4 the metaspace, 5 that with a, 6 1, 7 11, 8 c */
#define VOCAB "\"vocab\":{\"<unk>\":0,\"a\":1,\"b\":2,\"ab\":3,\"" META     \
    "\":4,\"" META "a\":5,\"1\":6,\"11\":7,\"c\":8},\"merges\":[\"a b\","     \
    "\"" META " a\",[\"1\",\"1\"]]"
#define MODEL(more) "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\"" \
    more "," VOCAB "}"
#define PRE(what) ",\"pre_tokenizer\":" what
#define NORM(what) ",\"normalizer\":" what

static void pipelines(void)
{
    ok(gives("{" MODEL("") "}", "ab1", IDS(3, 6)), "no pipeline at all");
    ok(gives("{" MODEL("") PRE("{\"type\":\"Digits\",\"individual_digits\":"
             "true}") "}", "a11", IDS(1, 6, 6)), "Digits, one by one");
    ok(gives("{" MODEL("") PRE("{\"type\":\"Digits\"}") "}", "a11",
             IDS(1, 7)), "Digits");
    ok(gives("{" MODEL("") PRE("{\"type\":\"Metaspace\",\"replacement\":\"" META
             "\",\"prepend_scheme\":\"first\"}") "}", "a a", IDS(5, 5)),
       "Metaspace that cuts");
    ok(gives("{" MODEL("") PRE("{\"type\":\"Metaspace\",\"replacement\":\"" META
             "\",\"add_prefix_space\":false}") "}", "a a", IDS(1, 5)),
       "Metaspace from before there was a scheme");
    ok(gives("{" MODEL("") PRE("{\"type\":\"Split\",\"pattern\":{\"String\":"
             "\"b\"},\"behavior\":\"MergedWithPrevious\"}") "}", "abab",
             IDS(3, 3)) &&
       gives("{" MODEL("") PRE("{\"type\":\"Split\",\"pattern\":{\"String\":"
             "\"b\"},\"behavior\":\"Isolated\"}") "}", "abab",
             IDS(1, 2, 1, 2)), "Split at a text");
    ok(gives("{" MODEL("") PRE(SEQUENCE("pretokenizers", "{\"type\":"
             "\"Digits\",\"individual_digits\":true},{\"type\":\"Metaspace\","
             "\"replacement\":\"" META "\",\"prepend_scheme\":\"never\","
             "\"split\":false}")) "}", "11 a", IDS(6, 6, 5)),
       "a Sequence of both");
    ok(gives("{" MODEL("") NORM(SEQUENCE("normalizers", "{\"type\":\"Strip\"},"
             "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},"
             "\"content\":\"" META "\"},{\"type\":\"Prepend\",\"prepend\":"
             "\"c\"}")) "}", "  a  a ", IDS(8, 1, 5)),
       "Strip, Replace, Prepend");
    ok(gives("{" MODEL(",\"ignore_merges\":true") "}", "ab", IDS(3)),
       "ignore_merges with characters");
}

static void refusals(void)
{
    ok(refused("{" MODEL("") PRE("{\"type\":\"Whitespace\"}") "}",
               "pre-tokenizer \"Whitespace\""), "a pre-tokenizer by name");
    ok(refused("{" MODEL("") PRE("{\"type\":\"Split\",\"pattern\":{\"Regex\":"
               "\"x+\"},\"behavior\":\"Isolated\"}") "}", "\"x+\""),
       "a pattern by its text");
    ok(refused("{" MODEL("") NORM("{\"type\":\"NFKC\"}") "}",
               "normalizer \"NFKC\""), "a normalizer by name");
    ok(refused("{" MODEL("") NORM("{\"type\":\"Replace\",\"pattern\":{"
               "\"Regex\":\"a*\"},\"content\":\"\"}") "}", "\"a*\""),
       "Replace by its pattern");
    ok(refused("{" MODEL("") ",\"decoder\":{\"type\":\"WordPiece\"}}",
               "decoder \"WordPiece\""), "a decoder by name");
    ok(refused("{" MODEL("") ",\"decoder\":" SEQUENCE("decoders", "{\"type\":"
               "\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":0,"
               "\"stop\":1}") "}", "\"Strip\""), "Strip at the end of a text");
    ok(refused("{" MODEL("") ",\"post_processor\":{\"type\":"
               "\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
               "\"A\"}},{\"SpecialToken\":{\"id\":\"<unk>\"}}]}}",
               "after the text"), "a token after the text");
}

static void unknown(void)
{
    ok(gives("{" MODEL("") "}", "axyb", IDS(1, 0, 0, 2)),
       "unknown, one by one");
    ok(gives("{" MODEL(",\"fuse_unk\":true,\"byte_fallback\":true") "}",
             "axyb", IDS(1, 0, 2)),
       "byte fallback without byte tokens: fused unknown tokens");
    ok(gives("{\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\","
             "\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,\"<0x78>\":1,"
             "\"a\":2,\"aa\":3},\"merges\":[\"a a\"]}}", "xyaa",
             IDS(1, 0, 3)), "some byte tokens");
}

static void unigram(void)
{
    static const char json[] =
        "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\","
        "0.0],[\"a\",-1.0],[\"b\",-2.0],[\"ab\",-2.5],[\"" META "\",-1.5],[\""
        META "a\",-9.0]]}" PRE("{\"type\":\"Metaspace\",\"replacement\":\"" META
        "\",\"prepend_scheme\":\"always\"}") "}";

    ok(gives(json, "aab bxy", IDS(4, 1, 3, 4, 2, 0)), "unigram");
    ok(refused("{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}",
               "entry 0"), "an entry without a score");
}

/* ---- what a text begins with --------------------------------------------- */

#define ADDED(id, text, more) "{\"id\":" #id ",\"content\":\"" text "\"" more \
    "}"
#define SPECIAL ",\"special\":true"
#define BEGINS ",\"added_tokens\":[" ADDED(10, "<s>", SPECIAL) ","           \
    ADDED(11, "<t>", SPECIAL) "]"
#define TEMPLATE(tokens) ",\"post_processor\":{\"type\":"                    \
    "\"TemplateProcessing\",\"single\":[" tokens "{\"Sequence\":{\"id\":"     \
    "\"A\",\"type_id\":0}}],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\","     \
    "\"ids\":[10]}}}"
#define TOKEN(text) "{\"SpecialToken\":{\"id\":\"" text "\",\"type_id\":0}},"

/* The first ids, -1 ending the list, and the model's bos. */
static bool begins(const char *json, const char *config, uint32_t bos,
                   bool names_bos, const int *want, uint32_t bos_after)
{
    struct tokenizer_source source = { 64, bos, names_bos, NULL };
    struct tokenizer *t = import(json, config, &source);
    uint32_t id[TOKENIZER_FIRST];
    size_t n = t ? tokenizer_first(t, source.bos, id) : 99, i = 0;
    bool same;

    for (; i < n && t && want[i] >= 0 && id[i] == (uint32_t)want[i]; i++)
        continue;
    same = i == n && want[i] == -1 && source.bos == bos_after;
    if (!same)
        printf("# %zu ids, the first %u, bos %u\n", n, id[0], source.bos);
    tokenizer_free(t);
    return same;
}

#define FIRST(...) (const int[]){ __VA_ARGS__, -1 }

static void first_tokens(void)
{
    ok(begins("{" MODEL("") BEGINS TEMPLATE(TOKEN("<s>")) "}", NULL, 3, false,
              FIRST(10), 3), "the post-processor's, not the configuration's");
    ok(begins("{" MODEL("") BEGINS TEMPLATE(TOKEN("<s>")) "}", NULL,
              UINT32_MAX, false, FIRST(10), 10),
       "which becomes bos where there is none");
    ok(begins("{" MODEL("") BEGINS TEMPLATE(TOKEN("<t>") TOKEN("<s>")) "}",
              NULL, 10, false, FIRST(11, 10), 10), "two");
    ok(begins("{" MODEL("") BEGINS "}", "{\"bos_token\":\"<t>\"}", 10, false,
              FIRST(-1), 10), "none");
    ok(begins("{" MODEL("") BEGINS "}", "{\"bos_token\":{\"content\":\"<t>\"},"
              "\"add_bos_token\":true}", 10, false, FIRST(11), 10),
       "bos_token with add_bos_token");
    ok(begins("{" MODEL("") BEGINS TEMPLATE(TOKEN("<s>")) "}",
              "{\"bos_token\":\"<t>\",\"add_bos_token\":false,"
              "\"tokenizer_class\":\"LlamaTokenizer\"}", 10, false,
              FIRST(-1), 10), "Llama's class without");
    ok(begins("{" MODEL("") BEGINS "}", "{\"tokenizer_class\":"
              "\"LlamaTokenizerFast\"}", 11, false, FIRST(10), 11),
       "Llama's class: <s>");
    ok(begins("{" MODEL("") BEGINS "}", "{\"bos_token\":\"<t>\"}", 10, true,
              FIRST(-1), 11), "bos of a template that looks at it, by name");
    ok(begins("{" MODEL("") BEGINS "}", "{}", 10, true, FIRST(-1),
              UINT32_MAX), "or none");
    ok(begins("{" MODEL("") BEGINS "}", "{\"tokenizer_class\":"
              "\"LlamaTokenizer\",\"bos_token\":\"\"}", 11, false,
              FIRST(10), 11), "Llama's class and an empty text: <s>");
    ok(begins("{" MODEL("") BEGINS "}", "{\"tokenizer_class\":"
              "\"LlamaTokenizer\",\"bos_token\":null}", 11, false,
              FIRST(-1), 11), "and null: none, whatever config.json says");
    ok(refused_with("{" MODEL("") BEGINS "}", "{\"add_bos_token\":true,"
                    "\"bos_token\":null}", "has no bos_token") &&
       refused_with("{" MODEL("") BEGINS "}", "{\"add_bos_token\":true,"
                    "\"bos_token\":\"<v>\"}", "\"<v>\" is not in"),
       "add_bos_token without such a token is refused");
}

/* ---- added tokens -------------------------------------------------------- */

static void added_tokens(void)
{
    struct tokenizer_source source = { 12, UINT32_MAX, false, NULL };
    struct tokenizer *t;
    struct buf notes;

    ok(gives("{" MODEL("") ",\"added_tokens\":[" ADDED(9, "<n>", SPECIAL
             ",\"rstrip\":true") "]}", "a<n> b", IDS(1, 9, 2)), "rstrip");
    ok(gives("{" MODEL("") NORM("{\"type\":\"Prepend\",\"prepend\":\"b\"}")
             ",\"added_tokens\":[" ADDED(9, "<n>", ",\"normalized\":true")
             "]}", "<n>a", IDS(9, 1)), "one that is looked for as normalized");
    buf_init(&notes, 4096);
    source.notes = &notes;
    t = import("{" MODEL("") ",\"added_tokens\":[" ADDED(12, "<pad>", SPECIAL)
               "]}", NULL, &source);
    ok(t && notes.len > 0 && strstr(notes.data, "\"<pad>\""),
       "a special one outside the vocabulary is left out, with a note");
    tokenizer_free(t);
    buf_clear(&notes);
    ok(refused("{" MODEL("") ",\"added_tokens\":[" ADDED(64, "<x>", "") "]}",
               "\"<x>\""), "another one is refused by name");
}

#define BESIDE(id, text, more) "{\"added_tokens_decoder\":{\"" #id "\":{"   \
    "\"content\":\"" text "\"" more "}}}"

/* What tokenizer_config.json has, and tokenizer.json has not. */
static void tokens_beside(void)
{
    static const char json[] = "{" MODEL("") "}";
    struct tokenizer *t = import(json, BESIDE(9, "<n>", ""), NULL);

    ok(t && encodes(t, "a<n>", IDS(1, 9)), "a token is added");
    tokenizer_free(t);
    t = import(json, BESIDE(3, "ab", SPECIAL), NULL);
    ok(t && encodes(t, "ab", IDS(3)), "one of the vocabulary stays as it is");
    tokenizer_free(t);
    t = import(json, BESIDE(9, "ab", ""), NULL);
    ok(t && encodes(t, "ab", IDS(3)), "of two ids tokenizer.json's holds");
    tokenizer_free(t);
    ok(refused_with(json, BESIDE(3, "<n>", ""), "\"<n>\" has id 3") &&
       refused_with(json, BESIDE(64, "<n>", ""), "\"<n>\"") &&
       refused_with("{" MODEL("") NORM("{\"type\":\"Prepend\","
                    "\"prepend\":\"b\"}") "}", BESIDE(9, "<n>", ""),
                    "\"<n>\" is not among"),
       "what it cannot be is refused by name");
    ok(refused_with(json, "{\"added_tokens_decoder\":[1]}",
                    "not an object"), "a list of them, too");
}

/* ---- decoders ------------------------------------------------------------ */

static bool shows(const char *json, uint32_t id, const char *want)
{
    struct tokenizer *t = import(json, NULL, NULL);
    size_t n = 0;
    const char *s = t ? tokenizer_bytes(t, id, &n) : "";
    bool same = t && n == strlen(want) && memcmp(s, want, n) == 0;

    if (!same)
        printf("# \"%.*s\"\n", (int)n, s);
    tokenizer_free(t);
    return same;
}

#define DECODER(what) ",\"decoder\":" what
#define REPLACE(a, b) "{\"type\":\"Replace\",\"pattern\":{\"String\":\"" a     \
    "\"},\"content\":\"" b "\"}"
#define BYTES_MODEL "\"model\":{\"type\":\"BPE\",\"vocab\":{\"e\":0,\"\xc4\xa0"\
    "\":1},\"merges\":[]}" PRE(BYTE_LEVEL)

static void decoders(void)
{
    ok(shows("{" MODEL("") "}", 5, " a"), "none: spaces");
    ok(shows("{" MODEL("") DECODER(SEQUENCE("decoders", REPLACE(META, " ")
             ",{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":"
             "\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}")) "}", 5,
             " a"), "Llama's: an answer keeps its first space");
    ok(shows("{" MODEL("") DECODER("{\"type\":\"Fuse\"}") "}", 5, META "a"),
       "Fuse alone: metaspaces");
    ok(shows("{" MODEL("") DECODER("{\"type\":\"Metaspace\",\"replacement\":"
             "\"" META "\"}") "}", 5, " a"), "Metaspace");
    ok(shows("{" MODEL("") DECODER(SEQUENCE("decoders", REPLACE("ab", "x")
             "," REPLACE("x", "y"))) "}", 3, "y"), "Replace, twice");
    ok(shows("{" BYTES_MODEL DECODER(BYTE_LEVEL) "}", 1, " "), "ByteLevel");
    ok(shows("{" BYTES_MODEL DECODER(SEQUENCE("decoders", BYTE_LEVEL ","
             REPLACE("e", "E"))) "}", 0, "E"), "and a letter after it");
    ok(refused("{" BYTES_MODEL DECODER(SEQUENCE("decoders", BYTE_LEVEL ","
               REPLACE("ee", "E"))) "}", "\"Replace\""),
       "but not what may lie across tokens");
    ok(refused("{" BYTES_MODEL DECODER("null") "}", "decoder null") &&
       refused("{" BYTES_MODEL DECODER("{\"type\":\"Fuse\"}") "}", "\"Fuse\""),
       "byte-level without ByteLevel");
}

int main(void)
{
    pipelines();
    refusals();
    unknown();
    unigram();
    first_tokens();
    added_tokens();
    tokens_beside();
    decoders();
    return done();
}
