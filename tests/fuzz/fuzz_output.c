/*
 * output_line_read on any bytes: what is accepted is within its bounds and the
 * same as itself, and a line of an answer is compared with it.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "verify/output_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char other[] = "{\"id\":\"x\",\"response\":{\"body\":{"
                                "\"choices\":[{\"index\":0}]}}}";
    const char *text = (const char *)data;
    struct err err = ERR_INIT;
    struct output_line o;
    char where[64];

    if (output_line_read(&o, text, size, &err)) {
        must(err.code == ERR_INPUT);
        return 0;
    }
    must(o.n_choices <= REQUEST_MAX_CHOICES && !o.code == (o.n_choices > 0));
    must(output_line_compare(&o, text, size, where, sizeof(where), &err) ==
         OUTPUT_SAME);
    must(output_line_compare(&o, other, strlen(other), where, sizeof(where),
                             &err) == OUTPUT_DIFFERS);
    must(strlen(where) < sizeof(where));
    output_line_clear(&o);
    return 0;
}
