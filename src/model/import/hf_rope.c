/*
 * The logarithm and the power are computed in pairs of doubles (about 100
 * bits), with + - * / and powers of two only, and rounded at the end.
 */
#include <config.h>

#include "model/import/hf_rope.h"

#include <float.h>
#include <math.h>
#include <stddef.h>

#if FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "double arithmetic must round to double"
#endif

/* The unevaluated sum hi + lo, |lo| at most half a unit of hi. */
struct rope_pair {
    double hi, lo;
};

/* ln 2 to 106 bits, and pi. */
static const struct rope_pair ln2 = { 0x1.62e42fefa39efp-1,
                                      0x1.abc9e3b39803fp-56 };
#define PI 0x1.921fb54442d18p+1

/* a + b exactly (Knuth). */
static struct rope_pair two_sum(double a, double b)
{
    struct rope_pair r;
    double t;

    r.hi = a + b;
    t = r.hi - a;
    r.lo = (a - (r.hi - t)) + (b - t);
    return r;
}

/* a * b exactly (Dekker): no fused multiply-add is asked of the machine. */
static struct rope_pair two_prod(double a, double b)
{
    double ta = a * 134217729.0, tb = b * 134217729.0; /* 2^27 + 1 */
    double ah = ta - (ta - a), al = a - ah;
    double bh = tb - (tb - b), bl = b - bh;
    struct rope_pair r;

    r.hi = a * b;
    r.lo = ((ah * bh - r.hi) + ah * bl + al * bh) + al * bl;
    return r;
}

static struct rope_pair add_pair(struct rope_pair a, struct rope_pair b)
{
    struct rope_pair s = two_sum(a.hi, b.hi), t = two_sum(a.lo, b.lo);

    s.lo += t.hi;
    s = two_sum(s.hi, s.lo);
    s.lo += t.lo;
    return two_sum(s.hi, s.lo);
}

static struct rope_pair mul(struct rope_pair a, struct rope_pair b)
{
    struct rope_pair p = two_prod(a.hi, b.hi);

    p.lo += a.hi * b.lo + a.lo * b.hi;
    return two_sum(p.hi, p.lo);
}

static struct rope_pair mul_d(struct rope_pair a, double b)
{
    struct rope_pair c = { b, 0 };

    return mul(a, c);
}

static struct rope_pair div_pair(struct rope_pair a, struct rope_pair b)
{
    struct rope_pair q = { a.hi / b.hi, 0 }, r, next = { 0, 0 };

    r = add_pair(a, mul_d(b, -q.hi));
    next.hi = r.hi / b.hi;
    q = add_pair(q, next);
    r = add_pair(a, mul(b, (struct rope_pair){ -q.hi, -q.lo }));
    next.hi = r.hi / b.hi;
    return add_pair(q, next);
}

/* ln x = k ln 2 + 2 atanh((m - 1) / (m + 1)), m in [0.70, 1.42). */
static struct rope_pair log_pair(double x)
{
    struct rope_pair s, z, sum = { 0, 0 }, num, den;
    int k;
    double m = frexp(x, &k); /* [0.5, 1) */

    if (m < 0.7071067811865476) {
        m *= 2;
        k--;
    }
    num = two_sum(m, -1);
    den = two_sum(m, 1);
    s = div_pair(num, den); /* at most 0.172 */
    z = mul(s, s);
    for (int i = 47; i >= 1; i -= 2) {
        struct rope_pair c =
            div_pair((struct rope_pair){ 1, 0 }, (struct rope_pair){ i, 0 });

        sum = add_pair(mul(sum, z), c);
    }
    return add_pair(mul_d(ln2, k), mul_d(mul(sum, s), 2));
}

/* e^x, x = n ln 2 + r, |r| <= 0.35, Taylor's series of r. */
static struct rope_pair exp_pair(struct rope_pair x)
{
    double n = rint(x.hi / ln2.hi);
    struct rope_pair r = add_pair(x, mul_d(ln2, -n)), sum = { 1, 0 };

    for (int i = 30; i >= 1; i--) {
        struct rope_pair t = div_pair(mul(sum, r), (struct rope_pair){ i, 0 });

        sum = add_pair((struct rope_pair){ 1, 0 }, t);
    }
    sum.hi = ldexp(sum.hi, (int)n);
    sum.lo = ldexp(sum.lo, (int)n);
    return sum;
}

double hf_log(double x)
{
    return log_pair(x).hi;
}

double hf_pow(double x, double y)
{
    return exp_pair(mul_d(log_pair(x), y)).hi;
}

/* yarn's get_mscale. */
static double mscale(double factor, double m)
{
    return factor <= 1 ? 1 : 0.1 * m * hf_log(factor) + 1;
}

double hf_rope_attention(const struct hf_rope *r)
{
    if (r->type != HF_ROPE_YARN)
        return 1;
    if (r->attention > 0)
        return r->attention;
    if (r->mscale > 0 && r->mscale_all > 0)
        return mscale(r->factor, r->mscale) /
               mscale(r->factor, r->mscale_all);
    return mscale(r->factor, 1);
}

/* Long wavelengths are stretched, short ones kept, a smooth ramp between. */
static double llama3(const struct hf_rope *r, double f)
{
    double wave = 2 * PI / f, s;

    if (wave < r->original / r->high_freq)
        return f;
    if (wave > r->original / r->low_freq)
        return f / r->factor;
    s = (r->original / wave - r->low_freq) / (r->high_freq - r->low_freq);
    return (1 - s) * f / r->factor + s * f;
}

/* The dimension that turns so many times within the original context. */
static double correction(const struct hf_rope *r, double turns, double dim)
{
    return dim * hf_log(r->original / (turns * 2 * PI)) /
           (2 * hf_log(r->theta));
}

/* power = theta^(2i/hd); the ramp goes from `low` to `high` over i. */
static double yarn(const struct hf_rope *r, double power, uint32_t i,
                   uint32_t head_dim)
{
    double low = correction(r, r->beta_fast, head_dim);
    double high = correction(r, r->beta_slow, head_dim);
    double ramp, keep;

    if (!r->no_truncate) {
        low = floor(low);
        high = ceil(high);
    }
    low = low < 0 ? 0 : low;
    high = high > head_dim - 1 ? head_dim - 1 : high;
    if (low == high)
        high += 0.001;
    ramp = (i - low) / (high - low);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    keep = 1 - ramp;
    return 1 / (r->factor * power) * (1 - keep) + 1 / power * keep;
}

void hf_rope_frequencies(float *out, const struct hf_rope *r,
                         uint32_t head_dim)
{
    for (uint32_t i = 0; i < head_dim / 2; i++) {
        double power = hf_pow(r->theta, 2.0 * i / head_dim);
        double f = 1 / power;

        if (r->type == HF_ROPE_LINEAR)
            f /= r->factor;
        else if (r->type == HF_ROPE_LLAMA3)
            f = llama3(r, f);
        else if (r->type == HF_ROPE_YARN)
            f = yarn(r, power, i, head_dim);
        out[i] = (float)f;
    }
}
