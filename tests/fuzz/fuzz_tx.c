/*
 * Transactions, and paths to chunks from the root that their first branch
 * has.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "arweave/data_root.h"
#include "arweave/tx.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good)
{
    if (!good)
        abort();
}

/* The root that makes the first branch, or the only leaf, of a path right. */
static void root_of(struct id *root, const uint8_t *path, size_t n)
{
    static const struct id marker;
    size_t n_parts = n > 64 ? 3 : 2;
    unsigned char parts[96];

    if (n >= 128 && id_equal(id_at(path), marker))
        path += 32; /* a nested tree */

    for (size_t i = 0; i < n_parts; i++)
        digest(id_in(parts + 32 * i), path + 32 * i, 32);
    digest(root, parts, 32 * n_parts);
}

/* Size and offset, then the path. */
static void use_path(const uint8_t *data, size_t size)
{
    struct id root;
    struct err err = ERR_INIT;
    struct chunk_place p;
    uint64_t total, at;

    if (size < 16 + 64 || (size > 16 + 64 && size < 16 + 96))
        return;
    total = get_u64(data);
    at = get_u64(data + 8);
    root_of(&root, data + 16, size - 16);
    if (chunk_path(&p, root, total, at, data + 16, size - 16, &err) == 0)
        must(p.start <= at && at < p.end && p.end <= total &&
             p.end - p.start <= CHUNK_MAX);
    else
        must(err.code == ERR_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct tx tx;

    if (tx_check(&tx, (const char *)data, size, NULL, &err) == 0) {
        struct id other = { 0 };
        struct tx again;

        must(tx_check(&again, (const char *)data, size, &tx.id, &err) == 0);
        tx_clear(&again);
        must(tx_check(&again, (const char *)data, size, &other, &err) == -1);
        tx_clear(&tx);
    } else {
        must(err.code == ERR_INPUT);
    }
    use_path(data, size);
    return 0;
}
