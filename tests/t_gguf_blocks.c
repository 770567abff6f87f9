/*
 * The block formats of GGUF: two blocks of each against the numbers of
 * tests/gguf_blocks.py, which takes them apart in another way; F32, F16 and
 * BF16; what is known by name alone.
 */
#include <config.h>

#include <math.h>

#include "base/bytes.h"
#include "model/import/gguf_blocks.h"
#include "proof/digest.h"
#include "tests/models_util.h"

#define TYPES 64
#define LINES 48

static size_t unhex(unsigned char *out, size_t capacity, const char *s)
{
    size_t n = strspn(s, "0123456789abcdef") / 2;
    unsigned byte;

    if (n > capacity)
        return 0;
    for (size_t i = 0; i < n; i++) {
        sscanf(s + 2 * i, "%2x", &byte);
        out[i] = (unsigned char)byte;
    }
    return n;
}

static const struct gguf_format *named(const char *name)
{
    for (uint32_t i = 0; i < TYPES; i++) {
        const struct gguf_format *f = gguf_format(i);

        if (f && strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

/* A line "NAME BLOCKS SHA256": whether its numbers are those published. */
static bool line_agrees(const char *name, const char *hex, const char *sum)
{
    const struct gguf_format *f = named(name);
    unsigned char raw[512], data[2 * GGUF_BLOCK * 4];
    float x[2 * GGUF_BLOCK];
    char text[65];
    struct id h;

    if (!f || !f->decode || unhex(raw, sizeof(raw), hex) != 2 * f->bytes)
        return false;
    f->decode(x, raw);
    f->decode(x + f->numbers, raw + f->bytes);
    for (unsigned i = 0; i < 2 * f->numbers; i++)
        set_u32(data + 4 * i, f32_bits(x[i]));
    digest(&h, data, 8 * f->numbers);
    digest_hex(text, h);
    return strcmp(text, sum) == 0;
}

static void try_vectors(void)
{
    char *path = tree_path("tests/data/gguf-blocks.txt");
    char name[16], hex[1024], sum[65], last[16] = "";
    FILE *f = fopen(path, "r");
    int lines = 0, good = 0, n = 0;

    while (f && fscanf(f, "%15s %1023s %64s", name, hex, sum) == 3) {
        if (n && strcmp(name, last) != 0) {
            ok(good == n, "%s: %d of %d pairs of blocks", last, good, n);
            n = good = 0;
        }
        snprintf(last, sizeof(last), "%s", name);
        good += line_agrees(name, hex, sum);
        n++;
        lines++;
    }
    ok(n && good == n, "%s: %d of %d pairs of blocks", last, good, n);
    ok(lines == LINES, "%d lines are there", lines);
    if (f)
        fclose(f);
    free(path);
}

static float one(const char *name, uint32_t bits)
{
    unsigned char p[4];
    float x = NAN;

    set_u32(p, bits);
    named(name)->decode(&x, p);
    return x;
}

static bool equal(float x, double y)
{
    return !((double)x < y) && !((double)x > y);
}

static void try_floats(void)
{
    ok(equal(one("F32", 0xbfc00000), -1.5), "F32");
    ok(equal(one("F16", 0xbe00), -1.5) && equal(one("F16", 1), 0x1p-24) &&
       equal(one("F16", 0x7bff), 65504) && isinf(one("F16", 0x7c00)),
       "F16: normal, subnormal, the largest, infinity");
    ok(equal(one("BF16", 0xbfc0), -1.5), "BF16");
}

static void try_names(void)
{
    ok(gguf_format(16) && strcmp(gguf_format(16)->name, "IQ2_XXS") == 0 &&
       !gguf_format(16)->decode, "a format that cannot be read has a name");
    ok(!gguf_format(4) && !gguf_format(UINT32_MAX), "others have none");
}

int main(void)
{
    try_vectors();
    try_floats();
    try_names();
    return done();
}
