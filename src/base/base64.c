/*
 * base64url without padding.
 */
#include <config.h>

#include "base/base64.h"

#include <string.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url(char *out, const void *data, size_t n)
{
    const unsigned char *p = data;

    for (; n >= 3; n -= 3, p += 3) {
        *out++ = alphabet[p[0] >> 2];
        *out++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
        *out++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
        *out++ = alphabet[p[2] & 63];
    }
    if (n > 0) {
        unsigned second = n == 2 ? p[1] : 0;

        *out++ = alphabet[p[0] >> 2];
        *out++ = alphabet[(p[0] & 3) << 4 | second >> 4];
        if (n == 2)
            *out++ = alphabet[(second & 15) << 2];
    }
    *out = '\0';
}

int base64url_id(unsigned char id[32], const char *text)
{
    unsigned char bytes[33];
    unsigned bits = 0, n_bits = 0;
    size_t n = 0;

    if (strnlen(text, ID_TEXT) != ID_TEXT - 1)
        return -1;
    for (size_t i = 0; i < ID_TEXT - 1; i++) {
        const char *at = strchr(alphabet, text[i]);

        if (!at)
            return -1;
        bits = (bits << 6 | (unsigned)(at - alphabet)) & 0x3fff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            bytes[n++] = (unsigned char)(bits >> n_bits);
        }
    }
    /* Two bits are over; another id text for the same id if they were free. */
    if (bits & 3)
        return -1;
    memcpy(id, bytes, 32);
    return 0;
}
