/*
 * What NVIDIA's management library says of a device: errors of its memory, and
 * the version of the driver.  libnvidia-ml.so.1 comes with the driver and is
 * opened at run time, by declarations of our own; without it nothing is known.
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
};

/* Ask for the device with this UUID, "GPU-..." or "MIG-..."; "" or NULL: for
 * the driver alone.  False, with *out empty: the library is missing. */
bool nvml_ask(struct nvml_device *out, const char *uuid);

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
