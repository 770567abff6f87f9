/*
 * Tables of commands: finding one by its name, listing them for --help, and
 * naming the one that was meant.
 */
#ifndef APUS_BASE_COMMAND_H
#define APUS_BASE_COMMAND_H

struct buf;
struct err;
struct settings;

/* A row; a table ends with a name of NULL. */
struct command {
    const char *name;
    const char *help; /* one line for --help */
    /* argv[0] is the command's name, the result is the exit status.  NULL: it
     * does nothing but run its own commands. */
    int (*run)(struct settings *s, int argc, char **argv);
    const struct command *verbs; /* its own commands, NULL if it has none */
};

/* The row of this name, NULL if there is none. */
const struct command *command_find(const struct command *table,
                                   const char *name);

/* Append a line for each row. */
void command_list(struct buf *out, const struct command *table);

/* Fill err (ERR_INPUT): `word` is in no row, and this is near.  `of` is the
 * command whose table it is, NULL for the program's.  Returns -1. */
int command_unknown(struct err *err, const char *of,
                    const struct command *table, const char *word);

#endif
