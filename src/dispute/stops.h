/*
 * Stop strings as a dispute judges them (doc/dispute.md, "Stop strings"): which
 * texts of output tokens are shown, whether a stop string ends in the last of
 * them, and where the record of a token lies in the tokenizer bytes.  Judge and
 * prover share this; it needs nothing but the bytes that are shown.
 */
#ifndef APUS_DISPUTE_STOPS_H
#define APUS_DISPUTE_STOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proof/job_record.h"

#define STOPS_TOKENS 64   /* texts that are shown, at most */
#define STOPS_TEXT 1024   /* bytes of one */
#define STOPS_RECORD 12   /* bytes of a token's record before its text */
#define STOPS_POINTS 192  /* tokens whose offsets are shown, at most */
#define STOPS_STEP 64     /* tokens between them: 4096, 64 or 1 */

struct stops_text {
    const unsigned char *s;
    size_t n;
};

/* The stop strings of a job, and the texts of output tokens, of which the last
 * is the one that a stop string may end in.  Borrowed. */
struct stops_shown {
    struct stops_text stop[JOB_MAX_STOPS], text[STOPS_TOKENS];
    size_t n_stops, n_texts;
};

/* Read them from a show: each string is u32 length and bytes, n_stops of them;
 * then u32 count, and as many texts in the same form.  Return -1 if it is
 * malformed; a stop string has 1 to 64 bytes, a text at most STOPS_TEXT. */
int stops_read(struct stops_shown *s, size_t n_stops,
               const unsigned char *bytes, size_t n);

/* Return whether one text more is needed before these, which end with output
 * token `index`: a stop string could begin there. */
bool stops_need_more(const struct stops_shown *s, uint32_t index);

/* Return whether exactly as many texts are shown as have to be. */
bool stops_enough(const struct stops_shown *s, uint32_t index);

/* Say whether a stop string ends in the last text.  STOPS_UNKNOWN: none that is
 * seen, but one may begin before the first text. */
enum stops_end { STOPS_NONE, STOPS_ENDS, STOPS_UNKNOWN };
enum stops_end stops_look(const struct stops_shown *s, uint32_t index);

/* ---- tokenizer bytes (man 5 apus-model) ---------------------------------- */

struct stops_tokenizer {
    uint32_t kind, n; /* n tokens */
    uint32_t head;    /* bytes before the first token's record */
};

/* Read the head of tokenizer bytes from their first n bytes, at most 1024.
 * Return -1 if their texts are not judged: a decoder has steps, the head is
 * longer, or it is of no known tokenizer for n_vocab ids. */
int stops_tokenizer(struct stops_tokenizer *t, const unsigned char *bytes,
                    size_t n, uint32_t n_vocab);

/* Write the text of a token in an output, at most STOPS_TEXT bytes; `record` is
 * its record of n bytes, of which the first STOPS_RECORD are there.  Return its
 * length. */
size_t stops_token(unsigned char *text, const struct stops_tokenizer *t,
                   const unsigned char *record, size_t n);

/* Fill in the tokens whose offsets lead to that of token id: multiples of 4096,
 * of 64, each one, up to id + 1.  Return their count. */
size_t stops_points(uint32_t point[STOPS_POINTS], uint32_t id);

/* Fill in the points from `from` to `to`, which are 64 or 4096 apart. */
size_t stops_between(uint32_t point[STOPS_POINTS], uint32_t from, uint32_t to);

/* Return whether tokens between the points can have these offsets. */
bool stops_offsets_good(const uint32_t *point, const uint32_t *offset,
                        size_t n);

#endif
