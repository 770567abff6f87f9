/*
 * Tables for terminals.  A character is a code point here: one that is drawn
 * over two columns moves what follows it.
 */
#include <config.h>

#include "cmd/columns.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"

#define GAP 2
#define DOTS 2
#define MIN_WIDTH 10 /* of what is cut where even `min` is too wide */
#define WIDTH_DEFAULT 80
#define WIDTH_MAX 10000

void columns_init(struct columns *c, const struct column *column, size_t n)
{
    *c = (struct columns){ .column = column, .n = n };
}

void columns_clear(struct columns *c)
{
    for (size_t i = 0; i < c->n_cells; i++)
        free(c->cell[i]);
    free(c->cell);
    c->cell = NULL;
    c->n_cells = c->capacity = 0;
}

void columns_take(struct columns *c, char *text)
{
    VEC_RESERVE(c->cell, c->capacity, c->n_cells + 1);
    c->cell[c->n_cells++] = text;
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

static size_t length(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += !continues(*text);
    return n;
}

/* The text after n characters. */
static const char *skip(const char *text, size_t n)
{
    while (*text && (n > 0 || continues(*text))) {
        if (!continues(*text))
            n--;
        text++;
    }
    return text;
}

static void put_spaces(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_putc(out, ' ');
}

/* As much of it as fits. */
static void put_cut(struct buf *out, const char *text, size_t n, size_t width,
                    bool keep_end)
{
    if (n <= width) {
        buf_puts(out, text);
    } else if (keep_end) {
        buf_puts(out, "..");
        buf_puts(out, skip(text, n - width + DOTS));
    } else {
        buf_put(out, text, (size_t)(skip(text, width - DOTS) - text));
        buf_puts(out, "..");
    }
}

static void put_cell(const struct columns *c, struct buf *out, size_t i,
                     const char *text, size_t width)
{
    size_t n = length(text), left = n < width ? width - n : 0;

    if (i > 0)
        put_spaces(out, GAP);
    if (c->column[i].side == COLUMN_RIGHT)
        put_spaces(out, left);
    put_cut(out, text, n, width, c->column[i].side == COLUMN_END);
    /* nothing of blanks at the end of a line */
    if (c->column[i].side != COLUMN_RIGHT && i + 1 < c->n)
        put_spaces(out, left);
}

/* How wide the columns are, cut until they fit. */
static size_t *widths(const struct columns *c, size_t width)
{
    size_t *w = xcalloc(c->n, sizeof(*w)), sum = 0;

    for (size_t i = 0; i < c->n; i++)
        w[i] = length(c->column[i].head);
    for (size_t k = 0; k < c->n_cells; k++) {
        size_t n = length(c->cell[k]);

        if (n > w[k % c->n])
            w[k % c->n] = n;
    }
    for (size_t i = 0; i < c->n; i++)
        sum += w[i] + (i ? GAP : 0);
    for (size_t k = 0; k < 2 * c->n && sum > width; k++) {
        size_t i = k % c->n, min = c->column[i].min, less;

        if (k >= c->n && min)
            min = min / 2 > MIN_WIDTH ? min / 2 : MIN_WIDTH;
        if (min == 0 || w[i] <= min)
            continue;
        less = sum - width < w[i] - min ? sum - width : w[i] - min;
        w[i] -= less;
        sum -= less;
    }
    return w;
}

void columns_print(const struct columns *c, size_t width, struct buf *out)
{
    size_t *w = widths(c, width);

    for (size_t i = 0; i < c->n; i++)
        put_cell(c, out, i, c->column[i].head, w[i]);
    buf_putc(out, '\n');
    for (size_t k = 0; k < c->n_cells; k++) {
        put_cell(c, out, k % c->n, c->cell[k], w[k % c->n]);
        if ((k + 1) % c->n == 0)
            buf_putc(out, '\n');
    }
    free(w);
}

size_t columns_of_terminal(void)
{
    const char *text = getenv("COLUMNS");
    struct winsize size;
    uint64_t n;

    if (isatty(STDOUT_FILENO) != 1)
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    if (text && json_u64_text(text, &n) == 0 && n > 0 && n <= WIDTH_MAX)
        return (size_t)n;
    return WIDTH_DEFAULT;
}
