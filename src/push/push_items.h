/*
 * The journal of a push: everything that will be handed over, signed and on
 * the disk before the first byte goes out.  All of it depends on the batch,
 * the wallet and push/plan.json alone (signatures are deterministic), so that
 * a push that resumes after a crash makes the same bytes and ids.
 *
 *     BATCH/push/plan.json        what is published, by whom, after what
 *                bundle-NNNN.items   at most 1,000 result items
 *                bundle-NNNN.head    head and table of the item around them
 *                bundle-NNNN.jsonl   the index of it, until items.jsonl
 *                part-NNNN.head      heads of the items of parts and of their
 *                idx-NNNN.head       indexes: the data is the file itself
 *                statement.head      the statement, whole
 *     BATCH/items.jsonl           where each result lies
 *
 * A head is written last: what has one is complete.
 */
#ifndef APUS_PUSH_PUSH_ITEMS_H
#define APUS_PUSH_PUSH_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"
#include "push/push_plan.h"

struct err;
struct results;

/* Make what is missing of all of it. */
int push_items_make(const char *batch_path, struct results *r,
                    const struct push_plan *plan,
                    const struct push_signing *o, struct err *err);

/* What the items would come to, without signing: number of uploads, their
 * sizes through `each`. */
typedef int push_size_fn(void *self, const char *name, uint64_t n_bytes,
                         struct err *err);
int push_items_measure(const char *batch_path, struct results *r,
                       const struct push_plan *plan,
                       const struct push_signing *o, push_size_fn *each,
                       void *self, struct err *err);

/* One thing to hand over, as the journal has it. */
struct push_upload {
    char *name;          /* "bundle-0000" */
    char *head;          /* its bytes */
    size_t n_head;
    char *data;          /* path of the file after the head, or NULL */
    uint64_t n_data;
    struct id id;
    /* called with the bytes sent; may be NULL, as it is of push_upload_get */
    void (*progress)(void *self, uint64_t done, uint64_t size);
    void *self;
};
void push_upload_clear(struct push_upload *u);

/* All uploads of a batch in the order in which they go, by number;
 * FOUND_NONE past the last. */
enum found push_upload_get(struct push_upload *u, const char *batch_path,
                           const struct push_plan *plan, size_t n_parts,
                           size_t number, struct err *err);

/* The statement's record as it was signed, and the id of its item. */
int push_statement(const char *batch_path, unsigned char record[208],
                   struct id *item, struct err *err);

#endif
