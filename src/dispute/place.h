/*
 * A place in a run in text form (man apus-prove), and the picks that lead
 * there: POSITION[/LAYER[/ENTRY[/ELEMENT[/TERM]]]].
 */
#ifndef APUS_DISPUTE_PLACE_H
#define APUS_DISPUTE_PLACE_H

#include <stddef.h>

#include "base/found.h"

struct err;
struct judge;

#define PLACE_WORDS 5
#define PLACE_MAX 160 /* characters */

struct place {
    char text[PLACE_MAX + 1];
    const char *word[PLACE_WORDS]; /* NULL from where it ends */
};

/* Parse a place.  ERR_INPUT if it is malformed. */
int place_init(struct place *p, const char *text, struct err *err);

/* Write the next pick towards the place, at most JUDGE_PICK_MAX characters.
 * FOUND_NONE if the judge has reached it; FOUND_FAILED, ERR_INPUT, if no pick
 * leads there. */
enum found place_pick(char *choice, const struct place *p,
                      const struct judge *g, struct err *err);

#endif
