/*
 * The model store: a directory with a file ID.apus for each model, `names`
 * (lines "name id"), `checked` (which files were verified: id, device, inode,
 * size, mtime, ctime), `sources` (what was converted to which),
 * `made` (by which rule of the converter, and of what), `sampling` (defaults of
 * the sources, which nothing here takes),
 * `arweave` (under which ids models were fetched) and `origins` (where models
 * are to be had).  A file is believed only
 * after its id was computed.
 */
#ifndef APUS_MODEL_MODELS_H
#define APUS_MODEL_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct buf;
struct err;
struct model;
struct model_sink;
struct convert_options;

/* Turn what a user typed (-m: id, unique prefix of at least 6 characters of
 * an id, name, id on Arweave, or path) into the path of a model file, which
 * the caller frees.  A Hugging Face directory or a GGUF file is converted into
 * the store first (say, if not NULL, is called with a line about it), unless
 * that was done and its files are the same; it goes there under its own
 * name. */
int models_resolve(char **path, const char *store, const char *what,
                   void (*say)(const char *line), struct err *err);

/* The same, and nothing is made: ERR_INPUT for a source that was not
 * converted before, or was changed since. */
int models_find(char **path, const char *store, const char *what,
                struct err *err);

/* Resolve, then open; the matrices go to `sink` (model.h) if it is not NULL.
 * A file of the store is hashed unless `checked` has it as it is now;
 * models_open_hashed hashes it in any case, since a disk may change bytes
 * without a trace in any of those numbers.  On an error what the sink has is
 * not the model, even if its `end` said so: the file changed. */
int models_open(struct model **out, const char *store, const char *what,
                const struct model_sink *sink, void (*say)(const char *line),
                struct err *err);
int models_open_hashed(struct model **out, const char *store,
                       const char *what, const struct model_sink *sink,
                       struct err *err);

/* Convert (a directory, a GGUF file) or copy (an .apus file) into the store,
 * which may have it already.  It gets no name. */
int models_put(const char *store, const char *what,
               const struct convert_options *o, struct id *id,
               struct err *err);

/* As models_put, under a name, which replaces an earlier use of that name.
 * name NULL: that of the file or directory. */
int models_add(const char *store, const char *what, const char *name,
               const struct convert_options *o, struct id *id, struct err *err);

/* The name that models_add gives if none is given; the caller frees it. */
char *models_own_name(const char *what);

/* Find a model of the store by id, prefix, name or id on Arweave, as
 * models_resolve does before it takes `what` for a path. */
enum found models_stored(struct id *id, const char *store, const char *what,
                         struct err *err);

/* Find what a name stands for. */
enum found models_named(struct id *id, const char *store, const char *name,
                        struct err *err);

/* What models_rm would remove. */
enum models_rm_takes {
    MODELS_RM_FAILED = -1,
    MODELS_RM_NAME, /* the model has others */
    MODELS_RM_FILE  /* of model *id */
};
enum models_rm_takes models_rm_takes(struct id *id, const char *store,
                                     const char *what, struct err *err);

/* Remove a name, and the file if no other name points to it. */
int models_rm(const char *store, const char *what, struct err *err);

/* Ids of all models of the store, sorted; *ids is the caller's. */
int models_ids(struct id **ids, size_t *n, const char *store, struct err *err);

/* ERR_INPUT if there is no store, or this user may not look into it. */
int models_there(const char *store, struct err *err);

/* One line a model: name, id, parameters, size, and where an older rule of the
 * converter made it, and today's would make another, words that say so. */
int models_list(const char *store, struct buf *out, struct err *err);

/* A line for each model of the store with the same tensors as this one: what of
 * the rest of their records differs. */
int models_twins(struct buf *out, const char *store, struct id id,
                 struct err *err);

/* ERR_INPUT if it cannot be a name; an id can be none. */
int models_name_check(const char *name, struct err *err);

/* Where the file of a model is or would be; the caller frees it. */
char *models_path(const char *store, struct id id);

/* A synced file in the store's directory, whose bytes were checked to be this
 * model's, becomes its file. */
int models_adopt(const char *store, const char *from, struct id id,
                 struct err *err);

/* Give a model of the store a name, which ends an earlier use of it. */
int models_name(const char *store, const char *name, struct id id,
                struct err *err);

/* Remember under which id on Arweave a model is.  models_pointed finds the
 * model's id. */
int models_point(const char *store, struct id arweave, struct id id,
                 struct err *err);
enum found models_pointed(struct id *id, const char *store, struct id arweave,
                          struct err *err);

/* Where a model is to be had, for people elsewhere: "hf:ORG/NAME@REVISION",
 * "arweave:ID", a URL or what else was said of it; "" if nothing is known.  A
 * hint; nobody checks it. */
#define MODELS_SOURCE 208 /* bytes of such a text */
void models_source(char out[MODELS_SOURCE], const char *store, struct id id);
int models_source_set(const char *store, struct id id, const char *text,
                      struct err *err);
int models_source_check(const char *text, struct err *err);

/* Append the sampling defaults that a model's source had, in words; false if
 * nothing is known of any. */
bool models_sampling(struct buf *out, const char *store, struct id id);

/* How the weights of a model that was converted here were rounded: 1 and the
 * number of the rule that they are fitted by, 0 for the nearest rule; 0 if
 * nobody knows. */
int models_rounding(unsigned *rule, const char *store, struct id id);

/* What the path of a directory tells, in a cache of Hugging Face. */
void models_source_of_path(char out[MODELS_SOURCE], const char *path);

#endif
