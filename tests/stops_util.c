/*
 * Tokenizers and answers that are made up for tests of stop strings.
 */
#include <config.h>

#include "tests/stops_util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "proof/merkle.h"
#include "proof/model_record.h"
#include "proof/trace.h"
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
