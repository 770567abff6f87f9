/*
 * A thread that seals parts of a batch, so that its rank can answer rank 0
 * meanwhile.
 */
#ifndef APUS_MPI_SEALER_H
#define APUS_MPI_SEALER_H

#include <stdbool.h>
#include <stdint.h>

#include "store/seal.h"

struct batch_info;
struct err;
struct sealer;

struct sealer_options {
    const char *batch_path;          /* borrowed */
    const struct batch_info *info;   /* borrowed */
    struct seal_options seal;
    uint32_t k, of;                  /* the parts k, k + of, .. */
    bool finish;                     /* and then checkpoint.json */
};

int sealer_new(struct sealer **out, const struct sealer_options *o,
               struct err *err);

enum sealer_state {
    SEALER_FAILED = -1, /* err says why */
    SEALER_WORKING,
    SEALER_DONE
};
enum sealer_state sealer_state(struct sealer *s, struct err *err);

/* Wait for it. */
void sealer_free(struct sealer *s);

#endif
