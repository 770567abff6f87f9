/*
 * bench/engine: how fast the engine answers, for a shape built in memory.
 * Prints `key value` lines, which --help describes; each rate is the median of
 * --rounds rounds.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "answer/commit.h"
#include "backend/backends.h"
#include "backend/cuda/cuda.h"
#include "base/caller.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/guard.h"
#include "bench/timing.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/shape.h"

#define MAX_ROUNDS 99
#define VARIED 4 /* requests a place in the batch */

/* --mix: every second request draws, as this says. */
enum mix { MIX_DEFAULT, MIX_YES, MIX_NO };
#define MIX_TEMPERATURE 800000
#define MIX_TOP_P 950000

struct bench {
    const char *shape, *kernel;
    size_t batch, prompt, generate, rows, rounds, threads;
    uint32_t temperature; /* millionths, of all requests without the mix */
    uint32_t activations; /* flag of the model: 0, MODEL_A8, MODEL_A8R */
    enum mix mix;
    const char *gemm, *graphs; /* of a GPU; NULL: not asked for */
    bool varied, commit;

    struct backend *backend;
    struct model *model;
    /* of the round */
    size_t n;             /* requests */
    bool *has_first;      /* a request each */
    size_t first, tokens; /* requests that have their first; drawn in all */
    size_t positions;     /* committed to */
    uint64_t kv_bytes;    /* most that any round had */
};

/* What a round took. */
struct round {
    double prefill, total;       /* seconds */
    size_t in, out, decode;      /* tokens; those after the prefill */
    size_t steps;                /* after the prefill */
};

struct request {
    struct sequence s;
    struct commit commit;
    size_t number;
};

static double now(void)
{
    return timing_now(CLOCK_MONOTONIC);
}

/* ---- a round ------------------------------------------------------------- */

static void on_token(void *self, void *user, uint32_t position,
                     const struct drawn *d)
{
    const struct request *r = user;
    struct bench *b = self;

    (void)position;
    (void)d;
    b->tokens++;
    b->first += !b->has_first[r->number];
    b->has_first[r->number] = true;
}

static void on_position(void *self, void *user, const struct position *p)
{
    struct request *r = user;
    struct bench *b = self;

    commit_position(&r->commit, p);
    b->positions++;
}

/* 1 to 2 * mean - 1, or the mean without --varied. */
static size_t length(const struct bench *b, size_t mean, uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return b->varied ? 1 + (*seed >> 8) % (2 * mean - 1) : mean;
}

static void set_sampling(const struct bench *b, struct sampling *s, size_t i)
{
    s->temperature = b->temperature;
    s->top_p = 1000000;
    s->seed = i;
    if (b->mix != MIX_YES || i % 2 == 0)
        return;
    s->temperature = MIX_TEMPERATURE;
    s->top_p = MIX_TOP_P;
}

/* Requests with prompts of their own. */
static struct request *make_request(const struct bench *b, struct round *r,
                                    uint32_t *ids)
{
    struct request *list = xcalloc(b->n, sizeof(*list));
    uint32_t seed = 1;

    for (size_t i = 0; i < 2 * b->prompt + b->n; i++)
        ids[i] = (uint32_t)(i * 7919 % b->model->rec.n_vocab);
    for (size_t i = 0; i < b->n; i++) {
        struct sequence *s = &list[i].s;

        list[i].number = i;
        s->prompt = ids + i;
        s->n_prompt = length(b, b->prompt, &seed);
        s->max_tokens = (uint32_t)length(b, b->generate, &seed);
        s->ignore_eos = true;
        set_sampling(b, &s->sampling, i);
        s->user = &list[i];
        commit_init(&list[i].commit, b->model);
        r->in += s->n_prompt;
        r->out += s->max_tokens;
    }
    return list;
}

static int steps(struct bench *b, struct engine *e, struct request *list,
                 struct round *r, struct err *err)
{
    size_t next = 0, at = 0;
    double start = now();
    bool busy = true;

    while (busy || next < b->n) {
        for (; next < b->n && engine_capacity(e); next++)
            if (engine_add(e, &list[next].s, err))
                return -1;
        if (engine_step(e, &busy, err))
            return -1;
        r->steps += busy && r->prefill > 0;
        if (b->first == b->n && r->prefill == 0) {
            r->prefill = now() - start;
            at = b->tokens;
        }
    }
    r->total = now() - start;
    r->decode = b->tokens - at;
    return 0;
}

static int run_round(struct bench *b, bool commit, struct round *r,
                     struct err *err)
{
    struct observer obs = { .self = b, .token = on_token,
                            .position = commit ? on_position : NULL };
    struct engine_options o = { .max_sequences = b->batch,
                                .max_rows = b->rows };
    uint32_t *ids = xcalloc(2 * b->prompt + b->n, sizeof(*ids));
    struct engine_stats stats;
    struct request *list;
    struct engine *e;
    int rc;

    memset(r, 0, sizeof(*r));
    if (engine_new(&e, b->backend, b->model, NULL, &o, &obs, err)) {
        free(ids);
        return -1;
    }
    list = make_request(b, r, ids);
    b->has_first = xcalloc(b->n, sizeof(bool));
    b->first = b->tokens = b->positions = 0;
    rc = steps(b, e, list, r, err);
    engine_stats(e, &stats);
    if (b->kv_bytes < stats.kv_bytes)
        b->kv_bytes = stats.kv_bytes;
    engine_free(e);
    for (size_t i = 0; i < b->n; i++)
        commit_clear(&list[i].commit);
    free(b->has_first);
    free(list);
    free(ids);
    return rc;
}

/* ---- figures ------------------------------------------------------------- */

enum { PREFILL, DECODE, TOTAL, STEP, COMMIT, SHARE, N_FIGURES };

/* As with the setting gpu-graphs. */
static bool has_graphs(const struct bench *b)
{
    return !b->graphs || strcmp(b->graphs, "yes") == 0;
}

static void print_head(const struct bench *b)
{
    const char *a = b->activations == MODEL_A8    ? "A8"
                    : b->activations == MODEL_A8R ? "A8R"
                                                  : "A14";

    printf("kernel %s\nthreads %zu\n", b->backend->name, b->threads);
    printf("shape %s\nactivations %s\nbatch %zu\nprompt_tokens %zu\n"
           "generate_tokens %zu\n", b->shape, a, b->batch, b->prompt,
           b->generate);
    if (b->gemm)
        printf("gemm %s\n", b->gemm);
    if (strcmp(b->kernel, "cuda") == 0)
        printf("gpu_graphs %s\n", has_graphs(b) ? "yes" : "no");
    printf("mix %s\n", b->mix == MIX_YES ? "yes" : "no");
    if (b->mix == MIX_NO)
        printf("temperature %.6g\n", (double)b->temperature * 1e-6);
    printf("varied %s\n", b->varied ? "yes" : "no");
}

static void print(const struct bench *b, const double *f, double dram,
                  uint64_t rss)
{
    uint64_t read = shape_read_bytes(b->model), all = shape_bytes(b->model);
    double roof = dram * 1e9 / (double)read * (double)b->batch;

    print_head(b);
    if (!b->varied)
        printf("prefill_tok_s %.1f\ndecode_tok_s %.1f\ndecode_ms %.3f\n",
               f[PREFILL], f[DECODE], f[STEP]);
    printf("total_tok_s %.1f\n", f[TOTAL]);
    printf("weight_bytes %" PRIu64 "\nkv_bytes %" PRIu64 "\n"
           "peak_rss_bytes %" PRIu64 "\npeak_of_need %.3f\n", read,
           b->kv_bytes, rss, (double)rss / (double)(all + b->kv_bytes));
    if (!b->varied && dram > 0)
        printf("roof_decode_tok_s %.1f\ndecode_of_roof %.3f\n", roof,
               f[DECODE] / roof);
    if (b->commit)
        printf("commit_us %.2f\ncommit_share %.4f\n", f[COMMIT], f[SHARE]);
}

static int rounds(struct bench *b, double *f, struct err *err)
{
    double v[N_FIGURES][MAX_ROUNDS];
    struct round r, with;

    for (size_t i = 0; i < b->rounds; i++) {
        if (run_round(b, false, &r, err))
            return -1;
        v[PREFILL][i] = (double)r.in / r.prefill;
        v[DECODE][i] = r.decode ? (double)r.decode / (r.total - r.prefill) : 0;
        v[TOTAL][i] = (double)(r.in + r.out) / r.total;
        v[STEP][i] = r.steps ? (r.total - r.prefill) * 1e3 / (double)r.steps
                             : 0;
        v[COMMIT][i] = v[SHARE][i] = 0;
        if (!b->commit)
            continue;
        if (run_round(b, true, &with, err))
            return -1;
        v[COMMIT][i] = (with.total - r.total) * 1e6 / (double)b->positions;
        v[SHARE][i] = (with.total - r.total) / r.total;
    }
    for (int i = 0; i < N_FIGURES; i++)
        f[i] = timing_median(v[i], b->rounds);
    return 0;
}

static int no_shape(const struct bench *b, struct err *err)
{
    char names[256] = "";

    for (size_t i = 0; shape_name(i); i++) {
        strcat(names, " ");
        strcat(names, shape_name(i));
    }
    return err_set(err, ERR_INPUT, "no shape \"%s\"; shapes are%s", b->shape,
                   names);
}

static int check_bench(struct bench *b, struct model_record *rec,
                       struct err *err)
{
    size_t most = b->prompt + b->generate;

    if (shape_find(rec, b->shape))
        return no_shape(b, err);
    rec->flags |= b->activations;
    if ((b->varied ? 2 * most : most) > rec->context)
        return err_set(err, ERR_INPUT, "prompt and answer are over the"
                       " shape's context of %u", rec->context);
    return 0;
}

static enum cuda_gemm gemm_of(const char *name)
{
    if (!name)
        return CUDA_GEMM_AUTO;
    return strcmp(name, "own") == 0 ? CUDA_GEMM_OWN : CUDA_GEMM_LT;
}

/* What makes a GPU slower belongs beside its figures. */
static void on_note(void *self, bool warning, const char *text)
{
    (void)self;
    (void)warning;
    fprintf(stderr, "bench/engine: %s\n", text);
}

/* A level of the CPU, or a GPU. */
static int open_backend(struct bench *b, struct err *err)
{
    const struct caller caller = { .note = on_note };
    const struct cuda_options with = { .checks = true,
                                       .plain = !has_graphs(b),
                                       .gemm = gemm_of(b->gemm),
                                       .libs = getenv("APUS_CUDA_LIBS"),
                                       .caller = &caller };

    if (strcmp(b->kernel, "cuda") == 0)
        return cuda_open(&b->backend, &with, err);
    if (b->gemm || b->graphs)
        return err_set(err, ERR_INPUT, "%s is of --kernel cuda alone",
                       b->gemm ? "--gemm" : "--gpu-graphs");
    return backend_open(&b->backend, b->kernel, b->threads, err);
}

/* The guard is the CPU's: a GPU's rates are those of bench/gpu device. */
static int measure_guard(struct guard *g, const struct bench *b,
                         const char *name, struct err *err)
{
    memset(g, 0, sizeof(*g));
    if (strcmp(b->kernel, "cuda") == 0)
        return 0;
    if (guard_measure(g, b->threads, err))
        return -1;
    guard_print(g, name);
    return 0;
}

static int run_bench(struct bench *b, struct err *err)
{
    struct model_record rec;
    struct guard first, last;
    double f[N_FIGURES];
    struct rusage use;

    if (check_bench(b, &rec, err) ||
        open_backend(b, err) ||
        shape_build_into(&b->model, &rec, b->backend->sink, err))
        return -1;
    b->n = b->batch * (b->varied ? VARIED : 1);
    if (measure_guard(&first, b, "guard_first", err) || rounds(b, f, err))
        return -1;
    getrusage(RUSAGE_SELF, &use);
    print(b, f, first.dram, (uint64_t)use.ru_maxrss * 1024);
    if (measure_guard(&last, b, "guard_last", err))
        return -1;
    backend_close(b->backend);
    model_close(b->model);
    return 0;
}

/* ---- options ------------------------------------------------------------- */

static const char usage[] =
    "usage: bench/engine [--OPTION VALUE]...; bench/engine --help\n";

static const char help[] =
"Measures the engine on a model with random weights, built in memory.\n"
"\n"
"  --shape NAME       nano; shapes are listed below\n"
"  --batch N          1: sequences in flight\n"
"  --prompt N         64: tokens of each prompt\n"
"  --generate N       128: tokens of each answer; no end of text ends one\n"
"  --rows N           batch + 64: rows of a step at most; with batch * prompt\n"
"                     all prompts are read in one, so that decode_.. has the\n"
"                     whole batch at that context\n"
"  --threads N        1\n"
"  --kernel NAME      auto, or a level: reference, avx2, avxvnni, vnni, ..;\n"
"                     or cuda, without a guard (bench/gpu device has one)\n"
"  --gemm own|lt      with cuda: products of more than 32 rows come from\n"
"                     kernels of apus, or from cublasLt alone; not given:\n"
"                     from what looks faster\n"
"  --gpu-graphs yes|no\n"
"                     yes; with cuda: whether steps that only decode are\n"
"                     graphs of launches, as the setting says\n"
"  --rounds N         3: each rate is the median of so many rounds\n"
"  --mix yes|no       yes: half of the requests are greedy, half draw with\n"
"                     temperature 0.8 and top_p 0.95; no: all are greedy\n"
"  --temperature T    no mix: all requests draw with T; 0 is greedy\n"
"  --varied yes|no    no; yes: prompts of 1 to 2 * prompt - 1 tokens and\n"
"                     answers of 1 to 2 * generate - 1, four requests a place\n"
"                     in the batch; the next takes the place of one that ends\n"
"  --commit yes|no    no; yes: a second run in each round commits to every\n"
"                     position\n"
"  --activations A    A14, A8 or A8R: inputs of the linears\n"
"\n"
"Figures, one `key value` a line:\n"
"\n"
"  guard_first_..     what the machine can do (10^9 operations or bytes a\n"
"                     second), before; compare runs by their guards\n"
"  prefill_tok_s      prompt tokens a second, up to the step in which the\n"
"                     last sequence has its first token\n"
"  decode_tok_s       tokens a second in the steps after that one, all\n"
"                     sequences together; 0 if there are none\n"
"  decode_ms          time of such a step\n"
"  total_tok_s        prompts and answers, over the whole time\n"
"  weight_bytes       weights that one step reads\n"
"  kv_bytes           the KV cache at its largest\n"
"  peak_rss_bytes     of this process, without the guard\n"
"  peak_of_need       that, over all weights and the KV cache\n"
"  roof_decode_tok_s  batch * guard_first_dram / weight_bytes: decoding\n"
"                     cannot read weights faster, unless a cache holds them\n"
"  decode_of_roof     decode_tok_s / roof_decode_tok_s\n"
"  commit_us          what a commitment costs, a position, in microseconds\n"
"  commit_share       what all cost, as a share of a round without them\n"
"  guard_last_..      the machine afterwards\n"
"\n"
"Example, for the figures of bench/RESULTS.md:\n"
"\n"
"  bench/engine --shape tinyllama --batch 16 --threads 2\n"
"\n"
"Shapes (smollm, tinyllama and 1b are short names):\n";

static void print_help(void)
{
    fputs(usage, stdout);
    fputs(help, stdout);
    for (size_t i = 0; shape_name(i); i++) {
        struct model_record rec;

        shape_find(&rec, shape_name(i));
        printf("  %-15s %2u layers, width %4u, ffn %5u, %6u token ids,"
               " context %6u\n", shape_name(i), rec.n_layers, rec.dim,
               rec.ffn_dim, rec.n_vocab, rec.context);
    }
}

static int size_option(size_t *out, const char *name, const char *text,
                       size_t most)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || v < 1 || v > most) {
        fprintf(stderr, "bench/engine: %s %s: 1 to %zu expected\n", name,
                text, most);
        return -1;
    }
    *out = v;
    return 0;
}

static int flag_option(bool *out, const char *name, const char *text)
{
    *out = strcmp(text, "yes") == 0;
    if (*out || strcmp(text, "no") == 0)
        return 0;
    fprintf(stderr, "bench/engine: %s %s: yes or no expected\n", name, text);
    return -1;
}

static int temperature_option(uint32_t *out, const char *text)
{
    char *end;
    double t = strtod(text, &end);

    if (end == text || *end || !(t == 0 || (t >= 0.01 && t <= 100))) {
        fprintf(stderr, "bench/engine: --temperature %s: 0, or 0.01 to 100"
                " expected\n", text);
        return -1;
    }
    *out = (uint32_t)(t * 1e6 + 0.5);
    return 0;
}

static int activations_option(uint32_t *out, const char *text)
{
    if (strcmp(text, "A14") == 0)
        *out = 0;
    else if (strcmp(text, "A8") == 0)
        *out = MODEL_A8;
    else if (strcmp(text, "A8R") == 0)
        *out = MODEL_A8R;
    else {
        fprintf(stderr, "bench/engine: --activations %s: A14, A8 or A8R"
                " expected\n", text);
        return -1;
    }
    return 0;
}

static int gemm_option(const char **out, const char *text)
{
    *out = text;
    if (strcmp(text, "own") == 0 || strcmp(text, "lt") == 0)
        return 0;
    fprintf(stderr, "bench/engine: --gemm %s: own or lt expected\n", text);
    return -1;
}

static int graphs_option(const char **out, const char *text)
{
    bool yes;

    *out = text;
    return flag_option(&yes, "--gpu-graphs", text);
}

static int mix_option(enum mix *out, const char *name, const char *text)
{
    bool yes;

    if (flag_option(&yes, name, text))
        return -1;
    *out = yes ? MIX_YES : MIX_NO;
    return 0;
}

static int option(struct bench *b, const char *name, const char *value)
{
    const struct {
        const char *name;
        size_t *out, most;
    } sizes[] = {
        { "--batch", &b->batch, 4096 },
        { "--prompt", &b->prompt, 131072 },
        { "--generate", &b->generate, 131072 },
        { "--rows", &b->rows, 65536 },
        { "--rounds", &b->rounds, MAX_ROUNDS },
        { "--threads", &b->threads, 4096 },
    };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        if (strcmp(name, sizes[i].name) == 0)
            return size_option(sizes[i].out, name, value, sizes[i].most);
    if (strcmp(name, "--shape") == 0)
        b->shape = value;
    else if (strcmp(name, "--kernel") == 0)
        b->kernel = value;
    else if (strcmp(name, "--gemm") == 0)
        return gemm_option(&b->gemm, value);
    else if (strcmp(name, "--gpu-graphs") == 0)
        return graphs_option(&b->graphs, value);
    else if (strcmp(name, "--temperature") == 0)
        return temperature_option(&b->temperature, value);
    else if (strcmp(name, "--mix") == 0)
        return mix_option(&b->mix, name, value);
    else if (strcmp(name, "--varied") == 0)
        return flag_option(&b->varied, name, value);
    else if (strcmp(name, "--activations") == 0)
        return activations_option(&b->activations, value);
    else if (strcmp(name, "--commit") == 0)
        return flag_option(&b->commit, name, value);
    else {
        fprintf(stderr, "bench/engine: unknown option %s\n%s", name, usage);
        return -1;
    }
    return 0;
}

/* A temperature is that of all requests. */
static int settle_mix(struct bench *b, bool temperature)
{
    if (temperature && b->mix == MIX_YES) {
        fputs("bench/engine: --mix yes sets the temperature of each request:"
              " leave out --temperature\n", stderr);
        return -1;
    }
    if (b->mix == MIX_DEFAULT)
        b->mix = temperature ? MIX_NO : MIX_YES;
    return 0;
}

int main(int argc, char **argv)
{
    struct bench b = { .shape = "nano", .kernel = "auto", .batch = 1,
                       .prompt = 64, .generate = 128, .rounds = 3,
                       .threads = 1 };
    struct err err = ERR_INIT;

    bool temperature = false;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return 0;
    }
    if (argc % 2 == 0) {
        fputs(usage, stderr);
        return 2;
    }
    for (int i = 1; i < argc; i += 2) {
        if (option(&b, argv[i], argv[i + 1]))
            return 2;
        temperature |= strcmp(argv[i], "--temperature") == 0;
    }
    if (settle_mix(&b, temperature))
        return 2;
    if (run_bench(&b, &err)) {
        fprintf(stderr, "bench/engine: %s\n", err.text);
        return 1;
    }
    return 0;
}
