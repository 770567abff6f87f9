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

int base64url_decode(void *out, size_t max, size_t *n, const char *text)
{
    size_t len = strlen(text), want = len / 4 * 3 + len % 4 * 3 / 4;
    unsigned char *to = out;
    unsigned bits = 0, n_bits = 0;

    if (len % 4 == 1 || want > max ||
        strspn(text, alphabet) != len)
        return -1;
    /* bits that are over would make another text for the same bytes */
    if (len % 4) {
        size_t last = (size_t)(strchr(alphabet, text[len - 1]) - alphabet);

        if (last & (len % 4 == 2 ? 15 : 3))
            return -1;
    }
    for (size_t i = 0; i < len; i++) {
        size_t v = (size_t)(strchr(alphabet, text[i]) - alphabet);

        bits = (bits << 6 | (unsigned)v) & 0x3fff;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            *to++ = (unsigned char)(bits >> n_bits);
        }
    }
    *n = want;
    return 0;
}
