/*
 * Work on many items, such as the rows of a matrix, that several threads do and
 * whose results go out in order: what is written, and which error is reported,
 * does not depend on how many threads there are.
 */
#ifndef APUS_MODEL_ORDERED_H
#define APUS_MODEL_ORDERED_H

#include <stddef.h>

struct err;

struct ordered {
    void *self;
    size_t n;     /* items .. */
    size_t piece; /* .. that a thread takes at a time */
    size_t room;  /* bytes that a piece needs, aligned to 64 */
    /* Make items [from, to) in `room`; on any thread, several at once. */
    int (*make)(void *self, size_t from, size_t to, void *room,
                struct err *err);
    /* Then put them out; in their order, one piece at a time. */
    int (*put)(void *self, size_t from, size_t to, const void *room,
               struct err *err);
};

/* On at most `threads` threads, of which the caller is one.  Ends at the first
 * error in the order of the items: none after it is put out. */
int ordered_run(const struct ordered *o, unsigned threads, struct err *err);

#endif
