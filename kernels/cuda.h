/*
 * What there is of X1 on a GPU today: the element-wise functions of x1.h
 * compiled for the device, for the test that compares them with the CPU's.
 * A backend table follows with the engine's GPU work.
 */
#ifndef APUS_KERNELS_CUDA_H
#define APUS_KERNELS_CUDA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many devices can be used; 0 also where there is no driver. */
int cuda_devices(void);

/* y[i] = exp32(x[i]) or silu(x[i]) computed on device 0, n values from and to
 * host memory.  0, or -1 with the CUDA error's text in text[0..n_text). */
int cuda_exp32(float *y, const float *x, size_t n, char *text, size_t n_text);
int cuda_silu(float *y, const float *x, size_t n, char *text, size_t n_text);

#ifdef __cplusplus
}
#endif

#endif
