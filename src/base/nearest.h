/*
 * The word that was probably meant: of the names offered, the one that the
 * fewest slips of a typist turn into what was typed.
 */
#ifndef APUS_BASE_NEAREST_H
#define APUS_BASE_NEAREST_H

#include <stddef.h>

struct nearest {
    const char *typed; /* of typed_len bytes, not ended by 0 */
    size_t typed_len;
    const char *name;  /* the best so far, the caller's; NULL if none is near */
    size_t slips;      /* that lie between both */
};

/* Begin with what was typed, n bytes.  Borrowed until the last offer. */
void nearest_init(struct nearest *n, const char *typed, size_t len);

/* Offer a name.  It becomes n->name if it is nearer than those before: a
 * letter missing, added, changed or two neighbours swapped are a slip each,
 * and so is all that is missing at the end if at least three letters are
 * there.  Of a word of up to 4 letters one slip is near, else two.  Equal
 * names and words over 40 letters are never near. */
void nearest_offer(struct nearest *n, const char *name);

#endif
