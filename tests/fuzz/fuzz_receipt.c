/*
 * Receipts: the id that is asked for is the first 43 characters after "id":
 * if there are any, so that signatures are reached.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "arweave/receipt.h"
#include "base/err.h"
#include "base/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char before[] = "\"id\":\"";
    struct id id = { 0 };
    struct err err = ERR_INIT;
    char text[ID_TEXT];
    struct receipt r;

    for (size_t i = 0; i + sizeof(before) + ID_TEXT < size; i++) {
        if (memcmp(data + i, before, sizeof(before) - 1) != 0)
            continue;
        memcpy(text, data + i + sizeof(before) - 1, ID_TEXT - 1);
        text[ID_TEXT - 1] = '\0';
        id_parse(&id, text);
        break;
    }
    if (receipt_read(&r, (const char *)data, size, id, NULL, &err)) {
        if (err.code != ERR_INPUT)
            abort();
        return 0;
    }
    if (!id_equal(r.id, id) ||
        strnlen(r.version, sizeof(r.version)) == sizeof(r.version))
        abort();
    /* A good one is good for its signer, and for nobody else. */
    if (receipt_read(&r, (const char *)data, size, id, &r.signer, &err) ||
        receipt_read(&r, (const char *)data, size, id, &id, &err) == 0)
        abort();
    return 0;
}
