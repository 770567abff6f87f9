/*
 * UTF-8, well-formed or not.
 */
#include <config.h>

#include "base/utf8_read.h"

#include <string.h>

/* The lead byte at s[0] wants the length returned (0: it is not a lead byte);
 * *good bytes of s[0..n), n > 0, are a beginning of such a sequence.  The
 * ranges of the second byte are those of Unicode 15, table 3-7. */
static size_t sequence(const unsigned char *s, size_t n, size_t *good)
{
    unsigned char low = 0x80, high = 0xbf, lead = s[0];
    size_t want, i;

    *good = 1;
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    want = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead == 0xe0)
        low = 0xa0; /* shorter below */
    else if (lead == 0xed)
        high = 0x9f; /* surrogates above */
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f; /* past U+10FFFF above */
    for (i = 1; i < want && i < n && s[i] >= low && s[i] <= high; i++) {
        low = 0x80;
        high = 0xbf;
    }
    *good = i;
    return want;
}

int utf8_next(const void *s, size_t n, uint32_t *cp)
{
    const unsigned char *p = s;
    size_t want, good;
    uint32_t v;

    if (n == 0)
        return 0;
    want = sequence(p, n, &good);
    if (good != want)
        return -(int)good;
    v = want == 1 ? p[0] : p[0] & (0x7fu >> want);
    for (size_t i = 1; i < want; i++)
        v = v << 6 | (p[i] & 0x3f);
    if (cp)
        *cp = v;
    return (int)want;
}

bool utf8_valid(const void *s, size_t n)
{
    const unsigned char *p = s;
    size_t i = 0;

    while (i < n) {
        uint64_t eight;
        int len;

        if (n - i >= 8) {
            memcpy(&eight, p + i, 8);
            if (!(eight & 0x8080808080808080u)) {
                i += 8;
                continue;
            }
        }
        len = utf8_next(p + i, n - i, NULL);
        if (len < 0)
            return false;
        i += (size_t)len;
    }
    return true;
}

size_t utf8_pending(const void *s, size_t n)
{
    const unsigned char *p = s;

    for (size_t k = n < 3 ? n : 3; k > 0; k--) {
        size_t good, want = sequence(p + n - k, k, &good);

        if (want > k && good == k)
            return k;
    }
    return 0;
}
