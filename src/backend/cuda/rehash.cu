/*
 * One position in so many is hashed twice: the rows that the device has hashed
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
    uint32_t at;

    d->again.is = false;
    if (!d->checks || d->n == 0)
        return;
    at = draw_below(d, d->hash_every);
    d->again.is = at < d->n;
    d->again.row = at;
}

int rehash_receive(struct device *d, struct err *err)
{
    const size_t row = d->again.row, dim = d->model->rec.dim;

    if (!d->again.is)
        return 0;
    CUDA_TRY(cudaMemcpyAsync(d->again_rows,
                             d->at[PLAN_RING] + row * d->plan.ring_row,
                             d->plan.ring_row, cudaMemcpyDeviceToHost,
                             d->stream), err);
    if (row < d->n_going)
        CUDA_TRY(cudaMemcpyAsync(d->again_x,
                                 cuda_array<float>(d, PLAN_X) + row * dim,
                                 dim * sizeof(float), cudaMemcpyDeviceToHost,
                                 d->stream), err);
    return 0;
}

int rehash_check(struct device *d, struct err *err)
{
    const struct model_record *r = &d->model->rec;
    const size_t row = d->again.row, bytes = 8 + 2 * (size_t)r->head_dim;
    const size_t n = (size_t)r->n_layers * r->n_kv_heads;
    struct id kv, fin;
    struct merkle m;
    bool good;

    if (!d->again.is)
        return 0;
    merkle_init(&m);
    for (size_t i = 0; i < n; i++)
        merkle_leaf(&m, d->again_rows + i * bytes, bytes);
    merkle_root(&m, &kv);
    good = memcmp(&kv, d->hash + row * 8, sizeof(kv)) == 0;
    if (row < d->n_going) {
        blob_f32(&fin, d->again_x, r->dim);
        good = good && memcmp(&fin, d->hash + (d->plan.rows + row) * 8,
                              sizeof(fin)) == 0;
    }
    if (good)
        return 0;
    d->base.wrong = true;
    return err_set(err, ERR_RETRY, "a hash is wrong, of row %zu of a step: what"
                   " came of this GPU is withdrawn", row);
}
