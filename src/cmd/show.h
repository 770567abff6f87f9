/*
 * What the files of apus show share.
 */
#ifndef APUS_CMD_SHOW_H
#define APUS_CMD_SHOW_H

#include <stddef.h>

#include "base/id.h"

struct err;
struct settings;

/* Lines "key, tab, value" of an id or hash, of ids of tokens. */
void show_id(const char *key, struct id id);
void show_tokens(const char *key, const void *ids, size_t n);

/* A text of somebody else's, each line with its end, and nothing in it that a
 * terminal would obey. */
void show_text(const char *s, size_t n);

/* What an item on Arweave says: `what` is its id, or a file with its bytes. */
int show_item(const struct settings *s, const char *what, int is_file,
              struct err *err);

#endif
