/*
 * The headers of a gateway's answer, as lines: what they say of an item must
 * be such that it can be asked for, and a head made of them one of item.h.
 * And the same bytes as what it says of a transaction's confirmations, and of
 * a block.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "arweave/gateway.h"
#include "arweave/gateway_head.h"
#include "arweave/item.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "net/http_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct gateway_hint hint;
    struct err err = ERR_INIT;
    struct buf lines, head;
    struct item it;
    struct gateway_block block;
    uint64_t depth = 0;
    enum found found;
    int rc;

    rc = gateway_depth_read(&depth, p, size, &err);
    if ((rc && err.code != ERR_INPUT) || (!rc && !depth))
        abort();
    err = (struct err)ERR_INIT;
    rc = gateway_block_read(&block, size & 1, p, size, &err);
    if (rc && err.code != ERR_INPUT)
        abort();
    err = (struct err)ERR_INIT;
    buf_init(&lines, 65536);
    buf_init(&head, ITEM_HEAD_MAX);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(p + at, '\n', size - at);
        size_t n = end ? (size_t)(end - p) - at + 1 : size - at;

        http_line_put(&lines, p + at, n);
        at += n;
    }
    gateway_hint_read(&hint, lines.data, lines.len);
    found = gateway_head_make(&head, lines.data, lines.len, &err);
    if ((found == FOUND_FAILED && err.code != ERR_INPUT) ||
        (found != FOUND_ONE && head.len))
        abort();
    if (found == FOUND_ONE)
        item_head(&it, head.data, head.len, &err);
    buf_clear(&lines);
    buf_clear(&head);
    return 0;
}
