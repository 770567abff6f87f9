/*
 * src/backend/cuda/slice: which slices of GPUs a process was given, the one
 * that it leaves itself, and its name.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "backend/cuda/slice.h"
#include "tests/tap.h"

#define A "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f"
#define B "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb"
#define OLD "MIG-GPU-0e0e0e0e-1111-2222-3333-444444444444/11/0"

static void give(const char *text)
{
    if (text ? setenv("CUDA_VISIBLE_DEVICES", text, 1)
             : unsetenv("CUDA_VISIBLE_DEVICES"))
        abort();
}

static bool is_name(const char *want)
{
    char name[64] = "?";

    return want ? slice_name(name, sizeof(name)) && strcmp(name, want) == 0
                : !slice_name(name, sizeof(name));
}

/* What the rank of this number keeps of so many. */
static bool keeps(const char *text, unsigned n, unsigned local,
                  const char *want)
{
    const char *left;

    give(text);
    if (slice_count() != n)
        return false;
    slice_keep(local);
    left = getenv("CUDA_VISIBLE_DEVICES");
    return want ? left && strcmp(left, want) == 0 : !left;
}

int main(void)
{
    char name[sizeof(OLD)], odd[] = A;

    ok(keeps(NULL, 0, 1, NULL) && is_name(NULL) && keeps("", 0, 1, "") &&
           is_name(NULL) && keeps("0,1", 0, 1, "0,1") && is_name(NULL) &&
           keeps("GPU-1,GPU-2", 0, 1, "GPU-1,GPU-2") && is_name(NULL),
       "nothing, and GPUs, stay as they are");
    ok(keeps(A, 1, 1, A) && is_name(A), "one slice is everybody's");
    ok(keeps(A "," B, 2, 0, A) && is_name(A) && keeps(A "," B, 2, 1, B) &&
           is_name(B) && keeps(A "," B, 2, 5, B) && is_name(B),
       "of two each rank has one, in turn");
    slice_keep(0);
    ok(is_name(B), "what was kept stays");
    ok(keeps(OLD ",MIG-1", 2, 0, OLD) && is_name(OLD) &&
           keeps(OLD ",MIG-1", 2, 1, "MIG-1") && is_name("MIG-1"),
       "names of older drivers, and short ones, are names");
    ok(keeps(A "," B ",", 2, 1, B) && keeps(A "," B ",", 2, 2, A) &&
           keeps(A ",0," B, 1, 1, A ",0," B) && is_name(A),
       "the list ends with the first that is no slice");
    give(OLD);
    ok(slice_name(name, sizeof(name)) && strcmp(name, OLD) == 0 &&
           !slice_name(name, sizeof(name) - 1),
       "a name that has no room is none");
    odd[8] = '\n';
    give(odd);
    ok(is_name(NULL) && slice_count() == 1, "one with odd bytes is none");
    return done();
}
