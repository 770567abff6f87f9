/*
 * Texts of wallets: what is accepted signs, and what it signs verifies.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>

#include "arweave/key.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char n[KEY_BYTES], sig[KEY_BYTES];
    struct err err = ERR_INIT;
    struct key *k = NULL;

    if (key_parse(&k, (const char *)data, size, &err)) {
        if (k || err.code != ERR_INPUT)
            abort();
        return 0;
    }
    key_modulus(k, n);
    if (key_sign(k, sig, data, size, &err) || !key_check(n, sig, data, size))
        abort();
    key_free(k);
    return 0;
}
