/*
 * Which backends there are.
 */
#include <config.h>

#include "kernels/kernels.h"

#include <string.h>

const struct x1_kernels *const *x1_variants(void)
{
    static const struct x1_kernels *const variants[] = {
        &x1_reference,
        NULL,
    };

    return variants;
}

const struct x1_kernels *x1_find(const char *name)
{
    const struct x1_kernels *const *v = x1_variants();

    for (; *v; v++)
        if (strcmp(name, "auto") == 0 || strcmp(name, (*v)->name) == 0)
            return *v;
    return NULL;
}
