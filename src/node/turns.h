/*
 * The turns of this node in disputes at a queue, from the queue's list alone:
 * half of a turn that passes without a move is worth a warning, since a node
 * that makes none until the turn is over loses the dispute.  Nothing is signed.
 */
#ifndef APUS_NODE_TURNS_H
#define APUS_NODE_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct client;
struct err;

#define TURNS_MAX 1024  /* disputes at a queue */
#define TURNS_LEFT 48   /* bytes of turns_left */

/* A turn of this node; times are this machine's. */
struct turn {
    struct id dispute, request;
    uint64_t number;    /* of the move that is wanted, from 0 */
    uint64_t until_ms;
};

struct turns {
    struct turn *list;
    size_t n, cap;
    uint64_t length_s;  /* of a whole turn, by the queue's settings */
};

/* Ask by dry runs for the disputes that wait for this node's move; length_s is
 * asked for only if there is one.  The caller clears *t, also after -1. */
int turns_ask(struct turns *t, struct client *c, struct err *err);
void turns_clear(struct turns *t);

/* Ask for the length of a turn.  A dispute keeps the one that its queue had
 * when it began. */
int turns_length(uint64_t *length_s, struct client *c, struct err *err);

/* Ask for the seconds for which the queue keeps answers open to disputes; 0:
 * it has none; and for the length of a turn; 0: what it says is none.  Where no
 * dry runs are made it is a signed message. */
int turns_times(uint64_t *window_s, uint64_t *length_s, struct client *c,
                struct err *err);

/* Return whether half of a turn is over. */
bool turns_late(uint64_t until_ms, uint64_t length_s);
/* Return the seconds that are left of a turn. */
uint64_t turns_left_s(uint64_t until_ms);
/* Describe what is left of a turn, such as "25 min left". */
const char *turns_left(char text[TURNS_LEFT], uint64_t until_ms);

/* Add the node's turns among the lines of a list.  For tests of its parser. */
int turns_parse(struct turns *t, const char *text, struct err *err);

#endif
