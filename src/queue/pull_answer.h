/*
 * The answer to a Pull, checked as a whole: head and lines, against what was
 * asked and what came before in the same batch.
 */
#ifndef APUS_QUEUE_PULL_ANSWER_H
#define APUS_QUEUE_PULL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"

struct ao_out;
struct err;
struct pull_line;

/* What the answers of a batch have said so far. */
struct pull_answers {
    struct id batch;
    bool has_model, is_file;
    struct id model; /* of all lines */
    struct id *id;   /* of the lines, sorted */
    size_t n, cap;
    uint64_t until_ms;       /* of the last answer */
    uint64_t more;           /* pending, by the last answer */
};
void pull_answers_init(struct pull_answers *a, struct id batch);
void pull_answers_clear(struct pull_answers *a);

/* Check an answer whose code is 200 and count it in.  At most `max` lines, of
 * one of these models (n_models 0: of any).  ERR_INPUT names the line and what
 * is wrong. */
int pull_answers_add(struct pull_answers *a, const struct ao_out *o,
                     uint64_t max, const struct id *model, size_t n_models,
                     struct err *err);

/* Walk over the lines of an answer: *at begins at its Data and advances.
 * *l is to be cleared. */
enum found pull_next_line(struct pull_line *l, const char **at,
                          struct err *err);

#endif
