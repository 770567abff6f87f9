/*
 * What NVIDIA's management library says of a device: errors of its memory and
 * of the whole, and the version of the driver.  libnvidia-ml.so.1 comes with
 * the driver and is opened at run time, by declarations of our own; without it
 * nothing is known.
 *
 * For people and for messages: no answer depends on it.
 */
#ifndef APUS_BACKEND_CUDA_NVML_H
#define APUS_BACKEND_CUDA_NVML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was found; each is 0 or "" where the library does not say. */
struct nvml_device {
    char driver[80];    /* "580.65.06" */
    bool has_ecc;       /* the next is known */
    uint64_t ecc_errors; /* uncorrected, since the driver was loaded */
    bool rows_wait;     /* bad rows are replaced when it is next reset */
    bool rows_failed;   /* one could not be replaced */
};

/* Ask for the device with this UUID, "GPU-..." or "MIG-..."; "" or NULL: for
 * the driver alone.  False, with *out empty: the library is missing. */
bool nvml_ask(struct nvml_device *out, const char *uuid);

/* Errors of a device (Xids) that the driver reports from now on. */
struct nvml_watch;

/* Begin for the device with this UUID; ended by nvml_unwatch.  NULL: the
 * library is missing, or does not report any of such a device. */
struct nvml_watch *nvml_watch(const char *uuid);

/* NULL is accepted. */
void nvml_unwatch(struct nvml_watch *w);

/* The number of the last one so far, for which it waits a moment; 0: none, or
 * w is NULL. */
unsigned nvml_last_xid(struct nvml_watch *w);

/* What an Xid means (XID Errors, NVIDIA's documentation of its drivers), or
 * "". */
const char *nvml_xid_text(unsigned xid);

/* The oldest driver for a runtime of this CUDA major (13, 12), as the number
 * that its version begins with; 0: not known. */
unsigned nvml_oldest_driver(int major);

/* Say what a runtime of this major needs of this driver: false and nothing
 * written, or true and the reason, if the driver is too old for it.  A version
 * that cannot be read is not. */
bool nvml_too_old(char *out, size_t n, const char *driver, int major);

#ifdef __cplusplus
}
#endif

#endif
