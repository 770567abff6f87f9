/*
 * shapegguf SHAPE [LAYERS VOCABULARY CONTEXT] OUT.gguf: a model of the shape of
 * a Llama (model/shape.h), perhaps with so many layers, token ids and
 * positions, whose matrices are random blocks of Q8_0.  Its tokenizer has bytes
 * and words that are numbers: other engines load no model without one.  For
 * bench/job and bench/peer.
 */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "model/shape.h"
#include "proof/model_record.h"
#include "tests/gguf_util.h"

enum { F32 = 0, Q8_0 = 8, BLOCK = 32, BLOCK_BYTES = 34 };
enum { GGUF_I32 = 5, GGUF_F32 = 6, GGUF_TEXT = 8 }; /* of array elements */
enum { N_MARKS = 3, N_BYTES = 256 };
enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 }; /* tokens */

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

static void put_layer(struct gguf_out *o, const struct model_record *r,
                      unsigned layer)
{
    uint64_t q = (uint64_t)r->n_heads * r->head_dim;
    uint64_t kv = (uint64_t)r->n_kv_heads * r->head_dim;
    const struct {
        const char *name;
        uint64_t cols, rows;
    } part[] = {
        { "attn_norm", r->dim, 0 }, { "attn_q", r->dim, q },
        { "attn_k", r->dim, kv }, { "attn_v", r->dim, kv },
        { "attn_output", q, r->dim }, { "ffn_norm", r->dim, 0 },
        { "ffn_gate", r->dim, r->ffn_dim }, { "ffn_up", r->dim, r->ffn_dim },
        { "ffn_down", r->ffn_dim, r->dim },
    };

    for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        char *name = xasprintf("blk.%u.%s.weight", layer, part[i].name);

        put_shape_tensor(o, name, part[i].cols, part[i].rows);
        free(name);
    }
}

static void put_token(struct gguf_out *o, unsigned id)
{
    static const char *const marks[N_MARKS] = { "<unk>", "<s>", "</s>" };
    char text[16];

    if (id < N_MARKS)
        snprintf(text, sizeof(text), "%s", marks[id]);
    else if (id < N_MARKS + N_BYTES)
        snprintf(text, sizeof(text), "<0x%02X>", id - N_MARKS);
    else
        snprintf(text, sizeof(text), "t%u", id);
    gguf_put_element(o, text, strlen(text));
}

static void put_tokenizer(struct gguf_out *o, unsigned n)
{
    gguf_put_text(o, "tokenizer.ggml.model", "llama");
    gguf_put_array(o, "tokenizer.ggml.tokens", GGUF_TEXT, n);
    for (unsigned i = 0; i < n; i++)
        put_token(o, i);
    gguf_put_array(o, "tokenizer.ggml.scores", GGUF_F32, n);
    for (unsigned i = 0; i < n; i++)
        buf_put_u32(&o->keys, f32_bits(-(float)i));
    gguf_put_array(o, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (unsigned i = 0; i < n; i++)
        buf_put_u32(&o->keys, i == 0                    ? UNKNOWN
                              : i < N_MARKS             ? CONTROL
                              : i < N_MARKS + N_BYTES ? BYTE
                                                        : NORMAL);
    gguf_put_u32(o, "tokenizer.ggml.bos_token_id", 1);
    gguf_put_u32(o, "tokenizer.ggml.eos_token_id", 2);
    gguf_put_u32(o, "tokenizer.ggml.unknown_token_id", 0);
}

static unsigned number(const char *text, unsigned least, unsigned most)
{
    unsigned long n = strtoul(text, NULL, 10);

    if (n >= least && n <= most)
        return (unsigned)n;
    fprintf(stderr, "shapegguf: \"%s\": %u to %u expected\n", text, least,
            most);
    exit(2);
}

static void put_keys(struct gguf_out *o, const struct model_record *r)
{
    gguf_put_text(o, "general.architecture", "llama");
    gguf_put_u32(o, "llama.context_length", r->context);
    gguf_put_u32(o, "llama.embedding_length", r->dim);
    gguf_put_u32(o, "llama.block_count", r->n_layers);
    gguf_put_u32(o, "llama.feed_forward_length", r->ffn_dim);
    gguf_put_u32(o, "llama.attention.head_count", r->n_heads);
    gguf_put_u32(o, "llama.attention.head_count_kv", r->n_kv_heads);
    gguf_put_f32(o, "llama.rope.freq_base", 10000);
    gguf_put_f32(o, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    put_tokenizer(o, r->n_vocab);
}

int main(int argc, char **argv)
{
    struct model_record r;
    struct gguf_out o;

    if ((argc != 3 && argc != 6) || shape_find(&r, argv[1]) ||
        r.flags & ~(uint32_t)MODEL_TIED) {
        fprintf(stderr, "usage: shapegguf SHAPE [LAYERS VOCABULARY CONTEXT]"
                        " OUT.gguf\n");
        return 2;
    }
    if (argc == 6) {
        r.n_layers = number(argv[2], 1, 128);
        r.n_vocab = number(argv[3], N_MARKS + N_BYTES, 262144);
        r.context = number(argv[4], 1, 131072);
    }
    gguf_out_init(&o);
    put_keys(&o, &r);
    put_shape_tensor(&o, "token_embd.weight", r.dim, r.n_vocab);
    put_shape_tensor(&o, "output_norm.weight", r.dim, 0);
    if (!(r.flags & MODEL_TIED))
        put_shape_tensor(&o, "output.weight", r.dim, r.n_vocab);
    for (unsigned l = 0; l < r.n_layers; l++)
        put_layer(&o, &r, l);
    gguf_out_write(&o, argv[argc - 1]);
    gguf_out_clear(&o);
    return 0;
}
