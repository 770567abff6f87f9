/*
 * Result items of a batch in bundles: signed on several threads, written one
 * bundle at a time, so that memory does not grow with the batch.
 */
#ifndef APUS_PUSH_PUSH_BUNDLE_H
#define APUS_PUSH_PUSH_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "push/push_plan.h"

struct bundle_maker;
struct err;
struct results;

/* A maker that begins with the first result. */
struct bundle_maker *bundle_maker_new(struct results *r,
                                      const struct push_plan *plan,
                                      const struct push_signing *o);
void bundle_maker_free(struct bundle_maker *m);

/* Make bundle `number` of BATCH/push, or pass over its results if it is there;
 * FOUND_NONE if there are no results left. */
enum found bundle_maker_next(struct bundle_maker *m, const char *batch_path,
                             size_t number, struct err *err);

/* The size that it would have. */
enum found bundle_maker_measure(struct bundle_maker *m, uint64_t *size,
                                struct err *err);

/* The index of all `n` bundles in one file, written whole: items.jsonl, lines
 * {"request","choice","item","bundle","offset","size"} in the order of the
 * checkpoint, offset within the data of the bundle's item. */
int bundle_index_join(const char *batch_path, size_t n, struct err *err);

#endif
