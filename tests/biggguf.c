/*
 * biggguf LAYERS OUT.gguf: a model of the shape of Llama 3 8B, but with so
 * many layers (32), whose matrices are random blocks of Q4_K and whose head is
 * of Q6_K, without a tokenizer.  For bench/convert.
 */
#include <config.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/gguf_util.h"

enum { DIM = 4096, FFN = 14336, HEADS = 32, KV_HEADS = 8, VOCAB = 128256 };
enum { F32 = 0, Q4_K = 12, Q6_K = 14 };

static uint64_t state = 88172645463325252u;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t row_bytes(uint32_t format, uint64_t cols)
{
    return format == F32    ? 4 * cols
           : format == Q4_K ? cols / 256 * 144 : cols / 256 * 210;
}

struct tensor {
    char name[64];
    uint32_t format;
    uint64_t cols, rows;
};

/* Its info, and where the next one begins. */
static void put_info(struct gguf_out *o, const struct tensor *t, uint64_t *at)
{
    gguf_put_info(o, t->name, t->format, t->cols, t->rows, *at);
    *at += row_bytes(t->format, t->cols) * (t->rows ? t->rows : 1);
}

/* Random bytes; scales are small: 2^-12 of a block, which are its first or its
 * last bytes. */
static void put_row(FILE *f, const struct tensor *t)
{
    static unsigned char row[4 * FFN + 8];
    uint64_t n = row_bytes(t->format, t->cols);
    size_t block = t->format == Q4_K ? 144 : 210;

    for (size_t i = 0; i < n; i += 8)
        set_u64(row + i, next());
    for (size_t i = 0; t->format == F32 && i < t->cols; i++)
        set_u32(row + 4 * i, f32_bits(1));
    for (size_t i = 0; t->format != F32 && i < n; i += block) {
        size_t d = i + (t->format == Q4_K ? 0 : 208);

        row[d] = 0;
        row[d + 1] = 0x0c;
        if (t->format == Q4_K) {
            row[d + 2] = 0;
            row[d + 3] = 0x0c;
        }
    }
    if (fwrite(row, 1, (size_t)n, f) != n) {
        perror("biggguf");
        exit(1);
    }
}

static size_t list(struct tensor *t, unsigned layers)
{
    static const struct {
        const char *name;
        uint64_t cols, rows;
    } parts[] = {
        { "attn_norm", DIM, 0 }, { "attn_q", DIM, DIM },
        { "attn_k", DIM, DIM / HEADS * KV_HEADS },
        { "attn_v", DIM, DIM / HEADS * KV_HEADS },
        { "attn_output", DIM, DIM }, { "ffn_norm", DIM, 0 },
        { "ffn_gate", DIM, FFN }, { "ffn_up", DIM, FFN },
        { "ffn_down", FFN, DIM },
    };
    size_t n = 0;

    t[n++] = (struct tensor){ "token_embd.weight", Q4_K, DIM, VOCAB };
    t[n++] = (struct tensor){ "output_norm.weight", F32, DIM, 0 };
    t[n++] = (struct tensor){ "output.weight", Q6_K, DIM, VOCAB };
    for (unsigned l = 0; l < layers; l++)
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            struct tensor *one = &t[n++];

            snprintf(one->name, sizeof(one->name), "blk.%u.%s.weight", l,
                     parts[i].name);
            one->cols = parts[i].cols;
            one->rows = parts[i].rows;
            one->format = one->rows ? Q4_K : F32;
        }
    return n;
}

int main(int argc, char **argv)
{
    static struct tensor t[3 + 9 * 128];
    unsigned layers = argc == 3 ? (unsigned)atoi(argv[1]) : 0;
    FILE *f = argc == 3 ? fopen(argv[2], "wb") : NULL;
    struct gguf_out o;
    struct buf head;
    uint64_t at = 0;
    size_t n;

    if (layers < 1 || layers > 128 || !f) {
        fprintf(stderr, "usage: biggguf LAYERS OUT.gguf\n");
        return 2;
    }
    n = list(t, layers);
    gguf_out_init(&o);
    gguf_put_text(&o, "general.architecture", "llama");
    gguf_put_u32(&o, "llama.context_length", 8192);
    gguf_put_u32(&o, "llama.embedding_length", DIM);
    gguf_put_u32(&o, "llama.block_count", layers);
    gguf_put_u32(&o, "llama.feed_forward_length", FFN);
    gguf_put_u32(&o, "llama.attention.head_count", HEADS);
    gguf_put_u32(&o, "llama.attention.head_count_kv", KV_HEADS);
    gguf_put_f32(&o, "llama.rope.freq_base", 500000);
    gguf_put_f32(&o, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    for (size_t i = 0; i < n; i++)
        put_info(&o, &t[i], &at);
    buf_init(&head, (size_t)1 << 24);
    gguf_out_bytes(&head, &o);
    fwrite(head.data, 1, head.len, f);
    for (size_t i = 0; i < n; i++)
        for (uint64_t r = 0; r < (t[i].rows ? t[i].rows : 1); r++)
            put_row(f, &t[i]);
    buf_clear(&head);
    gguf_out_clear(&o);
    return fclose(f) != 0;
}
