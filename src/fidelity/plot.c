/*
 * The picture: two axes, some numbers, one line.
 */
#include <config.h>

#include "fidelity/plot.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8_read.h"
#include "fidelity/divergence.h"

enum { WIDTH = 720, HEIGHT = 400, LEFT = 80, RIGHT = 20, TOP = 40,
       BOTTOM = 50, POINTS = 128, TICKS = 4 };

/* As XML may have it; what it may not have becomes '?'. */
static void put_escaped(struct buf *out, const char *text)
{
    size_t left = strlen(text);

    while (left) {
        uint32_t cp = 0;
        int n = utf8_next(text, left, &cp);
        size_t step = n > 0 ? (size_t)n : 1;

        if (n <= 0 || cp < ' ' || cp == 0xfffe || cp == 0xffff)
            buf_putc(out, '?');
        else if (cp == '<' || cp == '&')
            buf_printf(out, "&#%d;", (int)cp);
        else
            buf_put(out, text, step);
        text += step;
        left -= step;
    }
}

/* The mean of positions [from, to). */
static double mean(const struct divergence *d, size_t from, size_t to)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = from; i < to; i++) {
        sum += d->by_position[i];
        n += d->by_count[i];
    }
    return n ? sum / (double)n : 0;
}

static void text(struct buf *out, double x, double y, const char *anchor,
                 const char *what)
{
    buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y,
               anchor);
    put_escaped(out, what);
    buf_puts(out, "</text>\n");
}

static void axes(struct buf *out, size_t positions, double most)
{
    const double x1 = WIDTH - RIGHT, y1 = HEIGHT - BOTTOM;

    buf_printf(out, "<path d=\"M%d %d V%.1f H%.1f\" fill=\"none\""
               " stroke=\"black\"/>\n", LEFT, TOP, y1, x1);
    for (int i = 0; i <= TICKS; i++) {
        double part = (double)i / TICKS;
        char *v = xasprintf("%.2e", part * most);
        char *p = xasprintf("%.0f", part * (double)positions);

        text(out, LEFT - 6, y1 - part * (y1 - TOP) + 4, "end", v);
        text(out, LEFT + part * (x1 - LEFT), y1 + 18, "middle", p);
        free(v);
        free(p);
    }
    text(out, (LEFT + x1) / 2, HEIGHT - 10, "middle", "position");
}

void plot_divergence(struct buf *out, const struct divergence *d,
                     const char *model, const char *reference)
{
    size_t step = (d->n_by + POINTS - 1) / POINTS;
    const double wide = WIDTH - RIGHT - LEFT, high = HEIGHT - BOTTOM - TOP;
    double most = 0;
    char *title = xasprintf("mean KL of %s from %s", model, reference);

    for (size_t i = 0; i < d->n_by; i += step) {
        double v = mean(d, i, i + step < d->n_by ? i + step : d->n_by);

        most = v > most ? v : most;
    }
    most = most > 0 ? most : 1;
    buf_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\""
               " height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
               "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
               WIDTH, HEIGHT);
    text(out, WIDTH / 2, TOP / 2, "middle", title);
    axes(out, d->n_by, most);
    buf_puts(out, "<polyline fill=\"none\" stroke=\"#0044aa\" points=\"");
    for (size_t i = 0; i < d->n_by; i += step) {
        size_t to = i + step < d->n_by ? i + step : d->n_by;
        double at = (double)(i + to) / 2 / (double)d->n_by;

        buf_printf(out, "%.1f,%.1f ", LEFT + at * wide,
                   TOP + high * (1 - mean(d, i, to) / most));
    }
    buf_puts(out, "\"/>\n</svg>\n");
    free(title);
}
