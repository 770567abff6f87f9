/*
 * makegguf DIRECTORY OUT.gguf [PRE]: a model of the Llama family with a
 * byte-level tokenizer, from a Hugging Face directory to a GGUF file in BF16;
 * PRE names the pattern of its pre-tokenizer (smollm).
 */
#include <config.h>

#include <stdio.h>

#include "base/err.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "tests/gguf_made.h"

int main(int argc, char **argv)
{
    struct gguf_made how = { .architecture = "llama", .interleaved = true,
                             .format = 30, .pre = "smollm" };
    struct err err = ERR_INIT;
    struct import *m;
    struct gguf_out o;

    if (argc < 3 || argc > 4) {
        fprintf(stderr, "usage: makegguf DIRECTORY OUT.gguf [PRE]\n");
        return 2;
    }
    if (argc == 4)
        how.pre = argv[3];
    if (formats_open(&m, argv[1], &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    gguf_out_init(&o);
    gguf_made(&o, m, &how);
    gguf_out_write(&o, argv[2]);
    gguf_out_clear(&o);
    import_free(m);
    return 0;
}
