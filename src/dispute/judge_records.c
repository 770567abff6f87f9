/*
 * The records of an answer, alone or in a file; statement 0; and which models
 * the judge supports.
 */
#include <config.h>

#include "dispute/judge_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "model/model_layout.h"
#include "proof/digest.h"
#include "proof/line_ids.h"
#include "proof/merkle.h"
#include "proof/merkle_path.h"

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
    snprintf(g->text, sizeof(g->text), "statement %u (%s) %s", statement,
             statement_name[statement], word[v]);
    return 0;
}

int judge_leave(struct judge *g, const char *why)
{
    g->verdict = JUDGE_UNJUDGED;
    g->turn = JUDGE_OVER;
    snprintf(g->text, sizeof(g->text), "this answer is not judged: %s", why);
    return 0;
}

/* Return whether no show exceeds JUDGE_SHOW_MAX: rows, kv rows in blocks, and
 * the operator table with the hashes of a layer's kv rows. */
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

int judge_take_records(struct judge *g, const unsigned char *bytes,
                       struct err *err)
{
    const unsigned char *job = bytes + RESULT_RECORD_SIZE;
    const unsigned char *model = job + JOB_RECORD_SIZE;
    struct result_record r;
    struct job_record j;
    struct model_record m;
    struct id h;

    if (result_record_unpack(&r, bytes))
        return err_set(err, ERR_INPUT, "not a result record");
    digest(&h, job, JOB_RECORD_SIZE);
    if (!id_equal(h, r.job) || job_record_unpack(&j, job))
        return err_set(err, ERR_INPUT, "the job record is not that of the "
                       "result");
    digest(&h, model, MODEL_RECORD_SIZE);
    if (!id_equal(h, r.model) || model_record_unpack(&m, model))
        return err_set(err, ERR_INPUT, "the model record is not that of the "
                       "result");
    g->r = r;
    g->j = j;
    g->m = m;
    g->turn = JUDGE_PICKS;
    if (!judge_can_judge(&m))
        return judge_leave(g, "its model is of another kind or size");
    if (r.finish > RESULT_CONTEXT)
        return judge_leave(g, "it ends in an error");
    return 0;
}

/* ---- results of a file --------------------------------------------------- */

/* Open result `index` of the file. */
static int open_result(struct result_record *r, const struct judge *g,
                       uint32_t index, const unsigned char *record,
                       const unsigned char *path, size_t n_path,
                       struct err *err)
{
    struct id h;

    merkle_leaf_hash(&h, record, RESULT_RECORD_SIZE);
    if (n_path % DIGEST_SIZE || n_path / DIGEST_SIZE > MERKLE_PATH_MAX ||
        !merkle_path_verify(g->file.root, h, index, g->file.count, path,
                            n_path / DIGEST_SIZE) ||
        result_record_unpack(r, record))
        return err_set(err, ERR_INPUT, "this is not result %u of the file",
                       index);
    return 0;
}

int judge_show_line(struct judge *g, const unsigned char *bytes, size_t n,
                    struct err *err)
{
    const unsigned char *line = bytes + JUDGE_RECORDS;
    struct result_record r;
    struct id request;

    if (n < JUDGE_RECORDS + 8)
        return err_set(err, ERR_INPUT, "%zu bytes, expected %d and a path", n,
                       JUDGE_RECORDS + 8);
    if (open_result(&r, g, g->file.index, bytes, line + 8,
                    n - JUDGE_RECORDS - 8, err))
        return -1;
    line_id_by_file(&request, g->file.sha256, get_u64(line));
    if (get_u64(line) >= g->file.lines || !id_equal(request, r.request))
        return err_set(err, ERR_INPUT, "the request is not this line of the "
                       "file");
    if (!id_equal(g->file.model, r.model))
        return err_set(err, ERR_INPUT, "another model was asked");
    if (judge_take_records(g, bytes, err))
        return -1;
    g->show = SHOW_RECORDS;
    return 0;
}

int judge_show_after(struct judge *g, const unsigned char *bytes, size_t n,
                     struct err *err)
{
    struct result_record r;
    int order;

    if (n < RESULT_RECORD_SIZE)
        return err_set(err, ERR_INPUT, "%zu bytes, expected %d and a path", n,
                       RESULT_RECORD_SIZE);
    if (open_result(&r, g, g->file.index + 1, bytes, bytes + RESULT_RECORD_SIZE,
                    n - RESULT_RECORD_SIZE, err))
        return -1;
    order = memcmp(g->r.request.b, r.request.b, sizeof(r.request.b));
    return judge_decide(g, order < 0 || (order == 0 &&
                                         g->r.choice < r.choice)
                               ? JUDGE_HOLDS : JUDGE_FAULT, 0);
}
