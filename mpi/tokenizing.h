/*
 * apus tokenize: a text, or the messages of a chat, to the ids that a model
 * gets, and back.  No weights are read.
 */
#ifndef APUS_MPI_TOKENIZING_H
#define APUS_MPI_TOKENIZING_H

#include <stdbool.h>

struct err;

struct tokenizing {
    const char *model;     /* a model file, or NULL .. */
    const char *tokenizer; /* .. and a file or directory with a tokenizer;
                              chat needs a directory or a GGUF file */
    const char *file;      /* what is read; "-" is standard input */
    bool chat, decode;
};

/* Print the ids in a line, or with decode the text of the ids that are read.
 * 0, or -1; ERR_CLOSED where nobody reads what is printed. */
int tokenizing(const struct tokenizing *t, struct err *err);

#endif
