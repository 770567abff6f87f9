/*
 * Of a model in memory: two passes over the same list of matrices, of which
 * one adds up the bytes and one packs.  Of a model that comes: room for all is
 * made from the record, then rows are packed as they pass.  To a member of a
 * group a model in memory comes, too: its part is a copy in any case.
 */
#include <config.h>

#include "backend/cpu/weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cpu/pool.h"
#include "backend/cpu/shared.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/id.h"
#include "base/machine.h"
#include "base/mem.h"
#include "model/model.h"
#include "model/model_layout.h"
#include "proof/digest.h"

#define CHUNK_BYTES 16384 /* of rows that are worth another thread */

#define EXPERT_MATRICES 3  /* gate, up, down */

static size_t aligned(size_t n)
{
    return (n + 63) / 64 * 64;
}

/* Room for all weights, beside what this process has.  Linux promises memory
 * beyond a limit of a control group, and kills who uses it: what can never fit
 * is an error before. */
static int check_packed(size_t n, struct err *err)
{
    uint64_t most = machine_memory();

    if (most == 0 || n + machine_memory_own() <= most)
        return 0;
    return err_set(err, ERR_FATAL, "no memory for weights: %zu bytes of"
                   " %" PRIu64 " that this process may use, by the machine"
                   " and its control group", n, most);
}

static int alloc_packed(struct weights *w, size_t n, struct err *err)
{
    void *packed;

    if (mem_big(&packed, n, 1, "weights", err))
        return -1;
    w->packed = packed;
    return 0;
}

/* Rows of a matrix that are packed, X1_GROUP of them an item. */
struct pack_job {
    const struct x1_kernels *k;
    void *out;
    const struct x1_matrix *m;
    size_t first, end;
};

static void pack_groups(void *self, size_t from, size_t to, size_t thread)
{
    const struct pack_job *j = self;
    size_t end = j->first + to * X1_GROUP;

    (void)thread;
    j->k->pack(j->out, j->m, j->first + from * X1_GROUP,
               end < j->end ? end : j->end);
}

/* Pack rows [first, end) on all threads, at least CHUNK_BYTES each. */
static void pack_rows(const struct weights *w, void *out,
                      const struct x1_matrix *m, size_t first, size_t end)
{
    struct pack_job j = { w->k, out, m, first, end };
    size_t n = (end - first + X1_GROUP - 1) / X1_GROUP;
    size_t least = CHUNK_BYTES / ((size_t)m->cols * X1_GROUP) + 1;

    pool_run(w->threads, pack_groups, &j, n, least);
}

static void new_layers(struct weights *w)
{
    size_t experts = model_experts(&w->rec);

    w->layers = xcalloc(w->rec.n_layers, sizeof(*w->layers));
    for (uint32_t l = 0; experts && l < w->rec.n_layers; l++)
        w->layers[l].experts = xcalloc(EXPERT_MATRICES * experts,
                                       sizeof(*w->layers[l].experts));
}

/* ---- in memory ----------------------------------------------------------- */

/* Where the next matrix goes; base NULL in the pass that counts. */
struct tensor_place {
    const struct weights *of;
    unsigned char *base;
    size_t at;
};

static void pack(struct tensor_place *p, struct x1_weights *w,
                 const struct x1_matrix *m)
{
    const struct x1_kernels *k = p->of->k;
    unsigned char *out = p->base ? p->base + p->at : NULL;
    size_t n = k->pack_bytes(m);

    if (out && n)
        pack_rows(p->of, out, m, 0, m->rows);
    if (out || n == 0)
        k->weights(w, m, out);
    p->at += aligned(n);
}

/* Each expert's part of one of its three matrices, numbered from 0. */
static void pack_experts(struct tensor_place *p, struct x1_weights *w,
                         const struct x1_matrix *all, size_t which, size_t n)
{
    uint32_t rows = all->rows / (uint32_t)n;

    for (size_t e = 0; e < n; e++) {
        struct x1_matrix m = { rows, all->cols, all->scale + e * rows,
                               all->w + e * rows * all->cols };

        pack(p, &w[EXPERT_MATRICES * e + which], &m);
    }
}

static void pack_ffn(struct tensor_place *p, struct layer_weights *to,
                     const struct model_layer *from, size_t experts)
{
    if (experts == 0) {
        pack(p, &to->gate, &from->gate);
        pack(p, &to->up, &from->up);
        pack(p, &to->down, &from->down);
        return;
    }
    pack_experts(p, to->experts, &from->gate, 0, experts);
    pack_experts(p, to->experts, &from->up, 1, experts);
    pack_experts(p, to->experts, &from->down, 2, experts);
    pack(p, &to->router, &from->router);
}

static void pack_all(struct weights *w, struct tensor_place *p,
                     const struct model *m)
{
    pack(p, &w->embed, &m->embed);
    if (m->head.w == m->embed.w && m->head.scale == m->embed.scale)
        w->head = w->embed;
    else
        pack(p, &w->head, &m->head);
    for (uint32_t l = 0; l < m->rec.n_layers; l++) {
        const struct model_layer *from = &m->layers[l];
        struct layer_weights *to = &w->layers[l];

        pack(p, &to->wq, &from->wq);
        pack(p, &to->wk, &from->wk);
        pack(p, &to->wv, &from->wv);
        pack(p, &to->wo, &from->wo);
        pack_ffn(p, to, from, model_experts(&m->rec));
    }
}

static int init_whole(struct weights *w, const struct x1_kernels *k,
                      struct pool *threads, const struct model *m,
                      const struct model_part *part, struct err *err)
{
    struct tensor_place p = { w, NULL, 0 };

    *w = (struct weights){ .k = k, .threads = threads, .rec = m->rec,
                           .part = *part };
    new_layers(w);
    pack_all(w, &p, m);
    if (p.at == 0)
        return 0;
    if (check_packed(p.at, err) || alloc_packed(w, p.at, err)) {
        weights_clear(w);
        return -1;
    }
    p = (struct tensor_place){ w, w->packed, 0 };
    pack_all(w, &p, m);
    return 0;
}

/* ---- as they come -------------------------------------------------------- */

/* How many matrices a tensor is: one for each expert, or one. */
static uint32_t parts_of(const struct model_record *rec, uint32_t tensor)
{
    uint32_t part = model_part_of(rec, tensor);

    if (tensor < TENSOR_LAYERS || part < LAYER_GATE || part > LAYER_DOWN ||
        !(rec->flags & MODEL_EXPERTS))
        return 1;
    return model_experts(rec);
}

static struct x1_weights *weights_of(struct weights *w, uint32_t tensor,
                                     uint32_t expert)
{
    uint32_t part = model_part_of(&w->rec, tensor);
    struct layer_weights *layer;

    if (tensor == TENSOR_EMBED)
        return &w->embed;
    if (tensor == TENSOR_HEAD)
        return &w->head;
    if (tensor < TENSOR_LAYERS)
        return NULL;
    layer = &w->layers[model_layer_of(&w->rec, tensor)];
    if (parts_of(&w->rec, tensor) > 1)
        return &layer->experts[EXPERT_MATRICES * expert + part - LAYER_GATE];
    switch (part) {
    case LAYER_WQ:
        return &layer->wq;
    case LAYER_WK:
        return &layer->wk;
    case LAYER_WV:
        return &layer->wv;
    case LAYER_WO:
        return &layer->wo;
    case LAYER_GATE:
        return &layer->gate;
    case LAYER_UP:
        return &layer->up;
    case LAYER_DOWN:
        return &layer->down;
    case LAYER_ROUTER:
        return &layer->router;
    default:
        return NULL;
    }
}

/* What is here of each part of a tensor. */
static struct part_box box_of(const struct weights *w, uint32_t tensor)
{
    struct tensor_record t;

    model_expect(&w->rec, tensor, &t);
    return part_box(&w->part, &w->rec, tensor,
                    t.rows / parts_of(&w->rec, tensor), t.cols);
}

/* A matrix by its number, and of experts by that of one, as it lies in
 * `packed`: the scales of all, then of each what the kernels read, to which
 * *room points.  Returns the bytes of the tensor. */
static size_t place(const struct weights *w, uint32_t tensor, uint32_t expert,
                    struct x1_matrix *m, unsigned char **out)
{
    unsigned char *at = w->packed ? w->packed + w->at[tensor] : NULL;
    uint32_t parts = parts_of(&w->rec, tensor);
    struct part_box box = box_of(w, tensor);
    size_t scales, n, each;

    scales = aligned(box.rows * parts * sizeof(float));
    *m = (struct x1_matrix){ (uint32_t)box.rows, (uint32_t)box.cols, NULL,
                             NULL };
    n = w->k->pack_bytes(m);
    each = aligned(n ? n : (size_t)m->rows * m->cols);
    *out = at ? at + scales + expert * each : NULL;
    if (at)
        m->scale = (const float *)(void *)at + (size_t)expert * m->rows;
    if (n == 0)
        m->w = (const int8_t *)*out;
    return scales + parts * each;
}

/* Whether a tensor is a matrix of its own. */
static bool is_matrix(const struct model_record *rec, uint32_t tensor)
{
    struct tensor_record t;

    model_expect(rec, tensor, &t);
    return t.type == TENSOR_W8 &&
           !(tensor == TENSOR_HEAD && rec->flags & MODEL_TIED);
}

/* What determines the bytes: weights, their packed form, and whose copy. */
static struct id share_key(struct weights *w, size_t total)
{
    int socket = total < machine_memory() / 4 ? machine_socket() : -1;
    unsigned char record[MODEL_RECORD_SIZE];
    struct buf b;
    struct id key;

    model_record_pack(record, &w->rec);
    buf_init(&b, 1024);
    buf_put(&b, record, sizeof(record));
    buf_printf(&b, "apus packed 1 %s %s %d", PACKAGE_VERSION, w->k->name,
               socket);
    if (w->part.size > 1)
        buf_printf(&b, " part %u of %u", w->part.rank, w->part.size);
    w->of_socket = socket >= 0;
    digest(&key, b.data, b.len);
    buf_clear(&b);
    return key;
}

/* Whether the room is shared. */
static bool share_room(struct weights *w, const struct weights_share *share,
                       size_t total)
{
    char why[SHARED_WHY], text[SHARED_WHY + 80];

    switch (shared_open(&w->shared, share_key(w, total), total, share->wait_s,
                        why)) {
    case SHARED_NONE:
        snprintf(text, sizeof(text), "packed weights are not shared with other"
                 " ranks: %s", why);
        caller_note(&share->caller, true, text);
        return false;
    case SHARED_READY:
        w->there = true;
        snprintf(text, sizeof(text), "shares the weights that process %d has"
                 " packed", shared_giver(w->shared));
        caller_note(&share->caller, false, text);
        break;
    case SHARED_FILL:
        break;
    }
    w->packed = shared_memory(w->shared);
    return true;
}

/* Whether all of a matrix is here. */
static bool is_whole(const struct weights *w, uint32_t tensor)
{
    struct part_box box = box_of(w, tensor);
    struct tensor_record t;

    model_expect(&w->rec, tensor, &t);
    return !box.sums && box.rows == t.rows / parts_of(&w->rec, tensor);
}

/* Room for the largest part of a matrix. */
static int alloc_stage(struct weights *w, struct err *err)
{
    size_t most = 0;
    void *stage;

    for (uint32_t i = 0; w->part.size > 1 && i < w->rec.n_tensors; i++) {
        struct part_box box = box_of(w, i);

        if (is_matrix(&w->rec, i) && !is_whole(w, i) &&
            box.rows * box.cols > most)
            most = box.rows * box.cols;
    }
    if (most == 0)
        return 0;
    if (mem_big(&stage, most, 1, "weights", err))
        return -1;
    w->stage = stage;
    return 0;
}

int weights_begin(struct weights *w, const struct x1_kernels *k,
                  struct pool *threads, const struct model_record *rec,
                  const struct model_part *part,
                  const struct weights_share *share, struct err *err)
{
    struct x1_matrix m;
    unsigned char *out;
    size_t total = 0;

    *w = (struct weights){ .k = k, .threads = threads, .rec = *rec,
                           .part = *part };
    new_layers(w);
    w->at = xcalloc(rec->n_tensors, sizeof(*w->at));
    for (uint32_t i = 0; i < rec->n_tensors; i++) {
        if (!is_matrix(rec, i))
            continue;
        w->at[i] = total;
        total += place(w, i, 0, &m, &out);
    }
    if (check_packed(total, err) || alloc_stage(w, err)) {
        weights_clear(w);
        return -1;
    }
    if (share && share_room(w, share, total))
        return 0;
    if (alloc_packed(w, total, err)) {
        weights_clear(w);
        return -1;
    }
    return 0;
}

/* Rows [first, end) of expert number `expert`, of which `w` is row `first`. */
static void put_rows(struct weights *w, uint32_t tensor, uint32_t expert,
                     const int8_t *rows, size_t first, size_t end)
{
    struct x1_matrix m;
    unsigned char *out;

    place(w, tensor, expert, &m, &out);
    if (m.w) {
        memcpy(out + first * m.cols, rows, (end - first) * m.cols);
        return;
    }
    /* pack reads these rows alone, and finds them where row 0 would begin */
    m.w = (const int8_t *)((uintptr_t)rows - first * m.cols);
    pack_rows(w, out, &m, first, end);
}

/* The same, `cols` weights each, of which a part is here: they are gathered,
 * and packed when the last one of the matrix came. */
static void put_part(struct weights *w, uint32_t tensor, uint32_t expert,
                     const int8_t *rows, size_t first, size_t end, size_t cols,
                     size_t all)
{
    struct part_box box = box_of(w, tensor);
    size_t n = box.cols - box.sums;

    for (size_t r = first; r < end; r++, rows += cols) {
        int8_t *to;

        if (r < box.row || r >= box.row + box.rows)
            continue;
        to = w->stage + (r - box.row) * box.cols;
        memcpy(to, rows + box.col, n);
        if (box.sums)
            to[n] = 0;
    }
    if (end == all)
        put_rows(w, tensor, expert, w->stage, 0, box.rows);
}

/* The scales of what is here. */
static void put_scales(struct weights *w, uint32_t tensor,
                       const struct x1_matrix *from)
{
    uint32_t parts = parts_of(&w->rec, tensor);
    struct part_box box = box_of(w, tensor);
    unsigned char *to = w->packed + w->at[tensor];

    for (uint32_t e = 0; e < parts; e++)
        memcpy(to + e * box.rows * sizeof(float),
               from->scale + e * (from->rows / parts) + box.row,
               box.rows * sizeof(float));
}

void weights_rows(struct weights *w, uint32_t tensor,
                  const struct x1_matrix *from, size_t first, size_t end)
{
    size_t each = from->rows / parts_of(&w->rec, tensor);
    const int8_t *rows = from->w;

    if (w->there)
        return;
    if (first == 0)
        put_scales(w, tensor, from);
    while (first < end) {
        size_t e = first / each, last = (e + 1) * each;

        last = end < last ? end : last;
        if (is_whole(w, tensor))
            put_rows(w, tensor, (uint32_t)e, rows, first - e * each,
                     last - e * each);
        else
            put_part(w, tensor, (uint32_t)e, rows, first - e * each,
                     last - e * each, from->cols, each);
        rows += (last - first) * from->cols;
        first = last;
    }
}

void weights_end(struct weights *w)
{
    struct x1_matrix m;
    unsigned char *out;

    for (uint32_t i = 0; i < w->rec.n_tensors; i++) {
        if (!is_matrix(&w->rec, i))
            continue;
        for (uint32_t e = 0; e < parts_of(&w->rec, i); e++) {
            place(w, i, e, &m, &out);
            w->k->weights(weights_of(w, i, e), &m, out);
        }
    }
    if (w->rec.flags & MODEL_TIED)
        w->head = w->embed;
    if (w->shared && !w->there)
        shared_publish(w->shared);
    free(w->stage);
    w->stage = NULL;
}

/* ---- a part of a model in memory ----------------------------------------- */

/* A matrix of the model by its number. */
static const struct x1_matrix *matrix_of(const struct model *m,
                                         uint32_t tensor)
{
    const struct model_layer *layer;

    if (tensor == TENSOR_EMBED || tensor == TENSOR_HEAD)
        return tensor == TENSOR_EMBED ? &m->embed : &m->head;
    layer = &m->layers[model_layer_of(&m->rec, tensor)];
    switch (model_part_of(&m->rec, tensor)) {
    case LAYER_WQ:
        return &layer->wq;
    case LAYER_WK:
        return &layer->wk;
    case LAYER_WV:
        return &layer->wv;
    case LAYER_WO:
        return &layer->wo;
    case LAYER_GATE:
        return &layer->gate;
    case LAYER_UP:
        return &layer->up;
    case LAYER_DOWN:
        return &layer->down;
    default:
        return &layer->router;
    }
}

int weights_init(struct weights *w, const struct x1_kernels *k,
                 struct pool *threads, const struct model *m,
                 const struct model_part *part, struct err *err)
{
    if (part->size == 1)
        return init_whole(w, k, threads, m, part, err);
    if (weights_begin(w, k, threads, &m->rec, part, NULL, err))
        return -1;
    for (uint32_t i = 0; i < m->rec.n_tensors; i++) {
        const struct x1_matrix *all;

        if (!is_matrix(&m->rec, i))
            continue;
        all = matrix_of(m, i);
        weights_rows(w, i, all, 0, all->rows);
    }
    weights_end(w);
    return 0;
}

void weights_clear(struct weights *w)
{
    for (uint32_t l = 0; w->layers && l < w->rec.n_layers; l++)
        free(w->layers[l].experts);
    free(w->layers);
    if (w->shared)
        shared_close(w->shared);
    else
        free(w->packed);
    free(w->at);
    free(w->stage);
    memset(w, 0, sizeof(*w));
}
