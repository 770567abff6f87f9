/*
 * shapegguf LAYERS VOCABULARY CONTEXT OUT.gguf: a model of the shape of
 * SmolLM 135M, but with so many layers (30), token ids (49152) and positions,
 * whose matrices are random blocks of Q8_0, without a tokenizer.  For
 * bench/job.
 */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "tests/gguf_util.h"

enum { DIM = 576, FFN = 1536, HEADS = 9, KV_HEADS = 3 };
enum { F32 = 0, Q8_0 = 8, BLOCK = 32, BLOCK_BYTES = 34 };

static uint64_t state = 88172645463325252u;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Gains of 1; or blocks of random bytes under a scale of 2^-11. */
static void put_shape_tensor(struct gguf_out *o, const char *name,
                             uint64_t cols, uint64_t rows)
{
    size_t n = (size_t)(rows ? rows * (cols / BLOCK) * BLOCK_BYTES : cols * 4);
    unsigned char *data = xcalloc(n, 1);

    for (size_t i = 0; !rows && i < n; i += 4)
        set_u32(data + i, f32_bits(1));
    for (size_t i = 0; rows && i < n; i++)
        data[i] = i % BLOCK_BYTES == 0   ? 0
                  : i % BLOCK_BYTES == 1 ? 0x10
                                         : (unsigned char)(next() >> 32);
    gguf_put_tensor(o, name, rows ? Q8_0 : F32, cols, rows, data, n);
    free(data);
}

static void put_layer(struct gguf_out *o, unsigned layer)
{
    static const struct {
        const char *name;
        uint64_t cols, rows;
    } part[] = {
        { "attn_norm", DIM, 0 }, { "attn_q", DIM, DIM },
        { "attn_k", DIM, DIM / HEADS * KV_HEADS },
        { "attn_v", DIM, DIM / HEADS * KV_HEADS },
        { "attn_output", DIM, DIM }, { "ffn_norm", DIM, 0 },
        { "ffn_gate", DIM, FFN }, { "ffn_up", DIM, FFN },
        { "ffn_down", FFN, DIM },
    };

    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        char *name = xasprintf("blk.%u.%s.weight", layer, part[i].name);

        put_shape_tensor(o, name, part[i].cols, part[i].rows);
        free(name);
    }
}

static unsigned number(const char *text, unsigned most)
{
    unsigned long n = strtoul(text, NULL, 10);

    if (n > 0 && n <= most)
        return (unsigned)n;
    fprintf(stderr, "shapegguf: \"%s\": 1 to %u expected\n", text, most);
    exit(2);
}

int main(int argc, char **argv)
{
    unsigned layers, vocab, context;
    struct gguf_out o;

    if (argc != 5) {
        fprintf(stderr, "usage: shapegguf LAYERS VOCABULARY CONTEXT"
                        " OUT.gguf\n");
        return 2;
    }
    layers = number(argv[1], 128);
    vocab = number(argv[2], 262144);
    context = number(argv[3], 131072);
    gguf_out_init(&o);
    gguf_put_text(&o, "general.architecture", "llama");
    gguf_put_u32(&o, "llama.context_length", context);
    gguf_put_u32(&o, "llama.embedding_length", DIM);
    gguf_put_u32(&o, "llama.block_count", layers);
    gguf_put_u32(&o, "llama.feed_forward_length", FFN);
    gguf_put_u32(&o, "llama.attention.head_count", HEADS);
    gguf_put_u32(&o, "llama.attention.head_count_kv", KV_HEADS);
    gguf_put_f32(&o, "llama.rope.freq_base", 10000);
    gguf_put_f32(&o, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    put_shape_tensor(&o, "token_embd.weight", DIM, vocab);
    put_shape_tensor(&o, "output_norm.weight", DIM, 0);
    for (unsigned l = 0; l < layers; l++)
        put_layer(&o, l);
    gguf_out_write(&o, argv[4]);
    gguf_out_clear(&o);
    return 0;
}
