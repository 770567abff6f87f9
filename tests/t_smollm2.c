/*
 * SmolLM2-135M-Instruct, a published model in a GGUF file (models/smollm2 in
 * APUS_TEST_DATA, whose README says where each number comes from): the ids of
 * texts and chats, and the greedy answers of X1, id for id, on every kernel
 * of this machine but the slow reference.  APUS_LONG=1: on the reference, too,
 * and 12,288 positions against float.
 *
 * part: all
 */
#include <config.h>

#include <math.h>

#include "backend/backends.h"
#include "base/json.h"
#include "engine/engine.h"
#include "tests/models_util.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#define DIR "models/smollm2/"
#define GGUF DIR "SmolLM2-135M-Instruct.Q4_1.gguf"
#define MAX_IDS 512
#define CHATS 16
#define LINES 24
#define TOP 256
#define MAX_FILE ((size_t)16 << 20)

struct smollm2 {
    struct model *m;
    struct tokenizer *t;
    struct chat *chat;
};

static bool read_data(struct buf *b, const char *name)
{
    char *full = xasprintf(DIR "%s", name), *path = data_path(full);
    struct err err = ERR_INIT;
    bool good = path && file_read(b, path, &err) == 0;

    if (!good)
        printf("# %s\n", err.text);
    buf_put(b, "", 0);
    free(full);
    free(path);
    return good;
}

static size_t ids_of(const struct json *list, uint32_t out[MAX_IDS])
{
    size_t n = 0;

    for (const struct json *v = json_first(list); v && n < MAX_IDS;
         v = json_next(v)) {
        uint64_t id = 0;

        json_u64(v, &id);
        out[n++] = (uint32_t)id;
    }
    return n;
}

static bool same_ids(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    return n == m && (n == 0 || memcmp(a, b, n * sizeof(*a)) == 0);
}

/* Call fn with each line of a file of JSON lines. */
static size_t each_line(const char *name, void *user,
                        void (*fn)(void *user, const struct json *v))
{
    size_t lines = 0;
    struct buf b;

    buf_init(&b, MAX_FILE);
    if (read_data(&b, name))
        for (char *p = b.data; *p;) {
            size_t n = strcspn(p, "\n");
            struct json *v = NULL;

            if (json_parse(&v, p, n, NULL) == 0)
                fn(user, v);
            lines += v != NULL;
            json_free(v);
            p += n + (p[n] != '\0');
        }
    buf_clear(&b);
    return lines;
}

/* ---- texts --------------------------------------------------------------- */

struct texts {
    const struct smollm2 *s;
    size_t good;
};

static void one_text(void *user, const struct json *v)
{
    struct texts *x = user;
    const char *text = json_string(json_get(v, "text"));
    uint32_t want[MAX_IDS];
    size_t n = ids_of(json_get(v, "ids"), want);
    struct tokens ids;

    tokens_init(&ids);
    if (tokenizer_encode_special(x->s->t, text, strlen(text), true, &ids,
                                 NULL) == 0 &&
        same_ids(ids.id, ids.n, want, n))
        x->good++;
    else
        printf("# differs: %.60s\n", text);
    tokens_clear(&ids);
}

static void try_texts(const struct smollm2 *s)
{
    static const uint32_t nul[] = { 190, 94, 336 };
    struct texts x = { s, 0 };
    size_t lines = each_line("tokens.jsonl", &x, one_text);
    struct tokens ids;

    ok(lines == 59 && x.good == lines, "the ids of %zu of %zu texts", x.good,
       lines);
    tokens_init(&ids); /* JSON has no NUL here */
    ok(tokenizer_encode(s->t, "\0nul", 4, true, &ids, NULL) == 0 &&
       same_ids(ids.id, ids.n, nul, 3), "and of the one with a NUL");
    tokens_clear(&ids);
}

/* ---- chats --------------------------------------------------------------- */

struct one_chat {
    char name[32];
    uint32_t prompt[MAX_IDS], want[MAX_IDS];
    size_t n_prompt, n_want;
    bool same_prompt, same_answer;
};

struct chats {
    const struct smollm2 *s;
    struct one_chat chat[CHATS];
    size_t n;
};

static void one_chat(void *user, const struct json *v)
{
    struct chats *c = user;
    struct one_chat *one = &c->chat[c->n];
    struct chat_message message[MAX_IDS / 64];
    struct chat_input in = { .message = message };
    const struct json *e = json_first(json_get(v, "messages"));
    struct tokens ids;

    if (c->n == CHATS)
        return;
    for (; e && in.n_messages < sizeof(message) / sizeof(message[0]);
         e = json_next(e))
        message[in.n_messages++] = (struct chat_message){
            .role = json_string(json_get(e, "role")),
            .content = json_string(json_get(e, "content")) };
    snprintf(one->name, sizeof(one->name), "%s",
             json_string(json_get(v, "name")));
    one->n_prompt = ids_of(json_get(v, "prompt_ids"), one->prompt);
    one->n_want = ids_of(json_get(json_get(v, "x1_rule1_A14"), "ids"),
                         one->want);
    tokens_init(&ids);
    one->same_prompt = chat_encode(c->s->chat, &in, &ids, NULL) == 0 &&
                       same_ids(ids.id, ids.n, one->prompt, one->n_prompt);
    tokens_clear(&ids);
    c->n++;
}

static void on_answer(void *self, const struct answer *a)
{
    struct one_chat *one = a->user;

    (void)self;
    one->same_answer = same_ids(a->token, a->n_out, one->want, one->n_want);
    if (!one->same_answer)
        printf("# %s differs\n", one->name);
}

static bool run_all(const struct smollm2 *s, const char *kernel,
                    const struct engine_options *o,
                    const struct observer *obs, struct sequence *seq,
                    size_t n)
{
    struct backend *b = NULL;
    struct engine *e = NULL;
    struct err err = ERR_INIT;
    bool busy = true, good;

    good = backend_open(&b, kernel, 1, &err) == 0 &&
           engine_new(&e, b, s->m, NULL, o, obs, &err) == 0;
    for (size_t i = 0; good && i < n; i++)
        good = engine_add(e, &seq[i], &err) == 0;
    while (good && busy)
        good = engine_step(e, &busy, &err) == 0;
    if (!good)
        printf("# %s: %s\n", kernel, err.text);
    engine_free(e);
    backend_close(b);
    return good;
}

/* The answers on a kernel. */
static void try_answers(struct chats *c, const char *kernel)
{
    struct engine_options o = { .max_sequences = CHATS };
    struct observer obs = { .finished = on_answer };
    struct sequence seq[CHATS];
    size_t n = 0, good = 0;

    memset(seq, 0, sizeof(seq));
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->chat[i].name, "control") == 0)
            continue;
        seq[n].prompt = c->chat[i].prompt;
        seq[n].n_prompt = c->chat[i].n_prompt;
        seq[n].max_tokens = 64;
        seq[n].sampling.top_p = 1000000;
        seq[n++].user = &c->chat[i];
        c->chat[i].same_answer = false;
    }
    run_all(c->s, kernel, &o, &obs, seq, n);
    for (size_t i = 0; i < c->n; i++)
        good += c->chat[i].same_answer;
    ok(n == 11 && good == n, "%s: %zu of %zu answers are X1's", kernel, good,
       n);
}

static void try_chats(const struct smollm2 *s, struct chats *c)
{
    size_t good = 0;
    bool control = false;

    memset(c, 0, sizeof(*c));
    c->s = s;
    each_line("chats.jsonl", c, one_chat);
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->chat[i].name, "control") == 0)
            control = !c->chat[i].same_prompt;
        else if (c->chat[i].same_prompt)
            good++;
        else
            printf("# %s has another prompt\n", c->chat[i].name);
    }
    ok(c->n == 12 && good == 11, "the prompts of %zu of 11 chats", good);
    ok(control, "control tokens in a user's text are text");
}

/* ---- against float ------------------------------------------------------- */

/* One line of contexts.ids and what float makes of it. */
struct line {
    uint32_t id[MAX_IDS];
    size_t number;
    struct floats *f;
};

struct floats {
    const float *nll, *margin;
    const uint32_t *best;
    const unsigned char *top; /* of four lines */
    struct line line[LINES];
    size_t n_vocab, n_far, far, n_near, near, n_kl;
    double sum, kl;
};

static double log_sum(const float *l, size_t n)
{
    double most = -INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, (double)l[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)l[i] - most);
    return most + log(sum);
}

/* KL over the 256 ids that float holds most likely, and the others as one. */
static double divergence(const unsigned char *top, const float *l, double z)
{
    double kl = 0, p_left = 1, q_left = 1;

    for (size_t i = 0; i < TOP; i++) {
        uint32_t id;
        float lp;
        double lq;

        memcpy(&id, top + 8 * i, 4);
        memcpy(&lp, top + 8 * i + 4, 4);
        lq = (double)l[id] - z;
        kl += exp((double)lp) * ((double)lp - lq);
        p_left -= exp((double)lp);
        q_left -= exp(lq);
    }
    if (p_left > 1e-9 && q_left > 1e-9)
        kl += p_left * log(p_left / q_left);
    return kl;
}

static void on_logits(void *self, void *user, uint32_t position,
                      const float *logits)
{
    static const size_t with_top[] = { 2, 9, 17, 20 };
    struct line *y = user;
    struct floats *f = y->f;
    size_t at = y->number * MAX_IDS + position, best = 0;
    double z = log_sum(logits, f->n_vocab);

    (void)self;
    for (size_t i = 0; i < f->n_vocab; i++)
        best = logits[i] > logits[best] ? i : best;
    if (f->margin[at] > 0.5f) {
        f->n_far++;
        f->far += best == f->best[at];
    } else if (f->margin[at] > 0.1f) {
        f->n_near++;
        f->near += best == f->best[at];
    }
    if (position + 1 < MAX_IDS)
        f->sum += z - (double)logits[y->id[position + 1]];
    for (size_t i = 0; i < 4; i++)
        if (with_top[i] == y->number) {
            f->kl += divergence(f->top + (i * MAX_IDS + position) * TOP * 8,
                                logits, z);
            f->n_kl++;
        }
}

static void read_lines(struct floats *f, const char *text)
{
    char *end;

    for (size_t i = 0; i < LINES; i++) {
        f->line[i].number = i;
        f->line[i].f = f;
        for (size_t k = 0; k < MAX_IDS; k++) {
            f->line[i].id[k] = (uint32_t)strtoul(text, &end, 10);
            text = end;
        }
    }
}

/* What a mode must reach (doc/quality.md). */
struct limits {
    const char *mode;
    size_t far, near_percent;
    double kl, perplexity; /* the second by how much above float's, % */
};

static void report(const struct floats *f, const struct limits *l)
{
    double n = LINES * (MAX_IDS - 1), want = 0, ppl;

    for (size_t i = 0; i < LINES * (MAX_IDS - 1); i++)
        want += (double)f->nll[i];
    want = exp(want / n);
    ppl = exp(f->sum / n);
    ok(f->n_far == 7969 && f->far >= l->far, "%s: %zu of %zu ids with a"
       " margin over 0.5 are float's", l->mode, f->far, f->n_far);
    ok(f->n_near == 3305 && f->near * 100 >= f->n_near * l->near_percent,
       "%zu of %zu with one of 0.1 to 0.5", f->near, f->n_near);
    ok(f->n_kl == 4 * MAX_IDS && f->kl / (double)f->n_kl <= l->kl,
       "mean KL %.3e on four lines", f->kl / (double)f->n_kl);
    ok(100 * fabs(ppl / want - 1) <= l->perplexity,
       "perplexity %.4f, float %.4f: %+.2f %%", ppl, want,
       100 * (ppl / want - 1));
}

static void try_floats(const struct smollm2 *s, const struct limits *l)
{
    static const char *const names[] = { "contexts.ids", "nll.f32",
                                         "best.u32", "margin.f32",
                                         "top256.bin" };
    static struct floats f;
    static struct sequence seq[LINES];
    struct engine_options o = { .max_sequences = LINES, .draw_all = true };
    struct observer obs = { .logits = on_logits };
    struct buf b[5];
    bool good = true;

    memset(&f, 0, sizeof(f));
    memset(seq, 0, sizeof(seq));
    for (size_t i = 0; i < 5; i++) {
        buf_init(&b[i], MAX_FILE);
        good &= read_data(&b[i], names[i]);
    }
    if (!ok(good, "what float makes of 24 lines"))
        goto out;
    f.nll = (const float *)(void *)b[1].data;
    f.best = (const uint32_t *)(void *)b[2].data;
    f.margin = (const float *)(void *)b[3].data;
    f.top = (const unsigned char *)b[4].data;
    f.n_vocab = s->m->rec.n_vocab;
    read_lines(&f, b[0].data);
    for (size_t i = 0; i < LINES; i++) {
        seq[i].prompt = f.line[i].id;
        seq[i].n_prompt = MAX_IDS;
        seq[i].max_tokens = 1;
        seq[i].sampling.top_p = 1000000;
        seq[i].user = &f.line[i];
    }
    ok(run_all(s, "auto", &o, &obs, seq, LINES), "are computed");
    report(&f, l);
out:
    for (size_t i = 0; i < 5; i++)
        buf_clear(&b[i]);
}

/* -------------------------------------------------------------------------- */

static bool open_smollm2(struct smollm2 *s, const char *path,
                         const struct convert_options *o)
{
    struct err err = ERR_INIT;
    const struct model_record *r;
    bool good;

    memset(s, 0, sizeof(*s));
    s->m = model_from_hf(path, o);
    if (!s->m)
        return false;
    r = &s->m->rec;
    good = tokenizer_new(&s->t, s->m->tokenizer, (size_t)r->tokenizer_size,
                         r->n_vocab, &err) == 0 &&
           chat_new(&s->chat, s->t, s->m->chat_template,
                    (size_t)r->template_size, r->bos, r->eos[0], &err) == 0;
    if (!good)
        printf("# %s\n", err.text);
    return good;
}

static void close_smollm2(struct smollm2 *s)
{
    chat_free(s->chat);
    tokenizer_free(s->t);
    model_close(s->m);
}

int main(void)
{
    static const struct limits a14 = { "A14", 7960, 93, 4.7e-3, 0.55 };
    static const struct limits a8r = { "A8R", 7960, 92, 6.7e-3, 1.1 };
    static const struct convert_options rotated = { .a8 = true };
    bool is_long = getenv("APUS_LONG") != NULL;
    char *path = data_path(GGUF);
    static struct chats chats;
    struct smollm2 s;

    if (!path || !file_exists(path)) {
        skip("SmolLM2-135M-Instruct", "APUS_TEST_DATA has no models/smollm2");
        free(path);
        return done();
    }
    x1_thread_init();
    if (ok(open_smollm2(&s, path, NULL), "the model")) {
        try_texts(&s);
        try_chats(&s, &chats);
        for (size_t i = 0; x1_level(i); i++)
            if (strcmp(x1_level(i)->name, "reference") != 0 || is_long)
                try_answers(&chats, x1_level(i)->name);
        if (is_long)
            try_floats(&s, &a14);
    }
    close_smollm2(&s);
    if (is_long && ok(open_smollm2(&s, path, &rotated), "rotated")) {
        try_floats(&s, &a8r);
        close_smollm2(&s);
    }
    free(path);
    tmp_remove();
    return done();
}
