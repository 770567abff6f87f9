/*
 * Job, trace, result and statement records against the vectors of
 * doc/proof.md section 9.
 */
#include <config.h>

#include <stdbool.h>
#include <string.h>

#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/merkle.h"
#include "proof/result_record.h"
#include "proof/statement.h"
#include "proof/trace.h"
#include "store/request.h"
#include "tests/tap.h"

static bool is(const unsigned char h[32], const char *want)
{
    char hex[65];

    digest_hex(hex, h);
    return strcmp(hex, want) == 0;
}

static void make_job(struct job_record *j)
{
    static const uint32_t prompt[] = { 1, 15043, 29991 };
    static const struct job_stop stop = { "\n\n", 2 };

    memset(j, 0, sizeof(*j));
    for (int i = 0; i < 32; i++)
        j->model[i] = (unsigned char)i;
    j->numerics = 1;
    job_record_prompt(j, prompt, 3);
    j->max_tokens = 256;
    j->temperature = 700000;
    j->top_p = 950000;
    j->top_k = 40;
    j->seed = 1234567890123456789u;
    if (job_record_stops(j, &stop, 1, NULL))
        abort();
}

static void make_leaf(unsigned char leaf[TRACE_LEAF_SIZE])
{
    static const float x[] = { 1, 2, -0.0f, 4 };
    struct trace_step step;
    struct trace_leaf l;
    int8_t k[8], v[8];

    memset(k, 1, sizeof(k));
    memset(v, 0xff, sizeof(v));
    trace_step_init(&step);
    for (int i = 0; i < 4; i++)
        trace_step_row(&step, 0.5f, 0.25f, k, v, 8);
    trace_step_draw(&step, 306, x, 4);
    trace_step_leaf(&step, &l, 2, 29991);
    trace_leaf_pack(leaf, &l);
}

static void make_result(struct result_record *r, const struct job_record *j)
{
    static const uint32_t out[] = { 306, 2 };
    unsigned char leaf[TRACE_LEAF_SIZE];
    struct merkle trace;

    memset(r, 0, sizeof(*r));
    memset(r->request, 7, 32);
    job_record_id(r->job, j);
    memcpy(r->model, j->model, 32);
    make_leaf(leaf);
    merkle_init(&trace);
    for (int i = 0; i < 4; i++)
        merkle_leaf(&trace, leaf, sizeof(leaf));
    merkle_root(&trace, r->trace);
    r->n = 4;
    result_record_output(r, out, 2);
    result_record_text(r, " the", 4);
}

static void test_job(void)
{
    unsigned char packed[JOB_RECORD_SIZE], id[32];
    struct job_record j, back;

    make_job(&j);
    job_record_id(id, &j);
    ok(is(id, "c029a2a49c2cc69d86691992d0132c5b"
              "2d7b64c015b62b8c8844dcccd1408d82"), "job record");
    job_record_pack(packed, &j);
    memset(&back, 0, sizeof(back));
    ok(job_record_unpack(&back, packed) == 0 && back.seed == j.seed &&
           back.top_k == 40 && memcmp(back.stops, j.stops, 32) == 0,
       "job record and back");
    packed[112] = 1;
    ok(job_record_unpack(&back, packed) == -1, "a zero field that is not");
    packed[0]++;
    ok(job_record_unpack(&back, packed) == -1, "another magic");
    memset(id, 7, sizeof(id));
    ok(request_default_seed(id) == 2474695593990584554u, "default seed");
}

static void test_trace(void)
{
    unsigned char leaf[TRACE_LEAF_SIZE], again[TRACE_LEAF_SIZE], h[32];
    unsigned char tagged[1 + TRACE_LEAF_SIZE] = { 0 };
    struct trace_leaf l;

    make_leaf(leaf);
    memcpy(tagged + 1, leaf, sizeof(leaf));
    digest(h, tagged, sizeof(tagged));
    ok(is(h, "a477270034924a37cd444ba9a55fc534"
             "9a307c19194df534a01708ae62f510c8"), "step leaf");
    ok(trace_leaf_unpack(&l, leaf) == 0, "leaf back");
    trace_leaf_pack(again, &l);
    ok(l.next == 306 && memcmp(leaf, again, sizeof(leaf)) == 0,
       "leaf and back");
}

static void test_result(void)
{
    unsigned char packed[1][RESULT_RECORD_SIZE], id[32];
    struct result_record r, none, back;
    struct job_record j;
    struct result_leaf leaf[3];
    unsigned char root[32];

    make_job(&j);
    make_result(&r, &j);
    result_record_id(id, &r);
    ok(is(id, "1ae1d84059645c81e5b3870c719a5841"
              "28cc1203d4b17d3af1b7f09ea66db01c"), "result record");
    none = r;
    none.finish = RESULT_LONG;
    result_record_nothing(&none);
    result_record_id(id, &none);
    ok(is(id, "85cab3fe5293de8dbefc4121fa2e1a37"
              "6d0af7da1408d20d155d981d42bd6587"), "result of finish 17");
    result_record_pack(packed[0], &none);
    ok(result_record_unpack(&back, packed[0]) == 0 && back.finish == 17 &&
           memcmp(back.text, none.text, 32) == 0, "result and back");
    result_leaf(&leaf[0], &none);
    none.choice = 1;
    result_leaf(&leaf[1], &none);
    none.request[31]--;
    result_leaf(&leaf[2], &none);
    ok(result_batch(root, leaf, 3, NULL) == 0 && leaf[0].choice == 1 &&
           leaf[0].request[31] == 6 && leaf[1].choice == 0 &&
           leaf[2].choice == 1, "a batch: by request, then choice");
    leaf[1] = leaf[2];
    ok(result_batch(root, leaf, 3, NULL) == -1,
       "two results for one request and choice");
    packed[0][0]++;
    ok(result_record_unpack(&back, packed[0]) == -1, "another magic");
}

static void test_statement(void)
{
    unsigned char packed[STATEMENT_SIZE], id[32], sha[32];
    struct statement s, back;
    struct result_record r;
    struct result_leaf leaf;
    struct job_record j;
    struct merkle files;

    memset(&s, 0, sizeof(s));
    memset(s.batch, 8, 32);
    make_job(&j);
    make_result(&r, &j);
    result_leaf(&leaf, &r);
    ok(result_batch(s.root, &leaf, 1, NULL) == 0, "batch root");
    s.count = s.n_files = 1;
    memset(s.process, 9, 32);
    memset(s.node, 10, 32);
    memset(sha, 11, 32);
    merkle_init(&files);
    statement_file(&files, 12345, sha);
    merkle_root(&files, s.files);
    statement_id(id, &s);
    ok(is(id, "16017ed8561fd1f9cf03e830a0f2a5a0"
              "d0da4acd5d1cffb77d296f0e53314edf"), "statement");
    statement_pack(packed, &s);
    ok(statement_unpack(&back, packed) == 0 &&
           memcmp(&back, &s, sizeof(s)) == 0, "statement and back");
}

int main(void)
{
    test_job();
    test_trace();
    test_result();
    test_statement();
    return done();
}
