/*
 * What the routes read out of a path.
 */
#ifndef APUS_LOCALNET_ROUTE_H
#define APUS_LOCALNET_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

/* The id at the front of a path, up to '/' or the end; *rest is behind it
 * (at the slash).  false if there is none. */
bool route_id(const char *path, struct id *id, const char **rest);

/* A decimal number that is all of text. */
bool route_number(const char *text, uint64_t *n);

#endif
