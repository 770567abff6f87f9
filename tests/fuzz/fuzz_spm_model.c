/*
 * tokenizer.model: what is imported is a tokenizer, and can be used.
 */
#include <config.h>

#include <stdint.h>

#include "tests/fuzz/tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "<s>ab  aab 12 \xc3\xa9x\n ";
    const struct tok_texts none = { NULL, NULL, 0, 0 };
    struct tokenizer_source source = { 4096, UINT32_MAX, false, NULL };
    struct tokenizer *t;
    struct buf b;

    buf_init(&b, (size_t)1 << 22);
    if (!tokenizer_import_spm(&b, data, size, &none, &source, NULL)) {
        if (tokenizer_new(&t, (const unsigned char *)b.data, b.len, 4096,
                          NULL))
            abort();
        use(t, text, sizeof(text) - 1, false);
        use(t, text, sizeof(text) - 1, true);
        tokenizer_free(t);
    } else if (b.len) {
        abort();
    }
    buf_clear(&b);
    return 0;
}
