/*
 * What the programs have in common: their settings, and how those of them
 * that concern every program take effect.
 */
#ifndef APUS_BASE_PROGRAM_H
#define APUS_BASE_PROGRAM_H

#include <stdbool.h>

#include "base/settings.h"

struct err;

extern const struct setting program_settings[];

/* Log level (of messages with this name in front) and umask, as the settings
 * are now.  ERR_INPUT if one makes no sense. */
int program_apply(const struct settings *s, const char *name,
                  struct err *err);

/* From now on the first SIGINT, SIGTERM or SIGHUP only makes
 * program_interrupted true; the second one ends the process. */
void program_catch_signals(void);
bool program_interrupted(void);

#endif
