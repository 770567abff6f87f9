/*
 * What apus model compare prints and draws.
 */
#include <config.h>

#include "cmd/compare_out.h"

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

void compare_out_table(const struct divergence *d, size_t windows,
                       const struct divergence_summary *s)
{
    static const char *const words[MARGINS] = {
        "margin over 0.5", "margin 0.1 to 0.5", "margin up to 0.1", "all"
    };

    printf("positions %zu, windows %zu\n", d->n, windows);
    printf("KL, mean                  %.3e\n", s->mean);
    printf("KL, mean of second halves %.3e\n", s->second);
    printf("KL, median                %.3e\n", s->median);
    printf("KL, 99 %%                  %.3e\n", s->p99);
    printf("KL, largest               %.3e\n", s->largest);
    for (int i = 0; i < MARGINS; i++)
        printf("next id equal, %-17s %6.2f %%  %zu of %zu\n", words[i],
               share(&d->margin[i]), d->margin[i].equal, d->margin[i].n);
    printf("perplexity, reference     %.4f\n", s->perplexity_reference);
    printf("perplexity, model         %.4f  %+.2f %%\n", s->perplexity_model,
           100 * (s->perplexity_model / s->perplexity_reference - 1));
}

void compare_out_json(const struct divergence *d, size_t windows,
                      const struct divergence_summary *s)
{
    printf("{\"positions\":%zu,\"windows\":%zu,\"kl\":{\"mean\":%.9g,"
           "\"second_half\":%.9g,\"median\":%.9g,\"p99\":%.9g,"
           "\"largest\":%.9g},\"next_equal\":{", d->n, windows, s->mean,
           s->second, s->median, s->p99, s->largest);
    for (int i = 0; i < MARGINS; i++)
        printf("%s\"%s\":{\"equal\":%zu,\"of\":%zu}", i ? "," : "",
               margin_name[i], d->margin[i].equal, d->margin[i].n);
    printf("},\"perplexity\":{\"reference\":%.9g,\"model\":%.9g}}\n",
           s->perplexity_reference, s->perplexity_model);
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
