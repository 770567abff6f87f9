/*
 * tokenizer_new on any bytes, then encoding, decoding and streaming with what
 * it accepts.  Input: a byte of length, that many bytes of text, the
 * tokenizer.
 */
#include <config.h>

#include <stdint.h>

#include "tests/fuzz/tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokenizer *t;
    const char *text = (const char *)data + 1;
    size_t n;

    if (!size || data[0] > size - 1)
        return 0;
    n = data[0];
    if (tokenizer_new(&t, data + 1 + n, size - 1 - n, 4096, NULL))
        return 0;
    use(t, text, n, false);
    use(t, text, n, true);
    tokenizer_free(t);
    return 0;
}
