/*
 * Files of safetensors, written.
 */
#include <config.h>

#include "tests/safetensors_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"

size_t st_width(const char *dtype)
{
    return strcmp(dtype, "F32") == 0 ? 4 : strcmp(dtype, "F64") == 0 ? 8 : 2;
}

float st_value(size_t tensor, size_t i)
{
    return (float)((int)((i * 7 + tensor * 5) % 31) - 15) / 8;
}

void st_number(unsigned char *p, const char *dtype, float v)
{
    uint32_t u = f32_bits(v);

    if (strcmp(dtype, "F32") == 0) {
        set_u32(p, u);
    } else if (strcmp(dtype, "BF16") == 0) {
        p[0] = (unsigned char)(u >> 16);
        p[1] = (unsigned char)(u >> 24);
    } else if (strcmp(dtype, "F16") == 0) {
        uint32_t h = v == 0 ? 0 : ((u >> 23 & 255) - 112) << 10 |
                                  (u >> 13 & 0x3ff);

        h |= u >> 31 << 15;
        p[0] = (unsigned char)h;
        p[1] = (unsigned char)(h >> 8);
    }
}

void st_add(struct st_file *f, const char *name, const char *dtype,
            unsigned rows, unsigned cols)
{
    struct st_tensor *t = &f->t[f->n];
    size_t n = (size_t)rows * (cols ? cols : 1), w = st_width(dtype);

    if (f->n == 40)
        abort();
    snprintf(t->name, sizeof(t->name), "%s", name);
    snprintf(t->dtype, sizeof(t->dtype), "%s", dtype);
    t->rows = rows;
    t->cols = cols;
    t->size = n * w;
    t->data = xcalloc(n ? n : 1, w);
    for (size_t i = 0; i < n; i++)
        st_number(t->data + i * w, dtype, st_value(f->n, i));
    f->n++;
}

struct st_tensor *st_find(struct st_file *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->t[i].name, name) == 0)
            return &f->t[i];
    abort();
}

unsigned char *st_data(struct st_file *f, const char *name)
{
    return st_find(f, name)->data;
}

void st_drop(struct st_file *f, const char *name)
{
    struct st_tensor *t = st_find(f, name);

    free(t->data);
    *t = f->t[--f->n];
}

void st_clear(struct st_file *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->t[i].data);
    f->n = 0;
}

void st_bytes(struct buf *out, const struct st_file *f)
{
    struct buf h;
    size_t at = 0;

    buf_init(&h, (size_t)1 << 20);
    buf_puts(&h, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < f->n; i++) {
        const struct st_tensor *t = &f->t[i];

        buf_printf(&h, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[%u", t->name,
                   t->dtype, t->rows);
        if (t->cols)
            buf_printf(&h, ",%u", t->cols);
        buf_printf(&h, "],\"data_offsets\":[%zu,%zu]}", at, at + t->size);
        at += t->size;
    }
    buf_putc(&h, '}');
    while (h.len % 8)
        buf_putc(&h, ' ');
    buf_put_u64(out, h.len);
    buf_put(out, h.data, h.len);
    for (size_t i = 0; i < f->n; i++)
        buf_put(out, f->t[i].data, f->t[i].size);
    buf_clear(&h);
}

void st_write(const struct st_file *f, const char *path)
{
    struct buf b;

    buf_init(&b, (size_t)16 << 20);
    st_bytes(&b, f);
    if (file_write(path, b.data, b.len, NULL))
        abort();
    buf_clear(&b);
}
