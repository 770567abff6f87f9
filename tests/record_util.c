/*
 * Records that a test makes by hand.
 */
#include <config.h>

#include "tests/record_util.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "proof/trace.h"
#include "store/record.h"

void made_stop(struct made *m, const char *text)
{
    size_t n = strlen(text);

    set_u32(m->stops + m->stops_size, (uint32_t)n);
    memcpy(m->stops + m->stops_size + 4, text, n);
    m->stops_size += 4 + n;
}

void made_init(struct made *m)
{
    static const float fin[4] = { 1, 2, -0.0f, 4 };
    int8_t k[8], v[8];
    struct trace_step s;

    memset(m, 0, sizeof(*m));
    for (int i = 0; i < 32; i++)
        m->j.model.b[i] = (unsigned char)i;
    m->j.numerics = 1;
    m->n_prompt = 3;
    m->prompt[0] = 1;
    m->prompt[1] = 15043;
    m->prompt[2] = 29991;
    m->j.max_tokens = 256;
    m->j.temperature = 700000;
    m->j.top_p = 950000;
    m->j.top_k = 40;
    m->j.seed = 1234567890123456789u;
    made_stop(m, "\n\n");
    memset(k, 1, sizeof(k));
    memset(v, 0xff, sizeof(v));
    trace_step_init(&s);
    for (int i = 0; i < 4; i++)
        trace_step_row(&s, 0.5f, 0.25f, k, v, 8);
    trace_step_draw(&s, 306, fin, 4);
    m->n_leaves = 4;
    for (int i = 0; i < 4; i++)
        trace_step_leaf(&s, &m->l[i], 2, 29991);
    m->n_output = 2;
    m->output[0] = 306;
    m->output[1] = 2;
    m->text = " the";
    memset(m->r.request.b, 7, 32);
}

void made_commit(struct made *m)
{
    struct job_stop stop[JOB_MAX_STOPS];
    struct merkle trace;
    size_t n = 0;

    for (size_t i = 0; i < m->stops_size; n++) {
        stop[n].n = get_u32(m->stops + i);
        stop[n].text = m->stops + i + 4;
        i += 4 + stop[n].n;
    }
    job_record_prompt(&m->j, m->prompt, m->n_prompt);
    if (job_record_stops(&m->j, stop, n, NULL))
        abort();
    job_record_pack(m->job, &m->j);
    merkle_init(&trace);
    for (size_t i = 0; i < m->n_leaves; i++)
        trace_put(&trace, &m->l[i]);
    merkle_root(&trace, &m->r.trace);
    m->r.n = (uint32_t)m->n_leaves;
    job_record_id(&m->r.job, &m->j);
    m->r.model = m->j.model;
    m->r.choice = m->j.choice;
    result_record_output(&m->r, m->output, m->n_output);
    result_record_text(&m->r, m->text, strlen(m->text));
    result_record_pack(m->result, &m->r);
}

void made_record(struct made *m, struct record *r)
{
    for (size_t i = 0; i < m->n_leaves; i++)
        trace_leaf_pack(m->leaf + i * RECORD_LEAF, &m->l[i]);
    for (size_t i = 0; i < m->n_prompt; i++)
        set_u32(m->prompt_id + 4 * i, m->prompt[i]);
    for (size_t i = 0; i < m->n_output; i++)
        set_u32(m->output_id + 4 * i, m->output[i]);
    *r = (struct record){
        .job = m->job,
        .prompt = m->prompt_id,
        .n_prompt = m->n_prompt,
        .stops = m->stops,
        .stops_size = m->stops_size,
        .leaf = m->leaf,
        .n_leaves = m->n_leaves,
        .output = m->output_id,
        .n_output = m->n_output,
        .text = (const unsigned char *)m->text,
        .text_size = strlen(m->text),
        .result = m->result,
    };
}
