/*
 * The device backend over the emulated device: everything that nvcc compiles,
 * for programs that are linked with it in the place of backend/cuda/none.c.
 */
#include "kernels/cuda/attention.cu"
#include "kernels/cuda/gemm.cu"
#include "kernels/cuda/hashes.cu"
#include "kernels/cuda/heads.cu"
#include "kernels/cuda/large.cu"
#include "kernels/cuda/linear.cu"
#include "kernels/cuda/prefill.cu"
#include "kernels/cuda/rowwise.cu"
#include "kernels/cuda/sample.cu"

/* Waits are measured by the device's clock. */
#include "backend/cuda/device.cuh"
#define clock_s cusim_clock_s
#include "backend/cuda/health.cu"
/* a library that is pretended, in the place of NVIDIA's */
#include "tests/cusim/nccl_host.cpp"
#define library_open pretended::open
#define library_find pretended::find
#define dlclose pretended::close
#include "backend/cuda/nccl.cu"
#undef library_open
#undef library_find
#undef dlclose
#undef clock_s
#include "backend/cuda/connect.cu"
#include "backend/cuda/frames.cu"
#include "backend/cuda/graphs.cu"
#include "backend/cuda/members.cu"
#include "backend/cuda/layers.cu"
#include "backend/cuda/load.cu"
#include "backend/cuda/look.cu"
#include "backend/cuda/order.cu"
#include "backend/cuda/products.cu"
#include "backend/cuda/rehash.cu"
#include "backend/cuda/tested.cu"
#include "backend/cuda/tap.cu"
#include "backend/cuda/device.cu"

/* in the place of blas_lt.cu */
#include "tests/cusim/blas_host.cpp"
