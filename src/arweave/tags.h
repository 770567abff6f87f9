/*
 * The tags of an item on the wire: an Avro array of pairs of byte strings
 * (doc/arweave.md), in one block or several.
 */
#ifndef APUS_ARWEAVE_TAGS_H
#define APUS_ARWEAVE_TAGS_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

#define ITEM_MAX_TAGS 128
#define ITEM_MAX_TAG_BYTES 4096

struct item_tag {
    const char *name, *value; /* bytes, not NUL-terminated, maybe none */
    size_t n_name, n_value;
};

/* One that is to be signed.  Texts are borrowed. */
struct item_text_tag {
    const char *name, *value;
};

/* Decode bytes[0..n) into tag[0..max): all of it, to the end of the array and
 * not further.  No bytes: no tags. */
int tags_read(struct item_tag *tag, size_t max, size_t *n_tags,
              const unsigned char *bytes, size_t n, struct err *err);

/* Why no writer should have made these, in out[0..n); false if there is no
 * reason: bundlers take empty and long ones, so they are read. */
bool tags_odd(char *out, size_t n, const struct item_tag *tag, size_t n_tags);

/* Append; ERR_INPUT over the limits of item_sign. */
int tags_put(struct buf *out, const struct item_text_tag *tag, size_t n_tags,
             struct err *err);

/* The same of tags that others wrote: as long as they are, or empty. */
int tags_put_odd(struct buf *out, const struct item_text_tag *tag,
                 size_t n_tags, struct err *err);

#endif
