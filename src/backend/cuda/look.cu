/*
 * What a machine has of GPUs, for people: driver, libraries, devices and their
 * gaps.
 */
#include "backend/cuda/device.cuh"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/cuda/slice.h"

extern "C" {
#include "backend/cuda/library.h"
#include "base/buf.h"
}

/* Libraries of NVIDIA that this program may open; none of them is linked, and
 * it computes without. */
static void look_at_libraries(struct buf *out, const char *libs)
{
    char blas[40];
    const char *const names[] = { blas, "libnccl.so.2", "libnvidia-ml.so.1" };
    int runtime = 0;

    if (strcmp(libs, "none") == 0) {
        buf_printf(out, "ok libraries of NVIDIA are not used: cuda-libs ="
                   " none\n");
        return;
    }
    cudaRuntimeGetVersion(&runtime);
    snprintf(blas, sizeof(blas), "libcublasLt.so.%d", runtime / 1000);
    buf_printf(out, "ok ");
    for (size_t i = 0; i < 3; i++) {
        void *library = library_open(names[i], libs);

        buf_printf(out, "%s%s %s", i ? ", " : "", names[i],
                   library ? "found" : "not found");
        if (library)
            dlclose(library);
    }
    buf_printf(out, "; none is needed (setting cuda-libs: where to look)\n");
}

/* The driver must be of the runtime's major at least (nvml.h).  False: there is
 * none. */
static bool look_at_driver(struct buf *out)
{
    int driver = 0, runtime = 0;
    struct nvml_device nvml;
    char why[160];

    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    nvml_ask(&nvml, NULL);
    if (driver == 0)
        buf_printf(out, "ok no driver of NVIDIA; the runtime is CUDA %d.%d\n",
                   runtime / 1000, runtime % 1000 / 10);
    else if (nvml_too_old(why, sizeof(why), nvml.driver, runtime / 1000))
        buf_printf(out, "warning %s\tinstall a newer driver, or a build for an"
                   " older CUDA\n", why);
    else if (driver / 1000 < runtime / 1000)
        buf_printf(out, "warning the driver is for CUDA %d.%d, the runtime is"
                   " CUDA %d.%d\tinstall driver %u or later\n", driver / 1000,
                   driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10,
                   nvml_oldest_driver(runtime / 1000));
    else
        buf_printf(out, "ok the driver%s%s is for CUDA %d.%d, the runtime is"
                   " CUDA %d.%d\n", *nvml.driver ? " " : "", nvml.driver,
                   driver / 1000, driver % 1000 / 10, runtime / 1000,
                   runtime % 1000 / 10);
    return driver != 0;
}

/* What keeps a device from computing, or makes it slow; NULL: nothing. */
static const char *gap_of(const struct cudaDeviceProp *p)
{
    if (p->major < LEAST_MAJOR)
        return "compute capability 8.0 is the minimum\tset kernel to one of the"
               " CPU";
    if (p->major == 10 && p->minor == 3)
        return "this part has almost no int8 rate\texpect a 30th of what a B200"
               " does";
    return NULL;
}

/* Memory that has lost bits may do so again. */
static void look_at_memory(struct buf *out, int i, const char *uuid)
{
    struct nvml_device nvml;

    nvml_ask(&nvml, uuid);
    if (nvml.has_ecc && nvml.ecc_errors)
        buf_printf(out, "warning device %d: %" PRIu64 " uncorrected errors of"
                   " its memory (ECC) since the driver was loaded\treset it"
                   " (nvidia-smi -r), and drain the node if they come again\n",
                   i, nvml.ecc_errors);
    if (nvml.rows_failed)
        buf_printf(out, "warning device %d: a bad row of its memory could not"
                   " be replaced\tdrain the node and have the GPU replaced\n",
                   i);
    else if (nvml.rows_wait)
        buf_printf(out, "warning device %d: bad rows of its memory wait to be"
                   " replaced\treset it (nvidia-smi -r)\n", i);
}

static void hear(void *out, bool warning, const char *text)
{
    (void)warning;
    buf_printf((struct buf *)out, "ok %s\n", text);
}

/* Whether it computes what it should, as each start of a rank asks. */
static bool try_device(struct buf *out, int i, const char *libs)
{
    struct caller caller = {};
    const size_t said = out->len;
    struct cuda_options o = {};
    struct err err = ERR_INIT;
    struct backend *b;

    o.local = (unsigned)i;
    o.share = o.start_test = true;
    o.libs = libs;
    o.caller = &caller;
    caller.note = hear;
    caller.self = out;
    if (cuda_open(&b, &o, &err)) {
        buf_printf(out, "warning %s\tdrain the node, and have the GPU looked"
                   " at\n", err.text);
        return false;
    }
    backend_close(b);
    if (out->len == said)
        buf_printf(out, "ok device %d computes X1 to the bit\n", i);
    return true;
}

/* Whether it can be used. */
static bool look_at_device(struct buf *out, int i, const char *libs)
{
    struct cudaDeviceProp p = {};
    size_t free_bytes = 0, all = 0;
    char uuid[DEVICE_UUID];
    const char *gap;
    cudaError_t e = cudaGetDeviceProperties(&p, i);

    if (e == cudaSuccess)
        e = cudaSetDevice(i);
    if (e == cudaSuccess)
        e = cudaMemGetInfo(&free_bytes, &all);
    if (e != cudaSuccess) {
        buf_printf(out, "warning device %d: %s\tlook at nvidia-smi\n", i,
                   cudaGetErrorString(e));
        cudaGetLastError();
        return false;
    }
    gap = gap_of(&p);
    device_uuid(uuid, &p);
    buf_printf(out, "%s device %d: %s, %s, compute capability %d.%d, %zu of %zu"
               " MiB free%s%s\n", gap ? "warning" : "ok", i, p.name, uuid,
               p.major, p.minor, free_bytes >> 20, all >> 20, gap ? "; " : "",
               gap ? gap : "");
    look_at_memory(out, i, uuid);
    return p.major >= LEAST_MAJOR && try_device(out, i, libs);
}

void cuda_look(struct buf *out, const char *libs)
{
    bool driver = look_at_driver(out);
    int n = 0, usable = 0;
    cudaError_t e = cudaGetDeviceCount(&n);

    if (e != cudaSuccess) {
        cudaGetLastError();
        n = 0;
    }
    if (driver || n > 0)
        look_at_libraries(out, libs);
    if (slice_count() > 1)
        buf_printf(out, "ok %u slices of GPUs (MIG), one a rank: the first"
                   " follows\n", slice_count());
    for (int i = 0; i < n; i++)
        usable += look_at_device(out, i, libs);
    /* without a driver CUDA says that it is too old */
    if (usable == 0)
        buf_printf(out, "none no device that can be used%s%s\n",
                   driver && e != cudaSuccess ? ": " : "",
                   driver && e != cudaSuccess ? cudaGetErrorString(e) : "");
}
