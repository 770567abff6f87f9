/*
 * Results of evaluations, as they are kept, as a compute unit (first byte 'u')
 * or a node ('n') gives them: what is accepted is within the limits and has all
 * its texts, what is refused leaves its argument alone.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "ao/ao_internal.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ao_result r = { .n_out = 7 };
    struct err err = ERR_INIT;
    const char *text = (const char *)data + 1;
    int rc;

    if (size == 0)
        return 0;
    switch (data[0]) {
    case 'n':
        rc = ao_result_parse_node(&r, text, size - 1, &err);
        break;
    case 'u':
        rc = ao_result_parse_unit(&r, text, size - 1, &err);
        break;
    default:
        rc = ao_result_parse(&r, text, size - 1, &err);
        break;
    }
    if (rc) {
        must(err.code == ERR_INPUT ||
             (data[0] != 'k' && err.code == ERR_RETRY));
        must(r.n_out == 7 && !r.root);
        return 0;
    }
    must(r.root && r.output && r.n_out <= AO_MAX_OUT);
    for (size_t i = 0; i < r.n_out; i++) {
        must(r.out[i].target && r.out[i].data &&
             r.out[i].n_tags <= AO_MAX_TAGS);
        for (size_t k = 0; k < r.out[i].n_tags; k++)
            must(ao_out_tag(&r.out[i], r.out[i].tag[k].name) != NULL);
    }
    ao_result_clear(&r);
    return 0;
}
