/*
 * items.jsonl of a batch: where each result lies on Arweave, which gateways
 * need not know.
 */
#ifndef APUS_PUSH_PUSH_INDEX_H
#define APUS_PUSH_PUSH_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct buf;
struct err;
struct push_index;

struct push_index_line {
    struct id request, item;
    uint32_t choice;
    struct id bundle;         /* the item whose data has it */
    uint64_t offset, size;    /* in that data */
};

int push_index_open(struct push_index **out, const char *batch_path,
                    struct err *err);
void push_index_close(struct push_index *x);

/* The next line. */
enum found push_index_next(struct push_index *x, struct push_index_line *l,
                           struct err *err);

/* Go on with the line that `at` (any number) falls into, modulo the size of
 * the file; from the start if it is empty. */
int push_index_seek(struct push_index *x, uint64_t at, struct err *err);

/* Append a line, with its newline. */
void push_index_put(struct buf *out, const struct push_index_line *l);
/* Read one, without its newline. */
int push_index_parse(struct push_index_line *l, const char *text, size_t n,
                     struct err *err);

#endif
