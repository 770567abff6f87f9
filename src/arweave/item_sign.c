/*
 * Making items of type 1.  The signature stands before what it signs: the
 * head is made with room for it, and it is put there when the data has been
 * hashed.
 */
#include <config.h>

#include "arweave/item.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/item_hash.h"
#include "arweave/key.h"
#include "arweave/tags.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"

#define PIECE (64u << 10)

static void put_optional(struct buf *out, const struct id *bytes)
{
    buf_putc(out, bytes != NULL);
    if (bytes)
        buf_put(out, bytes, 32);
}

/* Append a head whose signature is zeros; where its tags begin in *tags. */
static int put_head(struct buf *out, const struct item_spec *spec,
                    const struct key *key, size_t *tags, struct err *err)
{
    static const unsigned char nothing[KEY_BYTES];
    unsigned char modulus[KEY_BYTES];
    size_t sizes;

    key_modulus(key, modulus);
    buf_putc(out, ITEM_ARWEAVE);
    buf_putc(out, 0);
    buf_put(out, nothing, KEY_BYTES);
    buf_put(out, modulus, KEY_BYTES);
    put_optional(out, spec->target);
    put_optional(out, spec->anchor);
    sizes = out->len;
    buf_put_u64(out, spec->n_tags);
    buf_put_u64(out, 0);
    *tags = out->len;
    if (tags_put(out, spec->tag, spec->n_tags, err) ||
        buf_check(out, "an item", err))
        return -1;
    set_u64(out->data + sizes + 8, out->len - *tags);
    return 0;
}

/* Sign the head at out->data + at and this hash of data; out->len is its
 * end. */
static int sign_head(struct buf *out, size_t at, size_t tags,
                     const struct item_spec *spec, struct digest384 *data,
                     uint64_t size, const struct key *key, struct id *id,
                     struct err *err)
{
    unsigned char *head = (unsigned char *)out->data + at;
    unsigned char acc[DEEPHASH_SIZE], sig[KEY_BYTES];
    struct item it = { .type = ITEM_ARWEAVE, .n_owner = KEY_BYTES };

    it.owner = head + 2 + KEY_BYTES;
    it.target = spec->target;
    it.anchor = spec->anchor;
    it.raw_tags = (unsigned char *)out->data + tags;
    it.n_raw_tags = out->len - tags;
    item_hash_head(acc, &it);
    deephash_put_digest(acc, data, size);
    if (key_sign(key, sig, acc, sizeof(acc), err))
        return -1;
    memcpy(head + 2, sig, KEY_BYTES);
    digest(id, sig, KEY_BYTES);
    return 0;
}

/* Back to what `out` was before a failure. */
static int undo(struct buf *out, size_t before)
{
    if (out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return -1;
}

int item_sign(struct buf *out, const struct item_spec *spec, const void *data,
              size_t n, const struct key *key, struct id *id, struct err *err)
{
    size_t before = out->len, tags;
    struct digest384 *d;

    if (put_head(out, spec, key, &tags, err) ||
        buf_reserve(out, n, "an item", err))
        return undo(out, before);
    d = digest384_new();
    digest384_put(d, data, n);
    if (sign_head(out, before, tags, spec, d, n, key, id, err))
        return undo(out, before);
    buf_put(out, data, n);
    return 0;
}

/* Hash all of the data, which must be `size` bytes. */
static int hash_data(struct digest384 *d, item_data_fn *next, void *self,
                     uint64_t size, struct err *err)
{
    void *piece = xmalloc(PIECE);
    uint64_t total = 0;
    size_t got = 1;
    int rc = 0;

    while (rc == 0 && got > 0) {
        rc = next(self, piece, PIECE, &got, err);
        if (rc)
            break;
        digest384_put(d, piece, got);
        total += got;
    }
    free(piece);
    if (rc == 0 && total != size)
        rc = err_set(err, ERR_RETRY, "the data of an item has %" PRIu64
                     " bytes, %" PRIu64 " expected: is it being written?",
                     total, size);
    return rc;
}

int item_sign_stream(struct buf *head, const struct item_spec *spec,
                     item_data_fn *next, void *self, uint64_t size,
                     const struct key *key, struct id *id, struct err *err)
{
    size_t before = head->len, tags;
    struct digest384 *d;

    if (put_head(head, spec, key, &tags, err))
        return undo(head, before);
    d = digest384_new();
    if (hash_data(d, next, self, size, err)) {
        digest384_end(d, NULL);
        return undo(head, before);
    }
    if (sign_head(head, before, tags, spec, d, size, key, id, err))
        return undo(head, before);
    return 0;
}
