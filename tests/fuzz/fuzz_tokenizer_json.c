/*
 * tokenizer.json and, after a NUL, tokenizer_config.json.  What is imported
 * is a tokenizer, and can be used.
 */
#include <config.h>

#include <stdint.h>

#include "tests/fuzz/tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "<s>ab  aab 12 \xc3\xa9x\n";
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size;
    struct tokenizer_source source = { 4096, UINT32_MAX, false, NULL };
    struct tok_texts texts = { NULL, NULL, 0, 0 };
    struct tokenizer *t;
    struct buf b;

    buf_init(&b, (size_t)1 << 22);
    if (nul)
        texts = (struct tok_texts){ (const char *)nul + 1, NULL, size - n - 1,
                                    0 };
    if (!tokenizer_import_json(&b, (const char *)data, n, &texts, &source,
                               NULL)) {
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
