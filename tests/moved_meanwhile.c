/*
 * Put before the C library (LD_PRELOAD): just before something is renamed to a
 * path with MOVE_AT in it, another process renames MOVE_FROM to MOVE_TO.
 */
#include <config.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

int rename(const char *from, const char *to)
{
    const char *at = getenv("MOVE_AT");
    const char *first = getenv("MOVE_FROM"), *then = getenv("MOVE_TO");
    int (*real)(const char *, const char *);

    *(void **)&real = dlsym(RTLD_NEXT, "rename");
    if (at && first && then && strstr(to, at))
        real(first, then);
    return real(from, to);
}
