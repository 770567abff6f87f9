/*
 * Merkle roots of RFC 9162 section 2.1.1, leaf by leaf.  Paths and their
 * checking are merkle_path.c.
 */
#include <config.h>

#include "proof/merkle.h"

#include <assert.h>
#include <string.h>

#include "base/id.h"
#include "proof/digest.h"
#include "proof/digest_pair.h"

#define PIECE 1024 /* of a blob */

void merkle_init(struct merkle *m)
{
    m->n = 0;
}

#define NODE (1 + 2 * DIGEST_SIZE)

static void put_node(unsigned char out[NODE], struct id left, struct id right)
{
    out[0] = 1;
    memcpy(out + 1, left.b, DIGEST_SIZE);
    memcpy(out + 1 + DIGEST_SIZE, right.b, DIGEST_SIZE);
}

void merkle_node_hash(struct id *out, struct id left, struct id right)
{
    unsigned char both[NODE];

    put_node(both, left, right);
    digest(out, both, sizeof(both));
}

void merkle_leaf_hash(struct id *out, const void *data, size_t n)
{
    unsigned char leaf[1 + PIECE];

    leaf[0] = 0;
    if (n <= PIECE) {
        if (n > 0)
            memcpy(leaf + 1, data, n);
        digest(out, leaf, 1 + n);
    } else {
        struct digest *d = digest_new();

        digest_put(d, leaf, 1);
        digest_put(d, data, n);
        digest_end(d, out);
    }
}

void merkle_leaf(struct merkle *m, const void *data, size_t n)
{
    struct id h;

    merkle_leaf_hash(&h, data, n);
    merkle_hash(m, h);
}

/* Like adding one to a binary number: each carry joins two equal subtrees. */
void merkle_hash(struct merkle *m, struct id h)
{
    struct id sum;
    int bit = 0;

    assert(m->n < UINT64_MAX);
    sum = h;
    for (; m->n >> bit & 1; bit++)
        merkle_node_hash(&sum, m->stack[bit], sum);
    m->stack[bit] = sum;
    m->n++;
}

void merkle_hash_pair(struct merkle *a, struct merkle *b, const struct id h[2])
{
    struct id sum[2] = { h[0], h[1] };
    int bit = 0;

    assert(a->n == b->n && a->n < UINT64_MAX);
    for (; a->n >> bit & 1; bit++) {
        unsigned char node[2][NODE];

        put_node(node[0], a->stack[bit], sum[0]);
        put_node(node[1], b->stack[bit], sum[1]);
        digest_pair(sum, node[0], node[1], NODE);
    }
    a->stack[bit] = sum[0];
    b->stack[bit] = sum[1];
    a->n++;
    b->n++;
}

/* The largest subtrees are on the left: join from the smallest. */
void merkle_root(const struct merkle *m, struct id *out)
{
    int some = 0;

    if (m->n == 0)
        digest(out, "", 0);
    for (int bit = 0; bit < 64; bit++) {
        if (!(m->n >> bit & 1))
            continue;
        if (some)
            merkle_node_hash(out, m->stack[bit], *out);
        else
            *out = m->stack[bit];
        some = 1;
    }
}

void merkle_blob(struct id *out, const void *data, size_t n)
{
    const unsigned char *p = data;
    struct merkle m;

    merkle_init(&m);
    for (size_t i = 0; i < n; i += PIECE)
        merkle_leaf(&m, p + i, n - i < PIECE ? n - i : PIECE);
    merkle_root(&m, out);
}
