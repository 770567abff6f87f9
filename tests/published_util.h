/*
 * The JSON of a published result, put together by hand: the published job and
 * result of doc/proof.md section 9, alone in their batch.  Any value can be
 * another.
 */
#ifndef APUS_TESTS_PUBLISHED_UTIL_H
#define APUS_TESTS_PUBLISHED_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/mem.h"
#include "tests/record_util.h"

#define PUB_KEYS 20
#define PUB_PARAMS 8

/* Values as JSON text, in the order of the page; each is ours. */
struct pub {
    char *value[PUB_KEYS], *param[PUB_PARAMS];
    struct id batch, root, node, result, job;
    struct id model, request;
};

extern const char *const pub_key[PUB_KEYS];
extern const char *const pub_param[PUB_PARAMS];

/* The value of a key or of a parameter. */
char **pub_at(struct pub *p, const char *key);

void pub_set(struct pub *p, const char *key, const char *json);

void pub_set_id(struct pub *p, const char *key, struct id id);

/* node: NULL for 0a x 32. */
void pub_init(struct pub *p, const struct id *node);

/* Its prompt, tokens and text by their hashes. */
void pub_hash(struct pub *p);

void pub_clear(struct pub *p);

/* The object of its parameters, without those that are "". */
void pub_json_params(struct buf *out, const struct pub *p);

/* Append it; a value that is set to "" is left out with its key. */
void pub_json(struct buf *out, const struct pub *p);

#endif
