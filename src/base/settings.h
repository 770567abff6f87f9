/*
 * Settings.  Each has a name, a default and, by rising precedence, a line
 * `name = value` in one file, a variable APUS_NAME in the environment (a dash
 * becomes '_') and a flag --name of any command.  `apus settings` prints each
 * with where its value came from.
 *
 * The file is $APUS_CONFIG (/dev/null: none), else ~/.config/apus/apus.conf if
 * it exists, else /etc/apus/apus.conf if that exists, else none.  A '#' begins
 * a comment at the start of a line or after a tab; an unknown name, or one that
 * is there twice, is an error that names file and line.  Blanks around a value
 * do not count, wherever it comes from.
 */
#ifndef APUS_BASE_SETTINGS_H
#define APUS_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct nearest;
struct settings;

/* One row of the program's table, which ends with a row without a name. */
struct setting {
    const char *name; /* "log-level" */
    const char *kind; /* "text", "words", "path", "size", "count", "a|b|c";
                       * with a range: "count 1..64", "size 1M.." */
    const char *def;  /* default; "~/" at the front of a path is the home */
    bool worker;      /* whether a worker has it too */
    const char *help; /* one line for `apus settings` and the manual */
};

/* Read environment and file over the defaults of `table`, which must live as
 * long as the settings. */
int settings_new(struct settings **out, const struct setting *table,
                 struct err *err);
void settings_free(struct settings *s);

/* A flag: -1 with ERR_INPUT if the value is not of the setting's kind.  Each
 * further flag of a setting of words is added to the flags before it.
 * settings_has tells whether there is such a setting. */
bool settings_has(const struct settings *s, const char *name);
/* What it is for: the help of its row, which must be there. */
const char *settings_help(const struct settings *s, const char *name);
int settings_set(struct settings *s, const char *name, const char *value,
                 struct err *err);

/* Values, valid until the settings are freed or set.  The name must be in the
 * table (assert).  What is words can be split (base/split.h).  A size
 * understands K, M, G, T (powers of 1024). */
const char *settings_text(const struct settings *s, const char *name);
uint64_t settings_count(const struct settings *s, const char *name);

/* Check a value as settings_set does, but set nothing: an option of a command
 * may stand for a setting this once.  *count is its number. */
int settings_check(const struct settings *s, const char *name,
                   const char *value, uint64_t *count, struct err *err);

/* Whether a flag of the command line gave it its value. */
bool settings_from_flag(const struct settings *s, const char *name);

/* "~/x" is x at home; anything else, or without a home, is itself.  The
 * caller frees it. */
char *settings_expand(const char *path);

/* "--name=value" for each setting of a worker, NULL at the end, as they are
 * now.  The caller frees each and the array. */
char **settings_for_worker(const struct settings *s);

/* One line a setting: name = value, a tab, "# origin: help".  Origins are
 * "default", "file PATH:LINE", "environment APUS_X", "flag --x". */
void settings_print(const struct settings *s, struct buf *out);

/* A file that gives the same settings when it is read: a comment and a line
 * each, defaults commented out. */
void settings_print_file(const struct settings *s, struct buf *out);

/* Offer the name of each setting to n (base/nearest.h). */
void settings_offer(const struct settings *s, struct nearest *n);

#endif
