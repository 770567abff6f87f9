/*
 * Command lines from a table: long options, one letter for the daily few, and
 * every setting as --name VALUE.  --help is made from the same table.
 */
#ifndef APUS_BASE_OPT_H
#define APUS_BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;
struct settings;

struct opt {
    char letter;      /* 0 if none */
    const char *name; /* without dashes; NULL ends the table */
    const char *arg;  /* name of its argument for --help, NULL if none; it ends
                       * in "..." if the option may be given several times */
    const char *help;
    size_t at;        /* offset of where it goes in the struct of the command:
                       * without an argument a bool, set to true; with one a
                       * const char *, the last; with "..." a const char **,
                       * an array of argc NULLs that gets each */
};

/* A command: what --help prints and what opt_parse accepts. */
struct opt_command {
    const char *name;     /* "apus run" */
    const char *synopsis; /* "FILE.jsonl -m MODEL [-o OUT.jsonl]" */
    const char *about;    /* a sentence or a few, at most 78 columns a line */
    const struct opt *opts;
    size_t min_args, max_args; /* positional arguments */
};

/* Take the options out of argv (argv[0] is skipped) and put them `into` the
 * struct of the command (NULL: it has none).  The positional arguments, words
 * of argv, are args[0..*n_args): it has room for the lesser of max_args and
 * argc, and may be NULL where max_args is 0.  "--" ends the options, a whole
 * id (43 characters) is none even if it begins with a dash, --name=VALUE is
 * understood.  *help is set, and nothing else is checked, if --help or -h
 * stood anywhere.  Errors are ERR_INPUT: unknown option, missing argument, too
 * many arguments. */
int opt_parse(const struct opt_command *c, struct settings *s, int argc,
              char **argv, void *into, const char **args, size_t *n_args,
              bool *help, struct err *err);

/* The text of --help.  A setting that the synopsis names is explained with the
 * options; s may be NULL. */
void opt_help(const struct opt_command *c, const struct settings *s,
              struct buf *out);

#endif
