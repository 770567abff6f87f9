/*
 * Shared memory by /proc/PID/fd.  The file in /dev/shm has a line "PID FD" for
 * each process that has the memory; its lock is held by who reads or changes
 * it, and by who fills the memory as long as that takes: a lock ends with its
 * process, so that nobody waits for one that died.
 */
#include <config.h>

#include "backend/cpu/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

#ifdef APUS_ONE_THREAD

enum shared_state shared_open(struct shared **out, struct id key, size_t n,
                              unsigned wait_s, char why[SHARED_WHY])
{
    (void)out;
    (void)key;
    (void)n;
    (void)wait_s;
    snprintf(why, SHARED_WHY, "this build shares no memory");
    return SHARED_NONE;
}

void *shared_memory(const struct shared *s)
{
    (void)s;
    return NULL;
}

size_t shared_size(const struct shared *s)
{
    (void)s;
    return 0;
}

int shared_giver(const struct shared *s)
{
    (void)s;
    return 0;
}

void shared_publish(struct shared *s)
{
    (void)s;
}

void shared_close(struct shared *s)
{
    (void)s;
}

#else

#define DIRECTORY "/dev/shm"
#define MAGIC "apusshr1"
#define HEAD 4096           /* magic and key; then the memory */
#define LIST_MAX 8192       /* bytes of the file */
#define LOOK_NS 20000000    /* between two looks at a lock */
#define REPLACED 16         /* times that the file may be another one */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct holder {
    int pid, fd;
};

struct shared {
    char *path;
    int list;            /* the file, locked while the memory is filled */
    int fd;              /* of the memory */
    struct id key;
    size_t size;         /* of the mapping, head included */
    unsigned char *base;
    int giver;
    bool filling;
};

/* ---- the list ------------------------------------------------------------ */

/* Our own file and nobody else's. */
static bool is_ours(int fd, const char *path)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && S_ISREG(a.st_mode) &&
           a.st_uid == geteuid() && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Lock it: 0, or -1 with errno. */
static int lock_list(int fd, double until)
{
    struct timespec pause = { 0, LOOK_NS };

    while (flock(fd, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (clock_s() > until) {
            errno = ETIMEDOUT;
            return -1;
        }
        nanosleep(&pause, NULL);
    }
    return 0;
}

/* Open and lock the file that has the name when it is locked: whoever is the
 * last to have the memory removes it. */
static int open_list(const char *path, double until)
{
    for (int i = 0; i < REPLACED; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC |
                                O_NONBLOCK, 0600);

        if (fd < 0)
            return -1;
        if (lock_list(fd, until)) {
            close(fd);
            return -1;
        }
        if (is_ours(fd, path))
            return fd;
        close(fd);
        errno = EPERM;
    }
    return -1;
}

/* Its next line; a file that somebody else wrote has none. */
static bool next_holder(struct holder *h, char **at)
{
    int used = 0;

    if (sscanf(*at, "%9d %9d\n%n", &h->pid, &h->fd, &used) != 2 || !used ||
        h->pid < 1 || h->fd < 0)
        return false;
    *at += used;
    return true;
}

static void read_list(int fd, char text[LIST_MAX])
{
    ssize_t n = file_read_at(fd, text, LIST_MAX - 1, 0);

    text[n < 0 ? 0 : n] = '\0';
}

/* ---- the memory ---------------------------------------------------------- */

static unsigned char *map(int fd, size_t size, int protection)
{
    void *p = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        return NULL;
    /* where the system gives large pages to such memory, all of it is read */
    madvise(p, size, MADV_HUGEPAGE);
    return p;
}

static int open_of(const struct holder *h)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", h->pid, h->fd);
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Whether it is this memory: nobody can cut what has these seals. */
static bool is_memory(const struct shared *s, int fd)
{
    unsigned char head[40];
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_uid == geteuid() && (uint64_t)st.st_size == s->size &&
           fcntl(fd, F_GET_SEALS) == SEALS &&
           file_read_at(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
           memcmp(head, MAGIC, 8) == 0 &&
           memcmp(head + 8, s->key.b, sizeof(s->key)) == 0;
}

static bool map_of(struct shared *s, const struct holder *h)
{
    int fd = open_of(h);

    if (fd < 0)
        return false;
    if (is_memory(s, fd) && (s->base = map(fd, s->size, PROT_READ))) {
        s->fd = fd;
        s->giver = h->pid;
        return true;
    }
    close(fd);
    return false;
}

/* Zeros of this size.  -1 and errno. */
static int make_memory(struct shared *s)
{
    unsigned char *p;

    s->fd = memfd_create("apus-weights", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (s->fd < 0 || ftruncate(s->fd, (off_t)s->size) ||
        fcntl(s->fd, F_ADD_SEALS, SEALS))
        return -1;
    p = map(s->fd, s->size, PROT_READ | PROT_WRITE);
    if (!p)
        return -1;
    memcpy(p, MAGIC, 8);
    memcpy(p + 8, s->key.b, sizeof(s->key));
    s->base = p;
    return 0;
}

/* Write the list anew: those who still have the memory, and this process if it
 * has.  Returns how many. */
static size_t write_list(const struct shared *s, bool have)
{
    char old[LIST_MAX], new[LIST_MAX] = "", *at = old;
    struct holder h;
    size_t n = 0, len = 0;

    read_list(s->list, old);
    while (next_holder(&h, &at) && len < LIST_MAX - 64) {
        int fd = h.pid == (int)getpid() ? -1 : open_of(&h);

        if (fd >= 0 && is_memory(s, fd)) {
            len += (size_t)snprintf(new + len, LIST_MAX - len, "%d %d\n",
                                    h.pid, h.fd);
            n++;
        }
        if (fd >= 0)
            close(fd);
    }
    if (have && ++n)
        len += (size_t)snprintf(new + len, LIST_MAX - len, "%d %d\n",
                                (int)getpid(), s->fd);
    /* a list that is cut or lost costs others a copy, no more */
    if (ftruncate(s->list, 0) ||
        pwrite(s->list, new, len, 0) != (ssize_t)len)
        return n;
    return n;
}

/* ---- the contract -------------------------------------------------------- */

static enum shared_state give_up(struct shared *s, const char *what,
                                 char why[SHARED_WHY])
{
    snprintf(why, SHARED_WHY, "%s: %s", what, strerror(errno));
    s->filling = true; /* it is in no list */
    shared_close(s);
    return SHARED_NONE;
}

enum shared_state shared_open(struct shared **out, struct id key, size_t n,
                              unsigned wait_s, char why[SHARED_WHY])
{
    struct shared *s = xcalloc(1, sizeof(*s));
    char list[LIST_MAX], *at = list;
    struct holder h;

    s->path = xasprintf(DIRECTORY "/apus-%u-%.16s", (unsigned)geteuid(),
                        id_text(key).s);
    s->key = key;
    s->size = n + HEAD;
    s->fd = -1;
    s->list = open_list(s->path, clock_s() + wait_s);
    if (s->list < 0)
        return give_up(s, s->path, why);
    read_list(s->list, list);
    while (!s->base && next_holder(&h, &at))
        map_of(s, &h);
    if (s->base) {
        write_list(s, true);
        flock(s->list, LOCK_UN);
        *out = s;
        return SHARED_READY;
    }
    if (make_memory(s))
        return give_up(s, "memfd_create", why);
    s->filling = true;
    *out = s;
    return SHARED_FILL;
}

void *shared_memory(const struct shared *s)
{
    return s->base + HEAD;
}

size_t shared_size(const struct shared *s)
{
    return s ? s->size - HEAD : 0;
}

int shared_giver(const struct shared *s)
{
    return s->giver;
}

void shared_publish(struct shared *s)
{
    mprotect(s->base, s->size, PROT_READ);
    write_list(s, true);
    s->filling = false;
    flock(s->list, LOCK_UN);
}

void shared_close(struct shared *s)
{
    if (!s)
        return;
    if (s->base)
        munmap(s->base, s->size);
    if (s->list >= 0) {
        /* the lock is at hand, or somebody fills memory of another size */
        if ((s->filling || flock(s->list, LOCK_EX | LOCK_NB) == 0) &&
            is_ours(s->list, s->path) && write_list(s, false) == 0)
            unlink(s->path);
        flock(s->list, LOCK_UN); /* a child may have the descriptor, too */
        close(s->list);
    }
    if (s->fd >= 0)
        close(s->fd);
    free(s->path);
    free(s);
}

#endif
