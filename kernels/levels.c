/*
 * The levels of CPUs, by name and by what they need.  A level without a
 * function has no code of its own yet: it is known here and offered nowhere.
 */
#include <config.h>

#include "kernels/levels.h"

#include <string.h>

#include "kernels/kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define AVX2_INIT x1_avx2_init
#define AVXVNNI_INIT x1_avxvnni_init
#define VNNI_INIT x1_vnni_init
#define AMX_INIT x1_amx_init
#else
#define AVX2_INIT NULL
#define AVXVNNI_INIT NULL
#define VNNI_INIT NULL
#define AMX_INIT NULL
#endif
#if defined(__aarch64__) && defined(__GNUC__)
#define SDOT_INIT x1_sdot_init
#else
#define SDOT_INIT NULL
#endif

/* Slowest first: later ones override. */
static const struct {
    struct x1_level level;
    void (*init)(struct x1_kernels *k);
} levels[] = {
    { { "reference", 0 }, x1_reference_init },
    { { "avx2", X1_AVX2 }, AVX2_INIT },
    { { "avxvnni", X1_AVX2 | X1_AVXVNNI }, AVXVNNI_INIT },
    { { "vnni", X1_AVX2 | X1_VNNI }, VNNI_INIT },
    { { "amx", X1_AVX2 | X1_VNNI | X1_AMX }, AMX_INIT },
    { { "sdot", X1_SDOT }, SDOT_INIT },
    /* no setting has these two names: a module has one of them */
#ifdef __wasm_simd128__
    { { "simd128", 0 }, x1_simd128_init },
#elif defined(__wasm__)
    { { "wasm", 0 }, x1_wasm_init },
#endif
};
#define N_LEVELS (sizeof(levels) / sizeof(*levels))

void x1_kernels_init(struct x1_kernels *k, unsigned cpu)
{
    for (size_t i = 0; i < N_LEVELS; i++) {
        if (!levels[i].init || (levels[i].level.cpu & ~cpu))
            continue;
        levels[i].init(k);
        k->name = levels[i].level.name;
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
/* AVX-VNNI: bit 4 of EAX of leaf 7, subleaf 1 (Intel SDM, CPUID).  Compilers
 * have no common name for it. */
static bool has_avxvnni(void)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1u << 4;
}
#endif

unsigned x1_cpu(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    unsigned cpu = __builtin_cpu_supports("avx2") ? X1_AVX2 : 0;

    if (cpu && has_avxvnni())
        cpu |= X1_AVXVNNI;
    /* what x86/vnni.h compiles for */
    if (__builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni"))
        cpu |= X1_VNNI;
    if (cpu & X1_VNNI && x1_amx_ask() == X1_AMX_GIVEN)
        cpu |= X1_AMX;
    return cpu;
#elif defined(__aarch64__) && defined(__linux__)
    return getauxval(AT_HWCAP) & 1ul << 20 /* HWCAP_ASIMDDP */ ? X1_SDOT : 0;
#else
    return 0;
#endif
}

const char *x1_cpu_refused(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (x1_amx_ask() == X1_AMX_REFUSED)
        return "AMX (its system refuses the state of tiles, arch_prctl)";
#endif
    return NULL;
}

const struct x1_level *x1_level(size_t i)
{
    unsigned cpu = x1_cpu();

    for (size_t l = N_LEVELS; l-- > 0;) {
        if (!levels[l].init || (levels[l].level.cpu & ~cpu))
            continue;
        if (i-- == 0)
            return &levels[l].level;
    }
    return NULL;
}

const char *x1_level_name(size_t i)
{
    return i < N_LEVELS ? levels[i].level.name : NULL;
}

int x1_kernels_find(struct x1_kernels *k, const char *name)
{
    const struct x1_level *l;

    for (size_t i = 0; (l = x1_level(i)) != NULL; i++) {
        if (strcmp(name, "auto") != 0 && strcmp(name, l->name) != 0)
            continue;
        x1_kernels_init(k, l->cpu);
        return 0;
    }
    return -1;
}

void x1_pack(const struct x1_kernels *k, struct x1_weights *w,
             const struct x1_matrix *m, void *out)
{
    if (k->pack_bytes(m))
        k->pack(out, m, 0, m->rows);
    k->weights(w, m, out);
}
