/*
 * Two passes over the same list of matrices: one adds up the bytes, one
 * packs.
 */
#include <config.h>

#include "backend/cpu/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/model.h"

/* Where the next matrix goes; base NULL in the pass that counts. */
struct place {
    const struct x1_kernels *k;
    unsigned char *base;
    size_t at;
};

static void pack(struct place *p, struct x1_weights *w,
                 const struct x1_matrix *m)
{
    size_t n = p->k->pack_bytes(m);

    if (p->base || n == 0)
        x1_pack(p->k, w, m, p->base ? p->base + p->at : NULL);
    p->at += (n + 63) / 64 * 64;
}

static void pack_all(struct weights *w, struct place *p,
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
        pack(p, &to->gate, &from->gate);
        pack(p, &to->up, &from->up);
        pack(p, &to->down, &from->down);
    }
}

int weights_init(struct weights *w, const struct x1_kernels *k,
                 const struct model *m, struct err *err)
{
    struct place p = { k, NULL, 0 };
    void *room;

    memset(w, 0, sizeof(*w));
    w->layers = xcalloc(m->rec.n_layers, sizeof(*w->layers));
    pack_all(w, &p, m);
    if (p.at == 0)
        return 0;
    if (mem_big(&room, p.at, 1, "weights", err)) {
        weights_clear(w);
        return -1;
    }
    w->packed = room;
    p = (struct place){ k, w->packed, 0 };
    pack_all(w, &p, m);
    return 0;
}

void weights_clear(struct weights *w)
{
    free(w->layers);
    free(w->packed);
    memset(w, 0, sizeof(*w));
}
