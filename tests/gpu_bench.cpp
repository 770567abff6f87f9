/*
 * bench/gpu over the emulated device, for the test of bench/gpu-kit.
 */
#include "bench/gpu.cu"
