/*
 * The level "vnni": exponentials, sixteen at a time, with AVX-512.  Whatever it
 * leaves is avx2's.
 */
#include <config.h>

#include "kernels/x86/vnni.h"

#include "kernels/levels.h"

#if defined(__x86_64__) && defined(__GNUC__)

static void vnni_exp32(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        _mm512_mask_storeu_ps(
            y + i, lanes(n - i),
            exp16(_mm512_maskz_loadu_ps(lanes(n - i), x + i)));
}

static void vnni_silu(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += 16)
        _mm512_mask_storeu_ps(
            y + i, lanes(n - i),
            silu16(_mm512_maskz_loadu_ps(lanes(n - i), x + i)));
}

/* As x1_draw_weight; the product is below 2^31, so one conversion rounds it,
 * ties to even. */
static void vnni_exp_weights(uint32_t *w, const float *x, size_t n, float max,
                             float t)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = lanes(n - i);
        __m512 l = _mm512_add_ps(_mm512_maskz_loadu_ps(m, x + i),
                                 _mm512_setzero_ps());
        __m512 v = _mm512_mul_ps(
            exp16(_mm512_div_ps(_mm512_sub_ps(l, _mm512_set1_ps(max)),
                                _mm512_set1_ps(t))),
            _mm512_set1_ps(1073741824.0f));

        _mm512_mask_storeu_epi32(w + i, m, _mm512_cvtps_epi32(v));
    }
}

void x1_vnni_init(struct x1_kernels *k)
{
    k->exp32 = vnni_exp32;
    k->silu = vnni_silu;
    k->exp_weights = vnni_exp_weights;
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
