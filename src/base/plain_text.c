/*
 * One code point after the other; a replaced one is never longer.
 */
#include <config.h>

#include "base/plain_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8_read.h"

static bool is_obeyed(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || /* C0, DEL, C1 */
           cp == 0x061c || cp == 0x200e || cp == 0x200f || /* marks .. */
           (cp >= 0x202a && cp <= 0x202e) || /* .. and embeddings */
           (cp >= 0x2066 && cp <= 0x206f) || /* isolates, deprecated */
           cp == 0x2028 || cp == 0x2029 ||   /* line, paragraph */
           (cp >= 0xfff9 && cp <= 0xfffb) || cp == 0xfeff ||
           (cp >= 0xe0000 && cp <= 0xe007f); /* tags */
}

size_t plain_next(const char *s, size_t n, const char **out, size_t *n_out)
{
    uint32_t cp = 0;
    int len = utf8_next(s, n, &cp);

    if (len > 0 && !is_obeyed(cp)) {
        *out = s;
        *n_out = (size_t)len;
        return (size_t)len;
    }
    *out = "?";
    *n_out = 1;
    return (size_t)(len < 0 ? -len : len);
}

size_t plain_text(char *s, size_t n)
{
    const char *piece;
    size_t to = 0, n_piece;

    for (size_t at = 0; at < n; to += n_piece) {
        at += plain_next(s + at, n - at, &piece, &n_piece);
        memmove(s + to, piece, n_piece);
    }
    return to;
}

void plain_string(char *s)
{
    s[plain_text(s, strlen(s))] = '\0';
}
