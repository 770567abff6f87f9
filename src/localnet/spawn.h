/*
 * apus localnet spawn: a process of one's own on a localnet that runs.
 */
#ifndef APUS_LOCALNET_SPAWN_H
#define APUS_LOCALNET_SPAWN_H

#include "base/id.h"

struct err;
struct settings;

struct spawned {
    char id[ID_TEXT];
    char *output; /* what the file printed, with the text of the error that
                   * it raised; or NULL; the caller frees it */
};

/* Spawn a process from a file of Lua with the settings of a localnet, owned by
 * their wallet, and wait for its first evaluation.  ERR_INPUT if the file is
 * not Lua, if it raised an error, or if the settings are of another network
 * than a localnet; ERR_RETRY if no localnet answers.  `out` is set when the
 * process is there, also if its code raised an error; out->id is "" if it is
 * not. */
int spawn_file(struct spawned *out, struct settings *s, const char *file,
               struct err *err);

#endif
