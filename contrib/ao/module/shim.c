/*
 * What the engine and Lua ask of a system, in a module of AO: files of
 * WeaveDrive (/data/ID) and the model inside the module (/model), no clock, no
 * machine.  And what Debian's emscripten 3.1.6 asks of its JavaScript, which
 * the loader of ao, made for 3.1.59, does not offer.
 *
 * One file is open at a time, which is read from its beginning.
 */
#include <config.h>

#include <emscripten.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "base/machine.h"

#define KEEP EMSCRIPTEN_KEEPALIVE
#define IMPORT(n) __attribute__((import_module("env"), import_name(n)))

/* ---- files --------------------------------------------------------------- */

#define AHEAD ((size_t)1 << 20) /* a request to a gateway for so many bytes */
#define INSIDE 1000             /* descriptor of the model in the module */

IMPORT("__asyncjs__weavedrive_open")
int weavedrive_open(const char *path, const char *mode);
IMPORT("__asyncjs__weavedrive_read")
int weavedrive_read(int fd, void *to, size_t n);
IMPORT("__asyncjs__weavedrive_close")
int weavedrive_close(int fd);

/* The build may put a model inside; their address is 0 without one. */
extern const unsigned int embedded_size __attribute__((weak));
extern const char embedded[] __attribute__((weak));

static struct {
    int fd;
    uint64_t size, at;   /* at: what the reader has */
    unsigned char *ahead; /* bytes [ahead_at, ahead_at + n_ahead) */
    uint64_t ahead_at;
    size_t n_ahead;
} file;

int open(const char *path, int flags, ...)
{
    int fd;

    (void)flags;
    if (&embedded_size && strcmp(path, "/model") == 0) {
        file.fd = INSIDE;
        file.size = embedded_size;
        file.at = 0;
        return INSIDE;
    }
    fd = strncmp(path, "/data/", 6) == 0 ? weavedrive_open(path, "r") : 0;
    if (fd <= 0) {
        errno = ENOENT;
        return -1;
    }
    file.fd = fd;
    file.size = file.at = 0;
    file.n_ahead = 0;
    return fd;
}

/* Fetch what follows file.at.  WeaveDrive takes whatever a gateway answers
 * past the end for data, so no byte is asked for that is not there. */
static int fetch_ahead(void)
{
    uint64_t left = file.size - file.at;
    int got;

    if (!file.ahead && !(file.ahead = malloc(AHEAD))) {
        errno = ENOMEM;
        return -1;
    }
    got = weavedrive_read(file.fd, file.ahead,
                          left < AHEAD ? (size_t)left : AHEAD);
    if (got <= 0 || (uint64_t)got > left) {
        errno = EIO;
        return -1;
    }
    file.ahead_at = file.at;
    file.n_ahead = (size_t)got;
    return 0;
}

ssize_t read(int fd, void *to, size_t n)
{
    const void *from;

    (void)fd;
    if (n > file.size - file.at)
        n = (size_t)(file.size - file.at);
    if (n == 0)
        return 0;
    if (file.fd == INSIDE) {
        from = embedded + file.at;
    } else {
        if (file.at - file.ahead_at >= file.n_ahead && fetch_ahead())
            return -1;
        if (n > file.n_ahead - (size_t)(file.at - file.ahead_at))
            n = file.n_ahead - (size_t)(file.at - file.ahead_at);
        from = file.ahead + (file.at - file.ahead_at);
    }
    memcpy(to, from, n);
    file.at += n;
    return (ssize_t)n;
}

int close(int fd)
{
    if (fd != INSIDE)
        weavedrive_close(fd);
    free(file.ahead);
    memset(&file, 0, sizeof(file));
    return 0;
}

off_t lseek(int fd, off_t at, int whence);

int fstat(int fd, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    st->st_mode = S_IFREG | 0444;
    if (fd != INSIDE) {
        off_t size = lseek(fd, 0, SEEK_END);

        if (size < 0 || lseek(fd, 0, SEEK_SET) < 0)
            return -1;
        file.size = (uint64_t)size;
        file.at = 0;
        file.n_ahead = 0;
    }
    st->st_size = (off_t)file.size;
    return 0;
}

/* ---- a machine of which nothing is known --------------------------------- */

uint64_t machine_memory(void)
{
    return 0;
}

uint64_t machine_memory_own(void)
{
    return 0;
}

int machine_socket(void)
{
    return -1;
}

unsigned machine_whole_cores(void)
{
    return 1;
}

clock_t clock(void)
{
    return 0;
}

time_t time(time_t *t)
{
    if (t)
        *t = 0;
    return 0;
}

double difftime(time_t a, time_t b)
{
    return (double)a - (double)b;
}

int clock_gettime(clockid_t c, struct timespec *t)
{
    (void)c;
    memset(t, 0, sizeof(*t));
    return 0;
}

int __clock_gettime(clockid_t c, struct timespec *t)
{
    return clock_gettime(c, t);
}

char *getenv(const char *name)
{
    (void)name;
    return NULL;
}

int system(const char *command)
{
    (void)command;
    return -1;
}

void tzset(void)
{
}

/* ---- the loader's JavaScript --------------------------------------------- */

/* Upper halves of results of 64 bits. */
static uint32_t temp;

KEEP uint32_t getTempRet0(void)
{
    return temp;
}

KEEP void setTempRet0(uint32_t t)
{
    temp = t;
}

KEEP void _emscripten_tempret_set(uint32_t t)
{
    temp = t;
}

/* Newer names of functions of the stack. */
void *stackAlloc(size_t n);
void stackRestore(void *p);

KEEP void _emscripten_stack_restore(void *p)
{
    stackRestore(p);
}

KEEP void *_emscripten_stack_alloc(size_t n)
{
    return stackAlloc(n);
}

IMPORT("_abort_js") _Noreturn void abort_js(void);

_Noreturn void abort(void)
{
    abort_js();
}

_Noreturn void _exit(int status)
{
    (void)status;
    abort_js();
}

_Noreturn void _Exit(int status)
{
    _exit(status);
}

/* memcpy calls it, so it must not become a call of memcpy. */
__attribute__((no_builtin("memcpy")))
KEEP void *emscripten_memcpy_big(void *to, const void *from, size_t n)
{
    uint64_t *d = to;
    const uint64_t *s = from;
    unsigned char *end = (unsigned char *)to + n;
    const unsigned char *rest = (const unsigned char *)from + n / 8 * 8;

    for (size_t i = 0; i < n / 8; i++)
        d[i] = s[i];
    for (unsigned char *p = end - n % 8; p < end; p++)
        *p = *rest++;
    return to;
}

/* Nothing of the loader's file system is used. */
long __syscall_open(long path, long flags, ...)
{
    (void)path;
    (void)flags;
    return -ENOENT;
}

long __syscall_unlink(long path)
{
    (void)path;
    return -ENOENT;
}

long __syscall_rename(long from, long to)
{
    (void)from;
    (void)to;
    return -ENOENT;
}

long __syscall_rmdir(long path)
{
    (void)path;
    return -ENOENT;
}
