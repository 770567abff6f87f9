/*
 * Files of llama2.c: eight bytes that say how large the model's is, its header,
 * and tokenizer.bin.  A record that is taken has a layout; what is imported is
 * a tokenizer, and can be used.
 */
#include <config.h>

#include <stdint.h>

#include "base/bytes.h"
#include "model/import/llama2c.h"
#include "model/import/llama2c_texts.h"
#include "model/model_layout.h"
#include "tests/fuzz/tokenizer_use.h"

#define VOCAB 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_header(const uint8_t *data, size_t n, uint64_t size)
{
    struct model_record rec;
    struct model_layout lay;

    if (llama2c_header(&rec, data, n, size, NULL))
        return;
    if (model_layout(&lay, &rec, NULL))
        abort();
    model_layout_clear(&lay);
}

static void read_tokenizer(const uint8_t *data, size_t n)
{
    static const char text[] = "<s>ab  aab 12 \xc3\xa9x\n ";
    struct tokenizer *t;
    struct buf b;

    buf_init(&b, (size_t)1 << 22);
    if (!llama2c_tokenizer(&b, data, n, VOCAB, false, NULL)) {
        if (tokenizer_new(&t, (const unsigned char *)b.data, b.len, VOCAB,
                          NULL))
            abort();
        use(t, text, sizeof(text) - 1, false);
        use(t, text, sizeof(text) - 1, true);
        tokenizer_free(t);
    } else if (b.len) {
        abort();
    }
    buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = size < 8 ? 0 : size - 8;

    if (n == 0)
        return 0;
    if (n > LLAMA2C_HEADER)
        n = LLAMA2C_HEADER;
    read_header(data + 8, n, get_u64(data));
    read_tokenizer(data + 8 + n, size - 8 - n);
    return 0;
}
