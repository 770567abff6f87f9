/*
 * The commands of apus chain, a file each, and what they share.
 */
#ifndef APUS_CMD_CHAIN_CMD_H
#define APUS_CMD_CHAIN_CMD_H

#include "base/id.h"

struct settings;

int chain_build(struct settings *s, int argc, char **argv);
int chain_publish(struct settings *s, int argc, char **argv);
int chain_new(struct settings *s, int argc, char **argv);
int chain_ask(struct settings *s, int argc, char **argv);
int chain_verify(struct settings *s, int argc, char **argv);

/* Where a message is kept that was asked, "item", and what was answered,
 * "answer"; the caller frees it. */
char *chain_kept(const struct settings *s, struct id request,
                 const char *suffix);

#endif
