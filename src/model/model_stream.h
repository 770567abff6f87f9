/*
 * A model file while it comes, in order and in pieces of any size: each part
 * (the record, the tensor records, a tensor, a text) is checked when its last
 * byte is in, in memory that does not grow with the model.  Where the bytes
 * come from and go to is the caller's.
 */
#ifndef APUS_MODEL_MODEL_STREAM_H
#define APUS_MODEL_MODEL_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct err;
struct model_stream;

/* Of the model with this id, or of any (NULL). */
struct model_stream *model_stream_new(const struct id *want_id);
void model_stream_free(struct model_stream *s);

/* The next bytes.  ERR_INPUT for what is not a model file, not the one asked
 * for, or goes on behind its end; then model_stream_back must follow. */
int model_stream_put(struct model_stream *s, const void *data, size_t n,
                     struct err *err);

/* How many bytes were put; how many of them are proven to be the model's; how
 * many there are, 0 before the record is in. */
uint64_t model_stream_at(const struct model_stream *s);
uint64_t model_stream_good(const struct model_stream *s);
uint64_t model_stream_size(const struct model_stream *s);

/* Forget what is not proven: the next bytes are those from model_stream_good
 * on. */
void model_stream_back(struct model_stream *s);

/* All bytes came: the model's id. */
int model_stream_end(const struct model_stream *s, struct id *id,
                     struct err *err);

#endif
