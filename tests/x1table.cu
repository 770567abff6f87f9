/*
 * The vectors of X1 on a GPU: the operations of tests/cusim/table.cpp, compiled
 * by nvcc (tests/x1vectors-gpu, for bench/gpu-kit).
 */
#include "tests/cusim/table.cpp"
