/*
 * What is known of ranks before, between and after batches.
 */
#include <config.h>

#include "mpi/ranks.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8_read.h"
#include "mpi/comm.h"

struct ranks *ranks_new(int size)
{
    struct ranks *r = xcalloc(1, sizeof(*r));

    r->size = size;
    r->lost = xcalloc((size_t)size, sizeof(*r->lost));
    r->host = xcalloc((size_t)size, sizeof(*r->host));
    return r;
}

void ranks_free(struct ranks *r)
{
    if (!r)
        return;
    free(r->host);
    free(r->lost);
    free(r);
}

void ranks_text(char *out, size_t size, const unsigned char *p, size_t n)
{
    size_t i;

    for (i = 0; i < n && i < size - 1; i++)
        out[i] = p[i] >= 0x20 && p[i] != 0x7f ? (char)p[i] : '?';
    out[i] = '\0';
    /* a character that was cut, or never was one: `progress` is JSON */
    if (utf8_valid(out, i))
        return;
    for (i = 0; out[i]; i++)
        if ((unsigned char)out[i] > 0x7f)
            out[i] = '?';
}

void ranks_hello(struct ranks *r, const struct payload *p)
{
    ranks_text(r->host[p->from], RANKS_HOST, p->data, p->n);
}
