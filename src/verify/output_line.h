/*
 * A line of an output file (store/answer.h), read back: the request that it
 * answers, and the answer.  Nothing in it is trusted; it is compared with a
 * line that is made anew.
 */
#ifndef APUS_VERIFY_OUTPUT_LINE_H
#define APUS_VERIFY_OUTPUT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "store/request.h"

struct err;
struct json;

struct output_choice {
    uint32_t *token; /* the ids that it says were drawn */
    size_t n_tokens;
    const char *text, *finish; /* NULL where there is none */
};

struct output_line {
    struct json *root;         /* owns the strings below */
    struct id request;
    bool has_custom_id;        /* it is not null */
    bool of_part;              /* answer_mark_part */
    const char *custom_id;     /* NULL if it is not text */
    const char *code, *message; /* of an error; NULL: an answer */
    bool has_line;             /* an error that says where its request is .. */
    uint64_t line;             /* .. 0 if that is not a number */
    bool has_model;
    struct id model;
    struct output_choice choice[REQUEST_MAX_CHOICES];
    size_t n_choices;          /* 0 of an error */
};

/* Read a line without its newline.  It must have the id of a request and either
 * choices with their tokens or an error; otherwise ERR_INPUT, and nothing to
 * clear. */
int output_line_read(struct output_line *o, const char *text, size_t n,
                     struct err *err);
void output_line_clear(struct output_line *o);

/* Compare a line with the expected one: whether they have the same values, in
 * any order of members; if not, `where` has the place of the first difference.
 * ERR_INPUT if `want` is not JSON. */
enum output_same { OUTPUT_FAILED = -1, OUTPUT_SAME, OUTPUT_DIFFERS };
enum output_same output_line_compare(const struct output_line *o,
                                     const char *want, size_t n, char *where,
                                     size_t size, struct err *err);

#endif
