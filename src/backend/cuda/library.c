/*
 * Directories of the setting cuda-libs go before the loader's.
 */
#include <config.h>

#include "backend/cuda/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *library_open(const char *name, const char *dirs)
{
    char path[1024];
    void *library = NULL;

    while (dirs && *dirs && !library) {
        size_t n = strcspn(dirs, ":");

        snprintf(path, sizeof(path), "%.*s/%s", (int)n, dirs, name);
        if (n > 0)
            library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        dirs += n + (dirs[n] == ':');
    }
    return library ? library : dlopen(name, RTLD_NOW | RTLD_LOCAL);
}

/* A pointer to data becomes one to a function, as POSIX lets dlsym's. */
bool library_find(void *library, void *to, const char *name)
{
    void *p = dlsym(library, name);

    memcpy(to, &p, sizeof(p));
    return p != NULL;
}

void library_settle(void)
{
    setenv("NCCL_RUNTIME_CONNECT", "0", 0);
}
