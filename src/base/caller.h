/*
 * Who runs long steps: a command.  The steps do not look at signals, draw no
 * bar and print nothing; they ask and tell their caller.
 */
#ifndef APUS_BASE_CALLER_H
#define APUS_BASE_CALLER_H

#include <stdbool.h>
#include <stdint.h>

enum caller_moment {
    CALLER_BEGIN, /* work on a batch begins: only now total and most count */
    CALLER_START, /* a worker will start: what `progress` says is old */
    CALLER_LOOK,  /* some time has passed; a thread of its own tells this */
    CALLER_PAUSE  /* messages may follow */
};

/* What is worked on. */
struct caller_work {
    const char *path; /* of the batch, where a worker has it */
    uint64_t total;   /* requests */
    uint64_t most;    /* tokens that all of them may give; 0: unknown */
};

/* Each may be NULL. */
struct caller {
    bool (*stop)(void); /* whether to end after the step at hand */
    /* What a person should know; `warning` if it is bad news. */
    void (*note)(void *self, bool warning, const char *text);
    /* Show how far it is; NULL: nothing is shown. */
    void (*progress)(void *self, enum caller_moment moment,
                     const struct caller_work *w);
    void *self;
};

/* A copy to keep; of NULL, one that nobody hears. */
struct caller caller_or_none(const struct caller *c);

bool caller_stops(const struct caller *c);
void caller_note(const struct caller *c, bool warning, const char *text);

#endif
