/*
 * Whether AMX can be used: the CPU has it, and Linux, which keeps its 8 KB of
 * state out of signal frames until a process asks for it, gives it.  In a build
 * with --enable-crash-tests, APUS_AMX_REFUSED makes it a CPU that has tiles and
 * a system that refuses them.
 */
#include <config.h>

#include "kernels/levels.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_arch_prctl
#define SYS_arch_prctl -1 /* another system has no such call */
#endif
#define ASK_STATE 0x1023 /* ARCH_REQ_XCOMP_PERM, Linux 5.16 */
#define TILE_STATE 18    /* XFEATURE_XTILEDATA */

enum x1_amx x1_amx_ask(void)
{
    unsigned a, b, c, d;

#ifdef APUS_CRASH_TESTS
    if (getenv("APUS_AMX_REFUSED"))
        return X1_AMX_REFUSED;
#endif
    /* leaf 7, EDX: bit 24 AMX-TILE, bit 25 AMX-INT8 (Intel SDM, CPUID) */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (~d & 3u << 24))
        return X1_AMX_NONE;
    if (syscall(SYS_arch_prctl, ASK_STATE, TILE_STATE) != 0)
        return X1_AMX_REFUSED;
    return X1_AMX_GIVEN;
}

#endif
