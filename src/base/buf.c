/*
 * A growable run of bytes with a ceiling.
 */
#include <config.h>

#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

#define FIRST_CAP 64

/* What an empty buffer points to, so that data is a string from the start.
 * Nobody writes it: cap is 0. */
static char nothing[1];

void buf_init(struct buf *b, size_t max)
{
    b->data = nothing;
    b->len = 0;
    b->cap = 0;
    /* room for the NUL, and for doubling without overflow */
    b->max = max < PTRDIFF_MAX ? max : PTRDIFF_MAX - 1;
    b->full = false;
}

void buf_clear(struct buf *b)
{
    if (b->cap)
        free(b->data);
    buf_init(b, b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->full = false;
    if (b->cap)
        b->data[0] = '\0';
}

/* The capacity for n more bytes, which are within the ceiling. */
static size_t wanted(const struct buf *b, size_t n)
{
    size_t need = b->len + n + 1;
    size_t cap = b->cap < FIRST_CAP ? FIRST_CAP : b->cap * 2;

    if (cap > b->max + 1)
        cap = b->max + 1;
    return cap < need ? need : cap;
}

/* Room for n more bytes and the NUL: true, or the flag is set.  What follows
 * a refused put is refused too, so that the contents have no hole. */
static bool room(struct buf *b, size_t n)
{
    size_t cap;

    if (b->full || n > b->max - b->len) {
        b->full = true;
        return false;
    }
    if (n < b->cap - b->len && b->cap)
        return true;
    cap = wanted(b, n);
    b->data = xrealloc(b->cap ? b->data : NULL, cap);
    b->cap = cap;
    return true;
}

int buf_reserve(struct buf *b, size_t n, const char *what, struct err *err)
{
    char *data;

    if (n > b->max - b->len)
        return err_set(err, ERR_INPUT, "%s is over %zu bytes", what, b->max);
    if (b->cap && n < b->cap - b->len)
        return 0;
    data = realloc(b->cap ? b->data : NULL, b->len + n + 1);
    if (!data)
        return err_set(err, ERR_FATAL, "no memory for %s: %zu bytes", what,
                       b->len + n + 1);
    b->data = data;
    b->data[b->len] = '\0';
    b->cap = b->len + n + 1;
    return 0;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
    if (!room(b, n))
        return;
    if (n)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_putc(struct buf *b, int c)
{
    char byte = (char)c;

    buf_put(b, &byte, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->full = true;
        return;
    }
    if (!room(b, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    unsigned char bytes[4];

    set_u32(bytes, v);
    buf_put(b, bytes, sizeof(bytes));
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    unsigned char bytes[8];

    set_u64(bytes, v);
    buf_put(b, bytes, sizeof(bytes));
}

void buf_put_f32(struct buf *b, float v)
{
    buf_put_u32(b, f32_bits(v));
}

void buf_align(struct buf *b, size_t align)
{
    size_t n;

    assert(align && (align & (align - 1)) == 0);
    n = -b->len & (align - 1);
    if (!room(b, n))
        return;
    memset(b->data + b->len, 0, n);
    b->len += n;
    b->data[b->len] = '\0';
}

int buf_check(const struct buf *b, const char *what, struct err *err)
{
    if (b->full)
        return err_set(err, ERR_INPUT, "%s is over %zu bytes", what, b->max);
    return 0;
}

char *buf_take(struct buf *b, size_t *n)
{
    char *data = b->cap ? b->data : xcalloc(1, 1);

    if (n)
        *n = b->len;
    buf_init(b, b->max);
    return data;
}
