/*
 * x1vectors [--kernel NAME] DIR: run every *.json vector in a directory, bit
 * for bit, on every backend that this machine can run.  A file has `cases`
 * (operators) or `runs` (whole runs of the model DIR/models/NAME, else
 * DIR/../../models/NAME).  Ends with `N passed, N failed, N skipped`.
 */
#include <config.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tests/vectors.h"

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static size_t element_size(const char *dtype)
{
    if (strcmp(dtype, "f32") == 0 || strcmp(dtype, "i32") == 0)
        return 4;
    return strcmp(dtype, "i8") == 0 ? 1 : 0;
}

static int read_shape(struct array *a, const struct json *shape)
{
    const struct json *d;

    a->n = 1;
    for (d = json_first(shape); d; d = json_next(d)) {
        uint64_t v;

        if (a->n_dims == 4 || json_u64(d, &v) || v > 1u << 28 ||
            (a->n *= v) > 1u << 28)
            return -1;
        a->dim[a->n_dims++] = v;
    }
    return 0;
}

int array_read(struct array *a, const struct json *v)
{
    const char *dtype = json_string(json_get(v, "dtype"));
    const char *hex = json_string(json_get(v, "hex"));
    unsigned char *out;

    memset(a, 0, sizeof(*a));
    if (!dtype || !hex || read_shape(a, json_get(v, "shape")))
        return -1;
    a->size = element_size(dtype);
    if (!a->size || strlen(hex) != 2 * a->n * a->size)
        return -1;
    out = xcalloc(a->n * a->size + 64, 1);
    a->data = out;
    for (; *hex; hex += 2) {
        int hi = hex_digit(hex[0]), lo = hex_digit(hex[1]);

        if (hi < 0 || lo < 0) {
            array_clear(a);
            return -1;
        }
        *out++ = (unsigned char)(hi << 4 | lo);
    }
    return 0;
}

void array_clear(struct array *a)
{
    free(a->data);
    memset(a, 0, sizeof(*a));
}

void tally_add(struct tally *t, int good, const char *file, const char *what,
               const char *note, size_t index)
{
    if (good) {
        t->passed++;
        return;
    }
    t->failed++;
    printf("FAILED %s: %s %zu: %s\n", file, what, index, note);
}

static int is_json(const struct dirent *d)
{
    size_t n = strlen(d->d_name);

    return n > 5 && strcmp(d->d_name + n - 5, ".json") == 0;
}

static void run_file(struct tally *t, const char *dir, const char *file,
                     const struct x1_kernels *k)
{
    struct err err = ERR_INIT;
    struct json *root = NULL;
    struct buf text;
    char *path = file_join(dir, file);

    buf_init(&text, 256u << 20);
    if (file_read(&text, path, &err) ||
        json_parse(&root, text.data, text.len, &err)) {
        tally_add(t, 0, file, "file", err.text, 0);
    } else if (json_get(root, "cases")) {
        vectors_ops(t, file, json_get(root, "cases"), k);
    } else if (json_get(root, "runs")) {
        vectors_runs(t, dir, file, root, k);
    } else {
        printf("skipped %s: neither cases nor runs\n", file);
        t->skipped++;
    }
    json_free(root);
    buf_clear(&text);
    free(path);
}

static int run_dir(struct tally *t, const char *dir, const char *kernel)
{
    struct dirent **list;
    int n = scandir(dir, &list, is_json, alphasort);

    if (n < 0) {
        fprintf(stderr, "x1vectors: cannot read \"%s\"\n", dir);
        return -1;
    }
    for (size_t l = 0; x1_level(l); l++) {
        struct x1_kernels k;

        if (kernel && strcmp(kernel, x1_level(l)->name) != 0)
            continue;
        x1_kernels_init(&k, x1_level(l)->cpu);
        printf("kernel %s\n", k.name);
        for (int i = 0; i < n; i++)
            run_file(t, dir, list[i]->d_name, &k);
    }
    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    return 0;
}

int main(int argc, char **argv)
{
    struct tally t = { 0, 0, 0 };
    const char *kernel = NULL;

    if (argc == 4 && strcmp(argv[1], "--kernel") == 0) {
        kernel = argv[2];
        argv += 2;
        argc -= 2;
    }
    if (argc != 2) {
        fprintf(stderr, "usage: x1vectors [--kernel NAME] DIR\n");
        return 2;
    }
    x1_thread_init();
    if (run_dir(&t, argv[1], kernel))
        return 2;
    if (t.passed + t.failed + t.skipped == 0)
        printf("no vectors in \"%s\"\n", argv[1]);
    printf("%u passed, %u failed, %u skipped\n", t.passed, t.failed,
           t.skipped);
    return t.failed || !t.passed;
}
