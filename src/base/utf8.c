/*
 * UTF-8 into buffers.
 */
#include <config.h>

#include "base/utf8.h"

#include "base/buf.h"
#include "base/utf8_read.h"

#define REPLACEMENT 0xfffd

void utf8_put(struct buf *b, uint32_t cp)
{
    unsigned char s[4];
    size_t n;

    if (cp < 0x80) {
        s[0] = (unsigned char)cp;
        n = 1;
    } else if (cp < 0x800) {
        s[0] = (unsigned char)(0xc0 | cp >> 6);
        n = 2;
    } else if (cp < 0x10000) {
        s[0] = (unsigned char)(0xe0 | cp >> 12);
        n = 3;
    } else {
        s[0] = (unsigned char)(0xf0 | cp >> 18);
        n = 4;
    }
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        s[i] = (unsigned char)(0x80 | (cp & 0x3f));
    buf_put(b, s, n);
}

void utf8_scrub(struct buf *b, const void *s, size_t n)
{
    const unsigned char *p = s;
    size_t done = 0, i = 0;

    while (i < n) {
        int len = utf8_next(p + i, n - i, NULL);

        if (len > 0 && p[i] != 0) {
            i += (size_t)len;
            continue;
        }
        buf_put(b, p + done, i - done);
        utf8_put(b, REPLACEMENT);
        i += (size_t)(len < 0 ? -len : len);
        done = i;
    }
    if (n > done)
        buf_put(b, p + done, n - done);
}
