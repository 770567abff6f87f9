/*
 * Text that does no harm, into a buffer or a stream.
 */
#include <config.h>

#include "base/plain.h"

#include "base/buf.h"
#include "base/plain_text.h"

void plain_put(struct buf *out, const char *s, size_t n)
{
    const char *piece;
    size_t n_piece;

    for (size_t at = 0; at < n;) {
        at += plain_next(s + at, n - at, &piece, &n_piece);
        buf_put(out, piece, n_piece);
    }
}

void plain_write(FILE *to, const char *s, size_t n)
{
    const char *piece;
    size_t n_piece;

    for (size_t at = 0; at < n;) {
        at += plain_next(s + at, n - at, &piece, &n_piece);
        fwrite(piece, 1, n_piece, to);
    }
}
