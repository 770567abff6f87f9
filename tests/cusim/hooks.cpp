/*
 * The checked build: the compiler's thread-sanitizer pass calls these for
 * every load and store of the kernels; libtsan itself is never linked.
 *
 * Order within a block: a __syncthreads between two accesses, or a
 * __syncwarp that both lanes pass (vector clocks).  A shuffle, a vote or an
 * mma orders nothing, as on the device.  Between blocks of a launch: only
 * load or store, __threadfence, atomic, atomic by the other, __threadfence of
 * the other, load or store.
 */
#include "tests/cusim/internal.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace cusim
{
struct access {
    uint32_t run; /* of a block, counted over all launches; 0: none */
    uint32_t pc;  /* offset from the start of the program */
    uint32_t time;
    uint16_t epoch, clock, thread;
    uint8_t atomic, written;
};

struct shadow { /* of one byte */
    access w, r[2];
    access o; /* the last write of another block than w's */
};

extern "C" char __executable_start, _end;

static shadow *shadows;

static shadow *of(const void *p)
{
    if (!shadows) {
        size_t n = (size_t)(arena_end - arena) * sizeof(shadow);

        shadows =
            (shadow *)mmap(nullptr, n, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (shadows == MAP_FAILED)
            finding("no room for the shadow");
    }
    return shadows + ((char *)p - arena);
}

void mark_fresh(void *p, size_t n)
{
    memset((void *)of(p), 0, n * sizeof(shadow));
}

void mark_written(void *p, size_t n)
{
    shadow *s = of(p);

    for (size_t i = 0; i < n; i++) {
        s[i] = shadow();
        s[i].w.written = 1;
    }
}

/* file:line of a place in the program, by addr2line where there is one */
static std::string where(uint32_t pc)
{
    char command[120], line[300] = "";
    FILE *f;

    snprintf(command, sizeof(command),
             "addr2line -e /proc/%d/exe 0x%x 2>/dev/null", (int)getpid(),
             pc ? pc - 1 : 0);
    if (!pc || !(f = popen(command, "r")))
        return "?";
    if (!fgets(line, sizeof(line), f))
        line[0] = 0;
    pclose(f);
    line[strcspn(line, " \n")] = 0;
    const char *slash = strrchr(line, '/');

    return slash ? slash + 1 : line;
}

static bool ordered(const access &a)
{
    thread *t = (thread *)self;
    uint32_t block = a.run - first_run;

    if (a.run < first_run)
        return true;
    if (block != now->number)
        return block < now->acquired.size() && now->acquired[block].at &&
               a.time <= now->acquired[block].at;
    if (a.thread == t->n || a.epoch < now->epoch)
        return true;
    return a.thread / 32 == t->warp && a.clock <= t->clock[a.thread % 32];
}

static void race(const char *first, const char *second, const access &a,
                 const void *p, uint32_t pc)
{
    std::string x = where(a.pc), y = where(pc);

    finding("race at %s: %s by thread %u of block %u at %s, then %s at %s",
            place(p), first, a.thread, a.run - first_run, x.c_str(), second,
            y.c_str());
}

void check(const void *p, size_t n, bool write, bool atomic, const void *pc0)
{
    thread *t = (thread *)self;
    uint32_t pc = pc0 ? (uint32_t)((char *)pc0 - &__executable_start) : 0;
    const char *verb = atomic ? "atomic" : write ? "store" : "load";

    if (!t)
        return;
    if (p < arena || p >= arena_end) {
        if ((p >= t->stack && p < t->stack + STACK) ||
            (p >= &__executable_start && p < &_end))
            return;
        finding("%s of %zu bytes of host memory %p in a kernel, at %s", verb, n,
                p, where(pc).c_str());
    }
    if (inside(p) < n)
        finding("%s of %zu bytes out of bounds: %s, at %s", verb, n, place(p),
                where(pc).c_str());
    if (n <= 16 && (uintptr_t)p % n)
        finding("%s of %zu bytes, not aligned: %s, at %s", verb, n, place(p),
                where(pc).c_str());
    shadow *s = of(p);
    access me = { first_run + now->number,
                  pc,
                  (uint32_t)clock_now,
                  (uint16_t)now->epoch,
                  (uint16_t)t->clock[t->lane],
                  (uint16_t)t->n,
                  atomic,
                  1 };

    for (size_t i = 0; i < n; i++, s++) {
        if ((!write || atomic) && !s->w.written)
            finding("%s of what nobody wrote: %s, at %s", verb,
                    place((char *)p + i), where(pc).c_str());
        /* a counter set by the thread whose own atomic came last on it */
        bool counter = write && s->w.atomic && s->w.run == me.run &&
                       s->w.thread == me.thread;

        for (const access *w : { &s->w, &s->o })
            if (!(atomic && w->atomic) && !(counter && w == &s->o) &&
                !ordered(*w))
                race(w->atomic ? "atomic" : "store", verb, *w, (char *)p + i,
                     pc);
        if (write) {
            for (int k = 0; k < 2; k++)
                if (!ordered(s->r[k]))
                    race("load", verb, s->r[k], (char *)p + i, pc);
            if (s->w.run != me.run)
                s->o = s->w;
            s->w = me;
        } else if (ordered(s->r[0])) {
            s->r[0] = me;
        } else if (ordered(s->r[1]) || draw() % 2) {
            s->r[1] = me;
        }
    }
}

static void seen(const void *p, size_t n, bool write, const void *pc)
{
    if (!self || !pthread_equal(owner, pthread_self()))
        return;
    if (settings.preempt && p >= arena && p < arena_end && draw() % 64 == 0)
        yield_here();
    check(p, n, write, false, pc);
}
} // namespace cusim

using cusim::seen;
#define PC __builtin_return_address(0)
#define HOOK(n)                                        \
    extern "C" void __tsan_read##n(void *p)            \
    {                                                  \
        seen(p, n, false, PC);                         \
    }                                                  \
    extern "C" void __tsan_write##n(void *p)           \
    {                                                  \
        seen(p, n, true, PC);                          \
    }                                                  \
    extern "C" void __tsan_unaligned_read##n(void *p)  \
    {                                                  \
        seen(p, n, false, PC);                         \
    }                                                  \
    extern "C" void __tsan_unaligned_write##n(void *p) \
    {                                                  \
        seen(p, n, true, PC);                          \
    }
HOOK(1)
HOOK(2)
HOOK(4)
HOOK(8)
HOOK(16)
extern "C" void __tsan_read_range(void *p, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        seen((char *)p + i, 1, false, PC);
}
extern "C" void __tsan_write_range(void *p, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++)
        seen((char *)p + i, 1, true, PC);
}
extern "C" void __tsan_init(void)
{
}
extern "C" void __tsan_func_entry(void *)
{
}
extern "C" void __tsan_func_exit(void)
{
}
extern "C" void __tsan_vptr_update(void *, void *)
{
}
extern "C" void __tsan_vptr_read(void *)
{
}
