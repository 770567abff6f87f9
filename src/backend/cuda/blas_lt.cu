/*
 * blas.cuh by cublasLt, opened at run time.  The types are those of the
 * toolkit's header; a toolkit without it gives a build that opens nothing.
 */
#include "backend/cuda/blas.cuh"

extern "C" {
#include "backend/cuda/library.h"
#include "base/err.h"
}

#if __has_include(<cublasLt.h>)

#include <cublasLt.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKSPACE ((size_t)32 << 20)
#define ALIGNED 16 /* bytes, of operands and sums */

/* What is called of the library; a function each, by its name. */
#define BLAS_FUNCTIONS(F)                                                    \
    F(Create)                                                                \
    F(Destroy)                                                               \
    F(MatmulDescCreate)                                                      \
    F(MatmulDescDestroy)                                                     \
    F(MatmulDescSetAttribute)                                                \
    F(MatrixLayoutCreate)                                                    \
    F(MatrixLayoutDestroy)                                                   \
    F(MatmulPreferenceCreate)                                                \
    F(MatmulPreferenceDestroy)                                               \
    F(MatmulPreferenceSetAttribute)                                          \
    F(MatmulAlgoGetHeuristic)                                                \
    F(Matmul)

struct blas {
    void *library;
    cublasLtHandle_t handle;
#define MEMBER(name) decltype(&cublasLt##name) name;
    BLAS_FUNCTIONS(MEMBER)
#undef MEMBER
};

struct blas_product {
    const struct blas *b;
    cublasLtMatmulDesc_t op;
    cublasLtMatrixLayout_t w, q, d;
    cublasLtMatmulHeuristicResult_t best;
};

/* ---- opening ------------------------------------------------------------- */

/* The name of a function that is missing, or NULL. */
static const char *find_functions(struct blas *b)
{
#define FIND(name)                                                           \
    b->name = (decltype(b->name))dlsym(b->library, "cublasLt" #name);        \
    if (!b->name)                                                            \
        return "cublasLt" #name;
    BLAS_FUNCTIONS(FIND)
#undef FIND
    return NULL;
}

/* A library of another major may have other types. */
int blas_open(struct blas **out, const char *dirs, struct err *err)
{
    struct blas *b = (struct blas *)calloc(1, sizeof(*b));
    const char *missing;
    char name[40];
    int status;

    snprintf(name, sizeof(name), "libcublasLt.so.%d", CUDART_VERSION / 1000);
    if (!b)
        return err_set(err, ERR_INPUT, "no memory for %s", name);
    b->library = library_open(name, dirs);
    if (!b->library) {
        free(b);
        return err_set(err, ERR_INPUT, "%s is not found (setting cuda-libs)",
                       name);
    }
    missing = find_functions(b);
    if (missing) {
        blas_close(b);
        return err_set(err, ERR_INPUT, "%s has no %s", name, missing);
    }
    status = (int)b->Create(&b->handle);
    if (status != CUBLAS_STATUS_SUCCESS) {
        b->handle = NULL;
        blas_close(b);
        return err_set(err, ERR_INPUT, "%s does not start: status %d", name,
                       status);
    }
    *out = b;
    return 0;
}

void blas_close(struct blas *b)
{
    if (!b)
        return;
    if (b->handle)
        b->Destroy(b->handle);
    dlclose(b->library);
    free(b);
}

size_t blas_workspace(const struct blas *)
{
    return WORKSPACE;
}

/* ---- shapes -------------------------------------------------------------- */

/* The first failure; later calls are left out. */
#define TRY(call)                                                            \
    do {                                                                     \
        if (s == CUBLAS_STATUS_SUCCESS)                                      \
            s = (call);                                                      \
    } while (0)

/* Its form: W transposed times the rows, both of int8, into int32. */
static cublasStatus_t describe(struct blas *b, struct blas_product *p,
                               uint32_t n, uint32_t cols, uint32_t ldk)
{
    const cublasOperation_t t = CUBLAS_OP_T;
    cublasStatus_t s = CUBLAS_STATUS_SUCCESS;

    TRY(b->MatmulDescCreate(&p->op, CUBLAS_COMPUTE_32I, CUDA_R_32I));
    TRY(b->MatmulDescSetAttribute(p->op, CUBLASLT_MATMUL_DESC_TRANSA, &t,
                                  sizeof(t)));
    TRY(b->MatrixLayoutCreate(&p->w, CUDA_R_8I, ldk, n, ldk));
    TRY(b->MatrixLayoutCreate(&p->q, CUDA_R_8I, ldk, cols, ldk));
    TRY(b->MatrixLayoutCreate(&p->d, CUDA_R_32I, n, cols, n));
    return s;
}

/* Parts of a matrix and slabs of sums need not be aligned better: without this
 * the library takes 256 for granted. */
static cublasStatus_t say_alignment(struct blas *b,
                                    cublasLtMatmulPreference_t pref)
{
    static const cublasLtMatmulPreferenceAttributes_t of[] = {
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES
    };
    const uint32_t bytes = ALIGNED;
    cublasStatus_t s = CUBLAS_STATUS_SUCCESS;

    for (size_t i = 0; i < sizeof(of) / sizeof(*of); i++)
        TRY(b->MatmulPreferenceSetAttribute(pref, of[i], &bytes,
                                            sizeof(bytes)));
    return s;
}

/* The library's best algorithm that multiplies int8 in tensor cores and adds
 * in int32: no other is exact. */
static cublasStatus_t choose(struct blas *b, struct blas_product *p)
{
    const uint64_t exact = CUBLASLT_NUMERICAL_IMPL_FLAGS_IMMA |
                           CUBLASLT_NUMERICAL_IMPL_FLAGS_ACCUMULATOR_32I |
                           CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_8I;
    const uint64_t workspace = WORKSPACE;
    cublasLtMatmulPreference_t pref = NULL;
    cublasStatus_t s = b->MatmulPreferenceCreate(&pref);
    int found = 0;

    TRY(b->MatmulPreferenceSetAttribute(
        pref, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
        sizeof(workspace)));
    TRY(b->MatmulPreferenceSetAttribute(pref, CUBLASLT_MATMUL_PREF_IMPL_MASK,
                                        &exact, sizeof(exact)));
    TRY(say_alignment(b, pref));
    TRY(b->MatmulAlgoGetHeuristic(b->handle, p->op, p->w, p->q, p->d, p->d,
                                  pref, 1, &p->best, &found));
    if (pref)
        b->MatmulPreferenceDestroy(pref);
    if (s == CUBLAS_STATUS_SUCCESS && found == 0)
        s = CUBLAS_STATUS_NOT_SUPPORTED;
    return s == CUBLAS_STATUS_SUCCESS ? p->best.state : s;
}

struct blas_product *blas_make(struct blas *b, uint32_t n, uint32_t cols,
                               uint32_t ldk)
{
    struct blas_product *p;

    if (n == 0 || n % 16 || ldk == 0 || ldk % 64 || cols == 0)
        return NULL;
    p = (struct blas_product *)calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->b = b;
    if (describe(b, p, n, cols, ldk) == CUBLAS_STATUS_SUCCESS &&
        choose(b, p) == CUBLAS_STATUS_SUCCESS)
        return p;
    blas_free(p);
    return NULL;
}

void blas_free(struct blas_product *p)
{
    if (!p)
        return;
    if (p->d)
        p->b->MatrixLayoutDestroy(p->d);
    if (p->q)
        p->b->MatrixLayoutDestroy(p->q);
    if (p->w)
        p->b->MatrixLayoutDestroy(p->w);
    if (p->op)
        p->b->MatmulDescDestroy(p->op);
    free(p);
}

int blas_run(struct blas *b, const struct blas_product *p, int32_t *d,
             const int8_t *w, const int8_t *q, void *workspace,
             cudaStream_t stream, struct err *err)
{
    const int32_t one = 1, zero = 0;
    cublasStatus_t s = b->Matmul(b->handle, p->op, &one, w, p->w, q, p->q,
                                 &zero, d, p->d, d, p->d, &p->best.algo,
                                 workspace, WORKSPACE, stream);

    if (s == CUBLAS_STATUS_SUCCESS)
        return 0;
    return err_set(err, ERR_RETRY, "the GPU fails at cublasLtMatmul: status %d",
                   (int)s);
}

#else

int blas_open(struct blas **, const char *, struct err *err)
{
    return err_set(err, ERR_INPUT, "this program was built without cublasLt.h");
}
void blas_close(struct blas *)
{
}
size_t blas_workspace(const struct blas *)
{
    return 0;
}
struct blas_product *blas_make(struct blas *, uint32_t, uint32_t, uint32_t)
{
    return NULL;
}
void blas_free(struct blas_product *)
{
}
int blas_run(struct blas *, const struct blas_product *, int32_t *,
             const int8_t *, const int8_t *, void *, cudaStream_t,
             struct err *err)
{
    return err_set(err, ERR_FATAL, "there is no library of products");
}

#endif
