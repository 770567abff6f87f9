/*
 * libnvidia-ml.so.1, as far as nvml.h goes.  Numbers are of NVIDIA's NVML API
 * reference: NVML_SUCCESS 0, NVML_MEMORY_ERROR_TYPE_UNCORRECTED 1,
 * NVML_VOLATILE_ECC 0, nvmlEventTypeXidCriticalError 8,
 * NVML_ERROR_GPU_IS_LOST 15.
 */
#include <config.h>

#include "backend/cuda/nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/library.h"
#include "base/mem.h"

#define NAME "libnvidia-ml.so.1"
#define UNCORRECTED 1
#define VOLATILE 0
#define XID_EVENT 8
#define XID_WAIT_MS 200 /* until it is reported, once a call has failed */
#define XID_MOST 64     /* that are read at once */
#define GPU_IS_LOST 15  /* of a call, and what the driver reports of it */
#define XID_OFF_BUS 79

struct nvml_event { /* nvmlEventData_t */
    void *device;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
};

struct nvml {
    void *library;
    int (*init)(void);
    int (*shutdown)(void);
    int (*driver)(char *version, unsigned n);
    int (*by_uuid)(const char *uuid, void **device);
    int (*ecc)(void *device, int type, int counter, unsigned long long *n);
    /* NULL in an old library */
    int (*rows)(void *device, unsigned *corrected, unsigned *uncorrected,
                unsigned *wait, unsigned *failed);
    int (*set_new)(void **set);
    int (*set_free)(void *set);
    int (*set_add)(void *device, unsigned long long types, void *set);
    int (*set_wait)(void *set, struct nvml_event *e, unsigned ms);
};

struct nvml_watch {
    struct nvml n;
    void *set;
};

static bool find_all(struct nvml *n, void *library)
{
    library_find(library, &n->rows, "nvmlDeviceGetRemappedRows");
    return library_find(library, &n->init, "nvmlInit_v2") &&
           library_find(library, &n->shutdown, "nvmlShutdown") &&
           library_find(library, &n->driver, "nvmlSystemGetDriverVersion") &&
           library_find(library, &n->by_uuid, "nvmlDeviceGetHandleByUUID") &&
           library_find(library, &n->ecc, "nvmlDeviceGetTotalEccErrors");
}

static bool find_events(struct nvml *n)
{
    return library_find(n->library, &n->set_new, "nvmlEventSetCreate") &&
           library_find(n->library, &n->set_free, "nvmlEventSetFree") &&
           library_find(n->library, &n->set_add, "nvmlDeviceRegisterEvents") &&
           library_find(n->library, &n->set_wait, "nvmlEventSetWait_v2");
}

/* Left by leave(). */
static bool enter(struct nvml *n)
{
    memset(n, 0, sizeof(*n));
    n->library = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
    if (!n->library)
        return false;
    if (find_all(n, n->library) && n->init() == 0)
        return true;
    dlclose(n->library);
    return false;
}

static void leave(const struct nvml *n)
{
    n->shutdown();
    dlclose(n->library);
}

/* ---- now ----------------------------------------------------------------- */

static void ask(const struct nvml *n, struct nvml_device *out,
                const char *uuid)
{
    unsigned corrected, uncorrected, wait, failed;
    unsigned long long errors = 0;
    void *device = NULL;

    if (n->driver(out->driver, sizeof(out->driver)))
        out->driver[0] = '\0';
    out->driver[sizeof(out->driver) - 1] = '\0';
    if (!uuid || !*uuid || n->by_uuid(uuid, &device))
        return;
    if (n->ecc(device, UNCORRECTED, VOLATILE, &errors) == 0) {
        out->has_ecc = true;
        out->ecc_errors = errors;
    }
    if (n->rows &&
        n->rows(device, &corrected, &uncorrected, &wait, &failed) == 0) {
        out->rows_wait = wait != 0;
        out->rows_failed = failed != 0;
    }
}

bool nvml_ask(struct nvml_device *out, const char *uuid)
{
    struct nvml n;

    memset(out, 0, sizeof(*out));
    if (!enter(&n))
        return false;
    ask(&n, out, uuid);
    leave(&n);
    return true;
}

/* ---- from now on --------------------------------------------------------- */

struct nvml_watch *nvml_watch(const char *uuid)
{
    struct nvml_watch *w = xcalloc(1, sizeof(*w));
    void *device = NULL;

    if (!enter(&w->n)) {
        free(w);
        return NULL;
    }
    if (find_events(&w->n) && w->n.by_uuid(uuid, &device) == 0 &&
        w->n.set_new(&w->set) == 0 &&
        w->n.set_add(device, XID_EVENT, w->set) == 0)
        return w;
    nvml_unwatch(w);
    return NULL;
}

void nvml_unwatch(struct nvml_watch *w)
{
    if (!w)
        return;
    if (w->set)
        w->n.set_free(w->set);
    leave(&w->n);
    free(w);
}

unsigned nvml_last_xid(struct nvml_watch *w)
{
    struct nvml_event e = { 0 };
    unsigned xid = 0;

    for (int i = 0; w && i < XID_MOST; i++) {
        int rc = w->n.set_wait(w->set, &e, xid ? 0 : XID_WAIT_MS);

        if (rc == GPU_IS_LOST && !xid)
            xid = XID_OFF_BUS;
        if (rc)
            break;
        if (e.type == XID_EVENT)
            xid = (unsigned)e.data;
    }
    return xid;
}

const char *nvml_xid_text(unsigned xid)
{
    switch (xid) {
    case 48: return "memory has lost two bits of a word";
    case 63: return "a bad row of memory is replaced";
    case 64: return "a bad row of memory could not be replaced";
    case 79: return "the GPU has fallen off the bus";
    case 94: return "memory has lost bits, which one program had";
    case 95: return "memory has lost bits, of any program";
    default: return "";
    }
}

/* ---- drivers ------------------------------------------------------------- */

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
