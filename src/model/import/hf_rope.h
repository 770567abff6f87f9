/*
 * Inverse frequencies of the rotary embedding, with the scaling schemes of
 * Hugging Face configs.  Same inputs, same bits on every machine: powers and
 * logarithms are computed here and not by a libm.
 */
#ifndef APUS_MODEL_IMPORT_HF_ROPE_H
#define APUS_MODEL_IMPORT_HF_ROPE_H

#include <stdbool.h>
#include <stdint.h>

enum hf_rope_type { HF_ROPE_PLAIN, HF_ROPE_LINEAR, HF_ROPE_LLAMA3,
                    HF_ROPE_YARN };

struct hf_rope {
    enum hf_rope_type type;
    double theta;                /* 1 or more */
    double factor;               /* 1 or more; not for plain */
    double original;             /* original_max_position_embeddings */
    double low_freq, high_freq;  /* llama3 */
    double beta_fast, beta_slow; /* yarn */
    bool no_truncate;            /* yarn */
    double attention;            /* yarn: what cos and sin are multiplied by;
                                    0: by the rule of mscale */
    double mscale, mscale_all;   /* yarn; 0: not given */
};

/* out[0..head_dim / 2), each rounded once from f64. */
void hf_rope_frequencies(float *out, const struct hf_rope *r,
                         uint32_t head_dim);

/* What cos and sin are multiplied by: 1 unless it is yarn. */
double hf_rope_attention(const struct hf_rope *r);

/* x^y and log(x), correctly rounded but for about one case in 2^40; x is
 * positive and finite, the result a normal number. */
double hf_pow(double x, double y);
double hf_log(double x);

#endif
