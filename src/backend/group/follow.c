/*
 * The orders of a group's first member, one by one.
 */
#include <config.h>

#include "backend/group/follow.h"

#include "backend/group/orders.h"
#include "base/err.h"
#include "base/id.h"
#include "engine/group.h"
#include "model/model.h"

struct follower {
    const struct follow_ops *ops;
    void *self;
    backend_find_fn *find;
    void *find_self;
    const struct model *m; /* the latest that was named, or NULL .. */
    struct err none;       /* .. why */
    struct id missed;      /* .. and which it was */
    bool loaded;           /* all have loaded it .. */
    struct backend_load want; /* .. for this */
};

static void find_model(struct follower *f, struct id id)
{
    if (f->m && id_equal(f->m->id, id))
        return;
    f->ops->drop(f->self);
    f->loaded = false;
    f->none = (struct err)ERR_INIT;
    f->m = f->find(f->find_self, id, &f->none);
    f->missed = id;
    if (!f->m && !f->none.code)
        err_set(&f->none, ERR_FATAL, "there is no such model");
}

/* Members that are not alike have different plans and exchanges. */
static int check_kind(const struct follower *f, const struct order *o,
                      struct err *err)
{
    if (o->device == f->ops->device)
        return 0;
    return err_set(err, ERR_INPUT, "this member of the group computes on %s,"
                   " its first one on %s: set kernel to the same for all",
                   f->ops->device ? "a GPU" : "the CPU",
                   o->device ? "a GPU" : "the CPU");
}

/* What was missed while the first member read it is not looked for again. */
static int follow_load(struct follower *f, const struct order *o,
                       struct err *err)
{
    struct err unlike = ERR_INIT;
    enum agreed agreed;

    f->loaded = false;
    if (check_kind(f, o, &unlike)) {
        agreed = f->ops->load(f->self, NULL, &unlike, &o->load, err);
        return agreed == AGREED_BROKEN ? -1 : 0;
    }
    if (f->m || !f->none.code || !id_equal(f->missed, o->model))
        find_model(f, o->model);
    agreed = f->ops->load(f->self, f->m, &f->none, &o->load, err);
    f->none.code = ERR_NONE;
    f->loaded = agreed == AGREED_WELL;
    f->want = o->load;
    return agreed == AGREED_BROKEN ? -1 : 0;
}

/* Whether every number of a step is one that was loaded for. */
static bool is_sound(const struct follower *f, const struct backend_step *s)
{
    size_t draws = 0;

    for (size_t i = 0; i < s->n_rows; i++) {
        const struct backend_row *r = &s->row[i];

        draws += r->logits;
        if (r->slot >= f->want.slots || r->position >= f->m->rec.context ||
            (r->token >= f->m->rec.n_vocab && r->token != BACKEND_DRAWN))
            return false;
    }
    for (size_t i = 0; i < s->n_entries; i++)
        if (s->entry[i].slot >= f->want.slots)
            return false;
    return s->n_rows <= f->want.rows && draws <= f->want.draws;
}

static int follow_step(struct follower *f, const struct backend_step *s,
                       struct err *err)
{
    if (!f->loaded || !is_sound(f, s))
        return err_set(err, ERR_FATAL, "the first member of the group has a"
                       " step that does not fit its model");
    return f->ops->step(f->self, s, err);
}

/* One call of the first member. */
static int do_order(struct follower *f, const struct order *o,
                    struct err *err)
{
    struct id id;

    switch (o->kind) {
    case ORDER_OPEN:
        model_record_id(&id, &o->rec);
        find_model(f, id);
        return 0;
    case ORDER_LOAD:
        return follow_load(f, o, err);
    case ORDER_STEP:
        return follow_step(f, &o->step, err);
    case ORDER_COPY:
        return f->loaded ? f->ops->copy(f->self, o->from, o->to, err) : 0;
    case ORDER_COLLECT:
        return f->loaded && f->ops->collect ? f->ops->collect(f->self, err)
                                            : 0;
    default:
        return 0;
    }
}

int follow(const struct group *g, const struct follow_ops *ops, void *self,
           backend_find_fn *find, void *find_self, struct err *err)
{
    struct follower f = { .ops = ops, .self = self, .find = find,
                          .find_self = find_self, .none = ERR_INIT };
    struct order o;
    int rc;

    order_init(&o);
    do
        rc = order_hear(g, &o, err) || do_order(&f, &o, err);
    while (rc == 0 && o.kind != ORDER_CLOSE);
    order_clear(&o);
    return rc ? -1 : 0;
}

int follow_refuse(const struct group *g, const struct err *why,
                  struct err *err)
{
    struct order o;
    int rc;

    order_init(&o);
    do {
        rc = order_hear(g, &o, err);
        if (rc == 0 && o.kind == ORDER_LOAD &&
            agree(g, why, err) == AGREED_BROKEN)
            rc = -1;
    } while (rc == 0 && o.kind != ORDER_CLOSE);
    order_clear(&o);
    return rc;
}
