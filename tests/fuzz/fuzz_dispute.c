/*
 * Fuzz target: dispute files, and with them every show, pick and proof.
 */
#include <config.h>

#include <stddef.h>
#include <stdint.h>

#include "dispute/dispute_file.h"
#include "dispute/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct judge g;

    if (dispute_file_play(&g, data, size, NULL) == 0)
        judge_clear(&g);
    return 0;
}
