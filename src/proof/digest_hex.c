/*
 * A digest as text.
 */
#include <config.h>

#include "base/id.h"
#include "proof/digest.h"

void digest_hex(char out[65], struct id h)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < DIGEST_SIZE; i++) {
        out[2 * i] = digits[h.b[i] >> 4];
        out[2 * i + 1] = digits[h.b[i] & 15];
    }
    out[2 * DIGEST_SIZE] = '\0';
}
