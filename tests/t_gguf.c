/*
 * Reading GGUF files: values of every type, numbers from any place of a
 * tensor, files that were split; headers that lie, files that are cut, that
 * are something else.
 */
#include <config.h>

#include <math.h>

#include "base/bytes.h"
#include "model/import/gguf.h"
#include "model/import/gguf_blocks.h"
#include "tests/gguf_util.h"
#include "tests/models_util.h"

#define Q8_0 8
#define F32 0

static struct gguf *open_bytes(const struct gguf_out *o, struct err *err)
{
    struct gguf *g = NULL;
    struct buf b;

    *err = (struct err)ERR_INIT;
    buf_init(&b, (size_t)16 << 20);
    gguf_out_bytes(&b, o);
    if (gguf_check(&g, b.data, b.len, b.len, err))
        g = NULL;
    buf_clear(&b);
    return g;
}

/* ---- what is right ------------------------------------------------------- */

static void try_values(uint32_t version)
{
    struct gguf_out o;
    struct err err;
    struct gguf *g;
    struct gguf_items it;
    const char *s;
    size_t n = 0;
    uint64_t u = 0;
    double x = 0, sum = 0;
    bool b = false;

    gguf_out_init(&o);
    o.version = version;
    gguf_put_u32(&o, "n", 7);
    gguf_put_u16(&o, "small", 65535);
    gguf_put_f32(&o, "x", 1.5f);
    gguf_put_bool(&o, "yes", true);
    gguf_put_text(&o, "name", "a\xc3\xa9");
    gguf_put_array(&o, "list", GGUF_I32, 2);
    buf_put_u32(&o.keys, (uint32_t)-1);
    buf_put_u32(&o.keys, 4);
    gguf_put_array(&o, "words", GGUF_STRING, 2);
    gguf_put_element(&o, "one", 3);
    gguf_put_element(&o, "", 0);
    g = open_bytes(&o, &err);
    gguf_out_clear(&o);
    if (!ok(g != NULL, "version %u is read%s%s", version,
            g ? "" : ": ", err.text))
        return;
    ok(gguf_count(g) == 7 && !gguf_get(g, "nam") &&
       gguf_says(g, gguf_get(g, "name"), "a\xc3\xa9"), "keys are found");
    ok(!gguf_u64(g, gguf_get(g, "n"), &u) && u == 7 &&
       !gguf_u64(g, gguf_get(g, "small"), &u) && u == 65535 &&
       gguf_u64(g, gguf_get(g, "x"), &u) && gguf_u64(g, NULL, &u),
       "whole numbers");
    ok(!gguf_f64(g, gguf_get(g, "x"), &x) && fabs(x - 1.5) < 1e-9 &&
       !gguf_f64(g, gguf_get(g, "n"), &x) && fabs(x - 7) < 1e-9 &&
       gguf_f64(g, gguf_get(g, "list"), &x), "numbers");
    ok(!gguf_bool(g, gguf_get(g, "yes"), &b) && b &&
       gguf_bool(g, gguf_get(g, "n"), &b), "truths");
    ok(gguf_numbers(g, gguf_get(g, "words"), &it) &&
       !gguf_numbers(g, gguf_get(g, "list"), &it), "an array of numbers");
    while (gguf_next_number(&it, &x))
        sum += x;
    ok(fabs(sum - 3) < 1e-9, "has all of them, negative ones too");
    ok(!gguf_texts(g, gguf_get(g, "words"), &it) &&
       gguf_next_text(&it, &s, &n) && n == 3 && memcmp(s, "one", 3) == 0 &&
       gguf_next_text(&it, &s, &n) && n == 0 &&
       !gguf_next_text(&it, &s, &n), "an array of texts");
    gguf_close(g);
}

/* Two rows of 64 numbers i / 4, as F32 and as Q8_0. */
static void put_rows(struct gguf_out *o)
{
    unsigned char q[2 * 2 * 34];
    unsigned char f[2 * 64 * 4];

    for (int i = 0; i < 128; i++)
        set_u32(f + 4 * i, f32_bits((float)(i - 64) / 4));
    for (int i = 0; i < 128; i++) {
        q[i / 32 * 34] = 0;
        q[i / 32 * 34 + 1] = 0x34; /* 1/4 */
        q[i / 32 * 34 + 2 + i % 32] = (unsigned char)(i - 64);
    }
    gguf_put_tensor(o, "q", Q8_0, 64, 2, q, sizeof(q));
    gguf_put_tensor(o, "f", F32, 64, 2, f, sizeof(f));
}

static void try_numbers(void)
{
    static const size_t cut[][2] = { { 0, 128 }, { 1, 1 }, { 31, 2 },
                                     { 32, 32 }, { 40, 70 }, { 127, 1 } };
    char *path = tmp_path("numbers.gguf");
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    struct gguf_out o;
    float x[128], y[128];
    int good = 1;

    gguf_out_init(&o);
    put_rows(&o);
    gguf_out_write(&o, path);
    gguf_out_clear(&o);
    ok(gguf_is(path) && !gguf_open(&g, path, &err) && gguf_tensors(g) == 2,
       "a file with tensors%s%s", g ? "" : ": ", err.text);
    for (size_t i = 0; g && i < sizeof(cut) / sizeof(cut[0]); i++) {
        size_t n = cut[i][1];

        good &= !gguf_read(g, gguf_find(g, "f"), cut[i][0], n, x, &err) &&
                !gguf_read(g, gguf_find(g, "q"), cut[i][0], n, y, &err) &&
                memcmp(x, y, n * sizeof(*x)) == 0 &&
                f32_bits(x[0]) == f32_bits(((float)cut[i][0] - 64) / 4);
    }
    ok(g && good, "numbers are read from any place of a block");
    gguf_close(g);
    free(path);
}

/* A file of a set of two. */
static void write_part(const char *path, unsigned no, unsigned count,
                       const char *tensor)
{
    struct gguf_out o;
    unsigned char f[64] = { 0 };

    gguf_out_init(&o);
    gguf_put_u16(&o, "split.no", no);
    gguf_put_u16(&o, "split.count", count);
    gguf_put_u32(&o, "split.tensors.count", 2);
    if (no == 0)
        gguf_put_u32(&o, "only.first", 1);
    f[0] = (unsigned char)no;
    gguf_put_tensor(&o, tensor, F32, 16, 0, f, sizeof(f));
    gguf_out_write(&o, path);
    gguf_out_clear(&o);
}

static int opens(const char *path, struct err *err)
{
    struct gguf *g = NULL;
    int rc;

    *err = (struct err)ERR_INIT;
    rc = gguf_open(&g, path, err);
    if (rc == 0)
        gguf_close(g);
    return rc == 0;
}

static int fails(const char *path, const char *want, const char *what)
{
    struct err err;
    int good = !opens(path, &err) && strstr(err.text, want);

    if (!good)
        printf("# %s\n", err.text);
    return ok(good, "%s is named", what);
}

static void try_split(void)
{
    char *one = tmp_path("m-00001-of-00002.gguf");
    char *two = tmp_path("m-00002-of-00002.gguf");
    char *other = tmp_path("other.gguf");
    struct err err = ERR_INIT;
    struct gguf *g = NULL;
    float x = 0;

    write_part(one, 0, 2, "a");
    write_part(two, 1, 2, "b");
    ok(!gguf_open(&g, one, &err) && gguf_tensors(g) == 2 &&
       gguf_get(g, "only.first"), "two files are one model%s%s",
       g ? "" : ": ", err.text);
    ok(g && !gguf_read(g, gguf_find(g, "b"), 0, 1, &x, &err) &&
       f32_bits(x) == 1, "each tensor is read from its file");
    gguf_close(g);
    g = NULL;
    ok(!gguf_open(&g, two, &err) && gguf_tensors(g) == 2 &&
       gguf_get(g, "only.first"), "any of them stands for all");
    gguf_close(g);
    write_part(two, 1, 2, "a");
    fails(one, "\"a\" is there twice", "a tensor of both files");
    unlink(two);
    fails(one, "m-00002-of-00002.gguf", "a file that is missing");
    rename(one, other);
    fails(other, "-00001-of-00002.gguf", "a name that does not count");
    write_part(other, 1, 2, "b");
    fails(other, "not the first of 2", "another file than the first");
    free(one);
    free(two);
    free(other);
}

/* ---- what is wrong ------------------------------------------------------- */

static void refused(const struct gguf_out *o, const char *want,
                    const char *what)
{
    struct err err;
    struct gguf *g = open_bytes(o, &err);

    if (!ok(!g && strstr(err.text, want), "%s is refused", what))
        printf("# %s\n", err.text);
    gguf_close(g);
}

static void try_keys(void)
{
    struct gguf_out o;

    gguf_out_init(&o);
    gguf_put_u32(&o, "n", 7);
    gguf_put_u32(&o, "n", 8);
    refused(&o, "\"n\" is there twice", "a key twice");
    gguf_out_clear(&o);

    gguf_out_init(&o);
    gguf_put_array(&o, "a", GGUF_ARRAY, 1);
    refused(&o, "array of arrays", "an array of arrays");
    gguf_out_clear(&o);

    gguf_out_init(&o);
    gguf_put_array(&o, "a", GGUF_U64, UINT64_MAX / 8 + 2);
    refused(&o, "key \"a\"", "an array whose size overflows");
    gguf_out_clear(&o);

    gguf_out_init(&o);
    gguf_put_array(&o, "a", GGUF_STRING, UINT64_MAX);
    refused(&o, "ends within its header", "an array of too many texts");
    gguf_out_clear(&o);

    gguf_out_init(&o);
    gguf_put_text(&o, "", "x");
    refused(&o, "name of 0 bytes", "a key without a name");
    gguf_out_clear(&o);

    gguf_out_init(&o);
    gguf_put_array(&o, "a", 99, 1);
    refused(&o, "unknown type 99", "a type that is not known");
    gguf_out_clear(&o);

    gguf_out_init(&o);
    o.n_keys = UINT64_MAX;
    refused(&o, "at most 65536", "a count of keys");
    gguf_out_clear(&o);

    gguf_out_init(&o);
    gguf_put_u32(&o, "general.alignment", 24);
    refused(&o, "power of two", "an alignment of 24");
    gguf_out_clear(&o);
}

static void try_tensors(void)
{
    static const struct {
        uint32_t format;
        uint64_t cols, rows, at;
        const char *want, *what;
    } bad[] = {
        { F32, 8, 0, 7, "not a multiple of 32", "a place" },
        { F32, 8, 0, 1 << 20, "it is not whole", "a place after the end" },
        { F32, 1 << 20, 0, 0, "it is not whole", "a tensor that is cut" },
        { F32, UINT64_MAX / 2, 4, 0, "too large", "a shape" },
        { F32, 0, 4, 0, "empty or too large", "an empty shape" },
        { Q8_0, 40, 2, 0, "multiple of 32", "rows that blocks do not fill" },
        { 77, 32, 2, 0, "unknown format 77", "a format" },
        { F32, 8, 0, 32, "overlap", "a tensor within another" },
    };
    unsigned char data[256] = { 0 };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct gguf_out o;

        gguf_out_init(&o);
        gguf_put_tensor(&o, "first", F32, 64, 0, data, sizeof(data));
        gguf_put_info(&o, "t", bad[i].format, bad[i].cols, bad[i].rows,
                      bad[i].at);
        refused(&o, bad[i].want, bad[i].what);
        gguf_out_clear(&o);
    }
}

static void try_cuts(void)
{
    struct err err = ERR_INIT;
    struct gguf_out o;
    struct gguf *g;
    struct buf b;
    size_t good = 0;

    gguf_out_init(&o);
    gguf_put_text(&o, "name", "value");
    put_rows(&o);
    buf_init(&b, (size_t)1 << 20);
    gguf_out_bytes(&b, &o);
    gguf_out_clear(&o);
    for (size_t n = 0; n < b.len; n++)
        good += gguf_check(&g, b.data, n, n, &err) && err.text[0];
    ok(good == b.len, "a file that is cut anywhere is refused");
    buf_clear(&b);
}

static void write_text(const char *path, const char *text)
{
    struct err err = ERR_INIT;

    if (file_write(path, text, strlen(text), &err))
        printf("# %s\n", err.text);
}

static void try_others(void)
{
    char *path = tmp_path("other.gguf");

    write_text(path, "version https://git-lfs.github.com/spec/v1\noid sha256:"
               "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2"
               "393\nsize 12345\n");
    fails(path, "git lfs pull", "a pointer of Git LFS");
    write_text(path, "<!DOCTYPE html><html><body>Not found</body></html>");
    fails(path, "web page", "a web page");
    write_text(path, "");
    fails(path, "it is empty", "an empty file");
    file_write(path, "\0\0\0\0\0\0\0\0", 8, NULL);
    fails(path, "begins with zeros", "one of zeros");
    write_text(path, "GGUF\1\0\0\0");
    fails(path, "not GGUF", "a file that ends after the magic");
    write_text(path, "something that is neither long nor known");
    fails(path, "it is not GGUF", "another file");
    file_write(path, "GGUF\0\0\0\3zzzzzzzzzzzzzzzz", 24, NULL);
    fails(path, "big-endian", "a file for big-endian machines");
    file_write(path, "GGUF\1\0\0\0zzzzzzzzzzzzzzzz", 24, NULL);
    fails(path, "version 1; 2 and 3", "version 1");
    unlink(path);
    fails(path, "cannot open", "a file that is not there");
    free(path);
}

int main(void)
{
    try_values(2);
    try_values(3);
    try_numbers();
    try_split();
    try_keys();
    try_tensors();
    try_cuts();
    try_others();
    tmp_remove();
    return done();
}
