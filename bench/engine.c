/*
 * bench/engine: how fast the engine answers, for a shape built in memory.
 * Prints `key value` lines; each rate is the median of --rounds rounds.
 *
 *   prefill_tok_s      prompt tokens a second, until every sequence has its
 *                      first token
 *   decode_tok_s       tokens a second after that, all sequences together
 *   total_tok_s        both, over the whole time
 *   weight_bytes       weights that one step reads
 *   peak_rss_bytes     of this process (getrusage)
 *   dram_read_gb_s     one thread summing 512 MiB, the best of five
 *   roof_decode_tok_s  batch * dram_read / weight_bytes: decoding cannot read
 *                      its weights faster, unless they stay in the cache
 *   decode_of_roof     decode_tok_s / roof_decode_tok_s
 *
 * With --commit yes every position is committed to as well, and two lines
 * follow:
 *   commit_us          what a position's leaf costs, in microseconds
 *   commit_share       all of them, over the time of the round without them
 */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "answer/commit.h"
#include "backend/backends.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/shape.h"
#include "engine/engine.h"
#include "model/model.h"

#define MAX_ROUNDS 99

struct bench {
    const char *shape, *kernel;
    size_t batch, prompt, decode, rounds;
    struct backend *backend;
    struct model *model;
    bool commit;
    size_t first; /* sequences that have their first token */
    double commit_s;    /* spent on commitments in this round .. */
    size_t committed;   /* .. for so many positions */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof(*v), by_size);
    return v[n / 2];
}

static void on_token(void *self, void *user, uint32_t position,
                     const struct drawn *d)
{
    struct bench *b = self;

    (void)user;
    (void)d;
    if (position == b->prompt)
        b->first++;
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct bench *b = self;
    double start = now();

    commit_position(user, p);
    b->commit_s += now() - start;
    b->committed++;
}

/* One round: seconds until all have their first token, and in all. */
static int run_round(struct bench *b, double *prefill, double *total,
                 struct err *err)
{
    struct observer obs = { .self = b, .token = on_token,
                            .position = b->commit ? on_position : NULL };
    struct commit *c = xcalloc(b->batch, sizeof(*c));
    struct engine_options o = { .max_sequences = b->batch };
    struct sequence s = { .n_prompt = b->prompt, .ignore_eos = true,
                          .max_tokens = (uint32_t)b->decode };
    uint32_t *ids = xcalloc(b->prompt, sizeof(*ids));
    struct engine *e;
    bool busy = true;
    double start;

    for (size_t i = 0; i < b->prompt; i++)
        ids[i] = (uint32_t)(i * 7919 % b->model->rec.n_vocab);
    s.prompt = ids;
    s.sampling.top_p = 1000000;
    if (engine_new(&e, b->backend, b->model, NULL, &o, &obs, err))
        return -1;
    b->first = b->committed = 0;
    b->commit_s = *prefill = 0;
    start = now();
    for (size_t i = 0; i < b->batch; i++) {
        commit_init(&c[i], b->model);
        s.user = &c[i];
        if (engine_add(e, &s, err))
            return -1;
    }
    while (busy) {
        if (engine_step(e, &busy, err))
            return -1;
        if (b->first == b->batch && *prefill == 0)
            *prefill = now() - start;
    }
    *total = now() - start;
    engine_free(e);
    for (size_t i = 0; i < b->batch; i++)
        commit_clear(&c[i]);
    free(c);
    free(ids);
    return 0;
}

static double dram_read(struct err *err)
{
    size_t n = (512u << 20) / sizeof(uint64_t);
    volatile uint64_t sink;
    double best = 0;
    uint64_t *p;
    void *mem;

    if (mem_big(&mem, n, sizeof(*p), "bandwidth test", err))
        return 0;
    p = mem;
    memset(p, 1, n * sizeof(*p));
    for (int i = 0; i < 5; i++) {
        double start = now(), t;
        uint64_t sum = 0;

        for (size_t j = 0; j < n; j++)
            sum += p[j];
        sink = sum;
        (void)sink;
        t = now() - start;
        if (best == 0 || t < best)
            best = t;
    }
    free(p);
    return (double)(n * sizeof(*p)) / best * 1e-9;
}

static void print(const struct bench *b, const double *rate, double dram,
                  uint64_t rss)
{
    uint64_t weights = shape_read_bytes(b->model);
    double roof = dram * 1e9 / (double)weights * (double)b->batch;

    printf("kernel %s\nthreads 1\n", b->backend->name);
    printf("shape %s\nbatch %zu\nprompt_tokens %zu\ndecode_tokens %zu\n",
           b->shape, b->batch, b->prompt, b->decode);
    printf("prefill_tok_s %.1f\ndecode_tok_s %.1f\ntotal_tok_s %.1f\n",
           rate[0], rate[1], rate[2]);
    printf("weight_bytes %llu\npeak_rss_bytes %llu\n",
           (unsigned long long)weights, (unsigned long long)rss);
    printf("dram_read_gb_s %.2f\nroof_decode_tok_s %.1f\n", dram, roof);
    printf("decode_of_roof %.3f\n", rate[1] / roof);
    if (b->commit)
        printf("commit_us %.2f\ncommit_share %.4f\n", rate[3], rate[4]);
}

static int run(struct bench *b, struct err *err)
{
    double v[5][MAX_ROUNDS], rate[5];
    struct rusage use;
    struct model_record rec;

    if (shape_find(&rec, b->shape))
        return err_set(err, ERR_INPUT, "no shape \"%s\": tiny, nano or 1b",
                       b->shape);
    if (b->prompt + b->decode > rec.context)
        return err_set(err, ERR_INPUT, "prompt and decode are over the "
                       "shape's context of %u", rec.context);
    if (backend_open(&b->backend, b->kernel, err))
        return -1;
    if (shape_build(&b->model, &rec, err))
        return -1;
    for (size_t i = 0; i < b->rounds; i++) {
        double prefill, total;
        double in = (double)(b->batch * b->prompt);
        double out = (double)(b->batch * b->decode);

        if (run_round(b, &prefill, &total, err))
            return -1;
        v[0][i] = in / prefill;
        v[1][i] = (out - (double)b->batch) / (total - prefill);
        v[2][i] = (in + out) / total;
        v[3][i] = b->commit_s * 1e6 / (double)(b->committed + !b->committed);
        v[4][i] = b->commit_s / (total - b->commit_s);
    }
    for (int i = 0; i < 5; i++)
        rate[i] = median(v[i], b->rounds);
    getrusage(RUSAGE_SELF, &use);
    print(b, rate, dram_read(err), (uint64_t)use.ru_maxrss * 1024);
    backend_close(b->backend);
    model_close(b->model);
    return 0;
}

static size_t number(const char *text)
{
    unsigned long v = strtoul(text, NULL, 10);

    return v > 0 && v < 100000 ? v : 1;
}

int main(int argc, char **argv)
{
    struct bench b = { .shape = "nano", .kernel = "auto", .batch = 1,
                       .prompt = 64, .decode = 128, .rounds = 3 };
    struct err err = ERR_INIT;

    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (value && strcmp(argv[i], "--shape") == 0)
            b.shape = value;
        else if (value && strcmp(argv[i], "--kernel") == 0)
            b.kernel = value;
        else if (value && strcmp(argv[i], "--batch") == 0)
            b.batch = number(value);
        else if (value && strcmp(argv[i], "--prompt") == 0)
            b.prompt = number(value);
        else if (value && strcmp(argv[i], "--decode") == 0)
            b.decode = number(value) + 1;
        else if (value && strcmp(argv[i], "--rounds") == 0)
            b.rounds = number(value) % MAX_ROUNDS;
        else if (value && strcmp(argv[i], "--commit") == 0)
            b.commit = strcmp(value, "yes") == 0;
        else {
            fprintf(stderr, "usage: bench/engine [--shape tiny|nano|1b] "
                    "[--kernel NAME] [--batch N]\n"
                    "       [--prompt N] [--decode N] [--rounds N] "
                    "[--commit yes]\n");
            return 2;
        }
    }
    if (run(&b, &err)) {
        fprintf(stderr, "bench/engine: %s\n", err.text);
        return 1;
    }
    return 0;
}
