/*
 * Each thread has its own greatest of each row: which is the first of all does
 * not depend on who met which piece.
 */
#include <config.h>

#include "backend/cpu/logits.h"

#include "kernels/kernels.h"

static void offer(struct greatest *g, size_t id, float logit)
{
    if (g->id == SIZE_MAX || logit > g->logit ||
        (logit == g->logit && id < g->id))
        *g = (struct greatest){ id, logit };
}

int32_t logits_look(struct greatest *g, float *x, size_t first, size_t n,
                    float cap, const struct x1_kernels *k)
{
    int32_t fault = k->fault(x, n);
    size_t id;

    if (cap > 0)
        x1_soft_caps(k, x, n, cap);
    id = k->max(x, n);
    offer(g, first + id, x[id]);
    return fault < 0 ? fault : (int32_t)first + fault;
}

size_t logits_best(const struct greatest *g, size_t n, size_t stride)
{
    struct greatest best = { SIZE_MAX, 0 };

    for (size_t i = 0; i < n; i++)
        if (g[i * stride].id != SIZE_MAX)
            offer(&best, g[i * stride].id, g[i * stride].logit);
    return best.id;
}
