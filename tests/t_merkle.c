/*
 * src/proof: digest (FIPS 180-4 examples), merkle (the shapes of RFC 9162
 * section 2.1.1, computed a second time by its definition, and our published
 * vectors), model_record (record, unpacking, row leaf).
 */
#include <config.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/id.h"
#include "proof/digest.h"
#include "proof/digest_pair.h"
#include "proof/merkle.h"
#include "proof/model_record.h"
#include "proof/sha256.h"
#include "tests/tap.h"

static int is(struct id h, const char *hex)
{
    char text[65];

    digest_hex(text, h);
    return strcmp(text, hex) == 0;
}

/* The examples NIST publishes with FIPS 180-4. */
static void test_digest(void)
{
    static const char two_blocks[] =
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    struct id h;
    unsigned char a[1000];
    struct digest *d;

    digest(&h, "abc", 3);
    ok(is(h, "ba7816bf8f01cfea414140de5dae2223"
             "b00361a396177a9cb410ff61f20015ad"),
       "abc");
    digest(&h, NULL, 0);
    ok(is(h, "e3b0c44298fc1c149afbf4c8996fb924"
             "27ae41e4649b934ca495991b7852b855"),
       "nothing");
    digest(&h, two_blocks, strlen(two_blocks));
    ok(is(h, "248d6a61d20638b8e5c026930c3e6039"
             "a33ce45964ff2167f6ecedd419db06c1"),
       "448 bits");
    memset(a, 'a', sizeof(a));
    d = digest_new();
    for (int i = 0; i < 1000; i++)
        digest_put(d, a, sizeof(a));
    digest_end(d, &h);
    ok(is(h, "cdc76e5c9914fb9281a1c7e284d73e67"
             "f1809a48a497200e046d39ccc7112cd0"),
       "a million a, in pieces");
}

/* The portable SHA-256 has the digests of the library's, in one piece and in
 * pieces of every size. */
static void test_portable(void)
{
    struct id a, b;
    unsigned char data[300];
    bool whole = true, pieces = true;
    struct sha256 s;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 37 + i / 7);
    for (size_t n = 0; n <= sizeof(data); n++) {
        digest(&a, data, n);
        sha256_init(&s);
        sha256_put(&s, data, n);
        sha256_end(&s, &b);
        whole = whole && id_equal(a, b);
        sha256_init(&s);
        for (size_t at = 0, step; at < n; at += step) {
            step = 1 + (at * 7 + n) % 70;
            step = step < n - at ? step : n - at;
            sha256_put(&s, data + at, step);
        }
        sha256_end(&s, &b);
        pieces = pieces && id_equal(a, b);
    }
    ok(whole, "portable SHA-256 of 0 to 300 bytes");
    ok(pieces, ".. in pieces");
}

/* Leaf i of the shapes: i mod 5 bytes, all of the value i. */
static size_t leaf(unsigned char out[4], size_t i)
{
    memset(out, (int)i, 4);
    return i % 5;
}

/* RFC 9162 section 2.1.1, word by word. */
static void mth(struct id *out, size_t first, size_t n)
{
    unsigned char both[65], data[5];
    size_t k = 1;

    if (n == 0) {
        digest(out, "", 0);
    } else if (n == 1) {
        data[0] = 0;
        k = leaf(data + 1, first);
        digest(out, data, 1 + k);
    } else {
        while (2 * k < n)
            k *= 2;
        both[0] = 1;
        mth(id_in(both + 1), first, k);
        mth(id_in(both + 33), first + k, n - k);
        digest(out, both, sizeof(both));
    }
}

static void test_shapes(void)
{
    struct id want, got, again;
    unsigned char data[4];
    struct merkle m, blocks;
    int good = 1, stays = 1;

    merkle_init(&m);
    for (size_t n = 0; n <= 130; n++) {
        mth(&want, 0, n);
        merkle_root(&m, &got);
        merkle_root(&m, &again);
        good = good && id_equal(want, got);
        stays = stays && id_equal(again, got);
        merkle_leaf(&m, data, leaf(data, n));
    }
    ok(good, "0 to 130 leaves, against the definition");
    ok(stays, "asking for the root changes nothing");

    /* Aligned blocks of 16, the last one short. */
    merkle_init(&blocks);
    for (size_t i = 0; i < 131; i += 16) {
        mth(&got, i, 131 - i < 16 ? 131 - i : 16);
        merkle_hash(&blocks, got);
    }
    merkle_root(&blocks, &got);
    merkle_root(&m, &want);
    ok(id_equal(want, got), "hashes of blocks give the same root");
}

static void test_merkle(void)
{
    struct id h, want;
    unsigned char blob[2500], zero[1025] = { 0 };
    struct merkle m;

    merkle_init(&m);
    merkle_leaf(&m, "\0", 1);
    merkle_root(&m, &h);
    ok(is(h, "96a296d224f285c67bee93c30f8a3091"
             "57f0daa35dc5b87e410b78630a09cfc7"),
       "leaf 00");
    for (unsigned char i = 1; i < 5; i++)
        merkle_leaf(&m, &i, 1);
    merkle_root(&m, &h);
    ok(is(h, "b855b42d6c30f5b087e05266783fbd6e"
             "394f7b926013ccaa67700a8b0c5a596f"),
       "leaves 00 .. 04");
    for (size_t i = 0; i < sizeof(blob); i++)
        blob[i] = (unsigned char)(7 * i);
    merkle_blob(&h, blob, sizeof(blob));
    ok(is(h, "7a4c55ff8dc75e9b677e3e2853e46f62"
             "32e9b0fd06cdce9330aea4404562382e"),
       "blob of 2500 bytes");
    merkle_blob(&h, NULL, 0);
    digest(&want, "", 0);
    ok(id_equal(h, want), "blob of nothing");
    merkle_blob(&h, zero, 1024);
    digest(&want, zero, 1025);
    ok(id_equal(h, want), "blob of one whole piece is its leaf");

    /* A leaf longer than a piece of a blob. */
    merkle_init(&m);
    merkle_leaf(&m, blob, sizeof(blob));
    merkle_root(&m, &h);
    memmove(blob + 1, blob, sizeof(blob) - 1);
    blob[0] = 0;
    merkle_init(&m);
    merkle_leaf(&m, blob + 1, sizeof(blob) - 1);
    merkle_root(&m, &want);
    ok(!id_equal(h, want), "long leaves differ");
    digest(&h, blob, sizeof(blob));
    ok(id_equal(h, want), "a long leaf is H(00 || data)");
}

static void test_record(void)
{
    struct model_record r = {
        .numerics = 1, .architecture = 1, .n_layers = 2, .dim = 64,
        .n_heads = 4, .n_kv_heads = 2, .head_dim = 16, .ffn_dim = 172,
        .n_vocab = 512, .context = 512, .flags = MODEL_TIED, .eps = 1e-5f,
        .attn_scale = 0.25f, .bos = 1, .n_eos = 1, .eos = { 2 },
        .n_tensors = 32,
    }, back, before;
    struct id id;
    unsigned char bytes[MODEL_RECORD_SIZE], again[MODEL_RECORD_SIZE];

    for (int i = 1; i < 8; i++)
        r.eos[i] = MODEL_NONE;
    merkle_blob(&r.tokenizer, "", 0);
    merkle_blob(&r.template_blob, "", 0);
    memset(r.tensors.b, 0x11, 32);
    model_record_id(&id, &r);
    ok(is(id, "53fe079fea337d2a31b506e63d1ae3a2"
              "3cc9155becee8575a60d95f6d1b456fa"),
       "model record");

    /* Every field different, so that none is put for another. */
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i + 1);
    memcpy(bytes, "apusmdl1", 8);
    set_u32(bytes + 188, 0);
    memset(&back, 0, sizeof(back));
    ok(model_record_unpack(&back, bytes) == 0, "unpack");
    model_record_pack(again, &back);
    ok(memcmp(bytes, again, sizeof(bytes)) == 0, "and pack");
    ok(back.n_layers == get_u32(bytes + 16) &&
           back.eos[0] == get_u32(bytes + 72) &&
           back.tokenizer_size == get_u64(bytes + 104) &&
           back.n_tensors == get_u32(bytes + 184) &&
           back.tensors.b[31] == bytes[223],
       "fields lie where they should");
    before = back;
    bytes[191] = 1;
    ok(model_record_unpack(&back, bytes) == -1 && back.dim == before.dim,
       "not zero where zero should be");
    bytes[191] = 0;
    bytes[7] = '2';
    ok(model_record_unpack(&back, bytes) == -1, "another magic");
}

static void test_tensor_record(void)
{
    struct tensor_record t = { TENSOR_W8, 0x01020304, 5, { { 0 } } }, back;
    unsigned char bytes[TENSOR_RECORD_SIZE];

    memset(t.root.b, 0xab, 32);
    tensor_record_pack(bytes, &t);
    ok(memcmp(bytes, "\2\0\0\0\4\3\2\1\5\0\0\0\0\0\0\0\xab\xab", 18) == 0 &&
           bytes[47] == 0xab,
       "tensor record");
    memset(&back, 0, sizeof(back));
    ok(tensor_record_unpack(&back, bytes) == 0 && back.type == t.type &&
           back.rows == t.rows && back.cols == t.cols &&
           id_equal(back.root, t.root),
       "and back");
    bytes[12] = 1;
    ok(tensor_record_unpack(&back, bytes) == -1, "not zero");
}

static void test_row_leaf(void)
{
    struct id h;
    unsigned char out[36];
    struct merkle m;
    int8_t row[1500];

    /* 1500 weights: the i-th is ((5 i) mod 255) - 127. */
    for (int i = 0; i < 1500; i++)
        row[i] = (int8_t)(5 * i % 255 - 127);
    model_row_leaf(out, 0.0078125f, row, 1500);
    ok(get_u32(out) == 0x3c000000, "the scale is in front");
    merkle_init(&m);
    merkle_leaf(&m, out, sizeof(out));
    merkle_root(&m, &h);
    ok(is(h, "a72fc17d089d390a6c1daecfc3f5f6ac"
             "d38d2dd120272b8f4e983c43b2a6a2dd"),
       "leaf of a row");
}

/* Two at a time are what one after the other gives, at each length of padding
 * and beyond what is hashed side by side. */
static void test_pairs(void)
{
    static unsigned char a[2200], b[2200];
    struct merkle one[2], two[2];
    size_t digests = 0, roots = 0;

    for (size_t i = 0; i < sizeof(a); i++) {
        a[i] = (unsigned char)(7 * i + i / 251);
        b[i] = (unsigned char)(11 * i + 5);
    }
    for (int i = 0; i < 2; i++) {
        merkle_init(&one[i]);
        merkle_init(&two[i]);
    }
    for (size_t n = 0; n < sizeof(a); n++) {
        struct id pair[2], h[2], root[4];

        digest_pair(pair, a, b, n);
        digest(&h[0], a, n);
        digest(&h[1], b, n);
        digests += id_equal(pair[0], h[0]) && id_equal(pair[1], h[1]);
        merkle_hash(&one[0], h[0]);
        merkle_hash(&one[1], h[1]);
        merkle_hash_pair(&two[0], &two[1], pair);
        for (int i = 0; i < 2; i++) {
            merkle_root(&one[i], &root[i]);
            merkle_root(&two[i], &root[2 + i]);
        }
        roots += id_equal(root[0], root[2]) && id_equal(root[1], root[3]);
    }
    ok(digests == sizeof(a), "two digests at a time, of each length");
    ok(roots == sizeof(a), "two trees at a time, of each size");
}

int main(void)
{
    test_digest();
    test_pairs();
    test_portable();
    test_shapes();
    test_merkle();
    test_record();
    test_tensor_record();
    test_row_leaf();
    return done();
}
