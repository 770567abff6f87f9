/*
 * What fills a table, for levels.c alone: one function for the reference and
 * one for each level that has code, which overrides what it has.  And what a
 * level may need of a CPU, a bit each; a mask means the same in every build.
 */
#ifndef APUS_KERNELS_LEVELS_H
#define APUS_KERNELS_LEVELS_H

struct x1_kernels;

/* What a CPU can do, as a mask. */
enum {
    X1_AVX2 = 1,
    X1_VNNI = 2, /* of AVX-512 */
    X1_AMX = 4,
    X1_SDOT = 8,
    X1_AVXVNNI = 16 /* of 256 bits, with or without AVX-512 */
};

/* Every operation, in plain C (reference.c).  It comes first: what follows
 * replaces operations of a table that is complete. */
void x1_reference_init(struct x1_kernels *k);

/* What AVX2 does faster (x86/avx2.c); other CPUs have none. */
void x1_avx2_init(struct x1_kernels *k);
/* What AVX-VNNI does faster (x86/avxvnni.c), on top of AVX2. */
void x1_avxvnni_init(struct x1_kernels *k);
/* What AVX-512 with VNNI does faster (x86/vnni.c), on top of AVX2; none on
 * other CPUs. */
void x1_vnni_init(struct x1_kernels *k);
/* What AMX does faster (x86/amx.c), on top of that: linears of more than four
 * rows, and attention. */
void x1_amx_init(struct x1_kernels *k);
/* Whether this CPU has the tiles of AMX, with products of int8, and what its
 * system says of them (x86/amx_cpu.c): it gives their state to processes that
 * ask for it, which this does. */
enum x1_amx { X1_AMX_NONE, X1_AMX_REFUSED, X1_AMX_GIVEN };
enum x1_amx x1_amx_ask(void);
/* The reference, compiled for AVX2 (x86/avx2_plain.c). */
void x1_avx2_plain_init(struct x1_kernels *k);

/* What the dot products of ARMv8.2 do faster (kernels/arm/sdot.c); there are
 * none on other CPUs. */
void x1_sdot_init(struct x1_kernels *k);

/* Linears in few instructions of WebAssembly, or by its SIMD
 * (kernels/wasm/wasm.c): a build has one of both.  Elsewhere there are none,
 * and their names are unknown, too. */
void x1_wasm_init(struct x1_kernels *k);
void x1_simd128_init(struct x1_kernels *k);

#endif
