/*
 * A list of answers from a checkpoint or an output file: the requests that they
 * answer, and each answer on demand.  Nothing here checks whether they are
 * right.
 */
#ifndef APUS_VERIFY_ANSWERS_H
#define APUS_VERIFY_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "proof/job_record.h"

struct answers;
struct err;
struct part_file;

/* The keys that identify an answer. */
struct answer_key {
    struct id request;
    struct id name;         /* digest of its custom_id */
    bool named;             /* it has one */
    bool refused;           /* no answer, but why there is none */
    uint32_t line, choice;  /* of the requests, or of the output, from 0 */
    uint32_t file;          /* where it is: part; row, or byte */
    uint64_t at;
};

/* One answer.  Borrowed from the list until the next one is read. */
struct stored_answer {
    const char *name;           /* custom_id */
    size_t n_name;
    const unsigned char *token; /* n_tokens u32 */
    size_t n_tokens;
    const char *text;           /* as an output file has it; NULL: none */
    size_t n_text;
    const char *finish;         /* "stop", "length", or the code of an error */
    const char *end;            /* the same more exactly, or NULL */

    bool has_job;               /* of a checkpoint: the four below */
    struct job_record job;
    const unsigned char *prompt, *stops; /* as record.h has them */
    size_t n_prompt, stops_size;
};

/* Open the parts of a checkpoint, in order.  They remain the caller's, and must
 * stay open as long as the list. */
int answers_of_parts(struct answers **out,
                     const struct part_file *const *part, size_t n,
                     struct err *err);
/* Open the lines of an output file. */
int answers_of_output(struct answers **out, const struct part_file *f,
                      struct err *err);
void answers_free(struct answers *a); /* NULL is allowed */

size_t answers_count(const struct answers *a);
const struct answer_key *answers_key(const struct answers *a, size_t i);
int answers_get(struct answers *a, size_t i, struct stored_answer *out,
                struct err *err);

/* Return the model that answered, or NULL if unknown. */
const struct id *answers_model(const struct answers *a);

#endif
