/*
 * What the files of apus run --from share.
 */
#ifndef APUS_CMD_RUN_FROM_INTERNAL_H
#define APUS_CMD_RUN_FROM_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "cmd/run_from.h"

struct file_out;

/* What is being made. */
struct making {
    struct run_from *f;
    const struct settings *settings;
    struct file_out *out;
    uint64_t n; /* requests */
};

/* Take a line of a request: a rebuild_fn. */
int making_put(void *self, const char *line, size_t n, struct err *err);

/* Which model answered. */
void making_is_of(struct making *m, struct id model);

/* From a result on Arweave, or from all those of a statement. */
int making_from_item(struct making *m, const char *what, struct err *err);

#endif
