/*
 * Exchanges of a group's members, each on a GPU of its own, by NVIDIA's library
 * NCCL, which is opened at run time.  Arrays are device memory, changed in
 * place; all members make the same calls in the same order.  Only integers are
 * added or compared, so the ways that the library takes change no bit.
 *
 * A member that is gone stops the others' exchanges where they are: whoever
 * waits for the device has a deadline (device_wait), and so have nccl_join and
 * nccl_close.  nccl_exchange launches, and waits only if the library does.
 *
 *   nccl_open       each member
 *   nccl_make_id    one of them; the others get the id by other means
 *   nccl_join       each
 *   nccl_exchange   each, any number of times
 *   nccl_close      each
 */
#ifndef APUS_BACKEND_CUDA_NCCL_CUH
#define APUS_BACKEND_CUDA_NCCL_CUH

#include "kernels/cuda/dev.cuh"

#include <cstddef>
#include <cstdint>

struct nccl; /* the library and, once joined, this member's communicator */
struct err;

#define NCCL_ID 128 /* bytes of a group's id */

/* What x[i] becomes, of all members' x[i]. */
enum nccl_kind {
    NCCL_MAX_U32, /* the greatest */
    NCCL_MAX_U64,
    NCCL_SUM_I32  /* the sum, which fits */
};

/* Open the library: in one of the directories `dirs`, separated by colons,
 * else where the loader looks.  Closed by nccl_close.  ERR_INPUT with the
 * reason: it is not there, or lacks a function. */
int nccl_open(struct nccl **out, const char *dirs, struct err *err);

/* NULL is accepted.  With `aborts` what has been begun is given up: a member is
 * gone.  A call that has not returned by now keeps its memory to the end of the
 * process.  -1: it is one of a member that had joined, and the device may not
 * be asked any more. */
int nccl_close(struct nccl *n, bool aborts);

/* An id for a group, for nccl_join.  ERR_RETRY where the library fails. */
int nccl_make_id(struct nccl *n, unsigned char id[NCCL_ID], struct err *err);

/* Become member `rank` of `size`, on the device of this number in this
 * process; returns when all have.  ERR_RETRY where the library fails, or the
 * others do not come within wait_s seconds, 0 being the longest time. */
int nccl_join(struct nccl *n, const unsigned char id[NCCL_ID], uint32_t rank,
              uint32_t size, int device, unsigned wait_s, struct err *err);

/* Launch an exchange of `count` elements in the stream, at least one.
 * ERR_RETRY where the library fails. */
int nccl_exchange(struct nccl *n, enum nccl_kind kind, void *x, size_t count,
                  cudaStream_t stream, struct err *err);

#endif
