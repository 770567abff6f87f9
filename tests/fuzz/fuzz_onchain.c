/*
 * Answers of processes that answer by themselves (queue/onchain.h).
 */
#include <config.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "queue/onchain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct onchain_answer a;
    struct err err = ERR_INIT;

    if (onchain_answer_parse(&a, (const char *)data, n, &err)) {
        if (err.code != ERR_INPUT)
            abort();
        return 0;
    }
    if (strlen(a.text) > n)
        abort();
    onchain_answer_clear(&a);
    return 0;
}
