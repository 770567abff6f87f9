/*
 * JSON without a tree: strings that go out, numbers that stand by themselves.
 * It needs no library, so that small programs can have it.
 */
#include <config.h>

#include "base/json.h"

#include <string.h>

#include "base/buf.h"

int json_u64_text(const char *text, uint64_t *out)
{
    uint64_t v = 0;

    if (!*text || (text[0] == '0' && text[1]))
        return -1;
    for (; *text; text++) {
        unsigned digit = (unsigned)(unsigned char)*text - '0';

        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return -1;
        v = 10 * v + digit;
    }
    *out = v;
    return 0;
}

static void put_escape(struct buf *b, unsigned char c)
{
    static const char meant[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *at = c ? strchr(meant, c) : NULL;

    if (at)
        buf_printf(b, "\\%c", names[at - meant]);
    else
        buf_printf(b, "\\u%04x", c);
}

void json_put_string(struct buf *b, const char *s, size_t n)
{
    size_t done = 0;

    buf_putc(b, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_put(b, s + done, i - done);
        put_escape(b, c);
        done = i + 1;
    }
    if (n > done)
        buf_put(b, s + done, n - done);
    buf_putc(b, '"');
}
