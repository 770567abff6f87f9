/*
 * Lines of ids of a stranger: what is taken is below the limits.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "fidelity/windows.h"

#define VOCAB 300
#define CONTEXT 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct windows w;

    windows_init(&w);
    if (windows_of_ids(&w, (const char *)data, size, VOCAB, CONTEXT, &err)) {
        if (err.code != ERR_INPUT)
            abort();
        windows_clear(&w);
        return 0;
    }
    for (size_t i = 0; i < w.start[w.n]; i++)
        if (w.id[i] >= VOCAB)
            abort();
    for (size_t i = 0; i < w.n; i++)
        if (w.start[i + 1] <= w.start[i] ||
            w.start[i + 1] - w.start[i] > CONTEXT)
            abort();
    windows_clear(&w);
    return 0;
}
