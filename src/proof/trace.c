/*
 * Leaves of a trace.  Most of the work is hashing K and V rows of some 70 to
 * 260 bytes: gathering a row after its 00 and hashing it in one go is
 * faster than handing its four parts to SHA-256.  What is computed, and which
 * positions there are, is the engine's matter.
 */
#include <config.h>

#include "proof/trace.h"

#include <assert.h>
#include <string.h>

#include "base/id.h"
#include "proof/blob.h"
#include "proof/digest.h"
#include "proof/digest_pair.h"
#include "proof/fields.h"

void trace_step_init(struct trace_step *s)
{
    merkle_init(&s->kv);
    merkle_init(&s->deep);
    s->next = TRACE_NONE;
    s->fin = (struct id){ { 0 } };
}

#define ROW_HEAD (1 + 8) /* of a leaf: 00 and two scales */
#define ROW_MOST (ROW_HEAD + 2 * TRACE_MAX_HEAD_DIM)

static void put_row(unsigned char leaf[ROW_MOST], const struct trace_row *r,
                    size_t head_dim)
{
    assert(head_dim <= TRACE_MAX_HEAD_DIM);
    leaf[0] = 0;
    set_u32(leaf + 1, f32_bits(r->s_k));
    set_u32(leaf + 5, f32_bits(r->s_v));
    memcpy(leaf + ROW_HEAD, r->k, head_dim);
    memcpy(leaf + ROW_HEAD + head_dim, r->v, head_dim);
}

void trace_step_row(struct trace_step *s, float s_k, float s_v,
                    const int8_t *k, const int8_t *v, size_t head_dim)
{
    struct trace_row row = { s_k, s_v, k, v };
    unsigned char leaf[ROW_MOST];
    struct id h;

    put_row(leaf, &row, head_dim);
    digest(&h, leaf, ROW_HEAD + 2 * head_dim);
    merkle_hash(&s->kv, h);
}

void trace_step_row_pair(struct trace_step *a, struct trace_step *b,
                         const struct trace_row row[2], size_t head_dim)
{
    unsigned char leaf[2][ROW_MOST];
    struct id h[2];

    put_row(leaf[0], &row[0], head_dim);
    put_row(leaf[1], &row[1], head_dim);
    digest_pair(h, leaf[0], leaf[1], ROW_HEAD + 2 * head_dim);
    merkle_hash_pair(&a->kv, &b->kv, h);
}

void trace_step_deep(struct trace_step *s, const float *x, size_t dim)
{
    struct id blob;

    blob_f32(&blob, x, dim);
    merkle_leaf(&s->deep, blob.b, sizeof(blob));
}

void trace_step_draw(struct trace_step *s, uint32_t next, const float *last,
                     size_t dim)
{
    assert(next != TRACE_NONE);
    s->next = next;
    blob_f32(&s->fin, last, dim);
}

void trace_step_leaf(const struct trace_step *s, struct trace_leaf *out,
                     uint32_t position, uint32_t token)
{
    out->position = position;
    out->token = token;
    out->next = s->next;
    out->flags = s->next != TRACE_NONE ? TRACE_FIN : 0;
    merkle_root(&s->kv, &out->kv);
    out->fin = s->fin;
    out->deep = (struct id){ { 0 } };
    if (s->deep.n > 0) {
        out->flags |= TRACE_DEEP;
        merkle_root(&s->deep, &out->deep);
    }
}

void trace_leaf_pack(unsigned char out[TRACE_LEAF_SIZE],
                     const struct trace_leaf *l)
{
    unsigned char *at = out;

    field_put_u32(&at, l->position);
    field_put_u32(&at, l->token);
    field_put_u32(&at, l->next);
    field_put_u32(&at, l->flags);
    field_put(&at, l->kv.b, 32);
    field_put(&at, l->fin.b, 32);
    field_put(&at, l->deep.b, 32);
    assert(at == out + TRACE_LEAF_SIZE);
}

int trace_leaf_unpack(struct trace_leaf *l,
                      const unsigned char in[TRACE_LEAF_SIZE])
{
    static const struct id zero;
    const unsigned char *at = in;
    struct trace_leaf t;

    t.position = field_take_u32(&at);
    t.token = field_take_u32(&at);
    t.next = field_take_u32(&at);
    t.flags = field_take_u32(&at);
    field_take(&at, t.kv.b, 32);
    field_take(&at, t.fin.b, 32);
    field_take(&at, t.deep.b, 32);
    if (t.flags & ~(uint32_t)(TRACE_FIN | TRACE_DEEP))
        return -1;
    if ((t.next != TRACE_NONE) != ((t.flags & TRACE_FIN) != 0))
        return -1;
    if (!(t.flags & TRACE_FIN) && !id_equal(t.fin, zero))
        return -1;
    if (!(t.flags & TRACE_DEEP) && !id_equal(t.deep, zero))
        return -1;
    *l = t;
    return 0;
}

void trace_leaf_hash(struct id *out, const struct trace_leaf *l)
{
    unsigned char leaf[1 + TRACE_LEAF_SIZE];

    leaf[0] = 0;
    trace_leaf_pack(leaf + 1, l);
    digest(out, leaf, sizeof(leaf));
}

void trace_put(struct merkle *trace, const struct trace_leaf *l)
{
    struct id h;

    trace_leaf_hash(&h, l);
    merkle_hash(trace, h);
}
