/*
 * config.json and, after a NUL, generation_config.json.  What is accepted has
 * a record within the limits and frequencies within [0, 1].
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/import/hf_config.h"
#include "model/model_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size;
    const char *gen = nul ? (const char *)nul + 1 : NULL;
    struct tensor_record t;
    struct hf_config c;

    if (!size || hf_config_parse(&c, (const char *)data, n, gen,
                                 nul ? size - n - 1 : 0, NULL))
        return 0;
    if (model_check(&c.rec, NULL))
        abort();
    model_expect(&c.rec, TENSOR_INV_FREQ, &t);
    if (model_check_floats(&c.rec, TENSOR_INV_FREQ,
                           (const unsigned char *)c.inv_freq, t.rows, NULL))
        abort();
    return 0;
}
