/*
 * The element-wise arithmetic of x1.h on a GPU against the CPU, over floats
 * of every size.  Built only with CUDA; skips where there is no device.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "kernels/cuda.h"
#include "kernels/kernels.h"
#include "kernels/x1.h"
#include "tests/tap.h"

#define N 1000000

int main(void)
{
    float *x, *cpu, *gpu;
    struct x1_kernels k;
    char text[200] = "";

    if (cuda_devices() == 0) {
        skip("x1.h on a GPU", "no CUDA device");
        return done();
    }
    x = calloc(3 * N, sizeof(*x));
    if (!x)
        return 1;
    cpu = x + N;
    gpu = cpu + N;
    for (uint32_t i = 0; i < N; i++)
        x[i] = ((float)(i % 2 ? i : -(double)i) / N) * 87.0f;
    x1_thread_init();
    x1_kernels_init(&k, 0);
    k.exp32(cpu, x, N);
    ok(cuda_exp32(gpu, x, N, text, sizeof(text)) == 0 &&
           memcmp(cpu, gpu, N * sizeof(*x)) == 0, "exp32 %s", text);
    k.silu(cpu, x, N);
    ok(cuda_silu(gpu, x, N, text, sizeof(text)) == 0 &&
           memcmp(cpu, gpu, N * sizeof(*x)) == 0, "silu %s", text);
    free(x);
    return done();
}
