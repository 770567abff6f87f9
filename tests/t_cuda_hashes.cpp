/*
 * kernels/cuda/hashes.cu on the emulated device against the project's Merkle
 * trees, over shapes of rows, and against the step leaf of doc/proof.md.
 */
#include <string.h>

#include "kernels/cuda/hashes.cu"
#include "tests/cusim/array.h"

extern "C" {
#include "proof/digest.h"
#include "proof/merkle.h"
#include "tests/tap.h"
}

static struct random_numbers rnd(5);

struct shape {
    uint32_t positions, rows, words, d;
};

/* What the device makes of rows and residual rows: kv, then fin. */
static std::vector<uint32_t> hashes(const shape &s,
                                    const std::vector<uint32_t> &rows,
                                    const std::vector<uint32_t> &x)
{
    array<uint32_t> dr(rows), dx(x), kv(8 * s.positions);
    array<uint32_t> fin(8 * s.positions);
    struct commit_args a = { dr.p, s.d ? dx.p : nullptr, kv.p, fin.p,
                             s.rows, s.words, s.d };
    std::vector<uint32_t> out, f;

    fin.zero();
    must(commit_launch(&a, s.positions, nullptr));
    out = kv.get();
    f = fin.get();
    out.insert(out.end(), f.begin(), f.end());
    return out;
}

static bool equal(const shape &s)
{
    std::vector<uint32_t> rows((size_t)s.positions * s.rows * s.words);
    std::vector<uint32_t> x((size_t)s.positions * s.d), got;

    for (auto &v : rows)
        v = rnd.next() * 2654435761u;
    for (auto &v : x)
        v = rnd.next() * 2654435761u;
    got = hashes(s, rows, x);
    for (uint32_t p = 0; p < s.positions; p++) {
        struct merkle m;
        struct id root;

        merkle_init(&m);
        for (uint32_t i = 0; i < s.rows; i++)
            merkle_leaf(&m, &rows[((size_t)p * s.rows + i) * s.words],
                        4 * (size_t)s.words);
        merkle_root(&m, &root);
        if (memcmp(&got[8 * p], root.b, 32) != 0)
            return false;
        if (s.d)
            merkle_blob(&root, &x[(size_t)p * s.d], 4 * (size_t)s.d);
        if (s.d && memcmp(&got[8 * (s.positions + p)], root.b, 32) != 0)
            return false;
    }
    return true;
}

static void test_shapes(void)
{
    static const shape shapes[] = {
        { 2, 1, 6, 5 },       { 1, 3, 66, 300 },  { 3, 112, 34, 256 },
        { 1, 256, 66, 4096 }, { 1, 300, 18, 257 }, { 1, 7, 18, 1000 },
        { 2, 5, 14, 0 },      { 1, 64, 15, 255 },
    };
    int bad = 0;

    for (const shape &s : shapes)
        bad += !equal(s);
    ok(bad == 0, "roots of %zu shapes of rows equal the project's trees",
       sizeof(shapes) / sizeof(*shapes));
}

/* The step leaf of doc/proof.md, section 9. */
static void test_step_leaf(void)
{
    static const uint32_t row[6] = { 0x3f000000, 0x3e800000, 0x01010101,
                                     0x01010101, 0xffffffff, 0xffffffff };
    std::vector<uint32_t> x = { 0x3f800000, 0x40000000, 0x80000000,
                                0x40800000 };
    std::vector<uint32_t> rows, got, leaf = { 2, 29991, 306, 1 };
    struct id id;
    char hex[65];

    for (int i = 0; i < 4; i++)
        rows.insert(rows.end(), row, row + 6);
    got = hashes({ 1, 4, 6, 4 }, rows, x);
    leaf.insert(leaf.end(), got.begin(), got.end());
    leaf.resize(leaf.size() + 8, 0);
    merkle_leaf_hash(&id, leaf.data(), 4 * leaf.size());
    digest_hex(hex, id);
    ok(strcmp(hex, "a477270034924a37cd444ba9a55fc5349a307c19194df534"
                   "a01708ae62f510c8") == 0, "the step leaf of proof.md");
}

static void test_refused(void)
{
    struct commit_args a = {};
    uint32_t word = 0;

    a.rows = &word;
    a.n_rows = 8000; /* 256,000 bytes of hashes */
    ok(commit_launch(&a, 1, nullptr) == cudaErrorInvalidValue,
       "refuses more leaves than a block has memory for");
}

int main(void)
{
    test_shapes();
    test_step_leaf();
    test_refused();
    return done();
}
