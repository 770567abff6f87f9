/*
 * Where a program of the tests finds the helper programs of the same build:
 * tests lie below them.
 */
#ifndef APUS_TESTS_HELPER_PATH_H
#define APUS_TESTS_HELPER_PATH_H

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Before main(), so that programs which a test starts know it too. */
__attribute__((constructor)) static void find_helpers(void)
{
    char path[PATH_MAX + 32];
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (n < 0 || getenv("APUS_LIBEXEC"))
        return;
    path[n] = '\0';
    for (char *slash = strrchr(path, '/'); slash && slash > path;
         slash = strrchr(path, '/')) {
        strcpy(slash, "/apus-part-index");
        if (access(path, X_OK) == 0) {
            *slash = '\0';
            setenv("APUS_LIBEXEC", path, 1);
            return;
        }
        *slash = '\0';
    }
}

#endif
