/*
 * Job, trace, result and statement records against the vectors of
 * doc/proof.md section 9, and each way to refuse one; blobs of numbers;
 * inclusion paths against the recursion of RFC 9162 section 2.1.3.1.
 * Prints "# vector NAME VALUE" lines, which 0500-second-hash.t compares with
 * an implementation that shares nothing with this one.
 */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "proof/blob.h"
#include "proof/digest.h"
#include "proof/job_record.h"
#include "proof/line_ids.h"
#include "proof/merkle.h"
#include "proof/merkle_path.h"
#include "proof/result_record.h"
#include "proof/statement.h"
#include "proof/trace.h"
#include "store/request.h"
#include "tests/tap.h"

static bool is(struct id h, const char *want)
{
    char hex[65];

    digest_hex(hex, h);
    return strcmp(hex, want) == 0;
}

static void vector(const char *name, struct id h)
{
    char hex[65];

    digest_hex(hex, h);
    printf("# vector %s %s\n", name, hex);
}

static void make_job(struct job_record *j)
{
    static const uint32_t prompt[] = { 1, 15043, 29991 };
    static const struct job_stop stop = { "\n\n", 2 };

    memset(j, 0, sizeof(*j));
    for (int i = 0; i < 32; i++)
        j->model.b[i] = (unsigned char)i;
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
    memset(r->request.b, 7, 32);
    job_record_id(&r->job, j);
    r->model = j->model;
    make_leaf(leaf);
    merkle_init(&trace);
    for (int i = 0; i < 4; i++)
        merkle_leaf(&trace, leaf, sizeof(leaf));
    merkle_root(&trace, &r->trace);
    r->n = 4;
    result_record_output(r, out, 2);
    result_record_text(r, " the", 4);
}

static void test_job(void)
{
    struct id id;
    unsigned char packed[JOB_RECORD_SIZE];
    struct job_record j, back;

    make_job(&j);
    job_record_id(&id, &j);
    vector("job", id);
    ok(is(id, "c029a2a49c2cc69d86691992d0132c5b"
              "2d7b64c015b62b8c8844dcccd1408d82"), "job record");
    job_record_pack(packed, &j);
    memset(&back, 0, sizeof(back));
    ok(job_record_unpack(&back, packed) == 0 && back.seed == j.seed &&
           back.top_k == 40 && id_equal(back.stops, j.stops),
       "job record and back");
    packed[112] = 1;
    ok(job_record_unpack(&back, packed) == -1, "a zero field that is not");
    packed[0]++;
    ok(job_record_unpack(&back, packed) == -1, "another magic");
    memset(id.b, 7, sizeof(id));
    printf("# vector seed %" PRIu64 "\n", request_default_seed(id));
    ok(request_default_seed(id) == 2474695593990584554u, "default seed");
    digest(&id, "{\"a\":1}", 7);
    line_id(id_in(packed), j.model, id, 0);
    vector("line0", id_at(packed));
    line_id(id_in(packed), j.model, id, 1);
    vector("line1", id_at(packed));
}

/* Is the leaf with one byte changed refused, and nothing written? */
static bool refused(const unsigned char leaf[TRACE_LEAF_SIZE], size_t at,
                    unsigned char value)
{
    unsigned char changed[TRACE_LEAF_SIZE];
    struct trace_leaf l = { .position = 77 };

    memcpy(changed, leaf, sizeof(changed));
    changed[at] = value;
    return trace_leaf_unpack(&l, changed) == -1 && l.position == 77;
}

static void test_trace(void)
{
    struct id h;
    unsigned char leaf[TRACE_LEAF_SIZE], again[TRACE_LEAF_SIZE];
    unsigned char tagged[1 + TRACE_LEAF_SIZE] = { 0 };
    struct trace_leaf l;

    make_leaf(leaf);
    memcpy(tagged + 1, leaf, sizeof(leaf));
    digest(&h, tagged, sizeof(tagged));
    vector("step", h);
    ok(is(h, "a477270034924a37cd444ba9a55fc534"
             "9a307c19194df534a01708ae62f510c8"), "step leaf");
    ok(trace_leaf_unpack(&l, leaf) == 0, "leaf back");
    trace_leaf_pack(again, &l);
    ok(l.next == 306 && memcmp(leaf, again, sizeof(leaf)) == 0,
       "leaf and back");
    trace_leaf_hash(id_in(again), &l);
    ok(id_equal(id_at(again), h), "hash of a leaf");

    ok(refused(leaf, 12, 5), "an unknown flag");
    ok(refused(leaf, 12, 0), "fin where the flags say zeros");
    ok(refused(leaf, 12, 3) == 0, "a deep leaf is taken");
    ok(refused(leaf, 111, 1), "deep where the flags say zeros");
    memset(leaf + 4, 0xff, 8);
    ok(refused(leaf, 0, 2), "fin, and nothing drawn");
    leaf[12] = 0;
    memset(leaf + 48, 0, 32);
    ok(refused(leaf, 0, 2) == 0, "nothing drawn");
    leaf[8] = 1;
    ok(refused(leaf, 0, 2), "drawn, and no fin");
}

static void test_result(void)
{
    struct id id, before;
    unsigned char packed[1][RESULT_RECORD_SIZE];
    struct result_record r, none, back;
    struct job_record j;
    struct result_leaf leaf[3];
    struct err err = ERR_INIT;
    struct id root;

    make_job(&j);
    make_result(&r, &j);
    result_record_id(&id, &r);
    vector("result", id);
    ok(is(id, "1ae1d84059645c81e5b3870c719a5841"
              "28cc1203d4b17d3af1b7f09ea66db01c"), "result record");
    none = r;
    none.finish = RESULT_LONG;
    result_record_nothing(&none);
    result_record_id(&id, &none);
    vector("result17", id);
    ok(is(id, "85cab3fe5293de8dbefc4121fa2e1a37"
              "6d0af7da1408d20d155d981d42bd6587"), "result of finish 17");
    result_record_pack(packed[0], &none);
    ok(result_record_unpack(&back, packed[0]) == 0 && back.finish == 17 &&
           id_equal(back.text, none.text),
       "result and back");
    result_leaf(&leaf[0], &none);
    none.choice = 1;
    result_leaf(&leaf[1], &none);
    none.request.b[31]--;
    result_leaf(&leaf[2], &none);
    ok(result_batch(&root, leaf, 3, NULL) == 0 && leaf[0].choice == 1 &&
           leaf[0].request.b[31] == 6 && leaf[1].choice == 0 &&
           leaf[2].choice == 1,
       "a batch: by request, then choice");
    leaf[1] = leaf[2];
    before = root;
    ok(result_batch(&root, leaf, 3, &err) == -1 && err.code == ERR_INPUT &&
           id_equal(before, root),
       "two results for one request and choice: %s", err.text);
    ok(result_batch(&root, NULL, 0, NULL) == 0 && id_equal(root, none.trace),
       "a batch of nothing");
    packed[0][236] = 1;
    ok(result_record_unpack(&back, packed[0]) == -1 && back.error_index == 0,
       "a place of an error that has none");
    set_u32(packed[0] + 208, RESULT_RANGE);
    ok(result_record_unpack(&back, packed[0]) == 0 && back.error_index == 1,
       "and of one that has");
    packed[0][0]++;
    ok(result_record_unpack(&back, packed[0]) == -1, "another magic");
}

static void test_statement(void)
{
    struct id id, sha;
    unsigned char packed[STATEMENT_SIZE];
    struct statement s, back;
    struct result_record r;
    struct result_leaf leaf;
    struct job_record j;
    struct merkle files;

    memset(&s, 0, sizeof(s));
    memset(s.batch.b, 8, 32);
    make_job(&j);
    make_result(&r, &j);
    result_leaf(&leaf, &r);
    ok(result_batch(&s.root, &leaf, 1, NULL) == 0, "batch root");
    s.count = s.n_files = 1;
    memset(s.process.b, 9, 32);
    memset(s.node.b, 10, 32);
    memset(sha.b, 11, 32);
    merkle_init(&files);
    statement_file(&files, 12345, sha);
    merkle_root(&files, &s.files);
    statement_id(&id, &s);
    vector("statement", id);
    ok(is(id, "16017ed8561fd1f9cf03e830a0f2a5a0"
              "d0da4acd5d1cffb77d296f0e53314edf"), "statement");
    statement_pack(packed, &s);
    ok(statement_unpack(&back, packed) == 0 &&
           memcmp(&back, &s, sizeof(s)) == 0, "statement and back");
    packed[7]++;
    ok(statement_unpack(&back, packed) == -1, "another magic");
}

/* Every byte of a record comes back where it was: no field for another. */
static void test_places(void)
{
    unsigned char in[RESULT_RECORD_SIZE], out[RESULT_RECORD_SIZE];
    struct job_record j;
    struct result_record r;
    struct statement s;
    struct trace_leaf l;

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)(i + 1);
    memcpy(in, "apusjob1", 8);
    set_u32(in + 112, 0);
    ok(job_record_unpack(&j, in) == 0 && j.choice == get_u32(in + 44) &&
           j.max_tokens == get_u32(in + 84) && j.top_k == get_u32(in + 96) &&
           j.seed == get_u64(in + 104) && j.n_stops == get_u32(in + 116),
       "fields of a job lie where they should");
    job_record_pack(out, &j);
    ok(memcmp(in, out, JOB_RECORD_SIZE) == 0, "all of them");

    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)(i + 1);
    memcpy(in, "apusbat1", 8);
    ok(statement_unpack(&s, in) == 0 && s.count == get_u32(in + 72) &&
           s.node.b[0] == in[112],
       "and of a statement");
    statement_pack(out, &s);
    ok(memcmp(in, out, STATEMENT_SIZE) == 0, "all of them");

    memcpy(in, "apusres1", 8);
    set_u32(in + 208, RESULT_RANGE);
    ok(result_record_unpack(&r, in) == 0 && r.n_out == get_u32(in + 140) &&
           r.level == get_u32(in + 212) && r.choice == get_u32(in + 216) &&
           r.error_layer == get_u32(in + 224), "and of a result");
    result_record_pack(out, &r);
    ok(memcmp(in, out, RESULT_RECORD_SIZE) == 0, "all of them");

    in[12] = TRACE_FIN | TRACE_DEEP;
    memset(in + 13, 0, 3);
    ok(trace_leaf_unpack(&l, in) == 0 && l.token == get_u32(in + 4) &&
           l.deep.b[31] == in[111],
       "and of a leaf");
    trace_leaf_pack(out, &l);
    ok(memcmp(in, out, TRACE_LEAF_SIZE) == 0, "all of them");
}

static void test_stops(void)
{
    static const unsigned char leaf[] = "\0a\0ab\0b";
    struct job_stop stop[17] = { { "b", 1 }, { "ab", 2 }, { "a", 1 },
                                 { "b", 1 } };
    struct id h;
    struct job_record j = { .n_stops = 99 };
    struct err err = ERR_INIT;
    struct merkle m;

    merkle_init(&m);
    digest(&h, leaf, 2);
    merkle_hash(&m, h);
    digest(&h, leaf + 2, 3);
    merkle_hash(&m, h);
    digest(&h, leaf + 5, 2);
    merkle_hash(&m, h);
    merkle_root(&m, &h);
    ok(job_record_stops(&j, stop, 4, &err) == 0 && j.n_stops == 3 &&
           id_equal(j.stops, h),
       "stops are sorted and unique");
    ok(stop[0].n == 1 && stop[1].n == 2, "the caller's stay as they are");
    stop[3].n = 0;
    ok(job_record_stops(&j, stop, 4, &err) == -1 && err.code == ERR_INPUT &&
           j.n_stops == 3 && id_equal(j.stops, h),
       "an empty one: %s", err.text);
    stop[3].n = 65;
    ok(job_record_stops(&j, stop, 4, &err) == -1 && j.n_stops == 3,
       "a long one: %s", err.text);
    for (int i = 0; i < 17; i++)
        stop[i] = stop[0];
    ok(job_record_stops(&j, stop, 17, &err) == -1 && j.n_stops == 3,
       "too many: %s", err.text);
    ok(job_record_stops(&j, stop, 16, &err) == 0 && j.n_stops == 1,
       "sixteen of the same");
    merkle_blob(&h, NULL, 0);
    ok(job_record_stops(&j, NULL, 0, &err) == 0 && j.n_stops == 0 &&
           id_equal(j.stops, h),
       "none");
}

/* Lengths around the edges of a piece, against the blob of their bytes. */
static void test_blobs(void)
{
    static const size_t size[] = { 0, 1, 255, 256, 257, 512, 1000 };
    struct id want, got;
    unsigned char bytes[4000];
    uint32_t u[1000];
    float f[1000];
    bool good = true;

    for (uint32_t i = 0; i < 1000; i++) {
        u[i] = i * 2654435761u;
        f[i] = (float)i / 8;
    }
    for (size_t k = 0; k < sizeof(size) / sizeof(*size); k++) {
        for (size_t i = 0; i < size[k]; i++)
            set_u32(bytes + 4 * i, u[i]);
        merkle_blob(&want, bytes, 4 * size[k]);
        blob_u32(&got, u, size[k]);
        good = good && id_equal(want, got);
        for (size_t i = 0; i < size[k]; i++)
            set_u32(bytes + 4 * i, f32_bits(f[i]));
        merkle_blob(&want, bytes, 4 * size[k]);
        blob_f32(&got, f, size[k]);
        good = good && id_equal(want, got);
    }
    ok(good, "blobs of numbers are the blobs of their bytes");
}

/* ---- inclusion paths --------------------------------------------------- */

#define LEAVES 70

/* MTH of hashes and PATH(index, hashes), RFC 9162 word by word. */
static size_t split(size_t n)
{
    size_t k = 1;

    while (2 * k < n)
        k *= 2;
    return k;
}

static void mths(struct id *out, const unsigned char *hash, size_t n)
{
    unsigned char both[65] = { 1 };
    size_t k = split(n);

    if (n == 1) {
        *out = id_at(hash);
        return;
    }
    mths(id_in(both + 1), hash, k);
    mths(id_in(both + 33), hash + 32 * k, n - k);
    digest(out, both, sizeof(both));
}

static size_t literal(unsigned char *path, const unsigned char *hash,
                      size_t n, size_t index)
{
    size_t k = split(n), at;

    if (n == 1)
        return 0;
    if (index < k) {
        at = literal(path, hash, k, index);
        mths(id_in(path + 32 * at), hash + 32 * k, n - k);
    } else {
        at = literal(path, hash + 32 * k, n - k, index - k);
        mths(id_in(path + 32 * at), hash, k);
    }
    return at + 1;
}

/* Does a path that was changed in any one way still lead to the root? */
static bool fooled(struct id root, const unsigned char *hash, size_t n,
                   size_t index, const unsigned char *path, size_t n_path)
{
    unsigned char bent[MERKLE_PATH_MAX * 32 + 32];
    const unsigned char *leaf = hash + 32 * index;
    bool yes = false;

    memcpy(bent, path, 32 * n_path);
    memset(bent + 32 * n_path, 0, 32);
    yes |= merkle_path_verify(root, id_at(leaf), index, n, bent, n_path + 1);
    if (n_path > 0)
        yes |=
            merkle_path_verify(root, id_at(leaf), index, n, bent, n_path - 1);
    for (size_t i = 0; i < n_path; i++) {
        bent[32 * i + i % 32] ^= 0x10;
        yes |= merkle_path_verify(root, id_at(leaf), index, n, bent, n_path);
        bent[32 * i + i % 32] ^= 0x10;
    }
    for (size_t i = 0; i < n; i++) {
        if (i == index)
            continue;
        yes |= merkle_path_verify(root, id_at(leaf), i, n, path, n_path);
        yes |= merkle_path_verify(root, id_at(hash + 32 * i), index, n, path,
                                  n_path);
    }
    yes |= merkle_path_verify(root, id_at(leaf), n, n, path, n_path);
    yes |= merkle_path_verify(root, id_at(leaf), 0, 0, path, n_path);
    return yes;
}

static void test_paths(void)
{
    unsigned char hash[LEAVES * 32], path[MERKLE_PATH_MAX * 32];
    struct id root, h;
    unsigned char want[MERKLE_PATH_MAX * 32];
    bool same = true, verified = true, lied = false;

    for (unsigned char i = 0; i < LEAVES; i++)
        merkle_leaf_hash(id_in(hash + 32 * i), &i, 1);
    for (size_t n = 1; n <= LEAVES; n++) {
        mths(&root, hash, n);
        for (size_t i = 0; i < n; i++) {
            size_t n_path = merkle_path(path, hash, n, i);

            same = same && literal(want, hash, n, i) == n_path &&
                   memcmp(want, path, 32 * n_path) == 0;
            verified =
                verified && merkle_path_verify(root, id_at(hash + 32 * i), i, n,
                                               path, n_path);
            lied = lied || fooled(root, hash, n, i, path, n_path);
        }
    }
    ok(same, "paths of 1 to %d leaves, against the definition", LEAVES);
    ok(verified, "all lead to the root");
    ok(!lied, "none does with another leaf, place, hash or length");

    memset(h.b, 1, 32);
    ok(merkle_path_root(&h, id_at(hash), 3, 4, path, 0) == -1 && h.b[31] == 1,
       "out stays where there is no such path");
    memset(path, 0, sizeof(path));
    ok(merkle_path_root(&h, id_at(hash), 1, UINT64_MAX, path, 64) == 0 &&
           merkle_path_root(&h, id_at(hash), 1, UINT64_MAX, path, 63) == -1,
       "the largest tree has paths of 64");
    ok(merkle_path_root(&h, id_at(hash), UINT64_MAX - 1, UINT64_MAX, path,
                        63) == 0 &&
           merkle_path_root(&h, id_at(hash), UINT64_MAX - 1, UINT64_MAX, path,
                            64),
       "its last leaf has no neighbour");
}

/* The block's path over the roots of blocks of 16, and no other. */
static void test_blocks(void)
{
    struct id root;
    unsigned char hash[LEAVES * 32], roots[5 * 32];
    unsigned char path[MERKLE_PATH_MAX * 32];
    bool good = true;

    for (unsigned char i = 0; i < LEAVES; i++)
        merkle_leaf_hash(id_in(hash + 32 * i), &i, 1);
    mths(&root, hash, LEAVES);
    for (size_t b = 0; b < 5; b++)
        mths(id_in(roots + 32 * b), hash + 32 * 16 * b,
             b < 4 ? 16 : LEAVES - 64);
    for (size_t b = 0; b < 5; b++) {
        size_t n = merkle_path(path, roots, 5, b);

        good = good &&
               merkle_path_verify(root, id_at(roots + 32 * b), b, 5, path, n);
    }
    ok(good, "aligned blocks of 16 open with one path");
}

/* ---- cases that tests/second_hash.py computes too ----------------------- */

#define STEPS 13

/* Three layers, two KV heads of 20, rows of 300; drawn from 5 on. */
static void deep_step(struct trace_leaf *out, uint32_t t)
{
    struct trace_step s;
    int8_t k[20], v[20];
    float x[300];
    int n_deep = t < 5 ? 3 : 4;

    trace_step_init(&s);
    for (int l = 0; l < n_deep; l++) {
        for (int i = 0; i < 300; i++)
            x[i] = (float)(i - 100 * l + (int)t) / 32;
        trace_step_deep(&s, x, 300);
        if (l == 3)
            trace_step_draw(&s, 2000 + t, x, 300);
    }
    for (int l = 0; l < 3; l++) {
        for (int g = 0; g < 2; g++) {
            for (int i = 0; i < 20; i++) {
                int a = 3 * i + 5 * l + 7 * g + 11 * (int)t;
                int b = 13 * i + 17 * l + 19 * g + 23 * (int)t;

                k[i] = (int8_t)(a % 255 - 127);
                v[i] = (int8_t)(b % 255 - 127);
            }
            trace_step_row(&s, (float)(t + 1) / (float)(2 << l),
                           (float)((uint32_t)(g + 1) * (t + 1)) / 8, k, v,
                           20);
        }
    }
    trace_step_leaf(&s, out, t, 1000 + 7 * t);
}

static void second_trace(struct id *root)
{
    struct id h;
    unsigned char hash[STEPS * 32], path[MERKLE_PATH_MAX * 32];
    struct trace_leaf leaf;
    struct merkle trace;
    bool flags = true;

    merkle_init(&trace);
    for (uint32_t t = 0; t < STEPS; t++) {
        deep_step(&leaf, t);
        flags = flags && leaf.flags == (t < 5 ? TRACE_DEEP :
                                        TRACE_FIN | TRACE_DEEP);
        trace_leaf_hash(id_in(hash + 32 * t), &leaf);
        trace_put(&trace, &leaf);
    }
    ok(flags, "flags say what a leaf has");
    merkle_root(&trace, root);
    vector("deep_trace", *root);
    digest(&h, path, 32 * merkle_path(path, hash, STEPS, 0));
    vector("path0", h);
    digest(&h, path, 32 * merkle_path(path, hash, STEPS, 9));
    vector("path9", h);
    digest(&h, path, 32 * merkle_path(path, hash, STEPS, 12));
    vector("path12", h);
}

static void second_job(struct id *id)
{
    static const struct job_stop stop[] = {
        { "b", 1 }, { "ab", 2 }, { "\xff", 1 }, { "a", 1 }, { "b", 1 },
        { "a\0", 2 },
    };
    struct job_record j = { .numerics = 1, .choice = 2, .max_tokens = 1,
                            .top_p = 1, .flags = JOB_IGNORE_EOS,
                            .seed = UINT64_MAX };
    uint32_t prompt[700];

    for (uint32_t i = 0; i < 700; i++)
        prompt[i] = 1000 + i;
    for (int i = 0; i < 32; i++)
        j.model.b[i] = (unsigned char)i;
    job_record_prompt(&j, prompt, 700);
    if (job_record_stops(&j, stop, 6, NULL))
        abort();
    job_record_id(id, &j);
    vector("stops_job", *id);
}

static void second_batch(struct id *root, struct id job, struct id trace)
{
    static const uint32_t ids[] = { 0, 1, 2, 3, 4, 5 };
    struct result_leaf leaf[6];

    for (uint32_t i = 0; i < 6; i++) {
        struct result_record r = { .n = STEPS, .finish = RESULT_RANGE,
                                   .level = 1, .choice = 1 - i % 2,
                                   .error_position = 13, .error_layer = 2,
                                   .error_op = 5, .error_row = i,
                                   .error_index = 299 };

        r.request.b[0] = (unsigned char)(9 - i / 2);
        r.job = job;
        for (int k = 0; k < 32; k++)
            r.model.b[k] = (unsigned char)k;
        r.trace = trace;
        result_record_output(&r, ids, i);
        result_record_text(&r, "xxxxxx", i);
        result_leaf(&leaf[i], &r);
    }
    if (result_batch(root, leaf, 6, NULL))
        abort();
    vector("batch", *root);
}

static void test_second(void)
{
    struct id trace, job, file, h, model;
    struct statement s = { .count = 6, .n_files = 3 };
    struct merkle files;

    second_trace(&trace);
    second_job(&job);
    second_batch(&s.root, job, trace);
    for (int i = 0; i < 32; i++)
        model.b[i] = (unsigned char)i;
    digest(&file, "file", 4);
    batch_file_id(&s.batch, model, file);
    vector("batch_file", s.batch);
    digest(&h, "earlier", 7);
    batch_part_id(&h, model, file, h);
    vector("batch_part", h);
    line_id_by_file(&h, file, (uint64_t)1 << 40);
    vector("line", h);
    merkle_init(&files);
    for (unsigned char i = 0; i < 3; i++) {
        digest(&h, &i, 1);
        statement_file(&files, (uint64_t)i << 33, h);
    }
    merkle_root(&files, &s.files);
    memset(s.node.b, 10, 32);
    memset(s.previous.b, 12, 32);
    statement_id(&h, &s);
    vector("files", h);
}

int main(void)
{
    test_job();
    test_trace();
    test_result();
    test_statement();
    test_places();
    test_stops();
    test_blobs();
    test_paths();
    test_blocks();
    test_second();
    return done();
}
