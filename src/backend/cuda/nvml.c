/*
 * libnvidia-ml.so.1, as far as nvml.h goes.  Numbers are of NVIDIA's NVML API
 * reference: NVML_SUCCESS 0, NVML_MEMORY_ERROR_TYPE_UNCORRECTED 1,
 * NVML_VOLATILE_ECC 0.
 */
#include <config.h>

#include "backend/cuda/nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME "libnvidia-ml.so.1"
#define UNCORRECTED 1
#define VOLATILE 0

struct nvml {
    int (*init)(void);
    int (*shutdown)(void);
    int (*driver)(char *version, unsigned n);
    int (*by_uuid)(const char *uuid, void **device);
    int (*ecc)(void *device, int type, int counter, unsigned long long *n);
};

/* A pointer to data becomes one to a function, as POSIX lets dlsym's. */
static bool find(void *library, void *to, const char *name)
{
    void *p = dlsym(library, name);

    memcpy(to, &p, sizeof(p));
    return p != NULL;
}

static bool find_all(struct nvml *n, void *library)
{
    return find(library, &n->init, "nvmlInit_v2") &&
           find(library, &n->shutdown, "nvmlShutdown") &&
           find(library, &n->driver, "nvmlSystemGetDriverVersion") &&
           find(library, &n->by_uuid, "nvmlDeviceGetHandleByUUID") &&
           find(library, &n->ecc, "nvmlDeviceGetTotalEccErrors");
}

static void ask(const struct nvml *n, struct nvml_device *out,
                const char *uuid)
{
    unsigned long long errors = 0;
    void *device = NULL;

    if (n->driver(out->driver, sizeof(out->driver)))
        out->driver[0] = '\0';
    out->driver[sizeof(out->driver) - 1] = '\0';
    if (!uuid || !*uuid || n->by_uuid(uuid, &device) ||
        n->ecc(device, UNCORRECTED, VOLATILE, &errors))
        return;
    out->has_ecc = true;
    out->ecc_errors = errors;
}

bool nvml_ask(struct nvml_device *out, const char *uuid)
{
    void *library = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
    struct nvml n;
    bool there;

    memset(out, 0, sizeof(*out));
    if (!library)
        return false;
    there = find_all(&n, library) && n.init() == 0;
    if (there) {
        ask(&n, out, uuid);
        n.shutdown();
    }
    dlclose(library);
    return there;
}

unsigned nvml_oldest_driver(int major)
{
    return major == 13 ? 580 : major == 12 ? 525 : 0;
}

bool nvml_too_old(char *out, size_t n, const char *driver, int major)
{
    unsigned oldest = nvml_oldest_driver(major);
    unsigned long has = strtoul(driver, NULL, 10);

    if (has == 0 || has >= oldest)
        return false;
    snprintf(out, n, "driver %s is too old: CUDA %d needs %u or later", driver,
             major, oldest);
    return true;
}
