/*
 * The backend of one NVIDIA GPU: engine/backend.h with the weights, the keys
 * and values and all arithmetic on the device.  A build without CUDA has
 * none.c in its place; tests/cusim has the same code over a device that a CPU
 * emulates.
 *
 * It gives tokens, digests, x_L and logits.  Residual rows and `deep` are the
 * CPU's alone: load refuses them by name.
 *
 * With a group (engine/group.h) each member's device computes its part of a
 * model (backend/cpu/model_part.h); what they exchange passes through the host,
 * or by NCCL from device to device.  The first one is a backend as any other;
 * the others follow it (backend_follow).  A plan has as many blocks as each has
 * room for.
 */
#ifndef APUS_BACKEND_CUDA_CUDA_H
#define APUS_BACKEND_CUDA_CUDA_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct backend;
struct buf;
struct caller;
struct err;
struct group;

/* What makes products of more than 32 rows. */
enum cuda_gemm {
    CUDA_GEMM_AUTO, /* what looks fastest of what is there */
    CUDA_GEMM_OWN,  /* kernels of this program */
    CUDA_GEMM_LT,   /* cublasLt: ERR_INPUT of load where it cannot serve */
};

struct cuda_options {
    unsigned local; /* number of this rank on the machine, from 0 */
    bool share;     /* with other processes */
    bool start_test; /* it computes small models first (start_test.h) */
    bool plain;     /* every kernel is launched by itself, none in a graph */
    bool checks;    /* one product a step, on the CPU, and .. */
    uint32_t hash_every; /* .. hashes of one position in so many; 0: 1,000 */
    const char *libs; /* directories of NVIDIA's libraries, with colons; "none":
                         they are not used; NULL: the loader's */
    enum cuda_gemm gemm;
    bool nccl;      /* members on different devices exchange by NCCL, if all
                       can; else, as where they share one, through the host */
    unsigned wait_s; /* for members that join; 0, or much: two minutes */
    const struct caller *caller; /* copied; hears what slows it; or NULL */
    const struct group *group; /* of the member that this device is of, which
                                  is copied; what it points to is borrowed
                                  until the backend is closed; NULL: alone */
};

/* Open a device for this rank of the machine: the one that is visible, or of
 * several the one of this number, from the first again after the last.  Of
 * slices of GPUs (MIG) one is visible (slice.h).  Closed by backend_close.
 * ERR_RETRY with the reason: there is none that can be used,
 * which another machine may have, or, unless they `share`, another process of
 * this program computes on it; ERR_INPUT: this build uses none. */
int cuda_open(struct backend **out, const struct cuda_options *o,
              struct err *err);

/* Whether the last cuda_open of this thread failed since another process of
 * this program computes on the device: more ranks were started than there are
 * GPUs, and the machine is as good as others. */
bool cuda_claimed(void);

/* Which device a backend of cuda_open has, and the memory that was free then,
 * for people; valid until it is closed. */
const char *cuda_text(const struct backend *b);

/* Append what a worker of this build finds of GPUs on this machine, one line
 * each: "ok TEXT"; "warning TEXT", a tab and the remedy; or, last, "none TEXT"
 * if no rank computes on a GPU here; of NVIDIA's libraries what `libs` of
 * cuda_options finds.  It is for people; nothing is computed and no error is
 * returned. */
void cuda_look(struct buf *out, const char *libs);

#ifdef __cplusplus
}
#endif

#endif
