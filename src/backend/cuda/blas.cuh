/*
 * Large products of int8 by NVIDIA's library cublasLt, which is opened at run
 * time: this program needs none of its files to build or to start.  The
 * emulated device has a twin in its place (tests/cusim/blas_host.cpp), which
 * refuses the same shapes.
 *
 * A product is d[c][i] = sum over k of w[i][k] * q[c][k], exact in int32, for
 * n outputs i and `cols` columns c.  Both operands lie as everywhere on the
 * device, in rows of ldk bytes, zeros after the last k: the library calls that
 * TN, and no other form has algorithms on every device.  Sums of any order are
 * the same, so the algorithm that the library picks changes no bit.
 */
#ifndef APUS_BACKEND_CUDA_BLAS_CUH
#define APUS_BACKEND_CUDA_BLAS_CUH

#include "kernels/cuda/dev.cuh"

struct blas;         /* the library, opened for the device of this process */
struct blas_product; /* one shape, with its algorithm */
struct err;

/* Open it: in one of the directories `dirs`, separated by colons, else where
 * the loader looks.  Closed by blas_close.  ERR_INPUT with the reason: it is
 * not there, or does not know the device. */
int blas_open(struct blas **out, const char *dirs, struct err *err);
void blas_close(struct blas *b);

/* Bytes of device memory that a running product may use, one of them at a
 * time. */
size_t blas_workspace(const struct blas *b);

/* The shape of n outputs, a multiple of 16, and `cols` columns, with rows of
 * ldk bytes, a multiple of 64; d's columns are n apart.  Freed by
 * blas_free.  NULL: the library has no algorithm for it. */
struct blas_product *blas_make(struct blas *b, uint32_t n, uint32_t cols,
                               uint32_t ldk);
void blas_free(struct blas_product *p);

/* Launch it.  Everything is the device's and aligned to 16 bytes, the workspace
 * to 256.  ERR_RETRY where the library fails. */
int blas_run(struct blas *b, const struct blas_product *p, int32_t *d,
             const int8_t *w, const int8_t *q, void *workspace,
             cudaStream_t stream, struct err *err);

#endif
