/*
 * Games between executions of runs of vectors/x1.
 */
#include <config.h>

#include "tests/dispute_util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "dispute/dispute_file.h"
#include "dispute/judge_internal.h"
#include "dispute/prover.h"
#include "dispute/ways.h"
#include "kernels/kernels.h"
#include "proof/digest.h"
#include "tests/models_util.h"

/* ---- runs ---------------------------------------------------------------- */

struct ids {
    uint32_t *id;
    size_t n;
};

static int put_id(void *self, uint64_t id)
{
    struct ids *s = self;

    if (s->n == PLAYED_MAX)
        return -1;
    s->id[s->n++] = (uint32_t)id;
    return 0;
}

static uint32_t number(const struct json *v, const char *key)
{
    uint64_t n = 0;

    json_u64(json_get(v, key), &n);
    return (uint32_t)n;
}

static struct json *read_runs(const char *model)
{
    char *name = xasprintf("vectors/x1/%s.json", model);
    char *path = tree_path(name);
    struct json *root = NULL;
    struct err err = ERR_INIT;
    struct buf text;

    buf_init(&text, (size_t)64 << 20);
    if (file_read(&text, path, &err) ||
        json_parse(&root, text.data, text.len, &err))
        abort();
    buf_clear(&text);
    free(path);
    free(name);
    return root;
}

static struct model *model_of(const char *name)
{
    static struct {
        const char *name;
        struct model *m;
    } made[8];
    struct convert_options o = { 0 };
    size_t i = 0;
    char *dir, *path;

    while (made[i].name && strcmp(made[i].name, name) != 0)
        i++;
    if (made[i].name)
        return made[i].m;
    dir = xasprintf("%s/%s", strcmp(name, "nano") == 0 ? "models"
                                                       : "vectors/x1/models",
                    name);
    path = tree_path(dir);
    made[i].name = name;
    made[i].m = model_from_hf(path, &o);
    free(path);
    free(dir);
    return made[i].m;
}

void played_init(struct played *p, const char *model, uint32_t run,
                 size_t max_out)
{
    struct json *root = read_runs(model);
    const struct json *r = json_first(json_get(root, "runs")), *s;
    struct ids prompt = { p->prompt, 0 }, output = { p->output, 0 };
    struct job_record j = { .numerics = 1 };

    for (; run > 0; run--)
        r = json_next(r);
    s = json_get(r, "sampling");
    json_u64_array(json_get(r, "prompt"), UINT32_MAX, put_id, &prompt);
    json_u64_array(json_get(r, "tokens"), UINT32_MAX, put_id, &output);
    p->model = model_of(model);
    p->n_prompt = prompt.n;
    p->n_out = output.n < max_out ? output.n : max_out;
    p->temperature = number(s, "temperature");
    j.model = p->model->id;
    job_record_prompt(&j, p->prompt, p->n_prompt);
    j.max_tokens = (uint32_t)p->n_out;
    j.temperature = p->temperature;
    j.top_p = number(s, "top_p");
    j.top_k = number(s, "top_k");
    j.flags = JOB_IGNORE_EOS;
    json_digits(json_get(s, "seed"), &j.seed);
    if (job_record_stops(&j, NULL, 0, NULL))
        abort();
    job_record_pack(p->job, &j);
    json_free(root);
}

/* ---- lies ---------------------------------------------------------------- */

static void add_float(float *v, int64_t add)
{
    *v = f32_from((uint32_t)(f32_bits(*v) + add));
}

static void alter(void *self, uint32_t position, uint32_t layer,
                  enum entry e, void *value, size_t n)
{
    const struct lie *l = self;
    unsigned char *bytes = value;

    if (position == l->position && layer == l->layer && e == ENTRY_X && n > 0)
        add_float(value, 1024); /* or the lie may show in no leaf */
    if (position != l->position || layer != l->layer || e != l->entry ||
        l->embed != (e == ENTRY_X && n == 0))
        return;
    if (e == ENTRY_HEADS) {
        set_u32(bytes + l->index, (uint32_t)(get_u32(bytes + l->index) +
                                             l->add));
    } else if (e == ENTRY_KV) {
        if (n == l->index / 65536)
            bytes[l->index % 65536] += (unsigned char)l->add;
    } else if (!operators_is_vector(e)) {
        *(uint64_t *)value += (uint64_t)l->add;
    } else if (e == ENTRY_A || e == ENTRY_B || e == ENTRY_C || e == ENTRY_H ||
               e == ENTRY_F || e == ENTRY_R) {
        ((int16_t *)value)[l->index] += (int16_t)l->add;
    } else {
        add_float((float *)value + l->index, l->add);
    }
}

struct execution *played_execution(const struct played *p, bool deep,
                                   struct lie *lie)
{
    struct execution_input in = { .model = p->model, .prompt = p->prompt,
                                  .output = p->output, .job = p->job,
                                  .deep = deep };
    struct result_record r = { .request = { { 7 } },
                               .finish = RESULT_LENGTH };
    struct execution *x;
    struct x1_kernels k;
    struct err err = ERR_INIT;

    if (x1_kernels_find(&k, "reference") ||
        execution_new(&x, &in, p->n_out, &k, lie ? alter : NULL, lie, &err)) {
        printf("# %s\n", err.text);
        abort();
    }
    execution_seal(x, &r);
    return x;
}

/* ---- games --------------------------------------------------------------- */

int game_honest(void *self, const struct judge *g, char *choice)
{
    return prover_pick(choice, self, g, NULL);
}

uint32_t game_below(uint64_t *seed, uint32_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % n;
}

/* ---- all picks ----------------------------------------------------------- */

/* Return whether the judge takes a pick. */
static bool is_taken(const struct judge *g, const char *choice)
{
    struct judge copy = *g;

    if (g->show == SHOW_SUM_BLOCKS)
        return true; /* a pick moves bytes that the copy shares */
    return judge_pick(&copy, choice, NULL) == 0;
}

__attribute__((format(printf, 3, 4)))
static void put_pick(struct buf *out, const struct judge *g, const char *fmt,
                     ...)
{
    char choice[JUDGE_PICK_MAX + 1];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(choice, sizeof(choice), fmt, ap);
    va_end(ap);
    if (is_taken(g, choice))
        buf_put(out, choice, strlen(choice) + 1);
}

static void put_records(struct buf *out, const struct judge *g)
{
    put_pick(out, g, "job");
    put_pick(out, g, "order");
    put_pick(out, g, "trace");
    for (uint32_t i = 0; i < g->r.n_out; i++) {
        put_pick(out, g, "finish %u", i);
        put_pick(out, g, "stop %u", i);
    }
}

static void put_layers(struct buf *out, const struct judge *g)
{
    put_pick(out, g, "embed");
    put_pick(out, g, "kv");
    for (uint32_t i = 0; i < g->m.n_layers; i++)
        put_pick(out, g, "%u", i);
}

/* Elements of the longest row that a scalar belongs to. */
static uint32_t longest_row(const struct judge *g)
{
    size_t n = operators_elements(&g->m, ENTRY_O);

    n = n > g->m.dim ? n : g->m.dim;
    n = n > g->m.ffn_dim ? n : g->m.ffn_dim;
    return (uint32_t)(n > g->m.n_vocab ? n : g->m.n_vocab);
}

static void put_operators(struct buf *out, const struct judge *g)
{
    enum operators table = operators_of(&g->m, g->layer, judge_draws(g));
    enum entry e;

    put_pick(out, g, "x");
    for (uint32_t i = 0; i < g->m.n_kv_heads; i++)
        put_pick(out, g, "kv %u", i);
    for (size_t k = 0; (e = operators_entry(table, k)) != ENTRIES; k++) {
        uint32_t n = operators_is_vector(e) ? 0 : longest_row(g);

        put_pick(out, g, "%s", operators_name(e));
        for (uint32_t i = 0; i < n; i++) {
            put_pick(out, g, "%s %u", operators_name(e), i);
            put_pick(out, g, "range %s %u", operators_name(e), i);
        }
    }
}

static void put_heads(struct buf *out, const struct judge *g, uint32_t head)
{
    put_pick(out, g, "%u er", head);
    put_pick(out, g, "%u m", head);
    put_pick(out, g, "%u ev", head);
    put_pick(out, g, "%u Z", head);
    for (uint32_t key = 0; key <= g->leaf.position; key++) {
        put_pick(out, g, "%u m %u", head, key);
        put_pick(out, g, "%u ev %u", head, key);
    }
}

static void put_elements(struct buf *out, const struct judge *g)
{
    for (uint32_t i = g->piece.first; i < g->piece.first + g->piece.n; i++)
        if (g->entry == ENTRY_HEADS) {
            put_heads(out, g, i);
        } else {
            put_pick(out, g, "%u", i);
            put_pick(out, g, "range %u", i);
        }
}

/* The numbers of the list that was shown last. */
static const struct shown *last_list(const struct judge *g)
{
    if (g->show == SHOW_SUMS || g->show == SHOW_SUM_BLOCKS)
        return &g->sums;
    return g->show >= SHOW_PIECE_BLOCKS ? &g->pieces : &g->list;
}

void game_picks(struct buf *out, const struct judge *g)
{
    static const char *const field[] = { "token", "kv", "fin", "next",
                                         "deep" };
    const struct shown *s = last_list(g);

    switch (g->show) {
    case SHOW_RECORDS: put_records(out, g); return;
    case SHOW_LEAF:
        for (size_t i = 0; i < sizeof(field) / sizeof(*field); i++)
            put_pick(out, g, "%s", field[i]);
        return;
    case SHOW_LAYERS: put_layers(out, g); return;
    case SHOW_OPERATORS: put_operators(out, g); return;
    case SHOW_PIECE: put_elements(out, g); return;
    default:
        if (s == &g->sums)
            put_pick(out, g, "total");
        for (uint32_t i = s->first; i < s->first + s->n; i++)
            put_pick(out, g, "%u", i);
    }
}

/* ---- random picks -------------------------------------------------------- */

static void random_operator(uint64_t *s, const struct judge *g, char *choice)
{
    static const char *const form[] = { "%s", "%s %u", "range %s %u" };
    enum operators table = operators_of(&g->m, g->layer, judge_draws(g));
    size_t n = 0;
    enum entry e;

    while (operators_entry(table, n) != ENTRIES)
        n++;
    e = operators_entry(table, game_below(s, (uint32_t)n));
    if (game_below(s, 8) == 0)
        snprintf(choice, JUDGE_PICK_MAX, game_below(s, 2) ? "x" : "kv %u",
                 game_below(s, g->m.n_kv_heads));
    else if (operators_is_vector(e))
        snprintf(choice, JUDGE_PICK_MAX, "%s", operators_name(e));
    else
        snprintf(choice, JUDGE_PICK_MAX, form[game_below(s, 3)],
                 operators_name(e), game_below(s, g->m.dim));
}

static void random_element(uint64_t *s, const struct judge *g, char *choice)
{
    static const char *const field[] = { "er", "m", "ev", "Z" };
    uint32_t i = g->piece.first + game_below(s, g->piece.n);

    if (g->entry != ENTRY_HEADS)
        snprintf(choice, JUDGE_PICK_MAX,
                 game_below(s, 6) ? "%u" : "range %u", i);
    else if (game_below(s, 2))
        snprintf(choice, JUDGE_PICK_MAX, "%u %s", i, field[game_below(s, 4)]);
    else
        snprintf(choice, JUDGE_PICK_MAX, "%u %s %u", i, field[game_below(s, 4)],
                 game_below(s, g->leaf.position + 1));
}

static void random_stop(uint64_t *seed, const struct judge *g, char *choice)
{
    const struct judge_stops *s = &g->stops;

    if (game_below(seed, 3) == 0)
        snprintf(choice, JUDGE_PICK_MAX, g->show == SHOW_STOPS ? "total"
                                                              : "text");
    else if (g->show == SHOW_STOPS)
        snprintf(choice, JUDGE_PICK_MAX, "%u",
                 s->first + game_below(seed, s->n));
    else
        snprintf(choice, JUDGE_PICK_MAX, "%u",
                 s->n_points ? s->point[game_below(seed, (uint32_t)s->n_points)]
                             : 0);
}

int game_random(void *self, const struct judge *g, char *choice)
{
    static const char *const field[] = { "token", "kv", "fin", "next",
                                         "deep" };
    const struct shown *s = last_list(g);
    uint64_t *seed = self;
    uint32_t r = game_below(seed, 16);

    switch (g->show) {
    case SHOW_RECORDS:
        snprintf(choice, JUDGE_PICK_MAX, r == 0 ? "job" : r == 1 ? "finish %u"
                 : r == 2 ? "stop %u" : "trace", game_below(seed, g->r.n_out));
        break;
    case SHOW_STOPS: case SHOW_OFFSETS: case SHOW_BETWEEN:
        random_stop(seed, g, choice);
        break;
    case SHOW_LEAF:
        snprintf(choice, JUDGE_PICK_MAX, "%s", field[game_below(seed, 5)]);
        break;
    case SHOW_LAYERS:
        snprintf(choice, JUDGE_PICK_MAX, r < 2 ? "embed" : r < 4 ? "kv" : "%u",
                 game_below(seed, g->m.n_layers));
        break;
    case SHOW_OPERATORS: random_operator(seed, g, choice); break;
    case SHOW_PIECE: random_element(seed, g, choice); break;
    default:
        snprintf(choice, JUDGE_PICK_MAX, "%u",
                 s->first + game_below(seed, s->n));
        if (s == &g->sums && r < 8)
            snprintf(choice, JUDGE_PICK_MAX, "total");
    }
    return 1;
}

int game_any(void *self, const struct judge *g, char *choice)
{
    int i = 0;

    do
        game_random(self, g, choice);
    while (!is_taken(g, choice) && i++ < 1000);
    return 1;
}

/* ---- moves --------------------------------------------------------------- */

static int show(struct game *out, struct execution *node, struct judge *g,
                game_show_fn *change, void *self, struct err *err)
{
    struct buf b;
    int rc;

    buf_init(&b, (size_t)1 << 20);
    rc = prover_show(&b, node, g, err);
    if (rc == 0 && change)
        change(self, g, &b);
    if (rc == 0) {
        dispute_file_put(&out->file, DISPUTE_SHOW, b.data, b.len);
        rc = judge_show(g, (unsigned char *)b.data, b.len, err);
    }
    out->n_shows++;
    if (b.len > out->most_shown)
        out->most_shown = b.len;
    buf_clear(&b);
    return rc;
}

/* A pick; a random one is tried until it is taken. */
static int pick(struct game *out, struct judge *g, game_pick_fn *fn,
                void *self, struct err *err)
{
    char choice[JUDGE_PICK_MAX + 1];
    int rc = -1;

    for (int i = 0; rc && i < 200; i++) {
        if (fn(self, g, choice) != 1)
            return err_set(err, ERR_INPUT, "nothing to pick after %s",
                           judge_show_name(g->show));
        rc = judge_pick(g, choice, err);
        if (rc && fn != game_random) {
            dispute_file_put(&out->file, DISPUTE_PICK, choice, strlen(choice));
            return err_prefix(err, "\"%s\" after %s", choice,
                              judge_show_name(g->show));
        }
    }
    if (rc == 0)
        dispute_file_put(&out->file, DISPUTE_PICK, choice, strlen(choice));
    return rc;
}

static int prove(struct game *out, struct execution *node, struct judge *g,
                 struct err *err)
{
    struct buf b;
    int rc;

    out->code = g->place.code;
    buf_init(&b, (size_t)1 << 20);
    rc = prover_prove(&b, node, g, err);
    if (rc == 0)
        rc = judge_prove(g, (unsigned char *)b.data, b.len, err);
    dispute_file_put(&out->file, DISPUTE_PROVE, b.data ? b.data : "", b.len);
    out->proof = b.len;
    buf_clear(&b);
    return rc;
}

void game_play(struct game *out, struct execution *node, game_pick_fn *picks,
               void *picker, game_show_fn *shows, void *shower)
{
    struct err err = ERR_INIT;
    struct judge g;
    struct id result;
    int rc = 0;

    memset(out, 0, sizeof(*out));
    buf_init(&out->file, (size_t)1 << 20);
    if (node->in.file) {
        judge_init_file(&g, &node->in.file->of);
        dispute_file_begin_line(&out->file, &node->in.file->of);
    } else {
        digest(&result, node->result, RESULT_RECORD_SIZE);
        judge_init(&g, result);
        dispute_file_begin(&out->file, result);
    }
    while (rc == 0 && g.turn != JUDGE_OVER) {
        if (g.turn == JUDGE_SHOWS)
            rc = show(out, node, &g, shows, shower, &err);
        else if (g.turn == JUDGE_PICKS)
            rc = pick(out, &g, picks, picker, &err);
        else
            rc = prove(out, node, &g, &err);
    }
    out->stuck = rc != 0;
    out->verdict = g.verdict;
    snprintf(out->why, sizeof(out->why), "%.190s", rc ? err.text : g.text);
    judge_clear(&g);
}

void game_clear(struct game *g)
{
    buf_clear(&g->file);
}
