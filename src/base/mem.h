/*
 * Memory.  Small things go through xmalloc and its kin, which end the process
 * when there is none left (work on disk makes that safe).  Large things
 * (weights, KV cache, whole files) go through mem_big, which reports.
 */
#ifndef APUS_BASE_MEM_H
#define APUS_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>

struct err;

void *xmalloc(size_t nbytes);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t nbytes);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t n);

/* a formatted string, the caller frees it */
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
char *xvasprintf(const char *fmt, va_list ap)
    __attribute__((format(printf, 1, 0)));

/* *out = a * b, or -1 where that overflows; *out is then untouched. */
int mem_mul(size_t a, size_t b, size_t *out);

/* *out = count * size bytes, aligned to 64, not cleared; release with free().
 * From 2 MiB on in large pages, where the system has some.
 * On failure (also an overflow of the product) returns -1, names `what` and
 * the size in `err` (ERR_FATAL) and leaves *out alone.  A size of 0 is
 * rounded up to 64. */
int mem_big(void **out, size_t count, size_t size, const char *what,
            struct err *err);

/* Give large blocks back to the system as soon as they are freed.  Without it
 * glibc stops doing so after the first one, and a process keeps what a large
 * request took once.  Call it first in main; elsewhere than on glibc it does
 * nothing. */
void mem_give_back(void);

/* Overwrite a secret before its memory is given back. */
void mem_wipe(void *p, size_t n);

#endif
