/*
 * What the kernels ask of a device beyond plain C++: shared arrays, launches,
 * and the few instructions without a C++ form.  Each has two bodies: inline
 * PTX for nvcc, and plain code for the emulated device of tests/cusim, whose
 * compiler is g++ or clang++.  Nothing else differs between the compilers.
 *
 * Fragments of mma.m16n8k32 (PTX ISA, "Matrix Fragments for mma.m16n8k32"):
 * with g = lane / 4, t = lane % 4,
 *   a[0] row g, a[1] row g + 8: k = 4t .. 4t+3;  a[2], a[3]: k + 16
 *   b[0] column g: k = 4t .. 4t+3;  b[1]: k + 16
 *   d[0], d[1] row g, columns 2t, 2t+1;  d[2], d[3] row g + 8
 */
#ifndef APUS_KERNELS_CUDA_DEV_CUH
#define APUS_KERNELS_CUDA_DEV_CUH

#ifdef __CUDACC__

#include <cuda_runtime.h>
#include <stdint.h>

#define SHARED(type, name, count) __shared__ __align__(16) type name[count]
#define SHARED_DYNAMIC(type, name)         \
    extern __shared__ uint4 dev_dynamic[]; \
    type *name = (type *)dev_dynamic
#define LAUNCH(kernel, grid, block, shared, stream, ...) \
    kernel<<<grid, block, shared, stream>>>(__VA_ARGS__)
#define DEV static __device__ __forceinline__

#else

#include "tests/cusim/cusim.h"

#define SHARED(type, name, count) \
    static char name##_key;       \
    type *name =                  \
        (type *)cusim::shared(&name##_key, #name, sizeof(type) * (count), 16)
#define SHARED_DYNAMIC(type, name) type *name = (type *)cusim::shared_dynamic()
#define LAUNCH(kernel, grid, block, shared, stream, ...)                      \
    cusim::launch(#kernel, (const void *)kernel, grid, block, shared, stream, \
                  [](auto... args) {                                          \
                      return [=]() __attribute__((no_sanitize_thread))        \
                      {                                                       \
                          kernel(args...);                                    \
                      };                                                      \
                  }(__VA_ARGS__))
#define DEV static inline

#endif

/* d += a * b, int8 by int8, exact; never .satfinite. */
DEV void mma_s8(int32_t d[4], const uint32_t a[4], const uint32_t b[2]);
/* 16 bytes, aligned: load_stream past L1 (read once), load16 as usual.
 * Volatile, and mma too: what is written before stays before, so that many
 * loads are in flight. */
#ifdef __CUDACC__
DEV uint4 load_stream(const void *p);
DEV uint2 load_stream8(const void *p);
DEV uint32_t load_stream4(const void *p);
#endif
/* What other blocks of this launch wrote: from L2. */
DEV int32_t load_shared_int(const int32_t *p);
/* cp.async of 16 bytes; take false: zeros, nothing is read. */
DEV void copy16(void *shared, const void *global, bool take);
DEV void copy_commit(void);
template <int N> DEV void copy_wait(void);

#ifdef __CUDACC__

DEV void mma_s8(int32_t d[4], const uint32_t a[4], const uint32_t b[2])
{
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                   "r"(b[1]));
}

DEV uint4 load_stream(const void *p)
{
    uint4 v;

    asm volatile(
        "ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0,%1,%2,%3}, [%4];"
        : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
        : "l"(p));
    return v;
}

DEV uint2 load_stream8(const void *p)
{
    uint2 v;

    asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v2.u32 {%0,%1}, [%2];"
                 : "=r"(v.x), "=r"(v.y)
                 : "l"(p));
    return v;
}

DEV uint32_t load_stream4(const void *p)
{
    uint32_t v;

    asm volatile("ld.global.nc.L1::no_allocate.L2::128B.u32 %0, [%1];"
                 : "=r"(v)
                 : "l"(p));
    return v;
}

DEV int32_t load_shared_int(const int32_t *p)
{
    return __ldcg(p);
}

DEV uint4 load16(const void *p)
{
    uint4 v;

    asm volatile("ld.global.v4.u32 {%0,%1,%2,%3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(p));
    return v;
}

DEV void copy16(void *shared, const void *global, bool take)
{
    unsigned s = (unsigned)__cvta_generic_to_shared(shared);
    int n = take ? 16 : 0;

    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(s),
                 "l"(global), "r"(n)
                 : "memory");
}

DEV void copy_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

template <int N> DEV void copy_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

#else

struct mma_arg {
    int32_t *d;
    const uint32_t *a, *b;
};

static inline int mma_byte(uint32_t v, int i)
{
    return (int8_t)(v >> (8 * i));
}

CUSIM_QUIET static void mma_all(void *const arg[32], unsigned mask)
{
    int8_t a[16][32], b[32][8];
    const uint32_t wrong = cusim::wrong_bits();

    if (mask != 0xffffffffu)
        cusim::finding("mma with lanes %08x only", mask);
    for (int l = 0; l < 32; l++) {
        const mma_arg *m = (const mma_arg *)arg[l];
        int g = l / 4, t = l % 4;

        for (int i = 0; i < 4; i++) {
            for (int r = 0; r < 4; r++)
                a[g + 8 * (r & 1)][4 * t + i + 16 * (r >> 1)] =
                    (int8_t)mma_byte(m->a[r], i);
            for (int r = 0; r < 2; r++)
                b[4 * t + i + 16 * r][g] = (int8_t)mma_byte(m->b[r], i);
        }
    }
    for (int l = 0; l < 32; l++) {
        const mma_arg *m = (const mma_arg *)arg[l];
        int g = l / 4, t = l % 4;

        for (int r = 0; r < 4; r++) {
            uint32_t s = (uint32_t)m->d[r] + wrong;

            for (int k = 0; k < 32; k++)
                s += (uint32_t)(a[g + 8 * (r >> 1)][k] * b[k][2 * t + (r & 1)]);
            m->d[r] = (int32_t)s;
        }
    }
}

#define mma_s8(d, a, b) mma_s8_at(CUSIM_SITE, d, a, b)
DEV void mma_s8_at(const char *site, int32_t d[4], const uint32_t a[4],
                   const uint32_t b[2])
{
    mma_arg m = { d, a, b };

    cusim::meet(site, 0xffffffffu, mma_all, &m);
}

/* One access of 16 bytes: bounds and alignment are checked in every build. */
CUSIM_QUIET static uint4 load16(const void *p)
{
    cusim::touch(p, 16, false);
    return *(const uint4 *)p;
}

DEV uint4 load_stream(const void *p)
{
    return load16(p);
}

CUSIM_QUIET static uint2 load_stream8(const void *p)
{
    cusim::touch(p, 8, false);
    return *(const uint2 *)p;
}

CUSIM_QUIET static uint32_t load_stream4(const void *p)
{
    cusim::touch(p, 4, false);
    return *(const uint32_t *)p;
}

DEV int32_t load_shared_int(const int32_t *p)
{
    return *p;
}

DEV void copy16(void *shared, const void *global, bool take)
{
    cusim::copy_async(shared, global, 16, take ? 16 : 0);
}

DEV void copy_commit(void)
{
    cusim::copy_commit();
}

template <int N> DEV void copy_wait(void)
{
    cusim::copy_wait(N);
}

#endif
#endif
