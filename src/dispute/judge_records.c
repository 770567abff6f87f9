/*
 * Statement 0, and what a judge can judge at all.
 */
#include <config.h>

#include "dispute/judge_internal.h"

#include <stdio.h>

#include "model/model_layout.h"

#define MILLION 1000000u

static const char *const statement_name[] = {
    "job", "token", "embed", "max", "square sum", "quantise", "dot total",
    "dot part", "head", "kv row", "score max", "value max", "Z part",
    "mix part", "mix total", "greedy", "sample", "stop", "range",
};

int judge_decide(struct judge *g, enum judge_verdict v, uint32_t statement)
{
    static const char *const word[] = { "holds", "is wrong" };

    g->verdict = v;
    g->turn = JUDGE_OVER;
    if (v == JUDGE_UNJUDGED)
        snprintf(g->text, sizeof(g->text), "this answer is not judged: its "
                 "model or its end is of another kind");
    else
        snprintf(g->text, sizeof(g->text), "statement %u (%s) %s", statement,
                 statement_name[statement], word[v]);
    return 0;
}

/* No show is above JUDGE_SHOW_MAX: rows, kv rows in blocks, and the hashes of a
 * layer's kv rows behind the operator table. */
static bool shows_fit(const struct model_record *m)
{
    return m->n_layers <= 255 && m->n_kv_heads <= 192 &&
           m->n_layers * m->n_kv_heads <= 16384;
}

bool judge_can_judge(const struct model_record *m)
{
    return m->architecture == 1 && m->numerics == 1 &&
           !operators_unknown(m) && shows_fit(m) &&
           model_check(m, NULL) == 0;
}

static bool finish_good(const struct judge *g)
{
    const struct result_record *r = &g->r;

    switch (r->finish) {
    case RESULT_LENGTH: return r->n_out == g->j.max_tokens;
    case RESULT_STOP: return g->j.n_stops > 0;
    default: return true;
    }
}

bool judge_records_good(const struct judge *g)
{
    const struct result_record *r = &g->r;
    const struct job_record *j = &g->j;

    return id_equal(j->model, r->model) && j->numerics == g->m.numerics &&
           j->choice == r->choice && r->level <= 1 && j->n_prompt >= 1 &&
           j->n_prompt <= g->m.context && r->n_out >= 1 &&
           r->n_out <= j->max_tokens && finish_good(g) &&
           (uint64_t)r->n == (uint64_t)j->n_prompt + r->n_out - 1 &&
           r->n <= g->m.context &&
           (j->temperature == 0 || (j->temperature >= 10000 &&
                                    j->temperature <= 100000000)) &&
           j->top_p >= 1 && j->top_p <= MILLION &&
           !(j->flags & ~(uint32_t)JOB_IGNORE_EOS) &&
           j->n_stops <= JOB_MAX_STOPS;
}
