/*
 * Tables of bundles: what is accepted covers the bundle from its head to its
 * end, without a gap, and makes the same head again.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "arweave/bundle.h"
#include "base/buf.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle_entry *e = NULL;
    struct err err = ERR_INIT;
    uint64_t at;
    size_t n = 0;
    struct buf head;

    if (bundle_table(&e, &n, data, size, size, &err)) {
        must(err.code == ERR_INPUT && !e);
        must(bundle_check(data, size, &err) == -1);
        return 0;
    }
    at = 32 + 64 * (uint64_t)n;
    for (size_t i = 0; i < n; i++) {
        must(e[i].at == at);
        at += e[i].size;
    }
    must(at == size);
    buf_init(&head, size + 1);
    must(bundle_head(&head, e, n, &err) == 0 && head.len <= size &&
         memcmp(head.data, data, head.len) == 0);
    bundle_check(data, size, &err);
    buf_clear(&head);
    free(e);
    return 0;
}
