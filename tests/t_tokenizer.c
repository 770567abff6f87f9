/*
 * The tokenizer.  Covers: the vectors of llama.cpp for GPT-2 and Qwen, the
 * prompts of stories260K, round trips, special tokens in both ways of
 * encoding, long texts, byte fallback and leading spaces of SentencePiece
 * kinds, streaming, and the refusal of malformed bytes and of pipelines that
 * are not known.
 */
#include <config.h>

#include "text/tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tests/tap.h"

#define MAX_VOCAB 262144

static const char *data_dir;

static char *load(const char *dir, const char *name, size_t *n)
{
    struct err err = ERR_INIT;
    struct buf b;
    char *path = file_join(dir, name);

    buf_init(&b, (size_t)64 << 20);
    if (file_read(&b, path, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    free(path);
    return buf_take(&b, n);
}

static bool same_ids(const struct tokens *t, const uint32_t *id, size_t n)
{
    size_t i;

    for (i = 0; i < n && i < t->n && t->id[i] == id[i]; i++)
        continue;
    if (i == n && n == t->n)
        return true;
    printf("# differs at %zu of %zu (expected %zu):", i, t->n, n);
    for (i = 0; i < t->n && i < 40; i++)
        printf(" %u", t->id[i]);
    printf("\n");
    return false;
}

static void decode(const struct tokenizer *t, const struct tokens *ids,
                   struct buf *out)
{
    const char *s;
    size_t i, n;

    for (i = 0; i < ids->n; i++) {
        s = tokenizer_bytes(t, ids->id[i], &n);
        buf_put(out, s, n);
    }
}

static bool decodes_to(const struct tokenizer *t, const struct tokens *ids,
                       const char *s, size_t n)
{
    struct buf b;
    bool same;

    buf_init(&b, (size_t)1 << 26);
    decode(t, ids, &b);
    same = b.len == n && memcmp(b.data ? b.data : "", s, n) == 0;
    if (!same)
        printf("# decoded \"%.*s\"\n", (int)b.len, b.data);
    buf_clear(&b);
    return same;
}

static struct tokenizer *made(struct buf *bytes)
{
    struct err err = ERR_INIT;
    struct tokenizer *t = NULL;

    if (tokenizer_new(&t, (const unsigned char *)bytes->data, bytes->len,
                      MAX_VOCAB, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    buf_clear(bytes);
    return t;
}

static const struct tok_texts alone; /* no file beside it */

static struct tokenizer *from_json(const char *text, size_t n)
{
    struct err err = ERR_INIT;
    struct tokenizer_source source = { MAX_VOCAB, UINT32_MAX, false, NULL };
    struct buf bytes;

    buf_init(&bytes, (size_t)64 << 20);
    if (tokenizer_import_json(&bytes, text, n, &alone, &source, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    return made(&bytes);
}

/* Is importing this refused, with this in the message? */
static bool refused(const char *text, const char *why)
{
    struct tokenizer_source source = { 400, UINT32_MAX, false, NULL };
    struct err err = ERR_INIT;
    struct buf b;
    int rc;

    buf_init(&b, (size_t)1 << 20);
    rc = tokenizer_import_json(&b, text, strlen(text), &alone, &source, &err);
    if (b.len || rc != -1 || err.code != ERR_INPUT || !strstr(err.text, why))
        printf("# rc %d: %s\n", rc, err.text);
    rc = rc == -1 && !b.len && err.code == ERR_INPUT &&
         strstr(err.text, why);
    buf_clear(&b);
    return rc;
}

/* The vectors: texts between separator lines, a line of ids for each. */
static void vectors(const struct tokenizer *t, const char *dir,
                    const char *name)
{
    static const char sep[] = "\n__ggml_vocab_test__\n";
    char inp[64], outp[64], *texts, *ids, *s, *next, *line, *end;
    struct err err = ERR_INIT;
    struct tokens got;
    uint32_t want[4096];
    size_t n, n_want, count = 0, good = 0;

    snprintf(inp, sizeof(inp), "%s.inp", name);
    snprintf(outp, sizeof(outp), "%s.out", name);
    texts = load(dir, inp, &n);
    line = ids = load(dir, outp, &n);
    tokens_init(&got);
    for (s = texts; (next = strstr(s, sep)); s = next + strlen(sep)) {
        for (n_want = 0; *line && *line != '\n'; line = end) {
            want[n_want] = (uint32_t)strtoul(line, &end, 10);
            if (end == line)
                break;
            n_want++;
            while (*end == ' ')
                end++;
        }
        line += *line == '\n';
        got.n = 0;
        n = (size_t)(next - s);
        count++;
        if (tokenizer_encode(t, s, n, true, &got, &err))
            printf("# %s\n", err.text);
        else if (!same_ids(&got, want, n_want))
            printf("# in \"%.*s\"\n", (int)n, s);
        else if (decodes_to(t, &got, s, n))
            good++;
    }
    ok(count >= 40 && good == count && !*line, "%s: %zu of %zu texts", name,
       good, count);
    tokens_clear(&got);
    free(texts);
    free(ids);
}

/* One letter, and other runs, a quarter of a megabyte each: n log n, or this
 * does not end. */
static void long_texts(const struct tokenizer *t, const char *what)
{
    static const char *const units[] = { "a", " ", "\n", "\n ", "!", "7",
        "ab", "'s", "\xcc\x95\xcc\x96", "\xe4\xb8\xad", "a\xcc\x81" };
    struct err err = ERR_INIT;
    struct tokens got;
    struct buf b;
    size_t i;

    tokens_init(&got);
    buf_init(&b, (size_t)1 << 20);
    for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
        buf_reset(&b);
        while (b.len < 256 * 1024)
            buf_puts(&b, units[i]);
        got.n = 0;
        ok(!tokenizer_encode(t, b.data, b.len, true, &got, &err) &&
               (got.n || (t->flags & TOK_SQUEEZE)) &&
               (i >= 8 || t->flags || decodes_to(t, &got, b.data, b.len)),
           "%s: 256 KiB of unit %zu, %zu ids", what, i, got.n);
    }
    buf_clear(&b);
    tokens_clear(&got);
}

/* A Hugging Face file made of GPT-2's own two. */
static char *gpt2_json(const char *dir, const char *pre, size_t *n)
{
    char *vocab, *merges, *line, *end;
    struct buf b;
    size_t len;
    bool first = true;

    vocab = load(dir, "gpt2_encoder.json", &len);
    merges = load(dir, "gpt2_vocab.bpe", n);
    buf_init(&b, (size_t)32 << 20);
    buf_printf(&b, "{\"added_tokens\":[{\"id\":50256,\"content\":"
               "\"<|endoftext|>\",\"special\":true}],\"pre_tokenizer\":%s,"
               "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":"
               "\"BPE\",\"vocab\":", pre);
    buf_put(&b, vocab, len);
    buf_puts(&b, ",\"merges\":[");
    for (line = strchr(merges, '\n') + 1; *line; line = end + 1) {
        end = strchr(line, '\n');
        if (!end || end == line)
            break;
        if (!first)
            buf_putc(&b, ',');
        first = false;
        json_put_string(&b, line, (size_t)(end - line));
    }
    buf_puts(&b, "]}}");
    free(vocab);
    free(merges);
    return buf_take(&b, n);
}

static bool encodes(const struct tokenizer *t, const char *s,
                    const uint32_t *want, size_t n)
{
    struct err err = ERR_INIT;
    struct tokens got;
    bool same;

    tokens_init(&got);
    same = !tokenizer_encode(t, s, strlen(s), true, &got, &err) &&
           same_ids(&got, want, n);
    tokens_clear(&got);
    return same;
}

#define BYTE_LEVEL "{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"

static void gpt2(void)
{
    static const uint32_t digits[] = { 16, 220, 16 };
    static const uint32_t spaced[] = { 18435 }; /* " Hello" */
    char *dir = file_join(data_dir, "tokenizers/gpt2"), *json;
    struct tokenizer *t;
    size_t n;

    json = gpt2_json(dir, BYTE_LEVEL, &n);
    t = from_json(json, n);
    vectors(t, dir, "ggml-vocab-gpt-2.gguf");
    long_texts(t, "gpt-2");
    ok(!(t->flags & TOK_ADD_BOS) && tokenizer_is_control(t, 50256) &&
       tokenizer_find(t, "<|endoftext|>") == 50256, "gpt-2: control token");
    ok(tokenizer_merges_reach_all(t), "gpt-2: merges reach every token");
    tokenizer_free(t);
    free(json);
    json = gpt2_json(dir, "{\"type\":\"ByteLevel\",\"add_prefix_space\":true}",
                     &n);
    t = from_json(json, n);
    ok(encodes(t, "Hello", spaced, 1) && encodes(t, " Hello", spaced, 1) &&
       encodes(t, "", NULL, 0), "gpt-2: a leading space, not twice");
    tokenizer_free(t);
    free(json);
    json = gpt2_json(dir, "{\"type\":\"Sequence\",\"pretokenizers\":["
                     "{\"type\":\"Digits\",\"individual_digits\":true},"
                     BYTE_LEVEL "]}", &n);
    t = from_json(json, n);
    ok(t->pattern == TOK_SMOLLM && encodes(t, "1 1", digits, 3),
       "smollm: one digit a token, its space alone");
    tokenizer_free(t);
    free(json);
    free(dir);
}

static void qwen(void)
{
    static const char text[] = "<tool_call>x<|im_end|>";
    static const char composed[] = "caf\xc3\xa9 \xe1\xbb\x87";
    static const char decomposed[] = "cafe\xcc\x81 e\xcc\x82\xcc\xa3";
    char *dir = file_join(data_dir, "tokenizers/qwen3"), *json;
    struct err err = ERR_INIT;
    struct tokens a, b;
    struct tokenizer *t;
    size_t n;

    json = load(dir, "qwen3.tokenizer.json", &n);
    t = from_json(json, n);
    free(json);
    vectors(t, dir, "ggml-vocab-qwen2.gguf");
    long_texts(t, "qwen");
    tokens_init(&a);
    tokens_init(&b);
    ok(!tokenizer_encode(t, text, strlen(text), true, &a, &err) && a.n > 3 &&
       a.id[0] == 151657 && a.id[1] == 87 && a.id[a.n - 1] != 151645 &&
       decodes_to(t, &a, text, strlen(text)),
       "user-defined tokens are matched in every text, control tokens not");
    a.n = 0;
    ok(!tokenizer_encode_special(t, text, strlen(text), true, &a, &err) &&
       a.n == 3 && a.id[2] == 151645 &&
       decodes_to(t, &a, "<tool_call>x", 12),
       "control tokens are matched in special texts and give no bytes");
    a.n = 0;
    ok(!tokenizer_encode(t, composed, strlen(composed), true, &a, &err) &&
       !tokenizer_encode(t, decomposed, strlen(decomposed), true, &b, &err) &&
       same_ids(&b, a.id, a.n) &&
       decodes_to(t, &b, composed, strlen(composed)), "qwen: NFC");
    tokens_clear(&a);
    tokens_clear(&b);
    tokenizer_free(t);
    free(dir);
}

static size_t ids_of(const struct json *v, uint32_t *id, size_t max)
{
    uint64_t u;
    size_t n = 0;

    for (v = json_first(v); v && n < max; v = json_next(v))
        if (!json_u64(v, &u))
            id[n++] = (uint32_t)u;
    return n;
}

static void one_story(const struct tokenizer *t, const struct json *v,
                      size_t i)
{
    const char *prompt = json_string(json_get(v, "prompt"));
    const char *text = json_string(json_get(v, "stdout"));
    struct err err = ERR_INIT;
    struct tokens got;
    uint32_t want[1024];
    struct buf b;
    size_t n, j;

    tokens_init(&got);
    tokens_put(&got, 1);
    n = ids_of(json_get(v, "prompt_ids"), want, 1024);
    ok(!tokenizer_encode(t, prompt, strlen(prompt), true, &got, &err) &&
       same_ids(&got, want, n), "stories260K: prompt %zu", i);
    n = ids_of(json_get(v, "generated_ids"), want, 1024);
    for (j = 0; j < n; j++)
        tokens_put(&got, want[j]);
    buf_init(&b, 1 << 16);
    decode(t, &got, &b);
    /* The program that printed it drops the first space and ends a line. */
    n = strlen(text);
    ok(b.len && b.data[0] == ' ' && n && text[n - 1] == '\n' &&
       b.len == n && memcmp(b.data + 1, text, n - 1) == 0,
       "stories260K: text %zu", i);
    buf_clear(&b);
    tokens_clear(&got);
}

static void stories(void)
{
    char *dir = file_join(data_dir, "models/stories260K"), *text;
    struct tokenizer_source source = { 512, UINT32_MAX, false, NULL };
    struct err err = ERR_INIT;
    const struct json *v;
    struct json *root;
    struct tokenizer *t;
    struct buf b;
    size_t n, i = 0;

    text = load(dir, "tok512.model", &n);
    buf_init(&b, (size_t)1 << 20);
    ok(!tokenizer_import_spm(&b, text, n, &alone, &source, &err),
       "tok512.model: imported %s", err.text);
    free(text);
    t = made(&b);
    ok(t->flags & TOK_ADD_BOS, "tok512.model: bos");
    text = load(dir, "golden.json", &n);
    if (json_parse(&root, text, n, &err))
        abort();
    for (v = json_first(json_get(root, "greedy_f32")); v; v = json_next(v))
        one_story(t, v, i++);
    ok(i >= 8, "stories260K: %zu stories", i);
    json_free(root);
    free(text);
    long_texts(t, "tok512");
    tokenizer_free(t);
    free(dir);
}

static struct tokenizer *nano(void)
{
    const char *top = getenv("top_srcdir");
    char *dir = file_join(top ? top : ".", "models/nano");
    struct tokenizer_source source = { 512, UINT32_MAX, false, NULL };
    struct err err = ERR_INIT;
    struct buf b;

    buf_init(&b, (size_t)1 << 20);
    ok(!tokenizer_import(&b, dir, &source, &err), "nano: imported %s",
       err.text);
    free(dir);
    return made(&b);
}

/* Every way to cut a row of ids gives the scrubbed whole. */
static void streaming(const struct tokenizer *t)
{
    static const char *const texts[] = { "plain", "\xe4\xb8\xad\xe6\x96\x87",
        "\xf0\x9f\xa6\x99!", "a\xc3\xa9" };
    struct buf out, raw, want;
    struct tokens ids;
    struct detok d;
    struct err err = ERR_INIT;
    uint32_t seed = 1;
    size_t i, j, n, bad = 0;
    const char *s;

    buf_init(&out, 1 << 20);
    buf_init(&raw, 1 << 20);
    buf_init(&want, 1 << 20);
    tokens_init(&ids);
    detok_init(&d, t);
    for (i = 0; i < 2000; i++) {
        ids.n = 0;
        if (i < 4)
            tokenizer_encode(t, texts[i], strlen(texts[i]), true, &ids, &err);
        for (j = 0; i >= 4 && j < 1 + i % 13; j++) {
            seed = seed * 1664525 + 1013904223;
            /* bytes above all: the first ids of the alphabet */
            tokens_put(&ids, (seed >> 16) % (i % 2 ? 260 : 520));
        }
        buf_reset(&out);
        buf_reset(&raw);
        buf_reset(&want);
        for (j = 0; j < ids.n; j++) {
            detok_put(&d, ids.id[j], &out);
            s = tokenizer_bytes(t, ids.id[j], &n);
            buf_put(&raw, s, n);
            bad += !utf8_valid(out.data, out.len);
        }
        detok_end(&d, &out);
        utf8_scrub(&want, raw.data, raw.len);
        bad += out.len != want.len ||
               memcmp(out.data, want.data, out.len) != 0;
    }
    ok(!bad, "streamed text is the scrubbed whole");
    detok_put(&d, t->byte_id[0xf0], &out);
    detok_put(&d, t->byte_id[0x9f], &out);
    ok(d.n_held == 2, "an incomplete sequence is held back");
    buf_clear(&out);
    buf_clear(&raw);
    buf_clear(&want);
    tokens_clear(&ids);
}

static void small_promises(const struct tokenizer *t)
{
    struct err err = ERR_INIT;
    struct tokens ids;
    size_t n = 9;

    tokens_init(&ids);
    tokens_put(&ids, 7);
    ok(tokenizer_encode(t, "ok\xff", 3, true, &ids, &err) == -1 &&
       err.code == ERR_INPUT && ids.n == 1, "a text that is not UTF-8");
    ok(tokenizer_encode(t, "a\0b", 3, true, &ids, &err) == 0 && ids.n == 4,
       "a NUL is a byte like any other");
    ok(!tokenizer_encode(t, "", 0, true, &ids, &err) && ids.n == 4,
       "an empty text");
    tokenizer_bytes(t, 1, &n);
    ok(!n && tokenizer_is_control(t, 1), "control tokens have no bytes");
    tokenizer_bytes(t, 511000, &n);
    ok(!n && !tokenizer_is_control(t, 511000), "nor have ids beyond");
    ok(tokenizer_find(t, "<|im_start|>") == 1 &&
       tokenizer_find(t, "the") == UINT32_MAX, "find control tokens only");
    tokens_clear(&ids);
}

/* A dozen tokens of kind 1: unknown, bytes, letters, words. */
static void spm_bytes(struct buf *b, uint32_t flags, bool merges)
{
    static const struct { const char *s; float score; } word[] = {
        { METASPACE, -9 }, { "a", -8 }, { "b", -7 }, { "ab", -2 },
        { METASPACE "a", -1 }, { METASPACE METASPACE, -6 }, { "ba", -1.5f } };
    unsigned i;

    buf_init(b, 1 << 16);
    buf_puts(b, "apustok1");
    buf_put_u32(b, TOK_SPM);
    buf_put_u32(b, 0);
    buf_put_u32(b, flags);
    buf_put_u32(b, 0);
    buf_put_u32(b, 1 + 256 + 7);
    buf_put_u32(b, TOKEN_CONTROL);
    buf_put_f32(b, 0);
    buf_put_u32(b, 5);
    buf_puts(b, "<unk>");
    for (i = 0; i < 256; i++) {
        buf_put_u32(b, TOKEN_BYTE);
        buf_put_f32(b, 0);
        buf_put_u32(b, 1);
        buf_putc(b, (int)i);
    }
    for (i = 0; i < 7; i++) {
        buf_put_u32(b, 0);
        buf_put_f32(b, word[i].score);
        buf_put_u32(b, (uint32_t)strlen(word[i].s));
        buf_puts(b, word[i].s);
    }
    buf_put_u32(b, merges ? 2 : 0);
    if (!merges)
        return;
    buf_put_u32(b, 258); /* a b */
    buf_put_u32(b, 259);
    buf_put_u32(b, 257); /* space a */
    buf_put_u32(b, 258);
}

/* Encode with these flags and compare. */
static bool spm_is(uint32_t flags, bool merges, const char *s,
                   const uint32_t *want, size_t n)
{
    struct tokenizer *t;
    struct buf b;
    bool same;

    spm_bytes(&b, flags, merges);
    t = made(&b);
    same = encodes(t, s, want, n);
    tokenizer_free(t);
    return same;
}

#define IDS(...) (const uint32_t[]){ __VA_ARGS__ }, \
    sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4

static void spm(void)
{
    enum { SP = 257, A, B, AB, SP_A, SP_SP, BA };

    ok(spm_is(0, false, "aba", IDS(A, BA)), "by score: the best first");
    ok(spm_is(0, true, "aba", IDS(AB, A)), "by rank of the merges");
    ok(spm_is(TOK_LEADING_SPACE, false, "a", IDS(SP_A)), "a leading space");
    ok(spm_is(TOK_LEADING_SPACE, false, "", NULL, 0), "not before nothing");
    ok(spm_is(TOK_LEADING_SPACE, false, " a", IDS(SP, SP_A)),
       "a leading space before a space");
    ok(spm_is(TOK_LEADING_SPACE | TOK_NOT_TWICE, false, " a", IDS(SP_A)),
       "not before a space where it is told so");
    ok(spm_is(TOK_LEADING_SPACE | TOK_SQUEEZE, false, "  a   b ",
              IDS(SP_A, SP, B)), "extra spaces are removed");
    ok(spm_is(TOK_SQUEEZE | TOK_LEADING_SPACE, false, "  ", NULL, 0),
       "and nothing is left of nothing else");
    ok(spm_is(TOK_BYTE_FALLBACK, false, "a\xc3\xa9", IDS(A, 1 + 0xc3,
                                                        1 + 0xa9)),
       "byte fallback");
    ok(spm_is(0, false, "\xc3\xa9zb", IDS(0, B)),
       "a run of unknown characters is one unknown token");
}

static bool bytes_bad(const struct buf *b, uint32_t n_vocab)
{
    struct err err = ERR_INIT;
    struct tokenizer *t = NULL;
    int rc = tokenizer_new(&t, (const unsigned char *)b->data, b->len,
                           n_vocab, &err);

    if (!rc)
        tokenizer_free(t);
    return rc == -1 && err.code == ERR_INPUT && !t;
}

/* The bytes with a u32 changed are refused. */
static bool bad_at(size_t at, uint32_t v, bool from_end)
{
    struct buf b;
    bool bad;

    spm_bytes(&b, 0, true);
    set_u32(b.data + (from_end ? b.len - at : at), v);
    bad = bytes_bad(&b, MAX_VOCAB);
    buf_clear(&b);
    return bad;
}

static void bad_bytes(void)
{
    struct buf b;
    size_t i, len, bad = 0;

    spm_bytes(&b, 0, true);
    ok(bytes_bad(&b, 100), "more tokens than the model has");
    len = b.len;
    for (i = 0; i < len; i++) {
        b.len = i;
        bad += bytes_bad(&b, MAX_VOCAB);
    }
    ok(bad == len, "cut off anywhere");
    b.len = len;
    buf_putc(&b, 0);
    ok(bytes_bad(&b, MAX_VOCAB), "a byte too many");
    buf_clear(&b);
    ok(bad_at(0, 0, false), "magic");
    ok(bad_at(8, 2, false), "kind");
    ok(bad_at(12, 1, false), "a pattern with kind 1");
    ok(bad_at(16, 64, false), "flags");
    ok(bad_at(16, TOK_EVERY_RUN, false), "every run without a space");
    ok(bad_at(20, 264, false), "unknown id");
    ok(bad_at(24, 0, false) && bad_at(24, 1u << 31, false) &&
       bad_at(24, 262145, false), "number of tokens");
    ok(bad_at(28, 3, false) && bad_at(28, 8, false), "token flags");
    ok(bad_at(32, 0x7f800000, false) && bad_at(32, 0x7fc00000, false),
       "a score that is not finite");
    ok(bad_at(36, 1025, false) && bad_at(36, 10u << 20, false),
       "a long token");
    ok(bad_at(20, 3, true) && bad_at(20, 1u << 31, true),
       "number of merges");
    ok(bad_at(16, 264, true) && bad_at(12, 264, true), "ids of merges");
    ok(bad_at(12, 262, true), "a merge that makes no token");
    ok(bad_at(16, 3, true), "a merge of a byte token");
}

static void repeated_merge(void)
{
    struct buf b;

    spm_bytes(&b, 0, true);
    set_u32(b.data + b.len - 8, 258);
    set_u32(b.data + b.len - 4, 259);
    ok(bytes_bad(&b, MAX_VOCAB), "a merge twice");
    buf_clear(&b);
}

/* What is cut out of text has to leave UTF-8 behind. */
static void special_is_utf8(void)
{
    size_t at = 28;
    struct buf b;

    spm_bytes(&b, 0, true);
    while (get_u32(b.data + at) != TOKEN_CONTROL)
        at += 12 + get_u32(b.data + at + 8);
    b.data[at + 12] = (char)0xa9;
    ok(bytes_bad(&b, MAX_VOCAB), "a control token that is not UTF-8");
    set_u32(b.data + at, TOKEN_USER);
    ok(bytes_bad(&b, MAX_VOCAB), "a user-defined one");
    buf_clear(&b);
}

#define HEAD "{\"model\":{\"type\":\"BPE\","
#define VOCAB "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"
#define PRE "\"pre_tokenizer\":" BYTE_LEVEL ",\"decoder\":" BYTE_LEVEL

static void bad_json(void)
{
    static const char *const bad[][2] = {
        { "{", "byte" },
        { "{}", "model type" },
        { "{\"model\":{\"type\":\"Unigram\"}}", "not an array" },
        { HEAD VOCAB ",\"merges\":[]},\"pre_tokenizer\":" BYTE_LEVEL "}",
          "decoder null" },
        { HEAD "\"dropout\":0.1," VOCAB ",\"merges\":[]}," PRE "}",
          "dropout" },
        { HEAD "\"continuing_subword_prefix\":\"##\"," VOCAB
          ",\"merges\":[]}," PRE "}", "continuing_subword_prefix" },
        { HEAD "\"unk_token\":\"a\"," VOCAB ",\"merges\":[]}," PRE "}",
          "unk_token" },
        { HEAD "\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}," PRE "}",
          "another token" },
        { HEAD "\"vocab\":{\"a\":400},\"merges\":[]}," PRE "}",
          "not below 400" },
        { HEAD "\"vocab\":{\"a\":-1},\"merges\":[]}," PRE "}",
          "not an integer" },
        { HEAD "\"vocab\":{\"\":1},\"merges\":[]}," PRE "}", "0 bytes" },
        { HEAD "\"vocab\":{\"a b\":1},\"merges\":[]}," PRE "}", "alphabet" },
        { HEAD VOCAB ",\"merges\":[\"a c\"]}," PRE "}", "merge 0" },
        { HEAD VOCAB ",\"merges\":[\"b a\"]}," PRE "}", "makes a token" },
        { HEAD VOCAB ",\"merges\":[\"ab\"]}," PRE "}", "form" },
        { HEAD VOCAB ",\"merges\":[[\"a\"]]}," PRE "}", "pair" },
        { HEAD VOCAB ",\"merges\":[7]}," PRE "}", "pair" },
        { HEAD VOCAB ",\"merges\":[\"a b\",[\"a\",\"b\"]]}," PRE "}",
          "repeats" },
        { HEAD VOCAB ",\"merges\":[]},\"pre_tokenizer\":{\"type\":"
          "\"Whitespace\"}}", "Whitespace" },
        { HEAD VOCAB ",\"merges\":[]}," PRE ",\"post_processor\":{\"type\":"
          "\"RobertaProcessing\"}}", "RobertaProcessing" },
        { HEAD VOCAB ",\"merges\":[]}," PRE ",\"added_tokens\":[{\"id\":2,"
          "\"content\":\"x\"}]}", "another token" },
        { HEAD VOCAB ",\"merges\":[]}," PRE ",\"added_tokens\":[{\"id\":1,"
          "\"content\":\"a\"}]}", "another token" },
    };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ok(refused(bad[i][0], bad[i][1]), "refused: %s", bad[i][1]);
}

/* A Llama 2 form: byte fallback, the space by a normaliser, bos. */
static void llama2_json(void)
{
    struct err err = ERR_INIT;
    struct tokenizer *t;
    struct tokens ids;
    struct buf b;
    int i;

    buf_init(&b, 1 << 16);
    buf_puts(&b, "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\","
             "\"special\":true,\"normalized\":true},{\"id\":1,\"content\":"
             "\"<s>\",\"special\":true}],\"normalizer\":{\"type\":"
             "\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
             "\"prepend\":\"" METASPACE "\"},{\"type\":\"Replace\","
             "\"pattern\":{\"String\":\" \"},\"content\":\"" METASPACE
             "\"}]},\"pre_tokenizer\":null,\"post_processor\":{\"type\":"
             "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":"
             "\"<s>\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
             "\"type_id\":0}}]},\"model\":{\"type\":\"BPE\",\"unk_token\":"
             "\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,"
             "\"vocab\":{\"<unk>\":0,\"<s>\":1");
    for (i = 0; i < 256; i++)
        buf_printf(&b, ",\"<0x%02X>\":%d", (unsigned)i, i + 2);
    buf_puts(&b, ",\"" METASPACE "\":258,\"a\":259,\"" METASPACE "a\":260},"
             "\"merges\":[\"" METASPACE " a\"]}}");
    t = from_json(b.data, b.len);
    ok(t->flags & TOK_ADD_BOS, "llama 2: bos");
    ok(encodes(t, "aa", IDS(260, 259)), "llama 2: a leading space");
    ok(encodes(t, "a\n<0x41>", IDS(260, 12, 62, 50, 122, 54, 51, 64)),
       "llama 2: bytes, and their names as plain text");
    tokens_init(&ids);
    ok(!tokenizer_encode_special(t, "a<s>a", 5, true, &ids, &err) &&
       same_ids(&ids, IDS(260, 1, 260)), "llama 2: a space on each run");
    tokens_clear(&ids);
    tokenizer_free(t);
    buf_clear(&b);
}

int main(void)
{
    struct tokenizer *t = nano();

    data_dir = getenv("APUS_TEST_DATA");
    small_promises(t);
    streaming(t);
    long_texts(t, "nano");
    tokenizer_free(t);
    spm();
    bad_bytes();
    repeated_merge();
    special_is_utf8();
    bad_json();
    llama2_json();
    if (data_dir) {
        gpt2();
        qwen();
        stories();
    } else {
        skip("GPT-2, Qwen, stories260K", "APUS_TEST_DATA is not set");
    }
    return done();
}
