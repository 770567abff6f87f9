/*
 * Members of a group (engine/group.h) that are threads of this process, each
 * with a backend of its own, and everything that leaves an engine over the
 * first one as one hash.
 */
#ifndef APUS_TESTS_CREW_H
#define APUS_TESTS_CREW_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "engine/group.h"

struct backend;
struct model;
struct thread_group;

#define CREW_MOST 8
#define CREW_PROMPT 70 /* tokens at most */
#define CREW_SEQUENCES 6

/* Open a member's backend: of what `kind` says. */
typedef void crew_open_fn(struct backend **out, const char *kind,
                          const struct group *g);

/* Backends that have a name (backend/backends.h); members have one thread and
 * two by turns. */
void crew_open_named(struct backend **out, const char *kind,
                     const struct group *g);

struct crew {
    const struct model *model; /* of the others */
    bool comes;                /* .. as one that comes to their sinks */
    crew_open_fn *open;
    const char *kind, *odd;    /* odd: the kind of the last one, or NULL */
    struct thread_group *group;
    uint32_t size;
    struct crew_member {
        struct crew *crew;
        uint32_t rank;
        struct group group;
        struct backend *b;
        struct model *came;
        pthread_t thread;
        bool failed;
        struct err err;
    } member[CREW_MOST];
};

/* Start the others, which have a model and where it comes from, once open, kind
 * and odd are set; the first one's backend. */
struct backend *crew_start(struct crew *c, const struct model *theirs,
                           bool comes, uint32_t size);

/* Close that; whether no member failed. */
bool crew_end(struct crew *c, struct backend *first);

/* What is asked of an engine: prompts that begin alike, drawn in several ways,
 * some with their logits and, with `deep`, all layers. */
struct crew_asks {
    uint32_t sequences, prompt, tokens;
    uint32_t chunk; /* rows of a prompt in a step; 0: 23 */
    bool deep;
};

struct crew_seen {
    struct id all; /* of all sequences, whenever it came */
    size_t positions, logits, faults;
    bool wrong;     /* the backend says so */
    struct err err; /* .. why it failed */
};

/* Whether all were answered. */
bool crew_answer(struct crew_seen *s, struct backend *b, const struct model *m,
                 const struct crew_asks *asks);

#endif
