/*
 * A checkpoint as lines of the OpenAI Batch API, in the order of the
 * requests.
 */
#ifndef APUS_STORE_EXPORT_H
#define APUS_STORE_EXPORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct buf;
struct part_file;

/* Takes the next line with its newline. */
typedef int export_fn(void *self, const char *line, size_t n,
                      struct err *err);

struct export_counts {
    uint64_t answered, refused, tokens;
    uint64_t missing;  /* of export_partial: what has no answer yet */
    uint64_t lost;     /* requests whose answer is damaged: without a line */
    struct err damage; /* the first file of the checkpoint that is not as it
                        * was sealed, what is lost by it and the remedy;
                        * ERR_NONE if there is none */
};

/* A sealed batch, every request: its answers, or why there are none.  So many
 * lines come before its first; NULL: as many as batch.json says.  Each part is
 * compared with its SHA-256.  Damage to the checkpoint is not a failure: the
 * answers whose hashes fit are put, and n->damage says what is damaged.
 * ERR_INPUT if requests.jsonl is not that of the batch. */
int export_batch(const char *batch_path, const uint64_t *lines_before,
                 export_fn *put, void *self, struct export_counts *n,
                 struct err *err);

/* A batch that is not sealed, as far as it is answered: requests without an
 * answer have no line yet.  Its worker may continue meanwhile.  Of a sealed one
 * as export_batch. */
int export_partial(const char *batch_path, const uint64_t *lines_before,
                   export_fn *put, void *self, struct export_counts *n,
                   struct err *err);

/* One part by itself, its answers, in lines that say so (answer_mark_part);
 * what only the requests would tell (whether it was a chat, the model's name)
 * is taken as a completion and the model's id.  A custom_id is null if the
 * part has none. */
int export_part(const struct part_file *f, uint64_t lines_before,
                export_fn *put, void *self, struct export_counts *n,
                struct err *err);

#endif
