/*
 * A place in a run as people write it (man apus-prove), and the picks that lead
 * there: POSITION[/LAYER[/ENTRY[/ELEMENT[/TERM]]]].
 */
#ifndef APUS_DISPUTE_PLACE_H
#define APUS_DISPUTE_PLACE_H

#include <stddef.h>

struct err;
struct judge;

#define PLACE_WORDS 5
#define PLACE_MAX 160 /* characters */

struct place {
    char text[PLACE_MAX + 1];
    const char *word[PLACE_WORDS]; /* NULL from where it ends */
};

/* ERR_INPUT if it has another form. */
int place_init(struct place *p, const char *text, struct err *err);

/* The next pick on the way, of at most JUDGE_PICK_MAX characters: 1, or 0 if
 * the judge has come to the place; -1, ERR_INPUT, if it does not lead on. */
int place_pick(char *choice, const struct place *p, const struct judge *g,
               struct err *err);

#endif
