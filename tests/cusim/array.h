/*
 * For tests of kernels/cuda: memory of the device that ends with its
 * variable, random numbers, and the reference to compare with.
 */
#ifndef APUS_TESTS_CUSIM_ARRAY_H
#define APUS_TESTS_CUSIM_ARRAY_H

#include "kernels/cuda/dev.cuh"

#include <cstdio>
#include <cstdlib>
#include <vector>

extern "C" {
#include "kernels/kernels.h"
}

/* n elements on the device, uninitialised or a copy of the host's. */
template <typename T> struct array {
    T *p = nullptr;
    size_t n;

    explicit array(size_t n) : n(n)
    {
        if (cudaMalloc((void **)&p, (n ? n : 1) * sizeof(T)) != cudaSuccess) {
            fprintf(stderr, "device: out of memory\n");
            exit(2);
        }
    }
    array(const T *host, size_t n) : array(n)
    {
        cudaMemcpy(p, host, n * sizeof(T), cudaMemcpyHostToDevice);
    }
    explicit array(const std::vector<T> &v) : array(v.data(), v.size())
    {
    }
    array(const array &) = delete;
    array &operator=(const array &) = delete;
    ~array()
    {
        cudaFree(p);
    }
    void zero()
    {
        cudaMemset(p, 0, n * sizeof(T));
    }
    void get(T *host) const
    {
        cudaMemcpy(host, p, n * sizeof(T), cudaMemcpyDeviceToHost);
    }
    std::vector<T> get() const
    {
        std::vector<T> v(n);

        get(v.data());
        return v;
    }
};

/* End the test where a launch failed. */
static inline void must(cudaError_t e)
{
    if (e == cudaSuccess)
        return;
    fprintf(stderr, "device: %s\n", cudaGetErrorString(e));
    exit(2);
}

/* Random numbers; below n; of [-1, 1) times 2^e. */
struct random_numbers {
    uint64_t state;

    explicit random_numbers(uint64_t seed) : state(seed * 2654435761u + 1)
    {
    }
    uint32_t next()
    {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return (uint32_t)(state >> 16);
    }
    uint32_t below(uint32_t n)
    {
        return next() % n;
    }
    float real(int e)
    {
        return ((float)(next() >> 8) / 8388608.0f - 1.0f) *
               __builtin_ldexpf(1.0f, e);
    }
};

static inline struct x1_kernels reference_kernels(void)
{
    struct x1_kernels k;

    x1_thread_init();
    x1_kernels_init(&k, 0);
    return k;
}

/* Whether the first n elements are those of `all`, and the others what they
 * were. */
template <typename T>
static inline bool first_alone(const std::vector<T> &got,
                               const std::vector<T> &all, size_t n, T was)
{
    for (size_t i = 0; i < got.size(); i++)
        if (memcmp(&got[i], i < n ? &all[i] : &was, sizeof(T)) != 0)
            return false;
    return got.size() == all.size();
}

/* m rows of k integers as slices of ldk bytes (kernels/cuda/launch.cuh). */
static inline std::vector<int8_t> slices_of(const int16_t *q, size_t m,
                                            size_t k, size_t ldk, bool a8)
{
    size_t S = a8 ? 1 : 2;
    std::vector<int8_t> out(m * S * ldk, 0);

    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++) {
            int v = q[i * k + j], hi = (v + 128) >> 8;

            out[i * S * ldk + j] = (int8_t)(a8 ? v : hi);
            if (!a8)
                out[(i * S + 1) * ldk + j] = (int8_t)(v - 256 * hi);
        }
    return out;
}

#endif
