/*
 * Transactions.  What is signed is here a list with a list of lists in it, so
 * the fields are kept as bytes and hashed one after another.
 */
#include <config.h>

#include "arweave/tx.h"

#include <stdlib.h>
#include <string.h>

#include "arweave/deephash.h"
#include "arweave/key.h"
#include "base/base64.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"
#include "proof/digest.h"

#define ANCHOR_MAX 48
#define DIGITS_MAX 40 /* of an amount; all there is has 20 */
#define TAGS_MAX 2048

struct bytes {
    unsigned char at[KEY_BYTES];
    size_t n;
};

/* What is read besides the fields of struct tx. */
struct fields {
    struct bytes owner, target, last_tx, data_root, signature, id;
    const char *quantity, *reward, *data_size, *denomination;
};

static int get_bytes(struct bytes *b, const struct json *root,
                     const char *key, size_t max, struct err *err)
{
    const char *text = json_string(json_get(root, key));

    if (!text || base64url_decode(b->at, max, &b->n, text))
        return err_set(err, ERR_INPUT, "transaction: its \"%s\" is no"
                       " base64url of at most %zu bytes", key, max);
    return 0;
}

/* A decimal number as text: digits, no zero in front. */
static int get_digits(const char **out, const struct json *root,
                      const char *key, struct err *err)
{
    const char *text = json_string(json_get(root, key));
    size_t n = text ? strlen(text) : 0;

    if (n == 0 || n > DIGITS_MAX || strspn(text, "0123456789") != n ||
        (n > 1 && text[0] == '0'))
        return err_set(err, ERR_INPUT, "transaction: its \"%s\" is not a number"
                       " as text", key);
    *out = text;
    return 0;
}

static int get_fields(struct fields *f, const struct json *root,
                      struct err *err)
{
    const struct json *denomination = json_get(root, "denomination");
    uint64_t format;

    if (json_type(root) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "transaction: no JSON object");
    if (json_u64(json_get(root, "format"), &format) || format != 2)
        return err_set(err, ERR_INPUT, "transaction: only format 2 is read");
    if (get_bytes(&f->owner, root, "owner", KEY_BYTES, err) ||
        get_bytes(&f->signature, root, "signature", KEY_BYTES, err) ||
        get_bytes(&f->target, root, "target", 32, err) ||
        get_bytes(&f->last_tx, root, "last_tx", ANCHOR_MAX, err) ||
        get_bytes(&f->data_root, root, "data_root", 32, err) ||
        get_bytes(&f->id, root, "id", 32, err) ||
        get_digits(&f->quantity, root, "quantity", err) ||
        get_digits(&f->reward, root, "reward", err) ||
        get_digits(&f->data_size, root, "data_size", err))
        return -1;
    if (denomination && get_digits(&f->denomination, root, "denomination",
                                   err))
        return -1;
    if (f->denomination && strcmp(f->denomination, "0") == 0)
        f->denomination = NULL; /* the first one is not signed */
    return 0;
}

/* One text of a tag, decoded to *to, of which *left bytes are free. */
static int get_tag_text(const char **out, size_t *n, const struct json *tag,
                        const char *key, unsigned char **to, size_t *left,
                        struct err *err)
{
    const char *text = json_string(json_get(tag, key));

    if (!text || base64url_decode(*to, *left, n, text))
        return err_set(err, ERR_INPUT, "transaction: a tag whose \"%s\" is no"
                       " base64url, or over %d bytes of tags", key,
                       TX_MAX_TAG_BYTES);
    *out = (const char *)*to;
    *to += *n;
    *left -= *n;
    return 0;
}

static int get_tags(struct tx *tx, const struct json *root, struct err *err)
{
    const struct json *tags = json_get(root, "tags");
    size_t n = json_count(tags), left = TX_MAX_TAG_BYTES;
    unsigned char *to;

    if (!tags || json_type(tags) != JSON_ARRAY || n > TAGS_MAX)
        return err_set(err, ERR_INPUT, "transaction: no list of at most %d"
                       " tags", TAGS_MAX);
    tx->tag = xcalloc(n + 1, sizeof(*tx->tag));
    tx->bytes = to = xmalloc(left);
    for (const struct json *t = json_first(tags); t; t = json_next(t)) {
        struct item_tag *tag = &tx->tag[tx->n_tags++];

        if (get_tag_text(&tag->name, &tag->n_name, t, "name", &to, &left,
                         err) ||
            get_tag_text(&tag->value, &tag->n_value, t, "value", &to, &left,
                         err))
            return -1;
    }
    return 0;
}

static void hash_tags(unsigned char out[DEEPHASH_SIZE], const struct tx *tx)
{
    deephash_list(out, tx->n_tags);
    for (size_t i = 0; i < tx->n_tags; i++) {
        unsigned char pair[DEEPHASH_SIZE];

        deephash_list(pair, 2);
        deephash_put(pair, tx->tag[i].name, tx->tag[i].n_name);
        deephash_put(pair, tx->tag[i].value, tx->tag[i].n_value);
        deephash_put_hash(out, pair);
    }
}

static void hash_all(unsigned char acc[DEEPHASH_SIZE], const struct fields *f,
                     const struct tx *tx)
{
    unsigned char tags[DEEPHASH_SIZE];

    hash_tags(tags, tx);
    deephash_list(acc, f->denomination ? 10 : 9);
    if (f->denomination)
        deephash_puts(acc, f->denomination);
    deephash_puts(acc, "2");
    deephash_put(acc, f->owner.at, f->owner.n);
    deephash_put(acc, f->target.at, f->target.n);
    deephash_puts(acc, f->quantity);
    deephash_puts(acc, f->reward);
    deephash_put(acc, f->last_tx.at, f->last_tx.n);
    deephash_put_hash(acc, tags);
    deephash_puts(acc, f->data_size);
    deephash_put(acc, f->data_root.at, f->data_root.n);
}

static int check_hashes(struct tx *tx, const struct fields *f,
                        const struct id *id, struct err *err)
{
    unsigned char acc[DEEPHASH_SIZE];

    if (f->owner.n == 0)
        return err_set(err, ERR_INPUT, "transaction: it is signed with"
                       " secp256k1, which is not verified here: it proves"
                       " nothing");
    if (json_u64_text(f->data_size, &tx->data_size) ||
        f->data_root.n != (tx->data_size > 0 ? 32 : 0))
        return err_set(err, ERR_INPUT, "transaction: data_size and data_root"
                       " do not belong together");
    if (f->target.n != 0 && f->target.n != 32)
        return err_set(err, ERR_INPUT, "transaction: a target of %zu bytes",
                       f->target.n);
    hash_all(acc, f, tx);
    if (!key_check_size(f->owner.at, f->owner.n, f->signature.at,
                        f->signature.n, acc, sizeof(acc)))
        return err_set(err, ERR_INPUT, "transaction: its owner did not sign"
                       " this: the signature is wrong");
    digest(&tx->id, f->signature.at, f->signature.n);
    digest(&tx->owner, f->owner.at, f->owner.n);
    memcpy(tx->data_root.b, f->data_root.at, f->data_root.n);
    if (f->id.n != 32 || !id_equal(tx->id, id_at(f->id.at)))
        return err_set(err, ERR_INPUT, "transaction: its id is not that of its"
                       " signature");
    if (id && !id_equal(tx->id, *id))
        return err_set(err, ERR_INPUT, "transaction: it is another one than"
                       " was asked for");
    return 0;
}

int tx_check(struct tx *tx, const char *json, size_t n, const struct id *id,
             struct err *err)
{
    struct fields *f = xcalloc(1, sizeof(*f));
    struct tx made = { .n_tags = 0 };
    struct json *root = NULL;
    int rc = -1;

    if (n > TX_JSON_MAX) {
        err_set(err, ERR_INPUT, "transaction: over %zu bytes", TX_JSON_MAX);
        goto out;
    }
    if (json_parse(&root, json, n, err)) {
        err_prefix(err, "transaction");
        goto out;
    }
    if (get_fields(f, root, err) || get_tags(&made, root, err) ||
        check_hashes(&made, f, id, err))
        goto out;
    *tx = made;
    made = (struct tx){ .n_tags = 0 };
    rc = 0;
out:
    tx_clear(&made);
    json_free(root);
    free(f);
    return rc;
}

void tx_clear(struct tx *tx)
{
    free(tx->tag);
    free(tx->bytes);
    memset(tx, 0, sizeof(*tx));
}
