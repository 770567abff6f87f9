/*
 * Orders of the first member of a group, said and heard.
 */
#include <config.h>

#include "backend/group/orders.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"

#define ORDER_HEAD 1024
#define HEAD_BYTES 16
#define INSIDE (ORDER_HEAD - HEAD_BYTES)
#define ROW_BYTES 16      /* of a row, and of one that draws .. */
#define SAMPLING_BYTES 24 /* .. so many more */
#define ENTRY_BYTES 12
#define LOAD_BYTES (32 + 4 * 8 + 2 * 4)

enum { ROW_LOGITS = 1, ROW_TAP = 2, ROW_COMMIT = 4, ROW_FIN = 8,
       ROW_DRAWS = 16 };

void order_init(struct order *o)
{
    memset(o, 0, sizeof(*o));
}

void order_clear(struct order *o)
{
    free(o->row);
    free(o->entry);
    free(o->sampling);
    free(o->data);
    order_init(o);
}

/* ---- said ---------------------------------------------------------------- */

static int say(const struct group *g, enum order_kind kind, unsigned char *data,
               size_t n, struct err *err)
{
    unsigned char head[ORDER_HEAD] = { 0 };
    size_t inside = n < INSIDE ? n : INSIDE;

    set_u32(head, (uint32_t)kind);
    set_u64(head + 8, n);
    if (inside > 0)
        memcpy(head + HEAD_BYTES, data, inside);
    if (g->ops->broadcast(g->self, head, sizeof(head), err))
        return -1;
    if (n == inside)
        return 0;
    return g->ops->broadcast(g->self, data + inside, n - inside, err);
}

int order_open(const struct group *g, const struct model_record *rec,
               struct err *err)
{
    unsigned char packed[MODEL_RECORD_SIZE];

    model_record_pack(packed, rec);
    return say(g, ORDER_OPEN, packed, sizeof(packed), err);
}

int order_load(const struct group *g, struct id model,
               const struct backend_load *load, bool device, struct err *err)
{
    unsigned char data[LOAD_BYTES];

    memcpy(data, model.b, 32);
    set_u64(data + 32, load->slots);
    set_u64(data + 40, load->rows);
    set_u64(data + 48, load->draws);
    set_u64(data + 56, load->kv_bytes);
    set_u32(data + 64, load->taps & BACKEND_TAP_LOGITS);
    set_u32(data + 68, device);
    return say(g, ORDER_LOAD, data, sizeof(data), err);
}

static void put_row(struct buf *b, const struct backend_row *r)
{
    const struct sampling *s = r->sampling;

    buf_put_u32(b, r->slot);
    buf_put_u32(b, r->position);
    buf_put_u32(b, r->token);
    buf_put_u32(b, (r->logits ? ROW_LOGITS : 0) | (r->tap ? ROW_TAP : 0) |
                       (r->commit ? ROW_COMMIT : 0) | (r->fin ? ROW_FIN : 0) |
                       (s ? ROW_DRAWS : 0));
    if (!s)
        return;
    buf_put_u32(b, s->temperature);
    buf_put_u32(b, s->top_p);
    buf_put_u32(b, s->top_k);
    buf_put_u32(b, s->choice);
    buf_put_u64(b, s->seed);
}

int order_step(const struct group *g, struct buf *room,
               const struct backend_step *s, struct err *err)
{
    buf_reset(room);
    buf_put_u32(room, (uint32_t)s->n_rows);
    buf_put_u32(room, (uint32_t)s->n_entries);
    for (size_t i = 0; i < s->n_rows; i++)
        put_row(room, &s->row[i]);
    for (size_t i = 0; i < s->n_entries; i++) {
        buf_put_u32(room, s->entry[i].slot);
        buf_put_u32(room, s->entry[i].index);
        buf_put_u32(room, s->entry[i].block);
    }
    if (buf_check(room, "a step", err))
        return -1;
    return say(g, ORDER_STEP, (unsigned char *)room->data, room->len, err);
}

int order_copy(const struct group *g, uint32_t from, uint32_t to,
               struct err *err)
{
    unsigned char data[8];

    set_u32(data, from);
    set_u32(data + 4, to);
    return say(g, ORDER_COPY, data, sizeof(data), err);
}

int order_collect(const struct group *g, struct err *err)
{
    return say(g, ORDER_COLLECT, NULL, 0, err);
}

int order_close(const struct group *g, struct err *err)
{
    return say(g, ORDER_CLOSE, NULL, 0, err);
}

/* ---- heard --------------------------------------------------------------- */

static int strange(struct err *err)
{
    return err_set(err, ERR_FATAL, "the first member of the group asks for"
                   " what this one does not know");
}

/* Its bytes, whole, to o->data. */
static int hear(const struct group *g, struct order *o, size_t *n,
                struct err *err)
{
    unsigned char head[ORDER_HEAD];
    size_t inside;
    uint64_t all;

    if (g->ops->broadcast(g->self, head, sizeof(head), err))
        return -1;
    all = get_u64(head + 8);
    if (all > ORDER_MAX)
        return strange(err);
    o->kind = (enum order_kind)get_u32(head);
    *n = (size_t)all;
    inside = *n < INSIDE ? *n : INSIDE;
    VEC_RESERVE(o->data, o->cap_data, *n + 1);
    memcpy(o->data, head + HEAD_BYTES, inside);
    if (*n == inside)
        return 0;
    return g->ops->broadcast(g->self, o->data + inside, *n - inside, err);
}

static int take_load(struct order *o, size_t n, struct err *err)
{
    const unsigned char *p = o->data;

    if (n != LOAD_BYTES)
        return strange(err);
    memcpy(o->model.b, p, 32);
    o->load = (struct backend_load){
        .slots = (size_t)get_u64(p + 32), .rows = (size_t)get_u64(p + 40),
        .draws = (size_t)get_u64(p + 48), .kv_bytes = get_u64(p + 56),
        .taps = get_u32(p + 64),
    };
    o->device = get_u32(p + 68) != 0;
    return 0;
}

/* A row at *at; NULL for what comes next if it ends before. */
static const unsigned char *take_row(struct backend_row *r, struct sampling *s,
                                     const unsigned char *at,
                                     const unsigned char *end)
{
    uint32_t flags;

    if (end - at < ROW_BYTES)
        return NULL;
    flags = get_u32(at + 12);
    *r = (struct backend_row){
        .slot = get_u32(at), .position = get_u32(at + 4),
        .token = get_u32(at + 8), .logits = flags & ROW_LOGITS,
        .tap = flags & ROW_TAP, .commit = flags & ROW_COMMIT,
        .fin = flags & ROW_FIN,
    };
    at += ROW_BYTES;
    if (!(flags & ROW_DRAWS))
        return at;
    if (end - at < SAMPLING_BYTES)
        return NULL;
    *s = (struct sampling){
        .temperature = get_u32(at), .top_p = get_u32(at + 4),
        .top_k = get_u32(at + 8), .choice = get_u32(at + 12),
        .seed = get_u64(at + 16),
    };
    r->sampling = s;
    return at + SAMPLING_BYTES;
}

static int take_step(struct order *o, size_t n, struct err *err)
{
    const unsigned char *at = o->data, *end = at + n;
    size_t rows, entries;

    if (n < 8)
        return strange(err);
    rows = get_u32(at);
    entries = get_u32(at + 4);
    if (rows > n / ROW_BYTES || entries > n / ENTRY_BYTES)
        return strange(err);
    VEC_RESERVE(o->row, o->cap_rows, rows + 1);
    VEC_RESERVE(o->sampling, o->cap_sampling, rows + 1);
    VEC_RESERVE(o->entry, o->cap_entries, entries + 1);
    at += 8;
    for (size_t i = 0; at && i < rows; i++)
        at = take_row(&o->row[i], &o->sampling[i], at, end);
    if (!at || (size_t)(end - at) != entries * ENTRY_BYTES)
        return strange(err);
    for (size_t i = 0; i < entries; i++, at += ENTRY_BYTES)
        o->entry[i] = (struct backend_entry){ get_u32(at), get_u32(at + 4),
                                              get_u32(at + 8) };
    o->step = (struct backend_step){ .row = o->row, .n_rows = rows,
                                     .entry = o->entry,
                                     .n_entries = entries };
    return 0;
}

int order_hear(const struct group *g, struct order *o, struct err *err)
{
    size_t n;

    if (hear(g, o, &n, err))
        return -1;
    switch (o->kind) {
    case ORDER_OPEN:
        if (n != MODEL_RECORD_SIZE || model_record_unpack(&o->rec, o->data))
            return strange(err);
        return 0;
    case ORDER_LOAD:
        return take_load(o, n, err);
    case ORDER_STEP:
        return take_step(o, n, err);
    case ORDER_COPY:
        if (n != 8)
            return strange(err);
        o->from = get_u32(o->data);
        o->to = get_u32(o->data + 4);
        return 0;
    case ORDER_CLOSE:
    case ORDER_COLLECT:
        return 0;
    }
    return strange(err);
}
