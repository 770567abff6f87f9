/*
 * The test of a device before it serves: another backend over it computes small
 * models, by the kernels, graphs and libraries that serve.
 */
#include "backend/cuda/device.cuh"

#include "backend/start_test.h"

int device_start_test(struct device *d, const struct cuda_options *o,
                      struct err *err)
{
    struct cuda_options with = *o;
    struct err why = ERR_INIT;
    struct backend *b;
    int rc;

    with.start_test = false;
    with.share = true;   /* with d, which holds the device */
    with.checks = false; /* which would find less, and say it otherwise */
    with.caller = NULL;
    with.group = NULL;
    if (cuda_open(&b, &with, err))
        return -1;
    rc = backend_start_test(b, &why);
    if (device_enter(d, err))
        return -1;
    if (rc > 0) {
        err_set(&why, ERR_RETRY, "%s has no memory for the test at its start",
                d->uuid);
        caller_note(&d->caller, false, why.text);
    }
    return rc < 0 ? err_set(err, ERR_RETRY, "%s: %s", d->uuid, why.text) : 0;
}
