/*
 * What the files of the emulated device share: memory.cpp (memory, settings,
 * findings), fiber.cpp (the threads of a block), host.cpp (streams, launches),
 * hooks.cpp (the checked build's loads and stores).
 */
#ifndef APUS_TESTS_CUSIM_INTERNAL_H
#define APUS_TESTS_CUSIM_INTERNAL_H

#include "tests/cusim/cusim.h"

#include <atomic>
#include <functional>
#include <pthread.h>
#include <string>
#include <vector>

namespace cusim
{
/* -- memory.cpp -------------------------------------------------------- */

/* What the environment asks for (cusim.h). */
struct settings {
    uint64_t seed;
    size_t memory; /* bytes of the device .. */
    size_t taken;  /* .. and of them another program's */
    size_t shared; /* bytes of shared memory a block */
    long fail_at;  /* the allocation that fails, from 0; -1: none */
    long lose_at, hang_at; /* the launch that does so, from 1; 0: none */
    long stop_at;  /* the launch in whose wait the process is stopped */
    long wrong_at; /* the first product that is wrong, from 1; 0: none */
    const char *skip; /* kernels of this name do nothing; NULL: none */
    bool preempt;  /* set threads aside at loads and stores */
    long capture_at; /* the call of captures that fails, from 1; 0: none .. */
    cudaError_t capture_error; /* .. and how */
    cudaError_t lose_error;    /* what a device is lost by */
};
extern struct settings settings;

/* Calls so far: allocations, and those by which graphs are made. */
extern long n_alloc, n_graph_calls;

/* A stream was destroyed (CUSIM_AFTER). */
void stream_gone(void);

extern const char *launch_name;
extern char *arena, *arena_end;
extern bool checked;

/* The next number of the run's sequence. */
uint32_t draw(void);

/* What befell the device: an error that stays, or a launch without an end. */
extern cudaError_t sticky;
extern bool hung;

/* The process is to be stopped, for an hour, while it asks; it was. */
extern bool stops, stopped;

/* A live allocation of n bytes with poison in it, and its end. */
char *take(size_t n, const std::string &name);
void give(char *p);
void poison(char *p, size_t n);

/* What lies at an address of the arena, as text. */
const char *place(const void *p);

/* How many bytes from p are inside one live allocation. */
size_t inside(const void *p);

/* -- fiber.cpp --------------------------------------------------------- */

enum state { READY, AT_BARRIER, AT_MEETING, GONE };

struct copy {
    void *to;
    std::vector<uint8_t> bytes;
};

struct thread : fiber {
    enum state state;
    void *sp;
    char *stack; /* lowest address */
    const char *site;
    int kind, value;
    void *arg;
    unsigned mask;
    meet_fn f;
    uint32_t clock[32]; /* vector clock of the warp's lanes */
    std::vector<copy> open;
    std::vector<std::vector<copy>> groups;
};

/* A time of clock_now; 0: none.  A type of this file, since the linker may take
 * a vector's functions of another from the checked kernels. */
struct moment {
    uint32_t at = 0;
};

struct run_block : block {
    unsigned n, n_waiting, n_gone;
    int result;
    uint32_t epoch;  /* barriers passed */
    uint32_t number; /* in this launch */
    uint64_t fence;  /* time of the last __threadfence */
    std::vector<thread *> ready;
    std::vector<thread *> threads;
    void *dynamic;
    /* By block: up to which time its accesses come before those of this one
     * from the next fence on; .. and from here on. */
    std::vector<moment> heard, acquired;
};

extern run_block *now;  /* the block that runs */
extern pthread_t owner; /* the host thread whose call runs the kernel */
extern uint64_t clock_now;
const size_t STACK = 128 * 1024;

/* Run every thread of a block to its end. */
void run(run_block *b, size_t dynamic, void (*call)(const void *),
         const void *arg);
void yield_here(void);

/* -- host.cpp ---------------------------------------------------------- */

extern uint32_t launch_number;
extern uint32_t first_run; /* of a block of this launch */

/* Members wait for one that is gone. */
extern std::atomic<bool> partner_lost;

/* The stream stays here until ready(), which other threads may bring about. */
void submit_when(cudaStream_t s, std::function<bool()> ready);

/* -- hooks.cpp; weak: absent in an unchecked build ---------------------- */

void mark_fresh(void *p, size_t n) __attribute__((weak));
void mark_written(void *p, size_t n) __attribute__((weak));
void check(const void *p, size_t n, bool write, bool atomic, const void *pc)
    __attribute__((weak));
} // namespace cusim
#endif
