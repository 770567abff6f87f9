/*
 * One model and one answer at a time, in steps as small as the caller likes:
 * the engine for a process of AO, which has a bounded time a message and keeps
 * its memory between messages.  Computes what apus run computes: the same
 * request under the same id has the same record.  Knows nothing of Lua.
 */
#ifndef APUS_LUA_SOLO_H
#define APUS_LUA_SOLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "proof/result_record.h"
#include "store/record.h"

struct err;
struct model_record;
struct solo;

/* Open a model file, whose roots are checked, for a level of the CPU by its
 * name or "auto"; one thread computes.  ERR_INPUT for a bad file, and for one
 * of more than `most` bytes, before anything of it is read. */
int solo_open(struct solo **out, const char *path, const char *kernel,
              uint64_t most, struct err *err);
void solo_close(struct solo *s); /* NULL is allowed */

/* Borrowed for as long as the model is open; the id as 43 characters, and as
 * it is. */
const struct model_record *solo_model(const struct solo *s);
const char *solo_model_id(const struct solo *s);
const struct id *solo_model_hash(const struct solo *s);

/* What time and memory depend on.  A row meets so many weights, and has so many
 * heads with so many query channels in all layers, each of which meets each key
 * it attends to. */
struct solo_figures {
    uint64_t weights, heads, channels, bytes; /* bytes: of the model file */
    uint32_t context;
    bool chat; /* it has a chat template that is supported */
    const char *kernel;
};
void solo_figures(const struct solo *s, struct solo_figures *f);

/* Drop what was there and begin the answer to a line of the OpenAI Batch API
 * (store/request.h) under a request id.  *n_prompt: tokens of its prompt.
 * ERR_INPUT: what apus run refuses, several choices, logprobs; what was there
 * is then as it was. */
int solo_start(struct solo *s, const char *line, size_t n, struct id request,
               size_t *n_prompt, struct err *err);

/* Compute at most n positions.  *computed: how many.  *done: the answer is
 * there, perhaps since before.  ERR_INPUT if none was begun; after ERR_FATAL
 * the model can only be closed. */
int solo_step(struct solo *s, size_t n, size_t *computed, bool *done,
              struct err *err);

/* What came of it; the bytes are borrowed until the next start. */
struct solo_answer {
    struct record record;
    struct result_record result;
    struct id result_id;
};

/* ERR_INPUT if it is not done. */
int solo_answer(const struct solo *s, struct solo_answer *a, struct err *err);

#endif
