/*
 * The first look at any bytes: cut anywhere, in memory of just that size, and
 * what passes as a part of a file passes as all of it, unless it is blank.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "spool/first_look.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    void *copy = xmalloc(size + 1);
    void *exact;
    int part, whole;

    memcpy(copy, data, size);
    exact = realloc(copy, size ? size : 1);
    if (!exact)
        abort();
    part = first_look("x", exact, size, false, &err);
    whole = first_look("x", exact, size, true, &err);
    if (whole && err.code != ERR_INPUT)
        abort();
    if (whole != part && !strstr(err.text, "has no requests") &&
        !strstr(err.text, "is empty"))
        abort();
    free(exact);
    return 0;
}
