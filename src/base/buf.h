/*
 * A growable run of bytes with a ceiling.  A put beyond the ceiling changes
 * nothing but a flag which stays; the caller checks once, at the end.
 */
#ifndef APUS_BASE_BUF_H
#define APUS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct buf {
    char *data; /* always followed by a NUL that is not counted in len */
    size_t len;
    size_t cap;
    size_t max; /* the ceiling for len */
    bool full;  /* a put was refused */
};

/* An empty buffer that will never hold more than `max` bytes. */
void buf_init(struct buf *b, size_t max);

/* Free the contents; `b` is an empty buffer with the same ceiling after. */
void buf_clear(struct buf *b);

/* Forget the contents and the flag, keep the memory. */
void buf_reset(struct buf *b);

/* Room for n more bytes at once, for large contents: what is put next does
 * not end the process for want of memory.  0, or -1 with ERR_INPUT over the
 * ceiling, ERR_FATAL without memory; `b` is then as it was. */
int buf_reserve(struct buf *b, size_t n, const char *what, struct err *err);

/* After a put was refused, those that follow are refused too. */
void buf_put(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *text);
void buf_putc(struct buf *b, int c);
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Little-endian integers, and a float as its four bytes. */
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_f32(struct buf *b, float v);

/* Zero bytes until len is a multiple of `align` (a power of two). */
void buf_align(struct buf *b, size_t align);

/* 0, or -1 with "`what` is over N bytes" (ERR_INPUT) if a put was refused. */
int buf_check(const struct buf *b, const char *what, struct err *err);

/* The contents become the caller's (free() them); `b` is empty after. */
char *buf_take(struct buf *b, size_t *n);

#endif
