/*
 * What apus model compare prints and draws.
 */
#include <config.h>

#include "cmd/compare_out.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/output.h"
#include "fidelity/divergence.h"
#include "fidelity/plot.h"

#define MAX_PLOT ((size_t)1 << 20)

static const char *const margin_name[MARGINS] = {
    "over_0.5", "0.1_to_0.5", "up_to_0.1", "all"
};

static double share(const struct divergence_margin *m)
{
    return m->n ? 100 * (double)m->equal / (double)m->n : 100;
}

/* A number in a table.  A share of 0 makes a number infinite, and of infinite
 * ones comes what is unknown.  The largest double has 309 digits. */
#define NUMBER 320

static const char *number(char text[NUMBER], double v, bool small)
{
    if (isnan(v))
        snprintf(text, NUMBER, "unknown");
    else if (isinf(v))
        snprintf(text, NUMBER, "%sinfinite", v < 0 ? "-" : "");
    else if (small)
        snprintf(text, NUMBER, "%.3e", v);
    else
        snprintf(text, NUMBER, "%.4f", v);
    return text;
}

static void print_small(const char *name, double v)
{
    char text[NUMBER];

    printf("%-25s %s\n", name, number(text, v, true));
}

void compare_out_table(const struct divergence *d, size_t windows,
                       const struct divergence_summary *s)
{
    static const char *const words[MARGINS] = {
        "margin over 0.5", "margin 0.1 to 0.5", "margin up to 0.1", "all"
    };
    char text[NUMBER];

    printf("positions %zu, windows %zu\n", d->n, windows);
    print_small("KL, mean", s->mean);
    print_small("KL, mean of second halves", s->second);
    print_small("KL, median", s->median);
    print_small("KL, 99 %", s->p99);
    print_small("KL, largest", s->largest);
    for (int i = 0; i < MARGINS; i++)
        printf("next id equal, %-17s %6.2f %%  %zu of %zu\n", words[i],
               share(&d->margin[i]), d->margin[i].equal, d->margin[i].n);
    printf("perplexity, reference     %s\n",
           number(text, s->perplexity_reference, false));
    printf("perplexity, model         %s",
           number(text, s->perplexity_model, false));
    if (isfinite(s->perplexity_model) && isfinite(s->perplexity_reference))
        printf("  %+.2f %%",
               100 * (s->perplexity_model / s->perplexity_reference - 1));
    putchar('\n');
}

/* JSON has neither infinity nor NaN: null stands for both. */
static void put_number(const char *before, double v)
{
    if (isfinite(v))
        printf("%s%.9g", before, v);
    else
        printf("%snull", before);
}

void compare_out_json(const struct divergence *d, size_t windows,
                      const struct divergence_summary *s)
{
    printf("{\"positions\":%zu,\"windows\":%zu,\"kl\":{", d->n, windows);
    put_number("\"mean\":", s->mean);
    put_number(",\"second_half\":", s->second);
    put_number(",\"median\":", s->median);
    put_number(",\"p99\":", s->p99);
    put_number(",\"largest\":", s->largest);
    printf("},\"next_equal\":{");
    for (int i = 0; i < MARGINS; i++)
        printf("%s\"%s\":{\"equal\":%zu,\"of\":%zu}", i ? "," : "",
               margin_name[i], d->margin[i].equal, d->margin[i].n);
    put_number("},\"perplexity\":{\"reference\":", s->perplexity_reference);
    put_number(",\"model\":", s->perplexity_model);
    printf("}}\n");
}

int compare_out_plot(const char *path, const struct divergence *d,
                     const char *model, const char *reference,
                     struct err *err)
{
    struct file_out *f;
    struct buf b;
    int rc;

    buf_init(&b, MAX_PLOT);
    plot_divergence(&b, d, model, reference);
    rc = buf_check(&b, "the picture", err);
    if (rc == 0)
        rc = output_open(&f, path, err);
    if (rc == 0 && file_out_put(f, b.data, b.len, err)) {
        file_out_abort(f);
        rc = -1;
    } else if (rc == 0) {
        rc = file_out_commit(f, err);
    }
    buf_clear(&b);
    return rc;
}
