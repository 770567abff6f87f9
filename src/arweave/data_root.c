/*
 * The chunk tree of a transaction.  Nodes are paired level by level and the
 * one without a partner moves up; that is the same as keeping whole subtrees
 * of sizes that fall, like the digits of a binary counter, and joining what
 * is left from the right.  So a few dozen nodes are enough for any data.
 */
#include <config.h>

#include "arweave/data_root.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "proof/digest.h"

#define LEVELS 64
#define NOTE 32
#define BRANCH (32 + 32 + NOTE)
#define LEAF (32 + NOTE)

struct chunk_node {
    struct id id;
    uint64_t max; /* its end in the data */
    unsigned level;
};

struct data_root {
    uint64_t size, at;
    uint64_t chunk_end;
    struct digest *chunk; /* what of the chunk came; NULL between chunks */
    struct chunk_node stack[LEVELS];
    size_t n_stack;
};

uint64_t chunk_size(uint64_t at, uint64_t size)
{
    uint64_t rest = size - at;

    if (rest < CHUNK_MAX)
        return rest;
    if (rest > CHUNK_MAX && rest - CHUNK_MAX < CHUNK_MIN)
        return (rest + 1) / 2;
    return CHUNK_MAX;
}

/* The only big-endian number here. */
static void put_note(unsigned char out[NOTE], uint64_t v)
{
    memset(out, 0, NOTE);
    for (int i = 0; i < 8; i++)
        out[NOTE - 1 - i] = (unsigned char)(v >> (8 * i));
}

/* -1 over 64 bits. */
static int get_note(uint64_t *v, const unsigned char p[NOTE])
{
    *v = 0;
    for (int i = 0; i < NOTE - 8; i++)
        if (p[i] != 0)
            return -1;
    for (int i = NOTE - 8; i < NOTE; i++)
        *v = *v << 8 | p[i];
    return 0;
}

/* out = H(H(a) || H(b) || H(c)), or of the first two. */
static void hash_parts(struct id *out, const unsigned char *a,
                       const unsigned char *b, const unsigned char *c)
{
    unsigned char parts[96];

    digest(id_in(parts), a, 32);
    digest(id_in(parts + 32), b, 32);
    if (c)
        digest(id_in(parts + 64), c, 32);
    digest(out, parts, c ? 96 : 64);
}

/* ---- streaming ----------------------------------------------------------- */

static struct chunk_node join_nodes(const struct chunk_node *l,
                                    const struct chunk_node *r)
{
    struct chunk_node up = { .max = r->max, .level = l->level + 1 };
    unsigned char note[NOTE];

    put_note(note, l->max);
    hash_parts(&up.id, l->id.b, r->id.b, note);
    return up;
}

static struct chunk_node leaf_node(struct id hash, uint64_t end)
{
    struct chunk_node leaf = { .max = end };
    unsigned char note[NOTE];

    put_note(note, end);
    hash_parts(&leaf.id, hash.b, note, NULL);
    return leaf;
}

static void join(struct data_root *d)
{
    struct chunk_node *l = &d->stack[d->n_stack - 2];

    *l = join_nodes(l, l + 1);
    d->n_stack--;
}

static void push_leaf(struct data_root *d, struct id hash)
{
    d->stack[d->n_stack++] = leaf_node(hash, d->at);
    while (d->n_stack > 1 && d->stack[d->n_stack - 1].level ==
           d->stack[d->n_stack - 2].level)
        join(d);
}

static void end_chunk(struct data_root *d)
{
    struct id hash;

    digest_end(d->chunk, &hash);
    d->chunk = NULL;
    push_leaf(d, hash);
}

struct data_root *data_root_new(uint64_t size)
{
    struct data_root *d = xcalloc(1, sizeof(*d));

    d->size = size;
    return d;
}

void data_root_free(struct data_root *d)
{
    struct id ignored;

    if (!d)
        return;
    if (d->chunk)
        digest_end(d->chunk, &ignored);
    free(d);
}

int data_root_put(struct data_root *d, const void *data, size_t n,
                  struct err *err)
{
    const unsigned char *p = data;

    if (n > d->size - d->at)
        return err_set(err, ERR_INPUT, "more than the %" PRIu64 " bytes of"
                       " the data came", d->size);
    while (n > 0) {
        size_t take;

        if (!d->chunk) {
            d->chunk = digest_new();
            d->chunk_end = d->at + chunk_size(d->at, d->size);
        }
        take = d->chunk_end - d->at < n ? (size_t)(d->chunk_end - d->at) : n;
        digest_put(d->chunk, p, take);
        d->at += take;
        p += take;
        n -= take;
        if (d->at == d->chunk_end)
            end_chunk(d);
    }
    return 0;
}

int data_root_end(struct data_root *d, struct id *root, struct err *err)
{
    if (d->at != d->size)
        return err_set(err, ERR_INPUT, "%" PRIu64 " of the %" PRIu64 " bytes"
                       " of the data came", d->at, d->size);
    assert(!d->chunk);
    /* What is left after a last chunk of full size is a chunk of nothing. */
    if (d->size % CHUNK_MAX == 0) {
        struct id hash;

        digest(&hash, "", 0);
        push_leaf(d, hash);
    }
    while (d->n_stack > 1)
        join(d);
    *root = d->stack[0].id;
    return 0;
}

/* The leaves of data, with that of nothing where it has one. */
static struct chunk_node *leaves_of(const struct id *hash, uint64_t size,
                                    size_t *n)
{
    struct chunk_node *leaf =
        xcalloc((size_t)(size / CHUNK_MAX) + 2, sizeof(*leaf));
    struct id nothing;

    *n = 0;
    for (uint64_t at = 0; at < size;) {
        at += chunk_size(at, size);
        leaf[*n] = leaf_node(hash[*n], at);
        ++*n;
    }
    digest(&nothing, "", 0);
    if (size % CHUNK_MAX == 0)
        leaf[(*n)++] = leaf_node(nothing, size);
    return leaf;
}

static void put_branch(unsigned char out[BRANCH], const struct chunk_node *l,
                       const struct chunk_node *r)
{
    memcpy(out, l->id.b, 32);
    memcpy(out + 32, r->id.b, 32);
    put_note(out + 64, l->max);
}

void data_root_path(struct buf *path, const struct id *hash, uint64_t size,
                    size_t k)
{
    unsigned char branch[LEVELS][BRANCH], note[NOTE];
    size_t n, at = k, depth = 0;
    struct chunk_node *v = leaves_of(hash, size, &n);
    uint64_t end = v[k].max;

    while (n > 1) {
        size_t up = 0;

        for (size_t i = 0; i < n; i += 2, up++) {
            if (i + 1 < n && at / 2 == i / 2)
                put_branch(branch[depth++], &v[i], &v[i + 1]);
            v[up] = i + 1 < n ? join_nodes(&v[i], &v[i + 1]) : v[i];
        }
        at /= 2;
        n = up;
    }
    while (depth > 0)
        buf_put(path, branch[--depth], BRANCH);
    put_note(note, end);
    buf_put(path, hash[k].b, 32);
    buf_put(path, note, NOTE);
    free(v);
}

void data_root(struct id *root, const void *data, size_t n)
{
    struct data_root *d = data_root_new(n);

    data_root_put(d, data, n, NULL);
    data_root_end(d, root, NULL);
    data_root_free(d);
}

/* ---- paths --------------------------------------------------------------- */

struct chunk_walk {
    struct id id;
    uint64_t left, right, dest; /* counted from `shift` */
    uint64_t shift;             /* where the tree that we are in begins */
};

static int wrong(struct err *err, const char *what)
{
    return err_set(err, ERR_INPUT, "path of a chunk: %s", what);
}

/* One branch down.  In a nested tree all ends count from its beginning. */
static int step(struct chunk_walk *w, const unsigned char p[BRANCH],
                bool nested, struct err *err)
{
    struct id id;
    uint64_t note;
    bool go_left;

    hash_parts(&id, p, p + 32, p + 64);
    if (!id_equal(id, w->id))
        return wrong(err, "it does not begin at the root");
    if (get_note(&note, p + 64))
        return wrong(err, "an end of more than 64 bits");
    go_left = w->dest < note;
    w->id = id_at(go_left ? p : p + 32);
    if (go_left && note < w->right)
        w->right = note;
    if (!go_left && note > w->left)
        w->left = note;
    if (nested) {
        w->shift += w->left;
        w->dest -= w->left;
        w->right -= w->left;
        w->left = 0;
    }
    return 0;
}

static int end_walk(const struct chunk_walk *w, const unsigned char p[LEAF],
                    struct chunk_place *c, struct err *err)
{
    struct id id;
    uint64_t end;

    hash_parts(&id, p, p + 32, NULL);
    if (!id_equal(id, w->id))
        return wrong(err, "it does not begin at the root");
    if (get_note(&end, p + 32) || end != w->right || end <= w->left ||
        end - w->left > CHUNK_MAX)
        return wrong(err, "it leads to no chunk");
    c->start = w->shift + w->left;
    c->end = w->shift + w->right;
    c->hash = id_at(p);
    return 0;
}

int chunk_path(struct chunk_place *c, struct id root, uint64_t size,
               uint64_t at, const void *path, size_t n, struct err *err)
{
    static const struct id marker;
    const unsigned char *p = path;
    struct chunk_walk w = { .right = size, .dest = at };

    if (at >= size)
        return wrong(err, "there is no such byte");
    if (n > DATA_PATH_MAX)
        return wrong(err, "it is too long");
    w.id = root;
    while (n > LEAF) {
        bool nested = n >= sizeof(marker) + BRANCH &&
                      memcmp(p, marker.b, sizeof(marker)) == 0;
        size_t used = nested ? sizeof(marker) + BRANCH : BRANCH;

        if (n < used)
            return wrong(err, "it ends within a branch");
        if (step(&w, p + used - BRANCH, nested, err))
            return -1;
        p += used;
        n -= used;
    }
    if (n != LEAF)
        return wrong(err, "it ends before its chunk");
    return end_walk(&w, p, c, err);
}

int chunk_check(struct chunk_place *c, struct id root, uint64_t size,
                uint64_t at, const void *path, size_t n_path, const void *data,
                size_t n, struct err *err)
{
    struct chunk_place place;
    struct id hash;

    if (chunk_path(&place, root, size, at, path, n_path, err))
        return -1;
    if (n != place.end - place.start)
        return err_set(err, ERR_INPUT, "chunk: it has %zu bytes, %" PRIu64
                       " expected", n, place.end - place.start);
    digest(&hash, data, n);
    if (!id_equal(hash, place.hash))
        return err_set(err, ERR_INPUT, "chunk: these are not its bytes");
    *c = place;
    return 0;
}
