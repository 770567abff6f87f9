/*
 * Safetensors: the three dtypes bit for bit (every binary16), parts of
 * tensors, shards and their index, and headers that lie: lengths, offsets,
 * overlaps, holes, shapes that overflow, unknown dtypes, duplicate names.
 */
#include <config.h>

#include <math.h>

#include "model/import/safetensors.h"
#include "tests/models_util.h"
#include "tests/safetensors_util.h"

static char *scratch(const char *name)
{
    char *dir = tmp_path(name);

    file_mkdirs(dir, NULL);
    return dir;
}

static void put_safetensors(const char *dir, const char *name, const void *data,
                            size_t n)
{
    char *path = file_join(dir, name);

    if (file_write(path, data, n, NULL))
        abort();
    free(path);
}

static void write_st(const char *dir, const char *name,
                     const struct st_file *f)
{
    char *path = file_join(dir, name);

    st_write(f, path);
    free(path);
}

static void try_read(void)
{
    static const char *const dtype[] = { "F32", "F16", "BF16" };
    char *dir = scratch("read");

    for (size_t d = 0; d < 3; d++) {
        struct st_file f = { 0 };
        struct safetensors *s;
        const struct safetensor *t;
        float x[21];
        int good = 1;

        st_add(&f, "b", dtype[d], 3, 7);
        st_add(&f, "a", dtype[d], 5, 0);
        write_st(dir, "model.safetensors", &f);
        if (!ok(!safetensors_open(&s, dir, NULL), "%s: opened", dtype[d]))
            continue;
        t = safetensors_find(s, "b");
        ok(safetensors_count(s) == 2 && t && t->n_dims == 2 &&
           t->shape[0] == 3 && t->shape[1] == 7 && t->n == 21 &&
           strcmp(t->dtype, dtype[d]) == 0 && !safetensors_find(s, "c") &&
           strcmp(safetensors_at(s, 0)->name, "a") == 0, "its tensors");
        good &= !safetensors_read(s, t, 0, 21, x, NULL);
        for (size_t i = 0; i < 21; i++)
            good &= x[i] == st_value(0, i);
        good &= !safetensors_read(s, t, 14, 7, x, NULL);
        good &= x[0] == st_value(0, 14) && x[6] == st_value(0, 20);
        ok(good, "%s: its numbers", dtype[d]);
        safetensors_close(s);
        st_clear(&f);
    }
    free(dir);
}

/* Value of a binary16 by its definition. */
static double half(unsigned h)
{
    int e = (int)(h >> 10 & 31);
    double m = h & 1023, v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);

    return h & 0x8000 ? -v : v;
}

static void try_every_half(void)
{
    struct st_file f = { 0 };
    struct safetensors *s;
    char *dir = scratch("half");
    float *x = xmalloc(65536 * sizeof(*x));
    int good;

    st_add(&f, "h", "F16", 65536, 0);
    st_add(&f, "b", "BF16", 65536, 0);
    for (unsigned i = 0; i < 2 * 65536; i++) {
        f.t[i >> 16].data[2 * (i & 65535)] = (unsigned char)i;
        f.t[i >> 16].data[2 * (i & 65535) + 1] = (unsigned char)(i >> 8);
    }
    write_st(dir, "model.safetensors", &f);
    good = !safetensors_open(&s, dir, NULL);
    good &= !safetensors_read(s, safetensors_find(s, "h"), 0, 65536, x, NULL);
    for (unsigned i = 0; i < 65536; i++) {
        if ((i >> 10 & 31) == 31)
            good &= i & 1023 ? isnan(x[i]) : isinf(x[i]);
        else
            good &= f32_bits(x[i]) == f32_bits((float)half(i));
    }
    ok(good, "every binary16");
    good = !safetensors_read(s, safetensors_find(s, "b"), 0, 65536, x, NULL);
    for (uint32_t i = 0; i < 65536; i++)
        good &= f32_bits(x[i]) == i << 16;
    ok(good, "every bfloat16");
    safetensors_close(s);
    st_clear(&f);
    free(x);
    free(dir);
}

static void index_of(const char *dir, const char *text)
{
    put_safetensors(dir, "model.safetensors.index.json", text, strlen(text));
}

static int fails(const char *dir, const char *text)
{
    struct err err = ERR_INIT;
    struct safetensors *s = NULL;
    int rc = safetensors_open(&s, dir, &err);

    if (!rc)
        safetensors_close(s);
    if (rc && err.code == ERR_INPUT && strstr(err.text, text))
        return 1;
    printf("# rc %d, %s\n", rc, err.text);
    return 0;
}

static void try_shards(void)
{
    struct st_file f = { 0 }, g = { 0 };
    struct safetensors *s;
    char *dir = scratch("shards");
    float x[4];

    ok(fails(dir, "neither"), "a directory without tensors");
    st_add(&f, "a", "F32", 2, 2);
    st_add(&g, "b", "BF16", 3, 0);
    write_st(dir, "one.safetensors", &f);
    write_st(dir, "two.safetensors", &g);
    index_of(dir, "{\"metadata\":{},\"weight_map\":{"
             "\"b\":\"two.safetensors\",\"a\":\"one.safetensors\"}}");
    ok(!safetensors_open(&s, dir, NULL), "two shards");
    ok(safetensors_count(s) == 2 &&
       !safetensors_read(s, safetensors_find(s, "b"), 0, 3, x, NULL) &&
       x[2] == st_value(0, 2) &&
       !safetensors_read(s, safetensors_find(s, "a"), 2, 2, x, NULL) &&
       x[1] == st_value(0, 3), "each read from its own");
    safetensors_close(s);
    index_of(dir, "{\"weight_map\":{\"b\":\"two.safetensors\","
             "\"a\":\"two.safetensors\"}}");
    ok(fails(dir, "\"a\" is not in"), "a tensor in another shard");
    index_of(dir, "{\"weight_map\":{\"a\":\"one.safetensors\","
             "\"b\":\"../shards/two.safetensors\"}}");
    ok(fails(dir, "plain file name"), "a path in the index");
    index_of(dir, "{\"weight_map\":{\"a\":\"one.safetensors\","
             "\"b\":\"three.safetensors\"}}");
    ok(fails(dir, "three.safetensors"), "a shard that is missing");
    index_of(dir, "{\"weight_map\":[]}");
    ok(fails(dir, "weight_map"), "an index without a map");
    st_add(&g, "a", "F32", 1, 0);
    write_st(dir, "two.safetensors", &g);
    index_of(dir, "{\"weight_map\":{\"b\":\"two.safetensors\","
             "\"a\":\"one.safetensors\"}}");
    ok(fails(dir, "in two shards"), "a tensor in two shards");
    st_clear(&f);
    st_clear(&g);
    free(dir);
}

/* Headers: the data after them has 8 bytes. */
static void try_headers(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "", "{" },
        { " {}", "{" },
        { "[]", "{" },
        { "{", "JSON" },
        { "{}", "0 of 8" },
        { "{\"a\":1}", "not an object" },
        { "{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", "dtype" },
        { "{\"a\":{\"dtype\":\"F33\",\"shape\":[2],"
          "\"data_offsets\":[0,8]}}", "F33" },
        { "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", "no shape" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "data_offsets" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
          "\"data_offsets\":[0,8,8]}}", "data_offsets" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
          "\"data_offsets\":[8,0]}}", "not within" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],"
          "\"data_offsets\":[1,9]}}", "ends within tensor \"a\"" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],"
          "\"data_offsets\":[0,8]}}", "needs 12" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],"
          "\"data_offsets\":[0,8]}}", "no size" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],"
          "\"data_offsets\":[0,8]}}", "more than 8" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],"
          "\"data_offsets\":[0,0]}}", "too large" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2305843009213693952],"
          "\"data_offsets\":[0,0]}}", "too large" },
        { "{\"a\":{\"dtype\":\"F4\",\"shape\":[15],"
          "\"data_offsets\":[0,8]}}", "on a byte" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
          "\"data_offsets\":[4,8]}}", "begins at 4" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
          "\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
          "\"data_offsets\":[4,8]}}", "begins at 4" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
          "\"data_offsets\":[0,4]}}", "4 of 8" },
        { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
          "\"a\":{\"dtype\":\"F32\",\"shape\":[0],"
          "\"data_offsets\":[8,8]}}", "JSON" },
    };
    static const char good[] =
        "{\"z\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[4,4]},"
        "\"b\":{\"dtype\":\"F16\",\"shape\":[1,2],\"data_offsets\":[4,8]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}   ";
    size_t n = 0;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = ERR_INIT;
        int rc = safetensors_check(&n, cases[i].text, strlen(cases[i].text),
                                   8, &err);

        if (!ok(rc == -1 && err.code == ERR_INPUT &&
                (strstr(err.text, cases[i].message) ||
                 strstr(err.text, "header")), "bad header: %s",
                cases[i].message))
            printf("# %s\n", err.text);
    }
    ok(!safetensors_check(&n, good, sizeof(good) - 1, 8, NULL) && n == 3,
       "scalars, empty tensors, any order, spaces at the end");
}

/* What stands before the header, and files that are cut. */
static void try_files(void)
{
    struct st_file f = { 0 };
    char *dir = scratch("files");
    struct buf b;
    int cut = 1;

    buf_init(&b, 1 << 16);
    st_add(&f, "a", "F32", 4, 0);
    st_bytes(&b, &f);
    for (size_t n = 0; n < b.len; n += n < 16 ? 1 : 7) {
        struct safetensors *s;

        put_safetensors(dir, "model.safetensors", b.data, n);
        cut &= safetensors_open(&s, dir, NULL) == -1;
    }
    ok(cut, "a file that is cut is refused");
    buf_putc(&b, 0);
    put_safetensors(dir, "model.safetensors", b.data, b.len);
    ok(fails(dir, "of 17 bytes"), "as is one with a byte more");
    set_u64(b.data, UINT64_MAX - 7);
    put_safetensors(dir, "model.safetensors", b.data, b.len);
    ok(fails(dir, "its header would have"), "and one with an absurd header");
    buf_clear(&b);
    st_clear(&f);
    free(dir);
}

int main(void)
{
    try_read();
    try_every_half();
    try_shards();
    try_headers();
    try_files();
    tmp_remove();
    return done();
}
