/*
 * What localnet reads that others made: its journal (any bytes, or with sums
 * made right), the header Range, the cases of --hostile.  The first byte says
 * which.  A journal that opens opens again, with as many records.
 */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"
#ifdef HAVE_LOCALNET
#include "localnet/faults.h"
#include "localnet/journal.h"
#include "localnet/range.h"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef HAVE_LOCALNET

#define HEAD 16

static void must(bool good)
{
    if (!good)
        abort();
}

static int count(void *self, const struct journal_record *r, struct err *err)
{
    (void)err;
    must(r->n <= JOURNAL_MAX);
    if (r->n > 0) /* its bytes are there */
        must(r->data[0] + r->data[r->n - 1] >= 0);
    ++*(size_t *)self;
    return 0;
}

/* Sums where the lengths say that records are, which are cut to a few bits. */
static void seal(unsigned char *p, size_t n)
{
    memcpy(p, "APUSNET1", n < 8 ? n : 8);
    for (size_t at = 8; n - at >= HEAD && at < n;) {
        struct id sum;
        struct digest *d = digest_new();
        size_t len = p[at + 4];

        if (len > n - at - HEAD)
            len = n - at - HEAD;
        set_u32(p + at + 4, (uint32_t)len);
        digest_put(d, p + at, 8);
        digest_put(d, p + at + HEAD, len);
        digest_end(d, &sum);
        memcpy(p + at + 8, sum.b, 8);
        at += HEAD + len;
    }
}

static void journal(const uint8_t *data, size_t n, bool sealed)
{
    const char *up = getenv("TMPDIR");
    char path[4096];
    unsigned char *copy = xmalloc(n + 1);
    struct err err = ERR_INIT;
    struct journal *j;
    size_t first = 0, again = 0;
    FILE *f;

    snprintf(path, sizeof(path), "%s/fuzz-journal-%ld",
             up && up[0] ? up : "/tmp", (long)getpid());
    memcpy(copy, data, n);
    if (sealed && n >= 8)
        seal(copy, n);
    f = fopen(path, "wb");
    must(f && fwrite(copy, 1, n, f) == n && fclose(f) == 0);
    if (journal_open(&j, path, count, &first, &err) == 0) {
        journal_close(j);
        must(journal_open(&j, path, count, &again, &err) == 0);
        must(first == again);
        journal_close(j);
    }
    unlink(path);
    free(copy);
}

static void texts(const uint8_t *data, size_t n, uint64_t size)
{
    char *text = xstrndup((const char *)data, n);
    struct faults h = { .n = 0 };
    struct err unused = ERR_INIT;
    uint64_t at = 0, length = 0;

    if (range_parse(text, size, &at, &length) == RANGE_GOOD)
        must(length > 0 && at < size && length <= size - at);
    faults_add(&h, text, &unused);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (data[0] & 1)
        texts(data + 2, size - 2, data[1]);
    else
        journal(data + 1, size - 1, data[0] & 2);
    return 0;
}

#else

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    return 0;
}

#endif
