/*
 * What this machine can do at this moment: loops from the first cache and a
 * read of memory, to state figures as shares of.  Machines differ, and shared
 * ones change from minute to minute, so each benchmark measures the guard
 * before and after itself.
 */
#ifndef APUS_BENCH_GUARD_H
#define APUS_BENCH_GUARD_H

#include <stddef.h>

struct err;

/* Of some threads together.  10^9 operations a second on 8-bit numbers (a
 * product and a sum are two; 16-bit ones count double), 0 where this CPU or
 * this build has no such instruction. */
struct guard {
    double avx2;  /* vpmaddwd and vpaddd */
    double vnni;  /* vpdpbusd, 512 bits */
    double amx;   /* tdpbssd, as many tile loads as products */
    double dram;  /* 10^9 bytes read a second, fetched ahead */
};

/* Takes about a second, and 256 MiB for each of `threads`, which are processes
 * of their own and measure at once. */
int guard_measure(struct guard *g, size_t threads, struct err *err);

/* "NAME_avx2_gops .." lines to standard output. */
void guard_print(const struct guard *g, const char *name);

#endif
