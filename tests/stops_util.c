/*
 * Tokenizers and answers that are made up for tests of stop strings, and shows
 * of them that no prover makes.
 */
#include <config.h>

#include "tests/stops_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "dispute/dispute_file.h"
#include "dispute/judge.h"
#include "engine/sequence.h"
#include "proof/digest.h"
#include "proof/merkle.h"
#include "proof/model_record.h"
#include "proof/result_record.h"
#include "proof/trace.h"
#include "tests/tap.h"
#include "text/tokenizer.h"

/* ---- a tokenizer --------------------------------------------------------- */

struct model stopped_model;
struct buf stopped_tokenizer;
uint32_t n_stopped_tokens;

void tokens_begin(unsigned version, uint32_t kind)
{
    buf_reset(&stopped_tokenizer);
    n_stopped_tokens = 0;
    buf_puts(&stopped_tokenizer, version == 2 ? "apustok2" : "apustok1");
    buf_put_u32(&stopped_tokenizer, kind);
    buf_put_u32(&stopped_tokenizer, 0);
    buf_put_u32(&stopped_tokenizer, 0);
    buf_put_u32(&stopped_tokenizer, UINT32_MAX);
    buf_put_u32(&stopped_tokenizer, 0);
    if (version == 2) { /* a first token, and no steps */
        buf_put_u32(&stopped_tokenizer, 1);
        for (int i = 0; i < 4; i++)
            buf_put_u32(&stopped_tokenizer, 0);
    }
}

void stopped_token(uint32_t flags, const char *text, size_t n)
{
    buf_put_u32(&stopped_tokenizer, flags);
    buf_put_f32(&stopped_tokenizer, 0);
    buf_put_u32(&stopped_tokenizer, (uint32_t)n);
    buf_put(&stopped_tokenizer, text, n);
    set_u32(stopped_tokenizer.data + 24, ++n_stopped_tokens);
}

void tokens_controls(void)
{
    stopped_token(1, "<s>", 3);
    stopped_token(0, "", 0);
    stopped_token(0, "</s>", 4);
}

void tokens_bytes(uint32_t kind)
{
    for (int i = 0; i < 256; i++) {
        char c = (char)i;

        stopped_token(kind ? 2 : 0, &c, 1);
    }
}

void tokens_end(void)
{
    stopped_model.rec.tokenizer_size = stopped_tokenizer.len;
    merkle_blob(&stopped_model.rec.tokenizer, stopped_tokenizer.data,
                stopped_tokenizer.len);
    stopped_model.tokenizer = (unsigned char *)stopped_tokenizer.data;
    model_record_id(&stopped_model.id, &stopped_model.rec);
}

void tokens_make(unsigned version, uint32_t kind, uint32_t many)
{
    char text[1024];

    tokens_begin(version, kind);
    tokens_controls();
    tokens_bytes(kind);
    for (size_t n = 64; n <= sizeof(text); n *= 2) {
        memset(text, 'x', n);
        stopped_token(0, text, n);
    }
    stopped_token(0, "\xe2\x96\x81" "ab\xe2\x96\x81\xe2\x96", 10);
    stopped_token(0, "\xe2\x96\x81", 3);
    stopped_token(0, "aba", 3);
    stopped_token(version == 2 ? 4 | 8 : 4, "<user>", 6);
    while (n_stopped_tokens < many) {
        size_t k = (size_t)snprintf(text, sizeof(text), "t%u",
                                    n_stopped_tokens);

        stopped_token(0, text, k);
    }
    buf_put_u32(&stopped_tokenizer, 0);
    tokens_end();
}

/* ---- an answer ----------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    const struct job_stop *x = a, *y = b;
    int c = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);

    return c ? c : (x->n > y->n) - (x->n < y->n);
}

void stopped_stop(struct stopped *m, const char *text, size_t n)
{
    for (size_t i = 0; i < m->n_stops; i++)
        if (m->stop[i].n == n && memcmp(m->stop[i].text, text, n) == 0)
            return;
    m->stop[m->n_stops++] = (struct job_stop){ text, n };
    qsort(m->stop, m->n_stops, sizeof(*m->stop), by_bytes);
}

void stopped_leaves(struct execution *x)
{
    for (uint32_t t = 0; t < x->n; t++) {
        struct trace_leaf l = { .position = t, .next = TRACE_NONE };

        l.token = t < x->j.n_prompt ? x->in.prompt[t]
                                    : x->in.output[t - x->j.n_prompt];
        if (t + 1 >= x->j.n_prompt) {
            l.next = x->in.output[t + 1 - x->j.n_prompt];
            l.flags = TRACE_FIN;
            l.fin.b[0] = 1;
        }
        trace_leaf_pack(x->leaves + (size_t)t * TRACE_LEAF_SIZE, &l);
    }
}

void stopped_answer(struct stopped *m, size_t n_out, uint32_t finish)
{
    struct result_record r = { .request = { { 7 } }, .finish = finish };
    struct execution *x = &m->x;
    struct job_record j = { .numerics = 1, .temperature = 0, .top_p = 1000000,
                            .model = stopped_model.id, .flags = m->flags };

    job_record_prompt(&j, m->prompt, 2);
    j.max_tokens = (uint32_t)n_out + (finish != RESULT_LENGTH);
    if (job_record_stops(&j, m->stop, m->n_stops, NULL))
        abort();
    job_record_pack(m->job, &j);
    buf_reset(&m->stops);
    for (size_t i = 0; i < m->n_stops; i++) {
        buf_put_u32(&m->stops, (uint32_t)m->stop[i].n);
        buf_put(&m->stops, m->stop[i].text, m->stop[i].n);
    }
    tokenizer_free(x->tokenizer);
    free(x->leaves);
    *x = (struct execution){
        .in = { .model = &stopped_model, .prompt = m->prompt,
                .output = m->output, .job = m->job,
                .stops = (unsigned char *)m->stops.data,
                .stops_size = m->stops.len },
        .j = j, .n = n_out + 1, .n_out = n_out
    };
    x->leaves = xcalloc(x->n, TRACE_LEAF_SIZE);
    stopped_leaves(x);
    execution_seal(x, &r);
}

/* ---- a file made by hand ------------------------------------------------- */

static void put_texts(struct buf *out, const struct job_stop *text)
{
    for (; text->text; text++) {
        buf_put_u32(out, (uint32_t)text->n);
        buf_put(out, text->text, text->n);
    }
}

static uint32_t count(const struct job_stop *text)
{
    uint32_t n = 0;

    while (text[n].text)
        n++;
    return n;
}

/* The records; a job is not asked whether it may have these stop strings. */
static void put_records(struct buf *out, uint32_t n_out,
                        const struct job_stop *stop)
{
    static const uint32_t prompt[2], output[80];
    struct result_record r = { .request = { { 7 } }, .finish = RESULT_LENGTH,
                               .model = stopped_model.id, .n = n_out + 1 };
    struct job_record j = { .numerics = 1, .top_p = 1000000,
                            .max_tokens = n_out, .n_stops = count(stop),
                            .model = stopped_model.id,
                            .flags = JOB_IGNORE_EOS };
    unsigned char b[RESULT_RECORD_SIZE + JOB_RECORD_SIZE + MODEL_RECORD_SIZE];
    struct merkle m;

    job_record_prompt(&j, prompt, 2);
    merkle_init(&m);
    for (uint32_t i = 0; i < j.n_stops; i++)
        merkle_leaf(&m, stop[i].text, stop[i].n);
    merkle_root(&m, &j.stops);
    job_record_id(&r.job, &j);
    result_record_output(&r, output, n_out);
    result_record_pack(b, &r);
    job_record_pack(b + RESULT_RECORD_SIZE, &j);
    model_record_pack(b + RESULT_RECORD_SIZE + JOB_RECORD_SIZE,
                      &stopped_model.rec);
    buf_put(out, b, sizeof(b));
}

void stopped_file(struct buf *file, uint32_t index, const struct job_stop *stop,
                  const struct job_stop *text)
{
    char pick[24];
    struct id id;
    struct buf b;

    buf_init(&b, DISPUTE_FILE_MAX);
    put_records(&b, index + 1, stop);
    digest(&id, b.data, RESULT_RECORD_SIZE);
    buf_reset(file);
    dispute_file_begin(file, id);
    dispute_file_put(file, DISPUTE_SHOW, b.data, b.len);
    snprintf(pick, sizeof(pick), "stop %u", (unsigned)index);
    dispute_file_put(file, DISPUTE_PICK, pick, strlen(pick));
    buf_reset(&b);
    put_texts(&b, stop);
    buf_put_u32(&b, count(text));
    put_texts(&b, text);
    dispute_file_put(file, DISPUTE_SHOW, b.data, b.len);
    buf_clear(&b);
}

const char *stopped_play(const struct buf *file, const char *dir)
{
    static const char *const name[] = { "holds", "fault", "unjudged" };
    static unsigned n;
    const char *end = "refused";
    struct judge g;
    char *path;

    if (dispute_file_play(&g, (unsigned char *)file->data, file->len,
                          NULL) == 0) {
        end = g.turn == JUDGE_OVER ? name[g.verdict] : "open";
        judge_clear(&g);
    }
    if (dir) {
        path = xasprintf("%s/made-%03u.%s", dir, n++, end);
        file_write(path, file->data, file->len, NULL);
        free(path);
    }
    return end;
}

/* ---- shows that no prover makes ------------------------------------------ */

#define LIST(...) (const struct job_stop[]){ __VA_ARGS__, { NULL, 0 } }

static void made(const char *dir, const char *name, const char *want,
                 uint32_t index, const struct job_stop *stop,
                 const struct job_stop *text)
{
    const char *end;
    struct buf file;

    buf_init(&file, (size_t)1 << 20);
    stopped_file(&file, index, stop, text);
    dispute_file_put(&file, DISPUTE_PICK, "total", 5);
    end = stopped_play(&file, dir);
    ok(strcmp(end, want) == 0, "%s: %s", name, end);
    buf_clear(&file);
}

void stopped_try_shows(const char *dir)
{
    static char dots[1025];
    char edge[64];
    struct job_stop none[66] = { { NULL, 0 } };

    memset(dots, '.', sizeof(dots));
    memset(edge, '.', 63);
    edge[63] = 'b';
    made(dir, "a stop string without a byte", "refused", 0, LIST({ "", 0 }),
         LIST({ ".", 1 }));
    made(dir, "of 65 bytes", "refused", 0, LIST({ dots, 65 }),
         LIST({ ".", 1 }));
    made(dir, "a text of 1025", "refused", 0, LIST({ "z", 1 }),
         LIST({ dots, 1025 }));
    made(dir, "of 1024", "holds", 0, LIST({ "z", 1 }),
         LIST({ dots, 1024 }));
    made(dir, "the longest stop string is not the last one", "holds", 1,
         LIST({ "aab", 3 }, { "z", 1 }), LIST({ "a", 1 }, { ".", 1 }));
    made(dir, "a text before the first token", "refused", 0, LIST({ "ab", 2 }),
         LIST({ "x", 1 }, { "y", 1 }));
    made(dir, "a string that ends one token earlier", "holds", 2,
         LIST({ "ab", 2 }, { "zzz", 3 }),
         LIST({ "a", 1 }, { "b", 1 }, { ".", 1 }));
    made(dir, "one of 64 bytes, 63 before", "fault", 1, LIST({ edge, 64 }),
         LIST({ dots, 63 }, { "b", 1 }));
    made(dir, "62 before", "holds", 1, LIST({ edge, 64 }),
         LIST({ dots, 62 }, { "b", 1 }));
    made(dir, "within the first text", "fault", 0, LIST({ "abc", 3 }),
         LIST({ "zabczz", 6 }));
    for (size_t i = 0; i < 64; i++)
        none[i] = (struct job_stop){ "", 0 };
    made(dir, "64 texts without a byte", "unjudged", 64, LIST({ dots, 64 }),
         none);
    none[64] = none[0];
    made(dir, "65", "refused", 64, LIST({ dots, 64 }), none);
    stopped_model.rec.tokenizer_size = 0;
    model_record_id(&stopped_model.id, &stopped_model.rec);
    made(dir, "a text, and no tokenizer", "refused", 1, LIST({ "ab", 2 }),
         LIST({ "a", 1 }, { "", 0 }));
    tokens_end();
}

/* ---- tokenizers that no model has ---------------------------------------- */

/* Return how a dispute goes on when the first piece is shown, which is all of
 * the tokenizer, and the offsets of its only token, or of none. */
static const char *head_end(const char *dir, bool token)
{
    const struct buf *t = &stopped_tokenizer;
    const char *end;
    struct buf file, show;

    buf_init(&file, DISPUTE_FILE_MAX);
    buf_init(&show, DISPUTE_FILE_MAX);
    tokens_end();
    stopped_file(&file, 0, LIST({ "z", 1 }), LIST({ "", 0 }));
    dispute_file_put(&file, DISPUTE_PICK, "0", 1);
    buf_put_u32(&show, token ? 0 : UINT32_MAX);
    buf_put(&show, t->data, t->len);
    for (uint32_t i = 0; token && i < 2; i++)
        buf_put_u32(&show, 28 + 12 * i);
    dispute_file_put(&file, DISPUTE_SHOW, show.data, show.len);
    end = stopped_play(&file, dir);
    buf_clear(&show);
    buf_clear(&file);
    return end;
}

static void begin_head(char version, uint32_t kind, uint32_t n)
{
    tokens_begin(1, kind);
    stopped_tokenizer.data[7] = version;
    set_u32(stopped_tokenizer.data + 24, n);
}

static void head(const char *dir, const char *want, char version,
                 uint32_t kind, uint32_t n, size_t cut)
{
    const char *end;

    begin_head(version, kind, n);
    stopped_tokenizer.len -= cut;
    end = head_end(dir, false);
    ok(strcmp(end, want) == 0, "apustok%c, kind %u, %u tokens, %zu bytes: %s",
       version, (unsigned)kind, (unsigned)n, stopped_tokenizer.len, end);
}

static void put_steps(uint32_t n, uint32_t n_first, uint32_t n_second)
{
    static const char zeros[300];
    struct buf *b = &stopped_tokenizer;

    buf_put_u32(b, n);
    for (uint32_t i = 0; i < n; i++) {
        buf_put(b, zeros, 8);
        buf_put_u32(b, n_first);
        buf_put(b, zeros, n_first);
        buf_put_u32(b, n_second);
        buf_put(b, zeros, n_second);
    }
}

/* So many ids that begin a text; steps of the normalizer with two texts each,
 * of the pre-tokenizer, and a count of those of the decoder. */
static void lists(const char *dir, const char *want, uint32_t n_ids,
                  const uint32_t first[3], const uint32_t second[3],
                  uint32_t n_decoder)
{
    const char *end;

    begin_head('2', 2, 1);
    buf_put_u32(&stopped_tokenizer, n_ids);
    for (uint32_t i = 0; i < n_ids; i++)
        buf_put_u32(&stopped_tokenizer, 0);
    put_steps(first[0], first[1], first[2]);
    put_steps(second[0], second[1], second[2]);
    buf_put_u32(&stopped_tokenizer, n_decoder);
    end = head_end(dir, false);
    ok(strcmp(end, want) == 0, "%u ids, %u and %u steps, texts of %u bytes,"
       " %zu bytes: %s", (unsigned)n_ids, (unsigned)first[0],
       (unsigned)second[0], (unsigned)first[1], stopped_tokenizer.len, end);
}

#define STEPS(...) (const uint32_t[3]){ __VA_ARGS__ }

void stopped_try_heads(const char *dir)
{
    const struct model_record own = stopped_model.rec;
    const uint32_t many = 262144;

    head(dir, "unjudged", '1', 0, 1, 1);
    head(dir, "open", '1', 0, 1, 0);
    head(dir, "unjudged", '1', 0, 0, 0);
    head(dir, "open", '1', 1, 1, 0);
    head(dir, "unjudged", '1', 2, 1, 0);
    head(dir, "unjudged", '3', 0, 1, 0);
    head(dir, "unjudged", '2', 0, 1, 0); /* no lists */
    head(dir, "open", '1', 0, STOPPED_VOCAB, 0);
    head(dir, "unjudged", '1', 0, STOPPED_VOCAB + 1, 0);
    stopped_model.rec.n_vocab = many;
    head(dir, "open", '1', 0, many, 0);
    head(dir, "unjudged", '1', 0, many + 1, 0);
    stopped_model.rec = own;
    lists(dir, "open", 8, STEPS(16, 0, 0), STEPS(2, 1, 2), 0);
    lists(dir, "unjudged", 9, STEPS(0), STEPS(0), 0);
    lists(dir, "unjudged", 0, STEPS(17, 0, 0), STEPS(0), 0);
    lists(dir, "open", 0, STEPS(1, 256, 256), STEPS(0), 0);
    lists(dir, "unjudged", 0, STEPS(1, 257, 0), STEPS(0), 0);
    lists(dir, "unjudged", 0, STEPS(1, 0, 257), STEPS(0), 0);
    lists(dir, "unjudged", 0, STEPS(0), STEPS(0), 1);
    lists(dir, "open", 0, STEPS(1, 256, 256), STEPS(1, 256, 180), 0);
    begin_head('2', 3, 1);
    for (int i = 0; i < 4; i++)
        buf_put_u32(&stopped_tokenizer, 0);
    ok(strcmp(head_end(dir, false), "unjudged") == 0, "apustok2, kind 3");
    stopped_tokenizer.data[7] = '3';
    stopped_tokenizer.data[8] = 2;
    ok(strcmp(head_end(dir, false), "unjudged") == 0, "apustok3 with lists");
    begin_head('1', 0, 0);
    stopped_token(0, "", 0);
    ok(strcmp(head_end(dir, true), "open") == 0, "nothing after its token");
    stopped_tokenizer.len--;
    ok(strcmp(head_end(dir, true), "refused") == 0, "not all of its token");
}

size_t stopped_ends(const struct stopped *m, size_t max, enum finish *why)
{
    struct stop stop[JOB_MAX_STOPS];
    struct sequence s = { .prompt = m->prompt, .n_prompt = 2,
                          .max_tokens = (uint32_t)max, .stops = stop,
                          .n_stops = m->n_stops,
                          .ignore_eos = m->flags & JOB_IGNORE_EOS };
    struct tokenizer *t = NULL;
    struct running r;
    size_t n = 0;

    for (size_t i = 0; i < m->n_stops; i++)
        stop[i] = (struct stop){ m->stop[i].text, m->stop[i].n };
    if (tokenizer_new(&t, stopped_model.tokenizer,
                      stopped_model.rec.tokenizer_size, STOPPED_VOCAB, NULL))
        abort();
    running_init(&r, &s);
    while (!running_draw(&r, &stopped_model.rec, t, m->output[n++], why))
        ;
    running_clear(&r);
    tokenizer_free(t);
    return n;
}

void stopped_init(struct stopped *m)
{
    memset(m, 0, sizeof(*m));
    buf_init(&m->stops, 1 << 16);
    m->flags = JOB_IGNORE_EOS;
    for (size_t i = 0; i < STOPPED_OUT; i++)
        m->output[i] = STOPPED_BYTE('.');
}

void stopped_clear(struct stopped *m)
{
    tokenizer_free(m->x.tokenizer);
    free(m->x.leaves);
    buf_clear(&m->stops);
}
