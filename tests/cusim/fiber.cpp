/*
 * The threads of a block: fibers, their meetings, their shared memory, and the
 * scheduler that runs one block to its end.
 */
#include "tests/cusim/internal.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <sys/mman.h>

namespace cusim
{
run_block *now;
pthread_t owner;
uint64_t clock_now = 1;

/* -- fibers ------------------------------------------------------------ */

#if defined(__x86_64__)
extern "C" void cusim_switch(void **save, void *to);
asm(".text\n.globl cusim_switch\n.type cusim_switch,@function\n"
    "cusim_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n"
    ".size cusim_switch,.-cusim_switch\n");
#elif defined(__aarch64__)
extern "C" void cusim_switch(void **save, void *to);
asm(".text\n.globl cusim_switch\n.type cusim_switch,%function\n"
    "cusim_switch:\n"
    "sub sp,sp,#160\n"
    "stp x19,x20,[sp]\nstp x21,x22,[sp,#16]\nstp x23,x24,[sp,#32]\n"
    "stp x25,x26,[sp,#48]\nstp x27,x28,[sp,#64]\nstp x29,x30,[sp,#80]\n"
    "stp d8,d9,[sp,#96]\nstp d10,d11,[sp,#112]\nstp d12,d13,[sp,#128]\n"
    "stp d14,d15,[sp,#144]\n"
    "mov x9,sp\nstr x9,[x0]\nmov sp,x1\n"
    "ldp x19,x20,[sp]\nldp x21,x22,[sp,#16]\nldp x23,x24,[sp,#32]\n"
    "ldp x25,x26,[sp,#48]\nldp x27,x28,[sp,#64]\nldp x29,x30,[sp,#80]\n"
    "ldp d8,d9,[sp,#96]\nldp d10,d11,[sp,#112]\nldp d12,d13,[sp,#128]\n"
    "ldp d14,d15,[sp,#144]\n"
    "add sp,sp,#160\nret\n");
#else
#error "write cusim_switch for this processor (or use swapcontext)"
#endif

static void *scheduler_sp;
static void (*body)(const void *);
static const void *body_arg;
static thread pool[1024]; /* static: kernels read threadIdx from it */
static size_t n_pool;

/* Sites are mostly one and the same text. */
static bool differ(const char *a, const char *b)
{
    return a != b && strcmp(a, b) != 0;
}

static void to_scheduler(thread *t)
{
    cusim_switch(&t->sp, scheduler_sp);
}

extern "C" void cusim_entry(void)
{
    thread *t = (thread *)self;

    body(body_arg);
    if (!t->open.empty() || !t->groups.empty()) {
        /* copies that nobody waited for land, or not: leave them out */
        t->open.clear();
        t->groups.clear();
    }
    t->state = GONE;
    to_scheduler(t);
    abort();
}

static void prepare(thread *t)
{
    uint64_t *s = (uint64_t *)(t->stack + STACK);

#if defined(__x86_64__)
    *--s = 0; /* where cusim_entry would return to */
    *--s = (uint64_t)(uintptr_t)cusim_entry;
    for (int i = 0; i < 6; i++)
        *--s = 0;
#else
    s -= 20;
    memset(s, 0, 160);
    s[11] = (uint64_t)(uintptr_t)cusim_entry;
#endif
    t->sp = s;
}

static void make_ready(thread *t)
{
    t->state = READY;
    now->ready.push_back(t);
}

void yield_here(void)
{
    thread *t = (thread *)self;

    make_ready(t);
    to_scheduler(t);
}

static void wait(enum state s, const char *site)
{
    thread *t = (thread *)self;

    t->state = s;
    t->site = site;
    to_scheduler(t);
}

/* -- meetings ----------------------------------------------------------- */

/* All that have not returned are here (compute capability 7 and later). */
static void release(run_block *b)
{
    const thread *first = nullptr;
    int count = 0;

    for (thread *o : b->threads) {
        if (o->state == GONE)
            continue;
        if (!first)
            first = o;
        if (o->kind != first->kind || differ(o->site, first->site))
            finding("divergent barrier: one thread at %s, another at %s",
                    first->site, o->site);
        count += o->value != 0;
    }
    b->result = first->kind == COUNT ? count
                : first->kind == AND ? count == (int)(b->n - b->n_gone)
                                     : count > 0;
    b->n_waiting = 0;
    b->epoch++;
    clock_now++;
    for (thread *o : b->threads)
        if (o->state == AT_BARRIER)
            make_ready(o);
}

int sync_block(const char *site, int kind, int value)
{
    thread *t = (thread *)self;
    run_block *b = now;

    t->kind = kind;
    t->value = value;
    t->site = site;
    if (++b->n_waiting == b->n - b->n_gone) {
        release(b);
        if (settings.seed)
            yield_here();
    } else {
        wait(AT_BARRIER, site);
    }
    return b->result;
}

void meet(const char *site, unsigned mask, meet_fn f, void *arg)
{
    thread *t = (thread *)self;
    run_block *b = now;
    unsigned first = t->warp * 32, here = 0, live = 0;
    void *args[32] = {};

    if (!(mask >> t->lane & 1))
        finding("%s: lane %u is not in its own mask %08x", site, t->lane, mask);
    t->arg = arg;
    t->mask = mask;
    t->f = f;
    t->site = site;
    for (unsigned i = 0; i < 32 && first + i < b->n; i++) {
        thread *o = b->threads[first + i];

        if (o->state != GONE)
            live |= 1u << i;
        if (!(mask >> i & 1) || (o != t && o->state != AT_MEETING))
            continue;
        if (o->mask != mask || o->f != f || differ(o->site, site))
            finding("lanes of a warp meet at %s (mask %08x) and %s (mask %08x)",
                    site, mask, o->site, o->mask);
        here |= 1u << i;
        args[i] = o->arg;
    }
    if (here != (mask & live)) {
        wait(AT_MEETING, site);
        return;
    }
    if (f)
        f(args, here);
    for (unsigned i = 0; i < 32; i++)
        if (here >> i & 1 && b->threads[first + i] != t)
            make_ready(b->threads[first + i]);
    if (settings.seed)
        yield_here();
}

static void join(void *const a[32], unsigned mask)
{
    uint32_t j[32] = {};

    for (int i = 0; i < 32; i++)
        if (mask >> i & 1)
            for (int k = 0; k < 32; k++)
                if (((thread *)a[i])->clock[k] > j[k])
                    j[k] = ((thread *)a[i])->clock[k];
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1) {
            memcpy(((thread *)a[i])->clock, j, sizeof(j));
            ((thread *)a[i])->clock[i]++;
        }
}

void sync_warp(const char *site, unsigned mask)
{
    meet(site, mask, join, self);
}

/* -- cp.async ------------------------------------------------------------ */

void touch(const void *p, size_t n, bool write)
{
    if (check)
        check(p, n, write, false, nullptr);
    else if (p >= arena && p < arena_end && inside(p) < n)
        finding("%s of %zu bytes at %s", write ? "store" : "load", n, place(p));
    if ((uintptr_t)p % n)
        finding("%zu bytes at %s are not aligned", n, place(p));
}

void copy_async(void *to, const void *from, size_t n, size_t n_src)
{
    thread *t = (thread *)self;
    copy c = { to, std::vector<uint8_t>(n, 0) };

    if (n_src)
        touch(from, n_src, false);
    if ((uintptr_t)to % n || (uintptr_t)from % n)
        finding("cp.async: not aligned");
    memcpy(c.bytes.data(), from, n_src);
    touch(to, n, true);
    poison((char *)to, n);
    t->open.push_back(std::move(c));
}

void copy_commit(void)
{
    thread *t = (thread *)self;

    t->groups.push_back(std::move(t->open));
    t->open.clear();
}

void copy_wait(unsigned pending)
{
    thread *t = (thread *)self;

    while (t->groups.size() > pending) {
        for (copy &c : t->groups.front()) {
            touch(c.to, c.bytes.size(), true);
            memcpy(c.to, c.bytes.data(), c.bytes.size());
        }
        t->groups.erase(t->groups.begin());
    }
}

/* -- shared memory -------------------------------------------------------- */

static std::map<const void *, char *> shared_now;
static size_t shared_bytes, dynamic_bytes;

void *shared(const void *key, const char *name, size_t n, size_t align)
{
    auto i = shared_now.find(key);

    if (i != shared_now.end())
        return i->second;
    shared_bytes = (shared_bytes + align - 1) / align * align + n;
    if (shared_bytes > 48 * 1024 ||
        shared_bytes + dynamic_bytes > settings.shared)
        finding("%zu bytes of static and %zu of dynamic shared memory",
                shared_bytes, dynamic_bytes);
    return shared_now[key] = take(n, std::string("shared ") + name);
}

void *shared_dynamic(void)
{
    return now->dynamic;
}
/* -- a block --------------------------------------------------------------- */

static void stuck(run_block *b)
{
    fprintf(stderr, "cusim: %s: block (%u,%u,%u) cannot go on\n", launch_name,
            b->idx.x, b->idx.y, b->idx.z);
    for (thread *t : b->threads)
        fprintf(stderr, "  thread %u: %s %s\n", t->n,
                t->state == GONE         ? "has returned"
                : t->state == AT_BARRIER ? "waits for the block at"
                                         : "waits for its warp at",
                t->state == GONE ? "" : t->site);
    self = nullptr;
    finding("a barrier that not all threads reach");
}

/* A fiber a thread, at the start of the kernel. */
static void set_up(run_block *b)
{
    unsigned n = b->dim.x * b->dim.y * b->dim.z;

    while (n_pool < n) {
        thread *t = &pool[n_pool++];

        t->stack =
            (char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (t->stack == MAP_FAILED)
            finding("no memory for a stack");
    }
    for (unsigned i = 0; i < n; i++) {
        thread *t = &pool[i];

        t->n = i;
        t->tid = dim3(i % b->dim.x, i / b->dim.x % b->dim.y,
                      i / b->dim.x / b->dim.y);
        t->warp = i / 32;
        t->lane = i % 32;
        t->b = b;
        memset(t->clock, 0, sizeof(t->clock));
        t->clock[t->lane] = 1;
        prepare(t);
        b->threads.push_back(t);
    }
}

void run(run_block *b, size_t dynamic, void (*call)(const void *),
         const void *arg)
{
    unsigned n = b->dim.x * b->dim.y * b->dim.z;

    now = b;
    owner = pthread_self();
    body = call;
    body_arg = arg;
    b->n = n;
    b->n_waiting = b->n_gone = 0;
    b->epoch = 0;
    b->fence = 0;
    b->heard.clear();
    b->acquired.clear();
    dynamic_bytes = dynamic;
    b->dynamic = dynamic ? take(dynamic, "dynamic shared memory") : nullptr;
    b->threads.clear();
    b->ready.clear();
    set_up(b);
    for (unsigned i = n; i-- > 0;)
        make_ready(b->threads[i]);
    while (b->n_gone < n) {
        if (b->ready.empty())
            stuck(b);
        size_t k = b->ready.size() - 1;
        size_t i = settings.seed ? draw() % (k + 1) : k;
        thread *t = b->ready[i];

        b->ready[i] = b->ready[k];
        b->ready.pop_back();
        self = t;
        cusim_switch(&scheduler_sp, t->sp);
        if (t->state == GONE) {
            b->n_gone++;
            if (b->n_waiting && b->n_waiting == n - b->n_gone)
                release(b);
        }
    }
    self = nullptr;
    if (b->dynamic)
        give((char *)b->dynamic);
    for (auto &s : shared_now)
        give(s.second);
    shared_now.clear();
    shared_bytes = 0;
    now = nullptr;
}

/* What atomics on an address have let out: by block the time up to which its
 * accesses are before those of whoever hears of it. */
static std::map<void *, std::map<uint32_t, uint64_t>> released;
static uint32_t released_launch;

/* What comes after it is later than the fence. */
void fence(void)
{
    now->fence = clock_now++;
    now->acquired = now->heard;
}

void atomic_access(const char *site, void *p, size_t n, const void *pc)
{
    if (settings.seed && draw() % 4 == 0)
        yield_here();
    if (check)
        check(p, n, true, true, pc);
    else if (inside(p) < n)
        finding("%s: atomic on %s", site, place(p));
    if (released_launch != launch_number) {
        released.clear();
        released_launch = launch_number;
    }
    auto &r = released[p];

    for (auto &x : r) {
        if (x.first >= now->heard.size())
            now->heard.resize((size_t)x.first + 1);
        if (now->heard[x.first].at < x.second)
            now->heard[x.first].at = (uint32_t)x.second;
    }
    if (!now->fence)
        return;
    r[now->number] = now->fence;
    /* .. and what was before that */
    for (size_t i = 0; i < now->acquired.size(); i++)
        if (now->acquired[i].at && i != now->number)
            r[(uint32_t)i] = std::max(r[(uint32_t)i],
                                      (uint64_t)now->acquired[i].at);
}
} // namespace cusim
