/*
 * The device's memory, what a run is set to do, and findings.
 */
#include "tests/cusim/internal.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#error "use the hooks, not ASan: fibers and ASan need annotations"
#endif

namespace cusim
{
fiber *self;
struct settings settings = { 0, (size_t)1 << 30, 0, 227 * 1024, -1, 0, 0,
                             0, 0, nullptr, false, 0,
                             cudaErrorStreamCaptureInvalidated,
                             cudaErrorLaunchFailure };
cudaError_t sticky;
bool hung;
bool stops, stopped;
long n_alloc, n_graph_calls;
const char *launch_name = "";
char *arena, *arena_end;
bool checked = check != nullptr;

static const size_t ARENA = (size_t)4 << 30, GAP = 256;
static uint64_t random_state;

struct piece {
    size_t n;
    std::string name;
};
static std::map<char *, piece> pieces;      /* live, by address */
static std::multimap<size_t, char *> spare; /* freed, by room */
static char *top;

uint32_t draw(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

static long after;            /* streams to be destroyed, .. */
static struct settings later; /* .. until these count */

/* What befalls a device, and its counters, begin with the next call. */
void stream_gone(void)
{
    if (after == 0 || --after > 0)
        return;
    settings = later;
    n_alloc = n_graph_calls = 0;
    launch_number = 0;
}

static void wait_for_streams(long n)
{
    after = n;
    later = settings;
    settings.fail_at = -1;
    settings.lose_at = settings.hang_at = settings.stop_at = 0;
    settings.wrong_at = settings.capture_at = 0;
    settings.skip = nullptr;
}

static struct start {
    start()
    {
        const char *v = getenv("CUSIM_SEED");

        settings.seed = v ? strtoull(v, nullptr, 10) : 0;
        settings.preempt = settings.seed != 0;
        random_state = settings.seed * 0x9e3779b97f4a7c15u + 0x1234567u;
        if ((v = getenv("CUSIM_MEM")))
            settings.memory = strtoull(v, nullptr, 10);
        if ((v = getenv("CUSIM_TAKEN")))
            settings.taken = strtoull(v, nullptr, 10);
        if ((v = getenv("CUSIM_SHARED")))
            settings.shared = strtoull(v, nullptr, 10);
        if ((v = getenv("CUSIM_FAIL")))
            settings.fail_at = atol(v);
        if ((v = getenv("CUSIM_LOSE"))) {
            settings.lose_at = atol(v);
            if ((v = strchr(v, ':')))
                settings.lose_error = atoi(v + 1);
        }
        if ((v = getenv("CUSIM_HANG")))
            settings.hang_at = atol(v);
        if ((v = getenv("CUSIM_STOP")))
            settings.stop_at = atol(v);
        if ((v = getenv("CUSIM_CAPTURE")))
            settings.capture_at = atol(v);
        settings.skip = getenv("CUSIM_SKIP");
        if ((v = getenv("CUSIM_WRONG")))
            settings.wrong_at = atol(v);
        if ((v = getenv("CUSIM_AFTER")) && atol(v) > 0)
            wait_for_streams(atol(v));
        arena =
            (char *)mmap(nullptr, ARENA, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (arena == MAP_FAILED)
            abort();
        arena_end = arena + ARENA;
        top = arena + GAP;
    }
} start;

[[noreturn]] void finding(const char *format, ...)
{
    va_list ap;

    fflush(stdout);
    fprintf(stderr, "cusim: %s: ", launch_name);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    if (self)
        fprintf(stderr, "\n  in block (%u,%u,%u) thread (%u,%u,%u), seed %llu",
                self->b->idx.x, self->b->idx.y, self->b->idx.z, self->tid.x,
                self->tid.y, self->tid.z, (unsigned long long)settings.seed);
    fprintf(stderr, "\n");
    fflush(stderr);
    _exit(86);
}

/* -- memory ----------------------------------------------------------- */

void poison(char *p, size_t n)
{
    uint64_t v = draw() | 0x7f00000000000000u;

    for (size_t i = 0; i < n; i++)
        p[i] = (char)(0xa5 ^ (v >> (8 * (i & 7))));
}

char *take(size_t n, const std::string &name)
{
    size_t room = (n + GAP - 1) / GAP * GAP + GAP;
    auto s = spare.lower_bound(room);
    char *p;

    if (s != spare.end() && s->first < 2 * room) {
        p = s->second;
        spare.erase(s);
    } else {
        p = top;
        top += room;
        if (top > arena_end)
            finding("the arena is full");
    }
    pieces[p] = piece{ n, name };
    poison(p, n);
    if (mark_fresh)
        mark_fresh(p, n);
    return p;
}

void give(char *p)
{
    auto i = pieces.find(p);

    if (i == pieces.end())
        finding("free of %p, which is no live allocation", (void *)p);
    poison(p, i->second.n);
    spare.emplace((i->second.n + GAP - 1) / GAP * GAP + GAP, p);
    pieces.erase(i);
}

size_t inside(const void *q)
{
    char *p = (char *)q;
    auto i = pieces.upper_bound(p);

    if (i == pieces.begin())
        return 0;
    --i;
    return p < i->first + i->second.n ? (size_t)(i->first + i->second.n - p)
                                      : 0;
}

const char *place(const void *q)
{
    static char text[2][200];
    static int turn;
    char *p = (char *)q;
    auto i = pieces.upper_bound(p);

    turn ^= 1;
    if (p < arena || p >= arena_end) {
        snprintf(text[turn], 200, "host memory %p", q);
    } else if (i == pieces.begin()) {
        snprintf(text[turn], 200, "nowhere (%p)", q);
    } else {
        --i;
        snprintf(text[turn], 200, "%s + %td of %zu bytes",
                 i->second.name.c_str(), p - i->first, i->second.n);
    }
    return text[turn];
}

} // namespace cusim
