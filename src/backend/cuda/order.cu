/*
 * The order of a step's rows on the device, and the tiles of those that attend
 * together.  Rows with logits come first, then those whose x_L is asked for:
 * the last layer and the head take a part from the front.  Among each, slots
 * with one row come first.  The leading rows of such slots attend one by one,
 * with their keys split over many blocks; all others do it in tiles.
 */
#include "backend/cuda/device.cuh"

#include <string.h>

int order_windows(struct device *d, const struct model *m, struct err *err)
{
    size_t most = m->rec.flags & MODEL_LAYERS ? PLAN_WINDOWS : 1;

    memset(d->window, 0, sizeof(d->window));
    d->n_windows = 0;
    for (uint32_t l = 0; l < m->rec.n_layers; l++) {
        uint32_t w = m->layers[l].window;
        size_t at = 0;

        while (at < d->n_windows && d->window[at] > w)
            at++;
        if (w == 0 || (at < d->n_windows && d->window[at] == w))
            continue;
        if (d->n_windows == most)
            return err_set(err, ERR_INPUT, "the GPU kernels do not support"
                           " layers with more than %d windows: set kernel to"
                           " one of the CPU", PLAN_WINDOWS);
        memmove(d->window + at + 1, d->window + at,
                (d->n_windows++ - at) * sizeof(*d->window));
        d->window[at] = w;
    }
    return 0;
}

size_t order_window(const struct device *d, uint32_t window)
{
    for (size_t k = 0; window && k < d->n_windows; k++)
        if (d->window[k] == window)
            return WORDS_WINDOW + k;
    return WORDS_FROM;
}

/* Where a row of the step stands. */
static int rank_of(const struct device *d, const struct backend_row *r)
{
    int part = r->logits ? 0 : r->fin ? 1 : 2;

    return 2 * part + (d->in_slot[r->slot] > 1);
}

void order_rows(struct device *d, const struct backend_step *s)
{
    size_t at = 0;

    for (size_t i = 0; i < s->n_rows; i++)
        d->in_slot[s->row[i].slot] = 0;
    for (size_t i = 0; i < s->n_rows; i++)
        d->in_slot[s->row[i].slot]++;
    d->f->n = s->n_rows;
    for (int rank = 0; rank < 6; rank++) {
        for (size_t i = 0; i < s->n_rows; i++) {
            if (rank_of(d, &s->row[i]) != rank)
                continue;
            d->f->row[at] = { s->row[i], i };
            d->f->where[i] = at++;
        }
        if (rank == 0)
            d->f->n_single = at;
        if (rank == 1)
            d->f->n_logits = at;
        if (rank == 3)
            d->f->n_going = at;
    }
}

/* The tile that row i goes into: the last one, or a new one if that is of
 * another slot or full. */
static struct prefill_tile *tile_for(struct device *d, struct cuda_tiles *t,
                                     uint32_t slot, size_t most)
{
    struct prefill_tile *tile = &d->f->tile[t->first + t->n];

    if (t->n > 0 && tile[-1].slot == slot && tile[-1].count < most)
        return tile - 1;
    *tile = { slot, (uint32_t)d->f->n_listed, 0, UINT32_MAX, 0 };
    t->n++;
    return tile;
}

/* Rows [from, to) in tiles, those of a slot together; the keys that the widest
 * window leaves are known by now. */
static void make_tiles(struct device *d, struct cuda_tiles *t, size_t from,
                       size_t to)
{
    const struct model_record *rec = &d->model->rec;
    size_t most = TILE_QUERIES / (rec->n_heads / rec->n_kv_heads);
    const uint32_t *begin = d->f->words + order_window(d, d->window[0]) *
                                              d->plan.rows;

    memset(d->taken, 0, d->plan.rows * sizeof(*d->taken));
    for (size_t i = from; i < to; i++) {
        uint32_t slot = d->f->row[i].r.slot;

        for (size_t j = i; j < to && !d->taken[i]; j++) {
            struct prefill_tile *tile;
            uint32_t end = d->f->row[j].r.position + 1;

            if (d->f->row[j].r.slot != slot)
                continue;
            d->taken[j] = j > i;
            tile = tile_for(d, t, slot, most);
            tile->from = begin[j] < tile->from ? begin[j] : tile->from;
            tile->to = end > tile->to ? end : tile->to;
            tile->count++;
            d->f->list[d->f->n_listed++] = (uint32_t)j;
        }
    }
}

void order_tiles(struct device *d)
{
    const struct model_record *rec = &d->model->rec;

    if (rec->n_heads / rec->n_kv_heads > TILE_QUERIES)
        d->f->n_single = d->f->n;
    d->f->n_listed = 0;
    d->f->tiles[0] = { 0, 0 };
    make_tiles(d, &d->f->tiles[0], d->f->n_single, d->f->n);
    d->f->tiles[1] = { d->f->tiles[0].n, 0 };
    make_tiles(d, &d->f->tiles[1], d->f->n_single, d->f->n_going);
}
