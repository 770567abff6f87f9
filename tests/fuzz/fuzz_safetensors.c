/*
 * A safetensors header of any bytes: the first eight say how many bytes of
 * data follow it.
 */
#include <config.h>

#include <stdint.h>

#include "base/bytes.h"
#include "model/import/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n;

    if (size < 8)
        return 0;
    safetensors_check(&n, (const char *)data + 8, size - 8, get_u64(data),
                      NULL);
    return 0;
}
