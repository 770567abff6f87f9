/*
 * Memory: small things never fail, large things report.
 */
#include <config.h>

#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/err.h"

#define ALIGN 64 /* a cache line, and the widest vector register */
#define LARGE_PAGE ((size_t)2 << 20)

/* Nothing is cleaned up: handlers at exit might want memory themselves. */
__attribute__((noreturn)) static void exhausted(size_t nbytes)
{
    fprintf(stderr, "out of memory: %zu bytes\n", nbytes);
    _exit(1);
}

void *xmalloc(size_t nbytes)
{
    void *p = malloc(nbytes ? nbytes : 1);

    if (!p)
        exhausted(nbytes);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = count && size ? calloc(count, size) : calloc(1, 1);

    if (!p)
        exhausted(mem_mul(count, size, &size) ? SIZE_MAX : size);
    return p;
}

void *xrealloc(void *p, size_t nbytes)
{
    p = realloc(p, nbytes ? nbytes : 1);
    if (!p)
        exhausted(nbytes);
    return p;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xstrndup(const char *text, size_t n)
{
    char *copy;

    n = strnlen(text, n);
    copy = xmalloc(n + 1);
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *xvasprintf(const char *fmt, va_list ap)
{
    char *text;
    va_list again;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        exhausted(SIZE_MAX); /* longer than an int can say */
    text = xmalloc((size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    return text;
}

char *xasprintf(const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    text = xvasprintf(fmt, ap);
    va_end(ap);
    return text;
}

int mem_mul(size_t a, size_t b, size_t *out)
{
    if (b && a > SIZE_MAX / b)
        return -1;
    *out = a * b;
    return 0;
}

/* Whoever reads all of a large room meets fewer page tables so; a refusal costs
 * nothing. */
static void ask_large_pages(void *p, size_t nbytes)
{
#ifdef MADV_HUGEPAGE
    if (nbytes >= LARGE_PAGE)
        madvise(p, nbytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
#else
    (void)p;
    (void)nbytes;
#endif
}

int mem_big(void **out, size_t count, size_t size, const char *what,
            struct err *err)
{
    size_t nbytes;
    void *p;

    if (mem_mul(count, size, &nbytes) || nbytes > PTRDIFF_MAX - ALIGN)
        return err_set(err, ERR_FATAL, "no memory for %s: %zu times %zu bytes",
                       what, count, size);
    if (nbytes == 0)
        nbytes = ALIGN;
    if (posix_memalign(&p, nbytes < LARGE_PAGE ? ALIGN : LARGE_PAGE, nbytes))
        return err_set(err, ERR_FATAL, "no memory for %s: %zu bytes", what,
                       nbytes);
    ask_large_pages(p, nbytes);
    *out = p;
    return 0;
}

void mem_wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

void mem_give_back(void)
{
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
}
