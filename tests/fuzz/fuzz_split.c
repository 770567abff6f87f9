/*
 * Words of a text of a stranger: quoted again, they are the same words.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_quoted(struct buf *out, const char *word)
{
    buf_putc(out, '\'');
    for (; *word; word++)
        buf_puts(out, *word == '\'' ? "'\\''" : (char[]){ *word, '\0' });
    buf_puts(out, "' ");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xstrndup((const char *)data, size), **words, **again;
    struct err err = ERR_INIT;
    struct buf quoted;
    size_t n = 0;

    if (split_words(&words, text, &err)) {
        if (err.code != ERR_INPUT)
            abort();
        free(text);
        return 0;
    }
    buf_init(&quoted, 16 * size + 64);
    for (; words[n]; n++)
        put_quoted(&quoted, words[n]);
    if (split_words(&again, quoted.len ? quoted.data : "", &err))
        abort();
    for (size_t i = 0; i <= n; i++)
        if (!words[i] != !again[i] ||
            (words[i] && strcmp(words[i], again[i]) != 0))
            abort();
    split_free(again);
    split_free(words);
    buf_clear(&quoted);
    free(text);
    return 0;
}
