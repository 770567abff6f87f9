/*
 * The item of one result as it is published (proof.md section 5): its JSON,
 * keys in the order of that page, and its tags.  Written from a record whose
 * commitments were checked; reading such an item is elsewhere.
 */
#ifndef APUS_PUBLISH_RESULT_JSON_H
#define APUS_PUBLISH_RESULT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arweave/item.h"
#include "base/id.h"

struct buf;
struct err;
struct record;

/* What the results of a batch have in common.  Borrowed. */
struct result_batch_part {
    const struct id *process; /* 32 bytes each; zeros for a file */
    const struct id *batch, *root, *node;
    uint64_t count;               /* results of the batch */
    bool hashes;                  /* prompt, tokens and text as hashes */
};

/* Append the JSON of a result: at `index` in the order of the batch, with the
 * path from there to its root.  ERR_INPUT if a record is none, if the text is
 * not UTF-8, or if out is full. */
int result_json(struct buf *out, const struct record *r,
                const struct result_batch_part *b, uint64_t index,
                const unsigned char *path, size_t n_path, struct err *err);

/* The tags, and the texts that they borrow. */
#define RESULT_TAGS 7
struct result_tags {
    struct item_text_tag tag[RESULT_TAGS];
    char request[ID_TEXT], model[ID_TEXT], job[ID_TEXT], result[ID_TEXT],
        batch[ID_TEXT];
};
int result_tags(struct result_tags *t, const struct record *r, struct id batch,
                struct err *err);

#endif
