/*
 * The tokenizer files that are not tokenizer.json or tokenizer.model.  The
 * first byte chooses: tekken.json; a file of tiktoken; vocab.json.  The rest is
 * that file and, after a NUL each, merges.txt, tokenizer_config.json and
 * added_tokens.json.  What is imported is a tokenizer, and can be used.
 */
#include <config.h>

#include <stdint.h>

#include "tests/fuzz/tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes up to the next NUL, which are left out of *rest. */
static struct buf take(const char **rest, size_t *n)
{
    const char *nul = *n > 0 ? memchr(*rest, 0, *n) : NULL;
    size_t len = nul ? (size_t)(nul - *rest) : *n;
    struct buf b;

    buf_init(&b, (size_t)1 << 22);
    if (len > 0)
        buf_put(&b, *rest, len);
    *rest += nul ? len + 1 : len;
    *n -= nul ? len + 1 : len;
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "<s>ab  aab 12 \xc3\xa9x\n ";
    struct tokenizer_source source = { 4096, UINT32_MAX, false, NULL };
    const char *rest = (const char *)data + 1;
    size_t n = size > 0 ? size - 1 : 0;
    struct buf file[4], b;
    struct tok_texts texts;
    struct tokenizer *t;
    int rc = -1;

    if (size < 2)
        return 0;
    buf_init(&b, (size_t)1 << 22);
    for (int i = 0; i < 4; i++)
        file[i] = take(&rest, &n);
    texts = (struct tok_texts){ file[2].data, file[3].data, file[2].len,
                                file[3].len };
    if (file[0].len > 0 && data[0] % 3 == 0)
        rc = tokenizer_import_tekken(&b, file[0].data, file[0].len, &source,
                                     NULL);
    else if (file[0].len > 0 && data[0] % 3 == 1)
        rc = tokenizer_import_tiktoken(&b, file[0].data, file[0].len, &texts,
                                       &source, NULL);
    else if (file[0].len > 0)
        rc = tokenizer_import_vocab(&b, &file[0], &file[1], &texts, &source,
                                    NULL);
    if (rc == 0) {
        if (tokenizer_new(&t, (const unsigned char *)b.data, b.len, 4096,
                          NULL))
            abort();
        use(t, text, sizeof(text) - 1, false);
        use(t, text, sizeof(text) - 1, true);
        tokenizer_free(t);
    } else if (b.len) {
        abort();
    }
    for (int i = 0; i < 4; i++)
        buf_clear(&file[i]);
    buf_clear(&b);
    return 0;
}
