#include <config.h>

#include "tests/same_step.h"

#include <string.h>

bool same_draw(const struct backend_draw *a, const struct backend_draw *b,
               size_t n_vocab)
{
    const struct drawn *x = &a->d, *y = &b->d;

    return a->slot == b->slot && a->position == b->position &&
           a->drew == b->drew &&
           (!a->drew || (x->token == y->token && x->kept == y->kept &&
                         x->sum_k == y->sum_k && x->sum_p == y->sum_p &&
                         x->r == y->r)) &&
           !a->logits == !b->logits &&
           (!a->logits ||
            memcmp(a->logits, b->logits, n_vocab * sizeof(float)) == 0);
}

bool same_fault(const struct backend_fault *a, const struct backend_fault *b)
{
    return a->slot == b->slot && a->fault.position == b->fault.position &&
           a->fault.layer == b->fault.layer && a->fault.op == b->fault.op &&
           a->fault.row == b->fault.row && a->fault.index == b->fault.index;
}

bool same_digest(const struct backend_digest *a,
                 const struct backend_digest *b)
{
    return a->slot == b->slot && a->position == b->position &&
           a->has_fin == b->has_fin && a->has_deep == b->has_deep &&
           id_equal(a->kv, b->kv) && (!a->has_fin || id_equal(a->fin, b->fin));
}
