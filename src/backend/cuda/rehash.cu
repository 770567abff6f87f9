/*
 * One position in so many, and of a larger step one, is hashed twice: its rows
 * come to the host, which hashes them again.  Which position it is comes of
 * tap.cu's secret.
 */
#include "backend/cuda/device.cuh"

#include <string.h>

extern "C" {
#include "proof/blob.h"
#include "proof/merkle.h"
}

void rehash_choose(struct device *d)
{
    uint32_t at, most;

    d->f->again.is = false;
    if (!d->checks || d->f->n == 0)
        return;
    most = d->f->n > d->hash_every ? (uint32_t)d->f->n : d->hash_every;
    at = draw_below(d, most);
    d->f->again.is = at < d->f->n;
    d->f->again.row = at;
}

int rehash_receive(struct device *d, struct err *err)
{
    const size_t row = d->f->again.row, dim = d->model->rec.dim;

    if (!d->f->again.is)
        return 0;
    CUDA_TRY(cudaMemcpyAsync(d->f->again_rows,
                             frame_part(d, d->f, PLAN_RING) +
                                 row * d->plan.ring_row,
                             d->plan.ring_row, cudaMemcpyDeviceToHost,
                             d->stream), err);
    if (row < d->f->n_going)
        CUDA_TRY(cudaMemcpyAsync(d->f->again_x,
                                 cuda_array<float>(d, PLAN_X) + row * dim,
                                 dim * sizeof(float), cudaMemcpyDeviceToHost,
                                 d->stream), err);
    return 0;
}

/* One tree of a position, over rows of keys and values. */
static bool tree_holds(const struct device *d, const unsigned char *rows,
                       const uint32_t *hash)
{
    const size_t bytes = 8 + 2 * (size_t)d->mine.head_dim;
    struct merkle m;
    struct id root;

    merkle_init(&m);
    for (size_t i = 0; i < d->plan.leaves; i++)
        merkle_leaf(&m, rows + i * bytes, bytes);
    merkle_root(&m, &root);
    return memcmp(&root, hash, sizeof(root)) == 0;
}

int rehash_check(struct device *d, const struct cuda_frame *f,
                 struct err *err)
{
    const struct model_record *r = &d->mine;
    const size_t row = f->again.row, bytes = 8 + 2 * (size_t)r->head_dim;
    const uint32_t *fins = f->hash + d->plan.trees * d->plan.rows * 8;
    bool good = true;
    struct id fin;

    if (!f->again.is)
        return 0;
    for (size_t t = 0; t < d->plan.trees; t++)
        good = good && tree_holds(d, f->again_rows + t * d->plan.leaves * bytes,
                                  f->hash + (row * d->plan.trees + t) * 8);
    if (row < f->n_going) {
        blob_f32(&fin, f->again_x, r->dim);
        good = good && memcmp(&fin, fins + row * 8, sizeof(fin)) == 0;
    }
    if (good)
        return 0;
    d->base.wrong = true;
    return err_set(err, ERR_RETRY, "a hash is wrong, of row %zu of a step: what"
                   " came of this GPU is withdrawn", row);
}
