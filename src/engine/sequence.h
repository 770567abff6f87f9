/*
 * One sequence in flight: what has been fed, what was drawn, the output text,
 * and whether it is over.  Private to the engine.
 */
#ifndef APUS_ENGINE_SEQUENCE_H
#define APUS_ENGINE_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

struct model_record;
struct prefix;

/* A position that waits for its digests. */
struct pending {
    uint32_t position, token, next;
};

#define NO_BLOCK UINT32_MAX

struct running {
    struct sequence s;
    uint32_t slot;
    bool started;         /* it may have blocks */
    size_t fed;           /* positions computed so far, since it started */
    size_t n_told;        /* positions computed at any time */
    size_t n_planned;     /* .. and those in steps that are not collected */
    uint64_t last_step;   /* the latest with a row of it, from 1; 0: none */
    uint32_t *block;      /* by index, NO_BLOCK: given back */
    size_t n_blocks, n_held; /* n_held of them are not NO_BLOCK */
    struct prefix **prefix; /* whose blocks the first n_prefixes are */
    size_t n_prefixes, cap_prefixes;
    struct pending *pending; /* from pending_at to n_pending they wait */
    size_t n_pending, pending_at, cap_pending;
    struct tokens out;
    struct buf text;
    size_t text_end;      /* where the text is cut: before a stop */
    bool faulty;
    struct fault fault;
    bool drew;            /* .. last at this position */
    uint32_t drew_at;
    float *last;          /* x_L there, once it has come */
    bool over;            /* nothing more is computed; how it ended */
    enum finish finish;
};

void running_init(struct running *r, const struct sequence *s);
void running_clear(struct running *r);

/* Note a position that waits for its digests. */
void running_report(struct running *r, uint32_t position, uint32_t token,
                    uint32_t next);

/* The token to feed at a position, or BACKEND_DRAWN where the row before draws
 * it and is not collected. */
uint32_t running_token(const struct running *r, size_t position);

/* How many positions can be fed before a token must be drawn that is not
 * known: at least 1.  Where the last known one is in a step that is not
 * collected: 1, what it draws, or 0 if that is known to be the end. */
size_t running_ready(const struct running *r, uint32_t context);

/* The position whose row draws the next token. */
size_t running_drawing(const struct running *r);

/* The first position whose row has to draw: forced tokens that are believed
 * need no row to. */
size_t running_asking(const struct running *r);

/* Take the next token, which is `drawn` unless one is forced; true if the
 * sequence is over, with *finish why. */
bool running_draw(struct running *r, const struct model_record *rec,
                  const struct tokenizer *t, uint32_t drawn,
                  enum finish *finish);

#endif
