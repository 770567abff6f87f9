/*
 * A model file of a few hundred bytes, made in memory, for tests that break
 * it: change its bytes and seal it again, and only the change is wrong.
 */
#ifndef APUS_TESTS_MINI_MODEL_H
#define APUS_TESTS_MINI_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "model/model_layout.h"
#include "proof/merkle.h"

struct mini {
    struct model_record rec;
    struct model_layout lay;
    unsigned char *data; /* lay.size bytes */
};

/* Root of tensor i from its bytes. */
void mini_root(const struct mini *m, uint32_t i, struct tensor_record *t);

/* Write the records that fit the bytes and m->rec's other fields. */
void mini_seal(struct mini *m);

/* A layer of the smallest kind, with these flags. */
void mini_init(struct mini *m, uint32_t flags);

void mini_clear(struct mini *m);

#endif
