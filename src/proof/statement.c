/*
 * The bytes of statements, of the leaves below them and of batch ids.
 */
#include <config.h>

#include "proof/statement.h"

#include <assert.h>
#include <string.h>

#include "base/id.h"
#include "proof/digest.h"
#include "proof/fields.h"
#include "proof/merkle.h"

static const char magic[8] = "apusbat1";

void statement_file(struct merkle *files, uint64_t size, struct id sha256)
{
    unsigned char leaf[8 + 32];

    set_u64(leaf, size);
    memcpy(leaf + 8, sha256.b, 32);
    merkle_leaf(files, leaf, sizeof(leaf));
}

void statement_pack(unsigned char out[STATEMENT_SIZE],
                    const struct statement *s)
{
    unsigned char *at = out;

    field_put(&at, magic, sizeof(magic));
    field_put(&at, s->batch.b, 32);
    field_put(&at, s->root.b, 32);
    field_put_u32(&at, s->count);
    field_put_u32(&at, s->n_files);
    field_put(&at, s->process.b, 32);
    field_put(&at, s->node.b, 32);
    field_put(&at, s->files.b, 32);
    field_put(&at, s->previous.b, 32);
    assert(at == out + STATEMENT_SIZE);
}

int statement_unpack(struct statement *s,
                     const unsigned char in[STATEMENT_SIZE])
{
    const unsigned char *at = in + sizeof(magic);

    if (memcmp(in, magic, sizeof(magic)) != 0)
        return -1;
    field_take(&at, s->batch.b, 32);
    field_take(&at, s->root.b, 32);
    s->count = field_take_u32(&at);
    s->n_files = field_take_u32(&at);
    field_take(&at, s->process.b, 32);
    field_take(&at, s->node.b, 32);
    field_take(&at, s->files.b, 32);
    field_take(&at, s->previous.b, 32);
    return 0;
}

void statement_id(struct id *id, const struct statement *s)
{
    unsigned char record[STATEMENT_SIZE];

    statement_pack(record, s);
    digest(id, record, sizeof(record));
}

void batch_file_id(struct id *id, struct id model, struct id file)
{
    unsigned char b[8 + 32 + 32];

    memcpy(b, "apusbtch", 8);
    memcpy(b + 8, model.b, 32);
    memcpy(b + 40, file.b, 32);
    digest(id, b, sizeof(b));
}

void batch_part_id(struct id *id, struct id model, struct id file,
                   struct id earlier)
{
    unsigned char b[8 + 32 + 32 + 32];

    memcpy(b, "apusbtcp", 8);
    memcpy(b + 8, model.b, 32);
    memcpy(b + 40, file.b, 32);
    memcpy(b + 72, earlier.b, 32);
    digest(id, b, sizeof(b));
}
