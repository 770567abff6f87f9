/*
 * Each loop runs many times for a moment; the median counts.  Loops are
 * assembly, so that a compiler neither shortens nor spills them.
 */
#include <config.h>

#include "bench/guard.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/err.h"
#include "base/mem.h"
#include "bench/timing.h"

#define TIMES 99
#define DRAM_TIMES 5
#define DRAM_BYTES ((size_t)256 << 20)

static double now(void)
{
    return timing_now(CLOCK_MONOTONIC);
}

/* Median of 10^9 things a second, `count` of them in one run. */
static double rate(void (*run)(void *), void *arg, double count, size_t times)
{
    double v[TIMES];

    for (size_t i = 0; i < times; i++) {
        double start = now();

        run(arg);
        v[i] = count / (now() - start) * 1e-9;
    }
    return timing_median(v, times);
}

/* Four sums, memory fetched 4 KB ahead of them. */
static void read_dram(void *mem)
{
    const uint64_t *p = mem;
    size_t n = DRAM_BYTES / sizeof(*p);
    uint64_t a = 0, b = 0, c = 0, d = 0;
    volatile uint64_t sink;

    for (size_t i = 0; i < n; i += 32) {
        for (size_t j = 0; j < 32; j += 8)
            __builtin_prefetch(p + i + 512 + j);
        for (size_t j = 0; j < 32; j += 4) {
            a ^= p[i + j];
            b ^= p[i + j + 1];
            c ^= p[i + j + 2];
            d ^= p[i + j + 3];
        }
    }
    sink = a ^ b ^ c ^ d;
    (void)sink;
}

#if defined(__x86_64__)

#define TURNS 2000

/* Twelve accumulators, a product and a sum each, four times over. */
#define MADD(i) "vpmaddwd %%ymm12,%%ymm12,%%ymm13\n\t" \
                "vpaddd %%ymm13,%%ymm" #i ",%%ymm" #i "\n\t"
#define MADD_12 MADD(0) MADD(1) MADD(2) MADD(3) MADD(4) MADD(5) MADD(6) \
                MADD(7) MADD(8) MADD(9) MADD(10) MADD(11)

static void run_avx2(void *unused)
{
    long turns = TURNS;

    (void)unused;
    __asm__ volatile("1:\n\t" MADD_12 MADD_12 MADD_12 MADD_12
                     "dec %0\n\tjnz 1b\n\tvzeroupper"
                     : "+r"(turns)
                     :
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm12", "xmm13");
}

#define DOT(i) "vpdpbusd %%zmm12,%%zmm13,%%zmm" #i "\n\t"
#define DOT_12 DOT(0) DOT(1) DOT(2) DOT(3) DOT(4) DOT(5) DOT(6) DOT(7) \
               DOT(8) DOT(9) DOT(10) DOT(11)

static void run_vnni(void *unused)
{
    long turns = TURNS;

    (void)unused;
    __asm__ volatile("1:\n\t" DOT_12 DOT_12 DOT_12 DOT_12
                     "dec %0\n\tjnz 1b\n\tvzeroupper"
                     : "+r"(turns)
                     :
                     : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
                       "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
                       "xmm12", "xmm13");
}

/* Four tiles in, four products, from 4 KB. */
static void run_amx(void *tiles)
{
    long turns = TURNS, stride = 64;

    __asm__ volatile(
        "1:\n\t"
        "tileloadd (%1,%2,1),%%tmm4\n\ttileloadd 2048(%1,%2,1),%%tmm6\n\t"
        "tdpbssd %%tmm6,%%tmm4,%%tmm0\n\ttileloadd 1024(%1,%2,1),%%tmm5\n\t"
        "tdpbssd %%tmm6,%%tmm5,%%tmm1\n\ttileloadd 3072(%1,%2,1),%%tmm7\n\t"
        "tdpbssd %%tmm7,%%tmm4,%%tmm2\n\ttdpbssd %%tmm7,%%tmm5,%%tmm3\n\t"
        "dec %0\n\tjnz 1b"
        : "+r"(turns)
        : "r"(tiles), "r"(stride)
        : "cc", "memory");
}

/* Tiles of 16 rows of 64 bytes, if the kernel lets this process have them. */
static int amx_on(void)
{
    struct {
        uint8_t palette, start, zero[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } __attribute__((aligned(64))) c;
    unsigned a, b, r, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &r, &d) || !(d >> 25 & 1))
        return 0;
    if (syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18))
        return 0;
    memset(&c, 0, sizeof(c));
    c.palette = 1;
    for (int i = 0; i < 8; i++) {
        c.bytes[i] = 64;
        c.rows[i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(c) : "memory");
    return 1;
}

static void measure_loops(struct guard *g, void *mem)
{
    if (__builtin_cpu_supports("avx2"))
        g->avx2 = rate(run_avx2, NULL, TURNS * 48 * 32.0, TIMES);
    if (__builtin_cpu_supports("avx512vnni"))
        g->vnni = rate(run_vnni, NULL, TURNS * 48 * 128.0, TIMES);
    if (amx_on()) {
        g->amx = rate(run_amx, mem, TURNS * 4 * 32768.0, TIMES);
        __asm__ volatile("tilerelease");
    }
}

#else

static void measure_loops(struct guard *g, void *mem)
{
    (void)g;
    (void)mem;
}

#endif

/* In a child, which says it through the pipe. */
static void measure(int to)
{
    struct guard g = { 0, 0, 0, 0 };
    void *mem;

    if (mem_big(&mem, DRAM_BYTES + 8192, 1, "the guard", NULL))
        _exit(1);
    memset(mem, 1, DRAM_BYTES + 8192);
    measure_loops(&g, mem);
    g.dram = rate(read_dram, mem, (double)DRAM_BYTES, DRAM_TIMES);
    _exit(write(to, &g, sizeof(g)) != sizeof(g));
}

/* What the children say, added up; how many said something. */
static size_t collect_threads(struct guard *g, int from)
{
    struct guard one;
    size_t n = 0;

    memset(g, 0, sizeof(*g));
    for (; read(from, &one, sizeof(one)) == sizeof(one); n++) {
        g->avx2 += one.avx2;
        g->vnni += one.vnni;
        g->amx += one.amx;
        g->dram += one.dram;
    }
    return n;
}

int guard_measure(struct guard *g, size_t threads, struct err *err)
{
    size_t started = 0, ended;
    int ends[2];

    if (pipe(ends))
        return err_errno(err, ERR_RETRY, "cannot make a pipe");
    for (size_t i = 0; i < threads; i++) {
        pid_t pid = fork();

        if (pid == 0)
            measure(ends[1]);
        started += pid > 0;
    }
    close(ends[1]);
    ended = collect_threads(g, ends[0]);
    close(ends[0]);
    while (started-- > 0)
        wait(NULL);
    return ended < threads
               ? err_set(err, ERR_RETRY, "the guard did not end well: is there"
                         " memory for %zu times %zu bytes?", threads,
                         DRAM_BYTES)
               : 0;
}

void guard_print(const struct guard *g, const char *name)
{
    printf("%s_avx2_gops %.1f\n%s_vnni_gops %.1f\n%s_amx_gops %.1f\n"
           "%s_dram_gb_s %.2f\n", name, g->avx2, name, g->vnni, name, g->amx,
           name, g->dram);
}
