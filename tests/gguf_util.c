/*
 * Files of GGUF, written.
 */
#include <config.h>

#include "tests/gguf_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "model/import/gguf.h"

#define MAX ((size_t)1 << 31)

void gguf_out_init(struct gguf_out *o)
{
    memset(o, 0, sizeof(*o));
    buf_init(&o->keys, MAX);
    buf_init(&o->infos, MAX);
    buf_init(&o->data, MAX);
    o->version = 3;
    o->alignment = 32;
}

void gguf_out_clear(struct gguf_out *o)
{
    buf_clear(&o->keys);
    buf_clear(&o->infos);
    buf_clear(&o->data);
}

static void text(struct buf *b, const void *s, size_t n)
{
    buf_put_u64(b, n);
    buf_put(b, s, n);
}

static void key(struct gguf_out *o, const char *name, enum gguf_type type)
{
    text(&o->keys, name, strlen(name));
    buf_put_u32(&o->keys, type);
    o->n_keys++;
}

void gguf_put_u32(struct gguf_out *o, const char *name, uint32_t v)
{
    key(o, name, GGUF_U32);
    buf_put_u32(&o->keys, v);
}

void gguf_put_u16(struct gguf_out *o, const char *name, unsigned v)
{
    key(o, name, GGUF_U16);
    buf_putc(&o->keys, (int)(v & 255));
    buf_putc(&o->keys, (int)(v >> 8 & 255));
}

void gguf_put_f32(struct gguf_out *o, const char *name, float v)
{
    key(o, name, GGUF_F32);
    buf_put_f32(&o->keys, v);
}

void gguf_put_bool(struct gguf_out *o, const char *name, bool v)
{
    key(o, name, GGUF_BOOL);
    buf_putc(&o->keys, v);
}

void gguf_put_text(struct gguf_out *o, const char *name, const char *v)
{
    key(o, name, GGUF_STRING);
    text(&o->keys, v, strlen(v));
}

void gguf_put_array(struct gguf_out *o, const char *name, uint32_t of,
                    uint64_t n)
{
    key(o, name, GGUF_ARRAY);
    buf_put_u32(&o->keys, of);
    buf_put_u64(&o->keys, n);
}

void gguf_put_element(struct gguf_out *o, const void *s, size_t n)
{
    text(&o->keys, s, n);
}

void gguf_put_info(struct gguf_out *o, const char *name, uint32_t format,
                   uint64_t cols, uint64_t rows, uint64_t at)
{
    text(&o->infos, name, strlen(name));
    buf_put_u32(&o->infos, o->parts ? 3 : rows ? 2 : 1);
    buf_put_u64(&o->infos, cols);
    if (rows)
        buf_put_u64(&o->infos, o->parts ? rows / o->parts : rows);
    if (o->parts)
        buf_put_u64(&o->infos, o->parts);
    o->parts = 0;
    buf_put_u32(&o->infos, format);
    buf_put_u64(&o->infos, at);
    o->n_tensors++;
}

void gguf_put_tensor(struct gguf_out *o, const char *name, uint32_t format,
                     uint64_t cols, uint64_t rows, const void *data,
                     size_t size)
{
    buf_align(&o->data, o->alignment);
    gguf_put_info(o, name, format, cols, rows, o->data.len);
    buf_put(&o->data, data, size);
}

void gguf_out_bytes(struct buf *file, const struct gguf_out *o)
{
    buf_puts(file, "GGUF");
    buf_put_u32(file, o->version);
    buf_put_u64(file, o->n_tensors);
    buf_put_u64(file, o->n_keys);
    if (o->keys.len)
        buf_put(file, o->keys.data, o->keys.len);
    if (o->infos.len)
        buf_put(file, o->infos.data, o->infos.len);
    buf_align(file, o->alignment);
    if (o->data.len)
        buf_put(file, o->data.data, o->data.len);
}

void gguf_out_write(const struct gguf_out *o, const char *path)
{
    struct err err = ERR_INIT;
    struct buf b;

    buf_init(&b, MAX);
    gguf_out_bytes(&b, o);
    if (buf_check(&b, "the file", &err) ||
        file_write(path, b.data, b.len, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    buf_clear(&b);
}
