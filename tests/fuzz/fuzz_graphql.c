/*
 * graphql_page and graphql_parent_read on any bytes: what is accepted are whole
 * ids and a cursor that ends; a cursor is only there if more is to come.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/graphql.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/found.h"
#include "base/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct id parent;
    char cursor[GRAPHQL_CURSOR];
    struct err err = ERR_INIT;
    struct buf ids;

    memset(cursor, 1, sizeof(cursor));
    buf_init(&ids, 32 * 100);
    if (graphql_page(&ids, cursor, (const char *)data, size, &err))
        must(err.code == ERR_INPUT);
    else
        must(ids.len % 32 == 0 && memchr(cursor, 0, sizeof(cursor)) != NULL);
    buf_clear(&ids);
    err = (struct err)ERR_INIT;
    if (graphql_parent_read(&parent, (const char *)data, size, &err) ==
        FOUND_FAILED)
        must(err.code == ERR_INPUT);
    return 0;
}
