/*
 * backend/cuda/blas.cuh on the emulated device: the same sums, the same
 * refusals.  CUSIM_BLAS=0: the library is not there.
 */
#include "backend/cuda/blas.cuh"

#include <cstdlib>
#include <cstring>

extern "C" {
#include "base/err.h"
}

#define WORKSPACE 256

struct blas {
    int open;
};
struct blas_product {
    uint32_t n, cols, ldk;
};

CUSIM_QUIET static int32_t dot(const int8_t *w, const int8_t *q, uint32_t n)
{
    int32_t s = 0;

    for (uint32_t k = 0; k < n; k += 16) {
        cusim::touch(w + k, 16, false);
        cusim::touch(q + k, 16, false);
    }
    for (uint32_t k = 0; k < n; k++)
        s += w[k] * q[k];
    return s;
}

__global__ void k_product(int32_t *d, const int8_t *w, const int8_t *q,
                          uint32_t n, uint32_t ldk)
{
    uint32_t i = blockIdx.x * 32 + threadIdx.x;

    if (i < n)
        d[(size_t)blockIdx.y * n + i] =
            dot(w + (size_t)i * ldk, q + (size_t)blockIdx.y * ldk, ldk) +
            (int32_t)cusim::wrong_bits();
}

int blas_open(struct blas **out, const char *, struct err *err)
{
    const char *there = getenv("CUSIM_BLAS");

    if (there && strcmp(there, "0") == 0)
        return err_set(err, ERR_INPUT, "libcublasLt is not there");
    *out = new blas{ 1 };
    return 0;
}

void blas_close(struct blas *b)
{
    delete b;
}

size_t blas_workspace(const struct blas *)
{
    return WORKSPACE;
}

struct blas_product *blas_make(struct blas *, uint32_t n, uint32_t cols,
                               uint32_t ldk)
{
    if (n == 0 || n % 16 || ldk == 0 || ldk % 64 || cols == 0)
        return NULL;
    return new blas_product{ n, cols, ldk };
}

void blas_free(struct blas_product *p)
{
    delete p;
}

int blas_run(struct blas *, const struct blas_product *p, int32_t *d,
             const int8_t *w, const int8_t *q, void *workspace,
             cudaStream_t stream, struct err *err)
{
    if ((uintptr_t)d % 16 || (uintptr_t)w % 16 || (uintptr_t)q % 16 ||
        (uintptr_t)workspace % 256 || !workspace)
        return err_set(err, ERR_RETRY, "the library refuses the alignment");
    LAUNCH(k_product, dim3((p->n + 31) / 32, p->cols), 32, 0, stream, d, w, q,
           p->n, p->ldk);
    if (cudaGetLastError() != cudaSuccess)
        return err_set(err, ERR_RETRY, "the library does not launch");
    return 0;
}
