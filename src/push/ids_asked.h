/*
 * The requests of a batch from AO whose prompt is token ids: the queue takes
 * their answers with the ids of the output (doc/queue.md, Complete).
 */
#ifndef APUS_PUSH_IDS_ASKED_H
#define APUS_PUSH_IDS_ASKED_H

#include <stdbool.h>

#include "base/id.h"

struct batch_info;
struct err;
struct ids_asked;

/* Read requests.jsonl of a batch.  ERR_INPUT if it is not that of the batch. */
int ids_asked_open(struct ids_asked **out, const char *batch_path,
                   const struct batch_info *info, struct err *err);
void ids_asked_close(struct ids_asked *x);

bool ids_asked_has(const struct ids_asked *x, struct id request);

#endif
