/*
 * Slices of GPUs (MIG), of which CUDA shows a process one: the first that
 * CUDA_VISIBLE_DEVICES names.  So that the ranks of a machine compute on
 * different ones, each leaves itself its own, before anything in the process
 * has looked: an MPI library may begin CUDA when it starts, and from then on
 * the slice is chosen.
 *
 * These are texts of the environment alone; no device is touched.
 */
#ifndef APUS_BACKEND_CUDA_SLICE_H
#define APUS_BACKEND_CUDA_SLICE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many slices the variable names, as far as its names are those of slices;
 * 0: none, it names GPUs or is not set. */
unsigned slice_count(void);

/* Of several slices leave the one for the rank of this number on the machine,
 * from the first again after the last.  It changes the environment, which other
 * threads may read: call it while there are none. */
void slice_keep(unsigned local);

/* The name of the slice that CUDA shows, as the variable has it, MIG-UUID or,
 * of older drivers, MIG-GPU-UUID/INSTANCE/INSTANCE: ranks with one name share
 * a slice, and what CUDA says of a slice may be the name of its GPU.  False:
 * it shows none, or the name has n bytes or more, or odd ones. */
bool slice_name(char *out, size_t n);

#ifdef __cplusplus
}
#endif

#endif
