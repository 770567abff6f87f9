/*
 * A dispute as apus dispute plays it, for who found a wrong answer.
 */
#ifndef APUS_CMD_DISPUTE_H
#define APUS_CMD_DISPUTE_H

#include <stdint.h>

struct settings;

/* Play the challenger of what is named, waiting for the node for_s seconds:
 * the exit status of apus dispute. */
int dispute_play(struct settings *s, const char *what, uint64_t for_s);

#endif
