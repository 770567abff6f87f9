/*
 * The challenger's side of a dispute about one published answer: recompute it,
 * find the first difference, open the dispute, and pick until the verdict.  The
 * queue keeps all moves; a case, a file in the spool, records the disputed
 * answer and the outcome.
 */
#ifndef APUS_NODE_CHALLENGE_H
#define APUS_NODE_CHALLENGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/found.h"
#include "base/id.h"
#include "node/answered.h"
#include "node/asked.h"
#include "queue/client.h"

struct caller;
struct err;
struct execution;
struct model;
struct published;
struct settings;

/* SPOOL/disputes/ID.json */
struct challenge_case {
    struct id dispute, item, request, queue;
    char part[24];        /* verify's word for what differs first, or "" */
    char state[8];        /* "found", "open", "won", "lost", "refused" */
};
#define CHALLENGE_CASE_MAX 4096

/* Parse a case.  ERR_INPUT names the invalid field. */
int challenge_case_parse(struct challenge_case *c, const char *text, size_t n,
                         struct err *err);

/* Read a case from a file, or the case of a dispute from the spool.
 * Writing creates the directory. */
enum found challenge_case_read(struct challenge_case *c, const char *path,
                               struct err *err);
int challenge_case_write(const struct challenge_case *c, const char *spool,
                         struct err *err);
/* Return the path of a case; the caller frees it. */
char *challenge_case_path(const char *spool, struct id dispute);

enum challenge_end {
    CHALLENGE_FAILED = -1, /* err */
    CHALLENGE_WON,
    CHALLENGE_LOST,
    CHALLENGE_OPEN         /* not over: the node's turn, or a failure that may
                              pass */
};

struct challenge {
    const struct settings *settings;
    const struct caller *caller;        /* asked whether to stop */
    struct client *client;              /* of the queue, with a wallet */
    void (*line)(void *self, const char *text); /* a move was made */
    void *self;
    uint64_t for_s;                     /* wait for the node so long */

    struct challenge_case c;
    struct answered answer;
    struct asked asked;
    const struct model *model;          /* with its matrices */
    struct execution *x;                /* as far as it is computed .. */
    uint32_t at;                        /* .. with rows of this position */
    uint32_t told;                      /* moves reported so far */
    bool forgotten;                     /* the queue has no dispute any more */
};

/* Begin with a published answer and the id of its item.  The strings are
 * copied; the model is borrowed. */
int challenge_init(struct challenge *g, struct id item,
                   const struct published *p, const struct model *m,
                   struct err *err);
void challenge_clear(struct challenge *g);

/* Find the first pick of this challenger; FOUND_NONE if the answer is what the
 * model gives. */
enum found challenge_first(struct challenge *g, char *choice,
                           struct err *err);

/* Continue the dispute from its current state.  The case is written when the
 * dispute opens and when it ends. */
enum challenge_end challenge_play(struct challenge *g, struct err *err);

#endif
