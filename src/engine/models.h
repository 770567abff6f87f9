/*
 * The model store: a directory with a file ID.apus for each model, `names`
 * (lines "name id"), `checked` (which files were verified: id, device, inode,
 * size, mtime) and `sources` (which directories were converted to what).  A
 * file is believed only after its id was computed.
 */
#ifndef APUS_ENGINE_MODELS_H
#define APUS_ENGINE_MODELS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct model;
struct convert_options;

/* Turn what a user typed (-m: id, unique prefix of at least 6 characters of
 * an id, name, or path) into the path of a model file, which the caller
 * frees.  A Hugging Face directory is converted into the store first (say,
 * if not NULL, is told so in one line), unless that was done and its files
 * are the same; it goes there under the name of the directory. */
int models_resolve(char **path, const char *store, const char *what,
                   void (*say)(const char *line), struct err *err);

/* Resolve, then open. */
int models_open(struct model **out, const char *store, const char *what,
                void (*say)(const char *line), struct err *err);

/* Convert (a directory) or copy (an .apus file) into the store under a name,
 * which replaces an earlier use of that name.  name NULL: that of the file or
 * directory. */
int models_add(const char *store, const char *what, const char *name,
               const struct convert_options *o, unsigned char id[32],
               struct err *err);

/* Remove a name, and the file if no other name points to it. */
int models_rm(const char *store, const char *what, struct err *err);

/* Ids of all models of the store, sorted; *ids is the caller's. */
int models_ids(unsigned char (**ids)[32], size_t *n, const char *store,
               struct err *err);

/* One line a model: name, id, parameters, size. */
int models_list(const char *store, struct buf *out, struct err *err);

#endif
