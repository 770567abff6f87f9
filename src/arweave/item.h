/*
 * ANS-104 data items: parsed strictly, verified, made and signed
 * (doc/arweave.md).  What deployed software signs, not what the standard's
 * text says: deep hash of "dataitem", "1", type, owner, target, anchor, the
 * raw bytes of the tags, data.
 */
#ifndef APUS_ARWEAVE_ITEM_H
#define APUS_ARWEAVE_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arweave/tags.h"
#include "base/id.h"

struct buf;
struct err;
struct key;

#define ITEM_HEAD_MAX 8192 /* no head of an item is longer */
#define ITEM_ARWEAVE 1     /* signature type: RSA-4096 */

/* The head of an item; pointers are into the bytes that were parsed. */
struct item {
    unsigned type;
    const unsigned char *signature, *owner;
    size_t n_signature, n_owner;
    const struct id *target; /* 32 bytes, or NULL */
    const struct id *anchor; /* 32 bytes, or NULL */
    const unsigned char *raw_tags;
    size_t n_raw_tags;
    struct item_tag tag[ITEM_MAX_TAGS];
    size_t n_tags;
    size_t head_n;               /* bytes before the data */
    struct id id;                /* SHA-256 of the signature */
    struct id address;           /* SHA-256 of the owner */
};

/* How the parsing of a head ended. */
enum item_read {
    ITEM_BAD = -1, /* ERR_INPUT says why */
    ITEM_READ,
    ITEM_SHORT     /* the head continues after n, which is < ITEM_HEAD_MAX */
};

/* Parse a head from bytes[0..n), which may be longer or, if more could
 * follow, shorter than the item.  Nothing is verified. */
enum item_read item_head(struct item *it, const void *bytes, size_t n,
                         struct err *err);

#define ITEM_ETHEREUM 3 /* a type of signatures */

/* Whether signatures of a type are verified (1 to 4 are: RSA, ed25519,
 * Ethereum where OpenSSL has its curve, Solana). */
bool item_is_checked(unsigned type);

/* What is odd in an item that was read, in out[0..n): a tag without a name or
 * value, or with one that is longer than those of item_sign.  Bundlers take
 * them. */
bool item_is_odd(const struct item *it, char *out, size_t n);

/* Parse and verify a whole item: its data is bytes[head_n..n).  ERR_INPUT if
 * the signature is wrong or of a type that we do not verify (the message says
 * which). */
int item_open(struct item *it, const void *bytes, size_t n, struct err *err);

/* The same while it streams; a piece is at least one byte.  Everything but
 * the data is kept. */
struct item_stream;
struct item_stream *item_stream_new(uint64_t size); /* of the whole item */
void item_stream_free(struct item_stream *s);
/* Takes the next bytes of the item; the part of them that is data is told by
 * *data and *n_data (NULL is allowed). */
int item_stream_put(struct item_stream *s, const void *bytes, size_t n,
                    const void **data, size_t *n_data, struct err *err);
/* All bytes came and the signature is good: *it is valid until the stream is
 * freed. */
int item_stream_end(struct item_stream *s, const struct item **it,
                    struct err *err);

/* Value of the only tag of this name, NULL if there is none or several. */
const struct item_tag *item_tag_get(const struct item *it, const char *name);
/* The same as text: 0 and a NUL-terminated copy in out, or -1 if it is
 * missing, doubled, has a NUL or does not fit. */
int item_tag_text(const struct item *it, const char *name, char *out,
                  size_t n);
/* Whether it is this text. */
bool item_tag_is(const struct item *it, const char *name, const char *value);
/* The same as an id of 43 characters. */
int item_tag_id(const struct item *it, const char *name, struct id *id);

/* What is to be signed.  Texts are borrowed. */
struct item_spec {
    const struct id *target; /* 32 bytes, or NULL */
    const struct id *anchor; /* 32 bytes, or NULL */
    const struct item_text_tag *tag;
    size_t n_tags;
};

/* Append a signed item with this data.  ERR_INPUT over the limits of tags
 * (128; name 1024, value 3072 bytes; 4096 in all), or for an empty one. */
int item_sign(struct buf *out, const struct item_spec *spec, const void *data,
              size_t n, const struct key *key, struct id *id, struct err *err);

/* Gives the next data, at most n bytes: *got, 0 at the end. */
typedef int item_data_fn(void *self, void *data, size_t n, size_t *got,
                         struct err *err);
/* The head alone, of an item whose data is read once from `next` and is
 * `size` bytes; the item is head || data. */
int item_sign_stream(struct buf *head, const struct item_spec *spec,
                     item_data_fn *next, void *self, uint64_t size,
                     const struct key *key, struct id *id, struct err *err);

#endif
