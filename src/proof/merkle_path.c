/*
 * Paths by level: at each, the neighbour of the subtree that has the leaf, if
 * there is one.
 */
#include <config.h>

#include "proof/merkle_path.h"

#include <assert.h>
#include <string.h>

#include "base/id.h"
#include "proof/digest.h"
#include "proof/merkle.h"

size_t merkle_path(unsigned char *path, const unsigned char *hash, size_t n,
                   size_t index)
{
    size_t n_path = 0;

    assert(index < n);
    for (unsigned bit = 0; (n - 1) >> bit > 0; bit++) {
        size_t first = (index >> bit ^ 1) << bit;
        size_t size = (size_t)1 << bit;
        struct merkle m;

        if (first >= n)
            continue; /* the subtree goes up alone */
        if (size > n - first)
            size = n - first;
        merkle_init(&m);
        for (size_t i = first; i < first + size; i++)
            merkle_hash(&m, id_at(hash + i * DIGEST_SIZE));
        merkle_root(&m, id_in(path + n_path++ * DIGEST_SIZE));
    }
    return n_path;
}

/* RFC 9162 section 2.1.3.2; its fn and sn are index and last here. */
int merkle_path_root(struct id *out, struct id leaf, uint64_t index, uint64_t n,
                     const unsigned char *path, size_t n_path)
{
    struct id h;
    uint64_t last = n - 1;

    if (index >= n)
        return -1;
    h = leaf;
    for (size_t i = 0; i < n_path; i++) {
        const unsigned char *p = path + i * DIGEST_SIZE;

        if (last == 0)
            return -1;
        if (index & 1 || index == last) {
            merkle_node_hash(&h, id_at(p), h);
            while (!(index & 1) && index > 0) {
                index >>= 1;
                last >>= 1;
            }
        } else {
            merkle_node_hash(&h, h, id_at(p));
        }
        index >>= 1;
        last >>= 1;
    }
    if (last != 0)
        return -1;
    *out = h;
    return 0;
}

bool merkle_path_verify(struct id root, struct id leaf, uint64_t index,
                        uint64_t n, const unsigned char *path, size_t n_path)
{
    struct id h;

    return merkle_path_root(&h, leaf, index, n, path, n_path) == 0 &&
           id_equal(h, root);
}
