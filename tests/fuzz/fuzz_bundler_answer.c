/*
 * The answers of a bundler; the first byte says to which question.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "arweave/bundler_answer.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ITEM 1000000 /* bytes of an item in parts of 65536: 16 of them */

static int read_it(int which, const char *json, size_t n, struct err *err)
{
    struct bundler_upload u = { "x", 65536 };
    enum bundler_status status;
    struct bundler_info info;
    struct id root;
    bool has, there[16] = { false };
    enum bundler_end end;
    struct buf receipt;
    uint64_t winc;
    int rc;

    switch (which) {
    case 0:
        return bundler_read_info(&info, json, n, err);
    case 1:
        return bundler_read_winc(&winc, json, n, err);
    case 2:
        return bundler_read_status(&status, &root, &has, json, n, err);
    case 3:
        rc = bundler_read_begin(&u, json, n, err);
        if (!rc && (u.part < BUNDLER_MIN_PART || u.part > BUNDLER_MAX_PART ||
                    !*u.id || strpbrk(u.id, "/?\" ")))
            abort();
        return rc;
    case 4:
        return bundler_read_list(there, &u, ITEM, json, n, err);
    default:
        buf_init(&receipt, 65536);
        rc = bundler_read_end(&end, &receipt, json, n, err);
        buf_clear(&receipt);
        return rc;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;

    if (size < 1)
        return 0;
    if (read_it(data[0] % 6, (const char *)data + 1, size - 1, &err) &&
        err.code != ERR_INPUT)
        abort();
    return 0;
}
