/*
 * The inside of the model store, for the files models*.c: its text files,
 * which are read and written whole.
 */
#ifndef APUS_MODEL_MODELS_INTERNAL_H
#define APUS_MODEL_MODELS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"
#include "model/models.h"

struct buf;
struct err;

#define MODELS_MAX_TEXT ((size_t)1 << 20)
#define MODELS_MAX_CACHE ((size_t)64 << 10) /* begun anew above it */

/* The store's file `file` appended to b; nothing if there is none. */
int models_read_text(struct buf *b, const char *store, const char *file,
                     struct err *err);
int models_write_text(const struct buf *b, const char *store,
                      const char *file, struct err *err);

/* The line "id rest" of a model in a file of the store, without an end of line:
 * put replaces it, or removes it if rest is NULL, and gives up quietly, since
 * those who share a store may only read it.  get appends the rest. */
void models_line_put(const char *store, const char *file, struct id id,
                     const char *rest);
bool models_line_get(struct buf *out, const char *store, const char *file,
                     struct id id);

/* ERR_INPUT that says so of a model, which name is near, and what lists those
 * that there are. */
int models_missing(const char *store, const char *what, struct err *err);

/* The model of a source (a directory or a file in another format): converted
 * now, or before. */
int models_of_source(struct id *id, const char *store, const char *what,
                     void (*say)(const char *line), struct err *err);
/* Converted before: -1 with ERR_INPUT if it was not. */
int models_known_source(struct id *id, const char *store, const char *what,
                        struct err *err);

/* Remember that a model was made of this source, by today's rule and with these
 * options (NULL: the defaults).  Nothing of a model file, which was made
 * elsewhere. */
void models_made(const char *store, struct id id, const char *source,
                 const struct convert_options *o);
/* Remember the sampling defaults of a source that has some. */
void models_sampling_keep(const char *store, struct id id, const char *source);
/* End the line of a model: of one that an older rule made, if today's would
 * make another of its source, after a tab and words that say so. */
struct model_record;
void models_mark(struct buf *out, const char *store, struct id id,
                 const struct model_record *rec);

#endif
