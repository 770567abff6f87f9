/*
 * Head: magic, code, position, layer, head, index, part, count of openings,
 * u32 each.  Opening: role u32, index u64, n_path u32, n_data u32, path, data.
 */
#include <config.h>

#include "dispute/openings.h"

#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "dispute/judge.h"
#include "proof/merkle.h"
#include "proof/merkle_path.h"

#define OPENING_HEAD 20

static const unsigned char nothing[4096];

static void put_place(unsigned char out[OPENINGS_HEAD - 4],
                      const struct statement_place *p)
{
    memcpy(out, "apusprf1", 8);
    set_u32(out + 8, p->code);
    set_u32(out + 12, p->position);
    set_u32(out + 16, p->layer);
    set_u32(out + 20, p->head);
    set_u32(out + 24, p->index);
    set_u32(out + 28, p->part);
}

int openings_init(struct openings *o, const unsigned char *proof, size_t n,
                  const struct statement_place *place)
{
    unsigned char want[OPENINGS_HEAD - 4];

    put_place(want, place);
    if (n < OPENINGS_HEAD || memcmp(proof, want, sizeof(want)) != 0)
        return -1;
    o->at = proof + OPENINGS_HEAD;
    o->end = proof + n;
    o->left = get_u32(proof + sizeof(want));
    o->refused = false;
    o->source = NULL;
    return 0;
}

static void put_opening(struct openings *o, uint32_t role, uint64_t index,
                        size_t n_path, const void *data, size_t n_data)
{
    char *count = o->out->data + OPENINGS_HEAD - 4;

    set_u32(count, get_u32(count) + 1);
    buf_put_u32(o->out, role);
    buf_put_u64(o->out, index);
    buf_put_u32(o->out, (uint32_t)n_path);
    buf_put_u32(o->out, (uint32_t)n_data);
    buf_put(o->out, o->path, n_path * 32);
    buf_put(o->out, data, n_data);
}

/* Return the data of the next opening, or NULL; its path is in o->path. */
static const unsigned char *next(struct openings *o, uint32_t role,
                                 uint64_t index, size_t n_data, bool bare,
                                 size_t *n_path)
{
    size_t left = (size_t)(o->end - o->at);
    const unsigned char *at = o->at;

    if (o->refused)
        return NULL;
    if (o->source) {
        at = o->source(o->self, role, index, n_data, o->path, n_path);
        *n_path = bare ? 0 : *n_path;
        if (at)
            put_opening(o, role, index, *n_path, at, n_data);
        return at;
    }
    if (o->left == 0 || left < OPENING_HEAD)
        return NULL;
    *n_path = get_u32(at + 12);
    if (get_u32(at) != role || get_u64(at + 4) != index ||
        get_u32(at + 16) != n_data || *n_path > MERKLE_PATH_MAX)
        return NULL;
    left -= OPENING_HEAD;
    if (left < *n_path * 32 || left - *n_path * 32 < n_data)
        return NULL;
    at += OPENING_HEAD;
    memcpy(o->path, at, *n_path * 32);
    o->left--;
    o->at = at + *n_path * 32 + n_data;
    return at + *n_path * 32;
}

static const unsigned char *mark_bad(struct openings *o)
{
    o->refused = true;
    return nothing;
}

const unsigned char *openings_next(struct openings *o, uint32_t role,
                                   uint64_t index, uint64_t n_leaves,
                                   size_t n_data, struct id *root)
{
    size_t n_path = 0;
    const unsigned char *data = next(o, role, index, n_data, false, &n_path);
    struct id leaf;

    memset(root, 0, sizeof(*root));
    if (!data || n_leaves == 0)
        return mark_bad(o);
    merkle_leaf_hash(&leaf, data, n_data);
    if (role == ROLE_BLOCK) { /* whose data are the leaves of a subtree */
        struct merkle m;

        merkle_init(&m);
        for (size_t i = 0; i < n_data; i += 32)
            merkle_hash(&m, id_at(data + i));
        merkle_root(&m, &leaf);
    }
    if (merkle_path_root(root, leaf, index, n_leaves, o->path, n_path))
        return mark_bad(o);
    return data;
}

const unsigned char *openings_bare(struct openings *o, uint32_t role,
                                   uint64_t index, size_t n_data)
{
    size_t n_path = 0;
    const unsigned char *data = next(o, role, index, n_data, true, &n_path);

    return data && n_path == 0 ? data : mark_bad(o);
}

bool openings_done(const struct openings *o)
{
    return !o->refused && o->left == 0 && o->at == o->end;
}

void openings_write(struct openings *o, struct buf *out,
                    const struct statement_place *place,
                    openings_source_fn *source, void *self)
{
    unsigned char head[OPENINGS_HEAD] = { 0 };

    memset(o, 0, sizeof(*o));
    o->source = source;
    o->self = self;
    o->out = out;
    put_place(head, place);
    buf_put(out, head, sizeof(head));
}
