/*
 * The arithmetic of x1.h on a real GPU against the CPU's, over floats of every
 * size.  Built only with CUDA; skips where there is no device.
 */
#include <string.h>

#include "kernels/cuda/launch.cuh"
#include "tests/cusim/array.h"

extern "C" {
#include "tests/tap.h"
}

#define N 1000000

int main(void)
{
    std::vector<float> x(N), want(N);
    struct x1_kernels ref = reference_kernels();
    int devices = 0;

    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        skip("x1.h on a GPU", "no CUDA device");
        return done();
    }
    for (uint32_t i = 0; i < N; i++)
        x[i] = ((float)(i % 2 ? i : -(double)i) / N) * 87.0f;
    array<float> dx(x), dy(N);

    must(each_launch(dy.p, dx.p, NULL, N, EACH_EXP32, NULL));
    ref.exp32(want.data(), x.data(), N);
    ok(memcmp(dy.get().data(), want.data(), N * sizeof(float)) == 0,
       "exp32 is the CPU's");
    must(each_launch(dy.p, dx.p, NULL, N, EACH_SILU, NULL));
    ref.silu(want.data(), x.data(), N);
    ok(memcmp(dy.get().data(), want.data(), N * sizeof(float)) == 0,
       "silu is the CPU's");
    return done();
}
