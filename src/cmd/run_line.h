/*
 * One line of a run on its way from a request to an answer: its prompt, its
 * sequences (one for each choice), and in the end its line of the output.
 */
#ifndef APUS_CMD_RUN_LINE_H
#define APUS_CMD_RUN_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "verify/prompt.h"

struct run_choice;

struct run_line {
    struct run_line *next; /* for the owner */
    unsigned char id[32];
    char *custom_id;
    char *model;           /* as the request says, else NULL */
    bool chat;
    struct prompt prompt;
    struct run_choice *choice;
    size_t n_choices, n_added, n_done;
    bool done, refused;
    struct buf out;        /* the line, when done */
};

/* Parse and tokenise.  A request that is bad gives a line that is done; what
 * fails is only what would stop the whole run. */
int run_line_new(struct run_line **out, const struct prompt_model *m,
                 const unsigned char id[32], const char *text, size_t n,
                 struct err *err);
void run_line_free(struct run_line *l);

/* The next sequence that is to be added; false if there is none. */
bool run_line_sequence(struct run_line *l, struct sequence *s);

/* Take the answer of one of its sequences.  Returns its line, which may be
 * done by it. */
struct run_line *run_line_answer(const struct prompt_model *m,
                                 const struct answer *a);

#endif
