/*
 * A checkpoint as lines of the OpenAI Batch API, in the order of the
 * requests.
 */
#ifndef APUS_STORE_EXPORT_H
#define APUS_STORE_EXPORT_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct part_file;

/* Takes the next line with its newline. */
typedef int export_fn(void *self, const char *line, size_t n,
                      struct err *err);

struct export_counts {
    uint64_t answered, refused, tokens;
    uint64_t missing; /* of export_partial: what has no answer yet */
};

/* A sealed batch, every request: its answers, or why there are none.  So many
 * lines come before its first; NULL: as many as batch.json says.  ERR_INPUT if
 * the parts do not belong to it. */
int export_batch(const char *batch_path, const uint64_t *lines_before,
                 export_fn *put, void *self, struct export_counts *n,
                 struct err *err);

/* A batch that is not sealed, as far as it is answered: requests without an
 * answer have no line yet.  Its worker may go on meanwhile.  Of a sealed one as
 * export_batch. */
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
