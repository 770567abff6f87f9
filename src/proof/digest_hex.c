/*
 * A digest as text, whatever computes it.
 */
#include <config.h>

#include "proof/digest.h"

void digest_hex(char out[65], const unsigned char h[32])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < DIGEST_SIZE; i++) {
        out[2 * i] = digits[h[i] >> 4];
        out[2 * i + 1] = digits[h[i] & 15];
    }
    out[2 * DIGEST_SIZE] = '\0';
}
