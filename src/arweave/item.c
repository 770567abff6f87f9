/*
 * Data items: the head, and what is signed.  Tags are in tags.c, signing in
 * item_sign.c.
 */
#include <config.h>

#include "arweave/item.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arweave/deephash.h"
#include "arweave/item_hash.h"
#include "arweave/key.h"
#include "arweave/tags.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"

enum {
    TYPE_RSA = 1, TYPE_ED25519 = 2, TYPE_ETHEREUM = ITEM_ETHEREUM,
    TYPE_SOLANA = 4
};

/* Sizes of signature and owner by type (doc/arweave.md).  We verify the first
 * four. */
static const struct signature_kind {
    unsigned type;
    size_t n_signature, n_owner;
    const char *name;
} kinds[] = {
    { TYPE_RSA, 512, 512, "Arweave" },
    { TYPE_ED25519, 64, 32, "ed25519" },
    { TYPE_ETHEREUM, 65, 65, "Ethereum" },
    { TYPE_SOLANA, 64, 32, "Solana" },
    { 5, 64, 32, "Aptos" },
    { 6, 2052, 1025, "several Aptos" },
    { 7, 65, 42, "typed Ethereum" }, /* EIP-712 */
    { 101, 65, 65, "KYVE" },
};

static const struct signature_kind *find_kind(unsigned type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

/* ---- the head ------------------------------------------------------------ */

struct item_cursor {
    const unsigned char *p;
    size_t n, at;
};

/* The next n bytes, NULL if they are not all here. */
static const unsigned char *take_bytes(struct item_cursor *c, size_t n)
{
    if (n > c->n - c->at)
        return NULL;
    c->at += n;
    return c->p + c->at - n;
}

/* What may be absent. */
static enum item_read take_optional(struct item_cursor *c,
                                    const struct id **out, const char *what,
                                    struct err *err)
{
    const unsigned char *present = take_bytes(c, 1);

    *out = NULL;
    if (!present)
        return ITEM_SHORT;
    if (*present > 1)
        return err_set(err, ERR_INPUT, "item: the byte that says whether it"
                       " has %s is %u, not 0 or 1", what, *present);
    if (*present == 0)
        return ITEM_READ;
    *out = (const struct id *)take_bytes(c, 32);
    return *out ? ITEM_READ : ITEM_SHORT;
}

static enum item_read take_tags(struct item *it, struct item_cursor *c,
                                struct err *err)
{
    const unsigned char *sizes = take_bytes(c, 16);
    uint64_t count, bytes;

    if (!sizes)
        return ITEM_SHORT;
    count = get_u64(sizes);
    bytes = get_u64(sizes + 8);
    if (count > ITEM_MAX_TAGS)
        return err_set(err, ERR_INPUT, "item: %" PRIu64 " tags, at most %d are"
                       " read", count, ITEM_MAX_TAGS);
    if (bytes > ITEM_MAX_TAG_BYTES)
        return err_set(err, ERR_INPUT, "item: %" PRIu64 " bytes of tags, at"
                       " most %d are read", bytes, ITEM_MAX_TAG_BYTES);
    it->n_raw_tags = (size_t)bytes;
    it->raw_tags = take_bytes(c, it->n_raw_tags);
    if (!it->raw_tags)
        return ITEM_SHORT;
    if (tags_read(it->tag, ITEM_MAX_TAGS, &it->n_tags, it->raw_tags,
                  it->n_raw_tags, err))
        return err_prefix(err, "item");
    /* The count is not signed: changed, it would make tags vanish. */
    if (it->n_tags != count)
        return err_set(err, ERR_INPUT, "item: it says that it has %" PRIu64
                       " tags, but there are %zu", count, it->n_tags);
    return ITEM_READ;
}

static enum item_read take_head(struct item *it, struct item_cursor *c,
                                struct err *err)
{
    const unsigned char *type = take_bytes(c, 2);
    const struct signature_kind *kind;
    enum item_read rc;

    if (!type)
        return ITEM_SHORT;
    it->type = type[0] | (unsigned)type[1] << 8;
    kind = find_kind(it->type);
    if (!kind)
        return err_set(err, ERR_INPUT, "item: unknown signature type %u",
                       it->type);
    it->n_signature = kind->n_signature;
    it->n_owner = kind->n_owner;
    it->signature = take_bytes(c, it->n_signature);
    it->owner = it->signature ? take_bytes(c, it->n_owner) : NULL;
    if (!it->owner)
        return ITEM_SHORT;
    rc = take_optional(c, &it->target, "a target", err);
    if (rc == ITEM_READ)
        rc = take_optional(c, &it->anchor, "an anchor", err);
    if (rc == ITEM_READ)
        rc = take_tags(it, c, err);
    return rc;
}

enum item_read item_head(struct item *it, const void *bytes, size_t n,
                         struct err *err)
{
    struct item_cursor c = { bytes, n, 0 };
    enum item_read rc;

    memset(it, 0, sizeof(*it));
    rc = take_head(it, &c, err);
    if (rc != ITEM_READ)
        return rc;
    it->head_n = c.at;
    digest(&it->id, it->signature, it->n_signature);
    digest(&it->address, it->owner, it->n_owner);
    return ITEM_READ;
}

/* ---- the signature ------------------------------------------------------- */

void item_hash_head(unsigned char acc[DEEPHASH_SIZE], const struct item *it)
{
    char type[12];

    snprintf(type, sizeof(type), "%u", it->type);
    deephash_list(acc, 8);
    deephash_puts(acc, "dataitem");
    deephash_puts(acc, "1");
    deephash_puts(acc, type);
    deephash_put(acc, it->owner, it->n_owner);
    deephash_put(acc, it->target, it->target ? 32 : 0);
    deephash_put(acc, it->anchor, it->anchor ? 32 : 0);
    deephash_put(acc, it->raw_tags, it->n_raw_tags);
}

bool item_is_checked(unsigned type)
{
    return (type >= TYPE_RSA && type <= TYPE_SOLANA) &&
           (type != TYPE_ETHEREUM || key_has_ethereum());
}

bool item_is_odd(const struct item *it, char *out, size_t n)
{
    return tags_odd(out, n, it->tag, it->n_tags);
}

static int no_such_check(unsigned type, struct err *err)
{
    return err_set(err, ERR_INPUT, "item: not checked: signature type %u (%s)",
                   type, find_kind(type)->name);
}

/* Whether the owner signed this hash. */
static int check_signature(const struct item *it,
                           const unsigned char h[DEEPHASH_SIZE],
                           struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    char hex[2 * DEEPHASH_SIZE];
    bool good = false;

    if (!item_is_checked(it->type))
        return no_such_check(it->type, err);
    switch (it->type) {
    case TYPE_RSA:
        good = key_check(it->owner, it->signature, h, DEEPHASH_SIZE);
        break;
    case TYPE_ED25519:
        good = key_check_ed25519(id_at(it->owner), it->signature, h,
                                 DEEPHASH_SIZE);
        break;
    case TYPE_ETHEREUM:
        good = key_check_ethereum(it->owner, it->signature, h,
                                  DEEPHASH_SIZE);
        break;
    case TYPE_SOLANA: /* wallets there sign text only */
        for (size_t i = 0; i < DEEPHASH_SIZE; i++) {
            hex[2 * i] = digits[h[i] >> 4];
            hex[2 * i + 1] = digits[h[i] & 15];
        }
        good = key_check_ed25519(id_at(it->owner), it->signature, hex,
                                 sizeof(hex));
    }
    if (!good)
        return err_set(err, ERR_INPUT, "item: its owner did not sign this: the"
                       " signature is wrong");
    return 0;
}

int item_open(struct item *it, const void *bytes, size_t n, struct err *err)
{
    unsigned char acc[DEEPHASH_SIZE];
    enum item_read read = item_head(it, bytes, n, err);

    if (read == ITEM_SHORT)
        return err_set(err, ERR_INPUT, "item: its %zu bytes end within its"
                       " head", n);
    if (read == ITEM_BAD)
        return -1;
    item_hash_head(acc, it);
    deephash_put(acc, (const unsigned char *)bytes + it->head_n,
                 n - it->head_n);
    return check_signature(it, acc, err);
}

/* ---- streams ------------------------------------------------------------- */

struct item_stream {
    uint64_t size, got; /* of the whole item */
    unsigned char head[ITEM_HEAD_MAX];
    size_t n_head;      /* bytes in it, until the head is parsed */
    bool parsed;
    struct item item;
    struct digest384 *data;
};

struct item_stream *item_stream_new(uint64_t size)
{
    struct item_stream *s = xcalloc(1, sizeof(*s));

    s->size = size;
    s->data = digest384_new();
    return s;
}

void item_stream_free(struct item_stream *s)
{
    if (!s)
        return;
    digest384_end(s->data, NULL);
    free(s);
}

/* Take what belongs to the head from bytes[0..n): *used of them. */
static int put_head(struct item_stream *s, const void *bytes, size_t n,
                    size_t *used, struct err *err)
{
    size_t before = s->n_head, capacity = ITEM_HEAD_MAX - before;
    size_t more = n < capacity ? n : capacity;
    enum item_read read;

    memcpy(s->head + before, bytes, more);
    s->n_head += more;
    read = item_head(&s->item, s->head, s->n_head, err);
    *used = more;
    if (read == ITEM_BAD)
        return -1;
    if (read == ITEM_SHORT)
        return s->n_head < ITEM_HEAD_MAX ? 0 : err_set(err, ERR_INPUT,
            "item: its head is over %d bytes", ITEM_HEAD_MAX);
    s->parsed = true;
    *used = s->item.head_n - before;
    s->n_head = s->item.head_n;
    return 0;
}

int item_stream_put(struct item_stream *s, const void *bytes, size_t n,
                    const void **data, size_t *n_data, struct err *err)
{
    size_t used = 0;

    if (n > s->size - s->got)
        return err_set(err, ERR_INPUT, "item: more than its %" PRIu64
                       " bytes came", s->size);
    if (!s->parsed && n > 0 && put_head(s, bytes, n, &used, err))
        return -1;
    s->got += n;
    digest384_put(s->data, (const unsigned char *)bytes + used, n - used);
    if (data)
        *data = (const unsigned char *)bytes + used;
    if (n_data)
        *n_data = n - used;
    return 0;
}

int item_stream_end(struct item_stream *s, const struct item **it,
                    struct err *err)
{
    unsigned char acc[DEEPHASH_SIZE];

    if (s->got != s->size)
        return err_set(err, ERR_INPUT, "item: %" PRIu64 " of its %" PRIu64
                       " bytes came", s->got, s->size);
    if (!s->parsed)
        return err_set(err, ERR_INPUT, "item: its %" PRIu64 " bytes end within"
                       " its head", s->size);
    item_hash_head(acc, &s->item);
    deephash_put_digest(acc, s->data, s->size - s->item.head_n);
    s->data = digest384_new();
    if (check_signature(&s->item, acc, err))
        return -1;
    *it = &s->item;
    return 0;
}

/* ---- tags ---------------------------------------------------------------- */

const struct item_tag *item_tag_get(const struct item *it, const char *name)
{
    const struct item_tag *found = NULL;
    size_t n = strlen(name);

    for (size_t i = 0; i < it->n_tags; i++) {
        if (it->tag[i].n_name != n || memcmp(it->tag[i].name, name, n) != 0)
            continue;
        if (found)
            return NULL;
        found = &it->tag[i];
    }
    return found;
}

int item_tag_text(const struct item *it, const char *name, char *out,
                  size_t n)
{
    const struct item_tag *t = item_tag_get(it, name);

    if (!t || t->n_value >= n || memchr(t->value, '\0', t->n_value))
        return -1;
    memcpy(out, t->value, t->n_value);
    out[t->n_value] = '\0';
    return 0;
}

bool item_tag_is(const struct item *it, const char *name, const char *value)
{
    const struct item_tag *t = item_tag_get(it, name);
    size_t n = strlen(value);

    return t && t->n_value == n && memcmp(t->value, value, n) == 0;
}

int item_tag_id(const struct item *it, const char *name, struct id *id)
{
    char text[ID_TEXT];

    if (item_tag_text(it, name, text, sizeof(text)))
        return -1;
    return id_parse(id, text);
}
