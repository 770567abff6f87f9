/*
 * The slices in CUDA_VISIBLE_DEVICES.
 */
#include <config.h>

#include "backend/cuda/slice.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define VISIBLE "CUDA_VISIBLE_DEVICES"
#define SLICE "MIG-" /* what the name of a slice begins with */
#define NAME_BYTES \
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-/"

static bool is_slice(const char *name)
{
    return name && strncmp(name, SLICE, strlen(SLICE)) == 0;
}

/* The name after this one, or NULL. */
static const char *next_name(const char *name)
{
    const char *comma = strchr(name, ',');

    return comma ? comma + 1 : NULL;
}

/* CUDA, too, stops at the first name that is none. */
unsigned slice_count(void)
{
    unsigned n = 0;

    for (const char *at = getenv(VISIBLE); is_slice(at); at = next_name(at))
        n++;
    return n;
}

void slice_keep(unsigned local)
{
    unsigned n = slice_count();
    const char *at = getenv(VISIBLE);
    char *own;

    if (n < 2)
        return;
    for (unsigned i = local % n; i > 0; i--)
        at = next_name(at);
    own = xstrndup(at, strcspn(at, ","));
    setenv(VISIBLE, own, 1);
    free(own);
}

bool slice_name(char *out, size_t n)
{
    const char *at = getenv(VISIBLE);
    size_t len = is_slice(at) ? strcspn(at, ",") : 0;

    if (len == 0 || len >= n || strspn(at, NAME_BYTES) < len)
        return false;
    memcpy(out, at, len);
    out[len] = '\0';
    return true;
}
