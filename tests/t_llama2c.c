/*
 * Files of llama2.c: nano has the same tensors as from safetensors, with the
 * head tied and with one of its own; stories260K, its rows as its GGUF file has
 * them, those of its safetensors, and the tokenizer of that file; what is
 * refused.
 */
#include <config.h>

#include <math.h>

#include "base/bytes.h"
#include "model/import/formats.h"
#include "model/import/gguf.h"
#include "model/import/import.h"
#include "model/import/llama2c.h"
#include "model/import/llama2c_texts.h"
#include "text/tokenizer.h"
#include "tests/llama2c_made.h"
#include "tests/models_util.h"

#define MAX ((size_t)64 << 20)

static struct import *open_tree(const char *name)
{
    char *dir = tree_path(name);
    struct err err = ERR_INIT;
    struct import *m = NULL;

    if (formats_open(&m, dir, &err))
        printf("# %s\n", err.text);
    free(dir);
    return m;
}

static char *put_file(const char *name, const struct buf *b)
{
    char *path = tmp_path(name);

    file_write(path, b->data, b->len, NULL);
    return path;
}

static bool convert(const char *from, const char *tokenizer,
                    struct model_record *rec, struct err *err)
{
    struct convert_options o = { .tokenizer = tokenizer };
    char *to = tmp_path("converted.apus");
    struct id id;
    bool good;

    *err = (struct err)ERR_INIT;
    good = convert_model(from, to, &o, &id, err) == 0 &&
           model_peek(rec, &id, to, err) == 0;
    unlink(to);
    free(to);
    return good;
}

/* ---- the same tensors ---------------------------------------------------- */

static void same_tensors(const char *file, const char *other, const char *what)
{
    struct model_record a = { 0 }, b = { 0 };
    struct err err;

    if (!ok(convert(file, NULL, &a, &err), "%s: converted", what) ||
        !ok(convert(other, NULL, &b, &err), "%s: from safetensors", what)) {
        printf("# %s\n", err.text);
        return;
    }
    ok(id_equal(a.tensors, b.tensors), "%s: the same tensors", what);
    ok(a.context == b.context && f32_bits(a.eps) == f32_bits(b.eps) &&
       f32_bits(a.attn_scale) == f32_bits(b.attn_scale) && a.flags == b.flags,
       "%s: context, eps, scale, flags", what);
    ok(a.bos == 1 && a.n_eos == 2 && a.eos[0] == 2 && a.eos[1] == 1,
       "%s: bos and ends", what);
}

static void try_nano(const struct import *nano)
{
    char *dir = tree_path("models/nano"), *path;
    struct buf b;

    buf_init(&b, MAX);
    llama2c_made(&b, nano);
    path = put_file("nano.bin", &b);
    same_tensors(path, dir, "nano");
    buf_clear(&b);
    free(dir);
    free(path);
}

/* A head that differs from the embedding: twice as large. */
static void try_own_head(const struct import *nano)
{
    struct model_record a = { 0 }, b = { 0 };
    size_t n = (size_t)nano->rec.n_vocab * nano->rec.dim, at;
    struct err err;
    struct buf file;
    char *path;

    buf_init(&file, MAX);
    llama2c_made(&file, nano);
    set_u32((unsigned char *)file.data + 20, (uint32_t)-(int)nano->rec.n_vocab);
    at = LLAMA2C_HEADER;
    for (size_t i = 0; i < n; i++, at += 4)
        buf_put_f32(&file, 2 * f32_from(get_u32(file.data + at)));
    path = put_file("head.bin", &file);
    ok(convert(path, NULL, &a, &err) && !(a.flags & MODEL_TIED),
       "an own head is read");
    set_u32((unsigned char *)file.data + 20, nano->rec.n_vocab);
    free(path);
    path = put_file("head.bin", &file);
    ok(!convert(path, NULL, &b, &err) && strstr(err.text, "bytes, and a file"),
       "that many bytes and a tied one are refused");
    buf_clear(&file);
    free(path);
}

/* ---- stories260K --------------------------------------------------------- */

static void put_gguf(struct buf *out, const struct gguf *g, const char *name)
{
    const struct gguf_tensor *t = gguf_find(g, name);
    struct err err = ERR_INIT;
    float *x;

    if (!t) {
        printf("# no tensor %s\n", name);
        return;
    }
    x = xmalloc((size_t)t->n * sizeof(*x));
    if (gguf_read(g, t, 0, (size_t)t->n, x, &err))
        printf("# %s\n", err.text);
    for (size_t i = 0; i < (size_t)t->n; i++)
        buf_put_f32(out, x[i]);
    free(x);
}

/* Its tensors in the order of a file, none of their rows moved. */
static void put_stories(struct buf *out, const struct gguf *g)
{
    static const int32_t header[7] = { 64, 172, 5, 8, 4, 512, 512 };
    static const char *const part[] = {
        "attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm",
        "ffn_gate", "ffn_down", "ffn_up"
    };
    char name[64];

    llama2c_put_header(out, header);
    put_gguf(out, g, "token_embd.weight");
    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
        for (int l = 0; l < header[2]; l++) {
            snprintf(name, sizeof(name), "blk.%d.%s.weight", l, part[i]);
            put_gguf(out, g, name);
        }
    put_gguf(out, g, "output_norm.weight");
    for (int i = 0; i < 512 * 8; i++)
        buf_put_f32(out, NAN);
}

static void same_tokenizer(const char *gguf, const char *file)
{
    char *tokens = data_path("models/stories260K/tok512.bin");
    struct model_record a = { 0 }, b = { 0 };
    struct err err;

    ok(convert(file, tokens, &a, &err), "with tok512.bin");
    printf("# %s\n", err.text);
    ok(convert(gguf, NULL, &b, &err), "the GGUF file");
    ok(a.tokenizer_size > 0 && a.tokenizer_size == b.tokenizer_size &&
       id_equal(a.tokenizer, b.tokenizer), "the same tokenizer");
    free(tokens);
}

static void try_stories(void)
{
    char *gguf = data_path("models/stories260K/stories260K.gguf");
    char *dir = stories_dir(), *path;
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    struct buf b;

    if (!gguf || !dir) {
        skip("stories260K", "no APUS_TEST_DATA");
        return;
    }
    buf_init(&b, MAX);
    if (ok(gguf_open(&g, gguf, &err) == 0, "stories260K.gguf"))
        put_stories(&b, g);
    path = put_file("stories.bin", &b);
    same_tensors(path, dir, "stories260K");
    same_tokenizer(gguf, path);
    gguf_close(g);
    buf_clear(&b);
    free(gguf);
    free(dir);
    free(path);
}

/* ---- tokenizers ---------------------------------------------------------- */

static void put_tokenizer(struct buf *b)
{
    char byte[8];

    buf_put_u32(b, 6);
    llama2c_put_token(b, 0, 5, "<unk>");
    llama2c_put_token(b, 0, 5, "\n<s>\n");
    llama2c_put_token(b, 0, 6, "\n</s>\n");
    for (unsigned i = 0; i < 256; i++) {
        snprintf(byte, sizeof(byte), "<0x%02X>", i);
        llama2c_put_token(b, 0, 6, byte);
    }
    llama2c_put_token(b, -1, 2, " a"); /* 259 */
    llama2c_put_token(b, -2, 1, " ");
    llama2c_put_token(b, -3, 1, "a");
    llama2c_put_token(b, -4, 1, "b"); /* 262 */
}

static void try_tokenizer(void)
{
    static const uint32_t want[] = { 259, 260, 259, 262, 13, 3 + 0xc3,
                                     3 + 0xa9 };
    struct err err = ERR_INIT;
    struct tokenizer *t = NULL;
    struct tokens ids;
    struct buf b, out;

    buf_init(&b, MAX);
    buf_init(&out, MAX);
    tokens_init(&ids);
    put_tokenizer(&b);
    ok(llama2c_tokenizer(&out, b.data, b.len, 263, true, &err) == 0 &&
       tokenizer_new(&t, (unsigned char *)out.data, out.len, 263, &err) == 0,
       "a tokenizer");
    printf("# %s\n", err.text);
    ok(t && tokenizer_encode(t, "a  ab\n\xc3\xa9", 8, true, &ids, &err) == 0 &&
       ids.n == 7 && memcmp(ids.id, want, sizeof(want)) == 0,
       "a space before the text, spaces as they are, bytes");
    ok(t && tokenizer_is_control(t, 1) && tokenizer_is_control(t, 2) &&
       tokenizer_find(t, "</s>") == 2, "bos and end");
    tokens_clear(&ids);
    tokenizer_free(t);
    buf_clear(&b);
    buf_clear(&out);
}

static void refused_tokenizer(struct buf *b, uint32_t n_vocab, const char *want)
{
    struct err err = ERR_INIT;
    struct buf out;

    buf_init(&out, MAX);
    ok(llama2c_tokenizer(&out, b->data, b->len, n_vocab, true, &err) == -1 &&
       err.code == ERR_INPUT && strstr(err.text, want) && out.len == 0,
       "refused: %s", want);
    if (!strstr(err.text, want))
        printf("# %s\n", err.text);
    buf_clear(&out);
    buf_clear(b);
}

static void try_bad_tokenizers(void)
{
    struct buf b;

    buf_init(&b, MAX);
    put_tokenizer(&b);
    refused_tokenizer(&b, 262, "more than the 262 tokens");
    put_tokenizer(&b);
    refused_tokenizer(&b, 264, "it has 263 tokens, and the vocabulary 264");
    put_tokenizer(&b);
    b.len--;
    refused_tokenizer(&b, 263, "ends within token 262");
    put_tokenizer(&b);
    b.len -= 6;
    refused_tokenizer(&b, 263, "ends within token 262");
    put_tokenizer(&b);
    llama2c_put_token(&b, 0, 7, "toolong");
    refused_tokenizer(&b, 264, "token 263 has 7 bytes, and the longest 6");
    put_tokenizer(&b);
    llama2c_put_token(&b, 0, -1, "");
    refused_tokenizer(&b, 264, "token 263 has -1 bytes");
    put_tokenizer(&b);
    llama2c_put_token(&b, 0, 1, "\xff");
    refused_tokenizer(&b, 264, "263 is not UTF-8");
    put_tokenizer(&b);
    llama2c_put_token(&b, INFINITY, 1, "c");
    refused_tokenizer(&b, 264, "263 has an infinite score");
    put_tokenizer(&b);
    b.len = 3;
    refused_tokenizer(&b, 263, "tokens");
}

/* ---- bad files ----------------------------------------------------------- */

static void refused(const void *bytes, size_t n, uint64_t size,
                    const char *want)
{
    struct err err = ERR_INIT;
    struct model_record rec;

    ok(llama2c_header(&rec, bytes, n, size, &err) == -1 &&
       err.code == ERR_INPUT && strstr(err.text, want), "refused: %s", want);
    if (!strstr(err.text, want))
        printf("# %s\n", err.text);
}

static void try_kinds(void)
{
    static const unsigned char version[28] = { '2', '4', 'k', 'a', 2 };

    refused("PK\3\4....", 8, 8, "a file of PyTorch");
    refused("\x80\2}q....", 8, 8, "a file of PyTorch");
    refused("tjgg....", 8, 8, "a file of ggml from before GGUF");
    refused(version, 28, 28, "version 2 of llama2.c's format");
    refused("12345", 5, 5, "it has 5 bytes, the header");
}

/* One number of a good header is another. */
static void try_numbers(void)
{
    static const struct {
        size_t i;
        int32_t v;
        const char *want;
    } bad[] = {
        { 0, 0, "has 0 for the width" },
        { 1, -4, "has -4 for the width of the ffn" },
        { 2, INT32_MIN, "has -2147483648 for the number of layers" },
        { 2, 1025, "number of layers is 1025" },
        { 3, 7, "a width of 64 and 7 heads" },
        { 3, 64, "head width is 1" },
        { 4, 3, "number of heads is 8" },
        { 5, 0, "has 0 for the vocabulary" },
        { 5, INT32_MIN, "vocabulary is 2147483648" },
        { 0, 1 << 30, "width is 1073741824" },
        { 6, INT32_MAX, "context is 2147483647" },
    };
    static const int32_t good[7] = { 64, 172, 5, 8, 4, 512, 512 };
    struct model_record rec;
    int32_t v[7];
    struct buf b;

    buf_init(&b, MAX);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(v, good, sizeof(v));
        v[bad[i].i] = bad[i].v;
        buf_reset(&b);
        llama2c_put_header(&b, v);
        refused(b.data, b.len, 1 << 20, bad[i].want);
    }
    buf_reset(&b);
    llama2c_put_header(&b, good);
    ok(llama2c_header(&rec, b.data, b.len, 1056540, NULL) == 0,
       "the size of stories260K.bin");
    refused(b.data, b.len, 1056539, "the download did not finish");
    refused(b.data, b.len, 1056541, "it has 1056541 bytes, and a file");
    buf_clear(&b);
}

/* A number that no model may have, where it stands. */
static void try_infinite(const struct import *nano)
{
    struct model_record rec;
    struct err err;
    struct buf b;
    char *path;

    buf_init(&b, MAX);
    llama2c_made(&b, nano);
    set_u32((unsigned char *)b.data + LLAMA2C_HEADER + 4 * 5, 0x7f800000);
    path = put_file("infinite.bin", &b);
    ok(!convert(path, NULL, &rec, &err) && err.code == ERR_INPUT &&
       strstr(err.text, "number 5 is not below 2^40"), "an infinite weight");
    printf("# %s\n", err.text);
    buf_clear(&b);
    free(path);
}

int main(void)
{
    struct import *nano = open_tree("models/nano");

    if (ok(nano != NULL, "nano")) {
        try_nano(nano);
        try_own_head(nano);
        try_infinite(nano);
    }
    try_stories();
    try_tokenizer();
    try_bad_tokenizers();
    try_kinds();
    try_numbers();
    import_free(nano);
    tmp_remove();
    return done();
}
