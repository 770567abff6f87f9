/*
 * Maps a pick to the statement to prove: one table, by entry and kind of pick
 * (doc/dispute.md, "Ways").  The node never chooses.
 */
#ifndef APUS_DISPUTE_WAYS_H
#define APUS_DISPUTE_WAYS_H

#include <stddef.h>

#include "dispute/operators.h"

/* Kinds of picks: what the challenger claims about an entry. */
enum way {
    WAY_WITNESS, /* a maximum's witness does not have its size */
    WAY_EXCEEDS, /* an element is greater than the maximum */
    WAY_RANGE,   /* an element is 2^40 or more */
    WAY_VALUE,   /* the value itself does not follow */
    WAY_ELEMENT, /* .. of an element of a vector */
    WAY_TERM,    /* a partial sum is wrong */
    WAY_TOTAL    /* the value does not follow from the sums */
};

#define WAYS_NONE 0xff
#define WAYS_SUMS 0xfe /* partial sums are shown first */

/* Return the statement of a pick, WAYS_SUMS, or WAYS_NONE.  `field` names a
 * field of `heads`: "er", "m", "ev", "Z"; otherwise it is NULL. */
unsigned ways_statement(enum entry e, const char *field, enum way way);

/* Read the n-th row of the table; return 0 past the last.  For the vectors. */
int ways_row(size_t n, enum entry *e, const char **field, enum way *way,
             unsigned *statement);
const char *ways_name(enum way way);

#endif
