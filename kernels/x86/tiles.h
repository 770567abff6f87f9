/*
 * The tile instructions of AMX: eight registers of up to 16 rows of 64 bytes,
 * whose products are summed in int32 (Intel SDM, volume 1, chapter 18).  As
 * assembly, with memory clobbered, since compilers' intrinsics do not say that
 * a load reads memory.  The first argument is the number of a register, a
 * literal.
 *
 * A thread configures its tiles before it uses them, and releases them, so that
 * the system saves nothing for it.
 */
#ifndef APUS_KERNELS_X86_TILES_H
#define APUS_KERNELS_X86_TILES_H

#if defined(__x86_64__) && defined(__GNUC__)

#include <stdint.h>

#define TILES 8

/* What ldtilecfg reads: 64 bytes.  palette is 1 and start 0; registers that are
 * not used have 0 rows of 0 bytes; `bytes` is at most 64 and `rows` at most
 * 16. */
struct tile_config {
    uint8_t palette, start, zero[14];
    uint16_t bytes[16]; /* of a row, of each register */
    uint8_t rows[16];   /* .. and their number */
} __attribute__((aligned(64)));

static inline void tile_configure(const struct tile_config *c)
{
    __asm__ volatile("ldtilecfg %0" : : "m"(*c) : "memory");
}

static inline void tile_release(void)
{
    __asm__ volatile("tilerelease" : : : "memory");
}

/* All sums of a register 0. */
#define tile_zero(t) __asm__ volatile("tilezero %%tmm" #t : : : "memory")

/* Rows from memory, or to it, `stride` bytes apart: as many rows and bytes as
 * the register is configured for.  Memory needs no alignment; the rest of the
 * register becomes zero. */
#define tile_load(t, from, stride)                             \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t           \
                     : : "r"((const void *)(from)),            \
                         "r"((long)(stride)) : "memory")
#define tile_store(t, to, stride)                              \
    __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)"       \
                     : : "r"((void *)(to)), "r"((long)(stride)) : "memory")

/* c[row][n] += sum over k of a[row][4 k ..] * b[k][4 n ..], signed bytes in
 * groups of four, the sums int32 that wrap.  So b is a matrix with four k side
 * by side for each output: a tile of pack.h. */
#define tile_dot(c, a, b)                                           \
    __asm__ volatile("tdpbssd %%tmm" #b ", %%tmm" #a ", %%tmm" #c : : \
                     : "memory")

#endif

#endif
