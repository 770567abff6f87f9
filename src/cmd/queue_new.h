/*
 * apus queue new, a verb of queue_cmd.c's table.
 */
#ifndef APUS_CMD_QUEUE_NEW_H
#define APUS_CMD_QUEUE_NEW_H

struct settings;

/* Run it: the exit status. */
int queue_new(struct settings *s, int argc, char **argv);

#endif
