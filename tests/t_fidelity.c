/*
 * Divergence of known distributions, windows of texts and ids, and the float
 * values of sources of every family beside X1, which is near them.
 */
#include <config.h>

#include <fcntl.h>
#include <math.h>

#include "backend/backends.h"
#include "backend/cpu/pool.h"
#include "base/utf8_read.h"
#include "cmd/compare_out.h"
#include "fidelity/comparison.h"
#include "fidelity/divergence.h"
#include "fidelity/float_source.h"
#include "fidelity/plot.h"
#include "fidelity/windows.h"
#include "tests/float_model.h"
#include "tests/models_util.h"
#include "text/tokenizer.h"

#define IDS 40

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-6;
}

/* ---- divergence ---------------------------------------------------------- */

static void try_divergence(void)
{
    /* logarithms of 1/2, 1/2 and 1/4, 3/4; a constant changes nothing */
    static const float even[] = { 1.5f, 1.5f };
    static const float odd[] = { 0, 1.0986123f };
    struct divergence d;
    struct divergence_summary s;
    double kl = 0.5 * log(2) + 0.5 * log(2.0 / 3);
    struct buf svg;

    divergence_init(&d, 2);
    divergence_put(&d, 0, even, even, 1);
    divergence_put(&d, 1, even, odd, 0);
    divergence_put(&d, 2, odd, even, 1);
    divergence_put(&d, 3, odd, odd, DIVERGENCE_NO_ID);
    ok(near(d.kl[0], 0) && near(d.kl[1], kl), "KL of a known pair is %.6f", kl);
    ok(near(d.kl[2], 0.25 * log(0.5) + 0.75 * log(1.5)),
       "and the other way round");
    ok(d.margin[MARGIN_FAR].n == 2 && d.margin[MARGIN_FAR].equal == 1 &&
           d.margin[MARGIN_SAME].n == 2 && d.margin[MARGIN_SAME].equal == 1 &&
           d.margin[MARGIN_ALL].equal == 2, "equal next ids by margin");
    kl = (d.kl[2] + d.kl[3]) / 2;
    divergence_summary(&s, &d);
    ok(near(s.second, kl) && near(s.largest, d.kl[3]) &&
           near(s.p99, s.largest) && near(s.median, d.kl[1]),
       "the second half, the largest, quantiles");
    ok(near(s.perplexity_reference, exp((2 * log(2) + log(4.0 / 3)) / 3)) &&
           near(s.perplexity_model, exp((2 * log(2) + log(4)) / 3)),
       "perplexities");
    d.n_known = 0;
    d.nll_reference = d.nll_model = 0;
    divergence_summary(&s, &d);
    ok(near(s.perplexity_reference, 1) && near(s.perplexity_model, 1),
       "are numbers where no next id is known");
    buf_init(&svg, 1 << 16);
    plot_divergence(&svg, &d, "a<b", "c&d");
    buf_putc(&svg, 0);
    ok(strstr(svg.data, "<polyline") && strstr(svg.data, "a&#60;b") &&
           !strstr(svg.data, "a<b"), "a picture, with escapes");
    buf_clear(&svg);
    plot_divergence(&svg, &d, "a\377b\303", "\303\251\nc\357\277\277");
    ok(utf8_valid(svg.data, svg.len), "which is UTF-8");
    buf_putc(&svg, 0);
    ok(strstr(svg.data, "of a?b? from \303\251?c?<") != NULL,
       "whatever the names are");
    buf_clear(&svg);
    divergence_clear(&d);
}

/* What is printed where numbers are not finite: into b, a string. */
static void print_odd(struct buf *b, void (*print)(const struct divergence *d,
                                                   size_t windows,
                                                   const struct
                                                   divergence_summary *s))
{
    struct divergence d = { .n = 1 };
    struct divergence_summary s = {
        .mean = INFINITY, .second = (double)NAN, .median = 0.5,
        .perplexity_reference = INFINITY, .perplexity_model = 2 };
    char *path = tmp_path("odd");
    int kept = dup(STDOUT_FILENO), fd = open(path, O_CREAT | O_WRONLY, 0600);

    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    print(&d, 1, &s);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(fd);
    buf_init(b, 4096);
    ok(file_read(b, path, NULL) == 0, "numbers that are not finite");
    buf_putc(b, 0);
    unlink(path);
    free(path);
}

static void try_odd(void)
{
    struct buf b;

    print_odd(&b, compare_out_json);
    ok(strstr(b.data, "{\"mean\":null,\"second_half\":null,\"median\":0.5,") &&
           strstr(b.data, "{\"reference\":null,\"model\":2}}"),
       "null in JSON");
    buf_clear(&b);
    print_odd(&b, compare_out_table);
    ok(strstr(b.data, "KL, mean                  infinite\n"
                      "KL, mean of second halves unknown\n"
                      "KL, median                5.000e-01\n") &&
           strstr(b.data, "perplexity, reference     infinite\n"
                          "perplexity, model         2.0000\n"),
       "words in a table");
    ok(!strstr(b.data, "inf\n") && !strstr(b.data, "nan"), "no others");
    buf_clear(&b);
}

/* ---- windows ------------------------------------------------------------- */

static void bad_ids(const char *text, const char *why)
{
    struct err err = ERR_INIT;
    struct windows w;

    windows_init(&w);
    ok(windows_of_ids(&w, text, strlen(text), 60, 4, &err) == -1 &&
           err.code == ERR_INPUT && strstr(err.text, why),
       "refused: %s", err.text);
    windows_clear(&w);
}

static void try_ids(void)
{
    static const char text[] = "1 2 3\n\n 59\t0\r\n7";
    struct err err = ERR_INIT;
    struct windows w;

    windows_init(&w);
    ok(windows_of_ids(&w, text, sizeof(text) - 1, 60, 4, &err) == 0 &&
           w.n == 3 && w.start[1] == 3 && w.start[2] == 5 && w.start[3] == 6 &&
           w.id[3] == 59 && w.longest == 3, "lines of ids");
    windows_clear(&w);
    bad_ids("1 60", "line 1 has a word that is not an id below 60");
    bad_ids("1\n99999999999999999999999", "line 2");
    bad_ids("1 -2", "not an id");
    bad_ids("1 2x", "not an id");
    bad_ids("1 2 3 4 5", "more ids than the context of 4");
}

/* A window that no engine computes must not leave old logits to compare. */
static void try_long(const struct model *m)
{
    struct comparison_sides s = { .model = m, .reference = m };
    struct err err = ERR_INIT;
    struct divergence d;
    struct windows w;
    struct buf b;

    windows_init(&w);
    divergence_init(&d, m->rec.n_vocab);
    buf_init(&b, 8192);
    for (uint32_t i = 0; i <= m->rec.context; i++)
        buf_puts(&b, "1 ");
    ok(comparison_context(&s) == m->rec.context &&
           windows_of_ids(&w, b.data, b.len, m->rec.n_vocab, b.len, &err) == 0,
       "a window longer than the context");
    ok(backend_open(&s.backend, "auto", 1, &err) == 0 &&
           backend_open(&s.reference_backend, "auto", 1, &err) == 0 &&
           comparison_run(&d, &s, &w, &err) == -1 && err.code == ERR_INPUT &&
           strstr(err.text, "window 1 is longer than its context"),
       "refused: %s", err.text);
    buf_clear(&b);
    divergence_clear(&d);
    windows_clear(&w);
    backend_close(s.backend);
    backend_close(s.reference_backend);
}

static void try_text(const struct model *m)
{
    static const char text[] = "one and two and three and four and five";
    struct err err = ERR_INIT;
    struct tokenizer *t = NULL;
    struct windows w, all;

    windows_init(&w);
    windows_init(&all);
    ok(tokenizer_new(&t, m->tokenizer, (size_t)m->rec.tokenizer_size,
                     m->rec.n_vocab, &err) == 0 &&
           windows_of_text(&all, t, m->rec.bos, text, strlen(text), 512,
                           &err) == 0 && all.n == 1, "a text in one window");
    ok(windows_of_text(&w, t, m->rec.bos, text, strlen(text), 5, &err) == 0 &&
           w.n == (all.longest + 3) / 5 && w.longest == 5 &&
           memcmp(w.id, all.id, w.start[w.n] * sizeof(*w.id)) == 0,
       "and in windows of 5 ids");
    ok(windows_of_text(&w, t, m->rec.bos, "\377", 1, 5, &err) == -1 &&
           err.code == ERR_INPUT, "not UTF-8: %s", err.text);
    windows_clear(&w);
    windows_clear(&all);
    tokenizer_free(t);
}

/* ---- float values -------------------------------------------------------- */

static void make_window(struct windows *w, uint32_t n_vocab)
{
    struct buf b;

    windows_init(w);
    buf_init(&b, 4096);
    for (uint32_t i = 0; i < 2 * IDS; i++)
        buf_printf(&b, "%u%c", (i * i * 7 + i * 13 + 31) % n_vocab,
                   i == IDS ? '\n' : ' ');
    windows_of_ids(w, b.data, b.len, n_vocab, 2 * IDS, NULL);
    buf_clear(&b);
}

/* X1 of a source is this near to its float values, and not the same. */
static void try_family(const char *name, double most)
{
    char *rel = xasprintf("vectors/x1/models/%s", name), *dir = tree_path(rel);
    struct model *m = model_from_hf(dir, NULL);
    struct comparison_sides s = { .model = m };
    struct divergence_summary sum = { .mean = -1 };
    struct pool *pool = pool_new(2);
    struct err err = ERR_INIT;
    struct divergence d;
    struct windows w;

    divergence_init(&d, s.model ? s.model->rec.n_vocab : 2);
    make_window(&w, d.n_vocab);
    if (s.model && backend_open(&s.backend, "auto", 1, &err) == 0 &&
        float_source_open(&s.source, dir, pool, &err) == 0 &&
        comparison_check(&s, &err) == 0 &&
        comparison_run(&d, &s, &w, &err) == 0)
        divergence_summary(&sum, &d);
    ok(d.n == 2 * IDS && sum.mean > 0 && sum.mean < most,
       "%s: KL %.2e, below %.0e%s", name, sum.mean, most, err.text);
    windows_clear(&w);
    divergence_clear(&d);
    float_source_free(s.source);
    pool_free(pool);
    backend_close(s.backend);
    model_close(m);
    free(dir);
    free(rel);
}

static void try_families(void)
{
    try_family("tiny-gemma2", 1e-3);
    try_family("tiny-gemma3", 1e-3);
    try_family("tiny-glm4", 5e-3);
    try_family("tiny-ministral", 1e-2);
    try_family("tiny-olmo2", 5e-3);
    try_family("tiny-olmo3", 5e-3);
    try_family("tiny-qwen2-some", 1e-2);
    try_family("tiny-qwen3", 2e-2);
}

/* Experts are refused; another vocabulary is, too. */
static void try_refused(const struct model *m)
{
    char *moe = tree_path("vectors/x1/models/tiny-qwen3-moe");
    char *other = tree_path("vectors/x1/models/tiny-qwen3");
    struct comparison_sides s = { .model = m };
    struct pool *pool = pool_new(1);
    struct err err = ERR_INIT;

    ok(float_source_open(&s.source, moe, pool, &err) == -1 &&
           strstr(err.text, "experts"), "refused: %s", err.text);
    ok(float_source_open(&s.source, other, pool, &err) == 0 &&
           comparison_check(&s, &err) == -1 && err.code == ERR_INPUT &&
           strstr(err.text, "vocabulary of 512"), "refused: %s", err.text);
    float_source_free(s.source);
    pool_free(pool);
    free(moe);
    free(other);
}

/* The same logits as the plain model of the tests. */
static void try_stories(void)
{
    char *dir = stories_dir();
    struct float_model *f = dir ? float_model_new(dir) : NULL;
    struct float_source *s = NULL;
    struct pool *pool = pool_new(2);
    struct err err = ERR_INIT;
    struct windows w;
    static float got[IDS * 512 * 2];
    static double want[IDS * 512 * 2];
    double worst = 0;
    size_t n;

    make_window(&w, 512);
    n = w.start[1];
    if (!f)
        skip("float logits", "APUS_TEST_DATA has no models/stories260K");
    else if (ok(float_source_open(&s, dir, pool, &err) == 0 &&
                    float_source_read(s, &w, NULL, NULL, &err) == 0,
                "stories260K in float %s", err.text)) {
        float_source_logits(s, 0, got);
        float_model_run(f, w.id, n, want);
        for (size_t i = 0; i < n * 512; i++)
            worst = fmax(worst, fabs((double)got[i] - want[i]));
        ok(worst < 1e-4, "logits of two float engines differ by %.1e", worst);
    }
    float_source_free(s);
    pool_free(pool);
    windows_clear(&w);
    float_model_free(f);
    free(dir);
}

int main(void)
{
    char *nano = tree_path("models/nano");
    struct model *m;

    x1_thread_init();
    try_divergence();
    try_odd();
    try_ids();
    m = model_from_hf(nano, NULL);
    if (ok(m != NULL, "nano")) {
        try_text(m);
        try_refused(m);
        try_long(m);
    }
    try_families();
    try_stories();
    model_close(m);
    free(nano);
    tmp_remove();
    return done();
}
