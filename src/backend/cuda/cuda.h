/*
 * The backend of one NVIDIA GPU: engine/backend.h with the weights, the keys
 * and values and all arithmetic on the device.  A build without CUDA has
 * none.c in its place; tests/cusim has the same code over a device that a CPU
 * emulates.
 *
 * It gives tokens, digests, x_L and logits.  Residual rows and `deep` are the
 * CPU's alone: load refuses them by name.
 */
#ifndef APUS_BACKEND_CUDA_CUDA_H
#define APUS_BACKEND_CUDA_CUDA_H

#ifdef __cplusplus
extern "C" {
#endif

struct backend;
struct err;

/* Open the first device that this process sees; closed by backend_close.
 * ERR_RETRY with the reason: there is none that can be used, which another
 * machine may have. */
int cuda_open(struct backend **out, struct err *err);

#ifdef __cplusplus
}
#endif

#endif
