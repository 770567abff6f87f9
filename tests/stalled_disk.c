/*
 * Put before the C library (LD_PRELOAD): where rank 0 of an Open MPI job first
 * renames a file to a name that ends in STALL_AT, the file system answers
 * STALL_S seconds late.  The file STALL_MARK is made when that has happened.
 */
#include <config.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is_meant(const char *path)
{
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    const char *end = getenv("STALL_AT");
    size_t n = end ? strlen(end) : 0, size = strlen(path);

    return rank && strcmp(rank, "0") == 0 && n && size >= n &&
           strcmp(path + size - n, end) == 0;
}

int rename(const char *from, const char *to)
{
    static atomic_int n_calls;
    const char *mark = getenv("STALL_MARK"), *s = getenv("STALL_S");
    int (*real)(const char *, const char *);

    *(void **)&real = dlsym(RTLD_NEXT, "rename");
    if (is_meant(to) && atomic_fetch_add(&n_calls, 1) == 0) {
        struct timespec left = { .tv_sec = s ? atoi(s) : 0 };

        while (nanosleep(&left, &left))
            continue;
        if (mark)
            close(open(mark, O_WRONLY | O_CREAT, 0600));
    }
    return real(from, to);
}
