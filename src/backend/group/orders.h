/*
 * What the first member of a group has the others do (engine/group.h): it
 * broadcasts each call of its backend that changes anything, and they make the
 * same call on theirs.  An order is ORDER_HEAD bytes, little-endian: what it is
 * (u32), zero (u32), and the number of bytes of what belongs to it (u64), which
 * follow in the head, as many as fit, and then in a second broadcast.
 *
 *   open    the model record: its file may be read now, while the first reads
 *   load    model id 32, slots, rows, draws (u64), kv_bytes (u64), taps (u32),
 *           whether it computes on a GPU (u32)
 *   step    rows, entries (u32); then of each row slot, position, token, flags
 *           (u32) and, if it draws, temperature, top_p, top_k, choice (u32)
 *           and seed (u64); then of each entry slot, index, block (u32)
 *   copy    from, to (u32)
 *   collect nothing: the result of the oldest step; a CPU's are not collected
 *   close   nothing
 *
 * Residual rows, `deep` and x_L are the first member's affair: it has them
 * without the others.
 */
#ifndef APUS_BACKEND_GROUP_ORDERS_H
#define APUS_BACKEND_GROUP_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"
#include "engine/backend.h"
#include "engine/group.h"
#include "engine/sampler.h"
#include "proof/model_record.h"

struct err;

#define ORDER_MAX ((size_t)1 << 30) /* bytes, at most */

enum order_kind { ORDER_OPEN = 1, ORDER_LOAD, ORDER_STEP, ORDER_COPY,
                  ORDER_CLOSE, ORDER_COLLECT };

/* An order as it was heard.  Its arrays are kept for the next one. */
struct order {
    enum order_kind kind;
    struct model_record rec;   /* of an `open` */
    struct id model;           /* of a `load` */
    struct backend_load load;  /* .. without functions */
    bool device;               /* .. of a GPU */
    struct backend_step step;  /* of a `step`: points into what follows */
    uint32_t from, to;         /* of a `copy` */
    struct backend_row *row;
    struct backend_entry *entry;
    struct sampling *sampling; /* a row each */
    size_t cap_rows, cap_entries, cap_sampling;
    unsigned char *data;
    size_t cap_data;
};

void order_init(struct order *o);
void order_clear(struct order *o);

/* Of the first member. */
int order_open(const struct group *g, const struct model_record *rec,
               struct err *err);
int order_load(const struct group *g, struct id model,
               const struct backend_load *load, bool device, struct err *err);
int order_step(const struct group *g, struct buf *room,
               const struct backend_step *s, struct err *err);
int order_copy(const struct group *g, uint32_t from, uint32_t to,
               struct err *err);
int order_collect(const struct group *g, struct err *err);
int order_close(const struct group *g, struct err *err);

/* Of the others: the next one.  ERR_FATAL: it is none of the above. */
int order_hear(const struct group *g, struct order *o, struct err *err);

#endif
