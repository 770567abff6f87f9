/*
 * Room for the rows of a text, and those that the head is shown.
 */
#include <config.h>

#include "fidelity/shown.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

int shown_init(struct shown_rows *s, const struct model_record *r, size_t n,
               struct err *err)
{
    size_t q = (size_t)r->n_heads * r->head_dim;
    size_t kv = (size_t)r->n_kv_heads * r->head_dim;
    struct {
        float **to;
        size_t width;
    } want[] = { { &s->x, r->dim }, { &s->attn, r->dim }, { &s->q, q },
                 { &s->k, kv }, { &s->o, q }, { &s->ffn, r->dim },
                 { &s->h, r->ffn_dim } };

    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
        if (mem_big((void **)want[i].to, n * want[i].width, sizeof(float),
                    "rows of the calibration text", err)) {
            shown_clear(s);
            return -1;
        }
    return 0;
}

void shown_clear(struct shown_rows *s)
{
    free(s->x);
    free(s->attn);
    free(s->q);
    free(s->k);
    free(s->o);
    free(s->ffn);
    free(s->h);
    memset(s, 0, sizeof(*s));
}

void shown_head(struct shown_rows *s, struct shown_fault *fault,
                const struct x1_kernels *k, const struct model_record *r,
                const float *gain, size_t n)
{
    int32_t bad;

    fault->row = SIZE_MAX;
    for (size_t i = n; i-- > 0; ) {
        k->rmsnorm(s->attn + i * r->dim, s->x + i * r->dim, r->dim, gain,
                   r->eps, 1, r->dim, &bad);
        if (bad >= 0)
            fault->row = i;
    }
}
