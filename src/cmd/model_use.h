/*
 * Whether a model of the store is needed by batches of the spool, and how to
 * get one that it lacks.
 */
#ifndef APUS_CMD_MODEL_USE_H
#define APUS_CMD_MODEL_USE_H

#include "base/id.h"

struct err;
struct settings;

/* ERR_INPUT that names batches in todo and running, if any has this model.
 * Without a spool none has. */
int model_check_unused(const struct settings *s, struct id id, struct err *err);

/* Say how to get a model whose source is this (models_source; NULL or "":
 * nothing is known), which somebody else may have said: words for free(). */
char *model_use_how(const char *source);

#endif
