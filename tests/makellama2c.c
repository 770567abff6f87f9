/*
 * makellama2c SOURCE OUT.bin: a model of the Llama family as a file of
 * llama2.c.
 */
#include <config.h>

#include <stdio.h>

#include "base/err.h"
#include "base/file.h"
#include "model/import/formats.h"
#include "model/import/import.h"
#include "tests/llama2c_made.h"

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct import *m;
    struct buf b;
    int rc;

    if (argc != 3) {
        fprintf(stderr, "usage: makellama2c SOURCE OUT.bin\n");
        return 2;
    }
    if (formats_open(&m, argv[1], &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    buf_init(&b, (size_t)256 << 20);
    llama2c_made(&b, m);
    rc = file_write(argv[2], b.data, b.len, &err);
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    buf_clear(&b);
    import_free(m);
    return rc ? 1 : 0;
}
