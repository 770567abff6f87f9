/*
 * Messages of DApps that are made up: every tag that a queue knows, in odd
 * spellings, doubled, too long, of the wrong kind, with JSON of all sorts.
 * The same seed makes the same ones.
 */
#ifndef APUS_TESTS_ASK_MADE_H
#define APUS_TESTS_ASK_MADE_H

#include <stdint.h>

#include "base/buf.h"

#define ASK_MADE_NODE "node______________________________________A"

struct ask_made {
    uint64_t state;
    const char *model;
    unsigned n;
    struct buf out;
};

void ask_made_init(struct ask_made *a, uint64_t seed, const char *model);
void ask_made_clear(struct ask_made *a);

/* "tags":[..],"data":".." and perhaps "owner":"..", valid until the next. */
const char *ask_made_next(struct ask_made *a);

#endif
