/*
 * Makes shows, and supplies the openings of a proof, which statements request
 * one by one (openings.h).
 */
#include <config.h>

#include "dispute/prover_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "dispute/linears.h"
#include "dispute/openings.h"
#include "dispute/statements_internal.h"
#include "dispute/terms.h"
#include "model/model.h"
#include "model/model_layout.h"
#include "proof/blob.h"
#include "proof/merkle.h"
#include "proof/merkle_path.h"
#include "proof/model_record.h"

/* ---- lists of hashes ----------------------------------------------------- */

static struct hashes make_hashes(size_t n)
{
    return (struct hashes){ xmalloc(n * DIGEST_SIZE + 1), n };
}

struct hashes hashes_of_blob(const unsigned char *bytes, size_t n)
{
    struct hashes h = make_hashes((n + PIECE - 1) / PIECE);

    for (size_t i = 0; i < h.n; i++) {
        size_t size = n - i * PIECE < PIECE ? n - i * PIECE : PIECE;

        merkle_leaf_hash(id_in(h.hash + i * DIGEST_SIZE), bytes + i * PIECE,
                         size);
    }
    return h;
}

struct hashes hashes_of_leaves(const struct execution *x)
{
    struct hashes h = make_hashes(x->n);

    for (size_t i = 0; i < h.n; i++)
        merkle_leaf_hash(id_in(h.hash + i * DIGEST_SIZE),
                         x->leaves + i * TRACE_LEAF_SIZE, TRACE_LEAF_SIZE);
    return h;
}

struct hashes hashes_of_rows(const struct execution *x, uint32_t position)
{
    size_t bytes = execution_row_bytes(x), all = execution_rows_bytes(x);
    struct hashes h = make_hashes(all / bytes);

    for (size_t i = 0; i < h.n; i++)
        merkle_leaf_hash(id_in(h.hash + i * DIGEST_SIZE),
                         x->rows + position * all + i * bytes, bytes);
    return h;
}

struct hashes hashes_of_blocks(const struct hashes *h, size_t size)
{
    struct hashes b = make_hashes((h->n + size - 1) / size);

    for (size_t i = 0; i < b.n; i++) {
        struct merkle m;

        merkle_init(&m);
        for (size_t j = i * size; j < h->n && j < (i + 1) * size; j++)
            merkle_hash(&m, id_at(h->hash + j * DIGEST_SIZE));
        merkle_root(&m, id_in(b.hash + i * DIGEST_SIZE));
    }
    return b;
}

/* Of a list, at most n from `first` on. */
static void put_list(struct buf *out, struct hashes h, size_t first, size_t n)
{
    n = h.n - first < n ? h.n - first : n;
    buf_put(out, h.hash + first * DIGEST_SIZE, n * DIGEST_SIZE);
    free(h.hash);
}

/* The same of the roots of its blocks. */
static void put_blocks(struct buf *out, struct hashes h, size_t size,
                       size_t first, size_t n)
{
    struct hashes b = hashes_of_blocks(&h, size);

    free(h.hash);
    put_list(out, b, first, n);
}

/* ---- shows --------------------------------------------------------------- */

const unsigned char *prover_vector(struct execution *x, const struct judge *g,
                                   enum entry e, unsigned char **own)
{
    const struct model_record *rec = &x->in.model->rec;
    uint32_t layer = g->layer;
    const float *row;

    *own = NULL;
    if (e != ENTRY_X)
        return x->now->vector[e];
    if (layer == OPERATORS_HEAD)
        layer = g->table.len ? rec->n_layers : 0; /* `embed` has no table */
    row = execution_x(x, g->leaf.position, layer);
    *own = xmalloc(rec->dim * sizeof(float) + 1);
    for (size_t i = 0; i < rec->dim; i++)
        set_u32(*own + 4 * i, f32_bits(row[i]));
    return *own;
}

/* Return the picked vector: x_(l+1) if the x of a layer was picked. */
static const unsigned char *shown_vector(struct execution *x,
                                         const struct judge *g,
                                         unsigned char **own)
{
    *own = NULL;
    if (g->entry == ENTRY_X && g->layer != OPERATORS_HEAD)
        return x->now->vector[ENTRY_X];
    return prover_vector(x, g, g->entry, own);
}

static void show_layers(struct buf *out, struct execution *x,
                        const struct judge *g)
{
    const struct model_record *rec = &x->in.model->rec;
    size_t n = rec->n_layers + (judge_draws(g) ? 1 : 0);
    struct id root;

    for (uint32_t l = 0; l < n; l++) {
        blob_f32(&root, execution_x(x, g->leaf.position, l), rec->dim);
        buf_put(out, &root, sizeof(root));
    }
}

/* Subtrees beside a range of leaves, from left to right. */
static void put_beside(struct buf *out, const struct hashes *h, size_t at,
                       size_t n, size_t from, size_t to)
{
    struct merkle m;
    struct id root;
    size_t k = 1;

    if (at >= to || at + n <= from) {
        merkle_init(&m);
        for (size_t i = at; i < at + n; i++)
            merkle_hash(&m, id_at(h->hash + i * DIGEST_SIZE));
        merkle_root(&m, &root);
        buf_put(out, &root, sizeof(root));
        return;
    }
    if (n == 1)
        return;
    while (2 * k < n)
        k *= 2;
    put_beside(out, h, at, k, from, to);
    put_beside(out, h, at + k, n - k, from, to);
}

static void show_operators(struct buf *out, struct execution *x,
                           const struct judge *g)
{
    unsigned char table[OPERATORS_MAX];
    size_t kv = x->in.model->rec.n_kv_heads, first = g->layer * kv;
    struct hashes h;

    explain_table(x->e, table);
    buf_put(out, table, operators_size(x->now->table));
    if (g->layer == OPERATORS_HEAD)
        return;
    h = hashes_of_rows(x, g->leaf.position);
    buf_put(out, h.hash + first * DIGEST_SIZE, kv * DIGEST_SIZE);
    put_beside(out, &h, 0, h.n, first, first + kv);
    free(h.hash);
}

static void show_vector(struct buf *out, struct execution *x,
                        const struct judge *g)
{
    size_t n = operators_elements(&g->m, g->entry) *
               operators_width(&g->m, g->entry), at, size;
    unsigned char *own;
    const unsigned char *v = shown_vector(x, g, &own);

    switch (g->show) {
    case SHOW_PIECE_BLOCKS:
        put_blocks(out, hashes_of_blob(v, n), JUDGE_LIST, 0, n);
        break;
    case SHOW_PIECES:
        put_list(out, hashes_of_blob(v, n), g->pieces.first, JUDGE_LIST);
        break;
    default:
        at = (size_t)g->pieces.first * PIECE;
        size = n - at < PIECE ? n - at : PIECE;
        buf_put(out, v + at, size);
    }
    free(own);
}

static void show_sums(struct buf *out, struct execution *x,
                      const struct judge *g)
{
    uint32_t first, n;
    size_t width, each;
    unsigned char *sums;

    n = judge_n_sums(g, &first, &width);
    sums = xcalloc(n, width);
    prover_sums(x, g, sums);
    each = width / 8;
    for (size_t b = 0; g->show == SHOW_SUM_BLOCKS && b * JUDGE_SUMS < n; b++) {
        int64_t sum[4] = { 0 };

        for (size_t i = b * JUDGE_SUMS; i < n && i < (b + 1) * JUDGE_SUMS; i++)
            for (size_t k = 0; k < each; k++)
                sum[k] += (int64_t)get_u64(sums + i * width + 8 * k);
        for (size_t k = 0; k < each; k++)
            buf_put_u64(out, (uint64_t)sum[k]);
    }
    if (g->show == SHOW_SUMS && g->sums_blocked) {
        size_t at = (size_t)g->sums.first * JUDGE_SUMS;

        buf_put(out, sums + at * width,
                (n - at < JUDGE_SUMS ? n - at : JUDGE_SUMS) * width);
    } else if (g->show == SHOW_SUMS) {
        buf_put(out, sums, n * width);
    }
    free(sums);
}

/* Make sure that the rows of the position are kept and, if `table`, that its
 * operator table is explained. */
static int prepare(struct execution *x, const struct judge *g, bool table,
                   struct err *err)
{
    uint32_t t = g->leaf.position;

    if (t < x->in.first || t - x->in.first >= x->in.n)
        return err_set(err, ERR_INPUT, "position %u was not kept", t);
    return table ? execution_explain(x, t, g->layer, err) : 0;
}

int prover_show(struct buf *out, struct execution *x, const struct judge *g,
                struct err *err)
{
    unsigned char model[MODEL_RECORD_SIZE];
    bool embed = g->show > SHOW_OPERATORS && !g->table.len;

    if (g->turn != JUDGE_SHOWS)
        return err_set(err, ERR_INPUT, "nothing is to be shown now");
    if (g->show >= SHOW_LAYERS &&
        prepare(x, g, g->show >= SHOW_OPERATORS && !embed, err))
        return -1;
    switch (g->show) {
    case SHOW_RECORDS: case SHOW_LINE:
        model_record_pack(model, &x->in.model->rec);
        buf_put(out, x->result, RESULT_RECORD_SIZE);
        buf_put(out, x->in.job, JOB_RECORD_SIZE);
        buf_put(out, model, sizeof(model));
        if (g->show == SHOW_LINE && x->in.file)
            buf_put(out, x->in.file->line, x->in.file->n_line);
        break;
    case SHOW_STOPS: case SHOW_OFFSETS: case SHOW_BETWEEN:
        if (prover_show_stops(out, x, g, err))
            return -1;
        break;
    case SHOW_AFTER:
        if (x->in.file)
            buf_put(out, x->in.file->after, x->in.file->n_after);
        break;
    case SHOW_CHUNKS:
        put_blocks(out, hashes_of_leaves(x), 4096, 0, SIZE_MAX);
        break;
    case SHOW_BLOCKS:
        put_blocks(out, hashes_of_leaves(x), JUDGE_LIST, g->list.first,
                   JUDGE_LIST);
        break;
    case SHOW_LEAVES:
        put_list(out, hashes_of_leaves(x), g->list.first, JUDGE_LIST);
        break;
    case SHOW_LEAF:
        buf_put(out, x->leaves + (size_t)g->list.first * TRACE_LEAF_SIZE,
                TRACE_LEAF_SIZE);
        break;
    case SHOW_LAYERS: show_layers(out, x, g); break;
    case SHOW_ROW_BLOCKS:
        put_blocks(out, hashes_of_rows(x, g->leaf.position), JUDGE_LIST, 0,
                   SIZE_MAX);
        break;
    case SHOW_ROWS:
        put_list(out, hashes_of_rows(x, g->leaf.position), g->list.first,
                 JUDGE_LIST);
        break;
    case SHOW_OPERATORS: show_operators(out, x, g); break;
    case SHOW_SUM_BLOCKS: case SHOW_SUMS: show_sums(out, x, g); break;
    default: show_vector(out, x, g);
    }
    return buf_check(out, "a show", err);
}

/* ---- proofs -------------------------------------------------------------- */

/* Supplies openings, and remembers what the last ones belonged to: a tensor, a
 * row of it, a position. */
struct piece_source {
    struct execution *x;
    const struct judge *g;
    uint32_t tensor, row, position;
    unsigned char data[TERMS_ROW_MAX];
};

/* The path of leaf i of a list, which is freed. */
static void path_of(struct hashes h, size_t i, unsigned char *path,
                    size_t *n_path)
{
    *n_path = i < h.n ? merkle_path(path, h.hash, h.n, i) : 0;
    free(h.hash);
}

/* Piece i of a blob, copied. */
static const unsigned char *piece_of(struct piece_source *s,
                                     const unsigned char *bytes, size_t n,
                                     size_t i, size_t n_data,
                                     unsigned char *path, size_t *n_path)
{
    if (i * PIECE + n_data > n || n_data > sizeof(s->data))
        return NULL;
    path_of(hashes_of_blob(bytes, n), i, path, n_path);
    memcpy(s->data, bytes + i * PIECE, n_data);
    return s->data;
}

static const unsigned char *ids_of(struct piece_source *s, const uint32_t *id,
                                   size_t count, size_t i, size_t n_data,
                                   unsigned char *path, size_t *n_path)
{
    unsigned char *bytes = xmalloc(4 * count + 1);
    const unsigned char *data;

    for (size_t k = 0; k < count; k++)
        set_u32(bytes + 4 * k, id[k]);
    data = piece_of(s, bytes, 4 * count, i, n_data, path, n_path);
    free(bytes);
    return data;
}

static const unsigned char *tensor_of(struct piece_source *s, uint64_t i,
                                      unsigned char *path, size_t *n_path)
{
    const struct model *m = s->x->in.model;
    const unsigned char *record =
        (const unsigned char *)m->data + MODEL_RECORD_SIZE;
    struct hashes h = make_hashes(m->rec.n_tensors);

    for (size_t k = 0; k < h.n; k++)
        merkle_leaf_hash(id_in(h.hash + k * DIGEST_SIZE),
                         record + k * TENSOR_RECORD_SIZE, TENSOR_RECORD_SIZE);
    path_of(h, i, path, n_path);
    s->tensor = (uint32_t)i;
    return record + i * TENSOR_RECORD_SIZE;
}

static const struct x1_matrix *matrix_of(const struct piece_source *s)
{
    const struct model *m = s->x->in.model;
    const struct model_layer *l;

    if (s->tensor == TENSOR_EMBED)
        return &m->embed;
    if (s->tensor == TENSOR_HEAD)
        return &m->head;
    l = &m->layers[(s->tensor - TENSOR_LAYERS) / LAYER_TENSORS];
    switch ((s->tensor - TENSOR_LAYERS) % LAYER_TENSORS) {
    case LAYER_WQ: return &l->wq;
    case LAYER_WK: return &l->wk;
    case LAYER_WV: return &l->wv;
    case LAYER_WO: return &l->wo;
    case LAYER_GATE: return &l->gate;
    case LAYER_UP: return &l->up;
    default: return &l->down;
    }
}

static const float *values_of(const struct piece_source *s)
{
    const struct model *m = s->x->in.model;
    const struct model_layer *l;

    if (s->tensor == TENSOR_INV_FREQ)
        return m->inv_freq;
    if (s->tensor == TENSOR_FINAL_NORM)
        return m->final_norm;
    l = &m->layers[(s->tensor - TENSOR_LAYERS) / LAYER_TENSORS];
    switch ((s->tensor - TENSOR_LAYERS) % LAYER_TENSORS) {
    case LAYER_ATTN_NORM: return l->attn_norm;
    case LAYER_BQ: return l->bq;
    case LAYER_BK: return l->bk;
    case LAYER_BV: return l->bv;
    case LAYER_Q_NORM: return l->q_norm;
    case LAYER_K_NORM: return l->k_norm;
    default: return l->ffn_norm;
    }
}

static const unsigned char *scale_of(struct piece_source *s, uint64_t i,
                                     unsigned char *path, size_t *n_path)
{
    const struct x1_matrix *m = matrix_of(s);
    struct hashes h = make_hashes(m->rows);
    unsigned char leaf[36];

    for (size_t k = 0; k < h.n; k++) {
        model_row_leaf(leaf, m->scale[k], m->w + k * m->cols, m->cols);
        merkle_leaf_hash(id_in(h.hash + k * DIGEST_SIZE), leaf, sizeof(leaf));
        if (k == i)
            memcpy(s->data, leaf, sizeof(leaf));
    }
    path_of(h, i, path, n_path);
    s->row = (uint32_t)i;
    return s->data;
}

static const unsigned char *block_of(struct piece_source *s, uint64_t i,
                                     size_t n_data, unsigned char *path,
                                     size_t *n_path)
{
    struct hashes h = hashes_of_leaves(s->x);
    struct hashes b = hashes_of_blocks(&h, TERMS_KEYS);

    memcpy(s->data, h.hash + i * TERMS_KEYS * DIGEST_SIZE, n_data);
    free(h.hash);
    path_of(b, i, path, n_path);
    return s->data;
}

static const unsigned char *vector_piece(struct piece_source *s, enum entry e,
                                         uint64_t i, size_t n_data,
                                         unsigned char *path, size_t *n_path)
{
    const struct model_record *rec = &s->x->in.model->rec;
    unsigned char *own;
    const unsigned char *v = prover_vector(s->x, s->g, e, &own);
    const unsigned char *data =
        piece_of(s, v, operators_elements(rec, e) * operators_width(rec, e),
                 i, n_data, path, n_path);

    free(own);
    return data;
}

static const unsigned char *source(void *self, uint32_t role, uint64_t index,
                                   size_t n_data, unsigned char *path,
                                   size_t *n_path)
{
    struct piece_source *s = self;
    struct execution *x = s->x;
    const struct x1_matrix *m;

    switch (role) {
    case ROLE_LEAF:
        s->position = (uint32_t)index;
        path_of(hashes_of_leaves(x), index, path, n_path);
        return x->leaves + index * TRACE_LEAF_SIZE;
    case ROLE_BLOCK:
        return block_of(s, index, n_data, path, n_path);
    case ROLE_ROW:
        path_of(hashes_of_rows(x, s->position), index, path, n_path);
        return x->rows + s->position * execution_rows_bytes(x) +
               index * execution_row_bytes(x);
    case ROLE_PROMPT:
        return ids_of(s, x->in.prompt, x->j.n_prompt, index, n_data, path,
                      n_path);
    case ROLE_OUTPUT:
        return ids_of(s, x->in.output, x->n_out, index, n_data, path, n_path);
    case ROLE_TENSOR:
        return tensor_of(s, index, path, n_path);
    case ROLE_SCALE:
        return scale_of(s, index, path, n_path);
    case ROLE_WEIGHTS:
        m = matrix_of(s);
        return piece_of(s, (const unsigned char *)m->w +
                               (size_t)s->row * m->cols, m->cols, index,
                        n_data, path, n_path);
    case ROLE_TOKENIZER:
        return piece_of(s, x->in.model->tokenizer,
                        x->in.model->rec.tokenizer_size, index, n_data, path,
                        n_path);
    case ROLE_VALUES: {
        struct tensor_record t;

        model_expect(&x->in.model->rec, s->tensor, &t);
        return piece_of(s, (const unsigned char *)values_of(s),
                        4 * (size_t)t.rows, index, n_data, path, n_path);
    }
    default:
        return vector_piece(s, (enum entry)(role - ROLE_PIECE), index, n_data,
                            path, n_path);
    }
}

int prover_prove(struct buf *out, struct execution *x, const struct judge *g,
                 struct err *err)
{
    struct piece_source s = { .x = x, .g = g };
    bool table = g->table.len > 0;

    if (g->turn != JUDGE_PROVES)
        return err_set(err, ERR_INPUT, "nothing is to be proven now");
    if (g->place.code > 1 && g->place.code != 17 &&
        prepare(x, g, table, err))
        return -1;
    if (judge_openings(g, source, &s, out, err))
        return -1;
    return buf_check(out, "a proof", err);
}
