/*
 * X1 as doc/numerics.md has it, sentence by sentence and slowly: what the
 * reference is compared with by kernels/check.  Not linked into any program
 * that is installed.
 */
#ifndef APUS_KERNELS_CHECK_PLAIN_H
#define APUS_KERNELS_CHECK_PLAIN_H

struct x1_kernels;

/* The reference's forms, and operations that share no code with it but the
 * element-wise functions of x1.h. */
void x1_plain_init(struct x1_kernels *k);

#endif
